"""Small junctions for the tests of the planner: arrays by hand, and a control area by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from models.junction import Junction, Movement, SafetyEnvelope, Turn
from models.policy import (
    ChangeInterval,
    Connection,
    ControlArea,
    ControlJunction,
    ControlLane,
    ControlStage,
    Feed,
    Observation,
    Sensing,
    SignalShown,
)
from optimizer.horizon import Effort, Now
from optimizer.queueing import Displays, Driving, Traffic

DRIVING = Driving(
    startup_s=1.0,
    yellow_used_s=1.0,
    stop_s=4.0,
    gap_s=2.5,
    change_s=8.0,
    excess_s=np.empty(0),
    away_s=np.empty(0),
)
"""Every headway the same, so that answers can be told by hand and by CP-SAT."""


def displays(
    green: Sequence[Sequence[int]], lanes: int, *, clear_s: float = 2.0, min_green_s: float = 3.0
) -> Displays:
    """Stages that each give whole lanes green; lane k is stream k."""
    stages = len(green)
    rate = np.zeros((stages + stages * stages, lanes))
    for stage, served in enumerate(green):
        rate[stage, list(served)] = 1.0
    for p in range(stages):
        for q in range(stages):
            rate[stages + p * stages + q] = np.minimum(rate[p], rate[q])
    return Displays(
        rate=rate,
        halts=np.zeros_like(rate),
        yields_to=np.full((len(rate), lanes, 1), -1, dtype=np.int64),
        crosses=np.zeros((lanes, lanes), dtype=np.bool_),
        best_rate=rate[:stages].max(axis=0),
        clear_s=clear_s * (1.0 - np.eye(stages)),
        min_green_s=np.full(stages, min_green_s),
        max_green_s=np.full(stages, 120.0),
        exit_of=np.full(lanes, -1, dtype=np.int64),
        order=np.arange(lanes, dtype=np.int64),
    )


def traffic(
    arrivals_s: Sequence[Sequence[float]], *, headway_s: float = 2.0, exits: int = 0
) -> Traffic:
    """Vehicles of weight 1 per lane."""
    first = np.concatenate([[0], np.cumsum([len(lane) for lane in arrivals_s])]).astype(np.int64)
    flat = np.array([at for lane in arrivals_s for at in lane], dtype=np.float64)
    lanes = len(arrivals_s)
    return Traffic(
        first=first,
        arrival_s=flat,
        movement=np.repeat(np.arange(lanes), np.diff(first)).astype(np.int64),
        headway_s=np.full(len(flat), headway_s),
        size=np.ones(len(flat)),
        weight=np.ones(len(flat)),
        lane_free_s=np.zeros(lanes),
        last_movement=np.arange(lanes, dtype=np.int64),
        moving=np.zeros(lanes, dtype=np.int64),
        room=np.full(exits, 1e9),
        drain_per_s=np.zeros(exits),
    )


def now(stages: int, *, stage: int = 0, ready_s: float = 0.0) -> Now:
    """Long green already, free to change from ``ready_s`` on."""
    every = np.ones(stages, dtype=np.bool_)
    return Now(stage, 30.0, ready_s, 1e9, False, every, every)


def whole_seconds(horizon_s: int, *, width: int) -> Effort:
    """A grid of whole seconds that drops nothing if ``width`` is large enough."""
    return Effort(
        np.arange(horizon_s, dtype=np.float64),
        np.arange(horizon_s + 1, dtype=np.int64),
        float(horizon_s),
        width,
        1_000_000,
        10_000_000,
    )


def crossroads(name: str, inward: tuple[str, str], outward: tuple[str, str]) -> ControlJunction:
    """Two one-way streets that cross: stage A for the first, B for the second."""
    movements = tuple(
        Movement(f"{name}:{a}>{b}", a, b, Turn.THROUGH, (f"{a}_0",), (link,))
        for link, (a, b) in enumerate(zip(inward, outward, strict=True))
    )
    first, second = (movement.id for movement in movements)
    junction = Junction(
        id=name,
        movements=movements,
        conflicts=frozenset({frozenset({first, second})}),
        envelope=SafetyEnvelope(),
    )
    lanes = {
        f"{a}_0": ControlLane(
            id=f"{a}_0",
            approach=a,
            edge_m=300.0,
            length_m=300.0,
            entry_m=150.0,
            speed_mps=15.0,
            width_m=3.2,
            connections=(Connection(link, f"{name}:{a}>{b}", f"{b}_0"),),
        )
        for link, (a, b) in enumerate(zip(inward, outward, strict=True))
    }
    stages = {
        "A": ControlStage("A", "Gr", (first,), (), (), (), 5.0, 60.0),
        "B": ControlStage("B", "rG", (second,), (), (), (), 5.0, 60.0),
    }
    change = ChangeInterval(3.0, 1.0)
    return ControlJunction(
        junction=junction,
        lanes=lanes,
        stages=stages,
        changes={("A", "B"): change, ("B", "A"): change},
        link_yields=frozenset({(0, 1), (1, 0)}),
        receiving_m={f"{b}_0": 300.0 for b in outward},
        max_red_s=120.0,
        plan=(("A", 30.0), ("B", 30.0)),
    )


def pair(sensing: Sensing = Sensing.ORACLE) -> ControlArea:
    """Two crossroads in a row: what leaves W by its first street reaches E after 20 s."""
    west = crossroads("W", ("w", "nw"), ("we", "sw"))
    east = crossroads("E", ("we", "ne"), ("e", "se"))
    feed = Feed("W", "W:w>we", "E", "we", ("we_0",), 20.0, 300.0)
    return ControlArea({"W": west, "E": east}, (feed,), 1.0, sensing, 300.0)


def seen(
    time_s: float = 100.0,
    *,
    stage: Mapping[str, str] | None = None,
    since_s: float = 60.0,
    **rest: object,
) -> Observation:
    """An observation in which both junctions of ``pair`` may change; ``rest`` are its fields."""
    shown = {
        name: SignalShown((stage or {}).get(name, "A"), since_s, since_s + 5.0)
        for name in ("E", "W")
    }
    return Observation(time_s, time_s, shown, **rest)  # type: ignore[arg-type]
