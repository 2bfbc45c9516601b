"""Write a site as plain SUMO files: network with its programs, routes, configuration."""

from __future__ import annotations

import os
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import quoteattr

from models.errors import BadInput
from models.plan import JunctionPlan, Plan
from models.site import Site
from models.units import ds_to_seconds
from simulation.mending import replaced_programs
from simulation.netfile import read_net
from simulation.programs import PROGRAM_ID, for_step, plan_from_network, signal_rows


@dataclass(frozen=True, slots=True)
class ExportSummary:
    """The configuration, which names all else; how many junctions have another program now."""

    configuration: Path
    programs: int


def export_site(site: Site, plan: Plan, out: Path) -> ExportSummary:
    """Write ``ID.net.xml``, ``ID.sumocfg`` and, where the site has them, routes and additional.

    A junction's program is replaced by the plan's where they differ; a plan taken as found
    leaves the network's bytes as they are, so that an import of the export is the same site.

    Raises:
        BadInput: If the site has no network, or a stage is too short for the site's step.
    """
    if site.network is None:
        raise BadInput(
            str(site.folder / "site.yaml"), "network", "the site has none; valid is a net.xml"
        )
    options = site.simulation
    text = site.network.read_bytes().decode()
    own = plan_from_network(
        site.network,
        {j.id: j for j in site.junctions.values() if j.id in read_net(site.network).programs},
        site=site.id,
        created=plan.created,
        by=plan.by,
        begin_s=options.begin_s,
    )
    as_it_is = {item.junction: item for item in own.junctions}
    changed = {
        item.junction: _logic(site, item)
        for item in plan.junctions
        if item != as_it_is.get(item.junction)
    }
    if changed:
        text = replaced_programs(text, changed)
    files = {f"{site.id}.net.xml": text.encode()}
    named: list[tuple[str, str, str]] = [("input", "net-file", f"{site.id}.net.xml")]
    for name, key, suffix in (
        (options.routes, "route-files", "rou.xml"),
        (options.vehicle_types, "additional-files", "add.xml"),
    ):
        if name:
            files[f"{site.id}.{suffix}"] = (site.folder / name).read_bytes()
            named.append(("input", key, f"{site.id}.{suffix}"))
    named += [
        ("time", "begin", f"{options.begin_s:g}"),
        ("time", "end", f"{options.end_s:g}"),
        ("time", "step-length", f"{options.step_s:g}"),
    ]
    for option in options.options:
        key, _, value = option.lstrip("-").partition("=")
        named.append(("processing", key, value or "true"))
    files[f"{site.id}.sumocfg"] = _configuration(named)
    out.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        temporary = out / f"{name}.tmp"
        temporary.write_bytes(content)
        os.replace(temporary, out / name)
    return ExportSummary(out / f"{site.id}.sumocfg", len(changed))


def _logic(site: Site, plan: JunctionPlan) -> str:
    """A plan as a ``tlLogic``."""
    try:
        rows = signal_rows(
            for_step(plan, round(site.simulation.step_s * 10)), site.junctions[plan.junction]
        )
    except KeyError:
        raise BadInput(
            "plan",
            "junction",
            f"{plan.junction!r}; valid is {', '.join(site.junctions)}",
        ) from None
    except ValueError as error:
        raise BadInput("plan", plan.junction, str(error)) from None
    phases = "".join(
        f'\n        <phase duration="{ds_to_seconds(row.duration_ds):g}" state="{row.state}"/>'
        for row in rows
    )
    return (
        f'<tlLogic id={quoteattr(plan.junction)} type="static" programID="{PROGRAM_ID}" '
        f'offset="{ds_to_seconds(plan.offset_ds):g}">{phases}\n    </tlLogic>'
    )


def _configuration(named: list[tuple[str, str, str]]) -> bytes:
    root = ET.Element("configuration")
    sections: dict[str, ET.Element] = {}
    for section, key, value in named:
        if section not in sections:
            sections[section] = ET.SubElement(root, section)
        ET.SubElement(sections[section], key, value=value)
    ET.indent(root)
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n"
