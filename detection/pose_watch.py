"""Has the camera moved? The standing scene now, against the picture that was calibrated.

Traffic is taken out by the median of a few pictures, light by comparing corners (ORB) and not
brightness. Where the light has changed so far that the reference is not recognised, the last
picture that was is compared instead, and the steps add up. What matters is how far the picture has
shifted where it is looked at: the displacement of a grid of points over the frame.

A queue may hide all that was there to go by. It rolls in bit by bit, while a camera that is turned
changes everything at once: as long as from sample to sample parts of the picture stay as they are,
the camera has not moved.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from detection.ports import FloatArray, Image

Gray: TypeAlias = npt.NDArray[np.uint8]
Descriptors: TypeAlias = npt.NDArray[np.uint8]
FloatArray32: TypeAlias = npt.NDArray[np.float32]
WORK_WIDTH_PX: Final = 640
FEATURES: Final = 700
SAMPLES: Final = 5
AGREE_PX: Final = 3.0
RATIO: Final = 0.8
"""A match must be so much nearer than the second best (Lowe 2004, 7.1)."""
STEADY_PX: Final = (320, 240)
BLOCKS: Final = (20, 15)
SURROUND_PX: Final = 15
LEAST_TEXTURE: Final = 3.0
"""Grey levels, on average, by which a block's pixels differ from their surroundings."""
STEADY_CHANGE: Final = 0.4
"""A block is as it was where it changed by less than this share of its texture."""
STEADY_SHARE: Final = 0.08
"""Of the blocks with texture. Where a queue rolls in that fills the picture 0.19 of them or more
are as they were half a second before, after a turn by 8 pixels 0.02 at the most."""
STEADY_S: Final = 1.5
"""After a longer time without a picture nothing says that the camera stood still."""


@dataclass(frozen=True, slots=True)
class PoseSettings:
    """How the camera's pose is watched.

    A picture every ``sample_s`` enters the median of five; every ``check_s`` that is compared.
    ``moved_share`` of the picture's width is a move: at 640 px, 10 px. ``min_inliers`` matches
    must agree for a scene to be recognised. A scene that cannot be recognised for ``lost_s``,
    though both pictures have enough to go by and it could until then, was turned away.
    """

    sample_s: float = 0.5
    check_s: float = 2.5
    moved_share: float = 0.016
    min_inliers: int = 14
    lost_s: float = 8.0


class Pose(Enum):
    """What a comparison found."""

    IN_PLACE = "in place"
    MOVED = "moved"
    UNSURE = "unsure"
    """Too dark, too empty or too different to tell."""


@dataclass(frozen=True, slots=True)
class PoseFinding:
    """``shift_px``: the median displacement over the frame, in pixels of the frame."""

    pose: Pose
    shift_px: float = 0.0


@dataclass(frozen=True, slots=True)
class _Scene:
    """Corners of a standing scene; ``to_reference`` (2, 3) leads from it to the reference."""

    points: FloatArray
    descriptors: Descriptors | None
    to_reference: FloatArray


class PoseWatch:
    """Watches one camera; give it every frame, it looks at few."""

    def __init__(
        self, reference: Image | None = None, settings: PoseSettings | None = None
    ) -> None:
        """Set up.

        Args:
            reference: The picture that was calibrated; the first seconds' scene if there is none.
            settings: Parameters.
        """
        self._settings = settings or PoseSettings()
        self._orb: Any = cv2.ORB.create(nfeatures=FEATURES, fastThreshold=10)
        self._matcher: Any = cv2.BFMatcher(cv2.NORM_HAMMING)
        self._recent: deque[Gray] = deque(maxlen=SAMPLES)
        self._times: deque[float] = deque(maxlen=SAMPLES)
        self._sampled_s = self._checked_s = float("-inf")
        self._scale = 1.0
        self._size = (0, 0)
        self._reference = None if reference is None else self._scene(self._gray(reference))
        self._last_known = self._reference
        self._lost_since_s: float | None = None
        self._relief: FloatArray32 | None = None
        self._turned_s = float("-inf")
        """When a sample was taken last where perhaps the one before was not."""
        self._known_s = float("-inf")
        """When the first of those samples was taken that were recognised last."""

    def look(self, time_s: float, image: Image) -> PoseFinding | None:
        """Take a frame; what a comparison found, when it was time for one."""
        s = self._settings
        if time_s - self._sampled_s < s.sample_s:
            return None
        gap_s, self._sampled_s = time_s - self._sampled_s, time_s
        gray = self._gray(image)
        if self._recent and self._recent[-1].shape != gray.shape:
            self.forget()
        before, self._relief = self._relief, relief(gray)
        if before is None or gap_s > STEADY_S or not steady(before, self._relief):
            self._turned_s = time_s
        self._recent.append(gray)
        self._times.append(time_s)
        if len(self._recent) < SAMPLES or time_s - self._checked_s < s.check_s:
            return None
        self._checked_s = time_s
        scene = self._scene(median_of_five(list(self._recent)))
        if self._reference is None:
            if len(scene.points) >= 4 * s.min_inliers:
                self._reference = self._last_known = scene
                self._known_s = self._times[0]
            return None
        return self._compare(time_s, scene)

    def forget(self) -> None:
        """The next pictures are of another time: do not mix them with the last ones."""
        self._recent.clear()
        self._times.clear()

    def _compare(self, time_s: float, scene: _Scene) -> PoseFinding:
        assert self._reference is not None
        assert self._last_known is not None
        to_reference = self._match(scene, self._reference)
        if to_reference is None and self._last_known is not self._reference:
            to_last = self._match(scene, self._last_known)
            if to_last is not None:
                to_reference = _chain(to_last, self._last_known.to_reference)
        if to_reference is None:
            return self._unrecognised(time_s, scene)
        self._lost_since_s = None
        self._last_known = _Scene(scene.points, scene.descriptors, to_reference)
        self._known_s = self._times[0]
        shift_px = self._shift_px(to_reference) / self._scale
        limit_px = self._settings.moved_share * self._size[0] / self._scale
        return PoseFinding(Pose.MOVED if shift_px > limit_px else Pose.IN_PLACE, shift_px)

    def _unrecognised(self, time_s: float, scene: _Scene) -> PoseFinding:
        """Turned away, if it was known a moment ago and there is enough to see; else unsure."""
        assert self._last_known is not None
        if self._turned_s <= self._known_s:
            # Traffic hides what was there to go by.
            self._lost_since_s = None
            return PoseFinding(Pose.UNSURE)
        known_before = self._last_known is not self._reference or self._lost_since_s is not None
        telling = len(scene.points) >= 8 * self._settings.min_inliers
        if not known_before or not telling:
            return PoseFinding(Pose.UNSURE)
        if self._lost_since_s is None:
            self._lost_since_s = time_s
        if time_s - self._lost_since_s >= self._settings.lost_s:
            return PoseFinding(Pose.MOVED, float(self._size[0]) / self._scale)
        return PoseFinding(Pose.UNSURE)

    def _gray(self, image: Image) -> Gray:
        height, width = image.shape[:2]
        self._scale = min(1.0, WORK_WIDTH_PX / width)
        self._size = (round(width * self._scale), round(height * self._scale))
        small = image if self._scale == 1.0 else cv2.resize(image, self._size)
        return np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), np.uint8)

    def _scene(self, gray: Gray) -> _Scene:
        # Contrast is made even, so that dusk and glare leave the same corners.
        even = cv2.createCLAHE(clipLimit=3.0, tileGridSize=(6, 6)).apply(gray)
        points, descriptors = self._orb.detectAndCompute(even, None)
        places = np.array([point.pt for point in points], np.float64).reshape(-1, 2)
        return _Scene(places, descriptors, np.eye(2, 3))

    def _match(self, scene: _Scene, other: _Scene) -> FloatArray | None:
        """The similarity (2, 3) from one scene to another, None if not recognised."""
        least = self._settings.min_inliers
        if scene.descriptors is None or other.descriptors is None:
            return None
        if min(len(scene.points), len(other.points)) < least:
            return None
        pairs = [
            (best.queryIdx, best.trainIdx)
            for best, *second in self._matcher.knnMatch(scene.descriptors, other.descriptors, k=2)
            if second and best.distance < RATIO * second[0].distance
        ]
        if len(pairs) < least:
            return None
        chosen = np.array(pairs)
        ours, theirs = scene.points[chosen[:, 0]], other.points[chosen[:, 1]]
        matrix, inliers = cv2.estimateAffinePartial2D(
            ours, theirs, method=cv2.RANSAC, ransacReprojThreshold=AGREE_PX
        )
        if matrix is None:
            return None
        agreed = ours[inliers.ravel() > 0]
        if len(agreed) < max(least, 0.2 * len(pairs)):
            return None
        # A queue that creeps on together is no moved camera: what stands must speak against it
        # by less than half, and what moved must be spread over the picture.
        standing = int((np.hypot(*(ours - theirs).T) < AGREE_PX).sum())
        spread = np.ptp(agreed, axis=0) / self._size
        # Where hardly anything stands any more it is the scene that moved, wherever its corners
        # are: often along the house fronts alone.
        everything = len(agreed) >= 3 * least and 10 * standing < len(agreed)
        if 2 * standing > len(agreed) or spread.min() < (0.15 if everything else 0.4):
            return np.eye(2, 3) if standing >= least else None
        return np.asarray(matrix, np.float64)

    def _shift_px(self, matrix: FloatArray) -> float:
        width, height = self._size
        x, y = np.meshgrid(np.linspace(0, width, 5), np.linspace(0, height, 5))
        grid = np.stack([x.ravel(), y.ravel()], axis=1)
        moved = grid @ matrix[:, :2].T + matrix[:, 2]
        return float(np.median(np.hypot(*(moved - grid).T)))


def median_of_five(pictures: Sequence[Gray]) -> Gray:
    """The scene without what moves: the middle value of each pixel."""
    a, b, c, d, e = pictures
    low = cv2.max(cv2.min(a, b), cv2.min(c, d))
    high = cv2.min(cv2.max(a, b), cv2.max(c, d))
    middle = cv2.max(cv2.min(low, high), cv2.min(cv2.max(low, high), e))
    return np.asarray(middle, np.uint8)


def relief(gray: Gray) -> FloatArray32:
    """By how much each pixel of the reduced picture differs from its surroundings."""
    small = cv2.resize(gray, STEADY_PX, interpolation=cv2.INTER_AREA).astype(np.float32)
    return np.asarray(small - cv2.blur(small, (SURROUND_PX, SURROUND_PX)), np.float32)


def steady(before: FloatArray32, now: FloatArray32) -> bool:
    """Whether two pictures, shortly one after the other, were taken by a camera that stood."""
    texture = np.minimum(_by_block(before), _by_block(now))
    telling = np.maximum(_by_block(before), _by_block(now)) > LEAST_TEXTURE
    same = telling & (_by_block(now - before) < STEADY_CHANGE * texture)
    return bool(same.sum() > STEADY_SHARE * telling.sum())


def _by_block(values: FloatArray32) -> FloatArray32:
    return np.asarray(cv2.resize(np.abs(values), BLOCKS, interpolation=cv2.INTER_AREA), np.float32)


def _chain(first: FloatArray, then: FloatArray) -> FloatArray:
    """The similarity that applies ``first`` and ``then`` in turn."""
    full = np.vstack([first, [0.0, 0.0, 1.0]])
    return np.asarray(then @ full, np.float64)
