"""Crossings and red-light runners on labelled footage: detectors, parts of the pipeline, peers.

Run with `XANH_TEST_DATA` set:

    .venv/bin/python benchmarks/real_footage.py [--weights street,yolox-nano] [--views filmed]
        [--tiles] [--parts] [--peer PYTHON]

The labels were made by eye (docs/examples/hanoi-giang-vo/README.md); the line `queue` lies in the
middle of the waiting riders and is far harder than the stop line. One clip is little, so it is
also run backwards (riders come back over the lines), mirrored, enlarged and reduced, each with its
calibration and in pixels. `against` counts crossings in the direction in which nobody rode.

`--parts` leaves out one part of the pipeline at a time. `--peer` names an interpreter that has
ultralytics (a venv after `make setup-train`): its own tracker and ObjectCounter then run on the
same clip, in the same run. Times are of processor time on one thread.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from detection.counting import Crossing
from detection.crossing_score import Passage, Score, read_labels, score, score_red_light
from detection.detectors import open_detector
from detection.lamp import LampReader
from detection.pipeline import CameraPipeline, PipelineSettings
from detection.plane import GroundPlane
from detection.ports import Detections, Detector, Frame, Image
from detection.sources import open_source
from detection.tiling import TiledDetector, zone_tiles
from detection.tracking import TrackerSettings
from detection.yolo import DetectorSettings
from models.camera import IDENTITY, CameraView, Point
from models.signals import SignalState
from traffic.detector_card import processor_name
from traffic.sites import load_site

EXAMPLE: Final = Path(__file__).parents[1] / "docs" / "examples" / "hanoi-giang-vo"
LINES: Final = {"stop": ((40.0, 337.0), (515.0, 365.0)), "queue": ((150.0, 415.0), (640.0, 440.0))}
PEER: Final = Path(__file__).with_name("ultralytics_peer.py")
NOTHING: Final = Score(0, 0, 0)

Affine = npt.NDArray[np.float64]
ZOOM: Final = 1.3
VIEWS: Final[Mapping[str, Affine]] = {
    "filmed": np.eye(3),
    "mirrored": np.array([[-1.0, 0, 639], [0, 1, 0], [0, 0, 1]]),
    "enlarged": np.array([[ZOOM, 0, -119.0], [0, ZOOM, -144.0], [0, 0, 1]]),
    "reduced": np.array([[0.75, 0, 80], [0, 0.75, 90], [0, 0, 1]]),
}
PARTS: Final[Mapping[str, PipelineSettings]] = {
    "everything": PipelineSettings(),
    "without stillness": PipelineSettings(stillness=False),
    "without rider size": PipelineSettings(rider_size=False),
    "without hidden wheels": PipelineSettings(tracker=TrackerSettings(short_share=0.0)),
    "without weak detections": PipelineSettings(tracker=TrackerSettings(low_score=0.35)),
}


@dataclass(frozen=True, slots=True)
class Shot:
    """A frame as one view shows it, what was found in it and what the signal showed."""

    frame: Frame
    image: Image
    found: Detections
    state: SignalState


@dataclass(frozen=True, slots=True)
class Result:
    """Crossings of a line, those against the way, and red-light runners where they are labelled."""

    crossings: Score = NOTHING
    against: int = 0
    red_light: Score = NOTHING

    def __add__(self, other: Result) -> Result:
        return Result(
            self.crossings + other.crossings,
            self.against + other.against,
            self.red_light + other.red_light,
        )


def moved(points: Sequence[Point] | npt.NDArray[np.float64], by: Affine) -> tuple[Point, ...]:
    """Points of the picture as another view shows them."""
    placed = np.array(points, np.float64) @ by[:2, :2].T + by[:2, 2]
    return tuple((x, y) for x, y in placed.tolist())


def shown(view: CameraView, line: str, by: Affine, *, metric: bool) -> CameraView:
    """The camera as another view shows it, with this line; in metres or without calibration."""
    plane = GroundPlane(view)
    if metric:
        ground = (np.array(view.ground_from_image) @ np.linalg.inv(by)).tolist()
        first_row, second_row, third_row = (tuple(row) for row in ground)
        start, end = plane.to_plane(np.array(LINES[line])).tolist()
        return dataclasses.replace(
            view, ground_from_image=(first_row, second_row, third_row),
            stop_line=((start[0], start[1]), (end[0], end[1])),
        )  # fmt: skip
    paths = tuple(
        dataclasses.replace(m, points=moved(plane.to_image(np.array(m.points)), by))
        for m in view.movements
    )
    first, second = moved(LINES[line], by)
    inward = by[:2, :2] @ np.array([-0.06, -0.998])
    x, y = (inward / np.hypot(*inward)).tolist()
    return dataclasses.replace(
        view, ground_from_image=IDENTITY, metric=False, stop_line=(first, second), inward=(x, y),
        zone=moved(plane.to_image(np.array(view.zone)), by), movements=paths,
    )  # fmt: skip


def labelled(labels: Sequence[Passage], line: str, by: Affine) -> list[Passage]:
    """The labels of a line where another view shows them."""
    (x0, y0), (x1, y1) = LINES[line]
    places = [(item.x_px, y0 + (y1 - y0) * (item.x_px - x0) / (x1 - x0)) for item in labels]
    return [
        dataclasses.replace(item, x_px=x)
        for item, (x, _) in zip(labels, moved(places, by), strict=True)
    ]


def run(
    view: CameraView, shots: Sequence[Shot], settings: PipelineSettings, *, backwards: bool
) -> tuple[list[Crossing], list[Passage]]:
    """Crossings, and the red-light runners among what was flagged."""
    pipeline = CameraPipeline(view, detector="", weights_sha256="", settings=settings)
    crossings: list[Crossing] = []
    runners = []
    times = np.array([shot.frame.time_s for shot in shots])
    for shot in reversed(shots) if backwards else shots:
        time_s = times[-1] - shot.frame.time_s if backwards else shot.frame.time_s
        state = SignalState.UNKNOWN if backwards else shot.state
        result = pipeline.process(
            float(time_s), shot.found, state, shot.image, frame=shot.frame.index
        )
        crossings += result.crossings
        for flag in result.violations:
            if flag.kind.value == "red_light":
                at = min(flag.points, key=lambda point: abs(point.time_s - flag.time_s))
                runners.append(Passage(int(np.abs(times - flag.time_s).argmin()), at.x_px))
    crossings += pipeline.finish()
    return crossings, runners


def judged(
    view: CameraView,
    labels: Mapping[str, tuple[Passage, ...]],
    shots: Sequence[Shot],
    by: Affine,
    settings: PipelineSettings,
    *,
    metric: bool,
) -> dict[str, Result]:
    """Both lines, forwards and backwards."""
    results = dict.fromkeys(LINES, Result())
    width_px = round(view.width_px * abs(by[0, 0]))
    for line in LINES:
        truth = labelled(labels[line], line, by)
        for backwards in (False, True):
            camera = shown(view, line, by, metric=metric)
            crossings, runners = run(camera, shots, settings, backwards=backwards)
            way = "out" if backwards else "in"
            found = [Passage(item.frame, item.x_px) for item in crossings if item.direction == way]
            red = NOTHING
            if line == "stop" and not backwards:
                red = score_red_light(runners, truth, width_px)
            against = len(crossings) - len(found)
            results[line] += Result(score(found, truth, width_px), against, red)
    return results


def text(value: Score) -> str:
    """Precision and recall, with the counts behind them."""
    precision = "-" if value.precision is None else f"{value.precision:.3f}"
    recall = "-" if value.recall is None else f"{value.recall:.3f}"
    return f"P {precision} R {recall} ({value.matched} of {value.labelled}, {value.found} found)"


def told(name: str, results: Mapping[str, Result]) -> None:
    """Print one row."""
    total = sum(results.values(), Result())
    stop = results["stop"]
    print(
        f"{name:34s} stop line {text(stop.crossings)}, red light {text(stop.red_light)}, "
        f"against {stop.against}; both lines {text(total.crossings)}, against {total.against}",
        flush=True,
    )


def looked_at(
    detector: Detector, frames: Sequence[tuple[Frame, Image, SignalState]], by: Affine
) -> tuple[list[Shot], float]:
    """The frames as a view shows them with what is found in them; processor seconds for that."""
    shots, spent_s = [], 0.0
    for frame, image, state in frames:
        picture = image
        if not np.array_equal(by, np.eye(3)):
            near = cv2.INTER_AREA if by[1, 1] < 1 else cv2.INTER_LINEAR
            size = (image.shape[1], image.shape[0])
            warped = cv2.warpAffine(image, by[:2], size, flags=near, borderValue=(90, 90, 90))
            picture = np.ascontiguousarray(warped, np.uint8)
        began = time.process_time()
        found = detector.detect([picture])[0]
        spent_s += time.process_time() - began
        shots.append(Shot(frame, picture, found, state))
    return shots, spent_s


def peers(python: str, clip: Path, weights: Path) -> Iterator[tuple[str, list[Passage]]]:
    """Crossings of the stop line as ultralytics counts them."""
    environment = {**os.environ, "YOLO_OFFLINE": "1", "YOLO_AUTOINSTALL": "0"}
    for tracker in ("bytetrack.yaml", "botsort.yaml"):
        command = [python, str(PEER), str(clip), str(weights), tracker]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        found = json.loads(done.stdout.strip().splitlines()[-1])
        rows = [Passage(int(frame), float(x)) for frame, x in found["crossings"]]
        yield f"{tracker.split('.')[0]}, {found['cpu_ms']:.0f} ms a frame", rows


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", default="street,yolox-nano")
    parser.add_argument("--views", default=",".join(VIEWS))
    parser.add_argument("--tiles", action="store_true", help="look twice at the zone")
    parser.add_argument("--parts", action="store_true", help="leave out a part at a time")
    parser.add_argument("--peer", help="a Python with ultralytics")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    data = Path(os.environ["XANH_TEST_DATA"])
    os.environ.setdefault("XANH_WEIGHTS_DIR", str(data / "weights"))
    clip = data / "footage" / "vn_16h15.mp4"
    labels = read_labels((EXAMPLE / "labels.csv").read_text(encoding="utf-8"), "labels.csv")
    view = load_site(EXAMPLE).camera("giang-vo-south").view
    assert view.lamp_px is not None
    lamp = LampReader(view.lamp_px)
    frames = [
        (frame, frame.image, lamp.read(frame.time_s, frame.image))
        for frame in open_source(str(clip))
        if frame.image is not None
    ]
    print(processor_name())
    for name in arguments.weights.split(","):
        total: dict[str, Result] = dict.fromkeys(LINES, Result())
        for where in arguments.views.split(","):
            by = VIEWS[where]
            detector: Detector = open_detector(name, DetectorSettings(threads=1))
            if arguments.tiles:
                tiles = zone_tiles(shown(view, "stop", by, metric=True))
                detector = TiledDetector(detector, tiles)
            shots, spent_s = looked_at(detector, frames, by)
            if where == "filmed":
                print(f"{detector.name}: {1000 * spent_s / len(shots):.1f} ms a frame")
            parts = PARTS if arguments.parts else {"everything": PARTS["everything"]}
            for part, settings in parts.items():
                for metric in (True, False):
                    found = judged(view, labels, shots, by, settings, metric=metric)
                    kind = "metres" if metric else "pixels"
                    told(f"{where}, {kind}" + (f", {part}" if arguments.parts else ""), found)
                    if part == "everything":
                        total = {line: total[line] + found[line] for line in LINES}
        told(f"{name}, all", total)
    if arguments.peer:
        for name, passages in peers(arguments.peer, clip, data / "weights"):
            print(f"ultralytics ObjectCounter, yolov8n-int8, {name}")
            print(f"    stop line {text(score(passages, labels['stop'], view.width_px))}")


if __name__ == "__main__":
    main()
