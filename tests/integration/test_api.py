"""The API and the pages: who may do what, what an error looks like, what never leaves."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from console_street import PASSWORD, USERS, FixtureStreet, make_services
from fastapi.testclient import TestClient

from models.lifecycle import PlanStatus
from traffic.api.app import create_app
from traffic.api.security import COOKIE
from traffic.api.services import Services
from traffic.api.streams import event_stream, jpeg_stream
from traffic.auth import PERMISSIONS, Permission, Role
from traffic.planfiles import plan_to_text

NO_PLAN, NO_CASE = "0" * 64, "0" * 16
P = Permission
# Every route with the permission that it needs; None needs a session only, "open" nothing.
API: dict[tuple[str, str], Permission | str | None] = {
    ("GET", "/api/v1/health"): "open",
    ("POST", "/api/v1/session"): "open",
    ("GET", "/api/v1/session"): None,
    ("DELETE", "/api/v1/session"): None,
    ("GET", "/api/v1/site"): P.VIEW_STREET,
    ("GET", "/api/v1/junctions/{junction}"): P.VIEW_STREET,
    ("GET", "/api/v1/live"): P.VIEW_STREET,
    ("GET", "/api/v1/live/stream"): P.VIEW_STREET,
    ("GET", "/api/v1/cameras/{camera}/frame.jpg"): P.VIEW_STREET,
    ("GET", "/api/v1/cameras/{camera}/stream"): P.VIEW_STREET,
    ("POST", "/api/v1/cameras/{camera}/still"): P.PROPOSE,
    ("GET", "/api/v1/cameras/{camera}/still/{picture}.jpg"): P.PROPOSE,
    ("POST", "/api/v1/cameras/{camera}/calibration/check"): P.PROPOSE,
    ("POST", "/api/v1/cameras/{camera}/calibration"): P.PROPOSE,
    ("GET", "/api/v1/counts"): P.VIEW_STREET,
    ("GET", "/api/v1/counts.csv"): P.VIEW_STREET,
    ("GET", "/api/v1/measures.csv"): P.VIEW_STREET,
    ("GET", "/api/v1/alarms"): P.VIEW_STREET,
    ("POST", "/api/v1/alarms/{alarm}/acknowledge"): P.OPERATE,
    ("GET", "/api/v1/plans"): P.VIEW_STREET,
    ("POST", "/api/v1/plans"): P.PROPOSE,
    ("GET", "/api/v1/plans/{digest}"): P.VIEW_STREET,
    ("GET", "/api/v1/plans/{digest}/report"): P.VIEW_STREET,
    ("POST", "/api/v1/plans/{digest}/approve"): P.APPROVE,
    ("POST", "/api/v1/plans/{digest}/refuse"): P.APPROVE,
    ("POST", "/api/v1/plans/{digest}/apply"): P.OPERATE,
    ("POST", "/api/v1/plans/{digest}/rollback"): P.OPERATE,
    ("GET", "/api/v1/cases"): P.VIEW_CASES,
    ("GET", "/api/v1/cases/{case_id}"): P.VIEW_CASES,
    ("GET", "/api/v1/cases/{case_id}/evidence/{name}"): P.VIEW_CASES,
    ("POST", "/api/v1/cases/{case_id}/accept"): P.REVIEW_CASES,
    ("POST", "/api/v1/cases/{case_id}/reject"): P.REVIEW_CASES,
    ("POST", "/api/v1/cases/{case_id}/escalate"): P.REVIEW_CASES,
    ("POST", "/api/v1/cases/{case_id}/confirm"): P.REVIEW_CASES,
    ("POST", "/api/v1/cases/{case_id}/reopen"): P.REVIEW_CASES,
    ("POST", "/api/v1/cases/{case_id}/export"): P.REVIEW_CASES,
}
PAGES: dict[str, Permission] = {
    "/": P.VIEW_STREET,
    "/junctions": P.VIEW_STREET,
    "/junctions/C2": P.VIEW_STREET,
    "/plans": P.VIEW_STREET,
    "/plans/{plan}": P.VIEW_STREET,
    "/plans/{plan}/report": P.VIEW_STREET,
    "/health": P.VIEW_STREET,
    "/docs": P.VIEW_STREET,
    "/cases": P.VIEW_CASES,
    "/cases/{case}": P.VIEW_CASES,
}
HTML = {"accept": "text/html"}


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory, pho_hue: Path) -> Iterator[Services]:
    made = make_services(pho_hue, tmp_path_factory.mktemp("console"))
    FixtureStreet(made).warm_up(60)
    yield made
    made.store.close()


@pytest.fixture(scope="module")
def app(services: Services) -> Any:
    return create_app(services)


@pytest.fixture(scope="module")
def people(app: Any) -> dict[str, TestClient]:
    """A signed-in client per user; changes carry the session's token."""
    clients = {}
    for name in USERS:
        client = TestClient(app, raise_server_exceptions=False, follow_redirects=False)
        answer = client.post("/api/v1/session", json={"name": name, "password": PASSWORD})
        assert answer.status_code == 200, answer.text
        client.headers["x-csrf-token"] = answer.json()["csrf"]
        clients[name] = client
    return clients


@pytest.fixture
def stranger(app: Any) -> TestClient:
    return TestClient(app, raise_server_exceptions=False, follow_redirects=False)


def _concrete(path: str) -> str:
    values = {
        "junction": "nowhere",
        "camera": "none",
        "digest": NO_PLAN,
        "case_id": NO_CASE,
        "name": "x.jpg",
        "alarm": "99999",
        "picture": "0" * 16,
    }
    return path.format(**values)


def _body(path: str) -> dict[str, str]:
    if path == "/api/v1/plans":
        return {"plan": "x", "comment": ""}
    if path.endswith("/reject"):
        return {"reason": "duplicate"}
    if path.endswith("/export"):
        return {"purpose": "the court"}
    return {"comment": "because"}


def test_the_table_names_every_route(app: Any) -> None:
    described = {
        (method.upper(), path)
        for path, operations in app.openapi()["paths"].items()
        for method in operations
    }
    assert described == set(API)


def test_the_description_says_what_each_route_needs(app: Any) -> None:
    for (method, path), needed in API.items():
        operation = app.openapi()["paths"][path][method.lower()]
        expected = needed.value if isinstance(needed, Permission) else None
        assert operation.get("x-permission") == expected, path


# Streams never end and DELETE ends the session: these have tests of their own.
ASKED = [
    (route, needed)
    for route, needed in API.items()
    if needed != "open" and not route[1].endswith("/live/stream") and route[0] != "DELETE"
]


@pytest.mark.parametrize(("route", "needed"), ASKED, ids=str)
def test_each_route_asks_for_its_permission(
    route: tuple[str, str],
    needed: Permission | None,
    people: dict[str, TestClient],
    stranger: TestClient,
) -> None:
    """Everyone without the permission gets 403, strangers 401, and nobody else either."""
    method, path = route
    url, body = _concrete(path), None if method == "GET" else _body(path)
    assert stranger.request(method, url, json=body).status_code == 401
    for name, role in USERS.items():
        answer = people[name].request(method, url, json=body)
        allowed = needed is None or needed in PERMISSIONS[role]
        assert (answer.status_code not in (401, 403)) is allowed, (name, answer.text)
        if not allowed:
            assert list(answer.json()) == ["error", "status"]
            assert "\n" not in answer.json()["error"]


@pytest.mark.parametrize(("path", "needed"), PAGES.items())
def test_each_page_asks_for_its_permission(
    path: str,
    needed: Permission,
    services: Services,
    people: dict[str, TestClient],
    stranger: TestClient,
) -> None:
    """A stranger is sent to sign in and back; a person without the permission reads why not."""
    case = services.cases.cases(services.site.id)[0].id
    url = path.format(plan=services.plans.plans()[0].digest, case=case)
    sent = stranger.get(url, headers=HTML)
    assert sent.status_code == 303
    assert sent.headers["location"].startswith("/login")
    for name, role in USERS.items():
        answer = people[name].get(url, headers=HTML)
        assert answer.status_code == (200 if needed in PERMISSIONS[role] else 403), name


def test_live_pages_and_streams_need_a_session(stranger: TestClient) -> None:
    assert stranger.get("/live").status_code == 401
    assert stranger.get("/api/v1/live/stream").status_code == 401
    assert stranger.get("/search-index").status_code == 401


def test_a_change_needs_the_sessions_token(app: Any) -> None:
    client = TestClient(app, raise_server_exceptions=False)
    signed = client.post("/api/v1/session", json={"name": "manager", "password": PASSWORD})
    url = f"/api/v1/plans/{NO_PLAN}/approve"
    assert client.post(url, json={"comment": "x"}).status_code == 403
    wrong = {"x-csrf-token": "0" * 64}
    assert client.post(url, json={"comment": "x"}, headers=wrong).status_code == 403
    right = {"x-csrf-token": signed.json()["csrf"]}
    assert client.post(url, json={"comment": "x"}, headers=right).status_code == 404


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://elsewhere.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_a_change_from_elsewhere_is_refused(
    headers: dict[str, str], people: dict[str, TestClient], stranger: TestClient
) -> None:
    url = f"/api/v1/plans/{NO_PLAN}/approve"
    assert people["manager"].post(url, json={}, headers=headers).status_code == 403
    form = {"name": "viewer", "password": PASSWORD}
    assert stranger.post("/login", data=form, headers=headers).status_code == 403
    assert stranger.post("/settings", data={"theme": "light"}, headers=headers).status_code == 403


def test_the_cookie_is_for_this_site_and_not_for_scripts(stranger: TestClient) -> None:
    answer = stranger.post("/login", data={"name": "viewer", "password": PASSWORD, "next": "/"})
    assert answer.status_code == 303
    cookie = answer.headers["set-cookie"].lower()
    assert cookie.startswith(COOKIE)
    assert "httponly" in cookie
    assert "samesite=strict" in cookie


def test_signing_out_ends_the_session(app: Any) -> None:
    client = TestClient(app, raise_server_exceptions=False)
    signed = client.post("/api/v1/session", json={"name": "viewer", "password": PASSWORD})
    held = client.cookies[COOKIE]
    token = {"x-csrf-token": signed.json()["csrf"]}
    assert client.delete("/api/v1/session", headers=token).status_code == 204
    client.cookies.set(COOKIE, held)
    assert client.get("/api/v1/site").status_code == 401


@pytest.mark.parametrize("target", ["//evil.example", "https://evil.example", "/\\evil.example"])
def test_signing_in_never_leads_elsewhere(target: str, stranger: TestClient) -> None:
    form = {"name": "viewer", "password": PASSWORD, "next": target}
    assert stranger.post("/login", data=form).headers["location"] == "/"


def test_a_wrong_password_says_nothing_of_the_name(stranger: TestClient) -> None:
    known = stranger.post("/login", data={"name": "viewer", "password": "wrong wrong wrong"})
    unknown = stranger.post("/login", data={"name": "nobody", "password": "wrong wrong wrong"})
    assert known.status_code == unknown.status_code == 401
    assert known.text.replace("viewer", "") == unknown.text.replace("nobody", "")


@pytest.mark.parametrize("path", [*(p for p in PAGES if not p.endswith("/report")), "/login"])
def test_pages_carry_their_policy_and_no_inline_script(
    path: str, services: Services, people: dict[str, TestClient]
) -> None:
    case = services.cases.cases(services.site.id)[0].id
    url = path.format(plan=services.plans.plans()[0].digest, case=case)
    person = people["officer"]
    answer = person.get(url, headers=HTML)
    policy = answer.headers["content-security-policy"]
    assert "script-src 'self';" in policy
    assert "unsafe-inline" not in policy.split("style-src")[0]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    for tag in re.findall(r"<script\b[^>]*>", answer.text):
        assert 'src="/static/' in tag or 'type="application/json"' in tag, tag
    assert not re.search(r"\son[a-z]+\s*=", answer.text)
    assert not re.search(r"(?:src|href)=\"(?:https?:)?//", answer.text)


def test_the_report_is_shut_in(services: Services, people: dict[str, TestClient]) -> None:
    digest = services.plans.plans()[0].digest
    answer = people["viewer"].get(f"/plans/{digest}/report", headers=HTML)
    assert answer.status_code == 200
    assert answer.headers["content-security-policy"].startswith("sandbox allow-scripts;")
    assert "connect-src" not in answer.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("url", "status", "says"),
    [
        ("/api/v1/plans/short", 422, "digest"),
        (f"/api/v1/plans/{NO_PLAN}", 404, "no plan"),
        ("/api/v1/junctions/C99", 404, "C99"),
        ("/api/v1/cameras/none/frame.jpg", 404, "none"),
        ("/api/v1/cameras/C1-c0/frame.jpg", 404, "no picture"),
        ("/api/v1/counts?begin=yesterday", 422, "begin"),
        ("/api/v1/counts?begin=2026-11-22T07:00:00", 422, "time zone"),
        ("/api/v1/nothing", 404, "Not Found"),
    ],
)
def test_errors_are_one_clear_line(
    url: str, status: int, says: str, people: dict[str, TestClient]
) -> None:
    answer = people["viewer"].get(url)
    assert answer.status_code == status
    assert says in answer.json()["error"]
    assert "\n" not in answer.json()["error"]


def test_a_fault_shows_an_id_and_no_traceback(
    people: dict[str, TestClient], services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("secret of the house")

    monkeypatch.setattr(type(services.store), "stored_counts", broken)
    for url, headers in (("/api/v1/counts", {}), ("/junctions/C2", HTML)):
        answer = people["viewer"].get(url, headers=headers)
        assert answer.status_code == 500
        assert "secret" not in answer.text
        assert "Traceback" not in answer.text
        assert re.search(r"logged as [0-9a-f]{8}", answer.text)


def test_an_unknown_page_is_a_page(people: dict[str, TestClient]) -> None:
    answer = people["viewer"].get("/nowhere", headers=HTML)
    assert answer.status_code == 404
    assert "<html" in answer.text


def test_live_is_what_was_published(people: dict[str, TestClient], services: Services) -> None:
    body = people["viewer"].get("/api/v1/live").json()
    assert body["junctions"].keys() == services.site.junctions.keys()
    assert set(body["junctions"]["C2"]["states"]) == services.site.junctions["C2"].signal_ids
    assert body["cameras"]["C2-c1"]["kind"] == "pixels"
    assert body["cameras"]["C1-c0"]["kind"] == "projected"


def test_the_stream_sends_snapshots_drawings_and_ends_when_closed(services: Services) -> None:
    async def first() -> list[str]:
        stream = event_stream(
            services,
            alive=lambda: True,
            drawings=lambda: {"strip": "<svg/>"},
            standing=lambda: {"alarms": []},
        )
        seen: list[str] = []
        async for part in stream.body_iterator:
            seen.append(str(part))
            if len(seen) == 3:
                break
        return seen

    kinds = [part.split("\n")[0] for part in asyncio.run(first())]
    assert kinds == ["event: standing", "event: snapshot", "event: drawing"]


def test_the_picture_stream_starts_with_a_whole_picture(services: Services) -> None:
    async def first() -> bytes:
        parts = b""
        async for part in jpeg_stream(services, "C2-c1", alive=lambda: True).body_iterator:
            parts += bytes(part)
            if parts.count(b"--frame") == 2:
                break
        return parts

    held = services.live.frame("C2-c1")
    assert held is not None
    assert held in asyncio.run(first())


def test_a_plans_whole_life(tmp_path: Path, pho_hue: Path) -> None:
    """Proposed, refused to its proposer, approved, applied and rolled back through the API."""
    services = make_services(pho_hue, tmp_path)
    app = create_app(services)
    people = {}
    for name in ("engineer", "manager", "operator"):
        people[name] = TestClient(app, raise_server_exceptions=False)
        answer = people[name].post("/api/v1/session", json={"name": name, "password": PASSWORD})
        people[name].headers["x-csrf-token"] = answer.json()["csrf"]
    record = services.plans.plans()[0]
    base = f"/api/v1/plans/{record.digest}"
    why = {"comment": "less delay, no movement worse"}

    again = people["manager"].post(
        "/api/v1/plans", json={"plan": plan_to_text(record.plan), "comment": "mine too"}
    )
    assert again.status_code == 201
    assert again.json()["digest"] == record.digest
    own = people["manager"].post(f"{base}/approve", json=why)
    assert own.status_code == 409
    assert "another person" in own.json()["error"]
    assert people["operator"].post(f"{base}/apply", json=why).status_code == 409

    services.auth.create_user("manager2", PASSWORD, USERS["manager"])
    second = TestClient(app, raise_server_exceptions=False)
    signed = second.post("/api/v1/session", json={"name": "manager2", "password": PASSWORD})
    second.headers["x-csrf-token"] = signed.json()["csrf"]
    assert second.post(f"{base}/approve", json={"comment": " "}).status_code == 409
    assert second.post(f"{base}/approve", json=why).json()["status"] == "approved"
    applied = people["operator"].post(f"{base}/apply", json={"comment": ""})
    assert applied.json()["read_back_matches"] is True
    assert services.plans.get(record.digest).status is PlanStatus.APPLIED
    assert people["operator"].post(f"{base}/rollback", json=why).status_code == 200
    assert services.plans.get(record.digest).status is PlanStatus.ROLLED_BACK
    actions = [item["action"] for item in people["operator"].get(base).json()["history"]]
    assert actions[-4:] == ["approve", "apply", "read_back", "roll_back"]
    services.store.close()


def test_a_bad_plan_is_one_line(people: dict[str, TestClient]) -> None:
    answer = people["engineer"].post("/api/v1/plans", json={"plan": "cycle: [", "comment": ""})
    assert answer.status_code == 422
    assert "\n" not in answer.json()["error"]


def test_two_officers_decide_a_case_and_every_view_is_logged(
    people: dict[str, TestClient], services: Services
) -> None:
    case = services.cases.cases(services.site.id)[-1]
    base = f"/api/v1/cases/{case.id}"
    before = len(services.cases.views(case.id))
    assert people["officer"].get(base).status_code == 200
    assert people["officer2"].get(f"{base}/evidence/at.jpg").content[:2] == b"\xff\xd8"
    assert people["officer"].get(f"{base}/evidence/..%2Fat.jpg").status_code == 404
    views = services.cases.views(case.id)[before:]
    assert [(by, what) for _, by, what in views] == [("officer", "case"), ("officer2", "at.jpg")]

    assert people["officer"].post(f"{base}/accept", json={}).status_code == 200
    assert people["officer"].post(f"{base}/confirm", json={}).status_code == 409
    assert people["officer2"].post(f"{base}/confirm", json={}).status_code == 200
    other = {"reason": "other", "comment": ""}
    assert people["officer"].post(f"{base}/reject", json=other).status_code == 409
    nonsense = {"reason": "because", "comment": ""}
    assert people["officer"].post(f"{base}/reject", json=nonsense).status_code == 422


def test_counts_come_as_the_file_that_others_read(people: dict[str, TestClient]) -> None:
    text = people["viewer"].get("/api/v1/counts.csv?junction=C2").text
    header, first = text.splitlines()[:2]
    assert header == "junction,movement,vehicle_class,start,end,count,coverage"
    assert first.startswith("C2,C2:")


def test_what_people_type_is_shown_as_text(
    people: dict[str, TestClient], services: Services
) -> None:
    services.plans.propose(services.plans.plans()[0].plan, "engineer", "<script>alert(1)</script>")
    digest = services.plans.plans()[0].digest
    page = people["viewer"].get(f"/plans/{digest}", headers=HTML).text
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert" not in page


def test_the_description_is_valid_json(people: dict[str, TestClient]) -> None:
    assert json.loads(people["viewer"].get("/openapi.json").text)["info"]["title"] == "Xanh"


def test_who_runs_the_system_sees_accounts_and_what_was_done_to_them(
    people: dict[str, TestClient], services: Services
) -> None:
    services.auth.create_user("hoa", "a password of hers", Role.VIEWER, by="root@desk")
    services.auth.disable("hoa", by="root@desk")
    people["admin"].cookies.set("xanh_language", "vi")
    page = people["admin"].get("/health", headers=HTML).text
    for text in ("Lịch sử tài khoản", "<td>hoa</td>", "đã khóa", "root@desk", "người xem"):
        assert text in page, text
    assert "argon2" not in page
    assert "root@desk" not in people["manager"].get("/health", headers=HTML).text
