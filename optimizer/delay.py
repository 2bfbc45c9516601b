"""Delay of a signalized movement and Webster's optimum, as published."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

# Demand of the days that a plan meets, as multiples of the counts.
DEMAND_SPREAD = (0.9, 1.0, 1.1)


def uniform_delay_s(cycle_s: float, green_ratio: float, degree_of_saturation: float) -> float:
    """HCM uniform control delay d1 = 0.5 C (1 - g/C)^2 / (1 - min(1, X) g/C)."""
    x = min(1.0, degree_of_saturation)
    if green_ratio >= 1.0:
        return 0.0
    return 0.5 * cycle_s * (1.0 - green_ratio) ** 2 / (1.0 - x * green_ratio)


def incremental_delay_s(
    degree_of_saturation: float,
    capacity_pcuph: float,
    period_h: float,
    *,
    k: float = 0.5,
    upstream: float = 1.0,
) -> float:
    """HCM incremental delay d2: random arrivals and overflow within the period.

    d2 = 900 T [(X - 1) + sqrt((X - 1)^2 + 8 k I X / (c T))]; k = 0.5 for fixed time,
    ``upstream`` is the filtering factor I.
    """
    if capacity_pcuph <= 0:
        return 0.0 if degree_of_saturation <= 0 else 900.0 * period_h * 20.0
    x, t = degree_of_saturation, period_h
    root = (x - 1.0) ** 2 + 8.0 * k * upstream * x / (capacity_pcuph * t)
    return 900.0 * t * ((x - 1.0) + math.sqrt(root))


def uncertain_delay_s(
    degree_of_saturation: float, capacity_pcuph: float, period_h: float, *, upstream: float = 1.0
) -> float:
    """d2 in the mean over vehicles when the demand may be more or less than counted.

    d2 grows ever faster towards capacity: what a full approach waits in the mean of days is not
    what it waits on the mean day.
    """
    total = sum(
        factor
        * incremental_delay_s(
            factor * degree_of_saturation, capacity_pcuph, period_h, upstream=upstream
        )
        for factor in DEMAND_SPREAD
    )
    return total / sum(DEMAND_SPREAD)


def control_delays_s(
    cycle_s: float,
    green_ratio: NDArray[np.float64],
    demand_pcuph: float,
    saturation_pcuph: float,
    period_h: float,
) -> NDArray[np.float64]:
    """d1 + d2 in the mean of uncertain demand for many green ratios above 0 at once, (ratios,)."""
    capacity = saturation_pcuph * green_ratio
    x, t = demand_pcuph / capacity, period_h
    delay = 0.5 * cycle_s * (1.0 - green_ratio) ** 2
    delay /= np.maximum(1e-12, 1.0 - np.minimum(1.0, x) * green_ratio)
    for factor in DEMAND_SPREAD:
        over = factor * x - 1.0
        root = np.sqrt(over**2 + 4.0 * factor * x / (capacity * t))
        delay += factor / sum(DEMAND_SPREAD) * 900.0 * t * (over + root)
    return delay


def upstream_filtering(upstream_degree_of_saturation: float) -> float:
    """HCM filtering factor I = 1 - 0.91 X_u^2.68, not below 0.09: a signal evens out arrivals."""
    return max(0.09, 1.0 - 0.91 * math.pow(min(1.0, upstream_degree_of_saturation), 2.68))


def webster_cycle_s(lost_time_s: float, flow_ratios_sum: float) -> float:
    """Webster's optimum cycle C = (1.5 L + 5) / (1 - Y); infinite at or above saturation."""
    if flow_ratios_sum >= 1.0:
        return math.inf
    return (1.5 * lost_time_s + 5.0) / (1.0 - flow_ratios_sum)


def permissive_flow_pcuph(
    opposing_pcuph: float, critical_gap_s: float = 4.5, follow_up_s: float = 2.5
) -> float:
    """Turns per hour that find a gap in opposing traffic that flows freely (HCM, left turn).

    s = v exp(-v tc / 3600) / (1 - exp(-v tf / 3600)).
    """
    if opposing_pcuph <= 0:
        return 3600.0 / follow_up_s
    v = opposing_pcuph
    return v * math.exp(-v * critical_gap_s / 3600.0) / (1.0 - math.exp(-v * follow_up_s / 3600.0))
