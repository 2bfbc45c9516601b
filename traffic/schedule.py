"""Plans by time of day: one per kind of period, and the schedule that says which runs when."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ruamel.yaml import YAML

from models.counts import CountRow
from optimizer.periods import DAY_S, Period, day_periods, day_profile, rows_of
from traffic.yamlfile import Field, read_yaml

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


@dataclass(frozen=True, slots=True)
class Scheduled:
    """A plan of a schedule and when it runs."""

    path: Path
    periods: tuple[Period, ...]

    @property
    def name(self) -> str:
        """Its file's name without ending."""
        return self.path.stem

    def rows(self, rows: Sequence[CountRow]) -> tuple[CountRow, ...]:
        """The counts of the hours in which it runs."""
        return rows_of(rows, self.periods)


def read_schedule(folder: Path, site: str) -> tuple[Scheduled, ...]:
    """The plans of a folder that ``write_schedule`` wrote, in the order of their first period.

    Raises:
        BadInput: Naming ``file:line``, the field and what would be valid.
    """
    top = read_yaml(folder / "schedule.yaml").section(("schema", "site", "periods"))
    if top["schema"].value != 1:
        raise top["schema"].wrong("1")
    if top["site"].text() != site:
        raise top["site"].wrong(repr(site))
    periods: dict[Path, list[Period]] = {}
    for item in top["periods"].items(least=1):
        entry = item.section(("begin", "end", "plan"))
        path = entry["plan"].file_in(folder)
        begin_s, end_s = _second(entry["begin"]), _second(entry["end"])
        if end_s <= begin_s:
            raise entry["end"].wrong("a time after its begin")
        number = list(periods).index(path) if path in periods else len(periods)
        periods.setdefault(path, []).append(Period(begin_s, end_s, number))
    return tuple(Scheduled(path, tuple(mine)) for path, mine in periods.items())


def _second(field: Field) -> int:
    """Seconds after midnight of a time like 07:15."""
    hours, _, minutes = field.text().partition(":")
    if not (hours.isdigit() and minutes.isdigit() and len(minutes) == 2 and int(minutes) < 60):
        raise field.wrong("a time like 07:15")
    second = int(hours) * 3600 + int(minutes) * 60
    if second > DAY_S:
        raise field.wrong("a time from 00:00 to 24:00")
    return second


def _span(period: Period) -> str:
    return f"{_clock(period.begin_s)}-{_clock(period.end_s)}"


def _clock(second: int) -> str:
    return "24:00" if second == DAY_S else f"{second // 3600:02d}:{second % 3600 // 60:02d}"
