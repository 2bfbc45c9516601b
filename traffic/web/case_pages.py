"""What the pages of cases show: the list by deadline, and one case with its evidence."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from markupsafe import Markup

from models.camera import SourceKind
from models.signals import SignalState
from models.violation import ADVISORY, SCREENING, CaseStatus, RejectReason, ViolationKind
from simulation.wording import signed
from traffic.auth import Permission, User
from traffic.cases import TRANSITIONS, Case, CaseEvent, CaseSummary
from traffic.web.i18n import Words
from traffic.web.names import Names
from traffic.web.strip import Mark, StripRow, signal_strip_svg
from traffic.web.text import dong, local_time, time_left

NEAR = timedelta(days=2)
FRAMES = ("before", "at", "inside")
_AT_THE_LINE = ("case.frame.before", "case.frame.line", "case.frame.inside")
_ALONG = ("case.frame.begin", "case.frame.during", "case.frame.end")
_JUDGED_AT_THE_LINE = frozenset(
    {
        ViolationKind.RED_LIGHT,
        ViolationKind.EARLY_START,
        ViolationKind.OVERLOADED,
        ViolationKind.NO_HELMET,
    }
)
# What a rule measured, and its unit.
_MEASURES: Mapping[str, str] = {
    "measure.before_green_s": "s",
    "measure.past_line_m": "m",
    "measure.stood_s": "s",
    "measure.passed_by": "",
    "measure.distance_m": "m",
    "measure.beside_m": "m",
    "measure.travelled_m": "m",
    "measure.limit_mps": "km/h",
    "measure.riders": "",
    "measure.share": "%",
}
CLIP = "clip.webm"
PLATE = "plate.jpg"
VEHICLE = "at-crop.jpg"
# Keys 1 to 9 and 0, in the order in which reviewers meet the reasons.
REASONS: tuple[dict[str, str], ...] = tuple(
    {"value": reason.value, "key": str((index + 1) % 10)}
    for index, reason in enumerate(RejectReason)
)
_STEPS: Mapping[str, CaseStatus] = {
    "accept": CaseStatus.ACCEPTED,
    "reject": CaseStatus.REJECTED,
    "escalate": CaseStatus.ESCALATED,
    "confirm": CaseStatus.CONFIRMED,
}


def case_row(item: CaseSummary, now: datetime, names: Names, t: Words) -> dict[str, Any]:
    """A case in the list."""
    return {
        "id": item.id,
        "kind": item.kind.value,
        "status": item.status.value,
        "left": time_left(item.deadline_at, now, t),
        "near": item.deadline_at - now < NEAR,
        "deadline": local_time(item.deadline_at),
        "when": local_time(item.occurred_at, seconds=True),
        "place": names.junction(item.junction),
        "vehicle": _class(item.vehicle_class, t),
        "camera": item.camera,
    }


def frames_of(item: CaseSummary) -> list[str]:
    """Paths of the frames that a case's page shows, for fetching them ahead."""
    held = {entry.name for entry in item.evidence}
    return [_href(item.id, f"{name}.jpg") for name in FRAMES if f"{name}.jpg" in held]


def frame_words(kind: ViolationKind) -> tuple[str, str, str]:
    """What its three frames show."""
    return _AT_THE_LINE if kind in _JUDGED_AT_THE_LINE else _ALONG


def caution(kind: ViolationKind, source_kind: str, t: Words) -> str:
    """What a reviewer must know before trusting a flag of this kind, from this source."""
    if source_kind == SourceKind.MOTION:
        return t("camera.motion_about")
    if kind in SCREENING:
        return t("case.screening")
    return t("case.advisory") if kind in ADVISORY else ""


def _href(case_id: str, name: str) -> str:
    return f"/api/v1/cases/{case_id}/evidence/{name}"


def case_view(
    case: Case,
    recorded: Mapping[str, Any],
    user: User,
    now: datetime,
    names: Names,
    t: Words,
) -> dict[str, Any]:
    """Everything that a case's page shows; ``recorded`` is its ``case.json``."""
    shown = {str(frame["name"]): frame for frame in recorded.get("frames", ())}
    item = case.summary
    violation = case.violation
    held = {entry.name for entry in item.evidence}
    movement = violation.get("movement")
    allowed, why = allowed_steps(case, user, t)
    return {
        "case": {
            **case_row(item, now, names, t),
            "place": names.place(item.junction, movement),
        },
        "frames": [
            {
                "href": _href(item.id, f"{name}.jpg"),
                "title": t(key),
                "signal": frame_signal(shown.get(name), violation, name, t),
            }
            for name, key in zip(FRAMES, frame_words(item.kind), strict=True)
            if f"{name}.jpg" in held
        ],
        "caution": caution(item.kind, str(violation.get("source_kind", "")), t),
        "clip": _href(item.id, CLIP) if CLIP in held else "",
        "strip": case_strip_svg(case_strip(violation, recorded, t), t),
        "schematic": bool(recorded.get("schematic")),
        "left": time_left(item.deadline_at, now, t),
        "near": item.deadline_at - now < NEAR,
        "deadline": local_time(item.deadline_at),
        "facts": facts_of(item, violation, recorded, names, t),
        "vehicle_picture": _href(item.id, VEHICLE) if VEHICLE in held else "",
        "plate": _href(item.id, PLATE) if PLATE in held else "",
        "law": law_lines(case, t),
        "law_note": case.law_note.get(t.language, ""),
        "history": [
            {**history_row(event, t), "comment": _said(event, t)} for event in reversed(case.events)
        ],
        "may_export": item.status is CaseStatus.CONFIRMED and user.may(Permission.REVIEW_CASES),
        "allowed": allowed,
        "why": why,
        "reasons": REASONS,
    }


def history_row(event: CaseEvent, t: Words) -> dict[str, str]:
    """A step of a case: what, who and when."""
    return {
        "what": t("case_event." + event.action),
        "by": event.by,
        "when": local_time(event.at, seconds=True),
    }


def _said(event: CaseEvent, t: Words) -> str:
    reason = t("reject." + event.reason.value) if event.reason else ""
    return " · ".join(part for part in (reason, event.comment) if part)


def allowed_steps(case: Case, user: User, t: Words) -> tuple[list[str], str]:
    """Steps that this person may take now, and why not more."""
    status = case.summary.status
    steps = [name for name, wanted in _STEPS.items() if wanted in TRANSITIONS[status]]
    if not user.may(Permission.REVIEW_CASES):
        return [], t("case.why_role")
    if status in (CaseStatus.CONFIRMED, CaseStatus.REJECTED):
        return [], t("case.why_closed")
    if user.name == case.barred:
        return [], t("case.why_own")
    return steps, ""


@dataclass(frozen=True, slots=True)
class CaseStrip:
    """The head's states around an act; nothing is known after ``until_s``."""

    row: StripRow
    start_s: float
    end_s: float
    act_s: float
    until_s: float | None

    def tick(self, at_s: float) -> str:
        """Seconds before or after the act."""
        return f"{at_s - self.act_s:+.0f}" if round(at_s - self.act_s) else "0"


def case_strip(violation: Mapping[str, Any], recorded: Mapping[str, Any], t: Words) -> CaseStrip:
    """The head's states around the act: the flagged mark, second 0; ticks are the frames.

    Nothing is drawn after the recording's end: what was shown then is not in the case.
    """
    changes = tuple((float(at), SignalState(state)) for at, state in violation["signal"])
    act_s = float(violation["time_s"])
    state = SignalState(violation["signal_state"])
    if not changes:
        changes = ((act_s - 30.0, state),)
    mark = Mark(act_s, flagged=True, title=f"{act_s:.2f} s · {t('signal.' + state.value)}")
    ticks = tuple(
        Mark(float(frame["time_s"]), title=str(frame["name"]))
        for frame in recorded.get("frames", ())
        if frame["name"] != "at"
    )
    return CaseStrip(
        StripRow(t("case.head"), changes, (*ticks, mark)),
        act_s - 40.0,
        act_s + 20.0,
        act_s,
        recorded.get("clip", {}).get("end_s"),
    )


def case_strip_svg(strip: CaseStrip, t: Words) -> Markup:
    """The strip of a case for a page."""
    return signal_strip_svg(
        [strip.row],
        strip.start_s,
        strip.end_s,
        t=t,
        until_s=strip.until_s,
        height_px=22,
        tick_origin_s=strip.act_s,
        tick_label=strip.tick,
    )


def frame_signal(
    frame: Mapping[str, Any] | None, violation: Mapping[str, Any], name: str, t: Words
) -> str:
    """What the head showed in a frame, and when, against the act."""
    if frame is None:
        known = t("signal." + str(violation["signal_state"]))
        return t("case.frame_signal", state=known) if name == "at" else ""
    since_s = float(frame["time_s"]) - float(violation["time_s"])
    state = t("signal." + str(frame["signal_state"]))
    return f"{signed(since_s)} s · {t('case.frame_signal', state=state)}"


def facts_of(
    item: CaseSummary,
    violation: Mapping[str, Any],
    recorded: Mapping[str, Any],
    names: Names,
    t: Words,
) -> list[dict[str, str]]:
    """What was measured and by what, as pairs of name and value."""
    into_red = violation.get("time_into_red_s")
    measures = violation.get("measures", {})
    speed = measures.get("speed_mps", measures.get("speed_mps_screening"))
    at_line = item.kind in _JUDGED_AT_THE_LINE
    weights = str(violation.get("weights_sha256") or "")[:12]
    facts = [
        ("case.id", item.id),
        ("case.when", local_time(item.occurred_at, seconds=True)),
        ("junction.one", names.junction(item.junction)),
        (
            "movement.one",
            names.movement(str(violation["movement"])) if violation.get("movement") else "–",
        ),
        ("case.vehicle", _class(item.vehicle_class, t)),
        ("case.plate", _plate(recorded, t)),
        (
            "case.signal" if at_line else "case.signal_then",
            t("signal." + str(violation["signal_state"])),
        ),
        ("case.into_red", "–" if into_red is None else f"{into_red:.1f} s"),
        *_measured(measures),
        ("case.speed_screening", "–" if speed is None else f"{speed * 3.6:.0f} km/h"),
        ("camera.one", f"{item.camera} · {_kind(violation, t)}"),
        ("case.detector", " ".join(part for part in (str(violation["detector"]), weights) if part)),
        ("case.calibration", str(violation["calibration_version"])),
    ]
    return [{"name": t(key), "value": value} for key, value in facts]


def _plate(recorded: Mapping[str, Any], t: Words) -> str:
    """The number that was read, or why there is none."""
    plate = recorded.get("plate") or {}
    if plate.get("text"):
        return str(plate["text"])
    unreadable = plate.get("state") == "unreadable"
    return t("case.plate_unreadable") if unreadable else t("case.plate_not_promised")


def _measured(measures: Mapping[str, float]) -> list[tuple[str, str]]:
    facts = []
    for key, unit in _MEASURES.items():
        value = measures.get(key.removeprefix("measure."))
        if value is None:
            continue
        scaled = value * {"km/h": 3.6, "%": 100.0}.get(unit, 1.0)
        digits = 1 if unit in ("s", "m") else 0
        facts.append((key, f"{scaled:.{digits}f} {unit}".strip()))
    return facts


def _kind(violation: Mapping[str, Any], t: Words) -> str:
    key = f"camera.kind.{violation['source_kind']}"
    return t(key) if t.has(key) else str(violation["source_kind"])


def law_lines(case: Case, t: Words) -> list[str]:
    """The rule in force on the day of the act, and its sanction."""
    offence = case.offence
    if offence is None:
        return [t("case.law_none")]
    if not offence.supplied:
        return [offence.text.get(t.language, ""), t("case.law_to_supply")]
    least, most = offence.fine
    sanction = t("case.fine", least=dong(least), most=dong(most))
    if offence.points:
        sanction += t("case.points", points=offence.points)
        if offence.points_article:
            sanction += f" ({provision(offence.points_article, t)})"
    decree = offence.decree.replace("ND-CP", "NĐ-CP") if t.language == "vi" else offence.decree
    return [
        offence.text.get(t.language, ""),
        t("case.provision", article=provision(offence.article, t), decree=decree),
        sanction,
    ]


_ARTICLE = re.compile(r"Art\. (\d+)(?:\((\d+)\))?((?:(?:, )?\(\w\))*)")


def provision(article: str, t: Words) -> str:
    """A provision as its readers cite it: ``Art. 7(7)(c)``, điểm c khoản 7 Điều 7."""
    found = _ARTICLE.fullmatch(article)
    if found is None or t.language != "vi":
        return article
    number, clause, points = found.groups()
    letters = ", ".join(re.findall(r"\w", points))
    parts = (letters and f"điểm {letters}", clause and f"khoản {clause}", f"Điều {number}")
    return " ".join(part for part in parts if part)


def _class(name: str, t: Words) -> str:
    return t("class." + name) if t.has("class." + name) else name


def filters(counts: Mapping[CaseStatus, int], chosen: CaseStatus | None) -> list[dict[str, Any]]:
    """The list's filters with how many cases each has; ``open`` is everything undecided."""
    undecided = (CaseStatus.PENDING_REVIEW, CaseStatus.ESCALATED, CaseStatus.ACCEPTED)
    rows: list[dict[str, Any]] = [
        {
            "status": "open",
            "count": sum(counts[status] for status in undecided),
            "chosen": chosen is None,
        }
    ]
    return rows + [
        {"status": status.value, "count": counts[status], "chosen": status is chosen}
        for status in CaseStatus
    ]


def neighbours(order: Sequence[CaseSummary], case_id: str) -> tuple[str, CaseSummary | None, int]:
    """The case before, the case after, and the position (0 when it is not in the list)."""
    for index, item in enumerate(order):
        if item.id == case_id:
            before = order[index - 1].id if index else ""
            after = order[index + 1] if index + 1 < len(order) else None
            return before, after, index + 1
    return "", (order[0] if order else None), 0
