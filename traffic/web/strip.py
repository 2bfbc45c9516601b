"""Signal strips with marks, axis and cursor, and what is built of them for the pages.

The states themselves are drawn by ``simulation.strip``, as in the validation report: on a case,
under the live video, in the timing of a plan and in the corridor's time-space view.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape

from markupsafe import Markup

from models.junction import Junction
from models.plan import JunctionPlan, Plan
from models.signals import SignalState
from models.units import ds_to_seconds
from simulation.progression import lamps
from simulation.strip import (
    PERMISSIVE,
    STOP_THEN_GO,
    Change,
    aspect,
    intervals,
    percent,
    states_svg,
)

Translate = Callable[..., str]
ASPECTS = (*SignalState, PERMISSIVE, STOP_THEN_GO)


@dataclass(frozen=True, slots=True)
class Mark:
    """A vehicle's crossing at ``time_s``; ``flagged`` ones carry the accent."""

    time_s: float
    flagged: bool = False
    title: str = ""


@dataclass(frozen=True, slots=True)
class StripRow:
    """One head: its label, its changes as ``(time_s, state)`` oldest first, and its marks."""

    label: str
    changes: tuple[Change, ...]
    marks: tuple[Mark, ...] = ()
    changed: bool = False


def row_svg(
    row: StripRow,
    start_s: float,
    end_s: float,
    *,
    top_px: float,
    height_px: int,
    t: Translate,
    until_s: float | None = None,
) -> str:
    """The states and marks of one row as SVG elements; the part every view shares."""
    window = end_s - start_s
    out = [
        states_svg(
            row.changes,
            start_s,
            end_s,
            top_px=top_px,
            height_px=height_px,
            letters={name: t("signal.letter." + name) for name in ASPECTS},
            until_s=until_s,
        )
    ]
    for mark in row.marks:
        if not start_s <= mark.time_s <= end_s:
            continue
        out.append(_mark(mark, percent(mark.time_s - start_s, window), top_px, height_px))
    return "".join(out)


def _mark(mark: Mark, x: str, top_px: float, height_px: float) -> str:
    title = f"<title>{escape(mark.title)}</title>" if mark.title else ""
    if mark.flagged:
        # A nested svg places a pixel-sized arrow head at a percentage.
        return (
            f'<svg class="mark flagged" x="{x}%" y="{top_px - 9:.1f}" overflow="visible">'
            f'{title}<path d="M-5 0H5L0 8Z"/><line x1="0" x2="0" y1="6" '
            f'y2="{height_px + 9:.1f}"/></svg>'
        )
    return (
        f'<line class="mark" x1="{x}%" x2="{x}%" y1="{top_px - 5:.1f}" y2="{top_px - 1:.1f}">'
        f"{title}</line>"
    )


def signal_strip_svg(
    rows: Iterable[StripRow],
    start_s: float,
    end_s: float,
    *,
    t: Translate,
    height_px: int = 16,
    tick_s: float = 10.0,
    tick_origin_s: float = 0.0,
    tick_label: Callable[[float], str] | None = None,
    cursor_s: float | None = None,
    until_s: float | None = None,
    label_px: int | None = None,
    title: str = "",
) -> Markup:
    """The strip of some heads over one window of time.

    Args:
        rows: Heads, top to bottom.
        start_s: Window start, in the time base of the rows' changes.
        end_s: Window end.
        t: Words of the page's language.
        height_px: Height of a row's strip.
        tick_s: Distance between ticks of the axis.
        tick_origin_s: A time that ticks are counted from.
        tick_label: Text of a tick; by default seconds before the window's end.
        until_s: Where the rows end, when before the window's end.
        cursor_s: Where a vertical line shows the present instant.
        label_px: Width of the labels' column, to align several strips.
        title: What a screen reader says.
    """
    listed = list(rows)
    label = tick_label or (lambda at: f"{at - end_s:.0f}")
    # Marks stand above their row and need room there.
    pitch = height_px + (14 if any(row.marks for row in listed) else 7)
    total = 12 + pitch * len(listed) + 18
    body: list[str] = []
    window = end_s - start_s
    ticks = _ticks(start_s, end_s, tick_s, tick_origin_s)
    for at in ticks:
        x = percent(at - start_s, window)
        body.append(f'<line class="tick" x1="{x}%" x2="{x}%" y1="8" y2="{total - 14}"/>')
    for index, row in enumerate(listed):
        body.append(
            row_svg(
                row,
                start_s,
                end_s,
                top_px=12 + index * pitch,
                height_px=height_px,
                t=t,
                until_s=until_s,
            )
        )
    stride = max(1, -(-len(ticks) // 12))
    for at in ticks[::stride]:
        x = percent(at - start_s, window)
        near_start, near_end = at - start_s < window * 0.03, end_s - at < window * 0.03
        anchor = "start" if near_start else "end" if near_end else "middle"
        body.append(
            f'<text class="axis" x="{x}%" y="{total - 2}" text-anchor="{anchor}">'
            f"{escape(label(at))}</text>"
        )
    if cursor_s is not None and start_s <= cursor_s <= end_s:
        x = percent(cursor_s - start_s, window)
        body.append(f'<line class="cursor" x1="{x}%" x2="{x}%" y1="4" y2="{total - 12}"/>')
    labels = "".join(
        f'<text class="strip-label{" changed" if row.changed else ""}" x="100%" '
        f'y="{12 + index * pitch + height_px / 2 + 4:.1f}" text-anchor="end">'
        f"{escape(row.label)}{' •' if row.changed else ''}</text>"
        for index, row in enumerate(listed)
    )
    width = label_px or label_width_px(row.label for row in listed)
    return Markup(
        f'<div class="strip" role="img" aria-label="{escape(title or t("strip.title"))}">'
        f'<svg width="{width}" height="{total}">{labels}</svg>'
        f'<svg class="strip-svg" width="100%" height="{total}">{"".join(body)}</svg></div>'
    )


def label_width_px(labels: Iterable[str]) -> int:
    """Room for the longest label in the small size, with its mark of change."""
    return 16 + round(6.7 * max((len(label) for label in labels), default=0))


def plan_changes(
    plan: Plan, junction: Junction, signal_id: str, start_s: float, end_s: float
) -> tuple[Change, ...]:
    """What a fixed-time plan shows on one head, in the plan's own time (offset included)."""
    timing = plan.junction(junction.id)
    cycle_s, offset_s = timing.cycle_ds / 10, timing.offset_ds / 10
    shown = lamps(plan, junction, signal_id)
    first = math.floor((start_s - offset_s) / cycle_s)
    last = math.floor((end_s - offset_s) / cycle_s)
    return tuple(
        (offset_s + index * cycle_s + lamp.start_s, aspect(lamp.letter))
        for index in range(first, last + 1)
        for lamp in shown
    )


def cycle_changes(plan: Plan, junction: Junction, signal_id: str) -> tuple[Change, ...]:
    """One head over one cycle from the first stage's green."""
    return tuple((lamp.start_s, aspect(lamp.letter)) for lamp in lamps(plan, junction, signal_id))


@dataclass(frozen=True, slots=True)
class TimeSpaceRow:
    """A signal on a corridor: its label, its distance in metres, its changes."""

    label: str
    at_m: float
    changes: tuple[Change, ...]


def time_space_svg(
    rows: Sequence[TimeSpaceRow],
    start_s: float,
    end_s: float,
    *,
    speed_mps: float,
    t: Translate,
    height_px: int = 300,
    tick_origin_s: float = 0.0,
    tick_label: Callable[[float], str] | None = None,
) -> Markup:
    """Strips at their distance along a corridor, with vehicles at a steady speed through them.

    The first row lies at the bottom. A dotted line starts with each green of the first row.
    """
    length_m = max(row.at_m for row in rows) or 1.0
    top, bottom, bar = 12.0, height_px - 26.0, 11
    window = end_s - start_s
    body: list[str] = []

    def y_of(at_m: float) -> float:
        return bottom - (bottom - top) * at_m / length_m

    for at in _ticks(start_s, end_s, 30.0, tick_origin_s):
        x = percent(at - start_s, window)
        label = tick_label(at) if tick_label else f"{at - end_s:.0f}"
        anchor = "start" if at - start_s < 1 else "end" if end_s - at < 1 else "middle"
        body.append(
            f'<line class="tick" x1="{x}%" x2="{x}%" y1="4" y2="{bottom + 10:.0f}"/>'
            f'<text class="axis" x="{x}%" y="{height_px - 2}" text-anchor="{anchor}">'
            f"{escape(label)}</text>"
        )
    for row in rows:
        line = StripRow(row.label, row.changes)
        body.append(
            row_svg(
                line,
                start_s,
                end_s,
                top_px=y_of(row.at_m) - bar / 2,
                height_px=bar,
                t=t,
            )
        )
    travel_s = length_m / speed_mps
    for begin, end, state in intervals(rows[0].changes, start_s - travel_s, end_s):
        if state not in (SignalState.GREEN, PERMISSIVE):
            continue
        for at in (begin, end):
            body.append(
                f'<line class="wave" x1="{percent(at - start_s, window)}%" y1="{bottom:.1f}" '
                f'x2="{percent(at + travel_s - start_s, window)}%" y2="{top:.1f}"/>'
            )
    labels = "".join(
        f'<text class="place" x="100%" y="{y_of(row.at_m) + 4:.1f}" text-anchor="end">'
        f"{escape(row.label)}</text>"
        for row in rows
    )
    width = label_width_px(row.label for row in rows)
    return Markup(
        f'<div class="strip" role="img" aria-label="{escape(t("city.time_space"))}">'
        f'<svg class="time-space" width="{width}" height="{height_px}">{labels}</svg>'
        f'<svg class="time-space clip" height="{height_px}">{"".join(body)}</svg></div>'
    )


def stage_bar_svg(plan: JunctionPlan, *, label_px: int, t: Translate) -> Markup:
    """The cycle as one bar of stages with a cursor that the page moves to the running second.

    ``label_px`` aligns it with the strips below.
    """
    parts: list[str] = []
    at_ds = 0
    for index, stage in enumerate(plan.stages):
        x = percent(at_ds, plan.cycle_ds)
        width = percent(stage.green_ds, plan.cycle_ds)
        parts.append(
            f'<g class="stage-seg" data-stage="{escape(stage.id)}">'
            f'<rect class="stage-green{" alt" if index % 2 else ""}" x="{x}%" y="0" '
            f'width="{width}%" height="28"/>'
            f'<text class="stage-name" x="{x}%" dx="8" y="18">{escape(stage.id)} · '
            f"{ds_to_seconds(stage.green_ds)} s</text></g>"
        )
        for length, css in ((stage.yellow_ds, "stage-yellow"), (stage.red_ds, "stage-red")):
            at_part = at_ds + stage.green_ds + (stage.yellow_ds if css == "stage-red" else 0)
            parts.append(
                f'<rect class="{css}" x="{percent(at_part, plan.cycle_ds)}%" y="0" '
                f'width="{percent(length, plan.cycle_ds)}%" height="28"/>'
            )
        at_ds += stage.split_ds
    return Markup(
        f'<div class="strip"><svg width="{label_px}" height="34"><text class="strip-label" '
        f'x="100%" y="19" text-anchor="end">{escape(t("plan.stage"))}</text></svg>'
        f'<svg class="stage-bar" width="100%" height="34" role="img" '
        f'aria-label="{escape(t("stage.bar"))}" data-cycle="{ds_to_seconds(plan.cycle_ds)}">'
        f'{"".join(parts)}<line class="cursor" x1="0%" x2="0%" y1="-2" y2="34"/></svg></div>'
    )


def _ticks(start_s: float, end_s: float, tick_s: float, origin_s: float = 0.0) -> list[float]:
    first = origin_s + math.ceil((start_s - origin_s) / tick_s) * tick_s
    count = int((end_s - first) // tick_s) + 1
    return [first + index * tick_s for index in range(max(count, 0))]
