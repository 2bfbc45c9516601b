"""The command `xanh`: parse, call one function, print one clear line on failure.

Exit codes: 0 success, 1 failure, 2 bad input. Heavy imports happen inside the commands, so that
``xanh --help`` and a wrong argument answer at once.
"""

from __future__ import annotations

import os
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from models.errors import BadInput, XanhError

if TYPE_CHECKING:
    from models.counts import CountRow
    from models.plan import Plan
    from models.site import Site

app = typer.Typer(
    help="Traffic-signal retiming and violation detection for cities of motorbikes.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
site_app = typer.Typer(help="Check, import and build site folders.")
train_app = typer.Typer(help="Train the project's own weights.")
weights_app = typer.Typer(help="Detector weights: what is known, what is here.")
app.add_typer(site_app, name="site")
app.add_typer(train_app, name="train")
app.add_typer(weights_app, name="weights")

# typer carries its own copy of click; this is that copy's UsageError.
_USAGE_ERROR: Any = typer.BadParameter.__base__

SiteOption = Annotated[Path, typer.Option("--site", help="The site's folder.")]
OutFolder = Annotated[Path, typer.Option("--out", help="Folder to write; made if absent.")]


def main() -> None:
    """Run the command line; never show a traceback for something a user can mend."""
    signal.signal(signal.SIGTERM, _interrupt)  # a service manager's stop is a Ctrl-C
    # OpenCV and FFmpeg would print their own lines beside ours; they read these when loaded.
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    try:
        code = app(standalone_mode=False)
    except _USAGE_ERROR as error:
        command = error.ctx.command_path if error.ctx else "xanh"
        message = _one_line(error.format_message()) or "a command is missing"
        _fail(f"{command}: {message}; see {command} --help", 2)
    except typer.Abort:
        _fail("xanh: stopped", 1)
    except BadInput as error:
        _fail(f"xanh: {_one_line(str(error))}", 2)
    except XanhError as error:
        _fail(f"xanh: {_one_line(str(error))}", 1)
    except KeyboardInterrupt:
        _fail("xanh: stopped", 1)
    except OSError as error:
        _fail(f"xanh: {_one_line(str(error))}", 1)
    sys.exit(code if isinstance(code, int) else 0)


def _interrupt(_signal: int, _frame: object) -> None:
    raise KeyboardInterrupt


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _fail(line: str, code: int) -> None:
    typer.echo(line, err=True)
    sys.exit(code)


def _say(text: str) -> None:
    typer.echo(text)


def _load(folder: Path) -> Site:
    from traffic.sites import load_site

    return load_site(folder)


def _counts(site: Site, path: Path | None) -> tuple[CountRow, ...]:
    from models.counts import counts_from_csv

    chosen = path or site.counts_path
    try:
        text = chosen.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise BadInput(str(chosen), "", "no such file; valid is a counts.csv") from None
    except (UnicodeDecodeError, IsADirectoryError):
        raise BadInput(str(chosen), "", "is not a text file; valid is a counts.csv") from None
    rows = counts_from_csv(text, str(chosen))
    known = {m.id for junction in site.junctions.values() for m in junction.movements}
    for line, row in enumerate(rows, start=2):
        if row.junction not in site.junctions:
            valid = ", ".join(sorted(site.junctions))
            raise BadInput(f"{chosen}:{line}", "junction", f"{row.junction!r}; valid is {valid}")
        if row.movement not in known:
            valid = ", ".join(m.id for m in site.junctions[row.junction].movements)
            raise BadInput(f"{chosen}:{line}", "movement", f"{row.movement!r}; valid is {valid}")
    return rows


def _current(site: Site, path: Path | None = None) -> Plan:
    from traffic.planfiles import read_plan

    return read_plan(path or site.current_plan_path)


def _need_network(site: Site, what: str) -> None:
    if site.network is None:
        raise BadInput(
            str(site.folder / "site.yaml"),
            "network",
            f"this site has no network, so it cannot {what}; valid is a SUMO net.xml",
        )


@site_app.command("check")
def site_check(folder: Path) -> None:
    """Check a site folder: files, ids, values, the plan in force, counts."""
    from traffic.sites import Level, check_site

    findings = check_site(folder)
    errors = [finding.message for finding in findings if finding.level is Level.ERROR]
    for finding in findings:
        if finding.message not in errors[:1]:
            _say(str(finding))
    if errors:
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        _fail(f"xanh: {errors[0]}{more}", 2)
    site = _load(folder)
    crossings = sum(len(junction.crossings) for junction in site.junctions.values())
    movements = sum(len(junction.movements) for junction in site.junctions.values())
    _say(
        f"{site.id}: {len(site.junctions)} junctions, {movements} movements, {crossings} "
        f"crossings, {len(site.cameras)} cameras: ok"
    )


@site_app.command("import")
def site_import(
    net: Annotated[Path, typer.Option("--net", help="SUMO network, NET.net.xml.")],
    routes: Annotated[Path, typer.Option("--routes", help="SUMO routes, R.rou.xml.")],
    begin: Annotated[float, typer.Option("--begin", help="First second of the demand.")],
    end: Annotated[float, typer.Option("--end", help="Second at which the demand ends.")],
    out: OutFolder,
) -> None:
    """Make a site folder of a SUMO network and its demand."""
    from simulation.imports import import_site
    from traffic.planfiles import write_plan

    summary = import_site(net, routes, begin_s=begin, end_s=end, out=out, write_plan=write_plan)
    for note in summary.notes:
        _say(note)
    _say(f"wrote {out}: {summary.junctions} junctions, {summary.trips} trips")


@site_app.command("build")
def site_build(folder: Path) -> None:
    """Rebuild a site's network.net.xml from its plain description with netconvert."""
    from simulation.build import build_network

    _say(f"wrote {build_network(folder)}")


@app.command()
def detect(
    source: Annotated[str, typer.Argument(help="Video file, folder of images, RTSP or HTTP URL.")],
    site: SiteOption,
    camera: Annotated[str, typer.Option("--camera", help="Camera id of the site.")],
    out: OutFolder,
    signals: Annotated[
        Path | None, typer.Option("--signals", help="CSV time,signal,state.")
    ] = None,
    weights: Annotated[
        str | None, typer.Option("--weights", help="Registry name or file; default by setting.")
    ] = None,
    start: Annotated[
        str | None, typer.Option("--start", help="ISO time of the first frame.")
    ] = None,
    overlay: Annotated[bool, typer.Option("--overlay", help="Also write overlay.webm.")] = False,
    seconds: Annotated[
        float | None, typer.Option("--seconds", help="Stop after so much of the source.")
    ] = None,
) -> None:
    """Count vehicles and flag violations in a video, a folder of images or a live stream."""
    from traffic.detecting import detect_to_folder

    result = detect_to_folder(
        source,
        _load(site),
        camera,
        out,
        signals=signals,
        weights=weights,
        start=start,
        overlay=overlay,
        seconds=seconds,
    )
    _say(result)


@app.command()
def retime(
    site: SiteOption,
    out: Annotated[Path, typer.Option("--out", help="plan.yaml to write.")],
    counts: Annotated[Path | None, typer.Option("--counts", help="Default: the site's.")] = None,
    method: Annotated[str, typer.Option("--method", help="cpsat, webster or maxband.")] = "cpsat",
    search: Annotated[
        int, typer.Option("--search", help="Let SUMO choose among so many candidates.")
    ] = 0,
    seed: Annotated[int, typer.Option("--seed")] = 0,
    time_limit: Annotated[float, typer.Option("--time-limit", help="Solver seconds.")] = 30.0,
) -> None:
    """Find cycle, splits and offsets for the counts."""
    from traffic.planfiles import write_plan
    from traffic.replan import retime_site

    loaded = _load(site)
    _need_network(loaded, "be retimed")
    result = retime_site(
        loaded,
        _counts(loaded, counts),
        _current(loaded),
        method=method,
        search=search,
        seed=seed,
        time_limit_s=time_limit,
    )
    write_plan(result.plan, out)
    _say(f"{result.status}: {result.line}; wrote {out} ({result.plan.digest[:12]})")


@app.command()
def validate(
    site: SiteOption,
    plan: Annotated[Path, typer.Option("--plan", help="The candidate.")],
    out: OutFolder,
    against: Annotated[
        Path | None, typer.Option("--against", help="Default: plans/current.yaml.")
    ] = None,
    counts: Annotated[Path | None, typer.Option("--counts", help="Default: the site's.")] = None,
    pairs: Annotated[int, typer.Option("--pairs", min=2)] = 5,
    workers: Annotated[int, typer.Option("--workers", min=1)] = 2,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the first pair.")] = 1,
    require_pass: Annotated[
        bool, typer.Option("--require-pass", help="Exit 1 unless it passed.")
    ] = False,
) -> None:
    """Simulate candidate and baseline on the same demand and seeds; write the report."""
    from simulation.report import write_report
    from simulation.validate import validate as run_validation

    loaded = _load(site)
    _need_network(loaded, "be validated")
    candidate, baseline = _current(loaded, plan), _current(loaded, against)

    def progress(done: int, total: int) -> None:
        typer.echo(f"\r{done}/{total} runs", nl=done == total, err=True)

    report = run_validation(
        loaded,
        candidate,
        baseline,
        _counts(loaded, counts),
        pairs=pairs,
        workers=workers,
        first_seed=seed,
        progress=progress,
        now=datetime.now(UTC),
        sources=(str(plan), str(against or loaded.current_plan_path)),
    )
    write_report(report, loaded, candidate, baseline, out)
    _say(f"{report.verdict.value}: {report.reason}; wrote {out}")
    if require_pass and report.verdict.value != "pass":
        raise typer.Exit(1)


@app.command()
def serve(
    site: Annotated[
        Path | None, typer.Option("--site", help="Default: XANH_SITE, else sites/pho-hue.")
    ] = None,
    port: Annotated[
        int | None, typer.Option("--port", min=1, max=65535, help="Default: XANH_PORT, else 8000.")
    ] = None,
    host: Annotated[str | None, typer.Option("--host", help="Default: XANH_HOST.")] = None,
    data: Annotated[
        Path | None, typer.Option("--data", help="Store and evidence; default: XANH_DATA_DIR.")
    ] = None,
) -> None:
    """Serve the console of a site and, if it has one, its virtual street with its cameras."""
    from traffic.serving import serve_site
    from traffic.settings import load_settings

    serve_site(_load(site or load_settings().site), host=host, port=port, data=data, say=_say)


@app.command()
def demo(
    site: Annotated[Path, typer.Option("--site")] = Path("sites/pho-hue"),
    headless: Annotated[bool, typer.Option("--headless", help="No browser, no server.")] = False,
    auto_approve: Annotated[
        bool,
        typer.Option("--auto-approve", help="A second demo user approves (virtual street only)."),
    ] = False,
    minutes: Annotated[
        float, typer.Option("--minutes", min=1, help="Simulated minutes observed, half after.")
    ] = 10.0,
    out: Annotated[Path, typer.Option("--out")] = Path("out/demo"),
    port: Annotated[int, typer.Option("--port", min=1, max=65535)] = 8000,
    pairs: Annotated[int, typer.Option("--pairs", min=5)] = 5,
    workers: Annotated[int, typer.Option("--workers", min=1)] = 2,
    seed: Annotated[int, typer.Option("--seed")] = 1,
    speed: Annotated[
        float, typer.Option("--speed", help="Times real time with the console; 0 = unlimited.")
    ] = 1.0,
) -> None:
    """The whole thread on the virtual street: count, retime, prove, approve, apply, review."""
    from traffic.demo import DemoOptions, run_demo

    summary = run_demo(
        _load(site),
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
        say=_say,
    )
    if summary is not None:
        _say(f"wrote {summary}")


@train_app.command("detector")
def train_detector(
    out: Annotated[Path, typer.Option("--out")] = Path("out/train"),
    frames: Annotated[int, typer.Option("--frames", min=1)] = 3000,
    minutes: Annotated[float, typer.Option("--minutes")] = 60.0,
    seed: Annotated[int, typer.Option("--seed")] = 0,
) -> None:
    """Render frames, train from scratch and export (needs `make setup-train`)."""
    from traffic.training import train_detector as run

    _say(str(run(out, frames=frames, minutes=minutes, seed=seed)))


@weights_app.command("list")
def weights_list() -> None:
    """Weights that Xanh knows, with licence and whether they are here."""
    from detection.weights import PACKAGED, locate, registry

    for name in sorted(path.name for path in PACKAGED.iterdir() if path.is_dir()):
        _say(f"{name}: packaged, AGPL-3.0-or-later, {PACKAGED / name}")
    for name, entry in sorted(registry().items()):
        _say(f"{name}: {entry.licence}, {locate(entry) or 'not here: ' + (entry.url or 'no URL')}")


@weights_app.command("fetch")
def weights_fetch(name: str) -> None:
    """Download public weights, or find them in XANH_WEIGHTS_DIR, and verify them."""
    from detection.weights import fetch, require

    _say(str(fetch(require(name))))


@weights_app.command("verify")
def weights_verify(name: str) -> None:
    """Check a weights file that is here against its SHA-256."""
    from detection.weights import locate, require, verify

    entry = require(name)
    path = locate(entry)
    if path is None:
        raise BadInput("weights", name, "not here; valid is after `xanh weights fetch`")
    verify(entry, path)
    _say(f"{path}: ok")


if __name__ == "__main__":
    main()
