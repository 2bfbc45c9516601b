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
    ValidationReport,
)
from simulation.judge import ENOUGH_PAIRS

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
_REASONS: Mapping[Language, Mapping[Cause, str]] = {
    "en": {
        Cause.IMPROVED: _DELAY["en"]
        + ", and none of the {tested} movements with at least {enough} vehicles is significantly "
        "worse by more than {pct} % and {worse} s (paired t-tests, Holm at 5 %)",
        Cause.SAME_PLAN: "the candidate times the signals exactly as the plan it is compared with",
        Cause.DELAY_NOT_LOWER: _DELAY["en"] + "; it must be below {limit} %",
        Cause.DELAY_UNCLEAR: _DELAY["en"]
        + ", and the interval is not wholly below {limit} %; more pairs may tell",
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
    },
    "vi": {
        Cause.IMPROVED: _DELAY["vi"]
        + ", và trong {tested} hướng đi có ít nhất {enough} xe không hướng nào xấu đi rõ rệt quá "
        "{pct} % và {worse} s (kiểm định t theo cặp, Holm ở mức 5 %)",
        Cause.SAME_PLAN: "phương án đề xuất có thời gian đèn giống hệt phương án được so sánh",
        Cause.DELAY_NOT_LOWER: _DELAY["vi"] + "; phải dưới {limit} %",
        Cause.DELAY_UNCLEAR: _DELAY["vi"]
        + ", khoảng tin cậy chưa nằm hẳn dưới {limit} %; cần thêm cặp mô phỏng",
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
    delay: Change,
    baseline: Kpi,
    candidate: Kpi,
    movements: Sequence[MovementChange],
    subject: MovementChange | None,
    pairs: int,
    policy: AcceptancePolicy,
    language: Language = "en",
) -> str:
    """One sentence with the numbers that decided."""
    enough = policy.min_movement_vehicles
    values: dict[str, object] = {
        "delay": change_text(delay),
        "before": f"{baseline.delay_s:.1f}",
        "after": f"{candidate.delay_s:.1f}",
        "pairs": pairs,
        "enough_pairs": ENOUGH_PAIRS,
        "tested": sum(movement.vehicles >= enough for movement in movements),
        "enough": f"{enough:g}",
        "limit": f"{policy.max_delay_change_pct:g}",
        "pct": f"{policy.max_movement_worse_pct:g}",
        "worse": f"{policy.max_movement_worse_s:g}",
    }
    if subject is not None:
        values |= {
            "movement": subject.movement,
            "rise": f"{subject.change_s:.1f}",
            "m_before": f"{subject.baseline_delay_s:.1f}",
            "m_after": f"{subject.candidate_delay_s:.1f}",
            "vehicles": f"{subject.vehicles:.0f}",
        }
    return _REASONS[language][cause].format(**values)


def report_reason(report: ValidationReport, policy: AcceptancePolicy, language: Language) -> str:
    """The report's reason in a language; as it was written when nothing else is known."""
    delay = report.change.get("delay_s")
    if report.cause is None or delay is None:
        return report.reason
    subject = next((m for m in report.movements if m.movement == report.subject), None)
    return reason(
        report.cause,
        delay=delay,
        baseline=report.baseline,
        candidate=report.candidate,
        movements=report.movements,
        subject=subject,
        pairs=report.pairs,
        policy=policy,
        language=language,
    )
