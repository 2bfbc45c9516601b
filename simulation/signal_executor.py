"""Shows the stages that a policy wishes, as far as they are safe.

Whatever is wished: a stage keeps its minimum green; what loses green shows yellow and red before
anybody new begins; people get their walk and their clearance within the stage; and nobody who
was seen to wait stands longer than the maximum red. The last is kept by looking ahead: at every
second there is a sequence of stages, each at its minimum, that serves everyone waiting in time
(earliest deadline first). A wish after which there would be none is not followed, and the first
stage of that sequence is shown instead. Where nobody was seen, a link is served all the same
after ``UNSEEN`` times the maximum red: somebody may stand where detectors do not see him.

A change may end later: while somebody who stands on the junction is in the way of those who
would begin (``simulation.red_extension``), and nobody's longest red is near.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from models.policy import ChangeInterval, ControlJunction, SignalShown
from simulation.red_extension import Inside, in_the_way, still_held

UNSEEN = 3.0
_NOTHING = ChangeInterval(0.0, 0.0)
_NOBODY: Mapping[str, Inside] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class _Waiting:
    """Links that are always green together, the stages that serve them, the one to serve them."""

    links: tuple[int, ...]
    stages: frozenset[str]
    crossing: bool
    rescue: str


class SignalExecutor:
    """One junction's signal. A state it gives for ``time_s`` holds until the next step."""

    def __init__(
        self,
        control: ControlJunction,
        *,
        begin_s: float,
        step_s: float,
        red_extension_s: float = 0.0,
    ) -> None:
        """Begin with the stage that the fixed plan has at ``begin_s``, as if it just began."""
        self.control = control
        self._extension_s = red_extension_s
        self._step_s = step_s
        envelope = control.junction.envelope
        self._walk_s = -(-envelope.walk_ds // round(step_s * 10)) * step_s
        self._walks = {
            link: crossing.id for crossing in control.junction.crossings for link in crossing.links
        }
        self._heads = {m.id: m.links for m in control.junction.movements}
        self._heads |= {c.id: c.links for c in control.junction.crossings}
        self._stage = self.plan_stage(begin_s)
        self._since_s = begin_s
        self._next: str | None = None
        self._change = _NOTHING
        self._change_s = begin_s
        self._held: frozenset[str] | None = None
        self._begins_s = begin_s
        self._crossing: dict[int, set[int]] = {}
        for one, other in control.link_yields:
            self._crossing.setdefault(one, set()).add(other)
            self._crossing.setdefault(other, set()).add(one)
        self._waiting = self._groups()
        self._round_s = self._round_length_s()
        self.max_red_s = max(control.max_red_s, self._round_s)
        self.overruled = 0
        """How often a wish was not followed because somebody had waited too long."""
        self.extended_s = 0.0
        """How long changes lasted beyond their interval for somebody on the junction."""
        self._red_since: dict[int, float] = {}
        self._called_since: dict[int, float] = {}
        self._heads_red: Mapping[str, float] = {}
        self._letters = ""
        self._show(begin_s)

    @property
    def letters(self) -> str:
        """The SUMO state now shown."""
        return self._letters

    @property
    def shown(self) -> SignalShown:
        """Stage, or change, as a policy is told."""
        if self._next is None:
            return SignalShown(self._stage, self._since_s, self._ready_s)
        begins_s = self._begins_s
        return SignalShown(self._stage, self._since_s, begins_s, self._next, begins_s)

    def red_since_s(self) -> Mapping[str, float]:
        """Since when each movement and crossing that is not wholly green has been so."""
        return self._heads_red

    def plan_stage(self, time_s: float) -> str:
        """The stage of the fixed plan at a time."""
        plan = self.control.plan
        into_s = (time_s - self.control.plan_offset_s) % sum(length for _, length in plan)
        for stage, length_s in plan:
            into_s -= length_s
            if into_s < -1e-9:
                return stage
        return plan[0][0]

    @property
    def signal(self) -> tuple[str, str]:
        """The stage shown, ``A>B`` in the change between two, and the letters."""
        shown = self.shown
        stage = f"{shown.stage}>{shown.next_stage}" if shown.next_stage else shown.stage
        return stage, self.letters

    def advance(
        self,
        time_s: float,
        wish: str | None,
        called: Collection[int] | None = None,
        inside: Mapping[str, Inside] = _NOBODY,
    ) -> str:
        """Go on to ``time_s``: the state that holds from then on.

        Args:
            time_s: A step after the last call (the first call: ``begin_s``).
            wish: The stage wanted; None keeps what is shown. A stage that the junction has not
                counts as silence: the fixed plan decides.
            called: Links at which somebody is seen; None takes it that somebody is everywhere.
                People at crossings are never seen, and so always there.
            inside: Who is on the junction, as far as it is seen.
        """
        self._call(called, time_s)
        if wish is not None and wish not in self.control.stages:
            wish = self.plan_stage(time_s)
        if self._next is not None and time_s >= self._change_s + self._change.length_s - 1e-9:
            if self._waits_for(self._next, inside, time_s):
                self._begins_s = time_s + self._step_s
                self.extended_s += self._step_s
            else:
                self._begin(self._next, time_s)
        elif self._next is None and time_s >= self._ready_s - 1e-9:
            target = self._allowed(wish or self._stage, time_s)
            if target is not None:
                self._change = self._interval(self._stage, target)
                self._change_s = time_s
                self._begins_s = time_s + self._change.length_s
                self._held = None
                self._next = target
                if self._change.length_s == 0:
                    self._begin(target, time_s)
        self._show(time_s)
        self._call(called, time_s)
        return self._letters

    def _call(self, called: Collection[int] | None, time_s: float) -> None:
        for link in self._red_since if called is None else (*called, *self._walks):
            if link in self._red_since:
                self._called_since.setdefault(link, time_s)

    def _begin(self, stage: str, time_s: float) -> None:
        self._stage, self._since_s, self._next = stage, time_s, None

    def _waits_for(self, stage: str, inside: Mapping[str, Inside], time_s: float) -> bool:
        """Whether a stage, its change being over, waits for somebody on the junction."""
        if self._held is None:
            stages = self.control.stages
            letters = list(zip(stages[self._stage].letters, stages[stage].letters, strict=True))
            protected = {link for link, (old, _) in enumerate(letters) if old == "G"}
            beginning = {
                link for link, (old, new) in enumerate(letters) if old not in "Gg" and new in "Gg"
            }
            self._held = in_the_way(inside, protected, beginning, self._crossing)
        self._held = still_held(self._held, inside)
        extended_s = time_s - self._change_s - self._change.length_s
        return bool(
            self._held
            and extended_s < self._extension_s - 1e-9
            and self._nobody_is_near_the_limit(time_s)
        )

    @property
    def _ready_s(self) -> float:
        return self._since_s + self.control.stages[self._stage].min_green_s

    def _interval(self, first: str, second: str) -> ChangeInterval:
        return _NOTHING if first == second else self.control.changes[first, second]

    # What is shown --------------------------------------------------------------------------

    def _show(self, time_s: float) -> None:
        letters = self._green(time_s) if self._next is None else self._changing(time_s)
        if letters == self._letters:
            return
        self._letters = letters
        red = self._red_since
        for link, letter in enumerate(letters):
            if letter in "Gg":
                red.pop(link, None)
                self._called_since.pop(link, None)
            else:
                red.setdefault(link, time_s)
        self._heads_red = {
            head: min(red[link] for link in links if link in red)
            for head, links in self._heads.items()
            if any(link in red for link in links)
        }

    def _green(self, time_s: float) -> str:
        letters = self.control.stages[self._stage].letters
        walking = time_s < self._since_s + self._walk_s - 1e-9 or len(self.control.stages) == 1
        if walking or not self._walks:
            return letters
        return "".join("r" if link in self._walks else k for link, k in enumerate(letters))

    def _changing(self, time_s: float) -> str:
        assert self._next is not None
        yellow = time_s < self._change_s + self._change.yellow_s - 1e-9
        before = self.control.stages[self._stage].letters
        after = self.control.stages[self._next].letters
        return change_letters(before, after, frozenset(self._walks), yellow=yellow)

    # The longest red ------------------------------------------------------------------------

    def _groups(self) -> tuple[_Waiting, ...]:
        stages = self.control.stages
        served: dict[tuple[frozenset[str], bool], list[int]] = {}
        for link in range(len(next(iter(stages.values())).letters)):
            by = frozenset(s.id for s in stages.values() if s.letters[link] in "Gg")
            if by and by != frozenset(stages):
                served.setdefault((by, link in self._walks), []).append(link)
            elif by and link in self._walks and len(stages) > 1:
                served.setdefault((by, True), []).append(link)
        breadth = {
            name: sum(letter in "Gg" for letter in stage.letters) for name, stage in stages.items()
        }
        return tuple(
            _Waiting(tuple(links), by, crossing, max(sorted(by), key=lambda name: breadth[name]))
            for (by, crossing), links in served.items()
        )

    def _round_length_s(self) -> float:
        """The longest that serving everybody once can take, whatever is shown now."""
        stages = self.control.stages

        def visit_s(stage: str) -> float:
            into = [self._interval(other, stage).length_s for other in stages]
            return stages[stage].min_green_s + max(into)

        rescue = {group.rescue for group in self._waiting}
        return (
            sum(visit_s(stage) for stage in rescue)
            + max(visit_s(stage) for stage in stages)
            + self._step_s
        )

    def _allowed(self, wish: str, time_s: float) -> str | None:
        """The stage to change to now, None to stay."""
        stay = wish == self._stage
        if self._nobody_is_near_the_limit(time_s):
            return None if stay else wish
        if stay:
            ready_s = max(self._ready_s, time_s + self._step_s)
        else:
            change_s = self._interval(self._stage, wish).length_s
            ready_s = time_s + change_s + self.control.stages[wish].min_green_s
        if self._in_time(wish, ready_s, time_s, fresh=not stay):
            return None if stay else wish
        self.overruled += 1
        return self._overdue(self._stage, time_s, fresh=False)[0][1].rescue

    def _nobody_is_near_the_limit(self, time_s: float) -> bool:
        """Whether any stage may be shown now, without a closer look."""
        first = min(self._called_since.values(), default=time_s)
        unseen = min(self._red_since.values(), default=time_s) + (UNSEEN - 1) * self.max_red_s
        return min(first, unseen) + self.max_red_s - time_s > 2 * self._round_s

    def _overdue(self, stage: str, time_s: float, *, fresh: bool) -> list[tuple[float, _Waiting]]:
        """Whom ``stage`` does not serve, by the second at which they must be green again.

        A crossing is served when a stage begins (``fresh``), not by its going on.
        """
        late = []
        for group in self._waiting:
            if stage in group.stages and (fresh or not group.crossing):
                continue
            late.append((self._deadline_s(group, time_s), group))
        return sorted(late, key=lambda item: item[0])

    def _deadline_s(self, group: _Waiting, time_s: float) -> float:
        """When a group must be green again, if it is not or were not from now on."""
        return (
            min(
                min(
                    self._called_since.get(link, math.inf),
                    self._red_since.get(link, time_s) + (UNSEEN - 1) * self.max_red_s,
                )
                for link in group.links
            )
            + self.max_red_s
        )

    def _in_time(self, stage: str, ready_s: float, time_s: float, *, fresh: bool) -> bool:
        """Whether all can be served in time when ``stage`` may be left at ``ready_s``."""
        if fresh:
            begins_s = time_s + self._interval(self._stage, stage).length_s
            for group in self._waiting:
                if stage in group.stages and begins_s > self._deadline_s(group, time_s) + 1e-9:
                    return False
        overdue = self._overdue(stage, time_s, fresh=fresh)
        if not overdue or overdue[0][0] - ready_s > self._round_s:
            return True
        shown = stage
        visited: set[str] = set()
        for deadline_s, group in overdue:
            if visited & group.stages:
                continue
            begins_s = ready_s + self._interval(shown, group.rescue).length_s
            if begins_s > deadline_s + 1e-9:
                return False
            shown = group.rescue
            visited.add(shown)
            ready_s = begins_s + self.control.stages[shown].min_green_s
        return True


def change_letters(before: str, after: str, walks: frozenset[int], *, yellow: bool) -> str:
    """The state between two stages, in the yellow or in the red part of the change.

    Crossings (the links ``walks``) were cleared before it. Who must give way in one of the two
    stages does so in between. An arrow to turn after a stop stays if the next stage has it.
    """
    letters = []
    for link, (old, new) in enumerate(zip(before, after, strict=True)):
        if link in walks:
            letters.append("r")
        elif old in "Gg" and new in "Gg":
            letters.append("g" if "g" in (old, new) else "G")
        elif old in "Gg":
            letters.append("y" if yellow else "r")
        else:
            letters.append("s" if old == "s" and (new != "r" or yellow) else "r")
    return "".join(letters)
