"""The example site on the Hanoi clip it was made for; needs XANH_TEST_DATA."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from detection.detectors import open_detector
from detection.geometry import inside
from detection.lamp import LampReader
from detection.pipeline import FrameResult
from detection.ports import Frame
from detection.sources import open_source
from detection.worker import DetectOptions, detect_source
from detection.yolo import DetectorSettings
from models.signals import SignalState
from traffic.sites import load_site

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "hanoi-giang-vo"


@pytest.mark.slow
def test_queue_and_red_light_runners_of_a_hanoi_junction(test_data, tmp_path, monkeypatch):
    monkeypatch.setenv("XANH_WEIGHTS_DIR", str(test_data / "weights"))
    truth = json.loads((test_data / "footage" / "vn_16h15.gt.json").read_text())
    view = load_site(EXAMPLE).camera("giang-vo-south").view
    detector = open_detector("yolox-nano", DetectorSettings(threads=1))
    in_queue: dict[int, int] = {}

    def look(frame: Frame, result: FrameResult) -> None:
        riders = [track.centre for track in result.tracks if track.vehicle_class == "motorcycle"]
        in_queue[frame.index] = int(inside(np.array(riders).reshape(-1, 2), view.zone).sum())

    summary = detect_source(
        open_source(str(test_data / "footage" / "vn_16h15.mp4")),
        view,
        detector,
        tmp_path / "out",
        options=DetectOptions(tiles=True, until_s=21.0),
        progress=look,
    )
    counted = truth["queue_counts"][0]
    assert in_queue[counted["f"]] == pytest.approx(counted["motorcycle"], abs=4)
    # Three riders run the light in the first seconds of red (seen by eye in the clip).
    cases = sorted((tmp_path / "out" / "violations").glob("*-red_light-*"))
    assert 2 <= len(cases) <= 4
    assert summary.signal_seen["red"] > 0.7
    first = json.loads((cases[0] / "case.json").read_text())
    assert first["vehicle_class"] == "motorcycle"
    assert first["signal_state"] == "red"


def test_the_lamp_of_a_hanoi_junction_is_read_in_every_frame(test_data):
    truth = json.loads((test_data / "footage" / "vn_16h15.gt.json").read_text())
    names = {
        "green": SignalState.GREEN,
        "red": SignalState.RED,
        "dark_or_yellow_invisible": SignalState.DARK,
    }
    view = load_site(EXAMPLE).camera("giang-vo-south").view
    assert view.lamp_px is not None
    reader = LampReader(view.lamp_px)
    right = seen = 0
    for frame in open_source(str(test_data / "footage" / "vn_16h15.mp4")):
        for state, first, last in truth["signal"]["timeline"]:
            if first <= frame.index <= last and frame.image is not None:
                seen += 1
                right += reader.look(frame.image) is names[state]
    assert seen == truth["frames"]
    assert right / seen >= 0.99
