"""Reading a signal head from the image: red, yellow, green, dark, or unknown.

Only the colour of what shines counts: of what is bright beside the scene, whatever the exposure.
Digits of a countdown are smaller than the lamp, what drives past behind the head is longer: the
lamp is the largest compact blob of one colour.

Haze, rain and a dirty lens lay a veil of light over all of the picture, and colours pale. How
bright the darkest of the picture is tells how much (the dark channel of He, Sun, Tang 2009); it is
taken off.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from detection.ports import Image
from models.signals import SignalState

# Hue in OpenCV's scale of 0 to 179. LED greens reach far into cyan, sodium-lit reds into orange,
# reds of a camera with too much blue into pink.
HUES: Final = {
    SignalState.RED: ((0, 11), (160, 179)),
    SignalState.YELLOW: ((14, 34),),
    SignalState.GREEN: ((42, 102),),
}
STRIDE_PX: Final = 8
"""The scene's brightness is taken from each eighth pixel."""
DARKEST_PERCENT: Final = 1.0
BLACK_LEVEL: Final = 16
"""In a clear picture the darkest of each colour is no brighter than video's black level."""


@dataclass(frozen=True, slots=True)
class LampSettings:
    """How a lamp is read.

    ``min_value`` and ``min_saturation`` (0 to 255): what shines; it is also ``scene_share`` of the
    picture's median brightness or more (by day lit lamps are 0.75 to 1.2, unlit lenses up to 0.45
    of it), and ``glow_share`` of the brightest colour in the box: by night a lamp's glow lies on
    all around it. ``min_share``: the smallest part of the box that a lamp fills; ``min_fill`` and
    ``max_aspect``: how much of its own bounding box, and how long that may be; ``cut_share``: what
    counts of a blob that the box cuts, for a box lies around its lamps. ``lead``: how far
    the brightest colour must be ahead of the next; ``hold_s``: a new state must last this long
    before it is believed; ``dim_value``: a box whose brightest pixels stay below cannot be seen
    (night, covered): unknown, not dark.
    """

    min_value: int = 30
    min_saturation: int = 90
    scene_share: float = 0.6
    glow_share: float = 0.45
    min_share: float = 0.008
    min_fill: float = 0.35
    max_aspect: float = 2.2
    cut_share: float = 0.4
    lead: float = 1.6
    hold_s: float = 0.3
    dim_value: int = 25


class LampReader:
    """Reads the head within a box of the image, debounced."""

    def __init__(
        self, lamp_px: tuple[int, int, int, int], settings: LampSettings | None = None
    ) -> None:
        self._box = lamp_px
        self._settings = settings or LampSettings()
        self._recent: deque[tuple[float, SignalState]] = deque(maxlen=64)
        self._state = SignalState.UNKNOWN
        self.since_s: float | None = None
        """When the state that :meth:`read` gave began; it is believed only later."""

    def read(self, time_s: float, image: Image) -> SignalState:
        """The debounced state at this time."""
        seen = self.look(image)
        self._recent.append((time_s, seen))
        begin = None
        for at, state in reversed(self._recent):
            if state is not seen:
                break
            begin = at
        if begin is not None and time_s - begin >= self._settings.hold_s:
            if seen is not self._state:
                self.since_s = begin
            self._state = seen
        return self._state

    def look(self, image: Image) -> SignalState:
        """The state in this image alone."""
        x0, y0, x1, y1 = self._box
        box = image[max(y0, 0) : y1, max(x0, 0) : x1]
        if box.size == 0:
            return SignalState.UNKNOWN
        s = self._settings
        if int(np.percentile(box.max(axis=2), 99)) < s.dim_value:
            return SignalState.UNKNOWN
        pixels = image[::STRIDE_PX, ::STRIDE_PX]
        veil = max(np.percentile(pixels.min(axis=2), DARKEST_PERCENT) - BLACK_LEVEL, 0.0)
        hsv = cv2.cvtColor(cv2.subtract(box, (veil, veil, veil, 0.0)), cv2.COLOR_BGR2HSV)
        hue, saturation, value = hsv[..., 0], hsv[..., 1], hsv[..., 2]
        scene = float(np.median(pixels.max(axis=2))) - veil
        vivid = saturation >= s.min_saturation
        brightest = float(np.percentile(value[vivid], 95)) if vivid.any() else 0.0
        least = max(s.min_value, s.scene_share * scene, s.glow_share * brightest)
        shining = vivid & (value >= least)
        strength = {}
        for state, bands in HUES.items():
            mask = np.zeros(hue.shape, np.bool_)
            for low, high in bands:
                mask |= (hue >= low) & (hue <= high)
            lit = (mask & shining).astype(np.uint8)
            strength[state] = _largest_blob(lit, s) / lit.size
        ranked = sorted(strength.items(), key=lambda item: -item[1])
        (best, share), (_, second) = ranked[0], ranked[1]
        if share < s.min_share:
            return SignalState.DARK
        return best if share >= s.lead * second else SignalState.UNKNOWN


def _largest_blob(mask: Image, settings: LampSettings) -> int:
    """Area in pixels of the largest connected blob that is compact as a lamp is."""
    if not mask.any():
        return 0
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    left, top, width, height, area = stats[1:].T
    compact = area >= settings.min_fill * width * height
    compact &= np.maximum(width, height) <= settings.max_aspect * np.minimum(width, height)
    cut = (left == 0) | (top == 0)
    cut |= (left + width == mask.shape[1]) | (top + height == mask.shape[0])
    return int((area * compact * np.where(cut, settings.cut_share, 1.0)).max())
