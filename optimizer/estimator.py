"""What is on each lane, from its detectors: counts at the entry and at the line, standing queue.

Per lane a list of expected arrivals at the line: one is added for each vehicle that enters, the
first is taken off for each that crosses. Both counts miss some, and vehicles change lanes, so the
list is put right by what cameras see at the line: the number that stands (during red, once those
who have arrived have stopped) and an empty line during green. A detector that contradicts the
others for long is not believed: its word is ignored, and said to be.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Set
from dataclasses import dataclass, field

from models.policy import QUEUE_VIEW_M, ControlJunction, ControlLane, DetectorReading

# Road that a standing vehicle takes.
SPACING_M = 7.5
# Someone who should have reached the line so long ago stands there or has left unseen.
SETTLE_S = 4.0
# Green with an empty line for so long: the queue is gone.
CLEAR_S = 3.0
# Vehicles over the one detector while the other reports none, until that one is not believed.
CONTRADICTIONS = 12
# Vehicles may enter on the next lane and change: only so many that cross without one that enters
# are a contradiction.
ENTRY_CONTRADICTIONS = 40
# A lane passes no more vehicles a second than this for long; a detector that says so is stuck.
MOST_PER_S = 0.8
STUCK_WINDOW_S = 60
# Cars stand no closer than this: no more of them are between the entry and the line.
CLOSEST_M = 5.5
# Who was counted further back is given up when he has not entered for so long.
LOST_S = 120.0
# A lane is a pocket beside another if its detector is nearer to the line by this factor.
POCKET = 0.7
# A smaller share of a counted vehicle is not worth predicting.
LEAST_SHARE = 0.04
# Counts are averaged over this time where a lane has no working entry detector.
FLOW_MEMORY_S = 180.0


@dataclass(slots=True)
class LaneEstimate:
    """One lane's estimate. Times are absolute seconds.

    ``arrivals_s`` holds, in order, when each vehicle on the lane could be at the line;
    ``surplus_s`` those of the last second that should stand at the line and do not. Where
    ``full_view``, more may stand than the camera sees. ``left_veh`` have crossed so far.
    """

    lane: ControlLane
    arrivals_s: deque[float] = field(default_factory=deque)
    left_veh: int = 0
    surplus_s: list[float] = field(default_factory=list)
    full_view: bool = False
    ignored: set[str] = field(default_factory=set)
    flow_per_s: float = 0.0
    crossed_per_s: float = 0.0
    _entered_since: int = 0
    _crossed_since: int = 0
    _empty_s: float = 0.0
    _red_s: float = 0.0
    _high: deque[int] = field(default_factory=lambda: deque(maxlen=STUCK_WINDOW_S))
    _queue_held_s: float = 0.0
    _queue_before: int = -1
    _crossed_while_held: int = 0
    _occupied_s: float = 0.0
    _crossed_while_occupied: int = 0
    _owed: float = 0.0
    _time_s: float | None = None

    def update(self, time_s: float, reading: DetectorReading | None, green: bool) -> None:
        """Take in what the lane's detectors saw during the second that ended at ``time_s``.

        ``green`` says whether some movement of the lane may go without giving way first.
        """
        past_s = 1.0 if self._time_s is None else time_s - self._time_s
        if past_s <= 0.0:
            return
        self._time_s = time_s
        self.surplus_s = []
        self.full_view = False
        self._red_s = 0.0 if green else self._red_s + past_s
        if reading is None:
            self._blind(time_s, past_s, green)
            return
        self._judge(reading, past_s)
        travel_s = self.lane.entry_m / self.lane.speed_mps
        if "entry" in self.ignored:
            self._owe(time_s, past_s)
        else:
            self.arrivals_s.extend([time_s + travel_s] * reading.entered)
        if "line" in self.ignored:
            self._discharge(time_s, past_s, green)
        else:
            for _ in range(min(reading.crossed, len(self.arrivals_s))):
                self.arrivals_s.popleft()
                self.left_veh += 1
        share = min(1.0, past_s / FLOW_MEMORY_S)
        heard = [
            count
            for which, count in (("entry", reading.entered), ("line", reading.crossed))
            if which not in self.ignored
        ]
        self.crossed_per_s += share * (reading.crossed / past_s - self.crossed_per_s)
        counted = sum(heard) / len(heard) if heard else self.flow_per_s * past_s
        self.flow_per_s += share * (counted / past_s - self.flow_per_s)
        if "queue" not in self.ignored:
            self._see_queue(time_s, reading, past_s, green)
        while len(self.arrivals_s) > self.most_veh:
            self.arrivals_s.popleft()

    @property
    def most_veh(self) -> int:
        """Vehicles that have room between the entry detector and the line."""
        return int(self.lane.entry_m / CLOSEST_M) + 1

    @property
    def full(self) -> bool:
        """Whether a queue may reach the entry detector, and beyond it."""
        return len(self.arrivals_s) >= 0.7 * self.lane.entry_m / SPACING_M

    def _see_queue(
        self, time_s: float, reading: DetectorReading, past_s: float, green: bool
    ) -> None:
        """Put the list right by what stands at the line."""
        seen = reading.queue
        view = int(min(QUEUE_VIEW_M, self.lane.length_m) / SPACING_M)
        self.full_view = seen >= view - 1
        arrived = sum(at <= time_s for at in self.arrivals_s)
        if seen > arrived:
            # They stand, so they are here; some of them are on the list as later ones.
            late = [at for at in self.arrivals_s if at > time_s]
            missing = seen - arrived
            soon = sum(at <= time_s + SETTLE_S for at in late)
            taken = min(missing, soon)
            self.arrivals_s = deque([*[time_s] * seen, *late[taken:]])
        settled = sum(at <= time_s - SETTLE_S for at in self.arrivals_s)
        if not green and self._red_s >= SETTLE_S and seen < view - 1 and settled > seen:
            self.surplus_s = [self.arrivals_s.popleft() for _ in range(settled - seen)]
        empty = reading.occupied <= 0.0 and reading.crossed == 0 and seen == 0
        self._empty_s = self._empty_s + past_s if green and empty else 0.0
        if self._empty_s >= CLEAR_S:
            while self.arrivals_s and self.arrivals_s[0] <= time_s - 1.0:
                self.arrivals_s.popleft()

    def _judge(self, reading: DetectorReading, past_s: float) -> None:
        """Find detectors that contradict each other, and those that agree again."""
        self._high.append(reading.entered)
        stuck_on = (
            len(self._high) == STUCK_WINDOW_S and sum(self._high) > MOST_PER_S * STUCK_WINDOW_S
        )
        self._entered_since = 0 if reading.crossed else self._entered_since + reading.entered
        self._crossed_since = 0 if reading.entered else self._crossed_since + reading.crossed
        if stuck_on or self._crossed_since >= ENTRY_CONTRADICTIONS:
            self.ignored.add("entry")
        elif reading.entered and not stuck_on:
            self.ignored.discard("entry")
        # Many enter, nobody leaves, and yet nobody stands: the line's count is dead.
        if self._entered_since >= CONTRADICTIONS and reading.queue == 0:
            self.ignored.add("line")
        elif reading.crossed:
            self.ignored.discard("line")
        if reading.queue == self._queue_before and reading.queue > 0:
            self._queue_held_s += past_s
            self._crossed_while_held += reading.crossed
        else:
            self._queue_held_s = 0.0
            self._crossed_while_held = 0
            self.ignored.discard("queue")
        self._queue_before = reading.queue
        if self._crossed_while_held >= CONTRADICTIONS and self._queue_held_s >= STUCK_WINDOW_S:
            self.ignored.add("queue")

    def _owe(self, time_s: float, past_s: float) -> None:
        """Without an entry detector vehicles come as they left lately."""
        self._owed += self.flow_per_s * past_s
        while self._owed >= 1.0:
            self._owed -= 1.0
            self.arrivals_s.append(time_s)

    def _discharge(self, time_s: float, past_s: float, green: bool) -> None:
        """Without a count at the line those who have arrived leave at saturation flow."""
        if not green:
            return
        self._owed += 0.5 * past_s
        while self._owed >= 1.0:
            self._owed -= 1.0
            if self.arrivals_s and self.arrivals_s[0] <= time_s:
                self.arrivals_s.popleft()

    def _blind(self, time_s: float, past_s: float, green: bool) -> None:
        """No word of the lane at all."""
        self._owe(time_s, past_s)
        self._discharge(time_s, past_s, green)


class Estimator:
    """The lanes of one junction."""

    def __init__(self, lanes: Mapping[str, ControlLane]) -> None:
        """Start with empty lanes."""
        self.lanes = {name: LaneEstimate(lane) for name, lane in sorted(lanes.items())}
        self._silent_s: dict[str, float] = dict.fromkeys(self.lanes, 0.0)
        # Short lanes beside longer ones: who is on them was counted into the longer one first.
        self.pockets: dict[str, tuple[str, ...]] = {
            name: tuple(
                other
                for other, beside in self.lanes.items()
                if beside.lane.approach == lane.lane.approach
                and beside.lane.entry_m < POCKET * lane.lane.entry_m
            )
            for name, lane in self.lanes.items()
        }

    def update(
        self,
        sensed_s: float,
        readings: Mapping[str, DetectorReading],
        green: Mapping[str, bool],
    ) -> None:
        """Take in one second of readings; ``green`` by lane."""
        for name, lane in self.lanes.items():
            reading = readings.get(name)
            self._silent_s[name] = 0.0 if reading else self._silent_s[name] + 1.0
            lane.update(sensed_s, reading, green.get(name, False))
            if reading and reading.entered and "entry" not in lane.ignored:
                self._leave_for(name, sensed_s, reading.entered)
        self._change_lanes()

    def _leave_for(self, pocket: str, time_s: float, count: int) -> None:
        """Who enters a short lane leaves the longer one beside it."""
        lane = self.lanes[pocket].lane
        at_line_s = time_s + lane.entry_m / lane.speed_mps + SETTLE_S
        for _ in range(count):
            found = [
                (at_s, name)
                for name, beside in self.pockets.items()
                if pocket in beside
                for at_s in self.lanes[name].arrivals_s
                if at_s <= at_line_s
            ]
            if not found:
                return
            at_s, name = max(found)
            self.lanes[name].arrivals_s.remove(at_s)

    def share_of(self, lane: str) -> float:
        """Share of a lane in what has crossed from it and the longer lanes beside it."""
        longer = [name for name, pockets in self.pockets.items() if lane in pockets]
        own = self.lanes[lane].crossed_per_s
        total = own + sum(self.lanes[name].crossed_per_s for name in longer)
        return own / total if total > 0.0 else 0.0

    def _change_lanes(self) -> None:
        """Who is not on the lane on which he entered stands beyond the camera's view of another."""
        for lane in self.lanes.values():
            if not lane.surplus_s:
                continue
            others = [
                other
                for other in self.lanes.values()
                if other is not lane
                and other.lane.approach == lane.lane.approach
                and other.full_view
            ]
            if others:
                other = min(others, key=lambda item: len(item.arrivals_s))
                other.arrivals_s = deque(sorted([*other.arrivals_s, *lane.surplus_s]))

    @property
    def ignored(self) -> tuple[str, ...]:
        """Detectors that are not believed or not heard, as ``lane:which``."""
        return tuple(
            f"{name}:{which}"
            for name, lane in self.lanes.items()
            for which in (["all"] if self._silent_s[name] > SETTLE_S else sorted(lane.ignored))
        )

    @property
    def coverage(self) -> float:
        """Share of the detectors that are believed: three for each lane."""
        total = 3 * len(self.lanes)
        lost = sum(3 if name.endswith(":all") else 1 for name in self.ignored)
        return 1.0 - lost / total if total else 1.0


@dataclass(slots=True)
class _Road:
    """One approach whose vehicles are counted further back than its entry detectors."""

    lanes: tuple[str, ...]
    seen_s: float
    coming_s: deque[float] = field(default_factory=deque)
    flow_per_s: float = 0.0


class Upstream:
    """Vehicles counted behind the entry detectors, of whom a share turns off on the way."""

    def __init__(self, control: ControlJunction) -> None:
        """Nobody is on the way yet."""
        self._detectors = control.upstream
        self._roads: dict[str, _Road] = {}
        for detector in control.upstream.values():
            lanes = [control.lanes[name] for name in detector.lanes]
            seen_s = max(lane.entry_m / lane.speed_mps for lane in lanes)
            self._roads.setdefault(detector.approach, _Road(detector.lanes, seen_s))
        self._lanes: dict[str, float] = {}
        self._time_s: float | None = None

    def see(
        self, time_s: float, passed: Mapping[str, int], flow_per_s: Mapping[str, float]
    ) -> None:
        """Take in a second of counts; ``flow_per_s`` is what each lane carried lately."""
        past_s = 1.0 if self._time_s is None else time_s - self._time_s
        if past_s <= 0.0:
            return
        self._time_s = time_s
        self._lanes = dict(flow_per_s)
        share = min(1.0, past_s / FLOW_MEMORY_S)
        counted = dict.fromkeys(self._roads, 0)
        for name, detector in self._detectors.items():
            count = passed.get(name, 0)
            counted[detector.approach] += count
            at_s = time_s + detector.distance_m / detector.speed_mps
            self._roads[detector.approach].coming_s.extend([at_s] * count)
        for approach, road in self._roads.items():
            road.flow_per_s += share * (counted[approach] / past_s - road.flow_per_s)

    def coming(self, time_s: float, full: Set[str]) -> list[tuple[str, float, float]]:
        """(lane, absolute second at the line, size) of those not at the entry detectors yet.

        Where a lane of theirs is among the ``full``, they may stand before it.
        """
        found = []
        for road in self._roads.values():
            patience_s = LOST_S if full & set(road.lanes) else 0.0
            while road.coming_s and road.coming_s[0] - road.seen_s + patience_s <= time_s:
                road.coming_s.popleft()
            if road.flow_per_s <= 0.0:
                continue
            for lane in road.lanes:
                size = min(1.0, self._lanes.get(lane, 0.0) / road.flow_per_s)
                if size >= LEAST_SHARE:
                    found += [(lane, at_s, size) for at_s in road.coming_s]
        return found
