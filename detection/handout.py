"""Pictures of a case as they may leave the house: one vehicle, everybody else hidden.

Frames are made anew from the recorded ones: bystanders are hidden first, then the vehicle's box,
its way, the signal and its strip are drawn as in the evidence.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from detection.bystanders import PLACES_FILE, CasePlaces, Place, hide_bystanders
from detection.evidence import CLIP_FILE, crop_around, write_clip
from detection.overlay import (
    draw_path,
    draw_stop_line,
    draw_subject,
    with_footer,
    with_signal_strip,
)
from detection.ports import Image
from detection.snapshots import encode_jpeg
from models.camera import Point
from models.errors import XanhError
from models.signals import SignalChange, SignalState, SignalTimeline

PLATE_FILE: Final = "plate.jpg"


def handout_pictures(files: Mapping[str, bytes], recorded: Mapping[str, Any]) -> dict[str, bytes]:
    """The pictures and the clip of a case for those outside.

    Args:
        files: Content of the case's evidence by name.
        recorded: Its ``case.json``.

    Returns:
        Content by name: frames with what was drawn into them, crops, the clip, and the plate's
        picture as recorded. Schematic drawings show nobody and stay as they are.

    Raises:
        XanhError: If the case was recorded without the places of bystanders, or a picture
            cannot be read.
    """
    if recorded.get("schematic"):
        kept = [f"{frame['name']}.jpg" for frame in recorded["frames"]] + [CLIP_FILE]
        return {name: files[name] for name in kept if name in files}
    if PLACES_FILE not in files:
        raise XanhError(
            "this case was recorded without the places of bystanders, so they cannot be hidden"
        )
    return _Handout(files, recorded, CasePlaces.from_json(files[PLACES_FILE])).pictures()


class _Handout:
    def __init__(
        self, files: Mapping[str, bytes], recorded: Mapping[str, Any], places: CasePlaces
    ) -> None:
        self._files = files
        self._recorded = recorded
        self._places = places
        self._px_per_m = places.px_per_m
        self._signal = SignalTimeline(
            tuple(SignalChange(float(at), SignalState(state)) for at, state in recorded["signal"])
        )

    def pictures(self) -> dict[str, bytes]:
        out: dict[str, bytes] = {}
        for frame in self._recorded["frames"]:
            name = str(frame["name"])
            image = _decoded(self._files.get(f"{name}-raw.jpg"), f"{name}-raw.jpg")
            places = self._places.frames.get(name, ())
            hidden = hide_bystanders(
                image,
                places,
                self._places.subject,
                self._px_per_m,
                lamp_px=self._places.lamp_px,
            )
            subject = next((p for p in places if p.track == self._places.subject), None)
            crop = None if subject is None else crop_around(hidden, subject.box_px)
            if crop is not None:
                out[f"{name}-crop.jpg"] = encode_jpeg(crop)
            time_s = float(frame["time_s"])
            self._draw(hidden, places, time_s, 1.0)
            drawn = with_footer(hidden, self._signal.state_at(time_s), time_s)
            drawn = with_signal_strip(drawn, self._signal, *self._span, time_s)
            out[f"{name}.jpg"] = encode_jpeg(drawn)
        if CLIP_FILE in self._files and self._places.clip:
            out[CLIP_FILE] = self._clip()
        if PLATE_FILE in self._files:
            out[PLATE_FILE] = self._files[PLATE_FILE]
        return out

    @property
    def _span(self) -> tuple[float, float]:
        clip = self._recorded["clip"]
        return float(clip["start_s"]), float(clip["end_s"])

    def _draw(self, image: Image, places: tuple[Place, ...], time_s: float, scale: float) -> None:
        """Draw the line, the vehicle and its way into a picture of this scale, in place."""
        draw_stop_line(image, _scaled_points(self._places.stop_line_px, scale))
        for place in places:
            if place.track == self._places.subject:
                draw_subject(image, place.box_px, place.vehicle_class, place.track)
        way = [(x, y) for at, x, y, *_ in self._recorded["track_points"] if at <= time_s + 1e-3]
        draw_path(image, _scaled_points(way, scale))

    def _clip(self) -> bytes:
        """The clip, each picture hidden and drawn upon; what stands below it stays."""
        with tempfile.TemporaryDirectory() as folder:
            recorded, made = Path(folder) / f"in-{CLIP_FILE}", Path(folder) / CLIP_FILE
            recorded.write_bytes(self._files[CLIP_FILE])
            pictures = _frames_of(recorded)
            clip = self._places.clip
            if len(pictures) != len(clip):
                raise XanhError(
                    f"the clip has {len(pictures)} pictures, {len(clip)} were recorded: "
                    "bystanders cannot be hidden in it"
                )
            done = []
            for picture, frame in zip(pictures, clip, strict=True):
                scale = picture.shape[1] / self._places.size_px[0]
                rows = round(scale * self._places.size_px[1])
                places = tuple(_scaled(place, scale) for place in frame.places)
                lamp = self._places.lamp_px
                hidden = hide_bystanders(
                    picture[:rows],
                    places,
                    self._places.subject,
                    self._px_per_m * scale,
                    lamp_px=None if lamp is None else [scale * value for value in lamp],
                )
                self._draw(hidden, places, frame.time_s, scale)
                done.append(np.concatenate([hidden, picture[rows:]]))
            span_s = clip[-1].time_s - clip[0].time_s
            write_clip(made, done, (len(clip) - 1) / span_s if span_s > 0 else 6.0)
            return made.read_bytes()


def _scaled_points(points: Iterable[Point], scale: float) -> list[Point]:
    return [(scale * x, scale * y) for x, y in points]


def _scaled(place: Place, scale: float) -> Place:
    x0, y0, x1, y1 = (scale * value for value in place.box_px)
    return Place(place.track, place.vehicle_class, (x0, y0, x1, y1))


def _decoded(content: bytes | None, name: str) -> Image:
    image = None
    if content is not None:
        image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise XanhError(f"the picture {name} is missing or cannot be read")
    return np.asarray(image, np.uint8)


def _frames_of(path: Path) -> list[Image]:
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    pictures: list[Image] = []
    try:
        while True:
            there, image = capture.read()
            if not there:
                return pictures
            pictures.append(np.asarray(image, np.uint8))
    finally:
        capture.release()
