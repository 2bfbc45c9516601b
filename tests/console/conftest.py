"""The console on a made-up street over real services, and a real browser."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import uvicorn
from console_street import FixtureStreet, make_services

from traffic.api.app import create_app
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
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = uvicorn.Server(
        uvicorn.Config(
            create_app(services), port=port, log_level="error", timeout_graceful_shutdown=1
        )
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the server ended before it started"
        time.sleep(0.02)
    street.start()
    yield Console(f"http://127.0.0.1:{port}", services, street)
    street.stop()
    services.live.close()
    server.should_exit = True
    thread.join(10)
    services.store.close()


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
