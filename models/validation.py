"""What SUMO measured of a plan, and the verdict on a candidate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import Any

from models.units import parse_utc, utc_text


@dataclass(frozen=True, slots=True)
class Kpi:
    """Measures of one run (contracts.md). Delays and times are per vehicle, in seconds.

    ``delay_s`` = [sum of (timeLoss + departDelay) over all vehicles, running ones included, +
    sum of (end - planned departure) of those never inserted] / all vehicles. ``trip_time_s``
    and ``waiting_time_s`` are means over inserted vehicles, without departDelay.
    """

    trips: int
    finished: int
    running: int
    undeparted: int
    delay_s: float
    trip_time_s: float
    time_loss_s: float
    waiting_time_s: float
    stops: float

    def to_dict(self) -> dict[str, float]:
        """Plain values by name."""
        return asdict(self)


KPI_NAMES: tuple[str, ...] = tuple(f.name for f in fields(Kpi))


@dataclass(frozen=True, slots=True)
class Measures:
    """Further measures of one run; None where there was nothing to measure.

    Attributes:
        control_delay_s: Mean delay per vehicle and signal passed: what is lost between one
            signal and the next, waiting to enter included (HCM's control delay, measured).
        throughput_vph: Vehicles that reached their end in the time measured, per hour.
        spillback_pct: Share of the time in which the queue of at least one approach stood back
            to the junction before it.
        pedestrian_delay_s: Mean time that a pedestrian lost against walking on.
        bus_delay_s: ``delay_s`` over buses alone.
        fuel_g: Fuel per vehicle (SUMO's emission model), up to where it is at the end.
        co2_g: Carbon dioxide per vehicle, likewise.
        ttc_conflicts: Encounters with a time to collision of 1.5 s or less, per 1,000 vehicles.
        pet_conflicts: Crossings with a post-encroachment time of 2 s or less, per 1,000 vehicles.
        red_light_conflicts: Those of either kind with somebody who entered on red, likewise.
    """

    control_delay_s: float | None = None
    throughput_vph: float | None = None
    spillback_pct: float | None = None
    pedestrian_delay_s: float | None = None
    bus_delay_s: float | None = None
    fuel_g: float | None = None
    co2_g: float | None = None
    ttc_conflicts: float | None = None
    pet_conflicts: float | None = None
    red_light_conflicts: float | None = None

    def to_dict(self) -> dict[str, float | None]:
        """Plain values by name."""
        return asdict(self)


MEASURE_NAMES: tuple[str, ...] = tuple(f.name for f in fields(Measures))
SAFETY_NAMES = ("ttc_conflicts", "pet_conflicts", "red_light_conflicts")


class Verdict(StrEnum):
    """Outcome of a validation."""

    PASS = "pass"
    FAIL = "fail"
    UNDECIDED = "undecided"


class Cause(StrEnum):
    """What decided a verdict; the sentence in a person's language is made from it."""

    IMPROVED = "improved"
    SAME_PLAN = "same_plan"
    DELAY_NOT_LOWER = "delay_not_lower"
    DELAY_UNCLEAR = "delay_unclear"
    MOVEMENT_WORSE = "movement_worse"
    MOVEMENT_UNCLEAR = "movement_unclear"
    FEW_PAIRS = "few_pairs"
    SPILLBACK = "spillback"
    SPILLBACK_UNCLEAR = "spillback_unclear"
    LESS_SAFE = "less_safe"
    GRIDLOCK = "gridlock"
    GRIDLOCK_BOTH = "gridlock_both"
    NO_NUMBER = "no_number"


@dataclass(frozen=True, slots=True)
class Change:
    """Relative change of one measure over pairs, percent; negative means less."""

    mean_pct: float
    ci95_pct: tuple[float, float]


@dataclass(frozen=True, slots=True)
class MovementChange:
    """Delay of one movement before and after, mean over pairs, seconds per vehicle."""

    movement: str
    vehicles: float
    baseline_delay_s: float
    candidate_delay_s: float

    @property
    def change_s(self) -> float:
        """Candidate less baseline; positive is worse."""
        return self.candidate_delay_s - self.baseline_delay_s


@dataclass(frozen=True, slots=True)
class SpillbackChange:
    """How long an approach's queue stood back to the junction before it, percent of the time."""

    approach: str
    baseline_pct: float
    candidate_pct: float

    @property
    def change_pct(self) -> float:
        """Candidate less baseline, percentage points; positive is worse."""
        return self.candidate_pct - self.baseline_pct


@dataclass(frozen=True, slots=True)
class AcceptancePolicy:
    """What a candidate must reach. Site data.

    The confidence interval of ``delay_s`` must lie below ``max_delay_change_pct``; no movement
    with at least ``min_movement_vehicles`` may get worse by more than both
    ``max_movement_worse_pct`` and ``max_movement_worse_s``; no approach may queue back to the
    junction before it for more than ``max_spillback_pct`` of the time, unless it does so no less
    under the plan in force; a report expires after ``valid_hours``. Pairs of runs differ in
    demand by up to ``growth_pct``; None is 10 where demand comes from counts, and 0 where a site
    runs its own trips.
    """

    max_delay_change_pct: float = 0.0
    max_movement_worse_pct: float = 30.0
    max_movement_worse_s: float = 20.0
    min_movement_vehicles: float = 20.0
    valid_hours: float = 24.0
    max_spillback_pct: float = 2.0
    growth_pct: float | None = None


@dataclass(frozen=True, slots=True)
class ValidationReport:
    """Result of paired runs of a candidate and a plan on the same demand and seeds.

    Attributes:
        pairs: Pairs that count; at most ``limit`` were run.
        baseline: Means of the plan in force; None where no pair gave a number.
        candidate: Means of the candidate, likewise.
        plan_digest: Digest of the candidate, of a plan or of a policy with its settings.
        pair_delay_s: ``(baseline, candidate)`` of ``delay_s`` for each pair, as ``seeds``.
        cause: What decided.
        subject: What it is about: a movement, an approach, a measure, or how a run broke off.
        policy: Name of the policy; empty where the candidate is a plan.
        growth_pct: How far each pair's demand differs from what was counted, as ``seeds``.
        measures: Further means of both, (baseline, candidate).
        spillback: Approaches that have a junction before them.
        problems: Runs that gave no number, and why.
    """

    site: str
    verdict: Verdict
    reason: str
    pairs: int
    baseline: Kpi | None
    candidate: Kpi | None
    change: Mapping[str, Change]
    movements: tuple[MovementChange, ...]
    worst_movement: MovementChange | None
    plan_digest: str
    baseline_digest: str
    scenario_digest: str
    seeds: tuple[int, ...]
    sumo_version: str
    created: datetime
    expires: datetime
    cause: Cause | None = None
    subject: str = ""
    pair_delay_s: tuple[tuple[float, float], ...] = ()
    limit: int = 0
    policy: str = ""
    growth_pct: tuple[float, ...] = ()
    measures: tuple[Measures, Measures] | None = None
    spillback: tuple[SpillbackChange, ...] = ()
    problems: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain values as in ``report.json``."""
        body: dict[str, Any] = {
            "site": self.site,
            "verdict": self.verdict.value,
            "reason": self.reason,
            "pairs": self.pairs,
            "baseline": None if self.baseline is None else self.baseline.to_dict(),
            "candidate": None if self.candidate is None else self.candidate.to_dict(),
            "change": {
                name: {"mean_pct": change.mean_pct, "ci95_pct": list(change.ci95_pct)}
                for name, change in self.change.items()
            },
            "worst_movement": _movement_dict(self.worst_movement),
            "movements": [_movement_dict(movement) for movement in self.movements],
            "plan_digest": self.plan_digest,
            "baseline_digest": self.baseline_digest,
            "scenario_digest": self.scenario_digest,
            "seeds": list(self.seeds),
            "sumo_version": self.sumo_version,
            "created": utc_text(self.created),
            "expires": utc_text(self.expires),
            "cause": None if self.cause is None else self.cause.value,
            "subject": self.subject,
            "pair_delay_s": [list(pair) for pair in self.pair_delay_s],
            "limit": self.limit,
            "growth_pct": list(self.growth_pct),
            "spillback": [{**asdict(s), "change_pct": s.change_pct} for s in self.spillback],
            "problems": list(self.problems),
        }
        if self.policy:
            body["policy"] = self.policy
        if self.measures is not None:
            before, after = self.measures
            body["measures"] = {"baseline": before.to_dict(), "candidate": after.to_dict()}
        return body

    @classmethod
    def from_dict(cls, body: Mapping[str, Any]) -> ValidationReport:
        """Read what ``to_dict`` wrote.

        Raises:
            KeyError, ValueError, TypeError: If a key is absent or of the wrong form.
        """
        worst, measures = body["worst_movement"], body.get("measures")
        return cls(
            site=body["site"],
            verdict=Verdict(body["verdict"]),
            reason=body["reason"],
            pairs=int(body["pairs"]),
            baseline=None if body["baseline"] is None else Kpi(**body["baseline"]),
            candidate=None if body["candidate"] is None else Kpi(**body["candidate"]),
            change={
                name: Change(change["mean_pct"], (change["ci95_pct"][0], change["ci95_pct"][1]))
                for name, change in body["change"].items()
            },
            movements=tuple(_movement_from(item) for item in body["movements"]),
            worst_movement=None if worst is None else _movement_from(worst),
            plan_digest=body["plan_digest"],
            baseline_digest=body["baseline_digest"],
            scenario_digest=body["scenario_digest"],
            seeds=tuple(body["seeds"]),
            sumo_version=body["sumo_version"],
            created=parse_utc(body["created"]),
            expires=parse_utc(body["expires"]),
            cause=Cause(body["cause"]) if body.get("cause") else None,
            subject=body.get("subject", ""),
            pair_delay_s=tuple((pair[0], pair[1]) for pair in body.get("pair_delay_s", ())),
            limit=int(body.get("limit", 0)),
            policy=body.get("policy", ""),
            growth_pct=tuple(body.get("growth_pct", ())),
            measures=None
            if measures is None
            else (Measures(**measures["baseline"]), Measures(**measures["candidate"])),
            spillback=tuple(
                SpillbackChange(item["approach"], item["baseline_pct"], item["candidate_pct"])
                for item in body.get("spillback", ())
            ),
            problems=tuple(body.get("problems", ())),
        )


def _movement_dict(movement: MovementChange | None) -> dict[str, Any] | None:
    return None if movement is None else {**asdict(movement), "change_s": movement.change_s}


def _movement_from(body: Mapping[str, Any]) -> MovementChange:
    return MovementChange(
        movement=body["movement"],
        vehicles=body["vehicles"],
        baseline_delay_s=body["baseline_delay_s"],
        candidate_delay_s=body["candidate_delay_s"],
    )
