from __future__ import annotations

import cv2
import numpy as np
import pytest

from detection.stillness import REACH_S, StillnessWatch

STANDS = np.array([[100.0, 200.0, 160.0, 320.0]])


def street(rng: np.random.Generator, x: float, noise: float = 4.0) -> np.ndarray:
    """A grey street with one standing thing and one at ``x``, and a camera's noise."""
    image = np.full((480, 640, 3), 110, np.uint8)
    # A rider is patches of light and dark.
    blocks = np.random.default_rng(9).integers(20, 200, (10, 5, 1)).astype(np.uint8)
    rider = np.repeat(np.kron(blocks, np.ones((12, 12, 1), np.uint8)), 3, axis=2)
    for left in (100, round(x)):
        image[200:320, left : left + 60] = rider
    return np.clip(image + rng.normal(0, noise, image.shape), 0, 255).astype(np.uint8)


def test_what_stands_is_told_from_what_moves_and_from_noise():
    rng, watch = np.random.default_rng(1), StillnessWatch()
    changes = None
    for index in range(8):
        changes = watch.look(index / 6, street(rng, 300 + 12 * index))
    assert changes is not None
    moves = np.array([[300.0 + 12 * 7, 200.0, 360.0 + 12 * 7, 320.0]])
    assert changes.shares(STANDS)[0] < 0.03
    assert changes.shares(moves)[0] > 0.3
    assert changes.shares(np.zeros((0, 4))).shape == (0,)
    outside = np.array([[-50.0, -50.0, -10.0, -10.0], [630.0, 470.0, 700.0, 600.0]])
    assert np.isfinite(changes.shares(outside)).all()


def test_a_creeping_rider_moves():
    rng, watch = np.random.default_rng(2), StillnessWatch()
    shares = []
    for index in range(12):
        x = 300 + 1.5 * index  # a third of a metre a second near the camera
        changes = watch.look(index / 6, street(rng, x))
        if changes is not None:
            shares.append(changes.shares(np.array([[x, 200.0, x + 60, 320.0]]))[0])
    assert min(shares) >= 0.0
    assert max(shares) > 0.05


def test_nothing_is_said_at_the_start_after_a_gap_and_of_a_flash():
    rng, watch = np.random.default_rng(3), StillnessWatch()
    assert watch.look(0.0, street(rng, 300)) is None
    for index in range(1, 6):
        watch.look(index / 6, street(rng, 300))
    assert watch.look(5.0 + 4 * REACH_S, street(rng, 300)) is None
    for index in range(1, 6):
        assert watch.look(20.0 + index / 6, street(rng, 300)) is None or index > 1
    bright = np.clip(street(rng, 300).astype(int) + 60, 0, 255).astype(np.uint8)
    assert watch.look(21.0, bright) is None


@pytest.mark.parametrize("size", [(1600, 1200), (320, 240), (200, 150)])
def test_any_size_of_picture(size):
    rng, watch = np.random.default_rng(4), StillnessWatch()
    changes = None
    for index in range(5):
        changes = watch.look(index / 6, cv2.resize(street(rng, 300 + 20 * index), size))
    assert changes is not None
    scale = size[0] / 640
    assert changes.shares(STANDS * scale)[0] < 0.05
    assert changes.shares(np.array([[380.0, 200.0, 440.0, 320.0]]) * scale)[0] > 0.2


def test_who_passes_behind_one_that_stands_covers_only_its_upper_half():
    rng, watch = np.random.default_rng(4), StillnessWatch()
    changes = None
    for index in range(6):
        image = street(rng, 500)
        image[150:240, 60 + 12 * index : 120 + 12 * index] = 230
        changes = watch.look(index / 6, image)
    assert changes is not None
    assert changes.shares(STANDS)[0] > 0.1
    assert changes.calmer_half(STANDS)[0] < 0.03
