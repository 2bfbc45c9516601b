"""Two plans of a small corridor through SUMO, to a verdict and its report."""

from __future__ import annotations

import json
import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from networks import NOW, corridor, corridor_counts, corridor_plan
from plotly.offline import get_plotlyjs

from models.counts import CountRow
from models.errors import BadInput, XanhError
from models.plan import Plan
from models.site import Site
from models.validation import ValidationReport, Verdict
from simulation.report import report_html, write_report
from simulation.runner import command, simulate, site_job, sweep
from simulation.validate import run_validation, scenario_digest


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return corridor(tmp_path_factory.mktemp("three"))


@pytest.fixture(scope="module")
def counts(site: Site) -> tuple[CountRow, ...]:
    return corridor_counts(site)


@pytest.fixture(scope="module")
def bad(site: Site) -> Plan:
    return corridor_plan(site, 20, (0, 40, 20))


@pytest.fixture(scope="module")
def wave(site: Site) -> Plan:
    """A wave at about 12.5 m/s."""
    return corridor_plan(site, 30, (0, 24, 48))


@pytest.fixture(scope="module")
def report(site: Site, counts: tuple[CountRow, ...], bad: Plan, wave: Plan) -> ValidationReport:
    seen: list[tuple[int, int]] = []
    result = run_validation(
        site, wave, bad, counts, now=NOW, progress=lambda done, of: seen.append((done, of))
    ).report
    # It is decided at the first look, long before the most pairs that there could be.
    assert seen == [(done, 40) for done in range(1, 11)]
    assert (result.pairs, result.limit) == (5, 20)
    return result


def test_a_green_wave_passes_and_the_way_back_fails(
    report: ValidationReport, site: Site, counts: tuple[CountRow, ...], bad: Plan, wave: Plan
) -> None:
    assert report.verdict is Verdict.PASS, report.reason
    assert report.change["delay_s"].ci95_pct[1] < -10
    assert report.seeds == (1, 2, 3, 4, 5)
    assert (report.plan_digest, report.baseline_digest) == (wave.digest, bad.digest)
    assert report.expires - report.created == timedelta(hours=24)
    assert report.worst_movement is not None
    assert len(report.pair_delay_s) == 5
    assert report.growth_pct == (0.0, 10.0, -10.0, 5.0, -5.0)
    assert report.measures is not None
    before, after = report.measures
    assert None not in (before.control_delay_s, before.throughput_vph, before.fuel_g)
    assert after.fuel_g < before.fuel_g  # fewer stops
    assert before.pet_conflicts is None  # it was not asked for
    assert {change.approach for change in report.spillback} == {"e1", "e2"}
    back = run_validation(site, bad, wave, counts, now=NOW).report
    assert back.verdict is Verdict.FAIL
    assert back.change["delay_s"].ci95_pct[0] > 0
    assert back.scenario_digest == report.scenario_digest
    # The same seeds and demand: the same runs, only the roles are changed.
    assert back.pair_delay_s == tuple((after, before) for before, after in report.pair_delay_s)


def test_the_report_is_whole_and_reads_back(
    report: ValidationReport, site: Site, bad: Plan, wave: Plan, tmp_path: Path
) -> None:
    write_report(report, site, wave, bad, tmp_path / "out")
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["report.html", "report.json"]
    body = json.loads((tmp_path / "out" / "report.json").read_text())
    assert ValidationReport.from_dict(body) == report
    page = (tmp_path / "out" / "report.html").read_text()
    assert "&lt;Three&gt; &amp; one" in page
    assert "<Three>" not in page
    assert report.plan_digest in page
    assert 'data-figure="corridor-0-after"' in page
    assert "://" not in page.replace(get_plotlyjs(), "")
    vietnamese = report_html(report, site, wave, bad, language="vi")
    assert '<html lang="vi">' in vietnamese
    assert "Kiểm chứng" in vietnamese


def test_a_candidate_that_breaks_a_rule_is_refused(
    site: Site, counts: tuple[CountRow, ...], bad: Plan
) -> None:
    short = corridor_plan(site, 46)
    with pytest.raises(BadInput, match=r"candidate plan: min_green: .*valid is at least 7 s"):
        run_validation(site, short, bad, counts, now=NOW)


def test_bad_questions_are_answered_in_one_line(
    site: Site, counts: tuple[CountRow, ...], bad: Plan, wave: Plan
) -> None:
    with pytest.raises(BadInput, match="no network"):
        run_validation(replace(site, network=None), wave, bad, counts, now=NOW)
    with pytest.raises(BadInput, match="valid is 2 or more"):
        run_validation(site, wave, bad, counts, now=NOW, pairs=1)
    with pytest.raises(BadInput, match="no counts"):
        run_validation(site, wave, bad, None, now=NOW)
    part = Plan(site.id, bad.junctions[:2], NOW, "test")
    with pytest.raises(BadInput, match="has no timing for 'J3'"):
        run_validation(site, wave, part, counts, now=NOW)
    with pytest.raises(BadInput, match="'elsewhere'"):
        run_validation(site, Plan("elsewhere", wave.junctions, NOW, "test"), bad, counts, now=NOW)


def test_the_scenario_digest_follows_demand_and_options(
    site: Site, counts: tuple[CountRow, ...]
) -> None:
    first = scenario_digest(site, counts)
    assert first == scenario_digest(site, tuple(reversed(counts)))
    assert first != scenario_digest(site, (replace(counts[0], count=1), *counts[1:]))
    longer = replace(site, simulation=replace(site.simulation, end_s=901))
    assert first != scenario_digest(longer, counts)


@pytest.fixture
def demand(tmp_path: Path) -> Path:
    path = tmp_path / "d.rou.xml"
    path.write_text(
        '<routes><flow id="f" begin="0" end="900" period="8"><route edges="e0 e1 e2 e3"/></flow>'
        "</routes>"
    )
    return path


def test_runs_repeat_and_a_given_executor_carries_them(
    site: Site, wave: Plan, demand: Path
) -> None:
    jobs = [site_job(site, wave, [demand], seed=seed, name=f"run {seed}") for seed in (1, 2, 1)]
    jobs = pickle.loads(pickle.dumps(jobs))  # as on the way to another process
    with ThreadPoolExecutor(1) as executor:
        first, second, third = sweep(jobs, executor=executor)
        assert not executor._shutdown  # it belongs to the caller
    assert first.kpi == third.kpi
    assert first.movements == third.movements
    assert first.kpi != second.kpi
    assert first.kpi.trips == 98  # one in 8 s from 120 to 900, the first at 120


def test_a_sites_own_options_replace_the_defaults(site: Site, tmp_path: Path) -> None:
    own = replace(
        site,
        simulation=replace(site.simulation, options=("--time-to-teleport=300", "--no-warnings")),
    )
    job = site_job(own, None, [tmp_path / "d.rou.xml"], seed=3, name="run")
    line = command(job, tmp_path)
    assert "--time-to-teleport" not in line
    assert line[-2:] == ["--time-to-teleport=300", "--no-warnings"]
    assert line.count("--no-warnings") == 1
    assert "--tripinfo-output.write-undeparted" in line


def test_a_failed_run_is_named_with_sumos_reason(site: Site, wave: Plan, tmp_path: Path) -> None:
    broken = tmp_path / "b.rou.xml"
    broken.write_text('<routes><trip id="t" depart="0" from="e0" to="nowhere"/></routes>')
    job = site_job(site, wave, [broken], seed=1, name="pair 1 (seed 1), candidate")
    with pytest.raises(
        XanhError, match=r"simulation pair 1 \(seed 1\), candidate failed: .*nowhere"
    ):
        sweep([job, job])
    with pytest.raises(XanhError, match="failed"):
        simulate(job)
