"""Plans and reports as rows: reading them back as values, and moving a plan to a status."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from models.errors import XanhError
from models.lifecycle import NotAllowed, PlanStatus, require_transition
from models.plan import (
    JunctionPlan,
    Plan,
    junction_plan_from_dict,
    junction_plan_to_dict,
    plan_from_dicts,
    plan_header,
)
from models.validation import ValidationReport, Verdict
from traffic import schema
from traffic.store import Store


@dataclass(frozen=True, slots=True)
class PlanRecord:
    """A stored plan and where it stands."""

    plan: Plan
    status: PlanStatus
    proposer: str
    proposed_at: datetime
    report_id: int | None
    approver: str | None
    approved_at: datetime | None
    approved_report_id: int | None

    @property
    def digest(self) -> str:
        """The plan's digest, its key everywhere."""
        return self.plan.digest


@dataclass(frozen=True, slots=True)
class PlanEvent:
    """One step of a plan's life: who, when, from where to where, and why."""

    digest: str
    at: datetime
    by: str
    action: str
    from_status: PlanStatus | None
    to_status: PlanStatus
    comment: str


@dataclass(frozen=True, slots=True)
class StoredReport:
    """A validation report as stored; ``folder`` holds its ``report.html``, or is empty."""

    id: int
    report: ValidationReport
    folder: str


@dataclass(frozen=True, slots=True)
class Application:
    """One attempt to apply a plan, with what each controller ran before it."""

    id: int
    digest: str
    begun_at: datetime
    ended_at: datetime | None
    previous: tuple[JunctionPlan, ...]
    previous_digest: str | None
    unrestored: tuple[str, ...]


def plan_to_document(plan: Plan) -> dict[str, Any]:
    """A plan as plain values, as its file would hold it."""
    return {
        "header": plan_header(plan),
        "junctions": [junction_plan_to_dict(junction) for junction in plan.junctions],
    }


def plan_from_document(document: Mapping[str, Any]) -> Plan:
    """Read what ``plan_to_document`` wrote.

    Raises:
        ValueError: If it was damaged.
    """
    return plan_from_dicts(document["header"], document["junctions"])


def _record(row: Mapping[str, Any]) -> PlanRecord:
    try:
        plan = plan_from_document(row["document"])
    except (ValueError, KeyError, TypeError) as error:
        raise XanhError(f"plan {row['digest'][:12]} in the store is damaged: {error}") from None
    if plan.digest != row["digest"]:
        raise XanhError(f"plan {row['digest'][:12]} in the store was changed after it was stored")
    return PlanRecord(
        plan=plan,
        status=PlanStatus(row["status"]),
        proposer=row["proposer"],
        proposed_at=row["proposed_at"],
        report_id=row["report"],
        approver=row["approver"],
        approved_at=row["approved_at"],
        approved_report_id=row["approved_report"],
    )


def find_plan(connection: Connection, site: str, digest: str) -> PlanRecord | None:
    """The plan of a site with this digest, if it is stored."""
    table = schema.plans
    row = (
        connection.execute(select(table).where(table.c.digest == digest, table.c.site == site))
        .mappings()
        .first()
    )
    return None if row is None else _record(dict(row))


def need_plan(connection: Connection, site: str, digest: str) -> PlanRecord:
    """``find_plan``.

    Raises:
        XanhError: If the site has no such plan.
    """
    record = find_plan(connection, site, digest)
    if record is None:
        raise XanhError(f"site {site} has no plan {digest[:12]}")
    return record


def list_plans(store: Store, site: str, limit: int = 200) -> tuple[PlanRecord, ...]:
    """Plans of a site, newest first."""
    table = schema.plans
    query = (
        select(table)
        .where(table.c.site == site)
        .order_by(table.c.proposed_at.desc(), table.c.digest)
        .limit(limit)
    )
    with store.read() as connection:
        return tuple(_record(dict(row)) for row in connection.execute(query).mappings())


def plans_with_status(connection: Connection, site: str, status: PlanStatus) -> tuple[str, ...]:
    """Digests of a site's plans that stand at a status."""
    table = schema.plans
    query = select(table.c.digest).where(table.c.site == site, table.c.status == status.value)
    return tuple(connection.execute(query.order_by(table.c.digest)).scalars())


def insert_plan(connection: Connection, plan: Plan, *, proposer: str, at: datetime) -> None:
    """Store a new plan as proposed. Its event is the caller's to add."""
    connection.execute(
        schema.plans.insert().values(
            digest=plan.digest,
            site=plan.site,
            status=PlanStatus.PROPOSED.value,
            document=plan_to_document(plan),
            proposer=proposer,
            proposed_at=at,
        )
    )


def move(
    connection: Connection,
    site: str,
    digest: str,
    wanted: PlanStatus,
    *,
    action: str,
    by: str,
    at: datetime,
    comment: str,
    **values: Any,
) -> None:
    """Move a plan to another status and write its event, in the caller's transaction.

    Raises:
        NotAllowed: If that step does not exist from where the plan stands now.
        XanhError: If the site has no such plan.
    """
    current = need_plan(connection, site, digest).status
    require_transition(current, wanted)
    table = schema.plans
    changed = connection.execute(
        table.update()
        .where(table.c.digest == digest, table.c.status == current.value)
        .values(status=wanted.value, **values)
    )
    if changed.rowcount != 1:
        raise NotAllowed(f"plan {digest[:12]} was changed by someone else; look again")
    add_event(connection, digest, action, current, wanted, by=by, at=at, comment=comment)


def add_event(
    connection: Connection,
    digest: str,
    action: str,
    from_status: PlanStatus | None,
    to_status: PlanStatus,
    *,
    by: str,
    at: datetime,
    comment: str,
) -> None:
    """Append to a plan's history."""
    connection.execute(
        schema.plan_events.insert().values(
            digest=digest,
            at=at,
            by=by,
            action=action,
            from_status=None if from_status is None else from_status.value,
            to_status=to_status.value,
            comment=comment,
        )
    )


def plan_history(connection: Connection, digest: str) -> tuple[PlanEvent, ...]:
    """A plan's events, oldest first."""
    table = schema.plan_events
    query = select(table).where(table.c.digest == digest).order_by(table.c.id)
    return tuple(
        PlanEvent(
            digest=row.digest,
            at=row.at,
            by=row.by,
            action=row.action,
            from_status=None if row.from_status is None else PlanStatus(row.from_status),
            to_status=PlanStatus(row.to_status),
            comment=row.comment,
        )
        for row in connection.execute(query)
    )


def insert_report(connection: Connection, report: ValidationReport, folder: str) -> int:
    """Store a report; returns its id."""
    document = report.to_dict()
    report = ValidationReport.from_dict(document)  # its times as the document rounds them
    statement = (
        schema.reports.insert()
        .returning(schema.reports.c.id)
        .values(
            site=report.site,
            plan_digest=report.plan_digest,
            verdict=report.verdict.value,
            created=report.created,
            expires=report.expires,
            folder=folder,
            document=document,
        )
    )
    return int(connection.execute(statement).scalar_one())


def read_report(connection: Connection, report: int) -> StoredReport:
    """A report by its id.

    Raises:
        XanhError: If there is none, or it was damaged.
    """
    table = schema.reports
    row = connection.execute(select(table).where(table.c.id == report)).mappings().first()
    if row is None:
        raise XanhError(f"there is no validation report {report}")
    try:
        read = ValidationReport.from_dict(row["document"])
    except (KeyError, ValueError, TypeError) as error:
        raise XanhError(f"validation report {report} in the store is damaged: {error}") from None
    if (read.plan_digest, read.verdict, read.expires) != (
        row["plan_digest"],
        Verdict(row["verdict"]),
        row["expires"],
    ):
        raise XanhError(f"validation report {report} in the store was changed")
    return StoredReport(report, read, row["folder"])


def insert_application(
    connection: Connection,
    digest: str,
    *,
    at: datetime,
    previous: Iterable[JunctionPlan],
    previous_digest: str | None,
    unrestored: Iterable[str] = (),
) -> int:
    """Write down what the controllers run before a plan touches them; returns the id."""
    statement = (
        schema.applications.insert()
        .returning(schema.applications.c.id)
        .values(
            digest=digest,
            begun_at=at,
            previous=[junction_plan_to_dict(plan) for plan in previous],
            previous_digest=previous_digest,
            unrestored=sorted(unrestored),
        )
    )
    return int(connection.execute(statement).scalar_one())


def end_application(
    connection: Connection, application: int, *, at: datetime, unrestored: Iterable[str] = ()
) -> None:
    """Close an application, naming the junctions whose roll-back is not confirmed."""
    table = schema.applications
    connection.execute(
        table.update()
        .where(table.c.id == application)
        .values(ended_at=at, unrestored=sorted(unrestored))
    )


def applications_of(connection: Connection, site: str) -> tuple[Application, ...]:
    """A site's applications, newest first."""
    table = schema.applications
    query = (
        select(table)
        .join(schema.plans, schema.plans.c.digest == table.c.digest)
        .where(schema.plans.c.site == site)
        .order_by(table.c.id.desc())
    )
    return tuple(
        Application(
            id=row.id,
            digest=row.digest,
            begun_at=row.begun_at,
            ended_at=row.ended_at,
            previous=tuple(junction_plan_from_dict(document) for document in row.previous),
            previous_digest=row.previous_digest,
            unrestored=tuple(row.unrestored),
        )
        for row in connection.execute(query)
    )
