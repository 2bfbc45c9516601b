"""Two who met in the junction and changed tracks there are told by how they drive on."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from test_line_counter import VIEW, rider

from detection.counting import LineCrossing
from detection.exchange import part
from detection.lives import Life, Pending, Place
from detection.pipeline import CameraPipeline
from detection.ports import Detections
from detection.trajectory import Trajectory, TrajectoryPoint
from models.signals import SignalState
from models.site import VEHICLE_CLASSES
from models.violation import ViolationKind

INWARD = (0.0, 1.0)
MET_S = 10.0
Way = Callable[[float], tuple[float, float]]


def turning_back(t: float) -> tuple[float, float]:
    """Where one is at a time since they met: slowly out again."""
    return 0.0, 8.0 - 2.6 * t


def turning_left(t: float) -> tuple[float, float]:
    return -3.0 * t - 0.5, 8.3 + 4.0 * t


def beside(t: float) -> tuple[float, float]:
    """One who drives out three metres aside."""
    return 3.0, 8.0 - 3.0 * t


def begins_to_turn(t: float) -> tuple[float, float]:
    """Slowly in, then to the left."""
    return -0.6 * t * max(t, 0.0), 8.0 + 2.4 * t


def overtaking(t: float) -> tuple[float, float]:
    return 0.3, 8.2 + 7.0 * t


def keeping_up(t: float) -> tuple[float, float]:
    """One who comes behind, hardly faster."""
    return 0.3, 7.9 + 3.2 * t


def catching_up(t: float) -> tuple[float, float]:
    """One who overtakes a second later who begins to turn, and goes on with his boxes."""
    return (0.3, 5.3 + 7.0 * t) if t < 0.6 else begins_to_turn(t)


def life(track: int, before: Way, after: Way, *, crossed_s: float, until_s: float) -> Life:
    trajectory = Trajectory()
    for k in range(-9, round(6 * until_s) + 1):
        t = k / 6
        x, y = (before if t < 0 else after)(t)
        trajectory.add(
            TrajectoryPoint(MET_S + t, 0, (0, 0), (x, y), (x, y), y, y, 3.0, False, (0, 0, 20, 40))
        )
    ahead_mps = 6 * (after(until_s)[1] - after(until_s - 1 / 6)[1])
    aside_mps = 6 * (after(until_s)[0] - after(until_s - 1 / 6)[0])
    last = rider(track, x, y - 1.0, speed=ahead_mps)
    last = last._replace(
        velocity=(aside_mps, ahead_mps), speed_mps=math.hypot(aside_mps, ahead_mps)
    )
    kept = Life(trajectory, last, wheels_m=y - 1.0, over=True)
    kept.watch.crossing = LineCrossing(track, "in", crossed_s, 0, (0, 0), 5.0)
    return kept


def crossed(lives: dict[int, Life]) -> dict[int, float]:
    return {track: kept.watch.crossing.time_s for track, kept in lives.items()}


@pytest.mark.parametrize("until_s", [0.5, 0.67])
def test_who_changed_tracks_is_given_his_own(until_s):
    lives = {
        1: life(1, turning_back, turning_left, crossed_s=4.0, until_s=until_s),
        2: life(2, turning_left, turning_back, crossed_s=7.0, until_s=until_s),
    }
    part(lives, INWARD)
    # Track 2 is the one who drives back: he crossed first.
    assert crossed(lives) == {1: 7.0, 2: 4.0}
    assert {track: kept.last.id for track, kept in lives.items()} == {1: 1, 2: 2}
    for track, way in ((1, turning_left), (2, turning_back)):
        told = [p for p in lives[track].trajectory.points if abs(p.time_s - MET_S) > 0.2]
        for point in told:
            assert point.centre == pytest.approx(way(point.time_s - MET_S), abs=1e-6)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((turning_back, turning_back), (turning_left, turning_left)),
        ((turning_left, turning_back), (turning_left, turning_left)),
        ((turning_left, turning_back), (beside, beside)),
    ],
    ids=["nobody", "one alone", "with none that it could be"],
)
def test_who_did_not_keeps_his(one, other):
    lives = {
        1: life(1, *one, crossed_s=4.0, until_s=0.5),
        2: life(2, *other, crossed_s=7.0, until_s=0.5),
    }
    part(lives, INWARD)
    assert crossed(lives) == {1: 4.0, 2: 7.0}


def test_a_rider_did_not_change_tracks_with_a_car():
    lives = {
        1: life(1, turning_back, turning_left, crossed_s=4.0, until_s=0.5),
        2: life(2, turning_left, turning_back, crossed_s=7.0, until_s=0.5),
    }
    lives[1].last = lives[1].last._replace(vehicle_class="car")
    part(lives, INWARD)
    assert crossed(lives) == {1: 4.0, 2: 7.0}


def test_of_two_that_it_could_be_it_is_neither():
    lives = {
        1: life(1, turning_left, turning_back, crossed_s=4.0, until_s=0.5),
        2: life(2, turning_back, turning_left, crossed_s=6.0, until_s=0.5),
        3: life(3, turning_back, turning_left, crossed_s=7.0, until_s=0.5),
    }
    part(lives, INWARD)
    assert crossed(lives) == {1: 4.0, 2: 6.0, 3: 7.0}


@pytest.mark.parametrize(
    ("came", "goes", "his"),
    [
        (overtaking, begins_to_turn, True),
        (overtaking, overtaking, False),
        (keeping_up, begins_to_turn, False),
    ],
    ids=["he brakes and turns as the lost one did", "he drives on", "he came no faster"],
)
def test_who_overtook_one_that_was_lost_there_goes_on_with_his_vehicle(came, goes, his):
    lost = life(1, begins_to_turn, begins_to_turn, crossed_s=4.0, until_s=0.0)
    lost.last = lost.last._replace(seen=False)
    lives = {1: lost, 2: life(2, came, goes, crossed_s=7.0, until_s=1.17)}
    part(lives, INWARD)
    assert crossed(lives) == ({1: 7.0, 2: 4.0} if his else {1: 4.0, 2: 7.0})
    assert [lives[track].last.id for track in lives] == [1, 2]
    if his:
        for point in lives[2].trajectory.points:
            assert point.centre == pytest.approx(begins_to_turn(point.time_s - MET_S))


def one_who_was_lost(until_s: float = 0.0) -> Life:
    lost = life(1, begins_to_turn, begins_to_turn, crossed_s=4.0, until_s=until_s)
    lost.last = lost.last._replace(seen=False)
    return lost


@pytest.mark.parametrize("flagged", [False, True])
def test_who_took_his_vehicle_may_brake_when_his_track_has_ended(flagged):
    lost, taker = one_who_was_lost(), life(2, catching_up, catching_up, crossed_s=7.0, until_s=1.67)
    if flagged:
        taker.watch.settled = {ViolationKind.U_TURN, ViolationKind.SPEEDING}
    lives = {2: taker}
    assert part(lives, INWARD, [lost]) == (lost, taker)
    assert lives == {2: lost}
    assert crossed(lives) == {2: 4.0}
    assert (lost.last.id, taker.last.id, taker.last.seen) == (2, 1, False)
    # What was told of who drives back was told of him; the rest was not.
    assert lost.watch.settled == ({ViolationKind.U_TURN} if flagged else set())
    assert part({3: life(3, overtaking, overtaking, crossed_s=7.0, until_s=1.67)}, INWARD) is None


def test_who_has_begun_to_be_seen_there_may_be_the_lost_one_as_well():
    lost, taker = one_who_was_lost(), life(2, catching_up, catching_up, crossed_s=7.0, until_s=1.67)
    new = life(3, begins_to_turn, begins_to_turn, crossed_s=0.0, until_s=1.67)
    new.over = False
    while new.trajectory.points[0].time_s < MET_S + 1.0:
        new.trajectory.points.popleft()
    assert part({2: taker, 3: new}, INWARD, [lost]) is None


def test_who_was_followed_in_his_place_is_counted_as_one_whose_track_has_ended(monkeypatch):
    pipeline = CameraPipeline(VIEW, detector="", weights_sha256="")
    lost, taker = one_who_was_lost(), life(2, catching_up, catching_up, crossed_s=7.0, until_s=1.5)
    pipeline._lost.ended(lost)
    taker.front = taker.watch.crossing
    taker.pending = Pending(taker.front, SignalState.GREEN)
    pipeline._lives[2] = taker
    now = life(2, catching_up, catching_up, crossed_s=7.0, until_s=1.67)
    seen, point = now.last, now.trajectory.points[-1]
    seen = seen._replace(centre=point.centre)
    place = Place(False, 0, point.depth_m, now.wheels_m, point.progress_m, True)
    places = pipeline._tracker.places._replace(box_px=np.array([seen.box_px], np.float64))
    monkeypatch.setattr(pipeline._tracker, "update", lambda *_, **__: [seen])
    monkeypatch.setattr(pipeline._tracker, "places", places)
    monkeypatch.setattr(pipeline, "_standing_of", lambda _: [place])
    empty = Detections.empty(VEHICLE_CLASSES)
    told = pipeline.process(point.time_s, empty, SignalState.GREEN).crossings
    assert [crossing.time_s for crossing in told] == [7.0]
    assert pipeline._lives == {2: lost}
    assert [*pipeline._lost.lives] == [taker]
