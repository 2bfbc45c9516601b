"""A mast that sways: by how much each picture lies beside where the camera rests.

Lines, zones and whoever stands hold still in the picture of a camera that holds still. On a mast
in the wind all of them swim by a pixel or two, and one who waits near a line seems to cross it.
Corners of an earlier picture are found again in every picture (Lucas and Kanade 1981; in pyramids,
Bouguet 2000). The shift on which most of them agree is the camera's, since vehicles part from it
each in its own way, unless enough of them lie where they should: a bus may fill most of a picture.

Only what swings is taken away. Where the camera rests is the mean of the last half minute, so that
no picture is moved for good: a camera that was turned is the business of
:mod:`detection.pose_watch`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from detection.ports import FloatArray, Image
from detection.pose_watch import FloatArray32, Gray

WORK_WIDTH_PX: Final = 400
SURROUND_PX: Final = (25, 25)
CONTRAST: Final = 25.0
"""Grey levels, on average, by which a pixel is made to differ from what is around it."""
LEAST_CONTRAST: Final = 2.0
CORNERS: Final = 120
APART_PX: Final = 18
"""Corners are so far apart: a single vehicle has few of them."""
QUALITY: Final = 0.01
WINDOW_PX: Final = (11, 11)
LEVELS: Final = 2
STOPPED: Final = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 10, 0.02)
AGREE_PX: Final = 0.4
"""Corners that stand agree to 0.1."""
STAND_PX: Final = 0.3
STANDING: Final = 1 / 3
"""Where so many lie at rest, for each of those that agree on something else, the camera rests."""
LEAST_SHARE: Final = 0.15
"""Of the corners must agree."""
LEAST_CORNERS: Final = 16
LEAST_SWING_PX: Final = 0.2
"""A camera that stands seems to swing by 0.13 at the most."""
MOST_SWING: Final = 0.02
"""Of the picture's width: what swings farther is not looked through."""
RENEWED_S: Final = 20.0
"""Light and queues move on: after so long, other corners."""
LOST_S: Final = 1.0
"""And so soon where they do not agree."""
LEARNT_S: Final = 4.0
"""A mast swings once in two to five seconds: before, nobody knows where it rests."""
REST_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class _Scene:
    """An earlier picture, reduced, and its corners (N, 1, 2)."""

    taken_s: float
    gray: Gray
    corners: FloatArray32


@dataclass(frozen=True, slots=True)
class Steadied:
    """A picture moved to where it lies at rest; at the edges, what it lacks is repeated from there.

    ``image`` is moved by parts of a pixel, as it is to be looked at; ``evidence`` by whole pixels,
    so that none of them is mixed with its neighbours. Where nothing needs to be moved both are the
    picture itself.
    """

    image: Image
    evidence: Image


class SwayWatch:
    """Watches one camera; give it every picture."""

    def __init__(self) -> None:
        self._scene: _Scene | None = None
        self._rest: FloatArray = np.zeros(2)
        """Where the camera rests beside the scene, in pixels of the reduced picture."""
        self._learnt_s = 0.0
        self._last_s: float | None = None
        self._known_s = float("-inf")
        """When corners agreed last, or were taken."""

    def steadied(self, time_s: float, image: Image) -> Steadied:
        """The picture as the camera would see it at rest.

        Args:
            time_s: When it was taken, s; not before the last one.
            image: (height, width, 3); every picture of the same size.
        """
        x_px, y_px = self.look(time_s, image)
        if x_px == 0.0 and y_px == 0.0:
            return Steadied(image, image)
        height, width = image.shape[:2]
        by = np.array([[1.0, 0.0, -x_px], [0.0, 1.0, -y_px]])
        moved = cv2.warpAffine(image, by, (width, height), borderMode=cv2.BORDER_REPLICATE)
        return Steadied(np.asarray(moved, np.uint8), _moved(image, round(x_px), round(y_px)))

    def look(self, time_s: float, image: Image) -> tuple[float, float]:
        """By how many pixels to the right and down the picture lies beside where it rests."""
        scale = min(1.0, WORK_WIDTH_PX / image.shape[1])
        gray = _relief(image, scale)
        shift = None if self._scene is None else _shift(self._scene, gray, self._rest)
        swing = None if shift is None else self._swing(time_s, shift)
        self._last_s = time_s
        self._renew(time_s, gray, shift)
        if swing is None or not LEAST_SWING_PX <= np.hypot(*swing) <= MOST_SWING * gray.shape[1]:
            return 0.0, 0.0
        x_px, y_px = (swing / scale).tolist()
        return x_px, y_px

    def _swing(self, time_s: float, shift: FloatArray) -> FloatArray | None:
        """How far a picture lies beside where the camera rests; None before that is known."""
        since_s = 0.0 if self._last_s is None else time_s - self._last_s
        self._learnt_s += since_s
        if self._learnt_s > 0.0:
            share = since_s / min(self._learnt_s, REST_S)
            self._rest = self._rest + (shift - self._rest) * min(share, 1.0)
        return shift - self._rest if self._learnt_s >= LEARNT_S else None

    def _renew(self, time_s: float, gray: Gray, shift: FloatArray | None) -> None:
        """Go by this picture from now on, when it is time to."""
        if shift is not None and self._scene is not None:
            self._known_s = time_s
            if time_s - self._scene.taken_s < RENEWED_S:
                return
        elif time_s - self._known_s < LOST_S:
            return
        self._known_s = time_s
        corners = cv2.goodFeaturesToTrack(gray, CORNERS, QUALITY, APART_PX)
        enough = corners is not None and len(corners) >= LEAST_CORNERS
        self._scene = _Scene(time_s, gray, np.asarray(corners, np.float32)) if enough else None
        if shift is None:
            self._rest, self._learnt_s = np.zeros(2), 0.0
        else:
            self._rest = self._rest - shift


def _relief(image: Image, scale: float) -> Gray:
    """The reduced picture without its light: by how much each pixel differs from around it."""
    gray = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    if scale < 1.0:
        size = (round(gray.shape[1] * scale), round(gray.shape[0] * scale))
        gray = cv2.resize(gray, size, interpolation=cv2.INTER_LINEAR)
    around = cv2.blur(gray, SURROUND_PX)
    contrast = max(float(cv2.norm(gray, around, cv2.NORM_L1)) / gray.size, LEAST_CONTRAST)
    gain = CONTRAST / contrast
    return np.asarray(cv2.addWeighted(gray, gain, around, -gain, 128.0), np.uint8)


def _moved(image: Image, x_px: int, y_px: int) -> Image:
    """The picture moved to the left and up by whole pixels."""
    left, right, up, down = max(-x_px, 0), max(x_px, 0), max(-y_px, 0), max(y_px, 0)
    height, width = image.shape[:2]
    kept = image[down : height - up, right : width - left]
    wide = cv2.copyMakeBorder(kept, up, down, left, right, cv2.BORDER_REPLICATE)
    return np.asarray(wide, np.uint8)


def _shift(scene: _Scene, gray: Gray, rest: FloatArray) -> FloatArray | None:
    """How far the scene's corners lie to the right and down of where they were; None if unknown.

    ``rest`` is the shift of a camera at rest.
    """
    found, seen, _ = cv2.calcOpticalFlowPyrLK(
        scene.gray, gray, scene.corners, np.empty_like(scene.corners),
        winSize=WINDOW_PX, maxLevel=LEVELS, criteria=STOPPED,
    )  # fmt: skip
    shifts = (found - scene.corners)[seen.ravel() > 0, 0].astype(np.float64)
    if len(shifts) < LEAST_CORNERS:
        return None
    apart = shifts[:, None] - shifts[None]
    agree = apart[..., 0] ** 2 + apart[..., 1] ** 2 < AGREE_PX**2
    most = agree[int(agree.sum(axis=1).argmax())]
    at_rest = np.hypot(*(shifts - rest).T) < STAND_PX
    if at_rest.sum() > STANDING * most.sum():
        most = at_rest
    if most.sum() < max(LEAST_CORNERS, LEAST_SHARE * len(scene.corners)):
        return None
    return np.asarray(shifts[most].mean(axis=0), np.float64)
