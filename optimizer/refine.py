"""Local search on plans with an outside judge, such as a simulation.

The analytic model proposes plans and orders the moves; the judge decides. A model of delay errs
most where lanes are shared, turns give way and queues spill back, which is where signals matter,
so its best plan is rarely the best on the street.

A pattern search (Hooke and Jeeves 1961): moves of a size around the best plan so far, the size
halved when none helps. One judged plan changes every junction at once, each by a move of its
own, and the delay at each junction says which moves to keep; what was kept is judged together
before it is believed. So the plans to judge do not grow with the number of junctions. All plans
are judged on the same demand and seeds (common random numbers), so a difference is a difference
of plans.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from models.plan import JunctionPlan, Plan
from models.safety import check_plan
from optimizer.corridor import components
from optimizer.moves import Move, Timings, cycle_ds, group_moves, moves
from optimizer.platoon import PlatoonModel
from optimizer.problem import JunctionProblem, RetimingProblem
from optimizer.result import timings_of
from optimizer.splits import nearest_greens, split_step_ds
from optimizer.stages import build_plan

SIZES_S = (8, 4, 2, 1)
# A smaller gain is noise even with common random numbers.
LEAST_GAIN = 0.001


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a judge found of a plan: its figure, lower is better, and what each junction adds.

    ``by_junction`` is in a unit of the judge's choosing, the same for all plans.
    """

    figure: float
    by_junction: Mapping[str, float]


Judge = Callable[[Sequence[Plan]], Sequence[Judgement]]


@dataclass(frozen=True, slots=True)
class Trial:
    """A plan that was judged; ``move`` is what made it."""

    plan: Plan
    figure: float
    move: str


@dataclass(frozen=True, slots=True)
class Refinement:
    """Outcome of a search: the best trial and all of them in order."""

    best: Trial
    trials: tuple[Trial, ...]


@dataclass(frozen=True, slots=True)
class _Candidate:
    timings: Timings
    plan: Plan
    made_by: Mapping[str, Move]


def refine(
    problem: RetimingProblem,
    starts: Sequence[Plan],
    judge: Judge,
    *,
    budget: int,
    created: datetime,
    by: str,
    batch: int = 4,
    seed: int = 0,
) -> Refinement:
    """Improve the best of the starting plans until no move helps or the budget is used.

    Args:
        problem: The problem that the plans solve.
        starts: Plans that keep the envelope, best by the model first; at least one.
        judge: Called with up to ``batch`` plans at a time.
        budget: Plans judged in all, the starts included.
        created: Time that new plans carry.
        by: Maker that new plans carry.
        batch: Plans judged together, so that they may run side by side.
        seed: Seed of the solver that gives a new stage sequence its first greens.

    Raises:
        ValueError: If there is no start.
    """
    if not starts:
        raise ValueError("there is no plan to start from")
    search = _Search(problem, judge, budget, batch, created, by)
    unique = {plan.digest: plan for plan in starts}
    search.begin([_Candidate(timings_of(plan), plan, {}) for plan in unique.values()])
    for size_s in SIZES_S:
        while search.left > 0 and search.pass_once(size_s, seed):
            pass
    return Refinement(min(search.trials, key=lambda trial: trial.figure), tuple(search.trials))


class _Search:
    def __init__(
        self,
        problem: RetimingProblem,
        judge: Judge,
        budget: int,
        batch: int,
        created: datetime,
        by: str,
    ) -> None:
        self.problem = problem
        self.judge = judge
        self.left = budget
        self.batch = batch
        self.created = created
        self.by = by
        self.trials: list[Trial] = []
        self.seen: set[str] = set()
        self.models: dict[tuple[tuple[str, ...], int], PlatoonModel] = {}
        self.groups = components(problem)
        self.junctions = {part.id: part.junction for part in problem.junctions}
        self.best: _Candidate
        self.judged = Judgement(float("inf"), {})

    def begin(self, starts: Sequence[_Candidate]) -> None:
        """Judge the starts and stand on the best."""
        self.best = starts[0]
        self._judge(starts)

    def _judge(self, candidates: Sequence[_Candidate]) -> list[tuple[_Candidate, Judgement]]:
        """Judge candidates and stand on the best of them if it is better than what was."""
        chosen = candidates[: self.left]
        found: list[tuple[_Candidate, Judgement]] = []
        for first in range(0, len(chosen), self.batch):
            part = chosen[first : first + self.batch]
            found += zip(part, self.judge([item.plan for item in part]), strict=True)
        self.left -= len(chosen)
        for item, judgement in found:
            self.seen.add(item.plan.digest)
            names = "; ".join(move.name for move in item.made_by.values()) or "start"
            self.trials.append(Trial(item.plan, judgement.figure, names))
            if judgement.figure < self.judged.figure * (1.0 - LEAST_GAIN):
                self.best, self.judged = item, judgement
        return found

    def pass_once(self, size_s: int, seed: int) -> bool:
        """Try every move of a size around the best, going on from each improvement."""
        waiting: dict[str, list[Move]] = {}
        for name in self.best.timings:
            part = self.problem.junction(name)
            wide = size_s == SIZES_S[0]
            own = moves(self.problem, part, self.best.timings[name], size_s, wide=wide, seed=seed)
            waiting[name] = self._ordered(list(own))
        common = [
            move
            for group in self.groups
            if len(group) > 1
            for move in group_moves(self.problem, group, size_s)
        ]
        before = self.judged.figure
        if common and self.left > 0:
            made = [self._candidate({move.name: move}) for move in common]
            self._judge([item for item in made if item is not None])
        while any(waiting.values()) and self.left > 0:
            self._round(waiting)
        return self.judged.figure < before

    def _round(self, waiting: dict[str, list[Move]]) -> None:
        """One batch of plans, each with a move at every junction; then the moves that paid."""
        base, standing = self.judged, self.best
        batch: list[_Candidate] = []
        while len(batch) < self.batch and any(waiting.values()):
            chosen = {name: queue.pop(0) for name, queue in waiting.items() if queue}
            candidate = self._candidate(chosen)
            if candidate is not None:
                batch.append(candidate)
        judged = self._judge(batch)
        if len(self.junctions) == 1:
            if self.best is not standing:  # what helped once often helps again
                for name, move in self.best.made_by.items():
                    waiting[name].insert(0, move)
            return
        paid: dict[str, tuple[float, Move]] = {}
        for item, judgement in judged:
            for name, move in item.made_by.items():
                gain = base.by_junction.get(name, 0.0) - judgement.by_junction.get(name, 0.0)
                if gain > LEAST_GAIN * base.by_junction.get(name, 0.0) and (
                    name not in paid or gain > paid[name][0]
                ):
                    paid[name] = (gain, move)
        if not paid or self.left <= 0:
            return
        self.best, self.judged = standing, base
        kept = {name: move for name, (_, move) in paid.items()}
        together = self._candidate(kept)
        if together is not None:
            self._judge([together])
        # The best of this round, whichever it was: one plan of the batch or the moves together.
        for item, judgement in judged:
            if judgement.figure < self.judged.figure * (1.0 - LEAST_GAIN):
                self.best, self.judged = item, judgement
        if self.best is not standing:
            for name, move in self.best.made_by.items():
                if name in paid and paid[name][1] is move:
                    waiting[name].insert(0, move)

    def _candidate(self, chosen: Mapping[str, Move]) -> _Candidate | None:
        """The best so far with moves applied; None if nothing new and legal comes of it.

        A move that breaks the envelope at its junction is left out.
        """
        timings = dict(self.best.timings)
        made: dict[str, Move] = {}
        for name, move in chosen.items():
            changed = move.change(timings)
            if changed is None or self._breaks(changed, move.junctions):
                continue
            timings, made[name] = dict(changed), move
        plan = self._plan(timings)
        if not made or plan.digest in self.seen:
            return None
        self.seen.add(plan.digest)
        return _Candidate(timings, plan, made)

    def _breaks(self, timings: Timings, names: Sequence[str]) -> bool:
        plan = self._plan({name: timings[name] for name in names})
        return bool(check_plan(plan, {name: self.junctions[name] for name in names}))

    def _plan(self, timings: Timings) -> Plan:
        plans = tuple(
            build_plan(self.junctions[name], item.stages, item.greens_ds, item.offset_ds)
            for name, item in sorted(timings.items())
        )
        return Plan(self.problem.site, plans, self.created, self.by)

    def _ordered(self, found: Sequence[Move]) -> list[Move]:
        """Moves by the model's cost of what they lead to, impossible ones left out."""
        rated = []
        for index, move in enumerate(found):
            timings = move.change(self.best.timings)
            if timings is not None and not self._breaks(timings, move.junctions):
                rated.append((self._model_cost(timings, move.junctions[0]), index, move))
        return [move for _, _, move in sorted(rated, key=lambda item: item[:2])]

    def _model_cost(self, timings: Timings, around: str) -> float:
        """Cost by the model of the connected part around a junction, or of it alone."""
        group = next(names for names in self.groups if around in names)
        cycles = {cycle_ds(self.problem.junction(name), timings[name]) for name in group}
        names = group if len(cycles) == 1 else (around,)
        key = (names, cycle_ds(self.problem.junction(around), timings[around]))
        if key not in self.models:
            self.models[key] = PlatoonModel(self.problem, *key)
        return self.models[key].cost({name: timings[name] for name in names})


def legal_start(
    problem: RetimingProblem,
    in_force: Plan,
    *,
    created: datetime,
    by: str,
    cycle_ds: int | None = None,
) -> Plan | None:
    """The plan in force with its stages and greens, changed only as far as the envelope demands.

    Each junction keeps its cycle, or gets ``cycle_ds``, greens in proportion. None where that
    cannot be.
    """
    plans = []
    for part in problem.junctions:
        plan = in_force.junction(part.id)
        made = _legal(part, plan, cycle_ds or plan.cycle_ds)
        if made is None:
            return None
        plans.append(made)
    plan = Plan(problem.site, tuple(sorted(plans, key=lambda item: item.junction)), created, by)
    junctions = {part.id: part.junction for part in problem.junctions}
    return None if check_plan(plan, junctions) else plan


def _legal(part: JunctionProblem, plan: JunctionPlan, wanted_cycle_ds: int) -> JunctionPlan | None:
    stages = part.stage_sets[0]
    greens = {frozenset(stage.green): stage.green_ds for stage in plan.stages}
    scale = wanted_cycle_ds / plan.cycle_ds
    wanted = []
    for option in stages.stages:
        alike = max(greens, key=lambda ids: len(ids & set(option.green)), default=frozenset())
        wanted.append(greens.get(alike, 0) * scale)
    step = split_step_ds(part)
    found = None
    for longer_ds in range(0, 601, 50):
        total = -(-(wanted_cycle_ds + longer_ds) // step) * step
        found = nearest_greens(part, stages, total, wanted)
        if found is not None:
            break
    return None if found is None else build_plan(part.junction, stages, found, plan.offset_ds)
