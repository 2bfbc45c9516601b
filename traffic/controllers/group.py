"""The controllers of a site taken together: read all, send to all, put all back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum

from models.control import Controller
from models.errors import XanhError
from models.lifecycle import ApprovedPlan
from models.plan import JunctionPlan
from traffic.controllers.street import timing_digest


class Trouble(StrEnum):
    """What can be wrong with a controller that should run some timing."""

    LOST = "controller_lost"
    OTHER_TIMING = "controller_timing"


class ControllerUnread(XanhError):
    """A controller could not be read; ``junction`` is whose."""

    def __init__(self, junction: str, message: str) -> None:
        """Build the error for one junction's controller."""
        self.junction = junction
        super().__init__(message)


class ControllerGroup:
    """Every controller of a site, by junction. Any exception of a controller is a failure."""

    def __init__(self, controllers: Iterable[Controller]) -> None:
        self._controllers = {controller.junction: controller for controller in controllers}

    @property
    def junctions(self) -> frozenset[str]:
        """Junctions that have a controller."""
        return frozenset(self._controllers)

    def read(self) -> dict[str, JunctionPlan]:
        """What every controller runs.

        Raises:
            ControllerUnread: At the first that does not answer, or gives two answers.
        """
        running: dict[str, JunctionPlan] = {}
        for junction, controller in self._controllers.items():
            try:
                running[junction] = controller.read_back()
                # What is read here is what a roll-back sends: one garbled answer must not do.
                _require_same(controller.read_back(), running[junction], "gives two answers")
            except Exception as error:
                raise ControllerUnread(junction, one_line(error)) from error
        return running

    def send(self, approved: ApprovedPlan, matches: dict[str, bool]) -> None:
        """Send a plan to one controller after another, reading each one back.

        Args:
            approved: The plan.
            matches: Filled in as it goes: a junction is in it, False, from before its
                controller is touched, and True once it was read to run the plan.

        Raises:
            Exception: Whatever a controller raises; XanhError where it runs something else.
        """
        for junction, controller in self._controllers.items():
            matches[junction] = False
            controller.apply(approved)
            wanted = approved.plan.junction(junction)
            _require_same(controller.read_back(), wanted, "runs other timing than was sent")
            matches[junction] = True

    def restore(
        self, previous: Mapping[str, JunctionPlan], junctions: Iterable[str]
    ) -> dict[str, str]:
        """Restore some controllers and read each one back; a failure stops none of the others.

        Returns:
            The message for each junction that is not confirmed to run what it ran before.
        """
        failures: dict[str, str] = {}
        for junction in junctions:
            try:
                controller = self._controllers[junction]
                controller.restore(previous[junction])
                found = controller.read_back()
                _require_same(found, previous[junction], "does not run what was restored")
            except Exception as error:
                failures[junction] = (
                    f"controller {junction} could not be restored: {one_line(error)}"
                )
        return failures

    def compare(
        self, expected: Mapping[str, JunctionPlan]
    ) -> dict[str, tuple[Trouble, str] | None]:
        """Read controllers and compare: None per junction that runs what it should."""
        found: dict[str, tuple[Trouble, str] | None] = {}
        for junction, timing in expected.items():
            try:
                running = self._controllers[junction].read_back()
            except Exception as error:
                found[junction] = (Trouble.LOST, one_line(error))
                continue
            same = timing_digest(running) == timing_digest(timing)
            message = f"controller {junction} runs other timing than the plan in force"
            found[junction] = None if same else (Trouble.OTHER_TIMING, message)
        return found


def one_line(error: BaseException) -> str:
    """An exception's message, or its kind when it has none, on one line."""
    return " ".join(str(error).split()) or type(error).__name__


def _require_same(found: JunctionPlan, wanted: JunctionPlan, problem: str) -> None:
    if timing_digest(found) != timing_digest(wanted):
        raise XanhError(f"controller {wanted.junction} {problem}")
