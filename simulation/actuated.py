"""SUMO's own reactive controllers with the stages of a site, to compare policies with.

``actuated`` prolongs a green while its detectors see gaps shorter than 3 s, ``delay_based`` while
there is delay to save (https://sumo.dlr.de/docs/Simulation/Traffic_Lights.html). Both go through
the stages in the plan's order; SUMO places their detectors itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal
from xml.etree import ElementTree as ET

from models.plan import Plan
from models.policy import ControlJunction, ControlStage, Sensing
from models.site import Site
from simulation.control_area import Wiring, wire
from simulation.programs import PROGRAM_ID
from simulation.runner import SimulationJob, SimulationResult, simulate
from simulation.scratch import Scratch
from simulation.signal_executor import change_letters

Kind = Literal["actuated", "delay_based"]
MAX_GREEN_S = 50.0
"""SUMO's usual longest green of a reactive program."""


def simulate_reactive(job: SimulationJob, site: Site, plan: Plan, kind: Kind) -> SimulationResult:
    """Run a job under a reactive controller of SUMO's.

    Greens last from their stage's minimum to ``MAX_GREEN_S``; changes are those of the site's
    envelope; crossings show green until their clearance must begin.

    Raises:
        XanhError: If SUMO refuses or breaks off.
    """
    with Scratch("run") as temporary:
        path = temporary / "reactive.add.xml"
        write_reactive(wire(site, plan, sensing=Sensing.ORACLE), path, kind)
        return simulate(replace(job, plan=None, additional=(*job.additional, path)))


def write_reactive(wiring: Wiring, path: Path, kind: Kind) -> None:
    """Write the reactive programs of a control area as a SUMO additional file."""
    root = ET.Element("additional")
    for control in wiring.area.junctions.values():
        logic = ET.SubElement(
            root, "tlLogic", id=control.id, type=kind, programID=PROGRAM_ID, offset="0"
        )
        for state, shortest_s, longest_s in _rows(control):
            row = ET.SubElement(logic, "phase", duration=f"{shortest_s:g}", state=state)
            if longest_s > shortest_s:
                row.set("minDur", f"{shortest_s:g}")
                row.set("maxDur", f"{longest_s:g}")
    ET.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)


def _rows(control: ControlJunction) -> Iterator[tuple[str, float, float]]:
    """States of a program in order, each with its shortest and longest time."""
    walks = frozenset(link for c in control.junction.crossings for link in c.links)
    order = [control.stages[name] for name, _ in control.plan]
    for stage, following in zip(order, order[1:] + order[:1], strict=True):
        clearance_s = _clearance_s(control, stage)
        shortest_s = stage.min_green_s - clearance_s
        yield stage.letters, shortest_s, max(MAX_GREEN_S, shortest_s)
        if clearance_s:
            stopped = (letter if k not in walks else "r" for k, letter in enumerate(stage.letters))
            yield "".join(stopped), clearance_s, clearance_s
        if stage is following:
            continue
        change = control.changes[stage.id, following.id]
        for length_s, yellow in ((change.yellow_s, True), (change.red_s, False)):
            if length_s:
                state = change_letters(stage.letters, following.letters, walks, yellow=yellow)
                yield state, length_s, length_s


def _clearance_s(control: ControlJunction, stage: ControlStage) -> float:
    """Longest pedestrian clearance in a stage, whole seconds."""
    clearances = control.junction.envelope.ped_clearance_ds
    return float(max((-(-clearances.get(c, 0) // 10) for c in stage.crossings), default=0))
