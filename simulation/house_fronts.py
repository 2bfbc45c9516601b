"""Textures of the narrow shop houses that line a Vietnamese street."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

_PX_PER_M: Final = 20
_WALLS: Final = (
    (176, 205, 222),
    (190, 214, 205),
    (150, 196, 226),
    (205, 205, 200),
    (176, 190, 206),
    (214, 196, 178),
    (160, 172, 196),
    (140, 186, 214),
)
_SIGNS: Final = (
    (40, 40, 190),
    (170, 90, 30),
    (60, 140, 40),
    (30, 150, 220),
    (60, 50, 50),
    (150, 60, 130),
    (200, 200, 205),
)
_NAMES: Final = (
    "CAFE",
    "PHO 24",
    "XE MAY",
    "BANH MI",
    "NHA THUOC",
    "SUA XE",
    "COM",
    "THOI TRANG",
    "PHO BO",
    "TRA SUA",
    "BUN CHA",
    "DIEN THOAI",
    "HOA TUOI",
)
_AWNINGS: Final = ((60, 60, 190), (190, 120, 50), (80, 150, 60), (70, 170, 220), (210, 210, 210))

Image = npt.NDArray[np.uint8]


def noise(height: int, width: int, scale: int, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Smooth unit noise (height, width) with features of about ``scale`` pixels."""
    small = rng.standard_normal((max(2, height // scale), max(2, width // scale)), np.float32)
    result: npt.NDArray[np.float32] = cv2.resize(
        small, (width, height), interpolation=cv2.INTER_CUBIC
    )
    return result


def _colour(values: npt.NDArray[np.float32]) -> tuple[float, float, float]:
    return float(values[0]), float(values[1]), float(values[2])


def wall_colour(rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Paint of one house, BGR."""
    base = np.array(_WALLS[int(rng.integers(len(_WALLS)))], np.float32)
    return base * np.float32(rng.uniform(0.72, 1.0))


def side_wall(
    width_m: float, height_m: float, base: npt.NDArray[np.float32], rng: np.random.Generator
) -> Image:
    """A side of a house: rain-stained, a few windows, sometimes a poster; 10 px a metre."""
    k = _PX_PER_M // 2
    w, h = max(int(width_m * k), 24), max(int(height_m * k), 24)
    grey = base * np.float32(0.55) + np.float32(70)
    wall = np.full((h, w, 3), 1, np.float32) * grey
    wall += (noise(h, w, 2, rng) * 2 + noise(h, w, 14, rng) * 6)[..., None]
    stains = np.abs(cv2.resize(rng.standard_normal((1, w // 3), np.float32), (w, h)))
    wall -= (stains * np.linspace(9, 1, h, dtype=np.float32)[:, None])[..., None]
    wall[: max(1, k // 4)] *= 0.8
    for y in range(int(1.2 * k), h - int(4 * k), int(3.2 * k)):
        for x in range(int(1.2 * k), w - int(1.5 * k), int(2.6 * k)):
            if rng.random() < 0.3:
                c = float(rng.uniform(45, 90))
                cv2.rectangle(
                    wall,
                    (x - 1, y - 1),
                    (x + k + 1, y + int(1.4 * k) + 1),
                    _colour(grey * 0.75),
                    -1,
                )
                cv2.rectangle(wall, (x, y), (x + k, y + int(1.4 * k)), (c * 1.1, c, c), -1)
    if rng.random() < 0.35 and h > 6 * k:
        x, y = int(rng.uniform(0.5 * k, max(1.0, w - 5 * k))), int(rng.uniform(0.2 * h, 0.5 * h))
        ink = tuple(float(v) for v in rng.uniform(50, 220, 3))
        cv2.rectangle(wall, (x, y), (x + int(4 * k), y + int(2.4 * k)), ink, -1)
        name = _NAMES[int(rng.integers(len(_NAMES)))]
        at = (x + 3, y + int(1.5 * k))
        flat = np.clip(wall, 0, 255).astype(np.uint8)
        cv2.putText(flat, name, at, cv2.FONT_HERSHEY_SIMPLEX, 0.35, (240, 240, 240), 1, cv2.LINE_AA)
        return flat
    result: Image = np.clip(wall, 0, 255).astype(np.uint8)
    return result


def house_front(
    width_m: float, height_m: float, base: npt.NDArray[np.float32], rng: np.random.Generator
) -> Image:
    """A front with a shop, its sign, windows and balconies, BGR, 20 px a metre."""
    k = _PX_PER_M
    w, h = max(int(width_m * k), 24), max(int(height_m * k), 24)
    front = np.full((h, w, 3), 1, np.float32) * base
    front += (noise(h, w, 2, rng) * 3 + noise(h, w, 30, rng) * 5)[..., None]
    front *= np.linspace(1, 0.9, h, dtype=np.float32)[:, None, None]
    ground = int(3.6 * k)
    floors, columns = max(1, int((height_m - 3.6) / 3.2)), max(1, int(width_m / 1.9))
    for floor in range(floors):
        y1 = h - ground - int(floor * 3.2 * k) - int(0.8 * k)
        y0 = y1 - int(1.7 * k)
        if y0 < 4:
            break
        if rng.random() < 0.4:
            cv2.rectangle(front, (3, y1), (w - 3, y1 + int(0.75 * k)), _colour(base * 0.8), -1)
            for x in range(4, w, 5):
                cv2.line(front, (x, y1 - 8), (x, y1 + 4), _colour(base * 0.45), 1)
        for column in range(columns):
            x0, x1 = int((column + 0.22) * w / columns), int((column + 0.78) * w / columns)
            c = float(rng.uniform(48, 96))
            cv2.rectangle(front, (x0 - 2, y0 - 2), (x1 + 2, y1 + 2), _colour(base * 0.72), -1)
            cv2.rectangle(front, (x0, y0), (x1, y1), (c * 1.15, c * 1.05, c), -1)
            middle = (x0 + x1) // 2
            cv2.line(front, (middle, y0), (middle, y1), _colour(base * 0.7), 2)
            glint = np.array([[x0, y0], [x1, y0], [x0, y1]], np.int32)
            cv2.fillPoly(front, [glint], (c * 1.5, c * 1.35, c * 1.25))
            if rng.random() < 0.25:
                cv2.rectangle(front, (x1 - 12, y1 + 3), (x1 + 4, y1 + 13), (200, 200, 196), -1)
    c = float(rng.uniform(30, 75))
    cv2.rectangle(front, (6, h - int(2.7 * k)), (w - 6, h), (c, c, c * 1.05), -1)
    for _ in range(8):  # goods in the shop
        x, y = int(rng.uniform(8, max(9, w - 20))), int(h - rng.uniform(0.4, 2.2) * k)
        size = rng.uniform(6, 18, 2).astype(int)
        goods = tuple(float(v) for v in rng.uniform(60, 210, 3))
        cv2.rectangle(front, (x, y), (x + int(size[0]), y + int(size[1])), goods, -1)
    sign = _SIGNS[int(rng.integers(len(_SIGNS)))]
    name = _NAMES[int(rng.integers(len(_NAMES)))]
    cv2.rectangle(front, (3, h - int(3.6 * k)), (w - 3, h - int(2.75 * k)), sign, -1)
    image: Image = np.clip(front, 0, 255).astype(np.uint8)
    ink = (245, 245, 245) if sum(sign) < 550 else (40, 40, 200)
    scale = min(0.55, w / 10 / len(name) / 1.9)
    at = (8, h - int(2.92 * k))
    cv2.putText(image, name, at, cv2.FONT_HERSHEY_SIMPLEX, scale, ink, 2, cv2.LINE_AA)
    return image


def awning(rng: np.random.Generator) -> Image:
    """A striped awning over a shop."""
    cloth = np.full((8, 64, 3), _AWNINGS[int(rng.integers(len(_AWNINGS)))], np.uint8)
    for first in range(3):
        cloth[:, first::16] = 230
    return cloth
