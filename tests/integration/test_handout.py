"""From a camera's pictures to those that may leave the house."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from red_light_case import write_case

from detection.handout import handout_pictures
from models.errors import XanhError


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_case(tmp_path_factory.mktemp("cases"))[1]


def read(folder: Path) -> tuple[dict[str, bytes], dict[str, Any]]:
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    return files, json.loads(files["case.json"])


def picture(content: bytes) -> np.ndarray:
    image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return image


def test_frames_and_clip_show_one_vehicle(case: Path, tmp_path: Path) -> None:
    files, recorded = read(case)
    out = handout_pictures(files, recorded)
    assert {"before.jpg", "at.jpg", "inside.jpg", "at-crop.jpg", "clip.webm"} <= out.keys()
    assert not any(name.endswith("-raw.jpg") or name == "places.json" for name in out)
    at, raw = picture(out["at.jpg"]), picture(files["at-raw.jpg"])
    assert at.shape == picture(files["at.jpg"]).shape
    waiting, street = (slice(172, 196), slice(202, 212)), (slice(20, 130), slice(220, 300))
    for part in (waiting, street):
        assert at[part].std() < 0.25 * raw[part].std()
    assert at.shape[0] > raw.shape[0]  # the bar and the strip stand below the picture
    blue = (at[:240, :, 0].astype(int) - at[:240, :, 2]) > 120
    assert blue.sum() > 150  # the rider is as blue as before

    path = tmp_path / "clip.webm"
    path.write_bytes(out["clip.webm"])
    clip = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    shown = 0
    while (step := clip.read())[0]:
        assert step[1][170:196, 202:212].std() < 60
        shown += 1
    clip.release()
    assert shown == len(json.loads(files["places.json"])["clip"])


def test_the_frame_before_shows_the_vehicle(case: Path) -> None:
    files, recorded = read(case)
    places = json.loads(files["places.json"])
    for name in ("before", "at", "inside"):
        assert any(row[0] == recorded["track"] for row in places["frames"][name]), name


def test_without_places_nothing_is_handed_out(case: Path) -> None:
    files, recorded = read(case)
    del files["places.json"]
    with pytest.raises(XanhError, match="bystanders"):
        handout_pictures(files, recorded)


def test_a_schematic_case_is_handed_out_as_it_is(case: Path) -> None:
    files, recorded = read(case)
    out = handout_pictures(files, {**recorded, "schematic": True})
    assert out["at.jpg"] == files["at.jpg"]
    assert set(out) == {"before.jpg", "at.jpg", "inside.jpg", "clip.webm"}
