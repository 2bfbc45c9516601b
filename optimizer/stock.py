"""A junction's stock of vehicles: who is on the way to its lines, seen or concluded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np

from models.policy import ControlJunction, ControlLane, DetectorReading, Feed, Observation
from optimizer.discharge import Drain, LaneWatch
from optimizer.estimator import SPACING_M, Estimator, Upstream
from optimizer.hidden import completed
from optimizer.layout import Layout, layout
from optimizer.prediction import FASTEST_MPS, STANDING_MPS, Expected, LocalFlow, arrivals_s
from optimizer.queueing import Displays, Flags, Floats, Ints, Traffic
from optimizer.scenarios import beside, displays_beside, draw, streams
from optimizer.turning import Turning

# Turns counted on a lane are forgotten by half when they add up to this many.
TURN_MEMORY = 60.0
# A vehicle that is seen for a second adds so much to the turns of its lane.
TURN_STEP = 0.05
# A lane is full from this share of its length and this many vehicles on.
FULL = 0.5
FULL_VEH = 8
# Over which the mean of a junction's saturation is taken.
SATURATION_MEMORY_S = 300.0
# Someone so near stands at the line.
AT_LINE_M = 15.0
# A queue moves so long after its green began, at the latest.
STARTED_S = 4.0
MOST_HELD_S = 20.0
# Who drives up to a green line and has not crossed so long after he could has been held up.
OVERDUE_S = 2.0
# A road with less room than two vehicles take is full.
FULL_ROAD_M = 2.0 * SPACING_M
# Scenarios together hold no more vehicles than this, which bounds the time of a decision.
MOST_COPIED = 1000
# A queue that stands for so long at green is held by its first vehicle.
STILL_S = 5.0
# The same where a camera follows that vehicle.
STILL_FOLLOWED_S = 3.0
ROOM_WITHOUT_LIMIT = 1e9


@dataclass(frozen=True, slots=True)
class Options:
    """How the policy sees traffic and how hard it plans.

    Attributes:
        horizon_s: How far ahead.
        width: Partial schedules kept per time and stage.
        breadth: Partial schedules followed up per time.
        expansions: Partial schedules looked at in one decision, at most.
        headway_s: Saturation headway of a car on a lane.
        startup_s, yellow_used_s, stop_s, gap_s, change_s, excess_s: See ``queueing.Driving``.
        wave_s: Between two standing vehicles of a queue until the second starts too.
        saturated_startup_s: Counted as start-up where at least half of the lanes are full: time
            lost to changes is then lost for everybody who comes later, beyond the horizon.
        saturated_queue_share: ``queueing.Driving.queue_share`` in the same places.
        drain_per_s: Vehicles a second and lane that a full road still takes, before it was seen.
        scenarios: For how many draws of the turns that are not known one schedule is planned.
        bus_share: Share of a bus's load and lateness that counts beyond a car.
        pedestrians_ph: People an hour at each crossing, where nobody counts them.
        exchange: Whether neighbours' outflow is used.
        exact: Plan with CP-SAT instead (``optimizer.exact``; small horizons only).
    """

    horizon_s: int = 90
    width: int = 3
    breadth: int = 10
    expansions: int = 8000
    headway_s: float = 1.85
    startup_s: float = 1.0
    saturated_startup_s: float = 5.0
    saturated_queue_share: float = 0.5
    yellow_used_s: float = 1.0
    stop_s: float = 2.0
    gap_s: float = 2.5
    change_s: float = 8.0
    excess_s: tuple[float, ...] = (0.85, 0.35, 0.15, 0.05)
    wave_s: float = 1.2
    drain_per_s: float = 0.25
    scenarios: int = 4
    bus_share: float = 0.1
    pedestrians_ph: float = 30.0
    exchange: bool = True
    exact: bool = False


class JunctionStock:
    """One junction's arrays and memory.

    Attributes:
        control: What the policy was told of it.
        layout: The same as arrays.
        lanes: In the layout's order.
        fed: Approaches that come from another signal.
        onwards: Ways to the next signals by movement.
        turns: Turns counted per (lane, movement), by approach.
        vehicles: Known on each lane, in order.
        filled: Share of each lane's length that its vehicles would take standing.
        moving: Per lane, vehicles that have started from its queue (``queueing.Traffic``).
        usual_saturation: Mean of ``saturation`` over the last minutes.
        watches: Per lane, what is learned at its line.
        drains: What receiving lanes took while they were full.
        scenarios: Copies of the junction in ``arrays`` and ``displays``: 1 where every turn is
            known.
    """

    def __init__(self, control: ControlJunction, feeds: tuple[Feed, ...], options: Options) -> None:
        self.control = control
        self.layout: Layout = layout(control)
        self.estimator = Estimator(control.lanes, options.wave_s)
        self.lanes = [control.lanes[name] for name in self.layout.lanes]
        self._place = {name: number for number, name in enumerate(self.layout.lanes)}
        self.fed = {feed.approach for feed in feeds if feed.to_junction == control.id}
        self.onwards = {
            movement.id: tuple(
                feed
                for feed in feeds
                if feed.from_junction == control.id and feed.movement == movement.id
            )
            for movement in control.junction.movements
        }
        first = [links[0] if links else 0 for links in self.layout.links_of]
        first += [self.layout.crossing(k) for k in range(len(self.layout.crossings))]
        self.last: Ints = np.array(first, dtype=np.int64)
        # Turns counted per (lane, movement), by approach.
        self.turns: dict[str, dict[tuple[str, str], float]] = {}
        self.vehicles: dict[str, list[Expected]] = {}
        self.upstream = Upstream(control)
        # Per lane: since when nobody crossed though it is green, and what its first may be.
        self.moving: Ints = np.zeros(len(self.layout.lanes) + len(self.layout.crossings), np.int64)
        self.watches = [LaneWatch() for _ in self.lanes]
        self._started = len(options.excess_s)
        self.drains: dict[str, Drain] = {}
        planned = {name for name, _ in control.plan} or set(self.layout.stages)
        self._planned: Flags = np.array([name in planned for name in self.layout.stages])
        self._still_s = [0.0] * len(self.lanes)
        self.held_s = [0.0] * len(self.lanes)
        self._heads: list[frozenset[int] | None] = [None] * len(self.lanes)
        self.filled: dict[str, float] = {}
        self.usual_saturation = 0.0
        self.scenarios = 1
        # Whether who is on a lane may turn one way or another.
        self._forks = any(len(lane.movements) > 1 for lane in self.lanes)
        self._queues = len(self.lanes) + len(self.layout.crossings)
        self.turning = Turning(control.lanes)
        self._shares: list[Mapping[str, float]] = [{} for _ in self.lanes]
        self._beside: Displays | None = None

    def look(
        self, observation: Observation, flow: LocalFlow, pcu: Mapping[str, float], options: Options
    ) -> None:
        """Take in vehicles that are seen with their turn."""
        headway_s, horizon_s = options.headway_s, options.horizon_s
        going = self._going(observation)
        self.vehicles = {lane.id: [] for lane in self.lanes}
        for number, lane in enumerate(self.lanes):
            free_mps = min(FASTEST_MPS, lane.speed_mps)
            seen = observation.vehicles.get(lane.id, ())
            half_m = lane.length_m / 2.0
            far = on_lane = 0
            released = bool(seen) and seen[0].speed_mps >= STANDING_MPS
            self.moving[number] = self._started if released else 0
            watch = self.watches[number]
            streams = [
                self.layout.stream_of.get((lane.id, item.movement), self.layout.mixture(number))
                for item in seen
            ]
            places = [(vehicle.distance_m, vehicle.speed_mps) for vehicle in seen]
            arrive_s = arrivals_s(places, free_mps, options.wave_s)
            for vehicle, stream, at_s in zip(seen, streams, arrive_s, strict=True):
                at_m = vehicle.distance_m
                on_lane += at_m <= lane.length_m
                far += half_m < at_m <= lane.length_m
                if at_s < horizon_s:
                    factor = min(2.5, max(0.15, pcu.get(vehicle.vehicle_class, 1.0)))
                    on = self._lane_for(lane, vehicle.movement)
                    leaves = self.layout.stream_of.get((on.id, vehicle.movement), stream)
                    self.vehicles[on.id].append(
                        Expected(at_s, leaves, headway_s * factor, 1.0, 1.0)
                    )
            watch.see(seen, streams)
            self._hold(
                number,
                bool(seen)
                and seen[0].distance_m < AT_LINE_M
                and seen[0].speed_mps < STANDING_MPS
                and streams[0] in going,
            )
            self.filled[lane.id] = on_lane * SPACING_M / max(lane.length_m, SPACING_M)
            flow.see(lane.id, observation.time_s, far, half_m / free_mps)
            if seen:
                self._count_turns(lane, [vehicle.movement for vehicle in seen])
        for queue in self.vehicles.values():
            queue.sort(key=lambda item: item.arrival_s)
        self._watch_exits(observation)

    def _lane_for(self, lane: ControlLane, movement: str) -> ControlLane:
        """The lane that a vehicle turns from: its own, or a pocket that begins further on."""
        if (lane.id, movement) in self.layout.stream_of:
            return lane
        own = self._place[lane.id]
        others = [
            other
            for other in self.lanes
            if other.approach == lane.approach and (other.id, movement) in self.layout.stream_of
        ]
        return min(others, key=lambda other: abs(self._place[other.id] - own), default=lane)

    def _watch_exits(self, observation: Observation) -> None:
        """How many vehicles full roads still take from those who have green towards them."""
        shown = observation.shown[self.control.id]
        if shown.next_stage is not None:
            return
        rates = self.layout.displays.rate[self.layout.stages.index(shown.stage)]
        exit_of = self.layout.displays.exit_of
        entered: dict[int, int] = {}
        for watch in self.watches:
            for stream in watch.gone:
                entered[int(exit_of[stream])] = entered.get(int(exit_of[stream]), 0) + 1
        wanted = {
            int(exit_of[queue[0].stream])
            for queue in self.vehicles.values()
            if queue and rates[queue[0].stream] > 0.0 and queue[0].arrival_s < 1.0
        }
        for index, lane in enumerate(self.layout.exits):
            free_m = observation.free_m.get(lane)
            if free_m is None or free_m >= FULL_ROAD_M:
                continue
            if index in wanted or index in entered:
                self.drains.setdefault(lane, Drain()).see(entered.get(index, 0))

    def _going(self, observation: Observation) -> frozenset[int]:
        """Streams that should be moving: green for long enough to have started."""
        shown = observation.shown[self.control.id]
        if shown.next_stage is not None or observation.time_s - shown.since_s < STARTED_S:
            return frozenset()
        rates = self.layout.displays.rate[self.layout.stages.index(shown.stage)]
        return frozenset(int(stream) for stream in np.flatnonzero(rates > 0.0))

    def _hold(self, number: int, standing: bool) -> None:
        """A queue that stands at green is held by something that no model here knows.

        How long it has stood is the best guess of how long it will: so a stage is not held for
        a queue that does not move.
        """
        self.held_s[number] = min(MOST_HELD_S, self.held_s[number] + 1.0) if standing else 0.0

    def _count_turns(self, lane: ControlLane, movements: Sequence[str]) -> None:
        table = self.turns.setdefault(lane.approach, {})
        for movement in movements:
            table[lane.id, movement] = table.get((lane.id, movement), 0.0) + TURN_STEP
        if sum(table.values()) > TURN_MEMORY:
            for key in table:
                table[key] *= 0.5

    def estimate(self, observation: Observation, options: Options) -> None:
        """Take in what detectors let us conclude, with turns as shares."""
        shown = observation.shown[self.control.id]
        stage = self.layout.stages.index(shown.stage)
        rates = self.layout.displays.rate[stage]
        changing = shown.next_stage is not None
        stopped = {
            lane.id: not changing
            and observation.sensed_s > shown.since_s
            and not any(rates[link] > 0.0 for link in self.layout.links_of[number])
            for number, lane in enumerate(self.lanes)
        }
        readings = {
            name: completed(reading, red=stopped.get(name, False))
            for name, reading in observation.readings.items()
        }
        observation = replace(observation, readings=readings)
        green = {
            lane.id: not changing
            and any(rates[link] >= 1.0 for link in self.layout.links_of[number])
            for number, lane in enumerate(self.lanes)
        }
        self.estimator.update(observation.sensed_s, observation.readings, green)
        self.turning.look(observation.readings)
        going = self._going(observation)
        flows = {name: lane.flow_per_s for name, lane in self.estimator.lanes.items()}
        self.upstream.see(observation.sensed_s, observation.passed, flows, observation.behind)
        late_s = observation.time_s - observation.sensed_s
        queues: dict[str, list[Expected]] = {lane.id: [] for lane in self.lanes}
        for number, lane in enumerate(self.lanes):
            shares = self._shares[number] = observation.shares.get(lane.id, {})
            estimate = self.estimator.lanes[lane.id]
            self._watch_head(number, observation, rates, changing)
            reading = observation.readings.get(lane.id)
            self._count_out(number, reading, observation.sensed_s, green[lane.id])
            self._hold(
                number,
                reading is not None
                and _waits(reading)
                and reading.crossed == 0
                and going.issuperset(self._heads[number] or self.layout.links_of[number]),
            )
            left = self._left_meanwhile(number, observation, green[lane.id], options.headway_s)
            arrivals_s = estimate.arrivals_s
            for place, at_s in enumerate(islice(arrivals_s, left, None), left):
                if at_s >= observation.time_s + late_s + options.horizon_s:
                    break
                drawn = draw(estimate.left_veh + place)
                on = self._lane_of(lane, at_s - observation.time_s, drawn)
                queues[on.id].append(
                    Expected(
                        max(0.0, at_s - observation.time_s),
                        self.layout.mixture(self._place[on.id]),
                        options.headway_s,
                        1.0,
                        1.0,
                        drawn,
                        estimate.number_at(place),
                    )
                )
            self.filled[lane.id] = len(arrivals_s) * SPACING_M / max(lane.length_m, SPACING_M)
            if shares:
                table = self.turns.setdefault(lane.approach, {})
                for movement, share in shares.items():
                    table[lane.id, movement] = share * max(0.01, estimate.crossed_per_s)
        self.vehicles = {
            name: sorted(queue, key=lambda item: item.arrival_s) for name, queue in queues.items()
        }
        most = MOST_COPIED // max(1, sum(len(queue) for queue in queues.values()))
        self.scenarios = max(1, min(options.scenarios, most))
        if options.exact or not self._forks:
            self.scenarios = 1
        self._watch_exits(observation)

    def _left_meanwhile(
        self, number: int, observation: Observation, green: bool, headway_s: float
    ) -> int:
        """Vehicles that have left since the second that the readings describe, as far as known.

        Of a queue that discharges the next one follows a headway after the last; without a queue
        those leave who are due.
        """
        lane = self.lanes[number]
        reading = observation.readings.get(lane.id)
        late_s = observation.time_s - observation.sensed_s
        arrivals_s = self.estimator.lanes[lane.id].arrivals_s
        if not green or reading is None or not arrivals_s or late_s <= 0.0:
            return 0
        placed_s = self.estimator.lanes[lane.id].placed_s
        if placed_s:
            moves = reading.tracks[0].speed_mps >= STANDING_MPS
            return int(moves and placed_s[0] <= observation.time_s)
        watch = self.watches[number]
        if watch.discharging:
            return int(watch.since_s + late_s >= headway_s)
        if reading.queue:
            return 0
        return int(observation.sensed_s - OVERDUE_S < arrivals_s[0] <= observation.time_s)

    def _count_out(
        self, number: int, reading: DetectorReading | None, sensed_s: float, green: bool
    ) -> None:
        """Take in a lane's count at the line; whoever should be there by now follows."""
        watch, stream = self.watches[number], self.layout.mixture(number)
        due = self.estimator.lanes[self.lanes[number].id].arrivals_s
        queue = reading.queue if reading else 0
        watch.count(
            [stream] * (reading.crossed if reading else 0),
            follows=green and bool(due) and (queue > 0 or due[0] < sensed_s - 1.0),
        )
        moves = watch.discharging
        if reading is not None and reading.tracks:
            moves = reading.tracks[0].speed_mps >= STANDING_MPS
        self.moving[number] = self._started if moves else 0

    def _lane_of(self, lane: ControlLane, until_s: float, drawn: float) -> ControlLane:
        """The lane on which a vehicle will stand: a pocket that begins further on, or this one."""
        for name in self.estimator.pockets[lane.id]:
            pocket = self.control.lanes[name]
            if until_s > pocket.entry_m / pocket.speed_mps:
                drawn -= self.estimator.share_of(name)
                if drawn < 0.0:
                    return pocket
        return lane

    def _watch_head(
        self, number: int, observation: Observation, rates: Floats, changing: bool
    ) -> None:
        """Whoever does not go at green waits for another stage, or for a gap.

        A lane's turns are known as shares only. If some of them have green, and room behind the
        junction, and yet its queue stands, its first vehicle wants one of the others, or one that
        gives way.
        """
        lane = self.lanes[number]
        links = self.layout.links_of[number]
        reading = observation.readings.get(lane.id)
        if reading is None or reading.crossed or (not _waits(reading) and not changing):
            self._heads[number] = None
            self._still_s[number] = 0.0
            return
        free = {link for link in links if rates[link] >= 1.0 and self._open(link, observation)}
        if changing or not free or len(free) == len(links):
            self._still_s[number] = 0.0
            return
        self._still_s[number] += 1.0
        if self._still_s[number] < (STILL_FOLLOWED_S if reading.tracks else STILL_S):
            return
        before = self._heads[number] or frozenset(links)
        self._heads[number] = (before - free) or (frozenset(links) - free)

    def _open(self, link: int, observation: Observation) -> bool:
        """Whether the road after a link has room, as far as seen."""
        lane = self.layout.exits[self.layout.displays.exit_of[link]]
        return observation.free_m.get(lane, FULL_ROAD_M) >= FULL_ROAD_M

    @property
    def wanted(self) -> set[str]:
        """Movements that somebody on the way wants, or may want."""
        layout_ = self.layout
        return {
            layout_.movement_of[stream]
            for queue in self.vehicles.values()
            for item in queue
            for stream in (
                (item.stream,)
                if item.drawn < 0.0
                else layout_.links_of[item.stream - layout_.links]
            )
        }

    def _ways(self, lane: int, place: int, number: int) -> tuple[Sequence[int], Sequence[float]]:
        """Links that a vehicle of unknown turn may take, and their shares."""
        first = self._heads[lane] if place == 0 else None
        links = tuple(sorted(first)) if first else self.layout.links_of[lane]
        shares = self.turning.shares(self.lanes[lane].id, number, self._shares[lane])
        return links, [shares.get(self.layout.movement_of[link], 0.0) for link in links]

    @property
    def saturation(self) -> float:
        """How saturated the junction is: 0 without a full lane, 1 where half of them are full."""
        full = sum(
            self.filled.get(lane.id, 0.0) >= FULL
            and len(self.vehicles.get(lane.id, ())) >= FULL_VEH
            for lane in self.lanes
        )
        return min(1.0, 2.0 * full / max(1, len(self.lanes)))

    @property
    def composed(self) -> Mapping[str, tuple[str, ...]]:
        """Movements that are protected in each stage that is not the plan's."""
        return {
            stage.id: stage.protected
            for stage, planned in zip(self.control.stages.values(), self._planned, strict=True)
            if not planned
        }

    def offered(self, composed: bool) -> Flags:
        """Stages to choose from: those of the plan, and if ``composed`` the others too."""
        return np.ones_like(self._planned) if composed else self._planned

    def displays(self, offered: Flags) -> Displays:
        """What can be shown, with the best rates that the stages to choose from give."""
        if self._beside is None or self._beside.order.shape[0] != self.scenarios * self._queues:
            exits = len(self.layout.exits)
            self._beside = displays_beside(self.layout.displays, self.scenarios, exits)
        shown = self._beside
        if offered.all():
            return shown
        return shown._replace(best_rate=shown.rate[: len(offered)][offered].max(axis=0))

    def remember(self) -> None:
        """Take this second into the mean saturation of the last minutes; once a second."""
        self.usual_saturation += (self.saturation - self.usual_saturation) / SATURATION_MEMORY_S

    def mix(self) -> None:
        """Renew what vehicles of unknown turn do on average."""
        for number, lane in enumerate(self.lanes):
            self.layout.set_shares(number, self.shares(lane))
        self._beside = None

    def shares(self, lane: ControlLane) -> Mapping[str, float]:
        """Share of each movement on a lane, as counted lately; empty if nothing was."""
        table = self.turns.get(lane.approach, {})
        own = {movement: count for (on, movement), count in table.items() if on == lane.id}
        total = sum(own.values())
        return {movement: count / total for movement, count in own.items()} if total else {}

    def arrays(
        self, queues: Sequence[Sequence[Expected]], room: Mapping[str, tuple[float, float]]
    ) -> Traffic:
        """Queues as the search reads them, once for each scenario of the turns not known.

        Nobody overtakes, so arrivals ascend within a lane.
        """
        count = len(self.layout.lanes) + len(self.layout.crossings)
        first = np.zeros(count + 1, dtype=np.int64)
        for number in range(count):
            first[number + 1] = first[number] + (len(queues[number]) if number < len(queues) else 0)
        table = np.array([item for queue in queues for item in queue], dtype=np.float64)
        table = table.reshape(-1, 7)
        arrival_s = np.ascontiguousarray(table[:, 0])
        for number in range(count):
            part = slice(first[number], first[number + 1])
            np.maximum.accumulate(arrival_s[part], out=arrival_s[part])
        space = [room.get(lane, (ROOM_WITHOUT_LIMIT, 0.0)) for lane in self.layout.exits]
        movement, drawn = table[:, 1].astype(np.int64), table[:, 5]
        ways = {}
        for index in np.flatnonzero(drawn >= 0.0):
            lane = int(movement[index]) - self.layout.links
            place = int(index - first[lane])
            ways[int(index)] = self._ways(lane, place, int(table[index, 6]))
        traffic = Traffic(
            first=first,
            arrival_s=arrival_s,
            movement=movement,
            headway_s=np.ascontiguousarray(table[:, 2]),
            size=np.ascontiguousarray(table[:, 3]),
            weight=np.ascontiguousarray(table[:, 4]),
            lane_free_s=np.array([*self.held_s, *[0.0] * len(self.layout.crossings)]),
            last_movement=self.last,
            moving=self.moving,
            room=np.array([item[0] for item in space], dtype=np.float64),
            drain_per_s=np.array([item[1] for item in space], dtype=np.float64),
        )
        turned = streams(movement, drawn, ways, self.scenarios)
        return beside(traffic, turned, len(self.layout.movement_of))


def _waits(reading: DetectorReading) -> bool:
    """Whether somebody stands before the line, or creeps upon it."""
    if reading.tracks:
        first = reading.tracks[0]
        return first.speed_mps < STANDING_MPS and first.distance_m < AT_LINE_M
    return reading.queue > 0 or reading.occupied >= 1.0
