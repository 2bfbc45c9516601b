"""The report opens in a browser: figures drawn, nothing fetched, no errors, both themes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from shutil import which

import pytest
from playwright.sync_api import sync_playwright

from models.validation import Cause, Change, Kpi, MovementChange, ValidationReport, Verdict
from simulation.report import write_report
from traffic.planfiles import read_plan
from traffic.sites import load_site

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)


@pytest.fixture
def page_path(pho_hue: Path, tmp_path: Path) -> Path:
    site = load_site(pho_hue)
    plan = read_plan(site.current_plan_path)
    movements = tuple(
        MovementChange(movement.id, 50.0 + index, 30.0 + index, 25.0 + 2 * index)
        for index, movement in enumerate(
            m for junction in site.junctions.values() for m in junction.movements
        )
    )
    kpi = Kpi(2000, 1900, 90, 10, 45.0, 200.0, 40.0, 25.0, 2.0)
    change = Change(-18.4, (-21.0, -15.7))
    report = ValidationReport(
        site=site.id,
        verdict=Verdict.PASS,
        reason="delay falls",
        pairs=5,
        baseline=kpi,
        candidate=kpi,
        change={"delay_s": change, "stops": change},
        movements=movements,
        worst_movement=movements[-1],
        plan_digest=plan.digest,
        baseline_digest=plan.digest,
        scenario_digest="0" * 64,
        seeds=(1, 2, 3, 4, 5),
        sumo_version="1.28.0",
        created=NOW,
        expires=NOW + timedelta(hours=24),
        cause=Cause.IMPROVED,
        pair_delay_s=((45.0, 36.0),) * 5,
    )
    write_report(report, site, plan, plan, tmp_path)
    return tmp_path / "report.html"


@pytest.mark.browser
def test_the_page_draws_itself_from_one_file(page_path: Path) -> None:
    chromium = which("chromium")
    if chromium is None:
        pytest.skip("Debian's chromium is not installed: apt-get install chromium")
    problems: list[str] = []
    requests: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--headless", "--no-sandbox"]
        )
        page = browser.new_page(viewport={"width": 400, "height": 800}, color_scheme="dark")
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on(
            "console",
            lambda entry: problems.append(entry.text) if entry.type == "error" else None,
        )
        page.on("request", lambda request: requests.append(request.url))
        page.goto(page_path.as_uri(), timeout=120_000)
        figures = page.locator("[data-figure]")
        assert figures.count() >= 4
        for index in range(figures.count()):
            figures.nth(index).locator("svg.main-svg").first.wait_for()
        assert "-18.4 % [-21.0, -15.7]" in page.locator("h1").inner_text()
        assert page.evaluate("document.documentElement.scrollWidth") <= 400
        dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
        page.locator("#theme").click()
        assert page.evaluate("document.documentElement.dataset.theme") == "light"
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") != dark
        browser.close()
    assert problems == []
    assert requests == [page_path.as_uri()]
