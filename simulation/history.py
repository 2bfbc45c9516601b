"""How a run went over time, from when each vehicle left each edge: queues, splits, a standstill."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from models.junction import Junction
from simulation.metrics import Drive, EdgePair, Trip
from simulation.probes import StateChange
from simulation.results import BIN_S, RunHistory, SplitUse
from simulation.roads import Roads

GRIDLOCK_S = 300.0
"""Nothing has left an edge for this long: longer than any signal holds anybody back."""
GRIDLOCK_SHARE = 0.25
_GRIDLOCK_LEAST = 10
_USED_GAP_S = 3.0
"""A second of green counts as used when a vehicle crosses within so many seconds."""


def run_history(
    trips: Sequence[Trip],
    drives: Mapping[str, Drive],
    turns: Mapping[EdgePair, str],
    roads: Roads,
    *,
    begin_s: float,
    end_s: float,
) -> RunHistory:
    """Cumulative vehicles and queues at the end of each interval.

    Args:
        trips: All vehicles of the run, those of the warm-up too.
        drives: Their routes; for one that never entered, the route it asked for.
        turns: Movement by (from edge, to edge).
        roads: For free-flow times.
        begin_s: First second of the history.
        end_s: Last one.
    """
    bins = max(1, math.ceil((end_s - begin_s) / BIN_S))
    moments = [begin_s + (i + 1) * BIN_S for i in range(bins)]
    planned = sorted(trip.planned_s for trip in trips)
    arrived = sorted(trip.arrival_s for trip in trips if trip.arrived)
    steps: dict[str, list[int]] = defaultdict(lambda: [0] * (bins + 1))
    for trip in trips:
        drive = drives.get(trip.id)
        if drive is None:
            continue
        since, free = trip.planned_s, 0.0
        previous: str | None = None
        for index, (edge, following) in enumerate(pairwise(drive.edges)):
            free += roads.free_s(previous, edge, trip.depart_pos_m if index == 0 else 0.0)
            previous = edge
            if (edge, following) not in turns:
                continue
            left = drive.left_s[index] if index < len(drive.left_s) else -1.0
            ready = since + free / trip.speed_factor
            row = steps[edge]
            first = bisect_left(moments, ready)
            last = bins if left < 0 else bisect_left(moments, left)
            if first < last:
                row[first] += 1
                row[last] -= 1
            if left < 0:
                break
            since, free = left, 0.0
    queues: dict[str, tuple[int, ...]] = {}
    for edge in sorted(steps):
        standing, values = 0, []
        for step in steps[edge][:bins]:
            standing += step
            values.append(standing)
        queues[edge] = tuple(values)
    before = bisect_left(planned, begin_s), bisect_left(arrived, begin_s)
    return RunHistory(
        begin_s=begin_s,
        planned=tuple(bisect_right(planned, moment) - before[0] for moment in moments),
        arrived=tuple(bisect_right(arrived, moment) - before[1] for moment in moments),
        queues=queues,
    )


def split_use(
    trips: Mapping[str, Trip],
    drives: Mapping[str, Drive],
    junctions: Iterable[Junction],
    states: Mapping[str, Sequence[StateChange]],
    roads: Roads,
    *,
    begin_s: float,
    end_s: float,
) -> dict[str, SplitUse]:
    """How much of each movement's green was used, and how often it was not enough.

    A movement is green where any of its links shows G or g. Greens that began before
    ``begin_s`` or had not ended at ``end_s`` are left out.
    """
    movements = {
        (m.from_edge, m.to_edge): (junction.id, m)
        for junction in junctions
        for m in junction.movements
    }
    crossings: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for name, drive in drives.items():
        trip = trips.get(name)
        if trip is None:
            continue
        since, free = trip.planned_s, 0.0
        previous: str | None = None
        for index, pair in enumerate(pairwise(drive.edges)):
            free += roads.free_s(previous, pair[0], trip.depart_pos_m if index == 0 else 0.0)
            previous = pair[0]
            if pair not in movements:
                continue
            left = drive.left_s[index] if index < len(drive.left_s) else -1.0
            ready = since + free / trip.speed_factor
            crossings[movements[pair][1].id].append((left if left >= 0 else math.inf, ready))
            if left < 0:
                break
            since, free = left, 0.0
    use: dict[str, SplitUse] = {}
    for junction, movement in movements.values():
        greens = _greens(states.get(junction, ()), movement.links, begin_s, end_s)
        went = sorted(crossings.get(movement.id, ()))
        moments = [left for left, _ in went]
        used = 0.0
        failures = 0
        for start, end in greens:
            inside = moments[bisect_left(moments, start) : bisect_right(moments, end)]
            used += _covered(inside, start, end)
            later = went[bisect_right(moments, end) :]
            failures += any(ready < start for _, ready in later)
        if greens:
            shown = sum(end - start for start, end in greens)
            use[movement.id] = SplitUse(shown, used, len(greens), failures)
    return use


def standstill(drives: Iterable[Drive], departures: Mapping[str, float], *, end_s: float) -> str:
    """What stands still for good at the end of a run, as a line; empty when traffic moves.

    A vehicle is stuck when nobody has left its edge for ``GRIDLOCK_S`` and it has been there as
    long. It is gridlock when a quarter of all vehicles on the road are stuck.
    """
    last_left: dict[str, float] = defaultdict(float)
    standing: list[tuple[str, float]] = []
    for drive in drives:
        gone = [moment for moment in drive.left_s if moment >= 0]
        for edge, moment in zip(drive.edges, gone, strict=False):
            last_left[edge] = max(last_left[edge], moment)
        if len(gone) < len(drive.edges) and drive.id in departures:
            since = gone[-1] if gone else departures[drive.id]
            standing.append((drive.edges[len(gone)], since))
    stuck = Counter(
        edge for edge, since in standing if max(since, last_left[edge]) <= end_s - GRIDLOCK_S
    )
    total = stuck.total()
    if total < max(_GRIDLOCK_LEAST, GRIDLOCK_SHARE * len(standing)):
        return ""
    worst = ", ".join(edge for edge, _ in stuck.most_common(3))
    return (
        f"{total} of {len(standing)} vehicles on the road have stood for {GRIDLOCK_S:g} s or more "
        f"where nobody moves (most on {worst})"
    )


def _greens(
    changes: Sequence[StateChange], links: Sequence[int], begin_s: float, end_s: float
) -> list[tuple[float, float]]:
    """Whole greens within the window."""
    greens: list[tuple[float, float]] = []
    start: float | None = None
    for change in changes:
        green = any(i < len(change.letters) and change.letters[i] in "Gg" for i in links)
        if green and start is None:
            start = change.time_s
        elif not green and start is not None:
            if start >= begin_s and change.time_s <= end_s:
                greens.append((start, change.time_s))
            start = None
    return greens


def _covered(moments: Sequence[float], start: float, end: float) -> float:
    """Seconds of a green within ``_USED_GAP_S`` before or at a crossing."""
    covered, until = 0.0, start
    for moment in moments:
        low = max(until, moment - _USED_GAP_S)
        if moment > low:
            covered += moment - low
        until = max(until, moment)
    return min(covered, end - start)
