"""The life of a plan, and the only value that a controller accepts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from models.errors import XanhError
from models.junction import Junction
from models.plan import Plan
from models.safety import check_plan
from models.validation import ValidationReport, Verdict


class PlanStatus(StrEnum):
    """Where a plan stands."""

    PROPOSED = "proposed"
    VALIDATED = "validated"
    FAILED = "failed"
    APPROVED = "approved"
    REFUSED = "refused"
    APPLYING = "applying"
    APPLIED = "applied"
    ROLLED_BACK = "rolled_back"
    SUPERSEDED = "superseded"


# APPLYING is written before the first controller is touched, so that a crash in between is
# found at the next start and rolled back.
TRANSITIONS: Mapping[PlanStatus, frozenset[PlanStatus]] = {
    PlanStatus.PROPOSED: frozenset(
        {PlanStatus.VALIDATED, PlanStatus.FAILED, PlanStatus.REFUSED, PlanStatus.SUPERSEDED}
    ),
    PlanStatus.VALIDATED: frozenset(
        {
            PlanStatus.APPROVED,
            PlanStatus.REFUSED,
            PlanStatus.SUPERSEDED,
            PlanStatus.VALIDATED,
            PlanStatus.FAILED,
        }
    ),
    PlanStatus.FAILED: frozenset(
        {PlanStatus.VALIDATED, PlanStatus.FAILED, PlanStatus.REFUSED, PlanStatus.SUPERSEDED}
    ),
    PlanStatus.APPROVED: frozenset(
        {PlanStatus.APPLYING, PlanStatus.REFUSED, PlanStatus.SUPERSEDED}
    ),
    PlanStatus.APPLYING: frozenset({PlanStatus.APPLIED, PlanStatus.ROLLED_BACK}),
    PlanStatus.APPLIED: frozenset({PlanStatus.ROLLED_BACK, PlanStatus.SUPERSEDED}),
    PlanStatus.ROLLED_BACK: frozenset({PlanStatus.VALIDATED, PlanStatus.FAILED}),
    PlanStatus.REFUSED: frozenset(),
    # Rolling back the plan that superseded it puts it on the street again.
    PlanStatus.SUPERSEDED: frozenset({PlanStatus.VALIDATED, PlanStatus.FAILED, PlanStatus.APPLIED}),
}


class NotAllowed(XanhError):
    """A step of the life that the rules forbid; the message says which rule."""


def require_transition(current: PlanStatus, wanted: PlanStatus) -> None:
    """Check one step of a plan's life.

    Raises:
        NotAllowed: If the step does not exist.
    """
    if wanted not in TRANSITIONS[current]:
        valid = ", ".join(sorted(TRANSITIONS[current])) or "nothing"
        raise NotAllowed(f"a plan that is {current} cannot become {wanted}; valid is {valid}")


@dataclass(frozen=True, slots=True)
class ApprovedPlan:
    """A plan that may reach a controller. Build it with ``approve``; nothing else will do."""

    plan: Plan
    report: ValidationReport
    proposer: str
    approver: str
    approved_at: datetime

    def __post_init__(self) -> None:
        if self.report.plan_digest != self.plan.digest:
            raise NotAllowed("the validation report is for another plan; validate this one")
        if self.report.verdict is not Verdict.PASS:
            raise NotAllowed(
                f"the validation did not pass ({self.report.verdict}: {self.report.reason})"
            )
        if self.approved_at.tzinfo is None:
            raise NotAllowed("the time of approval carries no time zone")
        if not self.report.created <= self.approved_at < self.report.expires:
            raise NotAllowed(
                f"the validation is not valid at {self.approved_at.isoformat()}; validate again"
            )
        if not self.approver or self.approver == self.proposer:
            raise NotAllowed("nobody approves their own plan; another person must")


def approve(
    plan: Plan,
    report: ValidationReport,
    junctions: Mapping[str, Junction],
    *,
    proposer: str,
    approver: str,
    now: datetime,
) -> ApprovedPlan:
    """Approve a plan for the site's controllers.

    Raises:
        NotAllowed: If the report does not pass, has expired or is for another plan, if the
            approver is the proposer, or if the plan breaks a safety rule.
    """
    breaches = check_plan(plan, junctions)
    if breaches:
        raise NotAllowed(f"the plan breaks {len(breaches)} safety rule(s): {breaches[0].message}")
    return ApprovedPlan(
        plan=plan, report=report, proposer=proposer, approver=approver, approved_at=now
    )
