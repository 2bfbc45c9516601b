"""What the demand of a validation may be instead of what was counted.

Counts are a sample: another hour like the counted one has other numbers. And nobody knows how
demand grows. So each pair of runs has a demand of its own, the same for both plans: flows drawn
from what the counts leave open, times a growth that steps through a fixed range.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from models.counts import CountRow

GROWTH_STEPS = (0.0, 1.0, -1.0, 0.5, -0.5)
"""Growth of one pair after the other, as shares of the range: five pairs in a row cover it."""


def growth_pct(pair: int, range_pct: float) -> float:
    """Growth of the demand of a pair (from 1), percent, within ``+/- range_pct``."""
    return range_pct * GROWTH_STEPS[(pair - 1) % len(GROWTH_STEPS)]


def vary_counts(
    rows: Sequence[CountRow], *, seed: int, growth: float = 0.0
) -> tuple[CountRow, ...]:
    """Counts as they might have been, grown by ``growth`` percent.

    A movement with N vehicles of a class in all rows has a true flow that is only known to about
    1 / sqrt(N). Its flow is drawn from a gamma distribution of shape N and mean N (the posterior
    of a Poisson rate under Jeffreys' scale prior); all its rows keep their profile over time.
    Rows are rounded up or down by chance, so that sums keep their mean.
    """
    draw = random.Random(seed)
    vehicles: dict[tuple[str, str], int] = defaultdict(int)
    for row in rows:
        vehicles[row.movement, row.vehicle_class] += row.count
    factor = {
        key: draw.gammavariate(count, 1.0 / count) * (1.0 + growth / 100.0) if count else 0.0
        for key, count in sorted(vehicles.items())
    }
    return tuple(
        replace(
            row,
            count=int(row.count * factor[row.movement, row.vehicle_class] + draw.random()),
        )
        for row in rows
    )
