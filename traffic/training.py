"""Train the project's own detector from scratch, on frames that it renders itself.

Three steps, each usable alone: :func:`generate` renders labelled frames, :func:`train` fits an
ultralytics model to them within a time budget, :func:`export` writes OpenVINO weights with their
metadata. Only the last two need torch and ultralytics. :func:`train_detector` does all three,
scores the result on frames that were held out and writes the model card.
"""

from __future__ import annotations

import copy
import hashlib
import json
import math
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from detection.exports import weights_of
from detection.openvino_detector import openvino_detector
from detection.yolo import DetectorSettings
from models.errors import XanhError
from traffic.detector_card import TrainingRun, card_text
from traffic.detector_score import score
from traffic.filmed import as_filmed
from traffic.rendered_frames import (
    DETECTED,
    MIN_VISIBLE,
    Image,
    View,
    any_view,
    generate,
    network_views,
    random_view,
    wide_view,
    write_text,
)

__all__ = ["INPUT_PX", "LEGS", "TrainingRun", "export", "generate", "train", "train_detector"]


@dataclass(frozen=True, slots=True)
class _Example:
    """An encoded frame with its boxes: class, x0, y0, x1, y1 in its own pixels."""

    jpeg: npt.NDArray[np.uint8]
    boxes: npt.NDArray[np.float64]


SMALL_PX: Final = (288, 224)
MIDDLE_PX: Final = (416, 320)
INPUT_PX: Final = (512, 384)
"""Width and height of the network's input; frames are letterboxed into it. Training begins with
the smaller ones."""

PAD_GREY: Final = 114
_SMALL_SHARE, _PLAIN_SHARE = 0.3, 0.92
FILMED_SHARE: Final = 0.85
"""Of the looks at a frame while training, share that a bad camera takes."""
_BATCH, _WEIGHT_DECAY, _CLIP = 16, 5e-4, 10.0
_SCALES: Final = (0.7, 2.1)
_CLOSE_SHARE, _CLOSEST, _LARGE_SHARE = 0.2, 3.6, 0.05
"""Share of looks that are closer still: large vehicles of which only a part is seen."""
_NEEDS = "training needs torch and ultralytics: run `make setup-train`"


def _read_examples(folders: list[Path]) -> list[_Example]:
    """Frames of :func:`generate` with the boxes to learn.

    Raises:
        XanhError: If a folder holds no labelled frames.
    """
    examples = []
    for folder in folders:
        try:
            frames = json.loads((folder / "labels.json").read_text(encoding="utf-8"))["frames"]
        except (OSError, ValueError, KeyError) as error:
            raise XanhError(f"{folder}: no labelled frames there") from error
        for name, rows in sorted(frames.items()):
            jpeg = np.fromfile(folder / "images" / name, np.uint8)
            boxes = np.array(rows, np.float64).reshape(-1, 6)
            examples.append(_Example(jpeg, boxes[boxes[:, 5] >= MIN_VISIBLE, :5]))
    return examples


def train(
    data: list[Path],
    out: Path,
    minutes: float,
    *,
    width: float = 0.25,
    threads: int = 1,
    seed: int = 0,
    start: Path | None = None,
    size: tuple[int, int] = INPUT_PX,
    rate: float = 2.5e-3,
    checkpoint_minutes: float = 15.0,
    steps: int | None = None,
    filmed_share: float = FILMED_SHARE,
    progress: Callable[[str], None] | None = None,
) -> TrainingRun:
    """Fit a yolo11 of the given width multiple; ``out`` becomes a ``.pt`` file.

    AdamW with cosine decay over the time budget, bfloat16 forward pass, averaged weights, pictures
    of ``size``, a learning rate of ``rate`` at most. From scratch the first 30 % are smaller;
    ``start``, a checkpoint of an earlier call, is gone on from. ``filmed_share`` of the looks at
    a frame are filmed anew (``traffic.filmed``); all are moved and scaled; in the last 8 % of the
    time they stay in place, and half are filmed anew. A checkpoint replaces ``out`` every
    ``checkpoint_minutes``. With ``steps`` the budget is so many batches instead of ``minutes``:
    what two runs learn can then be compared, however busy the machine is.

    Raises:
        XanhError: If torch or ultralytics is missing, there are no frames, or ``start`` does
            not hold such a network.
    """
    torch, model, ema = _new_model(width, threads, seed)
    if start is not None:
        _load(torch, start, model, ema)
    examples = _read_examples(data)
    if not examples:
        raise XanhError("no frames to train on")
    cv2.setNumThreads(1)
    rng = np.random.default_rng(seed)
    decayed = [p for p in model.parameters() if p.ndim > 1]
    plain = [p for p in model.parameters() if p.ndim <= 1]
    optimizer = torch.optim.AdamW(
        [
            {"params": decayed, "weight_decay": _WEIGHT_DECAY},
            {"params": plain, "weight_decay": 0.0},
        ],
        lr=rate,
    )
    budget_s, began = minutes * 60, time.monotonic()
    saved_s, taken, seen = 0.0, 0, 0
    smoothed: float | None = None
    order: list[int] = []

    def spent() -> float:
        return taken / steps if steps is not None else (time.monotonic() - began) / budget_s

    while (done := spent()) < 1:
        now = rate * min(1, (taken + 1) / 60)
        now *= 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * done))
        for group in optimizer.param_groups:
            group["lr"] = now
        while len(order) < _BATCH:
            order += rng.permutation(len(examples)).tolist()
        side = SMALL_PX if start is None and done < _SMALL_SHARE else size
        chosen = [order.pop() for _ in range(_BATCH)]
        samples = []
        for i in chosen:
            augment = done < _PLAIN_SHARE
            filmed = bool(rng.random() < (filmed_share if augment else min(0.5, filmed_share)))
            samples.append(_sample(examples[i], side, rng, augment=augment, filmed=filmed))
        loss = _step(torch, model, samples)
        torch.nn.utils.clip_grad_norm_(model.parameters(), _CLIP)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        taken, seen = taken + 1, seen + _BATCH
        _average(torch, ema, model, 0.998 * (1 - math.exp(-taken / 120)))
        smoothed = loss if smoothed is None else 0.95 * smoothed + 0.05 * loss
        if progress and taken % 20 == 0:
            now = time.monotonic() - began
            progress(
                f"step {taken}, {now:.0f} s, epoch {seen / len(examples):.1f}, {side[0]} px, "
                f"loss {smoothed:.2f}, {seen / now:.1f} images/s"
            )
        if time.monotonic() - began - saved_s > checkpoint_minutes * 60:
            saved_s = time.monotonic() - began
            _save(torch, ema, out)
            if progress:
                progress(f"saved {out} at {saved_s / 60:.0f} min")
    _save(torch, ema, out)
    elapsed_s = time.monotonic() - began
    return TrainingRun(
        frames=len(examples),
        boxes=sum(len(example.boxes) for example in examples),
        epochs=seen / len(examples),
        minutes=elapsed_s / 60,
        images_per_s=seen / elapsed_s,
        parameters=sum(p.numel() for p in model.parameters()),
        threads=threads,
        width=width,
        width_px=size[0],
        height_px=size[1],
    )


def _new_model(width: float, threads: int, seed: int) -> tuple[Any, Any, Any]:
    _require_torch()
    import torch  # noqa: PLC0415 - heavy, and only training needs it
    from ultralytics.cfg import get_cfg  # noqa: PLC0415
    from ultralytics.nn.tasks import DetectionModel, yaml_model_load  # noqa: PLC0415

    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    description = yaml_model_load("yolo11n.yaml")
    description["scales"] = {"n": [0.5, width, 1024]}
    model = DetectionModel(description, nc=len(DETECTED), verbose=False)
    model.names = dict(enumerate(DETECTED))
    model.args = get_cfg()
    model = model.to(memory_format=torch.channels_last).train()
    ema = copy.deepcopy(model).eval()
    for parameter in ema.parameters():
        parameter.requires_grad_(False)
    return torch, model, ema


def _load(torch: Any, checkpoint: Path, model: Any, ema: Any) -> None:
    """Put a checkpoint's weights into both networks."""
    if not checkpoint.is_file():
        raise XanhError(f"{checkpoint}: no such checkpoint")
    try:
        content = torch.load(checkpoint, map_location="cpu", weights_only=False)
        state = content["model"].float().state_dict()
        model.load_state_dict(state)
        ema.load_state_dict(state)
    except (KeyError, AttributeError, RuntimeError, ValueError) as error:
        raise XanhError(f"{checkpoint}: holds no such network") from error


def _sample(
    example: _Example,
    size: tuple[int, int],
    rng: np.random.Generator,
    *,
    augment: bool,
    filmed: bool = False,
) -> tuple[Image, npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """One training picture (RGB), its classes and its boxes as centre and size in 0..1.

    ``augment`` moves, scales and mirrors it, ``filmed`` gives it a camera's faults.
    """
    image = cv2.imdecode(example.jpeg, cv2.IMREAD_COLOR)
    if image is None:
        raise XanhError("a training frame cannot be read")
    height, width = image.shape[:2]
    w, h = size
    scale = min(w / width, h / height)
    u = v = 0.5
    flip = False
    if augment:
        low, high = (_SCALES[1], _CLOSEST) if rng.random() < _CLOSE_SHARE else _SCALES
        scale *= math.exp(rng.uniform(math.log(low), math.log(high)))
        u, v = rng.random(2)
        flip = bool(rng.random() < 0.5)
    tx, ty = (w - width * scale) * u, (h - height * scale) * v
    across = [-scale, 0, w - tx] if flip else [scale, 0, tx]
    matrix = np.array([across, [0, scale, ty]])
    image = cv2.warpAffine(
        cv2.GaussianBlur(image, (0, 0), 0.45 / scale) if scale < 0.75 else image,
        matrix,
        size,
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=(PAD_GREY, PAD_GREY, PAD_GREY),
    )
    b = example.boxes
    x0, x1 = b[:, 1] * scale + tx, b[:, 3] * scale + tx
    if flip:
        x0, x1 = w - x1, w - x0
    y0, y1 = b[:, 2] * scale + ty, b[:, 4] * scale + ty
    area = (x1 - x0) * (y1 - y0)
    x0, x1, y0, y1 = x0.clip(0, w), x1.clip(0, w), y0.clip(0, h), y1.clip(0, h)
    left = (x1 - x0) * (y1 - y0)
    # Cut by the edge it stays if a third is left, or if what is left is large.
    kept = (left > 0.35 * area) | (left > _LARGE_SHARE * w * h)
    kept &= (y1 - y0 > 5) & (x1 - x0 > 2.5)
    if filmed:
        image = as_filmed(image, rng)
    elif augment:
        hsv = cv2.cvtColor(image, cv2.COLOR_BGR2HSV).astype(np.int16)
        hsv[..., 0] = (hsv[..., 0] + int(rng.integers(-6, 7))) % 180
        hsv[..., 1] = (hsv[..., 1] * rng.uniform(0.5, 1.5)).clip(0, 255)
        hsv[..., 2] = (hsv[..., 2] * rng.uniform(0.65, 1.35)).clip(0, 255)
        image = cv2.cvtColor(hsv.astype(np.uint8), cv2.COLOR_HSV2BGR)
    boxes = np.stack([(x0 + x1) / 2 / w, (y0 + y1) / 2 / h, (x1 - x0) / w, (y1 - y0) / h], -1)
    return image[..., ::-1], b[kept, 0], boxes[kept]


def _step(torch: Any, model: Any, samples: list[Any]) -> float:
    """Forward and backward pass of one batch; returns the mean loss."""
    pictures = np.ascontiguousarray(np.stack([s[0] for s in samples]))
    x = torch.from_numpy(pictures).permute(0, 3, 1, 2).float().div_(255)
    x = x.contiguous(memory_format=torch.channels_last)
    batch = {
        "img": x,
        "batch_idx": torch.cat([torch.full((len(s[1]),), float(i)) for i, s in enumerate(samples)]),
        "cls": torch.from_numpy(np.concatenate([s[1] for s in samples])).float()[:, None],
        "bboxes": torch.from_numpy(np.concatenate([s[2] for s in samples])).float(),
    }
    with torch.autocast("cpu", dtype=torch.bfloat16):
        predicted = model(x)
    loss, _ = model.loss(batch, _as_float(torch, predicted))
    total = loss.sum()
    total.backward()
    return float(total.detach()) / len(samples)


def _as_float(torch: Any, value: Any) -> Any:
    """The nested outputs of the network in single precision: the loss needs it."""
    if isinstance(value, dict):
        return {key: _as_float(torch, item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_as_float(torch, item) for item in value]
    return value.float() if torch.is_tensor(value) else value


def _average(torch: Any, ema: Any, model: Any, decay: float) -> None:
    with torch.no_grad():
        pairs = zip(ema.state_dict().values(), model.state_dict().values(), strict=True)
        for average, current in pairs:
            if average.dtype.is_floating_point:
                average.mul_(decay).add_(current, alpha=1 - decay)
            else:
                average.copy_(current)


def _save(torch: Any, ema: Any, out: Path) -> None:
    """Write a checkpoint as ultralytics itself would, so that its tools can open it."""
    model = copy.deepcopy(ema).float()
    model.criterion = None
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = out.with_suffix(".part")
    content = {"epoch": -1, "model": model, "date": "", "version": ""}
    content["train_args"] = {"imgsz": INPUT_PX[0], "task": "detect"}
    torch.save(content, temporary)
    os.replace(temporary, out)


def export(checkpoint: Path, out: Path, *, licence: str = "AGPL-3.0-or-later") -> Path:
    """Write a checkpoint as OpenVINO weights (FP16) with ``metadata.json`` into ``out``.

    Returns:
        Path of the metadata, which names files, SHA-256, classes and input.

    Raises:
        XanhError: If torch or ultralytics is missing, or the checkpoint cannot be read.
    """
    _require_torch()
    from ultralytics import YOLO  # noqa: PLC0415

    if not checkpoint.is_file():
        raise XanhError(f"{checkpoint}: no such checkpoint")
    width, height = INPUT_PX
    with tempfile.TemporaryDirectory() as folder:
        copied = Path(folder) / "street.pt"
        shutil.copyfile(checkpoint, copied)
        written = YOLO(str(copied)).export(
            format="openvino", imgsz=(height, width), half=True, dynamic=True, verbose=False
        )
        out.mkdir(parents=True, exist_ok=True)
        digests = {}
        # metadata.yaml is ultralytics' own: with it the folder is an export like any other.
        for name in ("street.xml", "street.bin", "metadata.yaml"):
            target = out / name
            source = Path(written) / name
            temporary = target.with_suffix(".part")
            shutil.copyfile(source, temporary)
            os.replace(temporary, target)
            digests[target.name] = hashlib.sha256(target.read_bytes()).hexdigest()
    metadata = out / "metadata.json"
    content = {
        "name": "street",
        "architecture": "yolo11n",
        "licence": licence,
        "classes": list(DETECTED),
        "input": {
            "width_px": width,
            "height_px": height,
            "colour": "RGB",
            "range": [0, 1],
            "letterbox": "centred",
            "pad": PAD_GREY,
        },
        "output": "boxes as centre x, centre y, width, height in input pixels, then class scores",
        "model": "street.xml",
        "sha256": digests,
    }
    write_text(metadata, json.dumps(content, indent=2) + "\n")
    return metadata


@dataclass(frozen=True, slots=True)
class Leg:
    """A part of the training: which frames are rendered for it, at which size, how long.

    ``frames`` are rendered into two folders; ``recall`` numbers folders of before, from 0, that
    it sees as well. ``rate`` is its highest learning rate.
    """

    views: Callable[[np.random.Generator], View]
    frames: int
    minutes: float
    size: tuple[int, int]
    rate: float
    recall: tuple[int, ...] = ()


LEGS: Final = (
    Leg(random_view, 3400, 72.0, MIDDLE_PX, 2.5e-3),
    Leg(any_view, 3600, 56.0, MIDDLE_PX, 1.6e-3),
    Leg(wide_view, 2000, 32.0, INPUT_PX, 1.4e-3, recall=(1, 2, 3)),
    Leg(any_view, 0, 9.0, INPUT_PX, 6e-4, recall=(0, 1, 3, 5)),
)
"""The packaged weights: the virtual street, any street, large and near, and both once more."""


def train_detector(
    out: Path,
    *,
    share: float = 1.0,
    seed: int = 1,
    network: Path | None = None,
    approaches: Sequence[tuple[str, str]] = (),
    progress: Callable[[str], None] | None = None,
) -> Path:
    """Render, train leg by leg, export and score; everything ends up in ``out``.

    Each leg takes the next two seeds from ``seed`` on. Held-out frames have the seeds
    ``seed + 98``, ``seed + 96`` (any street) and, when a network and approaches of it (junction,
    edge) are given, ``seed + 97``.

    Args:
        out: Folder for frames, checkpoints, weights and card.
        share: Of the frames and minutes of :data:`LEGS`; less for a trial.
        seed: Draws everything.
        network: SUMO network of a site to score on as well.
        approaches: Its approaches with cameras.
        progress: Told what is done.

    Returns:
        Path of the model card, beside the weights.

    Raises:
        XanhError: If torch or ultralytics is missing.
    """
    _require_torch()

    def render(number: int, count: float, views: Callable[[np.random.Generator], View]) -> Path:
        folder = out / f"frames-{number}"
        generate(folder, max(1, round(count)), number, views=views, progress=progress)
        return folder

    data: list[Path] = []
    runs: list[TrainingRun] = []
    checkpoint = out / "street.pt"
    for leg in LEGS:
        seen = [data[number] for number in leg.recall]
        for _ in range(2 if leg.frames else 0):
            data.append(render(seed + len(data), leg.frames * share / 2, leg.views))
            seen.append(data[-1])
        runs.append(
            train(
                seen,
                checkpoint,
                leg.minutes * share,
                start=checkpoint if runs else None,
                size=leg.size,
                rate=leg.rate,
                progress=progress,
            )
        )
    weights = export(checkpoint, out / "street").parent
    held = {
        "the virtual street": render(seed + 98, 300 * share, random_view),
        "any street": render(seed + 96, 300 * share, wide_view),
    }
    if network is not None and approaches:
        of_site = network_views(network, approaches)
        held["approaches of the site"] = render(seed + 97, 120 * share, of_site)
    detector = openvino_detector(*weights_of(weights), DetectorSettings(threads=1))
    scores = {name: score(detector, [folder]) for name, folder in held.items()}
    part = "" if share == 1 else f" --share {share:g}"
    command = f"xanh train detector --seed {seed}{part}"
    card = weights / "model-card.md"
    write_text(card, card_text(runs, scores, command, [seed + k for k in range(len(data))]))
    return card


def _require_torch() -> None:
    """Say what is missing before an hour of rendering, not after."""
    # Ultralytics would otherwise look for updates and install packages on its own.
    os.environ.setdefault("YOLO_OFFLINE", "1")
    os.environ.setdefault("YOLO_AUTOINSTALL", "0")
    try:
        import torch  # noqa: F401, PLC0415
        import ultralytics  # noqa: F401, PLC0415
    except ImportError as error:
        raise XanhError(_NEEDS) from error
