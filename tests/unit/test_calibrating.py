from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from detection.calibration import PointPair
from models.errors import BadInput
from traffic.calibrating import judge, read_pairs, report, save_calibration
from traffic.sites import load_site

EXAMPLE = Path(__file__).resolve().parents[2] / "docs" / "examples" / "hanoi-giang-vo"
CAMERA = "giang-vo-south"
SIZE = (640, 480)


def pair(x_px: float, y_px: float, shift_m: float = 0.0) -> PointPair:
    """As a level camera 6 m up sees it, horizon at row 51, focal length 522 px."""
    depth = 6.6 * 522 / (y_px - 51)
    return PointPair((x_px, y_px), ((x_px - 320) * depth / 522 + shift_m, depth))


GOOD = tuple(pair(*px) for px in ((40, 337), (515, 365), (180, 470), (620, 470), (60, 230)))


@pytest.fixture
def site(tmp_path: Path) -> Path:
    return Path(shutil.copytree(EXAMPLE, tmp_path / "site"))


def test_a_good_fit_has_no_warning_and_a_horizon():
    found = judge(GOOD, SIZE)
    assert found.calibration.worst_m < 0.01
    assert found.suspect is None
    assert found.warnings == ()
    assert found.horizon_px == pytest.approx(51.0, abs=0.5)
    assert "reprojection error 0.00 m rms" in report(GOOD, found)[-1]


def test_one_bad_pair_is_found():
    bad = (*GOOD[:2], pair(180, 470, shift_m=1.5), *GOOD[3:], pair(560, 230), pair(330, 150))
    found = judge(bad, SIZE)
    assert found.warnings == ("error",)
    assert found.suspect == 2
    assert "the others agree without it" in report(bad, found)[3]


def test_four_pairs_and_a_small_part_of_the_picture_are_told():
    assert judge(GOOD[:4], SIZE).warnings == ("four",)
    near = tuple(
        pair(x, y) for x, y in ((300, 400), (340, 402), (305, 440), (350, 438), (320, 420))
    )
    assert judge(near, SIZE).warnings == ("part",)


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        (GOOD[:3], "3 pairs; valid is 4 or more"),
        ([pair(60 + 100 * i, 250 + 40 * i) for i in range(5)], "lie on one line"),
        ((*GOOD[:4], GOOD[0]), "same pixel as pair 1"),
        ((*GOOD, pair(700, 300)), "pair 6: 700, 300 lies outside the picture of 640x480"),
        (
            # The corners of a square, two of them swapped.
            [
                PointPair(px, m)
                for px, m in zip(
                    ((100, 200), (500, 200), (500, 400), (100, 400)),
                    ((0, 0), (9, 0), (0, 9), (9, 9)),
                    strict=True,
                )
            ],
            "contradict each other",
        ),
    ],
)  # fmt: skip
def test_pairs_that_cannot_be_used_are_one_line(pairs, message):
    with pytest.raises(BadInput, match=re.escape(message)):
        judge(pairs, SIZE)


def test_a_new_version_keeps_the_rest_of_the_file(site):
    before = (site / "site.yaml").read_text().splitlines()
    picture = np.full((480, 640, 3), 90, np.uint8)
    assert save_calibration(site, CAMERA, GOOD, by="lan", picture=picture) == "2"
    after = (site / "site.yaml").read_text().splitlines()
    kept = [line for line in before if "{px:" not in line and "version" not in line]
    assert [line for line in after if line in kept] == kept
    camera = load_site(site).camera(CAMERA)
    assert camera.view.calibration_version == "2"
    assert camera.options["reference"] == site / "calibrations" / f"{CAMERA}-2.jpg"
    record = json.loads((site / "calibrations" / f"{CAMERA}-2.json").read_text())
    assert (record["by"], len(record["points"])) == ("lan", 5)
    # A version number is never used twice, whatever the file says.
    assert save_calibration(site, CAMERA, GOOD, by="lan", picture=None) == "3"
    text = (site / "site.yaml").read_text()
    (site / "site.yaml").write_text(text.replace('version: "3"', 'version: "1"'))
    assert save_calibration(site, CAMERA, GOOD, by="lan", picture=None) == "4"
    assert "reference" not in load_site(site).camera(CAMERA).options
    assert [path.name for path in site.iterdir() if path.name.startswith(".")] == []


def test_a_camera_without_a_calibration_gets_one(site):
    text = (site / "site.yaml").read_text()
    start, end = text.index("    calibration:"), text.index("    stop_line:")
    (site / "site.yaml").write_text(text[:start] + text[end:])
    assert not load_site(site).camera(CAMERA).view.metric
    assert save_calibration(site, CAMERA, GOOD, by="lan", picture=None) == "1"
    view = load_site(site).camera(CAMERA).view
    assert (view.metric, view.calibration_version) == (True, "1")


def test_a_calibration_that_the_site_cannot_live_with_changes_nothing(site, pho_hue):
    before = (site / "site.yaml").read_bytes()
    # Seen from lower down, the horizon comes below marks that the site already has.
    low = tuple(
        PointPair((x, y), ((x - 320) * 300 / (y - 150), 300.0 * 522 / (y - 150) / 100))
        for x, y in ((40, 337), (515, 365), (180, 470), (620, 470), (60, 230))
    )
    with pytest.raises(BadInput, match=r"site\.yaml:\d+: .*above the horizon"):
        save_calibration(site, CAMERA, low, by="lan", picture=None)
    assert (site / "site.yaml").read_bytes() == before
    with pytest.raises(BadInput, match="no such camera; valid is giang-vo-south"):
        save_calibration(site, "other", GOOD, by="lan", picture=None)
    with pytest.raises(BadInput, match="nothing to calibrate"):
        save_calibration(pho_hue, "C2-c1", GOOD, by="lan", picture=None)


def test_pairs_from_a_file(tmp_path):
    path = tmp_path / "pairs.csv"
    path.write_text("x_px,y_px,x_m,y_m\n40,337,-6.85,11.15\n")
    assert read_pairs(path) == (PointPair((40, 337), (-6.85, 11.15)),)
    path.write_text("x_px,y_px,x_m\n40,337,1\n")
    with pytest.raises(BadInput, match=r"pairs\.csv:1: y_m: column is missing"):
        read_pairs(path)
    path.write_text("x_px,y_px,x_m,y_m\n40,337,east,2\n")
    with pytest.raises(BadInput, match=r"pairs\.csv:2: x_m: 'east'; valid is a number"):
        read_pairs(path)
    with pytest.raises(BadInput, match="cannot be read"):
        read_pairs(tmp_path / "none.csv")


def test_marks_that_the_camera_does_not_see_are_one_line(site):
    text = (site / "site.yaml").read_text()
    zone = "zone: [[185, 290], [600, 290], [640, 400], [640, 480], [180, 480]]"
    assert zone in text
    (site / "site.yaml").write_text(
        text.replace(zone, "zone: [[700, 490], [900, 490], [800, 600]]")
    )
    with pytest.raises(BadInput, match="zone: lies outside the picture of 640x480"):
        load_site(site)
