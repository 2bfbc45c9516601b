"""What really happened on the virtual street: who crossed which stop line when, at what signal.

A crossing's instant is the one at which the front of the vehicle, on the straight line between
its places before and after the step, reaches the end of its lane. That is what a camera sees
that interpolates poses. A signal state holds over the whole step, ``[t, t + 1)``.
"""

from __future__ import annotations

from dataclasses import dataclass

from models.junction import Junction
from models.signals import SignalState, from_sumo
from simulation.field_controller import FixedTimeController

_LAST = 1.0 - 1e-6
"""A front that reaches the line at the very end of a step is still of that step."""


@dataclass(frozen=True, slots=True)
class StopLineCrossing:
    """A vehicle's front crossed a stop line into its junction.

    ``movement`` is the movement's id, or ``JUNCTION:FROM>TO`` of a turn that has no signal of
    its own (onto the kerb, against the one-way); such a vehicle stands under the approach's
    heads like every other. ``letter`` is SUMO's state of the link; ``time_into_red_s`` is None
    unless ``state`` is red. ``wrong_way`` marks who goes on against the one-way.
    """

    time_s: float
    vehicle: int
    vehicle_class: str
    junction: str
    approach: str
    movement: str
    letter: str
    state: SignalState
    time_into_red_s: float | None
    red_light: bool
    wrong_way: bool


@dataclass(frozen=True, slots=True)
class WrongWayEntry:
    """A rider's front entered a carriageway against its direction.

    ``junction`` and ``approach`` name the approach whose camera has it in view first: the rider
    comes out of that junction and rides up the approach.
    """

    time_s: float
    vehicle: int
    vehicle_class: str
    junction: str
    approach: str


@dataclass(frozen=True, slots=True)
class StopLine:
    """End of one approach lane: a point, and the unit vector along which it is crossed."""

    junction: str
    approach: str
    x_m: float
    y_m: float
    inward_x: float
    inward_y: float

    def ahead_m(self, x_m: float, y_m: float) -> float:
        """Distance of a point before the line; negative beyond it."""
        return (self.x_m - x_m) * self.inward_x + (self.y_m - y_m) * self.inward_y


def crossing_fraction(
    line: StopLine, before: tuple[float, float], after: tuple[float, float]
) -> float:
    """Part of the step after which a front that moves straight reaches the line, in [0, 1)."""
    ahead, beyond = line.ahead_m(*before), -line.ahead_m(*after)
    if ahead <= 0.0:
        return 0.0
    return min(ahead / (ahead + beyond), _LAST) if beyond > 0.0 else _LAST


def signal_of(
    junction: Junction, controller: FixedTimeController, from_edge: str, to_edge: str
) -> tuple[str, str, SignalState, int]:
    """What a vehicle was shown: movement id, SUMO letter, aspect, second the aspect began.

    A turn without a signal of its own is shown what the approach is shown: green if any of its
    movements has green, else yellow if any has, else red.
    """
    of_approach = [m for m in junction.movements if m.from_edge == from_edge and m.links]
    exact = [m for m in of_approach if m.to_edge == to_edge]
    links = [link for movement in exact or of_approach for link in movement.links]
    shown = {link: from_sumo(controller.letters[link]) for link in links}
    state = next(
        (state for state in (SignalState.GREEN, SignalState.YELLOW) if state in shown.values()),
        shown[links[0]],
    )
    alike = [link for link in links if shown[link] is state]
    # An approach is green since its first head turned green, red since its last one turned red.
    first = min if state is SignalState.GREEN else max
    link = first(alike, key=controller.since_s)
    movement_id = exact[0].id if exact else f"{junction.id}:{from_edge}>{to_edge}"
    return movement_id, controller.letters[link], state, controller.since_s(link)
