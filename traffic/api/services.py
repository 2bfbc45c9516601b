"""What the HTTP side is given: the rooms of the service that a request may reach."""

from __future__ import annotations

from dataclasses import dataclass

from models.control import Clock
from models.plan import Plan
from models.site import Site
from models.validation import ValidationReport
from traffic.auth import Accounts
from traffic.cases import CaseService
from traffic.lifecycle import PlanService
from traffic.live import LiveState
from traffic.planfiles import read_plan
from traffic.settings import Settings
from traffic.signing import SigningKey
from traffic.store import Store


@dataclass(frozen=True, slots=True)
class Services:
    """One site's service. ``settings`` gives language and cookies, ``clock`` the present,
    ``signing`` signs what leaves the house.
    """

    site: Site
    store: Store
    plans: PlanService
    cases: CaseService
    auth: Accounts
    live: LiveState
    settings: Settings
    clock: Clock
    signing: SigningKey

    def plan_in_force(self) -> Plan | None:
        """The plan that stands as applied; else the site's ``plans/current.yaml``."""
        applied = self.plans.applied()
        if applied is not None:
            return applied.plan
        path = self.site.current_plan_path
        return read_plan(path) if path.is_file() else None

    def plan_compared(self, digest: str, report: ValidationReport | None) -> Plan | None:
        """The plan that ``digest`` is to be read against: its report's, else the one in force."""
        wanted = report.baseline_digest if report is not None else ""
        path = self.site.current_plan_path
        candidates = [record.plan for record in self.plans.plans() if record.digest == wanted]
        if path.is_file():
            candidates.append(read_plan(path))
        for plan in candidates:
            if plan.digest == wanted:
                return plan
        in_force = self.plan_in_force()
        return None if in_force is None or in_force.digest == digest else in_force
