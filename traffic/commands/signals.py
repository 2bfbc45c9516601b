"""Commands on signal plans: ``xanh retime``.

Heavy imports happen inside the commands, so that a wrong argument answers at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from traffic.commands.common import (
    SiteOption,
    load,
    need_network,
    read_counts,
    read_current,
    say,
)

if TYPE_CHECKING:
    from models.counts import CountRow

app = typer.Typer()


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
    seed: Annotated[int, typer.Option("--seed")] = 0,
    time_limit: Annotated[float, typer.Option("--time-limit", help="Solver seconds.")] = 30.0,
) -> None:
    """Find cycle, splits and offsets for the counts."""
    from traffic.planfiles import write_plan
    from traffic.replan import retime_site
    from traffic.schedule import write_schedule

    loaded = load(site)
    need_network(loaded, "be retimed")
    rows, current = read_counts(loaded, counts), read_current(loaded)

    def solve(chosen: Sequence[CountRow], path: Path) -> None:
        result = retime_site(
            loaded,
            chosen,
            current,
            method=method,
            search=search,
            seed=seed,
            time_limit_s=time_limit,
        )
        write_plan(result.plan, path)
        say(f"{result.status}: {result.line}; wrote {path} ({result.plan.digest[:12]})")

    if periods == 1:
        solve(rows, out)
        return
    for line in write_schedule(loaded.id, rows, out, most=periods, solve=solve):
        say(line)
