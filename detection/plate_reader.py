"""Reads a plate whose corners are known: straightened, split into lines, read, checked.

The recognizer is PP-OCRv4's, from inside the ``rapidocr-onnxruntime`` package, run by OpenVINO
(3 ms a line on one core, onnxruntime 6 ms). Of its 6,625 characters only those of a plate are
allowed.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from detection.exports import onnx_metadata
from detection.plate_finder import FoundPlate
from detection.ports import Image
from models.errors import XanhError
from models.plate import Plate, parse_plate

FloatArray = npt.NDArray[np.float64]

ALLOWED: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-."
LINE_PX: Final = 48
MIN_LINE_PX: Final = 7.0
"""Lines of characters lower than this in the picture are not tried."""
MIN_CHARACTER: Final = 0.5
MIN_MEAN: Final = 0.75
"""A reading counts if its worst character and their mean are at least so sure."""
ONE_LINE_ABOVE: Final = 2.9
"""Width to height above which a plate has one line."""
_GROWTHS: Final = (0.03, 0.08, -0.01, 0.13, 0.05)
_AGREEING: Final = 2
"""A plate is cut out with so much of its size around it; so many readings must agree."""
_HOPELESS: Final = 4
"""Fewer characters at the first attempt: no plate, and not tried again."""
_STEP_PX: Final = 32
_EDGE_PX: Final = 1.0


@dataclass(frozen=True, slots=True)
class Line:
    """A line as read: its text and how sure each character is, 0 to 1."""

    text: str
    sure: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class PlateReading:
    """A plate that was found, and what stands on it if it could be read.

    ``score`` is the mean certainty of its characters, 0 where ``plate`` is None.
    """

    found: FoundPlate
    plate: Plate | None
    score: float


class LineRecognizer:
    """Reads one line of characters."""

    def __init__(self, threads: int = 1) -> None:
        """Load.

        Raises:
            XanhError: If the recognizer's package is missing.
        """
        import openvino as ov  # noqa: PLC0415 - slow, and few cameras promise plates

        spec = importlib.util.find_spec("rapidocr_onnxruntime")
        if spec is None or spec.origin is None:
            raise XanhError("reading plates needs the package rapidocr-onnxruntime")
        self._path = Path(spec.origin).parent / "models" / "ch_PP-OCRv4_rec_infer.onnx"
        characters = onnx_metadata(self._path)["character"].splitlines()
        # Class 0 is the blank between characters.
        self._index = np.array([0, *(characters.index(c) + 1 for c in ALLOWED)])
        self._core = ov.Core()
        self._options: dict[str, Any] = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": threads,
        }
        self._compiled: dict[int, Any] = {}

    def read(self, image: Image) -> Line:
        """The characters in a picture (H, W, 3) BGR of one line."""
        height, width = image.shape[:2]
        wide = int(np.clip(round(LINE_PX * width / height), 32, 640))
        resized = cv2.resize(image, (wide, LINE_PX), interpolation=cv2.INTER_CUBIC)
        fitted = -(-wide // _STEP_PX) * _STEP_PX
        blob = np.zeros((1, 3, LINE_PX, fitted), np.float32)
        blob[0, :, :, :wide] = resized.transpose(2, 0, 1).astype(np.float32) / 127.5 - 1
        if fitted not in self._compiled:
            model = self._core.read_model(str(self._path))
            model.reshape([1, 3, LINE_PX, fitted])
            self._compiled[fitted] = self._core.compile_model(model, "CPU", self._options)
        chances = np.asarray(self._compiled[fitted](blob)[0][0], np.float64)[:, self._index]
        best = chances.argmax(1)
        text, sure = "", []
        for step, number in enumerate(best.tolist()):
            if number and (step == 0 or number != best[step - 1]):
                text += ALLOWED[number - 1]
                sure.append(float(chances[step, number]))
            elif number:
                sure[-1] = max(sure[-1], float(chances[step, number]))
        return Line(text, tuple(sure))


class PlateReader:
    """Reads plates that were found."""

    def __init__(self, threads: int = 1) -> None:
        """Load the recognizer.

        Raises:
            XanhError: If its package is missing.
        """
        self._recognizer = LineRecognizer(threads)

    def read(self, image: Image, found: FoundPlate) -> PlateReading:
        """What stands on a plate; nothing if it is cut, too small, or against the grammar."""
        height, width = image.shape[:2]
        low, high = found.quad.min(0), found.quad.max(0)
        cut = (low < _EDGE_PX).any() or (high > np.array([width, height]) - _EDGE_PX).any()
        two_lines = found.width_px < ONE_LINE_ABOVE * found.height_px
        line_px = found.height_px * (0.36 if two_lines else 0.62)
        if cut or line_px < MIN_LINE_PX:
            return PlateReading(found, None, 0.0)
        seen: dict[Plate, list[float]] = {}
        for growth in _GROWTHS:
            lines = self._attempt(image, found, two_lines, growth)
            if sum(len(line.text) for line in lines) < _HOPELESS:
                break
            plate, score = _checked(lines)
            if plate is not None:
                seen.setdefault(plate, []).append(score)
                if len(seen) == 1 and len(seen[plate]) == _AGREEING:
                    break
        return _agreed(found, seen)

    def _attempt(
        self, image: Image, found: FoundPlate, two_lines: bool, growth: float
    ) -> list[Line]:
        flat = straightened(image, found, two_lines, growth)
        parts = split_lines(flat) if two_lines else (flat,)
        return [self._recognizer.read(part) for part in parts]


def _agreed(found: FoundPlate, seen: Mapping[Plate, Sequence[float]]) -> PlateReading:
    """The plate that at least two crops agree on and that none, or fewer, contradict."""
    ranked = sorted(seen.items(), key=lambda item: (-len(item[1]), -sum(item[1])))
    if not ranked or len(ranked[0][1]) < _AGREEING:
        return PlateReading(found, None, 0.0)
    if len(ranked) > 1 and len(ranked[1][1]) >= len(ranked[0][1]):
        return PlateReading(found, None, 0.0)
    plate, scores = ranked[0]
    return PlateReading(found, plate, float(np.mean(scores)))


def _checked(lines: Sequence[Line]) -> tuple[Plate | None, float]:
    """The plate that these lines spell, if all of it is sure enough and lawful."""
    sure = [value for line in lines for value in _characters(line)]
    if not sure or min(sure) < MIN_CHARACTER or float(np.mean(sure)) < MIN_MEAN:
        return None, 0.0
    return parse_plate(tuple(line.text for line in lines)), float(np.mean(sure))


def _characters(line: Line) -> list[float]:
    """Certainty of letters and digits; separators may be faint."""
    return [s for c, s in zip(line.text, line.sure, strict=True) if c not in "-."]


def straightened(image: Image, found: FoundPlate, two_lines: bool, growth: float = 0.03) -> Image:
    """The plate seen from the front, with ``growth`` of its size around it."""
    ratio = 1.45 if two_lines else 4.6
    tall = int(np.clip(found.height_px * 1.5, 2 * LINE_PX if two_lines else LINE_PX, 240))
    wide = round(tall * ratio)
    middle = found.quad.mean(0)
    quad = middle + (found.quad - middle) * (1 + 2 * growth)
    target = np.array([(0, 0), (wide, 0), (wide, tall), (0, tall)], np.float32)
    matrix = cv2.getPerspectiveTransform(quad.astype(np.float32), target)
    way = cv2.INTER_CUBIC
    flat = cv2.warpPerspective(
        image, matrix, (wide, tall), flags=way, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(flat, np.uint8)


def split_lines(flat: Image) -> tuple[Image, Image]:
    """The two lines of a straightened plate, cut where there is least ink around its middle."""
    grey = cv2.cvtColor(flat, cv2.COLOR_BGR2GRAY)
    height, width = grey.shape
    inner = grey[:, int(0.08 * width) : int(0.92 * width)].astype(np.float64)
    # Ink is what changes along a row, whatever its colour.
    change = np.abs(np.diff(inner, axis=1)).mean(1)
    change = np.convolve(change, np.ones(3) / 3, mode="same")
    first, last = int(0.36 * height), int(0.62 * height)
    middle = first + int(change[first:last].argmin())
    overlap = max(1, round(0.015 * height))
    return flat[: middle + overlap], flat[middle - overlap :]
