"""Where everybody was in the pictures of a case, and how those who are not involved are hidden.

What leaves the house shows one vehicle. Everything else is rebuilt from cells of at least a
hand's breadth: what a face or a plate consists of is averaged away and cannot be brought back,
while the street, its marks and the vehicles on it stay recognisable.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import cv2
import numpy as np

from detection.plane import CLASS_HEIGHT_M
from detection.ports import Image
from detection.snapshots import Snapshot
from models.camera import Point
from models.errors import BadInput
from models.site import TWO_WHEELERS

Box: TypeAlias = tuple[float, float, float, float]

PLACES_FILE: Final = "places.json"
STREET_CELL_M: Final = 0.12
"""Side of the cells of the street: smaller than a face, twice a plate's character."""
BYSTANDER_CELL_M: Final = 0.25
"""Side of the cells where a vehicle or person is known to be."""
MIN_CELL_PX: Final = 3.0
CORE_MARGIN: Final = 0.2
"""Of the subject's box: inside of it the subject stays, whoever stands in front."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where one track was in a picture, in the camera's pixels."""

    track: int
    vehicle_class: str
    box_px: Box


@dataclass(frozen=True, slots=True)
class ClipFrame:
    """A picture of the clip."""

    time_s: float
    places: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class CasePlaces:
    """Of every picture of a case: who was where.

    ``size_px`` is the camera's picture, ``subject`` the track that is flagged, ``stop_line_px``
    the line as the camera knows it, ``frames`` the key frames by name, ``clip`` the clip's
    pictures in their order.
    """

    size_px: tuple[int, int]
    subject: int
    lamp_px: tuple[int, int, int, int] | None
    stop_line_px: tuple[Point, Point]
    frames: Mapping[str, tuple[Place, ...]]
    clip: tuple[ClipFrame, ...]

    @property
    def px_per_m(self) -> float:
        """The largest scale at which anybody is seen in the case; 0 where nobody is."""
        every = [p for places in self.frames.values() for p in places]
        every += [p for frame in self.clip for p in frame.places]
        # Riders are all about as high; a van that passes for a car is not.
        riders = [p for p in every if p.vehicle_class in TWO_WHEELERS]
        return max((_px_per_m(place) for place in riders or every), default=0.0)

    def to_json(self) -> str:
        """The text of ``places.json``."""
        body = {
            "size_px": self.size_px,
            "subject": self.subject,
            "lamp_px": self.lamp_px,
            "stop_line_px": self.stop_line_px,
            "frames": {name: _rows(places) for name, places in self.frames.items()},
            "clip": [[round(item.time_s, 3), _rows(item.places)] for item in self.clip],
        }
        return json.dumps(body, separators=(",", ":")) + "\n"

    @classmethod
    def from_json(cls, text: bytes) -> CasePlaces:
        """Read ``places.json``.

        Raises:
            BadInput: If it is not such a file.
        """
        try:
            body = json.loads(text)
            width, height = body["size_px"]
            lamp = body["lamp_px"]
            (x0, y0), (x1, y1) = body["stop_line_px"]
            return cls(
                size_px=(int(width), int(height)),
                subject=int(body["subject"]),
                lamp_px=None if lamp is None else (lamp[0], lamp[1], lamp[2], lamp[3]),
                stop_line_px=((float(x0), float(y0)), (float(x1), float(y1))),
                frames={name: _places(rows) for name, rows in body["frames"].items()},
                clip=tuple(ClipFrame(float(at), _places(rows)) for at, rows in body["clip"]),
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise BadInput(PLACES_FILE, "", f"is not a case's places ({error})") from None


def places_of(shot: Snapshot) -> tuple[Place, ...]:
    """Who was where in a snapshot, those too who were hidden for a moment."""
    return tuple(Place(t.id, t.vehicle_class, t.box_px) for t in shot.tracks)


def _rows(places: Iterable[Place]) -> list[list[Any]]:
    return [[p.track, p.vehicle_class, *(round(float(v), 1) for v in p.box_px)] for p in places]


def _places(rows: Sequence[Sequence[Any]]) -> tuple[Place, ...]:
    return tuple(
        Place(int(track), str(kind), (float(x0), float(y0), float(x1), float(y1)))
        for track, kind, x0, y0, x1, y1 in rows
    )


def _px_per_m(place: Place) -> float:
    return (place.box_px[3] - place.box_px[1]) / CLASS_HEIGHT_M[place.vehicle_class]


def hide_bystanders(
    image: Image,
    places: Sequence[Place],
    subject: int,
    px_per_m: float,
    *,
    lamp_px: Sequence[float] | None = None,
) -> Image:
    """The picture with nothing sharp but the subject and the signal head.

    Vehicles are gone through from the farthest to the nearest, so that one who stands before the
    subject is hidden as well, except in the middle of the subject's own box.

    Args:
        image: The camera's picture.
        places: Who is where in it, in its pixels.
        subject: Track of the vehicle that stays.
        px_per_m: The largest scale of the case (``CasePlaces.px_per_m``) in this picture's
            pixels; people who nobody boxed may be as near.
        lamp_px: Where the signal head is, when the camera knows.

    Returns:
        A new picture of the same size.
    """
    street_px = max(STREET_CELL_M * px_per_m, MIN_CELL_PX)
    out = _cells(image, street_px)
    for place in sorted(places, key=lambda item: item.box_px[3]):
        if place.track == subject:
            _paste(out, image, place.box_px, 1.0)
            continue
        part = _slices(image, place.box_px)
        if out[part].size:
            out[part] = _cells(image[part], max(BYSTANDER_CELL_M * _px_per_m(place), street_px))
    for place in places:
        if place.track == subject:
            x0, y0, x1, y1 = place.box_px
            dx, dy = CORE_MARGIN * (x1 - x0), CORE_MARGIN * (y1 - y0)
            _paste(out, image, (x0 + dx, y0 + dy, x1 - dx, y1 - dy), 0.0)
    if lamp_px is not None:
        _paste(out, image, tuple(lamp_px), 0.0)
    return out


def _paste(out: Image, image: Image, box: Sequence[float], margin_px: float) -> None:
    x0, y0, x1, y1 = box
    part = _slices(image, (x0 - margin_px, y0 - margin_px, x1 + margin_px, y1 + margin_px))
    out[part] = image[part]


def _slices(image: Image, box: Sequence[float]) -> tuple[slice, slice]:
    height, width = image.shape[:2]
    x0, x1 = np.clip(np.round([box[0], box[2]]), 0, width).astype(int)
    y0, y1 = np.clip(np.round([box[1], box[3]]), 0, height).astype(int)
    return slice(int(y0), int(y1)), slice(int(x0), int(x1))


def _cells(image: Image, side_px: float) -> Image:
    """The picture from means over cells of this side, with soft changes between them."""
    height, width = image.shape[:2]
    few = (max(1, int(width / side_px)), max(1, int(height / side_px)))
    small = cv2.resize(image, few, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)
