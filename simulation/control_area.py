"""What a policy controls on a site: lanes, stages, change intervals, the ways between signals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from models.errors import BadInput, XanhError
from models.junction import Junction, movement_id
from models.plan import JunctionPlan, Plan, Stage
from models.policy import (
    QUEUE_VIEW_M,
    ChangeInterval,
    Connection,
    ControlArea,
    ControlJunction,
    ControlLane,
    ControlStage,
    Sensing,
    StageChoice,
    UpstreamDetector,
)
from models.site import Site
from simulation.composed_stages import composed_states
from simulation.lane_graph import (
    ENTRY_M,
    SIGHT_M,
    DetectorPlace,
    LaneChain,
    LaneGraph,
    ViewedLane,
)
from simulation.netfile import read_net
from simulation.network import LinkRightOfWay, link_right_of_way
from simulation.programs import MAX_RED_CLEARANCE_DS
from simulation.red_extension import InnerLane, inner_lanes


@dataclass(frozen=True, slots=True)
class EnvelopeChange:
    """What replaces parts of every junction's safety envelope for one run; None keeps them."""

    yellow_s: float | None = None
    red_s: float | None = None
    min_green_s: float | None = None

    def applied(self, site: Site) -> Site:
        """The site with its junctions' envelopes changed."""
        junctions = {name: self._changed(junction) for name, junction in site.junctions.items()}
        return replace(site, junctions=junctions)

    def _changed(self, junction: Junction) -> Junction:
        old = junction.envelope

        def ds(value_s: float | None, otherwise_ds: int) -> int:
            return otherwise_ds if value_s is None else round(value_s * 10)

        least_ds = ds(self.min_green_s, old.min_green_ds)
        envelope = replace(
            old,
            yellow_change_ds=ds(self.yellow_s, old.yellow_change_ds),
            red_clearance_ds=ds(self.red_s, old.red_clearance_ds),
            min_green_ds=least_ds,
            max_green_ds=max(old.max_green_ds, least_ds),
        )
        return replace(junction, envelope=envelope)


@dataclass(frozen=True, slots=True)
class Wiring:
    """A control area, and where in the network its parts lie.

    ``approach_chains`` end at the stop line of their lane, ``receiving_chains`` begin after a
    junction; both by the lane's id. ``entries`` and ``upstream`` are places of detectors;
    ``views`` what a camera sees of each lane, ``behind`` what it sees of the roads that lead to
    each approach on which something can be counted further back (by approach); ``inner`` the
    lanes within each junction.
    """

    area: ControlArea
    approach_chains: Mapping[str, LaneChain]
    receiving_chains: Mapping[str, LaneChain]
    entries: Mapping[str, DetectorPlace]
    upstream: Mapping[str, DetectorPlace]
    views: Mapping[str, tuple[ViewedLane, ...]]
    behind: Mapping[str, tuple[ViewedLane, ...]]
    inner: Mapping[str, tuple[InnerLane, ...]]


def wire(
    site: Site, plan: Plan, *, sensing: Sensing, choice: StageChoice = StageChoice.PLAN
) -> Wiring:
    """The control area of a site whose signals can show the stages of a plan.

    Args:
        site: A site with a network.
        plan: The plan in force.
        sensing: What the policy will be given.
        choice: What it may choose from: the plan's stages, or composed ones too.

    Raises:
        BadInput: If the site has no network.
        XanhError: If a junction's plan has no stage that may be shown.
    """
    if site.network is None:
        raise BadInput(
            str(site.folder / "site.yaml"),
            "network",
            "this site has no network, so no policy can run; valid is a SUMO .net.xml",
        )
    net = LaneGraph(read_net(site.network))
    step_s = site.simulation.step_s
    approach_chains: dict[str, LaneChain] = {}
    receiving_chains: dict[str, LaneChain] = {}
    entries: dict[str, DetectorPlace] = {}
    places: dict[str, DetectorPlace] = {}
    views: dict[str, tuple[ViewedLane, ...]] = {}
    behind: dict[str, tuple[ViewedLane, ...]] = {}
    junctions = {}
    planned = {item.junction: item for item in plan.junctions}
    for junction in site.junctions.values():
        if junction.id not in planned:
            raise XanhError(f"junction {junction.id}: the plan has no timing for it")
        links = net.signal_links(junction)
        lanes = {}
        for lane_id, group in links.items():
            chain = net.chain_back(net.lanes[lane_id])
            approach_chains[lane_id] = chain
            lane = net.lanes[lane_id]
            entry_m = min(ENTRY_M, max(0.0, chain.length_m - 1.0))
            entries[lane_id] = net.place(chain, entry_m)
            views[lane_id] = net.view(chain, QUEUE_VIEW_M)
            for link in group:
                receiving = f"{link.to_edge}_{link.to_lane}"
                receiving_chains[receiving] = net.chain_on(net.lanes[receiving])
            lanes[lane_id] = ControlLane(
                id=lane_id,
                approach=lane.edge,
                edge_m=lane.length_m,
                length_m=chain.length_m,
                entry_m=entry_m,
                speed_mps=lane.speed_mps,
                width_m=lane.width_m,
                connections=tuple(
                    Connection(
                        link.index,
                        movement_id(junction.id, link.from_edge, link.to_edge),
                        f"{link.to_edge}_{link.to_lane}",
                    )
                    for link in sorted(group, key=lambda link: link.index)
                ),
            )
        upstream = {}
        for approach in dict.fromkeys(lane.approach for lane in lanes.values()):
            own = tuple(lane.id for lane in lanes.values() if lane.approach == approach)
            nearest_m = min(lanes[lane].entry_m for lane in own)
            for place, distance_m in net.upstream(approach, nearest_m):
                name = f"{place.lane}@{place.at_m:.0f}"
                places[name] = place
                speed = net.lanes[place.lane].speed_mps
                upstream[name] = UpstreamDetector(name, approach, distance_m, speed, own)
                seen = {part.lane for lane in own for part in views[lane]}
                behind[approach] = net.behind(approach, seen, QUEUE_VIEW_M)
        junctions[junction.id] = _control(
            junction,
            planned[junction.id],
            net,
            lanes,
            upstream,
            receiving_chains,
            step_s,
            choice,
        )
    area = ControlArea(
        junctions=junctions,
        feeds=tuple(net.feeds(junctions)),
        step_s=step_s,
        sensing=sensing,
        sight_m=SIGHT_M,
        pcu={item.name: item.pcu for item in site.classes},
    )
    inner = {name: inner_lanes(net, control) for name, control in junctions.items()}
    return Wiring(area, approach_chains, receiving_chains, entries, places, views, behind, inner)


def _control(
    junction: Junction,
    plan: JunctionPlan,
    net: LaneGraph,
    lanes: Mapping[str, ControlLane],
    upstream: Mapping[str, UpstreamDetector],
    chains: Mapping[str, LaneChain],
    step_s: float,
    choice: StageChoice,
) -> ControlJunction:
    right_of_way = link_right_of_way(net.file, junction.id)
    shown, begin_s = _stages_shown(plan, junction, net.letters(junction))
    states = _without_clashes(
        list(dict.fromkeys(item.state for item in shown)), right_of_way, junction
    )
    if not states:
        raise XanhError(f"junction {junction.id}: its plan has no stage that a policy may show")
    names: dict[str, str] = {}  # by the state that is shown; the first stage gives the name
    for item in shown:
        if item.state in states:
            names.setdefault(states[item.state], item.name)
    if choice is StageChoice.COMPOSED:
        links = [[link.link for link in lane.connections] for lane in lanes.values()]
        for number, state in enumerate(composed_states(list(names), junction, links, right_of_way)):
            names[state] = f"+{number + 1}"
    stages = {name: control_stage(name, state, junction, step_s) for state, name in names.items()}
    schedule: list[tuple[str, float]] = []
    for item in shown:
        if item.state in states:
            schedule.append((names[states[item.state]], item.split_s))
        elif schedule:
            schedule[-1] = (schedule[-1][0], schedule[-1][1] + item.split_s)
        else:
            schedule.append((next(iter(stages)), item.split_s))
    return ControlJunction(
        junction=junction,
        lanes=lanes,
        stages=stages,
        changes={
            (a.id, b.id): change_interval(a, b, junction, right_of_way.yields, step_s)
            for a in stages.values()
            for b in stages.values()
            if a is not b
        },
        link_yields=right_of_way.yields,
        receiving_m={
            c.to_lane: chains[c.to_lane].length_m
            for lane in lanes.values()
            for c in lane.connections
        },
        max_red_s=junction.envelope.max_red_ds / 10,
        upstream=upstream,
        plan=tuple(schedule),
        plan_offset_s=plan.offset_ds / 10 + begin_s,
    )


@dataclass(frozen=True, slots=True)
class _Shown:
    """A stage of a plan: its state while everything that it serves is green, and its split."""

    name: str
    state: str
    split_s: float


def _stages_shown(
    plan: JunctionPlan, junction: Junction, letters: int
) -> tuple[list[_Shown], float]:
    """The stages of a plan in its order, and when in its cycle the first of them begins.

    Of a program as found, every row that is no part of an interstage begins a stage; a row in
    which nothing changed but that people stopped walking belongs to the stage before it.
    """
    if not plan.as_found:
        return [
            _Shown(stage.id, _state(stage, junction, letters), stage.split_ds / 10)
            for stage in plan.stages
        ], 0.0
    rows = plan.as_found
    walks = {link for crossing in junction.crossings for link in crossing.links}
    greens = [frozenset(k for k, x in enumerate(row.state) if x in "Gg") for row in rows]
    begins = []
    for index, row in enumerate(rows):
        before, after = greens[index - 1], greens[(index + 1) % len(rows)]
        inner = row.duration_ds <= MAX_RED_CLEARANCE_DS and greens[index] <= before & after
        lost = before - greens[index]
        stopped = lost and lost <= walks and not greens[index] - before
        changing = set(row.state) & set("yYu") or not greens[index]
        begins.append(not (changing or stopped or (inner and len(rows) > 1)))
    first = begins.index(True) if any(begins) else 0
    shown: list[_Shown] = []
    for index in (*range(first, len(rows)), *range(first)):
        row = rows[index]
        if begins[index]:
            shown.append(_Shown("", row.state.ljust(letters, "r"), row.duration_ds / 10))
        elif shown:
            shown[-1] = replace(shown[-1], split_s=shown[-1].split_s + row.duration_ds / 10)
    order = {state: f"S{n}" for n, state in enumerate(dict.fromkeys(s.state for s in shown), 1)}
    begin_s = sum(row.duration_ds for row in rows[:first]) / 10
    return [replace(item, name=order[item.state]) for item in shown], begin_s


def _state(stage: Stage, junction: Junction, letters: int) -> str:
    """A stage's letters; crossings stand as green."""
    state = ["r"] * letters
    links = {movement.id: movement.links for movement in junction.movements}
    links |= {crossing.id: crossing.links for crossing in junction.crossings}
    for name in stage.green:
        for link in links[name]:
            state[link] = "g" if name in stage.permissive else "G"
    return "".join(state)


def _without_clashes(
    states: Sequence[str], right: LinkRightOfWay, junction: Junction
) -> dict[str, str]:
    """What may be shown of each state; a state that may not be shown is left out.

    Where links that cross are both shown as protected, the one that always gives way by the
    network's right of way is shown as permissive. If neither does, the state is left out, unless
    a movement would then never be green: it is then shown as the network has it.
    """
    walks = {link for crossing in junction.crossings for link in crossing.links}
    pairs = [sorted(pair) for pair in right.conflicts if not pair <= walks]
    mended: dict[str, str] = {}
    clashing = []
    for state in states:
        letters = list(state)
        clash = False
        for a, b in pairs:
            if not letters[a] == letters[b] == "G":
                continue
            gives_way = {(a, b), (b, a)} & right.yields
            if len(gives_way) == 1:
                letters[gives_way.pop()[0]] = "g"
            else:
                clash = True
        if clash:
            clashing.append(state)
        else:
            mended[state] = "".join(letters)
    served = {link for state in mended.values() for link, k in enumerate(state) if k in "Gg"}
    for state in clashing:
        needed = {link for link, letter in enumerate(state) if letter in "Gg"} - served
        if needed:
            mended[state] = state
            served |= needed
    return {state: mended[state] for state in states if state in mended}


def control_stage(name: str, state: str, junction: Junction, step_s: float) -> ControlStage:
    """A stage that shows ``state``, with the envelope's minimum for whom it serves."""
    envelope = junction.envelope
    best: dict[str, str] = {}
    for movement in junction.movements:
        letters = {state[link] for link in movement.links}
        best[movement.id] = next((letter for letter in "Ggs" if letter in letters), "r")
    crossings = tuple(c.id for c in junction.crossings if any(state[k] in "Gg" for k in c.links))
    least_ds = max([envelope.min_green_ds, *(envelope.crossing_ds(c) for c in crossings)])
    return ControlStage(
        id=name,
        letters=state,
        protected=tuple(m for m, letter in best.items() if letter == "G"),
        permissive=tuple(m for m, letter in best.items() if letter == "g"),
        stop_then_go=tuple(m for m, letter in best.items() if letter == "s"),
        crossings=crossings,
        min_green_s=_up(least_ds / 10, step_s),
        max_green_s=max(envelope.max_green_ds, least_ds) / 10,
    )


def change_interval(
    first: ControlStage,
    second: ControlStage,
    junction: Junction,
    yields: frozenset[tuple[int, int]],
    step_s: float,
) -> ChangeInterval:
    """Clearances between two stages.

    Vehicles that lose green need yellow and red. Those that go on but must give way from now on
    to somebody who begins need the red: they entered without looking out for him. A crossing
    has been cleared before the change begins.
    """
    walks = {link for crossing in junction.crossings for link in crossing.links}
    pairs = list(enumerate(zip(first.letters, second.letters, strict=True)))
    envelope = junction.envelope
    red_s = _up(envelope.red_clearance_ds / 10, step_s)
    if any(a in "Gg" and b not in "Gg" for link, (a, b) in pairs if link not in walks):
        return ChangeInterval(_up(envelope.yellow_change_ds / 10, step_s), red_s)
    demoted = {link for link, (a, b) in pairs if a == "G" and b == "g"}
    beginning = {link for link, (a, b) in pairs if a not in "Gg" and b in "Gg"}
    if any(one in demoted and other in beginning for one, other in yields):
        return ChangeInterval(0.0, red_s)
    return ChangeInterval(0.0, 0.0)


def _up(value_s: float, step_s: float) -> float:
    return math.ceil(value_s / step_s - 1e-9) * step_s
