"""What cameras measured beside the counts, kept by interval and read again."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Final

from sqlalchemy import func, select

from detection.measures import COLUMNS, MeasureRow, cells
from traffic import schema
from traffic.interval_rows import keep, kept
from traffic.store import Store

_KEY: Final = ("junction", "movement", "vehicle_class", "start", "end")


@dataclass(frozen=True, slots=True)
class StoredMeasure:
    """A row, and what it is stamped with: camera and version of its calibration."""

    row: MeasureRow
    camera: str
    calibration: str


def add_measures(
    store: Store, site: str, rows: Iterable[MeasureRow], *, camera: str, calibration: str
) -> None:
    """Keep measures; rows of an interval that was sent before are replaced."""
    table = schema.measures
    with store.write() as connection:
        for row in rows:
            values = {"calibration": calibration, "values": _values(row)}
            keep(connection, table, row, site=site, camera=camera, values=values)


def stored_measures(
    store: Store,
    site: str,
    *,
    begin: datetime | None = None,
    end: datetime | None = None,
    junction: str | None = None,
    camera: str | None = None,
) -> tuple[StoredMeasure, ...]:
    """Measures whose interval starts within ``[begin, end)``, by start and movement."""
    with store.read() as connection:
        found = kept(
            connection,
            schema.measures,
            site,
            begin=begin,
            end=end,
            junction=junction,
            camera=camera,
        )
    return tuple(_stored(row) for row in found)


def latest_measures(store: Store, site: str, camera: str) -> tuple[StoredMeasure, ...]:
    """A camera's newest interval; empty before the first."""
    table = schema.measures
    query = select(func.max(table.c.start)).where(table.c.site == site, table.c.camera == camera)
    with store.read() as connection:
        newest = connection.execute(query).scalar_one_or_none()
    if newest is None:
        return ()
    return stored_measures(store, site, begin=newest, camera=camera)


def stored_measures_to_csv(found: Iterable[StoredMeasure]) -> str:
    """``measures.csv`` of several cameras: camera and calibration stand before its columns."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("camera", "calibration", *COLUMNS))
    writer.writerows((item.camera, item.calibration, *cells(item.row)) for item in found)
    return out.getvalue()


def _values(row: MeasureRow) -> dict[str, float | None]:
    """What is measured; JSON has no infinity, which is the bound of what was never watched."""
    named = {item.name: getattr(row, item.name) for item in fields(row)}
    return {
        name: value
        for name, value in named.items()
        if name not in _KEY and value is not None and math.isfinite(value)
    }


def _stored(row: Mapping[Any, Any]) -> StoredMeasure:
    values = {"count_high": math.inf, "flow_vph": None, "flow_pcu_ph": None, **row["values"]}
    key = {name: row[name] for name in _KEY}
    return StoredMeasure(MeasureRow(**key, **values), row["camera"], row["calibration"])
