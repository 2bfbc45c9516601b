"""The sequential rule keeps its error rates however often it looks; simulated."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from simulation.sequential import (
    ALPHA,
    FIRST_LOOK,
    looks,
    nominal_level,
    p_above_zero,
    repeated_interval,
)


def decided(changes: np.ndarray, limit: int) -> tuple[np.ndarray, np.ndarray]:
    """Of many validations (rows): +1 found better, -1 found not better, 0 undecided; pairs."""
    verdict, pairs = np.zeros(len(changes), int), np.full(len(changes), limit)
    for count in looks(limit):
        seen = changes[:, :count]
        mean = seen.mean(axis=1)
        error = seen.std(axis=1, ddof=1) / np.sqrt(count)
        reach = stats.t.isf(nominal_level(ALPHA / 2, count, limit), count - 1) * error
        now = np.where(mean + reach < 0, 1, np.where(mean - reach >= 0, -1, 0))
        new = (verdict == 0) & (now != 0)
        pairs[new] = count
        verdict[new] = now[new]
    return verdict, pairs


@pytest.mark.parametrize("limit", [5, 8, 15, 30])
@pytest.mark.parametrize("heavy", [False, True])
def test_identical_plans_are_found_better_in_one_of_forty_at_most(limit: int, heavy: bool) -> None:
    draw = np.random.default_rng(limit)
    shape = (20_000, limit)
    changes = draw.standard_t(5, shape) if heavy else draw.standard_normal(shape)
    verdict, _ = decided(changes, limit)
    # 20,000 validations: the standard error of a rate of 2.5 % is 0.11 points.
    assert (verdict == 1).mean() < 0.025 + 3 * 0.0011
    assert (verdict == -1).mean() < 0.025 + 3 * 0.0011
    if not heavy:
        assert (verdict == 1).mean() > 0.015  # and the error allowed is used


def test_the_interval_covers_the_truth_wherever_it_stops() -> None:
    draw = np.random.default_rng(3)
    true_change, limit = -0.8, 20
    changes = draw.normal(true_change, 1.0, (4000, limit))
    _, pairs = decided(changes, limit)
    covered = []
    for row, count in zip(changes, pairs, strict=True):
        interval = repeated_interval(row[:count].tolist(), limit)
        covered.append(interval.low <= true_change <= interval.high)
    assert np.mean(covered) > 0.95 - 3 * 0.0035


def test_a_change_of_its_own_spread_is_found() -> None:
    draw = np.random.default_rng(4)
    verdict, pairs = decided(draw.normal(-1.0, 1.0, (4000, 30)), 30)
    assert (verdict == 1).mean() > 0.99
    assert pairs.mean() < 15


def test_with_one_look_it_is_students_interval() -> None:
    values = [-3.0, -1.0, -2.0, -4.0, -2.5]
    interval = repeated_interval(values, 5)
    reach = stats.t.isf(0.025, 4) * stats.sem(values)
    assert (interval.low, interval.high) == pytest.approx((-2.5 - reach, -2.5 + reach))
    assert looks(5) == (5,)
    assert looks(3) == (3,)


@settings(max_examples=10, deadline=None)
@given(st.integers(2, 60), st.sampled_from([0.05, 0.025, 0.005]))
def test_levels_are_levels(limit: int, alpha: float) -> None:
    levels = [nominal_level(alpha, count, limit) for count in looks(limit)]
    assert all(0 < level <= alpha for level in levels)
    # What is spent over all looks is at least what the last look alone would spend.
    assert sum(levels) >= 0.9 * alpha - 1e-9
    assert all(one <= other for one, other in itertools.pairwise(levels[1:]))
    with pytest.raises(ValueError, match="no look"):
        nominal_level(alpha, limit + 1, limit)


@given(st.lists(st.floats(-50, 50), min_size=2, max_size=12), st.floats(0.5, 20))
def test_intervals_scale_and_contain_their_mean(values: list[float], factor: float) -> None:
    one = repeated_interval(values, 12)
    other = repeated_interval([factor * value for value in values], 12)
    assert one.low <= one.mean <= one.high
    assert other.high == pytest.approx(factor * one.high, abs=1e-6)
    if len(values) >= FIRST_LOOK:
        alone = repeated_interval(values, len(values)) if len(values) == FIRST_LOOK else one
        assert one.high - one.low >= (alone.high - alone.low) * 0.999


def test_p_values_are_students() -> None:
    values = [1.0, 3.0, 2.0, -0.5]
    assert p_above_zero(values) == pytest.approx(
        stats.ttest_1samp(values, 0, alternative="greater").pvalue
    )
    assert p_above_zero([1.0]) == 1.0
    assert p_above_zero([2.0, 2.0]) == 0.0
    assert p_above_zero([0.0, 0.0]) == 1.0
