"""What the pages of plans show: timing side by side, the measured change, who may do what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from markupsafe import Markup

from models.junction import Junction
from models.lifecycle import PlanStatus
from models.plan import JunctionPlan, Plan
from models.site import Site
from models.units import ds_to_seconds
from models.validation import ValidationReport, Verdict
from simulation.figures import figure_json, movement_delay_figure
from simulation.report_rows import measure_rows
from simulation.wording import Language, headline, report_reason, signed
from traffic.auth import Permission, User
from traffic.planrecords import PlanEvent, PlanRecord
from traffic.web.geometry import DrawnNetwork
from traffic.web.i18n import Words
from traffic.web.names import Names
from traffic.web.street_pages import MAX_SPEED_MPS, signal_order
from traffic.web.strip import (
    StripRow,
    TimeSpaceRow,
    cycle_changes,
    plan_changes,
    signal_strip_svg,
    time_space_svg,
)
from traffic.web.text import local_time

_ACTIONS: Mapping[PlanStatus, tuple[str, ...]] = {
    PlanStatus.PROPOSED: ("refuse",),
    PlanStatus.FAILED: ("refuse",),
    PlanStatus.VALIDATED: ("approve", "refuse"),
    PlanStatus.APPROVED: ("apply", "refuse"),
    PlanStatus.APPLIED: ("rollback",),
}
_NEEDS = {
    "approve": Permission.APPROVE,
    "refuse": Permission.APPROVE,
    "apply": Permission.OPERATE,
    "rollback": Permission.OPERATE,
}


def language(t: Words) -> Language:
    """The page's language as figures name it."""
    return "vi" if t.language == "vi" else "en"


def plan_row(record: PlanRecord, report: ValidationReport | None, t: Words) -> dict[str, Any]:
    """A plan in the list."""
    cycles = [timing.cycle_ds for timing in record.plan.junctions]
    least, most = ds_to_seconds(min(cycles)), ds_to_seconds(max(cycles))
    return {
        "digest": record.digest,
        "status": record.status.value,
        "change": headline(report, language(t)) if report else "",
        "cycles": f"{least}" if least == most else f"{least}–{most}",
        "proposer": record.proposer,
        "proposed_at": local_time(record.proposed_at),
        "approver": record.approver or "",
    }


def report_view(report: ValidationReport, site: Site, names: Names, t: Words) -> dict[str, Any]:
    """The verdict, the measures of both plans, and the worst movement."""
    tongue = language(t)
    worst = report.worst_movement
    return {
        "change": headline(report, tongue),
        "verdict": report.verdict.value,
        "reason": report_reason(report, site.acceptance, tongue),
        "pairs": report.pairs,
        "measures": measure_rows(report, tongue),
        "worst": "–"
        if worst is None
        else t(
            "plan.worst_line",
            movement=names.place(worst.movement.split(":", 1)[0], worst.movement),
            change=signed(worst.change_s),
            before=f"{worst.baseline_delay_s:.1f}",
            after=f"{worst.candidate_delay_s:.1f}",
        ),
    }


def delay_figure(report: ValidationReport, names: Names, t: Words) -> Markup:
    """Delay by movement, before and after, as a figure's JSON for the page."""

    def label(movement: str) -> str:
        return f"{movement.split(':', 1)[0]} {names.movement(movement)}"

    figure = movement_delay_figure(report.movements, label, language=language(t))
    return Markup(figure_json(figure))  # safe inside a script element by its own escaping


def timing_rows(
    current: Plan | None, candidate: Plan, site: Site, names: Names, t: Words
) -> list[dict[str, Any]]:
    """Each junction's timing now and proposed, over the longer cycle, with what differs."""
    rows = []
    for timing in candidate.junctions:
        junction = site.junctions.get(timing.junction)
        if junction is None:
            continue
        before = _timing(current, timing.junction)
        longest = max(timing.cycle_ds, before.cycle_ds if before else 0) / 10
        keys = signal_order(junction)
        changed = {
            key
            for key in keys
            if current is not None
            and before is not None
            and cycle_changes(current, junction, key) != cycle_changes(candidate, junction, key)
        }
        rows.append(
            {
                "id": junction.id,
                "name": junction.name,
                "deltas": _deltas(before, timing, t),
                "current": Markup("–")
                if current is None or before is None
                else _cycle_strip(current, junction, keys, frozenset(), longest, names, t),
                "candidate": _cycle_strip(
                    candidate, junction, keys, frozenset(changed), longest, names, t
                ),
            }
        )
    return rows


def _timing(plan: Plan | None, junction: str) -> JunctionPlan | None:
    if plan is None:
        return None
    return next((item for item in plan.junctions if item.junction == junction), None)


def _cycle_strip(
    plan: Plan,
    junction: Junction,
    keys: Sequence[str],
    changed: frozenset[str],
    window_s: float,
    names: Names,
    t: Words,
) -> Markup:
    """One cycle; a shorter cycle ends where it ends, so that both sides share one scale."""
    cycle_s = plan.junction(junction.id).cycle_ds / 10
    grouped: dict[tuple[Any, ...], list[str]] = {}
    for key in keys:
        grouped.setdefault(cycle_changes(plan, junction, key), []).append(key)
    rows = [
        StripRow(
            names.signal(members[0]) + (f" +{len(members) - 1}" if len(members) > 1 else ""),
            changes,
            changed=bool(changed & set(members)),
        )
        for changes, members in grouped.items()
    ]
    return signal_strip_svg(
        rows,
        0.0,
        window_s,
        t=t,
        until_s=cycle_s,
        height_px=12,
        tick_label=lambda at: f"{at:.0f}",
        title=f"{junction.id} {t('plan.timing')}",
    )


def _deltas(before: JunctionPlan | None, after: JunctionPlan, t: Words) -> list[dict[str, Any]]:
    items = [("plan.cycle", "cycle_ds"), ("plan.offset", "offset_ds")]
    out = [
        {
            "name": t(key),
            "before": "–" if before is None else ds_to_seconds(getattr(before, name)),
            "after": ds_to_seconds(getattr(after, name)),
            "changed": before is None or getattr(before, name) != getattr(after, name),
        }
        for key, name in items
    ]
    greens = {stage.id: stage.green_ds for stage in before.stages} if before else {}
    for stage in after.stages:
        known = greens.get(stage.id)
        out.append(
            {
                "name": f"{stage.id} {t('plan.green')}",
                "before": "–" if known is None else ds_to_seconds(known),
                "after": ds_to_seconds(stage.green_ds),
                "changed": known != stage.green_ds,
            }
        )
    return out


def time_spaces(
    plans: Sequence[Plan | None], drawing: DrawnNetwork | None, site: Site, t: Words
) -> list[Markup]:
    """The corridor's time-space view of each plan, on one scale; empty without a corridor."""
    if drawing is None or drawing.corridor is None or any(plan is None for plan in plans):
        return []
    corridor = drawing.corridor
    speed = min(corridor.speed_limit_mps, MAX_SPEED_MPS)
    out = []
    for plan in plans:
        if plan is None or any(_timing(plan, stop.junction) is None for stop in corridor.stops):
            return []
        rows = [
            TimeSpaceRow(
                stop.junction,
                stop.at_m,
                plan_changes(plan, site.junctions[stop.junction], stop.movement, -200.0, 240.0),
            )
            for stop in corridor.stops
        ]
        out.append(
            time_space_svg(
                rows, 0.0, 240.0, speed_mps=speed, t=t, tick_label=lambda at: f"{at:.0f}"
            )
        )
    return out


def change_lines(current: Plan | None, candidate: Plan, t: Words) -> list[str]:
    """What applying would change at each junction, one line each."""
    lines = []
    for timing in candidate.junctions:
        before = _timing(current, timing.junction)
        lines.append(
            t(
                "plan.confirm_line",
                junction=timing.junction,
                cycle_before="–" if before is None else ds_to_seconds(before.cycle_ds),
                cycle_after=ds_to_seconds(timing.cycle_ds),
                offset_before="–" if before is None else ds_to_seconds(before.offset_ds),
                offset_after=ds_to_seconds(timing.offset_ds),
            )
        )
    return lines


def plan_actions(
    record: PlanRecord,
    history: Sequence[PlanEvent],
    report: ValidationReport | None,
    user: User,
    now: datetime,
    t: Words,
) -> list[dict[str, Any]]:
    """Steps that the plan's status has, each with the reason why this user cannot take it."""
    proposers = {event.by for event in history if event.action == "propose"}
    actions = []
    for name in _ACTIONS.get(record.status, ()):
        why = ""
        if not user.may(_NEEDS[name]):
            why = t("why.role")
        elif name == "approve" and user.name in proposers:
            why = t("why.own")
        elif name in ("approve", "apply") and report is not None and now >= report.expires:
            why = t("why.expired")
        elif name == "approve" and (report is None or report.verdict is not Verdict.PASS):
            why = t("why.not_passed")
        actions.append(
            {
                "name": name,
                "why": why,
                "primary": name in ("approve", "apply"),
                "needs_comment": name != "apply",
            }
        )
    return actions


def history_rows(history: Sequence[PlanEvent], t: Words) -> list[dict[str, str]]:
    """Events of a plan, newest first."""
    return [
        {
            "what": t("event." + event.action),
            "by": event.by,
            "when": local_time(event.at, seconds=True),
            "comment": event.comment,
        }
        for event in reversed(history)
    ]
