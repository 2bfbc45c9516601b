"""SUMO shows what a plan says, second by second."""

from __future__ import annotations

import subprocess
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest

from simulation.build import sumo_tool
from simulation.network import read_junctions
from simulation.programs import signal_rows, write_additional
from traffic.planfiles import read_plan


@pytest.mark.parametrize("begin_s", [0, 25_205])
def test_first_green_starts_at_the_offset_from_time_zero(
    pho_hue: Path, tmp_path: Path, begin_s: int
) -> None:
    net = pho_hue / "network.net.xml"
    junctions = read_junctions(net)
    current = read_plan(pho_hue / "plans" / "current.yaml")
    plan = replace(
        current,
        junctions=tuple(
            replace(item, offset_ds=number * 110 + 10)
            for number, item in enumerate(current.junctions)
        ),
    )
    write_additional(plan, junctions, tmp_path / "signals.add.xml")
    events = "".join(
        f'<timedEvent type="SaveTLSStates" source="{name}" dest="{name}.states.xml"/>'
        for name in junctions
    )
    (tmp_path / "events.add.xml").write_text(f"<additional>{events}</additional>")
    tool, environment = sumo_tool("sumo")
    subprocess.run(
        [tool, "-n", net, "-a", "signals.add.xml,events.add.xml", "-b", str(begin_s),
         "-e", str(begin_s + 250), "--no-step-log", "--no-warnings"],
        cwd=tmp_path, env=environment, check=True, capture_output=True,
    )  # fmt: skip
    for name, junction in junctions.items():
        timing = plan.junction(name)
        expected = [
            row.state for row in signal_rows(timing, junction) for _ in range(row.duration_ds // 10)
        ]
        shown = {
            round(float(state.attrib["time"])): state.attrib["state"]
            for state in ET.parse(tmp_path / f"{name}.states.xml").getroot()
        }
        assert len(shown) >= 250
        for second, state in shown.items():
            assert state == expected[(second - timing.offset_ds // 10) % len(expected)]
