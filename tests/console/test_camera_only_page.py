"""A junction that a camera alone watches, in a browser, before and after its first picture."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from argon2 import PasswordHasher
from served import serving

from traffic.api.services import Services
from traffic.auth import Accounts, Role
from traffic.live import CameraLive, FrameKind, JunctionLive, LiveSnapshot
from traffic.service import open_services
from traffic.settings import Settings
from traffic.sites import load_site

pytestmark = pytest.mark.browser
EXAMPLE = Path(__file__).resolve().parents[2] / "docs" / "examples" / "hanoi-giang-vo"
CAMERA = "giang-vo-south"
HIDE = """() => {
    Object.defineProperty(document, "hidden", { get: () => true });
    document.dispatchEvent(new Event("visibilitychange"));
}"""
PASSWORD = "xanh tests only 1"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[str, Services]]:
    services = open_services(load_site(EXAMPLE), Settings(), data=tmp_path)
    cheap = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    Accounts(services.store, services.clock, hasher=cheap).create_user(
        "viewer", PASSWORD, Role.VIEWER
    )
    with serving(services) as url:
        yield url, services


def test_the_page_is_there_before_the_camera_is(browser: Any, served: tuple[str, Services]) -> None:
    url, services = served
    context = browser.new_context(locale="en-GB")
    page = context.new_page()
    page.set_default_timeout(15_000)
    page.goto(f"{url}/login")
    page.fill("#name", "viewer")
    page.fill("#password", PASSWORD)
    page.press("#password", "Enter")
    page.wait_for_url(lambda address: "/login" not in address)
    # The stream has no picture yet; the page does not wait for one.
    page.goto(f"{url}/junctions/GV")
    assert page.is_visible("#no-video")
    assert page.is_hidden("#video")
    picture = cv2.imencode(".jpg", np.full((480, 640, 3), 90, np.uint8))[1].tobytes()
    now = LiveSnapshot(
        datetime(2026, 11, 22, 7, tzinfo=UTC),
        {"GV": JunctionLive("GV", "", 0.0, 0.0, {})},
        {CAMERA: CameraLive(CAMERA, FrameKind.PIXELS, 0.1, 6.0)},
    )
    done = threading.Event()

    def film() -> None:
        while not done.wait(0.1):
            services.live.put_frame(CAMERA, picture)
            services.live.publish(now)

    thread = threading.Thread(target=film, daemon=True)
    thread.start()
    try:
        page.wait_for_selector("#video", state="visible")
        assert page.is_hidden("#no-video")
        assert page.evaluate("document.getElementById('video').naturalWidth") == 640
        # A hidden tab holds no connection: a browser allows six to one server.
        page.evaluate(HIDE)
        assert page.is_hidden("#video")
        assert not page.get_attribute("#video", "src")
    finally:
        done.set()
        thread.join()
    context.close()
