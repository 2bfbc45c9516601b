"""Plans as SUMO programs, and the programs of a network as plans."""

from __future__ import annotations

import itertools
import math
import os
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from models.junction import Junction
from models.plan import JunctionPlan, Plan, SignalRow, Stage
from models.safety import green_windows_ds
from models.units import ds_to_seconds
from simulation.netfile import read_net
from simulation.netprograms import NetProgram

PROGRAM_ID = "xanh"
MAX_RED_CLEARANCE_DS = 50
"""A row without yellow that follows one is taken as red clearance up to this long."""


def signal_rows(plan: JunctionPlan, junction: Junction) -> tuple[SignalRow, ...]:
    """Rows of a SUMO program for a plan, in cycle order from the start of its first stage.

    What ends with a stage shows yellow, then red; what continues stays green through the
    interstage (permissive there when it is permissive in either stage). A crossing shows green
    until its pedestrian clearance must begin, then red. A plan taken as found gives its own
    rows.

    Raises:
        ValueError: If the junction has no links (a camera-only site).
    """
    if plan.as_found:
        return plan.as_found
    links = {m.id: m.links for m in junction.movements}
    links |= {c.id: c.links for c in junction.crossings}
    length = max((index for indices in links.values() for index in indices), default=-1) + 1
    if length == 0:
        raise ValueError(f"junction {junction.id} has no signal links; a network is needed")

    walk_until = _walk_windows_ds(plan, junction)
    cuts = {0, plan.cycle_ds}
    for start, stage, _ in _stages(plan):
        cuts |= {start, start + stage.green_ds, start + stage.green_ds + stage.yellow_ds}
    for windows in walk_until.values():
        for start, walk_ds in windows:
            cuts |= {start % plan.cycle_ds, (start + walk_ds) % plan.cycle_ds}
    moments = sorted(cuts)

    rows: list[SignalRow] = []
    for begin, end in itertools.pairwise(moments):
        shown = _letters_at(plan, junction, walk_until, begin)
        letters = ["r"] * length
        for signal_id, letter in shown.items():
            for index in links[signal_id]:
                letters[index] = letter
        state = "".join(letters)
        if rows and rows[-1].state == state:
            rows[-1] = SignalRow(rows[-1].duration_ds + end - begin, state)
        else:
            rows.append(SignalRow(end - begin, state))
    return tuple(rows)


def _stages(plan: JunctionPlan) -> Iterator[tuple[int, Stage, Stage]]:
    """Each stage with its start in the cycle and the stage that follows."""
    start = 0
    for stage, following in zip(plan.stages, plan.stages[1:] + plan.stages[:1], strict=True):
        yield start, stage, following
        start += stage.split_ds


def _walk_windows_ds(
    plan: JunctionPlan, junction: Junction
) -> dict[str, tuple[tuple[int, int], ...]]:
    """When each crossing shows green: its windows less the clearance at their end."""
    walks = {}
    for crossing in junction.crossings:
        windows = green_windows_ds(plan, crossing.id)
        clearance = junction.envelope.ped_clearance_ds.get(crossing.id, 0)
        if windows and windows[0][1] == plan.cycle_ds:
            clearance = 0  # nothing ever crosses it
        walks[crossing.id] = tuple(
            (start, length - clearance) for start, length in windows if length > clearance
        )
    return walks


def _letters_at(
    plan: JunctionPlan,
    junction: Junction,
    walks: Mapping[str, Sequence[tuple[int, int]]],
    moment_ds: int,
) -> dict[str, str]:
    """The letter of each movement and crossing at a moment of the cycle."""
    start, stage, following = next(
        item for item in reversed(list(_stages(plan))) if item[0] <= moment_ds
    )
    into = moment_ds - start
    shown = {}
    for movement in junction.movements:
        name = movement.id
        if name not in stage.green:
            shown[name] = "r"
        elif into < stage.green_ds:
            shown[name] = "g" if name in stage.permissive else "G"
        elif name in following.green:
            both = {*stage.permissive, *following.permissive}
            shown[name] = "g" if name in both else "G"
        else:
            shown[name] = "y" if into < stage.green_ds + stage.yellow_ds else "r"
    for crossing in junction.crossings:
        walking = any(
            (moment_ds - begin) % plan.cycle_ds < walk_ds for begin, walk_ds in walks[crossing.id]
        )
        shown[crossing.id] = "G" if walking else "r"
    return shown


def for_step(plan: JunctionPlan, step_ds: int) -> JunctionPlan:
    """The plan with yellow and red rounded up to the simulation's step, out of the green.

    Cycle, offset and splits stay. A plan taken as found is not touched.

    Raises:
        ValueError: If a stage is too short for that.
    """
    if plan.as_found or step_ds <= 1:
        return plan

    def up(value_ds: int) -> int:
        return math.ceil(value_ds / step_ds) * step_ds

    stages = tuple(
        replace(
            stage,
            green_ds=stage.split_ds - up(stage.yellow_ds) - up(stage.red_ds),
            yellow_ds=up(stage.yellow_ds),
            red_ds=up(stage.red_ds),
        )
        for stage in plan.stages
    )
    return replace(plan, stages=stages)


def write_additional(
    plan: Plan, junctions: Mapping[str, Junction], path: Path, *, step_s: float = 1.0
) -> None:
    """Write a plan as a SUMO additional file; SUMO runs these programs instead of its own.

    The offset delays the program: its first row starts at the offset, counted from simulation
    time 0, modulo the cycle.

    Raises:
        KeyError: If the plan names a junction that is not among ``junctions``.
    """
    root = ET.Element("additional")
    for junction_plan in plan.junctions:
        junction = junctions[junction_plan.junction]
        stepped = for_step(junction_plan, round(step_s * 10))
        logic = ET.SubElement(
            root,
            "tlLogic",
            id=junction.id,
            type="static",
            programID=PROGRAM_ID,
            offset=f"{ds_to_seconds(stepped.offset_ds):g}",
        )
        for row in signal_rows(stepped, junction):
            ET.SubElement(
                logic, "phase", duration=f"{ds_to_seconds(row.duration_ds):g}", state=row.state
            )
    ET.indent(root)
    temporary = path.with_name(path.name + ".tmp")
    ET.ElementTree(root).write(temporary, encoding="utf-8", xml_declaration=True)
    os.replace(temporary, path)


def plan_from_network(
    net_path: Path,
    junctions: Mapping[str, Junction],
    *,
    site: str,
    created: datetime,
    by: str,
    begin_s: float = 0.0,
) -> Plan:
    """The network's own programs as a plan taken as found.

    Each junction keeps its rows verbatim in ``as_found``; ``stages`` is what can be read out of
    them. Actuated programs are taken with the durations that their rows state; an offset that
    counts from the begin of the simulation is moved to ``begin_s``.

    Raises:
        BadInput: If the network cannot be read.
    """
    net = read_net(net_path)
    plans = tuple(
        _plan_as_found(net.programs[junction.id], junction, begin_s)
        for junction in junctions.values()
        if junction.id in net.programs
    )
    return Plan(site=site, junctions=plans, created=created, by=by)


def _plan_as_found(program: NetProgram, junction: Junction, begin_s: float) -> JunctionPlan:
    rows = tuple(
        SignalRow(round(duration_s * 10), state)
        for duration_s, state in program.rows
        if round(duration_s * 10) > 0
    )
    cycle_ds = sum(row.duration_ds for row in rows)
    offset_s = program.offset_s + (begin_s if program.from_begin else 0.0)
    return JunctionPlan(
        junction=junction.id,
        cycle_ds=cycle_ds,
        offset_ds=round(offset_s * 10) % cycle_ds,
        stages=stages_of(rows, junction),
        as_found=rows,
    )


def stages_of(rows: Sequence[SignalRow], junction: Junction) -> tuple[Stage, ...]:
    """Read stages out of a program's rows.

    A row with yellow belongs to the interstage of the stage before it, and so does a short row
    after it that starts nothing new (red clearance). Rows that differ only in that pedestrians
    stopped walking are one stage. Interstage rows before the first stage close the cycle.
    """
    first = next((i for i, row in enumerate(rows) if not _has_yellow(row)), 0)
    turned = [*rows[first:], *rows[:first]]
    crossings = {crossing.id for crossing in junction.crossings}
    stages: list[Stage] = []
    for index, row in enumerate(turned):
        green, permissive = _greens(row.state, junction)
        last = stages[-1] if stages else None
        if last is not None and _has_yellow(row):
            stages[-1] = replace(last, yellow_ds=last.yellow_ds + row.duration_ds)
            continue
        clearance = index > 0 and (_has_yellow(turned[index - 1]) or not green)
        if (
            last is not None
            and clearance
            and set(green) <= set(last.green)
            and row.duration_ds <= MAX_RED_CLEARANCE_DS
            and set(green) <= set(_greens(turned[(index + 1) % len(turned)].state, junction)[0])
        ):
            stages[-1] = replace(last, red_ds=last.red_ds + row.duration_ds)
            continue
        ended = set(last.green) - set(green) if last is not None else set()
        if (
            last is not None
            and last.yellow_ds == last.red_ds == 0
            and set(green) < set(last.green)
            and ended <= crossings
            and set(permissive) == set(last.permissive) - ended
        ):
            stages[-1] = replace(last, green_ds=last.green_ds + row.duration_ds)
            continue
        stages.append(Stage(f"S{len(stages) + 1}", green, row.duration_ds, 0, 0, permissive))
    return tuple(stages)


def _has_yellow(row: SignalRow) -> bool:
    return "y" in row.state or "Y" in row.state


def _greens(state: str, junction: Junction) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Ids that a state shows green, and those of them that it shows as permissive.

    A flashing or dark head (o, O) lets its traffic go as by the signs: permissive.
    """
    green, permissive = [], []
    links = {m.id: m.links for m in junction.movements}
    links |= {c.id: c.links for c in junction.crossings}
    for signal_id, indices in links.items():
        letters = {state[index] for index in indices}
        if letters & {"G", "g", "o", "O"}:
            green.append(signal_id)
            if "G" not in letters:
                permissive.append(signal_id)
    return tuple(green), tuple(permissive)
