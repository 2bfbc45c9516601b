"""Counts: rows, their file, and flows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from models.counts import CountRow, counts_from_csv, counts_to_csv, geh, movement_flows_vph
from models.errors import BadInput

START = datetime(2026, 11, 23, 0, tzinfo=UTC)


def row(count: int = 100, coverage: float = 1.0, at: int = 0, name: str = "car") -> CountRow:
    start = START + timedelta(minutes=15 * at)
    return CountRow("C1", "C1:a>b", name, start, start + timedelta(minutes=15), count, coverage)


def test_counts_survive_their_file() -> None:
    rows = (row(3), row(4, 0.5, at=1))
    assert counts_from_csv(counts_to_csv(rows), "counts.csv") == rows


def test_flow_scales_by_coverage_and_leaves_unseen_time_out() -> None:
    assert movement_flows_vph([row(100), row(50, 0.5, at=1)]) == {"C1:a>b": {"car": 400.0}}
    assert movement_flows_vph([row(100), row(0, 0.0, at=1)]) == {"C1:a>b": {"car": 400.0}}


@pytest.mark.parametrize(
    ("field", "value", "line"),
    [
        ("count", "-3", "counts.csv:2: count: -3; valid is a whole number, 0 or more"),
        ("count", "many", "counts.csv:2: count: 'many'; valid is a whole number, 0 or more"),
        ("count", "", "counts.csv:2: count: value is absent"),
        ("coverage", "1.2", "counts.csv:2: coverage: '1.2'; valid is a number from 0 to 1"),
        ("coverage", "nan", "counts.csv:2: coverage: 'nan'; valid is a number from 0 to 1"),
        (
            "start",
            "2026-11-23T00:00:00",
            "counts.csv:2: start: '2026-11-23T00:00:00'; valid is ISO 8601 like "
            "2026-11-22T07:00:00Z",
        ),
        ("end", "2026-11-22T00:00:00Z", "counts.csv:2: end: must be after start"),
    ],
)
def test_a_wrong_value_is_named_with_its_line(field: str, value: str, line: str) -> None:
    header, record = counts_to_csv([row()]).splitlines()
    values = dict(zip(header.split(","), record.split(","), strict=True)) | {field: value}
    with pytest.raises(BadInput) as caught:
        counts_from_csv(header + "\n" + ",".join(values.values()) + "\n", "counts.csv")
    assert str(caught.value) == line


def test_a_missing_column_and_an_empty_file_are_named() -> None:
    with pytest.raises(BadInput, match=r"counts\.csv:1: junction: column is missing"):
        counts_from_csv("", "counts.csv")
    header = counts_to_csv([])
    with pytest.raises(BadInput, match=r"the file has no rows"):
        counts_from_csv(header, "counts.csv")


def test_geh_of_equal_flows_is_zero() -> None:
    assert geh(0, 0) == 0
    assert geh(500, 500) == 0
    assert geh(600, 500) == pytest.approx(4.264, abs=1e-3)
