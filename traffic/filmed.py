"""What a camera, its lens, its weather and its codec do to a picture, drawn at random.

Applied while a detector trains, so that no two looks at one rendered frame are the same.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]
Picture = npt.NDArray[np.float32]


def as_filmed(image: Image, rng: np.random.Generator) -> Image:
    """A drawn picture (H, W, 3) BGR as some street camera might have recorded it.

    Lens blur and motion, colour cast, contrast, veil and vignette, night, rain, low resolution
    enlarged, sensor noise, sharpening and compression, each at times.
    """
    picture = image.astype(np.float32)
    picture = _lens(picture, rng)
    picture = _light(picture, rng)
    picture = _colour(picture, rng)
    height, width = image.shape[:2]
    if rng.random() < 0.08:
        picture = _rain(picture, rng)
    if rng.random() < 0.35:
        share = float(rng.uniform(0.38, 0.9))
        small = (max(8, int(width * share)), max(8, int(height * share)))
        picture = cv2.resize(picture, small, interpolation=cv2.INTER_AREA)
    if rng.random() < 0.6:
        level = float(rng.uniform(1, 9))
        grain = rng.standard_normal((*picture.shape[:2], 1), np.float32)
        if rng.random() < 0.5:
            grain = grain * 0.7 + rng.standard_normal(picture.shape, np.float32) * 0.7
        picture = picture + grain * level
    if rng.random() < 0.45:
        sigma, amount = float(rng.uniform(0.6, 2.0)), float(rng.uniform(0.3, 1.8))
        picture = picture + (picture - cv2.GaussianBlur(picture, (0, 0), sigma)) * amount
    result: Image = np.clip(picture, 0, 255).astype(np.uint8)
    result = _coded(result, rng)
    if result.shape[:2] != (height, width):
        way = cv2.INTER_CUBIC if rng.random() < 0.5 else cv2.INTER_LINEAR
        result = np.asarray(cv2.resize(result, (width, height), interpolation=way), np.uint8)
    return result


def _lens(picture: Picture, rng: np.random.Generator) -> Picture:
    chance = float(rng.random())
    if chance < 0.35:
        return np.asarray(cv2.GaussianBlur(picture, (0, 0), float(rng.uniform(0.3, 1.3))))
    if chance < 0.42:
        length = int(rng.integers(3, 7))
        kernel = np.zeros((length, length), np.float32)
        if rng.random() < 0.5:
            kernel[length // 2] = 1 / length
        else:
            kernel[:, length // 2] = 1 / length
        return np.asarray(cv2.filter2D(picture, -1, kernel), np.float32)
    return picture


def _light(picture: Picture, rng: np.random.Generator) -> Picture:
    """Uneven light: veil of haze or a low sun, vignette, clouds' shadows, night with blooms."""
    height, width = picture.shape[:2]
    y = np.linspace(0, 1, height, dtype=np.float32)[:, None]
    x = np.linspace(0, 1, width, dtype=np.float32)[None]
    if rng.random() < 0.35:  # veil
        tone = rng.uniform(90, 235) + rng.normal(0, 10, 3)
        most = float(rng.uniform(0.05, 0.5))
        if rng.random() < 0.6:
            depth = np.asarray(np.clip(1 - y * float(rng.uniform(1, 2.2)), 0, 1) + 0 * x)
        else:
            u, v = rng.uniform(-0.2, 1.2, 2).tolist()
            depth = np.exp(-((x - u) ** 2 + (y - v) ** 2) * float(rng.uniform(0.8, 4)))
        veil = (np.float32(most) * depth.astype(np.float32))[..., None]
        picture = np.asarray(picture * (1 - veil) + tone.astype(np.float32) * veil, np.float32)
    if rng.random() < 0.4:  # patches of shade
        rough = rng.standard_normal((int(rng.integers(2, 9)), int(rng.integers(2, 11))))
        patch = cv2.resize(rough.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
        if rng.random() < 0.4:
            patch = 1 / (1 + np.exp(-patch * 8)) - 0.5
        shade = np.clip(1 + patch * float(rng.uniform(0.05, 0.35)), 0.3, 1.8)[..., None]
        picture = np.asarray(picture * shade, np.float32)
    if rng.random() < 0.2:
        fall = 1 - float(rng.uniform(0.2, 0.6)) * ((x - 0.5) ** 2 + (y - 0.5) ** 2) * 2
        picture = np.asarray(picture * fall[..., None], np.float32)
    if rng.random() < 0.05:  # night: dark, with lamps that bloom
        level = float(rng.uniform(0.25, 0.55))
        bright = np.clip(picture - 170, 0, None)
        glow = cv2.GaussianBlur(bright, (0, 0), float(rng.uniform(2, 7)))
        picture = picture * level + bright * (1 - level) * 2 + glow * float(rng.uniform(0.5, 2.5))
    return picture


def _colour(picture: Picture, rng: np.random.Generator) -> Picture:
    picture = np.asarray(picture * (1 + rng.normal(0, 0.07, 3)), np.float32)
    grey = picture.mean(2, keepdims=True)
    saturation = float(rng.uniform(0.3, 1.4)) if rng.random() < 0.95 else 0.0
    picture = np.asarray(grey + (picture - grey) * saturation, np.float32)
    contrast = float(np.exp(rng.normal(-0.05, 0.2)))
    middle = float(picture.mean())
    bright = middle * float(rng.uniform(0.75, 1.2))
    picture = np.asarray((picture - middle) * contrast + bright, np.float32)
    gamma = float(np.exp(rng.normal(-0.05, 0.2)))
    return np.asarray(255 * (np.clip(picture, 0, 255) / 255) ** gamma, np.float32)


def _rain(picture: Picture, rng: np.random.Generator) -> Picture:
    height, width = picture.shape[:2]
    drops = (rng.random((height, width)) > 0.995).astype(np.float32) * 255
    length = int(rng.integers(5, 17))
    lean = float(rng.uniform(-0.3, 0.3))
    kernel = np.zeros((length, length), np.float32)
    for i in range(length):
        kernel[i, int(np.clip(length / 2 + lean * (i - length / 2), 0, length - 1))] = 1 / length
    streaks = cv2.filter2D(drops, -1, kernel)[..., None] * float(rng.uniform(0.5, 2))
    return np.asarray(picture * float(rng.uniform(0.75, 1)) + streaks, np.float32)


def _coded(image: Image, rng: np.random.Generator) -> Image:
    """JPEG at any quality; at times smoothed first, as a video encoder at a low rate does."""
    if rng.random() < 0.3:
        smooth = cv2.bilateralFilter(image, 5, float(rng.uniform(12, 45)), 2)
        image = np.asarray(smooth, np.uint8)
    for _ in range(1 if rng.random() < 0.8 else 2):
        quality = int(rng.choice([rng.integers(14, 40), rng.integers(40, 96)], p=[0.4, 0.6]))
        _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
        image = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    return image
