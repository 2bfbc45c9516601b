"""Turns told by what drivers do before: who takes the longer queue, and who changes lanes."""

from __future__ import annotations

import pytest

from models.policy import Connection, ControlLane, DetectorReading, Track, Turned
from optimizer.turning import PRIOR_VEH, Turning

LEFT, THROUGH, RIGHT = "J:a>l", "J:a>t", "J:a>r"
USUAL = {LEFT: 0.5, THROUGH: 0.5}


def _lane(name: str, *movements: str) -> ControlLane:
    ways = tuple(Connection(k, movement, "b_0") for k, movement in enumerate(movements))
    return ControlLane(name, "a", 200.0, 200.0, 150.0, 15.0, 3.2, ways)


def _turning() -> Turning:
    lanes = [_lane("a_0", RIGHT, THROUGH), _lane("a_1", THROUGH, LEFT)]
    return Turning({lane.id: lane for lane in lanes})


def _read(*tracks: tuple[int, float], turned: tuple[Turned, ...] = ()) -> DetectorReading:
    followed = tuple(Track(at_m, 0.0, number) for number, at_m in tracks)
    return DetectorReading(0, len(turned), 0.0, len(tracks), len(tracks), followed, turned)


def _arrives(turning: Turning, number: int, *, beside: int, movement: str) -> None:
    """One comes to stand third on the left lane, ``beside`` on the other; he goes and turns."""
    standing = [(1000 + number * 10 + k, 1.0 + 7.5 * k) for k in range(2)]
    other = [(1005 + number * 10 + k, 1.0 + 3.0 * k) for k in range(beside)]
    turning.look({"a_1": _read(*standing, (number, 16.0)), "a_0": _read(*other)})
    turning.look({"a_1": _read(), "a_0": _read()})
    turning.look({"a_1": _read(turned=(Turned(number, movement),)), "a_0": _read()})


def test_who_takes_the_longer_queue_wants_what_the_shorter_does_not_lead_to() -> None:
    """Twenty who stood behind two though the other lane was empty turned left."""
    turning = _turning()
    for number in range(20):
        _arrives(turning, number + 1, beside=0, movement=LEFT)
        _arrives(turning, number + 101, beside=5, movement=THROUGH)
    queue = ((901, 1.0), (902, 8.5), (903, 16.0))
    turning.look({"a_1": _read(*queue), "a_0": _read((904, 1.0))})
    longer = turning.shares("a_1", 903, USUAL)
    assert longer[LEFT] / sum(longer.values()) == pytest.approx(22 / 24)
    # Behind nobody on either lane, nothing is known of him, nor of whoever is not followed.
    assert turning.shares("a_1", 901, USUAL) == USUAL
    assert turning.shares("a_1", 0, USUAL) == USUAL
    # Where the other lane was longer, he may want what both lead to.
    turning.look({"a_1": _read((905, 30.0)), "a_0": _read((906, 1.0), (907, 8.5))})
    assert turning.shares("a_1", 905, USUAL)[THROUGH] == 20.0 + PRIOR_VEH / 2


def test_who_comes_over_is_told_from_who_was_there() -> None:
    """Those who changed to the left lane within the view went left."""
    turning = _turning()
    for number in range(1, 11):
        turning.look({"a_0": _read((number, 40.0)), "a_1": _read()})
        turning.look({"a_0": _read(), "a_1": _read((number, 20.0))})
        turning.look({"a_0": _read(), "a_1": _read(turned=(Turned(number, LEFT),))})
    turning.look({"a_0": _read((50, 40.0)), "a_1": _read((51, 40.0))})
    turning.look({"a_0": _read(), "a_1": _read((50, 20.0), (51, 28.0))})
    assert turning.shares("a_1", 50, USUAL)[LEFT] == 10.0 + PRIOR_VEH / 2
    assert turning.shares("a_1", 51, USUAL) == USUAL


def test_what_was_learned_is_forgotten() -> None:
    """A hundred turned left in the morning; forty who go through outweigh them."""
    turning = _turning()
    for number in range(140):
        _arrives(turning, number + 1, beside=0, movement=LEFT if number < 100 else THROUGH)
    turning.look({"a_1": _read((901, 1.0), (902, 8.5)), "a_0": _read()})
    shares = turning.shares("a_1", 902, USUAL)
    assert shares[THROUGH] > shares[LEFT]
