"""The console in a real browser: live values, two people and a plan, a case by keyboard."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from console_street import NOW, PASSWORD
from red_light_case import write_case

from models.lifecycle import PlanStatus
from models.violation import CaseStatus

pytestmark = pytest.mark.browser
SignIn = Callable[..., Any]


@pytest.fixture
def sign_in(browser: Any, console: Any) -> Iterator[SignIn]:
    """Sign a person in; any error in the page's console fails the test."""
    contexts, problems = [], []

    def enter(name: str, *, language: str = "en", theme: str = "dark", width: int = 1440) -> Any:
        context = browser.new_context(
            viewport={"width": width, "height": 900}, base_url=console.url
        )
        contexts.append(context)
        context.add_cookies(
            [
                {"name": "xanh_theme", "value": theme, "url": console.url},
                {"name": "xanh_language", "value": language, "url": console.url},
            ]
        )
        page = context.new_page()
        page.set_default_timeout(30_000)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on(
            "console", lambda said: problems.append(said.text) if said.type == "error" else None
        )
        page.goto("/login")
        page.fill("#name", name)
        page.fill("#password", PASSWORD)
        page.press("#password", "Enter")
        page.wait_for_url(re.compile("^(?!.*login)"))
        return page

    yield enter
    for context in contexts:
        context.close()
    assert not problems


def test_the_corridor_lives_and_its_layout_holds_still(sign_in: SignIn, console: Any) -> None:
    page = sign_in("operator")
    page.wait_for_selector("#clock:not(:text('--'))")
    lamp = page.locator("svg.map.wide .lamp").first
    page.wait_for_function(
        "() => document.querySelectorAll('.lamp[data-state=unknown]').length === 0"
    )
    worst = page.locator("#worst")
    before = page.locator("#clock").text_content(), worst.bounding_box(), lamp.bounding_box()
    page.wait_for_function(
        "was => document.getElementById('clock').textContent !== was", arg=before[0]
    )
    assert (worst.bounding_box(), lamp.bounding_box()) == before[1:]
    assert page.locator("[data-live='delay/before_s']").text_content() == "71.2"
    assert page.locator("#worst li").first.get_attribute("title").count(" · ") == 3

    # An alarm pins itself without a reload; the junction it is about is ringed on the map.
    console.street.alarm()
    page.wait_for_selector("#alarms li:has-text('C5 does not answer')")
    page.wait_for_selector("svg.map.wide .map-label[data-junction=C5][data-alarm=true]")
    page.click("#alarms button")
    page.wait_for_selector("#alarms li:has-text('seen by operator')")
    assert console.services.store.alarms("pho-hue")[0].acknowledged_by == "operator"


def test_a_controller_that_does_not_answer_shows_nothing(sign_in: SignIn, console: Any) -> None:
    console.street.lost = "C3"
    page = sign_in("viewer")
    page.wait_for_selector("svg.map.wide .map-label[data-junction=C3][data-lost=true]")
    page.goto("/junctions/C3")
    page.wait_for_selector("#lost:not([hidden])")
    assert page.locator(".junction-drawing .lamp:not([data-state=unknown])").count() == 0


def test_old_data_greys_out(sign_in: SignIn, console: Any) -> None:
    page = sign_in("viewer")
    page.wait_for_selector("#clock:not(:text('--'))")
    console.street.stop()
    page.wait_for_selector("body.stale", timeout=10_000)
    assert "stale" in page.locator("#freshness").text_content()
    console.street.start()


def test_a_junction_shows_video_heads_and_the_running_second(sign_in: SignIn, console: Any) -> None:
    page = sign_in("viewer")
    page.goto("/junctions/C2?camera=C2-c1")
    page.wait_for_function("() => document.getElementById('video')?.naturalWidth === 640")
    first = page.locator("#second").text_content()
    page.wait_for_function(
        "was => document.getElementById('second').textContent !== was", arg=first
    )
    assert page.locator(".junction-drawing .lamp").count() > 8
    assert page.locator("#strip .mark.flagged").count() == 1
    page.locator(".chart").first.scroll_into_view_if_needed()
    page.wait_for_selector(".chart .main-svg", state="attached")

    page.goto("/junctions/C1")
    assert page.locator("#no-video").is_visible()
    assert "projected" in page.locator(".caption .tag").first.text_content()


def test_a_second_person_approves_an_operator_applies_and_undoes(
    sign_in: SignIn, console: Any
) -> None:
    digest = console.services.plans.plans()[0].digest
    engineer = sign_in("engineer")
    engineer.goto(f"/plans/{digest}")
    assert engineer.locator("[data-action=approve]").is_disabled()
    assert engineer.locator("#why-approve").is_visible()
    assert engineer.locator(".verdict .big").text_content() == "-18.4 % [-21.0, -15.7]"

    manager = sign_in("manager")
    manager.click("#waiting-plan")
    manager.wait_for_url(f"**/plans/{digest}")
    manager.click("[data-action=approve]")
    assert manager.locator("#decision-error").is_visible()  # a reason is asked for first
    manager.fill("#comment", "the interval excludes zero")
    manager.click("[data-action=approve]")
    assert manager.locator("#confirm [data-for=approve]").is_visible()
    assert not manager.locator("#confirm [data-for=apply]").is_visible()
    manager.click("#confirm-go")
    manager.wait_for_selector(".page-head .tag:has-text('approved')")
    record = console.services.plans.get(digest)
    assert (record.status, record.approver) == (PlanStatus.APPROVED, "manager")

    operator = sign_in("operator")
    operator.goto(f"/plans/{digest}")
    operator.click("[data-action=apply]")
    assert operator.locator("#confirm [data-for=apply] li").count() == 8
    operator.click("#confirm-go")
    operator.wait_for_selector(".page-head .tag:has-text('applied')")
    operator.fill("#comment", "queues grow at C3")
    operator.click("[data-action=rollback]")
    operator.click("#confirm-go")
    operator.wait_for_selector(".page-head .tag:has-text('rolled back')")
    assert console.services.plans.applied() is None


def test_cases_are_decided_by_keyboard_alone(sign_in: SignIn, console: Any) -> None:
    services = console.services
    order = [item.id for item in services.cases.cases(services.site.id)]
    status = lambda case: services.cases.view(case, "officer").summary.status  # noqa: E731
    page = sign_in("officer")
    page.wait_for_load_state("load")
    page.keyboard.press("g")
    page.keyboard.press("v")
    page.wait_for_url("**/cases")
    page.wait_for_timeout(300)  # its keys work once its script has run
    page.keyboard.press("Enter")
    page.wait_for_selector(f"html[data-ready='{order[0]}']")
    page.wait_for_function("() => document.querySelector('.frames img').naturalWidth === 640")
    page.wait_for_function("() => document.querySelector('video').readyState >= 2")
    assert page.locator(".mark.flagged").count() == 1

    page.keyboard.press("a")
    page.wait_for_selector(f"html[data-ready='{order[1]}']")
    assert status(order[0]) is CaseStatus.ACCEPTED

    page.keyboard.press("r")
    page.wait_for_selector("#reasons:not([hidden])")
    page.keyboard.press("3")
    page.wait_for_selector(f"html[data-ready='{order[2]}']")
    rejected = services.cases.view(order[1], "officer")
    assert rejected.summary.status is CaseStatus.REJECTED
    assert rejected.events[-1].reason == "entered_on_yellow_or_before_red"

    page.keyboard.press("e")
    page.wait_for_timeout(300)
    page.keyboard.type("a police escort?")
    page.keyboard.press("Enter")
    page.wait_for_selector(f"html[data-ready='{order[3]}']")
    assert status(order[2]) is CaseStatus.ESCALATED

    # Nobody confirms their own review; a second officer does.
    page.goto(f"/cases/{order[0]}")
    page.wait_for_selector(f"html[data-ready='{order[0]}']")
    assert page.locator("[data-act=confirm]").is_disabled()
    second = sign_in("officer2")
    second.goto(f"/cases/{order[0]}")
    second.wait_for_selector(f"html[data-ready='{order[0]}']")
    second.keyboard.press("c")
    second.wait_for_url(re.compile(f"cases/(?!{order[0]})"))
    assert status(order[0]) is CaseStatus.CONFIRMED
    assert {by for _, by, _ in services.cases.views(order[0])} == {"officer", "officer2"}


def test_an_officer_exports_a_confirmed_case(sign_in: SignIn, console: Any, tmp_path: Path) -> None:
    services = console.services
    violation, folder = write_case(tmp_path)
    case = services.cases.open_case(services.site.id, violation, NOW, folder)
    page = sign_in("officer")
    page.goto(f"/cases/{case}")
    assert page.locator("#export-text").count() == 0
    services.cases.accept(case, "officer")
    services.cases.confirm(case, "officer2")
    page.reload()
    page.wait_for_selector(f"html[data-ready='{case}']")
    page.keyboard.press("x")
    page.keyboard.type("the court")
    with page.expect_download() as handed:
        page.keyboard.press("Enter")
    assert handed.value.suggested_filename == f"case-{case}.zip"
    page.wait_for_selector(f"#export-state:has-text('case-{case}.zip')")
    assert services.cases.view(case, "officer").events[-1].comment.startswith("the court [sha256 ")


def test_search_help_language_and_theme(sign_in: SignIn, console: Any) -> None:
    page = sign_in("viewer", language="vi")
    page.keyboard.press("?")
    assert page.locator("#help").is_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    page.keyboard.type("ham long")  # found without its diacritics
    page.wait_for_selector("#search li a")
    page.keyboard.press("Enter")
    page.wait_for_url("**/junctions/C5")
    background = "getComputedStyle(document.body.parentElement).backgroundColor"
    dark = page.evaluate(background)
    page.click("[name=theme]")
    page.wait_for_selector("html[data-theme=light]")
    assert page.evaluate(background) != dark
    page.click("[name=language]")
    page.wait_for_selector("html[lang=en]")
    assert page.url.endswith("/junctions/C5")


@pytest.mark.parametrize("width", [390, 768, 1920])
def test_no_page_is_wider_than_its_window(sign_in: SignIn, console: Any, width: int) -> None:
    services = console.services
    page = sign_in("officer", width=width)
    case = services.cases.cases(services.site.id)[0].id
    paths = ["/", "/junctions", "/junctions/C2", "/plans", "/cases", "/health", f"/cases/{case}"]
    for path in [*paths, f"/plans/{services.plans.plans()[0].digest}"]:
        page.goto(path)
        page.wait_for_selector("#clock:not(:text('--'))")
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width, (path, wide)
