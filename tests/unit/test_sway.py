"""Pictures of a camera on a mast that sways: moved to where they lie at rest, and no others."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detection.health import HealthMonitor
from detection.ports import Frame, Image
from detection.sway import LEARNT_S, REST_S, SwayWatch

SIZE = (320, 240)
RATE_HZ = 6.0
Place = Callable[[float], tuple[float, float]]


def textured(size: tuple[int, int], seed: int) -> npt.NDArray[np.float64]:
    """House fronts, kerbs, markings: patches of all sizes."""
    random = np.random.default_rng(seed)
    grey = np.full(size[::-1], 120.0)
    for _ in range(size[0] * size[1] // 400):
        x, y = random.uniform(0, size[0]), random.uniform(0, size[1])
        width, height = random.uniform(4, 30, 2)
        rows, columns = slice(int(y), int(y + height)), slice(int(x), int(x + width))
        grey[rows, columns] = random.uniform(30, 220)
    return np.asarray(cv2.GaussianBlur(grey, (0, 0), 1.0), np.float64)


SCENE = textured((SIZE[0] + 40, SIZE[1] + 40), 1)


def seen_from(x_px: float, y_px: float) -> npt.NDArray[np.float64]:
    """The scene in a camera that lets it lie so far to the right and down."""
    by = np.array([[1, 0, x_px - 20], [0, 1, y_px - 20]], np.float64)
    return np.asarray(cv2.warpAffine(SCENE, by, SIZE), np.float64)


def film(
    seconds: float, place: Place, *, vehicles: int = 6, noise: float = 2.0, seed: int = 0
) -> Iterator[tuple[float, Image]]:
    """A street with traffic, from a camera that lies elsewhere at every time."""
    random = np.random.default_rng(seed)
    fleet = [
        (textured((40, 30), 10 + k), random.uniform(-60, 60), random.uniform(10, 200))
        for k in range(vehicles)
    ]
    for step in range(round(seconds * RATE_HZ)):
        time_s = step / RATE_HZ
        x_px, y_px = place(time_s)
        grey = seen_from(x_px, y_px)
        for body, speed_px_s, y in fleet:
            left = round((20 + speed_px_s * time_s + x_px) % (SIZE[0] - 40))
            top = round(y + y_px)
            grey[top : top + 30, left : left + 40] = body[: SIZE[1] - top]
        grey = grey + random.normal(0, noise, grey.shape)
        yield time_s, np.repeat(np.clip(grey, 0, 255).astype(np.uint8)[..., None], 3, axis=2)


def resting(_: float) -> tuple[float, float]:
    return 0.0, 0.0


def swinging(most_px: float) -> Place:
    return lambda t: (most_px * np.sin(2.5 * t), 0.7 * most_px * np.sin(2.1 * t))


def test_a_camera_that_stands_gives_the_very_same_pictures() -> None:
    watch = SwayWatch()
    for time_s, image in film(50, resting):
        steadied = watch.steadied(time_s, image)
        assert steadied.image is image, time_s
        assert steadied.evidence is image, time_s


@settings(deadline=None, max_examples=25)
@given(st.floats(0.8, 5.0), st.integers(0, 3))
def test_what_swings_is_taken_away(most_px: float, seed: int) -> None:
    place, watch = swinging(most_px), SwayWatch()
    left = []
    for time_s, image in film(25, place, seed=seed):
        told = watch.look(time_s, image)
        if time_s > 3 * LEARNT_S:
            left.append(np.subtract(place(time_s), told))
    off = np.abs(np.array(left) - np.mean(left, axis=0))
    # Below 0.2 px of the swing nothing is moved.
    assert np.quantile(off, 0.95) < 0.3
    assert np.abs(np.mean(left, axis=0)).max() < 0.4


def test_pictures_that_lie_elsewhere_each_time() -> None:
    random, watch = np.random.default_rng(3), SwayWatch()
    places = {step: random.uniform(-2, 2, 2) for step in range(200)}
    left = []
    for time_s, image in film(25, lambda t: tuple(places[round(t * RATE_HZ)])):
        told = watch.look(time_s, image)
        if time_s > 3 * LEARNT_S:
            left.append(places[round(time_s * RATE_HZ)] - told)
    assert np.std(left, axis=0).max() < 0.2


@pytest.mark.parametrize("speed_px_s", [2.0, 5.0, 12.0])
def test_a_bus_that_fills_most_of_the_picture_moves_no_camera(speed_px_s: float) -> None:
    bus, watch = textured((220, 210), 5), SwayWatch()
    for time_s, image in film(20, resting, vehicles=0):
        left = round(speed_px_s * max(time_s - 10, 0))
        image[20:230, left : left + 220] = bus[..., None].astype(np.uint8)[:, : SIZE[0] - left]
        assert watch.steadied(time_s, image).image is image, time_s


def test_a_camera_that_was_turned_is_followed_and_not_held() -> None:
    watch, moved = SwayWatch(), []
    for time_s, image in film(20 + 4 * REST_S, lambda t: (4.0 if t > 20 else 0.0, 0.0)):
        if watch.look(time_s, image) != (0.0, 0.0):
            moved.append(time_s)
    assert 20 + REST_S < max(moved) < 20 + 3.5 * REST_S


def test_evidence_keeps_its_pixels() -> None:
    watch, apart = SwayWatch(), 0
    for time_s, image in film(12, swinging(3.0)):
        steadied = watch.steadied(time_s, image)
        inner = steadied.evidence[8:-8, 8:-8]
        height, width = image.shape[:2]
        assert any(
            np.array_equal(inner, image[8 + y : height - 8 + y, 8 + x : width - 8 + x])
            for x in range(-6, 7)
            for y in range(-6, 7)
        ), time_s
        apart += steadied.evidence is not image
    assert apart > 20


def test_a_swing_goes_on_where_the_light_changes_and_the_street_fills() -> None:
    """Corners are taken anew; the camera rests where it rested."""
    place, watch, left = swinging(3.0), SwayWatch(), []
    for time_s, image in film(75, place, vehicles=14):
        told = watch.look(time_s, (image * (1 - 0.006 * time_s)).astype(np.uint8))
        if time_s > 3 * LEARNT_S:
            left.append(np.subtract(place(time_s), told))
    off = np.array(left) - np.mean(left, axis=0)
    assert np.quantile(np.abs(off), 0.95) < 0.4


@pytest.mark.parametrize("level", [0, 40, 255])
def test_a_picture_that_shows_nothing_is_left_alone(level: int) -> None:
    watch = SwayWatch()
    image = np.full((240, 320, 3), level, np.uint8)
    for step in range(60):
        assert watch.steadied(step / RATE_HZ, image).image is image


def test_nobody_knows_the_way_back_after_nothing_was_seen() -> None:
    watch = SwayWatch()
    for time_s, image in film(30, swinging(3.0)):
        dark = 10 < time_s < 15
        told = watch.look(time_s, np.zeros_like(image) if dark else image)
        if dark or 15 < time_s < 15 + LEARNT_S - 1:
            assert told == (0.0, 0.0), time_s


def test_the_watch_on_health_hands_on_what_lies_at_rest() -> None:
    monitor, steadied = HealthMonitor(SIZE), 0
    for index, (time_s, image) in enumerate(film(15, swinging(3.0))):
        seen = monitor.look(Frame(index, time_s, image))
        assert seen.image is not None
        assert seen.evidence is not None
        steadied += seen.image is not image
    assert steadied > 30
    assert not monitor.now
