"""Plain SVG charts for documents and files: no script, both themes by the reader's setting."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from simulation.figures import PALETTES

ROW_PX = 24
_LABEL_PX = 7.2  # width of a character of the labels, at most
_AXIS_PX = 30


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a chart: what it is called, and values in the chart's unit.

    ``low`` and ``high`` are the ends of an interval around ``value``; ``before`` a second value
    that it is compared with.
    """

    label: str
    value: float
    low: float | None = None
    high: float | None = None
    before: float | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of a timeline: from, to, a class of the style sheet, a short text within."""

    start: float
    end: float
    kind: str
    text: str = ""


def document(width: float, height: float, body: str, title: str) -> str:
    """A whole SVG file with the project's colours, light or dark as the reader's setting is."""
    rules = "".join(f"{name}:{value};" for name, value in PALETTES["light"].items())
    dark = "".join(f"{name}:{value};" for name, value in PALETTES["dark"].items())
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" '
        f'width="{width:g}" height="{height:g}" role="img" aria-label="{escape(title, True)}">'
        f"<title>{escape(title)}</title>"
        f"<style>:root{{{rules}}}@media (prefers-color-scheme: dark){{:root{{{dark}}}}}"
        "text{font:13px system-ui,-apple-system,'Segoe UI',Roboto,sans-serif;fill:var(--text)}"
        ".h{font-weight:600;font-size:15px}.m{fill:var(--muted)}.e{text-anchor:end}"
        ".c{text-anchor:middle}.grid{stroke:var(--line);stroke-width:1}"
        ".zero{stroke:var(--muted);stroke-width:1}"
        ".ci{stroke:var(--accent);stroke-width:2}.dot{fill:var(--accent)}"
        ".was{fill:var(--surface);stroke:var(--before);stroke-width:2}"
        ".path{fill:none;stroke:var(--accent);stroke-width:2}"
        ".go{fill:var(--lamp-green)}.wait{fill:var(--lamp-red);fill-opacity:.75}"
        ".change{fill:var(--lamp-yellow)}.bar{fill:var(--accent)}.other{fill:var(--before)}"
        ".in{fill:var(--surface);font-size:11px;text-anchor:middle}</style>"
        f'<rect width="{width:g}" height="{height:g}" fill="var(--surface)"/>{body}</svg>\n'
    )


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round values that cover a range."""
    span = max(high - low, 1e-9)
    raw = span / most
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= raw)
    first = math.floor(low / step + 1e-9)
    last = math.ceil(high / step - 1e-9)
    return [round(index * step, 10) for index in range(first, last + 1)]


def rows(
    heading: str,
    unit: str,
    data: Sequence[Row],
    *,
    width: float,
    top: float,
    from_zero: bool = False,
    beside: Sequence[Row] = (),
) -> tuple[str, float]:
    """Rows of dots with intervals or with what they were before; returns SVG and its bottom.

    Labels stand on the left, a value and a note on the right. ``beside`` are the rows of other
    charts that are to be read beside this one: all of them get one scale.
    """
    every = [*data, *beside]
    values = [
        v for row in every for v in (row.value, row.low, row.high, row.before) if v is not None
    ]
    values.append(0.0)
    marks = ticks(min(values), max(values))
    left = 16 + _LABEL_PX * max(len(row.label) for row in every)
    right = width - 24 - _LABEL_PX * max(len(_note(row)) for row in every)

    def x(value: float) -> float:
        return left + 10 + (value - marks[0]) / (marks[-1] - marks[0]) * (right - left - 20)

    bottom = top + 30 + ROW_PX * len(data)
    parts = [_heading(heading, unit, width, top)]
    for mark in marks:
        kind = "zero" if mark == 0 else "grid"
        parts.append(_line(kind, x(mark), top + 28, x(mark), bottom))
        parts.append(f'<text class="m c" x="{x(mark):.1f}" y="{bottom + 16:g}">{mark:g}</text>')
    for index, row in enumerate(data):
        y = top + 30 + ROW_PX * (index + 0.5)
        parts.append(f'<text class="e" x="{left:g}" y="{y + 4:g}">{escape(row.label)}</text>')
        if from_zero:
            parts.append(
                f'<rect class="bar" x="{x(0):.1f}" y="{y - 6:g}" width="'
                f'{max(0.5, x(row.value) - x(0)):.1f}" height="12"/>'
            )
        if row.low is not None and row.high is not None:
            parts.append(_line("ci", x(row.low), y, x(row.high), y))
        if row.before is not None:
            parts.append(_line("zero", x(row.before), y, x(row.value), y))
            parts.append(f'<circle class="was" cx="{x(row.before):.1f}" cy="{y:g}" r="4"/>')
        if not from_zero:
            parts.append(f'<circle class="dot" cx="{x(row.value):.1f}" cy="{y:g}" r="4.5"/>')
        parts.append(
            f'<text class="m" x="{right + 12:g}" y="{y + 4:g}">{escape(_note(row))}</text>'
        )
    return "".join(parts), bottom + _AXIS_PX


def _note(row: Row) -> str:
    return row.note or f"{row.value:+.1f}"


def timelines(
    heading: str,
    unit: str,
    lines: Mapping[str, Sequence[Span]],
    *,
    width: float,
    top: float,
) -> tuple[str, float]:
    """One bar of coloured pieces per name on a common axis from 0; SVG and its bottom."""
    longest = max(span.end for spans in lines.values() for span in spans)
    left = 24 + _LABEL_PX * max(len(name) for name in lines)
    marks = [mark for mark in ticks(0.0, longest) if mark <= longest]

    def x(value: float) -> float:
        return left + value / longest * (width - left - 24)

    bottom = top + 30 + ROW_PX * len(lines)
    parts = [_heading(heading, unit, width, top)]
    for index, (name, spans) in enumerate(lines.items()):
        y = top + 30 + ROW_PX * index
        parts.append(f'<text class="e" x="{left - 8:g}" y="{y + 16:g}">{escape(name)}</text>')
        for span in spans:
            wide = x(span.end) - x(span.start)
            parts.append(
                f'<rect class="{span.kind}" x="{x(span.start):.1f}" y="{y + 3:g}" '
                f'width="{max(0.0, wide - 0.6):.1f}" height="{ROW_PX - 6}"/>'
            )
            if span.text and wide > 6.5 * len(span.text):
                middle = (x(span.start) + x(span.end)) / 2
                text = escape(span.text)
                parts.append(f'<text class="in" x="{middle:.1f}" y="{y + 16:g}">{text}</text>')
    for mark in marks:
        parts.append(_line("grid", x(mark), bottom, x(mark), bottom + 4))
        parts.append(f'<text class="m c" x="{x(mark):.1f}" y="{bottom + 17:g}">{mark:g}</text>')
    return "".join(parts), bottom + _AXIS_PX


def growth(title: str, across: str, up: str, points: Sequence[tuple[float, float, str]]) -> str:
    """A line through points (x, y, text at the point), as a whole file."""
    width, height, left, bottom = 640.0, 360.0, 56.0, 312.0
    xs = ticks(0.0, max(point[0] for point in points), 8)
    ys = ticks(0.0, max(point[1] for point in points))

    def place(x: float, y: float) -> tuple[float, float]:
        return left + x / xs[-1] * (width - left - 30), bottom - y / ys[-1] * (bottom - 48)

    parts = [f'<text class="h" x="12" y="22">{escape(title)}</text>']
    for mark in ys:
        _, y = place(0, mark)
        parts.append(_line("grid", left, y, width - 30, y))
        parts.append(f'<text class="m e" x="{left - 8:g}" y="{y + 4:.1f}">{mark:g}</text>')
    for mark in xs:
        x, _ = place(mark, 0)
        parts.append(f'<text class="m c" x="{x:.1f}" y="{bottom + 18:g}">{mark:g}</text>')
    at = [place(x, y) for x, y, _ in points]
    parts.append(f'<path class="path" d="M{" L".join(f"{x:.1f} {y:.1f}" for x, y in at)}"/>')
    for (x, y), (_, _, text) in zip(at, points, strict=True):
        parts.append(f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="4"/>')
        if text:
            parts.append(f'<text class="e" x="{x - 7:.1f}" y="{y - 7:.1f}">{escape(text)}</text>')
    parts.append(f'<text class="m" x="12" y="40">{escape(up)}</text>')
    parts.append(f'<text class="m e" x="{width - 30:g}" y="{height - 8:g}">{escape(across)}</text>')
    return document(width, height, "".join(parts), title)


def _heading(heading: str, unit: str, width: float, top: float) -> str:
    return (
        f'<text class="h" x="12" y="{top + 16:g}">{escape(heading)}</text>'
        f'<text class="m e" x="{width - 12:g}" y="{top + 16:g}">{escape(unit)}</text>'
    )


def _line(kind: str, x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'
