"""Retiming of small problems with known answers."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from retiming_problems import USUAL, crossroads, northbound_link, problem, two_stages

from models.errors import BadInput
from models.junction import SafetyEnvelope
from models.plan import Plan
from models.safety import check_plan
from optimizer.bands import solve_bands
from optimizer.capacity import services
from optimizer.limits import in_force_limits
from optimizer.platoon import PlatoonModel, Timing, dispersion_kernel, periodic_queue
from optimizer.problem import PEAK_HOUR_FACTOR, LinkGeometry, RetimingProblem
from optimizer.result import predict, timings_of
from optimizer.retime import Infeasible, candidates, retime
from optimizer.splits import group_cost, group_costs, solve_splits
from optimizer.stages import StageOption, StageSet, orders, stage_sets


def test_the_busier_street_gets_the_longer_green():
    result = retime(problem([crossroads("A")], {"A": USUAL}), time_limit_s=2)
    plan = result.plan.junction("A")
    green = {i: s.green_ds for s in plan.stages for i in s.green if i not in s.permissive}
    assert green["A:nin>nout"] > green["A:ein>eout"]


def test_uniform_arrivals_reproduce_hcm_uniform_delay():
    """The platoon model without platoons is d1: C = 90, effective green 40, X = 0.71."""
    part = problem([crossroads("A")], {"A": {"n through": 600}})
    solved = part.junctions[0]
    stages = solved.stage_sets[0]
    model = PlatoonModel(part, ("A",), 900)
    # One second of the green is lost between start and yellow.
    timing = Timing(stages, (410, 390), 0)
    figures = next(f for f in model.evaluate({"A": timing}) if f.demand_vph > 0)
    ratio, x = 40 / 90, figures.degree_of_saturation
    assert x == pytest.approx(600 / PEAK_HOUR_FACTOR / (1900 * ratio), rel=0.01)
    assert figures.uniform_s == pytest.approx(
        0.5 * 90 * (1 - ratio) ** 2 / (1 - x * ratio), rel=0.03
    )


def test_splits_are_optimal_against_enumeration():
    body = problem([crossroads("A")], {"A": USUAL})
    part = body.junctions[0]
    found = solve_splits(body, part, part.stage_sets[0], 800)
    assert found is not None
    clears = [50, 50]
    served = services(part, part.stage_sets[0], [g / 10 for g in found.greens_ds])
    costs = {}
    for first in range(70, 531, 10):
        greens = (first, 700 - first)
        if greens[1] < 170:
            continue
        costs[greens] = sum(
            group_cost(s, s.effective_green_s(greens, clears), 80.0, body.period_h) for s in served
        )
    best = min(costs.values())
    assert costs[found.greens_ds] == pytest.approx(best, rel=0.01)


@pytest.mark.parametrize("grain_ds", [1, 10])
@pytest.mark.parametrize("load", [0.3, 0.8, 1.3])
def test_what_is_proven_of_splits_is_below_every_choice(load, grain_ds):
    """Shared lanes with yielding turns, near capacity and above: the bound is one, and tight."""
    flows = {"n through": 620, "n left": 150, "s through": 480, "s left": 90, "e through": 400}
    envelope = SafetyEnvelope(ped_clearance_ds={":A_c0": 100}, granularity_ds=grain_ds)
    body = problem([crossroads("A", envelope)], {"A": {k: v * load for k, v in flows.items()}})
    part = body.junctions[0]
    for stages in part.stage_sets[:3]:
        for cycle_ds in (600, 900, 1300):
            found = solve_splits(body, part, stages, cycle_ds)
            if found is None:
                continue
            assert found.bound <= found.cost
            if load < 1.0:
                assert found.bound >= 0.98 * found.cost


def test_the_gap_of_a_junction_alone_is_that_of_its_splits():
    result = retime(problem([crossroads("A")], {"A": USUAL}), time_limit_s=2)
    assert 0.0 < result.gap < 0.02


def test_many_greens_cost_what_each_costs():
    body = problem([crossroads("A")], {"A": USUAL})
    part = body.junctions[0]
    greens_s = np.array([0.0, 0.5, 12.0, 33.3, 80.0, 95.0])
    for service in services(part, part.stage_sets[0]):
        each = [group_cost(service, float(green), 80.0, body.period_h) for green in greens_s]
        assert group_costs(service, greens_s, 80.0, body.period_h) == pytest.approx(each)


def test_offset_follows_the_travel_time():
    """One-way flow between two signals: the second turns green as the platoon comes."""
    one_way = {"n through": 700, "e through": 200}
    body = problem(
        [crossroads("A"), crossroads("B")],
        {"A": one_way, "B": one_way},
        [northbound_link("A", "B", 300.0)],
    )
    result = retime(body, time_limit_s=4)
    alone = retime(replace(body, links=()), time_limit_s=4)

    def of(which, movement):
        return next(m.delay_s for m in which.movements if m.movement == movement)

    assert of(result, "B:nin>nout") < 0.6 * of(alone, "B:nin>nout")
    assert result.cycle_ds["A"] == result.cycle_ds["B"]
    assert result.status == "OPTIMAL"
    assert result.gap <= 1e-6


def test_same_problem_and_seed_give_the_same_plan():
    body = problem([crossroads("A")], {"A": USUAL})
    first, second = (retime(body, seed=3, time_limit_s=2) for _ in range(2))
    assert first.plan.digest == second.plan.digest
    assert first == second


@pytest.mark.parametrize("method", ["cpsat", "webster", "maxband"])
def test_every_method_keeps_the_rulebook(method):
    junctions = [crossroads("A"), crossroads("B")]
    body = problem(junctions, {"A": USUAL, "B": USUAL}, [northbound_link("A", "B")])
    result = retime(body, method=method, time_limit_s=3)
    assert check_plan(result.plan, {j.id: j for j in junctions}) == ()


def test_unknown_method_is_bad_input():
    with pytest.raises(BadInput, match="cpsat, webster, maxband"):
        retime(problem([crossroads("A")], {"A": USUAL}), method="magic")  # type: ignore[arg-type]


def test_clash_names_what_does_not_fit():
    envelope = SafetyEnvelope(min_green_ds=400, max_cycle_ds=600, ped_clearance_ds={":A_c0": 100})
    junction = crossroads("A", envelope)
    body = problem([crossroads("A")], {"A": USUAL})
    body = replace(body, junctions=(replace(body.junctions[0], junction=junction),))
    with pytest.raises(Infeasible, match=r"junction A.*needs 40 s.*needs 40 s.*60 s"):
        retime(body)


def test_overload_is_said_and_still_served():
    heavy = {key: 3 * value for key, value in USUAL.items()}
    result = retime(problem([crossroads("A")], {"A": heavy}), time_limit_s=2)
    assert result.overloaded
    assert "above capacity" in result.note
    assert check_plan(result.plan, {"A": crossroads("A")}) == ()


def test_no_demand_still_gives_a_plan():
    result = retime(problem([crossroads("A")], {"A": {"n through": 1}}), time_limit_s=1)
    assert check_plan(result.plan, {"A": crossroads("A")}) == ()


def test_candidates_differ():
    body = problem([crossroads("A")], {"A": USUAL})
    options = candidates(body, 3, time_limit_s=3)
    digests = [option.plan.digest for option in options]
    assert len(set(digests)) == 3


def test_alternatives_keep_protected_turns_protected():
    junction = crossroads("A")
    sets = stage_sets(junction, two_stages(junction))
    assert sets[0].name == "in force"
    assert len(sets) > 1
    for stages in sets:
        served = {i for stage in stages.stages for i in stage.green}
        assert served == junction.signal_ids


def test_problem_round_trips():
    body = problem(
        [crossroads("A"), crossroads("B")],
        {"A": USUAL, "B": USUAL},
        [northbound_link("A", "B")],
    )
    text = json.dumps(body.to_dict())
    again = RetimingProblem.from_dict(json.loads(text))
    assert again == body
    assert again.digest == body.digest


def test_binding_rules_are_named():
    result = retime(
        problem([crossroads("A")], {"A": {"n through": 900, "e through": 1}}), time_limit_s=2
    )
    assert any("at its minimum" in item.rule for item in result.binding)


def test_queue_conserves_vehicles():
    rng = np.random.default_rng(1)
    arrivals = rng.uniform(0, 1, (5, 60))
    capacity = np.zeros(60)
    capacity[20:] = 2.0
    queue, departures = periodic_queue(arrivals, capacity[None, :].repeat(5, axis=0))
    np.testing.assert_allclose(departures.sum(axis=1), arrivals.sum(axis=1))
    assert (departures <= 2.0 + 1e-9).all()
    assert (queue >= 0).all()


def test_dispersion_keeps_vehicles_and_travel_time():
    kernel = dispersion_kernel(30.0, 100, 1.0)
    assert kernel.sum() == pytest.approx(1.0)
    # Nothing arrives before 0.8 of the mean travel time.
    assert kernel[:24].max() < kernel[24:].max() * 0.1


def test_plan_file_of_result_is_whole():
    result = retime(problem([crossroads("A")], {"A": USUAL}), time_limit_s=1)
    assert isinstance(result.plan, Plan)
    assert {m.movement for m in result.movements} == {
        f"A:{m}" for m in ("nin>nout", "sin>sout", "ein>eout", "win>wout", "nin>wout", "ein>nout")
    }


def test_a_light_junction_may_run_half_the_common_cycle():
    """Beside a junction that needs a long cycle a nearly empty one runs its own twice."""
    light = {"n through": 150, "s through": 100, "e through": 60, "w through": 60}
    heavy = {"n through": 700, "s through": 650, "e through": 700, "w through": 650}
    junctions = [crossroads("A"), crossroads("B")]
    body = problem(junctions, {"A": heavy, "B": light}, [northbound_link("A", "B", 300.0)])
    result = retime(body, time_limit_s=3)
    assert result.plan.junction("A").cycle_ds == 2 * result.plan.junction("B").cycle_ds
    assert check_plan(result.plan, {j.id: j for j in junctions}) == ()
    again = predict(body, result.plan, "cpsat", result.status)
    assert again.delay_s == pytest.approx(result.delay_s, rel=1e-6)
    longer = retime(replace(body, links=()), time_limit_s=3)
    assert result.delay_s < 1.3 * longer.delay_s


def test_a_road_too_short_for_its_queue_costs_more():
    """Vehicles that would stand in the junction behind are in the objective."""
    vph = {"n through": 700, "e through": 500}
    costs = []
    for length_m in (40.0, 400.0):
        body = problem(
            [crossroads("A"), crossroads("B")],
            {"A": vph, "B": vph},
            [northbound_link("A", "B", length_m)],
        )
        free = replace(body, weights=replace(body.weights, spill_s=0.0))
        timings = timings_of(body.current)
        # The platoon comes while the second signal is red.
        timings["B"] = replace(timings["B"], offset_ds=450)
        costs.append(
            PlatoonModel(body, ("A", "B"), 900).cost(timings)
            - PlatoonModel(free, ("A", "B"), 900).cost(timings)
        )
    assert costs[0] > 0
    assert costs[1] == 0


def test_bands_give_up_a_chain_that_no_offset_serves():
    """A quarter of the cycle apart with short greens only one direction can have a wave."""
    south = LinkGeometry("B", "A", ("B:sin>sout",), "Asin", 270.0, 12.0)
    vph = {"n through": 300, "s through": 200, "e through": 300}
    body = problem(
        [crossroads("A"), crossroads("B")],
        {"A": vph, "B": vph},
        [northbound_link("A", "B", 270.0), south],
    )
    timings = {
        name: replace(timing, greens_ds=(100, 700))
        for name, timing in timings_of(body.current).items()
    }
    travel_s = {link.downstream: link.travel_time_s for link in body.links}
    assert all(15.0 < seconds < 30.0 for seconds in travel_s.values())
    found = solve_bands(PlatoonModel(body, ("A", "B"), 900), timings)
    assert found.status == "OPTIMAL"
    apart_s = (found.timings["B"].offset_ds - found.timings["A"].offset_ds) % 900 / 10.0
    assert apart_s == pytest.approx(travel_s["B"], abs=2.0)


def test_lead_becomes_lag_where_no_green_is_cut_in_two():
    """Of three stages there is one other order; a green that would come twice forbids it."""
    green = {"through": ("n", "s"), "left": ("n", "l"), "side": ("e",)}

    def stages(*names):
        return StageSet("found", tuple(StageOption(name, green[name]) for name in names))

    (other,) = orders(stages("through", "left", "side"))
    assert [stage.id for stage in other.stages] == ["through", "side", "left"]
    apart = StageSet(
        "found", (*stages("through", "left", "side").stages, StageOption("walk", ("w",)))
    )
    found = [[stage.id for stage in item.stages] for item in orders(apart)]
    assert ["through", "left", "walk", "side"] in found
    assert all("left" in (order[1], order[3]) for order in found)


def test_who_crosses_linked_signals_may_lose_nothing():
    """Their limit is what they wait now; who goes along may lose a little and counts less."""
    body = problem(
        [crossroads("A"), crossroads("B")],
        {"A": USUAL, "B": USUAL},
        [northbound_link("A", "B", 300.0)],
    )
    limits, alone = in_force_limits(body), in_force_limits(replace(body, links=()))
    across, along = limits["B", "Bein_0"], limits["B", "Bnin_0"]
    assert across.weight == body.weights.cross_weight - 1.0
    assert along == alone["B", "Bnin_0"]
    assert along.weight == body.weights.worse_weight - 1.0
    assert across.delay_s < alone["B", "Bein_0"].delay_s
    # What the wave starts with goes along too.
    assert limits["A", "Anin_0"] == alone["A", "Anin_0"]


def _longest_across(n_vph, e_vph, **weights):
    """Longest delay across over that in force, for a wave northward through A and B."""
    vph = {"n through": n_vph, "e through": e_vph, "w through": e_vph}
    body = problem(
        [crossroads("A"), crossroads("B")],
        {"A": vph, "B": vph},
        [northbound_link("A", "B", 300.0)],
    )
    before = predict(body, body.current, "in force", "")
    was = {item.movement: item.delay_s for item in before.movements}
    result = retime(replace(body, weights=replace(body.weights, **weights)), time_limit_s=3)
    return max(
        item.delay_s / was[item.movement] for item in result.movements if item.movement[2] in "ew"
    )


def test_a_wave_takes_nothing_from_those_who_cross():
    assert _longest_across(650, 200) < 1.02
    assert _longest_across(650, 200, cross_weight=1.0, worse_weight=1.0) > 1.1
