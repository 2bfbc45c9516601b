"""Rows that are kept by site, camera, movement, class and interval: counts and measures."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, Table, select

from detection.measures import MeasureRow
from models.counts import CountRow


def keep(
    connection: Connection,
    table: Table,
    row: CountRow | MeasureRow,
    *,
    site: str,
    camera: str,
    values: Mapping[str, Any],
) -> None:
    """Keep a row's ``values`` under its interval; one that was sent before is replaced."""
    key = {
        "site": site,
        "camera": camera,
        "movement": row.movement,
        "vehicle_class": row.vehicle_class,
        "start": row.start,
    }
    every = {"end": row.end, "junction": row.junction, **values}
    where = [table.c[name] == value for name, value in key.items()]
    changed = connection.execute(table.update().where(*where).values(**every))
    if changed.rowcount == 0:
        connection.execute(table.insert().values(**key, **every))


def kept(
    connection: Connection,
    table: Table,
    site: str,
    *,
    begin: datetime | None = None,
    end: datetime | None = None,
    junction: str | None = None,
    camera: str | None = None,
) -> tuple[RowMapping, ...]:
    """Rows whose interval starts within ``[begin, end)``, by start, movement, class and camera."""
    query = select(table).where(table.c.site == site)
    if begin is not None:
        query = query.where(table.c.start >= begin)
    if end is not None:
        query = query.where(table.c.start < end)
    if junction is not None:
        query = query.where(table.c.junction == junction)
    if camera is not None:
        query = query.where(table.c.camera == camera)
    query = query.order_by(table.c.start, table.c.movement, table.c.vehicle_class, table.c.camera)
    return tuple(connection.execute(query).mappings())
