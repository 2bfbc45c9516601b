"""A network and its demand become a whole site folder."""

from __future__ import annotations

import gzip
import xml.etree.ElementTree as ET
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from models.counts import counts_from_csv
from models.errors import BadInput
from simulation.imports import MIDNIGHT, ImportSummary, import_site
from simulation.netfile import read_net
from simulation.tripfile import read_demand
from traffic.planfiles import read_plan, write_plan
from traffic.sites import check_site, load_site

SCENARIOS = {
    "cologne1": (25200, 28800, 1),
    "cologne3": (25200, 28800, 3),
    "ingolstadt1": (57600, 61200, 1),
    "grid4x4": (0, 3600, 16),
    "arterial4x4": (0, 3600, 16),
}
NOW = datetime(2026, 3, 2, tzinfo=UTC)


def imported(net: Path, routes: Path, out: Path, begin_s: float, end_s: float) -> ImportSummary:
    return import_site(
        net, [routes], begin_s=begin_s, end_s=end_s, out=out, write_plan=write_plan, now=NOW
    )


def demand(folder: Path, body: str, name: str = "r.rou.xml") -> Path:
    path = folder / name
    types = '<vType id="m" vClass="motorcycle"/><vType id="b" vClass="bus"/>'
    path.write_text(f"<routes>{types}{body}</routes>")
    return path


def vehicle(number: int, depart: float, edges: str = "c0 c1 c2", kind: str = "m") -> str:
    return (
        f'<vehicle id="v{number}" type="{kind}" depart="{depart}">'
        f'<route edges="{edges}"/></vehicle>'
    )


def counted(out: Path) -> Counter[tuple[str, str, float]]:
    rows = counts_from_csv((out / "counts.csv").read_text(), "counts.csv")
    return Counter(
        {
            (r.movement, r.vehicle_class, (r.start - MIDNIGHT).total_seconds()): r.count
            for r in rows
            if r.count
        }
    )


def test_the_folder_is_a_site(pho_hue: Path, tmp_path: Path) -> None:
    routes = demand(tmp_path, vehicle(1, 100))
    out = tmp_path / "site"
    summary = imported(pho_hue / "network.net.xml", routes, out, 0, 1800)
    assert (summary.junctions, summary.trips, summary.counted) == (8, 1, 2)
    assert sorted(str(p.relative_to(out)) for p in out.rglob("*") if p.is_file()) == [
        "counts.csv",
        "demand/routes.rou.xml",
        "network.net.xml",
        "plans/current.yaml",
        "site.yaml",
    ]
    site = load_site(out)
    assert set(site.junctions) == {f"C{i}" for i in range(1, 9)}
    assert (site.simulation.begin_s, site.simulation.end_s) == (0, 1800)
    assert site.simulation.warm_up_s == 0
    assert (site.folder / site.simulation.routes).read_bytes() == routes.read_bytes()
    plan = read_plan(site.current_plan_path)
    assert all(item.as_found for item in plan.junctions)


def test_counts_are_the_planned_passages_by_class_and_interval(
    pho_hue: Path, tmp_path: Path
) -> None:
    # Without hindrance the line of C1 is some 25 s from the entry, that of C2 some 40 s.
    body = (
        vehicle(1, 100)
        + vehicle(2, 970)
        + vehicle(3, 940, kind="b")
        + vehicle(4, 1799)  # reaches no line before the end
        + vehicle(5, 1800)  # departs at the end
        + vehicle(6, 99)  # departs before the begin
    )
    out = tmp_path / "site"
    imported(pho_hue / "network.net.xml", demand(tmp_path, body), out, 100, 1800)
    assert counted(out) == {
        ("C1:c0>c1", "motorcycle", 100): 2,
        ("C2:c1>c2", "motorcycle", 100): 1,
        ("C2:c1>c2", "motorcycle", 1000): 1,
        ("C1:c0>c1", "bus", 100): 1,
        ("C2:c1>c2", "bus", 100): 1,
    }


def test_trips_flows_and_named_routes_are_followed(pho_hue: Path, tmp_path: Path) -> None:
    body = (
        '<route id="r" edges="eb1a eb1b"/>'
        '<vehicle id="a" type="m" depart="0:05:00" route="r"/>'
        '<trip id="b" type="m" depart="5" from="c0" to="eb3b"/>'
        '<trip id="c" type="m" depart="5" from="c0" to="c5" via="c2"/>'
        '<flow id="d" type="b" begin="0" end="600" number="6" from="wb5a" to="c8"/>'
        '<flow id="e" type="b" begin="0" end="600" vehsPerHour="60" route="r"/>'
        '<trip id="f" type="m" depart="5" from="c3" to="c0"/>'
        '<trip id="g" type="m" depart="triggered" from="c0" to="c1"/>'
    )
    network = pho_hue / "network.net.xml"
    read = read_demand([demand(tmp_path, body)], network, read_net(network))
    found = Counter((trip.vehicle_class, trip.edges) for trip in read.trips)
    assert found == {
        ("motorcycle", ("eb1a", "eb1b")): 1,
        ("motorcycle", ("c0", "c1", "c2", "eb3b")): 1,
        ("motorcycle", tuple(f"c{i}" for i in range(6))): 1,
        ("bus", ("wb5a", "c5", "c6", "c7", "c8")): 6,
        ("bus", ("eb1a", "eb1b")): 10,
    }
    assert read.left_out == {"f": "No connection between edge 'c3' and edge 'c0' found"}


def test_ways_keep_to_what_a_class_may_use(pho_hue: Path, tmp_path: Path) -> None:
    # Only the kerb strip leads back south, and only two wheels may use it.
    body = (
        '<trip id="a" type="m" depart="5" from="eb2a" to="eb1b"/>'
        '<trip id="b" type="b" depart="5" from="eb2a" to="eb1b"/>'
    )
    network = pho_hue / "network.net.xml"
    read = read_demand([demand(tmp_path, body)], network, read_net(network))
    assert [(trip.id, trip.edges) for trip in read.trips] == [("a", ("eb2a", "z1", "eb1b"))]
    assert set(read.left_out) == {"b"}


def test_travellers_that_sumo_breaks_off_on_are_left_out_and_named(
    pho_hue: Path, tmp_path: Path
) -> None:
    body = (
        '<route id="r" edges="c0 nowhere"/>'
        + vehicle(1, 100)
        + '<vehicle id="a" type="m" depart="100" route="r"/>'
        '<vehicle id="b" type="bike" depart="100"><route edges="c0 c1"/></vehicle>'
        '<vehicle id="c" type="m" depart="100"><route edges="c0 c4"/></vehicle>'
        '<trip id="d" type="m" depart="100" from="c0" to="c1" via="gone"/>'
        '<flow id="e" type="b" begin="0" end="60" number="2" from="c3" to="c0"/>' + vehicle(1, 120)
    )
    out = tmp_path / "site"
    summary = imported(pho_hue / "network.net.xml", demand(tmp_path, body), out, 0, 1800)
    assert summary.trips == 1
    for line in (
        "route r: edge nowhere is not there",
        "a: route r is not there",
        "b: type bike is not there",
        "d: edge gone is not there",
        "v1: another one has this id",
        "c: Edge 'c0' not connected to edge 'c4' for vehicle 'c'",
        "e: No connection between edge 'c3' and edge 'c0' found",
    ):
        assert f"left out of the demand: {line}" in summary.notes
        assert line in (out / "site.yaml").read_text()
    kept = [e.get("id") for e in ET.parse(out / "demand" / "routes.rou.xml").getroot()]
    assert kept == ["m", "b", "v1"]
    notes = [str(finding) for finding in check_site(out)]
    assert any("b: type bike is not there" in note for note in notes)


def test_several_files_become_one_in_the_order_of_departure(pho_hue: Path, tmp_path: Path) -> None:
    first = demand(tmp_path, vehicle(1, 100) + vehicle(2, 300), "a.rou.xml")
    other = tmp_path / "b.rou.xml"
    other.write_text(f"<routes>{vehicle(3, 200)}</routes>")
    extra = tmp_path / "c.add.xml"
    extra.write_text(
        '<additional><taz id="south" edges="c0"/><taz id="north" edges="c2"/>'
        '<vType id="lorry" vClass="truck"/><inductionLoop id="e" lane="c1_0" pos="1" file="o"/>'
        '<flow id="f" type="lorry" begin="250" end="260" number="1" fromTaz="south" '
        'toTaz="north"/></additional>'
    )
    out = tmp_path / "site"
    summary = import_site(
        pho_hue / "network.net.xml",
        [first, other],
        additional=[extra],
        begin_s=0,
        end_s=900,
        out=out,
        write_plan=write_plan,
        now=NOW,
    )
    assert summary.trips == 4
    assert summary.notes == ("left out: 1 inductionLoop of the additional files",)
    kept = [e.get("id") for e in ET.parse(out / "demand" / "routes.rou.xml").getroot()]
    assert kept == ["m", "b", "v1", "v3", "f", "v2"]
    site = load_site(out)
    assert site.simulation.vehicle_types == "demand/additional.add.xml"
    assert counted(out)["C1:c0>c1", "truck", 0] == 1


def test_what_sumo_passes_over_is_said(pho_hue: Path, tmp_path: Path) -> None:
    routes = demand(tmp_path, vehicle(1, 500) + vehicle(2, 100))
    summary = imported(pho_hue / "network.net.xml", routes, tmp_path / "site", 0, 1800)
    assert summary.notes == (
        "1 travellers stand behind later ones in the routes: SUMO passes over them",
    )


def test_gzipped_files_are_taken(pho_hue: Path, tmp_path: Path) -> None:
    net = tmp_path / "n.net.xml.gz"
    net.write_bytes(gzip.compress((pho_hue / "network.net.xml").read_bytes()))
    plain = demand(tmp_path, vehicle(1, 100))
    routes = tmp_path / "r.rou.xml.gz"
    routes.write_bytes(gzip.compress(plain.read_bytes()))
    out = tmp_path / "site"
    assert imported(net, routes, out, 0, 1800).counted == 2
    assert ET.parse(out / "network.net.xml").getroot().tag == "net"
    assert (out / "demand" / "routes.rou.xml").read_bytes() == plain.read_bytes()


@pytest.mark.parametrize(
    ("begin_s", "end_s", "line"),
    [(600, 600, "valid is begin below end"), (5000, 6000, "no vehicle from 5000 to 6000 s")],
)
def test_times_without_traffic_are_refused(
    pho_hue: Path, tmp_path: Path, begin_s: float, end_s: float, line: str
) -> None:
    with pytest.raises(BadInput, match=line):
        imported(
            pho_hue / "network.net.xml",
            demand(tmp_path, vehicle(1, 100)),
            tmp_path / "site",
            begin_s,
            end_s,
        )
    assert not (tmp_path / "site").exists()


@pytest.mark.parametrize("name", SCENARIOS)
def test_public_scenarios_import_unattended(test_data: Path, tmp_path: Path, name: str) -> None:
    begin_s, end_s, junctions = SCENARIOS[name]
    folder = test_data / "scenarios" / name
    (routes,) = folder.glob("*.rou.xml")
    summary = imported(folder / f"{name}.net.xml", routes, tmp_path / "s", begin_s, end_s)
    assert summary.junctions == junctions
    assert summary.counted > 1000
    assert summary.notes == ()
    site = load_site(tmp_path / "s")
    counts = counts_from_csv(site.counts_path.read_text(), "counts.csv")
    assert {row.movement for row in counts} == {
        m.id for j in site.junctions.values() for m in j.movements
    }
    assert {(row.start - MIDNIGHT).total_seconds() for row in counts} == {
        begin_s + 900.0 * i for i in range(4)
    }
