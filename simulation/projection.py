"""Projected cameras: the street's road users as boxes in an image, without any pixels.

What a detector would give on a rendered frame, at a hundredth of the price: the box of each
road user in view, with scatter, some missed at random and most of those missed that stand
behind others. Plain arrays; who reads them makes its own type of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from simulation.camera import PinholeCamera
from simulation.people import People
from simulation.states import BoolArray, ByteArray, FloatArray, IntArray, VehicleStates

MISS_RATE: Final = 0.03
"""Share of plainly visible road users that a frame misses."""
JITTER_PX: Final = 1.2
JITTER_SHARE: Final = 0.015
"""Standard deviation of each edge of a box: so many pixels, or this share of its side if more."""
MIN_HEIGHT_PX: Final = 9.0
"""Smaller than this is not seen."""
MIN_INSIDE: Final = 0.35
"""A box of which less lies within the image is not seen."""
HIDDEN_FROM: Final = 0.45
HIDDEN_TO: Final = 0.85
"""Covered less than the first a road user is seen as if free, more than the second never."""
_FILL: Final[FloatArray] = np.array([0.6, 0.5, 0.92, 0.95, 0.95, 0.6])
"""Share of its box that a road user of each class fills, and so hides."""
MERGE_FROM: Final = 0.35
"""Two-wheelers of which so much of the smaller overlaps may come as one box."""
READ_FROM_PX: Final = 36.0
"""Riders are told apart from this height on."""
MISREAD: Final = 0.1
"""Share of frames in which one rider, or a helmet, is told wrongly."""
NEAREST_M: Final = 1.5
"""What is nearer to the camera than this is not projected."""

# Corners of a unit box around the middle of its bottom: forward, left, up.
_CORNERS: Final[FloatArray] = np.array(
    [(f, side, up) for f in (-0.5, 0.5) for side in (-0.5, 0.5) for up in (0.0, 1.0)]
)


@dataclass(frozen=True, slots=True)
class Boxes:
    """Detections of one frame.

    ``xyxy`` (N, 4) pixels within the image, ``class_index`` (N,) into
    ``simulation.states.CLASSES``, ``score`` (N,) from 0 to 1, ``id`` (N,) the street's own
    number of each, for scoring only. ``riders`` and ``bare_heads`` (N,) are what can be read of
    who rides a motorbike; -1 where it is too small, or nobody was told.
    """

    xyxy: FloatArray
    class_index: ByteArray
    score: FloatArray
    id: IntArray
    riders: IntArray
    bare_heads: IntArray

    def __len__(self) -> int:
        return len(self.id)


@dataclass(frozen=True, slots=True)
class InView:
    """Road users in view at an instant, from near to far.

    ``rows`` (N,) of the states, ``xyxy`` (N, 4) their boxes within the image, ``hidden`` (N,) the
    share of each that nearer ones hide, ``shown`` (N,) how likely a frame shows it all the same,
    from 0 to 1, ``whole`` (N,) whether the image's edge leaves all of it.
    """

    rows: IntArray
    xyxy: FloatArray
    hidden: FloatArray
    shown: FloatArray
    whole: BoolArray

    @property
    def height_px(self) -> FloatArray:
        """How tall each is in the image, (N,)."""
        height: FloatArray = self.xyxy[:, 3] - self.xyxy[:, 1]
        return height


def project_boxes(
    states: VehicleStates,
    camera: PinholeCamera,
    rng: np.random.Generator,
    *,
    miss_rate: float = MISS_RATE,
    jitter_px: float = JITTER_PX,
    jitter_share: float = JITTER_SHARE,
    merge_rate: float = 0.0,
    people: People | None = None,
) -> Boxes:
    """Boxes of the road users that a camera has in view.

    Args:
        states: Road users at the instant of the frame, best only those near the camera.
        camera: The camera.
        rng: Source of misses and scatter; the same state of it gives the same boxes.
        miss_rate: Share of plainly visible ones that are missed, 0 to 1.
        jitter_px: Scatter of each edge of a box in pixels (standard deviation).
        jitter_share: The same as a share of the box's width and height; the larger rules.
        merge_rate: Share of pairs of overlapping two-wheelers that come as one box.
        people: Who rides the motorbikes; None tells nothing of it.
    """
    view = in_view(states, camera)
    chosen, clipped = view.rows, view.xyxy
    size = np.array([camera.width_px, camera.height_px], np.float64)
    missed = rng.random(len(chosen)) < 1.0 - (1.0 - miss_rate) * view.shown
    side = np.tile(clipped[:, 2:] - clipped[:, :2], 2)
    scatter = rng.standard_normal(clipped.shape) * np.maximum(jitter_px, jitter_share * side)
    moved = np.clip(clipped + scatter, 0.0, np.tile(size, 2))
    score = np.clip(0.93 - 0.5 * view.hidden + 0.04 * rng.standard_normal(len(chosen)), 0.3, 0.99)
    kept = ~missed & (moved[:, 2] - moved[:, 0] >= 2.0) & (moved[:, 3] - moved[:, 1] >= 2.0)
    chosen = chosen[kept]
    moved, score = moved[kept], score[kept]
    classes = states.vehicle_class[chosen]
    if merge_rate > 0.0:
        alive = _merge(moved, classes, rng, merge_rate)
        moved, score, chosen, classes = moved[alive], score[alive], chosen[alive], classes[alive]
    riders, bare = _read_riders(states.id[chosen], classes, moved, rng, people)
    return Boxes(moved, classes, score, states.id[chosen], riders, bare)


def in_view(states: VehicleStates, camera: PinholeCamera) -> InView:
    """Road users large enough and far enough within the image, and what hides of each.

    What :func:`project_boxes` draws, before what is missed at random.

    Args:
        states: Road users at the instant of the frame.
        camera: The camera.
    """
    boxes, depth = _boxes(states, camera)
    size = np.tile(np.array([camera.width_px, camera.height_px], np.float64), 2)
    clipped = np.clip(boxes, 0.0, size)
    inside = _area(clipped) / np.maximum(_area(boxes), 1e-9)
    seen = (
        (depth > NEAREST_M)
        & (inside >= MIN_INSIDE)
        & (clipped[:, 3] - clipped[:, 1] >= MIN_HEIGHT_PX)
    )
    rows = np.nonzero(seen)[0]
    rows = rows[np.argsort(depth[rows], kind="stable")]
    hidden = _hidden(clipped[rows], _FILL[states.vehicle_class[rows]])
    shown = np.clip((HIDDEN_TO - hidden) / (HIDDEN_TO - HIDDEN_FROM), 0.0, 1.0)
    whole = (clipped[rows] == boxes[rows]).all(axis=1)
    return InView(rows, clipped[rows], hidden, shown, whole)


def _merge(
    boxes: FloatArray, classes: ByteArray, rng: np.random.Generator, rate: float
) -> IntArray:
    """Let some overlapping two-wheelers become one box, in place; rows that are left."""
    two = np.nonzero(classes <= 1)[0]
    part = boxes[two]
    low = np.maximum(part[:, None, :2], part[None, :, :2])
    high = np.minimum(part[:, None, 2:], part[None, :, 2:])
    shared = np.maximum(high - low, 0.0).prod(axis=2)
    area = _area(part)
    overlap = np.triu(shared > MERGE_FROM * np.minimum(area[:, None], area[None]), 1)
    gone: set[int] = set()
    for first, second in two[np.argwhere(overlap)].tolist():
        if first in gone or second in gone or rng.random() >= rate:
            continue
        boxes[first, :2] = np.minimum(boxes[first, :2], boxes[second, :2])
        boxes[first, 2:] = np.maximum(boxes[first, 2:], boxes[second, 2:])
        gone.add(second)
    return np.array([row for row in range(len(boxes)) if row not in gone], np.int64)


def _read_riders(
    ids: IntArray,
    classes: ByteArray,
    boxes: FloatArray,
    rng: np.random.Generator,
    people: People | None,
) -> tuple[IntArray, IntArray]:
    """Riders and bare heads as a detector reads them: at times one off, nothing from afar."""
    nothing = np.full(len(ids), -1, np.int64)
    if people is None or len(ids) == 0:
        return nothing, nothing.copy()
    large = (classes == 0) & (boxes[:, 3] - boxes[:, 1] >= READ_FROM_PX)
    wrong = rng.random((2, len(ids))) < MISREAD
    riders = people.riders(ids)
    riders = np.where(wrong[0], np.where(riders > 1, riders - 1, riders + 1), riders)
    bare = np.where(wrong[1], 1 - people.bare_heads(ids), people.bare_heads(ids))
    return np.where(large, riders, -1), np.where(large, bare, -1)


class Projection:
    """A projected camera: boxes of whoever is in its view, frame after frame."""

    def __init__(
        self,
        camera: PinholeCamera,
        *,
        seed: int,
        miss_rate: float = MISS_RATE,
        jitter_px: float = JITTER_PX,
        merge_rate: float = 0.0,
        people: People | None = None,
    ) -> None:
        """Set up.

        Args:
            camera: Where it stands and looks.
            seed: Determines misses and scatter; cameras at two places differ in any case.
            miss_rate: Share of plainly visible road users that a frame misses.
            jitter_px: Scatter of the edges of boxes, pixels.
            merge_rate: Share of pairs of overlapping two-wheelers that come as one box.
            people: Who rides the motorbikes; None tells nothing of it.
        """
        self.camera = camera
        place = [round(abs(value) * 100) for value in camera.position_m.tolist()]
        self._rng = np.random.default_rng(
            [seed, *place, round(camera.pose.heading_deg * 100) % 36000]
        )
        self._miss_rate = miss_rate
        self._jitter_px = jitter_px
        self._merge_rate = merge_rate
        self._people = people

    def observe(self, states: VehicleStates) -> Boxes:
        """The next frame, of these road users (best only those near the camera)."""
        return project_boxes(
            states,
            self.camera,
            self._rng,
            miss_rate=self._miss_rate,
            jitter_px=self._jitter_px,
            merge_rate=self._merge_rate,
            people=self._people,
        )

    def boxes(
        self, states: VehicleStates
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], IntArray]:
        """The next frame as a detector gives it: boxes (N, 4), scores (N,), classes (N,)."""
        seen = self.observe(states)
        return (
            seen.xyxy.astype(np.float32),
            seen.score.astype(np.float32),
            seen.class_index.astype(np.int64),
        )


def _boxes(states: VehicleStates, camera: PinholeCamera) -> tuple[FloatArray, FloatArray]:
    """Boxes (N, 4) that enclose the road users, and the depth of their middles (N,).

    Whoever has a corner behind the camera gets a depth of 0: out of sight.
    """
    count = len(states)
    sin, cos = np.sin(states.heading_rad), np.cos(states.heading_rad)
    forward = _CORNERS[:, 0] * states.length_m[:, None]
    left = _CORNERS[:, 1] * states.width_m[:, None]
    corners = np.empty((count, len(_CORNERS), 3))
    corners[..., 0] = states.x_m[:, None] + forward * sin[:, None] - left * cos[:, None]
    corners[..., 1] = states.y_m[:, None] + forward * cos[:, None] + left * sin[:, None]
    corners[..., 2] = _CORNERS[:, 2] * states.height_m[:, None]
    pixels, depth = camera.project(corners.reshape(-1, 3))
    pixels = pixels.reshape(count, len(_CORNERS), 2)
    depth = depth.reshape(count, len(_CORNERS))
    boxes = np.concatenate([pixels.min(axis=1), pixels.max(axis=1)], axis=1)
    middle = np.where(depth.min(axis=1) > 0.5, depth.mean(axis=1), 0.0)
    return boxes, middle


def _area(boxes: FloatArray) -> FloatArray:
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 0.0)
    area: FloatArray = sides[:, 0] * sides[:, 1]
    return area


def _hidden(boxes: FloatArray, fill: FloatArray) -> FloatArray:
    """Share of each box that nearer ones hide; boxes sorted from near to far.

    ``fill`` (N,) says how much of its own box each covers.
    """
    if len(boxes) < 2:
        return np.zeros(len(boxes))
    low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    sides = np.maximum(high - low, 0.0)
    covered = sides[..., 0] * sides[..., 1] / np.maximum(_area(boxes), 1e-9)[:, None]
    free = np.tril(1.0 - fill[None, :] * np.minimum(covered, 1.0), -1)
    free[np.triu_indices(len(boxes))] = 1.0
    hidden: FloatArray = 1.0 - free.prod(axis=1)
    return hidden
