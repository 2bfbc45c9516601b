"""What the console does with a camera: take a picture to mark, judge the marks, save them."""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from detection.calibration import Calibration, PointPair
from detection.ports import FloatArray, Image
from detection.snapshots import encode_jpeg
from detection.sources import first_picture
from models.errors import BadInput, XanhError
from models.site import SiteCamera
from traffic.calibrating import calibrated_camera, save_calibration
from traffic.sites import load_site

KEPT_PICTURES: Final = 8
GRID_M: Final = 5.0
GRID_LINES: Final = 60


class CameraDesk:
    """One site's cameras, for people who set them up; safe to share between threads."""

    def __init__(
        self,
        folder: Path,
        *,
        newest: Callable[[str], Image | None] | None = None,
        changed: Callable[[str], None] | None = None,
    ) -> None:
        """Set up.

        Args:
            folder: The site's folder.
            newest: The newest picture of a camera that is being watched.
            changed: Told when a camera was calibrated.
        """
        self._folder = folder
        self._newest = newest
        self._changed = changed
        self._lock = threading.Lock()
        self._pictures: OrderedDict[str, tuple[str, Image]] = OrderedDict()

    def camera(self, camera: str) -> SiteCamera:
        """The camera as its site describes it now.

        Raises:
            BadInput: If it is no camera that can be calibrated.
        """
        return calibrated_camera(load_site(self._folder), camera)

    def take_picture(self, camera: str) -> str:
        """Take a picture to mark points on, without anything drawn in; its id.

        Raises:
            BadInput: If the camera gives none, or one of another size.
        """
        found = self.camera(camera)
        image = self._newest(camera) if self._newest is not None else None
        if image is None:
            reference = found.options.get("reference")
            source = found.source or (str(reference) if reference is not None else "")
            if not source:
                raise BadInput(
                    f"camera {camera}", "source", "is absent, so there is no picture to mark"
                )
            image = first_picture(source)
        size = (found.view.width_px, found.view.height_px)
        if (image.shape[1], image.shape[0]) != size:
            raise BadInput(
                f"camera {camera}",
                "size_px",
                f"its picture has {image.shape[1]}x{image.shape[0]}, the site says "
                f"{size[0]}x{size[1]}",
            )
        name = secrets.token_hex(8)
        with self._lock:
            self._pictures[name] = (camera, image)
            while len(self._pictures) > KEPT_PICTURES:
                self._pictures.popitem(last=False)
        return name

    def picture(self, camera: str, name: str) -> Image:
        """A picture that was taken.

        Raises:
            XanhError: If it is not kept any more.
        """
        with self._lock:
            held = self._pictures.get(name)
        if held is None or held[0] != camera:
            raise XanhError(f"camera {camera}: that picture is not kept any more; take another")
        return held[1]

    def jpeg(self, camera: str, name: str) -> bytes:
        """A picture that was taken, as JPEG."""
        return encode_jpeg(self.picture(camera, name), 92)

    def save(self, camera: str, pairs: Sequence[PointPair], picture: str, by: str) -> str:
        """Make the pairs the camera's calibration; its version.

        Raises:
            BadInput: If they cannot be used.
            XanhError: If the picture is gone, or the site cannot be written.
        """
        image = self.picture(camera, picture) if picture else None
        version = save_calibration(self._folder, camera, pairs, by=by, picture=image)
        if self._changed is not None:
            self._changed(camera)
        return version


def ground_grid(
    calibration: Calibration, pairs: Sequence[PointPair], size_px: tuple[int, int]
) -> list[list[tuple[float, float]]]:
    """Lines of the ground every 5 m around the pairs, as they lie in the picture.

    A person sees at a glance whether they run along the road. Points above the horizon are left
    out.
    """
    matrix = np.array(calibration.ground_from_image)
    inverse = np.linalg.inv(matrix)
    metres = np.array([pair.m for pair in pairs])
    low = np.floor(metres.min(axis=0) / GRID_M) * GRID_M - GRID_M
    high = np.ceil(metres.max(axis=0) / GRID_M) * GRID_M + GRID_M
    lines = []
    for axis in (0, 1):
        steps = np.arange(low[axis], high[axis] + GRID_M / 2, GRID_M)[:GRID_LINES]
        along = np.linspace(low[1 - axis], high[1 - axis], 40)
        for value in steps:
            points = np.empty((len(along), 2))
            points[:, axis], points[:, 1 - axis] = value, along
            lines.append(_seen(points, inverse, matrix, size_px))
    return [line for line in lines if len(line) > 1]


def _seen(
    points: FloatArray, inverse: FloatArray, matrix: FloatArray, size_px: tuple[int, int]
) -> list[tuple[float, float]]:
    flat = points @ inverse[:, :2].T + inverse[:, 2]
    with np.errstate(divide="ignore", invalid="ignore"):
        pixels = flat[:, :2] / flat[:, 2:]
    below = pixels @ matrix[2, :2] + matrix[2, 2] > 0
    width, height = size_px
    near = (np.abs(pixels - (width / 2, height / 2)) < (1.5 * width, 1.5 * height)).all(axis=1)
    kept = pixels[below & near & (flat[:, 2] > 0)]
    return [(round(float(x), 1), round(float(y), 1)) for x, y in kept]
