"""The virtual street in its own process, its cameras, and plans that reach its controllers."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from models.counts import counts_from_csv
from models.errors import XanhError
from models.lifecycle import PlanStatus
from models.plan import Plan
from models.site import Site, StreetOptions
from models.validation import Change, Kpi, ValidationReport, Verdict
from simulation.field_controller import Fault
from traffic.api.services import Services
from traffic.camerawork import FRAMES_PER_S
from traffic.planfiles import read_plan
from traffic.service import open_services
from traffic.settings import Settings
from traffic.sites import load_site
from traffic.streetwork import StreetWork, Window, count_rows

ZERO = datetime(2026, 11, 22, tzinfo=UTC)
WATCHED = ("C1-c0", "C3-wb3a")


@pytest.fixture(scope="module")
def site(pho_hue: Path) -> Site:
    whole = load_site(pho_hue)
    return replace(whole, cameras=tuple(c for c in whole.cameras if c.id in WATCHED))


@pytest.fixture(scope="module")
def current(site: Site) -> Plan:
    return read_plan(site.current_plan_path)


@pytest.fixture
def work(site: Site, current: Plan, tmp_path: Path) -> Iterator[StreetWork]:
    counts = counts_from_csv(site.counts_path.read_text(), "counts.csv")
    options = StreetOptions(seed=3, red_light_share=0.3, wrong_way_vph=120)
    street = StreetWork(site, current, counts, options, zero=ZERO, evidence=tmp_path / "violations")
    yield street
    street.close()


@pytest.fixture
def services(site: Site, work: StreetWork, tmp_path: Path) -> Services:
    return open_services(site, Settings(), data=tmp_path / "data", link=work.field)


def shifted(plan: Plan, by_ds: int = 200) -> Plan:
    """The same timing with other offsets: lawful, and not what runs."""
    junctions = tuple(
        replace(item, offset_ds=(item.offset_ds + by_ds) % item.cycle_ds) for item in plan.junctions
    )
    return replace(plan, junctions=junctions, by="engineer")


def passing(site: Site, plan: Plan, baseline: Plan) -> ValidationReport:
    now = datetime.now(UTC)
    kpi = Kpi(100, 90, 10, 0, 60.0, 120.0, 50.0, 30.0, 2.0)
    return ValidationReport(
        site=site.id,
        verdict=Verdict.PASS,
        reason="for the test of what follows a pass",
        pairs=5,
        baseline=kpi,
        candidate=kpi,
        change={"delay_s": Change(-20.0, (-22.0, -18.0))},
        movements=(),
        worst_movement=None,
        plan_digest=plan.digest,
        baseline_digest=baseline.digest,
        scenario_digest="0" * 64,
        seeds=(1, 2, 3, 4, 5),
        sumo_version="1.28.0",
        created=now,
        expires=now + timedelta(hours=1),
    )


def approved(services: Services, site: Site, current: Plan) -> Plan:
    plan = shifted(current)
    services.plans.propose(plan, "engineer")
    services.plans.attach_report(passing(site, plan, current))
    services.plans.approve(plan.digest, "manager", "looks right")
    return plan


def test_cameras_count_what_the_street_knows(site: Site, work: StreetWork) -> None:
    work.advance(120)
    assert work.now_s == 120
    window = work.observe(60)
    for camera in WATCHED:
        assert window.frames[camera] == 60 * FRAMES_PER_S
        assert window.coverage(camera) == 1.0
    approaches = {camera.approach for camera in site.cameras}
    true = [item for item in window.crossings if item.approach in approaches]
    counted = [item for seen in window.counted.values() for item in seen]
    assert len(true) > 20
    assert abs(len(counted) - len(true)) <= 0.1 * len(true)
    assert all(window.holds(item.time_s) for item in counted)
    assert window.planned > 0
    assert window.delay_s > 0
    rows = count_rows(site, [window], ZERO)
    assert sum(row.count for row in rows) == len(counted)
    assert len({(row.movement, row.vehicle_class) for row in rows}) == len(rows)


def test_every_flag_comes_with_its_evidence(work: StreetWork, tmp_path: Path) -> None:
    work.advance(60)
    window = Window(60.0, 240.0)
    work.advance(180, cameras=True, window=window)
    work.end_window(window)
    assert window.violations, "nobody was flagged in three minutes of many runners"
    for violation in window.violations:
        files = {path.name for path in (tmp_path / "violations" / violation.id).iterdir()}
        assert {"case.json", "before.jpg", "at.jpg", "inside.jpg", "clip.webm"} <= files


def test_an_approved_plan_reaches_the_street_and_is_read_back(
    site: Site, current: Plan, work: StreetWork, services: Services
) -> None:
    plan = approved(services, site, current)
    work.advance(30)
    outcome = services.plans.apply(plan.digest, "manager")
    assert outcome.applied
    assert outcome.read_back_matches
    for junction in site.junctions:
        assert work.field.read(junction) == plan.junction(junction)
        assert work.field.status(junction).junction == junction
    work.advance(30)
    assert all(services.plans.watch().values())


@pytest.mark.parametrize("fault", [Fault.LOST, Fault.REFUSES, Fault.ALTERS])
def test_a_faulty_controller_takes_everything_back(
    site: Site, current: Plan, work: StreetWork, services: Services, fault: Fault
) -> None:
    plan = approved(services, site, current)
    work.advance(5)
    healthy = [name for name in site.junctions if name != "C5"]
    if fault is Fault.LOST:
        work.field.set_fault("C5", fault)
        with pytest.raises(XanhError, match="C5"):
            services.plans.apply(plan.digest, "manager")
        assert services.plans.get(plan.digest).status is PlanStatus.APPROVED
    else:
        work.field.set_fault("C5", fault)
        outcome = services.plans.apply(plan.digest, "manager")
        assert not outcome.applied
        assert "C5" in outcome.reason
        assert services.plans.get(plan.digest).status is PlanStatus.ROLLED_BACK
        assert services.store.alarms(site.id)
    for junction in healthy:
        assert work.field.read(junction) == current.junction(junction)
    work.advance(5)


def test_a_street_that_dies_is_one_clear_line(work: StreetWork) -> None:
    work.advance(5)
    process = work.field._process
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    with pytest.raises(XanhError, match="virtual street"):
        work.advance(60)
