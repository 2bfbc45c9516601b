"""One who stands past the line and is found again under a new number is the same vehicle."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from test_line_counter import VIEW, rider
from test_rules import riding, sighting, standing

from detection.counting import LineCrossing
from detection.lives import Life, Place
from detection.pipeline import CameraPipeline
from detection.ports import Detections
from detection.rejoining import LostLives
from detection.trajectory import Trajectory
from models.camera import AreaKind, RoadArea, RoadRules
from models.signals import SignalState
from models.site import VEHICLE_CLASSES

STANDS_M = 12.0
ZONE = RoadArea(AreaKind.NO_STOPPING, ((-5.0, 5.0), (5.0, 5.0), (5.0, 40.0), (-5.0, 40.0)))
NO_STOPPING = replace(VIEW, road=RoadRules(areas=(ZONE,)))


def lost_life(
    *, drives: bool = False, crossed: bool = True, depth_m: float = STANDS_M, hidden: float = 0.0
) -> Life:
    """A rider twelve metres past the line, last seen at 14 s."""
    trajectory = Trajectory()
    points = riding(12.0, 6.0, 13) if drives else standing(10.0, 4, depth_m)
    for point in points:
        trajectory.add(point)
    life = Life(trajectory, rider(1, 0.0, depth_m - 1.0)._replace(seen=False), over=crossed)
    life.hidden = hidden
    if crossed:
        life.front = life.watch.crossing = LineCrossing(1, "in", 8.0, 48, (0, 0), 5.0)
    return life


def found(
    time_s: float = 17.0,
    *,
    depth_m: float = STANDS_M + 0.4,
    x_m: float = 0.0,
    name: str = "motorcycle",
    speed: float = 0.1,
) -> Life:
    """A new track there; it is confirmed a third of a second after its first box."""
    trajectory = Trajectory()
    point = sighting(time_s, depth_m, speed_mps=0.1, in_zone=False)
    trajectory.add(point._replace(centre=(x_m, point.centre[1])))
    last = rider(2, x_m, depth_m - 1.0, speed=speed)
    last = last._replace(vehicle_class=name, age_s=0.3)
    return Life(trajectory, last, hidden_m=11.0, began_s=time_s - last.age_s)


def rejoined(life: Life, *ended: Life) -> bool:
    """Whether the new one goes on with the life of another."""
    lost = LostLives(VIEW)
    for other in ended:
        lost.ended(other)
    lost.rejoin(life.trajectory.points[-1].time_s, {2: life})
    return life.rejoined


@pytest.mark.parametrize("followed", [False, True])
def test_what_was_known_of_one_who_stood_holds_under_the_new_number(followed):
    lost, before, life = LostLives(VIEW), lost_life(), found()
    before.watch.passed, life.watch.passed = {9}, {8}
    lives = {1: before, 2: life} if followed else {2: life}
    if not followed:
        lost.ended(before)
    lost.rejoin(17.0, lives)
    assert life.watch.crossing is not None
    assert life.watch.passed == {8, 9}
    assert [point.time_s for point in life.trajectory.points] == [10, 11, 12, 13, 14, 17]
    # He came over the line once.
    assert life.over
    assert life.hidden_m is None
    # Each only once: should the old number come back, it is somebody else's.
    assert not followed or not lives[1].trajectory.points
    other = found()
    lost.rejoin(17.0, {3: other})
    assert not other.rejoined


@pytest.mark.parametrize(
    ("before", "life"),
    [
        (lost_life(drives=True), found()),
        (lost_life(crossed=False), found()),
        (lost_life(depth_m=-4.0), found(depth_m=-4.0)),
        (lost_life(), found(21.0)),
        (lost_life(), found(14.2)),
        (lost_life(), found(depth_m=STANDS_M + 1.5)),
        (lost_life(), found(x_m=1.5)),
        (lost_life(), found(name="car")),
        (lost_life(), found(name="pedestrian")),
        (lost_life(), found(speed=2.8)),
    ],
    ids=[
        "drove",
        "never crossed",
        "before the line",
        "long ago",
        "seen at once",
        "ahead",
        "beside",
        "a car",
        "on foot",
        "rides by",
    ],
)
def test_who_may_be_somebody_else_begins_anew(before, life):
    assert not rejoined(life, before)


def test_where_two_stood_it_is_neither():
    assert not rejoined(found(), lost_life(), lost_life(depth_m=STANDS_M - 0.5))


def test_one_who_crossed_the_line_himself_goes_on_with_nobody():
    life = found()
    life.front = LineCrossing(2, "in", 16.0, 96, (0, 0), 5.0)
    assert not rejoined(life, lost_life())


@pytest.mark.parametrize(("hidden", "goes_on"), [(0.7, True), (0.2, False)])
def test_who_stops_where_nobody_may_and_is_hidden_is_found_again_later(hidden, goes_on):
    assert rejoined(found(30.0), lost_life(hidden=hidden)) is goes_on
    assert not rejoined(found(41.0), lost_life(hidden=hidden))


def test_the_pipeline_lets_a_new_track_go_on_where_one_stood(monkeypatch):
    pipeline, before = CameraPipeline(VIEW, detector="boxes", weights_sha256=""), lost_life()
    pipeline._lives[1] = before
    seen = found().last
    place = Place(False, 0, STANDS_M, STANDS_M - 2.0, STANDS_M, True)
    places = pipeline._tracker.places._replace(box_px=np.array([seen.box_px], np.float64))
    monkeypatch.setattr(pipeline._tracker, "update", lambda *_, **__: [seen])
    monkeypatch.setattr(pipeline._tracker, "places", places)
    monkeypatch.setattr(pipeline, "_standing_of", lambda _: [place])
    pipeline.process(17.0, Detections.empty(VEHICLE_CLASSES), SignalState.RED)
    life = pipeline._lives[seen.id]
    assert life.watch is before.watch
    assert len(life.trajectory.points) == 6


def stander(
    track: int, begin_s: float, seconds: float, *, at_m: float = STANDS_M,
    scatter_m: float = 0.0, speed_mps: float = 0.0, areas: int = 1,
) -> Life:  # fmt: skip
    """One who stands where nobody may, his places off to either side in turn; never over a line."""
    trajectory = Trajectory()
    for frame in range(round(seconds * 6) + 1):
        off_m = (0.0, scatter_m, -scatter_m)[frame % 3]
        depth_m = at_m + off_m + frame / 6 * speed_mps
        point = sighting(begin_s + frame / 6, depth_m, speed_mps=0.1, in_zone=False, areas=areas)
        trajectory.add(point)
    last = rider(track, 0.0, at_m - 1.0, speed=0.1)
    return Life(trajectory, last, began_s=begin_s - 0.3)


def stays(lost: list[Life], now: Life, *, beside: Life | None = None) -> bool:
    """Whether one goes on with the life of who stood in the zone."""
    memory = LostLives(NO_STOPPING)
    for life in lost:
        memory.ended(life)
    memory.rejoin(_last_s(now), {now.last.id: now} | ({3: beside} if beside else {}))
    return now.rejoined


def _last_s(life: Life) -> float:
    return life.trajectory.points[-1].time_s


def test_who_stays_where_nobody_may_is_known_again_though_he_never_came_over_the_line():
    before, now = stander(1, 10.0, 8.0), stander(2, 18.2, 1.2)
    assert stays([before], now)
    assert now.trajectory.points[0].time_s == 10.0
    # Single sightings of far riders lie further apart than the same man may be.
    first, last = stander(2, 18.2, 1.2, scatter_m=0.55), stander(1, 10.0, 8.0, scatter_m=0.55)
    assert stays([last], first)


@pytest.mark.parametrize(
    ("began_s", "known"), [(18.5, True), (19.5, False), (17.9, False)],
    ids=["at once", "later", "seen there at once"],
)  # fmt: skip
def test_whose_track_goes_on_with_one_who_walks_past_is_known_where_he_stands(began_s, known):
    before = stander(1, 10.0, 8.0)
    for step in range(4):
        away = sighting(18.8 + step / 6, STANDS_M, speed_mps=1.5, in_zone=False, areas=0)
        before.trajectory.add(away._replace(centre=(1.6 + step / 4, away.centre[1])))
    now = stander(2, began_s, 1.2)
    assert stays([before], now) is known
    if known:
        times = [point.time_s for point in now.trajectory.points]
        assert times == sorted(times)
        assert all(point.areas for point in now.trajectory.points)


@pytest.mark.parametrize(
    ("boxes", "hidden", "known"), [(4, 0.7, True), (12, 0.7, False), (4, 0.2, False)],
    ids=["a few boxes", "drove away", "not hidden"],
)  # fmt: skip
def test_whose_track_ends_with_who_hid_him_is_known_where_he_stands(boxes, hidden, known):
    before = stander(1, 10.0, 8.0)
    before.hidden = hidden
    for step in range(boxes):
        before.trajectory.add(sighting(22.0 + step / 6, STANDS_M + 4.0, speed_mps=1.2, areas=1))
    now = stander(2, 26.0, 1.2)
    assert stays([before], now) is known
    if known:
        assert all(abs(p.progress_m - STANDS_M) < 2.5 for p in now.trajectory.points)


@pytest.mark.parametrize(
    ("before", "now"),
    [
        (stander(1, 10.0, 8.0), stander(2, 18.2, 1.2, at_m=STANDS_M - 1.8)),
        (stander(1, 10.0, 8.0), stander(2, 17.5, 1.2)),
        (stander(1, 10.0, 8.0), stander(2, 18.2, 0.5)),
        (stander(1, 10.0, 8.0), stander(2, 25.0, 1.2)),
        (stander(1, 10.0, 8.0), stander(2, 18.2, 1.2, areas=0)),
        (stander(1, 10.0, 8.0, areas=0), stander(2, 18.2, 1.2)),
        (stander(1, 10.0, 8.0, speed_mps=1.5, at_m=0.0), stander(2, 18.2, 1.2)),
        (stander(1, 10.0, 8.0), stander(2, 18.2, 1.2, scatter_m=1.5)),
    ],
    ids=[
        "behind", "seen beside him", "too shortly", "long ago", "elsewhere now", "elsewhere before",
        "rode", "at no one place",
    ],
)  # fmt: skip
def test_who_may_be_another_one_who_stays_begins_anew(before, now):
    assert not stays([before], now)


def test_of_riders_who_stand_one_behind_the_other_neither_is_the_other():
    front, rear = stander(1, 10.0, 8.0), stander(4, 10.0, 8.0, at_m=STANDS_M - 1.0)
    assert not stays([front, rear], stander(2, 18.2, 1.2, at_m=STANDS_M - 0.5))
    rival = stander(3, 18.2, 1.2, at_m=STANDS_M - 1.0)
    assert not stays([front], stander(2, 18.2, 1.2), beside=rival)
