"""Sessions in a cookie, permissions per route, same-origin changes, and response headers."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import Depends, Request
from starlette.datastructures import MutableHeaders

from models.errors import XanhError
from traffic.api.services import Services
from traffic.auth import Permission, Session

COOKIE = "xanh_session"
CSRF_HEADER = "x-csrf-token"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; media-src 'self'; connect-src 'self'; font-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
# The validation report is one self-contained file: it may run its own script, and nothing else.
# Without an origin it can reach neither the session nor the API.
REPORT_POLICY = (
    "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline'; "
    "style-src 'unsafe-inline'; img-src data:; font-src data:; frame-ancestors 'none'"
)


class NotSignedIn(XanhError):
    """The request carries no valid session."""


class WrongOrigin(XanhError):
    """A change that did not come from this console, or without its token."""


def services_of(request: Request) -> Services:
    """The services that the app was made with."""
    services: Services = request.app.state.services
    return services


def session_of(request: Request) -> Session:
    """The session of the request's cookie; each change must come from the same origin.

    Raises:
        NotSignedIn: If there is none, or it is over.
        WrongOrigin: If a change comes from elsewhere or without the session's token.
    """
    token = request.cookies.get(COOKIE, "")
    session = services_of(request).auth.session(token) if token else None
    if session is None:
        raise NotSignedIn("sign in first")
    if request.method not in SAFE_METHODS:
        require_same_origin(request)
        if not hmac.compare_digest(request.headers.get(CSRF_HEADER, ""), session.csrf):
            raise WrongOrigin(f"a change needs the session's token in the header {CSRF_HEADER}")
    return session


def require_same_origin(request: Request) -> None:
    """Refuse a change that a page of another site makes a browser send.

    Raises:
        WrongOrigin: If the browser says that it comes from elsewhere.
    """
    origin = request.headers.get("origin")
    site = request.headers.get("sec-fetch-site")
    foreign = origin is not None and urlsplit(origin).netloc != request.headers.get("host", "")
    if foreign or site in ("cross-site", "same-site"):
        raise WrongOrigin("a change must come from this console's own pages")


def permitted(permission: Permission) -> Callable[[Request], Session]:
    """A dependency: the session, if its user has ``permission``."""

    def check(request: Request) -> Session:
        session = session_of(request)
        session.user.require(permission)
        return session

    # The own documentation page lists what a route needs.
    check.permission = permission  # type: ignore[attr-defined]
    return check


Signed = Annotated[Session, Depends(session_of)]
Viewer = Annotated[Session, Depends(permitted(Permission.VIEW_STREET))]
Operator = Annotated[Session, Depends(permitted(Permission.OPERATE))]
Proposer = Annotated[Session, Depends(permitted(Permission.PROPOSE))]
Approver = Annotated[Session, Depends(permitted(Permission.APPROVE))]
CaseViewer = Annotated[Session, Depends(permitted(Permission.VIEW_CASES))]
CaseReviewer = Annotated[Session, Depends(permitted(Permission.REVIEW_CASES))]
The = Annotated[Services, Depends(services_of)]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class SecurityHeaders:
    """ASGI middleware: headers that every response carries unless it set its own."""

    def __init__(self, app: Callable[[Scope, Receive, Send], Awaitable[None]]) -> None:
        """Wrap an app."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.setdefault("content-security-policy", CONTENT_POLICY)
                headers.setdefault("x-content-type-options", "nosniff")
                headers.setdefault("referrer-policy", "same-origin")
                headers.setdefault("x-frame-options", "DENY")
                headers.setdefault("cross-origin-opener-policy", "same-origin")
                headers.setdefault("cross-origin-resource-policy", "same-origin")
                headers.setdefault("permissions-policy", "camera=(), microphone=(), geolocation=()")
                headers.setdefault("cache-control", "no-store")
            await send(message)

        await self._app(scope, receive, with_headers)
