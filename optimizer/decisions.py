"""Why a junction shows what it shows: its decision as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

import numpy as np

from optimizer.horizon import Effort, Found, Now, replay, search
from optimizer.queueing import Displays, Driving, Floats, Traffic
from optimizer.stock import JunctionStock


@dataclass(frozen=True, slots=True)
class Alternative:
    """One thing that could be done now, followed by the best that was found after it.

    Attributes:
        stage: Stage wanted; the present one means to hold it.
        cost: Weighted delay over the horizon and the estimate beyond, vehicle seconds. None if
            it is not allowed now.
        schedule: Changes that follow, as (seconds from now, stage).
        delay_s: Predicted delay by movement, vehicle seconds over the horizon.
    """

    stage: str
    cost: float | None
    schedule: tuple[tuple[float, str], ...] = ()
    delay_s: Mapping[str, float] | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision of one junction.

    Attributes:
        junction: Its id.
        time_s: When.
        shown: Stage that is green.
        wanted: Stage asked for.
        alternatives: Holding first, then every other stage.
        binding: What limited the choice, in words: minimum green, longest red, full roads.
        queue_veh: Vehicles known on each lane.
        silent: Neighbours that said nothing lately.
        ignored: Detectors that are not believed.
        expansions: Partial schedules looked at.
        composed: What is protected in stages that are not the plan's.
    """

    junction: str
    time_s: float
    shown: str
    wanted: str
    alternatives: tuple[Alternative, ...]
    binding: tuple[str, ...]
    queue_veh: Mapping[str, float]
    silent: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    expansions: int = 0
    composed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def to_dict(self) -> dict[str, object]:
        """Plain values, as JSON has them."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Planned:
    """What a junction decided last, and from what: enough to ask why."""

    time_s: float
    now: Now
    displays: Displays
    traffic: Traffic
    driving: Driving
    off_plan: Floats
    found: Found
    binding: tuple[str, ...]
    silent: tuple[str, ...]


def explained(
    planned: Planned,
    state: JunctionStock,
    effort: Effort,
) -> Decision:
    """A decision with the best that follows each of its alternatives."""
    stages = state.layout.stages
    here = planned.now.stage
    hold = planned.now._replace(ready_s=max(1.0, planned.now.ready_s))
    alternatives = [
        _alternative(planned, hold, here, state, effort)
        if planned.now.leave_by_s > 0.0
        else Alternative(stages[here], None)
    ]
    for target in range(len(stages)):
        if target == here:
            continue
        if not planned.now.next_allowed[target]:
            alternatives.append(Alternative(stages[target], None))
            continue
        only = np.zeros(len(stages), dtype=np.bool_)
        only[target] = True
        at_once = planned.now._replace(leave_by_s=0.0, forced=True, next_allowed=only)
        alternatives.append(_alternative(planned, at_once, target, state, effort))
    found = planned.found
    changes = found.change_s.shape[0] > 0 and found.change_s[0] <= 1e-9
    return Decision(
        junction=state.control.id,
        time_s=planned.time_s,
        shown=stages[here],
        wanted=stages[int(found.stage[0])] if changes else stages[here],
        alternatives=tuple(alternatives),
        binding=planned.binding,
        queue_veh={lane: float(len(queue)) for lane, queue in state.vehicles.items()},
        silent=planned.silent,
        ignored=state.estimator.ignored,
        expansions=found.expansions,
        composed=state.composed,
    )


def _alternative(
    planned: Planned,
    now: Now,
    target: int,
    state: JunctionStock,
    effort: Effort,
) -> Alternative:
    stages, traffic = state.layout.stages, planned.traffic
    rest = (planned.displays, traffic, planned.driving, effort, planned.off_plan)
    found = search(now, *rest)
    _, departure_s = replay(found, now, *rest)
    lost_s = (traffic.size / state.scenarios) * np.maximum(
        0.0, np.minimum(departure_s, effort.horizon_s) - traffic.arrival_s
    )
    delay_s: dict[str, float] = {}
    for stream, lost in zip(traffic.movement, lost_s, strict=True):
        movement = state.layout.movement_of[int(stream) % len(state.layout.movement_of)]
        delay_s[movement] = delay_s.get(movement, 0.0) + float(lost)
    return Alternative(
        stage=stages[target],
        cost=found.cost,
        schedule=tuple(
            (float(at), stages[int(stage)])
            for at, stage in zip(found.change_s, found.stage, strict=True)
        ),
        delay_s=delay_s,
    )
