"""Policies on a small site in SUMO: what they are told, what becomes of their failures."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from signal_site import END_S, Breaks, Turns, Watches, build_scenario
from typer.testing import CliRunner

from models.plan import Plan
from models.policy import Sensing, SignalPolicy
from models.site import Site
from optimizer.greedy import Greedy
from simulation.control_area import EnvelopeChange, wire
from simulation.policyrun import PolicyJob, PolicyResult, run_policy
from simulation.runner import simulate, site_job
from traffic.cli import app
from traffic.signalbench import find_scenario

KPI = {
    *("trips", "finished", "running", "undeparted", "delay_s", "trip_time_s", "time_loss_s"),
    *("waiting_time_s", "stops", "seed", "sumo_version"),
}


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_scenario(tmp_path_factory.mktemp("raw") / "two")


@pytest.fixture(scope="module")
def two(raw: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Site, Plan]:
    scenario = find_scenario(raw, tmp_path_factory.mktemp("sites"))
    return scenario.site, scenario.plan


def run(
    two: tuple[Site, Plan],
    make: Callable[[], SignalPolicy],
    sensing: Sensing = Sensing.ORACLE,
    miss_rate: float = 0.0,
) -> PolicyResult:
    site, plan = two
    job = site_job(site, None, [site.folder / site.simulation.routes], seed=1, name="test")
    return run_policy(PolicyJob(job, site, plan, "test", make, sensing, miss_rate))


def test_a_policy_is_told_of_the_road_and_its_neighbour(two: tuple[Site, Plan]) -> None:
    area = wire(*two, sensing=Sensing.DETECTORS).area
    a, b = area.junctions["A"], area.junctions["B"]
    # The street before B goes on over M, where nothing else can be reached.
    assert b.lanes["mb_0"].length_m > b.lanes["mb_0"].edge_m + 80
    assert b.lanes["mb_0"].entry_m == pytest.approx(150, abs=40)
    assert a.receiving_m["am_0"] == pytest.approx(b.lanes["mb_0"].length_m, abs=15)
    feeds = {(feed.movement, feed.to_junction, feed.approach) for feed in area.feeds}
    assert ("A:wa>am", "B", "mb") in feeds
    travel = next(feed.travel_s for feed in area.feeds if feed.movement == "A:wa>am")
    assert travel == pytest.approx(200 / 13.89, rel=0.2)
    for junction in (a, b):
        assert len(junction.stages) == len({stage.letters for stage in junction.stages.values()})
        assert {name for name, _ in junction.plan} == set(junction.stages)


def test_same_seed_same_run_and_every_vehicle_counts(two: tuple[Site, Plan]) -> None:
    one, other = run(two, Greedy), run(two, Greedy)
    assert one.kpi == other.kpi
    fixed = simulate(
        site_job(two[0], two[1], [two[0].folder / two[0].simulation.routes], seed=1, name="fixed")
    )
    assert one.kpi.trips == fixed.kpi.trips == 75 + 34 + 28
    assert one.kpi.delay_s < fixed.kpi.delay_s
    assert one.fault == ""
    assert one.silent_s == 0
    assert one.switches > 10
    assert one.movements.keys() == fixed.movements.keys()


def test_a_broken_policy_is_named_and_the_plan_stands_in(two: tuple[Site, Plan]) -> None:
    result = run(two, Breaks)
    assert result.fault == "RuntimeError: the policy broke"
    assert result.silent_s == END_S - 100
    assert result.kpi.finished > 80


def test_a_change_waits_for_who_crawls_over_the_junction(tmp_path: Path) -> None:
    scenario = find_scenario(build_scenario(tmp_path / "wide", radius_m=20.0), tmp_path / "sites")
    site = scenario.site
    crawler = tmp_path / "crawler.rou.xml"
    crawler.write_text(
        '<routes><vType id="crawls" maxSpeed="0.25" speedDev="0"/>'
        '<trip id="crawler" type="crawls" depart="0" departPos="last" departLane="1" '
        'from="wa" to="be"/></routes>'
    )

    def extended_s(
        longest_s: float, *, crawls: bool = True, sensing: Sensing = Sensing.ORACLE, miss: float = 0
    ) -> float:
        routes = [site.folder / site.simulation.routes, *([crawler] if crawls else [])]
        job = site_job(site, None, routes, seed=1, name="test")
        asked = PolicyJob(
            job, site, scenario.plan, "test", Turns, sensing, miss, red_extension_s=longest_s
        )
        return run_policy(asked).extended_s

    assert extended_s(10.0) >= 10.0
    assert extended_s(0.0) == 0.0
    assert extended_s(10.0, crawls=False) == 0.0
    assert extended_s(10.0, sensing=Sensing.DETECTORS) >= 10.0
    assert extended_s(10.0, sensing=Sensing.DETECTORS, miss=1.0) == 0.0


def test_detectors_count_a_second_late(two: tuple[Site, Plan]) -> None:
    entered, crossed, queue, share = run(two, Watches, Sensing.DETECTORS).fault.split()[1:]
    # Every vehicle passes a line at A, or at B, or at both: as many as the oracle would say.
    everybody = 75 + 34 + 28
    assert everybody * 0.8 < int(crossed) <= 2 * everybody
    assert int(crossed) <= int(entered) <= 2 * everybody + 10
    assert 2 <= int(queue) <= 9
    assert float(share) > 0.9
    missed = run(two, Watches, Sensing.DETECTORS, 0.5).fault.split()[1:]
    assert int(missed[1]) < 0.75 * int(crossed)


def test_commands_write_the_contracted_keys(
    raw: Path, tmp_path: Path, two: tuple[Site, Plan]
) -> None:
    site = str(two[0].folder)
    call = CliRunner().invoke
    out = tmp_path / "policy"
    line = ["simulate", "--site", site, "--policy", "greedy", "--out", str(out)]
    done = call(app, [*line, "--clearance", "yellow=3,allred=0", "--min-green", "5", "--samples"])
    assert done.exit_code == 0, done.output
    body = json.loads((out / "kpi.json").read_text())
    assert set(body) >= KPI | {"policy", "decision_ms"}
    assert body["policy"] == "greedy"
    assert set(body["decision_ms"]) == {"mean", "p99"}
    samples = pq.read_table(out / "samples.parquet")
    lanes = sum(len(j.lanes) for j in wire(*two, sensing=Sensing.ORACLE).area.junctions.values())
    assert samples.num_rows == END_S * lanes
    states = set(samples["state"].to_pylist())
    assert any("y" in state for state in states)
    assert any("G" in state for state in states)
    done = call(app, ["simulate", "--site", site, "--out", str(tmp_path / "plan")])
    assert done.exit_code == 0, done.output
    body = json.loads((tmp_path / "plan" / "kpi.json").read_text())
    assert set(body) >= KPI | {"plan_digest"}
    line = ["simulate", "--site", site, "--samples", "--out", str(tmp_path / "sampled")]
    done = call(app, line)
    assert done.exit_code == 0, done.output
    sampled = json.loads((tmp_path / "sampled" / "kpi.json").read_text())
    # Looking on changes nothing.
    assert {key: sampled[key] for key in KPI} == {key: body[key] for key in KPI}
    assert pq.read_table(tmp_path / "sampled" / "samples.parquet").num_rows == END_S * lanes


def test_a_decision_is_explained_as_data_and_as_a_figure(
    two: tuple[Site, Plan], tmp_path: Path
) -> None:
    site = str(two[0].folder)
    line = ["simulate", "--site", site, "--policy", "adaptive", "--out", str(tmp_path)]
    done = CliRunner().invoke(app, [*line, "--explain", "A@60"])
    assert done.exit_code == 0, done.output
    body = json.loads((tmp_path / "explain.json").read_text())
    assert body["junction"] == "A"
    assert body["time_s"] >= 60
    chosen = [row for row in body["alternatives"] if row["stage"] == body["wanted"]]
    assert len(chosen) == 1
    costs = [row["cost"] for row in body["alternatives"] if row["cost"] is not None]
    assert chosen[0]["cost"] == pytest.approx(min(costs), rel=0.05)
    for name in ("explain.svg", "explain-vi.svg"):
        assert "<svg" in (tmp_path / name).read_text(encoding="utf-8")
    assert "explanation" not in json.loads((tmp_path / "kpi.json").read_text())


@pytest.mark.parametrize("asked", ["A", "Z@60", "A@soon"])
def test_what_is_to_be_explained_must_be_there(
    two: tuple[Site, Plan], tmp_path: Path, asked: str
) -> None:
    site = str(two[0].folder)
    line = ["simulate", "--site", site, "--policy", "adaptive", "--out", str(tmp_path)]
    done = CliRunner().invoke(app, [*line, "--explain", asked])
    assert done.exit_code != 0
    assert "JUNCTION@SECOND" in str(done.exception) + done.output


def test_a_bench_runs_raw_scenarios_and_resumes(raw: Path, tmp_path: Path) -> None:
    line = ["bench", "signals", "--scenarios", str(raw), "--seeds", "2", "--out", str(tmp_path)]
    line += ["--methods", "fixed,actuated,maxpressure", "--blocks", "equal"]
    done = CliRunner().invoke(app, line)
    assert done.exit_code == 0, done.output
    summary = json.loads((tmp_path / "summary.json").read_text())
    rows = summary["scenarios"]["two"]["equal"]
    assert set(rows) == {"fixed", "actuated", "maxpressure"}
    assert all(row["runs"] == 2 and row["ci95_s"] >= 0 for row in rows.values())
    assert summary["failed"] == {}
    assert "Max-pressure" in (tmp_path / "figures.html").read_text()
    written = {path: os.stat(path).st_mtime_ns for path in (tmp_path / "runs").rglob("*.json")}
    assert len(written) == 6
    assert CliRunner().invoke(app, line).exit_code == 0
    assert written == {path: os.stat(path).st_mtime_ns for path in written}


def test_an_envelope_is_replaced_for_a_run_only(two: tuple[Site, Plan]) -> None:
    site, plan = two
    changed = EnvelopeChange(2.0, 0.0, 5.0).applied(site)
    stage = next(
        iter(wire(changed, plan, sensing=Sensing.ORACLE).area.junctions["A"].stages.values())
    )
    assert stage.min_green_s == 5
    lengths = {
        change.length_s
        for change in wire(changed, plan, sensing=Sensing.ORACLE)
        .area.junctions["A"]
        .changes.values()
    }
    assert lengths == {2.0}
    legal = wire(site, plan, sensing=Sensing.ORACLE).area.junctions["A"]
    assert next(iter(legal.stages.values())).min_green_s == 7
    assert {change.length_s for change in legal.changes.values()} == {5.0}
