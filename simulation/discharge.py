"""How a queue leaves at green: measured on a straight approach built for it, or observed."""

from __future__ import annotations

import random
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from models.errors import XanhError
from simulation.build import sumo_tool
from simulation.scratch import Scratch

RED_S, GREEN_S, YELLOW_S = 120, 50, 3
APPROACH_M, EXIT_M = 500.0, 300.0
ARRIVALS_VPH_PER_M = 1000.0
"""What arrives per metre of width: enough for a queue that outlasts the green, and little enough
that every class enters as it comes; a stream that is held back would change the mix."""


@dataclass(frozen=True, slots=True)
class Approach:
    """A straight approach: lanes of one width, speed limit, SUMO options that matter."""

    lanes: int = 3
    lane_width_m: float = 3.5
    speed_mps: float = 13.89
    step_s: float = 1.0
    options: tuple[str, ...] = ("--lateral-resolution=0.8",)

    @property
    def width_m(self) -> float:
        """Width of the carriageway."""
        return self.lanes * self.lane_width_m


@dataclass(frozen=True, slots=True)
class Discharge:
    """A saturated discharge: mean vehicles gone by each whole second of green, from 1 s on.

    ``greens`` is how many the mean is over.
    """

    curve: tuple[float, ...]
    width_m: float
    greens: int

    @property
    def flow_vph(self) -> float:
        """Vehicles an hour of effective green (green and yellow less 2 s of lost time)."""
        return self.curve[-1] * 3600.0 / max(1.0, len(self.curve) - 2.0)


def simulated_discharge(
    types: Sequence[ET.Element],
    mix: Mapping[str, float],
    approach: Approach | None = None,
    *,
    seeds: Sequence[int] = (1,),
) -> Discharge:
    """Let a queue that outlasts the green discharge in SUMO, once for each seed.

    Args:
        types: ``vType`` elements; ``mix`` names their ids.
        mix: Share of each vehicle type.
        approach: The street; three lanes of 3.5 m and a lateral resolution of 0.8 m by default.
        seeds: Of the vehicles' order and of SUMO; one green is measured for each.

    Raises:
        XanhError: If SUMO refuses the types or options.
    """
    street = approach or Approach()
    end_s = RED_S + GREEN_S + YELLOW_S
    gone = [0.0] * (GREEN_S + YELLOW_S)
    with Scratch("discharge") as folder:
        _build(street, folder)
        for seed in seeds:
            flow_vph = ARRIVALS_VPH_PER_M * street.width_m
            _vehicles(types, mix, flow_vph, end_s, seed, folder / "r.rou.xml")
            _run(
                "sumo",
                [
                    *("--net-file", "n.net.xml", "--route-files", "r.rou.xml"),
                    *("--begin", "0", "--end", f"{end_s}", "--step-length", f"{street.step_s:g}"),
                    *("--seed", f"{seed}", "--vehroute-output", "v.xml"),
                    *("--vehroute-output.exit-times", "--vehroute-output.write-unfinished"),
                    *("--time-to-teleport", "-1", "--no-step-log", "--no-warnings"),
                    *("--xml-validation", "never", *street.options),
                ],
                folder,
            )
            for moment in _left(folder / "v.xml"):
                for second in range(max(0, int(moment - RED_S - 1e-9)), len(gone)):
                    gone[second] += 1 / len(seeds)
    return Discharge(tuple(gone), street.width_m, len(seeds))


def _build(street: Approach, folder: Path) -> None:
    (folder / "n.nod.xml").write_text(
        f'<nodes><node id="a" x="0" y="0"/><node id="j" x="{APPROACH_M}" y="0" '
        f'type="traffic_light"/><node id="b" x="{APPROACH_M + EXIT_M}" y="0"/></nodes>'
    )
    lanes = f'numLanes="{street.lanes}" width="{street.lane_width_m}" speed="{street.speed_mps}"'
    (folder / "n.edg.xml").write_text(
        f'<edges><edge id="in" from="a" to="j" {lanes}/><edge id="out" from="j" to="b" {lanes}/>'
        "</edges>"
    )
    _run("netconvert", ["-n", "n.nod.xml", "-e", "n.edg.xml", "-o", "made.net.xml"], folder)
    rows = "".join(
        f'<phase duration="{duration}" state="{letter * street.lanes}"/>'
        for duration, letter in ((RED_S, "r"), (GREEN_S, "G"), (YELLOW_S, "y"))
    )
    text = (folder / "made.net.xml").read_text()
    start, stop = text.index("<phase"), text.index("</tlLogic>")
    (folder / "n.net.xml").write_text(text[:start] + rows + text[stop:])


def _vehicles(
    types: Sequence[ET.Element],
    mix: Mapping[str, float],
    flow_vph: float,
    end_s: float,
    seed: int,
    path: Path,
) -> None:
    draw = random.Random(seed)
    names, shares = list(mix), list(mix.values())
    root = ET.Element("routes")
    root.extend(types)
    ET.SubElement(root, "route", id="r", edges="in out")
    count = int(flow_vph * end_s / 3600)
    for number in range(count):
        ET.SubElement(
            root,
            "vehicle",
            id=str(number),
            type=draw.choices(names, shares)[0],
            route="r",
            depart=f"{number * end_s / count:.2f}",
            departLane="best",
            departSpeed="max",
            departPosLat="random_free",
        )
    ET.ElementTree(root).write(path)


def _left(routes: Path) -> list[float]:
    """When each vehicle left the approach."""
    moments = []
    for _, element in ET.iterparse(routes):
        if element.tag == "route":
            first = float(element.get("exitTimes", "-1").split()[0])
            if first >= 0:
                moments.append(first)
    return moments


def _run(name: str, arguments: Sequence[str], folder: Path) -> None:
    tool, environment = sumo_tool(name)
    done = subprocess.run(
        [str(tool), *arguments],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode != 0:
        errors = [line for line in done.stderr.splitlines() if line.startswith("Error")]
        raise XanhError(f"{name} refuses the discharge: {(errors or [done.stderr])[0].strip()}")
