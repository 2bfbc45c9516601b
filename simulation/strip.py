"""The signal strip: one head's states along a thin time line, the same drawing everywhere.

Aspect is told by height as well as by colour and letter: green fills the strip, yellow two
thirds of it, red is a thin line. Horizontal positions are percentages, so a strip keeps the size
of its text at any width. Classes (``s-green`` and so on) are styled by the page.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import TypeAlias

from models.signals import SignalState

Change: TypeAlias = tuple[float, str]
"""From this second on the head shows this aspect: a ``SignalState`` or one of the two below."""
PERMISSIVE = "permissive"
STOP_THEN_GO = "stop_then_go"

_ASPECTS = {
    "G": SignalState.GREEN,
    "g": PERMISSIVE,
    "y": SignalState.YELLOW,
    "Y": SignalState.YELLOW,
    "r": SignalState.RED,
    "u": SignalState.RED,
    "s": STOP_THEN_GO,
    "o": SignalState.FLASHING_YELLOW,
    "O": SignalState.DARK,
}
_SHARE = {
    SignalState.GREEN: 1.0,
    PERMISSIVE: 1.0,
    SignalState.YELLOW: 0.64,
    SignalState.FLASHING_YELLOW: 0.64,
}
_CLASS = {PERMISSIVE: "s-green permissive", STOP_THEN_GO: "s-red"}
_THIN = 0.2
_THIN_PX = 3
_LETTER_SHARE = 0.025  # about 11 px of a 440 px strip
_LETTER_PX = 9


def aspect(letter: str) -> str:
    """What a letter of a SUMO state string shows, by the name that strips use."""
    return str(_ASPECTS.get(letter, SignalState.UNKNOWN))


def intervals(
    changes: Sequence[Change], start_s: float, end_s: float
) -> tuple[tuple[float, float, str], ...]:
    """Spans ``(from_s, to_s, aspect)`` that fill the window; unknown before the first change."""
    spans: list[tuple[float, float, str]] = []
    at, shown = start_s, str(SignalState.UNKNOWN)
    for time_s, following in changes:
        if time_s >= end_s:
            break
        if time_s > at:
            spans.append((at, time_s, shown))
            at = time_s
        shown = str(following)
    if end_s > at:
        spans.append((at, end_s, shown))
    return tuple(spans)


def bars(
    changes: Sequence[Change], start_s: float, end_s: float, until_s: float | None = None
) -> tuple[tuple[float, float, str, float], ...]:
    """What is drawn of a head: ``(from_s, to_s, aspect, share of the strip's height)``.

    Nothing is drawn after ``until_s``.
    """
    return tuple(
        (begin, end, shown, _SHARE.get(shown, _THIN))
        for begin, end, shown in intervals(changes, start_s, min(end_s, until_s or end_s))
    )


def lettered(begin_s: float, end_s: float, window_s: float) -> bool:
    """Whether a bar is long enough for its letter."""
    return (end_s - begin_s) / window_s > _LETTER_SHARE


def percent(part: float, whole: float) -> str:
    """A share as SVG takes it, without the sign."""
    return f"{100 * part / whole:.3f}"


def states_svg(
    changes: Sequence[Change],
    start_s: float,
    end_s: float,
    *,
    top_px: float,
    height_px: int,
    letters: Mapping[str, str],
    until_s: float | None = None,
) -> str:
    """One head's states within a window as SVG elements, to stand inside an ``svg``.

    Args:
        changes: What it shows from when on, oldest first.
        start_s: Window start.
        end_s: Window end, at 100 %.
        top_px: Upper edge of the strip.
        height_px: Height of the strip.
        letters: Letter of each aspect.
        until_s: Where the states end, when before the window's end.
    """
    window = end_s - start_s
    out: list[str] = []
    for begin, end, shown, share in bars(changes, start_s, end_s, until_s):
        height = max(_THIN_PX, round(share * height_px))
        x, bottom = percent(begin - start_s, window), top_px + height_px
        css = _CLASS.get(shown, f"s-{shown}")
        if shown != SignalState.UNKNOWN:  # a gap is drawn as a gap
            out.append(
                f'<rect class="{css}" x="{x}%" y="{bottom - height:g}" '
                f'width="{percent(end - begin, window)}%" height="{height}"/>'
            )
        over = height == max(_THIN_PX, round(_THIN * height_px))
        if lettered(begin, end, window) and (over or height >= _LETTER_PX):
            place, up = ("over ", height + 3) if over else ("", 3)
            out.append(
                f'<text class="strip-letter {place}on-{shown}" x="{x}%" dx="4" '
                f'y="{bottom - up:g}">'
                f"{escape(letters[shown])}</text>"
            )
    return "".join(out)
