"""What lane groups may wait compared with the plan in force."""

from __future__ import annotations

import numpy as np

from optimizer.capacity import Service, services
from optimizer.delay import uncertain_delay_s
from optimizer.platoon import Limit, capacity_profile, periodic_queue
from optimizer.problem import JunctionProblem, RetimingProblem
from optimizer.stages import StageOption, StageSet


def in_force_limits(problem: RetimingProblem) -> dict[tuple[str, str], Limit]:
    """What each lane group may wait at most: a little more than under the plan in force.

    A group that crosses a street of linked signals may wait no longer at all, and each second
    beyond counts ``cross_weight`` times: what is won along the links is not for it. The plan in
    force is taken without platoons, with its own interstages.
    """
    limits: dict[tuple[str, str], Limit] = {}
    if problem.current is None:
        return limits
    weights = problem.weights
    known = {part.id: part for part in problem.junctions}
    for plan in problem.current.junctions:
        if not plan.stages or plan.junction not in known:
            continue
        part = known[plan.junction]
        stages = StageSet(
            "in force", tuple(StageOption(s.id, s.green, s.permissive) for s in plan.stages)
        )
        greens_ds = [stage.green_ds for stage in plan.stages]
        clears_ds = [stage.yellow_ds + stage.red_ds for stage in plan.stages]
        for service in services(part, stages, [green_ds / 10.0 for green_ds in greens_ds]):
            now_s = _now_s(problem, service, greens_ds, clears_ds, plan.cycle_ds / 10.0)
            if now_s is None:
                continue
            if _crosses(problem, part, service.group.approach):
                limit = Limit(now_s, weights.cross_weight - 1.0)
            else:
                slack_s = max(now_s * weights.worse_pct / 100.0, weights.worse_s)
                limit = Limit(now_s + slack_s, weights.worse_weight - 1.0)
            limits[part.id, service.group.id] = limit
    return limits


def _now_s(
    problem: RetimingProblem,
    service: Service,
    greens_ds: list[int],
    clears_ds: list[int],
    cycle_s: float,
) -> float | None:
    """Delay and stops of a group under a plan, arrivals evenly; None if it is never green."""
    steps = max(1, round(cycle_s))
    capacity = capacity_profile(service, greens_ds, clears_ds, steps, cycle_s / steps)
    going = float(capacity.sum())
    if going <= 0:
        return None
    coming = service.group.demand_pcuph * cycle_s / 3600.0
    arrivals = np.full(steps, coming / steps)
    queue, _ = periodic_queue(arrivals, capacity)
    uniform_s = float(queue.sum()) * cycle_s / steps / min(coming, 0.995 * going)
    waiting = (np.roll(queue, 1) > 1e-6) | (capacity <= 0)
    stops = float(arrivals[waiting].sum()) / coming
    overflow_s = uncertain_delay_s(coming / going, going * 3600.0 / cycle_s, problem.period_h)
    return uniform_s + overflow_s + problem.weights.stop_s * stops


def _crosses(problem: RetimingProblem, part: JunctionProblem, approach: str) -> bool:
    """Whether an approach is fed by no signal and most of its traffic goes on to none.

    False at a junction without links: nothing is crossed there.
    """
    links = [link for link in problem.links if part.id in (link.upstream, link.downstream)]
    if not links or any(link.downstream == part.id and link.approach == approach for link in links):
        return False
    own = {m.id for m in part.junction.movements if m.from_edge == approach}
    total = sum(group.demand_vph for group in part.groups if group.approach == approach)
    onward = sum(flow.vph for link in links for flow in link.feeds if flow.movement in own)
    return onward < total / 2.0
