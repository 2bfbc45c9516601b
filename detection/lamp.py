"""Reading a signal head from the image: red, yellow, green, dark, or unknown.

Only the colour of what shines counts. A countdown beside the lamp shines in the lamp's own
colour or is drawn in thin strokes; the lamp is the one compact blob, so thin strokes are removed
before anything is measured.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from detection.ports import Image
from models.signals import SignalState

# Hue in OpenCV's scale of 0 to 179. LED greens reach far into cyan, sodium-lit reds into orange.
HUES: Final = {
    SignalState.RED: ((0, 11), (165, 179)),
    SignalState.YELLOW: ((14, 34),),
    SignalState.GREEN: ((42, 102),),
}


@dataclass(frozen=True, slots=True)
class LampSettings:
    """How a lamp is read.

    ``min_value`` and ``min_saturation`` (0 to 255): what shines; ``min_share``: the smallest part
    of the box that a lamp fills; ``lead``: how far the brightest colour must be ahead of the
    next; ``hold_s``: a new state must last this long before it is believed; ``dim_value``: a box
    whose brightest pixels stay below cannot be seen (night, covered): unknown, not dark.
    """

    min_value: int = 95
    min_saturation: int = 90
    min_share: float = 0.008
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
        hsv = cv2.cvtColor(box, cv2.COLOR_BGR2HSV)
        hue, saturation, value = hsv[..., 0], hsv[..., 1], hsv[..., 2]
        if int(np.percentile(value, 99)) < s.dim_value:
            return SignalState.UNKNOWN
        shining = (value >= s.min_value) & (saturation >= s.min_saturation)
        strength = {}
        for state, bands in HUES.items():
            mask = np.zeros(hue.shape, np.bool_)
            for low, high in bands:
                mask |= (hue >= low) & (hue <= high)
            lit = (mask & shining).astype(np.uint8)
            strength[state] = _largest_blob(lit) / lit.size
        ranked = sorted(strength.items(), key=lambda item: -item[1])
        (best, share), (_, second) = ranked[0], ranked[1]
        if share < s.min_share:
            return SignalState.DARK
        return best if share >= s.lead * second else SignalState.UNKNOWN


def _largest_blob(mask: Image) -> int:
    """Area in pixels of the largest connected blob."""
    if not mask.any():
        return 0
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    return int(stats[1:, cv2.CC_STAT_AREA].max())
