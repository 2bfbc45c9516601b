"""Plans by time of day are written whole: plans first, the schedule last."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from ruamel.yaml import YAML

from models.counts import CountRow
from models.errors import BadInput, XanhError
from traffic.schedule import read_schedule, write_schedule

HOUR = timedelta(hours=1)
START = datetime(2026, 11, 23, tzinfo=UTC)
FLOWS = [50] * 6 + [900] * 3 + [400] * 15
ROWS = [
    CountRow("A", "A:n>s", "car", START + i * HOUR, START + (i + 1) * HOUR, count)
    for i, count in enumerate(FLOWS)
]


def test_each_period_gets_the_plan_of_its_own_counts(tmp_path):
    seen = {}

    def solve(rows, path):
        seen[path.name] = sorted({row.start.hour for row in rows})
        path.write_text("plan")

    lines = list(write_schedule("site", ROWS, tmp_path, most=8, solve=solve))
    schedule = YAML(typ="safe").load((tmp_path / "schedule.yaml").read_text())
    spans = [(p["begin"], p["end"], p["plan"]) for p in schedule["periods"]]
    assert spans == [
        ("00:00", "06:00", "plan-1.yaml"),
        ("06:00", "09:00", "plan-2.yaml"),
        ("09:00", "24:00", "plan-3.yaml"),
    ]
    assert seen["plan-2.yaml"] == [6, 7, 8]
    assert "06:00-09:00" in lines[1]


def test_without_every_plan_there_is_no_schedule(tmp_path):
    """A failure half way leaves no schedule that names a plan which is not there."""
    (tmp_path / "schedule.yaml").write_text("old")

    def solve(_rows, path):
        if path.name == "plan-2.yaml":
            raise XanhError("no plan is possible")
        path.write_text("plan")

    with pytest.raises(XanhError):
        list(write_schedule("site", ROWS, tmp_path, most=8, solve=solve))
    assert not (tmp_path / "schedule.yaml").exists()


def test_a_schedule_reads_back_with_the_counts_of_each_plan(tmp_path):
    list(write_schedule("site", ROWS, tmp_path, most=8, solve=lambda _, path: path.write_text("x")))
    plans = read_schedule(tmp_path, "site")
    assert [item.name for item in plans] == ["plan-1", "plan-2", "plan-3"]
    assert [len(item.rows(ROWS)) for item in plans] == [6, 3, 15]
    assert plans[2].periods[-1].end_s == 24 * 3600


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("schema: 1\nsite: other\nperiods: []", r"schedule.yaml:2: site: 'other'; valid is 'site'"),
        (
            "schema: 1\nsite: site\nperiods:\n- {begin: '7', end: '08:00', plan: p.yaml}",
            r":4: periods\[0\].begin: '7'; valid is a time like 07:15",
        ),
        (
            "schema: 1\nsite: site\nperiods:\n- {begin: '07:00', end: '08:00', plan: q.yaml}",
            r"'q.yaml': no such file",
        ),
    ],
)
def test_a_wrong_schedule_is_one_line(tmp_path, text, line):
    (tmp_path / "p.yaml").write_text("x")
    (tmp_path / "schedule.yaml").write_text(text)
    with pytest.raises(BadInput, match=line):
        read_schedule(tmp_path, "site")
