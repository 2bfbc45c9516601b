"""Cases over HTTP: only for who may see them, every view logged."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, StringConstraints
from starlette.responses import FileResponse, Response

from models.errors import XanhError
from models.units import utc_text
from models.violation import CaseStatus, RejectReason
from traffic.api.errors import not_found
from traffic.api.security import CaseReviewer, CaseViewer, The
from traffic.api.services import Services
from traffic.api.shell import drawing_of, words_of
from traffic.cases import OPEN, Case, CaseNotAllowed, CaseSummary
from traffic.evidence_package import build_package, package_name
from traffic.web.i18n import Words
from traffic.web.names import Names

router = APIRouter(prefix="/api/v1/cases", tags=["cases"])

CaseId = Annotated[str, Path(pattern="^[0-9a-f]{16}$")]


class Comment(BaseModel):
    """Why; kept with the decision."""

    comment: Annotated[str, StringConstraints(max_length=500)] = ""


class Export(BaseModel):
    """For whom and what for; the sheet's language is the console's unless said."""

    purpose: Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=300)]
    language: Literal["vi", "en"] | None = None


class Rejection(Comment):
    """Why a flag is refused; ``other`` needs a text."""

    reason: RejectReason


def view_case(services: Services, case_id: str, by: str) -> Case:
    """A case, its view logged; or a 404."""
    try:
        return services.cases.view(case_id, by)
    except XanhError as error:
        raise not_found(str(error)) from None


def evidence_file(services: Services, case_id: str, name: str, by: str) -> FileResponse:
    """An evidence file, its view logged; or a 404."""
    try:
        found, path = services.cases.view_evidence(case_id, name, by)
    except XanhError as error:
        raise not_found(str(error)) from None
    # Kept for a moment only, so that the next case can be fetched ahead.
    return FileResponse(
        path, media_type=found.media_type, headers={"Cache-Control": "private, max-age=120"}
    )


def _summary(item: CaseSummary) -> dict[str, Any]:
    return {
        "id": item.id,
        "kind": item.kind.value,
        "status": item.status.value,
        "camera": item.camera,
        "junction": item.junction,
        "vehicle_class": item.vehicle_class,
        "occurred_at": utc_text(item.occurred_at),
        "deadline_at": utc_text(item.deadline_at),
        "evidence": [entry.name for entry in item.evidence],
    }


def _case(case: Case) -> dict[str, Any]:
    return {
        **_summary(case.summary),
        "violation": dict(case.violation),
        "events": [
            {
                "at": utc_text(event.at),
                "by": event.by,
                "action": event.action,
                "to": event.to_status.value,
                "reason": None if event.reason is None else event.reason.value,
                "comment": event.comment,
                "sha256": event.sha256,
            }
            for event in case.events
        ],
    }


@router.get("")
def cases(
    _: CaseViewer,
    services: The,
    status: Annotated[list[CaseStatus] | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
) -> list[dict[str, Any]]:
    """Cases, nearest deadline first; the open ones unless ``status`` says otherwise."""
    wanted = tuple(status) if status else OPEN
    found = services.cases.cases(services.site.id, statuses=wanted, limit=limit)
    return [_summary(item) for item in found]


@router.get("/{case_id}")
def case(session: CaseViewer, services: The, case_id: CaseId) -> dict[str, Any]:
    """One case; the view is logged."""
    return _case(view_case(services, case_id, session.user.name))


@router.get("/{case_id}/evidence/{name}", response_class=FileResponse)
def evidence(session: CaseViewer, services: The, case_id: CaseId, name: str) -> FileResponse:
    """One evidence file; the view is logged."""
    return evidence_file(services, case_id, name, session.user.name)


def _decided(case_id: str, step: Callable[[], None]) -> dict[str, str]:
    """Take a step; an unknown case is a 404, a forbidden step a 409."""
    try:
        step()
    except CaseNotAllowed:
        raise
    except XanhError as error:
        raise not_found(str(error)) from None
    return {"id": case_id}


@router.post("/{case_id}/accept")
def accept(session: CaseReviewer, services: The, case_id: CaseId, body: Comment) -> dict[str, str]:
    """Find the violation proven; another person must confirm."""
    by = session.user.name
    return _decided(case_id, lambda: services.cases.accept(case_id, by, body.comment))


@router.post("/{case_id}/reject")
def reject(
    session: CaseReviewer, services: The, case_id: CaseId, body: Rejection
) -> dict[str, str]:
    """Refuse the flag, with a reason."""
    by = session.user.name
    return _decided(case_id, lambda: services.cases.reject(case_id, by, body.reason, body.comment))


@router.post("/{case_id}/escalate")
def escalate(
    session: CaseReviewer, services: The, case_id: CaseId, body: Comment
) -> dict[str, str]:
    """Pass the case to another reviewer, saying why."""
    by = session.user.name
    return _decided(case_id, lambda: services.cases.escalate(case_id, by, body.comment))


@router.post("/{case_id}/confirm")
def confirm(session: CaseReviewer, services: The, case_id: CaseId, body: Comment) -> dict[str, str]:
    """Confirm an accepted case; never one's own review."""
    by = session.user.name
    return _decided(case_id, lambda: services.cases.confirm(case_id, by, body.comment))


@router.post("/{case_id}/reopen")
def reopen(session: CaseReviewer, services: The, case_id: CaseId, body: Comment) -> dict[str, str]:
    """Take a rejection back."""
    by = session.user.name
    return _decided(case_id, lambda: services.cases.reopen(case_id, by, body.comment))


@router.post("/{case_id}/export", response_class=Response)
def export(
    request: Request, session: CaseReviewer, services: The, case_id: CaseId, body: Export
) -> Response:
    """A confirmed case as a package with bystanders hidden; who and why go into its history."""
    words = Words(body.language) if body.language else words_of(request)
    names = Names(services.site, drawing_of(request), words)
    by = session.user.name

    def build(case: Case, files: Mapping[str, bytes], at: datetime) -> bytes:
        return build_package(
            case, files, at, by=by, purpose=body.purpose, names=names, t=words, key=services.signing
        )

    try:
        content = services.cases.export(case_id, by, body.purpose, build)
    except CaseNotAllowed:
        raise
    except XanhError as error:
        raise not_found(str(error)) from None
    return Response(
        content,
        media_type="application/zip",
        headers={"Content-Disposition": f'attachment; filename="{package_name(case_id)}"'},
    )
