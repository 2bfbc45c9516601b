"""A queue that stops and starts on the stop line: is each vehicle counted once?

    .venv/bin/python benchmarks/queue_on_line.py [MINUTES [CAMERA [SEED]]]

Columns of motorbikes and of cars creep over the line of one of the example site's cameras, a
gap or two at a time, each row setting off after the one ahead; in between they stand, wherever
they happen to be, for 4 to 20 s. Boxes are projected with the usual misses, scatter and merges.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np

from detection.counting import Crossing
from detection.pipeline import CameraPipeline
from detection.ports import Detections
from models.camera import SourceKind
from models.signals import SignalState
from simulation.camera import PinholeCamera
from simulation.projection import Projection
from simulation.states import CLASSES, VehicleStates
from traffic.camerawork import FRAMES_PER_S, camera_pose
from traffic.sites import load_site

SITE = Path(__file__).parents[1] / "sites" / "pho-hue"
COLUMNS = ((0.18, "motorcycle"), (0.30, "motorcycle"), (0.42, "motorcycle"), (0.70, "car"))
"""Share of the line's length at which a column stands, and what it is made of."""
SIZES = {"motorcycle": (1.9, 0.7, 1.65), "car": (4.4, 1.8, 1.5)}
FROM_M, TO_M = -30.0, 36.0
SPEED_MPS = 2.2
REACTION_S = 0.35
LEAD_S = 40.0
"""Not counted: who stood about when the watch began is not known yet."""


class Column:
    """Vehicles one behind the other: places of their centres past the line, the first ahead."""

    def __init__(self, share: float, kind: str, rng: np.random.Generator, names: list[int]) -> None:
        self.share, self.kind = share, kind
        self._rng, self._names = rng, names
        self.length_m = SIZES[kind][0]
        self.ids: list[int] = []
        self.places: list[float] = []
        self._goals: list[float] = []
        self._starts: list[float] = []
        at = TO_M
        while at > FROM_M:
            self._join(at)
            at -= self._gap_m()
        self._go(0.0)

    def _gap_m(self) -> float:
        return self.length_m + float(self._rng.uniform(0.5, 1.4))

    def _join(self, at_m: float) -> None:
        self._names[0] += 1
        self.ids.append(self._names[0])
        self.places.append(at_m)
        self._goals.append(at_m)
        self._starts.append(0.0)

    def _go(self, now_s: float) -> None:
        """All move up by the same way, row after row; then they stand for a while."""
        way_m = float(self._rng.uniform(0.4, 2.0)) * self.length_m
        self._goals = [place + way_m for place in self.places]
        self._starts = [now_s + REACTION_S * row for row in range(len(self.places))]
        moved_s = self._starts[-1] + way_m / SPEED_MPS
        self._again_s = moved_s + float(self._rng.uniform(4.0, 20.0))

    def move(self, now_s: float, dt_s: float) -> None:
        """To the next frame."""
        for row, goal in enumerate(self._goals):
            if now_s >= self._starts[row]:
                self.places[row] = min(self.places[row] + SPEED_MPS * dt_s, goal)
        if now_s >= self._again_s:
            while self.places[0] > TO_M:
                for table in (self.ids, self.places, self._goals, self._starts):
                    table.pop(0)
            while self.places[-1] > FROM_M:
                self._join(self.places[-1] - self._gap_m())
            self._go(now_s)


def main() -> None:
    """Run, and print what was counted."""
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    site = load_site(SITE)
    camera = site.camera(sys.argv[2] if len(sys.argv) > 2 else "C2-c1")
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    rng = np.random.default_rng(seed)
    view = replace(camera.view, source_kind=SourceKind.PROJECTED)
    projection = Projection(PinholeCamera(camera_pose(camera)), seed=seed, merge_rate=0.02)
    pipeline = CameraPipeline(view, detector="", weights_sha256="")
    (ax, ay), (bx, by) = view.stop_line
    ix, iy = view.inward
    names = [0]
    columns = [Column(share, kind, rng, names) for share, kind in COLUMNS]
    true: Counter[int] = Counter()
    counted: list[Crossing] = []
    spent_s, busy = 0.0, 0
    frames = round(minutes * 60 * FRAMES_PER_S)
    for frame in range(frames):
        now_s = frame / FRAMES_PER_S
        rows = []
        for column in columns:
            before = dict(zip(column.ids, column.places, strict=True))
            column.move(now_s, 1 / FRAMES_PER_S)
            length_m, width_m, height_m = SIZES[column.kind]
            for name, place in zip(column.ids, column.places, strict=True):
                rear = place - length_m / 2
                if now_s >= LEAD_S and before.get(name, place) - length_m / 2 < 0.0 <= rear:
                    true[name] += 1
                x = ax + (bx - ax) * column.share + ix * place
                y = ay + (by - ay) * column.share + iy * place
                rows.append((name, CLASSES.index(column.kind), x, y, float(np.arctan2(ix, iy)),
                             0.0, length_m, width_m, height_m))  # fmt: skip
        seen = projection.observe(VehicleStates.from_rows(rows))
        boxes = Detections(seen.xyxy.astype(np.float32), seen.score.astype(np.float32),
                           seen.class_index.astype(np.int64), CLASSES)  # fmt: skip
        began = time.process_time()
        counted += pipeline.process(now_s, boxes, SignalState.GREEN).crossings
        spent_s += time.process_time() - began
        busy += len(boxes)
    counted += pipeline.finish()
    inward = [item for item in counted if item.direction == "in" and item.time_s >= LEAD_S]
    outward = sum(item.direction == "out" and item.time_s >= LEAD_S for item in counted)
    assert set(true.values()) <= {1}
    print(
        f"{minutes:g} min, {len(true)} vehicles crossed, {len(inward)} counted "
        f"({100 * (len(inward) / len(true) - 1):+.2f} %), {outward} outward; "
        f"{busy / frames:.0f} boxes, {1000 * spent_s / frames:.2f} ms a frame"
    )


if __name__ == "__main__":
    main()
