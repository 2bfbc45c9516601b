"""Queues at stop lines: what passes while a stage is shown, and what that costs.

A lane is a queue of vehicles in order, each with the time it could reach the stop line on an
empty road. At green one passes per headway (vertical queues, deterministic service); a vehicle
that may not go holds those behind it. Streams that give way wait for gaps; a full road after the
junction takes nobody. Cost is weighted delay, a stop counted as the seconds that braking and
starting again take.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

# Of two schedules that cost the same, the one with fewer changes.
CHANGE_COST = 1e-3
# Who had to wait so long for a gap, or for room, stands and must start.
HELD_S = 2.0
# Braking to a stop at the line and a look, before one goes on red; who is due by STANDS_S has.
HALT_S = 2.5
STANDS_S = 1.0

_Kernel = TypeVar("_Kernel", bound=Callable[..., object])


def _cache_folder() -> str:
    """Where machine code is kept: by the content of all its sources.

    Numba itself looks at the file of a function only, not at those it calls in other files.
    """
    here = Path(__file__).parent
    sources = b"".join((here / name).read_bytes() for name in ("queueing.py", "horizon.py"))
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return str(Path(cache) / "xanh" / f"planner-{hashlib.sha256(sources).hexdigest()[:16]}")


_CACHE_FOLDER = _cache_folder()


def compiled(function: _Kernel) -> _Kernel:
    """Machine code, cached on disk; same results in every process (no fast maths)."""
    before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = _CACHE_FOLDER
    try:
        return cast(_Kernel, numba.njit(cache=True)(function))
    finally:
        numba.config.CACHE_DIR = before


class Displays(NamedTuple):
    """What a junction can show. P stages, M movements, L lanes, X exits, K opposing lanes.

    Row ``p`` of a display is stage p; row ``P + p * P + q`` is the change from p to q.

    Attributes:
        rate: (P + P * P, M) share of the saturation flow that a movement gets, 0 on red.
        halts: (P + P * P, M) 1 where it must stop at the line before it goes; of a mixture of
            movements the share that must.
        yields_to: (P + P * P, M, K) lanes it gives way to there, -1 where no more.
        crosses: (M, M) whether two movements' paths cross.
        best_rate: (M,) best rate over all stages.
        clear_s: (P, P) length of the change.
        min_green_s: (P,)
        max_green_s: (P,)
        exit_of: (M,) index of the receiving road, -1 if it always has room.
        order: (L,) lanes, those that give way last.
    """

    rate: Floats
    halts: Floats
    yields_to: Ints
    crosses: Flags
    best_rate: Floats
    clear_s: Floats
    min_green_s: Floats
    max_green_s: Floats
    exit_of: Ints
    order: Ints


class Traffic(NamedTuple):
    """Vehicles on their way to the stop lines, lane by lane in order; times count from now.

    Attributes:
        first: (L + 1,) index of each lane's first vehicle.
        arrival_s: (N,) when it could pass the line on an empty road.
        movement: (N,)
        headway_s: (N,) time it occupies the line at saturation flow.
        size: (N,) vehicles it stands for (predicted ones are fractions).
        weight: (N,) cost of one second of its delay.
        lane_free_s: (L,) when the line is free for the next vehicle.
        last_movement: (L,) movement that left each lane last.
        moving: (L,) vehicles that have started from each lane's queue, at most K; K where the
            queue, if there is one, moves.
        room: (X,) vehicles that the receiving road takes now.
        drain_per_s: (X,) vehicles a second that leave room there.
    """

    first: Ints
    arrival_s: Floats
    movement: Ints
    headway_s: Floats
    size: Floats
    weight: Floats
    lane_free_s: Floats
    last_movement: Ints
    moving: Ints
    room: Floats
    drain_per_s: Floats


class Driving(NamedTuple):
    """How traffic behaves.

    Attributes:
        startup_s: Until the first vehicle of a queue crosses after the start of green.
        yellow_used_s: For how long after the end of green vehicles still pass.
        stop_s: Delay of braking to a stop and starting again, v/2a + v/2b.
        gap_s: Gap needed in a stream that one gives way to.
        change_s: What a queue that is left over on red waits on average until its next green.
        excess_s: (K,) what the headways behind the first vehicles of a queue that starts exceed
            the saturation headway by.
        away_s: (K,) what those vehicles still lose behind the line until they are at full speed.
        queue_share: Share of the work before it in its queue that one who is left over waits for.
    """

    startup_s: float
    yellow_used_s: float
    stop_s: float
    gap_s: float
    change_s: float
    excess_s: Floats
    away_s: Floats
    queue_share: float = 1.0


@compiled
def serve(
    begin_s: float,
    end_s: float,
    display: int,
    before: int,
    shown: Displays,
    traffic: Traffic,
    driving: Driving,
    head: Ints,
    free_s: Floats,
    last: Ints,
    moving: Ints,
    used: Floats,
    departure_s: Floats,
) -> float:
    """Let vehicles pass from ``begin_s`` to ``end_s``; the delay of those that passed, weighted.

    ``head``, ``free_s``, ``last``, ``moving`` and ``used`` are the state and change. ``before``
    is the display before this one: a queue that it held loses the start-up time; -1 if this goes
    on.
    """
    cost = 0.0
    starters = driving.excess_s.shape[0]
    for place in range(shown.order.shape[0]):
        lane = shown.order[place]
        i = head[lane]
        end = traffic.first[lane + 1]
        if i >= end or traffic.arrival_s[i] >= end_s:
            continue
        if shown.rate[display, traffic.movement[i]] <= 0.0:
            continue
        ready_s = free_s[lane]
        if before >= 0 and shown.rate[before, traffic.movement[i]] <= 0.0:
            ready_s = max(ready_s, begin_s + driving.startup_s)
            moving[lane] = 0
        # Whoever arrives after this meets no queue.
        queue_to_s = ready_s
        ready_s = max(ready_s, begin_s)
        started = moving[lane]
        while i < end:
            movement = traffic.movement[i]
            rate = shown.rate[display, movement]
            if rate <= 0.0:
                break
            passes_s = max(ready_s, traffic.arrival_s[i])
            if passes_s >= end_s:
                break
            if traffic.arrival_s[i] > queue_to_s:
                started = starters
            halts = shown.halts[display, movement]
            if traffic.arrival_s[i] <= STANDS_S:
                halts = 0.0  # it has stopped
            passes_s = max(passes_s, traffic.arrival_s[i] + HALT_S * halts)
            free_passes_s = passes_s
            if shown.yields_to[display, movement, 0] >= 0:
                passes_s = _gap(
                    passes_s, display, movement, shown, traffic, driving, head, free_s, last
                )
                if passes_s >= end_s:
                    break
            leaves_by = shown.exit_of[movement]
            if leaves_by >= 0:
                short = used[leaves_by] + traffic.size[i] - traffic.room[leaves_by]
                if short > traffic.drain_per_s[leaves_by] * passes_s:
                    if traffic.drain_per_s[leaves_by] <= 1e-9:
                        break
                    passes_s = short / traffic.drain_per_s[leaves_by]
                    if passes_s >= end_s:
                        break
                used[leaves_by] += traffic.size[i]
            if passes_s > free_passes_s + HELD_S:
                started = 0
            delay_s = passes_s - traffic.arrival_s[i]
            cost += traffic.weight[i] * delay_s
            stop_s = driving.stop_s
            ready_s = passes_s + traffic.headway_s[i] / rate
            if started < starters:
                stop_s += driving.away_s[started]
                ready_s += driving.excess_s[started] * traffic.size[i]
                started += 1
            queue_to_s = ready_s
            stops = max(halts, min(1.0, 0.5 * (delay_s - 1.0)))
            if stops > 0.0:
                cost += traffic.weight[i] * stop_s * stops
            departure_s[i] = passes_s
            last[lane] = movement
            i += 1
        head[lane] = i
        moving[lane] = started
        free_s[lane] = max(free_s[lane], ready_s)
    return cost


@compiled
def _gap(
    passes_s: float,
    display: int,
    movement: int,
    shown: Displays,
    traffic: Traffic,
    driving: Driving,
    head: Ints,
    free_s: Floats,
    last: Ints,
) -> float:
    """First time from ``passes_s`` on at which no stream that has priority is in the way."""
    for k in range(shown.yields_to.shape[2]):
        lane = shown.yields_to[display, movement, k]
        if lane < 0:
            break
        if shown.crosses[movement, last[lane]]:
            passes_s = max(passes_s, free_s[lane])
    for _ in range(3):
        moved = False
        for k in range(shown.yields_to.shape[2]):
            lane = shown.yields_to[display, movement, k]
            if lane < 0:
                break
            j = head[lane]
            if j >= traffic.first[lane + 1]:
                continue
            other = traffic.movement[j]
            if not shown.crosses[movement, other] or shown.rate[display, other] <= 0.0:
                continue
            comes_s = max(free_s[lane], traffic.arrival_s[j])
            if passes_s - 0.5 <= comes_s < passes_s + driving.gap_s:
                passes_s = comes_s + 1.0
                moved = True
        if not moved:
            break
    return passes_s


class Ahead(NamedTuple):
    """Sums over the vehicles in order, so that a queue's cost takes no loop over its vehicles.

    Attributes:
        arrived: (T + 1, L) index behind the last vehicle of a lane that has arrived by each time
            of the grid, and by the horizon.
        weight: (N + 1,) sum of weights before each vehicle.
        moment: (N + 1,) sum of weight x arrival time.
        work_s: (N + 1,) sum of the times that their discharge takes at the best rate.
        laden_s: (N + 1,) sum of weight x work before the vehicle.
    """

    arrived: Ints
    weight: Floats
    moment: Floats
    work_s: Floats
    laden_s: Floats


@compiled
def ahead(times_s: Floats, shown: Displays, traffic: Traffic) -> Ahead:
    """Sums for ``waiting_cost`` at ``times_s``; arrivals ascend within each lane."""
    lanes = traffic.first.shape[0] - 1
    count = traffic.arrival_s.shape[0]
    weight = np.zeros(count + 1)
    moment = np.zeros(count + 1)
    work_s = np.zeros(count + 1)
    laden_s = np.zeros(count + 1)
    for i in range(count):
        rate = max(0.05, shown.best_rate[traffic.movement[i]])
        weight[i + 1] = weight[i] + traffic.weight[i]
        moment[i + 1] = moment[i] + traffic.weight[i] * traffic.arrival_s[i]
        work_s[i + 1] = work_s[i] + traffic.headway_s[i] / rate
        laden_s[i + 1] = laden_s[i] + traffic.weight[i] * work_s[i]
    arrived = np.zeros((times_s.shape[0], lanes), np.int64)
    for lane in range(lanes):
        i = traffic.first[lane]
        for slot in range(times_s.shape[0]):
            while i < traffic.first[lane + 1] and traffic.arrival_s[i] < times_s[slot]:
                i += 1
            arrived[slot, lane] = i
    return Ahead(arrived, weight, moment, work_s, laden_s)


@compiled
def waiting_cost(
    time_s: float,
    slot: int,
    stage: int,
    head: Ints,
    shown: Displays,
    traffic: Traffic,
    driving: Driving,
    sums: Ahead,
) -> tuple[float, float]:
    """Cost of those who have arrived by ``time_s`` and not passed: so far, and still to come.

    To come is an estimate: each queue is served at its best rate and each of it stops, after
    ``change_s`` if it stands on red. The best rate counts for ``queue_share``: queues that wait
    for each other end together, and who is served first then matters less than how many.
    """
    so_far = 0.0
    to_come = 0.0
    for lane in range(head.shape[0]):
        i = head[lane]
        k = sums.arrived[slot, lane]
        if i >= k:
            continue
        weight = sums.weight[k] - sums.weight[i]
        so_far += weight * time_s - (sums.moment[k] - sums.moment[i])
        wait_s = driving.stop_s
        if shown.rate[stage, traffic.movement[i]] <= 0.0:
            wait_s += driving.change_s
        work = sums.laden_s[k] - sums.laden_s[i] - weight * sums.work_s[i]
        to_come += weight * wait_s + driving.queue_share * work
    return so_far, to_come


@compiled
def change(
    time_s: float,
    end_s: float,
    stage: int,
    target: int,
    horizon_s: float,
    shown: Displays,
    traffic: Traffic,
    driving: Driving,
    head: Ints,
    free_s: Floats,
    last: Ints,
    moving: Ints,
    used: Floats,
    departure_s: Floats,
) -> float:
    """Change from ``stage`` at ``time_s`` and show ``target`` until ``end_s``; delay."""
    stages = shown.clear_s.shape[0]
    green_from_s = min(horizon_s, time_s + shown.clear_s[stage, target])
    yellow_to_s = min(green_from_s, time_s + driving.yellow_used_s)
    cost = CHANGE_COST
    if yellow_to_s > time_s:
        cost += serve(
            time_s,
            yellow_to_s,
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
    if green_from_s > yellow_to_s:
        cost += serve(
            yellow_to_s,
            green_from_s,
            stages + stage * stages + target,
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
    if end_s > green_from_s:
        cost += serve(
            green_from_s,
            end_s,
            target,
            stage,
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
    return cost
