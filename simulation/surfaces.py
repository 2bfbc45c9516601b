"""What makes drawn frames as untidy as filmed ones: uneven surfaces, clutter, things in the way.

For training a detector that must work on real streets. Everything is drawn; no photograph and
no texture of one is used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from simulation.background import Background
from simulation.house_fronts import noise

Image = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]

_WORDS: Final = ("CAFE", "PHO", "XE MAY", "BANK", "SALE 50%", "24h", "COM TAM", "P", "STOP", "TAXI")
_FONTS: Final = (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_COMPLEX)


@dataclass(frozen=True, slots=True)
class Foreground:
    """What stands before everything: a picture (H, W, 3) and where it covers (H, W)."""

    image: Image
    mask: Mask


def mottle(
    image: Image, ids: npt.NDArray[np.uint16], strength: float, rng: np.random.Generator
) -> None:
    """Make each road user's surface uneven, in place: folds, dirt, reflections, patterns.

    Args:
        image: The picture (H, W, 3).
        ids: Which road user covers each pixel, 0 for none.
        strength: 0 leaves flat colours, 1 is very uneven.
        rng: Draws patterns; road users differ in how strong theirs is.
    """
    covered = ids > 0
    if not covered.any():
        return
    height, width = ids.shape
    count = int(ids.max()) + 1
    numbers = ids[covered].astype(np.int64)
    pixels = image[covered].astype(np.float32)
    for scale, most in ((3, 0.08), (9, 0.16), (40, 0.3)):
        amount = (rng.random(count) ** 2 * most * strength).astype(np.float32)
        pattern = noise(height, width, scale, rng)[covered]
        pixels *= np.clip(1 + amount[numbers] * pattern, 0.25, 2.2)[:, None]
    # Reflections and bright prints add light rather than scale it.
    amount = (rng.random(count) ** 3 * 70 * strength).astype(np.float32)
    gloss = np.clip(noise(height, width, 12, rng)[covered] - 0.6, 0, 2)
    pixels += (amount[numbers] * gloss)[:, None]
    tint = rng.normal(0, 0.06 * strength, (count, 3)).astype(np.float32)
    pixels *= 1 + tint[numbers]
    image[covered] = np.clip(pixels, 0, 255).astype(np.uint8)


def contact_shadows(image: Image, ground: Image, corners: npt.NDArray[np.float64]) -> None:
    """Darken the ground under road users, in place: there is little light whatever the sky.

    Args:
        image: The picture (H, W, 3).
        ground: 255 where nothing stands (H, W).
        corners: Footprints (N, 4, 2) in pixels of the picture.
    """
    height, width = ground.shape
    # At a quarter of the size: the edge is soft anyway.
    dark = np.zeros((height // 4, width // 4), np.uint8)
    for quad in np.clip(corners / 4, -8000, 8000):
        cv2.fillConvexPoly(dark, np.round(quad).astype(np.int32), (150,))
    if not dark.any():
        return
    soft = cv2.resize(cv2.GaussianBlur(dark, (0, 0), 1.6), (width, height))
    weight = cv2.cvtColor(255 - cv2.bitwise_and(soft, ground), cv2.COLOR_GRAY2BGR)
    cv2.multiply(image, weight, image, 1 / 255)


def add_clutter(
    background: Background,
    shadow: float,
    rng: np.random.Generator,
    *,
    amount: float,
    everywhere: bool,
) -> None:
    """Strew small shapes, stripes and words over what is not road, in place.

    Args:
        background: The still picture; its depth map stays.
        shadow: How bright ground in shadow stays.
        rng: Draws everything.
        amount: 0 to 1, how much of the picture is strewn.
        everywhere: On the road as well: a picture that is no street, behind the same vehicles.
    """
    height, width = background.road.shape
    asphalt = np.exp(rng.normal(0, 0.28)) * rng.normal(1, 0.05, 3)
    road = background.road > 127
    for picture in (background.image, background.shadowed):
        picture[road] = np.clip(picture[road] * asphalt, 0, 255).astype(np.uint8)
    layer = background.image.copy()
    for _ in range(int(amount * rng.uniform(150, 1500))):
        _shape(layer, rng, width, height)
    for _ in range(int(rng.poisson(3))):
        _cabinet(layer, rng, width, height)
    grain = noise(height, width, 2, rng) * 9 + noise(height, width, 6, rng) * 12
    grain += noise(height, width, 40, rng) * 14
    mixed = np.clip(layer + (grain * np.float32(amount))[..., None], 0, 255).astype(np.uint8)
    free = np.ones_like(background.road, bool) if everywhere else background.road < 128
    background.image[free] = mixed[free]
    shaded = mixed.astype(np.float32) * np.float32(shadow)
    background.shadowed[free] = shaded.astype(np.uint8)[free]


def _shape(layer: Image, rng: np.random.Generator, width: int, height: int) -> None:
    x, y = int(rng.uniform(0, width)), int(rng.uniform(0, height))
    size = float(np.exp(rng.uniform(np.log(3), np.log(80))))
    w, h = int(size * rng.uniform(0.3, 1.6)) + 1, int(size * rng.uniform(0.3, 1.6)) + 1
    near = layer[min(y, height - 1), min(x, width - 1)].astype(np.float64)
    ink = near * rng.uniform(0.3, 1.6) * rng.uniform(0.85, 1.15, 3)
    if rng.random() < 0.25:
        ink = rng.uniform(15, 235, 3)
        ink = ink.mean() + (ink - ink.mean()) * rng.uniform(0.1, 0.9)
    colour = [float(v) for v in np.clip(ink, 0, 255)]
    kind = int(rng.choice(7, p=[0.2, 0.1, 0.2, 0.18, 0.17, 0.11, 0.04]))
    if kind <= 1:
        cv2.rectangle(layer, (x, y), (x + w, y + h), colour, -1)
    elif kind == 2:
        turn = float(rng.uniform(0, 180))
        cv2.ellipse(layer, (x, y), (w // 2 + 1, h // 2 + 1), turn, 0, 360, colour, -1)
    elif kind == 3:
        corners = np.array([x, y]) + rng.normal(0, size * 0.5, (int(rng.integers(3, 6)), 2))
        cv2.fillPoly(layer, [corners.astype(np.int32)], colour)
    elif kind == 4:
        end = (x + int(rng.normal(0, size * 2)), y + int(rng.normal(0, size)))
        cv2.line(layer, (x, y), end, colour, int(rng.integers(1, 5)), cv2.LINE_AA)
    elif kind == 5:
        for step in range(0, w, max(3, w // int(rng.integers(2, 9)))):
            cv2.line(layer, (x + step, y), (x + step, y + h), colour, int(rng.integers(1, 4)))
    else:
        word = _WORDS[int(rng.integers(len(_WORDS)))]
        font = _FONTS[int(rng.integers(len(_FONTS)))]
        scale = float(rng.uniform(0.4, 1.6))
        cv2.rectangle(
            layer,
            (x, y),
            (x + int(scale * 16 * len(word)), y - int(scale * 30)),
            [255 - v for v in colour],
            -1,
        )
        cv2.putText(layer, word, (x + 3, y - 5), font, scale, colour, 2, cv2.LINE_AA)


def _cabinet(layer: Image, rng: np.random.Generator, width: int, height: int) -> None:
    """A box that stands on a pavement: two faces, a lid, perhaps a door."""
    x, foot = int(rng.uniform(0, width)), int(rng.uniform(0.3, 1.05) * height)
    tall = int(rng.uniform(0.03, 0.2) * height)
    wide = int(tall * rng.uniform(0.3, 1.1)) + 2
    side = int(wide * rng.uniform(0.1, 0.8))
    tone = rng.uniform(30, 210) * rng.uniform(0.85, 1.15, 3)
    front, flank, lid = ([float(v) for v in np.clip(tone * k, 0, 255)] for k in (1.0, 0.7, 1.25))
    step = int(side * rng.uniform(0, 0.5))
    cv2.rectangle(layer, (x, foot - tall), (x + wide, foot), front, -1)
    face = [(x + wide, foot), (x + wide + side, foot - step)]
    face += [(x + wide + side, foot - tall - step), (x + wide, foot - tall)]
    cv2.fillConvexPoly(layer, np.array(face, np.int32), flank)
    top = [(x, foot - tall), (x + wide, foot - tall)]
    top += [(x + wide + side, foot - tall - step), (x + side, foot - tall - step)]
    cv2.fillConvexPoly(layer, np.array(top, np.int32), lid)
    if rng.random() < 0.6:
        inset = max(2, wide // 6)
        corner = (x + wide - inset, foot - tall // 3)
        cv2.rectangle(layer, (x + inset, foot - tall + inset), corner, flank, 2)


def in_the_way(background: Background, rng: np.random.Generator) -> Foreground:
    """Wires, poles, signs and leaves close to the camera, mostly near the picture's edges."""
    height, width = background.road.shape
    image = np.zeros((height, width, 3), np.uint8)
    cover = np.zeros((height, width), np.uint8)

    def grey(low: float, high: float) -> list[float]:
        return [float(v) for v in np.clip(rng.uniform(low, high) + rng.normal(0, 8, 3), 0, 255)]

    for _ in range(int(rng.poisson(2.0))):  # wires
        ends = rng.uniform(-0.1, 0.45, 2) * height
        sag = float(rng.uniform(0, 0.12)) * height
        u = np.linspace(0, 1, 24)
        line = np.stack([u * width, ends[0] + (ends[1] - ends[0]) * u + sag * 4 * u * (1 - u)], -1)
        thick = int(rng.choice([1, 2, 2, 3, 5, 14], p=[0.25, 0.2, 0.2, 0.2, 0.1, 0.05]))
        points = [line.astype(np.int32)]
        cv2.polylines(image, points, False, grey(15, 80), thick)
        cv2.polylines(cover, points, False, 255, thick)
    for _ in range(int(rng.poisson(0.9))):  # poles with signs
        x = int(rng.choice([rng.uniform(0, 0.12), rng.uniform(0.88, 1), rng.random()]) * width)
        top, foot = int(rng.uniform(-0.2, 0.6) * height), int(rng.uniform(0.5, 1.1) * height)
        thick = int(rng.integers(4, 22))
        tone = grey(40, 190)
        cv2.line(image, (x, top), (x, foot), tone, thick)
        cv2.line(cover, (x, top), (x, foot), 255, thick)
        for step in range(max(top, 0), foot, 60 if rng.random() < 0.3 else 10_000):
            cv2.line(image, (x, step), (x, step + 30), (40, 40, 200), thick)
        for number in range(int(rng.integers(0, 3))):
            r = int(rng.uniform(1.2, 3.2) * (thick + 6))
            at = (x, top + r + number * 2 * r)
            ink = [float(v) for v in rng.uniform(10, 240, 3)]
            if rng.random() < 0.6:
                cv2.circle(image, at, r, ink, -1)
                cv2.circle(cover, at, r, 255, -1)
                cv2.circle(image, at, int(r * 0.6), grey(150, 250), int(rng.integers(-1, 4)) or 2)
            else:
                corner, far = (at[0] - r, at[1] - r), (at[0] + r, at[1] + int(r * 0.6))
                cv2.rectangle(image, corner, far, ink, -1)
                cv2.rectangle(cover, corner, far, 255, -1)
    if rng.random() < 0.45:
        _leaves(image, cover, rng)
    return Foreground(image, cover > 0)


def _leaves(image: Image, cover: Image, rng: np.random.Generator) -> None:
    """A branch that hangs into the picture from the top or a side."""
    height, width = cover.shape
    side = int(rng.integers(3))
    centre = np.array(
        [
            (rng.random() * width, 0.0),
            (0.0, rng.random() * height * 0.6),
            (float(width), rng.random() * height * 0.6),
        ][side]
    )
    spread = rng.uniform(0.04, 0.16, 2) * (width, height)
    green = np.array((50, 120, 80)) * rng.uniform(0.35, 1.3) + rng.normal(0, 12, 3)
    size = float(rng.uniform(3, 14))
    for _ in range(int(rng.uniform(120, 700))):
        at = (centre + rng.normal(0, 1, 2) * spread).astype(int)
        axes = (int(size * rng.uniform(0.6, 1.6)) + 1, int(size * rng.uniform(0.25, 0.7)) + 1)
        turn = float(rng.uniform(0, 180))
        tone = [float(v) for v in np.clip(green * rng.uniform(0.5, 1.5), 0, 255)]
        where = (int(at[0]), int(at[1]))
        cv2.ellipse(image, where, axes, turn, 0, 360, tone, -1)
        cv2.ellipse(cover, where, axes, turn, 0, 360, 255, -1)
