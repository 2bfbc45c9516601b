"""Ports of the field: a signal controller and a clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from models.lifecycle import ApprovedPlan
from models.plan import JunctionPlan
from models.signals import SignalState


class Clock(Protocol):
    """Source of the present."""

    def now(self) -> datetime:
        """The present, timezone-aware UTC."""
        ...


@dataclass(frozen=True, slots=True)
class ControllerStatus:
    """What a controller reports: the aspect of each movement and crossing, and its stage."""

    junction: str
    at: datetime
    stage: str
    second_in_cycle: float
    states: Mapping[str, SignalState]


class Controller(Protocol):
    """One junction's signal controller."""

    @property
    def junction(self) -> str:
        """Id of the junction it controls."""
        ...

    def apply(self, approved: ApprovedPlan) -> None:
        """Send the junction's timing of an approved plan.

        Raises:
            XanhError: If the controller cannot be reached or refuses.
        """
        ...

    def read_back(self) -> JunctionPlan:
        """The timing that the controller runs, read from the controller itself.

        Raises:
            XanhError: If the controller cannot be reached.
        """
        ...

    def restore(self, previous: JunctionPlan) -> None:
        """Go back to timing that this controller ran before; only for a roll-back.

        Raises:
            XanhError: If the controller cannot be reached, or never ran this timing.
        """
        ...

    def status(self) -> ControllerStatus:
        """What it shows now.

        Raises:
            XanhError: If the controller cannot be reached.
        """
        ...
