"""The street now and as counted: site, live state, cameras, counts, alarms."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from models.counts import counts_to_csv
from models.errors import BadInput
from models.junction import Junction
from models.units import ds_to_seconds, utc_text
from traffic.api.errors import not_found
from traffic.api.security import Operator, The, Viewer
from traffic.api.services import Services
from traffic.api.streams import event_stream, jpeg_stream
from traffic.live import snapshot_to_dict
from traffic.measure_records import stored_measures, stored_measures_to_csv
from traffic.store import Alarm, StoredCount

router = APIRouter(prefix="/api/v1", tags=["street"])


@router.get("/site")
def site(_: Viewer, services: The) -> dict[str, Any]:
    """The site: junctions, cameras with the kind of their source, vehicle classes."""
    return {
        "id": services.site.id,
        "name": services.site.name,
        "junctions": [
            {"id": item.id, "name": item.name} for item in services.site.junctions.values()
        ],
        "cameras": [
            {
                "id": camera.id,
                "junction": camera.junction,
                "approach": camera.approach,
                "kind": camera.view.source_kind.value,
            }
            for camera in services.site.cameras
        ],
        "classes": [{"name": item.name, "pcu": item.pcu} for item in services.site.classes],
    }


@router.get("/junctions/{junction}")
def junction(_: Viewer, services: The, junction: str) -> dict[str, Any]:
    """One junction: movements, crossings, its safety envelope in seconds."""
    found = need_junction(services, junction)
    envelope = found.envelope
    return {
        "id": found.id,
        "name": found.name,
        "movements": [
            {"id": m.id, "from": m.from_edge, "to": m.to_edge, "turn": m.turn.value}
            for m in found.movements
        ],
        "crossings": [{"id": c.id, "length_m": c.length_m} for c in found.crossings],
        "envelope": {
            "min_green_s": ds_to_seconds(envelope.min_green_ds),
            "max_green_s": ds_to_seconds(envelope.max_green_ds),
            "yellow_change_s": ds_to_seconds(envelope.yellow_change_ds),
            "red_clearance_s": ds_to_seconds(envelope.red_clearance_ds),
            "walk_s": ds_to_seconds(envelope.walk_ds),
            "min_cycle_s": ds_to_seconds(envelope.min_cycle_ds),
            "max_cycle_s": ds_to_seconds(envelope.max_cycle_ds),
        },
    }


@router.get("/live")
def live(_: Viewer, services: The) -> dict[str, Any]:
    """The newest snapshot: signals, queues, cameras, delay so far."""
    latest = services.live.latest
    if latest is None:
        raise not_found("there is no live data yet")
    return snapshot_to_dict(latest)


@router.get("/live/stream", response_class=StreamingResponse)
async def live_stream(session: Viewer, services: The) -> StreamingResponse:
    """Every snapshot as a server-sent event ``snapshot``."""
    return event_stream(services, alive=lambda: services.auth.session(session.token) is not None)


@router.get("/cameras/{camera}/frame.jpg", response_class=Response)
def frame(_: Viewer, services: The, camera: str) -> Response:
    """The camera's newest picture with detections drawn in."""
    _need_camera(services, camera)
    jpeg = services.live.frame(camera)
    if jpeg is None:
        raise not_found(f"camera {camera} has no picture")
    return Response(jpeg, media_type="image/jpeg")


@router.get("/cameras/{camera}/stream", response_class=StreamingResponse)
async def stream(session: Viewer, services: The, camera: str) -> StreamingResponse:
    """The camera's pictures as motion JPEG."""
    _need_camera(services, camera)
    if services.live.frame(camera) is None:
        raise not_found(f"camera {camera} has no picture")
    return jpeg_stream(
        services, camera, alive=lambda: services.auth.session(session.token) is not None
    )


Moment = Annotated[datetime | None, Query(description="ISO 8601 with a zone")]


@router.get("/counts")
def counts(
    _: Viewer, services: The, junction: str | None = None, begin: Moment = None, end: Moment = None
) -> list[dict[str, Any]]:
    """Counts by movement, class and interval; intervals start within ``[begin, end)``."""
    return [
        {
            "junction": item.row.junction,
            "movement": item.row.movement,
            "vehicle_class": item.row.vehicle_class,
            "start": utc_text(item.row.start),
            "end": utc_text(item.row.end),
            "count": item.row.count,
            "coverage": item.row.coverage,
            "camera": item.camera,
            "source_kind": item.source_kind,
            "calibration": item.calibration,
        }
        for item in _counts(services, junction, begin, end)
    ]


@router.get("/counts.csv", response_class=PlainTextResponse)
def counts_csv(
    _: Viewer, services: The, junction: str | None = None, begin: Moment = None, end: Moment = None
) -> PlainTextResponse:
    """The same as a file ``counts.csv``."""
    text = counts_to_csv(item.row for item in _counts(services, junction, begin, end))
    return PlainTextResponse(
        text,
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="counts.csv"'},
    )


@router.get("/measures.csv", response_class=PlainTextResponse)
def measures_csv(
    _: Viewer,
    services: The,
    junction: str | None = None,
    camera: str | None = None,
    begin: Moment = None,
    end: Moment = None,
) -> PlainTextResponse:
    """Flow, speed, headway, queue, occupancy, saturation flow and how sure the count is."""
    _need_zones(begin, end)
    found = stored_measures(
        services.store,
        services.site.id,
        begin=begin,
        end=end,
        junction=junction,
        camera=camera,
    )
    return PlainTextResponse(
        stored_measures_to_csv(found),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="measures.csv"'},
    )


@router.get("/alarms")
def alarms(_: Viewer, services: The, open_only: bool = True) -> list[dict[str, Any]]:
    """Alarms, newest first."""
    return [_alarm(item) for item in services.store.alarms(services.site.id, open_only=open_only)]


@router.post("/alarms/{alarm}/acknowledge", status_code=204)
def acknowledge(session: Operator, services: The, alarm: int) -> Response:
    """Note that an alarm was seen; it stays until its cause is gone."""
    known = {item.id: item for item in services.store.alarms(services.site.id)}
    if alarm not in known:
        raise not_found(f"there is no open alarm {alarm}")
    if known[alarm].acknowledged_at is None:
        services.store.acknowledge_alarm(alarm, by=session.user.name, at=services.clock.now())
    return Response(status_code=204)


def need_junction(services: Services, junction: str) -> Junction:
    """A junction of the site, or a 404."""
    found = services.site.junctions.get(junction)
    if found is None:
        raise not_found(f"this site has no junction {junction!r}")
    return found


def _need_camera(services: Services, camera: str) -> None:
    if all(item.id != camera for item in services.site.cameras):
        raise not_found(f"this site has no camera {camera!r}")


def _counts(
    services: Services, junction: str | None, begin: datetime | None, end: datetime | None
) -> tuple[StoredCount, ...]:
    _need_zones(begin, end)
    return services.store.stored_counts(services.site.id, begin=begin, end=end, junction=junction)


def _need_zones(begin: datetime | None, end: datetime | None) -> None:
    for name, moment in (("begin", begin), ("end", end)):
        if moment is not None and moment.tzinfo is None:
            raise BadInput("query", name, "has no time zone; valid is 2026-11-22T07:00:00Z")


def _alarm(item: Alarm) -> dict[str, Any]:
    return {
        "id": item.id,
        "at": utc_text(item.at),
        "severity": item.severity.value,
        "kind": item.kind,
        "subject": item.subject,
        "message": item.message,
        "acknowledged_by": item.acknowledged_by,
        "cleared": None if item.cleared_at is None else utc_text(item.cleared_at),
    }
