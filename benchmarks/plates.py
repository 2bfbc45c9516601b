"""How many plates are read exactly, how many wrongly, and how long each takes.

    python benchmarks/plates.py [FOLDER] [DRAWN]

FOLDER holds photographs and ``plates.json`` (a list of plates by file name; null is unreadable);
DRAWN plates (200 unless told, at least one of each width) are drawn into pictures of random
shapes, one each. Times are of
processor time on one thread.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from pathlib import Path

import cv2
import numpy as np

from detection.plates import PlateEyes
from simulation.plate_drawing import draw_plate, paste_plate, random_plate, random_quad
from traffic.detector_card import processor_name
from traffic.filmed import as_filmed
from traffic.plate_training import SIDE_PX, plain_ground

BANDS_PX = ((40, 60), (60, 90), (90, 130), (130, 240))


def compact(text: str) -> str:
    """A plate without separators."""
    return re.sub(r"[^A-Z0-9]", "", text.upper())


def photographs(eyes: PlateEyes, folder: Path) -> None:
    """Score photographs with their truth."""
    truth = json.loads((folder / "plates.json").read_text(encoding="utf-8"))
    readable = exact = wrong = pictures = 0
    spent_s = 0.0
    for name, plates in sorted(truth.items()):
        if name == "note":
            continue
        image = cv2.imread(str(folder / name))
        if image is None:
            sys.exit(f"{folder / name}: cannot be read")
        began = time.process_time()
        readings = eyes.read(np.asarray(image, np.uint8))
        spent_s += time.process_time() - began
        pictures += 1
        wanted = {compact(plate) for plate in plates if plate}
        got = {r.plate.compact: str(r.plate) for r in readings if r.plate is not None}
        readable += len(wanted)
        exact += len(wanted & set(got))
        wrong += len(set(got) - wanted)
        missed = ", ".join(sorted(wanted - set(got))) or "none"
        extra = ", ".join(got[key] for key in sorted(set(got) - wanted)) or "none"
        print(f"{name}: {len(wanted & set(got))} of {len(wanted)}; missed {missed}; wrong {extra}")
    print(
        f"photographs: {exact} of {readable} exact, {wrong} wrong, "
        f"{spent_s / max(readable, 1) * 1e3:.0f} ms a readable plate, "
        f"{spent_s / max(pictures, 1) * 1e3:.0f} ms a picture"
    )


def drawn(eyes: PlateEyes, count: int, *, quiet: bool = False) -> None:
    """Score drawn plates by their width in the picture."""
    rng = np.random.default_rng(4)
    each = max(1, count // len(BANDS_PX))
    for low, high in BANDS_PX:
        exact = wrong = 0
        spent_s = 0.0
        for _ in range(each):
            layout = str(rng.choice(["motorcycle", "square", "long"], p=[0.5, 0.2, 0.3]))
            width = float(rng.uniform(low, high))
            picture = plain_ground(rng)
            quad = random_quad(layout, width, (SIDE_PX / 2, SIDE_PX / 2), rng)
            plate = random_plate(rng, layout)
            paste_plate(picture, draw_plate(plate, layout, rng), quad, float(rng.uniform(0.6, 1)))
            picture = as_filmed(picture, rng)
            began = time.process_time()
            readings = eyes.read(picture)
            spent_s += time.process_time() - began
            got = {r.plate.compact for r in readings if r.plate is not None}
            exact += plate.compact in got
            wrong += len(got - {plate.compact})
        if quiet:
            continue
        print(
            f"drawn, {low}-{high} px wide, filmed badly: {exact / each:.2f} exact, "
            f"{wrong / each:.3f} wrong, {spent_s / each * 1e3:.0f} ms each"
        )


def main() -> None:
    default = os.environ.get("XANH_TEST_DATA", "")
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(default) / "plates"
    cv2.setNumThreads(1)
    eyes = PlateEyes(threads=1)
    drawn(eyes, len(BANDS_PX), quiet=True)  # networks compile at their first use
    print(processor_name())
    if (folder / "plates.json").is_file():
        photographs(eyes, folder)
    drawn(eyes, int(sys.argv[2]) if len(sys.argv) > 2 else 200)


if __name__ == "__main__":
    main()
