"""Cyclic flow profiles through a network of signals with one cycle (after TRANSYT).

Each lane group is a vertical queue with a periodic arrival profile and a periodic capacity
profile; what it discharges travels along the links, dispersed after Robertson, and arrives at
the next signal. Delay = area of the periodic queue + HCM incremental delay.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from optimizer.capacity import Service, green_windows_s, services
from optimizer.delay import incremental_delay_s, uncertain_delay_s, upstream_filtering
from optimizer.problem import CAR_SPACE_M, JunctionProblem, Link, RetimingProblem
from optimizer.stages import StageSet
from optimizer.walkers import timing_wait_s, waiting_cost

Array = npt.NDArray[np.float64]

# Robertson's platoon dispersion on an ordinary street: the front needs BETA of the travel time,
# F = 1 / (1 + ALPHA BETA T).
ALPHA = 0.35
BETA = 0.8


@dataclass(frozen=True, slots=True)
class Timing:
    """Timing of one junction while it is being searched."""

    stages: StageSet
    greens_ds: tuple[int, ...]
    offset_ds: int

    def twice(self) -> Timing:
        """The same timing seen in a common cycle of twice its own."""
        return Timing(self.stages.twice(), self.greens_ds * 2, self.offset_ds)


@dataclass(frozen=True, slots=True)
class Limit:
    """Delay and stops in s that a lane group may have, and what each second beyond counts more."""

    delay_s: float
    weight: float


NO_LIMIT = Limit(math.inf, 0.0)


@dataclass(frozen=True, slots=True)
class GroupDelay:
    """Prediction for one lane group: per vehicle delay, stops, and its load."""

    junction: str
    group: str
    movements: tuple[str, ...]
    demand_vph: float
    degree_of_saturation: float
    uniform_s: float
    incremental_s: float
    stops: float
    peak_queue_pcu: float

    @property
    def delay_s(self) -> float:
        """Control delay per vehicle."""
        return self.uniform_s + self.incremental_s


def capacity_profile(
    service: Service,
    greens_ds: Sequence[int],
    clears_ds: Sequence[int],
    steps: int,
    step_s: float,
) -> Array:
    """Capacity in pcu per step over one cycle from the start of the first stage; (steps,)."""
    cycle_s = steps * step_s
    profile = np.zeros(steps)
    rate = service.group.saturation_flow_pcuph / 3600.0
    edges = np.arange(steps) * step_s
    last = 0.0
    for begin, end, weight in green_windows_s(service.weights, greens_ds, clears_ds):
        for shift in (-cycle_s, 0.0):
            overlap = np.minimum(edges + step_s, end + shift) - np.maximum(edges, begin + shift)
            profile += np.clip(overlap, 0.0, step_s) * weight * rate
        last = max(last, end)
    if service.bonus_pcu > 0:
        profile[int((last % cycle_s) / step_s) % steps] += service.bonus_pcu
    return profile


def periodic_queue(arrivals: Array, capacity: Array) -> tuple[Array, Array]:
    """Queue at each step's end and departures per step, periodic; last axis is the cycle.

    Arrivals above capacity are scaled below it: the overflow is the incremental delay's part.
    """
    total_in = arrivals.sum(axis=-1, keepdims=True)
    total_out = capacity.sum(axis=-1, keepdims=True)
    factor = np.minimum(1.0, 0.995 * total_out / np.maximum(total_in, 1e-12))
    arriving = arrivals * factor
    walk = np.cumsum(arriving - capacity, axis=-1)
    # Reflected walk: the queue is the height above the lowest point so far. Its drift over a
    # cycle is negative, so the second cycle is already periodic; what was lowest in the first
    # lies that much higher seen from the second.
    low = np.minimum.accumulate(walk, axis=-1)
    before = np.minimum(low[..., -1:], 0.0) - walk[..., -1:]
    queue = walk - np.minimum(low, before)
    return queue, np.maximum(0.0, arriving + np.roll(queue, 1, axis=-1) - queue)


def dispersion_kernel(
    travel_time_s: float, steps: int, step_s: float, late_s: float = 0.0
) -> Array:
    """Periodic response of a link to one vehicle leaving in step 0 (Robertson); sums to 1.

    ``late_s``: by how much all come later because they were advised to drive slower, together.
    """
    mean = travel_time_s / step_s
    smoothing = 1.0 / (1.0 + ALPHA * BETA * mean)
    ages = np.arange(steps)
    tail = smoothing * (1.0 - smoothing) ** ages / (1.0 - (1.0 - smoothing) ** steps)
    delay = BETA * mean + late_s / step_s
    whole = math.floor(delay)
    part = delay - whole
    kernel: Array = (1.0 - part) * np.roll(tail, whole) + part * np.roll(tail, whole + 1)
    return kernel


@dataclass(frozen=True, slots=True)
class Node:
    """One junction with one set of greens, as arrays over its lane groups."""

    services: tuple[Service, ...]
    capacity: Array  # (groups, steps), from the start of the first stage, pcu per step
    expected: Array  # (groups,) arrivals per cycle, pcu
    vph: Array  # (groups,) vehicles an hour as the objective counts them
    per_link: Mapping[int, Array]  # outgoing link -> (groups,) part of discharge that takes it
    of_link: Mapping[int, Array]  # incoming link -> (groups,) part of it that each group gets
    periodic: tuple[Array, Array, Array]  # capacity per cycle, d2 capacity pcu/h, served pcu
    room: Array  # (groups,) pcu that stand between the signal before and this one
    limit: Array  # (groups,) delay and stops in s above which the excess counts more
    limit_weight: Array  # (groups,) how much more
    walkers: float  # what people who wait at the crossings add to the cost

    def only(self, groups: npt.NDArray[np.bool_]) -> Node:
        """The same with some of its groups, (groups,) true for those that stay."""
        return Node(
            services=tuple(s for s, stays in zip(self.services, groups, strict=True) if stays),
            capacity=self.capacity[groups],
            expected=self.expected[groups],
            vph=self.vph[groups],
            per_link={link: part[groups] for link, part in self.per_link.items()},
            of_link={link: part[groups] for link, part in self.of_link.items()},
            periodic=(
                self.periodic[0][groups],
                self.periodic[1][groups],
                self.periodic[2][groups],
            ),
            room=self.room[groups],
            limit=self.limit[groups],
            limit_weight=self.limit_weight[groups],
            walkers=self.walkers,
        )

    @property
    def load(self) -> Array:
        """Degree of saturation of each group; 20 for one that never has green."""
        total = self.periodic[0]
        load: Array = np.where(total > 0, self.expected / np.maximum(total, 1e-9), 20.0)
        return load


@dataclass(frozen=True, slots=True)
class Figures:
    """What a junction's groups meet: arrays whose last axis is the groups.

    Uniform and incremental delay in s per vehicle, stops per vehicle, longest queue in pcu.
    """

    uniform_s: Array
    incremental_s: Array
    stops: Array
    peak_pcu: Array


@dataclass(frozen=True, slots=True)
class Flow:
    """What a junction does with its arrivals in absolute cycle time."""

    arrivals: Array  # (groups, steps)
    capacity: Array
    queue: Array
    departures: Array


class PlatoonModel:
    """Delays of junctions that share a cycle, for any timing of them."""

    def __init__(
        self,
        problem: RetimingProblem,
        junctions: Sequence[str],
        cycle_ds: int,
        limits: Mapping[tuple[str, str], Limit] | None = None,
        advised_mps: Mapping[int, float] | None = None,
    ) -> None:
        """Prepare kernels and the order of junctions.

        Args:
            problem: The problem.
            junctions: Ids of the junctions that run this cycle.
            cycle_ds: The cycle.
            limits: By junction and lane group, from where on delay counts more.
            advised_mps: Speeds that are advised, by index of the link.
        """
        self.advised_mps = dict(advised_mps or {})
        self.limits = limits or {}
        self.problem = problem
        self.cycle_ds = cycle_ds
        self.steps = max(1, round(cycle_ds / 10.0))
        self.step_s = cycle_ds / 10.0 / self.steps
        inside = set(junctions)
        self.links = tuple(
            link
            for link in problem.links
            if {link.upstream, link.downstream} <= inside and link.upstream != link.downstream
        )
        self.late_s = {
            index: self.links[index].late_s(speed) for index, speed in self.advised_mps.items()
        }
        self.kernels = tuple(
            np.fft.rfft(
                dispersion_kernel(
                    link.travel_time_s, self.steps, self.step_s, self.late_s.get(index, 0.0)
                )
            )
            for index, link in enumerate(self.links)
        )
        self.order, self.acyclic = _order(junctions, self.links)
        self._incoming = {
            name: tuple(i for i, link in enumerate(self.links) if link.downstream == name)
            for name in self.order
        }
        self._nodes: dict[tuple[str, StageSet, tuple[int, ...]], Node] = {}
        self._flows: dict[tuple[object, ...], Flow] = {}

    def advised(self, speed_mps: Mapping[int, float]) -> PlatoonModel:
        """The same with advised speeds, by index of the link."""
        if dict(speed_mps) == self.advised_mps:
            return self
        return PlatoonModel(self.problem, self.order, self.cycle_ds, self.limits, speed_mps)

    def part(self, junction: str) -> JunctionProblem:
        """The junction's part of the problem."""
        return self.problem.junction(junction)

    def shift_steps(self, offset_ds: int) -> int:
        """An offset in steps of the profile."""
        return round(offset_ds / 10.0 / self.step_s) % self.steps

    def node(self, junction: str, timing: Timing) -> Node:
        """The junction under these greens; offsets do not matter."""
        key = (junction, timing.stages, timing.greens_ds)
        found = self._nodes.get(key)
        if found is None:
            found = self._nodes[key] = self._build(junction, timing)
        return found

    def _build(self, junction: str, timing: Timing) -> Node:
        part = self.part(junction)
        clears = [y + r for y, r in timing.stages.interstages(part.junction)]
        served = services(part, timing.stages, [green / 10.0 for green in timing.greens_ds])
        capacity = np.array(
            [
                capacity_profile(service, timing.greens_ds, clears, self.steps, self.step_s)
                for service in served
            ]
        ).reshape(len(served), self.steps)
        expected = np.array([s.group.demand_pcuph for s in served]) * self.cycle_ds / 36000.0
        total = capacity.sum(axis=1)
        limits = [self.limits.get((junction, s.group.id), NO_LIMIT) for s in served]
        return Node(
            services=served,
            capacity=capacity,
            expected=expected,
            vph=np.array([s.group.worth_ph for s in served]),
            per_link={
                i: self._outgoing(served, link)
                for i, link in enumerate(self.links)
                if link.upstream == junction
            },
            of_link={
                i: _received(served, self.links[i].approach) for i in self._incoming[junction]
            },
            periodic=(
                total,
                total * 36000.0 / self.cycle_ds,
                np.maximum(np.minimum(expected, 0.995 * total), 1e-9),
            ),
            room=np.array([self._room(junction, s) for s in served]),
            limit=np.array([limit.delay_s for limit in limits]),
            limit_weight=np.array([limit.weight for limit in limits]),
            walkers=self._walkers(junction, timing),
        )

    def _room(self, junction: str, service: Service) -> float:
        """Cars that stand on the link that feeds a group; endless where no signal is behind."""
        lengths = [
            self.links[i].length_m
            for i in self._incoming[junction]
            if self.links[i].approach == service.group.approach
        ]
        return min(lengths, default=math.inf) * len(service.group.lanes) / CAR_SPACE_M

    def _outgoing(self, served: Sequence[Service], link: Link) -> Array:
        feeds = {flow.movement: flow.pcuph for flow in link.feeds}
        everywhere: dict[str, float] = {}
        for service in served:
            for lane in service.group.lanes:
                for flow in lane.flows:
                    everywhere[flow.movement] = everywhere.get(flow.movement, 0.0) + flow.pcuph
        parts = []
        for service in served:
            onto = sum(
                feeds[flow.movement] * flow.pcuph / everywhere[flow.movement]
                for lane in service.group.lanes
                for flow in lane.flows
                if flow.movement in feeds and everywhere[flow.movement] > 0
            )
            parts.append(min(1.0, onto / service.group.demand_pcuph))
        return np.array(parts)

    def flows(self, timings: Mapping[str, Timing]) -> dict[str, Flow]:
        """Arrivals, queues and departures of each junction in absolute cycle time."""
        result: dict[str, Flow] = {}
        if self.acyclic:
            keys: dict[str, tuple[object, ...]] = {}
            for name in self.order:
                timing = timings[name]
                above = tuple(keys[self.links[i].upstream] for i in self._incoming[name])
                key = (name, timing.greens_ds, timing.stages.name, timing.offset_ds, above)
                keys[name] = (hash(key),)
                found = self._flows.get(key)
                if found is None:
                    if len(self._flows) > 4000:
                        self._flows.clear()
                    found = self._flows[key] = self._flow(name, timings, result)
                result[name] = found
            return result
        for _ in range(3):
            for name in self.order:
                result[name] = self._flow(name, timings, result)
        return result

    def departures(self, timings: Mapping[str, Timing]) -> dict[str, Array]:
        """What leaves each junction in absolute cycle time, (groups, steps)."""
        return {name: flow.departures for name, flow in self.flows(timings).items()}

    def _flow(self, name: str, timings: Mapping[str, Timing], known: Mapping[str, Flow]) -> Flow:
        timing = timings[name]
        node = self.node(name, timing)
        capacity = np.roll(node.capacity, self.shift_steps(timing.offset_ds), axis=1)
        platoon = np.zeros_like(capacity)
        for i in self._incoming[name]:
            above = self.links[i].upstream
            if above in known:
                leaving = self.node(above, timings[above]).per_link[i] @ known[above].departures
                platoon += node.of_link[i][:, None] * self.travel(i, leaving)[None, :]
        arrivals = self.complete(platoon, node.expected)
        queue, departures = periodic_queue(arrivals, capacity)
        return Flow(arrivals, capacity, queue, departures)

    def travel(self, link: int, leaving: Array) -> Array:
        """What leaves into a link as it arrives at its end; cyclic, (steps,)."""
        arriving: Array = np.fft.irfft(np.fft.rfft(leaving) * self.kernels[link], n=self.steps)
        return np.maximum(arriving, 0.0)

    def complete(self, platoon: Array, expected: Array) -> Array:
        """Arrivals that sum to what is expected: side roads add evenly what no signal sent."""
        coming = platoon.sum(axis=1)
        scale = np.where(coming > expected, expected / np.maximum(coming, 1e-12), 1.0)
        even = np.maximum(0.0, expected - coming) / self.steps
        result: Array = platoon * scale[:, None] + even[:, None]
        return result

    def evaluate(self, timings: Mapping[str, Timing]) -> tuple[GroupDelay, ...]:
        """Predicted delay of every lane group."""
        result = []
        for name, figures in self._figures(timings, uncertain=False).items():
            node = self.node(name, timings[name])
            late_s = self._late_s(name, node)
            for index, service in enumerate(node.services):
                result.append(
                    GroupDelay(
                        junction=name,
                        group=service.group.id,
                        movements=service.group.movements,
                        demand_vph=service.group.demand_vph,
                        degree_of_saturation=float(node.load[index]),
                        uniform_s=float(figures.uniform_s[index] + late_s[index]),
                        incremental_s=float(figures.incremental_s[index]),
                        stops=float(figures.stops[index]),
                        peak_queue_pcu=float(figures.peak_pcu[index]),
                    )
                )
        return tuple(result)

    def _late_s(self, name: str, node: Node) -> Array:
        """What a slower advised speed costs the groups of a junction in the mean; (groups,)."""
        return sum(
            (self.late_s[i] * self.share_of(i, node) for i in self._incoming[name]
             if i in self.late_s),
            np.zeros(len(node.services)),
        )  # fmt: skip

    def share_of(self, link: int, node: Node) -> Array:
        """Part of each group's vehicles at a link's end that come over it; (groups,)."""
        fed = sum(flow.pcuph for flow in self.links[link].feeds) * self.cycle_ds / 36000.0
        share: Array = np.minimum(1.0, fed * node.of_link[link] / np.maximum(node.expected, 1e-9))
        return share

    def _figures(self, timings: Mapping[str, Timing], *, uncertain: bool) -> dict[str, Figures]:
        """What every junction's groups meet; ``uncertain``: as ``incremental_s``."""
        flows = self.flows(timings)
        result = {}
        saturation: dict[str, float] = {}
        for name in self.order:
            node = self.node(name, timings[name])
            incremental = self.incremental_s(name, node, saturation, uncertain=uncertain)
            flow = flows[name]
            result[name] = self.figures(node, flow.arrivals, flow.capacity, flow.queue, incremental)
            saturation.update(self.saturation(node))
        return result

    def figures(
        self, node: Node, arrivals: Array, capacity: Array, queue: Array, incremental_s: Array
    ) -> Figures:
        """Figures of groups from their periodic queue; arrays (..., groups, steps)."""
        waiting = (np.roll(queue, 1, axis=-1) > 1e-6) | (capacity <= 0)
        return Figures(
            uniform_s=queue.sum(axis=-1) * self.step_s / node.periodic[2],
            incremental_s=incremental_s,
            stops=(arrivals * waiting).sum(axis=-1) / np.maximum(node.expected, 1e-9),
            peak_pcu=queue.max(axis=-1, initial=0.0),
        )

    def saturation(self, node: Node) -> dict[str, float]:
        """Degree of saturation of a junction's movements."""
        return {
            movement: float(load)
            for service, load in zip(node.services, node.load, strict=True)
            for movement in service.group.movements
        }

    def incremental_s(
        self, name: str, node: Node, saturation: Mapping[str, float], *, uncertain: bool
    ) -> Array:
        """Incremental delay of each group, (groups,); ``saturation`` is that of what feeds it.

        ``uncertain``: in the mean over what the demand may be.
        """
        overflow_s = uncertain_delay_s if uncertain else incremental_delay_s
        total, capacity_pcuph, _ = node.periodic
        return np.array(
            [
                overflow_s(
                    float(node.load[index]),
                    float(capacity_pcuph[index])
                    if total[index] > 0
                    else service.group.demand_pcuph / 20.0,
                    self.problem.period_h,
                    upstream=self._filtering(name, service, saturation),
                )
                for index, service in enumerate(node.services)
            ]
        )

    def _filtering(self, junction: str, service: Service, saturation: Mapping[str, float]) -> float:
        """HCM filtering factor of a group from the load of what feeds it."""
        fed, weighted = 0.0, 0.0
        for i in self._incoming[junction]:
            link = self.links[i]
            if link.approach == service.group.approach:
                for flow in link.feeds:
                    fed += flow.pcuph
                    weighted += flow.pcuph * saturation.get(flow.movement, 0.0)
        return upstream_filtering(weighted / fed) if fed > 0 else 1.0

    def cost(self, timings: Mapping[str, Timing]) -> float:
        """Vehicle seconds of delay and of weighted stops per hour."""
        total = 0.0
        for name, figures in self._figures(timings, uncertain=True).items():
            node = self.node(name, timings[name])
            total += float(self.costs(node, figures).sum())
            total += float((self._late_s(name, node) * node.vph).sum())
            total += node.walkers
        return total

    def _walkers(self, junction: str, timing: Timing) -> float:
        """What people who wait at a junction's crossings add to the cost."""
        part, weight = self.part(junction), self.problem.weights.pedestrian
        if weight <= 0.0:
            return 0.0
        waits_s = timing_wait_s(part.junction, timing.stages, timing.greens_ds)
        return waiting_cost(part, waits_s, weight)

    def costs(self, node: Node, figures: Figures) -> Array:
        """What each group adds to the cost, (..., groups)."""
        weights = self.problem.weights
        # What does not get through stays: at the end of the period the overload stands too.
        left = np.maximum(0.0, node.load - 1.0) * node.periodic[1] * self.problem.period_h
        beyond = np.maximum(0.0, figures.peak_pcu + left - node.room)
        each = figures.uniform_s + figures.incremental_s + weights.stop_s * figures.stops
        excess = np.maximum(0.0, each - node.limit)
        result: Array = (
            weights.spill_s * beyond * 36000.0 / self.cycle_ds
            + (each + node.limit_weight * excess) * node.vph
        )
        return result


def _received(served: Sequence[Service], approach: str) -> Array:
    """Part of an approach's arrivals that each group gets, by demand."""
    own = np.array([s.group.demand_pcuph if s.group.approach == approach else 0.0 for s in served])
    total = float(own.sum())
    return own / total if total > 0 else own


def _order(junctions: Sequence[str], links: Sequence[Link]) -> tuple[tuple[str, ...], bool]:
    """Junctions upstream first, and whether that order exists (no loop)."""
    remaining = sorted(set(junctions))
    placed: list[str] = []
    acyclic = True
    while remaining:
        ready = [
            junction
            for junction in remaining
            if not any(
                link.downstream == junction and link.upstream in remaining
                for link in links
                if link.upstream != junction
            )
        ]
        if not ready:
            acyclic = False
            ready = [remaining[0]]
        placed += ready
        remaining = [junction for junction in remaining if junction not in ready]
    return tuple(placed), acyclic
