"""Offsets by bandwidth: the green wave that MAXBAND seeks, as a CP-SAT program."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ortools.sat.python import cp_model

from optimizer.corridor import OffsetResult, offset_step_ds
from optimizer.platoon import PlatoonModel, Timing
from optimizer.problem import Link
from optimizer.splits import deterministic_solver


@dataclass(frozen=True, slots=True)
class _Chain:
    """Links that follow each other; its band is weighted by its smallest through flow."""

    links: tuple[Link, ...]
    weight: float


def _chains(model: PlatoonModel) -> list[_Chain]:
    """Longest runs of links joined by the movements that carry most of the traffic."""

    def following(link: Link) -> Link | None:
        part = model.part(link.downstream)
        own = {m.id for m in part.junction.movements if m.from_edge == link.approach}
        best, most = None, 0.0
        for other in model.links:
            if other.upstream == link.downstream:
                flow = sum(feed.pcuph for feed in other.feeds if feed.movement in own)
                if flow > most:
                    best, most = other, flow
        return best

    next_of = {id(link): following(link) for link in model.links}
    continued = {id(link) for link in next_of.values() if link is not None}
    starts = [link for link in model.links if id(link) not in continued] or list(model.links[:1])
    chains = []
    for start in starts:
        run = [start]
        while (link := next_of[id(run[-1])]) is not None and link not in run:
            run.append(link)
        weight = min(sum(feed.pcuph for feed in link.feeds) for link in run)
        chains.append(_Chain(tuple(run), weight))
    return chains


def _window(
    model: PlatoonModel, timings: Mapping[str, Timing], junction: str, movements: Sequence[str]
) -> tuple[int, int] | None:
    """Longest green (start, length) in ds of the stage that serves these movements best."""
    timing = timings[junction]
    clears = [y + r for y, r in timing.stages.interstages(model.part(junction).junction)]
    start, best = 0, None
    for stage, green, clear in zip(timing.stages.stages, timing.greens_ds, clears, strict=True):
        if set(movements) & set(stage.green) and (best is None or green > best[1]):
            best = (start, green)
        start += green + clear
    return best


def solve_bands(
    model: PlatoonModel, timings: Mapping[str, Timing], *, seed: int = 0, time_limit: float = 10.0
) -> OffsetResult:
    """Offsets that maximize the bands of all chains, weighted by flow (Little 1966).

    A band of width b enters each green w after its start, 0 <= w <= g - b, and travels the link
    in its travel time; loop integers close over the cycle. The objective is negative bandwidth.
    """
    step = offset_step_ds(model.problem, list(timings), model.cycle_ds)
    cycle = model.cycle_ds
    program = cp_model.CpModel()
    names = sorted(timings)
    offsets = {n: program.NewIntVar(0, cycle // step - 1, f"offset {n}") for n in names}
    program.Add(offsets[model.order[0]] == 0)
    terms = []
    for index, chain in enumerate(_chains(model)):
        band = program.NewIntVar(0, cycle, f"band {index}")
        # Around a loop offsets may leave no wave at all to a chain.
        waved = program.NewBoolVar(f"waved {index}")
        program.Add(band == 0).OnlyEnforceIf(~waved)
        before = None
        usable = True
        for position, link in enumerate(chain.links):
            ends = [(link.downstream, _onward(model, chain, position))]
            if position == 0:
                heaviest = max(link.feeds, key=lambda feed: feed.pcuph, default=None)
                ends.insert(0, (link.upstream, [heaviest.movement] if heaviest else []))
            for junction, movements in ends:
                window = _window(model, timings, junction, movements)
                if window is None:
                    usable = False
                    break
                into = program.NewIntVar(0, cycle, f"into {index} {junction} {position}")
                program.Add(into + band <= window[1]).OnlyEnforceIf(waved)
                at = offsets[junction] * step + window[0] + into
                if before is not None:
                    turns = program.NewIntVar(-4, 40, f"turns {index} {position}")
                    travel = round(link.travel_time_s * 10.0)
                    # Within half a step: offsets are coarser than travel times.
                    slack = program.NewIntVar(-step, step, f"slack {index} {position}")
                    program.Add(at - before - travel + slack == turns * cycle).OnlyEnforceIf(waved)
                before = at
            if not usable:
                break
        if usable:
            terms.append(band * max(1, round(chain.weight)))
    if terms:
        program.Maximize(sum(terms))
    solver = deterministic_solver(time_limit, seed)
    status = solver.Solve(program)
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return OffsetResult(dict(timings), 0.0, 0.0, str(solver.StatusName(status)))
    value = solver.ObjectiveValue() if terms else 0.0
    return OffsetResult(
        timings={
            name: replace(timing, offset_ds=int(solver.Value(offsets[name])) * step)
            for name, timing in timings.items()
        },
        # Bandwidth is maximized: the gap is that of its bound above.
        objective=max(value, solver.BestObjectiveBound()) if terms else 0.0,
        bound=value,
        status=str(solver.StatusName(status)),
    )


def _onward(model: PlatoonModel, chain: _Chain, position: int) -> list[str]:
    """Movements by which the chain goes on from a link's end."""
    link = chain.links[position]
    part = model.part(link.downstream)
    own = [m.id for m in part.junction.movements if m.from_edge == link.approach]
    if position + 1 < len(chain.links):
        feeds = {feed.movement for feed in chain.links[position + 1].feeds}
        return [movement for movement in own if movement in feeds]
    return own
