"""The labelled clip filmed otherwise, and its site drawn otherwise: what holds, what does not.

Run with `XANH_TEST_DATA` set:

    .venv/bin/python benchmarks/real_variants.py [--weights street] [--only NAME ...]

One clip tells little of other cameras. So its pictures are spoiled as recorders, lenses, nights and
masts spoil them, and its site file is drawn as another hand would draw it. Judged are crossings of
the stop line and red-light runners; of pictures in metres and in pixels. `against` counts crossings
in the direction in which nobody rode; `lamp` the frames in which the lamp was read rightly, and
those of a red lamp in which green was believed.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeAlias

import cv2
import numpy as np
from real_footage import EXAMPLE, NOTHING, Affine, Result, labelled, moved, shown, text
from ruamel.yaml import YAML

from detection.counting import Crossing
from detection.crossing_score import Passage, read_labels, score, score_red_light
from detection.detectors import open_detector
from detection.health import HealthMonitor
from detection.lamp import LampReader
from detection.pipeline import CameraPipeline
from detection.ports import Detections, Frame, Image
from detection.sources import open_source
from detection.yolo import DetectorSettings
from models.camera import CameraView
from models.signals import SignalState
from traffic.sites import load_site

Clip: TypeAlias = list[tuple[float, Image]]
Spoil: TypeAlias = Callable[[Clip], Clip]
SAME: Final[Affine] = np.eye(3)
CAMERA: Final = "giang-vo-south"
GREEN_FRAMES, RED_FRAME = 7, 25
"""What the lamp shows: green before the first, then yellow, which this camera sees as dark, then
red."""
EDGE_S: Final = 1.5
"""Labels so near to where a part of the clip begins or ends are neither missed nor wrong."""


def each(change: Callable[[Image, np.random.Generator], Any]) -> Spoil:
    """Spoil every picture by itself; the noise of a picture is its own, and the same each time."""
    return lambda clip: [
        (time_s, np.clip(change(image, np.random.default_rng(k)), 0, 255).astype(np.uint8))
        for k, (time_s, image) in enumerate(clip)
    ]


def curve(of: Callable[[Any], Any]) -> Spoil:
    """Another exposure: grey values 0 to 1 through a curve."""
    table = np.clip(255 * of(np.arange(256) / 255.0), 0, 255).astype(np.uint8)
    return each(lambda image, _: table[image])


def compressed(quality: int, image: Image) -> Any:
    """As JPEG of a quality leaves it."""
    return cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], 1)


def veiled(image: Image, _: np.random.Generator) -> Any:
    """The sun beside the lens."""
    y, x = np.mgrid[0 : image.shape[0], 0 : image.shape[1]]
    veil = np.exp(-(((x - 520) / 330.0) ** 2 + ((y - 40) / 260.0) ** 2))[..., None]
    return image * (1 - 0.35 * veil) + 190 * veil


def recorded(rate_hz: float, *, encoded: bool) -> Spoil:
    """By a recorder of another rate, which repeats pictures, encoded again or the very same."""

    def record(clip: Clip) -> Clip:
        times = np.array([time_s for time_s, _ in clip])
        out: Clip = []
        for k in range(int(times[-1] * rate_hz)):
            image = clip[int(np.searchsorted(times, k / rate_hz + 1e-6)) - 1][1]
            if encoded:
                noise = np.random.default_rng(k).normal(0, 1.0, image.shape)
                image = compressed(80, np.clip(image + noise, 0, 255).astype(np.uint8))
            out.append((k / rate_hz, image))
        return out

    return record


def shifted(image: Image, x_px: float, y_px: float) -> Any:
    """As a camera sees it that has turned a little."""
    by = np.array([[1, 0, x_px], [0, 1, y_px]], np.float64)
    size = (image.shape[1], image.shape[0])
    return cv2.warpAffine(image, by, size, borderMode=cv2.BORDER_REPLICATE)


def swaying(most_px: float) -> Spoil:
    """On a mast in the wind, at 0.4 times a second."""
    return lambda clip: [
        (t, shifted(image, most_px * np.sin(2.5 * t), most_px * np.sin(2.1 * t)))
        for t, image in clip
    ]


def shaking(most_px: float) -> Spoil:
    """Every picture lies elsewhere."""
    return each(lambda image, random: shifted(image, *random.uniform(-most_px, most_px, 2)))


def tinted(blue: float, red: float) -> Spoil:
    """By another white balance."""
    return each(lambda image, _: image * np.array([blue, 1.0, red]))


PICTURES: Final[Mapping[str, Spoil]] = {
    "as filmed": list,
    "JPEG quality 15": each(lambda image, _: compressed(15, image)),
    "JPEG quality 8": each(lambda image, _: compressed(8, image)),
    "darker, 0.6": curve(lambda x: 0.6 * x**1.6),
    "darker, 0.35": curve(lambda x: 0.35 * x),
    "night, with its noise": each(
        lambda image, random: 89 * (image / 255.0) ** 1.2 + random.normal(0, 8, image.shape)
    ),
    "noise": each(lambda image, random: image + random.normal(0, 12, image.shape)),
    "brighter, 1.6": curve(lambda x: 1.6 * x),
    "brighter, 2": curve(lambda x: 2.0 * x),
    "gamma 0.5": curve(lambda x: x**0.5),
    "gamma 2": curve(lambda x: x**2),
    "glare, all over": curve(lambda x: 0.45 * x + 0.5),
    "glare, clipped": curve(lambda x: 1.5 * x + 0.25),
    "glare, from one side": each(veiled),
    "haze, 0.5": curve(lambda x: 0.5 * x + 0.39),
    "haze, 0.35": curve(lambda x: 0.35 * x + 0.51),
    "pale": each(lambda image, _: 0.4 * image + 0.6 * image.mean(axis=2, keepdims=True)),
    "out of focus": each(lambda image, _: cv2.GaussianBlur(image, (0, 0), 1.6)),
    "too cold": tinted(1.15, 0.9),
    "too warm": tinted(0.8, 1.15),
    "recorder of 10 Hz": recorded(10, encoded=True),
    "recorder of 10 Hz, the very same": recorded(10, encoded=False),
    "recorder of 12 Hz": recorded(12, encoded=True),
    "recorder of 25 Hz": recorded(25, encoded=True),
    "every third lost": lambda clip: [shot for k, shot in enumerate(clip) if k % 3 != 2],
    "every second lost": lambda clip: clip[::2],
    "a fifth lost": lambda clip: [
        shot for k, shot in enumerate(clip) if np.random.default_rng(k).random() > 0.2
    ],
    "swaying, 2 px": swaying(2),
    "swaying, 4 px": swaying(4),
    "shaking, 1 px": shaking(1),
    "shaking, 2 px": shaking(2),
    "from 5 s on": lambda clip: clip[30:],
    "until 20 s": lambda clip: clip[:120],
}


def turned(degrees: float) -> Affine:
    """Turned about the middle."""
    return np.vstack([cv2.getRotationMatrix2D((320, 240), degrees, 1.0), [0.0, 0.0, 1.0]])


VIEWS: Final[Mapping[str, Affine]] = {
    "mirrored": np.array([[-1.0, 0, 639], [0, 1, 0], [0, 0, 1]]),
    "reduced to 0.7": np.array([[0.7, 0, 96], [0, 0.7, 72], [0, 0, 1]]),
    "moved by 30 and 20 px": np.array([[1.0, 0, -30], [0, 1, -20], [0, 0, 1]]),
    "turned by 3 degrees": turned(3),
    "turned by -4 degrees": turned(-4),
    "lower, 0.85": np.array([[1.0, 0, 0], [0, 0.85, 30], [0, 0, 1]]),
}
LINE: Final = ((40, 337), (515, 365))
ALONG_LINE: Final = [[40, 340], [515, 366], [640, 400], [640, 480], [10, 480]]


def marked(camera: dict[str, Any], px: float, share: float, seed: int) -> None:
    """Calibration points off by so many pixels, and that share of their metres."""
    random = np.random.default_rng(seed)
    for point in camera["calibration"]["points"]:
        point["px"] = [value + random.normal(0, px) for value in point["px"]]
        point["m"] = [value * (1 + random.normal(0, share)) for value in point["m"]]


def measured(camera: dict[str, Any], wide: float, deep: float) -> None:
    """All lengths wrong by a factor."""
    for point in camera["calibration"]["points"]:
        point["m"] = [point["m"][0] * wide, point["m"][1] * deep]


def only(camera: dict[str, Any], points: Sequence[int]) -> None:
    """Some of the calibration points."""
    calibration = camera["calibration"]
    calibration["points"] = [calibration["points"][index] for index in points]


def lined(camera: dict[str, Any], left: tuple[int, int], right: tuple[int, int]) -> None:
    """The stop line's ends moved by pixels."""
    ends = zip(LINE, (left, right), strict=True)
    camera["stop_line"] = [[x + dx, y + dy] for (x, y), (dx, dy) in ends]


def set_to(camera: dict[str, Any], **fields: Any) -> None:
    """Fields of the camera."""
    camera.update(fields)


SITES: Final[Mapping[str, Callable[[dict[str, Any]], None]]] = {
    **{f"points off by 3 px, {n}": partial(marked, px=3, share=0.0, seed=n) for n in (1, 2)},
    **{f"points off by 8 px, {n}": partial(marked, px=8, share=0.0, seed=n) for n in (1, 2, 3)},
    **{f"points off by 5 %, {n}": partial(marked, px=0, share=0.05, seed=n) for n in (1, 2)},
    "four points, near": partial(only, points=(0, 1, 2, 3)),
    "four points, far": partial(only, points=(2, 3, 4, 5)),
    "lengths 1.2 times": partial(measured, wide=1.2, deep=1.2),
    "lengths 0.8 times": partial(measured, wide=0.8, deep=0.8),
    "depths 1.3 times": partial(measured, wide=1.0, deep=1.3),
    "depths 0.75 times": partial(measured, wide=1.0, deep=0.75),
    **{f"line {n:+d} px": partial(lined, left=(0, n), right=(0, n)) for n in (-12, -6, 6, 12)},
    "line tilted": partial(lined, left=(0, -6), right=(0, 6)),
    "line too short": partial(lined, left=(40, 2), right=(-40, -2)),
    "line too long": partial(lined, left=(-40, -2), right=(85, 5)),
    "direction off by 14 degrees": partial(set_to, inward=[-0.3, -0.95]),
    "zone up to the line": partial(set_to, zone=ALONG_LINE),
}


@dataclass(frozen=True, slots=True)
class Watched:
    """A clip with what was found in each picture, and what the lamp showed."""

    clip: Clip
    found: Sequence[Detections]
    usable: Sequence[tuple[int, SignalState, float | None]]
    """Index, state, and since when, of each picture that the watch on health let through."""
    lamp_right: int
    red_as_green: int


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", default="street")
    parser.add_argument("--only", nargs="+", default=[], help="names of variants")
    arguments = parser.parse_args()
    chosen = set(arguments.only)
    cv2.setNumThreads(1)
    data = Path(os.environ["XANH_TEST_DATA"])
    os.environ.setdefault("XANH_WEIGHTS_DIR", str(data / "weights"))
    clip: Clip = [
        (frame.time_s, frame.image)
        for frame in open_source(str(data / "footage" / "vn_16h15.mp4"))
        if frame.image is not None
    ]
    rate_hz = (len(clip) - 1) / clip[-1][0]
    labels = read_labels((EXAMPLE / "labels.csv").read_text(encoding="utf-8"), "labels.csv")["stop"]
    view = load_site(EXAMPLE).camera(CAMERA).view
    detector = open_detector(arguments.weights, DetectorSettings(threads=1))

    def seen_as(pictures: Clip, by: Affine) -> Watched:
        health, lamp = HealthMonitor((view.width_px, view.height_px)), LampReader(_lamp(view, by))
        usable, right, wrong = [], 0, 0
        pictures = list(pictures)
        for index, (time_s, raw) in enumerate(pictures):
            since_s = time_s - pictures[0][0]
            image = health.look(Frame(index, since_s, raw)).image
            if image is None:
                continue
            pictures[index] = time_s, image
            state = lamp.read(since_s, image)
            usable.append((index, state, lamp.since_s))
            shows = _shows(round(time_s * rate_hz))
            right += lamp.look(image) is shows
            wrong += shows is SignalState.RED and state is SignalState.GREEN
        found = [detector.detect([image])[0] for _, image in pictures]
        return Watched(pictures, found, usable, right, wrong)

    def judged(watched: Watched, camera: CameraView, by: Affine) -> Result:
        begin_s, end_s = watched.clip[0][0], watched.clip[-1][0]
        crossings, runners = _run(watched, camera, rate_hz)
        truth = [
            replace(item, certain=item.certain and _within(item.frame / rate_hz, watched.clip))
            for item in labelled(labels, "stop", by)
            if begin_s - EDGE_S <= item.frame / rate_hz <= end_s + EDGE_S
        ]
        width_px = round(view.width_px * abs(by[0, 0]))
        ways = [Passage(frame, x_px) for frame, x_px, way in crossings if way == "in"]
        red = score_red_light(runners, truth, view.width_px)
        return Result(score(ways, truth, width_px), len(crossings) - len(ways), red)

    def told(name: str, watched: Watched, cameras: Sequence[CameraView], by: Affine) -> Result:
        result = sum((judged(watched, camera, by) for camera in cameras), Result())
        red = text(result.red_light) if result.red_light != NOTHING else "-"
        print(
            f"{name:33s} stop line {text(result.crossings)}; red light {red}; "
            f"against {result.against}; lamp {watched.lamp_right} of {len(watched.usable)}, "
            f"red as green {watched.red_as_green}",
            flush=True,
        )
        return result

    total = Result()
    both = [shown(view, "stop", SAME, metric=metric) for metric in (True, False)]
    for name, spoil in PICTURES.items():
        if not chosen or name in chosen:
            total += told(name, seen_as(spoil(clip), SAME), both, SAME)
    for name, by in VIEWS.items():
        if not chosen or name in chosen:
            pictures = [(time_s, _warped(image, by)) for time_s, image in clip]
            cameras = [shown(view, "stop", by, metric=metric) for metric in (True, False)]
            total += told(name, seen_as(pictures, by), cameras, by)
    print(f"{'all pictures':33s} {text(total.crossings)}; red light {text(total.red_light)}")
    total, filmed = Result(), seen_as(clip, SAME)
    for name, draw in SITES.items():
        if not chosen or name in chosen:
            total += told(name, filmed, [_drawn(draw)], SAME)
    print(f"{'all sites':33s} {text(total.crossings)}; red light {text(total.red_light)}")


def _shows(frame: int) -> SignalState:
    if frame >= RED_FRAME:
        return SignalState.RED
    return SignalState.GREEN if frame < GREEN_FRAMES else SignalState.DARK


def _within(time_s: float, clip: Clip) -> bool:
    begins = clip[0][0]
    return time_s >= (begins + EDGE_S if begins > 0 else 0.0) and time_s <= clip[-1][0] - 1.0


def _lamp(view: CameraView, by: Affine) -> tuple[int, int, int, int]:
    assert view.lamp_px is not None
    x0, y0, x1, y1 = view.lamp_px
    corners = np.array(moved([(x0, y0), (x1, y0), (x0, y1), (x1, y1)], by))
    left, top, right, bottom = np.round([*corners.min(0), *corners.max(0)]).astype(int).tolist()
    return left, top, right, bottom


def _warped(image: Image, by: Affine) -> Image:
    near = cv2.INTER_AREA if by[1, 1] < 1 else cv2.INTER_LINEAR
    size = (image.shape[1], image.shape[0])
    warped = cv2.warpAffine(image, by[:2], size, flags=near, borderValue=(90, 90, 90))
    return np.ascontiguousarray(warped, np.uint8)


def _drawn(draw: Callable[[dict[str, Any]], None]) -> CameraView:
    """The camera of a site file in which something is drawn otherwise."""
    site = YAML(typ="safe").load((EXAMPLE / "site.yaml").read_text(encoding="utf-8"))
    draw(next(camera for camera in site["cameras"] if camera["id"] == CAMERA))
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "site.yaml").write_text(json.dumps(site), encoding="utf-8")
        return load_site(Path(folder)).camera(CAMERA).view


def _run(
    watched: Watched, camera: CameraView, rate_hz: float
) -> tuple[list[tuple[int, float, str]], list[Passage]]:
    """Crossings (frame of the clip, pixel, way), and red-light runners."""
    begin_s = watched.clip[0][0]
    pipeline = CameraPipeline(camera, detector="", weights_sha256="")
    crossings: list[Crossing] = []
    runners = []
    for index, state, since_s in watched.usable:
        time_s, image = watched.clip[index]
        result = pipeline.process(
            time_s - begin_s, watched.found[index], state, image, frame=index,
            signal_since_s=since_s,
        )  # fmt: skip
        crossings += result.crossings
        for flag in result.violations:
            if flag.kind.value == "red_light":
                at = min(flag.points, key=lambda point: abs(point.time_s - flag.time_s))
                runners.append(Passage(round((flag.time_s + begin_s) * rate_hz), at.x_px))
    crossings += pipeline.finish()
    return [
        (round((item.time_s + begin_s) * rate_hz), item.x_px, item.direction) for item in crossings
    ], runners


if __name__ == "__main__":
    main()
