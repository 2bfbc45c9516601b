"""What is on each lane, from its detectors: counts at the entry and at the line, a camera's view.

Per lane a list of expected arrivals at the line: one is added for each vehicle that enters, the
first is taken off for each that crosses. Both counts miss some, and vehicles change lanes, so the
list is put right by what the camera sees: how many are within its view, and how many of them
stand. Whoever comes into view is the next who was due, on this lane or on one beside it; who does
not come is given up. A detector that contradicts the others for long is not believed: its word is
ignored, and said to be.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Set
from dataclasses import dataclass, field

from models.policy import QUEUE_VIEW_M, ControlJunction, ControlLane, DetectorReading, Track
from optimizer.prediction import FASTEST_MPS, arrivals_s

# Road that a standing vehicle takes.
SPACING_M = 7.5
# Someone who should have come so long ago has gone elsewhere unseen.
SETTLE_S = 4.0
# Someone may come so much earlier than expected.
EARLY_S = 3.0
# Those who are overdue are taken for hidden while at least this share of them was, so many being
# remembered.
LEAST_FOUND = 0.25
SOUGHT_VEH = 40.0
# A queue that moves is slower than this share of the speed limit.
CRAWL = 0.4
# Who is so far from his time is another one, or was held up.
STRAY_S = 6.0
# What is learned of travel times moves by so much with each vehicle, and no further than this.
LAG_STEP_S = 0.1
MOST_LAG_S = 4.0
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
# Of a view that is driven through in less the count may well stay the same.
SHORT_VIEW_S = 2.0
# Counts are averaged over this time where a lane has no working entry detector.
FLOW_MEMORY_S = 180.0


@dataclass(slots=True)
class LaneEstimate:
    """One lane's estimate. Times are absolute seconds.

    ``near_s`` holds, in order, when each vehicle in the camera's view could be at the line, as
    concluded from when it came; ``placed_s`` the same from where it is, where the camera says so;
    ``coming_s`` when those could who were counted in and are not in view yet. In the last second
    ``came`` came into view, ``strangers`` of them though nobody was due, ``lost_s`` were due and
    did not come, ``gone_s`` are not in view any more and did not cross. ``entry_lag_s`` and
    ``view_lag_s`` are how much longer than at the speed limit it takes to the view, and from there
    to the line. Where ``full_view``, more may stand than the camera sees; ``hidden_s`` are when
    those could be at the line whom it misses within its view. ``numbers`` are those of the tracks.
    ``left_veh`` have crossed so far. Of a queue that starts, one moves ``wave_s`` after the other.
    """

    lane: ControlLane
    wave_s: float = 1.2
    near_s: deque[float] = field(default_factory=deque)
    placed_s: list[float] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    hidden_s: list[float] = field(default_factory=list)
    coming_s: deque[float] = field(default_factory=deque)
    entry_lag_s: float = 0.0
    view_lag_s: float = 0.0
    left_veh: int = 0
    came: int = 0
    strangers: int = 0
    lost_s: list[float] = field(default_factory=list)
    gone_s: list[float] = field(default_factory=list)
    full_view: bool = False
    ignored: set[str] = field(default_factory=set)
    flow_per_s: float = 0.0
    crossed_per_s: float = 0.0
    _entered_since: int = 0
    _crossed_since: int = 0
    _empty_s: float = 0.0
    _high: deque[int] = field(default_factory=lambda: deque(maxlen=STUCK_WINDOW_S))
    _view_held_s: float = 0.0
    _view_before: int = -1
    _crossed_while_held: int = 0
    _owed: float = 0.0
    _green_s: float = 0.0
    _sought: float = 4.0
    _found: float = 2.0
    _backed_up: bool = False
    _nobody_s: float = 0.0
    _time_s: float | None = None

    @property
    def view_s(self) -> float:
        """From where the camera's view begins to the line at free flow."""
        return min(QUEUE_VIEW_M, self.lane.entry_m) / self.lane.speed_mps

    @property
    def arrivals_s(self) -> list[float]:
        """When each vehicle on the lane could be at the line, in order.

        Who is not in view cannot be there before he has driven through it, unless he stands
        behind a queue that is longer than the view.
        """
        near_s = list(self.near_s)
        if self.placed_s:
            # Who is known but not placed stands on the detector at the line.
            near_s[max(0, len(near_s) - len(self.placed_s)) :] = self.placed_s
        if "queue" in self.ignored or self.full_view or self._time_s is None:
            return [*near_s, *self.hidden_s, *self.coming_s]
        soonest_s = self._time_s + self.view_s
        return [*near_s, *self.hidden_s, *(max(at_s, soonest_s) for at_s in self.coming_s)]

    def number_at(self, place: int) -> int:
        """Number of the track of who is at this place among the arrivals; 0 without one."""
        place -= max(0, len(self.near_s) - len(self.numbers))
        return self.numbers[place] if 0 <= place < len(self.numbers) else 0

    def hide(self) -> None:
        """Who was due in view and did not come is there, and the camera misses him.

        Unless that was seldom true: then vehicles turn off on the way.
        """
        if self._found >= LEAST_FOUND * self._sought:
            self.hidden_s += self.lost_s

    def _give_up(self, past_s: float, reading: DetectorReading, green: bool) -> None:
        """Where it is green and yet nobody stands, nobody stands hidden either."""
        self._green_s = self._green_s + past_s if green else 0.0
        if self._green_s > SETTLE_S and reading.queue == 0:
            self._sought += len(self.hidden_s)
            self.hidden_s.clear()

    def reveal(self) -> bool:
        """Whether somebody who was taken for hidden was late, or on the next lane."""
        if self.hidden_s:
            self.hidden_s.pop(0)
            self._sought += 1.0
            return True
        return False

    def _find(self) -> None:
        """One has crossed whom the camera did not show."""
        self._sought += 1.0
        self._found += 1.0
        if self._sought > SOUGHT_VEH:
            self._sought, self._found = self._sought / 2.0, self._found / 2.0

    def update(self, time_s: float, reading: DetectorReading | None, green: bool) -> None:
        """Take in what the lane's detectors saw during the second that ended at ``time_s``.

        ``green`` says whether some movement of the lane may go without giving way first.
        """
        past_s = 1.0 if self._time_s is None else time_s - self._time_s
        if past_s <= 0.0:
            return
        self._time_s = time_s
        self.came, self.strangers, self.lost_s, self.gone_s = 0, 0, [], []
        self.full_view, self.placed_s, self.numbers = False, [], []
        if reading is None:
            self.hidden_s.clear()
            self._without_camera()
            self._owe(time_s, past_s)
            self._discharge(time_s, past_s, green)
            return
        self._judge(reading, past_s)
        travel_s = self.lane.entry_m / self.lane.speed_mps + self.entry_lag_s + self.view_lag_s
        if "entry" in self.ignored:
            self._owe(time_s, past_s)
        else:
            self.coming_s.extend([time_s + travel_s] * reading.entered)
        self._give_up(past_s, reading, green)
        if "line" not in self.ignored:
            for _ in range(reading.crossed):
                self._leave(time_s, free=green and reading.queue == 0)
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
            self._look(time_s, reading, green)
        else:
            self._without_camera()
            if "line" in self.ignored:
                self._discharge(time_s, past_s, green)
            self._clear(time_s, reading, past_s, green)
        while len(self.near_s) + len(self.coming_s) > self.most_veh and self.coming_s:
            self.coming_s.popleft()

    @property
    def most_veh(self) -> int:
        """Vehicles that have room between the entry detector and the line."""
        return int(self.lane.entry_m / CLOSEST_M) + 1

    @property
    def full(self) -> bool:
        """Whether a queue may reach the entry detector, and beyond it."""
        known = len(self.near_s) + len(self.coming_s)
        return known >= 0.7 * self.lane.entry_m / SPACING_M

    def take(self, time_s: float) -> float | None:
        """Give away who is due in view, for he is seen on the next lane; when he could be there."""
        if self.coming_s and self.coming_s[0] <= time_s + self.view_s + EARLY_S:
            return self.coming_s.popleft()
        return None

    def _leave(self, time_s: float, *, free: bool) -> None:
        """One has crossed: the first, if somebody could be there."""
        self.left_veh += 1
        if self.near_s:
            at_s = self.near_s.popleft()
            if free and abs(time_s - at_s) < STRAY_S:
                self.view_lag_s = _stepped(self.view_lag_s, time_s - at_s)
        elif self.hidden_s:
            self.hidden_s.pop(0)
            self._find()
        elif self.coming_s and self.coming_s[0] <= time_s + EARLY_S:
            self.coming_s.popleft()
        else:
            self._find()

    def _look(self, time_s: float, reading: DetectorReading, green: bool) -> None:
        """Put the list right by what the camera sees."""
        # Somebody stands at the line whom the camera does not see.
        unseen = reading.occupied > 0.0 and reading.in_view == 0 and reading.crossed == 0
        in_view = max(reading.in_view, int(unseen))
        view_m = min(QUEUE_VIEW_M, self.lane.length_m)
        self.full_view = reading.queue >= max(1, int(view_m / SPACING_M) - 1)
        while len(self.near_s) > in_view:
            # Over the line without being counted, or at red to the next lane.
            self.gone_s.append(self.near_s.popleft() if green else self.near_s.pop())
        while len(self.near_s) < in_view:
            at_s = time_s + self.view_s + self.view_lag_s
            due_s = self.take(time_s)
            if due_s is None and not self.reveal():
                self.strangers += 1
            elif due_s is not None and not self.full_view and abs(at_s - due_s) < STRAY_S:
                self.entry_lag_s = _stepped(self.entry_lag_s, at_s - due_s)
            self.came += 1
            self.near_s.append(at_s)
        for place in range(min(reading.queue, len(self.near_s))):
            self.near_s[place] = min(self.near_s[place], time_s)
        free_mps = min(FASTEST_MPS, self.lane.speed_mps)
        places = [(track.distance_m, track.speed_mps) for track in reading.tracks]
        placed_s = arrivals_s(places, free_mps, self.wave_s)
        self.placed_s = [time_s + at_s for at_s in placed_s]
        self.numbers = [track.number for track in reading.tracks]
        self._judge_rear(reading)
        late_s = time_s + self.view_s - SETTLE_S
        while not self._backed_up and self.coming_s and self.coming_s[0] < late_s:
            self.lost_s.append(self.coming_s.popleft())

    def _judge_rear(self, reading: DetectorReading) -> None:
        """Whether those who are overdue may be in a queue that reaches beyond the view.

        Once it does, they are until nobody has come out of it for a while: a queue that starts
        fills the view no longer, and those behind come when the wave has reached them.
        """
        if self.full_view or (reading.tracks and _crawls(reading.tracks[-1], self.lane)):
            self._backed_up, self._nobody_s = True, 0.0
        elif self._backed_up:
            self._nobody_s = 0.0 if self.came else self._nobody_s + 1.0
            patience_s = SETTLE_S
            if len(reading.tracks) < reading.in_view:
                patience_s += self.wave_s * QUEUE_VIEW_M / SPACING_M  # its rear may still stand
            self._backed_up = self._nobody_s < patience_s

    def _without_camera(self) -> None:
        """What is known of those in view is as good as of the others."""
        self.coming_s.extendleft(reversed(self.near_s))
        self.near_s.clear()

    def _clear(self, time_s: float, reading: DetectorReading, past_s: float, green: bool) -> None:
        """An empty line at green: whoever was due is not there."""
        empty = reading.occupied <= 0.0 and reading.crossed == 0
        self._empty_s = self._empty_s + past_s if green and empty else 0.0
        if self._empty_s >= CLEAR_S:
            while self.coming_s and self.coming_s[0] <= time_s - 1.0:
                self.coming_s.popleft()

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
        if self._entered_since >= CONTRADICTIONS and reading.in_view == 0:
            self.ignored.add("line")
        elif reading.crossed:
            self.ignored.discard("line")
        # One count in the view for a minute, or nobody ever, while vehicles cross. (Where the view
        # is short, that may be: one stands, or all pass between two looks.)
        if reading.in_view == self._view_before:
            self._view_held_s += past_s
            self._crossed_while_held += reading.crossed
        else:
            self._view_held_s = 0.0
            self._crossed_while_held = 0
            self.ignored.discard("queue")
        self._view_before = reading.in_view
        held = self._crossed_while_held >= CONTRADICTIONS and self._view_held_s >= STUCK_WINDOW_S
        if held and self.view_s >= SHORT_VIEW_S:
            self.ignored.add("queue")

    def _owe(self, time_s: float, past_s: float) -> None:
        """Without an entry detector vehicles come as they left lately."""
        self._owed += self.flow_per_s * past_s
        while self._owed >= 1.0:
            self._owed -= 1.0
            self.coming_s.append(time_s)

    def _discharge(self, time_s: float, past_s: float, green: bool) -> None:
        """Without a count at the line those who have arrived leave at saturation flow."""
        if not green:
            return
        self._owed += 0.5 * past_s
        while self._owed >= 1.0:
            self._owed -= 1.0
            if self.coming_s and self.coming_s[0] <= time_s:
                self.coming_s.popleft()


def _crawls(last: Track, lane: ControlLane) -> bool:
    """Whether the last in view is part of a queue that may reach beyond it."""
    end_m = min(QUEUE_VIEW_M, lane.length_m)
    return last.distance_m > end_m - 2.0 * SPACING_M and last.speed_mps < CRAWL * lane.speed_mps


def _stepped(lag_s: float, late_s: float) -> float:
    """The median of what is seen, followed in small steps: a few far off do not move it."""
    step_s = math.copysign(LAG_STEP_S, late_s) if late_s else 0.0
    return min(MOST_LAG_S, max(-MOST_LAG_S, lag_s + step_s))


class Estimator:
    """The lanes of one junction."""

    def __init__(self, lanes: Mapping[str, ControlLane], wave_s: float = 1.2) -> None:
        """Start with empty lanes; of a queue one starts ``wave_s`` after the other."""
        self.lanes = {name: LaneEstimate(lane, wave_s) for name, lane in sorted(lanes.items())}
        self._silent_s: dict[str, float] = dict.fromkeys(self.lanes, 0.0)
        # Short lanes beside longer ones: who is on them was counted into the longer one first.
        self.pockets: dict[str, tuple[str, ...]] = {
            name: tuple(
                other
                for other, beside in self.lanes.items()
                if beside.lane.approach == lane.lane.approach
                and QUEUE_VIEW_M < beside.lane.entry_m < POCKET * lane.lane.entry_m
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
            if reading and "entry" not in lane.ignored:
                self._leave_for(name, sensed_s, reading.entered)
        self._change_lanes(sensed_s)

    def _leave_for(self, pocket: str, time_s: float, count: int) -> None:
        """Who enters a short lane leaves the longer one beside it."""
        lane = self.lanes[pocket].lane
        at_line_s = time_s + lane.entry_m / lane.speed_mps + SETTLE_S
        for _ in range(count):
            found = [
                (max(due), name)
                for name, pockets in self.pockets.items()
                if pocket in pockets
                and (due := [at_s for at_s in self.lanes[name].coming_s if at_s <= at_line_s])
            ]
            if not found:
                return
            at_s, name = max(found)
            self.lanes[name].coming_s.remove(at_s)

    def share_of(self, lane: str) -> float:
        """Share of a lane in what has crossed from it and the longer lanes beside it."""
        longer = [name for name, pockets in self.pockets.items() if lane in pockets]
        own = self.lanes[lane].crossed_per_s
        total = own + sum(self.lanes[name].crossed_per_s for name in longer)
        return own / total if total > 0.0 else 0.0

    def _change_lanes(self, time_s: float) -> None:
        """Vehicles are counted in on one lane and come into view on the next.

        Who comes into view where nobody was due was counted in beside; who is missing on one lane
        stands beyond the camera's view of another that is full.
        """
        for lane in self.lanes.values():
            beside = [
                other
                for other in self.lanes.values()
                if other is not lane and other.lane.approach == lane.lane.approach
            ]
            within = lane.lane.entry_m <= QUEUE_VIEW_M
            for place in range(-(lane.came if within else lane.strangers), 0):
                left = [other for other in beside if other.gone_s]
                due = [other for other in beside if other.coming_s]
                if left:
                    lane.near_s[place] = left[0].gone_s.pop()
                elif place >= -lane.strangers and not any(o.reveal() for o in beside) and due:
                    min(due, key=lambda o: o.coming_s[0] - o.view_s).take(time_s)
            full = [other for other in beside if other.full_view]
            if lane.lost_s and full:
                least = min(full, key=lambda other: len(other.arrivals_s))
                least.coming_s = deque(sorted([*least.coming_s, *lane.lost_s]))
            else:
                lane.hide()

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
    behind: int = 0
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
        self,
        time_s: float,
        passed: Mapping[str, int],
        flow_per_s: Mapping[str, float],
        behind: Mapping[str, int],
    ) -> None:
        """Take in a second of counts.

        ``flow_per_s`` is what each lane carried lately, ``behind`` how many a camera sees on the
        way to each approach, not on its lanes yet.
        """
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
            road.behind = behind.get(approach, 0)

    def coming(self, time_s: float, full: Set[str]) -> list[tuple[str, float, float]]:
        """(lane, absolute second at the line, size) of those not at the entry detectors yet.

        Where a lane of theirs is among the ``full``, they may stand before it.
        """
        found = []
        for road in self._roads.values():
            patience_s = LOST_S if full & set(road.lanes) else 0.0
            due = sum(at_s - road.seen_s <= time_s for at_s in road.coming_s)
            while due > road.behind and road.coming_s[0] - road.seen_s + patience_s <= time_s:
                road.coming_s.popleft()
                due -= 1
            road.coming_s.extendleft([time_s] * (road.behind - due))
            if road.flow_per_s <= 0.0:
                continue
            for lane in road.lanes:
                size = min(1.0, self._lanes.get(lane, 0.0) / road.flow_per_s)
                if size >= LEAST_SHARE:
                    found += [(lane, at_s, size) for at_s in road.coming_s]
        return found
