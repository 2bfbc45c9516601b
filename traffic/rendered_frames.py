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
from simulation.background import Background
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
from simulation.scene_wide import wide_camera, wide_light, wide_traffic
from simulation.states import CLASSES
from simulation.surfaces import Foreground, add_clutter, in_the_way

DETECTED: Final = ("motorcycle", "car", "bus", "truck")
"""Classes of the detector; a motorcycle's box holds its riders too."""

FRAMES_PER_CAMERA: Final = 6
CORRIDOR_SHARE: Final = 0.55
"""Of the cameras of the virtual street: share over junctions like the example corridor's."""
WIDE_SHARE: Final = 0.7
"""Share of cameras over any street, in any light, with everything in the way."""

JPEG_QUALITY: Final = 92
"""Frames are kept crisp; training films them anew each time it looks (``traffic.filmed``)."""
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
    """A camera over a scene, with the streets on which traffic is invented.

    ``crowded`` asks for crowds that drive any way; ``uneven`` for uneven surfaces of road users;
    ``cluttered`` for clutter beside the road and things in the way.
    """

    scene: SceneGeometry
    legs: tuple[Leg, ...]
    pose: CameraPose
    crowded: bool = False
    uneven: bool = False
    cluttered: bool = False


def any_view(rng: np.random.Generator) -> View:
    """A camera over the virtual street or, mostly, over any street."""
    return wide_view(rng) if rng.random() < WIDE_SHARE else random_view(rng)


def wide_view(rng: np.random.Generator) -> View:
    """Any junction under any sky, from a camera that hangs and looks anywhere."""
    junction = random_junction(rng)
    scene = junction.scene.with_light(wide_light(rng))
    pose = wide_camera(junction.legs, rng)
    return View(scene, junction.legs, pose, crowded=True, uneven=True, cluttered=True)


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
    views: Callable[[np.random.Generator], View] = any_view,
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
        renderer = _renderer(view, rng)
        for _ in range(min(FRAMES_PER_CAMERA, frames - len(labels))):
            if view.crowded:
                states = wide_traffic(view.legs, rng, float(rng.choice([0.3, 0.7, 1.0, 1.5])))
            else:
                density = float(rng.choice([0.4, 0.8, 1.2, 1.2, 1.6]))
                states = random_traffic(view.legs, rng, density)
            countdown = int(rng.integers(0, 90)) if rng.random() < 0.7 else None
            lamps = (SignalState.RED, SignalState.YELLOW, SignalState.GREEN)
            shown = {
                head.id: Shown(lamps[int(rng.integers(3))], countdown) for head in view.scene.heads
            }
            frame = renderer.render_with_truth(states, shown)
            found = labels_of(frame.boxes)
            name = f"{seed}-{len(labels):05d}.jpg"
            image = _captioned(frame.image, rng) if rng.random() < 0.4 else frame.image
            quality = JPEG_QUALITY
            cv2.imwrite(str(out / "images" / name), image, [cv2.IMWRITE_JPEG_QUALITY, quality])
            labels[name] = [[round(float(v), 3) for v in row] for row in found]
            boxes += int((found[:, 5] >= MIN_VISIBLE).sum())
        if progress:
            progress(f"{len(labels)} frames, {boxes} boxes, {time.monotonic() - began:.0f} s")
    write_text(out / "labels.json", json.dumps({"classes": DETECTED, "frames": labels}))
    return boxes


def _renderer(view: View, rng: np.random.Generator) -> Renderer:
    seed, camera = int(rng.integers(1 << 31)), PinholeCamera(view.pose)

    def clutter(background: Background) -> Foreground:
        amount = float(rng.random())
        everywhere = bool(rng.random() < 0.12)
        shadow = view.scene.light.shadow
        add_clutter(background, shadow, rng, amount=amount, everywhere=everywhere)
        return in_the_way(background, rng)

    return Renderer(
        view.scene,
        camera,
        seed,
        # Crowded frames are filmed anew at each look, faults of the camera included.
        0.5 if view.crowded else float(rng.uniform(0.5, 4.0)),
        mottled=float(rng.uniform(0.2, 1.2)) if view.uneven else 0.0,
        clutter=clutter if view.cluttered else None,
    )


def _captioned(image: Image, rng: np.random.Generator) -> Image:
    """Text burned in by the camera: place and time, in any corner and style."""
    image = image.copy()
    height, width = image.shape[:2]
    text = (
        f"CAM {rng.integers(99)} {rng.integers(1, 29):02d}/{rng.integers(1, 13):02d}/2026 "
        f"{rng.integers(24):02d}:{rng.integers(60):02d}:{rng.integers(60):02d}"
    )
    font = (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_PLAIN)[
        int(rng.integers(3))
    ]
    scale = float(rng.uniform(0.4, 0.9)) * (1.5 if font == cv2.FONT_HERSHEY_PLAIN else 1)
    (w, h), _ = cv2.getTextSize(text, font, scale, 1)
    x = int(rng.choice([3, max(3, (width - w) // 2), max(3, width - w - 3)]))
    y = h + 4 if rng.random() < 0.7 else height - 5
    if rng.random() < 0.4:
        cv2.rectangle(image, (x - 3, y - h - 4), (x + w + 3, y + 5), (0, 0, 0), -1)
    ink = (255, 255, 255) if rng.random() < 0.8 else (30, 220, 250)
    cv2.putText(image, text, (x, y), font, scale, ink, int(rng.integers(1, 3)), cv2.LINE_AA)
    return image


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    temporary = path.with_suffix(path.suffix + ".part")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)
