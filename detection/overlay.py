"""Drawing of what was seen, apart from everything that decides."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import cv2
import numpy as np

from detection.captions import CLASS_WORDS, SIGNAL_WORDS, Colour, draw_text, width_px
from detection.plane import GroundPlane
from detection.ports import FloatArray, Image
from detection.tracking import LENGTH_M, WIDTH_M, TrackState
from models.camera import CameraView, Point
from models.signals import SignalState, SignalTimeline
from models.site import VEHICLE_CLASSES

SIGNAL_COLOUR: Final[dict[SignalState, Colour]] = {
    SignalState.RED: (40, 40, 230),
    SignalState.YELLOW: (0, 200, 255),
    SignalState.FLASHING_YELLOW: (0, 200, 255),
    SignalState.GREEN: (80, 190, 40),
    SignalState.DARK: (60, 60, 60),
    SignalState.UNKNOWN: (150, 150, 150),
}
CLASS_COLOUR: Final[dict[str, Colour]] = {
    "motorcycle": (255, 190, 60),
    "bicycle": (255, 255, 120),
    "car": (120, 220, 120),
    "bus": (200, 120, 255),
    "truck": (90, 160, 255),
    "pedestrian": (200, 200, 200),
}
HIGHLIGHT: Final[Colour] = (40, 40, 255)
LINE: Final[Colour] = (255, 255, 255)
ZONE: Final[Colour] = (200, 160, 60)
DESIGNED_WIDTH_PX: Final = 800
"""Sizes below are for a picture so wide; in a wider one, which is shown as small, they grow."""
STRIP_PX: Final = 14
FOOTER_PX: Final = 24
FOOTER_WORDS_PX: Final = 14
LABELLED_PX: Final = 30
"""Boxes lower than this carry no label: far away they would cover each other."""
WORDS_PX: Final = 12
WIDER: Final = 1.5
"""A label may be so many times as wide as its box; else it is the number alone."""
GRID_PX: Final = 100


def _sized(image: Image, size_px: float) -> int:
    """A size as it has to be in this picture, so that it can be read at any resolution."""
    width = int(image.shape[1])
    return round(size_px * max(1.0, width / DESIGNED_WIDTH_PX))


def _text(image: Image, text: str, at: tuple[int, int], colour: Colour) -> None:
    """Text on a shade of its own: what lies behind it stays visible, and it stays readable."""
    x, y = at
    words, margin = _sized(image, WORDS_PX), _sized(image, 2)
    rows = slice(max(y - words, 0), max(y + 2 * margin, 0))
    columns = slice(max(x - margin, 0), max(x + width_px(text, words) + margin, 0))
    image[rows, columns] = image[rows, columns] // 5 * 2
    draw_text(image, text, at, colour, words)


def _polyline(
    image: Image, points: FloatArray, colour: Colour, width: int, *, closed: bool = False
) -> None:
    if np.isfinite(points).all():
        drawn = [np.round(points).astype(np.int32)]
        cv2.polylines(image, drawn, closed, colour, _sized(image, width), cv2.LINE_AA)


def draw_view(image: Image, view: CameraView) -> None:
    """Draw the stop line and the zone of a view onto its image, in place."""
    plane = GroundPlane(view)
    _polyline(image, plane.to_image(np.array(view.zone, np.float64)), ZONE, 1, closed=True)
    _polyline(image, plane.to_image(np.array(view.stop_line, np.float64)), LINE, 2)
    if view.lamp_px is not None:
        x0, y0, x1, y1 = view.lamp_px
        cv2.rectangle(image, (x0, y0), (x1, y1), LINE, _sized(image, 1))


def draw_grid(image: Image) -> None:
    """Draw pixel coordinates, in place: lines at half steps, numbers at whole ones. Marks in a
    site file are read from them.
    """
    height, width = image.shape[:2]
    # A number of four digits has to fit between two lines.
    step_px = GRID_PX * -(-_sized(image, 1) // 3)
    for x in range(step_px // 2, width, step_px // 2):
        image[:, x] = image[:, x] // 2 + (110 if x % step_px == 0 else 70)
    for y in range(step_px // 2, height, step_px // 2):
        image[y] = image[y] // 2 + (110 if y % step_px == 0 else 70)
    for x in range(step_px, width - 20, step_px):
        _text(image, str(x), (x + 3, _sized(image, WORDS_PX)), LINE)
    for y in range(step_px, height - 8, step_px):
        _text(image, str(y), (3, y - 4), LINE)


def draw_marks(image: Image, view: CameraView) -> None:
    """Draw everything that a site says of a camera, in place: line, zone, lamp, direction of
    travel over the line, and the movements with their ids at their ends.
    """
    draw_view(image, view)
    plane = GroundPlane(view)
    line = np.array(view.stop_line, np.float64)
    reach = 0.25 * float(np.hypot(*(line[1] - line[0]))) * np.array(view.inward)
    _arrow(image, plane.to_image(np.stack([line.mean(axis=0), line.mean(axis=0) + reach])), LINE)
    for index, path in enumerate(view.movements):
        colour = list(CLASS_COLOUR.values())[index % len(CLASS_COLOUR)]
        points = plane.to_image(np.array(path.points, np.float64))
        points = points[np.isfinite(points).all(axis=1)]
        if len(points) < 2:
            continue
        _polyline(image, points[:-1], colour, 2)
        _arrow(image, points[-2:], colour)
        words = _sized(image, WORDS_PX)
        width = width_px(path.movement, words)
        x = int(np.clip(points[-1, 0] + 5, 2, image.shape[1] - width - 4))
        y = int(np.clip(points[-1, 1] - 5, words + 2, image.shape[0] - 4))
        _text(image, path.movement, (x, y), colour)


def _arrow(image: Image, ends: FloatArray, colour: Colour) -> None:
    if np.isfinite(ends).all():
        (x0, y0), (x1, y1) = np.round(ends).astype(int).tolist()
        width = _sized(image, 2)
        cv2.arrowedLine(image, (x0, y0), (x1, y1), colour, width, cv2.LINE_AA, tipLength=0.25)


def draw_stop_line(image: Image, ends_px: Sequence[Point]) -> None:
    """Draw where the stop line is taken to be, in place."""
    _polyline(image, np.array(ends_px, np.float64), LINE, 1)


def draw_tracks(image: Image, tracks: Iterable[TrackState], highlight: int | None = None) -> None:
    """Draw boxes with class and track number onto an image, in place."""
    for track in tracks:
        x0, y0, x1, y1 = (round(value) for value in track.box_px)
        if not track.seen and track.id != highlight:
            continue
        if track.id == highlight:
            draw_subject(image, track.box_px, track.vehicle_class, track.id)
            continue
        colour = CLASS_COLOUR[track.vehicle_class]
        cv2.rectangle(image, (x0, y0), (x1, y1), colour, _sized(image, 1))
        contact = (round(track.contact_px[0]), round(track.contact_px[1]))
        cv2.circle(image, contact, _sized(image, 2), colour, -1)
        if y1 - y0 >= _sized(image, LABELLED_PX):
            _label(image, track.vehicle_class, track.id, (x0, y0, x1), colour)


def draw_subject(image: Image, box_px: Sequence[float], vehicle_class: str, track: int) -> None:
    """Draw the box of the vehicle that a case is about, in place."""
    x0, y0, x1, y1 = (round(value) for value in box_px)
    cv2.rectangle(image, (x0, y0), (x1, y1), HIGHLIGHT, _sized(image, 2))
    cv2.circle(image, (round((box_px[0] + box_px[2]) / 2), y1), _sized(image, 2), HIGHLIGHT, -1)
    _label(image, vehicle_class, track, (x0, y0, x1), HIGHLIGHT)


def _label(
    image: Image, vehicle_class: str, track: int, top: tuple[int, int, int], colour: Colour
) -> None:
    """Number and class above a box's upper edge (left, y, right); riders' class is their colour."""
    x0, y0, x1 = top
    text = f"{CLASS_WORDS[vehicle_class]} {track}"
    words = _sized(image, WORDS_PX)
    wide = width_px(text, words) > WIDER * (x1 - x0)
    text = f"{track}" if vehicle_class == "motorcycle" or wide else text
    _text(image, text, (x0, max(y0 - _sized(image, 4), words)), colour)


def draw_path(image: Image, contacts: Sequence[Point], colour: Colour = HIGHLIGHT) -> None:
    """Draw the way that a wheel contact took, in place."""
    if len(contacts) > 1:
        _polyline(image, np.array(contacts, np.float64), colour, 2)


def with_footer(image: Image, state: SignalState, time_s: float, note: str = "") -> Image:
    """The image with the signal's state and the time in a bar below it: nothing is covered.

    A ``note`` stands after them, in whatever words it has.
    """
    height, width = image.shape[:2]
    footer = _sized(image, FOOTER_PX)
    result: Image = np.full((height + footer, width, 3), 24, np.uint8)
    result[:height] = image
    middle = height + footer // 2
    lamp = (_sized(image, 14), middle)
    cv2.circle(result, lamp, _sized(image, 8), SIGNAL_COLOUR[state], -1, cv2.LINE_AA)
    text = f"{SIGNAL_WORDS[state]}   {time_s:.2f} s   {note}".rstrip()
    at = (_sized(image, 30), middle + _sized(image, 5))
    draw_text(result, text, at, LINE, _sized(image, FOOTER_WORDS_PX))
    return result


def with_signal_strip(
    image: Image, signal: SignalTimeline, start_s: float, end_s: float, now_s: float
) -> Image:
    """The image with a strip below it that shows the signal over time and a mark at now."""
    height, width = image.shape[:2]
    tall = _sized(image, STRIP_PX)
    strip = np.zeros((tall, width, 3), np.uint8)
    span = max(end_s - start_s, 1e-6)
    for column in range(width):
        state = signal.state_at(start_s + (column + 0.5) / width * span)
        strip[:, column] = SIGNAL_COLOUR[state]
    at = round((now_s - start_s) / span * (width - 1))
    cv2.line(strip, (at, 0), (at, tall), (255, 255, 255), _sized(image, 3))
    cv2.line(strip, (at, 0), (at, tall), (0, 0, 0), _sized(image, 1))
    result = np.zeros((height + tall, width, 3), np.uint8)
    result[:height], result[height:] = image, strip
    return result


class PlanView:
    """A schematic from above, for cameras that deliver boxes and no picture.

    The approach comes from below: ``inward`` points up.
    """

    def __init__(self, view: CameraView, size_px: tuple[int, int] = (480, 480)) -> None:
        self._view = view
        self._size = size_px
        inward: FloatArray = np.array(view.inward, np.float64)
        self._turn = np.array([[inward[1], -inward[0]], [-inward[0], -inward[1]]])
        corners = [np.array(view.zone, np.float64)]
        corners += [np.array(path.points, np.float64) for path in view.movements]
        shown = np.concatenate(corners) @ self._turn.T
        middle = np.array(view.stop_line, np.float64).mean(axis=0) @ self._turn.T
        # What happens within 30 m of the line decides; a long zone would shrink it to nothing.
        shown = shown[np.hypot(*(shown - middle).T) <= 30.0] if view.metric else shown
        shown = np.concatenate([shown, (np.array(view.stop_line) @ self._turn.T)])
        low, high = shown.min(axis=0), shown.max(axis=0)
        extent = np.maximum(high - low, 1.0)
        self._scale = float(min((np.array(size_px) - 40) / extent))
        self._shift = np.array(size_px) / 2 - (low + high) / 2 * self._scale

    def to_picture(self, points: FloatArray) -> FloatArray:
        """Pixels (N, 2) of the drawing for points (N, 2) of the plane."""
        result: FloatArray = points @ self._turn.T * self._scale + self._shift
        return result

    def draw(self, tracks: Iterable[TrackState], highlight: int | None = None) -> Image:
        """The approach from above with the footprint of each vehicle."""
        width, height = self._size
        image: Image = np.full((height, width, 3), 58, np.uint8)
        view = self._view
        zone = self.to_picture(np.array(view.zone, np.float64))
        cv2.fillPoly(image, [np.round(zone).astype(np.int32)], (78, 78, 78))
        for path in view.movements:
            _polyline(image, self.to_picture(np.array(path.points, np.float64)), (110, 110, 110), 1)
        _polyline(image, self.to_picture(np.array(view.stop_line, np.float64)), LINE, 3)
        for track in tracks:
            index = VEHICLE_CLASSES.index(track.vehicle_class)
            heading = np.array(track.heading)
            side = np.array([-heading[1], heading[0]])
            units = float(np.mean(track.units_per_m))
            ahead = heading * LENGTH_M[index] / 2 * units
            beside = side * WIDTH_M[index] / 2 * units
            centre = np.array(track.centre)
            corners = np.stack(
                [centre + ahead + beside, centre + ahead - beside, centre - ahead - beside,
                 centre - ahead + beside]
            )  # fmt: skip
            chosen = track.id == highlight
            colour = HIGHLIGHT if chosen else CLASS_COLOUR[track.vehicle_class]
            corners = np.round(self.to_picture(corners)).astype(np.int32)
            cv2.fillPoly(image, [corners], colour, cv2.LINE_AA)
            if chosen:
                x, y = corners[0]
                words = f"{CLASS_WORDS[track.vehicle_class]} {track.id}"
                _text(image, words, (int(x) + 6, int(y)), colour)
        words = f"SƠ ĐỒ từ khung nhận dạng · SCHEMATIC from boxes   {view.camera}"
        _text(image, words, (8, height - 10), LINE)
        return image
