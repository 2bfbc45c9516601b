"""What is composed may always be shown, and leaves out nothing that lanes could do together."""

from __future__ import annotations

from itertools import chain, combinations

from hypothesis import given
from hypothesis import strategies as st

from models.junction import Junction, Movement, SafetyEnvelope, Turn
from simulation.composed_stages import MOST_COMPOSED, composed_states
from simulation.network import LinkRightOfWay


@st.composite
def crossings_of_lanes(
    draw: st.DrawFn,
) -> tuple[Junction, list[frozenset[int]], LinkRightOfWay, list[str]]:
    """A junction of up to six lanes with one or two links each, and a plan of up to three states.

    One movement may have links on two lanes; some links give way to those they cross.
    """
    sizes = draw(st.lists(st.integers(1, 2), min_size=2, max_size=6))
    lanes, links = [], 0
    for size in sizes:
        lanes.append(frozenset(range(links, links + size)))
        links += size
    owner = list(range(links))
    if draw(st.booleans()):
        owner[links - 1] = owner[0]
    groups = [tuple(k for k in range(links) if owner[k] == who) for who in dict.fromkeys(owner)]
    junction = Junction(
        "J",
        tuple(
            Movement(f"J:a{n}>b", f"a{n}", "b", Turn.THROUGH, (), group)
            for n, group in enumerate(groups)
        ),
        (),
        envelope=SafetyEnvelope(),
    )
    pairs = [p for p in combinations(range(links), 2) if not any(set(p) <= ln for ln in lanes)]
    conflicts = [pair for pair in pairs if draw(st.booleans())]
    yields = {pair if draw(st.booleans()) else pair[::-1] for pair in conflicts}
    right = LinkRightOfWay(frozenset(map(frozenset, conflicts)), frozenset(yields))
    states = []
    for _ in range(draw(st.integers(1, 3))):
        letters = ["r"] * links
        for link in draw(st.permutations(range(links))):
            rivals = [k for k in range(links) if frozenset((k, link)) in right.conflicts]
            if not any(letters[k] in "Gg" for k in rivals):
                letters[link] = draw(st.sampled_from("GGgr"))
        stops = draw(st.sets(st.sampled_from([0, links - 1]), max_size=1))
        states.append("".join("s" if x == "r" and k in stops else x for k, x in enumerate(letters)))
    return junction, lanes, right, states


@given(crossings_of_lanes())
def test_composed_stages_are_safe_and_complete(
    made: tuple[Junction, list[frozenset[int]], LinkRightOfWay, list[str]],
) -> None:
    junction, lanes, right, states = made
    composed = composed_states(states, junction, lanes, right)
    assert len(composed) <= MOST_COMPOSED
    assert len(set(composed)) == len(composed)
    assert not set(composed) & set(states)
    may_stop = {k for state in states for k, letter in enumerate(state) if letter == "s"}
    always = {k for k in range(len(states[0])) if all(state[k] in "Gg" for state in states)}
    for state in composed:
        for pair in right.conflicts:
            one, other = sorted(pair)
            assert not state[one] == state[other] == "G"
            for link, rival in ((one, other), (other, one)):
                if state[link] in "gs" and state[rival] == "G":
                    assert (link, rival) in right.yields
        assert {k for k, letter in enumerate(state) if letter == "s"} <= may_stop
        assert {k for k, letter in enumerate(state) if letter == "g"} <= always
        for movement in junction.movements:
            green = {link for link in movement.links if state[link] in "Gg"}
            assert green == set(movement.links) or green <= always

    def closed(group: frozenset[frozenset[int]]) -> frozenset[int]:
        links = frozenset(chain.from_iterable(group))
        for movement in junction.movements:
            if links & set(movement.links):
                links |= set(movement.links)
        return links

    def protected(state: str) -> frozenset[int]:
        return frozenset(k for k, letter in enumerate(state) if letter == "G")

    shown = [protected(state) for state in (*states, *composed)]
    if len(composed) < MOST_COMPOSED:
        driven = [lane for lane in lanes if not lane <= may_stop]
        for count in range(1, len(driven) + 1):
            for group in combinations(driven, count):
                links = closed(frozenset(group))
                if any(pair <= links for pair in right.conflicts):
                    continue
                assert any(set(chain.from_iterable(group)) <= green for green in shown)
