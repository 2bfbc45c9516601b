"""The store: one SQLAlchemy database and a folder of evidence, with one writer at a time.

SQLite runs in WAL mode with every commit flushed to disk; readers never wait for the writer.
The same code takes a PostgreSQL URL. Services (plans, cases, users) keep their own statements
and use ``write`` and ``read``; what has no service of its own (counts, alarms, the hash chain
of case events) is here.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, OperationalError

from models.counts import CountRow
from models.errors import BadInput, XanhError
from models.units import utc_text
from traffic import schema
from traffic.evidence import EvidenceFiles
from traffic.interval_rows import keep, kept

GENESIS = "0" * 64
_BUSY_MS = 10_000
_WRITE = "xanh_write"
# PostgreSQL: one writer across processes (any constant, held for the transaction).
_ADVISORY_LOCK = 0x58414E48


class Severity(StrEnum):
    """How loud an alarm is."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something that needs a person. ``subject`` is the junction, camera or plan it is about."""

    id: int
    site: str
    at: datetime
    severity: Severity
    kind: str
    subject: str
    message: str
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    cleared_at: datetime | None


@dataclass(frozen=True, slots=True)
class StoredCount:
    """A count and what it is stamped with: camera, kind of source, version of its calibration."""

    row: CountRow
    camera: str
    source_kind: str
    calibration: str


@dataclass(frozen=True, slots=True)
class ChainCheck:
    """Result of verifying the case history: rows read, and the first thing that is wrong."""

    rows: int
    problem: str | None

    @property
    def ok(self) -> bool:
        """Whether the whole history is as it was written."""
        return self.problem is None


class Store:
    """Open database and evidence folder. Safe to share between threads of a process."""

    def __init__(self, url: str, evidence: Path) -> None:
        """Open, creating what does not exist yet.

        Args:
            url: SQLAlchemy URL, such as ``sqlite:////var/lib/xanh/xanh.db``.
            evidence: Folder of the evidence files.

        Raises:
            BadInput: If the URL is malformed or its driver is absent.
            XanhError: If the database cannot be opened or has another schema.
        """
        self._lock = threading.Lock()
        self._engine = _engine(url)
        self._name = make_url(url).render_as_string(hide_password=True)
        try:
            with self.write() as connection:
                self._prepare(connection)
        except DBAPIError as error:
            self._engine.dispose()
            raise XanhError(f"{self._name}: cannot be opened: {error.orig}") from None
        except XanhError:
            self._engine.dispose()
            raise
        self.evidence = EvidenceFiles(evidence)

    @classmethod
    def at(cls, folder: Path) -> Store:
        """SQLite and evidence in one folder, which is created if need be."""
        folder.mkdir(parents=True, exist_ok=True)
        return cls(f"sqlite:///{folder / 'xanh.db'}", folder / "evidence")

    def _prepare(self, connection: Connection) -> None:
        schema.meta.create(connection, checkfirst=True)
        found = connection.execute(
            select(schema.meta.c.value).where(schema.meta.c.key == "schema")
        ).scalar_one_or_none()
        if found is None:
            schema.metadata.create_all(connection)
            connection.execute(
                schema.meta.insert().values(key="schema", value=str(schema.SCHEMA_VERSION))
            )
        elif found.isdecimal() and 0 < int(found) < schema.SCHEMA_VERSION:
            schema.metadata.create_all(connection)
            for version in range(int(found) + 1, schema.SCHEMA_VERSION + 1):
                for statement in schema.MIGRATIONS[version]:
                    connection.execute(text(statement))
            connection.execute(
                schema.meta.update()
                .where(schema.meta.c.key == "schema")
                .values(value=str(schema.SCHEMA_VERSION))
            )
        elif found != str(schema.SCHEMA_VERSION):
            raise XanhError(
                f"{self._name}: has schema {found}, this program knows {schema.SCHEMA_VERSION}; "
                "run the version of xanh that wrote it, or choose another database"
            )

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction that may write: all of it is kept, or nothing. Do not nest."""
        with self._lock, self._one_line(), self._engine.connect() as plain:
            connection = plain.execution_options(**{_WRITE: True})
            with connection.begin():
                if self._engine.dialect.name == "postgresql":
                    connection.execute(
                        text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK}
                    )
                yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One consistent view for reading."""
        with self._one_line(), self._engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def _one_line(self) -> Iterator[None]:
        try:
            yield
        except OperationalError as error:  # a full disk, a lock that is never given back
            raise XanhError(f"{self._name}: {error.orig}") from error

    # Counts

    def add_counts(
        self,
        site: str,
        rows: Iterable[CountRow],
        *,
        camera: str = "",
        source_kind: str = "",
        calibration: str = "",
    ) -> None:
        """Keep counts; a row that was sent before is replaced, so sending twice is harmless.

        ``source_kind`` says what they come from, ``calibration`` is the version of the camera's.
        """
        table = schema.counts
        with self.write() as connection:
            for row in rows:
                values = {
                    "count": row.count,
                    "coverage": row.coverage,
                    "source_kind": source_kind,
                    "calibration": calibration,
                }
                keep(connection, table, row, site=site, camera=camera, values=values)

    def counts(
        self,
        site: str,
        *,
        begin: datetime | None = None,
        end: datetime | None = None,
        junction: str | None = None,
        camera: str | None = None,
    ) -> tuple[CountRow, ...]:
        """Counts whose interval starts within ``[begin, end)``, by start and movement."""
        found = self.stored_counts(site, begin=begin, end=end, junction=junction, camera=camera)
        return tuple(item.row for item in found)

    def stored_counts(
        self,
        site: str,
        *,
        begin: datetime | None = None,
        end: datetime | None = None,
        junction: str | None = None,
        camera: str | None = None,
    ) -> tuple[StoredCount, ...]:
        """The same with what each is stamped with."""
        with self.read() as connection:
            found = kept(
                connection,
                schema.counts,
                site,
                begin=begin,
                end=end,
                junction=junction,
                camera=camera,
            )
        return tuple(
            StoredCount(
                CountRow(
                    junction=row["junction"],
                    movement=row["movement"],
                    vehicle_class=row["vehicle_class"],
                    start=row["start"],
                    end=row["end"],
                    count=row["count"],
                    coverage=row["coverage"],
                ),
                row["camera"],
                row["source_kind"],
                row["calibration"],
            )
            for row in found
        )

    # Alarms

    def raise_alarm(
        self, site: str, *, at: datetime, severity: Severity, kind: str, subject: str, message: str
    ) -> int:
        """Raise an alarm and return its id; the same alarm, still open, is not raised twice."""
        with self.write() as connection:
            return raise_alarm(
                connection,
                site,
                at=at,
                severity=severity,
                kind=kind,
                subject=subject,
                message=message,
            )

    def alarms(self, site: str, *, open_only: bool = True, limit: int = 200) -> tuple[Alarm, ...]:
        """Alarms, newest first."""
        table = schema.alarms
        query = select(table).where(table.c.site == site)
        if open_only:
            query = query.where(table.c.cleared_at.is_(None))
        query = query.order_by(table.c.at.desc(), table.c.id.desc()).limit(limit)
        with self.read() as connection:
            return tuple(
                Alarm(**{**row._mapping, "severity": Severity(row.severity)})
                for row in connection.execute(query)
            )

    def acknowledge_alarm(self, alarm: int, *, by: str, at: datetime) -> None:
        """Note who has seen an alarm; the first one counts.

        Raises:
            XanhError: If there is no such alarm, or it was acknowledged before.
        """
        table = schema.alarms
        with self.write() as connection:
            changed = connection.execute(
                table.update()
                .where(table.c.id == alarm, table.c.acknowledged_at.is_(None))
                .values(acknowledged_at=at, acknowledged_by=by)
            )
            if changed.rowcount == 0:
                raise XanhError(f"alarm {alarm} is unknown or was acknowledged before")

    def clear_alarms(self, site: str, kind: str, subject: str, *, at: datetime) -> int:
        """Clear what is open of one kind about one subject; returns how many."""
        with self.write() as connection:
            return clear_alarms(connection, site, kind, subject, at=at)

    # Timing that controllers ran

    def record_timing(self, site: str, junction: str, digest: str, *, at: datetime) -> None:
        """Note that a controller was read to run this timing."""
        if self.ran_timing(site, junction, digest):
            return
        table = schema.controller_timings
        with self.write() as connection:
            key = {"site": site, "junction": junction, "digest": digest}
            known = connection.execute(
                select(table.c.digest).where(*[table.c[k] == v for k, v in key.items()])
            ).first()
            if known is None:
                connection.execute(table.insert().values(**key, first_read=at))

    def ran_timing(self, site: str, junction: str, digest: str) -> bool:
        """Whether this controller was ever read to run this timing."""
        table = schema.controller_timings
        with self.read() as connection:
            return (
                connection.execute(
                    select(table.c.digest).where(
                        table.c.site == site,
                        table.c.junction == junction,
                        table.c.digest == digest,
                    )
                ).first()
                is not None
            )

    # History of cases

    def verify_chain(self) -> ChainCheck:
        """Check every case event against its hash, its predecessor and its case."""
        with self.read() as connection:
            return _verify_chain(connection)


def _engine(url: str) -> Engine:
    try:
        engine = create_engine(url)
    except (ArgumentError, NoSuchModuleError):
        raise BadInput(
            "database_url", "", f"{url!r} cannot be used; valid is like sqlite:////data/xanh.db"
        ) from None
    except ModuleNotFoundError as error:
        raise BadInput(
            "database_url", "", f"needs a driver: pip install {error.name or 'psycopg'}"
        ) from None
    if engine.dialect.name != "sqlite":
        return engine

    @event.listens_for(engine, "connect")
    def _on_connect(dbapi_connection: Any, _record: Any) -> None:
        # Transactions are begun below, explicitly: the driver's own habit begins them late.
        dbapi_connection.isolation_level = None
        cursor = dbapi_connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _on_begin(connection: Connection) -> None:
        # A writer takes its lock at once, so that it waits its turn and never fails half-way.
        writes = connection.get_execution_options().get(_WRITE, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def raise_alarm(
    connection: Connection,
    site: str,
    *,
    at: datetime,
    severity: Severity,
    kind: str,
    subject: str,
    message: str,
) -> int:
    """``Store.raise_alarm`` within a transaction that is open already."""
    table = schema.alarms
    values = {"site": site, "kind": kind, "subject": subject, "message": message}
    known: int | None = connection.execute(
        select(table.c.id).where(
            *[table.c[name] == value for name, value in values.items()],
            table.c.cleared_at.is_(None),
        )
    ).scalar()
    if known is not None:
        return known
    statement = table.insert().values(at=at, severity=severity.value, **values)
    return int(connection.execute(statement.returning(table.c.id)).scalar_one())


def clear_alarms(
    connection: Connection, site: str, kind: str, subject: str, *, at: datetime
) -> int:
    """``Store.clear_alarms`` within a transaction that is open already."""
    table = schema.alarms
    return connection.execute(
        table.update()
        .where(
            table.c.site == site,
            table.c.kind == kind,
            table.c.subject == subject,
            table.c.cleared_at.is_(None),
        )
        .values(cleared_at=at)
    ).rowcount


def canonical_sha256(body: Mapping[str, Any]) -> str:
    """SHA-256 of a mapping's canonical JSON (sorted keys, no spaces, UTF-8)."""
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def case_content_sha256(case: Mapping[str, Any]) -> str:
    """Hash of all of a case's row that never changes: everything but its status."""
    moments = ("occurred_at", "opened_at", "deadline_at")
    fixed = ("id", "site", "kind", "camera", "junction", "violation", "evidence")
    return canonical_sha256(
        {name: case[name] for name in fixed}
        | {name: case[name].astimezone(UTC).isoformat() for name in moments}
    )


def append_case_event(
    connection: Connection,
    case: Mapping[str, Any],
    *,
    at: datetime,
    by: str,
    action: str,
    from_status: str | None,
    to_status: str,
    reason: str | None = None,
    comment: str = "",
) -> None:
    """Append to the history of cases, chained to the event before it (of any case)."""
    table = schema.case_events
    last = connection.execute(
        select(table.c.seq, table.c.sha256).order_by(table.c.seq.desc()).limit(1)
    ).first()
    body = {
        "seq": 1 if last is None else last.seq + 1,
        "case_id": case["id"],
        "at": at,
        "by": by,
        "action": action,
        "from_status": from_status,
        "to_status": to_status,
        "reason": reason,
        "comment": comment,
        "content_sha256": case_content_sha256(case),
        "previous_sha256": GENESIS if last is None else last.sha256,
    }
    connection.execute(table.insert().values(**body, sha256=_event_sha256(body)))


def _event_sha256(body: Mapping[str, Any]) -> str:
    return canonical_sha256({**body, "at": utc_text(body["at"]), "micros": body["at"].microsecond})


def _verify_chain(connection: Connection) -> ChainCheck:
    cases = {row["id"]: dict(row) for row in connection.execute(select(schema.cases)).mappings()}
    standing: dict[str, str] = {}
    previous, rows = GENESIS, 0
    query = select(schema.case_events).order_by(schema.case_events.c.seq)
    for row in connection.execute(query).mappings():
        rows += 1
        body = {name: value for name, value in row.items() if name != "sha256"}
        where = f"event {row['seq']} of case {row['case_id']}"
        if row["seq"] != rows or row["previous_sha256"] != previous:
            return ChainCheck(rows, f"{where}: an event before it was removed or replaced")
        if _event_sha256(body) != row["sha256"]:
            return ChainCheck(rows, f"{where}: was changed after it was written")
        if row["case_id"] not in cases:
            return ChainCheck(rows, f"{where}: its case was removed")
        if case_content_sha256(cases[row["case_id"]]) != row["content_sha256"]:
            return ChainCheck(rows, f"{where}: the case's content was changed")
        if standing.get(row["case_id"]) != row["from_status"]:
            return ChainCheck(rows, f"{where}: does not follow the event before it")
        standing[row["case_id"]] = row["to_status"]
        previous = row["sha256"]
    for case_id, case in cases.items():
        if standing.get(case_id) != case["status"]:
            return ChainCheck(rows, f"case {case_id}: its status has no event")
    return ChainCheck(rows, None)
