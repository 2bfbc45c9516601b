"""What flows: server-sent events of the present, and motion JPEG of the cameras."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from anyio import to_thread
from starlette.responses import StreamingResponse

from traffic.api.services import Services
from traffic.live import snapshot_to_dict

BOUNDARY = "frame"
STANDING_S = 2.0
SESSION_S = 20.0
# A proxy would otherwise hold small events back.
_NO_BUFFER = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


def event(name: str, body: object) -> str:
    """One server-sent event."""
    return f"event: {name}\ndata: {json.dumps(body, ensure_ascii=False)}\n\n"


def event_stream(
    services: Services,
    *,
    alive: Callable[[], bool],
    drawings: Callable[[], Mapping[str, str]] | None = None,
    standing: Callable[[], Mapping[str, Any]] | None = None,
) -> StreamingResponse:
    """Events ``snapshot``, ``drawing`` (HTML by element id) and ``standing`` (from the store).

    Args:
        services: The service.
        alive: Whether the reader's session still holds; asked from time to time.
        drawings: Drawings to send with each snapshot.
        standing: Alarms and counts from the store, sent when they change.
    """

    async def events() -> AsyncIterator[str]:
        seen, sent_standing, checked, asked = 0, "", time.monotonic(), 0.0
        async for _ in services.live.wake_ups(STANDING_S):
            now = time.monotonic()
            if now - checked > SESSION_S:
                checked = now
                if not await to_thread.run_sync(alive):
                    return
            if standing is not None and now - asked >= STANDING_S:
                asked = now
                text = event("standing", await to_thread.run_sync(standing))
                if text != sent_standing:
                    sent_standing = text
                    yield text
            latest = services.live.latest
            if latest is None or latest.sequence == seen:
                continue
            seen = latest.sequence
            yield event("snapshot", snapshot_to_dict(latest))
            if drawings is not None:
                yield event("drawing", drawings())

    return StreamingResponse(events(), media_type="text/event-stream", headers=_NO_BUFFER)


def jpeg_stream(services: Services, camera: str, *, alive: Callable[[], bool]) -> StreamingResponse:
    """A camera's frames as they come, as ``multipart/x-mixed-replace``."""

    async def parts() -> AsyncIterator[bytes]:
        checked = time.monotonic()
        yield f"--{BOUNDARY}\r\n".encode()
        async for jpeg in services.live.frames(camera):
            if time.monotonic() - checked > SESSION_S:
                checked = time.monotonic()
                if not await to_thread.run_sync(alive):
                    return
            head = f"Content-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
            # The closing boundary goes with the picture, or browsers show it one frame late.
            yield head.encode() + jpeg + f"\r\n--{BOUNDARY}\r\n".encode()

    return StreamingResponse(
        parts(),
        media_type=f"multipart/x-mixed-replace; boundary={BOUNDARY}",
        headers=_NO_BUFFER,
    )
