"""Settings: documented, with their defaults, and clear when wrong."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from models.errors import BadInput
from traffic.settings import PREFIX, Settings, load_settings

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "settings.md"
PACKAGES = ("models", "detection", "optimizer", "simulation", "traffic")
ROW = re.compile(r"^\| `(XANH_[A-Z_]+)` \| ([^|]+) \|", re.MULTILINE)


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch):
    for name in Settings.model_fields:
        monkeypatch.delenv(PREFIX + name.upper(), raising=False)


def test_every_setting_is_documented_and_nothing_else():
    documented = {name for name, _ in ROW.findall(DOCUMENT.read_text())}
    own = {PREFIX + name.upper() for name in Settings.model_fields}
    read_elsewhere = {
        name
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        for name in re.findall(r"XANH_[A-Z_]*[A-Z]", path.read_text())
    }
    assert own <= documented
    assert read_elsewhere <= documented
    assert documented <= own | read_elsewhere | {"XANH_TEST_DATA"}


def test_documented_defaults_are_the_defaults():
    for name, shown in ROW.findall(DOCUMENT.read_text()):
        if name.removeprefix(PREFIX).lower() not in Settings.model_fields:
            continue
        default = Settings.model_fields[name.removeprefix(PREFIX).lower()].default
        if shown.startswith("`"):
            text = str(default).lower() if isinstance(default, bool) else str(default)
            assert text.removesuffix(".0") == shown.strip("`"), name
        elif shown == "empty":
            assert default in ("", None), name
        else:
            assert str(default).endswith("traffic/data/law/vn.yaml"), name


def test_a_setting_is_read_from_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("XANH_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("XANH_PORT", "9001")
    settings = load_settings()
    assert settings.port == 9001
    assert settings.store_url == f"sqlite:///{tmp_path}/xanh.db"
    assert settings.evidence_path == tmp_path / "evidence"


@pytest.mark.parametrize(
    ("name", "value"), [("PORT", "0"), ("PORT", "x"), ("LANGUAGE", "fr"), ("SESSION_HOURS", "-1")]
)
def test_a_wrong_setting_is_one_line_with_its_name(monkeypatch, name, value):
    monkeypatch.setenv(PREFIX + name, value)
    with pytest.raises(BadInput, match=f"^XANH_{name}: '{value}'; ") as error:
        load_settings()
    assert "\n" not in str(error.value)
