"""Commands on cameras: ``xanh detect``, ``xanh train``, ``xanh weights``.

Heavy imports happen inside the commands, so that a wrong argument answers at once.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from models.errors import BadInput
from traffic.commands.common import (
    OutFolder,
    SiteOption,
    Ticker,
    load,
    say,
    until_told,
)

app = typer.Typer()
train_app = typer.Typer(help="Train the project's own weights.")
score_app = typer.Typer(help="Hold what is measured against the truth.")
_WeightsName = Annotated[str, typer.Argument(help="A name of `xanh weights list`.")]
weights_app = typer.Typer(help="Detector weights: what is known, what is here.")


@app.command()
def detect(
    site: SiteOption,
    out: OutFolder,
    source: Annotated[
        str | None,
        typer.Argument(
            help="Video file, folder of images, RTSP or HTTP URL; the site's by default."
        ),
    ] = None,
    camera: Annotated[
        str, typer.Option("--camera", help="Camera id of the site; its only one by default.")
    ] = "",
    cameras: Annotated[
        str, typer.Option("--cameras", help="Several, separated by commas, or all with a source.")
    ] = "",
    signals: Annotated[
        Path | None, typer.Option("--signals", help="CSV time,signal,state.")
    ] = None,
    weights: Annotated[
        str | None, typer.Option("--weights", help="Registry name or file; default by setting.")
    ] = None,
    start: Annotated[
        str | None, typer.Option("--start", help="ISO time of the first frame.")
    ] = None,
    overlay: Annotated[
        bool, typer.Option("--overlay", "--save-overlay", help="Also write overlay.webm.")
    ] = False,
    tiles: Annotated[
        bool | None,
        typer.Option("--tiles/--no-tiles", help="Look twice, closer, at the zone."),
    ] = None,
    seconds: Annotated[
        float | None, typer.Option("--seconds", min=0, help="Stop after so much of the source.")
    ] = None,
    interval: Annotated[
        float, typer.Option("--interval", min=1, help="Seconds of a counting interval.")
    ] = 900.0,
) -> None:
    """Count vehicles and flag violations in videos, folders of images or live streams.

    Ctrl-C, or SIGTERM, ends it with complete files of what was seen.
    """
    from traffic.detecting import DetectRequest, chosen_cameras, detect_to_folder

    described = load(site)
    request = DetectRequest(
        cameras=chosen_cameras(described, source, camera, cameras),
        out=out,
        signals=signals,
        weights=weights,
        start=start,
        overlay=overlay,
        tiles=tiles,
        seconds=seconds,
        interval_s=interval,
    )
    ticker = Ticker()
    with until_told() as stop:
        seen = detect_to_folder(described, request, stop=stop, progress=ticker)
    ticker.end()
    say(seen)


@score_app.command("detection")
def score_detection(
    site: SiteOption,
    out: OutFolder,
    level: Annotated[int, typer.Option("--level", help="1: boxes; 2: rendered pixels.")] = 1,
    minutes: Annotated[
        float, typer.Option("--minutes", min=0.5, help="Simulated minutes that are scored.")
    ] = 30.0,
    seed: Annotated[int, typer.Option("--seed", help="Seed of street and boxes.")] = 1,
    warm_up: Annotated[
        int, typer.Option("--warm-up", min=0, help="Seconds that the street fills before.")
    ] = 180,
    cameras: Annotated[
        str, typer.Option("--cameras", help="Ids, separated by commas; all by default.")
    ] = "",
    lawful: Annotated[
        bool, typer.Option("--lawful", help="A street on which nobody breaks the law.")
    ] = False,
    dense: Annotated[
        bool, typer.Option("--dense", help="A street on which the rarer violations are many.")
    ] = False,
    miss_rate: Annotated[
        float, typer.Option("--miss-rate", min=0, max=1, help="Level 1: share of boxes missed.")
    ] = 0.03,
    jitter: Annotated[
        float, typer.Option("--jitter", min=0, help="Level 1: scatter of box edges, pixels.")
    ] = 1.2,
    merge_rate: Annotated[
        float, typer.Option("--merge-rate", min=0, max=1, help="Level 1: overlapping pairs merged.")
    ] = 0.02,
    drop_rate: Annotated[
        float, typer.Option("--drop-rate", min=0, max=1, help="Level 1: share of frames lost.")
    ] = 0.01,
    weights: Annotated[
        str, typer.Option("--weights", help="Level 2: detector; the packaged one by default.")
    ] = "",
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers",
            min=1,
            help="Processes that share the cameras. Default: XANH_SIMULATION_WORKERS.",
        ),
    ] = None,
) -> None:
    """Count and flag on the virtual street, and score it against what was true."""
    from traffic.detection_score import score_detection as run
    from traffic.detection_score import table
    from traffic.scored_cameras import ScoreOptions
    from traffic.settings import load_settings

    options = ScoreOptions(
        level=level,
        minutes=minutes,
        warm_up_s=warm_up,
        seed=seed,
        miss_rate=miss_rate,
        jitter_px=jitter,
        merge_rate=merge_rate,
        drop_rate=drop_rate,
        lawful=lawful,
        dense=dense,
        cameras=tuple(name.strip() for name in cameras.split(",") if name.strip()),
        weights=weights,
    )
    workers = workers or load_settings().simulation_workers
    result = run(load(site), out, options, say, workers=workers)
    say(table(result))
    say(f"wrote {out / 'score.json'}")


@train_app.command("detector")
def train_detector(
    out: Annotated[Path, typer.Option("--out", help="Folder to write.")] = Path("out/train"),
    share: Annotated[
        float, typer.Option("--share", help="Of its frames and minutes; less for a trial.")
    ] = 1.0,
    seed: Annotated[int, typer.Option("--seed", help="Of frames and training.")] = 1,
) -> None:
    """Render frames, train from scratch and export (needs `make setup-train`).

    First the virtual street, then any street: some 160 minutes of one core, and the rendering.
    """
    from traffic.training import train_detector as run

    say(str(run(out, share=share, seed=seed, progress=say)))


@train_app.command("plates")
def train_plates(
    out: Annotated[Path, typer.Option("--out", help="Folder to write.")] = Path("out/train-plates"),
    frames: Annotated[int, typer.Option("--frames", min=1, help="Frames to render.")] = 600,
    minutes: Annotated[float, typer.Option("--minutes", help="Of training.")] = 27.0,
    seed: Annotated[int, typer.Option("--seed", help="Of frames and training.")] = 1,
) -> None:
    """Draw plates into rendered frames and train their finder (needs `make setup-train`)."""
    from traffic.plate_training import train_plates as run
    from traffic.rendered_frames import generate

    generate(out / "frames", frames, seed, progress=say)
    say(str(run(out / "frames", out / "plates", minutes, seed=seed, progress=say)))


@app.command("plates")
def plates(
    pictures: Annotated[list[Path], typer.Argument(help="Pictures to look at.")],
) -> None:
    """Read the number plates in pictures: one line each, readable or not."""
    import cv2
    import numpy as np

    from detection.plates import PlateEyes

    eyes = PlateEyes()
    for path in pictures:
        image = cv2.imread(str(path))
        if image is None:
            raise BadInput(str(path), "", "cannot be read; valid is a picture")
        for reading in eyes.read(np.asarray(image, np.uint8)):
            x, y = reading.found.quad.mean(0)
            text = "unreadable" if reading.plate is None else str(reading.plate)
            say(f"{path}: {text} at {x:.0f},{y:.0f} ({reading.score:.2f})")


@weights_app.command("list")
def weights_list() -> None:
    """Weights that Xanh knows, with licence and whether they are here."""
    from detection.weights import PACKAGED, locate, packaged, registry, verify

    for name in packaged():
        say(f"{name}: packaged, AGPL-3.0-or-later, {PACKAGED / name}")
    for name, entry in sorted(registry().items()):
        path = locate(entry)
        where = str(path) if path else f"not here: {entry.url or 'no URL'}"
        try:
            if path:
                verify(entry, path)
        except BadInput as error:
            where = f"another file: {error}"
        say(f"{name}: {entry.licence}, {where}")


@weights_app.command("fetch")
def weights_fetch(name: _WeightsName) -> None:
    """Download public weights, or find them in XANH_WEIGHTS_DIR, and verify them."""
    from detection.weights import fetch, packaged, require, verify_packaged

    say(str(verify_packaged(name) if name in packaged() else fetch(require(name))))


@weights_app.command("verify")
def weights_verify(name: _WeightsName) -> None:
    """Check weights that are here against their SHA-256."""
    from detection.weights import locate, packaged, require, verify, verify_packaged

    if name in packaged():
        say(f"{verify_packaged(name)}: ok")
        return
    entry = require(name)
    path = locate(entry)
    if path is None:
        raise BadInput("weights", name, "not here; valid is after `xanh weights fetch`")
    verify(entry, path)
    say(f"{path}: ok")
