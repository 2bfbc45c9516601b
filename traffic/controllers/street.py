"""Controllers of the virtual street: the last gate before timing leaves for the field."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from models.control import Clock, ControllerStatus
from models.errors import XanhError
from models.junction import Junction
from models.lifecycle import ApprovedPlan, NotAllowed
from models.plan import JunctionPlan, Plan
from models.safety import check


class FieldLink(Protocol):
    """Connection to the field: where the street runs in another process, a pipe to it.

    Every method raises XanhError (or OSError, such as a broken pipe) when the field does not
    answer or refuses.
    """

    def apply(self, plan: JunctionPlan) -> None:
        """Make the junction's controller run this timing."""
        ...

    def read(self, junction: str) -> JunctionPlan:
        """The timing that the junction's controller runs."""
        ...

    def status(self, junction: str) -> ControllerStatus:
        """What the junction's signals show now."""
        ...


class TimingLog(Protocol):
    """Durable memory of what each controller was read to run (the store)."""

    def record_timing(self, site: str, junction: str, digest: str, *, at: datetime) -> None:
        """Note that a controller runs this timing."""
        ...

    def ran_timing(self, site: str, junction: str, digest: str) -> bool:
        """Whether a controller was ever read to run this timing."""
        ...


def timing_digest(plan: JunctionPlan) -> str:
    """Digest of one junction's timing alone, whoever made it and when."""
    return Plan(site="", junctions=(plan,), created=_ANY_TIME, by="").digest


_ANY_TIME = datetime.fromisoformat("2000-01-01T00:00:00+00:00")  # not part of the digest


class StreetController:
    """One junction of the virtual street as a ``models.control.Controller``."""

    def __init__(
        self, site: str, junction: Junction, link: FieldLink, log: TimingLog, clock: Clock
    ) -> None:
        self._site = site
        self._junction = junction
        self._link = link
        self._log = log
        self._clock = clock

    @property
    def junction(self) -> str:
        """Id of the junction it controls."""
        return self._junction.id

    def apply(self, approved: ApprovedPlan) -> None:
        """Send the junction's timing of an approved plan.

        Raises:
            NotAllowed: If this is not an approved plan, or breaks a safety rule.
            XanhError: If the controller cannot be reached or refuses.
        """
        if not isinstance(approved, ApprovedPlan):
            raise NotAllowed(f"controller {self.junction} takes an approved plan only")
        try:
            plan = approved.plan.junction(self.junction)
        except KeyError:
            raise NotAllowed(f"the plan has no timing for controller {self.junction}") from None
        # Whoever approved it: nothing unsafe leaves here.
        breaches = check(plan, self._junction)
        if breaches:
            raise NotAllowed(f"not sent: {breaches[0].message}")
        self._send(plan)

    def restore(self, previous: JunctionPlan) -> None:
        """Go back to timing that this controller was read to run before.

        Raises:
            NotAllowed: If it never ran this timing.
            XanhError: If the controller cannot be reached or refuses.
        """
        if previous.junction != self.junction:
            raise NotAllowed(f"controller {self.junction} does not run {previous.junction}")
        if not self._log.ran_timing(self._site, self.junction, timing_digest(previous)):
            raise NotAllowed(f"controller {self.junction} never ran this timing; validate it")
        self._send(previous)

    def read_back(self) -> JunctionPlan:
        """The timing that the controller runs, read from the controller itself.

        Raises:
            XanhError: If the controller cannot be reached.
        """
        try:
            plan = self._link.read(self.junction)
        except OSError as error:
            raise self._lost(error) from error
        if plan.junction != self.junction:
            raise XanhError(f"controller {self.junction} answered with timing for {plan.junction}")
        digest = timing_digest(plan)
        self._log.record_timing(self._site, self.junction, digest, at=self._clock.now())
        return plan

    def status(self) -> ControllerStatus:
        """What it shows now.

        Raises:
            XanhError: If the controller cannot be reached.
        """
        try:
            return self._link.status(self.junction)
        except OSError as error:
            raise self._lost(error) from error

    def _send(self, plan: JunctionPlan) -> None:
        try:
            self._link.apply(plan)
        except OSError as error:
            raise self._lost(error) from error

    def _lost(self, error: OSError) -> XanhError:
        return XanhError(f"controller {self.junction} cannot be reached: {error}")
