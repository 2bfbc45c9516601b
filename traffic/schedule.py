"""Plans by time of day: one per kind of period, and the schedule that says which runs when."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ruamel.yaml import YAML

from models.counts import CountRow
from optimizer.periods import DAY_S, Period, day_periods, day_profile, rows_of

Solve = Callable[[Sequence[CountRow], Path], None]
"""Retime for some counts and write the plan to a path."""


def write_schedule(
    site: str, rows: Sequence[CountRow], folder: Path, *, most: int, solve: Solve
) -> Iterator[str]:
    """Plans ``plan-1.yaml`` ... and ``schedule.yaml`` of a day's counts; yields a line each.

    The schedule is written last: a folder with one is complete.

    Raises:
        BadInput: If the counts' intervals differ or nothing was seen.
    """
    periods = day_periods(day_profile(rows), most=most)
    folder.mkdir(parents=True, exist_ok=True)
    schedule = folder / "schedule.yaml"
    schedule.unlink(missing_ok=True)
    for number in sorted({period.plan for period in periods}):
        mine = [period for period in periods if period.plan == number]
        yield f"plan {number + 1}: {', '.join(_span(period) for period in mine)} UTC"
        solve(rows_of(rows, mine), folder / f"plan-{number + 1}.yaml")
    document = {
        "schema": 1,
        "site": site,
        "periods": [
            {
                "begin": _clock(period.begin_s),
                "end": _clock(period.end_s),
                "plan": f"plan-{period.plan + 1}.yaml",
            }
            for period in periods
        ],
    }
    temporary = schedule.with_name(schedule.name + ".tmp")
    with temporary.open("w", encoding="utf-8") as file:
        file.write("# Times of day in UTC; end is not part of a period.\n")
        YAML(typ="safe", pure=True).dump(document, file)
    os.replace(temporary, schedule)
    yield f"wrote {schedule}: {len(periods)} periods"


def _span(period: Period) -> str:
    return f"{_clock(period.begin_s)}-{_clock(period.end_s)}"


def _clock(second: int) -> str:
    return "24:00" if second == DAY_S else f"{second // 3600:02d}:{second % 3600 // 60:02d}"
