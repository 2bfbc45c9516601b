"""The retiming problem: everything a method needs, as frozen plain values."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from models.counts import CountRow, movement_flows_vph
from models.errors import BadInput
from models.junction import Junction, Turn
from models.plan import JunctionPlan, Plan, plan_from_dicts, plan_header
from models.plan import junction_plan_to_dict as plan_to_dict
from optimizer.codec import junction_from_dict, junction_to_dict
from optimizer.stages import StageSet, stage_sets

# HCM base saturation flow of a car lane, pc/h/ln.
CAR_LANE_PCUPH = 1900.0
# Mixed traffic queues across the whole width: 11,388 veh/h of green on 10.5 m of a 77/19/2/2
# motorcycle, car, bus, truck mix, that is 5,866 pcu/h, so 559 pcu/h per metre.
MIXED_PCUPH_PER_M = 559.0
# From this share of two-wheelers on, lanes are not kept and width is what discharges.
MIXED_SHARE = 0.3
# Saturation flow falls with the radius of a turn: S / (1 + 1.5 / r), r in m (Kimber, McDonald
# and Hounsell 1986, TRRL RR67); usual in a city's junctions are 8 m along the kerb, 12 m across
# the oncoming side, 4 m for U-turns.
TURN_EQUIVALENT: Mapping[Turn, float] = {
    Turn.THROUGH: 1.0,
    Turn.RIGHT: 1.0 + 1.5 / 8.0,
    Turn.LEFT: 1.0 + 1.5 / 12.0,
    Turn.UTURN: 1.0 + 1.5 / 4.0,
}
# HCM default outside a city's core where nobody has counted, per crossing.
PEDESTRIANS_PH = 50.0
# Flow of the worst quarter of an hour over the mean: HCM peak hour factor 0.95 of a saturated
# street. A plan for the mean alone is overloaded half of the time.
PEAK_HOUR_FACTOR = 0.95
# A left turn that gives way counts as several through cars; drivers avoid the lane behind it
# (HCM through-car equivalent at 300 to 500 opposing cars an hour).
YIELDING_EQUIVALENT = 3.0
# Room of a standing car with its gap on a lane.
CAR_SPACE_M = 7.0
TWO_WHEELERS = frozenset({"motorcycle", "bicycle"})


@dataclass(frozen=True, slots=True)
class LaneGeometry:
    """One lane at a stop line, as the network describes it."""

    id: str
    junction: str
    approach: str
    width_m: float
    length_m: float
    movements: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LinkGeometry:
    """A road from one signal's exits to the next signal's approach, no signal between.

    ``movements`` are the upstream movements that feed it. ``speed_mps`` is what undisturbed
    traffic drives there, on ``lanes`` lanes; ``accel_mps2`` how its queue starts.
    """

    upstream: str
    downstream: str
    movements: tuple[str, ...]
    approach: str
    length_m: float
    speed_mps: float
    lanes: int = 1
    accel_mps2: float = 2.0


@dataclass(frozen=True, slots=True)
class Flow:
    """Demand of one movement per hour; ``worth`` is what its vehicle counts in the objective."""

    movement: str
    pcuph: float
    vph: float
    worth: float = 1.0


@dataclass(frozen=True, slots=True)
class Lane:
    """A lane with its saturation flow and what it carries of each movement."""

    id: str
    saturation_flow_pcuph: float
    flows: tuple[Flow, ...]

    @property
    def pcuph(self) -> float:
        """Demand of the lane."""
        return sum(flow.pcuph for flow in self.flows)


@dataclass(frozen=True, slots=True)
class LaneGroup:
    """Lanes of one approach that share movements: one queue (HCM lane group)."""

    id: str
    approach: str
    lanes: tuple[Lane, ...]
    length_m: float
    demand_pcuph: float = field(init=False, compare=False)
    demand_vph: float = field(init=False, compare=False)
    worth_ph: float = field(init=False, compare=False)
    """Its vehicles an hour as the objective counts them."""
    saturation_flow_pcuph: float = field(init=False, compare=False)
    """Discharge of all lanes while everything is green and protected."""

    def __post_init__(self) -> None:
        vph = sum(flow.vph for lane in self.lanes for flow in lane.flows)
        worth = sum(flow.vph * flow.worth for lane in self.lanes for flow in lane.flows)
        saturation = sum(lane.saturation_flow_pcuph for lane in self.lanes)
        object.__setattr__(self, "demand_pcuph", sum(lane.pcuph for lane in self.lanes))
        object.__setattr__(self, "demand_vph", vph)
        object.__setattr__(self, "worth_ph", worth)
        object.__setattr__(self, "saturation_flow_pcuph", saturation)

    @property
    def movements(self) -> tuple[str, ...]:
        """Ids of the movements that use the group, in order."""
        return tuple(dict.fromkeys(flow.movement for lane in self.lanes for flow in lane.flows))


@dataclass(frozen=True, slots=True)
class JunctionProblem:
    """One junction: what it is, the stage sequences allowed, and its demand.

    The first stage set is the one in force. ``pedestrians_ph`` walk over each crossing;
    ``mixed`` traffic keeps no lanes.
    """

    junction: Junction
    stage_sets: tuple[StageSet, ...]
    groups: tuple[LaneGroup, ...]
    pedestrians_ph: float = PEDESTRIANS_PH
    mixed: bool = False

    @property
    def id(self) -> str:
        """Id of the junction."""
        return self.junction.id


@dataclass(frozen=True, slots=True)
class Link:
    """Traffic that goes from one signal to the next.

    ``feeds`` is the part of each upstream movement's flow that arrives on ``approach``;
    ``travel_time_s`` is from the upstream stop line to the downstream one for a vehicle that
    started from the queue and drives ``speed_mps`` on the way where nothing hinders it.
    """

    upstream: str
    downstream: str
    approach: str
    length_m: float
    speed_mps: float
    travel_time_s: float
    feeds: tuple[Flow, ...]

    def late_s(self, speed_mps: float) -> float:
        """How much later traffic arrives that was advised to drive so fast."""
        return self.length_m / speed_mps - self.length_m / self.speed_mps


@dataclass(frozen=True, slots=True)
class Weights:
    """What is minimized, in vehicle seconds.

    ``spill_s``: what each vehicle costs, each cycle, that stands beyond the room of the road from
    the signal before: it stands in that junction and keeps others from going.

    ``stop_s``: one stop costs the time to brake and to start again, v / 2a + v / 2b, beside the
    delay of a queue without length. A lane group that gets worse than under the plan in force
    by more than both ``worse_pct`` and ``worse_s`` counts ``worse_weight`` times for the
    excess: a plan that starves a small movement is not accepted, however good the mean. One that
    crosses linked signals counts ``cross_weight`` times for all that it loses.

    A second that somebody waits at a crossing counts as ``pedestrian`` of a vehicle.
    """

    stop_s: float = 4.0
    worse_pct: float = 5.0
    worse_s: float = 2.0
    worse_weight: float = 5.0
    cross_weight: float = 20.0
    spill_s: float = 30.0
    pedestrian: float = 0.0


@dataclass(frozen=True, slots=True)
class RetimingProblem:
    """Junctions, links and limits: one value for every method.

    ``slowest_advice``: drivers may be advised, by signs, to drive slower than they do by
    themselves, down to this part of it; 1 where there are no such signs.
    """

    site: str
    junctions: tuple[JunctionProblem, ...]
    links: tuple[Link, ...]
    current: Plan | None = None
    min_cycle_ds: int = 400
    max_cycle_ds: int = 1500
    cycle_step_ds: int = 50
    period_h: float = 1.0
    weights: Weights = field(default_factory=Weights)
    slowest_advice: float = 1.0

    def __post_init__(self) -> None:
        if not self.junctions:
            raise ValueError("a retiming problem needs at least one junction")
        if self.cycle_step_ds <= 0 or self.max_cycle_ds < self.min_cycle_ds:
            raise ValueError("the range of cycles is empty")
        if not 0.0 < self.slowest_advice <= 1.0:
            raise ValueError("the slowest advice is a part of the speed, above 0 and at most 1")

    def junction(self, junction: str) -> JunctionProblem:
        """The part of one junction.

        Raises:
            KeyError: If the problem has none with this id.
        """
        for part in self.junctions:
            if part.id == junction:
                return part
        raise KeyError(junction)

    @property
    def digest(self) -> str:
        """SHA-256 of the problem's canonical JSON."""
        text = json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a file."""
        return {
            "site": self.site,
            "junctions": [
                {
                    "junction": junction_to_dict(part.junction),
                    "stage_sets": [stages.to_dict() for stages in part.stage_sets],
                    "groups": [_group_to_dict(group) for group in part.groups],
                    "pedestrians_ph": part.pedestrians_ph,
                    "mixed": part.mixed,
                }
                for part in self.junctions
            ],
            "links": [
                {
                    "upstream": link.upstream,
                    "downstream": link.downstream,
                    "approach": link.approach,
                    "length_m": link.length_m,
                    "speed_mps": link.speed_mps,
                    "travel_time_s": link.travel_time_s,
                    "feeds": [_flow_to_list(flow) for flow in link.feeds],
                }
                for link in self.links
            ],
            "current": None
            if self.current is None
            else {
                "header": plan_header(self.current),
                "junctions": [plan_to_dict(plan) for plan in self.current.junctions],
            },
            "min_cycle_ds": self.min_cycle_ds,
            "max_cycle_ds": self.max_cycle_ds,
            "cycle_step_ds": self.cycle_step_ds,
            "period_h": self.period_h,
            "weights": asdict(self.weights),
            "slowest_advice": self.slowest_advice,
        }

    @classmethod
    def from_dict(cls, body: Mapping[str, Any]) -> RetimingProblem:
        """Read what ``to_dict`` wrote.

        Raises:
            KeyError, ValueError, TypeError: If a key is absent or of the wrong form.
        """
        current = body["current"]
        return cls(
            site=body["site"],
            junctions=tuple(
                JunctionProblem(
                    junction=junction_from_dict(part["junction"]),
                    stage_sets=tuple(StageSet.from_dict(item) for item in part["stage_sets"]),
                    groups=tuple(_group_from_dict(item) for item in part["groups"]),
                    pedestrians_ph=part["pedestrians_ph"],
                    mixed=part["mixed"],
                )
                for part in body["junctions"]
            ),
            links=tuple(
                Link(
                    upstream=item["upstream"],
                    downstream=item["downstream"],
                    approach=item["approach"],
                    length_m=item["length_m"],
                    speed_mps=item["speed_mps"],
                    travel_time_s=item["travel_time_s"],
                    feeds=tuple(Flow(*flow) for flow in item["feeds"]),
                )
                for item in body["links"]
            ),
            current=None
            if current is None
            else plan_from_dicts(current["header"], current["junctions"]),
            min_cycle_ds=body["min_cycle_ds"],
            max_cycle_ds=body["max_cycle_ds"],
            cycle_step_ds=body["cycle_step_ds"],
            period_h=body["period_h"],
            weights=Weights(**body["weights"]),
            slowest_advice=body["slowest_advice"],
        )


def _flow_to_list(flow: Flow) -> list[Any]:
    return [flow.movement, flow.pcuph, flow.vph, flow.worth]


def _group_to_dict(group: LaneGroup) -> dict[str, Any]:
    return {
        "id": group.id,
        "approach": group.approach,
        "length_m": group.length_m,
        "lanes": [
            {
                "id": lane.id,
                "saturation_flow_pcuph": lane.saturation_flow_pcuph,
                "flows": [_flow_to_list(flow) for flow in lane.flows],
            }
            for lane in group.lanes
        ],
    }


def _group_from_dict(body: Mapping[str, Any]) -> LaneGroup:
    return LaneGroup(
        id=body["id"],
        approach=body["approach"],
        length_m=body["length_m"],
        lanes=tuple(
            Lane(
                lane["id"],
                lane["saturation_flow_pcuph"],
                tuple(Flow(*flow) for flow in lane["flows"]),
            )
            for lane in body["lanes"]
        ),
    )


def problem_from_counts(
    site: str,
    junctions: Mapping[str, Junction],
    rows: Sequence[CountRow],
    pcu: Mapping[str, float],
    current: Plan,
    lanes: Iterable[LaneGeometry],
    links: Iterable[LinkGeometry] = (),
    *,
    weights: Weights | None = None,
    pedestrians_ph: Mapping[str, float] | None = None,
    worth: Mapping[str, float] | None = None,
    cycle_step_ds: int = 50,
    slowest_advice: float = 1.0,
) -> RetimingProblem:
    """Build the problem from counts, the plan in force and the network's geometry.

    Args:
        site: Id of the site.
        junctions: Junctions to retime; the plan must have each of them.
        rows: Counts; their mean over the rows' whole span is the demand.
        pcu: Passenger car unit per vehicle class; 1 for a class that is not listed.
        current: The plan in force, whose stages are the first choice.
        lanes: Lanes at the stop lines. A junction without any gets one lane per approach.
        links: Roads between the junctions.
        weights: What is minimized.
        pedestrians_ph: People an hour on each crossing of a junction, where known.
        worth: What a vehicle of each class counts in the objective; 1 for one not listed.
        cycle_step_ds: Step in which cycle lengths are tried.
        slowest_advice: Part of their speed down to which drivers may be advised to drive.

    Raises:
        BadInput: If the counts name no movement of these junctions or the plan lacks one.
    """
    by_junction: dict[str, list[LaneGeometry]] = defaultdict(list)
    for lane in lanes:
        by_junction[lane.junction].append(lane)
    flows = movement_flows_vph(rows)
    known = {m.id for junction in junctions.values() for m in junction.movements}
    if not known & set(flows):
        raise BadInput("counts", "movement", "no row is for a movement of this site's junctions")
    demand = {
        movement: _flow(movement, classes, pcu, worth or {}) for movement, classes in flows.items()
    }
    mixed = _two_wheeler_share(flows) > MIXED_SHARE
    parts = []
    for junction_id in sorted(junctions):
        junction = junctions[junction_id]
        try:
            in_force = current.junction(junction_id)
        except KeyError:
            raise BadInput(
                "current plan", "junction", f"the plan in force has none for {junction_id}"
            ) from None
        people = (pedestrians_ph or {}).get(junction_id, PEDESTRIANS_PH)
        parts.append(_part(junction, in_force, by_junction[junction_id], demand, mixed, people))
    hours = {(row.start, row.end) for row in rows}
    period_h = sum((end - start).total_seconds() for start, end in hours) / 3600.0
    return RetimingProblem(
        site=site,
        junctions=tuple(parts),
        links=tuple(_links(links, junctions, demand)),
        current=current,
        cycle_step_ds=cycle_step_ds,
        period_h=min(1.0, max(0.25, period_h)),
        weights=weights or Weights(),
        slowest_advice=slowest_advice,
    )


def _flow(
    movement: str, rates: Mapping[str, float], pcu: Mapping[str, float], worth: Mapping[str, float]
) -> Flow:
    """Demand of a movement from vehicles an hour by class; people on foot drive nothing."""
    driving = {name: vph for name, vph in rates.items() if pcu.get(name, 1.0) > 0}
    pcuph = sum(vph * pcu.get(name, 1.0) for name, vph in driving.items()) / PEAK_HOUR_FACTOR
    vehicles = sum(driving.values())
    counted = sum(vph * worth.get(name, 1.0) for name, vph in driving.items())
    return Flow(movement, pcuph, vehicles, counted / vehicles if vehicles > 0 else 1.0)


def _two_wheeler_share(flows: Mapping[str, Mapping[str, float]]) -> float:
    total = sum(sum(classes.values()) for classes in flows.values())
    two = sum(
        vph for classes in flows.values() for name, vph in classes.items() if name in TWO_WHEELERS
    )
    return two / total if total > 0 else 0.0


def _part(
    junction: Junction,
    in_force: JunctionPlan,
    lanes: Sequence[LaneGeometry],
    demand: Mapping[str, Flow],
    mixed: bool,
    pedestrians_ph: float,
) -> JunctionProblem:
    lanes = lanes or [
        LaneGeometry(
            id=f"{approach}_0",
            junction=junction.id,
            approach=approach,
            width_m=3.5,
            length_m=200.0,
            movements=tuple(m.id for m in junction.movements if m.from_edge == approach),
        )
        for approach in junction.approaches
    ]
    groups = []
    for cluster in _clusters(lanes):
        loads = _assign(junction, cluster, demand)
        # Where lanes are kept, each is a queue of its own: one that waits to turn left holds
        # those behind. Without lanes the width is shared.
        for together in [cluster] if mixed else [[lane] for lane in cluster]:
            groups.append(
                LaneGroup(
                    id="+".join(lane.id for lane in together),
                    approach=together[0].approach,
                    length_m=min(lane.length_m for lane in together),
                    lanes=tuple(
                        Lane(
                            lane.id,
                            MIXED_PCUPH_PER_M * lane.width_m if mixed else CAR_LANE_PCUPH,
                            loads[lane.id],
                        )
                        for lane in together
                    ),
                )
            )
    return JunctionProblem(
        junction, stage_sets(junction, in_force), tuple(groups), pedestrians_ph, mixed
    )


def _clusters(lanes: Sequence[LaneGeometry]) -> list[list[LaneGeometry]]:
    """Lanes of an approach joined while they share a movement."""
    clusters: list[list[LaneGeometry]] = []
    for lane in sorted(lanes, key=lambda item: (item.approach, item.id)):
        touching = [
            cluster
            for cluster in clusters
            if any(
                other.approach == lane.approach and set(other.movements) & set(lane.movements)
                for other in cluster
            )
        ]
        merged = [other for cluster in touching for other in cluster] + [lane]
        clusters = [cluster for cluster in clusters if cluster not in touching] + [merged]
    return clusters


_PORTIONS = 60


def _assign(
    junction: Junction, lanes: Sequence[LaneGeometry], demand: Mapping[str, Flow]
) -> dict[str, tuple[Flow, ...]]:
    """Spread each movement over its lanes so that the lanes are equally loaded.

    Drivers choose the shorter queue, so flow ratios of lanes they may choose equalize (HCM lane
    distribution). Greedy in small portions, movements with the fewest lanes first.
    """
    movements = sorted(
        {movement for lane in lanes for movement in lane.movements},
        key=lambda movement: (sum(movement in lane.movements for lane in lanes), movement),
    )
    load = {lane.id: 0.0 for lane in lanes}
    yields = sorted(junction.permissive)
    portions: dict[str, dict[str, int]] = {lane.id: {} for lane in lanes}
    for movement in movements:
        flow = demand.get(movement, Flow(movement, 0.0, 0.0))
        turn = junction.movement(movement).turn
        equivalent = TURN_EQUIVALENT[turn]
        if any(yielding == movement and priority in demand for yielding, priority in yields):
            equivalent = YIELDING_EQUIVALENT
        usable = [lane for lane in lanes if movement in lane.movements]
        for _ in range(_PORTIONS):
            chosen = min(usable, key=lambda lane: (load[lane.id] / lane.width_m, lane.id))
            load[chosen.id] += flow.pcuph * equivalent / _PORTIONS
            counted = portions[chosen.id]
            counted[movement] = counted.get(movement, 0) + 1
            if flow.pcuph == 0.0:
                counted[movement] = _PORTIONS
                break
    result = {}
    for lane in lanes:
        items = []
        for movement, count in portions[lane.id].items():
            flow = demand.get(movement, Flow(movement, 0.0, 0.0))
            share = count / _PORTIONS
            items.append(replace(flow, pcuph=flow.pcuph * share, vph=flow.vph * share))
        result[lane.id] = tuple(items)
    return result


def proximity_factor(flow_pcuph: float, lanes: int, free_speed_mps: float) -> float:
    """How much longer the drive between signals takes in traffic (HCM 2010, equation 17-5).

    f = 2 / (1 + (1 - v / (52.8 N S))^0.21), v in veh/h, S in mi/h.
    """
    room = 52.8 * lanes * free_speed_mps * 2.23694
    used = min(0.95, flow_pcuph / room) if room > 0 else 0.95
    return 2.0 / (1.0 + float((1.0 - used) ** 0.21))


def _links(
    links: Iterable[LinkGeometry], junctions: Mapping[str, Junction], demand: Mapping[str, Flow]
) -> Iterable[Link]:
    for link in links:
        feeds = [demand[movement] for movement in link.movements if movement in demand]
        arriving = sum(
            demand[m.id].pcuph
            for m in junctions[link.downstream].movements
            if m.from_edge == link.approach and m.id in demand
        )
        total = sum(flow.pcuph for flow in feeds)
        # What leaves the road between the signals does not reach the next one.
        kept = min(1.0, arriving / total) if total > 0 else 0.0
        # A queue starts from standstill: v / 2a behind a vehicle that passes at speed v.
        start_s = link.speed_mps / (2.0 * link.accel_mps2)
        yield Link(
            upstream=link.upstream,
            downstream=link.downstream,
            approach=link.approach,
            length_m=link.length_m,
            speed_mps=link.speed_mps,
            travel_time_s=link.length_m
            / link.speed_mps
            * proximity_factor(arriving, link.lanes, link.speed_mps)
            + start_s,
            feeds=tuple(
                replace(flow, pcuph=flow.pcuph * kept, vph=flow.vph * kept)
                for flow in feeds
                if flow.pcuph > 0
            ),
        )
