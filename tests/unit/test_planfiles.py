"""Plan files: the round trip, and errors that name file, line and field."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from models.errors import BadInput
from models.plan import JunctionPlan, Plan, SignalRow, Stage
from traffic.planfiles import plan_from_text, plan_to_text, read_plan, write_plan

PLAN = Plan(
    site="s",
    junctions=(
        JunctionPlan(
            "-360#0",
            600,
            155,
            (
                Stage("A", ("-360#0:a>b", ":-360#0_c0"), 250, 34, 16, ("-360#0:a>b",)),
                Stage("B", ("-360#0:c>d",), 250, 30, 20),
            ),
        ),
        JunctionPlan("y", 100, 0, (), (SignalRow(60, "GGr"), SignalRow(40, "yyr"))),
    ),
    created=datetime(2026, 11, 22, 7, tzinfo=UTC),
    by="Nguyễn An",
)

TEXT = """\
schema: 1
site: s
created: 2026-11-22T07:00:00Z
by: An
---
junction: 12
cycle_s: 60
offset_s: 0
stages:
  - id: A
    green: [a]
    green_s: 25
    yellow_s: 3
    red_s: 2
  - id: B
    green: [b]
    green_s: 25
    yellow_s: 3
    red_s: 2
"""


def test_a_plan_comes_back_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "plans" / "p.yaml"
    write_plan(PLAN, path)
    assert read_plan(path) == PLAN
    assert [p.name for p in path.parent.iterdir()] == ["p.yaml"]


def test_short_lists_stay_on_one_line() -> None:
    assert "  green: [" in plan_to_text(PLAN)
    assert "- {duration_s: 6, state: GGr}" in plan_to_text(PLAN)


def test_numbers_as_ids_and_unquoted_times_are_read() -> None:
    plan = plan_from_text(TEXT, "p.yaml")
    assert plan.junctions[0].junction == "12"
    assert plan.created == datetime(2026, 11, 22, 7, tzinfo=UTC)


@pytest.mark.parametrize(
    ("old", "new", "line", "field"),
    [
        ("green_s: 25", "green_s: x", 12, "green_s"),
        ("green: [b]", "green: b", 16, "green"),
        ("cycle_s: 60", "cycle_s: 61", 7, "cycle_s"),
        ("offset_s: 0", "offset_s: 60", 8, "offset_s"),
        ("offset_s: 0", "ofset_s: 0", 8, "ofset_s"),
        ("  - id: A\n", "  - id: A\n    colour: red\n", 11, "colour"),
        ("schema: 1", "schema: 2", 1, "schema"),
        ("created: 2026-11-22T07:00:00Z", "created: noon", 3, "created"),
        ("by: An\n", "by:\n", 4, "by"),
        ("schema: 1\nsite: s\ncreated: 2026-11-22T07:00:00Z\nby: An\n---\n", "", 1, "schema"),
        ("cycle_s: 60", "cycle_s: [60", 8, ""),
        ("cycle_s: 60", "cycle_s: 60\ncycle_s: 61", 8, ""),
    ],
)  # fmt: skip
def test_an_error_names_line_and_field(old: str, new: str, line: int, field: str) -> None:
    assert old in TEXT
    with pytest.raises(BadInput) as caught:
        plan_from_text(TEXT.replace(old, new, 1), "p.yaml")
    assert caught.value.source == f"p.yaml:{line}"
    assert caught.value.field == field


def test_a_junction_twice_is_refused_with_both_lines() -> None:
    body = TEXT.split("---\n")[1]
    with pytest.raises(BadInput, match=r"p\.yaml:21: junction: 12 appears twice, .* line 6"):
        plan_from_text(TEXT + "---\n" + body, "p.yaml")


def test_an_absent_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be read"):
        read_plan(tmp_path / "none.yaml")
