"""The search with an outside judge: it finds what the judge likes, within budget and envelope."""

from __future__ import annotations

import pytest
from retiming_problems import CREATED, USUAL, crossroads, northbound_link, problem, two_stages

from models.plan import Plan
from models.safety import check_plan
from optimizer.refine import Judgement, legal_start, refine
from optimizer.result import predict, timings_of
from optimizer.retime import candidates, retime


def _judge(wanted_ds: dict[str, tuple[int, ...]]):
    """A judge that likes certain greens and knows nothing else."""

    def figures(plans):
        found = []
        for plan in plans:
            at = {
                item.junction: 1.0
                + sum(
                    abs(stage.green_ds - green)
                    for stage, green in zip(item.stages, wanted_ds[item.junction], strict=True)
                )
                if len(item.stages) == len(wanted_ds[item.junction])
                else 1e6
                for item in plan.junctions
            }
            found.append(Judgement(sum(at.values()), at))
        return found

    return figures


def _refine(body, starts, judge, budget=200):
    return refine(body, starts, judge, budget=budget, created=CREATED, by="test")


def test_finds_what_the_judge_likes():
    """From the model's plan to greens that only the judge knows of."""
    body = problem([crossroads("A")], {"A": USUAL})
    start = retime(body, time_limit_s=2).plan
    count = len(start.junctions[0].stages)
    wanted = tuple(310 + 90 * index for index in range(count))
    found = _refine(body, [start], _judge({"A": wanted}))
    assert tuple(stage.green_ds for stage in found.best.plan.junctions[0].stages) == wanted
    assert found.trials[0].move == "start"


def test_junctions_move_at_once():
    """Two junctions with opposite wishes need hardly more plans than one."""
    body = problem([crossroads("A"), crossroads("B")], {"A": USUAL, "B": USUAL})
    start = retime(body, time_limit_s=2).plan
    sizes = {item.junction: len(item.stages) for item in start.junctions}
    wanted = {
        "A": tuple(250 + 60 * index for index in range(sizes["A"])),
        "B": tuple(550 - 60 * index for index in range(sizes["B"])),
    }
    found = _refine(body, [start], _judge(wanted))
    for item in found.best.plan.junctions:
        assert tuple(stage.green_ds for stage in item.stages) == wanted[item.junction]


def test_budget_bounds_the_plans_judged_and_each_is_new():
    body = problem([crossroads("A")], {"A": USUAL})
    options = [item.plan for item in candidates(body, 3, time_limit_s=2)]
    judged: list[Plan] = []

    def judge(plans):
        judged.extend(plans)
        return [Judgement(float(len(judged)), {}) for _ in plans]

    found = _refine(body, options, judge, budget=17)
    assert len(judged) == len(found.trials) <= 17
    assert len({plan.digest for plan in judged}) == len(judged)


def test_every_plan_judged_keeps_the_envelope():
    junctions = [crossroads("A"), crossroads("B")]
    body = problem(junctions, {"A": USUAL, "B": USUAL}, [northbound_link("A", "B")])
    known = {junction.id: junction for junction in junctions}
    start = retime(body, time_limit_s=2).plan

    def judge(plans):
        assert all(check_plan(plan, known) == () for plan in plans)
        return [Judgement(sum(p.cycle_ds for p in plan.junctions) / 10, {}) for plan in plans]

    found = _refine(body, [start], judge, budget=60)
    assert found.best.figure <= found.trials[0].figure


def test_no_start_is_refused():
    with pytest.raises(ValueError, match="start"):
        _refine(problem([crossroads("A")], {"A": USUAL}), [], _judge({}))


def test_plan_in_force_is_kept_as_far_as_the_envelope_lets():
    """A plan that keeps the envelope comes back as it is."""
    junction = crossroads("A")
    body = problem([junction], {"A": USUAL})
    in_force = body.current
    assert in_force is not None
    start = legal_start(body, in_force, created=CREATED, by="test")
    assert start is not None
    before, after = two_stages(junction), start.junctions[0]
    assert after.cycle_ds == before.cycle_ds
    assert [s.green_ds for s in after.stages] == [s.green_ds for s in before.stages]


def test_prediction_of_a_plan_is_that_of_the_retiming_that_made_it():
    body = problem([crossroads("A")], {"A": USUAL})
    result = retime(body, time_limit_s=2)
    again = predict(body, result.plan, "cpsat", result.status)
    assert again.delay_s == pytest.approx(result.delay_s)
    assert again.cost == pytest.approx(result.cost)
    assert timings_of(result.plan)["A"].greens_ds == tuple(
        stage.green_ds for stage in result.plan.junctions[0].stages
    )
