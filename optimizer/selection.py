"""Choice among a few plans by an outside judge that is slow: each on several draws."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean, stdev

from models.plan import Plan
from optimizer.refine import Judge, Judgement, Refinement, Trial, allowed, weighed


def choose(
    starts: Sequence[Plan],
    judge: Judge,
    *,
    draws: int,
    in_force: Plan | None = None,
    worse_weight: float = 5.0,
) -> Refinement:
    """The best of the plans over all draws; each trial is a plan with its mean figure.

    Where a run is long there are few, and chance is in each: two or three plans that were judged
    three times tell more than a search that was judged once. What a movement may lose against
    the plan in force is measured over all draws too.

    Where chance alone may have made the difference the model decides: of the plans within one
    standard error of the best (of paired differences over the draws; Breiman et al. 1984), and
    not worse than the plan in force, the first.

    Args:
        starts: Plans that keep the envelope, best by the model first.
        judge: Called once a draw with all of them.
        draws: How often each is judged.
        in_force: The plan in force, if it keeps the envelope: one of those judged.
        worse_weight: How often the excess of movements that lose too much counts.

    Raises:
        ValueError: If there is no plan.
    """
    named = {plan.digest: (plan, "start") for plan in starts}
    if in_force is not None:
        named[in_force.digest] = (in_force, "in force")
    if not named:
        raise ValueError("there is no plan to choose")
    plans = [plan for plan, _ in named.values()]
    heard = [judge(plans, draw) for draw in range(draws)]
    means = {
        plan.digest: _mean([judged[index] for judged in heard]) for index, plan in enumerate(plans)
    }
    limits = allowed(means[in_force.digest].delay_s) if in_force is not None else {}
    trials = {
        digest: Trial(plan, weighed(means[digest], limits, worse_weight).figure, name, draws - 1)
        for digest, (plan, name) in named.items()
    }
    best = min(trials.values(), key=lambda trial: trial.figure)
    held = None if in_force is None else trials[in_force.digest]
    logs = {
        plan.digest: [math.log(max(1e-9, judged[index].figure)) for judged in heard]
        for index, plan in enumerate(plans)
    }
    for trial in (trials[plan.digest] for plan in starts):
        worse = math.log(max(1e-9, trial.figure) / max(1e-9, best.figure))
        if worse <= _error(logs[trial.plan.digest], logs[best.plan.digest]) and (
            held is None or trial.figure <= held.figure
        ):
            best = trial
            break
    return Refinement(best, tuple(trials.values()), held, draws=tuple(range(draws)))


def _error(one: Sequence[float], other: Sequence[float]) -> float:
    """Standard error of the mean difference; 0 where there is one draw, which tells nothing."""
    differences = [a - b for a, b in zip(one, other, strict=True)]
    return stdev(differences) / math.sqrt(len(differences)) if len(differences) > 1 else 0.0


def _mean(judged: Sequence[Judgement]) -> Judgement:
    """Geometric means over the draws."""
    return Judgement(
        _geometric([item.figure for item in judged]),
        {},
        _each([item.delay_s for item in judged]),
        _each([item.passes for item in judged]),
    )


def _each(found: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {
        key: _geometric([item[key] for item in found])
        for key in found[0]
        if all(key in item for item in found)
    }


def _geometric(values: Sequence[float]) -> float:
    return math.exp(fmean(math.log(max(1e-9, value)) for value in values))
