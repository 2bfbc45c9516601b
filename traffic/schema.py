"""Tables of the store. Times are UTC; JSON columns hold plain values; evidence is never here."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    DDL,
    JSON,
    Boolean,
    Column,
    DateTime,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    event,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

# Raise it with every change of a table; an older program then refuses the newer database.
SCHEMA_VERSION = 4
# What brings an older database to each version; new tables are made beside.
MIGRATIONS: Mapping[int, tuple[str, ...]] = {
    2: ("ALTER TABLE counts ADD COLUMN calibration VARCHAR(64) NOT NULL DEFAULT ''",),
    3: (),
    4: (),
}


class UtcDateTime(TypeDecorator[datetime]):
    """A timezone-aware datetime in UTC, also on SQLite, which stores no zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse a time without a zone; store UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a time zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Give the zone back."""
        if value is None:
            return None
        moment: datetime = value
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


metadata = MetaData()

meta = Table(
    "meta",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("value", Text, nullable=False),
)


def _interval_key() -> tuple[Column[Any], ...]:
    """One row per camera, movement, class and interval start: the same row sent twice is one."""
    return (
        Column("site", String(128), primary_key=True),
        Column("camera", String(128), primary_key=True),
        Column("movement", String(256), primary_key=True),
        Column("vehicle_class", String(64), primary_key=True),
        Column("start", UtcDateTime, primary_key=True),
        Column("end", UtcDateTime, nullable=False),
        Column("junction", String(128), nullable=False),
    )


counts = Table(
    "counts",
    metadata,
    *_interval_key(),
    Column("count", Integer, nullable=False),
    Column("coverage", Float, nullable=False),
    Column("source_kind", String(32), nullable=False),
    Column("calibration", String(64), nullable=False, server_default=""),
    Index("counts_by_time", "site", "start"),
)

# What was measured beside the counts, with the same key; ``values`` holds what has a value.
measures = Table(
    "measures",
    metadata,
    *_interval_key(),
    Column("calibration", String(64), nullable=False),
    Column("values", JSON, nullable=False),
    Index("measures_by_time", "site", "start"),
)

reports = Table(
    "reports",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("site", String(128), nullable=False),
    Column("plan_digest", String(64), nullable=False, index=True),
    Column("verdict", String(16), nullable=False),
    Column("created", UtcDateTime, nullable=False),
    Column("expires", UtcDateTime, nullable=False),
    Column("folder", Text, nullable=False),
    Column("document", JSON, nullable=False),
)

plans = Table(
    "plans",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("site", String(128), nullable=False, index=True),
    Column("status", String(16), nullable=False),
    Column("document", JSON, nullable=False),
    Column("proposer", String(64), nullable=False),
    Column("proposed_at", UtcDateTime, nullable=False),
    Column("report", Integer, ForeignKey("reports.id")),
    Column("approver", String(64)),
    Column("approved_at", UtcDateTime),
    Column("approved_report", Integer, ForeignKey("reports.id")),
)

plan_events = Table(
    "plan_events",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("digest", String(64), ForeignKey("plans.digest"), nullable=False, index=True),
    Column("at", UtcDateTime, nullable=False),
    Column("by", String(64), nullable=False),
    Column("action", String(32), nullable=False),
    Column("from_status", String(16)),
    Column("to_status", String(16), nullable=False),
    Column("comment", Text, nullable=False),
)

# What each controller ran before an application, written before the first one is touched.
# ``unrestored`` lists junctions whose roll-back could not be confirmed yet.
applications = Table(
    "applications",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("digest", String(64), ForeignKey("plans.digest"), nullable=False, index=True),
    Column("begun_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
    Column("previous", JSON, nullable=False),
    Column("previous_digest", String(64)),
    Column("unrestored", JSON, nullable=False),
)

# Every timing that a controller was read to run: only these may be restored.
controller_timings = Table(
    "controller_timings",
    metadata,
    Column("site", String(128), primary_key=True),
    Column("junction", String(128), primary_key=True),
    Column("digest", String(64), primary_key=True),
    Column("first_read", UtcDateTime, nullable=False),
)

cases = Table(
    "cases",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("site", String(128), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("status", String(16), nullable=False),
    Column("camera", String(128), nullable=False),
    Column("junction", String(128), nullable=False),
    Column("occurred_at", UtcDateTime, nullable=False),
    Column("opened_at", UtcDateTime, nullable=False),
    Column("deadline_at", UtcDateTime, nullable=False),
    Column("violation", JSON, nullable=False),
    Column("evidence", JSON, nullable=False),
    Index("cases_by_deadline", "site", "status", "deadline_at"),
)

case_events = Table(
    "case_events",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("case_id", String(32), ForeignKey("cases.id"), nullable=False, index=True),
    Column("at", UtcDateTime, nullable=False),
    Column("by", String(64), nullable=False),
    Column("action", String(32), nullable=False),
    Column("from_status", String(16)),
    Column("to_status", String(16), nullable=False),
    Column("reason", String(64)),
    Column("comment", Text, nullable=False),
    Column("content_sha256", String(64), nullable=False),
    Column("previous_sha256", String(64), nullable=False),
    Column("sha256", String(64), nullable=False, unique=True),
)

case_views = Table(
    "case_views",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("case_id", String(32), ForeignKey("cases.id"), nullable=False, index=True),
    Column("at", UtcDateTime, nullable=False),
    Column("by", String(64), nullable=False),
    Column("what", String(256), nullable=False),
)

users = Table(
    "users",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("role", String(32), nullable=False),
    Column("password_hash", Text, nullable=False),
    Column("disabled", Boolean, nullable=False),
    Column("created", UtcDateTime, nullable=False),
)

# Who was given access, changed or shut out, when and by whom; never a password.
user_events = Table(
    "user_events",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(64), nullable=False, index=True),
    Column("at", UtcDateTime, nullable=False),
    Column("by", String(64), nullable=False),
    Column("action", String(32), nullable=False),
    Column("role", String(32), nullable=False),
)

sessions = Table(
    "sessions",
    metadata,
    Column("token_sha256", String(64), primary_key=True),
    Column("user", String(64), ForeignKey("users.name"), nullable=False, index=True),
    Column("created", UtcDateTime, nullable=False),
    Column("expires", UtcDateTime, nullable=False),
)

alarms = Table(
    "alarms",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("site", String(128), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("severity", String(16), nullable=False),
    Column("kind", String(64), nullable=False),
    Column("subject", String(256), nullable=False),
    Column("message", Text, nullable=False),
    Column("acknowledged_at", UtcDateTime),
    Column("acknowledged_by", String(64)),
    Column("cleared_at", UtcDateTime),
    Index("alarms_open", "site", "cleared_at"),
)

# History is append-only in the database itself, not only in this program.
for _table in (plan_events, case_events, case_views, user_events, controller_timings):
    for _verb in ("UPDATE", "DELETE"):
        event.listen(
            _table,
            "after_create",
            DDL(  # type: ignore[no-untyped-call]
                f"CREATE TRIGGER {_table.name}_no_{_verb.lower()} BEFORE {_verb} ON {_table.name} "
                f"BEGIN SELECT RAISE(ABORT, '{_table.name} is append-only'); END"
            ).execute_if(dialect="sqlite"),
        )
