"""The text of ``site.yaml`` as an import writes it, with its guesses marked."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from models.junction import Junction, SafetyEnvelope
from simulation.configuration import Source

MIDNIGHT = datetime(2026, 1, 5, tzinfo=UTC)
"""Second 0 of an imported simulation, a Monday: networks state a time of day but no date."""


@dataclass(frozen=True, slots=True)
class Found:
    """What an import could not take, left out, or guessed; ``refused`` by junction."""

    refused: Mapping[str, str] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    guessed: tuple[str, ...] = ()
    by_junction: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def site_text(
    site: str,
    source: Source,
    junctions: Mapping[str, Junction],
    found: Found,
    *,
    location: tuple[float, float] | None,
    routes: str,
    vehicle_types: str,
) -> str:
    """The file's text; it loads without further files than those it names."""
    lines = [
        "# Written by `xanh site import`. Second 0 of its simulation is taken as",
        f"# {MIDNIGHT:%Y-%m-%d} 00:00 UTC; the network states no date.",
        "schema: 1",
        f"id: {json.dumps(site)}",
        f"name: {json.dumps(site)}",
        *(
            [f"location: {{latitude: {location[0]:.5f}, longitude: {location[1]:.5f}}}"]
            if location
            else []
        ),
        "network: network.net.xml",
        "",
        "# The trips run verbatim: no warm-up, 1 s step, SUMO's defaults"
        + (" and what the" if source.options or source.step_s != 1.0 else "."),
    ]
    if source.options or source.step_s != 1.0:
        lines.append("# configuration declares.")
    lines += [
        "simulation:",
        f"  begin_s: {source.begin_s or 0:g}",
        f"  end_s: {source.end_s or 0:g}",
        "  warm_up_s: 0",
        f"  step_s: {source.step_s:.3g}",
    ]
    if routes:
        lines.append(f"  routes: {json.dumps(routes)}")
    if vehicle_types:
        lines.append(f"  vehicle_types: {json.dumps(vehicle_types)}")
    if source.options:
        lines.append("  options:")
        lines += [f"    - {_quoted(option)}" for option in source.options]
    lines += _envelope()
    lines += _import(found)
    lines += ["", "junctions:"]
    for junction in junctions.values():
        lines.append(f"  - id: {_quoted(junction.id)}")
        if junction.name:
            lines.append(f"    name: {_quoted(junction.name)}")
        clearances = junction.envelope.ped_clearance_ds
        if clearances:
            lines += ["    envelope:", "      ped_clearance_s:"]
            lines += [f"        {_quoted(c)}: {ds / 10:g}" for c, ds in clearances.items()]
        lines += _list("guessed", found.by_junction.get(junction.id, ()), "    ")
    return "\n".join(lines) + "\n"


def _envelope() -> list[str]:
    base = SafetyEnvelope()
    return [
        "",
        "# Guessed: no network states these. Set them to what the city keeps.",
        "envelope:",
        f"  min_green_s: {base.min_green_ds / 10:g}",
        f"  yellow_change_s: {base.yellow_change_ds / 10:g}",
        f"  red_clearance_s: {base.red_clearance_ds / 10:g}",
        f"  walk_s: {base.walk_ds / 10:g}",
    ]


def _import(found: Found) -> list[str]:
    """The section on the import itself; empty when it took all and guessed nothing site-wide."""
    if not (found.refused or found.left_out or found.guessed):
        return []
    partial = bool(found.refused or found.left_out)
    lines = ["", "import:", f"  partial: {'true' if partial else 'false'}"]
    if found.refused:
        lines.append("  not_taken:")
        for junction, why in found.refused.items():
            lines += [f"    - id: {_quoted(junction)}", f"      why: {_quoted(why)}"]
    lines += _list("left_out", found.left_out, "  ")
    return lines + _list("guessed", found.guessed, "  ")


def _list(name: str, items: Sequence[str], indent: str) -> list[str]:
    if not items:
        return []
    return [f"{indent}{name}:", *(f"{indent}  - {_quoted(item)}" for item in items)]


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
