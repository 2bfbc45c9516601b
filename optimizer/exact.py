"""The same schedule by constraint programming: exact, for reference and for small horizons.

Stages in sequence with integer start and end seconds; every vehicle is a job that passes within
the green of a stage that serves it, in order, one headway after the one before it. Queues, stops,
start-up and what is left over at the horizon cost exactly what ``optimizer.queueing`` says, so
that on a whole-second grid CP-SAT and an unbounded search agree. Streams that give way, full
receiving roads and the longer headways at the start of a queue are beyond it: their vehicles are
scheduled as if there were none.

Job-shop view of a signal: Xie, Smith, Lu and Barlow (2012), Transportation Research C 24.
"""

from __future__ import annotations

import math

import numpy as np
from ortools.sat.python import cp_model

from optimizer.horizon import Effort, Found, Now, replay, search
from optimizer.queueing import Displays, Driving, Floats, Traffic

# Costs are integers of this many parts of a weighted second.
SCALE = 100
MOST_STAGES = 8


def schedule(
    now: Now,
    shown: Displays,
    traffic: Traffic,
    driving: Driving,
    effort: Effort,
    off_plan: Floats | None = None,
    *,
    time_limit_s: float | None = None,
    work_limit: float = 4.0,
) -> Found:
    """The cheapest schedule of whole seconds; the search's own answer where none is better.

    Same arguments and answer as ``horizon.search``, whose schedule is the start and the fallback.

    Args:
        now: Where it begins.
        shown: What the junction can show.
        traffic: Vehicles on their way; times and headways are rounded to seconds.
        driving: How they behave.
        effort: The horizon counts; its grid is the fallback's.
        off_plan: Cost of showing stages beyond delay; only the fallback regards it.
        time_limit_s: Of the solver by the clock; none by default.
        work_limit: Of the solver in its own deterministic units, about seconds.
    """
    fallback = search(now, shown, traffic, driving, effort, off_plan)
    if off_plan is not None and off_plan.any():
        return fallback
    found = _solve(now, shown, traffic, driving, effort, fallback, time_limit_s, work_limit)
    if found is None:
        return fallback
    fine = seconds_effort(effort)
    cost, _ = replay(found, now, shown, traffic, driving, fine)
    reference, _ = replay(fallback, now, shown, traffic, driving, effort)
    return found._replace(cost=cost) if cost < reference - 1e-9 else fallback


def seconds_effort(effort: Effort) -> Effort:
    """The same bounds on a grid of whole seconds."""
    seconds = int(effort.horizon_s)
    return effort._replace(
        grid_s=np.arange(seconds, dtype=np.float64),
        slot=np.arange(seconds + 1, dtype=np.int64),
    )


def _solve(
    now: Now,
    shown: Displays,
    traffic: Traffic,
    driving: Driving,
    effort: Effort,
    hint: Found,
    time_limit_s: float | None,
    work_limit: float,
) -> Found | None:
    horizon = int(effort.horizon_s)
    stages = shown.clear_s.shape[0]
    shortest = math.ceil(float(shown.min_green_s.min()))
    count = min(MOST_STAGES, 2 + horizon // max(1, shortest))
    model = cp_model.CpModel()

    start = [model.new_int_var(0, horizon, f"s{k}") for k in range(count)]
    end = [model.new_int_var(0, horizon, f"e{k}") for k in range(count)]
    show = [[model.new_bool_var(f"x{k},{p}") for p in range(stages)] for k in range(count)]
    least = [math.ceil(float(value)) for value in shown.min_green_s]
    most = [int(value) for value in shown.max_green_s]
    clear = [[math.ceil(float(v)) for v in row] for row in shown.clear_s]
    for k in range(count):
        model.add_exactly_one(show[k])
        model.add(end[k] >= start[k])
        # It ends after its shortest green, or at the horizon.
        at_end = model.new_bool_var(f"h{k}")
        model.add(end[k] == horizon).only_enforce_if(at_end)
        model.add(end[k] < horizon).only_enforce_if(at_end.negated())
        for p in range(stages):
            if k > 0:
                model.add(end[k] >= start[k] + least[p]).only_enforce_if(
                    show[k][p], at_end.negated()
                )
            model.add(end[k] <= start[k] + most[p]).only_enforce_if(show[k][p])
    model.add(start[0] == 0)
    model.add(show[0][now.stage] == 1)
    model.add(end[0] >= min(horizon, math.ceil(now.ready_s)))
    if now.leave_by_s < horizon:
        model.add(end[0] <= max(0, math.ceil(max(now.ready_s, now.leave_by_s))))
    after = []
    for k in range(1, count):
        # Behind the horizon nothing changes any more: the same stage goes on, empty.
        over = model.new_bool_var(f"o{k}")
        after.append(over)
        model.add(end[k - 1] == horizon).only_enforce_if(over)
        model.add(end[k - 1] < horizon).only_enforce_if(over.negated())
        model.add(start[k] == horizon).only_enforce_if(over)
        for p in range(stages):
            model.add_implication(show[k - 1][p], show[k][p]).only_enforce_if(over)
            model.add_bool_or(show[k - 1][p].negated(), show[k][p].negated(), over)
            if (k == 1 and not now.next_allowed[p]) or not now.offered[p]:
                model.add_implication(show[k][p], over)
            for q in range(stages):
                if p != q:
                    both = (show[k - 1][p], show[k][q], over.negated())
                    begins = model.new_int_var(0, horizon, "")
                    model.add_min_equality(begins, [end[k - 1] + clear[p][q], horizon])
                    model.add(start[k] == begins).only_enforce_if(*both)

    cost: list[cp_model.LinearExprT] = []
    startup = round(driving.startup_s)
    yellow = round(driving.yellow_used_s)
    for lane in range(traffic.first.shape[0] - 1):
        before: tuple[cp_model.IntVar, int] | None = None
        waits: list[tuple[cp_model.IntVar, float]] = []
        for i in range(int(traffic.first[lane]), int(traffic.first[lane + 1])):
            arrives = math.ceil(float(traffic.arrival_s[i]) - 1e-9)
            if arrives >= horizon:
                break
            movement = int(traffic.movement[i])
            weight = float(traffic.weight[i]) * SCALE
            headway = math.ceil(
                float(traffic.headway_s[i]) / max(0.05, float(shown.best_rate[movement])) - 1e-9
            )
            serves = [p for p in range(stages) if shown.rate[p, movement] > 0.0]
            passes = model.new_int_var(arrives, horizon, f"d{i}")
            left = model.new_bool_var(f"u{i}")
            model.add(passes == horizon).only_enforce_if(left)
            choices = [left]
            for k in range(count):
                here = model.new_bool_var(f"w{i},{k}")
                choices.append(here)
                model.add_bool_or(*(show[k][p] for p in serves)).only_enforce_if(here)
                earlier = [show[k - 1][p] for p in serves] if k else [show[0][p] for p in serves]
                model.add(passes >= start[k] + startup - startup * sum(earlier)).only_enforce_if(
                    here
                )
                on = [show[k + 1][p] for p in serves] if k + 1 < count else []
                goes_on = model.new_bool_var("")
                model.add(goes_on == sum(on))
                model.add(passes <= horizon - 1).only_enforce_if(here)
                model.add(passes <= end[k] + yellow - 1).only_enforce_if(here, goes_on.negated())
                if k + 1 < count:
                    model.add(passes <= start[k + 1] - 1).only_enforce_if(here, goes_on)
            model.add_exactly_one(choices)
            if before is not None:
                model.add(passes >= before[0] + before[1]).only_enforce_if(left.negated())
                model.add_implication(waits[-1][0], left)
            before = (passes, headway)
            cost.append(round(weight) * (passes - arrives))
            # A stop: none up to 1 s, half at 2 s, whole from 3 s on; whole for who is left.
            half, whole = model.new_bool_var(""), model.new_bool_var("")
            model.add(passes - arrives <= 1).only_enforce_if(half.negated(), left.negated())
            model.add(passes - arrives <= 2).only_enforce_if(whole.negated(), left.negated())
            model.add_implication(left, half)
            model.add_implication(left, whole)
            cost.append(round(weight * driving.stop_s / 2) * (half + whole))
            # Red at the horizon.
            red = model.new_bool_var("")
            model.add(sum(show[count - 1][p] for p in serves) == 0).only_enforce_if(red)
            model.add_bool_or(left.negated(), red, *(show[count - 1][p] for p in serves))
            cost.append(round(weight * driving.change_s) * red)
            cost += [round(weight * driving.queue_share * work) * other for other, work in waits]
            waits.append((left, float(headway)))
    model.minimize(sum(cost) if cost else 0)

    at = [0.0, *[float(t) for t in hint.change_s]]
    rows = [now.stage, *[int(p) for p in hint.stage]]
    for k in range(min(count, len(rows))):
        for p in range(stages):
            model.add_hint(show[k][p], int(p == rows[k]))
        if k:
            model.add_hint(end[k - 1], int(at[k]))
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.random_seed = 0
    solver.parameters.max_deterministic_time = work_limit
    if time_limit_s is not None:
        solver.parameters.max_time_in_seconds = time_limit_s
    status = solver.solve(model)
    if status not in {cp_model.OPTIMAL, cp_model.FEASIBLE}:
        return None
    changes, targets = [], []
    for k in range(1, count):
        if solver.value(end[k - 1]) >= horizon:
            break
        changes.append(float(solver.value(end[k - 1])))
        targets.append(next(p for p in range(stages) if solver.value(show[k][p])))
    return Found(
        solver.objective_value / SCALE,
        np.array(changes, dtype=np.float64),
        np.array(targets, dtype=np.int64),
        int(solver.num_branches),
    )
