"""Control areas, what the methods to compare with decide, what is seen at a signal."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from signal_site import build_network

from models.junction import SafetyEnvelope
from models.plan import JunctionPlan, Plan, SignalRow, Stage
from models.policy import Approaching, DetectorReading, Observation, Sensing, SignalShown
from models.site import Site
from models.units import parse_utc
from optimizer.greedy import Greedy
from optimizer.maxpressure import MaxPressure
from simulation.control_area import wire
from simulation.lane_graph import LaneGraph
from simulation.netfile import read_net
from simulation.network import read_junctions
from simulation.programs import plan_from_network
from simulation.sensing import Sensed, called_links
from simulation.signal_executor import SignalExecutor

NOW = parse_utc("2026-03-02T08:00:00Z")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    folder = tmp_path_factory.mktemp("net")
    net = build_network(folder, crossings=True)
    return Site(id="two", name="two", folder=folder, junctions=read_junctions(net), network=net)


def rows(*items: tuple[float, str]) -> JunctionPlan:
    found = tuple(SignalRow(round(10 * length_s), state) for length_s, state in items)
    return JunctionPlan("A", sum(row.duration_ds for row in found), 30, (), found)


def shown_stages(site: Site, plan: JunctionPlan) -> tuple[list[str], tuple[tuple[str, float], ...]]:
    only = replace(site, junctions={"A": site.junctions["A"]})
    control = wire(only, Plan("two", (plan,), NOW, "test"), sensing=Sensing.ORACLE).area
    junction = control.junctions["A"]
    return [stage.letters for stage in junction.stages.values()], junction.plan


def test_stages_of_a_program_as_found(site: Site) -> None:
    """Yellow and clearance rows belong to the stage before; people who stop begin none."""
    links = {m.id: m.links for m in site.junctions["A"].movements}
    links |= {c.id: c.links for c in site.junctions["A"].crossings}
    count = 1 + max(link for group in links.values() for link in group)

    def state(**shown: str) -> str:
        letters = ["r"] * count
        for name, letter in shown.items():
            for key, group in links.items():
                if key.startswith(f"A:{name}>") or key == name:
                    for link in group:
                        letters[link] = letter
        return "".join(letters)

    crossing = next(
        c.id for c in site.junctions["A"].crossings if "wa" not in c.edges and "am" not in c.edges
    )
    with_people, alone = state(wa="G", **{crossing: "g"}), state(wa="G")
    side, changing = state(sa="G"), state(wa="y")
    plan = rows(
        (2, state()), (20, with_people), (5, alone), (3, changing), (2, state()), (15, side),
        (3, state(sa="y")),
    )  # fmt: skip
    stages, schedule = shown_stages(site, plan)
    assert stages == [with_people, side]
    # The cycle as found begins with all red: that is the end of the last stage.
    assert schedule == (("S1", 30.0), ("S2", 20.0))
    only = replace(site, junctions={"A": site.junctions["A"]})
    area = wire(only, Plan("two", (plan,), NOW, "test"), sensing=Sensing.ORACLE).area
    executor = SignalExecutor(area.junctions["A"], begin_s=0, step_s=1)
    # Offset 3 s and 2 s of all red: the first stage begins at second 5.
    assert [executor.plan_stage(t) for t in (4, 5, 34, 35, 54, 55)] == [
        *("S2", "S1", "S1", "S2", "S2", "S1")
    ]


def test_two_protected_ways_that_cross_are_never_offered_if_it_can_be_helped(site: Site) -> None:
    junction = site.junctions["A"]
    through = {m.id: m.links for m in junction.movements}
    count = 1 + max(k for group in (*junction.movements, *junction.crossings) for k in group.links)

    def state(*names: str) -> str:
        green = {link for name in names for link in through[f"A:{name}"]}
        return "".join("G" if link in green else "r" for link in range(count))

    clash = state("wa>am", "sa>an")
    one, other = state("wa>am"), state("sa>an")
    stages, schedule = shown_stages(site, rows((10, clash), (10, one), (10, other)))
    assert stages[-2:] == [one, other]
    # Either left out, or one of the two was shown as giving way; never both protected.
    assert clash not in stages
    assert sum(length_s for _, length_s in schedule) == 30


def test_people_lengthen_the_stage_that_serves_them(site: Site) -> None:
    junction = site.junctions["A"]
    crossing = junction.crossings[0]
    envelope = SafetyEnvelope(ped_clearance_ds={crossing.id: 90})
    site = replace(site, junctions={"A": replace(junction, envelope=envelope)})
    stages = (
        Stage("main", (junction.movements[0].id,), 200, 30, 20),
        Stage("people", (crossing.id,), 200, 0, 20),
    )
    plan = Plan("two", (JunctionPlan("A", 470, 0, stages),), NOW, "test")
    control = wire(site, plan, sensing=Sensing.ORACLE).area.junctions["A"]
    assert control.stages["main"].min_green_s == 7
    assert control.stages["people"].min_green_s == 7 + 9
    assert control.stages["people"].crossings == (crossing.id,)
    assert control.changes["people", "main"].length_s == 0  # cleared within the stage


def observed(area_lanes: dict[str, int], stage: str, time_s: float, **more: object) -> Observation:
    vehicles = {
        lane: tuple(Approaching("A:wa>am", 8.0 * (n + 1), 0.0, "car") for n in range(count))
        for lane, count in area_lanes.items()
    }
    shown = {name: SignalShown(stage, 0.0, 7.0) for name in ("A", "B")}
    return Observation(time_s, time_s, shown, vehicles, **more)  # type: ignore[arg-type]


def test_max_pressure_looks_behind_the_junction_and_greedy_does_not(site: Site) -> None:
    plan = plan_from_network(
        site.network or Path(), site.junctions, site="two", created=NOW, by="test"
    )
    area = wire(site, plan, sensing=Sensing.ORACLE).area
    control = area.junctions["A"]
    main = next(s.id for s in control.stages.values() if "A:wa>am" in s.protected)
    side = next(s.id for s in control.stages.values() if "A:sa>an" in s.protected and s.id != main)
    lanes = {lane.approach: lane.id for lane in control.lanes.values()}
    pressure, greedy = MaxPressure(), Greedy()
    pressure.start(area, 1)
    greedy.start(area, 1)
    busy = {lanes["wa"]: 4, lanes["sa"]: 2}
    assert pressure.decide(observed(busy, side, 7.0))["A"] == main
    assert greedy.decide(observed(busy, side, 7.0))["A"] == main
    jammed = {c.to_lane: 9 for lane in control.lanes.values() if lane.approach == "wa"
              for c in lane.connections}  # fmt: skip
    assert pressure.decide(observed(busy, side, 14.0, standing=jammed))["A"] == side
    assert greedy.decide(observed(busy, side, 14.0, standing=jammed))["A"] == main
    assert pressure.decide(observed(busy, side, 8.0)) == {}  # within a period of green


def test_a_lane_without_a_working_detector_counts_as_called(site: Site) -> None:
    plan = plan_from_network(
        site.network or Path(), site.junctions, site="two", created=NOW, by="test"
    )
    area = wire(site, plan, sensing=Sensing.DETECTORS).area
    lanes = area.junctions["A"].lanes
    quiet = DetectorReading(0, 0, 0.0, 0, 0)
    dead, *others = lanes
    readings = dict.fromkeys(others, quiet)
    expected = {connection.link for connection in lanes[dead].connections}
    assert called_links(area, Sensed(5.0, readings=readings))["A"] == expected
    readings |= {dead: quiet, others[0]: DetectorReading(1, 0, 0.0, 0, 0)}
    expected = {connection.link for connection in lanes[others[0]].connections}
    assert called_links(area, Sensed(5.0, readings=readings))["A"] == expected


def test_a_camera_sees_the_lanes_before_a_line_and_the_roads_that_lead_to_them(site: Site) -> None:
    """The street before B goes on over M; what turns off there is no part of its lanes."""
    plan = plan_from_network(
        site.network or Path(), site.junctions, site="two", created=NOW, by="test"
    )
    wiring = wire(site, plan, sensing=Sensing.DETECTORS)
    net = LaneGraph(read_net(site.network or Path()))
    name, chain = next(item for item in wiring.approach_chains.items() if item[0][:3] == "mb_")
    parts = net.view(chain, 1000.0)
    assert [part.lane for part in parts if part.lane[0] != ":"] == list(reversed(chain.lanes))
    assert any(part.lane[0] == ":" for part in parts)
    last = parts[-1]
    assert last.end_m + net.lanes[last.lane].length_m == pytest.approx(chain.length_m)
    near = net.view(chain, 5.0)
    assert [(part.lane, part.end_m) for part in near] == [(name, 0.0)]
    assert set(chain.lanes) - {name} <= {p.lane for p in net.behind("mb", {name}, 1000.0)}
    others = net.behind("mb", {part.lane for part in parts}, 1000.0)
    assert not {part.lane for part in others} & set(chain.lanes)
