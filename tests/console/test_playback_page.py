"""The playback opens from one file: two runs drawn, keys obeyed, both languages and themes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from networks import corridor

from simulation.film import Film, Moves, Side
from simulation.playback import playback_html
from simulation.probes import StateChange


@pytest.fixture
def page_path(tmp_path: Path) -> Path:
    site = replace(corridor(tmp_path), name="<Phố> & one")
    states = {
        name: (StateChange(0.0, "rrrrrr"), StateChange(20.0, "GGGggg"), StateChange(40.0, "yyyyyy"))
        for name in site.junctions
    }

    def side(speed_mps: float) -> Side:
        seconds = np.arange(61.0)
        kinds = ("motorcycle", "passenger", "bus", "pedestrian")
        return Side(
            tuple(
                Moves(
                    kind=kind,
                    first=0,
                    x_m=np.minimum(20.0 + 10 * lane + speed_mps * seconds, 280.0),
                    y_m=np.full(61, 298.4),  # the network begins at 0
                    heading_deg=np.full(61, 90.0),
                    edge=("e0",) * 61,
                    along_m=speed_mps * seconds,
                )
                for lane, kind in enumerate(kinds)
            ),
            states,
        )

    path = tmp_path / "playback.html"
    film = Film(0.0, 60, 1, side(2.0), side(8.0))
    path.write_text(playback_html(site, film, language="vi"), encoding="utf-8")
    return path


@pytest.mark.browser
def test_the_film_plays_from_one_file(page_path: Path, browser: object) -> None:
    problems: list[str] = []
    requests: list[str] = []
    page = browser.new_page(viewport={"width": 900, "height": 700}, color_scheme="light")  # type: ignore[attr-defined]
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda m: problems.append(m.text) if m.type == "error" else None)
    page.on("request", lambda request: requests.append(request.url))
    page.goto(page_path.as_uri(), timeout=120_000)
    page.wait_for_selector("html[data-ready]")

    def picture(canvas: str) -> str:
        page.wait_for_timeout(150)
        return str(page.evaluate(f"document.getElementById('{canvas}').toDataURL()"))

    assert "3 xe, 0 đang đứng" in page.locator("#count-1").inner_text()
    assert page.locator("h1").inner_text().startswith("<Phố> & one")
    still = picture("map-1")
    assert picture("map-1") == still
    page.keyboard.press("Shift+ArrowRight")
    # Drawn with the next picture.
    page.wait_for_function("() => document.getElementById('clock').textContent === '00:00:10'")
    assert picture("map-1") != still
    page.keyboard.press("End")
    page.wait_for_timeout(150)
    assert "3 đang đứng" in page.locator("#count-1").inner_text()  # they reached the line
    assert " 0 đang đứng" in page.locator("#count-0").inner_text()  # these still drive
    page.keyboard.press("Home")
    page.keyboard.press("2")
    page.wait_for_timeout(150)
    assert page.locator("#place").input_value() == "1"
    page.keyboard.press("v")
    page.wait_for_timeout(150)
    assert page.locator("#play").inner_text() == "Play"
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.keyboard.press("d")
    page.wait_for_timeout(150)
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != dark
    page.keyboard.press("Space")
    page.wait_for_function("() => document.getElementById('scrub').valueAsNumber > 1")
    page.keyboard.press("Space")
    page.wait_for_function("() => document.getElementById('play').textContent.trim() === 'Play'")
    page.close()
    assert problems == []
    assert requests == [page_path.as_uri()]
