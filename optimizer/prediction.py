"""When vehicles reach the line, and what a junction's schedule sends to its neighbours."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.policy import Feed

# A passenger car's usual acceleration (Krauss model's default, comfortable in traffic).
ACCEL_MPS2 = 2.6
# Share of the free speed from which on a vehicle is taken to drive as fast as it wants.
CRUISING = 0.7
# Roads without a limit worth the name are driven at no more than this.
FASTEST_MPS = 25.0
# Vehicles slower than this stand.
STANDING_MPS = 1.0
# Who stands so far from the line waits for something else than the light.
QUEUE_M = 75.0


def arrival_s(distance_m: float, speed_mps: float, free_mps: float) -> float:
    """Earliest time to cover a distance when accelerating to the free speed.

    s = v t + a t^2 / 2 until v_f is reached, v_f from there on. Who drives at ``CRUISING`` of it
    or faster keeps the speed: drivers differ by more than such a vehicle still gains.
    """
    if speed_mps >= CRUISING * free_mps:
        return distance_m / speed_mps
    speeding_s = (free_mps - speed_mps) / ACCEL_MPS2
    speeding_m = (speed_mps + free_mps) / 2.0 * speeding_s
    if speeding_m >= distance_m:
        return (
            math.sqrt(speed_mps * speed_mps + 2.0 * ACCEL_MPS2 * distance_m) - speed_mps
        ) / ACCEL_MPS2
    return speeding_s + (distance_m - speeding_m) / free_mps


def arrivals_s(
    tracks: Iterable[tuple[float, float]], free_mps: float, wave_s: float
) -> list[float]:
    """When those on a lane could be at its line: of (distance_m, speed_mps), nearest first.

    Who stands is there, unless the queue moves: then he starts when the wave from the line,
    ``wave_s`` a vehicle, has reached him.
    """
    found: list[float] = []
    waves, released = 0, False
    for place, (distance_m, speed_mps) in enumerate(tracks):
        released = released or (place == 0 and speed_mps >= STANDING_MPS)
        at_s = arrival_s(distance_m, speed_mps, free_mps)
        if speed_mps < STANDING_MPS and distance_m < QUEUE_M:
            waves += 1
            at_s = at_s + waves * wave_s if released else 0.0
        found.append(at_s)
    return found


def away_s(count: int, spacing_m: float = 7.5, free_mps: float = 13.9) -> NDArray[np.float64]:
    """What the first vehicles of a queue still lose behind the line until they are at full speed.

    The k-th crosses at v_k = sqrt(2 a (1 + k d)) and loses (v_f - v_k)^2 / (2 a v_f).
    """
    crossing_mps = np.sqrt(2.0 * ACCEL_MPS2 * (1.0 + spacing_m * np.arange(count)))
    missing_mps: NDArray[np.float64] = np.maximum(0.0, free_mps - crossing_mps)
    lost_s: NDArray[np.float64] = missing_mps**2 / (2.0 * ACCEL_MPS2 * free_mps)
    return lost_s


class Expected(NamedTuple):
    """A vehicle, or a fraction of one, on its way to a stop line.

    ``arrival_s`` counts from now; ``stream`` is a column of the layout; ``size`` is in vehicles;
    ``weight`` is the cost of a second of its delay. Where the turn is not known, ``stream`` is
    the lane's mixture and ``drawn`` says where in [0, 1) it stands among the lane's turns
    (``scenarios.draw``); negative otherwise. ``number`` is its track's, 0 if it is not followed.
    """

    arrival_s: float
    stream: int
    headway_s: float
    size: float
    weight: float
    drawn: float = -1.0
    number: int = 0


@dataclass(frozen=True, slots=True)
class Departure:
    """A vehicle, or a fraction of one, that is expected to pass a stop line at ``time_s``."""

    time_s: float
    movement: str
    size: float


@dataclass(frozen=True, slots=True)
class Inflow:
    """A vehicle, or a fraction, expected from a neighbour: at the line of ``approach``."""

    time_s: float
    approach: str
    lanes: tuple[str, ...]
    size: float


class Exchange:
    """What neighbours tell each other: the departures that their schedules lead to.

    A junction that has said nothing for ``patience_s`` counts as silent, and what it fed is
    left to local prediction.
    """

    def __init__(self, feeds: Iterable[Feed], patience_s: float = 30.0) -> None:
        """Learn the ways between the signals."""
        self.patience_s = patience_s
        self._towards: dict[str, list[Feed]] = {}
        for feed in feeds:
            self._towards.setdefault(feed.to_junction, []).append(feed)
        self._from: dict[tuple[str, str], list[Feed]] = {}
        for feed in (feed for group in self._towards.values() for feed in group):
            self._from.setdefault((feed.from_junction, feed.movement), []).append(feed)
        self._said: dict[str, tuple[float, dict[str, list[Departure]]]] = {}
        self._sent: dict[str, list[Inflow]] = {}

    def publish(self, junction: str, time_s: float, departures: Sequence[Departure]) -> None:
        """A junction says what it will send, as of ``time_s``."""
        by_movement: dict[str, list[Departure]] = {}
        for departure in departures:
            by_movement.setdefault(departure.movement, []).append(departure)
        self._said[junction] = (time_s, by_movement)

    def silent(self, junction: str, time_s: float) -> frozenset[str]:
        """Upstream neighbours of a junction that have said nothing lately."""
        return frozenset(
            feed.from_junction
            for feed in self._towards.get(junction, ())
            if feed.from_junction not in self._said
            or time_s - self._said[feed.from_junction][0] > self.patience_s
        )

    def send(self, junction: str, movement: str, time_s: float, size: float) -> None:
        """Vehicles were counted as they left ``junction`` at ``time_s``."""
        for feed in self._from.get((junction, movement), ()):
            self._sent.setdefault(feed.to_junction, []).append(
                Inflow(time_s + feed.travel_s, feed.approach, feed.lanes, size)
            )

    def on_the_way(self, junction: str, time_s: float, seen_s: Mapping[str, float]) -> list[Inflow]:
        """Those sent to a junction who have not come upon its own detectors yet.

        ``seen_s`` is how long before the line that is, by approach.
        """
        still = [
            item
            for item in self._sent.get(junction, ())
            if item.time_s - seen_s.get(item.approach, 0.0) > time_s
        ]
        self._sent[junction] = still
        return still

    def inflow(
        self, junction: str, time_s: float, until_s: float, kept: Mapping[tuple[str, str], float]
    ) -> list[Inflow]:
        """What neighbours send to a junction and will be at its lines until ``until_s``.

        Args:
            junction: Who asks.
            time_s: Now; what should have left before now is on the road and seen there.
            until_s: End of interest.
            kept: Share of a feed's vehicles that reach the approach, by (movement, approach);
                1 where nothing is known.
        """
        found = []
        for feed in self._towards.get(junction, ()):
            said_s, departures = self._said.get(feed.from_junction, (-math.inf, {}))
            if time_s - said_s > self.patience_s:
                continue
            share = kept.get((feed.movement, feed.approach), 1.0)
            for departure in departures.get(feed.movement, ()):
                at_s = departure.time_s + feed.travel_s
                if departure.time_s > time_s and at_s < until_s and share > 0.0:
                    found.append(Inflow(at_s, feed.approach, feed.lanes, departure.size * share))
        return found


# Flow at an edge of the view is averaged over about this long.
FLOW_MEMORY_S = 120.0


class LocalFlow:
    """Flow that enters a lane's view from where nobody tells anything.

    Little's law on the far half of the view: the vehicles there are flow times the time that it
    takes to cross it, L = lambda W; averaged exponentially.
    """

    def __init__(self) -> None:
        """Know nothing yet."""
        self._per_s: dict[str, tuple[float, float]] = {}

    def see(self, lane: str, time_s: float, vehicles: int, crossing_s: float) -> None:
        """``vehicles`` are in the far half, which takes ``crossing_s`` at free flow."""
        now = vehicles / max(1.0, crossing_s)
        before = self._per_s.get(lane)
        if before is None:
            self._per_s[lane] = (time_s, now)
            return
        share = 1.0 - math.exp(-max(0.0, time_s - before[0]) / FLOW_MEMORY_S)
        self._per_s[lane] = (time_s, before[1] + share * (now - before[1]))

    def per_s(self, lane: str) -> float:
        """Vehicles a second; 0 for a lane never seen."""
        return self._per_s.get(lane, (0.0, 0.0))[1]
