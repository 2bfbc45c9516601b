"""Commands that simulate: ``xanh validate``.

Heavy imports happen inside the commands, so that a wrong argument answers at once.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from traffic.commands.common import (
    OutFolder,
    SiteOption,
    load,
    need_network,
    read_counts,
    read_current,
    say,
)

app = typer.Typer()


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

    loaded = load(site)
    need_network(loaded, "be validated")
    candidate, baseline = read_current(loaded, plan), read_current(loaded, against)

    def progress(done: int, total: int) -> None:
        typer.echo(f"\r{done}/{total} runs", nl=done == total, err=True)

    report = run_validation(
        loaded,
        candidate,
        baseline,
        read_counts(loaded, counts),
        pairs=pairs,
        workers=workers,
        first_seed=seed,
        progress=progress,
        now=datetime.now(UTC),
        sources=(str(plan), str(against or loaded.current_plan_path)),
    )
    write_report(report, loaded, candidate, baseline, out)
    say(f"{report.verdict.value}: {report.reason}; wrote {out}")
    if require_pass and report.verdict.value != "pass":
        raise typer.Exit(1)
