"""What every page has: words, drawing, the person, and what waits for them."""

from __future__ import annotations

from typing import Any

from fastapi import Request
from starlette.responses import HTMLResponse, Response

from models.lifecycle import PlanStatus
from simulation.wording import LANGUAGES
from traffic.api.security import (
    NotSignedIn,
    services_of,
    session_of,
)
from traffic.api.services import Services
from traffic.auth import Permission, Session
from traffic.cases import OPEN
from traffic.store import Alarm
from traffic.web.drawing import lamp_symbols
from traffic.web.geometry import DrawnNetwork
from traffic.web.i18n import Words
from traffic.web.names import Names
from traffic.web.render import render
from traffic.web.text import local_time

THEMES = ("dark", "light")


def words_of(request: Request) -> Words:
    """The page's language: the reader's choice, else the installation's."""
    chosen = request.cookies.get("xanh_language", "")
    return Words(chosen if chosen in LANGUAGES else services_of(request).settings.language)


def drawing_of(request: Request) -> DrawnNetwork | None:
    """The drawing of the site's network, None for a camera-only site."""
    drawing: DrawnNetwork | None = request.app.state.drawing
    return drawing


def page(
    request: Request, template: str, section: str, session: Session | None, **context: Any
) -> HTMLResponse:
    """A page with what every page has."""
    words = words_of(request)
    services = services_of(request)
    theme = request.cookies.get("xanh_theme", "")
    user = session.user if session else None
    sees_cases = user is not None and user.may(Permission.VIEW_CASES)
    shared: dict[str, Any] = {
        "t": words,
        "lang": words.language,
        "theme": theme if theme in THEMES else "dark",
        "user": user,
        "csrf": session.csrf if session else "",
        "section": section,
        "path": request.url.path,
        "site_name": services.site.name,
        "sees_cases": sees_cases,
        "standing_counts": waiting_counts(services, sees_cases) if user else {},
        "lamp_symbols": lamp_symbols(words),
    }
    return HTMLResponse(render(template, shared | context))


def error_page(request: Request, status: int, message: str, error_id: str) -> Response:
    """One line for a person."""
    try:
        session: Session | None = session_of(request) if request.method == "GET" else None
    except NotSignedIn:
        session = None
    words = words_of(request)
    plain = {404: "error.not_found", 403: "error.forbidden"}
    response = page(
        request,
        "error.html",
        "",
        session,
        status=status,
        message=words(plain[status]) if status in plain else message,
        id=error_id,
    )
    response.status_code = status
    return response


def names_of(request: Request) -> Names:
    """Readable names in the page's language."""
    return Names(services_of(request).site, drawing_of(request), words_of(request))


def standing(services: Services, words: Words, *, sees_cases: bool) -> dict[str, Any]:
    """What the store holds that every page shows: alarms, and what waits for a person."""
    records = services.plans.plans()
    waiting = [record for record in records if record.status is PlanStatus.VALIDATED]
    return {
        "plans": {record.digest: record.status.value for record in records},
        "alarms": [alarm_row(alarm, words) for alarm in services.store.alarms(services.site.id)],
        "counts": waiting_counts(services, sees_cases),
        "waiting_plan": waiting[0].digest if waiting else "",
    }


def waiting_counts(services: Services, sees_cases: bool) -> dict[str, int]:
    """Plans and cases that wait for a person, by the element that shows them."""
    waiting = sum(
        record.status in (PlanStatus.VALIDATED, PlanStatus.APPROVED)
        for record in services.plans.plans()
    )
    if not sees_cases:
        return {"count-plans": waiting, "count-cases": 0}
    counts = services.cases.counts(services.site.id)
    return {"count-plans": waiting, "count-cases": sum(counts[status] for status in OPEN)}


def alarm_row(alarm: Alarm, words: Words) -> dict[str, str]:
    """An alarm in a list."""
    key = f"alarm.{alarm.kind}"
    return {
        "id": str(alarm.id),
        "seen_by": words("alarm.seen_by", name=alarm.acknowledged_by)
        if alarm.acknowledged_by
        else "",
        "title": words(key) if words.has(key) else alarm.kind.replace("_", " "),
        "subject": alarm.subject[:12] if len(alarm.subject) == 64 else alarm.subject,
        "message": alarm.message,
        "since": local_time(alarm.at, seconds=True),
        "cleared": local_time(alarm.cleared_at, seconds=True) if alarm.cleared_at else "",
    }
