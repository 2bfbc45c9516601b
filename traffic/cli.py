"""The command `xanh`: parse, call one function, print one clear line on failure.

Exit codes: 0 success, 1 failure, 2 bad input. Heavy imports happen inside the commands, so that
``xanh --help`` and a wrong argument answer at once.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from models.errors import BadInput, XanhError
from simulation.scratch import remove_left_over
from traffic.commands import (
    calibration,
    cameras,
    cases,
    detection,
    signals,
    simulation,
    sites,
    users,
    validation,
)
from traffic.commands.common import fail, load, one_line, say

app = typer.Typer(
    help="Traffic-signal retiming and violation detection for cities of motorbikes.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.add_typer(sites.site_app, name="site")
app.add_typer(cameras.camera_app, name="camera")
app.add_typer(cases.case_app, name="case")
for group in (detection, signals, simulation, validation, calibration):
    app.registered_commands += group.app.registered_commands
app.add_typer(users.user_app, name="user")
app.add_typer(signals.bench_app, name="bench")
app.add_typer(detection.train_app, name="train")
app.add_typer(detection.score_app, name="score")
app.add_typer(detection.weights_app, name="weights")

# typer carries its own copy of click; this is that copy's UsageError.
_USAGE_ERROR: Any = typer.BadParameter.__base__


def main() -> None:
    """Run the command line; never show a traceback for something a user can mend."""
    signal.signal(signal.SIGTERM, _interrupt)  # a service manager's stop is a Ctrl-C
    # OpenCV and FFmpeg would print their own lines beside ours; they read these when loaded.
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    remove_left_over()
    try:
        code = app(standalone_mode=False)
    except _USAGE_ERROR as error:
        command = error.ctx.command_path if error.ctx else "xanh"
        message = one_line(error.format_message()) or "a command is missing"
        fail(f"{command}: {message}; see {command} --help", 2)
    except typer.Abort:
        fail("xanh: stopped", 1)
    except BadInput as error:
        fail(f"xanh: {one_line(str(error))}", 2)
    except XanhError as error:
        fail(f"xanh: {one_line(str(error))}", 1)
    except KeyboardInterrupt:
        fail("xanh: stopped", 1)
    except OSError as error:
        fail(f"xanh: {one_line(str(error))}", 1)
    sys.exit(code if isinstance(code, int) else 0)


def _interrupt(_signal: int, _frame: object) -> None:
    raise KeyboardInterrupt


@app.command()
def serve(
    site: Annotated[
        Path | None, typer.Option("--site", help="Default: XANH_SITE, else sites/pho-hue.")
    ] = None,
    port: Annotated[
        int | None, typer.Option("--port", min=1, max=65535, help="Default: XANH_PORT, else 8000.")
    ] = None,
    host: Annotated[
        str | None, typer.Option("--host", help="Address; default: XANH_HOST, 127.0.0.1.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option("--data", help="Store and evidence; default: XANH_DATA_DIR.")
    ] = None,
) -> None:
    """Serve the console of a site and, if it has one, its virtual street with its cameras."""
    from traffic.serving import serve_site
    from traffic.settings import load_settings

    serve_site(load(site or load_settings().site), host=host, port=port, data=data, say=say)


@app.command()
def demo(
    site: Annotated[Path, typer.Option("--site", help="A site with a virtual street.")] = Path(
        "sites/pho-hue"
    ),
    headless: Annotated[bool, typer.Option("--headless", help="No browser, no server.")] = False,
    auto_approve: Annotated[
        bool,
        typer.Option("--auto-approve", help="A second demo user approves (virtual street only)."),
    ] = False,
    minutes: Annotated[
        float, typer.Option("--minutes", min=1, help="Simulated minutes observed, half after.")
    ] = 10.0,
    out: Annotated[Path, typer.Option("--out", help="Folder to write.")] = Path("out/demo"),
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="Of the console.")] = 8000,
    pairs: Annotated[
        int, typer.Option("--pairs", min=5, help="Pairs of simulations that prove the plan.")
    ] = 5,
    workers: Annotated[
        int, typer.Option("--workers", min=1, help="Simulations at the same time.")
    ] = 2,
    seed: Annotated[int, typer.Option("--seed", help="Of the street and its cameras.")] = 1,
    speed: Annotated[
        float, typer.Option("--speed", help="Times real time with the console; 0 = unlimited.")
    ] = 1.0,
) -> None:
    """The whole thread on the virtual street: count, retime, prove, approve, apply, review."""
    from traffic.demo import DemoOptions, run_demo

    summary = run_demo(
        load(site),
        DemoOptions(
            headless=headless,
            auto_approve=auto_approve,
            minutes=minutes,
            out=out,
            port=port,
            pairs=pairs,
            workers=workers,
            seed=seed,
            speed=speed,
        ),
        say=say,
    )
    if summary is not None:
        say(f"wrote {summary}")


if __name__ == "__main__":
    main()
