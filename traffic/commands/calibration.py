"""``xanh calibrate``: demand, passages and driving against what was counted and seen.

Heavy imports happen inside the commands, so that a wrong argument answers at once.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from models.errors import BadInput
from traffic.commands.common import (
    OutFolder,
    SiteOption,
    load,
    need_network,
    read_counts,
    read_current,
    say,
)

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from simulation.driving import DrivingFit

app = typer.Typer()


@app.command()
def calibrate(
    site: SiteOption,
    out: OutFolder,
    counts: Annotated[Path | None, typer.Option("--counts", help="Default: the site's.")] = None,
    plan: Annotated[
        Path | None, typer.Option("--plan", help="Plan in force while counting; default: current.")
    ] = None,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="Runs to average.")] = 1,
    minutes: Annotated[
        float, typer.Option("--minutes", min=1, help="Of the counts, at most.")
    ] = 60.0,
    crossings: Annotated[
        Path | None, typer.Option("--crossings", help="crossings.csv of a queue's discharge.")
    ] = None,
    signals: Annotated[
        Path | None, typer.Option("--signals", help="Its signal: time,signal,state.")
    ] = None,
    line: Annotated[str, typer.Option("--line", help="Which line of the crossings.")] = "",
    lanes: Annotated[int, typer.Option("--lanes", min=1, max=8, help="Lanes at the line.")] = 1,
    lane_width: Annotated[
        float, typer.Option("--lane-width", min=2, max=6, help="Of each, in metres.")
    ] = 3.5,
    language: Annotated[str, typer.Option("--language", help="en or vi.")] = "en",
) -> None:
    """Fit demand and driving to counts and a seen discharge; report GEH per movement."""
    from datetime import timedelta

    from simulation.calibration import calibrate as run
    from simulation.calibration_page import write_calibration

    if language not in ("en", "vi"):
        raise BadInput("--language", "", f"{language!r}; valid is en or vi")
    if (crossings is None) != (signals is None):
        raise BadInput("--crossings, --signals", "", "give both or none")
    chosen = load(site)
    need_network(chosen, "be calibrated")
    rows = read_counts(chosen, counts)
    until = min(row.start for row in rows) + timedelta(minutes=minutes)
    rows = tuple(row for row in rows if row.end <= until)
    if not rows:
        raise BadInput("--minutes", "", f"{minutes:g}; valid is an interval of the counts or more")
    in_force = read_current(chosen, plan)
    out.mkdir(parents=True, exist_ok=True)
    fit: DrivingFit | None = None
    types: tuple[Element, ...] = ()
    if crossings is not None and signals is not None:
        from simulation.discharge import Approach
        from traffic.driving import fitted_driving

        approach = Approach(
            lanes, lane_width, step_s=chosen.simulation.step_s, options=chosen.simulation.options
        )
        fit, types = fitted_driving(
            chosen, crossings, signals, line, approach, out / "vehicle-types.add.xml"
        )
        say(
            f"driving: error {100 * fit.error_before:.1f} % to {100 * fit.error_after:.1f} %; "
            f"wrote {out / 'vehicle-types.add.xml'}"
        )
    found = run(
        chosen,
        rows,
        in_force,
        out / "demand.rou.xml",
        seeds=range(1, seeds + 1),
        driving=fit,
        vehicle_types=types,
        progress=lambda done, total: say(f"run {done} of {total}"),
    )
    write_calibration(found, chosen, out, language="vi" if language == "vi" else "en")
    for misfit in found.demand.misfits[:5]:
        say(f"no flow reproduces {misfit}")
    say(
        f"GEH below 5 in {100 * found.share_below_5:.1f} % of {len(found.movements)} movements and "
        f"intervals; {len(found.demand.misfits)} counts that no flow reproduces"
    )
    say(f"wrote {out / 'calibration.html'}")
