"""Commands on a site's cameras: ``xanh camera calibrate``.

Heavy imports happen inside the commands, so that a wrong argument answers at once.
"""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Annotated

import typer

from models.errors import BadInput
from models.site import Site
from traffic.commands.common import SiteOption, load, say

camera_app = typer.Typer(help="Set up a site's cameras.")


@camera_app.command("show")
def camera_show(
    source: Annotated[
        str | None,
        typer.Argument(help="Video, image, folder or URL; the camera's by default."),
    ] = None,
    site: Annotated[
        Path | None, typer.Option("--site", help="Draw what this site says of the camera.")
    ] = None,
    camera: Annotated[
        str, typer.Option("--camera", help="Camera id of the site; its only one by default.")
    ] = "",
    out: Annotated[Path, typer.Option("--out", help="Picture to write.")] = Path("camera.png"),
    grid: Annotated[bool, typer.Option("--grid/--no-grid", help="Pixel coordinates.")] = True,
) -> None:
    """Save a picture of a camera with pixel coordinates, and with the site's marks if named."""
    import cv2

    from detection.overlay import draw_grid, draw_marks
    from detection.sources import first_picture
    from traffic.detecting import site_camera

    view = None
    if site is not None:
        described = load(site)
        found = site_camera(described, _chosen(described, camera))
        view, source = found.view, source or found.source
    if not source:
        raise BadInput("source", "", "is missing; valid is a video, image, folder or URL")
    image = first_picture(source).copy()
    height, width = image.shape[:2]
    if grid:
        draw_grid(image)
    if view is not None:
        if (view.width_px, view.height_px) != (width, height):
            raise BadInput(
                source,
                "size_px",
                f"the picture is {width}x{height}, the camera is set up for "
                f"{view.width_px}x{view.height_px}",
            )
        draw_marks(image, view)
    if out.suffix.lower() not in (".png", ".jpg") or not cv2.imwrite(str(out), image):
        raise BadInput("--out", str(out), "cannot be written; valid is a .png or .jpg")
    say(f"wrote {out}: {width}x{height}")


@camera_app.command("calibrate")
def camera_calibrate(
    site: SiteOption,
    pairs: Annotated[Path, typer.Option("--pairs", help="CSV x_px,y_px,x_m,y_m.")],
    camera: Annotated[
        str, typer.Option("--camera", help="Camera id of the site; its only one by default.")
    ] = "",
    picture: Annotated[
        str | None,
        typer.Option("--picture", help="Image, video or URL; default: the camera's source."),
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Judge the pairs, write nothing.")] = False,
) -> None:
    """Fit the picture to the ground from point pairs, and make that a new version."""
    from detection.sources import first_picture
    from traffic.calibrating import calibrated_camera, judge, read_pairs, report, save_calibration

    described = load(site)
    camera = _chosen(described, camera)
    found = calibrated_camera(described, camera)
    size = (found.view.width_px, found.view.height_px)
    marked = read_pairs(pairs)
    for line in report(marked, judge(marked, size, str(pairs))):
        say(line)
    if check:
        return
    source = picture or found.source
    try:
        image = first_picture(source) if source else None
    except BadInput as error:
        if picture is not None:
            raise
        raise BadInput(source, "", f"{error.valid}, or a picture named with --picture") from None
    if image is not None and (image.shape[1], image.shape[0]) != size:
        raise BadInput(
            source, "size", f"is {image.shape[1]}x{image.shape[0]}; valid is {size[0]}x{size[1]}"
        )
    version = save_calibration(site, camera, marked, by=getpass.getuser(), picture=image)
    say(f"camera {camera}: calibration version {version} written to {site / 'site.yaml'}")
    if image is None:
        say("no picture was kept: a moved camera is known by the first seconds of each start only")


def _chosen(site: Site, camera: str) -> str:
    """The camera named; a site's only one needs no name."""
    return camera or (site.cameras[0].id if len(site.cameras) == 1 else "")
