"""What each widening of the randomization does to a detector on a real street.

    python benchmarks/randomization.py --start CHECKPOINT.pt --out out/randomization
        [--frames 480] [--steps 240]                    after `make setup-train`

Every run goes on from one checkpoint (the virtual street's, first leg of `xanh train detector`),
sees as many pictures, and adds one kind of widening to those of the run before. Exports lie in
`--out`/NAME: score them with benchmarks/marked_riders.py and benchmarks/real_footage.py.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from traffic.rendered_frames import View, generate, random_view, wide_view
from traffic.training import FILMED_SHARE, MIDDLE_PX, export, train

Views = Callable[[np.random.Generator], View]


@dataclass(frozen=True, slots=True)
class Widening:
    """One run: what its frames show and whether a bad camera films them."""

    name: str
    views: Views
    filmed_share: float = FILMED_SHARE


def only(*, uneven: bool, cluttered: bool) -> Views:
    """Any street's cameras, light and traffic, with some of the rest."""

    def draw(rng: np.random.Generator) -> View:
        return replace(wide_view(rng), uneven=uneven, cluttered=cluttered)

    return draw


WIDENINGS = (
    Widening("nothing", random_view, 0.0),
    Widening("filmed anew", random_view),
    Widening("any camera, light and traffic", only(uneven=False, cluttered=False)),
    Widening("uneven surfaces", only(uneven=True, cluttered=False)),
    Widening("clutter", wide_view),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--start", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("out/randomization"))
    parser.add_argument("--frames", type=int, default=480)
    parser.add_argument("--steps", type=int, default=240)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    cv2.setNumThreads(1)
    for number, kind in enumerate(WIDENINGS):
        folder = given.out / f"{number}-{kind.name.replace(' ', '-').replace(',', '')}"
        generate(folder / "frames", given.frames, given.seed, views=kind.views)
        run = train(
            [folder / "frames"],
            folder / "street.pt",
            minutes=0,
            steps=given.steps,
            start=given.start,
            size=MIDDLE_PX,
            rate=1.6e-3,
            seed=given.seed,
            filmed_share=kind.filmed_share,
        )
        weights = export(folder / "street.pt", folder / "street").parent
        print(f"{kind.name}: {run.boxes} boxes, {run.minutes:.1f} min, {weights}", flush=True)


if __name__ == "__main__":
    main()
