"""Plans as rows of a SUMO program, and programs read back as plans."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from models.junction import Junction
from models.plan import JunctionPlan, Plan, SignalRow, Stage
from models.safety import check_plan
from simulation.network import read_junctions
from simulation.programs import (
    for_step,
    plan_from_network,
    signal_rows,
    stages_of,
    write_additional,
)
from traffic.planfiles import read_plan

NOW = datetime(2026, 3, 2, tzinfo=UTC)


@pytest.fixture(scope="module")
def junctions(pho_hue: Path) -> dict[str, Junction]:
    return read_junctions(pho_hue / "network.net.xml")


@pytest.fixture(scope="module")
def current(pho_hue: Path) -> Plan:
    return read_plan(pho_hue / "plans" / "current.yaml")


def test_the_plan_in_force_keeps_every_rule(current: Plan, junctions: dict[str, Junction]) -> None:
    assert check_plan(current, junctions) == ()
    assert {plan.offset_ds for plan in current.junctions} == {0}
    assert all(900 <= plan.cycle_ds <= 1200 for plan in current.junctions)


def test_rows_of_a_junction_with_pedestrians(junctions: dict[str, Junction]) -> None:
    """C1: links 0 right turn, 1-3 corridor, 4-5 cross, 6 its left turn, 7-10 crossings."""
    corridor, cross = ("C1:c0>c1", "C1:c0>eb1b"), ("C1:eb1a>eb1b", "C1:eb1a>c1")
    plan = JunctionPlan(
        "C1",
        900,
        0,
        (
            Stage("A", (*corridor, ":C1_c0", ":C1_c2"), 480, 30, 20, ("C1:c0>eb1b",)),
            Stage("B", (*cross, ":C1_c1", ":C1_c3"), 320, 30, 20, ("C1:eb1a>c1",)),
        ),
    )
    assert signal_rows(plan, junctions["C1"]) == (
        SignalRow(420, "gGGGrrrGrGr"),
        SignalRow(60, "gGGGrrrrrrr"),
        SignalRow(30, "yyyyrrrrrrr"),
        SignalRow(20, "rrrrrrrrrrr"),
        SignalRow(230, "rrrrGGgrGrG"),
        SignalRow(90, "rrrrGGgrrrr"),
        SignalRow(30, "rrrryyyrrrr"),
        SignalRow(20, "rrrrrrrrrrr"),
    )


def test_what_continues_stays_green_through_the_interstage(
    current: Plan, junctions: dict[str, Junction]
) -> None:
    plan, junction = current.junction("C2"), junctions["C2"]
    through = junction.movement("C2:eb2a>eb2b").links[0]
    ending = junction.movement("C2:wb2a>wb2b").links[0]
    south = next(c for c in junction.crossings if c.edges == ("c1",)).links[0]
    rows = signal_rows(plan, junction)
    yellow = next(i for i, row in enumerate(rows) if row.state[ending] == "y")
    assert [row.state[through] for row in rows[yellow - 1 : yellow + 3]] == list("GGGG")
    assert [row.state[ending] for row in rows[yellow : yellow + 3]] == list("yrr")
    # The crossing walks on over two stages, until its clearance before the end of the second.
    walked = sum(row.duration_ds for row in rows if row.state[south] == "G")
    window = sum(s.split_ds for s in plan.stages[1:]) - plan.stages[2].yellow_ds - 20
    assert walked == window - junction.envelope.ped_clearance_ds[":C2_c2"]


def test_permissive_in_either_stage_is_permissive_between_them(
    junctions: dict[str, Junction],
) -> None:
    left, through = "C2:eb2a>c2", "C2:eb2a>eb2b"
    plan = JunctionPlan(
        "C2",
        600,
        0,
        (
            Stage("A", (left, through, "C2:wb2a>wb2b"), 200, 30, 20, (left,)),
            Stage("B", (left, through), 100, 0, 0),
            Stage("C", ("C2:c1>c2",), 200, 30, 20),
        ),
    )
    rows = signal_rows(plan, junctions["C2"])
    link = junctions["C2"].movement(left).links[0]
    assert [row.state[link] for row in rows] == ["g", "g", "g", "G", "r", "r", "r"]


def test_programs_of_the_plan_are_read_back_as_its_stages(
    current: Plan, junctions: dict[str, Junction]
) -> None:
    for plan in current.junctions:
        junction = junctions[plan.junction]
        read = stages_of(signal_rows(plan, junction), junction)
        assert sum(stage.split_ds for stage in read) == plan.cycle_ds
        movements = {m.id for m in junction.movements}
        for stage, again in zip(plan.stages, read, strict=True):
            assert again.green_ds == stage.green_ds
            assert (again.yellow_ds, again.red_ds) == (stage.yellow_ds, stage.red_ds)
            assert set(again.green) & movements == set(stage.green) & movements
            assert set(again.permissive) == set(stage.permissive)


def test_clearances_round_up_to_the_step_out_of_the_green() -> None:
    plan = JunctionPlan("J", 600, 0, (Stage("A", ("a",), 549, 34, 17),))
    stepped = for_step(plan, 10)
    assert stepped.stages == (Stage("A", ("a",), 540, 40, 20),)
    assert for_step(stepped, 10) == stepped


def test_the_networks_programs_are_taken_verbatim(
    pho_hue: Path, junctions: dict[str, Junction], tmp_path: Path
) -> None:
    net = pho_hue / "network.net.xml"
    plan = plan_from_network(net, junctions, site="s", created=NOW, by="x")
    root = ET.parse(net).getroot()
    for logic in root.iter("tlLogic"):
        rows = [
            (round(float(p.attrib["duration"]) * 10), p.attrib["state"])
            for p in logic.iter("phase")
        ]
        found = plan.junction(logic.attrib["id"])
        assert [(row.duration_ds, row.state) for row in found.as_found] == rows
        assert signal_rows(found, junctions[found.junction]) == found.as_found
    write_additional(plan, junctions, tmp_path / "a.add.xml")
    written = ET.parse(tmp_path / "a.add.xml").getroot()
    assert len(written) == 8
    assert all(logic.get("programID") != "0" for logic in written)


def test_a_negative_or_long_offset_of_a_network_is_taken_modulo_the_cycle(
    pho_hue: Path, junctions: dict[str, Junction], tmp_path: Path
) -> None:
    net = tmp_path / "n.net.xml"
    text = (pho_hue / "network.net.xml").read_text()
    net.write_text(
        text.replace(
            '<tlLogic id="C1" type="static" programID="0" offset="0">',
            '<tlLogic id="C1" type="static" programID="0" offset="-20">',
        )
    )
    plan = plan_from_network(net, junctions, site="s", created=NOW, by="x").junction("C1")
    assert plan.offset_ds == plan.cycle_ds - 200


def test_short_rows_after_yellow_are_red_clearance(junctions: dict[str, Junction]) -> None:
    rows = (
        SignalRow(30, "rrrryyyrrrr"),
        SignalRow(300, "gGGGrrrrrrr"),
        SignalRow(30, "yyyyrrrrrrr"),
        SignalRow(20, "rrrrrrrrrrr"),
        SignalRow(200, "rrrrGGgrrrr"),
    )
    stages = stages_of(rows, junctions["C1"])
    assert [(s.green_ds, s.yellow_ds, s.red_ds) for s in stages] == [(300, 30, 20), (200, 30, 0)]


def test_a_junction_without_links_has_no_rows(junctions: dict[str, Junction]) -> None:
    bare = replace(
        junctions["C1"],
        movements=tuple(replace(m, links=()) for m in junctions["C1"].movements),
        crossings=(),
        conflicts=frozenset(),
        permissive=frozenset(),
    )
    plan = JunctionPlan("C1", 100, 0, (Stage("A", ("C1:c0>c1",), 100, 0, 0),))
    with pytest.raises(ValueError, match="has no signal links"):
        signal_rows(plan, bare)
