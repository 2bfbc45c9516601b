"""Plans over HTTP: read, propose, decide, apply, roll back."""

from __future__ import annotations

from pathlib import Path as FilePath
from typing import Annotated, Any

from fastapi import APIRouter, Path
from pydantic import BaseModel, StringConstraints
from starlette.responses import FileResponse

from models.errors import XanhError
from models.lifecycle import NotAllowed, PlanStatus
from models.units import utc_text
from traffic.api.errors import not_found
from traffic.api.security import REPORT_POLICY, Approver, Operator, Proposer, The, Viewer
from traffic.api.services import Services
from traffic.lifecycle import ApplyOutcome
from traffic.planfiles import plan_from_text
from traffic.planrecords import PlanRecord, plan_to_document

router = APIRouter(prefix="/api/v1/plans", tags=["plans"])

Digest = Annotated[str, Path(pattern="^[0-9a-f]{64}$")]


class Comment(BaseModel):
    """Why; kept with the change."""

    comment: Annotated[str, StringConstraints(max_length=500)] = ""


class Proposal(Comment):
    """The text of a ``plan.yaml``."""

    plan: Annotated[str, StringConstraints(max_length=2_000_000)]


def need_plan(services: Services, digest: str) -> PlanRecord:
    """A stored plan, or a 404."""
    if all(record.digest != digest for record in services.plans.plans()):
        raise not_found(f"this site has no plan {digest[:12]}")
    return services.plans.get(digest)


def report_file(services: Services, digest: str, name: str = "report.html") -> FileResponse:
    """A page of the validation, shut in: it can reach neither session nor API."""
    need_plan(services, digest)
    page = report_page(services, digest, name)
    if page is None:
        raise not_found(f"plan {digest[:12]} has no {name}")
    return FileResponse(
        page, media_type="text/html", headers={"Content-Security-Policy": REPORT_POLICY}
    )


def report_page(services: Services, digest: str, name: str) -> FilePath | None:
    """Where a page of a plan's validation lies; None if there is none."""
    stored = services.plans.report(digest)
    page = FilePath(stored.folder) / name if stored and stored.folder else None
    return page if page is not None and page.is_file() else None


def _body(record: PlanRecord) -> dict[str, Any]:
    return {
        "digest": record.digest,
        "status": record.status.value,
        "proposer": record.proposer,
        "proposed_at": utc_text(record.proposed_at),
        "approver": record.approver,
        "approved_at": None if record.approved_at is None else utc_text(record.approved_at),
    }


def _outcome(outcome: ApplyOutcome) -> dict[str, Any]:
    return {
        "digest": outcome.digest,
        "applied": outcome.applied,
        "read_back": dict(outcome.read_back),
        "read_back_matches": outcome.read_back_matches,
        "reason": outcome.reason,
        "unrestored": list(outcome.unrestored),
    }


@router.get("")
def plans(_: Viewer, services: The) -> list[dict[str, Any]]:
    """The site's plans, newest first."""
    return [_body(record) for record in services.plans.plans()]


@router.post("", status_code=201)
def propose(session: Proposer, services: The, body: Proposal) -> dict[str, Any]:
    """Propose the timing of a plan file; validation comes next."""
    plan = plan_from_text(body.plan, "plan")
    return _body(services.plans.propose(plan, session.user.name, body.comment))


@router.get("/{digest}")
def plan(_: Viewer, services: The, digest: Digest) -> dict[str, Any]:
    """A plan with its timing, newest report and history."""
    record = need_plan(services, digest)
    stored = services.plans.report(digest)
    return {
        **_body(record),
        "plan": plan_to_document(record.plan),
        "report": None if stored is None else stored.report.to_dict(),
        "history": [
            {
                "at": utc_text(event.at),
                "by": event.by,
                "action": event.action,
                "to": event.to_status.value,
                "comment": event.comment,
            }
            for event in services.plans.history(digest)
        ],
    }


@router.get("/{digest}/report", response_class=FileResponse)
def report(_: Viewer, services: The, digest: Digest) -> FileResponse:
    """The validation report as a page."""
    return report_file(services, digest)


@router.post("/{digest}/approve")
def approve(session: Approver, services: The, digest: Digest, body: Comment) -> dict[str, Any]:
    """Approve a validated plan; never one's own."""
    need_plan(services, digest)
    return _body(services.plans.approve(digest, session.user.name, body.comment))


@router.post("/{digest}/refuse")
def refuse(session: Approver, services: The, digest: Digest, body: Comment) -> dict[str, Any]:
    """Refuse a plan for good."""
    need_plan(services, digest)
    return _body(services.plans.refuse(digest, session.user.name, body.comment))


@router.post("/{digest}/apply")
def apply(session: Operator, services: The, digest: Digest, body: Comment) -> dict[str, Any]:
    """Send an approved plan to every controller and read each back."""
    need_plan(services, digest)
    outcome = services.plans.apply(digest, session.user.name, body.comment)
    if not outcome.applied:
        raise XanhError(f"not applied, every controller was rolled back: {outcome.reason}")
    return _outcome(outcome)


@router.post("/{digest}/rollback")
def rollback(session: Operator, services: The, digest: Digest, body: Comment) -> dict[str, Any]:
    """Return every controller to what it ran before this plan."""
    if need_plan(services, digest).status is not PlanStatus.APPLIED:
        raise NotAllowed("only the plan that is applied can be rolled back")
    outcome = services.plans.rollback(session.user.name, body.comment)
    if outcome.unrestored:
        raise XanhError(f"rolled back, but not confirmed by {', '.join(outcome.unrestored)}")
    return _outcome(outcome)
