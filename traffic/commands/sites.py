"""Commands on site folders: ``xanh site check|import|build``.

Heavy imports happen inside the commands, so that a wrong argument answers at once.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from models.errors import BadInput
from traffic.commands.common import (
    OutFolder,
    fail,
    load,
    say,
)

_Folder = Annotated[Path, typer.Argument(help="The site's folder.")]
site_app = typer.Typer(help="Check, import, export and build site folders.")


@site_app.command("check")
def site_check(folder: _Folder) -> None:
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
    out: OutFolder,
    net: Annotated[
        Path | None, typer.Option("--net", help="SUMO network NET.net.xml, or X.sumocfg.")
    ] = None,
    osm: Annotated[
        Path | None, typer.Option("--osm", help="OpenStreetMap extract, X.osm, instead.")
    ] = None,
    routes: Annotated[
        list[Path] | None, typer.Option("--routes", help="SUMO routes; may be repeated.")
    ] = None,
    additional: Annotated[
        list[Path] | None,
        typer.Option("--additional", help="SUMO additional file; may be repeated."),
    ] = None,
    begin: Annotated[
        float | None, typer.Option("--begin", help="First second of the simulation.")
    ] = None,
    end: Annotated[float | None, typer.Option("--end", help="Its end, in seconds.")] = None,
    left_hand: Annotated[
        bool, typer.Option("--left-hand", help="With --osm: traffic drives on the left.")
    ] = False,
    mixed_traffic: Annotated[
        bool,
        typer.Option("--mixed-traffic", help="Without routes: motorcycles filter side by side."),
    ] = False,
) -> None:
    """Make a site folder of a SUMO network or an OpenStreetMap extract, and its demand."""
    from simulation.imports import import_site
    from traffic.planfiles import write_plan

    if (net is None) == (osm is None):
        raise BadInput("--net, --osm", "", "give one of the two")
    summary = import_site(
        net or osm or Path(),
        routes or (),
        additional=additional or (),
        begin_s=begin,
        end_s=end,
        left_hand=left_hand,
        mixed_traffic=mixed_traffic,
        out=out,
        write_plan=write_plan,
    )
    for note in summary.notes:
        say(note)
    if summary.guesses:
        say(f"{summary.guesses} guesses are marked in {out / 'site.yaml'}; `xanh site check` lists")
    say(f"wrote {out}: {summary.junctions} junctions, {summary.trips} trips")


@site_app.command("export")
def site_export(
    folder: _Folder,
    out: OutFolder,
    plan: Annotated[
        Path | None, typer.Option("--plan", help="Plan to write; by default the one in force.")
    ] = None,
) -> None:
    """Write a site as plain SUMO files that any SUMO runs: network, routes, configuration."""
    from simulation.exports import export_site
    from traffic.commands.common import read_current

    site = load(folder)
    summary = export_site(site, read_current(site, plan), out)
    say(f"wrote {summary.configuration}: {summary.programs} programs changed")


@site_app.command("build")
def site_build(folder: _Folder) -> None:
    """Rebuild a site's network.net.xml from its plain description with netconvert."""
    from simulation.build import build_network

    say(f"wrote {build_network(folder)}")
