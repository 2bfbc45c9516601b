"""One who stands past the line and is found again under a new number is the same vehicle."""

from __future__ import annotations

import numpy as np
import pytest
from test_line_counter import VIEW, rider
from test_rules import riding, standing

from detection.counting import LineCrossing
from detection.handover import Handover
from detection.lives import Life, Place
from detection.pipeline import CameraPipeline
from detection.ports import Detections
from detection.trajectory import Trajectory
from models.signals import SignalState
from models.site import VEHICLE_CLASSES

STANDS_M = 12.0


def lost_life(*, drives: bool = False, crossed: bool = True) -> Life:
    """A rider twelve metres past the line, last seen at 14 s."""
    trajectory = Trajectory()
    points = riding(12.0, 6.0, 13) if drives else standing(10.0, 4, STANDS_M)
    for point in points:
        trajectory.add(point)
    life = Life(trajectory, rider(1, 0.0, STANDS_M - 1.0)._replace(seen=False), over=crossed)
    if crossed:
        life.front = life.watch.crossing = LineCrossing(1, "in", 8.0, 48, (0, 0), 5.0)
    return life


def found(depth_m: float = STANDS_M + 0.4, x_m: float = 0.0, name: str = "motorcycle"):
    """A new track there; it is confirmed a third of a second after its first sighting."""
    return rider(2, x_m, depth_m - 1.0, speed=0.1)._replace(vehicle_class=name, age_s=0.3)


def test_what_was_known_of_one_who_stood_holds_under_the_new_number():
    handover, before = Handover(), lost_life()
    handover.lost(before)
    life = Life(Trajectory(), found(), hidden_m=11.0)
    again = handover.again(17.0, found())
    assert again is before
    life.go_on_with(again)
    assert life.watch.crossing is not None
    assert life.trajectory.points[0].time_s == 10.0
    # He came over the line once.
    assert life.over
    assert life.hidden_m is None
    assert handover.again(17.0, found()) is None


@pytest.mark.parametrize(
    ("life", "time_s", "track"),
    [
        (lost_life(drives=True), 17.0, found()),
        (lost_life(crossed=False), 17.0, found()),
        (lost_life(), 21.0, found()),
        (lost_life(), 14.2, found()),
        (lost_life(), 17.0, found(depth_m=STANDS_M + 1.5)),
        (lost_life(), 17.0, found(x_m=1.5)),
        (lost_life(), 17.0, found(name="car")),
    ],
    ids=["drove", "never crossed", "long ago", "seen at once", "ahead", "beside", "a car"],
)
def test_who_may_be_somebody_else_begins_anew(life, time_s, track):
    handover = Handover()
    handover.lost(life)
    assert handover.again(time_s, track) is None


def test_of_two_who_stood_there_the_nearer_one_goes_on():
    handover, far, near = Handover(), lost_life(), lost_life()
    last = far.trajectory.points[-1]
    far.trajectory.points[-1] = last._replace(centre=(0.0, STANDS_M - 0.5))
    handover.lost(far)
    handover.lost(near)
    assert handover.again(17.0, found()) is near


def test_the_pipeline_lets_a_new_track_go_on_where_one_stood(monkeypatch):
    pipeline, before = CameraPipeline(VIEW, detector="boxes", weights_sha256=""), lost_life()
    pipeline._handover.lost(before)
    seen = found()
    place = Place(False, 0, STANDS_M, STANDS_M - 2.0, STANDS_M, True)
    places = pipeline._tracker.places._replace(box_px=np.array([seen.box_px], np.float64))
    monkeypatch.setattr(pipeline._tracker, "update", lambda *_, **__: [seen])
    monkeypatch.setattr(pipeline._tracker, "places", places)
    monkeypatch.setattr(pipeline, "_standing_of", lambda _: [place])
    pipeline.process(17.0, Detections.empty(VEHICLE_CLASSES), SignalState.RED)
    life = pipeline._lives[seen.id]
    assert life.watch is before.watch
    assert len(life.trajectory.points) == 6


def test_a_track_that_began_beside_ones_own_is_his():
    """A box that was off began a new track; his own found none any more, and ends later."""
    handover, before = Handover(), lost_life()
    others = []
    for depth_m in (STANDS_M + 5.0, STANDS_M + 0.5):
        other = Life(Trajectory(), found(depth_m), hidden_m=11.0)
        for point in standing(14.3, 3, depth_m):
            other.trajectory.add(point)
        other.watch.passed = {8}
        others.append(other)
    before.watch.passed = {9}
    handover.lost(before, others)
    elsewhere, heir = others
    assert elsewhere.front is None
    assert heir.front is not None
    assert heir.hidden_m is None
    assert heir.watch.passed == {8, 9}
    assert [point.time_s for point in heir.trajectory.points] == [
        *(10.0, 11.0, 12.0, 13.0, 14.0),
        *(14.3, 15.3, 16.3, 17.3),
    ]
    # Who is followed already is not found again.
    assert handover.again(17.0, found()) is None


def test_one_who_crossed_the_line_himself_is_nobodys_heir():
    handover, before, other = Handover(), lost_life(), lost_life()
    other.trajectory.points.clear()
    for point in standing(14.3, 3, STANDS_M):
        other.trajectory.add(point)
    handover.lost(before, [other])
    assert other.trajectory.points[0].time_s == 14.3


def test_one_who_stood_before_the_line_has_no_heir_in_the_queue():
    """He was taken to have gone over it, hidden; the next one moves up to where he stood."""
    handover, before = Handover(), lost_life(crossed=False)
    before.over = True
    last = before.trajectory.points[-1]
    before.trajectory.points[-1] = last._replace(depth_m=-4.0)
    other = Life(Trajectory(), found())
    for point in standing(14.3, 3, STANDS_M):
        other.trajectory.add(point)
    handover.lost(before, [other])
    assert not other.over


@pytest.mark.parametrize(("hidden", "goes_on"), [(0.7, True), (0.2, False)])
def test_who_stops_where_nobody_may_and_is_hidden_is_found_again_later(hidden, goes_on):
    handover, before = Handover(), lost_life()
    handover.lost(before, hidden=hidden)
    handover.lost(lost_life(crossed=False))
    assert (handover.again(30.0, found()) is before) is goes_on
    assert handover.again(41.0, found()) is None
