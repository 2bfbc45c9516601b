"""Commands on a site's cameras: ``xanh camera calibrate``.

Heavy imports happen inside the commands, so that a wrong argument answers at once.
"""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Annotated

import typer

from models.errors import BadInput
from traffic.commands.common import SiteOption, load, say

camera_app = typer.Typer(help="Set up a site's cameras.")


@camera_app.command("calibrate")
def camera_calibrate(
    site: SiteOption,
    camera: Annotated[str, typer.Option("--camera", help="Camera id of the site.")],
    pairs: Annotated[Path, typer.Option("--pairs", help="CSV x_px,y_px,x_m,y_m.")],
    picture: Annotated[
        str | None,
        typer.Option("--picture", help="Image, video or URL; default: the camera's source."),
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Judge the pairs, write nothing.")] = False,
) -> None:
    """Fit the picture to the ground from point pairs, and make that a new version."""
    from detection.sources import first_picture
    from traffic.calibrating import calibrated_camera, judge, read_pairs, report, save_calibration

    found = calibrated_camera(load(site), camera)
    size = (found.view.width_px, found.view.height_px)
    marked = read_pairs(pairs)
    for line in report(marked, judge(marked, size, str(pairs))):
        say(line)
    if check:
        return
    source = picture or found.source
    image = first_picture(source) if source else None
    if image is not None and (image.shape[1], image.shape[0]) != size:
        raise BadInput(
            source, "size", f"is {image.shape[1]}x{image.shape[0]}; valid is {size[0]}x{size[1]}"
        )
    version = save_calibration(site, camera, marked, by=getpass.getuser(), picture=image)
    say(f"camera {camera}: calibration version {version} written to {site / 'site.yaml'}")
    if image is None:
        say("no picture was kept: a moved camera is known by the first seconds of each start only")
