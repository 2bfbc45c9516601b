"""One act that lasts is flagged once, though its vehicle's track broke."""

from __future__ import annotations

import pytest

from detection.repeats import Repeats
from detection.trajectory import TrajectoryPoint
from models.violation import ViolationKind as Kind


def riding(from_s: float, to_s: float, speed_mps: float, x: float = 0.0) -> list[TrajectoryPoint]:
    """Sightings six times a second of one whose place is its speed times the time."""
    points = []
    for frame in range(round(from_s * 6), round(to_s * 6) + 1):
        time_s = frame / 6
        at = (x, speed_mps * time_s)
        points.append(
            TrajectoryPoint(
                time_s, frame, (0.0, 0.0), at, at, at[1], at[1], speed_mps, False, (0, 0, 9, 9)
            )
        )
    return points


@pytest.mark.parametrize(
    ("kind", "first", "then", "again"),
    [
        (Kind.PAVEMENT, riding(0, 4, 4.5), riding(5, 8, 4.5), True),
        (Kind.PAVEMENT, riding(0, 4, 4.5), riding(9, 12, 4.5), False),  # too long ago
        (Kind.PAVEMENT, riding(0, 4, 4.5), riding(5, 8, 4.5, x=9.0), False),  # elsewhere
        (Kind.PAVEMENT, riding(0, 8, 4.5), riding(5, 8, 4.5, x=2.0), False),  # side by side
        (Kind.ILLEGAL_STOPPING, riding(0, 30, 0.0), riding(45, 70, 0.0, x=5.0), True),
        (Kind.ILLEGAL_STOPPING, riding(0, 30, 0.0), riding(55, 80, 0.0), False),
        (Kind.RED_LIGHT, riding(0, 4, 4.5), riding(5, 8, 4.5), False),  # of an instant
    ],
)
def test_a_new_track_goes_on_with_an_act_that_was_told(
    kind: Kind, first: list[TrajectoryPoint], then: list[TrajectoryPoint], again: bool
) -> None:
    repeats = Repeats()
    assert not repeats.again(kind, 1, first)
    assert repeats.again(kind, 2, then) is again
    other = Kind.WRONG_LANE if kind is not Kind.WRONG_LANE else Kind.BLOCKING
    assert not repeats.again(other, 2, then)


def test_two_tracks_that_take_turns_with_one_rider_are_one() -> None:
    repeats = Repeats()
    rides = riding(0, 8, 4.5)
    assert not repeats.again(Kind.PAVEMENT, 1, [*rides[:30], *rides[30::2]])
    assert repeats.again(Kind.PAVEMENT, 2, rides[31::2])


def test_no_more_are_flagged_than_were_seen_at_once() -> None:
    """Three riders close behind each other, and four tracks that share them."""
    repeats = Repeats()
    first, second, third = (riding(0, 8, 4.5, x=1.5 * k) for k in range(3))
    stolen, rest = second[31::2], [*second[:30], *second[30::2]]
    assert not repeats.again(Kind.PAVEMENT, 1, first)
    assert not repeats.again(Kind.PAVEMENT, 2, stolen)
    assert not repeats.again(Kind.PAVEMENT, 3, third)
    assert repeats.again(Kind.PAVEMENT, 4, rest)
    # A fourth rider, seen beside all of them, is one.
    assert not repeats.again(Kind.PAVEMENT, 5, riding(0, 8, 4.5, x=4.5))


def test_a_lost_track_that_goes_on_with_another_vehicle_is_still_the_flagged_one() -> None:
    repeats = Repeats()
    swapped = [*riding(0, 4, 4.5), *riding(6, 8, 9.0, x=6.0)]
    assert not repeats.again(Kind.PAVEMENT, 1, swapped)
    assert repeats.again(Kind.PAVEMENT, 2, riding(5, 8, 4.5))
    # Two who stand side by side, one of them not seen for a moment when the other came.
    assert not repeats.again(Kind.BLOCKING, 3, [*riding(0, 4, 0.0), *riding(6, 8, 0.0)])
    assert not repeats.again(Kind.BLOCKING, 4, riding(5, 8, 0.0, x=1.5))


def test_a_box_of_another_size_at_the_end_of_a_lost_track_is_not_the_flagged_vehicle() -> None:
    another = [point._replace(box_px=(0, 0, 9, 4)) for point in riding(4.5, 5, 9.0, x=4.0)]
    repeats = Repeats()
    assert not repeats.again(Kind.WRONG_LANE, 1, [*riding(0, 4, 0.5), *another])
    assert repeats.again(Kind.WRONG_LANE, 2, riding(9, 12, 0.3))
    # One that is seen all along does not become another by what its box looks like for a moment.
    repeats = Repeats()
    assert not repeats.again(Kind.WRONG_LANE, 1, [*riding(0, 4, 4.5), *riding(4.2, 9, 4.5)])
    assert not repeats.again(Kind.WRONG_LANE, 2, riding(5, 8, 4.5, x=2.0))


def test_a_track_that_stood_and_goes_on_with_the_flagged_rider_tells_nothing_new() -> None:
    """He rides past one who stands, and they change tracks: each goes on as the other was."""
    rides, stands = (
        riding(0, 9, 4.5),
        [
            point._replace(time_s=frame / 6, frame=frame, centre=(0.5, 23.0), speed_mps=0.0)
            for frame, point in enumerate(riding(0, 9, 4.5))
        ],
    )
    repeats, flagged, other = Repeats(), [*rides[:30], *stands[33:]], [*stands[:31], *rides[32:]]
    assert not repeats.again(Kind.WRONG_WAY, 1, flagged)
    assert repeats.again(Kind.WRONG_WAY, 2, other, since_s=32 / 6)
    assert not Repeats().again(Kind.WRONG_WAY, 2, other, since_s=32 / 6)
    far = [point._replace(centre=(9.0, point.centre[1])) for point in other]
    assert not repeats.again(Kind.WRONG_WAY, 3, far, since_s=32 / 6)
