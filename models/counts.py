"""Counts per junction, movement, vehicle class and interval, and their file form."""

from __future__ import annotations

import csv
import io
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from models.csv_table import table
from models.errors import BadInput
from models.units import parse_utc, utc_text

COLUMNS = ("junction", "movement", "vehicle_class", "start", "end", "count", "coverage")


@dataclass(frozen=True, slots=True)
class CountRow:
    """Vehicles of one class on one movement within ``[start, end)``, times in UTC.

    ``coverage`` is the fraction of the interval that was actually seen, 0 to 1.
    """

    junction: str
    movement: str
    vehicle_class: str
    start: datetime
    end: datetime
    count: int
    coverage: float = 1.0

    def __post_init__(self) -> None:
        if self.start.tzinfo is None or self.end.tzinfo is None:
            raise ValueError("start and end must carry a time zone")
        if self.end <= self.start:
            raise ValueError("end must be after start")
        if self.count < 0:
            raise ValueError("count must be 0 or more")
        if not 0.0 <= self.coverage <= 1.0:
            raise ValueError("coverage must be from 0 to 1")

    @property
    def duration_s(self) -> float:
        """Length of the interval in seconds."""
        return (self.end - self.start).total_seconds()


def counts_to_csv(rows: Iterable[CountRow]) -> str:
    """Rows as the text of ``counts.csv``, sorted, with a header line."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in sorted(rows, key=lambda r: (r.start, r.junction, r.movement, r.vehicle_class)):
        writer.writerow(
            (
                row.junction,
                row.movement,
                row.vehicle_class,
                utc_text(row.start),
                utc_text(row.end),
                row.count,
                f"{row.coverage:.4g}",
            )
        )
    return out.getvalue()


def counts_from_csv(text: str, source: str) -> tuple[CountRow, ...]:
    """Read the text of a ``counts.csv``.

    Raises:
        BadInput: Naming ``source:line``, the column and what would be valid.
    """
    rows = [_row(record, where) for where, record in table(text, source, COLUMNS)]
    if not rows:
        raise BadInput(source, "count", "the file has no rows; valid is at least one")
    return tuple(rows)


def _row(record: Mapping[str, str | None], where: str) -> CountRow:
    values = {}
    for name in COLUMNS:
        value = record.get(name)
        if value is None or not value.strip():
            raise BadInput(where, name, "value is absent")
        values[name] = value.strip()
    try:
        count = int(values["count"])
    except ValueError:
        raise BadInput(
            where, "count", f"{values['count']!r}; valid is a whole number, 0 or more"
        ) from None
    if count < 0:
        raise BadInput(where, "count", f"{count}; valid is a whole number, 0 or more")
    try:
        coverage = float(values["coverage"])
    except ValueError:
        coverage = math.nan
    if not 0.0 <= coverage <= 1.0:
        raise BadInput(where, "coverage", f"{values['coverage']!r}; valid is a number from 0 to 1")
    moments = {}
    for name in ("start", "end"):
        try:
            moments[name] = parse_utc(values[name])
        except ValueError:
            raise BadInput(
                where, name, f"{values[name]!r}; valid is ISO 8601 like 2026-11-22T07:00:00Z"
            ) from None
    if moments["end"] <= moments["start"]:
        raise BadInput(where, "end", "must be after start")
    return CountRow(
        junction=values["junction"],
        movement=values["movement"],
        vehicle_class=values["vehicle_class"],
        start=moments["start"],
        end=moments["end"],
        count=count,
        coverage=coverage,
    )


def movement_flows_vph(rows: Sequence[CountRow]) -> dict[str, dict[str, float]]:
    """Mean flow per movement and class in vehicles per hour over the rows' whole span.

    A partly seen interval is scaled up by its coverage; an unseen one (coverage 0) is left out
    of both vehicles and time. Returns ``{movement: {vehicle_class: vph}}``.
    """
    seen_s: dict[str, dict[tuple[datetime, datetime], float]] = defaultdict(dict)
    vehicles: dict[tuple[str, str], float] = defaultdict(float)
    for row in rows:
        if row.coverage == 0.0:
            continue
        seen_s[row.movement][row.start, row.end] = row.duration_s
        vehicles[row.movement, row.vehicle_class] += row.count / row.coverage
    flows: dict[str, dict[str, float]] = defaultdict(dict)
    for (movement, vehicle_class), total in vehicles.items():
        flows[movement][vehicle_class] = total * 3600.0 / sum(seen_s[movement].values())
    return dict(flows)


def geh(modelled_vph: float, counted_vph: float) -> float:
    """GEH statistic of two hourly flows (UK DMRB): sqrt(2 (M - C)^2 / (M + C))."""
    total = modelled_vph + counted_vph
    return math.sqrt(2.0 * (modelled_vph - counted_vph) ** 2 / total) if total > 0 else 0.0
