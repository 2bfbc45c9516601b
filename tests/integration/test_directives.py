"""What operators ask of the adaptive policy, from a file to the street."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from signal_site import build_scenario
from typer.testing import CliRunner

from models.errors import BadInput
from models.site import Site
from optimizer.priority import Escort
from traffic.cli import app
from traffic.commands.common import read_counts, read_current
from traffic.directives import read_directives
from traffic.policies import Setting, policy_candidate, run_named
from traffic.signalbench import find_scenario
from traffic.sites import load_site


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    raw = build_scenario(tmp_path_factory.mktemp("raw") / "two")
    return find_scenario(raw, tmp_path_factory.mktemp("sites")).site


@pytest.fixture(scope="module")
def pho_hue_site(pho_hue: Path) -> Site:
    return load_site(pho_hue)


def read(site: Site, folder: Path, text: str):
    path = folder / "orders.yaml"
    path.write_text(text, encoding="utf-8")
    return read_directives(path, site)


def test_an_escort_moves_on_from_light_to_light(pho_hue_site: Site, tmp_path: Path) -> None:
    text = """
escorts:
  - {route: ["C1:c0>c1", "C2:c1>c2", "C3:c2>c3"], from_s: 900, until_s: 930, speed_kmh: 36}
flushes:
  - {roads: [wb7a], weight: 8}
gates:
  - {movements: ["C1:c0>c1"], inside: [c1, c2_1], most_vehicles: 60}
bus_share: 0.5
"""
    orders = read(pho_hue_site, tmp_path, text)
    first, second, third = orders.directives.escorts
    assert first == Escort("C1", "C1:c0>c1", 900.0, 930.0)
    assert (second.junction, third.junction) == ("C2", "C3")
    assert 900 < second.from_s < third.from_s
    assert third.until_s - third.from_s == pytest.approx(30, abs=0.2)
    (flush,) = orders.directives.flushes
    assert flush.weight == 8
    assert all(lane.startswith("wb7a_") for lane in flush.lanes)
    (gate,) = orders.directives.gates
    assert "c2_1" in gate.inside
    assert "c2_2" not in gate.inside
    assert {"c1_1", "c1_2"} <= gate.inside
    assert orders.options.bus_share == 0.5


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("escort: []", 1, "unknown key .did you mean escorts?"),
        ("escorts:\n  - {route: ['C1:c0>c9'], from_s: 0, until_s: 9}", 2, "did you mean C1:c0>c1"),
        ("escorts:\n  - {route: ['C1:c0>c1', 'C3:c2>c3'], from_s: 0, until_s: 9}", 2, "begins on"),
        ("escorts:\n  - {route: ['C1:c0>c1'], from_s: 9, until_s: 9}", 2, "above 9"),
        ("flushes:\n  - {roads: [nowhere]}", 2, "'nowhere'; valid is"),
        ("flushes:\n  - {roads: []}", 2, "at least 1"),
        ("gates:\n  - {movements: ['C1:c0>c1'], inside: [c1]}", 2, "most_vehicles"),
        ("bus_share: 2", 1, "from 0 to 1"),
        ("coordination: always", 1, "a number"),
    ],
)
def test_a_wrong_file_is_one_line(
    pho_hue_site: Site, tmp_path: Path, text: str, line: int, says: str
) -> None:
    with pytest.raises(BadInput, match=rf"orders.yaml:{line}.*{says}") as caught:
        read(pho_hue_site, tmp_path, text)
    assert "\n" not in str(caught.value)


def green_share(samples: Path, link: int, begin_s: float, end_s: float) -> float:
    """Share of the seconds in which a link of A was green."""
    table = pq.read_table(samples)
    rows = table.filter(
        pc.and_(
            pc.equal(table["junction"].cast("string"), "A"),
            pc.and_(pc.greater_equal(table["time_s"], begin_s), pc.less(table["time_s"], end_s)),
        )
    )
    shown = rows["state"].to_pylist()
    return sum(state[link] in "Gg" for state in shown) / len(shown)


def test_an_escort_is_green_while_it_is_due(site: Site, tmp_path: Path) -> None:
    side = next(m for m in site.junctions["A"].movements if m.id == "A:sa>an")
    (tmp_path / "escort.yaml").write_text(
        "escorts:\n  - {route: ['A:sa>an'], from_s: 180, until_s: 220}\n"
    )
    shares = {}
    for name in ("plain", "escort"):
        line = ["simulate", "--site", str(site.folder), "--policy", "adaptive", "--samples"]
        line += ["--clearance", "yellow=3,allred=0", "--min-green", "5"]
        line += ["--out", str(tmp_path / name)]
        if name == "escort":
            line += ["--directives", str(tmp_path / "escort.yaml")]
        done = CliRunner().invoke(app, line)
        assert done.exit_code == 0, done.output
        samples = tmp_path / name / "samples.parquet"
        shares[name] = green_share(samples, side.links[0], 183, 220)
    assert shares["escort"] == 1.0
    assert shares["plain"] < 0.7


def test_only_the_adaptive_policy_takes_them(site: Site, tmp_path: Path) -> None:
    path = tmp_path / "orders.yaml"
    path.write_text("bus_share: 1\n")
    line = ["simulate", "--site", str(site.folder), "--out", str(tmp_path), "--directives"]
    for policy in (["--policy", "greedy"], []):
        done = CliRunner().invoke(app, [*line, str(path), *policy])
        assert isinstance(done.exception, BadInput)
        assert "--directives" in str(done.exception)
    assert not (tmp_path / "kpi.json").exists()


def test_orders_are_part_of_what_is_validated(site: Site, tmp_path: Path) -> None:
    """A policy under orders is another candidate, and runs in pairs like one."""
    plan = read_current(site)
    (tmp_path / "escort.yaml").write_text(
        "escorts:\n  - {route: ['A:sa>an'], from_s: 180, until_s: 220}\n"
    )
    orders = read_directives(tmp_path / "escort.yaml", site)
    asked = policy_candidate("adaptive", plan, Setting(), orders)
    assert asked.make().directives == orders.directives  # type: ignore[attr-defined]
    again = read_directives(tmp_path / "escort.yaml", site)
    assert asked.digest == policy_candidate("adaptive", plan, Setting(), again).digest
    assert asked.digest != policy_candidate("adaptive", plan, Setting()).digest
    line = ["validate", "--site", str(site.folder), "--out", str(tmp_path / "report")]
    line += ["--directives", str(tmp_path / "escort.yaml"), "--pairs", "2", "--no-playback"]
    done = CliRunner().invoke(app, [*line, "--policy", "greedy"])
    assert isinstance(done.exception, BadInput)
    assert "--directives" in str(done.exception)
    done = CliRunner().invoke(app, [*line, "--policy", "adaptive", "--workers", "1"])
    assert done.exit_code == 0, done.output
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert (report["policy"], report["plan_digest"]) == ("adaptive", asked.digest)


def test_the_example_of_the_documentation_runs(pho_hue_site: Site) -> None:
    example = Path(__file__).parents[2] / "docs" / "examples" / "directives" / "pho-hue.yaml"
    orders = read_directives(example, pho_hue_site)
    assert [step.junction for step in orders.directives.escorts] == ["C1", "C2", "C3", "C4"]
    short = replace(
        pho_hue_site,
        simulation=replace(pho_hue_site.simulation, begin_s=0, warm_up_s=20, end_s=80),
    )
    rows = read_counts(short, None)
    body = run_named(short, read_current(short), "adaptive", rows, 1, Setting(), orders=orders)
    assert body["fault"] == ""
    assert body["silent_s"] == 0
