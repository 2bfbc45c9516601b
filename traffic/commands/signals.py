"""Commands on signals: ``xanh retime``, ``xanh bench signals``.

Heavy imports happen inside the commands, so that a wrong argument answers at once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from models.errors import BadInput
from traffic.commands.common import (
    OutFolder,
    RedExtensionOption,
    SiteOption,
    StagesOption,
    load,
    need_network,
    parse_envelope,
    parse_stages,
    read_counts,
    read_current,
    say,
)

if TYPE_CHECKING:
    from models.counts import CountRow

app = typer.Typer()
bench_app = typer.Typer(help="Benchmarks.")


@app.command()
def retime(
    site: SiteOption,
    out: Annotated[
        Path, typer.Option("--out", help="plan.yaml to write; with --periods a folder.")
    ],
    counts: Annotated[Path | None, typer.Option("--counts", help="Default: the site's.")] = None,
    method: Annotated[str, typer.Option("--method", help="cpsat, webster or maxband.")] = "cpsat",
    search: Annotated[
        int | None,
        typer.Option(
            "--search",
            min=0,
            help="Let SUMO judge so many plans and choose; 0 trusts the model. "
            "Default: what about a minute affords.",
        ),
    ] = None,
    periods: Annotated[
        int,
        typer.Option("--periods", min=1, help="Cut the day into at most so many periods."),
    ] = 1,
    seed: Annotated[int, typer.Option("--seed", help="Of solver, draws and runs.")] = 0,
    time_limit: Annotated[
        float, typer.Option("--time-limit", min=1, help="Solver seconds, 1 or more.")
    ] = 30.0,
    advise_speed: Annotated[
        float,
        typer.Option(
            "--advise-speed",
            help="Where signs advise drivers a speed: down to this part of what they drive by "
            "themselves, such as 0.8. Not with --search.",
        ),
    ] = 1.0,
    explain: Annotated[
        Path | None,
        typer.Option(
            "--explain", help="Folder for why: alternatives, what binds, delay by movement."
        ),
    ] = None,
) -> None:
    """Find stages, cycle, splits and offsets for the counts."""
    from traffic.explain import write_explanation
    from traffic.planfiles import write_plan
    from traffic.replan import retime_site
    from traffic.retiming import uncounted
    from traffic.schedule import write_schedule

    loaded = load(site)
    need_network(loaded, "be retimed")
    rows, current = read_counts(loaded, counts), read_current(loaded)
    missing = uncounted(loaded, rows)
    if missing:
        say(
            f"{len(missing)} movements have no count and are taken as empty, with their minimum "
            f"green: {', '.join(missing[:4])}{', ...' if len(missing) > 4 else ''}"
        )

    def solve(chosen: Sequence[CountRow], path: Path) -> None:
        typer.echo(f"solving the model's programs, {len(loaded.junctions)} junctions", err=True)
        result = retime_site(
            loaded,
            chosen,
            current,
            method=method,
            search=search,
            seed=seed,
            time_limit_s=time_limit,
            slowest_advice=advise_speed,
            progress=_runs_told(),
        )
        write_plan(result.plan, path)
        say(f"{result.status}: {result.line}; wrote {path} ({result.plan.digest[:12]})")
        if explain is not None:
            folder = explain if periods == 1 else explain / path.stem
            say(f"why: {', '.join(str(item) for item in write_explanation(result, folder))}")

    if periods == 1:
        solve(rows, out)
        return
    for line in write_schedule(loaded.id, rows, out, most=periods, solve=solve):
        say(line)


_TOLD_EACH_S = 10.0


def _runs_told() -> Callable[[int, int], None]:
    """Says how far SUMO is when it takes long: at the first run and each few seconds."""
    started = told = time.monotonic()

    def progress(done: int, most: int) -> None:
        nonlocal told
        now = time.monotonic()
        if done in (1, most) or now - told >= _TOLD_EACH_S:
            told = now
            text = f"SUMO judges: {done} of at most {most} runs, {now - started:.0f} s"
            typer.echo(text, err=True)

    return progress


@bench_app.callback()
def bench() -> None:
    """Benchmarks."""


@bench_app.command("signals")
def bench_signals(
    scenarios: Annotated[
        list[Path],
        typer.Option("--scenarios", help="Site or raw scenario folders; more may follow."),
    ],
    out: OutFolder,
    more: Annotated[list[Path] | None, typer.Argument(help="More scenario folders.")] = None,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="Paired seeds, from 1 on.")] = 10,
    methods: Annotated[
        str, typer.Option("--methods", help="Comma-separated.")
    ] = "fixed,webster,actuated,maxpressure,greedy,adaptive",
    blocks: Annotated[
        str, typer.Option("--blocks", help="Of equal, legal, detectors.")
    ] = "equal,legal,detectors",
    clearance: Annotated[
        list[str] | None,
        typer.Option(
            "--clearance",
            help="Equal clearances, yellow=3,allred=0; for one scenario NAME:yellow=2,allred=0.",
        ),
    ] = None,
    min_green: Annotated[
        float, typer.Option("--min-green", min=1, help="Seconds, with equal clearances.")
    ] = 5.0,
    miss_rate: Annotated[
        float, typer.Option("--miss-rate", min=0, max=1, help="Of the detectors.")
    ] = 0.05,
    stages: StagesOption = None,
    red_extension: RedExtensionOption = None,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Runs at the same time.")] = 2,
) -> None:
    """Compare signal methods on the same scenarios, seeds and clearances; resumes."""
    from traffic.signalbench import BLOCKS, BenchOptions, run_bench
    from traffic.signalfigures import write_page

    changes = {"": parse_envelope("yellow=3,allred=0", min_green)}
    for text in clearance or ():
        name, _, values = text.rpartition(":")
        changes[name] = parse_envelope(values, min_green)
    wanted = tuple(block.strip() for block in blocks.split(","))
    for block in wanted:
        if block not in BLOCKS:
            raise BadInput("--blocks", block, f"valid is {', '.join(BLOCKS)}")

    def progress(done: int, total: int, title: str) -> None:
        typer.echo(f"{done}/{total} {title}", err=True)

    body = run_bench(
        [*scenarios, *(more or ())],
        out,
        BenchOptions(
            seeds=tuple(range(1, seeds + 1)),
            methods=tuple(method.strip() for method in methods.split(",")),
            blocks=wanted,
            changes=changes,
            miss_rate=miss_rate,
            stages=parse_stages(stages),
            red_extension_s=red_extension,
            workers=workers,
        ),
        progress=progress,
    )
    write_page(body, out / "figures.html")
    for title, why in body["failed"].items():
        say(f"failed: {title}: {why}")
    for block, comparison in body["comparisons"].items():
        mean = comparison["geometric_mean"].get("best_peer")
        if mean:
            say(f"{block}: {comparison['subject']} {mean['mean_pct']:+.1f} % against the best peer")
    say(f"wrote {out / 'summary.json'} and {out / 'figures.html'}")
