"""The shipped weights find the road users that the virtual street's cameras show."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from detection.detectors import open_detector
from detection.weights import sha256
from detection.yolo import DetectorSettings
from traffic.detector_score import DetectorScore, score
from traffic.rendered_frames import DETECTED, generate, network_views

ROOT = Path(__file__).resolve().parents[2]
NETWORK = ROOT / "sites" / "pho-hue" / "network.net.xml"
WEIGHTS = ROOT / "detection" / "weights" / "street"


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> DetectorScore:
    frames = tmp_path_factory.mktemp("frames")
    views = network_views(NETWORK, [("C2", "c1"), ("C2", "eb2a"), ("C2", "wb2a")])
    generate(frames, 12, 4242, views=views)
    return score(open_detector("street", DetectorSettings(threads=1)), [frames])


def test_near_riders_are_found(result: DetectorScore) -> None:
    assert result.recall_by_height["40-80"] > 0.93
    assert result.precision > 0.7


def test_every_class_is_found_better_than_by_chance(result: DetectorScore) -> None:
    assert result.ap50["motorcycle"] > 0.65
    assert result.ap50["car"] > 0.5


def test_the_metadata_is_that_of_the_files() -> None:
    metadata = json.loads((WEIGHTS / "metadata.json").read_text(encoding="utf-8"))
    assert tuple(metadata["classes"]) == DETECTED
    for name, digest in metadata["sha256"].items():
        assert sha256(WEIGHTS / name) == digest
    detector = open_detector("street", DetectorSettings(threads=1))
    assert detector.class_names == DETECTED
    assert detector.detect([np.full((480, 640, 3), 114, np.uint8)])[0].scores.max(initial=0) < 0.5
