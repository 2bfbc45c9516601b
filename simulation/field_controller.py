"""A fixed-time signal controller of the virtual street, second by second.

A state that the controller shows for second ``t`` holds over ``[t, t + 1)``. It runs whole
seconds: clearances of a fraction of a second are rounded up, at the expense of the green before
them, so that cycle and offset stay what the plan says.

A new plan takes over at a cycle's end. Its offset is reached smoothly: over the next cycles every
green is lengthened or shortened in proportion, by at most a fifth of the cycle, never below the
envelope's minimum; yellow, red clearance, walk and pedestrian clearance are never touched.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from models.errors import XanhError
from models.junction import Junction
from models.plan import JunctionPlan, Stage
from models.safety import Rule, check
from models.signals import SignalState, from_sumo
from simulation.programs import for_step, signal_rows

SHIFT_SHARE = 5
"""A transition changes a cycle by at most its fifth: any offset within five cycles, unless the
envelope's longest green or longest red leaves less room than that."""

_REMEMBERED = 32
"""Stages of the past that are kept, to know how long a green has lasted."""
_KEPT = frozenset({Rule.MIN_GREEN, Rule.MAX_GREEN, Rule.PEDESTRIAN, Rule.MAX_RED})
_MINIMA = frozenset({Rule.MIN_GREEN, Rule.PEDESTRIAN})


class ControllerLost(XanhError):
    """The controller does not answer."""


class ControllerRefused(XanhError):
    """The controller does not take the plan."""


class Fault(StrEnum):
    """Faults that tests and demonstrations switch on; the signals themselves keep running."""

    LOST = "lost"
    REFUSES = "refuses"
    ALTERS = "alters"
    """Takes a plan, but runs and reports another offset than it was sent."""


@dataclass(frozen=True, slots=True)
class ControllerReport:
    """What a controller says of itself. ``states`` maps movement and crossing ids."""

    junction: str
    time_s: int
    stage: str
    second_in_cycle: int
    settled: bool
    letters: str
    states: Mapping[str, SignalState]


@dataclass(frozen=True, slots=True)
class _Slot:
    """One stage as it will be shown, with the plan and the cycle that it belongs to."""

    stage: Stage
    plan: JunctionPlan
    cycle_start_s: int
    settled: bool

    @property
    def seconds(self) -> int:
        return self.stage.split_ds // 10


class FixedTimeController:
    """Drives one junction's heads from a plan; takes another while it runs."""

    def __init__(self, plan: JunctionPlan, junction: Junction, *, begin_s: int = 0) -> None:
        """Start as if the plan had been running for ever.

        Args:
            plan: Timing to begin with; its offset counts from second 0.
            junction: The junction with its envelope and signal links.
            begin_s: The first second that will be asked for.

        Raises:
            ControllerRefused: If the plan cannot be run at all (no stages, no whole seconds).
        """
        self.junction = junction
        self.fault: Fault | None = None
        self._plan = plan
        self._timing = _whole_seconds(plan)
        self._pending: JunctionPlan | None = None
        self._schedule: deque[_Slot] = deque()
        self._done: deque[_Slot] = deque(maxlen=_REMEMBERED)
        self._rows: list[str] = []
        self._slot_start_s = 0
        self._letters = ""
        self._since_s: list[int] = []
        cycle_s = self._timing.cycle_ds // 10
        # One cycle of history tells since when each head has shown what it shows.
        start_s = begin_s - (begin_s - self._timing.offset_ds // 10) % cycle_s - cycle_s
        self._horizon_s = start_s
        self._time_s = start_s - 1
        self._slot_start_s = start_s
        self._commit_cycle()
        self._render()
        while self._time_s < begin_s - 1:
            self.advance()

    @property
    def time_s(self) -> int:
        """Start of the second now shown."""
        return self._time_s

    @property
    def letters(self) -> str:
        """SUMO state string now shown."""
        return self._letters

    @property
    def running_plan(self) -> JunctionPlan:
        """The plan whose stages are on the street now (maybe still on the way to its offset)."""
        return self._schedule[0].plan

    @property
    def settled(self) -> bool:
        """Whether the plan last taken runs, at its offset and with its own greens."""
        slot = self._schedule[0]
        return self._pending is None and slot.plan is self._plan and slot.settled

    def since_s(self, link: int) -> int:
        """Second in which this link's aspect (red, yellow, green) began."""
        return self._since_s[link]

    def until_green_s(self, link: int) -> int | None:
        """Seconds until this link turns green, as far as the next stages are decided; 0 on green.

        None when that is further ahead.
        """
        rows = self._rows[max(self._time_s - self._slot_start_s, 0) :]
        slots = deque(self._schedule)
        while len(slots) > 1:
            slots.popleft()
            rows = rows + self._rows_of_first(slots)
        return next((at for at, row in enumerate(rows) if row[link] in "Gg"), None)

    def advance(self) -> str:
        """Go on by one second; the state string that holds for it."""
        self._time_s += 1
        if self._time_s - self._slot_start_s >= len(self._rows):
            done = self._schedule.popleft()
            self._done.append(done)
            self._slot_start_s += done.seconds
            self._render()
        letters = self._rows[self._time_s - self._slot_start_s]
        if letters != self._letters:
            before = self._letters
            self._since_s = [
                self._since_s[link]
                if before and from_sumo(letter) is from_sumo(before[link])
                else self._time_s
                for link, letter in enumerate(letters)
            ]
            self._letters = letters
        return letters

    def apply(self, plan: JunctionPlan) -> None:
        """Take a plan; it starts at the end of the running cycle.

        A plan that comes while another waits or is in transition replaces it. When the last
        interstage of the running cycle depends on what follows and has begun, the plan starts
        one cycle later.

        Raises:
            ControllerLost: If the controller does not answer.
            ControllerRefused: If it refuses: the plan breaks the junction's envelope, or is not
                in whole seconds.
        """
        self._answer()
        if self.fault is Fault.REFUSES:
            raise ControllerRefused(f"controller {self.junction.id}: refuses to take a plan")
        breaches = check(plan, self.junction)
        if breaches:
            raise ControllerRefused(f"controller {self.junction.id}: {breaches[0].message}")
        _whole_seconds(plan)
        if self.fault is Fault.ALTERS:
            granularity = self.junction.envelope.granularity_ds
            step = max(50 // granularity, 1) * granularity
            plan = replace(plan, offset_ds=(plan.offset_ds + step) % plan.cycle_ds)
        self._pending = plan
        self._replan()

    def read_plan(self) -> JunctionPlan:
        """The plan that the controller holds: running, or to start at the cycle's end.

        Raises:
            ControllerLost: If the controller does not answer.
        """
        self._answer()
        return self._pending or self._plan

    def report(self) -> ControllerReport:
        """What it shows now.

        Raises:
            ControllerLost: If the controller does not answer.
        """
        self._answer()
        slot = self._schedule[0]
        return ControllerReport(
            junction=self.junction.id,
            time_s=self._time_s,
            stage=slot.stage.id,
            second_in_cycle=self._time_s - slot.cycle_start_s,
            settled=self.settled,
            letters=self._letters,
            states=self.aspects(),
        )

    def aspects(self) -> dict[str, SignalState]:
        """Aspect of every movement and crossing that has a signal."""
        heads = [(movement.id, movement.links) for movement in self.junction.movements]
        heads += [(crossing.id, crossing.links) for crossing in self.junction.crossings]
        return {head: from_sumo(self._letters[links[0]]) for head, links in heads if links}

    def _answer(self) -> None:
        if self.fault is Fault.LOST:
            raise ControllerLost(f"controller {self.junction.id}: does not answer")

    def _commit_cycle(self) -> None:
        """Append the next cycle; from here on it is decided."""
        if self._pending is not None:
            self._plan, self._pending = self._pending, None
            self._timing = _whole_seconds(self._plan)
        self._append_cycle(self._plan, self._timing)

    def _append_cycle(self, plan: JunctionPlan, timing: JunctionPlan) -> None:
        decided = len(self._schedule)
        following = [_Slot(stage, plan, self._horizon_s, settled=True) for stage in timing.stages]
        self._lengthen_short(following)
        late_s = (timing.offset_ds // 10 - self._horizon_s) % (timing.cycle_ds // 10)
        stages = _transition(timing, self.junction, late_s) if late_s else timing.stages
        start_s = self._horizon_s
        for stage in stages:
            self._schedule.append(_Slot(stage, plan, start_s, settled=late_s == 0))
        self._horizon_s += sum(stage.split_ds for stage in stages) // 10
        if self._lengthen_short([]):
            for index in range(decided, len(self._schedule)):
                self._schedule[index] = replace(self._schedule[index], settled=False)

    def _lengthen_short(self, following: list[_Slot]) -> bool:
        """Lengthen stages to come where a green that meets other stages than in its own plan
        would be shorter than its minimum; whether any had to be.

        A plan's greens may run over the end of its cycle; where another plan begins or ends,
        such a green has only a part of its stages.
        """
        slots = [*self._done, *self._schedule, *following]
        first, last = len(self._done), len(self._done) + len(self._schedule)
        changed = False
        for signal_id, begin, end, length_ds in _windows([slot.stage for slot in slots]):
            # What began before the record, or goes on after it, is not all there is of it.
            if begin == 0 or end == len(slots) or not first < end <= last:
                continue
            short_ds = _needed_ds(self.junction, signal_id) - length_ds
            extra_ds = -(-short_ds // 10) * 10 - sum(
                self._schedule[index - first].stage.green_ds - slots[index].stage.green_ds
                for index in range(max(begin, first), end)
            )
            if extra_ds > 0:
                slot = self._schedule[end - 1 - first]
                stage = replace(slot.stage, green_ds=slot.stage.green_ds + extra_ds)
                self._schedule[end - 1 - first] = replace(slot, stage=stage)
                self._horizon_s += extra_ds // 10
                changed = True
        return changed

    def _render(self) -> None:
        """Rows of the stage that begins; decides the next cycle when they depend on it."""
        clearance_s = -(-max(self.junction.envelope.ped_clearance_ds.values(), default=0) // 10)
        while sum(slot.seconds for slot in self._schedule) - self._schedule[0].seconds <= (
            clearance_s
        ):
            self._commit_cycle()
        self._rows = self._rows_of_first(self._schedule)

    def _rows_of_first(self, slots: deque[_Slot]) -> list[str]:
        """State per second of the first slot, followed by the others."""
        stages = tuple(slot.stage for slot in slots)
        upcoming = JunctionPlan(
            self.junction.id, sum(stage.split_ds for stage in stages), 0, stages
        )
        states: list[str] = []
        wanted = slots[0].seconds
        for row in signal_rows(upcoming, self.junction):
            states += [row.state] * (row.duration_ds // 10)
            if len(states) >= wanted:
                break
        return states[:wanted]

    def _replan(self) -> None:
        """Put the pending plan in place of a decided cycle that has not begun.

        Only where nothing that has been shown would have been shown otherwise.
        """
        current = self._schedule[0].cycle_start_s
        kept = deque(slot for slot in self._schedule if slot.cycle_start_s == current)
        if len(kept) == len(self._schedule):
            return
        before = (self._schedule, self._horizon_s, self._plan, self._timing, self._rows)
        self._schedule = kept
        self._horizon_s = self._slot_start_s + sum(slot.seconds for slot in kept)
        pending = self._pending
        shown = self._rows[: self._time_s - self._slot_start_s + 1]
        self._render()
        if self._rows[: len(shown)] != shown:
            self._schedule, self._horizon_s, self._plan, self._timing, self._rows = before
            self._pending = pending


def _whole_seconds(plan: JunctionPlan) -> JunctionPlan:
    """The plan in whole seconds: clearances rounded up, greens shortened to keep the split."""
    if not plan.stages:
        raise ControllerRefused(
            f"controller {plan.junction}: a program as found has no stages to run; retime it"
        )
    for stage in plan.stages:
        if stage.split_ds % 10:
            raise ControllerRefused(
                f"controller {plan.junction}: stage {stage.id} takes {stage.split_ds / 10:g} s; "
                "the controller takes whole seconds"
            )
    if plan.offset_ds % 10:
        raise ControllerRefused(
            f"controller {plan.junction}: offset_s is {plan.offset_ds / 10:g}; the controller "
            "takes whole seconds"
        )
    try:
        return for_step(replace(plan, as_found=()), 10)
    except ValueError as error:
        raise ControllerRefused(
            f"controller {plan.junction}: in whole seconds a stage has no green left ({error})"
        ) from None


def _transition(timing: JunctionPlan, junction: Junction, late_s: int) -> tuple[Stage, ...]:
    """Stages of one cycle on the way to the offset, ``late_s`` ahead of the cycle's start.

    Lengthens when that takes fewer cycles than shortening by ``cycle - late_s``, else shortens;
    what is left is spread evenly over the cycles that it takes.
    """
    early_s = timing.cycle_ds // 10 - late_s
    limit_s = -(-timing.cycle_ds // 10 // SHIFT_SHARE)
    longest = _stretched(timing, junction, min(limit_s, late_s), 1)
    shortest = _stretched(timing, junction, min(limit_s, early_s), -1)
    most, least = _added_s(longest, timing), -_added_s(shortest, timing)
    if most == 0 and least == 0:
        # Greens at both bounds: only a green above its maximum can move the offset.
        return _stretched(timing, junction, min(limit_s, late_s), 1, kept=_MINIMA)
    up = -(-late_s // most) if most else None
    down = -(-early_s // least) if least else None
    if down is None or (up is not None and (up, late_s) <= (down, early_s)):
        assert up is not None
        return _stretched(timing, junction, -(-late_s // up), 1)
    return _stretched(timing, junction, -(-early_s // down), -1)


def _added_s(stages: tuple[Stage, ...], timing: JunctionPlan) -> int:
    return (sum(stage.split_ds for stage in stages) - timing.cycle_ds) // 10


def _stretched(
    timing: JunctionPlan,
    junction: Junction,
    wanted_s: int,
    sign: int,
    *,
    kept: frozenset[Rule] = _KEPT,
) -> tuple[Stage, ...]:
    """Greens longer (``sign`` 1) or shorter (-1) by up to ``wanted_s`` in all, in proportion.

    Stops where the next second would break one of the envelope's ``kept`` rules.
    """
    base = _broken(timing, junction, kept)
    if sign < 0 and base:
        return timing.stages
    stages = list(timing.stages)
    changed_ds = [0] * len(stages)
    free = set(range(len(stages)))
    left_s = wanted_s
    while left_s and free:
        index = min(free, key=lambda i: ((changed_ds[i] + 10) / timing.stages[i].green_ds, i))
        trial = list(stages)
        green_ds = stages[index].green_ds + sign * 10
        if green_ds < 10:
            free.discard(index)
            continue
        trial[index] = replace(stages[index], green_ds=green_ds)
        total = sum(stage.split_ds for stage in trial)
        candidate = replace(timing, stages=tuple(trial), cycle_ds=total, offset_ds=0)
        if _broken(candidate, junction, kept) - base or (
            sign < 0 and _cuts_piece(timing.stages, trial, junction)
        ):
            free.discard(index)
            continue
        stages = trial
        changed_ds[index] += 10
        left_s -= 1
    return tuple(stages)


def _windows(stages: Sequence[Stage]) -> list[tuple[str, int, int, int]]:
    """Greens in a sequence of stages that does not repeat: (id, first, after last, length)."""
    found = []
    for signal_id in {name for stage in stages for name in stage.green}:
        begin = None
        for index in range(len(stages) + 1):
            shown = index < len(stages) and signal_id in stages[index].green
            if shown and begin is None:
                begin = index
            elif not shown and begin is not None:
                splits = sum(stage.split_ds for stage in stages[begin : index - 1])
                found.append((signal_id, begin, index, splits + stages[index - 1].green_ds))
                begin = None
    return sorted(found, key=lambda window: (window[2], window[0]))


def _needed_ds(junction: Junction, signal_id: str) -> int:
    if any(crossing.id == signal_id for crossing in junction.crossings):
        return junction.envelope.crossing_ds(signal_id)
    return junction.envelope.min_green_ds


def _cuts_piece(stages: Sequence[Stage], shorter: Sequence[Stage], junction: Junction) -> bool:
    """Whether a green, as far as it lies within the cycle, falls below its minimum."""
    return any(
        after[3] < before[3] and after[3] < _needed_ds(junction, after[0])
        for before, after in zip(_windows(stages), _windows(shorter), strict=True)
    )


def _broken(
    plan: JunctionPlan, junction: Junction, kept: frozenset[Rule]
) -> frozenset[tuple[Rule, str]]:
    return frozenset(
        (breach.rule, breach.subject) for breach in check(plan, junction) if breach.rule in kept
    )
