"""Labelled frames of the virtual street itself: SUMO's traffic as the site's cameras see it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import cv2

from models.camera import CameraPose, SourceKind
from models.counts import counts_from_csv
from models.errors import XanhError
from models.site import Site, StreetOptions
from simulation.camera import PinholeCamera
from simulation.render import Renderer, Shown
from simulation.scene_network import scene_from_network
from simulation.street import Street
from traffic.camerawork import approach_aspect
from traffic.planfiles import read_plan
from traffic.rendered_frames import DETECTED, MIN_VISIBLE, labels_of, write_text

JPEG_QUALITY = 95


def generate_street(
    out: Path,
    site: Site,
    *,
    warm_up_s: int = 240,
    seconds: int = 360,
    every_s: int = 6,
    seed: int = 1,
    progress: Callable[[str], None] | None = None,
) -> int:
    """Live the site's street and write what its pixel cameras see, as ``generate`` does.

    Returns:
        How many boxes are visible enough to be found.

    Raises:
        XanhError: If the site has no network, no pixel camera with a pose, or SUMO refuses.
    """
    if site.network is None:
        raise XanhError(f"site {site.id} has no network")
    eyes = []
    for camera in site.cameras:
        pose = camera.options.get("pose")
        if camera.view.source_kind is SourceKind.PIXELS and isinstance(pose, CameraPose):
            scene = scene_from_network(site.network, camera.junction)
            eyes.append((camera, Renderer(scene, PinholeCamera(pose), seed)))
    if not eyes:
        raise XanhError(f"site {site.id} has no pixel camera with a pose")
    (out / "images").mkdir(parents=True, exist_ok=True)
    labels: dict[str, list[list[float]]] = {}
    boxes = 0
    counts = counts_from_csv(site.counts_path.read_text(encoding="utf-8"), str(site.counts_path))
    plan = read_plan(site.current_plan_path)
    riders = StreetOptions(red_light_share=0.0, wrong_way_vph=120)
    with Street(site, plan, seed=seed, counts=counts, options=riders) as street:
        for second in street.steps(warm_up_s + seconds):
            at = int(second.end_s)
            if at <= warm_up_s or at % every_s:
                continue
            for camera, renderer in eyes:
                shown = {}
                for approach in site.junctions[camera.junction].approaches:
                    movements = site.junctions[camera.junction].movements
                    aspects = [second.aspects[m.id] for m in movements if m.from_edge == approach]
                    shown[approach] = Shown(approach_aspect(aspects))
                frame = renderer.render_with_truth(second.current, shown)
                found = labels_of(frame.boxes)
                name = f"{camera.id}-{at:05d}.jpg"
                quality = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
                cv2.imwrite(str(out / "images" / name), frame.image, quality)
                labels[name] = [[round(float(v), 3) for v in row] for row in found]
                boxes += int((found[:, 5] >= MIN_VISIBLE).sum())
            if progress:
                progress(f"{at} s, {len(labels)} frames, {boxes} boxes")
    write_text(out / "labels.json", json.dumps({"classes": DETECTED, "frames": labels}))
    return boxes
