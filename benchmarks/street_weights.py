"""A detector on the virtual street's own traffic: average precision by class, recall by height.

    python benchmarks/street_weights.py [--site sites/pho-hue] [--out out/street-frames] [NAME ...]

NAME is a detector as `xanh detect --weights` takes it. Frames are of SUMO's traffic as the site's
pixel cameras see it; ones that lie in `--out` already are scored again, not rendered anew.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from detection.detectors import STREET, open_detector
from detection.yolo import DetectorSettings
from traffic.detector_card import processor_name
from traffic.detector_score import score
from traffic.sites import load_site
from traffic.street_frames import generate_street


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("detectors", nargs="*", default=[STREET])
    parser.add_argument("--site", type=Path, default=Path("sites/pho-hue"))
    parser.add_argument("--out", type=Path, default=Path("out/street-frames"))
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    if not (given.out / "labels.json").exists():
        generate_street(given.out, load_site(given.site), seed=given.seed)
    print(processor_name())
    for name in given.detectors:
        found = score(open_detector(name, DetectorSettings(threads=1)), [given.out])
        by_class = ", ".join(f"{kind} {value:.3f}" for kind, value in found.ap50.items())
        by_height = ", ".join(f"{band} {v:.3f}" for band, v in found.recall_by_height.items())
        print(
            f"{name}: {found.frames} frames, {found.boxes} boxes, mAP50 {found.map50:.3f}: "
            f"{by_class}; precision {found.precision:.3f}; recall of motorcycles by height in px: "
            f"{by_height}; {found.cpu_ms:.0f} ms"
        )


if __name__ == "__main__":
    main()
