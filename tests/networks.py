"""Small networks that tests build for themselves, and plans for them."""

from __future__ import annotations

import itertools
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

from models.counts import CountRow
from models.plan import JunctionPlan, Plan, Stage
from models.site import SimulationOptions, Site
from simulation.network import read_junctions
from simulation.runner import SUMO_BINARY, sumo_environment

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
SPACING_M = 300


def corridor(folder: Path, *, signals: int = 3, name: str = "<Three> & one") -> Site:
    """Signals along a street eastward, each crossed by a street northward."""
    junctions = [f"J{number}" for number in range(1, signals + 1)]
    nodes = [("W", 0, 0, "priority"), ("E", (signals + 1) * SPACING_M, 0, "priority")]
    edges = []
    for index, (one, other) in enumerate(itertools.pairwise(["W", *junctions, "E"])):
        edges.append((f"e{index}", one, other))
    for number, junction in enumerate(junctions, start=1):
        nodes.append((junction, number * SPACING_M, 0, "traffic_light"))
        nodes.append((f"S{number}", number * SPACING_M, -SPACING_M, "priority"))
        nodes.append((f"N{number}", number * SPACING_M, SPACING_M, "priority"))
        edges += [(f"n{number}a", f"S{number}", junction), (f"n{number}b", junction, f"N{number}")]
    (folder / "a.nod.xml").write_text(
        "<nodes>"
        + "".join(f'<node id="{i}" x="{x}" y="{y}" type="{k}"/>' for i, x, y, k in nodes)
        + "</nodes>"
    )
    (folder / "a.edg.xml").write_text(
        "<edges>"
        + "".join(
            f'<edge id="{i}" from="{a}" to="{b}" numLanes="1" speed="13.89"/>' for i, a, b in edges
        )
        + "</edges>"
    )
    subprocess.run(
        [
            str(SUMO_BINARY.with_name("netconvert")),
            *("--node-files", str(folder / "a.nod.xml"), "--edge-files", str(folder / "a.edg.xml")),
            *("--output-file", str(folder / "network.net.xml")),
        ],
        env=sumo_environment(),
        check=True,
        capture_output=True,
    )
    return Site(
        id="three",
        name=name,
        folder=folder,
        junctions=read_junctions(folder / "network.net.xml"),
        network=folder / "network.net.xml",
        simulation=SimulationOptions(end_s=900, warm_up_s=120),
    )


def corridor_counts(site: Site, factor: float = 1.0) -> tuple[CountRow, ...]:
    """An hour along the corridor: 420 through, 180 across, 24 for each turn, times a factor."""
    flows = {"through": 420, "cross": 180, "turn": 24}
    rows = []
    for name, junction in site.junctions.items():
        for movement in junction.movements:
            along = movement.from_edge.startswith("e")
            straight = along == movement.to_edge.startswith("e")
            kind = ("through" if along else "cross") if straight else "turn"
            count = round(factor * flows[kind])
            end = NOW + timedelta(hours=1)
            rows.append(CountRow(name, movement.id, "car", NOW, end, count))
    return tuple(rows)


def corridor_plan(site: Site, along_s: int, offsets_s: tuple[int, ...] = (0, 0, 0)) -> Plan:
    """Two stages in 60 s at each junction: the street, then the crossing street."""
    junctions = []
    for (name, junction), offset_s in zip(site.junctions.items(), offsets_s, strict=True):
        stages = []
        for stage, letter, green_s in (("along", "e", along_s), ("cross", "n", 50 - along_s)):
            green = tuple(m.id for m in junction.movements if m.from_edge.startswith(letter))
            stages.append(Stage(stage, green, green_s * 10, 30, 20))
        junctions.append(JunctionPlan(name, 600, offset_s * 10, tuple(stages)))
    return Plan(site.id, tuple(junctions), NOW, "test")
