"""The console's pages."""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Callable, Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Form, Query, Request
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response

from models.junction import Junction
from models.lifecycle import PlanStatus
from models.plan import Plan
from models.violation import CaseStatus
from simulation.wording import LANGUAGES
from traffic.api.cases import CaseId, view_case
from traffic.api.errors import not_found
from traffic.api.plans import Digest, need_plan, report_file
from traffic.api.security import (
    COOKIE,
    CaseViewer,
    NotSignedIn,
    Signed,
    The,
    Viewer,
    require_same_origin,
    services_of,
    session_of,
)
from traffic.api.services import Services
from traffic.api.session import open_session, set_cookie
from traffic.api.streams import event_stream
from traffic.api.street import need_junction
from traffic.auth import Permission, Session, SignInRefused
from traffic.cases import OPEN, Case
from traffic.store import Alarm
from traffic.web import case_pages, plan_pages, street_pages
from traffic.web.drawing import city_map_svg, junction_svg, lamp_symbols
from traffic.web.geometry import DrawnNetwork
from traffic.web.i18n import Words
from traffic.web.names import Names
from traffic.web.render import render
from traffic.web.strip import stage_bar_svg
from traffic.web.text import local_time

router = APIRouter(include_in_schema=False)
THEMES = ("dark", "light")
YEAR_S = 365 * 86_400


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
        "standing_counts": _counts(services, sees_cases) if user else {},
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


def _names(request: Request) -> Names:
    return Names(services_of(request).site, drawing_of(request), words_of(request))


# Signing in, language and theme ------------------------------------------------------------


@router.get("/login")
def login_page(request: Request, next: str = "/") -> Response:
    """The form to sign in."""
    return page(request, "login.html", "", None, error="", name="", next=_local(next))


@router.post("/login")
def login(
    request: Request,
    services: The,
    name: Annotated[str, Form(max_length=64)] = "",
    password: Annotated[str, Form(max_length=256)] = "",
    next: Annotated[str, Form(max_length=300)] = "/",
) -> Response:
    """Sign in and go where the person wanted to."""
    try:
        session = open_session(request, services, name, password)
    except SignInRefused as error:
        words = words_of(request)
        waits = "too many" in str(error)
        message = words("login.slow_down" if waits else "login.wrong")
        response: Response = page(
            request, "login.html", "", None, error=message, name=name, next=_local(next)
        )
        response.status_code = 429 if waits else 401
        return response
    response = RedirectResponse(_local(next), 303)
    set_cookie(response, services, session)
    return response


@router.post("/logout")
def logout(request: Request, services: The) -> Response:
    """End the session."""
    require_same_origin(request)
    services.auth.sign_out(request.cookies.get(COOKIE, ""))
    response = RedirectResponse("/login", 303)
    response.delete_cookie(COOKIE, path="/")
    return response


@router.post("/settings")
def settings(
    request: Request,
    language: Annotated[str, Form()] = "",
    theme: Annotated[str, Form()] = "",
    back: Annotated[str, Form(max_length=300)] = "/",
) -> Response:
    """Remember language or theme in this browser."""
    require_same_origin(request)
    response = RedirectResponse(_local(back), 303)
    for name, value, valid in (
        ("xanh_language", language, LANGUAGES),
        ("xanh_theme", theme, THEMES),
    ):
        if value in valid:
            response.set_cookie(name, value, max_age=YEAR_S, samesite="strict", httponly=True)
    return response


def _local(path: str) -> str:
    """A path of this console; anything else becomes the first page."""
    safe = path.startswith("/") and not path.startswith("//") and "\\" not in path
    return path if safe and path.isprintable() else "/"


# The street -------------------------------------------------------------------------------


@router.get("/")
def city(request: Request, session: Viewer, services: The) -> Response:
    """The corridor."""
    drawing, words, names = drawing_of(request), words_of(request), _names(request)
    latest = services.live.latest
    return page(
        request,
        "city.html",
        "city",
        session,
        junction_count=len(services.site.junctions),
        junctions=list(services.site.junctions.values()),
        cameras=street_pages.camera_rows(services.site, services.live, names),
        virtual=latest is not None and latest.snapshot.virtual,
        thread=latest is not None and latest.snapshot.progress is not None,
        map_wide=city_map_svg(drawing, wide=True, t=words) if drawing else "",
        map_tall=city_map_svg(drawing, wide=False, t=words) if drawing else "",
        corridor=street_pages.corridor_strips(drawing, services.live, words),
        delay_line=street_pages.delay_line(services.live, words),
        approach_names=street_pages.approach_names(drawing, names),
    )


@router.get("/junctions")
def junctions(request: Request, session: Viewer, services: The) -> Response:
    """Every junction in one list."""
    cameras = street_pages.camera_rows(services.site, services.live, _names(request))
    rows = [
        {
            "id": item.id,
            "name": item.name,
            "cameras": [camera for camera in cameras if camera["junction"] == item.id],
            "lamps": street_pages.junction_lamps(drawing_of(request), item.id),
        }
        for item in services.site.junctions.values()
    ]
    return page(request, "junctions.html", "junctions", session, rows=rows)


@router.get("/junctions/{junction}")
def junction(
    request: Request, session: Viewer, services: The, junction: str, camera: str = ""
) -> Response:
    """One junction: video, drawing, stages, counts, history."""
    found = need_junction(services, junction)
    words, names, drawing = words_of(request), _names(request), drawing_of(request)
    cameras = [
        row
        for row in street_pages.camera_rows(services.site, services.live, names)
        if row["junction"] == junction
    ]
    chosen = next((row for row in cameras if row["id"] == camera), next(iter(cameras), None))
    plan = services.plan_in_force()
    timing = plan.junction(junction) if plan and _has(plan, junction) else None
    counts = services.store.counts(services.site.id, junction=junction)
    classes = [item.name for item in services.site.classes if item.name != "pedestrian"]
    order = list(services.site.junctions)
    at = order.index(junction)
    return page(
        request,
        "junction.html",
        "junctions",
        session,
        junction=found,
        camera=chosen,
        cameras=cameras,
        before=order[at - 1] if at else "",
        after=order[at + 1] if at + 1 < len(order) else "",
        drawing=junction_svg(drawing.junctions[junction], drawing, t=words) if drawing else "",
        strip=_strip(services, found, chosen["id"] if chosen else "", names, words),
        stage_bar=stage_bar_svg(
            timing, label_px=street_pages.monitor_label_px(found, names), t=words
        )
        if timing
        else "",
        split_monitor=street_pages.split_monitor(plan, found, names, words),
        offset_s=f"{timing.offset_ds / 10:g}" if timing else "–",
        plan_digest=plan.digest if plan else "",
        counts=street_pages.count_rows(found, counts, classes, names),
        classes=classes,
        history=street_pages.history_figure(found, counts, names, words),
    )


def _has(plan: Plan, junction: str) -> bool:
    return any(timing.junction == junction for timing in plan.junctions)


def _strip(services: Services, junction: Junction, camera: str, names: Names, words: Words) -> str:
    approach = next((item.approach for item in services.site.cameras if item.id == camera), "")
    if not approach:
        approach = next(iter(junction.approaches), "")
    return street_pages.approach_strip(junction, approach, camera, services.live, names, words)


@router.get("/live")
async def live(
    request: Request,
    session: Viewer,
    services: The,
    corridor: bool = False,
    junction: str = "",
    camera: str = "",
) -> Response:
    """The stream that a page follows: snapshots, drawings of that page, alarms and counts."""
    words, names, drawing = words_of(request), _names(request), drawing_of(request)
    draw: Callable[[], Mapping[str, str]] | None = None
    if corridor:

        def draw() -> Mapping[str, str]:
            return {
                "corridor": street_pages.corridor_strips(drawing, services.live, words),
                "delay-line": street_pages.delay_line(services.live, words),
            }

    elif junction:
        found = need_junction(services, junction)

        def draw() -> Mapping[str, str]:
            return {"strip": _strip(services, found, camera, names, words)}

    sees_cases = session.user.may(Permission.VIEW_CASES)
    return event_stream(
        services,
        alive=lambda: services.auth.session(session.token) is not None,
        drawings=draw,
        standing=lambda: standing(services, words, sees_cases=sees_cases),
    )


def standing(services: Services, words: Words, *, sees_cases: bool) -> dict[str, Any]:
    """What the store holds that every page shows: alarms, and what waits for a person."""
    records = services.plans.plans()
    waiting = [record for record in records if record.status is PlanStatus.VALIDATED]
    return {
        "plans": {record.digest: record.status.value for record in records},
        "alarms": [_alarm(alarm, words) for alarm in services.store.alarms(services.site.id)],
        "counts": _counts(services, sees_cases),
        "waiting_plan": waiting[0].digest if waiting else "",
    }


def _counts(services: Services, sees_cases: bool) -> dict[str, int]:
    waiting = sum(
        record.status in (PlanStatus.VALIDATED, PlanStatus.APPROVED)
        for record in services.plans.plans()
    )
    if not sees_cases:
        return {"count-plans": waiting, "count-cases": 0}
    counts = services.cases.counts(services.site.id)
    return {"count-plans": waiting, "count-cases": sum(counts[status] for status in OPEN)}


def _alarm(alarm: Alarm, words: Words) -> dict[str, str]:
    key = f"alarm.{alarm.kind}"
    return {
        "title": words(key) if words.has(key) else alarm.kind.replace("_", " "),
        "subject": alarm.subject[:12] if len(alarm.subject) == 64 else alarm.subject,
        "message": alarm.message,
        "since": local_time(alarm.at, seconds=True),
        "cleared": local_time(alarm.cleared_at, seconds=True) if alarm.cleared_at else "",
    }


# Plans ------------------------------------------------------------------------------------


@router.get("/plans")
def plans(request: Request, session: Viewer, services: The) -> Response:
    """Every plan, newest first."""
    rows = []
    for record in services.plans.plans():
        stored = services.plans.report(record.digest)
        rows.append(plan_pages.plan_row(record, stored.report if stored else None))
    in_force = services.plan_in_force()
    return page(
        request,
        "plans.html",
        "plans",
        session,
        rows=rows,
        in_force=in_force.digest if in_force else "",
    )


@router.get("/plans/{digest}")
def plan(request: Request, session: Viewer, services: The, digest: Digest) -> Response:
    """One plan beside what it would replace."""
    record = need_plan(services, digest)
    words, names = words_of(request), _names(request)
    stored = services.plans.report(digest)
    report = stored.report if stored else None
    history = services.plans.history(digest)
    current = services.plan_compared(digest, report)
    return page(
        request,
        "plan.html",
        "plans",
        session,
        digest=digest,
        status=record.status.value,
        proposer=record.proposer,
        proposed_at=local_time(record.proposed_at),
        report=plan_pages.report_view(report, services.site, names, words) if report else None,
        delay_figure=plan_pages.delay_figure(report, names, words) if report else "",
        time_space=plan_pages.time_spaces(
            (current, record.plan), drawing_of(request), services.site, words
        ),
        wave_kmh=f"{street_pages.MAX_SPEED_MPS * 3.6:.0f}",
        junctions=plan_pages.timing_rows(current, record.plan, services.site, names, words),
        actions=plan_pages.plan_actions(
            record, history, report, session.user, services.clock.now(), words
        ),
        changes=plan_pages.change_lines(current, record.plan, words),
        history=plan_pages.history_rows(history, words),
    )


@router.get("/plans/{digest}/report")
def plan_report(_: Viewer, services: The, digest: Digest) -> FileResponse:
    """The full validation report."""
    return report_file(services, digest)


# Cases ------------------------------------------------------------------------------------


@router.get("/cases")
def cases(
    request: Request,
    session: CaseViewer,
    services: The,
    status: Annotated[str, Query(max_length=32)] = "open",
) -> Response:
    """Cases, nearest deadline first."""
    chosen = CaseStatus(status) if status in set(CaseStatus) else None
    found = services.cases.cases(services.site.id, statuses=(chosen,) if chosen else OPEN)
    words, names, now = words_of(request), _names(request), services.clock.now()
    return page(
        request,
        "cases.html",
        "cases",
        session,
        rows=[case_pages.case_row(item, now, names, words) for item in found],
        filters=case_pages.filters(services.cases.counts(services.site.id), chosen),
    )


@router.get("/cases/{case_id}")
def case(request: Request, session: CaseViewer, services: The, case_id: CaseId) -> Response:
    """One case; looking at it is logged."""
    found = view_case(services, case_id, session.user.name)
    words, names = words_of(request), _names(request)
    order = services.cases.cases(services.site.id)
    before, after, position = case_pages.neighbours(order, case_id)
    return page(
        request,
        "case.html",
        "cases",
        session,
        **case_pages.case_view(
            found, _recorded(services, found), session.user, services.clock.now(), names, words
        ),
        previous=before,
        next=after.id if after else "",
        next_files=case_pages.frames_of(after) if after else [],
        position=words("case.position", index=position or "–", count=len(order)),
        views=len(services.cases.views(case_id)),
    )


def _recorded(services: Services, found: Case) -> Mapping[str, Any]:
    """What detection wrote beside the frames; empty when the case came without it."""
    entry = next((item for item in found.summary.evidence if item.name == "case.json"), None)
    if entry is None or not services.store.evidence.is_intact(entry.sha256):
        return {}
    body: dict[str, Any] = json.loads(services.store.evidence.path(entry.sha256).read_bytes())
    return body


# The service itself -----------------------------------------------------------------------


@router.get("/health")
def health(request: Request, session: Viewer, services: The) -> Response:
    """Cameras, alarms and the service."""
    words = words_of(request)
    latest = services.live.latest
    chain = services.store.verify_chain()
    facts = [
        ("health.site", f"{services.site.name} ({services.site.id})"),
        ("health.version", importlib.metadata.version("xanh")),
        (
            "health.snapshot",
            words("live.none") if latest is None else words("live.age", age=f"{latest.age_s:.1f}"),
        ),
        (
            "health.chain",
            words("health.chain_ok", rows=chain.rows) if chain.ok else str(chain.problem),
        ),
    ]
    alarms = services.store.alarms(services.site.id, open_only=False)
    return page(
        request,
        "health.html",
        "health",
        session,
        facts=[{"name": words(key), "value": value} for key, value in facts],
        cameras=street_pages.camera_rows(services.site, services.live, _names(request)),
        alarms=[_alarm(alarm, words) for alarm in alarms],
    )


@router.get("/search-index")
def search_index(request: Request, session: Signed, services: The) -> list[dict[str, str]]:
    """Everything that the search box finds."""
    words = words_of(request)
    found = [
        {"title": words("nav." + name), "href": href}
        for name, href in (
            ("city", "/"),
            ("junctions", "/junctions"),
            ("plans", "/plans"),
            ("health", "/health"),
            ("docs", "/docs"),
        )
    ]
    found += [
        {"title": f"{item.id} {item.name}", "href": f"/junctions/{item.id}"}
        for item in services.site.junctions.values()
    ]
    found += [
        {"title": camera.id, "href": f"/junctions/{camera.junction}?camera={camera.id}"}
        for camera in services.site.cameras
    ]
    found += [
        {"title": f"{words('plan.one')} {record.digest[:12]}", "href": f"/plans/{record.digest}"}
        for record in services.plans.plans()
    ]
    if session.user.may(Permission.VIEW_CASES):
        found += [
            {
                "title": f"{words('kind.' + item.kind.value)} {item.id} {item.camera}",
                "href": f"/cases/{item.id}",
            }
            for item in services.cases.cases(services.site.id)
        ]
    return found


@router.get("/docs")
def docs(request: Request, session: Viewer) -> Response:
    """What the API offers, from its own description."""
    routes = [
        {
            "method": method.upper(),
            "path": path,
            "summary": str(operation.get("description", "")).replace("``", ""),
            "needs": operation.get("x-permission", "–").replace("_", " "),
        }
        for path, operations in request.app.openapi()["paths"].items()
        for method, operation in operations.items()
    ]
    return page(request, "docs.html", "", session, routes=routes)


@router.get("/favicon.ico")
def icon() -> Response:
    """Browsers ask for it; the page names another."""
    raise not_found("there is no such file")
