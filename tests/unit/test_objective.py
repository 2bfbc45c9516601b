"""What counts in a plan: people in vehicles, buses, people on foot."""

from __future__ import annotations

import itertools
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest
from retiming_problems import CREATED, START, USUAL, crossroads, problem, two_stages

from models.counts import CountRow
from models.plan import Plan
from optimizer.platoon import PlatoonModel, Timing
from optimizer.problem import RetimingProblem, Weights, problem_from_counts
from optimizer.retime import retime
from optimizer.splits import solve_splits
from optimizer.walkers import mean_wait_s, plan_wait_s, timing_wait_s, waiting_cost
from simulation.runner import SimulationResult
from traffic.objective import objective_of


@pytest.mark.parametrize(
    "greens", [[(0, 30)], [(10, 20), (50, 5)], [(80, 15)], [(0, 5), (30, 5), (60, 5)]]
)
def test_the_mean_wait_is_that_of_people_who_come_at_any_time(greens) -> None:
    cycle = 90
    open_at = {(start + s) % cycle for start, length in greens for s in range(length)}
    waits = []
    for tenth in range(cycle * 10):
        at = tenth / 10 + 0.05
        second = int(at)
        if second in open_at:
            waits.append(0.0)
            continue
        ahead = next(s for s in itertools.count(second + 1) if s % cycle in open_at)
        waits.append(ahead - at)
    assert mean_wait_s(greens, cycle) == pytest.approx(sum(waits) / len(waits), rel=1e-3)


def test_a_timing_and_its_plan_make_people_wait_the_same() -> None:
    junction = crossroads("A")
    part = problem([junction], {"A": USUAL}).junctions[0]
    stages = part.stage_sets[0]
    greens = (410, 390)
    waits = timing_wait_s(junction, stages, greens)
    shown = two_stages(junction, 900)
    timed = replace(
        shown,
        stages=tuple(
            replace(stage, green_ds=green)
            for stage, green in zip(shown.stages, greens, strict=True)
        ),
        cycle_ds=sum(greens) + sum(stage.yellow_ds + stage.red_ds for stage in shown.stages),
    )
    assert waits == pytest.approx(plan_wait_s(timed, junction))
    # Its clearance, 10 s, is no walk: red lasts the rest of the cycle.
    crossing = junction.crossings[0].id
    served = 0 if crossing in stages.stages[0].green else 1
    cycle_s = timed.cycle_ds / 10
    red_s = cycle_s - (greens[served] / 10 - 10)
    assert waits[crossing] == pytest.approx(red_s**2 / (2 * cycle_s))


def two_classes(worth: dict[str, float]) -> RetimingProblem:
    """As many vehicles each way; those from the west and east are buses for a tenth."""
    junction = crossroads("A")
    rows = []
    for movement in junction.movements:
        if movement.turn.value != "through":
            continue
        cars, buses = (400, 0) if movement.id[2] in "ns" else (276, 40)
        for name, count in (("car", cars), ("bus", buses)):
            end = START.replace(hour=1)
            rows.append(CountRow("A", movement.id, name, START, end, count, 1.0))
    plan = Plan("s", (two_stages(junction),), CREATED, "t")
    return problem_from_counts(
        "s", {"A": junction}, rows, {"car": 1.0, "bus": 3.1}, plan, [], worth=worth
    )


def ew_green_s(asked: RetimingProblem) -> float:
    plan = retime(asked, time_limit_s=2).plan.junction("A")
    return sum(
        stage.green_ds / 10 / (plan.cycle_ds / 10)
        for stage in plan.stages
        if "A:ein>eout" in stage.green
    )


def test_a_bus_full_of_people_brings_its_street_more_green() -> None:
    alike, people = two_classes({}), two_classes({"bus": 40.0})
    flows = {f.movement: f for g in people.junctions[0].groups for x in g.lanes for f in x.flows}
    assert flows["A:nin>nout"].worth == 1.0
    assert flows["A:ein>eout"].worth == pytest.approx((276 + 40 * 40) / 316)
    assert flows["A:ein>eout"].vph == pytest.approx(316)
    assert ew_green_s(people) > ew_green_s(alike) + 0.02
    assert RetimingProblem.from_dict(people.to_dict()) == people


def test_people_on_foot_bring_their_stage_more_green() -> None:
    """The crossing is over the north-south street: it goes with the east-west stage."""
    asked = two_classes({})
    foot = replace(
        asked,
        weights=Weights(pedestrian=1.0),
        junctions=tuple(replace(part, pedestrians_ph=3000.0) for part in asked.junctions),
    )
    part = foot.junctions[0]
    stages = part.stage_sets[0]
    plain = solve_splits(asked, asked.junctions[0], stages, 900)
    walked = solve_splits(foot, part, stages, 900)
    assert plain is not None
    assert walked is not None
    served = next(
        i for i, s in enumerate(stages.stages) if part.junction.crossings[0].id in s.green
    )
    assert walked.greens_ds[served] > plain.greens_ds[served]
    assert walked.cost == pytest.approx(walked.bound, rel=0.01)
    # The platoon model adds exactly the time that people wait.
    timing = {"A": Timing(stages, walked.greens_ds, 0)}
    without = PlatoonModel(replace(foot, weights=Weights()), ("A",), 900).cost(timing)
    waits = timing_wait_s(part.junction, stages, walked.greens_ds)
    assert PlatoonModel(foot, ("A",), 900).cost(timing) == pytest.approx(
        without + waiting_cost(part, waits, 1.0)
    )


def test_sumos_runs_are_weighed_as_the_model_weighs() -> None:
    asked = two_classes({"bus": 40.0})
    seen = SimpleNamespace(
        kpi=SimpleNamespace(trips=1000, delay_s=30.0, stops=1.5),
        movements={
            "A:ein>eout": SimpleNamespace(vehicles=300, delay_s=20.0),
            "A:nin>nout": SimpleNamespace(vehicles=400, delay_s=50.0),
        },
    )
    result = cast(SimulationResult, cast(Any, seen))
    assert asked.current is not None
    worth = (276 + 40 * 40) / 316
    found = objective_of(asked, 1.0).figure_s(asked.current, result)
    assert found == pytest.approx(30 + 4 * 1.5 + (worth - 1) * 300 * 20 / 1000)
    plain = objective_of(two_classes({}), 1.0).figure_s(asked.current, result)
    assert plain == pytest.approx(36)
    foot = replace(two_classes({}), weights=Weights(pedestrian=0.5))
    part = foot.junctions[0]
    wait_s = sum(plan_wait_s(asked.current.junction("A"), part.junction).values())
    assert objective_of(foot, 0.5).figure_s(asked.current, result) == pytest.approx(
        36 + 0.5 * 0.5 * part.pedestrians_ph * wait_s / 1000
    )
