"""Search of plans with an outside judge, such as a simulation.

The analytic model proposes plans and orders the moves; the judge decides. A model of delay errs
most where lanes are shared, turns give way and queues spill back, which is where signals matter,
so its best plan is rarely the best on the street.

First the model learns (``learning``): what the judge saw of the starting plans corrects its
capacities, and the programs are solved again. Then a pattern search (Hooke and Jeeves 1961): moves
of a size around the best plan so far, the size halved when none helps. One judged plan changes
every junction at once, each by a move of its own, and the delay at each junction says which moves
to keep; what was kept is judged together before it is believed. So the plans to judge do not grow
with the number of junctions.

Chance is in every judgement. All plans of a round are judged on the same draw of demand and seeds
(common random numbers), so a difference is a difference of plans; each round has a draw of its
own, on which the standing plan is judged anew, so that luck does not last. The last word is had by
two draws that no plan was chosen by, the plan in force among those who are heard.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from models.plan import JunctionPlan, Plan
from models.safety import check_plan
from optimizer.corridor import components
from optimizer.learning import Observation, learnt, learnt_factors
from optimizer.moves import Move, Timings, cycle_ds, green_move, group_moves, moves
from optimizer.platoon import PlatoonModel
from optimizer.problem import JunctionProblem, RetimingProblem
from optimizer.result import in_common_cycle, timings_of
from optimizer.retime import candidates
from optimizer.splits import nearest_greens, split_step_ds
from optimizer.stages import build_plan

SIZES_S = (8, 4, 2, 1)
# A smaller gain is noise even with common random numbers.
LEAST_GAIN = 0.002
# What a movement may lose against the plan in force in the judge's eyes: more than in the model's,
# for there is chance in it.
TOO_MUCH_PCT, TOO_MUCH_S = 10.0, 3.0
# Moves of one size at a junction, the best by the model: after its lessons it orders well.
MOST_MOVES = 9
# Rounds of learning at most, and the plans that each proposes.
LESSONS, PROPOSALS, _LESSON_S = 3, 2, 12.0
# Times that green is given back to movements which lost too much, at a stretch; how much of it.
REPAIRS, _GIVEN_BACK, _LEAST_BACK_S, _BARGAIN = 2, 0.05, 1, 0.03
# From this budget on the last word is had by draws of its own, by so many and over so many plans.
_LEAST_FOR_FINAL, _FINAL_DRAWS, _FINALISTS = 24, 2, 4


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a judge found of a plan: its figure, lower is better, and what each junction adds.

    ``by_junction`` is in a unit of the judge's choosing, the same for all plans; ``delay_s`` is
    the mean delay by movement, where the judge knows it, and ``passes`` how many vehicles of a
    run use the movement, per trip.
    """

    figure: float
    by_junction: Mapping[str, float]
    delay_s: Mapping[str, float] = field(default_factory=dict)
    passes: Mapping[str, float] = field(default_factory=dict)


Judge = Callable[[Sequence[Plan], int], Sequence[Judgement]]
"""Judges plans on one draw of demand and seeds: the same number, the same draw."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A plan that was judged on a draw; ``move`` is what made it."""

    plan: Plan
    figure: float
    move: str
    draw: int = 0


@dataclass(frozen=True, slots=True)
class Refinement:
    """Outcome of a search: the best trial, all of them in order, and the plan in force.

    ``draws`` are those that ``best`` was chosen by and ``in_force`` was judged on too; that is None
    where there was no such plan to start from. ``learnt`` are factors on saturation flows by
    junction and lane group.
    """

    best: Trial
    trials: tuple[Trial, ...]
    in_force: Trial | None = None
    learnt: Mapping[tuple[str, str], float] = field(default_factory=dict)
    draws: tuple[int, ...] = ()


def allowed(delay_s: Mapping[str, float]) -> dict[str, float]:
    """What each movement may wait, from what it waits under the plan in force."""
    return {
        movement: max(value * (1.0 + TOO_MUCH_PCT / 100.0), value + TOO_MUCH_S)
        for movement, value in delay_s.items()
    }


def weighed(judgement: Judgement, limits: Mapping[str, float], weight: float) -> Judgement:
    """With what movements lose beyond their limit counted again, as the model does."""
    excess = sum(
        judgement.passes.get(movement, 0.0) * max(0.0, value - limits[movement])
        for movement, value in judgement.delay_s.items()
        if movement in limits
    )
    return replace(judgement, figure=judgement.figure + (weight - 1.0) * excess)


@dataclass(frozen=True, slots=True)
class _Candidate:
    timings: Timings
    plan: Plan
    made_by: Mapping[str, Move]
    made: str = ""

    @property
    def name(self) -> str:
        return self.made or "; ".join(move.name for move in self.made_by.values())


def refine(
    problem: RetimingProblem,
    starts: Sequence[Plan],
    judge: Judge,
    *,
    budget: int,
    created: datetime,
    by: str,
    in_force: Plan | None = None,
    batch: int = 4,
    seed: int = 0,
) -> Refinement:
    """Improve the best of the starting plans until no move helps or the budget is used.

    Args:
        problem: The problem that the plans solve.
        starts: Plans that keep the envelope, best by the model first.
        judge: Called with some plans and the number of a draw.
        budget: Judgements in all: of the starts, of each draw's standing plan, of the last word.
        created: Time that new plans carry.
        by: Maker that new plans carry.
        in_force: The plan in force, if it keeps the envelope: a start like the others that
            stays in the running to the end.
        batch: New plans judged on one draw.
        seed: Seed of the solver.

    Raises:
        ValueError: If there is no start.
    """
    if not starts and in_force is None:
        raise ValueError("there is no plan to start from")
    final = _FINAL_DRAWS * _FINALISTS if budget >= _LEAST_FOR_FINAL else 0
    search = _Search(problem, judge, budget - final, batch, created, by, seed)
    named = {plan.digest: (plan, "start") for plan in starts}
    if in_force is not None:
        named[in_force.digest] = (in_force, "in force")
    # The plan in force and the model's best are judged first, whatever the budget.
    order = sorted(named.values(), key=lambda item: item[1] != "in force")
    search.begin([_Candidate(timings_of(plan), plan, {}, name) for plan, name in order])
    search.mend(REPAIRS)
    for _ in range(LESSONS):
        if search.left < 1 or not search.lesson():
            break
    search.mend(REPAIRS)
    for size_s in SIZES_S:
        while search.left > 1 and search.pass_once(size_s):
            pass
    factors = learnt_factors(problem, search.model_problem)
    return replace(search.last_word(final, in_force), learnt=factors)


class _Search:
    def __init__(
        self,
        problem: RetimingProblem,
        judge: Judge,
        budget: int,
        batch: int,
        created: datetime,
        by: str,
        seed: int,
    ) -> None:
        self.problem = self.model_problem = problem
        self.judge = judge
        self.left = budget
        self.batch = batch
        self.created = created
        self.by = by
        self.seed = seed
        self.draw = 0
        self.trials: list[Trial] = []
        self.stood: list[_Candidate] = []
        self.observed: list[Observation] = []
        self.seen: set[str] = set()
        self.models: dict[tuple[tuple[str, ...], int], PlatoonModel] = {}
        self.groups = components(problem)
        self.junctions = {part.id: part.junction for part in problem.junctions}
        self.best: _Candidate
        self.judged = Judgement(float("inf"), {})
        self.limits: Mapping[str, float] = {}

    def begin(self, starts: Sequence[_Candidate]) -> None:
        """Judge the starts and stand on the best; the plan in force says what is too much."""
        self._stand(starts[0], self.judged)
        if starts[0].made == "in force":
            for _, judgement in self._judge(starts[:1]):
                self.limits = allowed(judgement.delay_s)
            starts = starts[1:]
        self._judge(starts)

    def _weighed(self, judgement: Judgement) -> Judgement:
        return weighed(judgement, self.limits, self.problem.weights.worse_weight)

    def _stand(self, candidate: _Candidate, judged: Judgement) -> None:
        self.best, self.judged = candidate, judged
        self.stood = [item for item in self.stood if item is not candidate] + [candidate]

    def _heard(self, chosen: Sequence[_Candidate]) -> list[tuple[_Candidate, Judgement]]:
        """Judgements of plans on the present draw, as far as the budget goes."""
        chosen = chosen[: self.left]
        self.left -= len(chosen)
        judged = self.judge([item.plan for item in chosen], self.draw) if chosen else []
        judged = [self._weighed(item) for item in judged]
        found = list(zip(chosen, judged, strict=True))
        for item, judgement in found:
            self.seen.add(item.plan.digest)
            self.trials.append(Trial(item.plan, judgement.figure, item.name, self.draw))
        return found

    def _judge(self, candidates: Sequence[_Candidate]) -> list[tuple[_Candidate, Judgement]]:
        """Judge candidates and stand on the best of them if it is better than what was."""
        found = self._heard(candidates)
        for item, judgement in found:
            if judgement.figure < self.judged.figure * (1.0 - LEAST_GAIN):
                self._stand(item, judgement)
        if self.draw == 0:
            self.observed += [Observation(i.plan, j.delay_s) for i, j in found if j.delay_s]
        return found

    def mend(self, times: int) -> None:
        """Give green back where movements lost more than they may, while that helps."""
        for _ in range(times):
            least = LEAST_GAIN * self.judged.figure
            over = {
                movement
                for movement, value in self.judged.delay_s.items()
                if self.judged.passes.get(movement, 0.0)
                * (value - self.limits.get(movement, math.inf))
                > least
            }
            chosen = {name: move for name in self.best.timings if (move := self._back(name, over))}
            candidate = self._candidate(chosen) if chosen and self.left > 0 else None
            if candidate is None:
                return
            standing = self.best
            self._judge([candidate])
            if self.best is standing:
                return

    def _back(self, name: str, over: set[str]) -> Move | None:
        """Green for stages that serve these movements, from where the model misses it least."""
        timing = self.best.timings[name]
        stages = timing.stages.stages
        needy = [index for index, stage in enumerate(stages) if over & set(stage.green)]
        options: list[Move] = []
        for taker in needy:
            green_s = timing.greens_ds[taker] / 10.0
            size_s = max(_LEAST_BACK_S, round(_GIVEN_BACK * green_s))
            part = self.problem.junction(name)
            for giver in set(range(len(stages))) - set(needy):
                options.append(green_move(part, timing, giver, taker, size_s))
        ordered = self._ordered(options)
        if not ordered:
            return None
        after = ordered[0].change(self.best.timings)
        before = self._model_cost(self.best.timings, name)
        # Chance makes losers too: the model must not think it a bad bargain.
        if after is None or self._model_cost(after, name) > (1.0 + _BARGAIN) * before:
            return None
        return ordered[0]

    def lesson(self) -> bool:
        """Solve the programs for what the judge has shown; whether a better plan came of it."""
        if not self.observed:
            return False
        before = self.judged.figure
        self.model_problem = learnt(self.problem, self.observed)
        self.models.clear()
        proposed = candidates(
            self.model_problem,
            min(PROPOSALS, max(1, self.left // 4)),
            seed=self.seed,
            time_limit_s=min(3.0 * len(self.junctions), _LESSON_S),
            created=self.created,
        )
        plans = [Plan(self.problem.site, p.plan.junctions, self.created, self.by) for p in proposed]
        new = [plan for plan in plans if plan.digest not in self.seen]
        self._judge([_Candidate(timings_of(plan), plan, {}, "learnt") for plan in new])
        return self.judged.figure < before

    def pass_once(self, size_s: int) -> bool:
        """Try the moves of a size around the best, going on from each improvement."""
        waiting: dict[str, list[Move]] = {}
        for name in self.best.timings:
            part = self.model_problem.junction(name)
            own = moves(
                self.model_problem,
                part,
                self.best.timings[name],
                size_s,
                wide=size_s == SIZES_S[0],
                seed=self.seed,
            )
            waiting[name] = self._ordered(list(own))[:MOST_MOVES]
        common = [
            move
            for group in self.groups
            if len(group) > 1
            for move in group_moves(self.problem, group, size_s)
        ]
        standing = self.best
        if common and self.left > 1:
            made = [self._candidate({move.name: move}) for move in common]
            self._new_draw()
            self._judge([item for item in made if item is not None])
        while any(waiting.values()) and self.left > 1:
            self._round(waiting)
        return self.best is not standing

    def _new_draw(self) -> None:
        """The standing plan on a fresh draw, so that its luck is not held against the others."""
        self.draw += 1
        (_, self.judged), *_ = self._heard([self.best])

    def _round(self, waiting: dict[str, list[Move]]) -> None:
        """One batch of plans, each with a move at every junction; then the moves that paid."""
        batch: list[_Candidate] = []
        while len(batch) < self.batch and any(waiting.values()):
            chosen = {name: queue.pop(0) for name, queue in waiting.items() if queue}
            candidate = self._candidate(chosen)
            if candidate is not None:
                batch.append(candidate)
        if not batch:
            return
        self._new_draw()
        base, standing = self.judged, self.best
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
        after, self.best = self.best, standing
        kept = {name: move for name, (_, move) in paid.items()}
        together = self._candidate(kept)
        self.best = after
        if together is not None:
            self._judge([together])
        if self.best is not standing:
            for name, move in self.best.made_by.items():
                if name in paid and paid[name][1] is move:
                    waiting[name].insert(0, move)

    def last_word(self, budget: int, in_force: Plan | None) -> Refinement:
        """The best of those that stood last, and of the plan in force, on draws of their own."""
        if budget <= 0 or len(self.stood) < 2:
            best = min(
                (trial for trial in self.trials if trial.plan.digest == self.best.plan.digest),
                key=lambda trial: trial.draw,  # the plan in force was judged on the first
            )
            held = self._on(best.draw, in_force)
            return Refinement(best, tuple(self.trials), held, draws=(best.draw,))
        finalists = list(reversed(self.stood[-(_FINALISTS - 1) :]))
        if in_force is not None and all(i.plan.digest != in_force.digest for i in finalists):
            finalists.append(_Candidate(timings_of(in_force), in_force, {}, "in force"))
        self.left = budget
        logs = {item.plan.digest: 0.0 for item in finalists}
        draws = tuple(self.draw + 1 + number for number in range(_FINAL_DRAWS))
        for draw in draws:
            self.draw = draw
            for item, judgement in self._heard(finalists):
                logs[item.plan.digest] += math.log(max(1e-9, judgement.figure)) / _FINAL_DRAWS
        chosen = [
            Trial(item.plan, math.exp(logs[item.plan.digest]), item.name, self.draw)
            for item in finalists
        ]
        best = min(chosen, key=lambda trial: trial.figure)
        held = next(
            (t for t in chosen if in_force is not None and t.plan.digest == in_force.digest), None
        )
        return Refinement(best, tuple(self.trials), held, draws=draws)

    def _on(self, draw: int, plan: Plan | None) -> Trial | None:
        """The trial of a plan on a draw, if it was judged on it."""
        if plan is None:
            return None
        return next(
            (t for t in self.trials if t.draw == draw and t.plan.digest == plan.digest), None
        )

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
        cycles = {name: cycle_ds(self.problem.junction(name), timings[name]) for name in group}
        common = in_common_cycle({name: timings[name] for name in group}, cycles)
        key = (group, max(cycles.values())) if common else ((around,), cycles[around])
        if key not in self.models:
            self.models[key] = PlatoonModel(self.model_problem, *key)
        return self.models[key].cost(common or {around: timings[around]})


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
        before = in_force.junction(part.id)
        made = _legal(part, before, cycle_ds or before.cycle_ds)
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
    envelope = part.junction.envelope
    longest_ds = envelope.max_cycle_ds // step * step
    first_ds = min(longest_ds, max(envelope.min_cycle_ds, wanted_cycle_ds))
    found = None
    for longer_ds in range(0, 601, 50):
        total = min(longest_ds, -(-(first_ds + longer_ds) // step) * step)
        found = nearest_greens(part, stages, total, wanted)
        if found is not None:
            break
    return None if found is None else build_plan(part.junction, stages, found, plan.offset_ds)
