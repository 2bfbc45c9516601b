"""Local search on the platoon model: what the two convex programs cannot see together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from optimizer.corridor import offset_step_ds
from optimizer.platoon import PlatoonModel, Timing
from optimizer.problem import JunctionProblem
from optimizer.splits import GreenRange, green_rules, split_step_ds


def keeps_rules(part: JunctionProblem, rules: Sequence[GreenRange], greens: Sequence[int]) -> bool:
    """Whether greens meet every rule of the envelope."""
    if min(greens) <= 0:
        return False
    for rule in rules:
        total = sum(greens[i] for i in rule.stages)
        clears = rule.constant_ds
        value = total + clears
        if value < rule.low_ds or (rule.high_ds is not None and value > rule.high_ds):
            return False
    return True


def polish(
    model: PlatoonModel, timings: Mapping[str, Timing], *, evaluations: int = 2000
) -> tuple[dict[str, Timing], float]:
    """Improve greens and offsets by single moves until none helps or the budget is used.

    Moves: a step of green from one stage to another, an offset, all offsets downstream of a
    junction together. First improvement in a fixed order, so that the result is repeatable.
    """
    current = dict(timings)
    cost = model.cost(current)
    used = 1
    size = 8
    while size >= 1:
        improved = False
        for candidate in _moves(model, current, size):
            if used >= evaluations:
                return current, cost
            used += 1
            value = model.cost(candidate(current))
            if value < cost - max(1e-6, 1e-5 * cost):
                current, cost, improved = candidate(current), value, True
        if not improved:
            size //= 2
    return current, cost


class _Move:
    """A change of some junctions' timings, applied to whatever they are by then."""

    def __init__(
        self,
        junctions: Sequence[str],
        offset_ds: int,
        greens: tuple[int, int, int] | None,
        model: PlatoonModel,
    ) -> None:
        self.junctions = junctions
        self.offset_ds = offset_ds
        self.greens = greens
        self.model = model

    def __call__(self, timings: Mapping[str, Timing]) -> dict[str, Timing]:
        result = dict(timings)
        for name in self.junctions:
            timing = timings[name]
            greens = list(timing.greens_ds)
            if self.greens is not None:
                giver, taker, amount = self.greens
                # A sequence that runs twice changes both times.
                for part_of in range(timing.stages.repeats):
                    first = part_of * (len(greens) // timing.stages.repeats)
                    greens[first + giver] -= amount
                    greens[first + taker] += amount
                part = self.model.part(name)
                if not keeps_rules(
                    part, green_rules(part, timing.stages, self.model.cycle_ds), greens
                ):
                    return dict(timings)
            result[name] = replace(
                timing,
                greens_ds=tuple(greens),
                offset_ds=(timing.offset_ds + self.offset_ds) % self.model.cycle_ds,
            )
        return result


def _moves(model: PlatoonModel, timings: Mapping[str, Timing], size: int) -> Iterator[_Move]:
    step = offset_step_ds(model.problem, list(timings), model.cycle_ds)
    linked = {link.upstream for link in model.links} | {link.downstream for link in model.links}
    for name in model.order:
        part = model.part(name)
        count = len(timings[name].greens_ds) // timings[name].stages.repeats
        amount = size * split_step_ds(part)
        if size <= 4:
            for giver in range(count):
                for taker in range(count):
                    if giver == taker:
                        continue
                    yield _Move((name,), 0, (giver, taker, amount), model)
                    if name in linked and taker == count - 1 and giver == 0:
                        # The first stage may lose its start instead of its end.
                        yield _Move((name,), amount, (giver, taker, amount), model)
        if name in linked:
            downstream = _downstream(model, name)
            for change in (size * step, -size * step):
                yield _Move((name,), change, None, model)
                if len(downstream) > 1:
                    yield _Move(downstream, change, None, model)


def _downstream(model: PlatoonModel, name: str) -> tuple[str, ...]:
    found = {name}
    while True:
        more = {link.downstream for link in model.links if link.upstream in found} - found
        if not more:
            return tuple(sorted(found))
        found |= more
