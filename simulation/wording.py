"""The sentence that says why a validation ended as it did, in English and Vietnamese."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

from models.validation import (
    AcceptancePolicy,
    Cause,
    Change,
    Kpi,
    MovementChange,
    SpillbackChange,
    ValidationReport,
)
from simulation.sequential import FIRST_LOOK

Language: TypeAlias = Literal["en", "vi"]
LANGUAGES: tuple[Language, ...] = ("en", "vi")

_DELAY = {
    "en": "delay per vehicle changes by {delay} over {pairs} pairs (from {before} to {after} s)",
    "vi": "độ trễ mỗi xe thay đổi {delay} qua {pairs} cặp (từ {before} thành {after} s)",
}
_RISE = {
    "en": "by {rise} s (from {m_before} to {m_after} s, {vehicles} vehicles), beyond the limit of "
    "{pct} % and {worse} s",
    "vi": "{rise} s (từ {m_before} lên {m_after} s, {vehicles} xe), vượt giới hạn {pct} % và "
    "{worse} s",
}
_QUEUE = {
    "en": "the queue of approach {approach} stands back to the junction before it for {after_pct} "
    "% of the time (now {before_pct} %; allowed are {spill} %)",
    "vi": "hàng chờ của nhánh {approach} lùi tới nút phía trước trong {after_pct} % thời gian "
    "(hiện nay {before_pct} %; cho phép {spill} %)",
}
_REASONS: Mapping[Language, Mapping[Cause, str]] = {
    "en": {
        Cause.IMPROVED: _DELAY["en"]
        + ", none of the {tested} movements with at least {enough} vehicles is significantly "
        "worse by more than {pct} % and {worse} s, and no queue newly reaches the junction before "
        "(paired t-tests, Holm at 5 %)",
        Cause.SAME_PLAN: "the candidate times the signals exactly as the plan it is compared with",
        Cause.DELAY_NOT_LOWER: _DELAY["en"] + "; it must be below {limit} %",
        Cause.DELAY_UNCLEAR: _DELAY["en"]
        + ", and the interval is not wholly below {limit} %; more than {most} pairs may tell",
        Cause.MOVEMENT_WORSE: "movement {movement} gets worse "
        + _RISE["en"]
        + ", significantly over {pairs} pairs and {tested} movements (Holm at 5 %), while delay "
        "per vehicle changes by {delay}",
        Cause.MOVEMENT_UNCLEAR: "delay per vehicle changes by {delay}, but movement {movement} "
        "seems worse "
        + _RISE["en"]
        + ", and {pairs} pairs are too few to tell among {tested} movements (Holm at 5 %); more "
        "pairs may",
        Cause.FEW_PAIRS: _DELAY["en"] + ", but to pass a plan needs at least {enough_pairs} pairs",
        Cause.SPILLBACK: _QUEUE["en"]
        + ", significantly over {pairs} pairs and {approaches} approaches (Holm at 5 %), while "
        "delay per vehicle changes by {delay}",
        Cause.SPILLBACK_UNCLEAR: "delay per vehicle changes by {delay}, but "
        + _QUEUE["en"]
        + ", and {pairs} pairs are too few to tell among {approaches} approaches (Holm at 5 %); "
        "more pairs may",
        Cause.LESS_SAFE: "{measure} change by {safety} over {pairs} pairs: less safe, while delay "
        "per vehicle changes by {delay}",
        Cause.GRIDLOCK: "traffic comes to a standstill with the candidate and not with the plan "
        "in force, so there is no delay to compare; {what}",
        Cause.GRIDLOCK_BOTH: "traffic comes to a standstill under the plan in force too, so there "
        "is no delay to compare; {what}",
        Cause.NO_NUMBER: "there is nothing to compare; {what}",
    },
    "vi": {
        Cause.IMPROVED: _DELAY["vi"]
        + ", trong {tested} hướng đi có ít nhất {enough} xe không hướng nào xấu đi rõ rệt quá "
        "{pct} % và {worse} s, và không hàng chờ nào mới lùi tới nút phía trước (kiểm định t theo "
        "cặp, Holm ở mức 5 %)",
        Cause.SAME_PLAN: "phương án đề xuất có thời gian đèn giống hệt phương án được so sánh",
        Cause.DELAY_NOT_LOWER: _DELAY["vi"] + "; phải dưới {limit} %",
        Cause.DELAY_UNCLEAR: _DELAY["vi"]
        + ", khoảng tin cậy chưa nằm hẳn dưới {limit} %; cần hơn {most} cặp mô phỏng",
        Cause.MOVEMENT_WORSE: "hướng đi {movement} xấu đi "
        + _RISE["vi"]
        + ", có ý nghĩa thống kê qua {pairs} cặp và {tested} hướng đi (Holm ở mức 5 %), trong khi "
        "độ trễ mỗi xe thay đổi {delay}",
        Cause.MOVEMENT_UNCLEAR: "độ trễ mỗi xe thay đổi {delay}, nhưng hướng đi {movement} có vẻ "
        "xấu đi "
        + _RISE["vi"]
        + ", và {pairs} cặp là quá ít để kết luận giữa {tested} hướng đi (Holm ở mức 5 %); cần "
        "thêm cặp mô phỏng",
        Cause.FEW_PAIRS: _DELAY["vi"] + ", nhưng để đạt cần ít nhất {enough_pairs} cặp",
        Cause.SPILLBACK: _QUEUE["vi"]
        + ", có ý nghĩa thống kê qua {pairs} cặp và {approaches} nhánh (Holm ở mức 5 %), trong khi "
        "độ trễ mỗi xe thay đổi {delay}",
        Cause.SPILLBACK_UNCLEAR: "độ trễ mỗi xe thay đổi {delay}, nhưng "
        + _QUEUE["vi"]
        + ", và {pairs} cặp là quá ít để kết luận giữa {approaches} nhánh (Holm ở mức 5 %); cần "
        "thêm cặp mô phỏng",
        Cause.LESS_SAFE: "{measure} thay đổi {safety} qua {pairs} cặp: kém an toàn hơn, trong khi "
        "độ trễ mỗi xe thay đổi {delay}",
        Cause.GRIDLOCK: "với phương án đề xuất giao thông đứng hẳn lại, với phương án đang dùng "
        "thì không, nên không có độ trễ để so sánh; {what}",
        Cause.GRIDLOCK_BOTH: "với phương án đang dùng giao thông cũng đứng hẳn lại, nên không có "
        "độ trễ để so sánh; {what}",
        Cause.NO_NUMBER: "không có gì để so sánh; {what}",
    },
}
_SAFETY: Mapping[Language, Mapping[str, str]] = {
    "en": {
        "ttc_conflicts": "encounters with a short time to collision",
        "pet_conflicts": "crossings soon after another vehicle",
        "red_light_conflicts": "encounters with somebody who entered on red",
    },
    "vi": {
        "ttc_conflicts": "các lần suýt va chạm (thời gian tới va chạm ngắn)",
        "pet_conflicts": "các lần cắt ngay sau xe khác",
        "red_light_conflicts": "các lần chạm với xe vào nút khi đèn đỏ",
    },
}


def signed(value: float, digits: int = 1) -> str:
    """A number with its sign, ``-18.4`` or ``+2.0``; 0 has none."""
    text = f"{value:+.{digits}f}"
    return text[1:] if float(text) == 0 else text


def change_text(change: Change) -> str:
    """A change with its interval as everything shows it: ``-18.4 % [-21.0, -15.7]``."""
    low, high = change.ci95_pct
    return f"{signed(change.mean_pct)} % [{signed(low)}, {signed(high)}]"


def reason(
    cause: Cause,
    *,
    change: Mapping[str, Change],
    baseline: Kpi | None,
    candidate: Kpi | None,
    movements: Sequence[MovementChange],
    spillback: Sequence[SpillbackChange],
    subject: str,
    pairs: int,
    limit: int,
    policy: AcceptancePolicy,
    language: Language = "en",
) -> str:
    """One sentence with the numbers that decided; ``subject`` as in the report."""
    enough = policy.min_movement_vehicles
    values: dict[str, object] = {
        "delay": change_text(change["delay_s"]) if "delay_s" in change else "–",
        "before": "–" if baseline is None else f"{baseline.delay_s:.1f}",
        "after": "–" if candidate is None else f"{candidate.delay_s:.1f}",
        "pairs": pairs,
        "most": limit,
        "enough_pairs": FIRST_LOOK,
        "tested": sum(movement.vehicles >= enough for movement in movements),
        "approaches": len(spillback),
        "enough": f"{enough:g}",
        "limit": f"{policy.max_delay_change_pct:g}",
        "pct": f"{policy.max_movement_worse_pct:g}",
        "worse": f"{policy.max_movement_worse_s:g}",
        "spill": f"{policy.max_spillback_pct:g}",
        "what": subject,
        "measure": _SAFETY[language].get(subject, subject),
        "safety": change_text(change[subject]) if subject in change else "–",
    }
    for movement in movements:
        if movement.movement == subject:
            values |= {
                "movement": subject,
                "rise": f"{movement.change_s:.1f}",
                "m_before": f"{movement.baseline_delay_s:.1f}",
                "m_after": f"{movement.candidate_delay_s:.1f}",
                "vehicles": f"{movement.vehicles:.0f}",
            }
    for queue in spillback:
        if queue.approach == subject:
            values |= {
                "approach": subject,
                "before_pct": f"{queue.baseline_pct:.1f}",
                "after_pct": f"{queue.candidate_pct:.1f}",
            }
    return _REASONS[language][cause].format(**values)


def report_reason(report: ValidationReport, policy: AcceptancePolicy, language: Language) -> str:
    """The report's reason in a language; as it was written when nothing else is known."""
    if report.cause is None:
        return report.reason
    return reason(
        report.cause,
        change=report.change,
        baseline=report.baseline,
        candidate=report.candidate,
        movements=report.movements,
        spillback=report.spillback,
        subject=report.subject,
        pairs=report.pairs,
        limit=report.limit or report.pairs,
        policy=policy,
        language=language,
    )


def headline(report: ValidationReport, language: Language) -> str:
    """The change of delay with its interval, or that there is none to speak of."""
    delay = report.change.get("delay_s")
    if delay is not None:
        return change_text(delay)
    return {"en": "no number", "vi": "không có số liệu"}[language]
