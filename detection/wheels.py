"""Where a vehicle touches the ground, which is where its box ends in a picture.

The box of a projected camera is that of a cuboid: it ends at the nearest side of the footprint. In
a picture it ends where wheels touch the ground, about a wheel's radius short of the bumper or of
the mudguard; and those of a two-wheeler, one behind the other, are as good as one line on the
ground. Taken for cuboids two-wheelers were believed 0.3 m further than they are, and 0.7 m where
they stand slantwise. Only the front is moved, which the law looks at: the place by which a vehicle
is followed stays what it was, alike at every turn of its heading.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from detection.ports import FloatArray, IntArray
from detection.track_table import LENGTH_M, WIDTH_M
from models.site import TWO_WHEELERS, VEHICLE_CLASSES

_SHORT_M: Final = {"motorcycle": 0.25, "bicycle": 0.25, "car": 0.35}
"""So far from the end of a vehicle its nearest wheel touches the ground. Of trucks and buses both
ends of the box tell length and place together (:mod:`detection.extents`)."""
_SHORT: Final = np.array([_SHORT_M.get(name, 0.0) for name in VEHICLE_CLASSES])
_IN_LINE: Final = np.array([name in TWO_WHEELERS for name in VEHICLE_CLASSES])

CUBOID: Final = (LENGTH_M, WIDTH_M)
MACHINE: Final = (LENGTH_M - 2 * _SHORT, np.where(_IN_LINE, 0.0, WIDTH_M))
"""By class, how long and how wide what touches the ground is, metres."""


def beyond_wheels(heading: FloatArray, away: FloatArray, classes: IntArray) -> FloatArray:
    """How far (N, 2), in metres, places that were told as a cuboid's lie beyond the machine's."""
    along = np.abs((heading * away).sum(axis=1))
    across = np.abs(away[:, 0] * heading[:, 1] - away[:, 1] * heading[:, 0])
    (length, width), (long, wide) = CUBOID, MACHINE
    more = (length - long)[classes] * along + (width - wide)[classes] * across
    result: FloatArray = away * (more / 2)[:, None]
    return result
