"""Labelled frames for training a detector, rendered from invented junctions and traffic."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from models.camera import CameraPose
from models.signals import SignalState
from simulation.camera import PinholeCamera
from simulation.netfile import read_net
from simulation.render import Renderer, Shown, TrueBoxes
from simulation.scene import Leg, SceneGeometry
from simulation.scene_network import approach_camera_pose, junction_legs, scene_from_network
from simulation.scene_random import (
    corridor_junction,
    random_camera,
    random_junction,
    random_light,
    random_traffic,
)
from simulation.states import CLASSES

DETECTED: Final = ("motorcycle", "car", "bus", "truck")
"""Classes of the detector; a motorcycle's box holds its riders too."""

FRAME_PX: Final = (640, 480)
FRAMES_PER_CAMERA: Final = 6
CORRIDOR_SHARE: Final = 0.55
"""Share of cameras over junctions like those of the example corridor."""

MIN_VISIBLE: Final = 0.25
_MIN_HEIGHT_PX, _MIN_WIDTH_PX = 9.0, 4.0
_MIN_IN_FRAME, _BIG_PX2 = 0.3, 1500.0

Image = npt.NDArray[np.uint8]


def labels_of(boxes: TrueBoxes) -> npt.NDArray[np.float64]:
    """Rows (N, 6) of class index into :data:`DETECTED`, x0, y0, x1, y1 and visible share.

    Holds what a detector should find, and the hidden ones it is not blamed for. Boxes under 9 px
    high are left out. Cut by the frame's edge they stay if 30 % is in the picture, or if what is
    left is large: a car close to the camera is still a car.
    """
    rows = []
    for kind, box, visible, inside in zip(
        boxes.vehicle_class.tolist(), boxes.box_px, boxes.visible, boxes.in_frame, strict=True
    ):
        width, height = float(box[2] - box[0]), float(box[3] - box[1])
        if CLASSES[kind] not in DETECTED or height < _MIN_HEIGHT_PX or width < _MIN_WIDTH_PX:
            continue
        if inside < _MIN_IN_FRAME and width * height < _BIG_PX2:
            continue
        rows.append([DETECTED.index(CLASSES[kind]), *box.tolist(), float(visible)])
    return np.array(rows).reshape(-1, 6)


@dataclass(frozen=True, slots=True)
class View:
    """A camera over a scene, with the streets on which traffic is invented."""

    scene: SceneGeometry
    legs: tuple[Leg, ...]
    pose: CameraPose


def random_view(rng: np.random.Generator) -> View:
    """Some junction, at times like those of the example corridor, and a camera of it."""
    corridor = bool(rng.random() < CORRIDOR_SHARE)
    junction = corridor_junction(rng) if corridor else random_junction(rng)
    pose = random_camera(junction.legs[0], rng, behind_only=corridor)
    return View(junction.scene, junction.legs, pose)


def network_views(
    net_path: Path, approaches: Sequence[tuple[str, str]]
) -> Callable[[np.random.Generator], View]:
    """Cameras over approaches (junction, edge) of a network, each draw under another sky."""

    def draw(rng: np.random.Generator) -> View:
        junction, edge = approaches[int(rng.integers(len(approaches)))]
        legs = junction_legs(read_net(net_path), junction)
        first = sorted(legs, key=lambda leg: leg.id != edge)
        scene = scene_from_network(net_path, junction, light=random_light(rng))
        return View(scene, tuple(first), approach_camera_pose(net_path, edge))

    return draw


def generate(
    out: Path,
    frames: int,
    seed: int,
    *,
    views: Callable[[np.random.Generator], View] = random_view,
    progress: Callable[[str], None] | None = None,
) -> int:
    """Render labelled frames into ``out/images`` and ``out/labels.json``.

    The same seed gives the same frames; a folder holds one seed's frames.

    Args:
        out: Folder to write.
        frames: How many.
        seed: Draws everything.
        views: Where cameras hang; invented junctions by default.
        progress: Told after each camera.

    Returns:
        How many boxes are visible enough to be learned from.
    """
    (out / "images").mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    labels: dict[str, list[list[float]]] = {}
    boxes = 0
    began = time.monotonic()
    while len(labels) < frames:
        view = views(rng)
        renderer = Renderer(
            view.scene,
            PinholeCamera(view.pose),
            seed=int(rng.integers(1 << 31)),
            noise_level=float(rng.uniform(0.5, 5.0)),
        )
        for _ in range(min(FRAMES_PER_CAMERA, frames - len(labels))):
            density = float(rng.choice([0.4, 0.8, 1.2, 1.2, 1.6]))
            states = random_traffic(view.legs, rng, density)
            countdown = int(rng.integers(0, 90)) if rng.random() < 0.7 else None
            lamps = (SignalState.RED, SignalState.YELLOW, SignalState.GREEN)
            shown = {
                head.id: Shown(lamps[int(rng.integers(3))], countdown) for head in view.scene.heads
            }
            caption = f"CAM 2026-11-22 07:{rng.integers(60):02d}" if rng.random() < 0.3 else None
            frame = renderer.render_with_truth(states, shown, caption)
            found = labels_of(frame.boxes)
            name = f"{seed}-{len(labels):05d}.jpg"
            image = _as_filmed(frame.image, rng)
            quality = int(rng.integers(45, 96))
            cv2.imwrite(str(out / "images" / name), image, [cv2.IMWRITE_JPEG_QUALITY, quality])
            labels[name] = [[round(float(v), 3) for v in row] for row in found]
            boxes += int((found[:, 5] >= MIN_VISIBLE).sum())
        if progress:
            progress(f"{len(labels)} frames, {boxes} boxes, {time.monotonic() - began:.0f} s")
    write_text(out / "labels.json", json.dumps({"classes": DETECTED, "frames": labels}))
    return boxes


def _as_filmed(image: Image, rng: np.random.Generator) -> Image:
    """Soft focus at times, and any exposure."""
    if rng.random() < 0.3:
        image = cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.4, 1.2)))
    ramp = np.arange(256) / 255
    curve = 255 * ramp ** float(rng.uniform(0.75, 1.3)) * float(rng.uniform(0.85, 1.12))
    result: Image = cv2.LUT(image, np.clip(curve, 0, 255).astype(np.uint8))
    return result


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    temporary = path.with_suffix(path.suffix + ".part")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)
