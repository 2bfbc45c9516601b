"""Draws number plates: for training the finder of plates and for tests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from models.plate import SECOND_LETTERS, SERIES_LETTERS, Plate, PlateKind, known_codes
from simulation.house_fronts import noise

Image = npt.NDArray[np.uint8]
Quad = npt.NDArray[np.float64]

PX_PER_MM: Final = 2.0
SIZES_MM: Final = {"motorcycle": (190, 140), "square": (330, 165), "long": (520, 110)}
"""Width and height: of motorcycles, and of cars on two lines and on one."""
_INK: Final = (
    ((232, 232, 230), (18, 18, 20), 0.8),  # private: black on white
    ((40, 190, 240), (18, 18, 20), 0.12),  # commercial: black on yellow
    ((150, 70, 20), (235, 235, 235), 0.05),  # state: white on blue
    ((40, 40, 190), (235, 235, 235), 0.03),  # army: white on red
)
_FONTS: Final = (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX)


@dataclass(frozen=True, slots=True)
class DrawnPlate:
    """A plate seen from the front (H, W, 3) BGR and what stands on it."""

    image: Image
    plate: Plate
    layout: str


def random_plate(rng: np.random.Generator, layout: str) -> Plate:
    """Any number that the grammar allows on a plate of this layout."""
    codes = known_codes()
    series = f"{codes[int(rng.integers(len(codes)))]}{_any(SERIES_LETTERS, rng)}"
    if layout == "motorcycle":
        series += _any(SECOND_LETTERS if rng.random() < 0.3 else "123456789", rng)
    elif rng.random() < 0.06:
        series += _any(SECOND_LETTERS, rng)
    count = 5 if rng.random() < 0.75 else 4
    number = f"{int(rng.integers(1, 10**count)):0{count}d}"
    kind = PlateKind.MOTORCYCLE if layout == "motorcycle" else PlateKind.CAR
    return Plate(series, number, kind)


def draw_plate(plate: Plate, layout: str, rng: np.random.Generator) -> DrawnPlate:
    """Draw a plate: border, characters, bolts, dirt and uneven light."""
    width, height = (int(v * PX_PER_MM) for v in SIZES_MM[layout])
    chances = [share for _, _, share in _INK]
    ground, ink, _ = _INK[int(rng.choice(len(_INK), p=chances))]
    image = np.full((height, width, 3), ground, np.uint8)
    edge = int(rng.uniform(3, 8))
    if rng.random() < 0.85:
        inset = int(rng.uniform(2, 9))
        corner = (width - inset, height - inset)
        cv2.rectangle(image, (inset, inset), corner, ink, edge // 2 + 1)
    digits = plate.number if len(plate.number) == 4 else f"{plate.number[:3]}.{plate.number[3:]}"
    if layout == "motorcycle":
        lines = [f"{plate.series[:2]}-{plate.series[2:]}", digits]
    elif layout == "square":
        lines = [plate.series, digits]
    else:
        lines = [f"{plate.series}-{digits}"]
    tall = height * (0.62 if len(lines) == 1 else 0.36) * float(rng.uniform(0.92, 1.08))
    for number, line in enumerate(lines):
        middle = height * (0.5 if len(lines) == 1 else (0.29, 0.72)[number])
        share = float(rng.uniform(0.8, 0.92)) * (0.85 if number == 0 and len(lines) == 2 else 1.0)
        _write(image, line, (width / 2, middle), (width * share, tall), ink, rng)
    for _ in range(int(rng.choice([0, 2, 4], p=[0.4, 0.4, 0.2]))):
        at = (int(rng.uniform(0.1, 0.9) * width), int(rng.choice([0.08, 0.5, 0.92]) * height))
        cv2.circle(image, at, int(rng.uniform(4, 9)), (110, 110, 110), -1)
    light = 1 + noise(height, width, 60, rng) * float(rng.uniform(0, 0.12))
    dirt = noise(height, width, 5, rng) * float(rng.uniform(0, 12))
    shaded = image * light[..., None] + dirt[..., None]
    return DrawnPlate(np.clip(shaded, 0, 255).astype(np.uint8), plate, layout)


def _any(letters: str, rng: np.random.Generator) -> str:
    return letters[int(rng.integers(len(letters)))]


def _write(
    image: Image,
    text: str,
    middle: tuple[float, float],
    size: tuple[float, float],
    ink: tuple[int, int, int],
    rng: np.random.Generator,
) -> None:
    """Characters stretched to fill a box, as the narrow tall ones of plates are."""
    text = text.replace("0", "O")  # OpenCV's zero is slashed, a plate's is not
    font, thick = _FONTS[int(rng.integers(len(_FONTS)))], int(rng.integers(7, 12))
    (w, h), base = cv2.getTextSize(text, font, 3.0, thick)
    stencil = np.zeros((h + base + 2 * thick, w + 2 * thick), np.uint8)
    cv2.putText(stencil, text, (thick, h + thick), font, 3.0, (255,), thick, cv2.LINE_AA)
    x, y, w, h = cv2.boundingRect(stencil)
    wide, tall = max(4, int(size[0])), max(4, int(size[1]))
    fitted = cv2.resize(stencil[y : y + h, x : x + w], (wide, tall), interpolation=cv2.INTER_AREA)
    left, top = max(0, int(middle[0] - wide / 2)), max(0, int(middle[1] - tall / 2))
    area = image[top : top + tall, left : left + wide]
    alpha = fitted[: area.shape[0], : area.shape[1], None].astype(np.float32) / 255
    area[:] = (area * (1 - alpha) + np.array(ink, np.float32) * alpha).astype(np.uint8)


def random_quad(
    layout: str, width_px: float, middle: tuple[float, float], rng: np.random.Generator
) -> Quad:
    """Corners (4, 2) of a plate in a picture, from its top left clockwise.

    Turned, tilted and seen from the side as by a street camera.
    """
    wide, tall = SIZES_MM[layout]
    half = np.array([wide / 2, tall / 2])
    corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * half
    yaw, pitch = float(rng.normal(0, 0.42)), float(rng.normal(0.15, 0.25))
    roll = float(rng.normal(0, 0.19))
    x = corners[:, 0] * np.cos(yaw)
    z = corners[:, 0] * np.sin(yaw) + corners[:, 1] * np.sin(pitch)
    y = corners[:, 1] * np.cos(pitch)
    depth = 1 + z / float(rng.uniform(1500, 9000))
    flat = np.stack([x / depth, y / depth], -1)
    turn = np.array([[np.cos(roll), -np.sin(roll)], [np.sin(roll), np.cos(roll)]])
    flat = flat @ turn.T
    quad: Quad = flat / max(float(np.ptp(flat[:, 0])), 1e-6) * width_px + np.array(middle)
    return quad


def paste_plate(picture: Image, drawn: DrawnPlate, quad: Quad, gain: float = 1.0) -> None:
    """Put a plate into a picture (H, W, 3) at these corners (4, 2), in place."""
    height, width = picture.shape[:2]
    low = np.floor(quad.min(0)).astype(int) - 1
    high = np.ceil(quad.max(0)).astype(int) + 2
    w, h = (int(v) for v in high - low)
    # Drawn at about its size in the picture first, or thin strokes would flicker.
    scale = min(1.0, 1.3 * float(np.ptp(quad[:, 0])) / drawn.image.shape[1])
    small = cv2.resize(drawn.image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    sh, sw = small.shape[:2]
    source = np.array([(0, 0), (sw, 0), (sw, sh), (0, sh)], np.float32)
    matrix = cv2.getPerspectiveTransform(source, (quad - low).astype(np.float32))
    warped = cv2.warpPerspective(small, matrix, (w, h), borderMode=cv2.BORDER_REPLICATE)
    mask = np.zeros((h, w), np.uint8)
    cv2.fillConvexPoly(mask, np.round((quad - low) * 16).astype(np.int32), 255, cv2.LINE_AA, 4)
    x0, y0 = np.maximum(low, 0)
    x1, y1 = np.minimum(high, [width, height])
    if x1 <= x0 or y1 <= y0:
        return
    rows, columns = slice(y0 - low[1], y1 - low[1]), slice(x0 - low[0], x1 - low[0])
    alpha = mask[rows, columns, None].astype(np.float32) / 255
    area = picture[y0:y1, x0:x1]
    lit = np.clip(warped[rows, columns].astype(np.float32) * gain, 0, 255)
    area[:] = (area * (1 - alpha) + lit * alpha).astype(np.uint8)
