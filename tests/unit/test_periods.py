"""Periods of the day: cut where traffic changes, plans shared where it is alike."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.counts import CountRow
from models.errors import BadInput
from optimizer.periods import day_periods, day_profile, rows_of

MIDNIGHT = datetime(2026, 11, 23, tzinfo=UTC)
QUARTER = timedelta(minutes=15)


def _day(flows_by_hour: dict[int, dict[str, int]], seed: int = 1) -> list[CountRow]:
    """Counts of a day in quarters of an hour; a pattern holds until the next hour named."""
    random = np.random.default_rng(seed)
    rows, pattern = [], {}
    for quarter in range(96):
        pattern = flows_by_hour.get(quarter / 4, pattern)
        for movement, vph in pattern.items():
            start = MIDNIGHT + quarter * QUARTER
            count = int(random.poisson(vph / 4))
            rows.append(CountRow("A", movement, "car", start, start + QUARTER, count))
    return rows


NIGHT = {"A:n>s": 60, "A:e>w": 40}
MORNING = {"A:n>s": 1400, "A:e>w": 300}
DAY = {"A:n>s": 600, "A:e>w": 500}
EVENING = {"A:n>s": 400, "A:e>w": 1300}


def test_finds_the_peaks_and_shares_the_days_plan():
    """Two peaks with a day between and after them: the cuts are theirs, the day has one plan."""
    rows = _day({0: NIGHT, 6: MORNING, 9: DAY, 16: EVENING, 19: DAY, 22: NIGHT})
    periods = day_periods(day_profile(rows))
    assert [p.begin_s / 3600 for p in periods] == [0, 6, 9, 16, 19, 22]
    assert periods[-1].end_s == 86_400
    plans = [p.plan for p in periods]
    assert plans[0] == plans[5]
    assert plans[2] == plans[4]
    assert len(set(plans)) == 4


def test_an_even_day_has_one_period():
    periods = day_periods(day_profile(_day({0: DAY})))
    assert [(p.begin_s, p.end_s, p.plan) for p in periods] == [(0, 86_400, 0)]


def test_rows_of_a_period():
    rows = _day({0: NIGHT, 6: MORNING, 9: DAY})
    periods = day_periods(day_profile(rows))
    morning = [p for p in periods if p.begin_s == 6 * 3600]
    chosen = rows_of(rows, morning)
    assert {row.start.hour for row in chosen} == {6, 7, 8}


def test_several_days_are_averaged_and_coverage_counts():
    one = CountRow("A", "A:n>s", "car", MIDNIGHT, MIDNIGHT + QUARTER, 10)
    other = CountRow(
        "A",
        "A:n>s",
        "car",
        MIDNIGHT + timedelta(days=1),
        MIDNIGHT + timedelta(days=1) + QUARTER,
        15,
        0.5,
    )
    profile = day_profile([one, other])
    assert profile.flows_vph.tolist() == [[80.0]]


@given(st.lists(st.integers(0, 400), min_size=4, max_size=96))
@settings(max_examples=40, deadline=None)
def test_periods_tile_what_was_counted(counts):
    """Whatever the counts, periods follow one another from the first interval to the last."""
    rows = [
        CountRow("A", "A:n>s", "car", MIDNIGHT + i * QUARTER, MIDNIGHT + (i + 1) * QUARTER, count)
        for i, count in enumerate(counts)
    ]
    periods = day_periods(day_profile(rows))
    assert periods[0].begin_s == 0
    assert periods[-1].end_s == 900 * len(counts)
    assert all(a.end_s == b.begin_s for a, b in itertools.pairwise(periods))
    assert all(p.end_s - p.begin_s >= min(3600, 900 * len(counts)) for p in periods)
    assert periods[0].plan == 0


def test_mixed_intervals_are_refused():
    rows = [
        CountRow("A", "A:n>s", "car", MIDNIGHT, MIDNIGHT + QUARTER, 1),
        CountRow("A", "A:n>s", "car", MIDNIGHT + QUARTER, MIDNIGHT + 3 * QUARTER, 1),
    ]
    with pytest.raises(BadInput, match="one length"):
        day_profile(rows)
    with pytest.raises(BadInput, match="no row"):
        day_profile([])
