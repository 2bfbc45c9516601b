"""Vehicles that counts ask for drive through the movements that were counted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from models.counts import counts_from_csv, geh, movement_flows_vph
from models.site import SimulationOptions, Site
from simulation.demand import write_demand
from simulation.network import read_junctions
from simulation.runner import simulate, site_job
from traffic.planfiles import read_plan


def test_counts_in_are_counts_driven(pho_hue: Path, tmp_path: Path) -> None:
    net = pho_hue / "network.net.xml"
    site = Site(
        id="pho-hue",
        name="x",
        folder=pho_hue,
        junctions=read_junctions(net),
        network=net,
        simulation=SimulationOptions(
            end_s=900.0,
            options=("--lateral-resolution", "0.8", "--ignore-junction-blocker", "30"),
            vehicle_types="demand/vehicle-types.add.xml",
        ),
    )
    path = pho_hue / "counts.csv"
    rows = counts_from_csv(path.read_text(), str(path))
    # A quarter of the peak, so that nearly everybody gets through in the time.
    light = [replace(row, count=round(row.count / 4)) for row in rows]
    demand = tmp_path / "d.rou.xml"
    write_demand(site, light, demand, seed=2, begin_s=0, end_s=600)
    plan = read_plan(pho_hue / "plans" / "current.yaml")
    result = simulate(site_job(site, plan, [demand], seed=2, name="light"))
    assert result.kpi.undeparted == 0
    assert result.kpi.finished > 0.97 * result.kpi.trips
    driven = {movement: delay.vehicles for movement, delay in result.movements.items()}
    wanted = {m: sum(c.values()) / 6 for m, c in movement_flows_vph(light).items()}
    assert sum(driven.values()) == pytest.approx(sum(wanted.values()), rel=0.05)
    for movement, vehicles in wanted.items():
        assert geh(6 * driven.get(movement, 0), 6 * vehicles) < 10, movement
