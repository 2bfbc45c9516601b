"""Stages beyond those of a plan: every set of whole lanes that no two paths of cross.

A plan's sequence holds few of the stages that a junction may show: often both directions of a
road together and never one alone. A policy that chooses freely gains from the others. They show
protected greens only, so who gives way to whom stays as the plan has it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from models.junction import Junction
from simulation.network import LinkRightOfWay

MOST_COMPOSED = 12
"""More than these are not looked at: of those, the ones that serve most lanes are kept."""


def composed_states(
    states: Sequence[str],
    junction: Junction,
    lanes: Sequence[Collection[int]],
    right: LinkRightOfWay,
) -> tuple[str, ...]:
    """Letters of the stages that a junction may show beside ``states``.

    Lanes are taken whole (all that is allowed from a lane is green, or the first who may not go
    holds the others) and movements too, on all their lanes. The largest sets without a conflict
    are completed with every movement that fits in. A set whose lanes are all protected in one of
    ``states`` already is left out. What always shows green goes on doing so where it conflicts
    with nothing or gives way, and so does what the plan lets stop and then go; lanes of which all
    may do so need no stage for their sake. People keep the stages of the plan, whose greens
    cover their clearance.

    Args:
        states: The plan's stages, one letter a link (``ControlStage.letters``).
        junction: For its movements and which of them share a signal head.
        lanes: Links of each lane that ends at a stop line.
        right: Links that cross, and who gives way.
    """
    heads = {movement.id: frozenset(movement.links) for movement in junction.movements}
    units = {
        frozenset(link for other in junction.unit(name) if other in heads for link in heads[other])
        for name in heads
    }
    walks = {link for crossing in junction.crossings for link in crossing.links}
    stop_then_go = {
        link for state in states for link, letter in enumerate(state) if letter == "s"
    } - walks
    always = {
        link for link in range(len(states[0])) if all(state[link] in "Gg" for state in states)
    } - walks
    crossing = _crossing(right)

    def fits(links: Collection[int], others: Collection[int]) -> bool:
        return not any(crossing.get(link, frozenset()) & set(others) for link in links)

    whole = [frozenset(lane) for lane in lanes if not set(lane) <= stop_then_go]
    closed = {lane: lane.union(*(unit for unit in units if unit & lane)) for lane in whole}
    able = [lane for lane in dict.fromkeys(whole) if fits(closed[lane], closed[lane])]
    together = {
        lane: frozenset(o for o in able if o != lane and fits(closed[lane], closed[o]))
        for lane in able
    }

    def served(green: Collection[int]) -> frozenset[frozenset[int]]:
        return frozenset(lane for lane in able if lane <= set(green))

    known = [served([k for k, letter in enumerate(state) if letter == "G"]) for state in states]
    found: dict[frozenset[frozenset[int]], str] = {}
    for clique in _cliques(frozenset(), frozenset(able), frozenset(), together):
        green = frozenset().union(*(closed[lane] for lane in clique))
        for unit in sorted(units, key=sorted):
            if fits(unit, unit) and fits(unit, green):
                green |= unit
        goal = served(green)
        if any(goal <= other for other in known):
            continue
        letters = ["G" if link in green else "r" for link in range(len(states[0]))]
        moving = set(green)
        for link in [*sorted(always - green), *sorted(stop_then_go - green)]:
            rivals = crossing.get(link, frozenset()) & moving
            if all((link, rival) in right.yields for rival in rivals):
                letters[link] = "s" if link in stop_then_go else "g" if rivals else "G"
                moving |= {link} & always
        found.setdefault(goal, "".join(letters))
    order = sorted(found, key=lambda goal: (-len(goal), sorted(map(sorted, goal))))
    return tuple(found[goal] for goal in order[:MOST_COMPOSED])


def _crossing(right: LinkRightOfWay) -> dict[int, frozenset[int]]:
    """Per link, those whose paths cross its own."""
    found: dict[int, set[int]] = {}
    for pair in right.conflicts:
        one, other = sorted(pair)
        found.setdefault(one, set()).add(other)
        found.setdefault(other, set()).add(one)
    return {link: frozenset(others) for link, others in found.items()}


def _cliques(
    chosen: frozenset[frozenset[int]],
    open_: frozenset[frozenset[int]],
    closed: frozenset[frozenset[int]],
    together: dict[frozenset[int], frozenset[frozenset[int]]],
) -> Iterator[frozenset[frozenset[int]]]:
    """The largest sets of lanes that all go together.

    Bron and Kerbosch (1973), Communications of the ACM 16, with a pivot.
    """
    if not open_ and not closed:
        if chosen:
            yield chosen
        return
    pivot = max(sorted(open_ | closed, key=sorted), key=lambda lane: len(together[lane] & open_))
    for lane in sorted(open_ - together[pivot], key=sorted):
        yield from _cliques(
            chosen | {lane}, open_ & together[lane], closed & together[lane], together
        )
        open_, closed = open_ - {lane}, closed | {lane}
