"""A film of one pair of runs: where everybody was and what the signals showed, second by second."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from models.errors import XanhError
from models.site import Site
from simulation.candidates import Job, simulate_candidate
from simulation.metrics import elements
from simulation.probes import StateChange, read_states
from simulation.results import BIN_S, SimulationResult
from simulation.runner import Outputs, SimulationJob, states_beside
from simulation.scratch import Scratch

FILM_S = 300.0
"""Length of a film."""


@dataclass(frozen=True, slots=True)
class Moves:
    """One vehicle or pedestrian: a row per second from ``first`` (a second of the film) on.

    ``x_m, y_m`` are the front, network coordinates; ``heading_deg`` is SUMO's (0 north,
    clockwise). ``edge`` and ``along_m`` say where on which street it was.
    """

    kind: str
    first: int
    x_m: NDArray[np.float64]
    y_m: NDArray[np.float64]
    heading_deg: NDArray[np.float64]
    edge: tuple[str, ...]
    along_m: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two runs of a film."""

    moves: tuple[Moves, ...]
    states: Mapping[str, tuple[StateChange, ...]]


@dataclass(frozen=True, slots=True)
class Film:
    """Both runs of a pair from ``begin_s`` on for ``seconds``; ``kinds`` are SUMO's classes."""

    begin_s: float
    seconds: int
    seed: int
    before: Side
    after: Side


def busiest_s(results: Sequence[SimulationResult], site: Site) -> float:
    """Where a film begins: the window with most vehicles queued over the runs."""
    options = site.simulation
    first = options.begin_s + options.warm_up_s
    last = max(first, options.end_s - FILM_S)
    totals: NDArray[np.float64] | None = None
    for result in results:
        if result.history is not None:
            queued = [np.array(queue, float) for queue in result.history.queues.values()]
            total = np.sum(queued, axis=0) if queued else np.zeros(1)
            totals = total if totals is None else totals + total
    if totals is None:
        return first
    bins = max(1, round(FILM_S / BIN_S))
    sums = [float(totals[i : i + bins].sum()) for i in range(max(1, len(totals) - bins + 1))]
    return min(last, first + BIN_S * int(np.argmax(sums)))


def film_job(base: SimulationJob, begin_s: float) -> SimulationJob:
    """The job, still without signals, that ends where the film does."""
    end_s = min(base.options.end_s, begin_s + FILM_S)
    options = replace(base.options, end_s=end_s, warm_up_s=0.0)
    return replace(base, options=options, outputs=Outputs(positions_from_s=begin_s))


def film_side(job: Job) -> Side:
    """Run a film's job and keep where everybody was; to be called where simulations run.

    Raises:
        SimulationFailed: If it breaks off, naming the job and why.
    """
    with Scratch("film") as temporary:
        path = temporary / "positions.parquet"
        run = job if isinstance(job, SimulationJob) else job.run
        assert run.outputs is not None
        begin_s = run.outputs.positions_from_s
        run = replace(run, outputs=replace(run.outputs, positions=path))
        simulate_candidate(run if isinstance(job, SimulationJob) else replace(job, run=run))
        states = states_beside(path)
        return Side(
            _read_moves(path, begin_s, _classes(run)),
            read_states(states) if states.exists() else {},
        )


def _classes(job: SimulationJob) -> dict[str, str]:
    """SUMO class of each vehicle type that the job's files declare."""
    return {
        declared.attrib["id"]: declared.get("vClass", "passenger")
        for path in (*job.demand, *job.additional)
        for element in elements(path, "vType", "vTypeDistribution")
        for declared in element.iter("vType")
    }


def _read_moves(path: Path, begin_s: float, classes: Mapping[str, str]) -> tuple[Moves, ...]:
    try:
        table = pq.read_table(path)
    except (OSError, ValueError) as error:
        raise XanhError(f"{path}: cannot be read ({error})") from None
    columns = {
        name.rpartition("_")[2] if "_" in name else name: name for name in table.column_names
    }

    def column(name: str) -> NDArray[Any]:
        return np.asarray(table.column(columns[name]).to_numpy(zero_copy_only=False))

    times = column("timestep" if "timestep" in columns else "time").astype(float)
    ids = column("id").astype(str)
    types, lanes = column("type").astype(str), column("lane").astype(str)
    x, y = column("x").astype(float), column("y").astype(float)
    angle, along = column("angle").astype(float), column("pos").astype(float)
    order = np.lexsort((times, ids))
    bounds = np.flatnonzero(np.r_[True, ids[order][1:] != ids[order][:-1], True])
    found = []
    for start, end in itertools.pairwise(bounds):
        rows = order[start:end]
        seconds = np.rint(times[rows] - begin_s).astype(int)
        _, keep = np.unique(seconds, return_index=True)
        rows, seconds = rows[keep], seconds[keep]
        kind = types[rows[0]]
        found.append(
            Moves(
                kind=classes.get(kind, "pedestrian" if "PED" in kind else "passenger"),
                first=int(seconds[0]),
                x_m=x[rows],
                y_m=y[rows],
                heading_deg=angle[rows],
                edge=tuple(lane.rpartition("_")[0] for lane in lanes[rows]),
                along_m=along[rows],
            )
        )
    return tuple(found)
