from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import timedelta

import cv2
import numpy as np
import pytest
from video_files import write_video

from detection.counting import EPOCH
from detection.health import HealthMonitor
from detection.ports import Frame
from detection.sources import open_source
from models.counts import CountRow
from models.health import HealthEvent, HealthKind, health_to_csv

SIZE = (320, 240)


def street(seed: int = 1) -> np.ndarray:
    """A standing scene with corners to go by."""
    draw = np.random.default_rng(seed)
    image = np.full((SIZE[1] + 80, SIZE[0] + 80, 3), 120, np.uint8)
    for _ in range(140):
        x, y = draw.integers(0, SIZE[0] + 60), draw.integers(0, SIZE[1] + 60)
        w, h = draw.integers(6, 36, 2)
        colour = tuple(int(v) for v in draw.integers(20, 235, 3))
        cv2.rectangle(image, (x, y), (x + w, y + h), colour, -1)
    return image


SCENE = street()
NOISE = [
    np.random.default_rng(seed).normal(0, 4, (SIZE[1], SIZE[0], 3)).astype(np.float32)
    for seed in range(7)
]


def view_of(scene: np.ndarray, time_s: float, dx: int = 0, light: float = 1.0) -> np.ndarray:
    """A living picture: sensor noise, a vehicle driving through."""
    image = scene[40:280, 40 + dx : 360 + dx].astype(np.float32) * light
    image = np.clip(image + NOISE[int(time_s * 1000) % 7], 0, 255).astype(np.uint8)
    x = int(time_s * 60) % SIZE[0]
    cv2.rectangle(image, (x, 100), (x + 60, 150), (30, 30, 200), -1)
    return image


def watch(
    monitor: HealthMonitor, picture: Callable[[float], np.ndarray], times: Iterable[float]
) -> list[bool]:
    usable = []
    for index, time_s in enumerate(times):
        usable.append(monitor.look(Frame(index, float(time_s), picture(float(time_s)))).usable)
    return usable


def seconds(begin: float, end: float, rate_hz: float = 5.0) -> np.ndarray:
    return np.arange(begin, end, 1.0 / rate_hz)


def test_a_living_picture_is_believed_whatever_the_light():
    monitor = HealthMonitor(SIZE, SCENE[40:280, 40:360])
    dusk = watch(
        monitor, lambda t: view_of(SCENE, t, light=float(max(0.3, 1 - t / 20))), seconds(0, 20)
    )
    assert all(dusk)
    assert monitor.events == ()


def test_a_frozen_picture_is_an_event_with_start_and_end_and_was_not_watched():
    monitor = HealthMonitor(SIZE)
    watch(monitor, lambda t: view_of(SCENE, t), seconds(0, 5))
    still = view_of(SCENE, 5.0)
    usable = watch(monitor, lambda _: still, seconds(5, 25))
    assert usable[0]
    assert not any(usable[-50:])
    (lasting,) = monitor.now
    assert lasting.end_s is None
    assert all(watch(monitor, lambda t: view_of(SCENE, t), seconds(25, 28)))
    (event,) = monitor.events
    assert event.kind is HealthKind.FROZEN
    assert event.start_s == pytest.approx(5.0, abs=0.3)
    assert event.end_s == pytest.approx(25.0, abs=0.3)
    # The first eight seconds had been taken for watched: they are taken back.
    row = CountRow("J", "m", "car", EPOCH, EPOCH + timedelta(seconds=40), 3, coverage=0.7)
    (told,) = monitor.discounted([row], EPOCH)
    assert told.coverage == pytest.approx(0.7 - 8.0 / 40, abs=0.01)
    assert replace(told, coverage=0.7) == row


def test_a_still_picture_that_is_encoded_again_and_again_is_frozen(tmp_path):
    """A camera whose sensor hangs goes on encoding: the picture wavers with each key frame."""
    still = view_of(SCENE, 5.0)
    pictures = [view_of(SCENE, t) for t in seconds(0, 4)] + [still] * 80
    video = write_video(tmp_path / "frozen.mp4", pictures, 5.0, "mp4v")
    monitor = HealthMonitor(SIZE)
    for frame in open_source(str(video)):
        monitor.look(frame)
    monitor.finish(frame.time_s)
    (event,) = monitor.events
    assert event.kind is HealthKind.FROZEN
    assert event.start_s == pytest.approx(4.0, abs=1.0)


def test_a_picture_that_comes_again_is_looked_at_once():
    """A recorder writes each picture of a slow camera four times: three tell nothing new."""
    monitor = HealthMonitor(SIZE)
    usable = watch(monitor, lambda t: view_of(SCENE, int(t * 6.25) / 6.25), seconds(0, 4, 25))
    assert usable == [True, False, False, False] * 25
    assert not monitor.events
    # Where nothing moves for a while it is looked at twice a second, so that time goes on; but
    # traffic does not come to rest all at once.
    still = watch(monitor, lambda t: view_of(SCENE, 3.9), seconds(4, 8, 25))
    assert not any(still[1:23])
    assert 6 <= sum(still) <= 8
    # What moves again is seen at once, and hangs again.
    again = watch(monitor, lambda t: view_of(SCENE, 6.0), seconds(8, 8.9, 25))
    assert again[0]
    assert not any(again[1:])


@pytest.mark.parametrize(("value", "what"), [(0, "black"), (130, "one colour")])
def test_blank_frames_are_used_for_nothing(value, what):
    monitor = HealthMonitor(SIZE)
    watch(monitor, lambda t: view_of(SCENE, t), seconds(0, 2))
    blank = np.full((SIZE[1], SIZE[0], 3), value, np.uint8)
    assert not any(watch(monitor, lambda _: blank, seconds(2, 12)))
    assert all(watch(monitor, lambda t: view_of(SCENE, t), seconds(12, 14)))
    (event,) = monitor.events
    assert event.kind is HealthKind.BLANK
    assert (event.start_s, event.end_s) == (pytest.approx(2.0), pytest.approx(12.0))
    assert what in event.detail


def test_another_size_of_the_same_shape_is_scaled_another_shape_refused():
    monitor = HealthMonitor(SIZE)

    def sized(width: int, height: int) -> Callable[[float], np.ndarray]:
        return lambda t: cv2.resize(view_of(SCENE, t), (width, height))

    seen = monitor.look(Frame(0, 0.0, sized(640, 480)(0.0)))
    assert seen.image is not None
    assert seen.image.shape == (240, 320, 3)
    assert not any(watch(monitor, sized(640, 360), seconds(1, 3)))
    assert all(watch(monitor, sized(*SIZE), seconds(3, 4)))
    assert [event.kind for event in monitor.events] == [HealthKind.SIZE_CHANGED]
    assert monitor.events[0].end_s == pytest.approx(3.0)


def test_a_camera_that_is_turned_and_turned_back():
    monitor = HealthMonitor(SIZE, SCENE[40:280, 40:360])
    assert all(watch(monitor, lambda t: view_of(SCENE, t), seconds(0, 12)))
    usable = watch(monitor, lambda t: view_of(SCENE, t, dx=14), seconds(12, 30))
    assert not any(usable[-40:])
    # What was flagged before it was known is taken back too.
    assert monitor.suspends(13.0)
    assert monitor.suspends(29.0)
    back = watch(monitor, lambda t: view_of(SCENE, t), seconds(30, 42))
    assert all(back[-20:])
    (event,) = monitor.events
    assert event.kind is HealthKind.MOVED
    assert 8.0 <= event.start_s <= 12.0
    assert 30.0 <= (event.end_s or 0.0) <= 36.0
    assert not monitor.suspends(5.0)
    assert not monitor.suspends(40.0)


def test_a_camera_is_known_to_have_moved_where_only_the_house_fronts_have_corners():
    scene = SCENE.copy()
    scene[130:] = 118  # bare asphalt
    monitor = HealthMonitor(SIZE)
    assert all(watch(monitor, lambda t: view_of(scene, t), seconds(0, 10)))
    usable = watch(monitor, lambda t: view_of(scene, t, dx=25), seconds(10, 22))
    assert not any(usable[-20:])
    assert [event.kind for event in monitor.now] == [HealthKind.MOVED]


def test_a_queue_that_fills_the_picture_is_no_camera_that_was_turned():
    # Vehicles roll in side by side, one after the other, until nothing else is seen.
    cars = [street(seed)[:240, :40] for seed in range(2, 10)]

    def queue(time_s: float) -> np.ndarray:
        image = view_of(SCENE, time_s)
        for lane, car in enumerate(cars):
            top = max(round(240 - 480 * max(time_s - 8.5 - 0.2 * lane, 0.0)), 0)
            image[top:, 40 * lane : 40 * lane + 40] = car[: 240 - top]
        return np.clip(image + NOISE[int(time_s * 1000) % 7], 0, 255).astype(np.uint8)

    monitor = HealthMonitor(SIZE)
    assert all(watch(monitor, queue, seconds(0, 40)))
    assert monitor.events == ()
    # But one that is turned while all that it saw was traffic is known to be.
    usable = watch(monitor, lambda t: view_of(street(77), t), seconds(40, 60))
    assert not any(usable[-20:])


def test_a_nudge_that_moves_nothing_much_is_no_move():
    monitor = HealthMonitor(SIZE, SCENE[40:280, 40:360])
    assert all(watch(monitor, lambda t: view_of(SCENE, t, dx=2), seconds(0, 15)))
    assert monitor.events == ()


def test_events_as_a_file():
    events = [
        HealthEvent(HealthKind.GAP, 3.0, 4.5, "no frame"),
        HealthEvent(HealthKind.BLANK, 9, None),
    ]
    assert health_to_csv(events).splitlines() == [
        "kind,start,end,detail",
        "gap,3.000,4.500,no frame",
        "blank,9.000,,",
    ]
    assert "1970-01-01T00:00:04.500Z" in health_to_csv(events, EPOCH)
