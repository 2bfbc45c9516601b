"""The app factory."""

from __future__ import annotations

import importlib.metadata
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

import plotly
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from traffic.api import calibration, cases, entrance, errors, pages, plans, session, shell, street
from traffic.api.security import SecurityHeaders
from traffic.api.services import Services
from traffic.cameradesk import CameraDesk
from traffic.web.geometry import read_geometry
from traffic.web.render import STATIC

_PARTS = (session, street, calibration, plans, cases, entrance, pages)
PLOTLY_JS = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
FIGURES_JS = Path(str(files("simulation"))) / "data" / "figures.js"


class _Static(StaticFiles):
    """The console's own files: asked again each time, sent only when changed."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """A file, to be revalidated."""
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = "no-cache"
        return response


def create_app(services: Services, desk: CameraDesk | None = None) -> FastAPI:
    """The console and API of one site.

    Serve it with a short ``timeout_graceful_shutdown``, or call ``services.live.close()`` before
    stopping: open streams would otherwise hold the server.

    Raises:
        BadInput: If the site's network cannot be read.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        services.live.close()

    app = FastAPI(
        title="Xanh",
        version=importlib.metadata.version("xanh"),
        description="Traffic-signal retiming and violation detection.",
        # The stock documentation pages load scripts from elsewhere; /docs is the console's own.
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.services = services
    app.state.desk = desk or CameraDesk(services.site.folder)
    site = services.site
    app.state.drawing = (
        read_geometry(site.network, site.junctions) if site.network is not None else None
    )
    errors.install(app, shell.error_page)
    for part in _PARTS:
        app.include_router(part.router)

    @app.get("/api/v1/health", tags=["service"])
    def alive() -> dict[str, str]:
        """Whether the service answers; needs no session."""
        return {"status": "ok"}

    @app.get("/static/plotly.min.js", include_in_schema=False)
    def plotly_js() -> FileResponse:
        return FileResponse(PLOTLY_JS, headers={"Cache-Control": "max-age=86400"})

    @app.get("/static/figures.js", include_in_schema=False)
    def figures_js() -> FileResponse:
        return FileResponse(FIGURES_JS, headers={"Cache-Control": "no-cache"})

    app.mount("/static", _Static(directory=STATIC), name="static")
    app.add_middleware(SecurityHeaders)
    described: dict[str, Any] = {}

    def describe() -> Mapping[str, Any]:
        if not described:
            described.update(_description(app))
        return described

    app.openapi = describe  # type: ignore[assignment,method-assign]
    return app


def _description(app: FastAPI) -> dict[str, Any]:
    """OpenAPI with the permission that each operation needs."""
    body = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes
    )
    documented = [route for part in _PARTS for route in part.router.routes]
    for route in documented:
        if not isinstance(route, APIRoute) or not route.include_in_schema:
            continue
        permissions = (
            getattr(dependency.call, "permission", None)
            for dependency in route.dependant.dependencies
        )
        needs = [permission.value for permission in permissions if permission is not None]
        for method in route.methods or ():
            operation = body["paths"][route.path_format][method.lower()]
            if needs:
                operation["x-permission"] = needs[0]
    return body
