"""The network of the example site is what its descriptions give."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from models.errors import BadInput, XanhError
from simulation.build import build_network


@pytest.fixture
def copy(pho_hue: Path, tmp_path: Path) -> Path:
    shutil.copytree(pho_hue / "network", tmp_path / "site" / "network")
    return tmp_path / "site"


def test_the_committed_network_is_what_netconvert_builds(pho_hue: Path, copy: Path) -> None:
    built = build_network(copy)
    assert built == copy / "network.net.xml"
    assert built.read_bytes() == (pho_hue / "network.net.xml").read_bytes()
    assert sorted(p.name for p in copy.iterdir()) == ["network", "network.net.xml"]


def test_a_mistake_in_a_description_is_one_line_and_keeps_the_old_network(copy: Path) -> None:
    (copy / "network.net.xml").write_text("old")
    edges = copy / "network" / "pho-hue.edg.xml"
    edges.write_text(edges.read_text().replace('to="C2"', 'to="nowhere"', 1))
    with pytest.raises(XanhError, match=r"netconvert refuses .*nowhere") as caught:
        build_network(copy)
    assert "\n" not in str(caught.value)
    assert (copy / "network.net.xml").read_text() == "old"


def test_a_site_without_descriptions_says_so(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"0 \*\.netccfg files; valid is exactly one"):
        build_network(tmp_path)
