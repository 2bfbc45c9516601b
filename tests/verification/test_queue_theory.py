"""SUMO's delay at a fixed signal against the closed form of a D/D/1 queue."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from models.junction import Junction, Movement, Turn
from models.site import SimulationOptions
from simulation.runner import SUMO_BINARY, SimulationJob, simulate, sumo_environment

SPEED_MPS = 13.89
# Saturation headway of SUMO's default car: tau 1 s, and 5 m of length with 2.5 m of gap driven.
HEADWAY_S = 1.0 + 7.5 / SPEED_MPS
START_LOST_S = 2.0
YELLOW_S, YELLOW_USED_S = 3.0, 2.0


@pytest.fixture(scope="module")
def one_lane(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A straight road of one lane with one signal in its middle."""
    folder = tmp_path_factory.mktemp("one-lane")
    (folder / "n.nod.xml").write_text(
        '<nodes><node id="A" x="0" y="0"/><node id="J" x="600" y="0" type="traffic_light"/>'
        '<node id="B" x="1200" y="0"/></nodes>'
    )
    edge = f'numLanes="1" speed="{SPEED_MPS}"'
    (folder / "n.edg.xml").write_text(
        f'<edges><edge id="in" from="A" to="J" {edge}/><edge id="out" from="J" to="B" {edge}/>'
        "</edges>"
    )
    subprocess.run(
        [
            str(SUMO_BINARY.with_name("netconvert")),
            *("--node-files", str(folder / "n.nod.xml")),
            *("--edge-files", str(folder / "n.edg.xml")),
            *("--output-file", str(folder / "n.net.xml")),
        ],
        env=sumo_environment(),
        check=True,
        capture_output=True,
    )
    return folder


@pytest.mark.parametrize(
    ("flow_vph", "green_s", "cycle_s"),
    [(430, 30, 60), (710, 30, 60), (410, 20, 90), (770, 45, 90), (910, 60, 90), (510, 40, 80)],
)
def test_uniform_delay(one_lane: Path, flow_vph: float, green_s: int, cycle_s: int) -> None:
    """d = (C - g)^2 / (2 C (1 - q/s)) for even arrivals below capacity, within 10 %."""
    gap_s = 3600.0 / flow_vph
    demand = one_lane / f"{flow_vph}-{green_s}-{cycle_s}.rou.xml"
    demand.write_text(
        '<routes><vType id="car" sigma="0" speedDev="0"/>'
        + "".join(
            f'<vehicle id="{i}" type="car" depart="{i * gap_s:.2f}" departSpeed="max">'
            '<route edges="in out"/></vehicle>'
            for i in range(int(3600 / gap_s))
        )
        + "</routes>"
    )
    signals = demand.with_suffix(".add.xml")
    signals.write_text(
        '<additional><tlLogic id="J" type="static" programID="t" offset="0">'
        f'<phase duration="{green_s}" state="G"/><phase duration="{YELLOW_S:g}" state="y"/>'
        f'<phase duration="{cycle_s - green_s - YELLOW_S:g}" state="r"/></tlLogic></additional>'
    )
    job = SimulationJob(
        name="one lane",
        network=one_lane / "n.net.xml",
        junctions={"J": Junction("J", (Movement("J:in>out", "in", "out", Turn.THROUGH),))},
        plan=None,
        demand=(demand,),
        seed=1,
        options=SimulationOptions(begin_s=0, end_s=3600, warm_up_s=600),
        additional=(signals,),
    )
    result = simulate(job)
    effective_green_s = green_s + YELLOW_USED_S - START_LOST_S
    saturation_vph = 3600.0 / HEADWAY_S
    expected_s = (cycle_s - effective_green_s) ** 2 / (
        2 * cycle_s * (1 - flow_vph / saturation_vph)
    )
    assert result.kpi.undeparted == 0
    assert result.kpi.delay_s == pytest.approx(expected_s, rel=0.10)
    movement = result.movements["J:in>out"]
    assert movement.vehicles >= 0.95 * result.kpi.trips
    assert movement.delay_s == pytest.approx(expected_s, rel=0.10)
