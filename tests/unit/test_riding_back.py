"""One who rides back, is hidden for a moment and found again under a new number is the same."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from test_line_counter import VIEW, rider
from test_rules import sighting

from detection.lives import Life, Place
from detection.pipeline import CameraPipeline
from detection.ports import Detections
from detection.rejoining import LostLives
from detection.trajectory import Trajectory
from models.signals import SignalState
from models.site import VEHICLE_CLASSES

SPEED_MPS = 6.0
LOST_S, LOST_M = 12.0, 2.0
"""When and where he is hidden: two metres past the line."""
ONE_WAY = replace(VIEW, wrong_way=True)


def lost_life(track: int = 1, *, speed_mps: float = SPEED_MPS, name: str = "motorcycle") -> Life:
    """A rider who comes back out of the junction, hidden from ``LOST_S`` on."""
    trajectory = Trajectory()
    for k in range(9):
        back_m = LOST_M + (8 - k) / 6 * speed_mps
        trajectory.add(
            sighting(LOST_S - (8 - k) / 6, back_m, speed_mps=abs(speed_mps), in_zone=False)
        )
    last = rider(track, 0.0, LOST_M - 1.0)._replace(seen=False, vehicle_class=name)
    return Life(trajectory, last)


def new(after_s: float, *, off_m: float = 0.0, beside_m: float = 0.0, speed: float = -SPEED_MPS):
    """A new track, first seen a sixth of a second before: where he must be, or off that."""
    y = LOST_M - SPEED_MPS * after_s + off_m
    track = rider(2, beside_m, y - 1.0, speed=speed)
    return track._replace(speed_mps=abs(speed), age_s=1 / 6)


def found(after_s: float, *, name: str = "motorcycle", **more: float) -> Life:
    """The life of that track."""
    track, trajectory = new(after_s, **more)._replace(vehicle_class=name), Trajectory()
    (x, y), time_s = track.centre, LOST_S + after_s
    point = sighting(time_s, y, x_m=x, speed_mps=track.speed_mps)
    trajectory.add(point)
    return Life(trajectory, track, began_s=time_s - track.age_s)


def rejoined(life: Life, *ended: Life, followed: dict[int, Life] | None = None) -> bool:
    """Whether the new one goes on with the life of another."""
    lost = LostLives(ONE_WAY)
    for other in ended:
        lost.ended(other)
    lost.rejoin(life.trajectory.points[-1].time_s, {**(followed or {}), 2: life})
    return life.rejoined


@pytest.mark.parametrize("followed", [True, False])
def test_who_is_found_where_his_speed_took_him_is_the_same(followed):
    lost, before, life = LostLives(ONE_WAY), lost_life(), found(2.0)
    lives = {1: before, 2: life} if followed else {2: life}
    if not followed:
        lost.ended(before)
    lost.rejoin(LOST_S + 2.0, lives)
    assert len(life.trajectory.points) == 10
    # Once: should the old number come back, it is somebody else's.
    assert not followed or not lives[1].trajectory.points
    other = found(2.0)
    lost.rejoin(LOST_S + 2.0, {3: other})
    assert not other.rejoined


@pytest.mark.parametrize(
    ("before", "life"),
    [
        (lost_life(speed_mps=-SPEED_MPS), found(2.0)),
        (lost_life(speed_mps=0.3), found(2.0)),
        (lost_life(name="car"), found(2.0)),
        (lost_life(), found(2.0, name="car")),
        (lost_life(), found(2.0, speed=SPEED_MPS)),
        (lost_life(), found(2.0, off_m=5.0)),
        (lost_life(), found(2.0, off_m=-5.0)),
        (lost_life(), found(1.0, off_m=4.0, beside_m=6.0)),
        (lost_life(), found(1.0, speed=-9.0)),
        (lost_life(), found(3.5)),
        (lost_life(), found(0.1)),
    ],
    ids=[
        "went in", "stood", "car lost", "car found", "goes in", "slower", "faster", "aside",
        "another speed", "long ago", "seen at once",
    ],
)  # fmt: skip
def test_who_may_be_somebody_else_begins_anew(before, life):
    assert not rejoined(life, before)


def test_where_two_may_be_the_one_nobody_is():
    assert not rejoined(found(2.0), lost_life(), followed={3: lost_life(3)})


@pytest.mark.parametrize("one_way", [True, False])
def test_the_pipeline_lets_him_go_on_where_the_approach_is_one_way(monkeypatch, one_way):
    """On a road of two directions many come that way, on the opposite carriageway."""
    view = replace(VIEW, wrong_way=one_way)
    pipeline = CameraPipeline(view, detector="boxes", weights_sha256="")
    pipeline._lives[1] = lost_life()
    seen = new(2.0)
    places = pipeline._tracker.places._replace(box_px=np.array([seen.box_px] * 2, np.float64))
    place = Place(True, 0, -11.0, -10.0, -10.0, True)
    monkeypatch.setattr(
        pipeline._tracker, "update", lambda *_, **__: [pipeline._lives[1].last, seen]
    )
    monkeypatch.setattr(pipeline._tracker, "places", places)
    monkeypatch.setattr(pipeline, "_standing_of", lambda _: [place, place])
    pipeline.process(LOST_S + 2.0, Detections.empty(VEHICLE_CLASSES), SignalState.RED)
    assert len(pipeline._lives[seen.id].trajectory.points) == (10 if one_way else 1)
