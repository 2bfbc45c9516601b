"""How much of a lane group each stage discharges, and when: weights and green windows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from models.junction import Turn
from optimizer.delay import permissive_flow_pcuph
from optimizer.problem import TURN_EQUIVALENT, JunctionProblem, Lane, LaneGroup
from optimizer.stages import StageSet

# HCM start-up lost time. Of the yellow, drivers use what is left to them when they cannot stop:
# v / 2b, 1.0 to 1.4 s at 30 to 40 km/h and 4 m/s2; HCM's 2 s hold for faster roads.
START_LOST_S = 2.0
EXTENSION_S = 1.0
# HCM: vehicles that turn at the end of a permissive green, per cycle and lane.
SNEAKERS = 2.0
# Where lanes are not kept, a waiting vehicle blocks its own width: about half a lane of 3.5 m
# (a motorcycle with its gaps 1.0 m, a car 2.4 m).
BLOCKED_WIDTH = 0.5
# Green and cycle in seconds while neither is known yet.
USUAL_GREEN_S = (40.0, 90.0)


@dataclass(frozen=True, slots=True)
class Service:
    """One lane group under one stage set.

    ``weights[p]`` is the part of the group's saturation flow that stage ``p`` discharges;
    ``bonus_pcu`` what goes each cycle beside that (sneakers, a short green of a shared lane).
    """

    group: LaneGroup
    weights: tuple[float, ...]
    bonus_pcu: float

    @property
    def lost_s(self) -> float:
        """Seconds of full discharge that starting and stopping cost per cycle."""
        if all(weight > 0 for weight in self.weights):
            return 0.0
        starts = sum(
            weight
            for before, weight in zip(self.weights[-1:] + self.weights[:-1], self.weights,
                                      strict=True)
            if before <= 0 < weight
        )  # fmt: skip
        return starts * (START_LOST_S - EXTENSION_S)

    def effective_green_s(self, greens_ds: Sequence[int], clears_ds: Sequence[int]) -> float:
        """Green in seconds of full saturation flow per cycle.

        Each green loses ``START_LOST_S - EXTENSION_S``; between two stages that both serve the
        group the interstage counts too.
        """
        total = 0.0
        count = len(self.weights)
        for index in range(count):
            following = self.weights[(index + 1) % count]
            total += self.weights[index] * greens_ds[index]
            total += min(self.weights[index], following) * clears_ds[index]
        total -= self.lost_s * 10.0
        saturation = self.group.saturation_flow_pcuph
        return max(0.0, total / 10.0) + (
            self.bonus_pcu * 3600.0 / saturation if saturation else 0.0
        )


def services(
    part: JunctionProblem, stages: StageSet, greens_s: Sequence[float] | None = None
) -> tuple[Service, ...]:
    """Service of each lane group with demand.

    Args:
        part: The junction.
        stages: The stage sequence.
        greens_s: Greens assumed for how long opposing queues block permissive turns; without
            them the opposing queue is taken to need 70 % of its green.
    """
    approach_demand: dict[str, float] = {}
    approach_saturation: dict[str, float] = {}
    for group in part.groups:
        for lane in group.lanes:
            for flow in lane.flows:
                approach_demand[flow.movement] = (
                    approach_demand.get(flow.movement, 0.0) + flow.pcuph
                )
                approach_saturation[flow.movement] = (
                    approach_saturation.get(flow.movement, 0.0) + lane.saturation_flow_pcuph
                )
    cycle_s = 0.0 if greens_s is None else sum(greens_s) / stages.repeats
    result = []
    for group in part.groups:
        if group.demand_pcuph <= 0:
            continue
        weights, bonus = [], 0.0
        for index, stage in enumerate(stages.stages):
            green, permissive = set(stage.green), set(stage.permissive)
            rate = 0.0
            for lane in group.lanes:
                blocking = _free_share(
                    part,
                    lane,
                    green,
                    approach_demand,
                    approach_saturation,
                    None if greens_s is None else (greens_s[index], cycle_s),
                )
                lane_rate, lane_bonus = _lane_rate(part, lane, green, permissive, blocking)
                lane_rate *= _walkers_leave(
                    part,
                    lane,
                    green,
                    USUAL_GREEN_S if greens_s is None else (greens_s[index], cycle_s),
                )
                rate += lane_rate
                bonus += lane_bonus
            weights.append(rate / group.saturation_flow_pcuph)
        result.append(Service(group, tuple(weights), bonus))
    return tuple(result)


def _free_share(
    part: JunctionProblem,
    lane: Lane,
    green: set[str],
    demand: dict[str, float],
    saturation: dict[str, float],
    assumed: tuple[float, float] | None,
) -> tuple[float, float]:
    """Flow in pcu/h that opposes this lane's turns, and the part of the green it leaves free."""
    turns = {flow.movement for flow in lane.flows}
    opposing = [
        priority
        for yielding, priority in part.junction.permissive
        if yielding in turns and priority in green and priority in demand
    ]
    flow = sum(demand[movement] for movement in set(opposing))
    room = max((saturation[movement] for movement in opposing), default=0.0)
    if flow <= 0 or room <= 0:
        return 0.0, 1.0
    if assumed is None:
        return flow, 0.3
    green_s, cycle_s = assumed
    # Queue of the red, cleared at saturation less arrivals (HCM g_q).
    red_s = max(0.0, cycle_s - green_s)
    clear_s = red_s * flow / max(1.0, room - flow)
    return flow, max(0.0, 1.0 - clear_s / green_s) if green_s > 0 else 0.0


def _walkers_leave(
    part: JunctionProblem, lane: Lane, green: set[str], assumed: tuple[float, float]
) -> float:
    """Part of a lane's discharge that people on the crossings it turns over leave to it.

    Those who came during red start together, others come at random (Poisson); each occupies
    the crossing for its clearance time. A lane goes on past the occupied crossing until the
    first vehicle that turns stands at its head: of a blockage of t seconds with turners at
    rate r, the part 1 - (1 - exp(-r t)) / (r t) is lost.
    """
    green_s, cycle_s = assumed
    turning: dict[str, float] = {}
    total = lane.pcuph
    if total <= 0 or green_s <= 0 or part.pedestrians_ph <= 0:
        return 1.0
    crossings = {c.id for c in part.junction.crossings}
    for yielding, priority in sorted(part.junction.permissive):
        if priority in crossings and priority in green and yielding in green:
            share = sum(f.pcuph for f in lane.flows if f.movement == yielding) / total
            if share > 0:
                turning[priority] = turning.get(priority, 0.0) + share
    vehicles = sum(flow.vph for flow in lane.flows)
    discharge = lane.saturation_flow_pcuph / 3600.0 * (vehicles / total if vehicles > 0 else 1.0)
    left = 1.0
    for crossing, share in turning.items():
        walking_s = part.junction.envelope.ped_clearance_ds.get(crossing, 0) / 10.0
        if walking_s <= 0:
            continue
        people = part.pedestrians_ph / 3600.0
        together = 1.0 - math.exp(-people * max(0.0, cycle_s - green_s))
        later = 1.0 - math.exp(-people * walking_s)
        first_s = min(walking_s, green_s)
        occupied = (together * first_s + later * max(0.0, green_s - first_s)) / green_s
        turners = share * discharge * walking_s
        lost = 1.0 - (1.0 - math.exp(-turners)) / turners
        left *= 1.0 - occupied * lost * (BLOCKED_WIDTH if part.mixed else 1.0)
    return left


def _lane_rate(
    part: JunctionProblem,
    lane: Lane,
    green: set[str],
    permissive: set[str],
    blocking: tuple[float, float],
) -> tuple[float, float]:
    """Discharge in pcu/h of a lane in one stage, and its bonus in pcu per cycle."""
    total = lane.pcuph
    if total <= 0:
        shown = [flow.movement in green for flow in lane.flows]
        return (lane.saturation_flow_pcuph if any(shown) else 0.0), 0.0
    served = sum(flow.pcuph for flow in lane.flows if flow.movement in green) / total
    if served <= 0.0:
        return 0.0, 0.0
    if served < 0.97:
        # A shared lane moves until the first vehicle that must wait stands at its head:
        # geometric, p / (1 - p) vehicles.
        return 0.0, min(3.0, served / (1.0 - served))
    opposing, free = blocking
    headways, sneakers, yields = 0.0, 0.0, 0.0
    for flow in lane.flows:
        share = flow.pcuph / total
        turn = part.junction.movement(flow.movement).turn
        equivalent = TURN_EQUIVALENT[turn]
        if flow.movement in permissive and opposing > 0 and turn in (Turn.LEFT, Turn.UTURN):
            yields += share
            gap_flow = permissive_flow_pcuph(opposing) * free
            equivalent = max(equivalent, lane.saturation_flow_pcuph / max(gap_flow, 1.0))
            sneakers = SNEAKERS
        headways += share * equivalent
    rate = lane.saturation_flow_pcuph / headways
    bonus = sneakers / yields * min(1.0, yields) if yields > 0.5 else sneakers * (yields > 0)
    return rate, bonus


def green_windows_s(
    weights: Sequence[float], greens_ds: Sequence[int], clears_ds: Sequence[int]
) -> tuple[tuple[float, float, float], ...]:
    """Effective discharge intervals ``(start_s, end_s, weight)`` from the cycle's start.

    A window loses ``START_LOST_S`` where it begins and gains ``EXTENSION_S`` where it ends.
    """
    count = len(weights)
    starts = [0.0]
    for green, clear in zip(greens_ds, clears_ds, strict=True):
        starts.append(starts[-1] + (green + clear) / 10.0)
    pieces = []
    for index, weight in enumerate(weights):
        if weight <= 0:
            continue
        before, after = weights[index - 1], weights[(index + 1) % count]
        begin = starts[index] + (START_LOST_S if before <= 0 or count == 1 else 0.0)
        end = starts[index] + greens_ds[index] / 10.0
        if after <= 0 or count == 1:
            end += EXTENSION_S
        else:
            end += clears_ds[index] / 10.0
        if end > begin:
            pieces.append((begin, end, weight))
    return tuple(pieces)
