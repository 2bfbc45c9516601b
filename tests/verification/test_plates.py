"""Plates are read exactly or not at all; a case holds what its track's frames agree on."""

from __future__ import annotations

import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from detection.evidence import EvidenceWriter, KeyMoment
from detection.plate_finder import FoundPlate
from detection.plate_reader import PlateReading
from detection.plates import PlateEyes, vote
from detection.ports import Image
from detection.snapshots import SnapshotBuffer
from detection.tracking import TrackState
from models.camera import IDENTITY, CameraView
from models.plate import Plate, PlateKind
from models.signals import SignalState
from models.violation import Violation, ViolationKind
from simulation.plate_drawing import draw_plate, paste_plate, random_plate, random_quad

NUMBER = Plate("29B1", "25662", PlateKind.MOTORCYCLE)


@pytest.fixture(scope="module")
def eyes() -> PlateEyes:
    return PlateEyes()


def street(rng: np.random.Generator, size: tuple[int, int] = (360, 480)) -> Image:
    """A dull surface with a darker body on it."""
    picture = np.full((*size, 3), 120, np.uint8)
    cv2.rectangle(picture, (60, 60), (size[1] - 60, size[0] - 60), (60, 55, 50), -1)
    noisy = picture + rng.normal(0, 4, picture.shape)
    return np.clip(noisy, 0, 255).astype(np.uint8)


def with_plate(plate: Plate, layout: str, width_px: float, rng: np.random.Generator) -> Image:
    picture = street(rng)
    quad = random_quad(layout, width_px, (240.0, 180.0), rng)
    paste_plate(picture, draw_plate(plate, layout, rng), quad, 0.9)
    return picture


def test_drawn_plates_are_read_exactly(eyes: PlateEyes) -> None:
    rng = np.random.default_rng(3)
    exact, wrong = 0, []
    for number in range(24):
        layout = ("motorcycle", "long", "square")[number % 3]
        plate = random_plate(rng, layout)
        picture = with_plate(plate, layout, 150 if layout == "long" else 100, rng)
        got = {r.plate.compact for r in eyes.read(picture) if r.plate is not None}
        exact += plate.compact in got
        wrong += list(got - {plate.compact})
    assert exact >= 21
    assert len(wrong) <= 1


def test_nothing_is_read_where_there_are_too_few_pixels_or_no_plate(eyes: PlateEyes) -> None:
    rng = np.random.default_rng(4)
    for _ in range(6):
        tiny = with_plate(random_plate(rng, "motorcycle"), "motorcycle", 14.0, rng)
        assert all(r.plate is None for r in eyes.read(tiny))
        words = street(rng)
        cv2.putText(words, "TEL 0912 345", (90, 190), 0, 1.2, (230, 230, 230), 3)
        assert all(r.plate is None for r in eyes.read(words))


def test_a_plate_cut_by_the_frame_is_unreadable(eyes: PlateEyes) -> None:
    rng = np.random.default_rng(5)
    picture = with_plate(NUMBER, "motorcycle", 120.0, rng)
    whole = next(r for r in eyes.read(picture) if r.plate is not None)
    edge = int(whole.found.quad[:, 0].max() - 22)
    assert all(r.plate is None for r in eyes.read(picture[:, :edge]))


def reading(number: str, score: float) -> PlateReading:
    found = FoundPlate(np.array([(0, 0), (60, 0), (60, 40), (0, 40)], np.float64), 0.9)
    plate = Plate("29B1", number, PlateKind.MOTORCYCLE) if number else None
    return PlateReading(found, plate, score)


def test_a_track_votes() -> None:
    agreed = vote([reading("25662", 0.9), reading("25667", 0.8), reading("25662", 0.9)])
    assert agreed.plate is not None
    assert agreed.plate.number == "25662"
    assert agreed.readings == 3
    assert vote([reading("25662", 0.9), reading("25667", 0.88)]).plate is None, "no majority"
    assert vote([reading("25662", 0.8)]).plate is None, "one reading that is not certain"
    assert vote([reading("25662", 0.99)]).plate is not None
    assert vote([reading("", 0.0)]) == vote([])


VIEW = CameraView(
    camera="cam",
    junction="J",
    width_px=480,
    height_px=360,
    ground_from_image=IDENTITY,
    metric=False,
    stop_line=((20.0, 150.0), (400.0, 150.0)),
    inward=(0.0, -1.0),
    zone=((20.0, 150.0), (400.0, 150.0), (400.0, 350.0), (20.0, 350.0)),
    movements=(),
    calibration_version="1",
)


def violation() -> Violation:
    return Violation(
        id="v1",
        kind=ViolationKind.RED_LIGHT,
        camera="cam",
        junction="J",
        movement=None,
        vehicle_class="motorcycle",
        track=7,
        time_s=1.0,
        signal_state=SignalState.RED,
        time_into_red_s=4.0,
        detector="d",
        weights_sha256="",
        calibration_version="1",
        source_kind="pixels",
        signal=((0.0, SignalState.RED),),
    )


def written_case(folder: Path, eyes: PlateEyes | None) -> tuple[dict[str, object], Path]:
    rng = np.random.default_rng(6)
    buffer = SnapshotBuffer(10.0, 60)
    box = (100.0, 90.0, 380.0, 290.0)
    foot = (240.0, 290.0)
    track = TrackState(
        id=7,
        vehicle_class="motorcycle",
        box_px=box,
        contact_px=foot,
        centre=foot,
        front=foot,
        velocity=(0.0, 0.0),
        heading=(0.0, -1.0),
        units_per_m=(1.0, 1.0),
        speed_mps=0.0,
        score=0.9,
        seen=True,
        age_s=2.0,
        contact=foot,
    )
    for index in range(5):
        picture = with_plate(NUMBER, "motorcycle", 100.0, rng)
        buffer.add(index, 0.5 * index, (track,), SignalState.RED, picture)
    writer = EvidenceWriter(VIEW, folder, plates=eyes)
    target = writer.write(violation(), [KeyMoment("at", 1.0)], buffer.between(0, 10))
    return json.loads((target / "case.json").read_text(encoding="utf-8")), target


def test_a_case_holds_the_plate_that_its_frames_agree_on(tmp_path: Path, eyes: PlateEyes) -> None:
    case, folder = written_case(tmp_path, eyes)
    plate = case["plate"]
    assert isinstance(plate, dict)
    assert (plate["state"], plate["text"]) == ("read", "29-B1 256.62")
    assert plate["frames_read"] >= 3
    crop = cv2.imread(str(folder / "plate.jpg"))
    assert crop is not None
    assert 90 < crop.shape[1] < 200
    hashes = case["files_sha256"]
    assert isinstance(hashes, dict)
    assert "plate.jpg" in hashes


def test_a_camera_that_promises_no_plates_does_not_try(tmp_path: Path) -> None:
    case, folder = written_case(tmp_path, None)
    assert case["plate"] == {"state": "not_promised", "text": None}
    assert not (folder / "plate.jpg").exists()


def test_photographs(test_data: Path, eyes: PlateEyes) -> None:
    truth = json.loads((test_data / "plates" / "plates.json").read_text(encoding="utf-8"))
    wanted, got = set(), set()
    for name, plates in truth.items():
        if name == "note":
            continue
        image = cv2.imread(str(test_data / "plates" / name))
        assert image is not None
        wanted |= {re.sub(r"[^A-Z0-9]", "", plate) for plate in plates if plate}
        read = eyes.read(np.asarray(image, np.uint8))
        got |= {r.plate.compact for r in read if r.plate is not None}
    assert len(wanted & got) >= 11
    assert not got - wanted
