"""One who turns back in the junction and is found again under another number goes on."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from test_line_counter import VIEW, rider

from detection.counting import LineCrossing
from detection.lives import Life, Place
from detection.pipeline import CameraPipeline
from detection.ports import Detections
from detection.rejoining import BEGUN_S, LostLives
from detection.trajectory import Trajectory, TrajectoryPoint
from models.camera import AreaKind, RoadArea, RoadRules
from models.signals import SignalState
from models.site import VEHICLE_CLASSES

RADIUS_M, SPEED_MPS = 2.5, 3.0
TURNS_S = math.pi * RADIUS_M / SPEED_MPS
"""One who turns back does so from 0 s on, ten metres past the line, for so long."""


def turning(t: float) -> tuple[float, float]:
    """Straight in, a half circle to the left, and back."""
    if t < 0:
        return 0.0, 10.0 + SPEED_MPS * t
    if t > TURNS_S:
        return -2 * RADIUS_M, 10.0 - SPEED_MPS * (t - TURNS_S)
    angle = SPEED_MPS * t / RADIUS_M
    return -RADIUS_M * (1 - math.cos(angle)), 10.0 + RADIUS_M * math.sin(angle)


def oncoming(t: float) -> tuple[float, float]:
    """Straight out, where one who turns back drives too."""
    return -2 * RADIUS_M, 10.0 - SPEED_MPS * (t - TURNS_S)


def straight_on(t: float) -> tuple[float, float]:
    return 0.0, 10.0 + 8.0 * t


def life(
    track: int,
    way=turning,
    *,
    from_s: float,
    to_s: float,
    crossed: bool = False,
    unseen: tuple[float, float] = (99.0, 99.0),
    lost: bool = False,
    name: str = "motorcycle",
) -> Life:
    trajectory = Trajectory()
    for k in range(math.ceil(6 * from_s), math.floor(6 * to_s) + 1):
        t = k / 6
        if unseen[0] < t < unseen[1]:
            continue
        (x, y), (fx, fy) = way(t), way(t + 0.1)
        speed = math.dist((x, y), (fx, fy)) / 0.1
        trajectory.add(
            TrajectoryPoint(t, 0, (0, 0), (x, y), (x, y), y, y, speed, False, (0, 0, 20, 40))
        )
    velocity = ((fx - x) / 0.1, (fy - y) / 0.1)
    last = rider(track, x, y - 1.0)
    last = last._replace(velocity=velocity, seen=not lost, vehicle_class=name)
    kept = Life(trajectory, last, wheels_m=y - 1.0, over=crossed)
    if crossed:
        kept.front = kept.watch.crossing = LineCrossing(track, "in", -3.0, 0, (0, 0), 5.0)
    return kept


def before(**more) -> Life:
    """One who came over the line, began to turn, and is lost."""
    return life(1, **{"from_s": -3.0, "to_s": 1.0, "crossed": True, "lost": True, **more})


def after(from_s: float = 1.6, **more) -> Life:
    """One who drives back, first seen while he turns."""
    return life(2, **{"from_s": from_s, "to_s": from_s + 1.8, **more})


def goes_on(found: Life, *others: Life) -> bool:
    """Whether the first goes on with what was known of one of the others."""
    junction = LostLives(VIEW)
    junction.rejoin(found.trajectory.points[-1].time_s, {o.last.id: o for o in (found, *others)})
    return found.watch.crossing is not None


def test_who_turned_back_unseen_for_a_moment_came_over_the_line():
    found, lives = after(), {1: before()}
    LostLives(VIEW).rejoin(3.4, {2: found})
    assert not found.rejoined
    lives[2] = found
    LostLives(VIEW).rejoin(3.4, lives)
    assert found.over
    assert found.watch.crossing.time_s == -3.0
    assert lives[1].watch.crossing is None
    times = [point.time_s for point in found.trajectory.points]
    assert times[0] == -3.0
    assert times[-1] == pytest.approx(after().trajectory.points[-1].time_s)
    assert times == sorted(times)


def test_one_whose_track_has_ended_is_known_for_a_while():
    junction, lost, found = LostLives(VIEW), before(), after()
    junction.ended(lost)
    junction.rejoin(found.trajectory.points[-1].time_s, {2: found})
    assert found.watch.crossing is not None
    late = after()
    junction.rejoin(1.0 + BEGUN_S + 5.0, {2: late})
    assert late.watch.crossing is None


@pytest.mark.parametrize(("ends_m", "goes_on"), [(14.0, True), (9.0, False)])
def test_who_sets_off_beyond_the_junction_came_from_there(ends_m: float, goes_on: bool) -> None:
    box = RoadArea(AreaKind.BOX, ((-9.0, 3.0), (9.0, 3.0), (9.0, ends_m), (-9.0, ends_m)))
    junction, lost, found = LostLives(replace(VIEW, road=RoadRules((box,)))), before(), after()
    junction.ended(lost)
    junction.rejoin(found.trajectory.points[-1].time_s, {2: found})
    assert (found.watch.crossing is not None) is goes_on


@pytest.mark.parametrize(("from_s", "found"), [(2.6, True), (3.2, False)])
def test_one_who_turns_round_wide_is_hidden_for_a_second_and_a_half(from_s, found):
    def wide(t: float) -> tuple[float, float]:
        x, y = turning(t / 1.7)
        return 1.7 * x, 10.0 + 1.7 * (y - 10.0)

    assert goes_on(after(from_s, way=wide), before(way=wide)) is found


def test_the_last_boxes_may_have_been_anothers():
    """For four frames his box was one with a passing rider's, and his track went with that one."""
    lost = before(to_s=0.4)
    strays = life(1, straight_on, from_s=0.5, to_s=1.0).trajectory.points
    lost.trajectory.points.extend(strays)
    assert goes_on(after(from_s=0.9), lost)


def test_who_is_seen_twice_in_between_is_the_same():
    """A car hides him but for a moment, too short for a speed."""
    lost = before(to_s=1.2, unseen=(0.0, 0.9))
    assert goes_on(after(from_s=1.4), lost)


def test_a_piece_of_the_turn_that_nobody_saw_begin_tells_nothing():
    """A track of his that began on second boxes and was lost, as his own goes on with another."""
    piece, own = life(3, from_s=0.3, to_s=1.2, lost=True), before()
    assert goes_on(after(), own, piece)
    own.last = own.last._replace(seen=True)
    found = after()
    assert not goes_on(found, own, piece)
    assert not found.rejoined


def test_a_second_box_that_a_track_began_with_goes_on_beside_it():
    assert goes_on(after(from_s=0.5), before(to_s=1.0))


@pytest.mark.parametrize(
    ("found", "others"),
    [
        (after(), [before(crossed=False)]),
        (after(), [before(lost=False)]),
        (after(from_s=2.4), [before()]),
        (after(name="car"), [before()]),
        (after(), [before(way=straight_on)]),
        (after(way=oncoming, from_s=0.6), [before(to_s=-0.2)]),
        (after(), [before(), replace(before(), last=rider(3, 0, 0)._replace(seen=False))]),
        (after(), [before(), after()]),
        (after(from_s=-0.5, unseen=(0.4, 1.0)), [before(to_s=0.7)]),
        (life(2, from_s=-3.0, to_s=3.4), [before()]),
    ],
    ids=[
        "never crossed",
        "still seen",
        "too long ago",
        "a car",
        "drove straight on",
        "no bend that was seen",
        "two were lost",
        "two were found",
        "his own way",
        "known for long",
    ],
)
def test_who_may_be_somebody_else_stays_unknown(found, others):
    for number, other in enumerate(others):
        other.last = other.last._replace(id=10 + number)
    assert not goes_on(found, *others)


def test_the_pipeline_asks_of_who_is_seen_and_who_was_lost(monkeypatch):
    pipeline, lost, found = CameraPipeline(VIEW, detector="", weights_sha256=""), before(), after()
    pipeline._lives[1] = lost
    pipeline.process(1.5, Detections.empty(VEHICLE_CLASSES), SignalState.GREEN)
    assert pipeline._lives == {}
    pipeline._lives[2] = found
    point = found.trajectory.points[-1]
    seen = found.last._replace(centre=point.centre)
    place = Place(False, 0, point.depth_m, point.depth_m - 2.0, point.progress_m, True)
    places = pipeline._tracker.places._replace(box_px=np.array([seen.box_px], np.float64))
    monkeypatch.setattr(pipeline._tracker, "update", lambda *_, **__: [seen])
    monkeypatch.setattr(pipeline._tracker, "places", places)
    monkeypatch.setattr(pipeline, "_standing_of", lambda _: [place])
    pipeline.process(point.time_s + 0.17, Detections.empty(VEHICLE_CLASSES), SignalState.GREEN)
    assert found.watch.crossing is not None


def test_who_comes_back_over_the_line_crossed_it_before(monkeypatch):
    """He turned back: going out settles how he went in, which counts."""
    pipeline = CameraPipeline(VIEW, detector="boxes", weights_sha256="")
    seen, place = rider(1, 0.0, 1.0), Place(False, 0, 3.0, 1.0, 2.0, True)
    monkeypatch.setattr(pipeline._tracker, "update", lambda *_, **__: [seen])
    places = pipeline._tracker.places._replace(box_px=np.array([seen.box_px], np.float64))
    monkeypatch.setattr(pipeline._tracker, "places", places)
    monkeypatch.setattr(pipeline, "_standing_of", lambda _: [place])
    made = [LineCrossing(1, way, at_s, 0, (0, 0), 5.0) for way, at_s in (("in", 10), ("out", 14))]
    each = iter(made)
    monkeypatch.setattr(pipeline._counter, "update", lambda *_, **__: next(each))
    empty = Detections.empty(VEHICLE_CLASSES)
    told = [
        item
        for crossing in made
        for item in pipeline.process(crossing.time_s, empty, SignalState.GREEN).crossings
    ]
    told += pipeline.finish()
    assert [item.direction for item in told] == ["in", "out"]
