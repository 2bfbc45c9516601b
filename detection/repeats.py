"""Acts that last, told once though the track broke.

A rider on the pavement 50 m off is lost for a second and found again under a new number; who
stands in a no-stopping zone is hidden by a bus for ten. The new track goes on with the same act:
it begins where the flagged vehicle must be, after that one was seen last. Two vehicles side by side
are told from one by having been seen at once. Of a few who ride one behind the other far off, boxes
and tracks change owners: no more of them are flagged than were ever seen at once.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from detection.trajectory import TrajectoryPoint
from models.violation import ViolationKind as Kind

LASTING: Final = frozenset(
    {
        Kind.WRONG_WAY,
        Kind.WRONG_LANE,
        Kind.PAVEMENT,
        Kind.STOP_LINE,
        Kind.BLOCKING,
        Kind.ILLEGAL_STOPPING,
    }
)
"""An act of an instant is never seen twice: its vehicle is at one place then."""
RIDING: Final = frozenset({Kind.WRONG_WAY, Kind.WRONG_LANE, Kind.PAVEMENT})
"""Those who stand do so side by side: one that was not seen for a moment there is not lost."""
LOST_S: Final = 3.0
"""Where a vehicle that drives is after so long is anybody's guess."""
STOOD_S: Final = 20.0
STOOD_MPS: Final = 1.5
UNSEEN_S: Final = 0.25
BESIDE_S: Final = 1.0
BESIDE_M: Final = 8.0
"""Tracks that came so near to each other, within so long, may have changed vehicles."""
NEAR_M: Final = 3.0
"""So far from where it must be a vehicle is found again,"""
NEAR_SHARE: Final = 0.5
"""and by so much of its way in between."""
STOOD_NEAR_M: Final = 6.0
"""The same of one that stood: hidden in part it seems to stand nearer."""
OTHER_SIZE: Final = 1.5
"""A track that is being lost may end with another's boxes: so many times as tall or as low."""
ANOTHERS: Final = 4
"""So many of those at most."""


@dataclass(frozen=True, slots=True)
class _Flagged:
    track: int
    points: Sequence[TrajectoryPoint]
    """Its sightings, those after the flag too."""
    told: bool
    """Its flag was no other one of an act that was told."""


class Repeats:
    """Who was flagged for what lasts. Calibrated cameras only: distances are metres."""

    def __init__(self) -> None:
        self._flagged: dict[Kind, list[_Flagged]] = {}

    def again(
        self,
        kind: Kind,
        track: int,
        points: Sequence[TrajectoryPoint],
        since_s: float = -math.inf,
    ) -> bool:
        """Whether a flag is another one of an act that was told; remembers it in any case.

        Args:
            kind: What is flagged.
            track: Number of the track.
            points: Its sightings; the sequence is kept, and may go on growing.
            since_s: When the act began: a track that stood may have gone on with one who rode by.
        """
        if kind not in LASTING:
            return False
        now_s = points[-1].time_s
        known = [
            item
            for item in self._flagged.get(kind, ())
            if now_s - item.points[-1].time_s < 2 * STOOD_S + LOST_S
        ]
        others = [item for item in known if item.track != track]
        begun = next((point for point in points if point.time_s >= since_s), points[-1])
        firsts = (points[0], begun) if kind in RIDING else (points[0],)
        again = any(
            _goes_on(item.points, first, riding=kind in RIDING)
            for item in others
            for first in firsts
        )
        if kind in RIDING and not again:
            near = [item for item in others if _beside(item.points, points)]
            seen = _seen_at_once([points, *(item.points for item in near)])
            again = seen <= sum(item.told for item in near)
        self._flagged[kind] = [*known, _Flagged(track, points, not again)]
        return again


def _beside(one: Sequence[TrajectoryPoint], other: Sequence[TrajectoryPoint]) -> bool:
    """Whether of two tracks that lived at once the first was near to the second when last seen."""
    if one[-1].time_s < other[0].time_s or one[0].time_s > other[-1].time_s:
        return False
    last = one[-1]
    near = min(other, key=lambda point: abs(point.time_s - last.time_s))
    return (
        abs(near.time_s - last.time_s) <= BESIDE_S
        and math.dist(near.centre, last.centre) <= BESIDE_M
    )


def _seen_at_once(tracks: Sequence[Sequence[TrajectoryPoint]]) -> int:
    """In one frame at the most, how many of these tracks had a sighting."""
    return max(Counter(point.frame for points in tracks for point in points).values())


def _goes_on(lost: Sequence[TrajectoryPoint], found: TrajectoryPoint, *, riding: bool) -> bool:
    """Whether a track that begins with this sighting may go on where another was lost."""
    before_found = [point for point in lost if point.time_s < found.time_s]
    if not before_found or (not riding and len(before_found) < len(lost)):
        return False
    earlier = _own(before_found)
    last, before = earlier[-1], earlier[max(len(earlier) - 4, 0)]
    gap_s = found.time_s - last.time_s
    # The lost track may have gone on with another vehicle; but it was not seen at once with this.
    unseen_s = UNSEEN_S if lost[-1].time_s >= found.time_s else 0.0
    if not unseen_s < gap_s <= (STOOD_S if last.speed_mps < STOOD_MPS else LOST_S):
        return False
    way_m = math.dist(before.centre, last.centre)
    drove_m = last.speed_mps * gap_s if last.speed_mps >= STOOD_MPS and way_m > 0 else 0.0
    share = drove_m / way_m if drove_m else 0.0
    place = (
        last.centre[0] + share * (last.centre[0] - before.centre[0]),
        last.centre[1] + share * (last.centre[1] - before.centre[1]),
    )
    near_m = NEAR_M + NEAR_SHARE * drove_m if drove_m else STOOD_NEAR_M
    return math.dist(place, found.centre) <= near_m


def _own(sightings: Sequence[TrajectoryPoint]) -> Sequence[TrajectoryPoint]:
    """A lost track's sightings without those of another's box at their end."""
    for kept in range(len(sightings) - 1, max(len(sightings) - 1 - ANOTHERS, 0), -1):
        before, after = (_height_px(sightings[index]) for index in (kept - 1, kept))
        if not before / OTHER_SIZE < after < before * OTHER_SIZE:
            return sightings[:kept]
    return sightings


def _height_px(point: TrajectoryPoint) -> float:
    return point.box_px[3] - point.box_px[1]
