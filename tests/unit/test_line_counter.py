from __future__ import annotations

import pytest

from detection.approach_signals import ApproachSignals
from detection.counting import CountingSettings, LineCounter, LineCrossing
from detection.geometry import StopLine
from detection.hidden import HiddenPassages, HiddenSettings
from detection.tracking import TrackState
from detection.trajectory import TrajectoryPoint
from models.camera import IDENTITY, CameraView, MovementPath
from models.signals import SignalState

VIEW = CameraView(
    camera="cam", junction="J", width_px=640, height_px=480, ground_from_image=IDENTITY,
    metric=True, stop_line=((-5.0, 0.0), (5.0, 0.0)), inward=(0.0, 1.0),
    zone=((-5.0, -30.0), (5.0, -30.0), (5.0, 0.0), (-5.0, 0.0)),
    movements=(MovementPath("J:a>b", ((0.0, -20.0), (0.0, 20.0))),), calibration_version="1",
)  # fmt: skip


def rider(track: int, x: float, y: float, *, held: bool = False, speed: float = 6.0) -> TrackState:
    """A rider whose rear wheel is at (x, y), front two metres ahead."""
    return TrackState(
        track, "motorcycle", (0, 0, 1, 1), (0, 0), (x, y + 1), (x, y + 2), (0, speed), (0, 1),
        (1, 1), speed, 0.9, True, 3.0, (x, y), held,
    )  # fmt: skip


def ride(counter: LineCounter, track: int, x: float, start_s: float = 0.0) -> list[LineCrossing]:
    found = [
        counter.update(rider(track, x, -5.0 + step), start_s + step / 6, step) for step in range(12)
    ]
    return [item for item in found if item is not None]


def test_the_wheel_is_counted_and_the_front_judged():
    wheel = ride(LineCounter(VIEW, CountingSettings()), 1, 0.0)
    front = ride(LineCounter(VIEW, CountingSettings(), fronts=True), 1, 0.0)
    assert [item.direction for item in wheel + front] == ["in", "in"]
    assert abs(wheel[0].time_s - 5 / 6) < 1e-6
    assert abs(front[0].time_s - 3 / 6) < 1e-6


@pytest.mark.parametrize("fronts", [False, True])
@pytest.mark.parametrize(
    ("x_m", "left_px", "counted"), [(-6.0, 12, 1), (-6.0, 0, 0), (-4.9, 0, 1), (-7.0, 12, 0)]
)
def test_beyond_the_lines_ends_nobody_crosses_whom_the_pictures_side_cuts(
    x_m, left_px, counted, fronts
):
    """A walker on the pavement, half out of the picture, was taken for a rider on red."""
    counter = LineCounter(VIEW, CountingSettings(), fronts=fronts)
    found = [
        counter.update(
            rider(1, x_m, -5.0 + step)._replace(box_px=(left_px, 200, left_px + 30, 260)),
            step / 6, step,
        )
        for step in range(12)
    ]  # fmt: skip
    assert sum(item is not None for item in found) == counted


def test_a_vehicle_that_two_tracks_follow_crosses_once_and_its_neighbour_too():
    counter = LineCounter(VIEW, CountingSettings())
    assert len(ride(counter, 1, 0.0)) == 1
    assert ride(counter, 2, 0.2, start_s=0.1) == []
    assert len(ride(counter, 3, 1.0, start_s=0.1)) == 1
    assert len(ride(counter, 4, 0.0, start_s=1.0)) == 1


def test_boxes_that_wander_over_the_line_while_the_vehicle_stands_are_no_crossing():
    counter = LineCounter(VIEW, CountingSettings())
    for step in range(60):
        y = -3.0 + 0.1 * step
        assert counter.update(rider(1, 0.0, y, held=True, speed=0.0), step / 6, step) is None
    assert counter.update(rider(1, 0.0, 3.0), 10.2, 61) is None


def _lost_and_found(before_mps: float, after_mps: float, *, held: bool = False) -> int:
    """Crossings of a rider unseen for a second from 2 m before the line to 6 m past it."""
    counter = LineCounter(VIEW, CountingSettings())
    for step in range(4):
        seen = rider(1, 0.0, -5.0 + step, speed=before_mps)
        assert counter.update(seen, step / 6, step) is None
    found = [
        counter.update(
            rider(1, 0.0, 6.0 + after_mps * step / 6, held=held and step > 0, speed=after_mps),
            1.5 + step / 6, 9 + step,
        )
        for step in range(6)
    ]  # fmt: skip
    return sum(item is not None for item in found)


def test_who_is_lost_before_the_line_and_found_well_past_it_is_not_counted():
    """One who hardly moved cannot have come so far: it is another vehicle."""
    assert _lost_and_found(1.0, 1.0) == 0
    assert _lost_and_found(1.0, 7.0) == 0


def test_who_passes_the_line_unseen_at_its_speed_is_counted():
    assert _lost_and_found(7.0, 7.0) == 1


def test_who_passes_the_line_unseen_and_stands_there_at_once_is_another_vehicle():
    assert _lost_and_found(7.0, 0.0) == 0
    assert _lost_and_found(7.0, 0.0, held=True) == 0


def test_who_stood_over_the_line_at_red_and_is_lost_from_sight_has_not_gone_in():
    """One who rode, or was let in, has: a larger vehicle hides him."""

    def went(state: SignalState, speed: float, seen: float | None = None) -> bool:
        signals = ApproachSignals(["J:a>b"])
        for second in range(5):
            signals.note(float(second), state)
        hidden = HiddenPassages(StopLine(VIEW), HiddenSettings(), signals)
        last = rider(1, 0.0, -0.6, speed=speed)
        points = [
            TrajectoryPoint(
                step / 6, step, (0, 0), last.centre, last.front, 1.4, 0.0,
                speed if seen is None else seen, True, (0, 0, 1, 1),
            )
            for step in range(6)
        ]  # fmt: skip
        return hidden.went_s(points, -0.6, last, [], entered=True) is not None

    assert not went(SignalState.RED, 0.0)
    assert not went(SignalState.RED, 1.5)  # he brakes
    assert not went(SignalState.RED, 4.0, seen=0.0)  # the last box, and that alone, leapt
    assert went(SignalState.RED, 4.0)
    assert went(SignalState.GREEN, 0.0)


def test_one_who_passes_unseen_and_stops_on_the_line_is_counted_when_he_leaves_it():
    """In a queue: half a second unseen, a few centimetres past the line, then he stands."""
    counter, found = LineCounter(VIEW, CountingSettings()), []
    way = [(step / 6, -3.0 + step / 6) for step in range(16)]
    way += [(3.1 + step / 6, 0.1) for step in range(120)]
    way += [(23.2 + step / 6, 0.1 + step / 4) for step in range(10)]
    for frame, (time_s, y) in enumerate(way):
        speed = 1.0 if time_s < 3.0 else 0.1 if time_s < 23.0 else 1.5
        found.append(counter.update(rider(1, 0.0, y, speed=speed), time_s, frame))
    assert [item.direction for item in found if item is not None] == ["in"]
