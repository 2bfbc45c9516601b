"""Whom a vehicle hides by standing before them."""

from __future__ import annotations

from pathlib import Path

import pytest

from detection.ahead import hidden_ahead
from detection.plane import GroundPlane
from models.site import Site
from traffic.sites import load_site


@pytest.fixture(scope="module")
def site(pho_hue: Path) -> Site:
    return load_site(pho_hue)


@pytest.mark.parametrize(
    ("name", "past_m", "low", "high"),
    [
        ("truck", 75.0, 0.9, 1.0),
        ("bus", 25.0, 0.9, 1.0),
        ("car", 40.0, 0.4, 0.75),
        ("motorcycle", 40.0, 0.05, 0.4),
    ],
)
def test_far_and_tall_ones_hide_the_next_in_a_queue(
    site: Site, name: str, past_m: float, low: float, high: float
) -> None:
    view = site.camera("C7-c6").view
    (ax, ay), (bx, by) = view.stop_line
    ix, iy = view.inward
    place = ((ax + bx) / 2 + past_m * ix, (ay + by) / 2 + past_m * iy)
    assert low <= hidden_ahead(GroundPlane(view), place, name, view.inward) <= high
