"""What drivers show of their turns before they go.

Where a turn can be driven from several lanes, drivers take the shorter queue. So who stands in the
longer one wants what the others do not lead to, and who changes lanes within the view wants what
the lane that he left does not lead to. How often that is so differs from lane to lane: it is
learned from those whose turn was seen as they crossed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import IntEnum

from models.policy import ControlLane, DetectorReading, Track

# Turns counted for one kind of conduct are forgotten by half when they add up to this many.
MEMORY_VEH = 60.0
# The lane's own shares count as so many vehicles of each kind of conduct.
PRIOR_VEH = 4.0
# Who is not in view any more has crossed and is counted within this time.
CROSSING_S = 8


class Conduct(IntEnum):
    """How a vehicle came to stand where it does."""

    SHORTER = -1
    """Fewer were before it on its lane than on each other one that it might have taken."""
    EVEN = 0
    LONGER = 1
    CHANGED = 2
    """It came over from another lane within the view."""


class Turning:
    """What is learned at one junction of the turns of those whom cameras follow."""

    def __init__(self, lanes: Mapping[str, ControlLane]) -> None:
        """Know nothing yet."""
        self._beside = {
            name: tuple(
                other
                for other, beside in lanes.items()
                if other != name
                and beside.approach == lane.approach
                and set(beside.movements) & set(lane.movements)
            )
            for name, lane in lanes.items()
            if len(lane.movements) > 1
        }
        self._conduct: dict[int, tuple[str, Conduct]] = {}
        self._gone_s: dict[int, int] = {}
        self._counts: dict[tuple[str, Conduct], dict[str, float]] = {}

    def look(self, readings: Mapping[str, DetectorReading]) -> None:
        """Take in a second of readings: who crossed and turned where, who is in view and how."""
        tracks = {name: readings[name].tracks for name in readings if name in self._beside}
        for name in tracks:
            for number, movement in readings[name].turned:
                if number in self._conduct:
                    self._learn(name, self._conduct[number][1], movement)
        seen: dict[int, tuple[str, Conduct]] = {}
        for name, followed in tracks.items():
            beside = [tracks[other] for other in self._beside[name] if other in tracks]
            for place, track in enumerate(followed):
                if not track.number:
                    continue
                before = self._conduct.get(track.number)
                if before is None:
                    least = min((_ahead(others, track) for others in beside), default=place)
                    before = name, Conduct((place > least) - (place < least))
                elif before[0] != name:
                    before = name, Conduct.CHANGED
                seen[track.number] = before
        gone_s = {n: self._gone_s.get(n, 0) + 1 for n in self._conduct if n not in seen}
        self._gone_s = {n: since_s for n, since_s in gone_s.items() if since_s <= CROSSING_S}
        self._conduct = seen | {n: self._conduct[n] for n in self._gone_s}

    def shares(self, lane: str, number: int, usual: Mapping[str, float]) -> Mapping[str, float]:
        """Shares of the movements (of any sum) for whoever is followed under ``number``.

        ``usual`` are the lane's, for those who are not followed.
        """
        known = self._conduct.get(number)
        counts = self._counts.get((lane, known[1])) if known else None
        if not counts:
            return usual
        total = sum(usual.values()) or 1.0
        movements = {*usual, *counts}
        return {
            movement: counts.get(movement, 0.0) + PRIOR_VEH * usual.get(movement, 0.0) / total
            for movement in movements
        }

    def _learn(self, lane: str, conduct: Conduct, movement: str) -> None:
        counts = self._counts.setdefault((lane, conduct), {})
        counts[movement] = counts.get(movement, 0.0) + 1.0
        if sum(counts.values()) > MEMORY_VEH:
            for known in counts:
                counts[known] *= 0.5


def _ahead(tracks: Iterable[Track], of: Track) -> int:
    return sum(track.distance_m < of.distance_m for track in tracks)
