"""The life of a plan, from proposal to the street and back.

Every step is one transaction that moves the plan and writes who, when and why. The field is
touched in two places only, ``apply`` and the restoring of what ran before; what the
controllers ran is written down before the first of them is touched, so that a crash at any
instant is found at the next start and rolled back.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Connection

from models.control import Clock, Controller
from models.errors import BadInput, XanhError
from models.lifecycle import ApprovedPlan, NotAllowed, PlanStatus, approve
from models.plan import JunctionPlan, Plan
from models.safety import check_plan
from models.site import Site
from models.validation import ValidationReport, Verdict
from traffic import planrecords as records
from traffic.controllers.group import ControllerGroup, ControllerUnread, Trouble, one_line
from traffic.planrecords import Application, PlanEvent, PlanRecord, StoredReport
from traffic.store import Severity, Store, clear_alarms, raise_alarm

SYSTEM = "system"
FIELD_WAIT_S = 30.0
ALARM_ROLLED_BACK = "plan_rolled_back"
ALARM_NOT_RESTORED = "controller_not_restored"


@dataclass(frozen=True, slots=True)
class ApplyOutcome:
    """What came of an application: ``read_back`` says per junction whether the timing matched.

    When not ``applied``, the controllers were rolled back for ``reason``; those in
    ``unrestored`` could not be confirmed to run what they ran before.
    """

    digest: str
    applied: bool
    read_back: Mapping[str, bool]
    reason: str = ""
    unrestored: tuple[str, ...] = ()

    @property
    def read_back_matches(self) -> bool:
        """Whether every controller was read to run the plan."""
        return bool(self.read_back) and all(self.read_back.values())


class PlanService:
    """Plans of one site: their records, approvals and way to the controllers."""

    def __init__(
        self, store: Store, site: Site, controllers: Iterable[Controller], clock: Clock
    ) -> None:
        self._store = store
        self._site = site
        self._controllers = ControllerGroup(controllers)
        self._clock = clock
        self._field = threading.Lock()

    # Records

    def get(self, digest: str) -> PlanRecord:
        """A plan by its digest.

        Raises:
            XanhError: If the site has no such plan.
        """
        with self._store.read() as connection:
            return records.need_plan(connection, self._site.id, digest)

    def plans(self) -> tuple[PlanRecord, ...]:
        """The site's plans, newest first."""
        return records.list_plans(self._store, self._site.id)

    def history(self, digest: str) -> tuple[PlanEvent, ...]:
        """Everything that happened to a plan, oldest first."""
        with self._store.read() as connection:
            return records.plan_history(connection, digest)

    def report(self, digest: str) -> StoredReport | None:
        """The newest validation report of a plan, if it has one."""
        with self._store.read() as connection:
            record = records.need_plan(connection, self._site.id, digest)
            if record.report_id is None:
                return None
            return records.read_report(connection, record.report_id)

    def applied(self) -> PlanRecord | None:
        """The plan that stands as applied, if there is one."""
        with self._store.read() as connection:
            digests = records.plans_with_status(connection, self._site.id, PlanStatus.APPLIED)
            if not digests:
                return None
            return records.need_plan(connection, self._site.id, digests[0])

    def expected(self) -> Mapping[str, JunctionPlan]:
        """The timing that each controller should run by the records; empty before any plan."""
        with self._store.read() as connection:
            application = self._newest(connection)
            if application is None:
                return {}
            record = records.need_plan(connection, self._site.id, application.digest)
        timings = (
            record.plan.junctions
            if record.status is PlanStatus.APPLIED and not application.unrestored
            else application.previous
        )
        return {timing.junction: timing for timing in timings}

    # Decisions

    def propose(self, plan: Plan, by: str, comment: str = "") -> PlanRecord:
        """Store a plan for validation; a plan with the same timing is the same plan.

        Raises:
            BadInput: If the plan is for another site.
            NotAllowed: If it breaks a safety rule, or this timing was refused before.
        """
        by = _person(by)
        if plan.site != self._site.id:
            raise BadInput("plan", "site", f"{plan.site!r}; valid is {self._site.id!r}")
        breaches = check_plan(plan, self._site.junctions)
        if breaches:
            raise NotAllowed(
                f"the plan breaks {len(breaches)} safety rule(s): {breaches[0].message}"
            )
        now = self._clock.now()
        with self._store.write() as connection:
            known = records.find_plan(connection, self._site.id, plan.digest)
            if known is not None and known.status is PlanStatus.REFUSED:
                raise NotAllowed("this timing was refused before; propose another")
            if known is None:
                records.insert_plan(connection, plan, proposer=by, at=now)
            standing = PlanStatus.PROPOSED if known is None else known.status
            records.add_event(
                connection,
                plan.digest,
                "propose",
                None if known is None else standing,
                standing,
                by=by,
                at=now,
                comment=comment,
            )
            return records.need_plan(connection, self._site.id, plan.digest)

    def attach_report(
        self, report: ValidationReport, by: str = SYSTEM, folder: str = ""
    ) -> PlanRecord:
        """Store a validation report; the plan becomes validated, or failed with the reason.

        An earlier approval does not outlive a new report.

        Raises:
            BadInput: If the report is for another site.
            NotAllowed: If the plan stands where a report changes nothing (approved, applied).
            XanhError: If the plan is unknown.
        """
        if report.site != self._site.id:
            raise BadInput("report", "site", f"{report.site!r}; valid is {self._site.id!r}")
        passed = report.verdict is Verdict.PASS
        with self._store.write() as connection:
            records.move(
                connection,
                self._site.id,
                report.plan_digest,
                PlanStatus.VALIDATED if passed else PlanStatus.FAILED,
                action="validate",
                by=_person(by),
                at=self._clock.now(),
                comment=f"{report.verdict}: {report.reason}",
                report=records.insert_report(connection, report, folder),
                approver=None,
                approved_at=None,
                approved_report=None,
            )
            return records.need_plan(connection, self._site.id, report.plan_digest)

    def approve(self, digest: str, by: str, comment: str) -> PlanRecord:
        """Approve a validated plan.

        Raises:
            NotAllowed: If the report does not pass or has expired, if the plan breaks a safety
                rule, or if this person proposed the plan.
        """
        by = _person(by)
        now = self._clock.now()
        with self._store.write() as connection:
            record = records.need_plan(connection, self._site.id, digest)
            if record.report_id is None:
                raise NotAllowed("the plan has no validation report; validate it first")
            proposers = {
                event.by
                for event in records.plan_history(connection, digest)
                if event.action == "propose"
            }
            if by in proposers:
                raise NotAllowed("nobody approves their own plan; another person must")
            approve(
                record.plan,
                records.read_report(connection, record.report_id).report,
                self._site.junctions,
                proposer=record.proposer,
                approver=by,
                now=now,
            )
            records.move(
                connection,
                self._site.id,
                digest,
                PlanStatus.APPROVED,
                action="approve",
                by=by,
                at=now,
                comment=_reason(comment),
                approver=by,
                approved_at=now,
                approved_report=record.report_id,
            )
            return records.need_plan(connection, self._site.id, digest)

    def refuse(self, digest: str, by: str, comment: str) -> PlanRecord:
        """Refuse a plan for good.

        Raises:
            NotAllowed: If it stands where it cannot be refused.
        """
        with self._store.write() as connection:
            records.move(
                connection,
                self._site.id,
                digest,
                PlanStatus.REFUSED,
                action="refuse",
                by=_person(by),
                at=self._clock.now(),
                comment=_reason(comment),
            )
            return records.need_plan(connection, self._site.id, digest)

    # The field

    def apply(self, digest: str, by: str, comment: str = "") -> ApplyOutcome:
        """Send an approved plan to every controller and read each one back.

        Anything but a full match rolls every controller back to what it ran, and raises an
        alarm. Nothing is touched if a controller cannot be read at the start.

        Raises:
            NotAllowed: If the plan is not approved, its report has expired, it breaks a safety
                rule, or another application is not finished.
            XanhError: If a controller is missing or cannot be read before the start.
        """
        by = _person(by)
        with self._only_one():
            approved = self._approved(digest)
            previous = self._read_all(digest)
            with self._store.write() as connection:
                application = self._begin(connection, digest, previous, by=by, comment=comment)
            return self._carry_out(approved, application, previous, by)

    def _carry_out(
        self,
        approved: ApprovedPlan,
        application: int,
        previous: Mapping[str, JunctionPlan],
        by: str,
    ) -> ApplyOutcome:
        digest = approved.plan.digest
        matches: dict[str, bool] = {}
        try:
            self._controllers.send(approved, matches)
            self._finish(digest, application, by)
        except BaseException as error:
            # Whatever it was, the street goes back to what it ran before.
            reason = one_line(error)
            unrestored = self._roll_back(digest, application, previous, matches, SYSTEM, reason)
            if not isinstance(error, Exception):
                raise
            return ApplyOutcome(digest, False, matches, reason, unrestored)
        return ApplyOutcome(digest, True, matches)

    def rollback(self, by: str, comment: str) -> ApplyOutcome:
        """Take the applied plan off the street: every controller runs what it ran before it.

        Raises:
            NotAllowed: If no plan is applied, or another application is not finished.
        """
        by, comment = _person(by), _reason(comment)
        with self._only_one():
            with self._store.write() as connection:
                digest, before = self._applied_before(connection)
                previous = {plan.junction: plan for plan in before.previous}
                # The intent, so that a crash half-way is taken up again by recover().
                application = records.insert_application(
                    connection,
                    digest,
                    at=self._clock.now(),
                    previous=before.previous,
                    previous_digest=before.previous_digest,
                    unrestored=previous,
                )
            unrestored = self._roll_back(digest, application, previous, previous, by, comment)
            return ApplyOutcome(digest, False, {}, comment, unrestored)

    def recover(self) -> tuple[str, ...]:
        """Finish what a crash or a lost controller left: roll back, or try restoring again.

        Call it at start, and again while ``unrestored`` is not empty.

        Returns:
            One line per thing done, for the log.
        """
        with self._only_one():
            with self._store.read() as connection:
                application = self._newest(connection)
                if application is None:
                    return ()
                status = records.need_plan(connection, self._site.id, application.digest).status
            if status is PlanStatus.APPLYING:
                junctions: tuple[str, ...] = tuple(plan.junction for plan in application.previous)
                reason = "the service stopped while the plan was being applied"
            elif application.unrestored:
                junctions = application.unrestored
                reason = "restoring what the controllers ran before was not finished"
            else:
                return ()
            previous = {plan.junction: plan for plan in application.previous}
            unrestored = self._roll_back(
                application.digest, application.id, previous, junctions, SYSTEM, reason
            )
        done = f"plan {application.digest[:12]} rolled back: {reason}"
        if unrestored:
            done += f"; not restored yet: {', '.join(unrestored)}"
        return (done,)

    def watch(self) -> Mapping[str, bool]:
        """Read every controller and compare with the records; alarms for what differs.

        Returns:
            Per junction whether it runs what it should; a controller that cannot be read is
            False. Empty before any plan was applied, and while one is on its way.
        """
        if not self._field.acquire(blocking=False):
            return {}
        try:
            compared = self._controllers.compare(self.expected())
        finally:
            self._field.release()
        now = self._clock.now()
        for junction, trouble in compared.items():
            with self._store.write() as connection:
                for kind in Trouble:
                    if trouble is None or kind is not trouble[0]:
                        clear_alarms(connection, self._site.id, kind, junction, at=now)
                if trouble is not None:
                    self._alarm(connection, Severity.CRITICAL, trouble[0], junction, trouble[1])
        return {junction: trouble is None for junction, trouble in compared.items()}

    # Steps

    @contextmanager
    def _only_one(self) -> Iterator[None]:
        if not self._field.acquire(timeout=FIELD_WAIT_S):
            raise NotAllowed("a plan is being applied or rolled back; wait until it is done")
        try:
            yield
        finally:
            self._field.release()

    def _applied_before(self, connection: Connection) -> tuple[str, Application]:
        """The applied plan's digest, and the application that brought it onto the street."""
        newest = self._newest(connection)
        if newest is not None and newest.unrestored:
            raise NotAllowed("an earlier roll-back is not finished; recover first")
        for digest in records.plans_with_status(connection, self._site.id, PlanStatus.APPLIED):
            for application in records.applications_of(connection, self._site.id):
                if application.digest == digest:
                    return digest, application
        raise NotAllowed("no plan is applied; there is nothing to roll back")

    def _newest(self, connection: Connection) -> Application | None:
        return next(iter(records.applications_of(connection, self._site.id)), None)

    def _approved(self, digest: str) -> ApprovedPlan:
        """The approval, built anew from the records: no record is trusted to be consistent."""
        with self._store.read() as connection:
            record = records.need_plan(connection, self._site.id, digest)
            if record.status is not PlanStatus.APPROVED:
                raise NotAllowed(f"the plan is {record.status}; only an approved plan is applied")
            if record.approver is None or record.approved_at is None:
                raise NotAllowed("the plan has no approval on record")
            if record.approved_report_id is None:
                raise NotAllowed("the plan has no validation report on record")
            report = records.read_report(connection, record.approved_report_id).report
        if self._clock.now() >= report.expires:
            raise NotAllowed("the validation has expired; validate and approve again")
        return approve(
            record.plan,
            report,
            self._site.junctions,
            proposer=record.proposer,
            approver=record.approver,
            now=record.approved_at,
        )

    def _read_all(self, digest: str) -> dict[str, JunctionPlan]:
        missing = sorted(set(self._site.junctions) - self._controllers.junctions)
        if missing:
            raise XanhError(f"no controller for {', '.join(missing)}; nothing was sent")
        try:
            return self._controllers.read()
        except ControllerUnread as error:
            message = f"nothing was sent: {error}"
            with self._store.write() as connection:
                self._alarm(connection, Severity.WARNING, Trouble.LOST, error.junction, message)
            raise XanhError(f"plan {digest[:12]} not applied, {message}") from error

    def _begin(
        self,
        connection: Connection,
        digest: str,
        previous: Mapping[str, JunctionPlan],
        *,
        by: str,
        comment: str,
    ) -> int:
        applying = records.plans_with_status(connection, self._site.id, PlanStatus.APPLYING)
        newest = self._newest(connection)
        if applying or (newest is not None and newest.unrestored):
            raise NotAllowed("an earlier application is not finished; recover first")
        now = self._clock.now()
        records.move(
            connection,
            self._site.id,
            digest,
            PlanStatus.APPLYING,
            action="apply",
            by=by,
            at=now,
            comment=comment,
        )
        before = Plan(self._site.id, tuple(previous.values()), now, SYSTEM)
        return records.insert_application(
            connection, digest, at=now, previous=before.junctions, previous_digest=before.digest
        )

    def _finish(self, digest: str, application: int, by: str) -> None:
        now = self._clock.now()
        site = self._site.id
        with self._store.write() as connection:
            for earlier in records.plans_with_status(connection, site, PlanStatus.APPLIED):
                records.move(
                    connection,
                    site,
                    earlier,
                    PlanStatus.SUPERSEDED,
                    action="supersede",
                    by=by,
                    at=now,
                    comment=f"by plan {digest[:12]}",
                )
            records.move(
                connection,
                site,
                digest,
                PlanStatus.APPLIED,
                action="read_back",
                by=SYSTEM,
                at=now,
                comment="every controller was read to run the plan",
            )
            records.end_application(connection, application, at=now)

    def _roll_back(
        self,
        digest: str,
        application: int,
        previous: Mapping[str, JunctionPlan],
        junctions: Iterable[str],
        by: str,
        reason: str,
    ) -> tuple[str, ...]:
        failures = self._controllers.restore(previous, junctions)
        now = self._clock.now()
        site = self._site.id
        with self._store.write() as connection:
            standing = records.need_plan(connection, site, digest).status
            if standing is not PlanStatus.ROLLED_BACK:
                records.move(
                    connection,
                    site,
                    digest,
                    PlanStatus.ROLLED_BACK,
                    action="roll_back",
                    by=by,
                    at=now,
                    comment=reason,
                )
                if by == SYSTEM:
                    message = f"plan {digest[:12]} was rolled back: {reason}"
                    self._alarm(connection, Severity.WARNING, ALARM_ROLLED_BACK, digest, message)
            records.end_application(connection, application, at=now, unrestored=failures)
            if not failures:
                self._reinstate(connection, digest, by=by)
            for junction in junctions:
                if junction not in failures:
                    clear_alarms(connection, site, ALARM_NOT_RESTORED, junction, at=now)
            for junction, message in failures.items():
                self._alarm(connection, Severity.CRITICAL, ALARM_NOT_RESTORED, junction, message)
        return tuple(sorted(failures))

    def _reinstate(self, connection: Connection, digest: str, *, by: str) -> None:
        """What runs again is the plan that the rolled back one had superseded, if it was one."""
        newest = self._newest(connection)
        before = None if newest is None else newest.previous_digest
        site = self._site.id
        superseded = records.plans_with_status(connection, site, PlanStatus.SUPERSEDED)
        if before is not None and before in superseded:
            records.move(
                connection,
                site,
                before,
                PlanStatus.APPLIED,
                action="reinstate",
                by=by,
                at=self._clock.now(),
                comment=f"plan {digest[:12]} was rolled back",
            )

    def _alarm(
        self, connection: Connection, severity: Severity, kind: str, subject: str, message: str
    ) -> None:
        raise_alarm(
            connection,
            self._site.id,
            at=self._clock.now(),
            severity=severity,
            kind=kind,
            subject=subject,
            message=message,
        )


def _person(name: str) -> str:
    """Names are compared: the same person must not appear as two."""
    folded = name.strip().casefold()
    if not folded:
        raise NotAllowed("a change needs the name of the person who makes it")
    return folded


def _reason(comment: str) -> str:
    if not comment.strip():
        raise NotAllowed("a change needs a comment that says why")
    return comment.strip()
