"""Train the finder of plates from scratch, on plates that the project draws.

Plates are drawn into rendered street frames and into pictures of random shapes, with words,
panels and blank plates beside them that are none; every picture is filmed (``traffic.filmed``).
The network tells for each cell of eight pixels whether the middle of a plate is there, and where
its four corners lie.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from detection.plate_finder import PlateFinder
from models.errors import XanhError
from simulation.house_fronts import noise
from simulation.plate_drawing import draw_plate, paste_plate, random_plate, random_quad
from traffic.detector_card import processor_name
from traffic.filmed import as_filmed
from traffic.rendered_frames import write_text

Image = npt.NDArray[np.uint8]
FloatArray = npt.NDArray[np.float64]

SIDE_PX: Final = 224
CELL_PX: Final = 8
REACH_PX: Final = 32.0
"""Corners are told in this unit, from the middle of their cell."""
WIDTHS_PX: Final = (13.0, 130.0)
"""Plates of these widths in its input are found; larger ones in a smaller copy of a picture."""
_LAYOUTS: Final = ("motorcycle", "square", "long")
_LAYOUT_SHARES: Final = (0.5, 0.2, 0.3)
_WORDS: Final = (
    "TAXI", "0912.345.678", "HONDA", "SALE", "BUS 32", "XE KHACH", "051.069", "CAFE 24H", "STOP",
    "1900 1234", "P 2H", "GARAGE", "WAVE", "KARAOKE", "TEL 37.56.89", "51B-069.69", "SUPER",
)  # fmt: skip
_BATCH, _RATE = 8, 3e-3
HELD_OUT: Final = 200


@dataclass(frozen=True, slots=True)
class PlatePicture:
    """A training picture (H, W, 3) BGR with the corners (N, 4, 2) of its plates."""

    image: Image
    quads: FloatArray


def plate_picture(frames: list[Path], rng: np.random.Generator) -> PlatePicture:
    """A square picture with none to three plates, on a rendered frame or on random shapes."""
    picture = _ground(frames, rng)
    for _ in range(int(rng.poisson(0.9))):
        _decoy(picture, rng)
    quads: list[FloatArray] = []
    for _ in range(int(rng.choice(4, p=[0.12, 0.4, 0.3, 0.18]))):
        layout = str(rng.choice(_LAYOUTS, p=_LAYOUT_SHARES))
        width = float(np.exp(rng.uniform(*np.log(WIDTHS_PX))))
        if layout == "long":
            width = min(width * 1.6, WIDTHS_PX[1])
        middle = rng.uniform(0.04, 0.96, 2) * SIDE_PX
        quad = random_quad(layout, width, (float(middle[0]), float(middle[1])), rng)
        if any(np.linalg.norm(quad.mean(0) - other.mean(0)) < width for other in quads):
            continue
        if rng.random() < 0.7:
            _panel(picture, quad, rng)
        drawn = draw_plate(random_plate(rng, layout), layout, rng)
        paste_plate(picture, drawn, quad, float(rng.uniform(0.45, 1.1)))
        quads.append(quad)
    filmed = as_filmed(picture, rng) if rng.random() < 0.8 else picture
    inside = [q for q in quads if (q > -2).all() and (q < SIDE_PX + 2).all()]
    return PlatePicture(filmed, np.array(inside).reshape(-1, 4, 2))


def _ground(frames: list[Path], rng: np.random.Generator) -> Image:
    if frames and rng.random() < 0.7:
        frame = cv2.imread(str(frames[int(rng.integers(len(frames)))]))
        if frame is not None:
            side = int(rng.uniform(0.3, 1.0) * min(frame.shape[:2]))
            y = int(rng.integers(0, frame.shape[0] - side + 1))
            x = int(rng.integers(0, frame.shape[1] - side + 1))
            cut = frame[y : y + side, x : x + side]
            return np.asarray(cv2.resize(cut, (SIDE_PX, SIDE_PX)), np.uint8)
    return plain_ground(rng)


def plain_ground(rng: np.random.Generator) -> Image:
    """A square picture of random shapes."""
    tones = rng.uniform(10, 240, 3) * rng.uniform(0.3, 1)
    base = np.ones((SIDE_PX, SIDE_PX, 3), np.float32) * tones.astype(np.float32)
    for scale, most in ((2, 14), (8, 25), (40, 40)):
        base += (noise(SIDE_PX, SIDE_PX, scale, rng) * float(rng.uniform(0, most)))[..., None]
    picture: Image = np.clip(base, 0, 255).astype(np.uint8)
    for _ in range(int(rng.uniform(5, 120))):
        at = rng.integers(0, SIDE_PX, 2)
        size = np.exp(rng.uniform(np.log(3), np.log(90), 2)).astype(int)
        colour = [float(v) for v in rng.uniform(0, 255, 3)]
        corner, end = (int(at[0]), int(at[1])), (int(at[0] + size[0]), int(at[1] + size[1]))
        kind = int(rng.integers(4))
        if kind == 0:
            cv2.rectangle(picture, corner, end, colour, -1)
        elif kind == 1:
            turn = float(rng.uniform(0, 180))
            axes = (int(size[0]) // 2 + 1, int(size[1]) // 2 + 1)
            cv2.ellipse(picture, corner, axes, turn, 0, 360, colour, int(rng.integers(-1, 3)) or 1)
        elif kind == 2:
            cv2.line(picture, corner, end, colour, int(rng.integers(1, 6)), cv2.LINE_AA)
        else:
            cv2.rectangle(picture, corner, end, colour, int(rng.integers(1, 4)))
    return picture


def _panel(picture: Image, quad: FloatArray, rng: np.random.Generator) -> None:
    """A surface behind the plate, as of a bumper or a mudguard."""
    middle = quad.mean(0)
    grown = middle + (quad - middle) * rng.uniform(1.05, 2.4, 2) + rng.normal(0, 3, 2)
    tone = rng.uniform(5, 235) * np.array([1.0, 1.0, 1.0]) + rng.normal(0, 15, 3)
    colour = [float(v) for v in np.clip(tone, 0, 255)]
    cv2.fillConvexPoly(picture, np.round(grown).astype(np.int32), colour, cv2.LINE_AA)


def _decoy(picture: Image, rng: np.random.Generator) -> None:
    """What looks like a plate and is none: words on a panel, a bare bright plate, a grille."""
    width = float(np.exp(rng.uniform(np.log(16), np.log(180))))
    middle = (float(rng.uniform(0, SIDE_PX)), float(rng.uniform(0, SIDE_PX)))
    quad = random_quad(str(rng.choice(_LAYOUTS)), width, middle, rng)
    ground = rng.uniform(0, 255, 3) if rng.random() < 0.5 else np.full(3, rng.uniform(150, 250))
    ink = [float(v) for v in (255 - ground if rng.random() < 0.5 else rng.uniform(0, 255, 3))]
    kind = int(rng.integers(4))
    if kind != 1:
        colour = [float(v) for v in ground]
        cv2.fillConvexPoly(picture, np.round(quad).astype(np.int32), colour, cv2.LINE_AA)
    if kind <= 1:
        word = _WORDS[int(rng.integers(len(_WORDS)))]
        scale = width / (18.0 * len(word))
        at = (int(quad[3, 0]), int(quad[3, 1]) - 2)
        thick = max(1, round(scale * 2))
        cv2.putText(picture, word, at, cv2.FONT_HERSHEY_SIMPLEX, scale, ink, thick, cv2.LINE_AA)
    elif kind == 2:
        for u in np.linspace(0, 1, int(rng.integers(3, 12))):
            a, b = quad[0] + (quad[1] - quad[0]) * u, quad[3] + (quad[2] - quad[3]) * u
            ends = (int(a[0]), int(a[1])), (int(b[0]), int(b[1]))
            cv2.line(picture, *ends, ink, int(rng.integers(1, 4)))


def targets(quads: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Per cell: 1 a plate, 0 none, -1 do not care (C, C); and its corners (C, C, 8)."""
    cells = SIDE_PX // CELL_PX
    wanted, corners = np.zeros((cells, cells)), np.zeros((cells, cells, 8))
    centres = (np.arange(cells) + 0.5) * CELL_PX
    x, y = np.meshgrid(centres, centres)
    for quad in quads:
        middle = quad.mean(0)
        around = middle + (quad - middle) * 1.15
        core = middle + (quad - middle) * 0.5
        near = _inside(around, x, y)
        wanted[near & (wanted == 0)] = -1
        hit = _inside(core, x, y)
        hit[np.unravel_index(int(np.hypot(x - middle[0], y - middle[1]).argmin()), x.shape)] = True
        wanted[hit] = 1
        offset = quad.reshape(1, 8) - np.tile(np.stack([x[hit], y[hit]], -1), 4)
        corners[hit] = offset / REACH_PX
    return wanted, corners


def _inside(quad: FloatArray, x: FloatArray, y: FloatArray) -> npt.NDArray[np.bool_]:
    result = np.ones(x.shape, np.bool_)
    for i in range(4):
        (ax, ay), (bx, by) = quad[i], quad[(i + 1) % 4]
        result &= (bx - ax) * (y - ay) - (by - ay) * (x - ax) >= 0
    return result


def network(torch: Any) -> Any:
    """The finder: 9 maps at an eighth of the input's size, score and four corners."""
    nn = torch.nn

    def block(
        inner: int, outer: int, stride: int = 1, group: int = 1, spread: int = 1
    ) -> list[Any]:
        layers = [
            nn.Conv2d(inner, outer, 3, stride, spread, spread, groups=group, bias=False),
            nn.BatchNorm2d(outer),
            nn.ReLU(inplace=True),
        ]
        if group > 1:
            layers += [nn.Conv2d(outer, outer, 1, bias=False), nn.BatchNorm2d(outer)]
            layers.append(nn.ReLU(inplace=True))
        return layers

    layers = block(3, 16, 2) + block(16, 24, 2) + block(24, 24) + block(24, 64, 2)
    for spread in (1, 2, 1, 4, 1, 2, 1):
        layers += block(64, 64, group=64, spread=spread)
    return nn.Sequential(*layers, nn.Conv2d(64, 9, 1))


def train_plates(
    frames: Path,
    out: Path,
    minutes: float,
    *,
    seed: int = 1,
    progress: Callable[[str], None] | None = None,
) -> Path:
    """Fit the finder within a time budget; writes OpenVINO weights and their card into ``out``.

    Args:
        frames: Folder of rendered pictures (``traffic.rendered_frames.generate``), for grounds.
        out: Folder for the network, ``metadata.json`` and ``model-card.md``.
        minutes: Time to train.
        seed: Draws everything.
        progress: Told every 50 steps.

    Returns:
        Path of the card.

    Raises:
        XanhError: If torch or OpenVINO is missing, or there are no frames.
    """
    try:
        import openvino as ov  # noqa: PLC0415 - only training needs both
        import torch  # noqa: PLC0415
    except ImportError as error:
        raise XanhError("training needs torch: run `make setup-train`") from error
    pictures = sorted(frames.glob("**/*.jpg"))
    if not pictures:
        raise XanhError(f"{frames}: no frames there")
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    cv2.setNumThreads(1)
    rng = np.random.default_rng(seed)
    model = network(torch).to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=_RATE, weight_decay=1e-3)
    budget_s, began, steps = minutes * 60, time.monotonic(), 0
    smoothed = 0.0
    while (elapsed_s := time.monotonic() - began) < budget_s:
        share = elapsed_s / budget_s
        rate = _RATE * min(1, (steps + 1) / 40) * (0.01 + 0.99 * 0.5 * (1 + np.cos(np.pi * share)))
        for group in optimizer.param_groups:
            group["lr"] = rate
        loss = _plate_step(torch, model, [plate_picture(pictures, rng) for _ in range(_BATCH)])
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        steps += 1
        smoothed = loss if steps == 1 else 0.97 * smoothed + 0.03 * loss
        if progress and steps % 50 == 0:
            progress(f"step {steps}, {elapsed_s:.0f} s, loss {smoothed:.3f}")
    model.eval()
    with tempfile.TemporaryDirectory() as folder:
        example = torch.zeros(1, 3, SIDE_PX, SIDE_PX)
        converted = ov.convert_model(model, example_input=example)
        converted.reshape([-1, 3, -1, -1])
        ov.save_model(converted, str(Path(folder) / "plates.xml"), compress_to_fp16=True)
        out.mkdir(parents=True, exist_ok=True)
        digests = {}
        for name in ("plates.xml", "plates.bin"):
            content = (Path(folder) / name).read_bytes()
            temporary = out / f"{name}.part"
            temporary.write_bytes(content)
            os.replace(temporary, out / name)
            digests[name] = hashlib.sha256(content).hexdigest()
    settings = {
        "name": "plates",
        "licence": "AGPL-3.0-or-later",
        "trained": {"pictures": steps * _BATCH, "minutes": round(minutes, 1), "seed": seed},
        "cell_px": CELL_PX,
        "reach_px": REACH_PX,
        "plate_widths_px": list(WIDTHS_PX),
        "sha256": digests,
    }
    write_text(out / "metadata.json", json.dumps(settings, indent=2) + "\n")
    path = out / "model-card.md"
    found, false = held_out(PlateFinder(out), pictures, seed + 99)
    write_text(path, _card(steps * _BATCH, minutes, seed, found, false))
    return path


def held_out(finder: PlateFinder, frames: list[Path], seed: int) -> tuple[float, float]:
    """Share of drawn plates found, and false ones a picture, in pictures never trained on."""
    rng = np.random.default_rng(seed)
    wanted = hits = false = 0
    for _ in range(HELD_OUT):
        picture = plate_picture(frames, rng)
        centres = [found.quad.mean(0) for found in finder.find(picture.image)]
        sizes = np.ptp(picture.quads, axis=1).max(axis=1) if len(picture.quads) else []
        near = [
            any(np.linalg.norm(c - q.mean(0)) < 0.25 * size for c in centres)
            for q, size in zip(picture.quads, sizes, strict=True)
        ]
        wanted += len(near)
        hits += sum(near)
        false += max(0, len(centres) - sum(near))
    return hits / max(wanted, 1), false / HELD_OUT


def _card(pictures: int, minutes: float, seed: int, found: float, false: float) -> str:
    return f"""# plates: number plates and their corners

A convolutional network of some 55,000 parameters that tells for each cell of {CELL_PX} pixels
whether the middle of a plate is there and where its four corners lie. Trained from scratch on
plates that Xanh draws (`simulation/plate_drawing.py`), in rendered street frames and pictures of
random shapes, with words, bare panels and grilles beside them that are none. No photograph and no
foreign weights went into it.

- Licence: AGPL-3.0-or-later
- Format: OpenVINO IR, FP16, BGR / 255 - 0.45, any size in steps of 32 pixels
- Made by: `xanh train plates --minutes {minutes:g} --seed {seed}`

## Training
{pictures:,} pictures of {SIDE_PX} x {SIDE_PX}, each seen once, {minutes:.0f} minutes on one thread
of {processor_name()}, busy with other work. AdamW with cosine decay, bfloat16 forward pass.

## Accuracy
On {HELD_OUT} drawn pictures never trained on, filmed as badly as those of the training (night,
rain, blur, low resolution): {found:.2f} of the plates found, {false:.2f} false ones a picture,
which the reader refuses. Reading is measured by `python benchmarks/plates.py`; its figures on
drawn plates and on photographs stand in docs/plates.md.

## Limits
Plates of {WIDTHS_PX[0]:.0f} to {WIDTHS_PX[1]:.0f} pixels in width at the size it is given; the
finder makes smaller copies of a picture for larger plates. Plates turned by more than 25 degrees,
bent, or with foreign layouts were not trained.
"""


def _plate_step(torch: Any, model: Any, samples: list[PlatePicture]) -> float:
    images = np.stack([sample.image for sample in samples])
    pairs = [targets(sample.quads) for sample in samples]
    x = torch.from_numpy(images).permute(0, 3, 1, 2).float().div_(255).sub_(0.45)
    x = x.contiguous(memory_format=torch.channels_last)
    wanted = torch.from_numpy(np.stack([pair[0] for pair in pairs])).float()
    corners = torch.from_numpy(np.stack([pair[1] for pair in pairs])).float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        raw = model(x)
    raw = raw.float().permute(0, 2, 3, 1)
    score = raw[..., 0]
    cared = wanted >= 0
    hits = wanted == 1
    bce = torch.nn.functional.binary_cross_entropy_with_logits(
        score, wanted.clamp(min=0), reduction="none"
    )
    # Focal: most cells are easy nothing.
    right = torch.where(hits, torch.sigmoid(score), 1 - torch.sigmoid(score))
    found = (bce * (1 - right.detach()) ** 1.5 * cared).sum() / hits.sum().clamp(min=1)
    error = torch.nn.functional.smooth_l1_loss(
        raw[..., 1:][hits], corners[hits], beta=0.05, reduction="sum"
    )
    size = (corners[hits].amax(-1) - corners[hits].amin(-1)).mean().clamp(min=0.2)
    total = found + 0.6 * error / hits.sum().clamp(min=1) / size
    total.backward()
    return float(total.detach())
