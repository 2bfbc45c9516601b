"""What people on foot wait: they come at any time and go when their light is green."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from models.junction import Junction
from models.plan import JunctionPlan
from models.safety import green_windows_ds
from optimizer.problem import JunctionProblem
from optimizer.stages import StageSet, windows


def mean_wait_s(greens: Iterable[tuple[float, float]], cycle_s: float) -> float:
    """Mean wait of people who come evenly: sum of R^2 over 2 C, R each red (Pretty 1979).

    ``greens`` are (start, length) within the cycle, in order; without any they wait half of two
    cycles.
    """
    found = [(start, start + length) for start, length in greens if length > 0.0]
    if not found:
        return cycle_s
    following = [start for start, _ in found[1:]] + [found[0][0] + cycle_s]
    reds = (max(0.0, start - end) for (_, end), start in zip(found, following, strict=True))
    return sum(red * red for red in reds) / (2.0 * cycle_s)


def plan_wait_s(plan: JunctionPlan, junction: Junction) -> Mapping[str, float]:
    """Mean wait at each crossing under a plan; the clearance at a window's end is no walk."""
    waits = {}
    for crossing in junction.crossings:
        clears = junction.envelope.ped_clearance_ds.get(crossing.id, 0)
        greens = [
            (start / 10.0, length / 10.0 if length == plan.cycle_ds else (length - clears) / 10.0)
            for start, length in green_windows_ds(plan, crossing.id)
        ]
        waits[crossing.id] = mean_wait_s(greens, plan.cycle_ds / 10.0)
    return waits


def timing_wait_s(
    junction: Junction, stages: StageSet, greens_ds: Sequence[int]
) -> Mapping[str, float]:
    """Mean wait at each crossing under a timing that is being searched."""
    clears = [yellow + red for yellow, red in stages.interstages(junction)]
    starts, at = [], 0
    for green, clear in zip(greens_ds, clears, strict=True):
        starts.append(at)
        at += green + clear
    waits = {}
    for crossing in junction.crossings:
        end_ds = junction.envelope.ped_clearance_ds.get(crossing.id, 0)
        greens = []
        for run in windows(stages, crossing.id):
            length = sum(greens_ds[i] for i in run) + sum(clears[i] for i in run[:-1])
            walk = at if len(run) == len(greens_ds) else length - end_ds
            greens.append((starts[run[0]] / 10.0, walk / 10.0))
        waits[crossing.id] = mean_wait_s(sorted(greens), at / 10.0)
    return waits


def waiting_cost(part: JunctionProblem, waits_s: Mapping[str, float], weight: float) -> float:
    """Weighted seconds an hour that people wait at a junction's crossings."""
    return weight * part.pedestrians_ph * sum(waits_s.values())
