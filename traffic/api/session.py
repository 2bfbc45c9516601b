"""Signing in and out."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, StringConstraints
from starlette.responses import JSONResponse, Response

from models.units import utc_text
from traffic.api.security import COOKIE, Signed, The, require_same_origin
from traffic.api.services import Services
from traffic.auth import PERMISSIONS, Session

router = APIRouter(prefix="/api/v1/session", tags=["session"])


class SignIn(BaseModel):
    """Name and password of a user."""

    name: Annotated[str, StringConstraints(max_length=64)]
    password: Annotated[str, StringConstraints(max_length=256)]


def open_session(request: Request, services: Services, name: str, password: str) -> Session:
    """Sign in from the address of the request.

    Raises:
        SignInRefused: If name or password is wrong, or there were too many attempts.
        WrongOrigin: If another site's page sent it.
    """
    require_same_origin(request)
    address = request.client.host if request.client else ""
    return services.auth.sign_in(name, password, address)


def set_cookie(response: Response, services: Services, session: Session) -> None:
    """Give the session to the browser: for this site only, and not to scripts.

    Its life is told as a duration: the browser's clock may be wrong.
    """
    left_s = (session.expires - services.clock.now()).total_seconds()
    response.set_cookie(
        COOKIE,
        session.token,
        max_age=int(left_s),
        httponly=True,
        samesite="strict",
        secure=services.settings.secure_cookies,
        path="/",
    )


def _session_body(session: Session) -> dict[str, Any]:
    return {
        "user": session.user.name,
        "role": session.user.role.value,
        "permissions": sorted(PERMISSIONS[session.user.role]),
        "csrf": session.csrf,
        "expires": utc_text(session.expires),
    }


@router.post("")
def sign_in(request: Request, services: The, body: SignIn) -> JSONResponse:
    """Sign in; the session comes as a cookie, its token for changes in the answer."""
    session = open_session(request, services, body.name, body.password)
    response = JSONResponse(_session_body(session))
    set_cookie(response, services, session)
    return response


@router.get("")
def who(session: Signed) -> dict[str, Any]:
    """Who is signed in, and what this person may do."""
    return _session_body(session)


@router.delete("", status_code=204)
def sign_out(session: Signed, services: The) -> Response:
    """Sign out."""
    services.auth.sign_out(session.token)
    response = Response(status_code=204)
    response.delete_cookie(COOKIE, path="/")
    return response
