"""Errors as one clear line: JSON for the API, a page for a person; never a traceback."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, RedirectResponse, Response

from models.errors import BadInput, XanhError
from models.lifecycle import NotAllowed
from traffic.api.security import NotSignedIn, WrongOrigin
from traffic.auth import Forbidden, SignInRefused
from traffic.cases import CaseNotAllowed

log = logging.getLogger("xanh.api")

ErrorPage = Callable[[Request, int, str, str], Response]

_STATUS: tuple[tuple[type[XanhError], HTTPStatus], ...] = (
    (NotSignedIn, HTTPStatus.UNAUTHORIZED),
    (SignInRefused, HTTPStatus.UNAUTHORIZED),
    (Forbidden, HTTPStatus.FORBIDDEN),
    (WrongOrigin, HTTPStatus.FORBIDDEN),
    (BadInput, HTTPStatus.UNPROCESSABLE_ENTITY),
    (NotAllowed, HTTPStatus.CONFLICT),
    (CaseNotAllowed, HTTPStatus.CONFLICT),
)


def not_found(what: str) -> HTTPException:
    """A 404 with one line."""
    return HTTPException(HTTPStatus.NOT_FOUND, what)


def install(app: FastAPI, page: ErrorPage) -> None:
    """Handle every error of ``app``; ``page(request, status, message, id)`` draws one."""

    def answer(request: Request, status: int, message: str, error_id: str = "") -> Response:
        if _wants_page(request):
            if status == HTTPStatus.UNAUTHORIZED:
                return RedirectResponse(_sign_in_path(request), HTTPStatus.SEE_OTHER)
            return page(request, status, message, error_id)
        body = {"error": message, "status": status}
        return JSONResponse(body | ({"id": error_id} if error_id else {}), status)

    @app.exception_handler(XanhError)
    def _expected(request: Request, error: XanhError) -> Response:
        status = next(
            (code for kind, code in _STATUS if isinstance(error, kind)),
            # Something outside failed: a controller, the disk, the database.
            HTTPStatus.SERVICE_UNAVAILABLE,
        )
        if status is HTTPStatus.SERVICE_UNAVAILABLE:
            log.warning("%s %s: %s", request.method, request.url.path, error)
        return answer(request, status, str(error))

    @app.exception_handler(HTTPException)
    def _http(request: Request, error: HTTPException) -> Response:
        response = answer(request, error.status_code, str(error.detail))
        for name, value in (error.headers or {}).items():
            response.headers[name] = value
        return response

    @app.exception_handler(RequestValidationError)
    def _invalid(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        message = str(first["msg"])
        return answer(
            request, HTTPStatus.UNPROCESSABLE_ENTITY, f"{place}: {message[:1].lower()}{message[1:]}"
        )

    @app.exception_handler(Exception)
    def _unexpected(request: Request, error: Exception) -> Response:
        error_id = secrets.token_hex(4)
        log.error("%s %s failed, id %s", request.method, request.url.path, error_id, exc_info=error)
        return answer(
            request,
            HTTPStatus.INTERNAL_SERVER_ERROR,
            f"the service failed; it has been logged as {error_id}",
            error_id,
        )


def _wants_page(request: Request) -> bool:
    if request.url.path.startswith(("/api/", "/static/", "/live", "/openapi.json")):
        return False
    return "text/html" in request.headers.get("accept", "")


def _sign_in_path(request: Request) -> str:
    path = request.url.path
    return "/login" if path == "/" else f"/login?next={path}"
