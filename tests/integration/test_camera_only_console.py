"""The console of a site of cameras and no network: pictures instead of a map."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from fastapi.testclient import TestClient

from detection.measures import ALL, APPROACH, MeasureRow
from traffic.api.app import create_app
from traffic.auth import Accounts, Role
from traffic.measure_records import add_measures
from traffic.service import open_services
from traffic.settings import Settings
from traffic.sites import load_site

EXAMPLE = Path(__file__).resolve().parents[2] / "docs" / "examples" / "hanoi-giang-vo"
CAMERA = "giang-vo-south"
PASSWORD = "xanh tests only 1"
HTML = {"accept": "text/html"}


@pytest.fixture(scope="module")
def viewer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    services = open_services(
        load_site(EXAMPLE), Settings(), data=tmp_path_factory.mktemp("cameras")
    )
    cheap = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    accounts = Accounts(services.store, services.clock, hasher=cheap)
    accounts.create_user("viewer", PASSWORD, Role.VIEWER)
    start = datetime(2026, 11, 22, 7, tzinfo=UTC)
    row = MeasureRow(
        "GV", APPROACH, ALL, start, start + timedelta(minutes=15), 0.93, 41, 37.0, 52.5, 176.3,
        61.7, mean_speed_mps=5.0, headway_s=20.5, queue_mean_veh=12.3, queue_max_veh=34,
        occupancy=0.5,
    )  # fmt: skip
    add_measures(services.store, services.site.id, [row], camera=CAMERA, calibration="3")
    client = TestClient(create_app(services), raise_server_exceptions=False)
    body = {"name": "viewer", "password": PASSWORD}
    assert client.post("/api/v1/session", json=body).status_code == 200
    client.cookies.set("xanh_language", "en")
    yield client
    services.store.close()


def test_the_first_page_shows_the_cameras(viewer: TestClient) -> None:
    page = viewer.get("/", headers=HTML).text
    assert f'data-camera="{CAMERA}" data-approach="GV|south"' in page
    assert '"GV|south": {"label"' in page
    # Of what needs a network nothing stands empty.
    assert "delay/before_s" not in page
    assert page.count('class="meter"') == 1


def test_a_junction_shows_what_cameras_know(viewer: TestClient) -> None:
    page = viewer.get("/junctions/GV", headers=HTML).text
    for name in ("drawing-frame", "junctions/GV/cycle_s", 'class="cycle"'):
        assert name not in page
    assert "15:00" not in page
    assert "2026-11-22 14:00 to 14:15, 93 % of it watched, calibration 3" in page
    for figure in ("<b>whole approach</b>", ">41<", ">37–52<", ">176<", ">62<", ">18<", ">12.3<"):
        assert figure in page, figure
    lines = viewer.get(f"/api/v1/measures.csv?camera={CAMERA}").text.splitlines()
    assert lines[0].startswith("camera,calibration,junction,movement")
    assert lines[1].startswith(f"{CAMERA},3,GV,,all,2026-11-22T07:00:00Z")
