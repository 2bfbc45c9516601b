"""Whatever the problem: a plan that keeps every rule, or a clash that is named."""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1] / "unit"))
from retiming_problems import crossroads, northbound_link, problem

from models.junction import SafetyEnvelope
from models.safety import check_plan
from optimizer.delay import incremental_delay_s, uniform_delay_s
from optimizer.retime import Infeasible, retime

flows = st.fixed_dictionaries(
    {f"{heading} through": st.integers(0, 1500) for heading in "nsew"}
    | {f"{heading} left": st.integers(0, 400) for heading in "nsew"}
)
envelopes = st.builds(
    lambda green, yellow, red, walk, clearance, longest, grain: SafetyEnvelope(
        min_green_ds=green * 10,
        yellow_change_ds=yellow,
        red_clearance_ds=red,
        walk_ds=walk * 10,
        ped_clearance_ds={":A_c0": clearance * 10, ":B_c0": clearance * 10},
        max_cycle_ds=longest * 10,
        max_red_ds=longest * 10,
        granularity_ds=grain,
    ),
    st.integers(5, 25),
    st.integers(30, 50),
    st.integers(0, 30),
    st.integers(4, 15),
    st.integers(0, 25),
    st.integers(40, 150),
    st.sampled_from([1, 5, 10, 20]),
)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(flows, flows, envelopes, st.booleans())
def test_every_plan_keeps_the_rulebook(first, second, envelope, linked):
    junctions = [crossroads("A", envelope), crossroads("B", envelope)]
    first = {**first, "n through": first["n through"] + 1}
    second = {**second, "n through": second["n through"] + 1}
    links = [northbound_link("A", "B")] if linked else []
    body = replace(problem(junctions, {"A": first, "B": second}, links), cycle_step_ds=200)
    body = replace(
        body,
        junctions=tuple(replace(p, stage_sets=p.stage_sets[:3]) for p in body.junctions),
    )
    try:
        result = retime(body, time_limit_s=0.3)
    except Infeasible as error:
        clash = error
    else:
        clash = None
    if clash is not None:
        assert clash.junction in {"A", "B"}
        assert "cycle" in str(clash)
        return
    assert check_plan(result.plan, {j.id: j for j in junctions}) == ()
    assert all(math.isfinite(m.delay_s) for m in result.movements)
    if linked:
        # One cycle in common; a junction may run twice in it.
        common = max(result.cycle_ds.values())
        assert {common // cycle for cycle in result.cycle_ds.values()} <= {1, 2}
        assert all(common % cycle == 0 for cycle in result.cycle_ds.values())


@given(st.floats(30, 180), st.floats(0.05, 0.95), st.floats(0.0, 1.5), st.floats(0.001, 0.04))
def test_more_green_never_costs_delay(cycle, ratio, load, more):
    """d1 + d2 of a fixed demand falls with the green ratio."""
    demand = load * ratio * 1900.0

    def delay(green_ratio):
        capacity = 1900.0 * green_ratio
        x = demand / capacity
        return uniform_delay_s(cycle, green_ratio, x) + incremental_delay_s(x, capacity, 0.25)

    assert delay(ratio + more) <= delay(ratio) + 1e-6
