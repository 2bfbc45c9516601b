"""Counts of neighbours that agree are flows; those that do not are brought together and named."""

from __future__ import annotations

import itertools
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.counts import CountRow, counts_from_csv
from models.errors import BadInput
from models.site import Site
from simulation.balance import balanced
from simulation.counted_streets import CountedStreets
from simulation.fitted import write_fitted_demand
from simulation.netfile import read_net
from traffic.sites import load_site

START = datetime(2026, 3, 3, tzinfo=UTC)
QUARTER = timedelta(minutes=15)


@pytest.fixture(scope="module")
def site(pho_hue: Path) -> Site:
    return load_site(pho_hue)


@pytest.fixture(scope="module")
def streets(site: Site) -> CountedStreets:
    assert site.network is not None
    every = [m.id for j in site.junctions.values() for m in j.movements]
    return CountedStreets(read_net(site.network), site.junctions, every)


def row(movement: str, count: int, vehicle_class: str = "car", quarter: int = 0) -> CountRow:
    start = START + quarter * QUARTER
    return CountRow(
        movement.partition(":")[0], movement, vehicle_class, start, start + QUARTER, count
    )


def routed(path: Path, site: Site) -> Counter[str]:
    known = {(m.from_edge, m.to_edge): m.id for j in site.junctions.values() for m in j.movements}
    found: Counter[str] = Counter()
    for vehicle in ET.parse(path).getroot().iter("vehicle"):
        edges = vehicle.find("route").attrib["edges"].split()  # type: ignore[union-attr]
        found.update(known[pair] for pair in itertools.pairwise(edges) if pair in known)
    return found


def assert_conserved(streets: CountedStreets, counts: dict[str, int]) -> None:
    balance = balanced(streets, counts)
    assert all(flow >= 0 for flow in balance.flows.values())
    arriving: Counter[str] = Counter()
    for movements in streets.movements.values():
        for movement in movements:
            arriving[streets.after(movement.to_edge)[-1]] += balance.flows[movement.id]
    for approach, movements in streets.movements.items():
        leaving = sum(balance.flows[m.id] for m in movements)
        assert leaving + balance.ends.get(approach, 0) == (
            arriving[approach] + balance.begins.get(approach, 0)
        )
        if streets.fed(approach) and streets.closed(approach):
            assert approach not in balance.begins
            assert approach not in balance.ends


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_counts_become_whole_conserved_flows(
    streets: CountedStreets, data: st.DataObject
) -> None:
    movements = sorted(m.id for group in streets.movements.values() for m in group)
    counts = data.draw(
        st.fixed_dictionaries({}, optional={m: st.integers(0, 3000) for m in movements})
    )
    assert_conserved(streets, counts)


def test_counts_that_agree_are_kept(site: Site, tmp_path: Path) -> None:
    rows = [
        row("C1:c0>c1", 100),
        row("C1:eb1a>c1", 40),
        row("C2:c1>c2", 120),
        row("C2:c1>eb2b", 20),
    ]
    fitted = write_fitted_demand(site, rows, tmp_path / "d", seed=1, begin_s=0, pedestrians_ph=0)
    assert fitted.misfits == ()
    through = routed(tmp_path / "d", site)
    assert {r.movement: through[r.movement] for r in rows} == {r.movement: r.count for r in rows}
    (link,) = (link for link in fitted.links if link.approach == "c1")
    assert (link.arriving, link.counted, link.difference, link.closed) == (140, 140, 0, True)


def test_counts_that_no_flow_reproduces_are_named(site: Site, tmp_path: Path) -> None:
    rows = [row("C1:c0>c1", 300), row("C1:eb1a>c1", 0), row("C2:c1>c2", 100)]
    fitted = write_fitted_demand(site, rows, tmp_path / "d", seed=1, begin_s=0, pedestrians_ph=0)
    named = {misfit.movement: misfit for misfit in fitted.misfits}
    assert set(named) == {"C1:c0>c1", "C2:c1>c2"}
    one = named["C1:c0>c1"]
    assert 100 < one.fitted == named["C2:c1>c2"].fitted < 300
    assert str(one).startswith(
        f"C1:c0>c1 at 00:00: counted 300, but its neighbours' counts leave at most a flow of "
        f"{one.fitted} (GEH "
    )
    (link,) = (link for link in fitted.links if link.approach == "c1")
    assert link.difference == -200
    assert routed(tmp_path / "d", site)["C2:c1>c2"] == one.fitted


def test_each_interval_and_class_has_its_own_vehicles(site: Site, tmp_path: Path) -> None:
    rows = [
        row("C8:c7>c8", 30, "motorcycle", 0),
        row("C8:c7>c8", 10, "car", 0),
        row("C8:c7>c8", 90, "motorcycle", 1),
    ]
    fitted = write_fitted_demand(
        site, rows, tmp_path / "d", seed=1, begin_s=100, lead_s=450, pedestrians_ph=0
    )
    kinds: Counter[tuple[str, int]] = Counter()
    for vehicle in ET.parse(tmp_path / "d").getroot().iter("vehicle"):
        # The line is 60 s from where they begin.
        reaches = float(vehicle.attrib["depart"]) - 550
        kinds[vehicle.attrib["type"], -1 if reaches < -70 else int(reaches > 865)] += 1
    assert kinds["motorcycle", 0] == pytest.approx(30, abs=6)
    assert kinds["motorcycle", 1] == pytest.approx(90, abs=6)
    assert kinds["motorcycle", -1] == pytest.approx(15, abs=9)
    assert fitted.vehicles == sum(kinds.values())


def test_the_sites_own_counts_are_reproduced(site: Site, tmp_path: Path) -> None:
    text = site.counts_path.read_text()
    rows: Sequence[CountRow] = counts_from_csv(text, "counts.csv")
    rows = [r for r in rows if r.start == min(r.start for r in rows)]
    fitted = write_fitted_demand(site, rows, tmp_path / "d", seed=1, begin_s=0, pedestrians_ph=0)
    assert fitted.misfits == ()
    flows: Counter[str] = Counter()
    for (movement, _), flow in fitted.flows.items():
        flows[movement] += flow
    assert routed(tmp_path / "d", site) == +flows
    assert sum(flows.values()) == pytest.approx(sum(r.count for r in rows), rel=0.002)


@pytest.mark.parametrize(
    ("rows", "line"),
    [
        ([row("C8:c7>nowhere", 3)], "is not in site pho-hue"),
        (
            [
                row("C8:c7>c8", 3),
                CountRow("C8", "C8:c7>c8", "car", START + QUARTER / 2, START + 2 * QUARTER, 3),
            ],
            "overlap; valid are the same intervals",
        ),
        (
            [CountRow("C8", "C8:c7>c8", "car", START, START + QUARTER, 0, 0.0)],
            "no vehicle was counted in any interval",
        ),
    ],
)
def test_counts_that_cannot_be_used_are_one_line(
    site: Site, rows: list[CountRow], line: str, tmp_path: Path
) -> None:
    with pytest.raises(BadInput, match=line):
        write_fitted_demand(site, rows, tmp_path / "d", seed=1, begin_s=0)
    assert list(tmp_path.iterdir()) == []
