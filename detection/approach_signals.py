"""What the heads of an approach showed: one timeline per movement, in bounded memory.

Movements of one approach may have heads of their own (a left-turn stage). Where only one head
is known, from a lamp in the picture or a signal log, it rules all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from models.signals import SignalChange, SignalState, SignalTimeline

MEMORY_S: Final = 600.0
_RANK: Final = (SignalState.GREEN, SignalState.YELLOW, SignalState.RED)


class ApproachSignals:
    """Timelines of an approach's movements, and of the approach as a whole."""

    def __init__(self, movements: Sequence[str], exact: SignalTimeline | None = None) -> None:
        """Set up; with ``exact`` the head's changes are known beforehand and rule throughout."""
        self._movements = tuple(movements)
        self._exact = exact
        self._approach: list[SignalChange] = []
        self._common: list[SignalChange] = []
        self._by_movement: dict[str, list[SignalChange]] = {name: [] for name in movements}

    def note(
        self,
        time_s: float,
        signal: SignalState | Mapping[str, SignalState],
        since_s: float | None = None,
    ) -> SignalState:
        """Take what is shown now, for all movements or for each.

        ``since_s`` is when it began, where that is known better than by this frame's time.

        Returns:
            The approach's aspect: green if any movement has green, then yellow, then red.

        Raises:
            KeyError: If a movement of the view is absent from the mapping.
        """
        if self._exact is not None:
            return self._exact.state_at(time_s)
        if isinstance(signal, SignalState):
            states = dict.fromkeys(self._movements, signal)
        else:
            states = {name: signal[name] for name in self._movements}
        shown = next((state for state in _RANK if state in states.values()), SignalState.UNKNOWN)
        if isinstance(signal, SignalState):
            shown = signal
        began_s = time_s if since_s is None else min(since_s, time_s)
        _append(self._approach, began_s, shown)
        alike = len(set(states.values())) == 1
        _append(self._common, began_s, shown if alike else SignalState.UNKNOWN)
        for name, state in states.items():
            _append(self._by_movement[name], began_s, state)
        return shown

    @property
    def approach(self) -> SignalTimeline:
        """Timeline of the approach's aspect."""
        return self._exact or SignalTimeline(tuple(self._approach))

    @property
    def common(self) -> SignalTimeline:
        """What all heads show alike; unknown while they differ."""
        return self._exact or SignalTimeline(tuple(self._common))

    def of(self, movement: str) -> SignalTimeline:
        """Timeline of one movement's head."""
        return self._exact or SignalTimeline(tuple(self._by_movement[movement]))

    @property
    def red_now(self) -> bool:
        """Whether any head shows red as far as was noted last, or may."""
        if self._exact is not None:
            return True
        lists = self._by_movement.values()
        return any(changes[-1].state is SignalState.RED for changes in lists if changes)

    def states_at(self, time_s: float) -> frozenset[SignalState]:
        """The states that the movements' heads showed at a time."""
        return frozenset(self.of(name).state_at(time_s) for name in self._movements)


def _append(changes: list[SignalChange], time_s: float, state: SignalState) -> None:
    if changes and changes[-1].state is state:
        return
    if changes:
        time_s = max(time_s, changes[-1].time_s)
    changes.append(SignalChange(time_s, state))
    # The change that holds at the start of the memory is kept.
    while len(changes) > 1 and changes[1].time_s < time_s - MEMORY_S:
        changes.pop(0)
