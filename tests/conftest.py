"""Fixtures that several rooms share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def test_data() -> Path:
    """Folder of test data outside the repository, or a skip that says so."""
    folder = os.environ.get("XANH_TEST_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("XANH_TEST_DATA is not set: real footage and scenarios are not here")
    return Path(folder)


@pytest.fixture(scope="session")
def pho_hue() -> Path:
    """The example site's folder."""
    return ROOT / "sites" / "pho-hue"
