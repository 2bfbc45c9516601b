"""Commands on signal plans: ``xanh retime``.

Heavy imports happen inside the commands, so that a wrong argument answers at once.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from traffic.commands.common import (
    SiteOption,
    load,
    need_network,
    read_counts,
    read_current,
    say,
)

app = typer.Typer()


@app.command()
def retime(
    site: SiteOption,
    out: Annotated[Path, typer.Option("--out", help="plan.yaml to write.")],
    counts: Annotated[Path | None, typer.Option("--counts", help="Default: the site's.")] = None,
    method: Annotated[str, typer.Option("--method", help="cpsat, webster or maxband.")] = "cpsat",
    search: Annotated[
        int, typer.Option("--search", help="Let SUMO judge so many plans and choose.")
    ] = 0,
    seed: Annotated[int, typer.Option("--seed")] = 0,
    time_limit: Annotated[float, typer.Option("--time-limit", help="Solver seconds.")] = 30.0,
) -> None:
    """Find cycle, splits and offsets for the counts."""
    from traffic.planfiles import write_plan
    from traffic.replan import retime_site

    loaded = load(site)
    need_network(loaded, "be retimed")
    result = retime_site(
        loaded,
        read_counts(loaded, counts),
        read_current(loaded),
        method=method,
        search=search,
        seed=seed,
        time_limit_s=time_limit,
    )
    write_plan(result.plan, out)
    say(f"{result.status}: {result.line}; wrote {out} ({result.plan.digest[:12]})")
