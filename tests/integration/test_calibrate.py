"""`xanh calibrate` and what `xanh site check` says of counts, as an engineer meets them."""

from __future__ import annotations

import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from models.counts import CountRow, counts_from_csv, counts_to_csv
from simulation.build import sumo_tool
from simulation.calibration import calibrate
from simulation.calibration_page import TEXTS, calibration_html
from simulation.discharge import simulated_discharge
from simulation.driving import Driving, DrivingFit
from simulation.imports import import_site
from traffic.planfiles import read_plan, write_plan
from traffic.sites import Level, check_site, load_site

START = datetime(2026, 3, 3, 7, tzinfo=UTC)
QUARTER = timedelta(minutes=15)


@pytest.fixture(scope="module")
def two_signals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site of two signals on one street with a side street at each."""
    folder = tmp_path_factory.mktemp("two")
    nodes = {"W": (0, 0), "J": (300, 0), "K": (600, 0), "E": (900, 0), "S": (300, -300)}
    (folder / "n.nod.xml").write_text(
        "<nodes>"
        + "".join(
            f'<node id="{n}" x="{x}" y="{y}"'
            f"{' type=' + chr(34) + 'traffic_light' + chr(34) if n in 'JK' else ''}/>"
            for n, (x, y) in {**nodes, "T": (600, -300)}.items()
        )
        + "</nodes>"
    )
    ends = ("WJ", "JK", "KE", "SJ", "TK")
    (folder / "n.edg.xml").write_text(
        "<edges>"
        + "".join(f'<edge id="{a}{b}" from="{a}" to="{b}" numLanes="2"/>' for a, b in ends)
        + "</edges>"
    )
    tool, environment = sumo_tool("netconvert")
    subprocess.run(
        [str(tool), "-n", "n.nod.xml", "-e", "n.edg.xml", "-o", "two.net.xml"],
        cwd=folder,
        env=environment,
        check=True,
        capture_output=True,
    )
    site = folder / "site"
    import_site(folder / "two.net.xml", out=site, write_plan=write_plan)
    return site


def rows(counts: dict[str, int], quarters: int = 2) -> list[CountRow]:
    return [
        CountRow(m[0], m, "car", START + i * QUARTER, START + (i + 1) * QUARTER, n)
        for i in range(quarters)
        for m, n in counts.items()
    ]


AGREE = {"J:WJ>JK": 110, "J:SJ>JK": 40, "K:JK>KE": 150, "K:TK>KE": 30}
CLASH = {**AGREE, "K:JK>KE": 60}


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "traffic.cli", *arguments]
    return subprocess.run(line, capture_output=True, text=True, check=False)


def test_what_was_counted_passes_in_simulation(two_signals: Path, tmp_path: Path) -> None:
    counts = tmp_path / "counts.csv"
    counts.write_text(counts_to_csv(rows(AGREE)))
    out = tmp_path / "R"
    done = command(
        "calibrate", "--site", str(two_signals), "--counts", str(counts), "--out", str(out)
    )
    assert done.returncode == 0, done.stderr
    assert "GEH below 5 in 100.0 % of 8 movements and intervals" in done.stdout
    found = json.loads((out / "calibration.json").read_text())
    assert found["passes"]
    assert found["geh_share_below_5"] == 1.0
    assert found["not_reproducible"] == []
    assert {m["movement"]: m["fitted"] for m in found["movements"]} == AGREE
    for movement in found["movements"]:
        assert movement["simulated"] == pytest.approx(movement["counted"], abs=12)
    page = (out / "calibration.html").read_text()
    assert "prefers-color-scheme: dark" in page
    kinds = {e.tag for e in ET.parse(out / "demand.rou.xml").getroot()}
    assert kinds == {"vType", "vehicle"}


def test_counts_that_no_flow_reproduces_are_named_and_reported(
    two_signals: Path, tmp_path: Path
) -> None:
    site = load_site(two_signals)
    plan = read_plan(site.current_plan_path)
    driven = simulated_discharge(
        [ET.fromstring('<vType id="c"/>')],
        {"c": 1.0},
    )
    fit = DrivingFit(Driving(tau=1.2), driven, driven, driven, 0.2, 0.1)
    found = calibrate(site, rows(CLASH), plan, tmp_path / "d.rou.xml", driving=fit)
    assert {m.movement for m in found.demand.misfits} <= {"J:WJ>JK", "J:SJ>JK", "K:JK>KE"}
    assert {"K:JK>KE"} <= {m.movement for m in found.demand.misfits}
    assert not found.passes
    for language in ("en", "vi"):
        page = calibration_html(found, site, language=language)
        texts = TEXTS[language]
        for key in ("misfits", "links", "discharge", "fails"):
            assert texts[key] in page
    assert TEXTS["en"].keys() == TEXTS["vi"].keys()


@pytest.mark.parametrize(("counts", "clash"), [(AGREE, False), (CLASH, True)])
def test_the_check_of_a_site_names_streets_that_lose_vehicles(
    counts: dict[str, int], clash: bool, two_signals: Path
) -> None:
    path = two_signals / "counts.csv"
    path.write_text(counts_to_csv(rows(counts)))
    notes = [f.message for f in check_site(two_signals) if f.level is Level.NOTE]
    path.unlink()
    street = [n for n in notes if "street JK: 300 vehicles were counted into it and 120" in n]
    misfits = [n for n in notes if "no flow reproduces K:JK>KE at 07:00: counted 60" in n]
    assert bool(street) is bool(misfits) is clash


def lines_of(done: subprocess.CompletedProcess[str]) -> Sequence[str]:
    assert (done.returncode, done.stdout) == (2, "")
    return done.stderr.splitlines()


def test_what_cannot_be_calibrated_is_one_line(two_signals: Path, tmp_path: Path) -> None:
    counts = tmp_path / "counts.csv"
    counts.write_text(counts_to_csv(rows(AGREE)).replace("K:TK>KE", "K:TK>XX"))
    start = ("calibrate", "--site", str(two_signals), "--out", str(tmp_path / "R"))
    (line,) = lines_of(command(*start, "--counts", str(counts)))
    assert "movement: 'K:TK>XX'; valid is" in line
    (line,) = lines_of(command(*start, "--counts", str(counts), "--crossings", "x.csv"))
    assert line == "xanh: --crossings, --signals: give both or none"
    assert not (tmp_path / "R").exists()


def test_the_example_sites_counts_agree(pho_hue: Path) -> None:
    site = load_site(pho_hue)
    assert counts_from_csv(site.counts_path.read_text(), "counts.csv")
    assert not [f for f in check_site(pho_hue) if "no side street" in f.message]
