"""The house stays as it was drawn: import layers, public docstrings, file sizes, own words."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("models", "detection", "optimizer", "simulation", "traffic")
SOURCES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))


def test_import_contracts_hold() -> None:
    """import-linter's layers: traffic -> detection | optimizer | simulation -> models."""
    done = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports"))],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_file_has_outgrown_its_room(path: Path) -> None:
    """A file above 600 lines is a sign that a room is wrong."""
    assert len(path.read_text().splitlines()) <= 600


def test_no_absolute_paths_of_a_machine_in_the_repository() -> None:
    """The project works anywhere: nothing names a home or a build folder."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\0")
    offenders = []
    for name in listed:
        path = ROOT / name
        if path.suffix not in {".py", ".md", ".yaml", ".toml", ".sh"} or not path.is_file():
            continue
        if re.search(r"(?<![\w.])/(home|root|work)/\w", path.read_text(errors="ignore")):
            offenders.append(name)
    assert offenders == [] or offenders == ["tests/architecture/test_house.py"]
