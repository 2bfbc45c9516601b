"""Projected cameras: boxes where the road users are, with misses, scatter and occlusion."""

from __future__ import annotations

import numpy as np
import pytest

from models.camera import CameraPose
from simulation.camera import PinholeCamera
from simulation.people import People
from simulation.projection import MISS_RATE, Projection, in_view, project_boxes
from simulation.states import CLASSES, VehicleStates

# 8 m up, looking north and down on the road.
CAMERA = PinholeCamera(CameraPose(0.0, 0.0, 8.0, 0.0, 20.0, 60.0))
CAR, BUS, RIDER = (CLASSES.index(name) for name in ("car", "bus", "motorcycle"))


def car(number: int, x_m: float, y_m: float) -> tuple[float, ...]:
    return (number, CAR, x_m, y_m, 0.0, 5.0, 4.4, 1.8, 1.5)


def rider(number: int, x_m: float, y_m: float) -> tuple[float, ...]:
    return (number, RIDER, x_m, y_m, 0.0, 5.0, 1.9, 0.7, 1.6)


def bus(number: int, x_m: float, y_m: float) -> tuple[float, ...]:
    return (number, BUS, x_m, y_m, 0.0, 5.0, 11.0, 2.5, 3.1)


def states(*rows: tuple[float, ...]) -> VehicleStates:
    return VehicleStates.from_rows(rows)  # type: ignore[arg-type]


def exact(street: VehicleStates) -> dict[int, np.ndarray]:
    boxes = project_boxes(
        street, CAMERA, np.random.default_rng(1), miss_rate=0.0, jitter_px=0.0, jitter_share=0.0
    )
    return dict(zip(boxes.id.tolist(), boxes.xyxy, strict=True))


def test_a_box_holds_the_road_user_and_stands_on_its_wheels() -> None:
    box = exact(states(rider(7, 1.0, 25.0)))[7]
    rear, _ = CAMERA.project(np.array([[1.0, 25.0 - 0.95, 0.0]]))
    assert box[3] == pytest.approx(rear[0, 1], abs=0.01)
    assert box[0] < rear[0, 0] < box[2]
    top, _ = CAMERA.project(np.array([[1.0, 25.0, 1.6]]))
    assert box[1] < top[0, 1] < box[3]


def test_out_of_sight_is_out_of_the_boxes() -> None:
    street = states(
        rider(1, 0.0, -20.0), rider(2, 0.0, 400.0), rider(3, 90.0, 40.0), car(4, 0.0, 30.0)
    )
    assert set(exact(street)) == {4}
    assert len(project_boxes(VehicleStates.empty(), CAMERA, np.random.default_rng(1))) == 0


def test_in_view_is_who_is_large_enough_with_what_others_leave_of_him() -> None:
    street = states(
        rider(1, 0.0, 12.0), bus(2, 0.0, 22.0), rider(3, 0.0, 29.0), rider(4, 3.0, 90.0),
        rider(5, 0.0, 400.0),
    )  # fmt: skip
    view = in_view(street, CAMERA)
    shown = dict(zip(street.id[view.rows].tolist(), view.shown.tolist(), strict=True))
    assert set(shown) == {1, 2, 3, 4}
    assert shown[1] == shown[2] == shown[4] == 1.0
    assert shown[3] < 0.1
    assert (np.diff(view.height_px) < 0).sum() >= 2
    assert view.whole.all()
    assert not in_view(states(bus(2, 0.0, 8.0)), CAMERA).whole.any()


def test_boxes_come_as_often_as_what_is_in_view_says() -> None:
    street = states(car(1, 0.0, 22.0), rider(2, 0.75, 25.5))
    said = in_view(street, CAMERA).shown[1]
    assert 0.2 < said < 0.8
    camera = Projection(CAMERA, seed=3, miss_rate=0.0)
    frames = [camera.observe(street).id.tolist() for _ in range(600)]
    assert sum(2 in frame for frame in frames) / 600 == pytest.approx(said, abs=0.06)


def test_who_stands_behind_a_bus_is_missed_and_who_stands_before_it_is_not() -> None:
    street = states(rider(1, 0.0, 12.0), bus(2, 0.0, 22.0), rider(3, 0.0, 30.0))
    camera = Projection(CAMERA, seed=1)
    seen = [set(camera.observe(street).id.tolist()) for _ in range(300)]
    rate = {number: sum(number in frame for frame in seen) / 300 for number in (1, 2, 3)}
    assert rate[1] > 0.9
    assert rate[3] < 0.1


def test_as_many_are_missed_as_the_rate_says_and_boxes_scatter() -> None:
    street = states(*(rider(k, 4.0 * (k % 5) - 8.0, 16.0 + 5.0 * (k // 5)) for k in range(10)))
    truth = exact(street)
    camera = Projection(CAMERA, seed=2)
    frames = [camera.observe(street) for _ in range(400)]
    found = sum(len(frame) for frame in frames)
    assert 1.0 - found / (400 * len(truth)) == pytest.approx(MISS_RATE, abs=0.02)
    errors = np.concatenate(
        [frame.xyxy - [truth[number] for number in frame.id.tolist()] for frame in frames]
    )
    assert np.abs(errors.mean(axis=0)).max() < 0.1
    assert 1.0 < errors.std() < 2.5


def test_the_same_seed_and_place_see_the_same() -> None:
    street = states(car(1, 0.0, 25.0), rider(2, 3.0, 20.0), rider(3, -3.0, 28.0))
    one, again = Projection(CAMERA, seed=5), Projection(CAMERA, seed=5)
    elsewhere = Projection(PinholeCamera(CameraPose(0.5, 0.0, 8.0, 0.0, 20.0, 60.0)), seed=5)
    for _ in range(5):
        boxes, scores, classes = one.boxes(street)
        assert boxes.dtype == scores.dtype == np.float32
        assert boxes.shape == (len(classes), 4)
        assert ((scores > 0) & (scores < 1)).all()
        assert (boxes >= 0).all()
        assert (boxes[:, [0, 2]] <= 640).all()
        for mine, theirs in zip((boxes, scores, classes), again.boxes(street), strict=True):
            assert np.array_equal(mine, theirs)
        assert not np.array_equal(boxes, elsewhere.boxes(street)[0])


def test_riders_are_read_from_near_and_merged_boxes_are_fewer() -> None:
    rows = [
        (k, 0, 0.8 * (k % 8) - 3.0, 12.0 + 3.0 * (k // 8), 0.0, 0.0, 1.9, 0.7, 1.65)
        for k in range(64)
    ]
    road = VehicleStates.from_rows(rows)
    people = People(1, overloaded_share=0.5)
    seen = project_boxes(road, CAMERA, np.random.default_rng(1), miss_rate=0.0, people=people)
    told = seen.riders >= 0
    assert told.any()
    assert (seen.xyxy[told, 3] - seen.xyxy[told, 1] > 30).all()
    assert (seen.riders[told] == people.riders(seen.id[told])).mean() > 0.75
    merged = project_boxes(road, CAMERA, np.random.default_rng(1), miss_rate=0.0, merge_rate=1.0)
    assert len(merged) < len(seen)
    assert (merged.riders == -1).all()
