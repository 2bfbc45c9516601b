"""The console on a made-up street over real services, and a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from console_street import FixtureStreet, make_services
from served import serving

from traffic.api.services import Services

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@dataclass(frozen=True)
class Console:
    """A served console."""

    url: str
    services: Services
    street: FixtureStreet


@pytest.fixture
def console(tmp_path: Path, pho_hue: Path) -> Iterator[Console]:
    services = make_services(pho_hue, tmp_path)
    street = FixtureStreet(services)
    street.warm_up()
    street.flag_one()
    with serving(services) as url:
        street.start()
        yield Console(url, services, street)
        street.stop()


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    """Chromium; closed with the module, since its driver holds the thread's event loop."""
    if not CHROMIUM.exists():
        pytest.skip("Debian's chromium is not installed: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=str(CHROMIUM), args=list(FLAGS))
        yield opened
        opened.close()
