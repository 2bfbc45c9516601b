"""Cases: flagged violations on their way past two officers, with a history that cannot change.

Each step is one transaction: the case's status, and an event chained to the one before it by
SHA-256. Every view is written down before the case is shown.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, func, select

from models.control import Clock
from models.errors import XanhError
from models.violation import CaseStatus, RejectReason, Violation, ViolationKind
from traffic import schema
from traffic.evidence import EvidenceFile
from traffic.law import Law, Offence
from traffic.store import Store, append_case_event, canonical_sha256

SYSTEM = "system"

TRANSITIONS: Mapping[CaseStatus, frozenset[CaseStatus]] = {
    CaseStatus.PENDING_REVIEW: frozenset(
        {CaseStatus.ACCEPTED, CaseStatus.REJECTED, CaseStatus.ESCALATED}
    ),
    CaseStatus.ESCALATED: frozenset({CaseStatus.ACCEPTED, CaseStatus.REJECTED}),
    CaseStatus.ACCEPTED: frozenset(
        {CaseStatus.CONFIRMED, CaseStatus.REJECTED, CaseStatus.ESCALATED}
    ),
    CaseStatus.REJECTED: frozenset({CaseStatus.PENDING_REVIEW}),
    CaseStatus.CONFIRMED: frozenset(),
}
OPEN = (CaseStatus.PENDING_REVIEW, CaseStatus.ESCALATED, CaseStatus.ACCEPTED)


class CaseNotAllowed(XanhError):
    """A step that the rules for cases forbid; the message says which rule."""


@dataclass(frozen=True, slots=True)
class CaseSummary:
    """A case as lists show it."""

    id: str
    site: str
    kind: ViolationKind
    status: CaseStatus
    camera: str
    junction: str
    vehicle_class: str
    occurred_at: datetime
    opened_at: datetime
    deadline_at: datetime
    evidence: tuple[EvidenceFile, ...]


@dataclass(frozen=True, slots=True)
class CaseEvent:
    """One step of a case."""

    seq: int
    at: datetime
    by: str
    action: str
    from_status: CaseStatus | None
    to_status: CaseStatus
    reason: RejectReason | None
    comment: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Case:
    """A case with what is needed to judge it.

    ``violation`` holds the plain values of ``models.violation.Violation``. ``offence`` is the
    rule in force on the day of the act, None when the law file has none; ``law_note`` must be
    shown with it (by language).
    """

    summary: CaseSummary
    violation: Mapping[str, Any]
    events: tuple[CaseEvent, ...]
    offence: Offence | None
    law_note: Mapping[str, str]

    @property
    def barred(self) -> str | None:
        """The person who may not take the next step, because they took the last one."""
        waits = (CaseStatus.ACCEPTED, CaseStatus.ESCALATED)
        return self.events[-1].by if self.summary.status in waits else None


class CaseService:
    """Cases of one store under one law."""

    def __init__(self, store: Store, law: Law, clock: Clock) -> None:
        self._store = store
        self._law = law
        self._clock = clock

    def open_case(
        self, site: str, violation: Violation, occurred_at: datetime, evidence: Path
    ) -> str:
        """Open a case, pending review, from a flag and a folder of evidence files.

        The same flag opens one case however often it is sent.

        Args:
            site: Site id.
            violation: What the rule flagged.
            occurred_at: Time of the act, with a zone.
            evidence: Folder of files; their content is copied into the store.

        Returns:
            The case's id.

        Raises:
            BadInput: If the folder is absent or empty.
            XanhError: If the law file has no deadline for that day.
        """
        body = violation.to_dict()
        case_id = canonical_sha256(
            {"site": site, "at": occurred_at.timestamp(), "violation": body}
        )[:16]
        deadline = self._law.notify_by(occurred_at)
        files = self._store.evidence.put(evidence)
        now = self._clock.now()
        row = {
            "id": case_id,
            "site": site,
            "kind": violation.kind.value,
            "status": CaseStatus.PENDING_REVIEW.value,
            "camera": violation.camera,
            "junction": violation.junction,
            "occurred_at": occurred_at,
            "opened_at": now,
            "deadline_at": deadline,
            "violation": body,
            "evidence": [item.to_dict() for item in files],
        }
        with self._store.write() as connection:
            known = connection.execute(
                select(schema.cases.c.id).where(schema.cases.c.id == case_id)
            ).first()
            if known is None:
                connection.execute(schema.cases.insert().values(**row))
                append_case_event(
                    connection,
                    row,
                    at=now,
                    by=SYSTEM,
                    action="open",
                    from_status=None,
                    to_status=CaseStatus.PENDING_REVIEW.value,
                )
        return case_id

    def cases(
        self,
        site: str,
        *,
        statuses: tuple[CaseStatus, ...] = OPEN,
        kind: ViolationKind | None = None,
        junction: str | None = None,
        limit: int = 200,
        offset: int = 0,
    ) -> tuple[CaseSummary, ...]:
        """Cases, nearest deadline first, then oldest act."""
        table = schema.cases
        query = select(table).where(
            table.c.site == site, table.c.status.in_([status.value for status in statuses])
        )
        if kind is not None:
            query = query.where(table.c.kind == kind.value)
        if junction is not None:
            query = query.where(table.c.junction == junction)
        query = query.order_by(table.c.deadline_at, table.c.occurred_at, table.c.id)
        with self._store.read() as connection:
            rows = connection.execute(query.limit(limit).offset(offset)).mappings()
            return tuple(_summary(dict(row)) for row in rows)

    def counts(self, site: str) -> Mapping[CaseStatus, int]:
        """How many cases stand at each status."""
        table = schema.cases
        query = (
            select(table.c.status, func.count())
            .where(table.c.site == site)
            .group_by(table.c.status)
        )
        with self._store.read() as connection:
            found = {CaseStatus(status): number for status, number in connection.execute(query)}
        return {status: found.get(status, 0) for status in CaseStatus}

    def view(self, case_id: str, by: str) -> Case:
        """A case for a person to look at; the view is logged first.

        Raises:
            XanhError: If there is no such case.
        """
        self._log_view(case_id, by, "case")
        with self._store.read() as connection:
            return self._case(connection, case_id)

    def view_evidence(self, case_id: str, name: str, by: str) -> tuple[EvidenceFile, Path]:
        """One evidence file of a case and where it lies; the view is logged first.

        Raises:
            XanhError: If there is no such case or file, or the file is not what was stored.
        """
        with self._store.read() as connection:
            summary = _summary(_need(connection, case_id))
        found = next((item for item in summary.evidence if item.name == name), None)
        if found is None:
            raise XanhError(f"case {case_id} has no evidence {name!r}")
        self._log_view(case_id, by, name)
        if not self._store.evidence.is_intact(found.sha256):
            raise XanhError(f"evidence {name!r} of case {case_id} was changed or removed")
        return found, self._store.evidence.path(found.sha256)

    def views(self, case_id: str) -> tuple[tuple[datetime, str, str], ...]:
        """Who looked at a case: time, person and what, oldest first."""
        table = schema.case_views
        query = select(table).where(table.c.case_id == case_id).order_by(table.c.id)
        with self._store.read() as connection:
            return tuple((row.at, row.by, row.what) for row in connection.execute(query))

    def accept(self, case_id: str, by: str, comment: str = "") -> None:
        """Find the violation proven; a second person must still confirm it.

        Raises:
            CaseNotAllowed: If the case does not wait for a review, or this person escalated it.
        """
        self._step(case_id, CaseStatus.ACCEPTED, "accept", by, comment=comment)

    def reject(self, case_id: str, by: str, reason: RejectReason, comment: str = "") -> None:
        """Refuse the flag. From accepted, only by a person who did not accept it.

        Raises:
            CaseNotAllowed: If the case cannot be rejected, or "other" comes without a text.
        """
        if reason is RejectReason.OTHER and not comment.strip():
            raise CaseNotAllowed('the reason "other" needs a text')
        self._step(case_id, CaseStatus.REJECTED, "reject", by, reason=reason, comment=comment)

    def escalate(self, case_id: str, by: str, comment: str) -> None:
        """Pass the case to another reviewer, saying why.

        Raises:
            CaseNotAllowed: If the case cannot be escalated, or the comment is empty.
        """
        if not comment.strip():
            raise CaseNotAllowed("passing a case on needs a comment that says why")
        self._step(case_id, CaseStatus.ESCALATED, "escalate", by, comment=comment)

    def confirm(self, case_id: str, by: str, comment: str = "") -> None:
        """Confirm an accepted case; never by the person who accepted it.

        Raises:
            CaseNotAllowed: If the case is not accepted, or this person accepted it.
        """
        self._step(case_id, CaseStatus.CONFIRMED, "confirm", by, comment=comment)

    def reopen(self, case_id: str, by: str, comment: str) -> None:
        """Take a rejection back: the case is pending review again.

        Raises:
            CaseNotAllowed: If the case is not rejected, or the comment is empty.
        """
        if not comment.strip():
            raise CaseNotAllowed("reopening a case needs a comment that says why")
        self._step(case_id, CaseStatus.PENDING_REVIEW, "reopen", by, comment=comment)

    def export(
        self,
        case_id: str,
        by: str,
        purpose: str,
        build: Callable[[Case, Mapping[str, bytes], datetime], bytes],
    ) -> bytes:
        """Hand a confirmed case out; only after its history says who took what, when and why.

        Args:
            case_id: The case.
            by: Who exports it.
            purpose: For whom and what for.
            build: Makes the package of the case, its evidence by name and the present moment.

        Returns:
            The package; the history holds its SHA-256.

        Raises:
            CaseNotAllowed: If the case is not confirmed, or the purpose is empty.
            XanhError: If there is no such case, or evidence is not what was stored.
        """
        by, purpose = _person(by), " ".join(purpose.split())
        if not purpose:
            raise CaseNotAllowed("exporting a case needs a purpose: for whom and what for")
        with self._store.read() as connection:
            row = _need(connection, case_id)
            case = self._case(connection, case_id)
        status = case.summary.status
        if status is not CaseStatus.CONFIRMED:
            raise CaseNotAllowed(
                f"a case that is {status} cannot be exported; valid is {CaseStatus.CONFIRMED}"
            )
        now = self._clock.now()
        package = build(case, self._contents(case.summary), now)
        digest = hashlib.sha256(package).hexdigest()
        with self._store.write() as connection:
            append_case_event(
                connection,
                row,
                at=now,
                by=by,
                action="export",
                from_status=status.value,
                to_status=status.value,
                comment=f"{purpose} [sha256 {digest}]",
            )
        return package

    def _contents(self, summary: CaseSummary) -> dict[str, bytes]:
        files = self._store.evidence
        for item in summary.evidence:
            if not files.is_intact(item.sha256):
                raise XanhError(
                    f"evidence {item.name!r} of case {summary.id} was changed or removed"
                )
        return {item.name: files.path(item.sha256).read_bytes() for item in summary.evidence}

    def _step(
        self,
        case_id: str,
        wanted: CaseStatus,
        action: str,
        by: str,
        *,
        reason: RejectReason | None = None,
        comment: str = "",
    ) -> None:
        by = _person(by)
        table = schema.cases
        with self._store.write() as connection:
            row = _need(connection, case_id)
            current = CaseStatus(row["status"])
            if wanted not in TRANSITIONS[current]:
                valid = ", ".join(sorted(TRANSITIONS[current])) or "nothing"
                raise CaseNotAllowed(
                    f"a case that is {current} cannot become {wanted}; valid is {valid}"
                )
            if self._case(connection, case_id).barred == by:
                raise CaseNotAllowed("nobody confirms their own review; another person must")
            connection.execute(
                table.update().where(table.c.id == case_id).values(status=wanted.value)
            )
            append_case_event(
                connection,
                row,
                at=self._clock.now(),
                by=by,
                action=action,
                from_status=current.value,
                to_status=wanted.value,
                reason=None if reason is None else reason.value,
                comment=comment.strip(),
            )

    def _case(self, connection: Connection, case_id: str) -> Case:
        row = _need(connection, case_id)
        summary = _summary(row)
        return Case(
            summary=summary,
            violation=row["violation"],
            events=_events(connection, case_id),
            offence=self._law.offence(
                summary.kind,
                summary.vehicle_class,
                summary.occurred_at,
                over_kmh=_over_kmh(row["violation"]["measures"]),
            ),
            law_note=self._law.note,
        )

    def _log_view(self, case_id: str, by: str, what: str) -> None:
        with self._store.write() as connection:
            _need(connection, case_id)
            connection.execute(
                schema.case_views.insert().values(
                    case_id=case_id, at=self._clock.now(), by=_person(by), what=what
                )
            )


def _over_kmh(measures: Mapping[str, float]) -> float | None:
    """How far over the limit a speeding vehicle was, by the camera."""
    speed, limit = measures.get("speed_mps"), measures.get("limit_mps")
    return None if speed is None or limit is None else round((speed - limit) * 3.6, 1)


def _need(connection: Connection, case_id: str) -> dict[str, Any]:
    table = schema.cases
    row = connection.execute(select(table).where(table.c.id == case_id)).mappings().first()
    if row is None:
        raise XanhError(f"there is no case {case_id!r}")
    return dict(row)


def _summary(row: Mapping[str, Any]) -> CaseSummary:
    return CaseSummary(
        id=row["id"],
        site=row["site"],
        kind=ViolationKind(row["kind"]),
        status=CaseStatus(row["status"]),
        camera=row["camera"],
        junction=row["junction"],
        vehicle_class=row["violation"]["vehicle_class"],
        occurred_at=row["occurred_at"],
        opened_at=row["opened_at"],
        deadline_at=row["deadline_at"],
        evidence=tuple(EvidenceFile(**item) for item in row["evidence"]),
    )


def _events(connection: Connection, case_id: str) -> tuple[CaseEvent, ...]:
    table = schema.case_events
    query = select(table).where(table.c.case_id == case_id).order_by(table.c.seq)
    return tuple(
        CaseEvent(
            seq=row.seq,
            at=row.at,
            by=row.by,
            action=row.action,
            from_status=None if row.from_status is None else CaseStatus(row.from_status),
            to_status=CaseStatus(row.to_status),
            reason=None if row.reason is None else RejectReason(row.reason),
            comment=row.comment,
            sha256=row.sha256,
        )
        for row in connection.execute(query)
    )


def _person(name: str) -> str:
    folded = name.strip().casefold()
    if not folded:
        raise CaseNotAllowed("a step needs the name of the person who takes it")
    return folded
