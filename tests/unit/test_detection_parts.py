from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import cv2
import numpy as np
import pytest

from detection import weights as registry
from detection.boxes import covered, iou, suppress, suppress_by_class
from detection.calibration import PointPair, fit
from detection.geometry import StopLine, inside
from detection.lamp import LampReader
from detection.letterbox import letterbox
from detection.plane import GroundPlane
from detection.ports import Detections
from detection.queues import measure_queue
from detection.riders import road_users
from detection.signal_log import parse_signal_log, timeline_for
from detection.tiling import TiledDetector, zone_tiles
from detection.tracking import Tracker, TrackState
from detection.trajectory import Trajectory, TrajectoryPoint
from models.camera import IDENTITY, CameraView, MovementPath
from models.errors import BadInput
from models.signals import SignalState


def found(names: tuple[str, ...], *rows: tuple[float, float, float, float, float, str]):
    return Detections(
        np.array([row[:4] for row in rows], np.float32).reshape(-1, 4),
        np.array([row[4] for row in rows], np.float32),
        np.array([names.index(row[5]) for row in rows], np.int64),
        names,
    )


def a_view(**changes: object) -> CameraView:
    values: dict[str, object] = {
        "camera": "cam",
        "junction": "J",
        "width_px": 640,
        "height_px": 480,
        "ground_from_image": IDENTITY,
        "metric": False,
        "stop_line": ((100.0, 300.0), (500.0, 300.0)),
        "inward": (0.0, -1.0),
        "zone": ((100.0, 300.0), (500.0, 300.0), (500.0, 480.0), (100.0, 480.0)),
        "movements": (MovementPath("J:a>b", ((300.0, 480.0), (300.0, 100.0))),),
        "calibration_version": "1",
    }
    return CameraView(**{**values, **changes})  # type: ignore[arg-type]


COCO = ("person", "bicycle", "car", "motorcycle")


def test_overlap_and_suppression():
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [30, 0, 40, 10], [2, 2, 6, 6]], np.float32)
    scores = np.array([0.5, 0.9, 0.3, 0.8], np.float32)
    assert iou(boxes, boxes)[0, 1] == pytest.approx(90 / 110)
    assert covered(boxes, boxes)[3, 0] == pytest.approx(1.0)
    assert suppress(boxes, scores, 0.5).tolist() == [1, 3, 2]
    classes = np.array([0, 1, 0, 0])
    assert suppress_by_class(boxes, scores, classes, 0.5).tolist() == [1, 3, 0, 2]
    assert suppress(boxes[:0], scores[:0], 0.5).tolist() == []


def test_a_person_on_a_motorcycle_is_one_rider_and_a_pillion_joins():
    users = road_users(
        found(
            COCO,
            (100, 150, 140, 220, 0.6, "motorcycle"),
            (102, 110, 138, 200, 0.9, "person"),
            (104, 115, 140, 205, 0.5, "person"),
            (300, 100, 330, 200, 0.8, "person"),
        )
    )
    names = [users.class_names[index] for index in users.classes]
    assert sorted(names) == ["motorcycle", "pedestrian"]
    rider = users.boxes[names.index("motorcycle")]
    assert rider.tolist() == [100, 110, 140, 220]
    assert users.scores[names.index("motorcycle")] == pytest.approx(0.9)


def test_one_object_with_two_names_is_one_and_other_things_are_no_road_users():
    names = (*COCO, "truck", "bench")
    users = road_users(
        found(
            names,
            (10, 10, 110, 80, 0.7, "car"),
            (12, 10, 112, 82, 0.4, "truck"),
            (300, 300, 340, 340, 0.9, "bench"),
        )
    )
    assert [users.class_names[index] for index in users.classes] == ["car"]


def test_projected_boxes_that_overlap_are_all_kept():
    names = ("motorcycle", "car")
    pair = found(names, (10, 10, 50, 90, 0.8, "motorcycle"), (12, 12, 52, 92, 0.8, "motorcycle"))
    assert len(road_users(pair)) == 1
    assert len(road_users(pair, truthful=True)) == 2


def test_a_calibration_gives_back_the_ground_and_its_error():
    truth = np.array([[0.03, 0.002, -9.0], [0.001, -0.05, 30.0], [0.0001, 0.004, -0.3]])
    pixels = [(50.0, 400.0), (600.0, 420.0), (300.0, 250.0), (120.0, 200.0), (550.0, 210.0)]

    def ground(pixel: tuple[float, float]) -> tuple[float, float]:
        x, y, w = truth @ np.array([*pixel, 1.0])
        return x / w, y / w

    pairs = [PointPair(pixel, ground(pixel)) for pixel in pixels]
    exact = fit(pairs)
    assert exact.worst_m < 1e-6
    plane = GroundPlane(a_view(ground_from_image=exact.ground_from_image, metric=True))
    some = np.array([[320.0, 300.0], [200.0, 350.0]])
    np.testing.assert_allclose(plane.to_plane(some), [ground(tuple(p)) for p in some], rtol=1e-6)
    np.testing.assert_allclose(plane.to_image(plane.to_plane(some)), some, rtol=1e-6)
    moved = PointPair(pixels[4], (ground(pixels[4])[0] + 1.0, ground(pixels[4])[1]))
    assert 0.05 < fit([*pairs[:4], moved]).worst_m < 1.0


@pytest.mark.parametrize(
    ("pixels", "reason"),
    [
        ([(0, 0), (1, 0), (0, 1)], "4 or more"),
        ([(0, 0), (1, 1), (2, 2), (3, 3)], "one line"),
        ([(0, 0), (1, 1), (2, 2), (3, 0)], "one line"),
    ],
)
def test_a_calibration_that_cannot_be_fitted_says_why(pixels, reason):
    metres = [(0, 0), (1, 0), (0, 1), (5, 7)]
    pairs = [PointPair(p, m) for p, m in zip(pixels, metres, strict=False)]
    with pytest.raises(BadInput, match=reason):
        fit(pairs, "site.yaml:12")


def test_depth_and_sides_of_a_slanted_line():
    line = StopLine(a_view(metric=True, stop_line=((0, 0), (10, 10)), inward=(-0.7071, 0.7071)))
    assert line.depth_m((0.0, 2.0), (1, 1)) == pytest.approx(2**0.5)
    assert line.depth_m((2.0, 0.0), (1, 1)) == pytest.approx(-(2**0.5))
    assert line.beside_m((5.0, 5.0), (1, 1)) == 0.0
    assert line.beside_m((11.0, 11.0), (1, 1)) == pytest.approx(2**0.5)
    with pytest.raises(ValueError, match="inward"):
        StopLine(a_view(stop_line=((0, 0), (0, 10)), inward=(0.0, 1.0)))


def test_inside_a_polygon():
    points = np.array([[300.0, 400.0], [50.0, 400.0], [300.0, 299.0]])
    assert inside(points, a_view().zone).tolist() == [True, False, False]


def sighting(time_s: float, depth_m: float, progress_m: float | None = None, in_zone: bool = True):
    progress = depth_m if progress_m is None else progress_m
    return TrajectoryPoint(
        time_s, 0, (0, 0), (0, progress), (0, depth_m), depth_m, progress, 5.0, in_zone,
        (0, 0, 1, 1),
    )  # fmt: skip


def test_a_standing_vehicle_adds_one_sighting_a_second():
    trajectory = Trajectory()
    for k in range(60):
        point = sighting(k / 6, 0.0)
        trajectory.add(
            TrajectoryPoint(
                point.time_s, k, (0, 0), (0, 0), (0, 0), 0.0, 0.0, 0.1, True, (0, 0, 1, 1)
            )
        )
    assert 9 <= len(trajectory.points) <= 14
    assert trajectory.points[-1].time_s == pytest.approx(59 / 6)


def track(front_m: float, speed: float, name: str = "motorcycle") -> TrackState:
    return TrackState(
        1, name, (0, 0, 1, 1), (0, 0), (0, front_m - 1), (0, front_m), (0, speed), (0, 1), (1, 1),
        speed, 0.9, True, 3.0, (0, front_m - 2),
    )  # fmt: skip


def test_the_queue_ends_where_the_gap_is():
    line = StopLine(a_view(metric=True, stop_line=((-5, 0), (5, 0)), inward=(0, 1)))
    tracks = [track(-1, 0), track(-4, 0.5), track(-8, 0), track(-9, 8.0), track(-40, 0)]

    def watched_to(end_m: float) -> Callable[[tuple[float, float]], bool]:
        return lambda place: place[1] > -end_m

    queue = measure_queue([*tracks, track(-3, 0, "pedestrian")], [True] * 6, line, watched_to(30))
    assert queue.vehicles == 3
    assert queue.length_m == pytest.approx(9.9)
    assert not queue.at_least
    # A gap and another motorbike end 12.9 m behind the line.
    assert measure_queue(tracks, [True] * 5, line, watched_to(12.8)).at_least
    assert not measure_queue(tracks, [True] * 5, line, watched_to(13)).at_least
    nobody = measure_queue(tracks, [False] * 5, line, watched_to(0))
    assert (nobody.vehicles, nobody.at_least) == (0, False)


def test_a_signal_log_is_read_in_seconds_and_in_iso():
    text = "time,signal,state\n0,main,red\n0,side,green\n4.5,main,green\n"
    log = parse_signal_log(text, "log.csv")
    assert log["main"].state_at(4.4) is SignalState.RED
    assert timeline_for(log, ["cam", "main"], "log.csv") is log["main"]
    with pytest.raises(BadInput, match="none of cam"):
        timeline_for(log, ["cam"], "log.csv")
    start = datetime(2026, 11, 22, 7, tzinfo=UTC)
    iso = "time,signal,state\n2026-11-22T07:00:03Z,a,red\n"
    assert parse_signal_log(iso, "log.csv", start)["a"].changes[0].time_s == 3.0
    with pytest.raises(BadInput, match="--start"):
        parse_signal_log(iso, "log.csv")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("time,state\n0,red\n", "log.csv:1: signal"),
        ("time,signal,state\n0,a,purple\n", "log.csv:2: state: 'purple'"),
        ("time,signal,state\nsoon,a,red\n", "log.csv:2: time: 'soon'"),
        ("time,signal,state\nnan,a,red\n", "log.csv:2: time: 'nan'"),
        ("time,signal,state\n5,a,red\n4,a,green\n", "log.csv:3: time"),
        ("time,signal,state\n", "log.csv: time: the file has no rows"),
        ('time,signal,state\n0,"J' + ",red\n1,J" * 20_000, "log.csv:2: no CSV (field larger"),
    ],
)
def test_a_bad_signal_log_names_its_line(text, line):
    with pytest.raises(BadInput) as error:
        parse_signal_log(text, "log.csv")
    assert str(error.value).startswith(line)


def test_a_log_of_another_time_is_refused():
    """Seven hours off: a start in local time that was taken for UTC."""
    log = "time,signal,state\n2026-11-22T00:00:00Z,J,green\n2026-11-22T00:00:30Z,J,red\n"
    start = datetime(2026, 11, 22, tzinfo=UTC)
    assert timeline_for(parse_signal_log(log, "log.csv", start), ["J"], "log.csv").changes
    late = parse_signal_log(log, "log.csv", start + timedelta(hours=7))
    with pytest.raises(BadInput, match=r"log\.csv: time: the log ends 25170 s before the clip"):
        timeline_for(late, ["J"], "log.csv")


def lamp(colour: tuple[int, int, int] | None, countdown: bool = False) -> np.ndarray:
    image = np.full((80, 40, 3), 35, np.uint8)
    if colour is not None:
        cv2.circle(image, (20, 20), 9, colour, -1)
    if countdown:
        cv2.putText(image, "8", (14, 70), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (60, 230, 60), 1)
    return image


@pytest.mark.parametrize(
    ("colour", "state"),
    [
        ((40, 40, 230), SignalState.RED),
        ((60, 60, 140), SignalState.RED),
        ((30, 200, 240), SignalState.YELLOW),
        ((150, 220, 30), SignalState.GREEN),
        (None, SignalState.DARK),
    ],
)
def test_a_lamp_is_read_by_its_colour(colour, state):
    assert LampReader((0, 0, 40, 80)).look(lamp(colour)) is state


def test_the_countdown_does_not_outshine_the_lamp_and_night_is_unknown():
    reader = LampReader((0, 0, 40, 80))
    assert reader.look(lamp((40, 40, 230), countdown=True)) is SignalState.RED
    assert reader.look(np.zeros((80, 40, 3), np.uint8)) is SignalState.UNKNOWN
    assert LampReader((50, 0, 60, 10)).look(lamp(None)) is SignalState.UNKNOWN


LENSES = {SignalState.RED: (40, 30), SignalState.GREEN: (40, 90)}
UNLIT = {SignalState.RED: (30, 30, 45), SignalState.GREEN: (30, 48, 10)}
LIT = {SignalState.RED: (40, 40, 130), SignalState.GREEN: (90, 115, 5)}


@pytest.mark.parametrize("exposure", [0.55, 1.0, 1.9])
@pytest.mark.parametrize("state", [SignalState.RED, SignalState.GREEN, SignalState.DARK])
def test_a_lamp_is_read_at_any_exposure(exposure, state):
    scene = np.full((240, 320, 3), 130, np.uint8)
    scene[20:100, 20:60] = 35
    for lens, centre in LENSES.items():
        cv2.circle(scene, centre, 9, LIT[lens] if lens is state else UNLIT[lens], -1)
    image = np.clip(scene * exposure, 0, 255).astype(np.uint8)
    assert LampReader((20, 20, 60, 100)).look(image) is state


@pytest.mark.parametrize("horizontal", [False, True])
@pytest.mark.parametrize(
    ("at", "state"),
    list(enumerate([SignalState.RED, SignalState.YELLOW, SignalState.GREEN])),
)
def test_by_night_a_lamp_is_read_through_its_glow(at, state, horizontal):
    """White where it shines, its colour in a wide glow on the housing, digits beside it."""
    colour = {
        SignalState.RED: (30, 30, 255),
        SignalState.YELLOW: (40, 190, 255),
        SignalState.GREEN: (170, 255, 60),
    }[state]
    centre = (35 + 30 * at, 35) if horizontal else (35, 35 + 30 * at)
    scene = np.full((240, 320, 3), 25, np.uint8)
    glow = np.zeros(scene.shape, np.float32)
    cv2.circle(glow, centre, 17, colour, -1)
    lit = np.clip(scene + 0.9 * cv2.GaussianBlur(glow, (0, 0), 5.5), 0, 255).astype(np.uint8)
    cv2.circle(lit, centre, 6, (255, 255, 255), -1)
    cv2.putText(lit, "47", (112, 46) if horizontal else (20, 17), 0, 1.15, colour, 2)
    lit = np.asarray(cv2.GaussianBlur(lit, (0, 0), 0.7), np.uint8)
    # A camera's compression spreads colours.
    sent = cv2.imencode(".jpg", lit, [cv2.IMWRITE_JPEG_QUALITY, 50])[1]
    lit = np.asarray(cv2.imdecode(sent, cv2.IMREAD_COLOR), np.uint8)
    box = (18, 18, 172, 52) if horizontal else (18, 0, 52, 112)
    assert LampReader(box).look(lit) is state


def test_what_drives_past_behind_the_head_is_no_lamp():
    image = lamp((40, 40, 230))
    image[50:68] = (10, 140, 240)  # an orange lorry, longer than the head is wide
    assert LampReader((0, 0, 40, 80)).look(image) is SignalState.RED


@pytest.mark.parametrize("veil", [0.55, 0.7])
@pytest.mark.parametrize("state", [SignalState.RED, SignalState.GREEN, SignalState.DARK])
def test_a_lamp_is_read_through_haze(veil, state):
    scene = np.full((240, 320, 3), 110, np.uint8)
    scene[20:100, 20:60] = 30
    scene[150:160, 100:300] = 20  # what is dark anywhere tells how thick the haze is
    for lens, centre in LENSES.items():
        cv2.circle(scene, centre, 9, LIT[lens] if lens is state else UNLIT[lens], -1)
    image = np.asarray(scene * (1.0 - veil) + 190 * veil, np.uint8)
    assert LampReader((20, 20, 60, 100)).look(image) is state


def test_a_red_jacket_beside_the_head_is_no_lamp():
    image = lamp((90, 200, 10))
    cv2.circle(image, (0, 55), 14, (30, 30, 220), -1)  # half of it in the box, larger than the lamp
    assert LampReader((0, 0, 40, 80)).look(image) is SignalState.GREEN


def test_a_lamp_that_flickers_keeps_its_state():
    reader = LampReader((0, 0, 40, 80))
    states = []
    for k in range(30):
        image = lamp(None) if k == 15 else lamp((40, 40, 230))
        states.append(reader.read(k / 6, image))
    assert states[0] is SignalState.UNKNOWN
    assert set(states[3:]) == {SignalState.RED}
    assert reader.since_s == 0.0


def test_letterbox_and_back():
    image = np.zeros((480, 640, 3), np.uint8)
    for centred in (True, False):
        picture, placed = letterbox(image, (416, 416), centred=centred)
        assert picture.shape == (416, 416, 3)
        box = np.array([[100.0, 50.0, 300.0, 400.0]], np.float32)
        shift = np.array(placed.shift * 2, np.float32)
        np.testing.assert_allclose(placed.to_image(box * placed.scale + shift), box, atol=1e-3)


class _Bright:
    """Finds one box around all pixels above 200: enough to see what tiles do."""

    name, weights_sha256, class_names = "bright", "", ("car",)

    def detect(self, images):
        results = []
        for image in images:
            ys, xs = np.nonzero(image[..., 0] > 200)
            if len(xs) == 0:
                results.append(Detections.empty(("car",)))
                continue
            box = (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1)
            results.append(found(("car",), (*map(float, box), 0.9, "car")))
        return results


def test_what_a_tile_sees_comes_back_in_the_frames_pixels_once():
    view = a_view()
    tiles = zone_tiles(view, 200)
    assert len(tiles) > 1
    assert min(t[0] for t in tiles) == 100
    assert max(t[3] for t in tiles) == 480
    image = np.zeros((480, 640, 3), np.uint8)
    image[390:420, 300:340] = 255
    detections = TiledDetector(_Bright(), tiles).detect([image])[0]
    assert detections.boxes.tolist() == [[300, 390, 340, 420]]


def test_the_registry_names_hash_licence_and_classes(tmp_path, monkeypatch):
    known = registry.registry()
    assert len(known["yolox-nano"].classes) == 80
    for entry in known.values():
        assert len(entry.sha256) == 64
        assert entry.licence
    with pytest.raises(BadInput, match="valid are"):
        registry.require("none")
    wrong = tmp_path / known["yolox-nano"].file
    wrong.write_bytes(b"something else")
    monkeypatch.setenv(registry.WEIGHTS_DIR_VARIABLE, str(tmp_path))
    with pytest.raises(BadInput, match="sha256"):
        registry.fetch(known["yolox-nano"])


def test_weights_that_are_nowhere_are_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv(registry.WEIGHTS_DIR_VARIABLE, str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    own = registry.Weights("own", "own.onnx", "yolo", "", "mine", ("car",), (320, 320))
    with pytest.raises(BadInput, match="XANH_WEIGHTS_DIR"):
        registry.fetch(own)
    # A closed port stands for a machine without internet.
    away = registry.Weights(
        "away", "away.onnx", "yolo", "0" * 64, "mine", ("car",), (320, 320),
        url="http://127.0.0.1:9/away.onnx",
    )  # fmt: skip
    with pytest.raises(BadInput, match="cannot be downloaded"):
        registry.fetch(away)
    assert not list(Path(tmp_path).rglob("*.onnx"))


def test_a_tracker_refuses_time_that_goes_back():
    tracker = Tracker(a_view())
    nothing = Detections.empty(("car",))
    tracker.update(5.0, road_users(nothing))
    with pytest.raises(ValueError, match="goes back"):
        tracker.update(4.0, road_users(nothing))


def test_packaged_weights_are_verified_by_the_hashes_beside_them(tmp_path, monkeypatch):
    assert set(registry.packaged()) >= {"street", "plates"}
    for name in registry.packaged():
        assert registry.verify_packaged(name).name == name
    copied = tmp_path / "street"
    shutil.copytree(registry.PACKAGED / "street", copied)
    with (copied / "street.bin").open("r+b") as file:
        file.seek(1000)
        file.write(b"\xff\x00\xff")
    monkeypatch.setattr(registry, "PACKAGED", tmp_path)
    with pytest.raises(BadInput, match=r"street\.bin"):
        registry.verify_packaged("street")
    (copied / "street.bin").unlink()
    with pytest.raises(BadInput, match="cannot be read"):
        registry.verify_packaged("street")


def head(colour: str, at_px: tuple[int, int], radius_px: int = 8) -> np.ndarray:
    image = np.full((90, 40, 3), 35, np.uint8)
    cv2.circle(image, at_px, radius_px, {"red": (40, 40, 230), "green": (90, 200, 10)}[colour], -1)
    return image


def test_a_colour_elsewhere_than_it_shone_changes_nothing():
    """Blocks of a poor picture, and what drives past behind the head, are no lamps."""
    reader = LampReader((0, 0, 40, 90))
    lamps = {"green": (20, 74), "red": (20, 14)}
    shown = [head(name, lamps[name]) for name in ("green", "red") * 2 for _ in range(6)]
    for k, image in enumerate([*shown, *[head("green", (10, 44))] * 6]):
        state = reader.read(k / 6, image)
    assert state is SignalState.UNKNOWN
    for k in range(30, 36):
        state = reader.read(k / 6, head("green", lamps["green"]))
    assert state is SignalState.GREEN


def test_a_place_that_was_wrong_is_outvoted():
    """The first green that was seen was a lorry's; digits may be in the box, too."""
    reader = LampReader((0, 0, 40, 90))
    shown = [*[head("green", (30, 40))] * 6, *[head("red", (20, 14))] * 6]
    shown += [head("green", (20, 74), 6)] * 12
    states = [reader.read(k / 6, image) for k, image in enumerate(shown)]
    assert (states[11], states[-1]) == (SignalState.RED, SignalState.GREEN)
