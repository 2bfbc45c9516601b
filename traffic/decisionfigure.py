"""A decision of a policy as a figure: what it chose, against what, at which cost, and why.

One SVG that needs nothing else and follows the reader's light or dark theme. Stages are told by
their names, the one that is wanted by colour, weight and place: it stands first.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html import escape
from itertools import pairwise
from typing import Any

from simulation.wording import Language

_WORDS: Mapping[Language, Mapping[str, str]] = {
    "en": {
        "title": "{junction}, second {time:.0f}: {verdict}",
        "hold": "hold {stage}",
        "change": "change from {shown} to {stage}",
        "alternatives": "Alternatives and the schedules that would follow",
        "cost": "cost, s",
        "best": "chosen",
        "forbidden": "not allowed now",
        "seconds": "seconds from now",
        "delay": "Predicted delay by movement, vehicle seconds",
        "chosen": "chosen: {stage}",
        "other": "next best: {stage}",
        "bound": "What bound the choice",
        "nothing": "nothing but the cost",
        "red": "{name} has been red for {more} s",
        "room": "no room on {name}",
        "longest": "longest green of {name}",
        "planned": "roads are full: only the plan's stages",
        "silent": "{name} says nothing",
        "ignored": "{name} is not believed",
        "more": "and {count} more",
        "rest": "turn not known",
        "composed": "Stages beyond the plan",
    },
    "vi": {
        "title": "{junction}, giây {time:.0f}: {verdict}",
        "hold": "giữ {stage}",
        "change": "chuyển từ {shown} sang {stage}",
        "alternatives": "Các phương án và lịch pha tiếp theo",
        "cost": "chi phí, giây",
        "best": "được chọn",
        "forbidden": "hiện không được phép",
        "seconds": "giây kể từ bây giờ",
        "delay": "Độ trễ dự báo theo hướng đi, xe-giây",
        "chosen": "được chọn: {stage}",
        "other": "tốt thứ hai: {stage}",
        "bound": "Điều ràng buộc lựa chọn",
        "nothing": "không gì ngoài chi phí",
        "red": "{name} đã đỏ {more} giây",
        "room": "không còn chỗ trên {name}",
        "longest": "{name} đã hết thời gian xanh dài nhất",
        "planned": "đường đã đầy: chỉ dùng các pha của phương án",
        "silent": "{name} không báo gì",
        "ignored": "không tin {name}",
        "more": "và {count} hướng nữa",
        "rest": "chưa rõ hướng rẽ",
        "composed": "Các pha ngoài phương án",
    },
}
# How the planner words what bound it.
_BINDINGS = (
    ("red", re.compile(r"(?P<name>.+) has been red for (?P<more>\d+) s")),
    ("room", re.compile(r"no room on (?P<name>.+)")),
    ("planned", re.compile(r"full roads: the plan's stages only")),
    ("longest", re.compile(r"longest green of (?P<name>.+)")),
)
_STYLE = """
text{font:13px system-ui,sans-serif;fill:#1b1f24}.m{fill:#5d6671}.h{font-weight:600}
.s{font-size:11px}.t{font-size:17px;font-weight:600}.r{text-anchor:end}.c{text-anchor:middle}
.line{stroke:#d9dde2}.stage{fill:#e6eaf0;stroke:#fff}.mine .stage{fill:#b9ccfa}
.mine text{font-weight:600}.bar{fill:#2457d6}.bar2{fill:#9aa5b1}.paper{fill:#fff}
@media(prefers-color-scheme:dark){text{fill:#e6e9ed}.m{fill:#98a2ad}.line{stroke:#2c333b}
.stage{fill:#2a323c;stroke:#12161a}.mine .stage{fill:#274488}.bar{fill:#7fa7ff}
.bar2{fill:#5d6875}.paper{fill:#12161a}}
"""
_WIDTH = 960
_LEFT, _RIGHT = 190, 140
_MOST_MOVEMENTS = 16
_ROW_PX = 30
_CHARACTER_PX = 7.6
_LINE_CHARACTERS = 125


def decision_svg(
    decision: Mapping[str, Any],
    labels: Mapping[str, str],
    *,
    horizon_s: float = 90.0,
    language: Language = "en",
) -> str:
    """The figure of a decision as ``models.policy.ExplainingPolicy`` gives it.

    Args:
        decision: Its plain values.
        labels: Readable names of movements by id; others stand by their id.
        horizon_s: How far the schedules reach.
        language: Of the words.
    """
    words = _WORDS[language]
    wanted, shown = decision["wanted"], decision["shown"]
    verdict = words["hold" if wanted == shown else "change"].format(stage=wanted, shown=shown)
    rows = sorted(decision["alternatives"], key=lambda row: _order(row, wanted))
    parts: list[str] = []
    title = words["title"].format(
        junction=decision["junction"], time=decision["time_s"], verdict=verdict
    )
    parts.append(_text(24, 34, title, "t"))
    y = 70
    parts.append(_text(24, y, words["alternatives"], "h"))
    parts.append(_text(_WIDTH - 24, y, words["cost"], "m r"))
    y += 14
    for row in rows:
        parts.append(_alternative(row, rows[0], decision, y, horizon_s, words))
        y += _ROW_PX
    parts.append(_axis(y, horizon_s, words))
    y += 62
    parts.append(_text(24, y, words["delay"], "h"))
    parts += _delays(rows, labels, y + 10, words)
    y += 10 + 24 + _ROW_PX * min(_MOST_MOVEMENTS + 1, len(_movements(rows))) + 34
    parts.append(_text(24, y, words["bound"], "h"))
    for line in _bounds(decision, labels, words):
        y += 21
        parts.append(_text(24, y, line))
    if decision.get("composed"):
        y += 34
        parts.append(_text(24, y, words["composed"], "h"))
        for stage, movements in decision["composed"].items():
            y += 21
            parts.append(_text(24, y, stage))
            parts.append(_text(64, y, _listed(movements, labels, words)))
    height = y + 26
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
        f'width="{_WIDTH}" height="{height}" role="img" aria-label="{escape(title)}">'
        f"<style>{_STYLE}</style>"
        f'<rect class="paper" width="{_WIDTH}" height="{height}"/>{"".join(parts)}</svg>\n'
    )


def _order(row: Mapping[str, Any], wanted: str) -> tuple[bool, bool, float]:
    cost = row["cost"]
    return row["stage"] != wanted, cost is None, cost or 0.0


def _text(x: float, y: float, text: str, css: str = "") -> str:
    named = f' class="{css}"' if css else ""
    return f'<text x="{x:.1f}" y="{y:.1f}"{named}>{escape(text)}</text>'


def _alternative(
    row: Mapping[str, Any],
    first: Mapping[str, Any],
    decision: Mapping[str, Any],
    y: float,
    horizon_s: float,
    words: Mapping[str, str],
) -> str:
    """One alternative: its name, the stages that follow as blocks over time, its cost."""
    holds = row["stage"] == decision["shown"]
    name = f"{decision['shown']}" if holds else f"{decision['shown']} → {row['stage']}"
    parts = [_text(24, y + 19, name)]
    if row["cost"] is None:
        parts.append(_text(_LEFT, y + 19, words["forbidden"], "m"))
        return f"<g>{''.join(parts)}</g>"
    scale = (_WIDTH - _LEFT - _RIGHT) / horizon_s
    changes = [(float(at), str(stage)) for at, stage in row["schedule"] if at > 0.0]
    spans = [(0.0, row["stage"]), *changes, (horizon_s, "")]
    for (begin, stage), (end, _) in pairwise(spans):
        x, width = _LEFT + begin * scale, max(1.0, (end - begin) * scale)
        parts.append(
            f'<rect class="stage" x="{x:.1f}" y="{y + 3}" width="{width:.1f}" '
            f'height="{_ROW_PX - 6}" rx="3"/>'
        )
        label = _short(stage, int((width - 10) / _CHARACTER_PX))
        if label == stage or len(label) > 2:
            parts.append(_text(x + 7, y + 19, label))
    mine = row is first
    less = row["cost"] - first["cost"]
    text = f"{row['cost']:,.0f}" if mine else f"{'+' if less >= 0 else '−'}{abs(less):,.0f}"
    parts.append(_text(_WIDTH - 24, y + 19, text.replace(",", "\u202f"), "r"))
    return f'<g class="{"mine" if mine else ""}">{"".join(parts)}</g>'


def _axis(y: float, horizon_s: float, words: Mapping[str, str]) -> str:
    scale = (_WIDTH - _LEFT - _RIGHT) / horizon_s
    parts = []
    for second in range(0, int(horizon_s) + 1, 15):
        x = _LEFT + second * scale
        parts.append(f'<line class="line" x1="{x:.1f}" x2="{x:.1f}" y1="{y}" y2="{y + 5}"/>')
        parts.append(_text(x, y + 19, str(second), "m c"))
    parts.append(_text(24, y + 19, words["seconds"], "m"))
    return "".join(parts)


def _movements(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Movements with some delay in the two best, the most delayed first."""
    found: dict[str, float] = {}
    for row in rows[:2]:
        for movement, delay_s in (row["delay_s"] or {}).items():
            found[movement] = max(found.get(movement, 0.0), delay_s)
    return sorted((m for m, delay in found.items() if delay >= 0.5), key=lambda m: -found[m])


def _delays(
    rows: Sequence[Mapping[str, Any]], labels: Mapping[str, str], y: float, words: Mapping[str, str]
) -> list[str]:
    pair = [row for row in rows[:2] if row["cost"] is not None]
    parts = []
    x = 24.0
    for row, css, key in zip(pair, ("bar", "bar2"), ("chosen", "other"), strict=False):
        text = words[key].format(stage=row["stage"])
        parts.append(f'<rect class="{css}" x="{x}" y="{y + 2}" width="12" height="12" rx="2"/>')
        parts.append(_text(x + 18, y + 13, text, "m"))
        x += 60 + 7.2 * len(text)
    movements = _movements(rows)
    most = max((row["delay_s"].get(m, 0.0) for row in pair for m in movements), default=1.0)
    left = 330
    for movement in movements[:_MOST_MOVEMENTS]:
        y += _ROW_PX
        parts.append(_text(24, y + 12, _short(labels.get(movement, movement) or words["rest"])))
        for place, (row, css) in enumerate(zip(pair, ("bar", "bar2"), strict=False)):
            value = row["delay_s"].get(movement, 0.0)
            width = value / most * (_WIDTH - left - 90)
            top = y + 11 * place - 3
            parts.append(
                f'<rect class="{css}" x="{left}" y="{top}" width="{width:.1f}" height="9" rx="2"/>'
            )
            parts.append(_text(left + width + 6, top + 9, f"{value:.0f}", "m s"))
    if len(movements) > _MOST_MOVEMENTS:
        count = len(movements) - _MOST_MOVEMENTS
        parts.append(_text(24, y + _ROW_PX + 10, words["more"].format(count=count), "m"))
    return parts


def _short(text: str, most: int = 44) -> str:
    return text if len(text) <= most else f"{text[: max(0, most - 1)]}…"


def _listed(movements: Sequence[str], labels: Mapping[str, str], words: Mapping[str, str]) -> str:
    """Movements in one line; those that do not fit in are counted."""
    names = [labels.get(movement, movement) for movement in movements]
    text = ", ".join(names)
    shown = len(names)
    while len(text) > _LINE_CHARACTERS and shown > 1:
        shown -= 1
        more = words["more"].format(count=len(names) - shown)
        text = f"{', '.join(names[:shown])} {more}"
    return _short(text, _LINE_CHARACTERS)


def _bounds(
    decision: Mapping[str, Any], labels: Mapping[str, str], words: Mapping[str, str]
) -> list[str]:
    lines = [_binding(text, labels, words) for text in decision["binding"]]
    lines += [words["silent"].format(name=name) for name in decision["silent"]]
    lines += [words["ignored"].format(name=name) for name in decision["ignored"]]
    return lines or [words["nothing"]]


def _binding(text: str, labels: Mapping[str, str], words: Mapping[str, str]) -> str:
    for key, pattern in _BINDINGS:
        found = pattern.fullmatch(text)
        if found:
            parts = found.groupdict()
            name = labels.get(parts.get("name", ""), parts.get("name", ""))
            return words[key].format(name=name, more=parts.get("more", ""))
    return text
