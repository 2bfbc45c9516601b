"""Turns that nobody knows: draws have the lane's shares, and a schedule serves all of them."""

from __future__ import annotations

import numpy as np
import pytest
from planner_cases import DRIVING, displays, now, traffic

from optimizer.horizon import effort, replay, search
from optimizer.scenarios import beside, displays_beside, draw, streams, turn

THROUGH, LEFT, BESIDE, RED = 0, 1, 2, 3
SHARES = (0.7, 0.2, 0.1)


def test_any_few_in_a_row_have_the_shares_of_their_lane() -> None:
    """Twenty vehicles from wherever one begins: each turn within one of its share."""
    for begin in range(200):
        turns = [turn(draw(number), (4, 5, 6), SHARES) for number in range(begin, begin + 20)]
        counts = [turns.count(link) for link in (4, 5, 6)]
        assert counts == pytest.approx([20 * share for share in SHARES], abs=1.5)


def test_the_scenarios_of_one_vehicle_have_the_shares_too() -> None:
    """One in four turns off where a quarter does, whichever vehicle it is."""
    known = np.full(30, 9, dtype=np.int64)
    drawn = np.array([draw(number) for number in range(30)])
    drawn[7] = -1.0
    ways = {number: ((4, 5), (0.75, 0.25)) for number in range(30) if number != 7}
    turned = np.array(streams(known, drawn, ways, 4))
    assert ((turned == 5).sum(axis=0) == (np.arange(30) != 7)).all()
    assert (turned[:, 7] == 9).all()


def test_without_counts_all_turns_are_alike() -> None:
    """Nothing was counted on the lane yet."""
    assert [turn(at, (4, 5), (0.0, 0.0)) for at in (0.1, 0.6)] == [4, 5]


def test_a_stage_is_chosen_for_what_the_first_vehicle_may_want() -> None:
    """Three of unknown turn wait behind each other, one on the lane beside.

    The first stage serves their through movement and the lane beside, the second both of their
    turns. Drawn once, all go through and the first stage serves everybody. But half turn left:
    then the first of them would hold the others.
    """
    shown = displays([[RED], [THROUGH, BESIDE], [THROUGH, LEFT]], 4)
    waiting = traffic([[0.0, 0.0, 0.0], [], [0.0], []])
    drawn = np.array([0.1, 0.2, 0.3, -1.0])
    ways = dict.fromkeys(range(3), ((THROUGH, LEFT), (0.5, 0.5)))
    first = {}
    for count in (1, 4):
        turned = streams(waiting.movement, drawn, ways, count)
        found = search(
            now(3),
            displays_beside(shown, count, 0),
            beside(waiting, turned, 4),
            DRIVING,
            effort(40),
        )
        first[count] = int(found.stage[0])
    assert first == {1: 1, 4: 2}


def test_a_copy_gives_way_to_its_own_traffic_only() -> None:
    """Every index of a copy points into that copy, and what is nowhere stays so."""
    one = displays([[0], [1]], 2)
    yields_to = one.yields_to.copy()
    yields_to[0, 0, 0] = 1
    crosses = one.crosses.copy()
    crosses[0, 1] = crosses[1, 0] = True
    exit_of = np.array([0, -1], dtype=np.int64)
    one = one._replace(yields_to=yields_to, crosses=crosses, exit_of=exit_of)
    three = displays_beside(one, 3, 1)
    assert three.yields_to[0, ::2, 0].tolist() == [1, 3, 5]
    assert (three.yields_to[1:] == -1).all()
    assert three.exit_of.tolist() == [0, -1, 1, -1, 2, -1]
    assert three.crosses.sum() == 6
    assert three.order.tolist() == [0, 1, 2, 3, 4, 5]


def test_where_all_is_known_copies_change_nothing() -> None:
    """Same schedule, same cost, and in each copy everybody passes at the same times."""
    shown = displays([[0, 1], [2], [3]], 4)
    some = traffic([[0.0, 0.0, 7.0], [3.0, 9.0], [0.0, 1.0, 1.0, 20.0], [15.0]])
    bounds = effort(60)
    one = search(now(3), shown, some, DRIVING, bounds)
    turned = streams(some.movement, np.full(10, -1.0), {}, 4)
    rest = (displays_beside(shown, 4, 0), beside(some, turned, 4), DRIVING, bounds)
    four = search(now(3), *rest)
    assert four.cost == pytest.approx(one.cost)
    assert (four.change_s.tolist(), four.stage.tolist()) == (
        one.change_s.tolist(),
        one.stage.tolist(),
    )
    _, passes_s = replay(one, now(3), shown, some, DRIVING, bounds)
    _, all_pass_s = replay(four, now(3), *rest)
    assert all_pass_s.reshape(4, -1).tolist() == [passes_s.tolist()] * 4
