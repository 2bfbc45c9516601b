"""The search with an outside judge: it finds what the judge likes, within budget and envelope."""

from __future__ import annotations

import pytest
from retiming_problems import CREATED, USUAL, crossroads, northbound_link, problem, two_stages

from models.plan import Plan
from models.safety import check_plan
from optimizer.learning import with_factors
from optimizer.refine import Judgement, legal_start, refine
from optimizer.result import predict, timings_of
from optimizer.retime import candidates, retime
from optimizer.selection import choose


def _judge(wanted_ds: dict[str, tuple[int, ...]]):
    """A judge that likes certain greens and knows nothing else."""

    def figures(plans, draw):
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


def _refine(body, starts, judge, budget=200, in_force=None):
    return refine(body, starts, judge, budget=budget, created=CREATED, by="test", in_force=in_force)


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


@pytest.mark.parametrize("budget", [1, 2, 17, 40])
def test_budget_bounds_the_plans_judged_and_none_is_judged_twice_on_a_draw(budget):
    body = problem([crossroads("A")], {"A": USUAL})
    options = [item.plan for item in candidates(body, 3, time_limit_s=2)]
    judged: list[tuple[str, int]] = []

    def judge(plans, draw):
        judged.extend((plan.digest, draw) for plan in plans)
        return [Judgement(float(len(judged)), {}) for _ in plans]

    found = _refine(body, options, judge, budget=budget)
    assert len(judged) == len(found.trials) <= budget
    assert len(set(judged)) == len(judged)


def test_luck_on_one_draw_does_not_last():
    """A plan that one draw flatters is found out by the next, and the plan in force stays."""
    body = problem([crossroads("A")], {"A": USUAL})
    in_force = legal_start(body, body.current, created=CREATED, by="test")
    options = [item.plan for item in candidates(body, 2, time_limit_s=2)]
    flattered = options[0].digest

    def judge(plans, draw):
        return [
            Judgement(10.0 if plan.digest == in_force.digest else 12.0, {})
            if draw or plan.digest != flattered
            else Judgement(5.0, {})
            for plan in plans
        ]

    found = _refine(body, options, judge, budget=40, in_force=in_force)
    assert found.best.plan.digest == in_force.digest
    assert found.in_force is not None
    assert found.in_force.figure == pytest.approx(10.0)


def test_green_goes_back_to_a_movement_that_lost_too_much():
    """The judge sees one street lose beyond its limit: the next plan gives it green again."""
    body = problem([crossroads("A")], {"A": USUAL})
    in_force = legal_start(body, body.current, created=CREATED, by="test")
    start = retime(body, time_limit_s=2).plan
    crossing = "A:ein>eout"

    def judge(plans, draw):
        found = []
        for plan in plans:
            green_s = sum(s.green_ds for s in plan.junctions[0].stages if crossing in s.green) / 10
            share = green_s / (plan.junctions[0].cycle_ds / 10)
            delay_s = 20.0 if plan.digest == in_force.digest else 60.0 - 60.0 * share
            figure = 30.0 if plan.digest == in_force.digest else 20.0
            found.append(Judgement(figure, {}, {crossing: delay_s}, {crossing: 0.05}))
        return found

    found = _refine(body, [start], judge, budget=3, in_force=in_force)
    assert [trial.move for trial in found.trials[:2]] == ["in force", "start"]
    assert " to " in found.trials[2].move
    assert found.trials[2].figure < found.trials[1].figure
    # Both are worse by more than the movement may lose: what was lost counts again.
    assert found.trials[1].figure > 20.0


def test_what_the_judge_saw_corrects_the_model():
    """A lane group that discharges at less than what the model thinks gets more green."""
    body = problem([crossroads("A")], {"A": {**USUAL, "n through": 600, "s through": 300}})
    slow = "A:nin>nout"
    truth = with_factors(
        body,
        {("A", group.id): 0.62 for group in body.junction("A").groups if slow in group.movements},
    )
    start = retime(body, time_limit_s=2).plan

    def judge(plans, draw):
        seen = [predict(truth, plan, "", "") for plan in plans]
        return [
            Judgement(
                item.delay_s,
                {"A": item.delay_s},
                {movement.movement: movement.delay_s for movement in item.movements},
            )
            for item in seen
        ]

    found = _refine(body, [start], judge, budget=4)
    figures = {trial.move: trial.figure for trial in found.trials if trial.draw == 0}
    assert figures["learnt"] < figures["start"]
    slowest = min(found.learnt, key=lambda key: found.learnt[key])
    assert slow in next(g for g in body.junction("A").groups if g.id == slowest[1]).movements


def test_every_plan_judged_keeps_the_envelope():
    junctions = [crossroads("A"), crossroads("B")]
    body = problem(junctions, {"A": USUAL, "B": USUAL}, [northbound_link("A", "B")])
    known = {junction.id: junction for junction in junctions}
    start = retime(body, time_limit_s=2).plan

    def judge(plans, draw):
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


def test_plan_in_force_with_a_cycle_beyond_the_longest_allowed_is_shortened():
    """A program of 210 s is judged too, with the longest cycle that the envelope allows."""
    body = problem([crossroads("A")], {"A": USUAL})
    current = Plan("test", (two_stages(crossroads("A"), cycle_ds=2100),), CREATED, "test")
    found = legal_start(body, current, created=CREATED, by="test")
    assert found is not None
    assert found.junctions[0].cycle_ds == crossroads("A").envelope.max_cycle_ds


def test_few_plans_are_judged_over_all_draws_with_what_movements_lose():
    """The lucky draw of one plan does not choose it, nor does a gain that one movement pays for."""
    body = problem([crossroads("A")], {"A": USUAL})
    in_force = legal_start(body, body.current, created=CREATED, by="test")
    lucky, steady = (item.plan for item in candidates(body, 2, time_limit_s=2))
    figures = {in_force.digest: (30, 30, 30), lucky.digest: (10, 40, 40), steady.digest: (27,) * 3}
    lost_s = dict.fromkeys(figures, 20.0)

    def judge(plans, draw):
        return [
            Judgement(figures[p.digest][draw], {}, {"A:nin>nout": lost_s[p.digest]},
                      {"A:nin>nout": 0.5})
            for p in plans
        ]  # fmt: skip

    found = choose([lucky, steady], judge, draws=3, in_force=in_force)
    assert found.best.plan == lucky  # the geometric mean is 25
    figures[lucky.digest] = (10, 50, 50)
    found = choose([steady, lucky], judge, draws=3, in_force=in_force)
    assert found.best.plan == steady
    assert found.in_force.figure == pytest.approx(30.0)
    lost_s[steady.digest] = 26.0
    found = choose([steady, lucky], judge, draws=3, in_force=in_force)
    assert found.best.plan == lucky
    with pytest.raises(ValueError, match="no plan"):
        choose([], judge, draws=1)


def test_the_model_decides_where_chance_alone_may_have_made_the_difference():
    """Within one standard error of the best the model's first stands; a sure gain is taken."""
    body = problem([crossroads("A")], {"A": USUAL})
    in_force = legal_start(body, body.current, created=CREATED, by="test")
    first, second = (item.plan for item in candidates(body, 2, time_limit_s=2))
    figures = {in_force.digest: (40, 41, 39), first.digest: (50.7, 49.3, 52.1)}

    def chosen(*of_second: float, held: tuple[float, ...] = (75, 75, 77)) -> Plan:
        figures.update({second.digest: of_second, in_force.digest: held})

        def judge(plans, draw):
            return [Judgement(figures[plan.digest][draw], {}) for plan in plans]

        return choose([first, second], judge, draws=3, in_force=in_force).best.plan

    assert chosen(51.0, 47.7, 52.7) == first
    assert chosen(49.7, 48.2, 51.2) == second
    assert chosen(51.0, 47.7, 52.7, held=(50.6, 50.6, 50.6)) == second  # not worse than what is
    assert chosen(51.0, 47.7, 52.7, held=(49, 49, 49)) == in_force
