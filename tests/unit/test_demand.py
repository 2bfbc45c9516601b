"""Counts become departures that turn as counted."""

from __future__ import annotations

import itertools
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from models.counts import CountRow, counts_from_csv, counts_to_csv, movement_flows_vph
from models.errors import BadInput
from models.site import SimulationOptions, Site
from simulation.demand import counted_class, write_demand
from simulation.network import read_junctions

START = datetime(2026, 3, 3, tzinfo=UTC)


@pytest.fixture(scope="module")
def site(pho_hue: Path) -> Site:
    net = pho_hue / "network.net.xml"
    return Site(
        id="pho-hue",
        name="x",
        folder=pho_hue,
        junctions=read_junctions(net),
        network=net,
        simulation=SimulationOptions(vehicle_types="demand/vehicle-types.add.xml"),
    )


@pytest.fixture(scope="module")
def rows(pho_hue: Path) -> tuple[CountRow, ...]:
    path = pho_hue / "counts.csv"
    return counts_from_csv(path.read_text(), str(path))


def row(movement: str, count: int, vehicle_class: str = "car", coverage: float = 1.0) -> CountRow:
    junction = movement.partition(":")[0]
    end = START + timedelta(hours=1)
    return CountRow(junction, movement, vehicle_class, START, end, count, coverage)


def routes(path: Path) -> list[tuple[str, tuple[str, ...]]]:
    return [
        (v.attrib["type"], tuple(v.find("route").attrib["edges"].split()))  # type: ignore[union-attr]
        for v in ET.parse(path).getroot().iter("vehicle")
    ]


def turned(site: Site, path: Path) -> Counter[str]:
    """Vehicles routed through each movement."""
    known = {(m.from_edge, m.to_edge): m.id for j in site.junctions.values() for m in j.movements}
    found: Counter[str] = Counter()
    for _, edges in routes(path):
        found.update(known[p] for p in itertools.pairwise(edges) if p in known)
    return found


def test_routed_vehicles_are_the_counted_vehicles(
    site: Site, rows: Sequence[CountRow], tmp_path: Path
) -> None:
    path = tmp_path / "d.rou.xml"
    write_demand(site, rows, path, seed=3, begin_s=0, end_s=7200)
    flows = {m: sum(c.values()) for m, c in movement_flows_vph(rows).items()}
    found = turned(site, path)
    for movement, vph in flows.items():
        expected = vph * 2
        # Poisson: five standard deviations.
        assert abs(found[movement] - expected) < 5 * expected**0.5, movement
    assert sum(found.values()) == pytest.approx(2 * sum(flows.values()), rel=0.02)


def test_the_mix_of_classes_is_kept(site: Site, rows: Sequence[CountRow], tmp_path: Path) -> None:
    path = tmp_path / "d.rou.xml"
    summary = write_demand(site, rows, path, seed=1, begin_s=0, end_s=3600)
    kinds = Counter(kind for kind, _ in routes(path))
    assert sum(kinds.values()) == summary.vehicles
    assert kinds["motorcycle"] / summary.vehicles == pytest.approx(0.77, abs=0.02)
    assert kinds["car"] / summary.vehicles == pytest.approx(0.19, abs=0.02)
    assert set(kinds) == {"motorcycle", "car", "bus", "truck"}


def test_departures_lie_in_the_time_asked_for_and_are_sorted(
    site: Site, rows: Sequence[CountRow], tmp_path: Path
) -> None:
    path = tmp_path / "d.rou.xml"
    write_demand(site, rows, path, seed=1, begin_s=900, end_s=1000, pedestrians_ph=400)
    moments = [float(e.attrib["depart"]) for e in ET.parse(path).getroot() if e.get("depart")]
    assert moments == sorted(moments)
    assert 900 <= moments[0] < 905
    assert 995 < moments[-1] < 1000


def test_a_seed_fixes_everything(site: Site, rows: Sequence[CountRow], tmp_path: Path) -> None:
    texts = []
    for seed in (5, 5, 6):
        path = tmp_path / "d.rou.xml"
        write_demand(site, rows, path, seed=seed, begin_s=0, end_s=120)
        texts.append(path.read_bytes())
    assert texts[0] == texts[1] != texts[2]
    assert [p.name for p in tmp_path.iterdir()] == ["d.rou.xml"]


def test_neighbours_that_agree_are_no_imbalance(
    site: Site, rows: Sequence[CountRow], tmp_path: Path
) -> None:
    summary = write_demand(site, rows, tmp_path / "d", seed=1, begin_s=0, end_s=10)
    assert summary.imbalances == ()
    fringe = {"c0"} | {f"{side}{i}a" for side in ("eb", "wb") for i in range(1, 9)}
    inner = sum(vph for edge, vph in summary.entries.items() if edge not in fringe)
    assert inner < 0.001 * sum(summary.entries.values())


@pytest.mark.parametrize(("upstream", "downstream"), [(1200, 800), (800, 1200)])
def test_neighbours_that_disagree_are_reported_and_both_counts_are_kept(
    site: Site, tmp_path: Path, upstream: int, downstream: int
) -> None:
    counts = [row("C1:c0>c1", upstream), row("C2:c1>c2", downstream)]
    path = tmp_path / "d.rou.xml"
    summary = write_demand(site, counts, path, seed=1, begin_s=0, end_s=36000, pedestrians_ph=0)
    (imbalance,) = summary.imbalances
    assert imbalance.approach == "c1"
    assert (imbalance.upstream_vph, imbalance.counted_vph) == (upstream, downstream)
    found = turned(site, path)
    assert found["C1:c0>c1"] == pytest.approx(10 * upstream, rel=0.05)
    assert found["C2:c1>c2"] == pytest.approx(10 * downstream, rel=0.05)


def test_intervals_that_cover_the_demand_have_their_own_flows(site: Site, tmp_path: Path) -> None:
    half = timedelta(minutes=30)
    rows = [
        CountRow("C8", "C8:c7>c8", "car", START + i * half, START + (i + 1) * half, n)
        for i, n in enumerate((100, 700))
    ]
    path = tmp_path / "d.rou.xml"
    write_demand(site, rows, path, seed=1, begin_s=50, end_s=3650, pedestrians_ph=0)
    moments = [float(e.attrib["depart"]) for e in ET.parse(path).getroot().iter("vehicle")]
    assert sum(moment < 1850 for moment in moments) == pytest.approx(100, rel=0.3)
    assert sum(moment >= 1850 for moment in moments) == pytest.approx(700, rel=0.12)
    # Over another time nothing says which interval is when: the mean holds.
    write_demand(site, rows, path, seed=1, begin_s=0, end_s=1800, pedestrians_ph=0)
    assert len(list(ET.parse(path).getroot().iter("vehicle"))) == pytest.approx(400, rel=0.15)


def test_coverage_scales_a_count_up(site: Site, tmp_path: Path) -> None:
    path = tmp_path / "d.rou.xml"
    counts = [row("C8:c7>c8", 600, coverage=0.5)]
    summary = write_demand(site, counts, path, seed=1, begin_s=0, end_s=36000, pedestrians_ph=0)
    # They begin some way up the street, beyond the junction that nobody counted.
    assert summary.entries == {"c5": 1200.0}
    assert {edges for _, edges in routes(path)} == {("c5", "c6", "c7", "c8")}
    assert summary.vehicles == pytest.approx(12000, rel=0.05)


def test_people_cross_at_every_junction(site: Site, tmp_path: Path) -> None:
    path = tmp_path / "d.rou.xml"
    counts = [row("C8:c7>c8", 1)]
    summary = write_demand(site, counts, path, seed=1, begin_s=0, end_s=3600)
    assert summary.pedestrians == pytest.approx(8 * 200, rel=0.1)
    none = write_demand(site, counts, path, seed=1, begin_s=0, end_s=3600, pedestrians_ph=0)
    assert none.pedestrians == 0


def test_a_class_without_a_type_of_its_own_gets_a_plain_one(site: Site, tmp_path: Path) -> None:
    path = tmp_path / "d.rou.xml"
    write_demand(site, [row("C8:c7>c8", 900, "bicycle")], path, seed=1, begin_s=0, end_s=600)
    types = {t.attrib["id"]: t.attrib["vClass"] for t in ET.parse(path).getroot().iter("vType")}
    assert types["plain_bicycle"] == "bicycle"
    assert {kind for kind, _ in routes(path)} == {"plain_bicycle"}


def test_the_sites_own_counts_run_its_own_routes(site: Site, tmp_path: Path) -> None:
    (tmp_path / "demand").mkdir()
    own = '<routes><vehicle id="a" depart="1"><route edges="c0 c1"/></vehicle></routes>'
    (tmp_path / "demand" / "r.rou.xml").write_text(own)
    counts = [row("C1:c0>c1", 1)]
    (tmp_path / "counts.csv").write_text(counts_to_csv(counts))
    imported = replace(
        site, folder=tmp_path, simulation=SimulationOptions(routes="demand/r.rou.xml")
    )
    path = tmp_path / "d.rou.xml"
    summary = write_demand(imported, counts, path, seed=1, begin_s=0, end_s=60)
    assert summary.verbatim
    assert path.read_text() == own
    other = write_demand(imported, [row("C1:c0>c1", 900)], path, seed=1, begin_s=0, end_s=600)
    assert not other.verbatim
    assert other.vehicles > 100


def test_a_count_of_another_site_is_refused(site: Site, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="'C1:a>b' of junction 'C1' is not in site pho-hue"):
        write_demand(site, [row("C1:a>b", 5)], tmp_path / "d", seed=1, begin_s=0, end_s=60)
    assert list(tmp_path.iterdir()) == []


def test_a_site_without_network_has_no_demand(site: Site, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="network"):
        write_demand(replace(site, network=None), [], tmp_path / "d", seed=1, begin_s=0, end_s=60)


def test_classes_of_sumo_as_counted() -> None:
    assert [counted_class(c) for c in ("moped", "coach", "delivery", "taxi", "passenger")] == [
        "motorcycle",
        "bus",
        "truck",
        "car",
        "car",
    ]
