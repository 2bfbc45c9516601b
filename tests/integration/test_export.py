"""A case leaves the house: only when confirmed, hidden, hashed, and with a name and a purpose."""

from __future__ import annotations

import hashlib
import io
import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pypdfium2
import pytest
from console_street import NOW, PASSWORD, make_services
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from fastapi.testclient import TestClient
from red_light_case import write_case

from traffic.api.app import create_app
from traffic.api.services import Services
from traffic.evidence_package import build_package
from traffic.web.i18n import Words
from traffic.web.names import Names

PURPOSE = "Tòa án Đống Đa, vụ 12/2026"


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory, pho_hue: Path) -> Iterator[Services]:
    made = make_services(pho_hue, tmp_path_factory.mktemp("export"))
    yield made
    made.store.close()


@pytest.fixture(scope="module")
def confirmed(services: Services, tmp_path_factory: pytest.TempPathFactory) -> str:
    violation, folder = write_case(tmp_path_factory.mktemp("cases"))
    case = services.cases.open_case(services.site.id, violation, NOW, folder)
    services.cases.accept(case, "officer", "secret among officers")
    services.cases.confirm(case, "officer2")
    return case


@pytest.fixture(scope="module")
def officer(services: Services) -> TestClient:
    client = TestClient(create_app(services), raise_server_exceptions=False)
    answer = client.post("/api/v1/session", json={"name": "officer", "password": PASSWORD})
    client.headers["x-csrf-token"] = answer.json()["csrf"]
    return client


def unpacked(content: bytes) -> dict[str, bytes]:
    package = zipfile.ZipFile(io.BytesIO(content))
    assert package.testzip() is None
    return {Path(name).name: package.read(name) for name in package.namelist()}


def test_a_confirmed_case_leaves_whole_hashed_and_logged(
    officer: TestClient, services: Services, confirmed: str
) -> None:
    answer = officer.post(f"/api/v1/cases/{confirmed}/export", json={"purpose": PURPOSE})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/zip"
    assert f'filename="case-{confirmed}.zip"' in answer.headers["content-disposition"]
    files = unpacked(answer.content)
    assert {
        "sheet.html",
        "sheet.pdf",
        "case.json",
        "at.jpg",
        "before.jpg",
        "inside.jpg",
        "clip.webm",
    } <= set(files)
    sums = dict(line.split("  ")[::-1] for line in files["SHA256SUMS"].decode().splitlines())
    assert set(sums) == set(files) - {"SHA256SUMS", "SHA256SUMS.sig", "public-key.pem"}
    assert all(hashlib.sha256(files[name]).hexdigest() == digest for name, digest in sums.items())

    public = load_pem_public_key(files["public-key.pem"])
    assert isinstance(public, Ed25519PublicKey)
    public.verify(files["SHA256SUMS.sig"], files["SHA256SUMS"])
    assert services.signing.fingerprint in files["sheet.html"].decode()

    body = json.loads(files["case.json"])
    assert body["exported"]["by"] == "officer"
    assert body["exported"]["purpose"] == PURPOSE
    held = {item.name: item.sha256 for item in services.cases.view(confirmed, "x").summary.evidence}
    assert body["originals_sha256"] == held
    # What was recorded of bystanders, and what officers wrote to each other, stays.
    assert not any(name.endswith("-raw.jpg") for name in files)
    assert "places.json" not in files
    assert b"secret among officers" not in files["case.json"] + files["sheet.html"]

    last = services.cases.view(confirmed, "officer").events[-1]
    assert (last.action, last.by) == ("export", "officer")
    assert PURPOSE in last.comment
    assert hashlib.sha256(answer.content).hexdigest() in last.comment
    assert services.store.verify_chain().ok


@pytest.mark.parametrize(("language", "word"), [("vi", "Vượt đèn đỏ"), ("en", "Red light")])
def test_the_sheet_needs_nothing_but_itself(
    officer: TestClient, confirmed: str, language: str, word: str
) -> None:
    body = {"purpose": "<b>owner</b>", "language": language}
    files = unpacked(officer.post(f"/api/v1/cases/{confirmed}/export", json=body).content)
    page = files["sheet.html"].decode()
    assert word in page
    assert "&lt;b&gt;owner" in page
    assert page.count("data:image/jpeg;base64,") == 4
    assert not re.search(r"(src|href)=[\"'](?!data:)", page)
    assert "<script" not in page


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("vi", ("Vượt đèn đỏ", "điểm c khoản 7 Điều 7 Nghị định 168/2024/NĐ-CP", "Trước vạch")),
        ("en", ("Red light", "Decree 168/2024/ND-CP, Art. 7(7)(c)", "Before the line")),
    ],
)
def test_the_printed_sheet_reads_as_it_should(
    officer: TestClient, services: Services, confirmed: str, language: str, words: tuple[str, ...]
) -> None:
    body = {"purpose": "Đặng Thị Nguyệt, ☂", "language": language}
    files = unpacked(officer.post(f"/api/v1/cases/{confirmed}/export", json=body).content)
    pdf = pypdfium2.PdfDocument(files["sheet.pdf"])
    try:
        pages = [page.get_textpage().get_text_bounded() for page in pdf]
        text = " ".join(" ".join(pages).split())
        assert all(word in text for word in (*words, "Đặng Thị Nguyệt, ?", confirmed))
        assert services.signing.fingerprint in text
        assert f"{len(pages)} / {len(pages)}" in pages[-1]
        assert "secret among officers" not in text
        # Three frames and the vehicle on the first page, the frames again on the last.
        kind = pypdfium2.raw.FPDF_PAGEOBJ_IMAGE
        shown = [len(list(page.get_objects(filter=[kind]))) for page in pdf]
        assert (shown[0], shown[-1], sum(shown)) == (4, 3, 7)
    finally:
        pdf.close()


def test_the_same_export_is_the_same_files(services: Services, confirmed: str) -> None:
    case = services.cases.view(confirmed, "officer")
    held = {
        item.name: services.store.evidence.path(item.sha256).read_bytes()
        for item in case.summary.evidence
    }
    t = Words("vi")
    first, second = (
        unpacked(
            build_package(
                case,
                held,
                NOW,
                by="officer",
                purpose=PURPOSE,
                names=Names(services.site, None, t),
                t=t,
                key=services.signing,
            )
        )
        for _ in range(2)
    )
    # The video library invents a number for the clip's track.
    differ = {name for name in first if first[name] != second[name]}
    assert differ <= {"clip.webm", "SHA256SUMS", "SHA256SUMS.sig"}


def test_what_is_not_confirmed_does_not_leave(officer: TestClient, services: Services) -> None:
    case = services.cases.cases(services.site.id)[0].id
    for step in ("pending review", "accepted"):
        answer = officer.post(f"/api/v1/cases/{case}/export", json={"purpose": PURPOSE})
        assert answer.status_code == 409, step
        assert "cannot be exported" in answer.json()["error"]
        if step == "pending review":
            services.cases.accept(case, "officer")
    # Recorded before bystanders' places were: not even a confirmed one.
    services.cases.confirm(case, "officer2")
    events = len(services.cases.view(case, "officer").events)
    answer = officer.post(f"/api/v1/cases/{case}/export", json={"purpose": PURPOSE})
    assert answer.status_code == 409
    assert len(services.cases.view(case, "officer").events) == events


@pytest.mark.parametrize("purpose", ["", "  ", "ab"])
def test_a_purpose_is_needed(officer: TestClient, confirmed: str, purpose: str) -> None:
    answer = officer.post(f"/api/v1/cases/{confirmed}/export", json={"purpose": purpose})
    assert answer.status_code == 422


def test_changed_evidence_is_not_handed_out(
    officer: TestClient, services: Services, tmp_path: Path
) -> None:
    violation, folder = write_case(tmp_path)
    (folder / "at-raw.jpg").write_bytes(b"another")
    case = services.cases.open_case(services.site.id, violation, NOW.replace(hour=1), folder)
    services.cases.accept(case, "officer")
    services.cases.confirm(case, "officer2")
    held = services.cases.view(case, "officer").summary.evidence
    path = services.store.evidence.path(next(i.sha256 for i in held if i.name == "at-raw.jpg"))
    path.write_bytes(b"tampered")
    answer = officer.post(f"/api/v1/cases/{case}/export", json={"purpose": PURPOSE})
    assert answer.status_code == 404
    assert "changed or removed" in answer.json()["error"]


def test_the_command_exports_for_who_signs_in(
    services: Services, confirmed: str, tmp_path: Path
) -> None:
    out = tmp_path / "case.zip"
    command = [
        str(Path(sys.executable).with_name("xanh")), "case", "export", confirmed,
        "--site", str(services.site.folder), "--data", str(services.settings.data_dir / "store"),
        "--by", "officer2", "--purpose", PURPOSE, "--language", "vi", "--out", str(out),
    ]  # fmt: skip
    wrong = subprocess.run(command, input="no\n", capture_output=True, text=True, check=False)
    assert (wrong.returncode, wrong.stderr) == (1, "xanh: the name or the password is wrong\n")
    assert not out.exists()
    done = subprocess.run(command, input=PASSWORD, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Vượt đèn đỏ" in unpacked(out.read_bytes())["sheet.html"].decode()
    last = services.cases.view(confirmed, "officer").events[-1]
    assert (last.action, last.by) == ("export", "officer2")
