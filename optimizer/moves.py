"""Moves of a local search: small changes of the timing of one junction, or of a common cycle."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from optimizer.platoon import Timing
from optimizer.problem import JunctionProblem, RetimingProblem
from optimizer.splits import nearest_greens, solve_splits, split_step_ds
from optimizer.stages import StageSet, windows

Timings = Mapping[str, Timing]


@dataclass(frozen=True, slots=True)
class Move:
    """A change; ``change`` gives the new timings, or None where it cannot be made."""

    name: str
    junctions: tuple[str, ...]
    change: Callable[[Timings], Timings | None]


def cycle_ds(part: JunctionProblem, timing: Timing) -> int:
    """Cycle of a timing: greens and the interstages of its stage sequence."""
    clears = timing.stages.interstages(part.junction)
    return sum(timing.greens_ds) + sum(yellow + red for yellow, red in clears)


def moves(
    problem: RetimingProblem,
    part: JunctionProblem,
    timing: Timing,
    size_s: int,
    *,
    wide: bool,
    seed: int = 0,
) -> Iterator[Move]:
    """Moves of one junction: green between stages, a longer or shorter stage, the offset.

    Args:
        problem: The problem, for what a stage sequence's first greens are.
        part: The junction.
        timing: Its timing, which says what stages there are.
        size_s: Seconds of each change.
        wide: Also other stage sequences, and the present one with two stages swapped.
        seed: Seed of the solver.
    """
    step = split_step_ds(part)
    amount = max(step, size_s * 10 // step * step)
    stages = timing.stages.stages
    name = part.id
    for taker, stage in enumerate(stages):
        for sign in (1, -1):
            yield _move(
                name,
                f"stage {stage.id} {sign * size_s:+d} s",
                _green_changed(name, {taker: sign * amount}),
            )
        for giver in range(len(stages)):
            if giver != taker:
                yield green_move(part, timing, giver, taker, size_s)
    if any(name in (link.upstream, link.downstream) for link in problem.links):
        for sign in (1, -1):
            yield _move(name, f"offset {sign * size_s:+d} s", _offset_changed(part, sign * amount))
    if not wide:
        return
    if len(stages) > 3:
        for index in range(1, len(stages) - 1):
            yield _move(name, f"stages {index}, {index + 1} swapped", _swapped(name, index))
    present = cycle_ds(part, timing)
    for stages_of in part.stage_sets:
        if _shape(stages_of) != _shape(timing.stages):
            splits = solve_splits(problem, part, stages_of, present, seed=seed)
            if splits is not None:
                yield _move(
                    name,
                    f"stages {stages_of.name}",
                    _replaced(name, stages_of, splits.greens_ds),
                )


def green_move(part: JunctionProblem, timing: Timing, giver: int, taker: int, size_s: int) -> Move:
    """Green from one stage to another, in the controller's steps."""
    step = split_step_ds(part)
    amount = max(step, size_s * 10 // step * step)
    stages = timing.stages.stages
    return _move(
        part.id,
        f"{size_s} s from stage {stages[giver].id} to {stages[taker].id}",
        _green_changed(part.id, {taker: amount, giver: -amount}),
    )


def group_moves(problem: RetimingProblem, group: Sequence[str], size_s: int) -> Iterator[Move]:
    """Longer and shorter cycles of connected junctions together, greens in proportion."""
    for sign in (1, -1):
        yield Move(
            f"cycle at {group[0]} and its neighbours {sign * size_s:+d} s",
            tuple(group),
            _cycle_changed(problem, group, sign * size_s * 10),
        )


def _move(name: str, what: str, change: Callable[[Timings], Timings | None]) -> Move:
    return Move(f"{name}: {what}", (name,), change)


def _green_changed(name: str, changes: Mapping[int, int]) -> Callable[[Timings], Timings | None]:
    def change(timings: Timings) -> Timings | None:
        timing = timings[name]
        if max(changes) >= len(timing.greens_ds):
            return None
        greens = [green + changes.get(index, 0) for index, green in enumerate(timing.greens_ds)]
        if min(greens) <= 0:
            return None
        return {**timings, name: replace(timing, greens_ds=tuple(greens))}

    return change


def _offset_changed(part: JunctionProblem, amount_ds: int) -> Callable[[Timings], Timings | None]:
    def change(timings: Timings) -> Timings | None:
        timing = timings[part.id]
        offset_ds = (timing.offset_ds + amount_ds) % cycle_ds(part, timing)
        return {**timings, part.id: replace(timing, offset_ds=offset_ds)}

    return change


def _cycle_changed(
    problem: RetimingProblem, group: Sequence[str], amount_ds: int
) -> Callable[[Timings], Timings | None]:
    def change(timings: Timings) -> Timings | None:
        result = dict(timings)
        for name in group:
            part, timing = problem.junction(name), timings[name]
            before = cycle_ds(part, timing)
            after = before + amount_ds
            wanted = [green * after / before for green in timing.greens_ds]
            greens = nearest_greens(part, timing.stages, after, wanted)
            if greens is None:
                return None
            # A wave keeps its times of travel: offsets stay, in seconds.
            result[name] = replace(timing, greens_ds=greens)
        return result

    return change


def _swapped(name: str, index: int) -> Callable[[Timings], Timings | None]:
    def change(timings: Timings) -> Timings | None:
        timing = timings[name]
        stages, greens = list(timing.stages.stages), list(timing.greens_ds)
        if index + 1 >= len(stages):
            return None
        stages[index : index + 2] = reversed(stages[index : index + 2])
        greens[index : index + 2] = reversed(greens[index : index + 2])
        swapped = StageSet("swapped", tuple(stages))
        # A movement's green in two places would be two short greens.
        for signal_id in {signal_id for stage in stages for signal_id in stage.green}:
            if len(windows(swapped, signal_id)) > len(windows(timing.stages, signal_id)):
                return None
        return {**timings, name: Timing(swapped, tuple(greens), timing.offset_ds)}

    return change


def _replaced(
    name: str, stages: StageSet, greens_ds: tuple[int, ...]
) -> Callable[[Timings], Timings | None]:
    def change(timings: Timings) -> Timings | None:
        return {**timings, name: Timing(stages, greens_ds, timings[name].offset_ds)}

    return change


def _shape(stages: StageSet) -> tuple[frozenset[str], ...]:
    return tuple(frozenset(stage.green) for stage in stages.stages)
