"""What a signal head shows, and its history."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class SignalState(StrEnum):
    """Aspect of one signal head."""

    RED = "red"
    YELLOW = "yellow"
    GREEN = "green"
    FLASHING_YELLOW = "flashing_yellow"
    DARK = "dark"
    UNKNOWN = "unknown"


# SUMO link states: G protected, g permissive, s stop-then-go, y/Y yellow, u red-yellow,
# o/O off (blinking / dark). https://sumo.dlr.de/docs/Simulation/Traffic_Lights.html
_SUMO = {
    "G": SignalState.GREEN,
    "g": SignalState.GREEN,
    "s": SignalState.RED,
    "r": SignalState.RED,
    "u": SignalState.RED,
    "y": SignalState.YELLOW,
    "Y": SignalState.YELLOW,
    "o": SignalState.FLASHING_YELLOW,
    "O": SignalState.DARK,
}


def from_sumo(letter: str) -> SignalState:
    """Aspect for one letter of a SUMO state string; ``unknown`` for any other."""
    return _SUMO.get(letter, SignalState.UNKNOWN)


@dataclass(frozen=True, slots=True)
class SignalChange:
    """The head shows ``state`` from ``time_s`` on."""

    time_s: float
    state: SignalState


@dataclass(frozen=True, slots=True)
class SignalTimeline:
    """Changes of one head in ascending time; before the first the state is unknown."""

    changes: tuple[SignalChange, ...] = ()

    def __post_init__(self) -> None:
        times = [change.time_s for change in self.changes]
        if times != sorted(times):
            raise ValueError("signal changes must be in ascending time")

    @classmethod
    def from_samples(cls, samples: Iterable[tuple[float, SignalState]]) -> SignalTimeline:
        """Keep only the samples where the state changes."""
        changes: list[SignalChange] = []
        for time_s, state in samples:
            if not changes or changes[-1].state is not state:
                changes.append(SignalChange(time_s, state))
        return cls(tuple(changes))

    def state_at(self, time_s: float) -> SignalState:
        """State shown at a time; the new state holds from its own instant on."""
        index = bisect_right([change.time_s for change in self.changes], time_s) - 1
        return self.changes[index].state if index >= 0 else SignalState.UNKNOWN

    def time_into_s(self, time_s: float) -> float | None:
        """Seconds since the state at ``time_s`` began; None when that is not known."""
        index = bisect_right([change.time_s for change in self.changes], time_s) - 1
        return time_s - self.changes[index].time_s if index >= 0 else None
