"""Rolling-horizon search: which stages to show, and for how long, over the next minute.

A schedule of stages serves the queues of ``optimizer.queueing``. The search goes through a grid
of decision times: at each, a partial schedule may hold its stage or change to any other. Per time
and stage the best ``width`` partial schedules are kept (a beam search), so that work is bounded
by counts and never by a clock. With a width that nothing is dropped from, the answer is exact on
the grid.

Schedule-driven control: Xie, Smith, Lu and Barlow (2012), Transportation Research C 24; forward
recursion over phases and times: Sen and Head (1997), Transportation Science 31.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from optimizer.queueing import (
    Displays,
    Driving,
    Flags,
    Floats,
    Ints,
    Traffic,
    ahead,
    change,
    compiled,
    serve,
    waiting_cost,
)

_NEVER = 1e18


class Now(NamedTuple):
    """Where the search begins.

    Attributes:
        stage: Stage that is green.
        green_s: For how long.
        ready_s: Earliest change from now.
        leave_by_s: Latest end of this stage from now where somebody's longest red is near.
        forced: Whether the next stage must be one of those allowed even if no vehicle needs it.
        next_allowed: (P,) stages that may come next.
        offered: (P,) stages that may be shown at all.
    """

    stage: int
    green_s: float
    ready_s: float
    leave_by_s: float
    forced: bool
    next_allowed: Flags
    offered: Flags


class Effort(NamedTuple):
    """Bounds of the search.

    Attributes:
        grid_s: (T,) decision times, ascending from 0.
        slot: First index of the grid that is not before a whole second; beyond the end T.
        horizon_s: Where costs are summed up.
        width: Partial schedules kept per time and stage.
        breadth: Partial schedules followed up per time, over all stages.
        expansions: Partial schedules looked at, at most.
    """

    grid_s: Floats
    slot: Ints
    horizon_s: float
    width: int
    breadth: int
    expansions: int


class Found(NamedTuple):
    """The best schedule: change at ``change_s[i]`` towards ``stage[i]``; empty = stay.

    ``cost`` is the weighted delay over the horizon and the estimate beyond; ``expansions`` is
    the work done.
    """

    cost: float
    change_s: Floats
    stage: Ints
    expansions: int


def effort(
    horizon_s: int, *, width: int = 3, breadth: int = 10, expansions: int = 20_000
) -> Effort:
    """A grid that is fine now and coarser later: 1 s, from 12 s on 2 s, from 30 s on 4 s."""
    times = [*range(12), *range(12, 30, 2), *range(30, max(31, horizon_s), 4)]
    grid = np.array([t for t in times if t < horizon_s], dtype=np.float64)
    slot = np.searchsorted(grid, np.arange(horizon_s + 1)).astype(np.int64)
    return Effort(grid, slot, float(horizon_s), width, breadth, expansions)


@compiled
def _ends_s(
    time_s: float, stage: int, target: int, shown: Displays, effort: Effort
) -> tuple[float, int]:
    """When ``target`` may be left again after a change at ``time_s``, and that slot of the grid."""
    end_s = time_s + shown.clear_s[stage, target] + shown.min_green_s[target]
    if end_s >= effort.horizon_s:
        return effort.horizon_s, -1
    slot = effort.slot[int(np.ceil(end_s - 1e-9))]
    if slot >= effort.grid_s.shape[0]:
        return effort.horizon_s, -1
    return effort.grid_s[slot], slot


@compiled
def _place(first: int, count: int, width: int, value: float, score: Floats, rooted: Flags) -> int:
    """Where a partial schedule goes among those of its time and stage; -1 if it is not kept.

    Equal ones are taken once. The schedule that has not changed yet is never pushed out.
    """
    worst = -1
    for z in range(first, first + count):
        if rooted[z]:
            continue
        if abs(score[z] - value) < 1e-9:
            return -1
        if worst < 0 or score[z] > score[worst]:
            worst = z
    if count < width:
        return first + count
    return worst if worst >= 0 and score[worst] > value else -1


@compiled
def _off(
    time_s: float, end_s: float, stage: int, target: int, shown: Displays, off_plan: Floats
) -> float:
    """Cost beyond delay of what is shown in between; a change is as bad as the worse of the two."""
    begin, end = int(time_s), int(end_s)
    if stage == target:
        return float(off_plan[end, target] - off_plan[begin, target])
    green = min(end, int(time_s + shown.clear_s[stage, target]))
    old = off_plan[green, stage] - off_plan[begin, stage]
    new = off_plan[green, target] - off_plan[begin, target]
    return float(max(old, new) + off_plan[end, target] - off_plan[green, target])


@compiled
def _bar(first: int, kept: Ints, width: int, score: Floats, breadth: int) -> float:
    """Score of the ``breadth``-th best partial schedule of one time."""
    values = np.empty(kept.shape[0] * width)
    count = 0
    for stage in range(kept.shape[0]):
        for z in range(first + stage * width, first + stage * width + kept[stage]):
            values[count] = score[z]
            count += 1
    if count <= breadth:
        return _NEVER
    return float(np.sort(values[:count])[breadth - 1])


@compiled
def _search(
    now: Now,
    shown: Displays,
    traffic: Traffic,
    driving: Driving,
    effort: Effort,
    off_plan: Floats,
) -> tuple[float, Floats, Ints, int]:
    """Best schedule: its cost, times and targets of its changes, and the work done.

    ``off_plan[t, p]`` is the cost of showing stage p from now until t seconds (coordination).
    """
    stages = shown.clear_s.shape[0]
    lanes = traffic.first.shape[0] - 1
    exits = traffic.room.shape[0]
    steps = effort.grid_s.shape[0]
    width = effort.width
    horizon_s = effort.horizon_s
    nodes = steps * stages * width

    cost = np.empty(nodes)
    score = np.empty(nodes)
    green_from = np.empty(nodes)
    rooted = np.zeros(nodes, np.bool_)
    parent = np.full(nodes, -1, np.int64)
    kept = np.zeros((steps, stages), np.int64)
    heads = np.empty((nodes, lanes), np.int64)
    frees = np.empty((nodes, lanes))
    lasts = np.empty((nodes, lanes), np.int64)
    movings = np.empty((nodes, lanes), np.int64)
    useds = np.empty((nodes, exits))
    head = np.empty(lanes, np.int64)
    free_s = np.empty(lanes)
    last = np.empty(lanes, np.int64)
    moving = np.empty(lanes, np.int64)
    used = np.empty(exits)
    departure_s = np.empty(traffic.arrival_s.shape[0])

    # A stage that nobody who is here or comes could use is no alternative, unless it is wished.
    useful = np.zeros(stages, np.bool_)
    for second in range(off_plan.shape[0]):
        if off_plan[second].max() > off_plan[second].min():
            useful[:] = True
    for i in range(traffic.movement.shape[0]):
        for p in range(stages):
            if shown.rate[p, traffic.movement[i]] > 0.0:
                useful[p] = True
    useful &= now.offered

    times_s = np.empty(steps + 1)
    times_s[:steps] = effort.grid_s
    times_s[steps] = horizon_s
    sums = ahead(times_s, shown, traffic)

    root = now.stage * width
    cost[root] = 0.0
    score[root] = 0.0
    green_from[root] = -now.green_s
    rooted[root] = True
    kept[0, now.stage] = 1
    heads[root] = traffic.first[:lanes]
    frees[root] = traffic.lane_free_s
    lasts[root] = traffic.last_movement
    movings[root] = traffic.moving
    useds[root] = 0.0

    best = _NEVER
    best_node = -1
    best_stage = now.stage
    work = 0
    for step in range(steps):
        time_s = effort.grid_s[step]
        limit = _bar(step * stages * width, kept[step], width, score, effort.breadth)
        for stage in range(stages):
            for node in range(
                (step * stages + stage) * width, (step * stages + stage) * width + kept[step, stage]
            ):
                if not rooted[node] and (
                    cost[node] >= best or score[node] > limit or work >= effort.expansions
                ):
                    continue
                # Nobody else waits: the longest green binds no one.
                leave_by_s = _NEVER
                for p in range(stages):
                    if useful[p] and p != stage:
                        leave_by_s = green_from[node] + shown.max_green_s[stage]
                if rooted[node]:
                    leave_by_s = min(leave_by_s, now.leave_by_s)
                may_change = not rooted[node] or time_s >= now.ready_s - 1e-9
                for target in range(stages):
                    hold = target == stage
                    if hold:
                        if time_s + 1e-9 >= leave_by_s and may_change:
                            continue
                        slot = step + 1 if step + 1 < steps else -1
                        end_s = effort.grid_s[slot] if slot >= 0 else horizon_s
                    else:
                        if not may_change:
                            continue
                        if rooted[node] and not now.next_allowed[target]:
                            continue
                        if not useful[target] and not (rooted[node] and now.forced):
                            continue
                        end_s, slot = _ends_s(time_s, stage, target, shown, effort)
                    work += 1
                    head[:] = heads[node]
                    free_s[:] = frees[node]
                    last[:] = lasts[node]
                    moving[:] = movings[node]
                    used[:] = useds[node]
                    spent = cost[node]
                    if hold:
                        spent += serve(
                            time_s,
                            end_s,
                            stage,
                            -1,
                            shown,
                            traffic,
                            driving,
                            head,
                            free_s,
                            last,
                            moving,
                            used,
                            departure_s,
                        )
                    else:
                        spent += change(
                            time_s,
                            end_s,
                            stage,
                            target,
                            horizon_s,
                            shown,
                            traffic,
                            driving,
                            head,
                            free_s,
                            last,
                            moving,
                            used,
                            departure_s,
                        )
                    spent += _off(time_s, end_s, stage, target, shown, off_plan)
                    so_far, to_come = waiting_cost(
                        end_s, slot, target, head, shown, traffic, driving, sums
                    )
                    if spent + so_far >= best:
                        continue
                    value = spent + so_far + to_come
                    if slot < 0:
                        if value < best:
                            best = value
                            best_node = node
                            best_stage = target
                        continue
                    base = (slot * stages + target) * width
                    to = _place(base, kept[slot, target], width, value, score, rooted)
                    if to < 0 and hold and rooted[node]:
                        to = base
                        for z in range(base, base + width):
                            if score[z] > score[to]:
                                to = z
                    if to < 0:
                        continue
                    if to == base + kept[slot, target]:
                        kept[slot, target] += 1
                    cost[to] = spent
                    score[to] = value
                    rooted[to] = hold and rooted[node]
                    parent[to] = node
                    green_from[to] = (
                        green_from[node]
                        if hold
                        else min(horizon_s, time_s + shown.clear_s[stage, target])
                    )
                    heads[to] = head
                    frees[to] = free_s
                    lasts[to] = last
                    movings[to] = moving
                    useds[to] = used
    change_s = np.empty(steps)
    targets = np.empty(steps, np.int64)
    changes = 0
    node = best_node
    follows = best_stage
    while node >= 0:
        stage = (node // width) % stages
        if stage != follows:
            change_s[changes] = effort.grid_s[node // (stages * width)]
            targets[changes] = follows
            changes += 1
        follows = stage
        node = parent[node]
    return best, change_s[:changes][::-1].copy(), targets[:changes][::-1].copy(), work


@compiled
def _replay(
    change_s: Floats,
    targets: Ints,
    now: Now,
    shown: Displays,
    traffic: Traffic,
    driving: Driving,
    effort: Effort,
    off_plan: Floats,
) -> tuple[float, Floats]:
    """Cost of one schedule and when each vehicle passes in it (infinite: beyond the horizon)."""
    lanes = traffic.first.shape[0] - 1
    head = traffic.first[:lanes].copy()
    free_s = traffic.lane_free_s.copy()
    last = traffic.last_movement.copy()
    moving = traffic.moving.copy()
    used = np.zeros(traffic.room.shape[0])
    departure_s = np.full(traffic.arrival_s.shape[0], np.inf)
    steps = effort.grid_s.shape[0]
    stage = now.stage
    cost = 0.0
    done = 0
    slot = 0
    while slot >= 0:
        time_s = effort.grid_s[slot]
        before = stage
        if done < change_s.shape[0] and time_s >= change_s[done] - 1e-9:
            target = targets[done]
            end_s, slot = _ends_s(time_s, stage, target, shown, effort)
            cost += change(
                time_s,
                end_s,
                stage,
                target,
                effort.horizon_s,
                shown,
                traffic,
                driving,
                head,
                free_s,
                last,
                moving,
                used,
                departure_s,
            )
            stage = target
            done += 1
        else:
            slot = slot + 1 if slot + 1 < steps else -1
            end_s = effort.grid_s[slot] if slot >= 0 else effort.horizon_s
            cost += serve(
                time_s,
                end_s,
                stage,
                -1,
                shown,
                traffic,
                driving,
                head,
                free_s,
                last,
                moving,
                used,
                departure_s,
            )
        cost += _off(time_s, end_s, before, stage, shown, off_plan)
    sums = ahead(np.array([effort.horizon_s]), shown, traffic)
    so_far, to_come = waiting_cost(effort.horizon_s, 0, stage, head, shown, traffic, driving, sums)
    return cost + so_far + to_come, departure_s


def search(
    now: Now,
    shown: Displays,
    traffic: Traffic,
    driving: Driving,
    effort: Effort,
    off_plan: Floats | None = None,
) -> Found:
    """The cheapest schedule found within the effort.

    Args:
        now: Where it begins.
        shown: What the junction can show.
        traffic: Vehicles on their way.
        driving: How they behave.
        effort: Grid, horizon and bounds of the work.
        off_plan: (horizon + 1, P) cost of showing a stage from now until then, summed up; none
            by default.
    """
    if off_plan is None:
        off_plan = np.zeros((int(effort.horizon_s) + 1, shown.clear_s.shape[0]))
    cost, change_s, targets, work = _search(now, shown, traffic, driving, effort, off_plan)
    return Found(float(cost), change_s, targets, int(work))


def replay(
    found: Found,
    now: Now,
    shown: Displays,
    traffic: Traffic,
    driving: Driving,
    effort: Effort,
    off_plan: Floats | None = None,
) -> tuple[float, Floats]:
    """Cost of a schedule, and the (N,) times at which the vehicles pass, infinite for later."""
    if off_plan is None:
        off_plan = np.zeros((int(effort.horizon_s) + 1, shown.clear_s.shape[0]))
    cost, departure_s = _replay(
        found.change_s, found.stage, now, shown, traffic, driving, effort, off_plan
    )
    return float(cost), departure_s
