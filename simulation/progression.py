"""Corridors of a site and the green band that a plan gives along one."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from models.junction import Junction, Turn
from models.plan import Plan
from simulation.programs import signal_rows
from simulation.roads import Roads

MIN_JUNCTIONS = 3
_SLOWEST_MPS = 5.0
_SPEED_STEP_MPS = 0.25
_STEP_S = 0.5
_MAX_EDGES_BETWEEN = 12


@dataclass(frozen=True, slots=True)
class Stop:
    """One signal along a corridor: the through movement and where its stop line is."""

    junction: str
    movement: str
    at_m: float


@dataclass(frozen=True, slots=True)
class Corridor:
    """Signals met one after the other going straight; ``at_m`` counts from the first line."""

    stops: tuple[Stop, ...]
    speed_limit_mps: float

    @property
    def length_m(self) -> float:
        """From the first stop line to the last."""
        return self.stops[-1].at_m


@dataclass(frozen=True, slots=True)
class Lamp:
    """What one signal shows in ``[start_s, end_s)``; ``letter`` is SUMO's (G, g, y, r, ...)."""

    start_s: float
    end_s: float
    letter: str


@dataclass(frozen=True, slots=True)
class Band:
    """A green band: leaving the first line from ``start_s`` for ``width_s``, green all along."""

    speed_mps: float
    start_s: float
    width_s: float
    cycle_s: float


def find_corridors(junctions: Mapping[str, Junction], roads: Roads) -> tuple[Corridor, ...]:
    """The longest chain of at least three signals, and the one the other way if there is one."""
    chains = sorted(
        (chain for chain in _chains(junctions, roads) if len(chain.stops) >= MIN_JUNCTIONS),
        key=lambda chain: (-len(chain.stops), -chain.length_m, chain.stops[0].movement),
    )
    if not chains:
        return ()
    first = chains[0]
    names = [stop.junction for stop in first.stops]
    for other in chains[1:]:
        theirs = [stop.junction for stop in other.stops]
        shared = [name for name in reversed(names) if name in theirs]
        if len(shared) >= MIN_JUNCTIONS and [n for n in theirs if n in shared] == shared:
            return (first, other)
    return (first,)


def lamps(plan: Plan, junction: Junction, signal_id: str) -> tuple[Lamp, ...]:
    """What a movement or crossing shows over one cycle, from the start of the first stage.

    Neighbouring rows with the same letter are joined. A movement with several links shows the
    letter of its first.
    """
    links = {m.id: m.links for m in junction.movements} | {
        c.id: c.links for c in junction.crossings
    }
    shown: list[Lamp] = []
    at = 0.0
    for row in signal_rows(plan.junction(junction.id), junction):
        end = at + row.duration_ds / 10.0
        index = links[signal_id][0]
        letter = row.state[index] if index < len(row.state) else "O"
        if shown and shown[-1].letter == letter:
            shown[-1] = Lamp(shown[-1].start_s, end, letter)
        else:
            shown.append(Lamp(at, end, letter))
        at = end
    return tuple(shown)


def best_band(corridor: Corridor, plan: Plan, junctions: Mapping[str, Junction]) -> Band | None:
    """The widest green band at any steady speed up to the limit; None without a common cycle.

    Among speeds that give nearly the widest band (97 %) the fastest is taken.
    """
    plans = [plan.junction(stop.junction) for stop in corridor.stops]
    cycle_ds = plans[0].cycle_ds
    if any(other.cycle_ds != cycle_ds for other in plans):
        return None
    cycle_s = cycle_ds / 10.0
    greens = [
        _greens(plan, junctions[stop.junction], stop.movement, cycle_s) for stop in corridor.stops
    ]
    fastest = max(corridor.speed_limit_mps, _SLOWEST_MPS)
    bands = []
    for step in range(math.floor((fastest - _SLOWEST_MPS) / _SPEED_STEP_MPS) + 1):
        speed = _SLOWEST_MPS + step * _SPEED_STEP_MPS
        open_ = np.ones(len(greens[0]), dtype=bool)
        for stop, green in zip(corridor.stops, greens, strict=True):
            open_ &= np.roll(green, -round(stop.at_m / speed / _STEP_S))
        start, width = _widest_run(open_)
        bands.append(Band(speed, start * _STEP_S, width * _STEP_S, cycle_s))
    widest = max(band.width_s for band in bands)
    if widest <= 0:
        return None
    return max(
        (band for band in bands if band.width_s >= 0.97 * widest), key=lambda band: band.speed_mps
    )


def _chains(junctions: Mapping[str, Junction], roads: Roads) -> Iterator[Corridor]:
    through = {
        movement.from_edge: (junction.id, movement)
        for junction in junctions.values()
        for movement in junction.movements
        if movement.turn is Turn.THROUGH
    }
    straight: dict[str, list[str]] = {}
    for (from_edge, to_edge), over in roads.crossovers.items():
        if over.direction == "s":
            straight.setdefault(from_edge, []).append(to_edge)
    for edge in sorted(through):
        stops: list[Stop] = []
        seen: set[str] = set()
        at_m, speed = 0.0, 0.0
        current: str | None = edge
        while current is not None and current in through:
            name, movement = through[current]
            if name in seen:
                break
            seen.add(name)
            stops.append(Stop(name, movement.id, at_m))
            way = [current, movement.to_edge]
            while way[-1] not in through and len(way) < _MAX_EDGES_BETWEEN:
                onward = straight.get(way[-1], [])
                if len(onward) != 1:
                    break
                way.append(onward[0])
            if way[-1] not in through:
                break
            for previous, following in pairwise(way):
                crossover = roads.crossovers.get((previous, following))
                road = roads.roads.get(following)
                at_m += (crossover.length_m if crossover else 0.0) + (
                    road.length_m if road else 0.0
                )
                speed = max(speed, road.speed_mps if road else 0.0)
            current = way[-1]
        if stops:
            yield Corridor(tuple(stops), speed)


def _greens(plan: Plan, junction: Junction, movement: str, cycle_s: float) -> NDArray[np.bool_]:
    """Whether the movement is green at each half second of simulation time, one cycle."""
    green = np.zeros(round(cycle_s / _STEP_S), dtype=bool)
    for lamp in lamps(plan, junction, movement):
        if lamp.letter in "Gg":
            green[round(lamp.start_s / _STEP_S) : round(lamp.end_s / _STEP_S)] = True
    return np.roll(green, round(plan.junction(junction.id).offset_ds / 10.0 / _STEP_S))


def _widest_run(values: NDArray[np.bool_]) -> tuple[int, int]:
    """Start and length of the longest run of True on a circle."""
    if values.all():
        return 0, len(values)
    best = (0, 0)
    origin = int(np.flatnonzero(~values)[0])
    run = 0
    turned: Sequence[bool] = np.roll(values, -origin).tolist()
    for index, value in enumerate([*turned, False]):
        if value:
            run += 1
            continue
        if run > best[1]:
            best = ((index - run + origin) % len(values), run)
        run = 0
    return best
