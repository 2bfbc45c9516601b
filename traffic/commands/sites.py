"""Commands on site folders: ``xanh site check|import|build``.

Heavy imports happen inside the commands, so that a wrong argument answers at once.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from traffic.commands.common import (
    OutFolder,
    fail,
    load,
    say,
)

site_app = typer.Typer(help="Check, import and build site folders.")


@site_app.command("check")
def site_check(folder: Path) -> None:
    """Check a site folder: files, ids, values, the plan in force, counts."""
    from traffic.sites import Level, check_site

    findings = check_site(folder)
    errors = [finding.message for finding in findings if finding.level is Level.ERROR]
    for finding in findings:
        if finding.message not in errors[:1]:
            say(str(finding))
    if errors:
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        fail(f"xanh: {errors[0]}{more}", 2)
    site = load(folder)
    crossings = sum(len(junction.crossings) for junction in site.junctions.values())
    movements = sum(len(junction.movements) for junction in site.junctions.values())
    say(
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
        say(note)
    say(f"wrote {out}: {summary.junctions} junctions, {summary.trips} trips")


@site_app.command("build")
def site_build(folder: Path) -> None:
    """Rebuild a site's network.net.xml from its plain description with netconvert."""
    from simulation.build import build_network

    say(f"wrote {build_network(folder)}")
