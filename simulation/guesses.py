"""What a network leaves open and an import had to guess, one line for each thing."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection

from models.junction import Junction
from simulation.netfile import NetFile

REACTION_S, DECELERATION_MPS2 = 1.0, 3.05
"""Yellow change after ITE (2020), level road: t + v / (2 a)."""
STAND_IN_YELLOW_S = 3.0
_MANY = 4


def junction_guesses(net: NetFile, junction: Junction) -> tuple[str, ...]:
    """What had to be guessed of one junction."""
    program = net.programs[junction.id]
    lines = list(program.guessed)
    spare = net.spare_programs.get(junction.id, ())
    if spare:
        lines.append(
            f"program {program.program!r} is taken, the last as SUMO does; "
            f"left: {', '.join(repr(name) for name in spare)}"
        )
    for group in sorted(junction.tied, key=sorted):
        lines.append(f"share a signal head and are shown alike: {_listed(sorted(group))}")
    lines += _split_movements(net, junction)
    lines += _yields_at_the_side(junction)
    limit_mps = max(
        (lane.speed_mps for m in junction.movements for lane in net.edges[m.from_edge].lanes),
        default=0.0,
    )
    yellow_s = REACTION_S + limit_mps / (2 * DECELERATION_MPS2)
    yellow_s = math.ceil(yellow_s * 10 - 1e-9) / 10
    if yellow_s > max(STAND_IN_YELLOW_S, junction.envelope.yellow_change_ds / 10):
        lines.append(
            f"yellow_change_s: {limit_mps * 3.6:.0f} km/h asks for {yellow_s:g} s of yellow; "
            f"{junction.envelope.yellow_change_ds / 10:g} s stands in"
        )
    if junction.crossings:
        lines.append("ped_clearance_s: length of the crossing at 1.2 m/s")
    return tuple(lines)


def _split_movements(net: NetFile, junction: Junction) -> list[str]:
    """Movements whose lanes the program shows apart, and those it never shows green."""
    apart, never = [], []
    rows = [state for _, state in net.programs[junction.id].rows]
    for movement in junction.movements:
        shown = [{state[link] for link in movement.links} for state in rows]
        if any(len({letter.lower() for letter in letters}) > 1 for letters in shown):
            apart.append(movement.id)
        if not any(letters & set("GgoO") for letters in shown):
            never.append(movement.id)
    lines = []
    if apart:
        lines.append(f"lanes shown apart by the program are one movement here: {_listed(apart)}")
    if never:
        lines.append(f"never green in the program: {_listed(never)}")
    return lines


def _yields_at_the_side(junction: Junction) -> list[str]:
    """Movements straight on that may share a stage only because the program shows them so."""
    turns = {m.id: m.turn.value for m in junction.movements}
    found = sorted({one for one, _ in junction.permissive if turns.get(one) == "through"})
    if not found:
        return []
    return [f"may give way on green although straight on, as the program has it: {_listed(found)}"]


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _MANY} more" if len(names) > _MANY else ""
    return ", ".join(names[:_MANY]) + more


def network_guesses(net: NetFile) -> tuple[str, ...]:
    """What had to be guessed of the network as a whole."""
    lines = []
    if "osm-files" in net.converted:
        lines.append(
            "netconvert made the network of OpenStreetMap: lanes, turns and signal programs are "
            "its guesses"
        )
    if net.converted.get("crossings.guess") == "true":
        lines.append("netconvert guessed pedestrian crossings where footpaths meet")
    return tuple(lines)


def parts(net: NetFile, signals: Collection[str]) -> tuple[str, ...]:
    """A line on each part of a network that no street joins to the largest one."""
    streets = {e.id for e in net.edges.values() if e.function in ("", "normal") and e.traffic_lanes}
    beside: dict[str, set[str]] = defaultdict(set)
    heads: dict[str, set[str]] = defaultdict(set)
    for link in net.links:
        if link.from_edge in streets and link.to_edge in streets:
            beside[link.from_edge].add(link.to_edge)
            beside[link.to_edge].add(link.from_edge)
            if link.tl in signals:
                heads[link.from_edge].add(link.tl)
    # Opposite directions of one street are one street, whether or not one may turn there.
    ends: dict[frozenset[str], list[str]] = defaultdict(list)
    for edge in streets:
        ends[frozenset((net.edges[edge].from_node, net.edges[edge].to_node))].append(edge)
    for group in ends.values():
        for edge in group[1:]:
            beside[edge].add(group[0])
            beside[group[0]].add(edge)
    found: list[set[str]] = []
    left = set(streets)
    while left:
        queue = [min(left)]
        part = set(queue)
        while queue:
            fresh = beside[queue.pop()] - part
            part |= fresh
            queue += fresh
        left -= part
        found.append(part)
    found.sort(key=lambda part: (-len(part), min(part)))
    lines = []
    for part in found[1:]:
        own = sorted({signal for edge in part for signal in heads[edge]})
        held = f"with junction {_listed(own)}" if own else "without signals"
        lines.append(
            f"{len(part)} edges {held} hang together with no other street ({min(part)}, ...)"
        )
    return tuple(lines)
