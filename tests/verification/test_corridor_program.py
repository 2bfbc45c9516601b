"""The program of a corridor against trying everything: offsets, stages, halves, speeds."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from retiming_problems import crossroads, northbound_link, problem

from optimizer.corridor import advisable_mps, build_program, solve_corridor, solve_program
from optimizer.elimination import total
from optimizer.platoon import PlatoonModel, Timing
from optimizer.problem import LinkGeometry, Weights
from optimizer.splits import solve_splits

CYCLE_DS = 800
VPH = {"n through": 420, "s through": 300, "n left": 40, "e through": 150, "w through": 120}
NAMES = ("A", "B", "C")


def _link(upstream, downstream, length_m):
    """Southbound, or around the corner: from whoever leaves to the south."""
    movements = (f"{upstream}:sin>sout", f"{upstream}:win>sout")
    return LinkGeometry(upstream, downstream, movements, f"{downstream}sin", length_m, 12.0)


def _body(links, slowest=1.0, vph=VPH, stop_s=4.0):
    names = sorted({name for link in links for name in (link.upstream, link.downstream)})
    body = problem([crossroads(name) for name in names], dict.fromkeys(names, vph), links)
    return replace(body, slowest_advice=slowest, weights=Weights(stop_s=stop_s))


def _timings(body, sets):
    """Each junction's timing and its others: further stage sets, and the first one twice."""
    own, choices = {}, {}
    for part in body.junctions:
        found = [
            Timing(splits.stages, splits.greens_ds, 0)
            for stages in part.stage_sets[:sets]
            if (splits := solve_splits(body, part, stages, CYCLE_DS))
        ]
        half = solve_splits(body, part, part.stage_sets[0], CYCLE_DS // 2)
        assert half is not None
        twice = Timing(half.stages.twice(), half.greens_ds * 2, 0)
        own[part.id], choices[part.id] = found[0], [*found[1:], twice]
    return own, choices


LINE = [
    northbound_link("A", "B", 170.0),
    northbound_link("B", "C", 230.0),
    _link("B", "A", 170.0),
    _link("C", "B", 230.0),
]


@pytest.mark.parametrize("links", [LINE, [*LINE, _link("A", "C", 300.0)]], ids=["line", "ring"])
@pytest.mark.parametrize("slowest", [1.0, 0.75])
def test_a_program_is_solved_as_by_trying_everything(links, slowest):
    """Traffic both ways, other stages and half cycles, with and without advised speeds."""
    body = _body(links, slowest)
    own, choices = _timings(body, 2)
    program = build_program(PlatoonModel(body, NAMES, CYCLE_DS), own, choices)
    pairs, count = program.pairs, CYCLE_DS // program.step_ds
    assert [len(program.timings[name]) for name in NAMES] == [3, 3, 3]
    at_b, at_c = np.meshgrid(np.arange(count), np.arange(count))
    at = {"A": np.zeros_like(at_b), "B": at_b, "C": at_c}
    least = np.inf
    for picks in itertools.product(range(3), repeat=3):
        pick = dict(zip(NAMES, picks, strict=True))
        cost = np.full(at_b.shape, sum(program.own[name][pick[name]] for name in NAMES))
        for (one, other), table in pairs.items():
            cost += table[pick[one], pick[other], (at[other] - at[one]) % count]
        least = min(least, cost.min())
    found = solve_program(program)
    assert found.objective == pytest.approx(least)
    assert (found.status, found.gap) == ("OPTIMAL", 0.0)


def test_along_one_way_the_program_is_the_whole_model():
    """What leaves the first signal does not depend on the second: the least cost of all is found.

    40 km/h instead of 43.2 makes 2.0 s over 300 m.
    """
    body = _body([northbound_link("A", "B", 300.0)], slowest=0.9, stop_s=30.0)
    body = replace(body, weights=replace(body.weights, pedestrian=0.5))
    own, choices = _timings(body, 2)
    model = PlatoonModel(body, ("A", "B"), CYCLE_DS)
    program = build_program(model, own, choices)
    assert program.speeds[0].any()
    costs = []
    for at, second in enumerate(program.timings["B"]):
        for step in range(0, CYCLE_DS // program.step_ds):
            timings = {"A": own["A"], "B": replace(second, offset_ds=step * program.step_ds)}
            speeds = ({}, {0: 40.0 / 3.6})
            costs.append(min(model.advised(speed).cost(timings) for speed in speeds))
            places = {"A": (0, 0), "B": (at, step)}
            assert total(program.own, program.pairs, places) == pytest.approx(costs[-1])
    found = solve_corridor(model, own, {"B": choices["B"]})
    assert found.objective == pytest.approx(min(costs))
    assert model.advised(found.speed_mps).cost(found.timings) == pytest.approx(min(costs))


def test_speeds_are_advised_where_stops_pay_for_them_and_only_slower_ones():
    """400 m apart both directions cannot have their wave at the speed that traffic drives."""
    vph = {"n through": 700, "s through": 650, "e through": 100, "w through": 100}
    links = [northbound_link("A", "B", 400.0), _link("B", "A", 400.0)]
    assert [round(3.6 * speed) for speed in advisable_mps(_body(links).links[0], 0.7)] == [40, 35]
    assert advisable_mps(_body(links).links[0], 1.0) == ()

    def solved(slowest, stop_s):
        body = _body(links, slowest, vph, stop_s)
        own, _ = _timings(body, 1)
        model = PlatoonModel(body, ("A", "B"), CYCLE_DS)
        found = solve_corridor(model, own)
        return model.advised(found.speed_mps).cost(found.timings), found.speed_mps

    (free, none), (less, speeds) = solved(1.0, 30.0), solved(0.7, 30.0)
    assert none == {}
    assert less < free
    assert {round(3.6 * speed) for speed in speeds.values()} <= {40, 35}
    # A second slower costs everybody a second and saves nobody more than a second of red.
    assert solved(0.7, 0.0)[1] == {}
