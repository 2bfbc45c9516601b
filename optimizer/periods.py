"""Periods of the day that deserve a plan of their own, found from the counts.

The day is cut where the pattern of flows changes: the partition of its intervals into contiguous
periods with the least squared deviation from each period's mean, exact by dynamic programming
(Fisher 1958, "On grouping for maximum homogeneity"). A further period must explain at least
``LEAST_GAIN`` of what varies over the day. Periods that are alike then share a plan (Ward 1963),
so that a morning and a noon with the same traffic do not make two plans to maintain.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from models.counts import CountRow
from models.errors import BadInput

LEAST_GAIN = 0.05
"""Share of the day's variation that a further period, or plan, must explain."""

LEAST_PERIOD_S = 3600
"""A change of plan disturbs traffic for some cycles; periods shorter than this do not pay."""

DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Period:
    """A part of the day, seconds after midnight UTC, and the number of its plan from 0."""

    begin_s: int
    end_s: int
    plan: int


@dataclass(frozen=True, slots=True)
class DayProfile:
    """Mean flows by time of day: ``flows_vph[i, j]`` of movement j in the interval i."""

    begins_s: tuple[int, ...]
    interval_s: int
    movements: tuple[str, ...]
    flows_vph: NDArray[np.float64]


def day_profile(rows: Sequence[CountRow]) -> DayProfile:
    """Mean vehicles an hour of each movement by time of day, over all days counted.

    Raises:
        BadInput: If the intervals differ in length, do not tile, or there is no count.
    """
    if not rows:
        raise BadInput("counts", "", "there is no row; valid is one per movement and interval")
    lengths = {int(row.duration_s) for row in rows}
    if len(lengths) > 1:
        shown = ", ".join(str(value) for value in sorted(lengths))
        raise BadInput("counts", "start, end", f"intervals of {shown} s; valid is one length")
    interval_s = lengths.pop()
    if interval_s <= 0 or DAY_S % interval_s:
        raise BadInput(
            "counts", "start, end", f"intervals of {interval_s} s; valid is a part of a day"
        )
    seen: dict[tuple[int, datetime], dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for row in rows:
        begin = row.start.astimezone(UTC)
        second = begin.hour * 3600 + begin.minute * 60 + begin.second
        if row.coverage > 0:
            vph = row.count / row.coverage * 3600.0 / interval_s
            seen[second - second % interval_s, begin][row.movement] += vph
    begins = tuple(sorted({second for second, _ in seen}))
    if not begins:
        raise BadInput("counts", "coverage", "nothing was seen; valid is coverage above 0")
    movements = tuple(sorted({name for flows in seen.values() for name in flows}))
    total = np.zeros((len(begins), len(movements)))
    days = np.zeros(len(begins))
    for (second, _), flows in seen.items():
        index = begins.index(second)
        days[index] += 1
        for name, vph in flows.items():
            total[index, movements.index(name)] += vph
    return DayProfile(begins, interval_s, movements, total / days[:, None])


def day_periods(profile: DayProfile, *, most: int = 8) -> tuple[Period, ...]:
    """Periods in the order of the day, at most ``most``, each at least an hour where it can be.

    Deviations are weighed by the square root of a movement's flow, as the noise of counts is
    (Poisson), so a small movement neither vanishes nor decides alone.
    """
    flows = profile.flows_vph
    scale = np.sqrt(np.maximum(flows.mean(axis=0), 1.0))
    values = flows / scale
    count = len(values)
    shortest = min(count, -(-LEAST_PERIOD_S // profile.interval_s))
    spread = _spread(values)
    whole = float(spread[0, count])
    cuts = [0, count]
    for periods in range(2, min(most, count // shortest) + 1):
        found = _best_cuts(spread, periods, shortest)
        if found is None or _total(spread, cuts) - _total(spread, found) < LEAST_GAIN * whole:
            break
        cuts = found
    groups = _alike(values, cuts, whole)
    return tuple(
        Period(
            profile.begins_s[first],
            profile.begins_s[last - 1] + profile.interval_s,
            groups[index],
        )
        for index, (first, last) in enumerate(itertools.pairwise(cuts))
    )


def rows_of(rows: Sequence[CountRow], periods: Sequence[Period]) -> tuple[CountRow, ...]:
    """Rows whose interval begins in one of the periods."""

    def inside(row: CountRow) -> bool:
        begin = row.start.astimezone(UTC)
        second = begin.hour * 3600 + begin.minute * 60 + begin.second
        return any(period.begin_s <= second < period.end_s for period in periods)

    return tuple(row for row in rows if inside(row))


def _spread(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """``[a, b]``: squared deviation of rows a to b - 1 from their mean."""
    count = len(values)
    sums = np.vstack([np.zeros(values.shape[1]), np.cumsum(values, axis=0)])
    squares = np.concatenate([[0.0], np.cumsum((values**2).sum(axis=1))])
    result = np.zeros((count + 1, count + 1))
    for first in range(count):
        for last in range(first + 1, count + 1):
            mean_part = ((sums[last] - sums[first]) ** 2).sum() / (last - first)
            result[first, last] = max(0.0, squares[last] - squares[first] - mean_part)
    return result


def _total(spread: NDArray[np.float64], cuts: Sequence[int]) -> float:
    return float(sum(spread[a, b] for a, b in itertools.pairwise(cuts)))


def _best_cuts(spread: NDArray[np.float64], periods: int, shortest: int) -> list[int] | None:
    """Ends of the best partition into so many periods, 0 and the last included."""
    count = spread.shape[0] - 1
    cost = np.full((periods + 1, count + 1), np.inf)
    came = np.zeros((periods + 1, count + 1), dtype=int)
    cost[0, 0] = 0.0
    for number in range(1, periods + 1):
        for last in range(number * shortest, count + 1):
            options = cost[number - 1, : last - shortest + 1] + spread[: last - shortest + 1, last]
            best = int(np.argmin(options))
            cost[number, last], came[number, last] = options[best], best
    if not np.isfinite(cost[periods, count]):
        return None
    cuts = [count]
    for number in range(periods, 0, -1):
        cuts.append(int(came[number, cuts[-1]]))
    return cuts[::-1]


def _alike(values: NDArray[np.float64], cuts: Sequence[int], whole: float) -> list[int]:
    """A plan's number for each period: pairs whose union loses least are joined first."""
    members = [[index] for index in range(len(cuts) - 1)]
    parts = [values[a:b] for a, b in itertools.pairwise(cuts)]

    def loss(first: list[int], second: list[int]) -> float:
        one = np.concatenate([parts[i] for i in first])
        two = np.concatenate([parts[i] for i in second])
        apart = ((one.mean(axis=0) - two.mean(axis=0)) ** 2).sum()
        return float(apart * len(one) * len(two) / (len(one) + len(two)))

    while len(members) > 1:
        pairs = [
            (loss(first, second), i, j)
            for i, first in enumerate(members)
            for j, second in enumerate(members)
            if i < j
        ]
        least, i, j = min(pairs)
        if least >= LEAST_GAIN * whole:
            break
        members[i] += members.pop(j)
    members.sort(key=min)
    number = {index: plan for plan, group in enumerate(members) for index in group}
    return [number[index] for index in range(len(cuts) - 1)]
