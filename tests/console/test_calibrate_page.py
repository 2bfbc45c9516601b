"""Calibrating a camera in a real browser, on a picture and a plan of the same place."""

from __future__ import annotations

import re
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import uvicorn
from console_street import PASSWORD

from models.camera import CameraPose
from simulation.camera import PinholeCamera
from simulation.render import Renderer
from simulation.scene_network import scene_from_network
from simulation.states import VehicleStates
from traffic.api.app import create_app
from traffic.auth import Role
from traffic.service import open_services
from traffic.settings import Settings
from traffic.sites import load_site

pytestmark = pytest.mark.browser
CAMERA = """
  - id: C2-real
    junction: C2
    approach: c1
    kind: stream
    source: C2-real.jpg
    size_px: [640, 480]
    coordinates: pixels   # marked on the picture
    stop_line: [[150, 300], [500, 300]]
    inward: [0, -1]
    zone: [[150, 300], [500, 300], [600, 470], [60, 470]]
    movements: [{id: "C2:c1>c2", path: [[320, 470], [320, 200]]}]
"""


class RealCamera:
    """A console over a copy of the example site with one camera that has no pose."""

    def __init__(self, pho_hue: Path, folder: Path) -> None:
        self.folder = Path(shutil.copytree(pho_hue, folder / "site"))
        with (self.folder / "site.yaml").open("a", encoding="utf-8") as file:
            file.write(CAMERA)
        site = load_site(self.folder)
        pose = site.camera("C2-c1").options["pose"]
        assert isinstance(pose, CameraPose)
        assert site.network is not None
        self.eye = PinholeCamera(pose)
        renderer = Renderer(scene_from_network(site.network, "C2"), self.eye, 1)
        image = renderer.render(VehicleStates.empty(), {})
        cv2.imwrite(str(self.folder / "C2-real.jpg"), image)
        services = open_services(site, Settings(data_dir=folder / "data"))
        for name, role in (("engineer", Role.ENGINEER), ("viewer", Role.VIEWER)):
            services.auth.create_user(name, PASSWORD, role)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        config = uvicorn.Config(
            create_app(services), port=port, log_level="error", timeout_graceful_shutdown=1
        )
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, daemon=True)
        self.thread.start()
        while not self.server.started:
            assert self.thread.is_alive()
            time.sleep(0.02)
        self.services = services
        self.url = f"http://127.0.0.1:{port}"

    def places(self) -> list[tuple[tuple[int, int], tuple[float, float]]]:
        """Pixels, and exactly where they lie on the ground."""
        pixels = [(110, 460), (560, 450), (200, 300), (470, 290), (330, 370), (330, 250)]
        ground = self.eye.to_ground(np.array(pixels, np.float64))
        return [(px, (float(x), float(y))) for px, (x, y) in zip(pixels, ground, strict=True)]

    def close(self) -> None:
        self.services.live.close()
        self.server.should_exit = True
        self.thread.join(10)
        self.services.store.close()


@pytest.fixture
def real(pho_hue: Path, tmp_path: Path) -> Iterator[RealCamera]:
    console = RealCamera(pho_hue, tmp_path)
    yield console
    console.close()


def sign_in(browser: Any, url: str, name: str, *, language: str = "en", theme: str = "dark") -> Any:
    context = browser.new_context(viewport={"width": 1440, "height": 900}, base_url=url)
    context.add_cookies(
        [
            {"name": "xanh_theme", "value": theme, "url": url},
            {"name": "xanh_language", "value": language, "url": url},
        ]
    )
    page = context.new_page()
    page.set_default_timeout(120_000)
    page.goto("/login")
    page.fill("#name", name)
    page.fill("#password", PASSWORD)
    page.press("#password", "Enter")
    page.wait_for_url(re.compile("^(?!.*login)"))
    return page


def test_an_engineer_marks_pairs_and_saves_a_version(browser: Any, real: RealCamera) -> None:
    page = sign_in(browser, real.url, "engineer")
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto("/health", wait_until="domcontentloaded")
    page.click("text=Calibrate")
    page.wait_for_selector("#no-still", state="hidden")
    page.wait_for_function("() => document.getElementById('still').href.baseVal !== ''")
    page.wait_for_function(
        "() => document.getElementById('fit').textContent.trim() === '4 more needed'"
    )

    # The first by mouse on the picture and on the plan; the others by keyboard alone.
    box = page.locator("#marks").bounding_box()
    (first, first_m), *others = real.places()
    scale = box["width"] / 640
    page.mouse.click(box["x"] + first[0] * scale, box["y"] + first[1] * scale)
    page.locator("#map svg").scroll_into_view_if_needed()
    spot = page.evaluate(
        "([x, y]) => { const p = new DOMPoint(x, -y).matrixTransform("
        "document.querySelector('#map svg').getScreenCTM()); return [p.x, p.y]; }",
        list(first_m),
    )
    page.mouse.click(*spot)
    typed = [float(page.locator("#pairs input").nth(k).input_value()) for k in range(4)]
    assert typed[:2] == pytest.approx(first, abs=1)
    assert typed[2:] == pytest.approx(first_m, abs=0.5)
    for number, (px, metres) in enumerate(others, start=1):
        page.focus("#add")
        page.keyboard.press("Enter")
        for value in (*px, *metres):
            page.keyboard.type(f"{value:.2f}")
            page.keyboard.press("Tab")
        assert page.locator("#pairs tr").count() == number + 1
    # The clicked metres are as exact as a click; typed ones replace them.
    for at, value in ((2, first_m[0]), (3, first_m[1])):
        page.locator("#pairs input").nth(at).fill(f"{value:.2f}")
    page.wait_for_function("() => !document.getElementById('save').disabled")
    fit = re.match(r"Reprojection error ([\d.]+) m", page.locator("#fit").text_content())
    assert fit is not None
    assert float(fit[1]) < 0.25
    assert page.locator("#grid path").count() == 1

    # A pair typed wrong is pointed out before anything is saved.
    wrong = page.locator("#pairs tr").nth(3).locator("input").nth(2)
    right = wrong.input_value()
    wrong.fill(f"{float(right) + 4:.2f}")
    page.wait_for_selector("#warnings li:has-text('Without pair 4')")
    wrong.fill(right)
    page.wait_for_selector("#warnings li", state="detached")
    page.wait_for_function("() => !document.getElementById('save').disabled")
    page.click("#save")
    page.wait_for_selector("#saved:has-text('version 1')")
    camera = load_site(real.folder).camera("C2-real")
    assert camera.view.calibration_version == "1"
    assert camera.options["reference"].is_file()
    text = (real.folder / "site.yaml").read_text(encoding="utf-8")
    assert "coordinates: pixels   # marked on the picture" in text
    assert not problems


def test_pairs_on_a_line_are_refused_in_words(browser: Any, real: RealCamera) -> None:
    page = sign_in(browser, real.url, "engineer", language="vi", theme="light")
    page.goto("/cameras/C2-real/calibrate")
    page.wait_for_selector("#no-still", state="hidden")
    page.focus("#marks")
    for number in range(4):
        for _ in range(4):
            page.keyboard.press("Shift+ArrowDown")
        page.keyboard.press("Enter")
        for value in (1.0, float(number)):
            page.keyboard.type(f"{value}")
            page.keyboard.press("Tab")
        page.focus("#marks")
    page.wait_for_selector("#problem:has-text('lie on one line')")
    assert page.locator("#save").is_disabled()
    # A camera whose place is given by its pose has nothing to calibrate; a viewer may not.
    assert page.request.get(f"{real.url}/cameras/C2-c1/calibrate").status == 404
    viewer = sign_in(browser, real.url, "viewer")
    assert viewer.request.get(f"{real.url}/cameras/C2-real/calibrate").status == 403
    viewer.goto("/health", wait_until="domcontentloaded")
    assert viewer.locator("a[href$=calibrate]").count() == 0
