"""The model card of a trained detector: data, command, accuracy, speed, limits."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from traffic.detector_score import WORKING_SCORE, DetectorScore
from traffic.rendered_frames import CORRIDOR_SHARE, DETECTED


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
    run: TrainingRun, scores: Mapping[str, DetectorScore], command: str, seeds: Sequence[int]
) -> str:
    """The card as Markdown.

    Args:
        run: The training run.
        scores: Figures by the name of the set of frames.
        command: What was typed.
        seeds: Seeds of the training frames.
    """
    lines = [
        "# street: road users in frames of the virtual street",
        "",
        f"A yolo11 detector (width {run.width}, {run.parameters:,} parameters) trained from"
        f" scratch on frames that Xanh renders itself; no photograph and no foreign weights went"
        f" into it. Classes: {', '.join(DETECTED)}; a motorcycle's box holds its riders too."
        " Bicycles and pedestrians are not detected.",
        "",
        "- Licence: AGPL-3.0-or-later (trained and exported with ultralytics 8.4)",
        "- Format: OpenVINO IR, FP16 weights, input 416 x 320 RGB in 0..1, letterboxed on grey 114",
        f"- Made by: `{command}`",
        "",
        "## Data",
        f"{run.frames:,} frames of 640 x 480 with {run.boxes:,} boxes, seeds"
        f" {', '.join(map(str, seeds))}, six frames a camera. {CORRIDOR_SHARE * 100:.0f} % of"
        " the cameras stand behind a stop line of a one-way three-lane street or of the two-lane"
        " street that crosses it; the others over junctions of any lanes, behind the line or"
        " facing the queue. Height, tilt, field of view, light, haze, colours, density, noise,"
        " focus, exposure and JPEG quality are drawn at random; some riders come the wrong way."
        " Boxes are of the whole vehicle, kept where a quarter of it is visible.",
        "",
        "## Training",
        f"{run.minutes:.0f} minutes on {run.threads} thread of {processor_name()}:"
        f" {run.images_per_s:.1f} images a second, {run.epochs:.1f} epochs. AdamW with"
        " cosine decay, averaged weights, bfloat16 forward pass; the first 30 % at 288 x 224.",
        "",
        "## Accuracy",
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
        f"One frame takes {slowest:.0f} ms of processor time on one thread of the processor above,"
        " letterbox and suppression included.",
        "",
        "## Limits",
        "Made for the virtual street and measured only there: it is no detector for photographs."
        " Riders below 25 px are often missed, and two"
        " riders who hide each other by more than three quarters count as one.",
        "",
    ]
    return "\n".join(lines)
