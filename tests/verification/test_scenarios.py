"""Delay of public scenarios against runs of the same SUMO made by other code."""

from __future__ import annotations

import csv
from datetime import UTC, datetime
from pathlib import Path

import pytest

from models.site import SimulationOptions, Site
from simulation.network import read_junctions
from simulation.programs import plan_from_network
from simulation.runner import simulate, site_job, sumo_version

WINDOWS_S = {
    "cologne1": (25_200.0, 28_800.0),
    "cologne3": (25_200.0, 28_800.0),
    "ingolstadt1": (57_600.0, 61_200.0),
    "arterial4x4": (0.0, 3_600.0),  # oversaturated: a third of its vehicles never enter
}
SEED = 1


@pytest.mark.parametrize("own_program", [True, False], ids=["network", "as-found"])
@pytest.mark.parametrize(
    "name",
    [
        "cologne1",
        "cologne3",
        "ingolstadt1",
        pytest.param("arterial4x4", marks=pytest.mark.slow),
    ],
)
def test_delay_of_the_shipped_program(test_data: Path, name: str, own_program: bool) -> None:
    """The network's own program, and the same taken as found and written back, give one delay."""
    scenarios = test_data / "scenarios"
    with (scenarios / "baselines.csv").open(newline="") as stream:
        row = next(
            row
            for row in csv.DictReader(stream)
            if (row["scenario"], row["method"], row["seed"]) == (name, "fixed", str(SEED))
            and row["sumo"] == sumo_version()
        )
    begin_s, end_s = WINDOWS_S[name]
    folder = scenarios / name
    routes = next(folder.glob("*.rou.xml"))
    network = folder / f"{name}.net.xml"
    junctions = read_junctions(network)
    plan = plan_from_network(
        network, junctions, site=name, created=datetime(2026, 3, 2, tzinfo=UTC), by="import"
    )
    site = Site(
        id=name,
        name=name,
        folder=folder,
        junctions=junctions,
        network=network,
        simulation=SimulationOptions(begin_s=begin_s, end_s=end_s),
    )
    job = site_job(
        site,
        None if own_program else plan,
        [routes],
        seed=SEED,
        name=name,
    )
    result = simulate(job)
    kpi = result.kpi
    assert kpi.trips == int(row["trips"])
    assert kpi.finished == int(row["finished"])
    assert kpi.running == int(row["running"])
    assert kpi.undeparted == int(row["undeparted"])
    assert kpi.delay_s == pytest.approx(float(row["delay"]), abs=0.006)
    assert kpi.trip_time_s == pytest.approx(float(row["trip_time"]), abs=0.006)
    assert kpi.time_loss_s == pytest.approx(float(row["timeLoss"]), abs=0.006)
    assert kpi.waiting_time_s == pytest.approx(float(row["wait"]), abs=0.006)
    assert kpi.stops == pytest.approx(float(row["stops"]), abs=0.0006)
    # Most delay arises at the signals; what movements hold is never more than there is.
    held = sum(m.vehicles * m.delay_s for m in result.movements.values())
    assert 0.75 * kpi.trips * kpi.delay_s < held <= 1.001 * kpi.trips * kpi.delay_s
