"""Calibrating a camera over HTTP: a picture to mark, what the marks are worth, saving them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, Field, FiniteFloat, StringConstraints
from starlette.responses import Response

from detection.calibration import PointPair
from models.errors import BadInput, XanhError
from traffic.api.errors import not_found
from traffic.api.security import Proposer
from traffic.calibrating import judge
from traffic.cameradesk import CameraDesk, ground_grid

router = APIRouter(prefix="/api/v1/cameras", tags=["cameras"])

PictureId = Annotated[str, Path(pattern="^[0-9a-f]{16}$")]


class Pair(BaseModel):
    """A pixel of the picture and where it lies on the ground, in metres."""

    px: tuple[FiniteFloat, FiniteFloat]
    m: tuple[FiniteFloat, FiniteFloat]


class Pairs(BaseModel):
    """What was marked."""

    pairs: Annotated[list[Pair], Field(max_length=200)]

    def points(self) -> tuple[PointPair, ...]:
        """As detection knows them."""
        return tuple(PointPair(pair.px, pair.m) for pair in self.pairs)


class NewCalibration(Pairs):
    """What was marked, and the id of the picture it was marked on."""

    picture: Annotated[str, StringConstraints(pattern="^([0-9a-f]{16})?$")] = ""


def desk_of(request: Request) -> CameraDesk:
    """The desk that the app was made with."""
    desk: CameraDesk = request.app.state.desk
    return desk


@router.post("/{camera}/still")
def take_still(_: Proposer, request: Request, camera: str) -> dict[str, str]:
    """Take a picture of the camera, as it comes, to mark points on; a stream may need seconds."""
    return {"picture": desk_of(request).take_picture(camera)}


@router.get("/{camera}/still/{picture}.jpg", response_class=Response)
def still(_: Proposer, request: Request, camera: str, picture: PictureId) -> Response:
    """A picture that was taken to be marked."""
    try:
        jpeg = desk_of(request).jpeg(camera, picture)
    except XanhError as error:
        raise not_found(str(error)) from None
    return Response(jpeg, media_type="image/jpeg")


@router.post("/{camera}/calibration/check")
def check(_: Proposer, request: Request, camera: str, body: Pairs) -> dict[str, Any]:
    """What the pairs are worth: the error at each, what to doubt, the ground's grid."""
    view = desk_of(request).camera(camera).view
    size = (view.width_px, view.height_px)
    points = body.points()
    found = judge(points, size, f"camera {camera}")
    return {
        "error_m": [round(value, 3) for value in found.calibration.error_m],
        "rms_m": round(found.calibration.rms_m, 3),
        "worst_m": round(found.calibration.worst_m, 3),
        "suspect": found.suspect,
        "warnings": list(found.warnings),
        "horizon_px": None if found.horizon_px is None else round(found.horizon_px, 1),
        "grid": ground_grid(found.calibration, points, size),
    }


@router.post("/{camera}/calibration")
def save(session: Proposer, request: Request, camera: str, body: NewCalibration) -> dict[str, str]:
    """Make the pairs the camera's calibration, as a new version."""
    if not body.pairs:
        raise BadInput(f"camera {camera}", "pairs", "are absent; valid is four or more")
    version = desk_of(request).save(camera, body.points(), body.picture, session.user.name)
    return {"camera": camera, "version": version}
