"""What the adaptive policy wants, on two crossroads in a row."""

from __future__ import annotations

from dataclasses import replace

import pytest
from planner_cases import pair, seen

from models.policy import (
    Approaching,
    DetectorReading,
    PriorityRequest,
    RequestKind,
    Sensing,
)
from optimizer.adaptive import AdaptivePolicy
from optimizer.priority import Directives, Escort, Flush, Gate
from optimizer.stock import JunctionStock, Options


def _standing(movement: str, count: int) -> tuple[Approaching, ...]:
    return tuple(Approaching(movement, 2.0 + 7.5 * n, 0.0, "car") for n in range(count))


def _policy(
    directives: Directives | None = None, sensing: Sensing = Sensing.ORACLE, **options: object
) -> AdaptivePolicy:
    policy = AdaptivePolicy(Options(horizon_s=60, **options), directives)  # type: ignore[arg-type]
    policy.start(pair(sensing), 1)
    return policy


WAITING = {"nw_0": _standing("W:nw>sw", 4)}
BOTH = {"nw_0": _standing("W:nw>sw", 3), "w_0": _standing("W:w>we", 6)}


def test_it_changes_for_those_who_wait_when_nobody_uses_the_green() -> None:
    """Four vehicles on red, an empty green; the other junction has nothing to do."""
    assert _policy().decide(seen(vehicles=WAITING)) == {"W": "B", "E": "A"}


def test_it_serves_the_queue_on_green_first() -> None:
    """Six on green, three on red."""
    assert _policy().decide(seen(vehicles=BOTH))["W"] == "A"


def test_before_the_shortest_green_is_over_it_has_no_wish() -> None:
    """Green for three of five seconds."""
    assert "W" not in _policy().decide(seen(vehicles=WAITING, since_s=97.0))


def test_an_emergency_vehicle_on_red_gets_its_green_at_once() -> None:
    """Against a queue of six; and its wait counts for those behind it afterwards."""
    policy = _policy()
    request = PriorityRequest(
        "e1", RequestKind.EMERGENCY, "W", "W:nw>sw", "nw_0", 60.0, 12.0, 100.0
    )
    assert policy.decide(seen(vehicles={"w_0": BOTH["w_0"]}, requests=(request,)))["W"] == "B"


def test_a_bus_outweighs_cars_by_its_load_as_far_as_it_is_to_count() -> None:
    """One bus with 40 people against three cars."""
    vehicles = {"w_0": _standing("W:w>we", 3), "nw_0": (Approaching("W:nw>sw", 2.0, 0.0, "bus"),)}
    request = PriorityRequest("b1", RequestKind.BUS, "W", "W:nw>sw", "nw_0", 2.0, 0.0, 40.0)
    observation = seen(vehicles=vehicles, requests=(request,))
    assert _policy(bus_share=1.0).decide(observation)["W"] == "B"
    assert _policy(bus_share=0.0).decide(observation)["W"] == "A"


def test_an_escort_is_green_when_it_is_due() -> None:
    """In four seconds, what the change takes, against the longer queue."""
    escort = Escort("W", "W:nw>sw", 104.0, 120.0)
    assert _policy(Directives(escorts=(escort,))).decide(seen(vehicles=BOTH))["W"] == "B"


def test_a_queue_to_flush_goes_first() -> None:
    """Its three count twenty times: more than six."""
    flush = Directives(flushes=(Flush(frozenset({"nw_0"}), 20.0),))
    assert _policy(flush).decide(seen(vehicles=BOTH))["W"] == "B"


def test_a_gate_holds_back_what_the_area_cannot_take() -> None:
    """Six want in, three want past; inside there are ten already."""
    gate = Gate(frozenset({"W:w>we"}), frozenset({"we_0"}), most_veh=8, metered_vph=60.0)
    vehicles = {**BOTH, "we_0": _standing("E:we>e", 10)}
    assert _policy().decide(seen(vehicles=vehicles))["W"] == "A"
    assert _policy(Directives(gates=(gate,))).decide(seen(vehicles=vehicles))["W"] == "B"


def test_nobody_is_sent_into_a_full_road() -> None:
    """The queue on green cannot leave: no room behind the junction."""
    observation = seen(vehicles=BOTH, free_m={"we_0": 0.0})
    policy = _policy(drain_per_s=0.0)
    assert policy.decide(observation)["W"] == "B"
    decision = policy.explain("W")
    assert decision is not None
    assert "no room on we_0" in decision.binding


@pytest.mark.parametrize(("waiting", "wanted"), [(4, "B"), (40, "A")])
def test_composed_stages_are_for_junctions_with_room(waiting: int, wanted: str) -> None:
    """B is not of the plan: it is shown to a few, and withheld where a lane is always full."""
    area = pair()
    west = replace(area.junctions["W"], plan=(("A", 60.0),))
    policy = AdaptivePolicy(Options(horizon_s=60))
    policy.start(replace(area, junctions={**area.junctions, "W": west}), 1)
    vehicles = {"nw_0": _standing("W:nw>sw", waiting)}
    for second in range(100):
        wish = policy.decide(seen(time_s=100.0 + second, vehicles=vehicles))["W"]
    assert wish == wanted
    decision = policy.explain("W")
    assert decision is not None
    assert decision.composed == {"B": ("W:nw>sw",)}
    assert ("full roads: the plan's stages only" in decision.binding) == (wanted == "A")


def test_what_is_withheld_promises_no_rate() -> None:
    """A turn that gives way in the plan is not estimated at the rate of a stage of its own."""
    west = pair().junctions["W"]
    stages = {
        "A": replace(west.stages["A"], letters="Gg"),
        "B": west.stages["B"],
    }
    stock = JunctionStock(
        replace(west, stages=stages, plan=(("A", 60.0),), link_yields=frozenset({(1, 0)})),
        (),
        Options(),
    )
    all_of_them, planned = stock.offered(True), stock.offered(False)
    assert stock.displays(all_of_them).best_rate[1] == 1.0
    assert stock.displays(planned).best_rate[1] == pytest.approx(0.75)


def test_the_longest_red_is_kept() -> None:
    """One vehicle has waited 119 of 120 s; forty on green would cost more."""
    vehicles = {"w_0": _standing("W:w>we", 40), "nw_0": _standing("W:nw>sw", 1)}
    observation = seen(vehicles=vehicles, red_since_s={"W": {"W:nw>sw": -17.0}})
    policy = _policy()
    assert policy.decide(observation)["W"] == "B"
    decision = policy.explain("W")
    assert decision is not None
    assert any("W:nw>sw has been red" in line for line in decision.binding)


def test_coordination_may_be_followed_or_broken() -> None:
    """At 100 s the plan shows B; a cost of being off it decides an even contest."""
    vehicles = {"w_0": _standing("W:w>we", 3)}
    late = seen(time_s=95.0, vehicles=vehicles)
    assert _policy(Directives(coordination=0.0)).decide(late)["W"] == "A"
    assert _policy(Directives(coordination=50.0)).decide(late)["W"] == "B"


def test_a_platoon_that_a_neighbour_announces_is_awaited() -> None:
    """E hears of W's queue before anybody of it is on E's road; without a word it does not."""
    lone = {"ne_0": _standing("E:ne>se", 12), "we_0": (Approaching("E:we>e", 290.0, 15.0, "car"),)}
    vehicles = {**lone, "w_0": _standing("W:w>we", 8)}
    policy = _policy()
    policy.decide(seen(vehicles=vehicles))
    policy.decide(seen(time_s=101.0, vehicles=vehicles))
    told = policy.explain("E")
    assert told is not None
    assert told.silent == ()
    alone = _policy(exchange=False)
    alone.decide(seen(vehicles=vehicles))
    alone.decide(seen(time_s=101.0, vehicles=vehicles))
    untold = alone.explain("E")
    assert untold is not None
    assert told.alternatives[0].cost != pytest.approx(untold.alternatives[0].cost)


def test_a_silent_neighbour_is_named() -> None:
    """E decides before W has said anything, and a second later after it has."""
    policy = _policy()
    vehicles = {"ne_0": _standing("E:ne>se", 2)}
    for time_s, silent in ((100.0, ("W",)), (101.0, ())):
        policy.decide(seen(time_s=time_s, vehicles=vehicles))
        decision = policy.explain("E")
        assert decision is not None
        assert decision.silent == silent


def test_the_reasons_name_every_alternative_and_the_cheapest_is_wanted() -> None:
    """Costs, what follows and delay by movement, for holding and for changing."""
    policy = _policy()
    wanted = policy.decide(seen(vehicles=BOTH))["W"]
    decision = policy.explain("W")
    assert decision is not None
    assert [item.stage for item in decision.alternatives] == ["A", "B"]
    costs = {item.stage: item.cost for item in decision.alternatives}
    assert min(costs, key=lambda stage: costs[stage] or 0.0) == wanted == decision.wanted
    held = decision.alternatives[0]
    assert held.delay_s is not None
    assert held.delay_s["W:nw>sw"] > 0.0
    assert decision.queue_veh == {"nw_0": 3.0, "w_0": 6.0}
    assert 0 < decision.expansions <= policy.options.expansions + 100


def test_detectors_alone_let_it_change_for_a_queue() -> None:
    """Three are counted in and stand; nobody is on green."""
    policy = _policy(sensing=Sensing.DETECTORS)
    quiet = DetectorReading(0, 0, 0.0, 0, 0)
    lanes = ("w_0", "nw_0", "we_0", "ne_0")
    wanted = {}
    for second in range(80, 101):
        readings = dict.fromkeys(lanes, quiet)
        if second == 82:
            readings["nw_0"] = DetectorReading(3, 0, 0.0, 0, 0)
        if second > 94:
            readings["nw_0"] = DetectorReading(0, 0, 1.0, 3, 3)
        wanted = policy.decide(seen(time_s=float(second), readings=readings))
        if wanted["W"] == "B":
            break
    assert wanted["W"] == "B"
    assert policy.coverage == {"W": 1.0, "E": 1.0}


def test_the_exact_planner_stands_behind_the_same_policy() -> None:
    """The option alone changes the method."""
    policy = AdaptivePolicy(Options(horizon_s=30, exact=True))
    policy.start(pair(), 1)
    assert policy.decide(seen(vehicles=WAITING))["W"] == "B"


def test_it_decides_the_same_twice() -> None:
    """Same observations, same answers."""
    answers = [
        [_policy().decide(seen(time_s=100.0 + k, vehicles=BOTH)) for k in range(3)]
        for _ in range(2)
    ]
    assert answers[0] == answers[1]


def test_a_green_that_moves_nobody_is_not_held_for_ever() -> None:
    """Six stand at green and do not move, whatever the reason; three wait on red."""
    policy = _policy()
    wanted = [policy.decide(seen(time_s=100.0 + k, vehicles=BOTH))["W"] for k in range(20)]
    assert wanted[0] == "A"
    assert wanted[-1] == "B"
