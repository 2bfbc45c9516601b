"""Signing in and out, and what a browser remembers: language and theme."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from simulation.wording import LANGUAGES
from traffic.api.security import (
    COOKIE,
    The,
    require_same_origin,
)
from traffic.api.session import open_session, set_cookie
from traffic.api.shell import (
    THEMES,
    page,
    words_of,
)
from traffic.auth import SignInRefused

router = APIRouter(include_in_schema=False)
YEAR_S = 365 * 86_400


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
