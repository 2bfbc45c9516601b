from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from detection import detectors
from detection import weights as registry
from detection.calibration import PointPair, fit
from detection.detectors import open_detector
from detection.exports import onnx_metadata, weights_of
from detection.motion_detector import CLASSES, MotionDetector
from detection.plane import GroundPlane
from detection.yolo import DetectorSettings
from models.camera import CameraView, MovementPath
from models.errors import BadInput, XanhError
from traffic.commands.detection import weights_list

ONE_THREAD = {"threads": 1, "min_score": 0.2}


def field(number: int, body: bytes) -> bytes:
    """A protobuf field of bytes shorter than 128."""
    return bytes([number << 3 | 2, len(body)]) + body


def onnx_file(path: Path, **metadata: str) -> Path:
    pairs = (field(1, k.encode()) + field(2, v.encode()) for k, v in metadata.items())
    path.write_bytes(b"\x08\x09" + field(7, b"graph") + b"".join(field(14, p) for p in pairs))
    return path


def test_an_ultralytics_onnx_export_says_what_it_finds(tmp_path):
    path = onnx_file(
        tmp_path / "mine.onnx", names="{0: 'car', 1: 'bus'}", imgsz="[320, 416]", license="AGPL-3.0"
    )
    assert onnx_metadata(path)["imgsz"] == "[320, 416]"
    found, file = weights_of(path)
    assert (found.classes, found.input_px, found.family) == (("car", "bus"), (416, 320), "yolo")
    assert (found.licence, file) == ("AGPL-3.0", path)


def test_what_finds_no_road_user_is_refused_and_capitals_do_not_matter(tmp_path, monkeypatch):
    class Loaded:
        def __init__(self, weights: registry.Weights, *_: object) -> None:
            self.class_names = weights.classes

    monkeypatch.setitem(detectors.RUNTIMES, "openvino", Loaded)
    fruit = onnx_file(tmp_path / "fruit.onnx", names="{0: 'apple', 1: 'pear'}", imgsz="[320, 416]")
    with pytest.raises(
        BadInput, match=r"finds no road user \(apple, pear, ...\); valid is a class"
    ):
        open_detector(str(fruit))
    hanoi = onnx_file(tmp_path / "hanoi.onnx", names="{0: 'Motorbike', 1: 'Xe'}", imgsz="[64, 64]")
    assert open_detector(str(hanoi)).class_names == ("motorbike", "xe")


def test_the_list_of_weights_tells_a_file_that_is_another(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XANH_WEIGHTS_DIR", str(tmp_path))
    (tmp_path / "yolox_nano.onnx").write_bytes(b"half of it")
    weights_list()
    assert "another file: " + str(tmp_path / "yolox_nano.onnx") in capsys.readouterr().out


def test_other_onnx_files_need_a_note_beside_them(tmp_path):
    path = onnx_file(tmp_path / "mine.onnx", producer="somebody")
    with pytest.raises(BadInput, match=r"put mine\.json beside it"):
        weights_of(path)
    note = {"family": "yolox", "classes": ["rider"], "input_px": [640, 384]}
    (tmp_path / "mine.json").write_text(json.dumps(note))
    found, _ = weights_of(path)
    assert (found.family, found.classes, found.input_px) == ("yolox", ("rider",), (640, 384))
    (tmp_path / "mine.json").write_text('{"family": "yolox"}')
    with pytest.raises(BadInput, match="classes and input_px"):
        weights_of(path)


def test_a_truncated_or_foreign_file_is_one_line(tmp_path):
    whole = onnx_file(tmp_path / "whole.onnx", names="{0: 'car'}", imgsz="[320, 320]").read_bytes()
    cut = tmp_path / "cut.onnx"
    cut.write_bytes(whole[:-7])
    text = tmp_path / "text.onnx"
    text.write_text("<html>not found</html>\n" * 20)
    for path in (cut, text):
        with pytest.raises(BadInput, match="no ONNX network, or it breaks off"):
            open_detector(str(path))
    # Whole as a file, but no network: each runtime says so in one line.
    for runtime in ("openvino", "onnxruntime"):
        with pytest.raises(BadInput, match="cannot load it"):
            open_detector(str(tmp_path / "whole.onnx"), DetectorSettings(runtime=runtime))
    with pytest.raises(BadInput, match="no such weights file"):
        open_detector(str(tmp_path / "none.onnx"))
    with pytest.raises(BadInput, match="unknown; valid are"):
        open_detector("yolo-of-nobody")
    with pytest.raises(BadInput, match="openvino, onnxruntime"):
        open_detector("street", DetectorSettings(runtime="tensorrt"))
    with pytest.raises(BadInput, match="OpenVINO's own format"):
        open_detector("street", DetectorSettings(runtime="onnxruntime"))


def test_extras_that_are_not_installed_are_one_line(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    monkeypatch.setitem(sys.modules, "ultralytics", None)
    path = onnx_file(tmp_path / "mine.onnx", names="{0: 'car'}", imgsz="[320, 320]")
    with pytest.raises(XanhError, match="pip install"):
        open_detector(str(path), DetectorSettings(runtime="onnxruntime"))
    with pytest.raises(XanhError, match="make setup-train"):
        open_detector(str(tmp_path / "mine.pt"))


def test_both_runtimes_find_the_same(test_data, monkeypatch):
    monkeypatch.setenv(registry.WEIGHTS_DIR_VARIABLE, str(test_data / "weights"))
    clip = cv2.VideoCapture(str(test_data / "footage" / "vn_16h15.mp4"))
    images = [np.asarray(clip.read()[1], np.uint8) for _ in range(2)]
    by_openvino = open_detector("yolox-nano", DetectorSettings(precision="f32", **ONE_THREAD))
    by_onnx = open_detector("yolox-nano", DetectorSettings(runtime="onnxruntime", **ONE_THREAD))
    assert by_onnx.weights_sha256 == by_openvino.weights_sha256
    for ours, theirs in zip(by_openvino.detect(images), by_onnx.detect(images), strict=True):
        assert len(ours) == len(theirs) > 10
        np.testing.assert_allclose(ours.boxes, theirs.boxes, atol=0.5)
        np.testing.assert_array_equal(ours.classes, theirs.classes)


def test_a_wrong_truncated_or_absent_file_of_the_registry(test_data, tmp_path, monkeypatch):
    monkeypatch.setenv(registry.WEIGHTS_DIR_VARIABLE, str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    entry = registry.require("yolox-nano")
    # No internet: a port of this machine that nobody listens on.
    unreachable = registry.Weights(
        **{
            **{name: getattr(entry, name) for name in entry.__slots__},
            "url": "http://127.0.0.1:9/yolox_nano.onnx",
        }
    )
    with pytest.raises(BadInput, match=r"cannot be downloaded.*XANH_WEIGHTS_DIR"):
        registry.fetch(unreachable)
    assert not list((tmp_path / "cache").rglob("*.*"))
    whole = test_data / "weights" / "yolox_nano.onnx"
    shutil.copy(whole, tmp_path)
    assert registry.fetch(unreachable) == tmp_path / "yolox_nano.onnx"
    (tmp_path / "yolox_nano.onnx").write_bytes(whole.read_bytes()[:100_000])
    with pytest.raises(BadInput, match="sha256"):
        registry.fetch(unreachable)


# Motion ----------------------------------------------------------------------------------------

PAIRS = [
    # A level camera 6 m up, horizon at row 60, focal length 600 px.
    PointPair((x, y), (6.0 * (x - 320) / (y - 60), 6.0 * 600 / (y - 60)))
    for x, y in ((100, 200), (540, 200), (60, 460), (600, 460), (320, 300))
]
VIEW = CameraView(
    camera="cam",
    junction="J",
    width_px=640,
    height_px=480,
    ground_from_image=fit(PAIRS).ground_from_image,
    metric=True,
    stop_line=((-4.0, 14.0), (4.0, 14.0)),
    inward=(0.0, 1.0),
    zone=((-4.0, 14.0), (4.0, 14.0), (4.0, 8.0), (-4.0, 8.0)),
    movements=(MovementPath("J:a>b", ((0.0, 8.0), (0.0, 60.0))),),
    calibration_version="1",
)


def vehicle_px(detector: MotionDetector, name: str, contact: tuple[float, float]) -> np.ndarray:
    """The box of a vehicle of a class whose lowest middle point is here."""
    x, y = contact
    width, height = detector.expected_px(np.array([[x - 1, y - 1, x + 1, y]]))[
        0, CLASSES.index(name)
    ]
    return np.array([x - width / 2, y - height, x + width / 2, y])


def test_what_moves_is_found_and_classed_by_its_footprint():
    detector = MotionDetector(VIEW)
    rng = np.random.default_rng(2)
    scene = cv2.GaussianBlur(rng.integers(60, 180, (480, 640, 3)).astype(np.uint8), (9, 9), 3)
    grain = rng.normal(0, 3, scene.shape).astype(np.float32)
    drive = [("motorcycle", 180.0, 60), ("car", 420.0, 200)]
    seen: dict[str, list[float]] = {name: [] for name, _, _ in drive}
    for index in range(60):
        time_s = index / 6
        # A cloud passes: the whole picture darkens.
        light = np.float32(1 - 0.15 * np.sin(time_s / 3))
        noise = np.roll(grain, 7 * index, axis=1)
        image = np.clip(scene * light + noise, 0, 255).astype(np.uint8)
        boxes = {}
        if time_s > 5:
            for name, x, level in drive:
                box = vehicle_px(detector, name, (x, 440 - (time_s - 5) * 45))
                boxes[name] = box
                x0, y0, x1, y1 = box.round().astype(int)
                cv2.rectangle(image, (x0, y0), (x1, y1), (level, 30, 255 - level), -1)
        detector.advance(time_s)
        (found,) = detector.detect([image])
        if time_s < 4:
            assert len(found) == 0
        for name, box in boxes.items():
            mine = found.select(found.classes == CLASSES.index(name))
            overlap = [
                max(min(a[2], box[2]) - max(a[0], box[0]), 0)
                * max(min(a[3], box[3]) - max(a[1], box[1]), 0)
                / ((box[2] - box[0]) * (box[3] - box[1]))
                for a in mine.boxes
            ]
            seen[name].append(max(overlap, default=0.0))
    for name, overlaps in seen.items():
        assert np.mean(np.array(overlaps) > 0.6) > 0.9, name


def test_motion_says_what_it_is_and_what_it_needs():
    detector = open_detector("motion", view=VIEW)
    assert detector.name == "motion (background subtraction)"
    assert detector.weights_sha256 == ""
    uncalibrated = CameraView(
        **{
            **{name: getattr(VIEW, name) for name in VIEW.__slots__},
            "metric": False,
        }
    )
    with pytest.raises(BadInput, match="xanh camera calibrate"):
        open_detector("motion", view=uncalibrated)
    with pytest.raises(BadInput, match="fixed camera"):
        open_detector("motion")


def test_a_footprint_shrinks_with_distance():
    detector = MotionDetector(VIEW)
    plane = GroundPlane(VIEW)
    near, far = plane.to_image(np.array([[0.0, 10.0], [0.0, 40.0]]))
    widths = [vehicle_px(detector, "car", tuple(place))[[0, 2]].tolist() for place in (near, far)]
    assert 3.0 < (widths[0][1] - widths[0][0]) / (widths[1][1] - widths[1][0]) < 5.0
