"""The score of a detector on frames whose answer is known."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from detection.ports import Detections
from models.errors import XanhError
from traffic.detector_score import score
from traffic.rendered_frames import DETECTED, generate, labels_of, network_views, random_view

NETWORK = Path(__file__).resolve().parents[2] / "sites" / "pho-hue" / "network.net.xml"

TRUTH = [
    [0, 10, 10, 30, 60, 1.0],
    [0, 100, 10, 130, 60, 1.0],
    [0, 200, 10, 230, 60, 0.1],  # hidden: neither wanted nor wrong
    [1, 300, 100, 400, 180, 1.0],
]


class Fixed:
    """Answers every image with the same boxes."""

    name = "fixed"
    weights_sha256 = ""
    class_names = DETECTED

    def __init__(self, rows: Sequence[Sequence[float]]) -> None:
        array = np.array(rows, np.float32).reshape(-1, 6)
        self._answer = Detections(
            array[:, 1:5], array[:, 5], array[:, 0].astype(np.int64), DETECTED
        )

    def detect(self, images: Sequence[np.ndarray]) -> list[Detections]:
        return [self._answer for _ in images]


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    cv2.imwrite(str(tmp_path / "images" / "a.jpg"), np.zeros((480, 640, 3), np.uint8))
    content = {"classes": DETECTED, "frames": {"a.jpg": TRUTH}}
    (tmp_path / "labels.json").write_text(json.dumps(content))
    return tmp_path


def test_finding_everything_scores_one(frames: Path) -> None:
    result = score(Fixed([[*row[:5], 0.9] for row in TRUTH]), [frames])
    assert result.ap50 == {"motorcycle": 1.0, "car": 1.0}
    assert result.precision == 1.0
    assert result.recall == {"motorcycle": 1.0, "car": 1.0}
    assert result.recall_by_height == {"40-80": 1.0}
    assert result.boxes == 3


def test_a_miss_and_a_false_box_cost_recall_and_precision(frames: Path) -> None:
    found = [[*TRUTH[0][:5], 0.9], [0, 500, 300, 520, 350, 0.8], [*TRUTH[3][:5], 0.9]]
    result = score(Fixed(found), [frames])
    assert result.recall["motorcycle"] == 0.5
    assert result.precision == pytest.approx(2 / 3)
    assert result.ap50["motorcycle"] == pytest.approx(0.5)
    assert result.ap50["car"] == 1.0
    assert result.map50 == pytest.approx(0.75)


def test_a_second_box_on_one_rider_is_wrong(frames: Path) -> None:
    twice = [[*TRUTH[0][:5], 0.9], [0, 11, 10, 31, 60, 0.85], [*TRUTH[1][:5], 0.8]]
    result = score(Fixed(twice), [frames])
    assert result.precision == pytest.approx(2 / 3)
    # The curve: recall 1/2 at precision 1, then recall 1 at 2/3.
    assert result.ap50["motorcycle"] == pytest.approx(0.5 + 0.5 * 2 / 3)


def test_low_scores_do_not_count_at_the_working_point(frames: Path) -> None:
    result = score(Fixed([[*row[:5], 0.1] for row in TRUTH]), [frames])
    assert result.recall["motorcycle"] == 0.0
    assert result.ap50["motorcycle"] == 1.0


def test_a_folder_without_frames_is_said(tmp_path: Path) -> None:
    with pytest.raises(XanhError, match="no labelled frames"):
        score(Fixed([]), [tmp_path / "none"])


@pytest.mark.parametrize("views", [random_view, network_views(NETWORK, [("C2", "c1")])])
def test_generated_frames_are_labelled_and_repeatable(tmp_path: Path, views) -> None:
    boxes = generate(tmp_path / "a", 2, 7, views=views)
    generate(tmp_path / "b", 2, 7, views=views)
    a, b = tmp_path / "a", tmp_path / "b"
    assert (a / "labels.json").read_bytes() == (b / "labels.json").read_bytes()
    names = sorted(p.name for p in (a / "images").iterdir())
    assert len(names) == 2
    for name in names:
        assert (a / "images" / name).read_bytes() == (b / "images" / name).read_bytes()
    labels = json.loads((a / "labels.json").read_text())["frames"]
    rows = np.concatenate([np.array(r).reshape(-1, 6) for r in labels.values()])
    assert boxes == (rows[:, 5] >= 0.25).sum() > 0
    assert (rows[:, 3] > rows[:, 1]).all()
    assert (rows[:, 4] - rows[:, 2] >= 9).all()
    assert rows[:, 1:5].min() >= 0
    assert rows[:, 3].max() <= 640


def test_only_what_a_detector_can_be_asked_for_is_labelled() -> None:
    from simulation.render import TrueBoxes
    from simulation.states import CLASSES

    kinds = ["motorcycle", "pedestrian", "car", "car", "motorcycle"]
    boxes = np.array(
        [[0, 0, 20, 40], [0, 0, 20, 40], [0, 0, 60, 40], [0, 0, 20, 20], [0, 0, 6, 8.0]]
    )
    truth = TrueBoxes(
        id=np.arange(5),
        vehicle_class=np.array([CLASSES.index(k) for k in kinds], np.uint8),
        box_px=boxes,
        visible=np.ones(5),
        in_frame=np.array([1, 1, 0.1, 0.1, 1]),
    )
    rows = labels_of(truth)
    # No pedestrian, no sliver of a car, nothing below 9 px; the large cut car stays.
    assert rows[:, 0].tolist() == [0, 1]
