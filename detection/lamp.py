"""Reading a signal head from the image: red, yellow, green, dark, or unknown.

Only the colour of what shines counts: of what is bright beside the scene, whatever the exposure.
Digits of a countdown are smaller than the lamp, what drives past behind the head is longer: the
lamp is the largest compact blob of one colour.

Haze, rain and a dirty lens lay a veil of light over all of the picture, and colours pale. How
bright the darkest of the picture is tells how much (the dark channel of He, Sun, Tang 2009); it is
taken off.

Each colour shines at one place of the head. Compression paints colours where none are, and what
drives past behind the head has lamps of its own: one that is not where its colour shone before
changes nothing.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import Final, NamedTuple

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
PLACES: Final = 60
"""So many of a colour's last sightings tell where it shines: who is wrong is outvoted soon."""
KNOWN: Final = 3
"""After so many its place is known."""
STRAY_PX: Final = 4.0
"""A lamp's place is at least so unsure: a mast sways."""


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


class _Blob(NamedTuple):
    """What shines in one colour: its share of the box, and where and how large it is, in pixels."""

    share: float = 0.0
    x_px: float = 0.0
    y_px: float = 0.0
    size_px: float = 0.0


class LampReader:
    """Reads the head within a box of the image, debounced."""

    def __init__(
        self, lamp_px: tuple[int, int, int, int], settings: LampSettings | None = None
    ) -> None:
        self._box = lamp_px
        self._settings = settings or LampSettings()
        self._recent: deque[tuple[float, SignalState]] = deque(maxlen=64)
        self._state = SignalState.UNKNOWN
        self._places: dict[SignalState, deque[_Blob]] = {
            state: deque(maxlen=PLACES) for state in HUES
        }
        self._shone = SignalState.UNKNOWN
        """The last colour that was believed."""
        self.since_s: float | None = None
        """When the state that :meth:`read` gave began; it is believed only later."""

    def read(self, time_s: float, image: Image) -> SignalState:
        """The debounced state at this time."""
        seen, blob = self._see(image)
        if seen in HUES and self._strays(seen, blob) and seen is not self._shone:
            seen = SignalState.UNKNOWN
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
            self._shone = seen if seen in HUES else self._shone
        return self._state

    def look(self, image: Image) -> SignalState:
        """The state in this image alone."""
        return self._see(image)[0]

    def _strays(self, state: SignalState, blob: _Blob) -> bool:
        """Whether a colour shines elsewhere than it did; remembers where in any case."""
        places = self._places[state]
        places.append(blob)
        if len(places) <= KNOWN:
            return False
        x_px, y_px, size_px = np.median([place[1:] for place in places], axis=0).tolist()
        off_px = math.hypot(blob.x_px - x_px, blob.y_px - y_px)
        strays: bool = off_px > max(size_px, STRAY_PX)
        return strays

    def _see(self, image: Image) -> tuple[SignalState, _Blob]:
        """The state in an image, and what shines there."""
        x0, y0, x1, y1 = self._box
        box = image[max(y0, 0) : y1, max(x0, 0) : x1]
        if box.size == 0:
            return SignalState.UNKNOWN, _Blob()
        s = self._settings
        if int(np.percentile(box.max(axis=2), 99)) < s.dim_value:
            return SignalState.UNKNOWN, _Blob()
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
            strength[state] = _largest_blob(lit, s)
        ranked = sorted(strength.items(), key=lambda item: -item[1].share)
        (best, blob), (_, second) = ranked[0], ranked[1]
        if blob.share < s.min_share:
            return SignalState.DARK, blob
        return (best if blob.share >= s.lead * second.share else SignalState.UNKNOWN), blob


def _largest_blob(mask: Image, settings: LampSettings) -> _Blob:
    """The largest connected blob that is compact as a lamp is."""
    if not mask.any():
        return _Blob()
    _, _, stats, centres = cv2.connectedComponentsWithStats(mask, connectivity=8)
    left, top, width, height, area = stats[1:].T
    compact = area >= settings.min_fill * width * height
    compact &= np.maximum(width, height) <= settings.max_aspect * np.minimum(width, height)
    cut = (left == 0) | (top == 0)
    cut |= (left + width == mask.shape[1]) | (top + height == mask.shape[0])
    counted = area * compact * np.where(cut, settings.cut_share, 1.0)
    best = int(counted.argmax())
    x_px, y_px = centres[1 + best].tolist()
    return _Blob(
        float(counted[best]) / mask.size, x_px, y_px, float(max(width[best], height[best]))
    )
