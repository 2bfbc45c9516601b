"""``xanh serve`` on a real camera: a site folder, a real RTSP server, and the console's API."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from rtsp_camera import RtspCamera, free_port, require_rtsp_server

from traffic.measure_records import stored_measures
from traffic.store import Store

EXAMPLE = Path(__file__).resolve().parents[2] / "docs" / "examples" / "hanoi-giang-vo"
CAMERA = "giang-vo-south"
PATIENCE_S = 90.0


@pytest.fixture
def camera() -> Iterator[RtspCamera]:
    require_rtsp_server()
    served = RtspCamera(rate=6)
    yield served
    served.close()


class Service:
    """The command as an operator starts it."""

    def __init__(self, site: Path, data: Path) -> None:
        port = free_port()
        command = [sys.executable, "-m", "traffic.cli", "serve", "--site", str(site)]
        self.process = subprocess.Popen(
            [*command, "--data", str(data), "--port", str(port)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "XANH_WEIGHTS": "motion", "OMP_NUM_THREADS": "1"},
        )
        assert self.process.stdout is not None
        self.lines: list[str] = []
        for line in self.process.stdout:
            self.lines.append(line)
            if line.startswith("console:"):
                break
        password = re.search(r"user engineer\s+password (\S+)", "".join(self.lines))
        assert password is not None, self.lines
        self.client = httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=30)
        body = {"name": "engineer", "password": password[1]}
        session = self.client.post("/api/v1/session", json=body)
        self.csrf = {"X-CSRF-Token": session.json()["csrf"]}

    def until(self, seen: Callable[[Any], Any], path: str = "/api/v1/live") -> Any:
        """Ask until something is seen."""
        deadline = time.monotonic() + PATIENCE_S
        answer: Any = None
        while time.monotonic() < deadline:
            response = self.client.get(path)
            answer = response.json()
            if response.status_code == 200 and seen(answer):
                return answer
            time.sleep(0.3)
        raise AssertionError(f"not seen in {PATIENCE_S} s: {answer}")

    def stop(self) -> int:
        self.client.close()
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=60)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code


def test_a_real_camera_is_watched_lost_found_and_calibrated(
    camera: RtspCamera, tmp_path: Path
) -> None:
    site = Path(shutil.copytree(EXAMPLE, tmp_path / "site"))
    text = (site / "site.yaml").read_text(encoding="utf-8")
    text = text.replace("    kind: stream\n", f"    kind: stream\n    source: {camera.url}\n")
    (site / "site.yaml").write_text(text, encoding="utf-8")
    camera.start(640, 480)
    service = Service(site, tmp_path / "data")
    try:
        live = service.until(lambda now: now["cameras"][CAMERA]["fps"] > 1)
        assert live["cameras"][CAMERA]["kind"] == "motion"
        assert live["cameras"][CAMERA]["ok"]
        assert not live["virtual"]
        picture = service.client.get(f"/api/v1/cameras/{CAMERA}/frame.jpg")
        assert picture.content[:2] == b"\xff\xd8"

        camera.kill()
        lost = service.until(lambda alarms: alarms, "/api/v1/alarms")
        assert [(alarm["kind"], alarm["subject"]) for alarm in lost] == [("camera_gap", CAMERA)]
        camera.start(640, 480)
        service.until(lambda alarms: not alarms, "/api/v1/alarms")
        # Newest first; the wait for the very first frame may be one too.
        event, *_ = service.client.get("/api/v1/alarms?open_only=false").json()
        assert event["at"] < event["cleared"]

        # Calibrated in the console: the picture, the pairs, and the watch goes on with them.
        pairs = {
            "pairs": [
                {"px": [40, 337], "m": [-6.85, 11.15]},
                {"px": [515, 365], "m": [4.35, 9.94]},
                {"px": [180, 470], "m": [-2.34, 6.85]},
                {"px": [620, 470], "m": [5.01, 6.85]},
                {"px": [560, 230], "m": [9.39, 19.25]},
            ]
        }
        base = f"/api/v1/cameras/{CAMERA}"
        still = service.client.post(f"{base}/still", headers=service.csrf)
        assert still.status_code == 200, still.text
        saved = service.client.post(
            f"{base}/calibration", json={**pairs, **still.json()}, headers=service.csrf
        )
        assert saved.json() == {"camera": CAMERA, "version": "2"}
        service.until(
            lambda now: (
                now["cameras"][CAMERA]["calibration"] == "2" and now["cameras"][CAMERA]["fps"] > 1
            )
        )
    finally:
        assert service.stop() == 0
    # What was seen is in the store, under the versions it was seen with.
    store = Store.at(tmp_path / "data")
    kept = store.stored_counts("hanoi-giang-vo")
    measured = stored_measures(store, "hanoi-giang-vo", camera=CAMERA)
    store.close()
    assert {item.calibration for item in kept} == {"1", "2"}
    assert {(item.camera, item.source_kind) for item in kept} == {(CAMERA, "motion")}
    first = next(item.row for item in kept if item.calibration == "1")
    assert 0.0 < first.coverage < 1.0
    assert {item.calibration for item in measured} == {"1", "2"}
    assert all(item.row.occupancy is not None for item in measured if not item.row.movement)
    # Nobody is left behind.
    left = subprocess.run(["pgrep", "-f", camera.url], capture_output=True, check=False)
    assert left.stdout == b""
