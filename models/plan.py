"""Signal plans: stages with exact durations, a canonical form and its digest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from models.units import ds_to_seconds, parse_utc, seconds_to_ds, utc_text

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Stage:
    """Movements and crossings shown green together, then the interstage that ends them.

    ``green`` lists every id with right of way; ``permissive`` the subset that gives way (SUMO
    ``g``). ``yellow_ds`` and ``red_ds`` are the interstage to the next stage: whatever loses
    its green shows yellow, then red, before anything new turns green; what is green in both
    stages stays green. A crossing's green counts walk and clearance; the controller shows walk
    until its clearance must begin.
    """

    id: str
    green: tuple[str, ...]
    green_ds: int
    yellow_ds: int
    red_ds: int
    permissive: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.green_ds <= 0:
            raise ValueError(f"stage {self.id}: green_s must be above 0")
        if self.yellow_ds < 0 or self.red_ds < 0:
            raise ValueError(f"stage {self.id}: yellow_s and red_s must be 0 or more")
        if not set(self.permissive) <= set(self.green):
            raise ValueError(f"stage {self.id}: permissive must be among green")
        if len(set(self.green)) != len(self.green):
            raise ValueError(f"stage {self.id}: green names an id twice")

    @property
    def split_ds(self) -> int:
        """Green, yellow change and red clearance together."""
        return self.green_ds + self.yellow_ds + self.red_ds


@dataclass(frozen=True, slots=True)
class SignalRow:
    """One row of a program as found in a network: a SUMO state string held for a time."""

    duration_ds: int
    state: str


@dataclass(frozen=True, slots=True)
class JunctionPlan:
    """Fixed-time plan of one junction.

    The offset is the start of the first stage's green against midnight UTC, modulo the cycle
    (in a simulation: against its time 0). ``as_found`` keeps, verbatim, the rows of a program
    that came with a network; such a plan is simulated and compared against, never deployed.
    """

    junction: str
    cycle_ds: int
    offset_ds: int
    stages: tuple[Stage, ...]
    as_found: tuple[SignalRow, ...] = ()

    def __post_init__(self) -> None:
        if not self.stages and not self.as_found:
            raise ValueError(f"junction {self.junction}: a plan needs at least one stage")
        if self.cycle_ds <= 0:
            raise ValueError(f"junction {self.junction}: cycle_s must be above 0")
        total = (
            sum(row.duration_ds for row in self.as_found)
            if self.as_found
            else sum(stage.split_ds for stage in self.stages)
        )
        if total != self.cycle_ds:
            raise ValueError(
                f"junction {self.junction}: cycle_s is {ds_to_seconds(self.cycle_ds)} but the "
                f"stages add up to {ds_to_seconds(total)}"
            )
        if not 0 <= self.offset_ds < self.cycle_ds:
            raise ValueError(
                f"junction {self.junction}: offset_s must be from 0 to below the cycle of "
                f"{ds_to_seconds(self.cycle_ds)} s"
            )


@dataclass(frozen=True, slots=True)
class Plan:
    """Plans of a site's junctions that belong together.

    Two plans with the same timing have the same digest, whoever made them and when.
    """

    site: str
    junctions: tuple[JunctionPlan, ...]
    created: datetime
    by: str
    schema: int = SCHEMA
    digest: str = field(init=False, default="")

    def __post_init__(self) -> None:
        names = [plan.junction for plan in self.junctions]
        if len(set(names)) != len(names):
            raise ValueError("a junction appears twice in the plan")
        if self.created.tzinfo is None:
            raise ValueError("created must carry a time zone")
        object.__setattr__(self, "digest", hashlib.sha256(self.canonical()).hexdigest())

    def canonical(self) -> bytes:
        """Canonical form: JSON of the timing, keys sorted, junctions by id, ids sorted."""
        body = {
            "schema": self.schema,
            "site": self.site,
            "junctions": [
                _junction_canonical(plan)
                for plan in sorted(self.junctions, key=lambda plan: plan.junction)
            ],
        }
        return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()

    def junction(self, junction: str) -> JunctionPlan:
        """The plan of one junction.

        Raises:
            KeyError: If the plan has none for it.
        """
        for plan in self.junctions:
            if plan.junction == junction:
                return plan
        raise KeyError(junction)


def _junction_canonical(plan: JunctionPlan) -> dict[str, Any]:
    return {
        "junction": plan.junction,
        "cycle_ds": plan.cycle_ds,
        "offset_ds": plan.offset_ds,
        "stages": [
            {
                "id": stage.id,
                "green": sorted(stage.green),
                "green_ds": stage.green_ds,
                "yellow_ds": stage.yellow_ds,
                "red_ds": stage.red_ds,
                "permissive": sorted(stage.permissive),
            }
            for stage in plan.stages
        ],
        "as_found": [[row.duration_ds, row.state] for row in plan.as_found],
    }


def junction_plan_to_dict(plan: JunctionPlan) -> dict[str, Any]:
    """The plan as its YAML document holds it: seconds, not deciseconds."""
    document: dict[str, Any] = {
        "junction": plan.junction,
        "cycle_s": ds_to_seconds(plan.cycle_ds),
        "offset_s": ds_to_seconds(plan.offset_ds),
        "stages": [
            {
                "id": stage.id,
                "green": list(stage.green),
                "green_s": ds_to_seconds(stage.green_ds),
                "yellow_s": ds_to_seconds(stage.yellow_ds),
                "red_s": ds_to_seconds(stage.red_ds),
                "permissive": list(stage.permissive),
            }
            for stage in plan.stages
        ],
    }
    if plan.as_found:
        document["as_found"] = [
            {"duration_s": ds_to_seconds(row.duration_ds), "state": row.state}
            for row in plan.as_found
        ]
    return document


def junction_plan_from_dict(document: Mapping[str, Any]) -> JunctionPlan:
    """Read one junction's document.

    Raises:
        ValueError: Naming the field that is absent or wrong and what would be valid.
    """
    junction = str(_need(document, "junction", "the id of the signal"))
    where = f"junction {junction}"
    stages = document.get("stages") or []
    if not isinstance(stages, Sequence) or isinstance(stages, str):
        raise ValueError(f"{where}: stages must be a list")
    return JunctionPlan(
        junction=junction,
        cycle_ds=_duration(document, "cycle_s", where),
        offset_ds=_duration(document, "offset_s", where),
        stages=tuple(_stage_from_dict(stage, where) for stage in stages),
        as_found=tuple(
            SignalRow(_duration(row, "duration_s", where), str(_need(row, "state", "a SUMO state")))
            for row in document.get("as_found") or ()
        ),
    )


def _stage_from_dict(document: Any, where: str) -> Stage:
    if not isinstance(document, Mapping):
        raise ValueError(f"{where}: each stage must be a mapping with id, green, green_s")
    stage = str(_need(document, "id", "a name for the stage"))
    inside = f"{where}, stage {stage}"
    return Stage(
        id=stage,
        green=_ids(document, "green", inside),
        green_ds=_duration(document, "green_s", inside),
        yellow_ds=_duration(document, "yellow_s", inside),
        red_ds=_duration(document, "red_s", inside),
        permissive=_ids(document, "permissive", inside),
    )


def _ids(document: Mapping[str, Any], field_name: str, where: str) -> tuple[str, ...]:
    values = document.get(field_name) or []
    if isinstance(values, str) or not isinstance(values, Sequence):
        raise ValueError(f"{where}: {field_name} must be a list of ids")
    return tuple(str(value) for value in values)


def _need(document: Any, field_name: str, valid: str) -> Any:
    if not isinstance(document, Mapping) or document.get(field_name) is None:
        raise ValueError(f"{field_name} is missing; valid is {valid}")
    return document[field_name]


def _duration(document: Mapping[str, Any], field_name: str, where: str) -> int:
    value = document.get(field_name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{where}: {field_name} must be a number of seconds, not {value!r}")
    if not 0 <= value <= 86_400:
        raise ValueError(f"{where}: {field_name} must be from 0 to 86400, not {value!r}")
    try:
        return seconds_to_ds(value)
    except ValueError as error:
        raise ValueError(f"{where}: {field_name}: {error}") from None


def plan_header(plan: Plan) -> dict[str, Any]:
    """What stands in a plan file beside the junctions' documents."""
    return {
        "schema": plan.schema,
        "site": plan.site,
        "created": utc_text(plan.created),
        "by": plan.by,
    }


def plan_from_dicts(header: Mapping[str, Any], documents: Sequence[Mapping[str, Any]]) -> Plan:
    """Assemble a plan from its header and the junctions' documents.

    Raises:
        ValueError: Naming the field that is absent or wrong and what would be valid.
    """
    schema = _need(header, "schema", str(SCHEMA))
    if schema != SCHEMA:
        raise ValueError(f"schema {schema!r} is not known; valid is {SCHEMA}")
    created = _need(header, "created", "an ISO time with a zone")
    return Plan(
        site=str(_need(header, "site", "the site's id")),
        junctions=tuple(junction_plan_from_dict(document) for document in documents),
        created=created if isinstance(created, datetime) else parse_utc(str(created)),
        by=str(_need(header, "by", "who made the plan")),
    )
