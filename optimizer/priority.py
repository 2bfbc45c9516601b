"""Who counts for more: buses, emergencies, escorts, queues to flush; and gates at a border."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from models.policy import PriorityRequest, RequestKind
from optimizer.prediction import Expected, arrival_s
from optimizer.queueing import Floats

# A reported vehicle and a seen one are the same if they reach the line this close together.
SAME_S = 3.0
# Cost of a second in which an escort's movement is red while it is due: far above any queue.
ESCORT_COST = 200.0
# After an escort or an emergency, those who waited for it count for more during this time.
RECOVERY_S = 120.0
# Their weight doubles when they have been red for so long.
RECOVERY_RED_S = 60.0


@dataclass(frozen=True, slots=True)
class Escort:
    """A movement that is to be green from ``from_s`` until ``until_s``: one step of a route."""

    junction: str
    movement: str
    from_s: float
    until_s: float


@dataclass(frozen=True, slots=True)
class Flush:
    """Lanes whose vehicles count ``weight`` times: an incident's queue, a blocked junction."""

    lanes: frozenset[str]
    weight: float = 5.0


@dataclass(frozen=True, slots=True)
class Gate:
    """Movements into an area that let in only as much as it can hold.

    Above ``most_veh`` vehicles on ``inside`` lanes they are held to ``metered_vph`` each.
    """

    movements: frozenset[str]
    inside: frozenset[str]
    most_veh: float
    metered_vph: float = 360.0


@dataclass(frozen=True, slots=True)
class Directives:
    """What operators ask for on top of the ordinary objective.

    Attributes:
        escorts: Route of an escort or an emergency vehicle, movement by movement.
        flushes: Queues to empty.
        gates: Borders of areas.
        coordination: Cost of a second off the plan in force, vehicle seconds: 0 leaves the plan
            aside, large values follow it whatever comes.
    """

    escorts: tuple[Escort, ...] = ()
    flushes: tuple[Flush, ...] = ()
    gates: tuple[Gate, ...] = ()
    coordination: float = 0.0


@dataclass(slots=True)
class Recovery:
    """Remembers until when a junction makes up for a preemption."""

    until_s: dict[str, float] = field(default_factory=dict)

    def preempted(self, junction: str, time_s: float) -> None:
        """The junction serves an emergency or an escort now."""
        self.until_s[junction] = time_s + RECOVERY_S

    def weight(self, junction: str, time_s: float, red_s: float) -> float:
        """Weight of a movement that has been red for ``red_s``."""
        if time_s >= self.until_s.get(junction, -np.inf):
            return 1.0
        return 1.0 + red_s / RECOVERY_RED_S


def request_weight(request: PriorityRequest, bus_share: float) -> float:
    """Weight of a vehicle that reports itself.

    ``bus_share`` of a bus's load and lateness counts beyond an ordinary vehicle; an emergency
    counts in full.
    """
    if request.kind is RequestKind.EMERGENCY:
        return max(1.0, request.weight)
    return 1.0 + bus_share * max(0.0, request.weight - 1.0)


def with_requests(
    queue: Sequence[Expected],
    requests: Iterable[tuple[PriorityRequest, int]],
    free_mps: float,
    headway_s: float,
    bus_share: float,
) -> list[Expected]:
    """A lane's vehicles with those who report themselves given their weight.

    Args:
        queue: In order.
        requests: Those on this lane, with their stream.
        free_mps: Speed of an empty road.
        headway_s: Of a reporting vehicle that nobody has seen.
        bus_share: See :func:`request_weight`.
    """
    found = list(queue)
    for request, stream in requests:
        at_s = arrival_s(request.distance_m, request.speed_mps, free_mps)
        weight = request_weight(request, bus_share)
        near = min(
            (i for i, item in enumerate(found) if item.size == 1.0 and item.weight < weight),
            key=lambda i: abs(found[i].arrival_s - at_s),
            default=-1,
        )
        if near >= 0 and abs(found[near].arrival_s - at_s) <= SAME_S:
            item = found[near]
            found[near] = item._replace(weight=item.weight * weight, stream=stream, drawn=-1.0)
        else:
            place = sum(item.arrival_s <= at_s for item in found)
            found.insert(place, Expected(at_s, stream, headway_s, 1.0, weight))
    return found


def escort_cost(
    escorts: Iterable[Escort],
    junction: str,
    time_s: float,
    horizon_s: int,
    serves: Sequence[frozenset[str]],
) -> Floats:
    """(horizon + 1, P) cost until each second of showing each stage against an escort."""
    cost = np.zeros((horizon_s + 1, len(serves)))
    for escort in escorts:
        if escort.junction != junction:
            continue
        seconds = np.arange(horizon_s) + time_s
        due = (seconds >= escort.from_s) & (seconds < escort.until_s)
        total = np.concatenate([[0.0], np.cumsum(due * ESCORT_COST)])
        for stage, served in enumerate(serves):
            if escort.movement not in served:
                cost[:, stage] += total
    return cost


def lane_weights(flushes: Iterable[Flush]) -> Mapping[str, float]:
    """Weight by lane of the queues to flush; absent is 1."""
    weights: dict[str, float] = {}
    for flush in flushes:
        for lane in flush.lanes:
            weights[lane] = max(weights.get(lane, 1.0), flush.weight)
    return weights


def gate_room(
    gates: Iterable[Gate], movement: str, on_lane: Mapping[str, float]
) -> tuple[float, float] | None:
    """Room and drain that a gate leaves a movement, in vehicles and per second; None if open."""
    for gate in gates:
        if movement in gate.movements:
            inside = sum(on_lane.get(lane, 0.0) for lane in gate.inside)
            if inside >= gate.most_veh:
                return 0.0, gate.metered_vph / 3600.0
    return None
