"""The adaptive policy: each junction plans its next minute anew every second, with its neighbours.

Every second a junction takes stock of its lanes (vehicles that are seen, or what its detectors
let it conclude), adds what its neighbours' own schedules will send, and searches for the cheapest
schedule (``optimizer.horizon``). Only the first step of it is ever shown: the next second decides
again. What its schedule sends on it tells the neighbours downstream.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from models.policy import ControlArea, Observation, RequestKind, Sensing
from optimizer import priority
from optimizer.decisions import Decision, Planned, explained
from optimizer.discharge import Drain
from optimizer.estimator import SPACING_M
from optimizer.exact import schedule as exact_schedule
from optimizer.horizon import Now, effort, replay, search
from optimizer.prediction import (
    FASTEST_MPS,
    Departure,
    Exchange,
    Expected,
    LocalFlow,
    away_s,
)
from optimizer.queueing import Driving, Floats
from optimizer.scenarios import draw
from optimizer.stock import JunctionStock, Options

# Flows below this are not worth predicting.
LEAST_PER_S = 0.01
# Mixtures of turns are renewed this often.
MIXTURE_S = 10.0
UNSEEN_DRAIN = Drain()
# Stages are composed where the mean saturation is below this.
COMPOSED_BELOW = 0.2
# A limit that does not bind.
NEVER_S = 1e9


class AdaptivePolicy:
    """Rolling-horizon control of an area; a ``models.policy.SignalPolicy``."""

    def __init__(
        self,
        options: Options | None = None,
        directives: priority.Directives | None = None,
    ) -> None:
        """Plan as ``options`` say, under ``directives`` (which may be replaced at any time)."""
        self.options = options or Options()
        self.directives = directives or priority.Directives()
        self._area: ControlArea | None = None
        self._junctions: dict[str, JunctionStock] = {}
        self._planned: dict[str, Planned] = {}
        self._beside: dict[str, set[str]] = {}
        self._mixed_s = -MIXTURE_S
        self._exchange = Exchange(())
        self._flow = LocalFlow()
        self._recovery = priority.Recovery()
        o = self.options
        self._driving = Driving(
            o.startup_s,
            o.yellow_used_s,
            o.stop_s,
            o.gap_s,
            o.change_s,
            np.array(o.excess_s),
            away_s(len(o.excess_s)),
        )
        self._effort = effort(
            o.horizon_s, width=o.width, breadth=o.breadth, expansions=o.expansions
        )

    def start(self, area: ControlArea, seed: int) -> None:
        """Learn the area and compile the search, so that no decision waits for it."""
        self._area = area
        self._planned = {}
        self._mixed_s = -MIXTURE_S
        self._junctions = {
            name: JunctionStock(control, area.feeds, self.options)
            for name, control in sorted(area.junctions.items())
        }
        self._beside = {name: {name} for name in self._junctions}
        for feed in area.feeds:
            self._beside[feed.from_junction].add(feed.to_junction)
            self._beside[feed.to_junction].add(feed.from_junction)
        self._exchange = Exchange(area.feeds if self.options.exchange else ())
        self._flow = LocalFlow()
        self._recovery = priority.Recovery()
        for state in list(self._junctions.values())[:1]:
            stages = len(state.layout.stages)
            every = np.ones(stages, dtype=np.bool_)
            now = Now(0, 0.0, 0.0, NEVER_S, False, every, every)
            traffic = state.arrays([[Expected(0.0, 0, 2.0, 1.0, 1.0)]], {})
            rest = (state.layout.displays, traffic, self._driving, self._effort)
            replay(search(now, *rest), now, *rest)

    def decide(self, observation: Observation) -> dict[str, str]:
        """The stage wanted at each junction that may change now."""
        self._see(observation)
        wanted = {}
        for name, state in self._junctions.items():
            shown = observation.shown[name]
            ready = shown.next_stage is None and observation.time_s >= shown.ready_s - 1e-9
            if ready and len(state.layout.stages) > 1:
                wanted[name] = self._plan(state, observation)
        return wanted

    # ---- taking stock

    def _see(self, observation: Observation) -> None:
        """Take stock of every junction before any of them decides."""
        area = self._controlled
        for state in self._junctions.values():
            if area.sensing is Sensing.DETECTORS:
                state.estimate(observation, self.options)
                self._send(state, observation)
            else:
                state.look(observation, self._flow, area.pcu, self.options)
            state.remember()
        if observation.time_s >= self._mixed_s + MIXTURE_S:
            self._mixed_s = observation.time_s
            for state in self._junctions.values():
                state.mix()
        for request in observation.requests:
            if request.kind is RequestKind.EMERGENCY:
                self._recovery.preempted(request.junction, observation.time_s)

    def _send(self, state: JunctionStock, observation: Observation) -> None:
        """Tell the neighbours of those who were counted as they left."""
        for lane in state.lanes:
            reading = observation.readings.get(lane.id)
            if reading is not None and reading.crossed:
                for movement, share in observation.shares.get(lane.id, {}).items():
                    self._exchange.send(
                        state.control.id,
                        movement,
                        observation.sensed_s,
                        reading.crossed * share,
                    )

    def _plan(self, state: JunctionStock, observation: Observation) -> str:
        name, time_s = state.control.id, observation.time_s
        shown = observation.shown[name]
        stage = state.layout.stages.index(shown.stage)
        queues = self._queues(state, observation)
        room = self._room(state, observation)
        traffic = state.arrays(queues, room)
        now, binding = self._now(state, observation, stage)
        if not traffic.arrival_s.shape[0] and not now.forced:
            self._planned.pop(name, None)
            self._exchange.publish(name, time_s, [])
            return shown.stage
        off_plan = self._off_plan(state, time_s)
        extra_s = self.options.saturated_startup_s - self.options.startup_s
        driving = self._driving._replace(
            startup_s=self.options.startup_s + extra_s * state.saturation,
            queue_share=1.0 - (1.0 - self.options.saturated_queue_share) * state.saturation,
        )
        method = exact_schedule if self.options.exact else search
        displays = state.displays(now.offered)
        found = method(now, displays, traffic, driving, self._effort, off_plan)
        full = [lane for lane, (space, _) in room.items() if space < 1.0]
        binding += tuple(f"no room on {lane}" for lane in full)
        silent = tuple(sorted(self._exchange.silent(name, time_s)))
        planned = Planned(time_s, now, displays, traffic, driving, off_plan, found, binding, silent)
        self._planned[name] = planned
        if self.options.exchange and any(state.onwards.values()):
            self._publish(state, planned)
        if found.change_s.shape[0] and found.change_s[0] <= 1e-9:
            return state.layout.stages[int(found.stage[0])]
        return shown.stage

    def _queues(self, state: JunctionStock, observation: Observation) -> list[list[Expected]]:
        """Lanes and crossings with everybody on the way, weighted."""
        time_s = observation.time_s
        layout_ = state.layout
        place = {name: number for number, name in enumerate(layout_.lanes)}
        flushed = priority.lane_weights(self.directives.flushes)
        red = observation.red_since_s.get(state.control.id, {})
        expected: dict[str, list[Expected]] = {name: [] for name in layout_.lanes}
        self._add_inflow(state, time_s, expected)
        queues = []
        for lane in state.lanes:
            weight = flushed.get(lane.id, 1.0)
            queue = state.vehicles.get(lane.id, [])
            mixed = layout_.mixture(place[lane.id])
            asking = [
                (request, layout_.stream_of.get((lane.id, request.movement), mixed))
                for request in observation.requests
                if request.lane == lane.id and request.junction == state.control.id
            ]
            if asking:
                queue = priority.with_requests(
                    queue,
                    asking,
                    min(FASTEST_MPS, lane.speed_mps),
                    self.options.headway_s,
                    self.options.bus_share,
                )
            queue = [*queue, *sorted(expected[lane.id])]
            queues.append(
                [
                    item._replace(
                        weight=item.weight
                        * weight
                        * self._recovery.weight(
                            state.control.id,
                            time_s,
                            time_s - red.get(layout_.movement_of[item.stream], time_s),
                        )
                    )
                    for item in queue
                ]
            )
        queues += [
            self._people(state, number, red, time_s) for number in range(len(layout_.crossings))
        ]
        return queues

    def _people(
        self, state: JunctionStock, crossing: int, red: Mapping[str, float], time_s: float
    ) -> list[Expected]:
        """People at a crossing: those who have come since it turned red, and those to come."""
        per_s = self.options.pedestrians_ph / 3600.0
        stream = state.layout.crossing(crossing)
        since = red.get(state.layout.crossings[crossing], time_s)
        waiting = per_s * min(300.0, time_s - since)
        batch_s = 15.0
        return [
            Expected(0.0, stream, 0.0, 0.0, waiting),
            *(
                Expected(at, stream, 0.0, 0.0, per_s * batch_s)
                for at in np.arange(batch_s / 2, self.options.horizon_s, batch_s)
            ),
        ]

    def _add_inflow(
        self, state: JunctionStock, time_s: float, expected: dict[str, list[Expected]]
    ) -> None:
        """What neighbours send, and beyond what is seen the usual flow where nobody tells."""
        name, horizon_s = state.control.id, float(self.options.horizon_s)
        headway_s = self.options.headway_s
        layout_ = state.layout
        told = set()
        silent = self._exchange.silent(name, time_s)
        for feed in self._controlled.feeds:
            if feed.to_junction == name and feed.from_junction not in silent:
                told.add(feed.approach)
        coming = self._exchange.inflow(name, time_s, time_s + horizon_s, {})
        if self._controlled.sensing is Sensing.DETECTORS:
            seen_s = {
                lane.approach: lane.entry_m / min(FASTEST_MPS, lane.speed_mps)
                for lane in state.lanes
            }
            full = {on for on, lane in state.estimator.lanes.items() if lane.full}
            coming += self._exchange.on_the_way(name, time_s, seen_s)
            for lane_id, at_s, part in state.upstream.coming(time_s, full):
                stream = layout_.mixture(layout_.lanes.index(lane_id))
                due_s = max(0.0, at_s - time_s)
                expected[lane_id].append(
                    Expected(due_s, stream, headway_s * part, part, part, draw(round(at_s)))
                )
        for inflow in coming:
            turns = [
                (key, count)
                for key, count in state.turns.get(inflow.approach, {}).items()
                if key[0] in inflow.lanes
            ]
            total = sum(count for _, count in turns)
            for (on, movement), count in turns:
                size = inflow.size * count / total
                if size >= 0.04:
                    expected[on].append(
                        Expected(
                            inflow.time_s - time_s,
                            layout_.stream_of[on, movement],
                            headway_s * size,
                            size,
                            size,
                        )
                    )
        for number, lane in enumerate(state.lanes):
            if lane.approach in told or lane.approach not in state.fed:
                continue
            per_s = min(0.9 / headway_s, self._flow.per_s(lane.id))
            if self._controlled.sensing is Sensing.DETECTORS:
                per_s = state.estimator.lanes[lane.id].flow_per_s
            if per_s < LEAST_PER_S:
                continue
            from_s = lane.length_m / min(FASTEST_MPS, lane.speed_mps)
            if self._controlled.sensing is Sensing.DETECTORS:
                from_s = lane.entry_m / min(FASTEST_MPS, lane.speed_mps)
            gap_s = max(1.0 / per_s, 3.0)
            size = per_s * gap_s
            expected[lane.id] += [
                Expected(float(at), layout_.mixture(number), headway_s * size, size, size)
                for at in np.arange(from_s + gap_s / 2.0, horizon_s, gap_s)
            ]

    def _room(
        self, state: JunctionStock, observation: Observation
    ) -> dict[str, tuple[float, float]]:
        """Vehicles that each receiving lane takes now and per second, where it is limited."""
        room: dict[str, tuple[float, float]] = {}
        for lane in state.layout.exits:
            free_m = observation.free_m.get(lane)
            length_m = state.control.receiving_m[lane]
            if free_m is not None and free_m < length_m - 1.0:
                drain = state.drains.get(lane, UNSEEN_DRAIN)
                room[lane] = (
                    max(0.0, free_m / SPACING_M - 0.5),
                    drain.per_s(self.options.drain_per_s),
                )
        if self.directives.gates:
            on_lane = {
                lane: len(queue)
                for other in self._junctions.values()
                for lane, queue in other.vehicles.items()
            }
            for link in range(state.layout.links):
                exit_ = int(state.layout.displays.exit_of[link])
                movement = state.layout.movement_of[link]
                gate = priority.gate_room(self.directives.gates, movement, on_lane)
                if gate is not None and exit_ >= 0:
                    room[state.layout.exits[exit_]] = gate
        return room

    def _now(
        self, state: JunctionStock, observation: Observation, stage: int
    ) -> tuple[Now, tuple[str, ...]]:
        """Where the search begins, and what binds it."""
        name, time_s = state.control.id, observation.time_s
        layout_ = state.layout
        shown = observation.shown[name]
        stages = len(layout_.stages)
        offered = state.offered(self._has_room(name))
        allowed = offered.copy()
        leave_by_s, forced = NEVER_S, False
        waiting = state.wanted | set(layout_.crossings)
        binding: tuple[str, ...] = () if offered.all() else ("full roads: the plan's stages only",)
        due = sorted(
            (since + state.control.max_red_s - time_s, who)
            for who, since in observation.red_since_s.get(name, {}).items()
            if who in waiting and who not in layout_.serves[stage]
        )
        for due_s, who in due[:1]:
            serving = [p for p in range(stages) if offered[p] and who in layout_.serves[p]]
            if not serving:
                continue
            leave_by_s = due_s - max(layout_.displays.clear_s[stage, p] for p in serving) - 1.0
            if leave_by_s < self.options.horizon_s:
                binding += (f"{who} has been red for {state.control.max_red_s - due_s:.0f} s",)
            if leave_by_s <= 0.0:
                forced = True
                allowed[:] = [p in serving for p in range(stages)]
        green_s = time_s - shown.since_s
        if green_s + 1.0 > layout_.displays.max_green_s[stage]:
            binding += (f"longest green of {layout_.stages[stage]}",)
        return (
            Now(
                stage,
                green_s,
                max(0.0, shown.ready_s - time_s),
                leave_by_s,
                forced,
                allowed,
                offered,
            ),
            binding,
        )

    def _has_room(self, junction: str) -> bool:
        """Whether a junction and those next to it are seldom saturated: then stages are composed.

        What is composed serves fewer lanes at a time than what a plan is made of. Where lanes are
        full each second of green counts for as many as it can, and what a junction gains beside
        a full one is only queued there.
        """
        return all(
            self._junctions[name].usual_saturation < COMPOSED_BELOW
            for name in self._beside[junction]
        )

    def _off_plan(self, state: JunctionStock, time_s: float) -> Floats:
        """Cost until each second of showing each stage, beyond delay: coordination, escorts."""
        horizon_s = self.options.horizon_s
        layout_ = state.layout
        directives = self.directives
        cost = priority.escort_cost(
            directives.escorts, state.control.id, time_s, horizon_s, layout_.serves
        )
        if cost.any():
            self._recovery.preempted(state.control.id, time_s)
        plan = state.control.plan
        cycle_s = sum(split_s for _, split_s in plan)
        if directives.coordination > 0.0 and cycle_s > 0.0:
            ends_s = np.cumsum([split_s for _, split_s in plan])
            at_s = (np.arange(horizon_s) + time_s - state.control.plan_offset_s) % cycle_s
            planned = np.searchsorted(ends_s, at_s, side="right")
            rows = np.array([layout_.stages.index(name) for name, _ in plan])[planned]
            off = directives.coordination * (
                rows[:, None] != np.arange(len(layout_.stages))[None, :]
            )
            cost[1:] += np.cumsum(off, axis=0)
        return cost

    def _publish(self, state: JunctionStock, planned: Planned) -> None:
        """Tell the neighbours what the schedule sends."""
        _, departure_s = replay(
            planned.found,
            planned.now,
            planned.displays,
            planned.traffic,
            planned.driving,
            self._effort,
            planned.off_plan,
        )
        leaving = []
        for i in np.flatnonzero(np.isfinite(departure_s)):
            stream = int(planned.traffic.movement[i]) % len(state.layout.movement_of)
            movement = state.layout.movement_of[stream]
            size = float(planned.traffic.size[i]) / state.scenarios
            at_s = planned.time_s + float(departure_s[i])
            if movement and size > 0.0:
                leaving.append(Departure(at_s, movement, size))
            elif size > 0.0:
                lane = state.lanes[stream - state.layout.links]
                leaving += [
                    Departure(at_s, turn, size * share)
                    for turn, share in state.shares(lane).items()
                ]
        self._exchange.publish(state.control.id, planned.time_s, leaving)

    def explain(self, junction: str) -> Decision | None:
        """The last decision of a junction with its alternatives; None if nothing was to decide.

        Raises:
            KeyError: If the area has no such junction.
        """
        state = self._junctions[junction]
        planned = self._planned.get(junction)
        if planned is None:
            return None
        return explained(planned, state, self._effort)

    def explanation(self, junction: str, time_s: float) -> Mapping[str, object] | None:
        """The decision of a junction at this second as plain values; None if there was none."""
        decision = self.explain(junction)
        if decision is None or decision.time_s != time_s:
            return None
        return decision.to_dict()

    @property
    def coverage(self) -> Mapping[str, float]:
        """Share of each junction's detectors that is believed."""
        return {name: state.estimator.coverage for name, state in self._junctions.items()}

    @property
    def _controlled(self) -> ControlArea:
        if self._area is None:
            raise RuntimeError("start() comes before the first decision")
        return self._area
