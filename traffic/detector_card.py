"""The model card of a trained detector: data, command, accuracy, speed, limits."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from traffic.detector_score import WORKING_SCORE, DetectorScore
from traffic.rendered_frames import CORRIDOR_SHARE, DETECTED, WIDE_SHARE


@dataclass(frozen=True, slots=True)
class TrainingRun:
    """What a training run did."""

    frames: int
    boxes: int
    epochs: float
    minutes: float
    images_per_s: float
    parameters: int
    threads: int
    width: float
    width_px: int
    height_px: int


def processor_name() -> str:
    """The processor as the system names it, with the instruction sets that matter here."""
    try:
        info = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    lines: dict[str, str] = {}
    for line in info.splitlines():
        name, colon, value = line.partition(":")
        if colon:
            lines.setdefault(name.strip(), value.strip())
    flags = lines.get("flags", "").split()
    notable = [flag for flag in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if flag in flags]
    return f"{lines.get('model name', platform.machine())} ({', '.join(notable)})"


def card_text(
    runs: Sequence[TrainingRun],
    scores: Mapping[str, DetectorScore],
    command: str,
    seeds: Sequence[int],
    footage: str = "",
) -> str:
    """The card as Markdown.

    Args:
        runs: The training runs, one after the other on the same weights.
        scores: Figures on rendered frames, by the name of the set of frames.
        command: What was typed.
        seeds: Seeds of the training frames.
        footage: What was measured on real footage, as Markdown.
    """
    first = runs[0]
    lines = [
        "# street: road users on streets of motorcycle cities",
        "",
        f"A yolo11 detector (width {first.width}, {first.parameters:,} parameters) trained from"
        f" scratch on frames that Xanh renders itself; no photograph, no texture of one and no"
        f" foreign weights went into it. Classes: {', '.join(DETECTED)}; a motorcycle's box holds"
        " its riders too. Bicycles and pedestrians are not detected.",
        "",
        "- Licence: AGPL-3.0-or-later (trained and exported with ultralytics 8.4)",
        "- Format: OpenVINO IR, FP16 weights, RGB in 0..1, letterboxed on grey 114; any input size"
        " in steps of 32 pixels, 512 x 384 by default",
        f"- Made by: `{command}`",
        "",
        "## Data",
        f"Frames of 640 x 480, seeds {', '.join(map(str, seeds))} (two a leg), six frames a"
        f" camera; the third and fourth leg see frames of before again."
        f" The first leg sees the virtual street: {CORRIDOR_SHARE * 100:.0f} % of the"
        " cameras stand behind a stop line of a one-way three-lane street or of the two-lane"
        " street that crosses it, the others over junctions of any lanes. Of the second leg's"
        f" cameras {WIDE_SHARE * 100:.0f} %, and all new ones of the third, hang 3.6 to 12.5 m"
        " high over any street and look"
        " anywhere in it through lenses of 34 to 92 degrees, at day, under a low sun and at"
        " night: crowds of riders many abreast, with pillions, boxes, loads, capes and hats,"
        " vehicles from every side, minibuses to coaches, large ones cut by the frame; surfaces"
        " are uneven, pavements full of clutter and parked motorcycles, and wires, poles, signs"
        " and leaves stand in the way. While training, nearly every look at a frame is filmed"
        " anew: blur, veil, patches of shade, colour cast, contrast, night, rain, low resolution"
        " enlarged, noise, sharpening, smoothing and JPEG at any quality; scale 0.7 to 3.6."
        " Boxes are of the whole vehicle, kept where a quarter of it is visible.",
        "",
        "## Training",
        *(
            f"- Leg {number}: {run.frames:,} frames, {run.minutes:.3g} minutes on {run.threads}"
            f" thread of {processor_name()}: {run.images_per_s:.1f} images a second,"
            f" {run.epochs:.1f} epochs, pictures of {run.width_px} x {run.height_px}."
            for number, run in enumerate(runs, 1)
        ),
        "",
        "AdamW with cosine decay, averaged weights, bfloat16 forward pass; from scratch the first"
        " 30 % at 288 x 224.",
        "",
        "## Accuracy on rendered frames",
        f"On frames never trained on. AP at an overlap of 0.5; recall and precision at a score of"
        f" {WORKING_SCORE}.",
        "",
        "| Frames | n | boxes | " + " | ".join(f"AP50 {name}" for name in DETECTED) + " | mAP50"
        " | precision |",
        "|---|---|---|" + "---|" * (len(DETECTED) + 2),
    ]
    for name, result in scores.items():
        each = " | ".join(
            f"{result.ap50[kind]:.3f}" if kind in result.ap50 else "-" for kind in DETECTED
        )
        lines.append(
            f"| {name} | {result.frames} | {result.boxes:,} | {each} | {result.map50:.3f}"
            f" | {result.precision:.3f} |"
        )
    bands = list(dict.fromkeys(b for result in scores.values() for b in result.recall_by_height))
    lines += [
        "",
        "Recall of motorcycles by height in the 640 x 480 frame, in pixels:",
        "",
        "| Frames | " + " | ".join(bands) + " |",
        "|---|" + "---|" * len(bands),
    ]
    for name, result in scores.items():
        row = " | ".join(
            f"{result.recall_by_height[band]:.3f}" if band in result.recall_by_height else "-"
            for band in bands
        )
        lines.append(f"| {name} | {row} |")
    slowest = max(result.cpu_ms for result in scores.values())
    lines += [
        "",
        f"One frame takes {slowest:.0f} ms of processor time on one thread of"
        f" {processor_name()}, letterbox and suppression included.",
        "",
        "## Accuracy on real footage",
        footage or "Not measured in this run: real footage is no part of the repository.",
        "",
        "## Limits",
        "Riders below 25 px are often missed, and two riders who hide each other by more than"
        " three quarters count as one. Vans pass for cars, buses or trucks. Helmets and the number"
        " of riders are not told.",
        "",
    ]
    return "\n".join(lines)
