from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from models.errors import XanhError
from traffic.training import _Example, _sample, export, train


@pytest.fixture
def no_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.setitem(sys.modules, "ultralytics", None)


@pytest.mark.usefixtures("no_torch")
def test_without_torch_one_line_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(XanhError, match="make setup-train"):
        train([tmp_path], tmp_path / "x.pt", 1)
    with pytest.raises(XanhError, match="make setup-train"):
        export(tmp_path / "x.pt", tmp_path)


@pytest.mark.parametrize("seed", range(8))
def test_augmented_boxes_stay_on_their_objects(seed: int) -> None:
    """A white square on black: wherever augmentation moves it, the box is around it."""
    import cv2

    image = np.zeros((480, 640, 3), np.uint8)
    image[200:280, 300:400] = 255
    _, jpeg = cv2.imencode(".jpg", image)
    example = _Example(jpeg, np.array([[2, 300.0, 200, 400, 280]]))
    rng = np.random.default_rng(seed)
    picture, classes, boxes = _sample(example, (416, 320), rng, augment=True)
    assert picture.shape == (320, 416, 3)
    if not len(boxes):
        return  # moved out of the picture
    assert classes.tolist() == [2]
    bright = np.argwhere(picture.max(2) > 160)  # brighter than any margin
    low, high = bright.min(0), bright.max(0) + 1
    x, y, w, h = boxes[0] * [416, 320, 416, 320]
    assert [x - w / 2, y - h / 2] == pytest.approx(low[::-1], abs=2.5)
    assert [x + w / 2, y + h / 2] == pytest.approx(high[::-1], abs=2.5)
