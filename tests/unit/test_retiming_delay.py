"""Delay formulas against published and hand-computed values."""

from __future__ import annotations

import math

import pytest

from optimizer.delay import (
    incremental_delay_s,
    permissive_flow_pcuph,
    uniform_delay_s,
    upstream_filtering,
    webster_cycle_s,
)


def test_uniform_delay_by_hand():
    """C = 90, g/C = 0.5, X = 0.8: 45 x 0.25 / 0.6 = 18.75 s."""
    assert uniform_delay_s(90.0, 0.5, 0.8) == pytest.approx(18.75)


def test_uniform_delay_does_not_grow_past_saturation():
    assert uniform_delay_s(90.0, 0.5, 1.4) == uniform_delay_s(90.0, 0.5, 1.0)


def test_incremental_delay_by_hand():
    """X = 1, c = 900, T = 0.25: 225 sqrt(4 / 225) = 30 s."""
    assert incremental_delay_s(1.0, 900.0, 0.25) == pytest.approx(30.0)


def test_incremental_delay_of_overload_is_the_growing_queue():
    """Far above saturation the mean wait is T (X - 1) / 2, in seconds."""
    assert incremental_delay_s(1.5, 1e9, 1.0) == pytest.approx(1800.0 * 0.5, rel=1e-3)


def test_webster_cycle_by_hand():
    """L = 10, Y = 0.6: (15 + 5) / 0.4 = 50 s."""
    assert webster_cycle_s(10.0, 0.6) == pytest.approx(50.0)
    assert math.isinf(webster_cycle_s(10.0, 1.0))


def test_permissive_flow_falls_with_opposing_traffic():
    flows = [permissive_flow_pcuph(v) for v in (0.0, 200.0, 600.0, 1200.0)]
    assert flows[0] == pytest.approx(1440.0)
    assert flows == sorted(flows, reverse=True)


def test_a_loaded_signal_upstream_evens_arrivals():
    assert upstream_filtering(0.0) == 1.0
    assert upstream_filtering(1.2) == pytest.approx(0.09)
