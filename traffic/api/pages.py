"""The console's pages."""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Callable, Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import FileResponse, Response

from models.junction import Junction
from models.plan import Plan
from models.violation import CaseStatus
from traffic.api.calibration import desk_of
from traffic.api.cases import CaseId, view_case
from traffic.api.errors import not_found
from traffic.api.plans import Digest, need_plan, report_file, report_page
from traffic.api.security import (
    CaseViewer,
    Proposer,
    Signed,
    The,
    Viewer,
)
from traffic.api.services import Services
from traffic.api.shell import (
    alarm_row,
    drawing_of,
    names_of,
    page,
    standing,
    words_of,
)
from traffic.api.streams import event_stream
from traffic.api.street import need_junction
from traffic.auth import Permission
from traffic.cases import OPEN, Case
from traffic.measure_records import latest_measures
from traffic.web import case_pages, plan_pages, street_pages
from traffic.web.account_rows import account_events, account_rows
from traffic.web.city_map import city_map_svg
from traffic.web.drawing import junction_svg
from traffic.web.i18n import Words
from traffic.web.names import Names
from traffic.web.strip import stage_bar_svg
from traffic.web.text import local_time

router = APIRouter(include_in_schema=False)


# The street -------------------------------------------------------------------------------


@router.get("/")
def city(request: Request, session: Viewer, services: The) -> Response:
    """The corridor."""
    drawing, words, names = drawing_of(request), words_of(request), names_of(request)
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
        has_corridor=drawing is not None and drawing.corridor is not None,
        corridor=street_pages.corridor_strips(drawing, services.live, words),
        may_acknowledge=session.user.may(Permission.OPERATE),
        delay_line=street_pages.delay_line(services.live, words),
        approach_names=street_pages.approach_names(services.site, drawing, names),
    )


@router.get("/junctions")
def junctions(request: Request, session: Viewer, services: The) -> Response:
    """Every junction in one list."""
    cameras = street_pages.camera_rows(services.site, services.live, names_of(request))
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
    words, names, drawing = words_of(request), names_of(request), drawing_of(request)
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
        may_calibrate=session.user.may(Permission.PROPOSE),
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
        measures=street_pages.measure_rows(
            latest_measures(services.store, services.site.id, chosen["id"]), names, words
        )
        if chosen
        else None,
        history=street_pages.history_figure(found, counts, names, words),
    )


@router.get("/cameras/{camera}/calibrate")
def calibrate(request: Request, session: Proposer, services: The, camera: str) -> Response:
    """Mark point pairs on a picture of the camera."""
    found = next((item for item in services.site.cameras if item.id == camera), None)
    if found is None or "pose" in found.options:
        raise not_found(f"this site has no camera {camera!r} that point pairs can calibrate")
    now = desk_of(request).camera(camera)
    drawing = drawing_of(request)
    drawn = drawing.junctions.get(found.junction) if drawing else None
    return page(
        request,
        "calibrate.html",
        "junctions",
        session,
        camera=camera,
        junction=found.junction,
        version=now.view.calibration_version,
        width=now.view.width_px,
        height=now.view.height_px,
        pairs=json.dumps([{"px": pair.px, "m": pair.m} for pair in now.options.get("pairs", ())]),
        drawing=junction_svg(drawn, drawing, t=words_of(request)) if drawing and drawn else "",
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
    words, names, drawing = words_of(request), names_of(request), drawing_of(request)
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


# Plans ------------------------------------------------------------------------------------


@router.get("/plans")
def plans(request: Request, session: Viewer, services: The) -> Response:
    """Every plan, newest first."""
    rows = []
    for record in services.plans.plans():
        stored = services.plans.report(record.digest)
        rows.append(
            plan_pages.plan_row(record, stored.report if stored else None, words_of(request))
        )
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
    words, names = words_of(request), names_of(request)
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
        playback=report_page(services, digest, "playback.html") is not None,
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


@router.get("/plans/{digest}/playback.html")
def plan_playback(_: Viewer, services: The, digest: Digest) -> FileResponse:
    """Both runs of one pair of the validation, to be watched."""
    return report_file(services, digest, "playback.html")


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
    words, names, now = words_of(request), names_of(request), services.clock.now()
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
    words, names = words_of(request), names_of(request)
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
        ("health.key", services.signing.fingerprint),
    ]
    alarms = services.store.alarms(services.site.id, open_only=False)
    manages = session.user.may(Permission.MANAGE_USERS)
    return page(
        request,
        "health.html",
        "health",
        session,
        facts=[{"name": words(key), "value": value} for key, value in facts],
        cameras=street_pages.camera_rows(services.site, services.live, names_of(request)),
        may_calibrate=session.user.may(Permission.PROPOSE),
        alarms=[alarm_row(alarm, words) for alarm in alarms],
        accounts=account_rows(services.auth.accounts(), words) if manages else [],
        account_log=account_events(services.auth.history(), words) if manages else [],
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
