"""Figures of plans and their validation, the same in reports, console and notebooks.

Colours are named by the page's CSS variables (``var(--accent)``), so that one figure serves the
dark and the light theme: ``data/figures.js`` puts the values in when it draws. ``with_palette``
does the same in Python where there is no page.
"""

from __future__ import annotations

import html
import json
from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from typing import Any

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from models.junction import Junction
from models.plan import Plan
from models.signals import SignalState
from models.validation import MovementChange, ValidationReport
from simulation.progression import Band, Corridor, Lamp, best_band, lamps
from simulation.strip import PERMISSIVE, STOP_THEN_GO, aspect, states_svg
from simulation.wording import Language, change_text, signed

TEXT, MUTED, LINE = "var(--text)", "var(--muted)", "var(--line)"
BEFORE, AFTER, BAND = "var(--before)", "var(--accent)", "var(--band)"
RED, YELLOW, GREEN = "var(--lamp-red)", "var(--lamp-yellow)", "var(--lamp-green)"

PALETTES: Mapping[str, Mapping[str, str]] = {
    "light": {
        "--text": "#1b1f24",
        "--muted": "#5d6671",
        "--line": "#d9dde2",
        "--surface": "#ffffff",
        "--before": "#7b8591",
        "--accent": "#2457d6",
        "--band": "rgba(36, 87, 214, 0.16)",
        "--lamp-red": "#cf2e2e",
        "--lamp-yellow": "#d99a00",
        "--lamp-green": "#16924a",
    },
    "dark": {
        "--text": "#e6e9ed",
        "--muted": "#98a2ad",
        "--line": "#2c333b",
        "--surface": "#12161a",
        "--before": "#8c97a3",
        "--accent": "#7fa7ff",
        "--band": "rgba(127, 167, 255, 0.20)",
        "--lamp-red": "#ff5c5c",
        "--lamp-yellow": "#ffc53d",
        "--lamp-green": "#37c871",
    },
}

_WORDS: Mapping[Language, Mapping[str, str]] = {
    "en": {
        "before": "in force",
        "after": "candidate",
        "delay": "delay, s per vehicle",
        "change": "change, %",
        "pair": "one pair",
        "mean": "mean and 95 % interval",
        "vehicles": "vehicles",
        "time": "time, s",
        "distance": "distance, m",
        "no_cycle": "no common cycle: no green band",
        "no_band": "no green band",
        "band": "band {width:.0f} of {cycle:.0f} s at {speed:.0f} km/h",
        "delay_s": "delay",
        "trip_time_s": "trip time",
        "time_loss_s": "time loss",
        "waiting_time_s": "waiting time",
        "stops": "stops",
        "letters": "GgYRs",
    },
    "vi": {
        "before": "đang dùng",
        "after": "đề xuất",
        "delay": "độ trễ, giây mỗi xe",
        "change": "thay đổi, %",
        "pair": "một cặp",
        "mean": "trung bình và khoảng tin cậy 95 %",
        "vehicles": "xe",
        "time": "thời gian, giây",
        "distance": "khoảng cách, m",
        "no_cycle": "chu kỳ khác nhau: không có làn sóng xanh",
        "no_band": "không có làn sóng xanh",
        "band": "làn sóng {width:.0f} / {cycle:.0f} giây ở {speed:.0f} km/h",
        "delay_s": "độ trễ",
        "trip_time_s": "thời gian đi",
        "time_loss_s": "thời gian mất",
        "waiting_time_s": "thời gian chờ",
        "stops": "số lần dừng",
        "letters": "XNVĐs",
    },
}
CHANGE_MEASURES = ("delay_s", "trip_time_s", "time_loss_s", "waiting_time_s", "stops")
_ROW_PX = 26
_STRIP_PX = 14


def figure_json(figure: go.Figure) -> str:
    """A figure as JSON that is safe inside a ``<script>`` element."""
    text = json.dumps(figure.to_plotly_json(), ensure_ascii=False, default=_plain)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def with_palette(figure: go.Figure, theme: str) -> go.Figure:
    """The figure with the colours of ``light`` or ``dark`` put in, for a notebook or a file."""
    text = json.dumps(figure.to_plotly_json(), default=_plain)
    for name, value in PALETTES[theme].items():
        text = text.replace(f"var({name})", value)
    themed = go.Figure(json.loads(text))
    return themed.update_layout(paper_bgcolor=PALETTES[theme]["--surface"])


def plotly_script() -> str:
    """plotly.js from the installed package and the drawing code, to embed once in a page."""
    drawing = files("simulation").joinpath("data", "figures.js").read_text(encoding="utf-8")
    return f"{get_plotlyjs()}\n{drawing}"


def movement_delay_figure(
    movements: Sequence[MovementChange],
    label: Callable[[str], str],
    *,
    language: Language = "en",
    most: int = 40,
) -> go.Figure:
    """Delay by movement under both plans, the one that loses most at the top.

    ``label`` names a movement. Of more than ``most`` movements those that change most, weighted
    by their vehicles, are shown.
    """
    words = _WORDS[language]
    heaviest = sorted(movements, key=lambda m: -abs(m.change_s) * m.vehicles)[:most]
    # Plotly draws the first row at the bottom.
    rows = sorted(heaviest, key=lambda m: m.change_s)
    names = [label(m.movement) for m in rows]
    ticks = list(range(len(rows)))
    joined_x: list[float | None] = []
    joined_y: list[float | None] = []
    for at, movement in enumerate(rows):
        joined_x += [movement.baseline_delay_s, movement.candidate_delay_s, None]
        joined_y += [at, at, None]
    hover = [
        f"{html.escape(m.movement)}<br>{m.baseline_delay_s:.1f} → {m.candidate_delay_s:.1f} s "
        f"({signed(m.change_s)} s), {m.vehicles:.0f} {words['vehicles']}"
        for m in rows
    ]
    figure = go.Figure()
    figure.add_scatter(
        x=joined_x,
        y=joined_y,
        mode="lines",
        line={"color": LINE, "width": 3},
        hoverinfo="skip",
        showlegend=False,
    )
    for key, symbol, color in (("before", "circle-open", BEFORE), ("after", "circle", AFTER)):
        figure.add_scatter(
            x=[m.baseline_delay_s if key == "before" else m.candidate_delay_s for m in rows],
            y=ticks,
            mode="markers",
            name=words[key],
            marker={"symbol": symbol, "color": color, "size": 10, "line": {"width": 2}},
            hovertext=hover,
            hoverinfo="text",
        )
    figure.update_yaxes(
        tickmode="array",
        tickvals=ticks,
        ticktext=[html.escape(name) for name in names],
        range=[-0.7, len(rows) - 0.3],
    )
    figure.update_xaxes(title=words["delay"], rangemode="tozero", side="bottom")
    return styled(figure, height=90 + _ROW_PX * max(2, len(rows)))


def change_figure(report: ValidationReport, *, language: Language = "en") -> go.Figure:
    """Relative change of each measure with its interval; for delay each pair's own as well."""
    words = _WORDS[language]
    names = [name for name in CHANGE_MEASURES if name in report.change][::-1]
    figure = go.Figure()
    changes = [report.change[name] for name in names]
    pairs = [100.0 * (after - before) / before for before, after in report.pair_delay_s if before]
    if "delay_s" in names and pairs:
        figure.add_scatter(
            x=pairs,
            y=[words["delay_s"]] * len(pairs),
            mode="markers",
            name=words["pair"],
            marker={"symbol": "line-ns-open", "color": BEFORE, "size": 14, "line": {"width": 2}},
            hovertext=[
                f"seed {seed}: {signed(value)} %"
                for seed, value in zip(report.seeds, pairs, strict=False)
            ],
            hoverinfo="text",
        )
    figure.add_scatter(
        x=[change.mean_pct for change in changes],
        y=[words[name] for name in names],
        mode="markers",
        name=words["mean"],
        marker={"color": AFTER, "size": 9},
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [change.ci95_pct[1] - change.mean_pct for change in changes],
            "arrayminus": [change.mean_pct - change.ci95_pct[0] for change in changes],
            "color": AFTER,
            "thickness": 2,
            "width": 5,
        },
        hovertext=[change_text(change) for change in changes],
        hoverinfo="text",
    )
    figure.add_vline(x=0, line={"color": TEXT, "width": 1})
    figure.update_xaxes(title=words["change"], ticksuffix=" %")
    figure.update_yaxes(
        categoryorder="array", categoryarray=[words[name] for name in names], showgrid=False
    )
    return styled(figure, height=90 + 34 * max(2, len(names)))


def time_space_figure(
    corridor: Corridor,
    plan: Plan,
    junctions: Mapping[str, Junction],
    label: Callable[[str], str],
    *,
    language: Language = "en",
    duration_s: float = 300.0,
    begin_s: float = 0.0,
) -> go.Figure:
    """Signals along a corridor over time, with the green band and its progression speed.

    Time 0 of the figure is second ``begin_s`` of the simulation.

    Each junction has a line at its distance: red thick, yellow thinner, green thinnest. The band
    is every start from which one steady speed meets green all along.
    """
    words = _WORDS[language]
    band = best_band(corridor, plan, junctions)
    figure = go.Figure()
    if band is not None:
        _add_band(figure, corridor, band, begin_s, duration_s)
    for letters, color, width in (("GgO", GREEN, 3), ("yY", YELLOW, 6), ("rsuo", RED, 9)):
        xs: list[float | None] = []
        ys: list[float | None] = []
        for stop in corridor.stops:
            windows = _shown(plan, junctions[stop.junction], stop.movement, letters, begin_s)
            for start, end in windows:
                first, last = max(0.0, start), min(duration_s, end)
                if last > first:
                    xs += [first, last, None]
                    ys += [stop.at_m, stop.at_m, None]
        figure.add_scatter(
            x=xs,
            y=ys,
            mode="lines",
            line={"color": color, "width": width},
            hoverinfo="skip",
            showlegend=False,
        )
    _add_letters(figure, corridor, plan, junctions, words["letters"], begin_s)
    cycles = {plan.junction(stop.junction).cycle_ds for stop in corridor.stops}
    note = (
        words["band"].format(width=band.width_s, cycle=band.cycle_s, speed=band.speed_mps * 3.6)
        if band is not None
        else words["no_cycle" if len(cycles) > 1 else "no_band"]
    )
    margin = max(30.0, 0.06 * corridor.length_m)
    figure.update_layout(
        title={"text": note, "font": {"size": 13, "color": TEXT}, "x": 0, "xref": "paper"}
    )
    figure.update_xaxes(title=words["time"], range=[0, duration_s], dtick=60, showgrid=False)
    figure.update_yaxes(
        range=[-margin, corridor.length_m + margin],
        tickmode="array",
        tickvals=[stop.at_m for stop in corridor.stops],
        ticktext=[html.escape(label(stop.junction)) for stop in corridor.stops],
        showgrid=False,
    )
    return styled(figure, height=140 + 34 * len(corridor.stops), top=36)


def _add_band(
    figure: go.Figure, corridor: Corridor, band: Band, begin_s: float, duration_s: float
) -> None:
    travel_s = corridor.length_m / band.speed_mps
    top = corridor.length_m
    first = -int(travel_s // band.cycle_s) - 1
    xs: list[float | None] = []
    ys: list[float | None] = []
    for index in range(first, int(duration_s // band.cycle_s) + 1):
        start = (band.start_s - begin_s) % band.cycle_s + index * band.cycle_s
        end = start + band.width_s
        xs += [start, end, end + travel_s, start + travel_s, start, None]
        ys += [0, 0, top, top, 0, None]
    figure.add_scatter(
        x=xs,
        y=ys,
        mode="lines",
        fill="toself",
        fillcolor=BAND,
        line={"color": AFTER, "width": 1},
        hoverinfo="skip",
        showlegend=False,
    )


def _add_letters(
    figure: go.Figure,
    corridor: Corridor,
    plan: Plan,
    junctions: Mapping[str, Junction],
    letters: str,
    begin_s: float,
) -> None:
    """A letter above the first red and green of each junction, beside the colour."""
    above_m = 0.02 * corridor.length_m
    for shown, letter in (("rsuo", letters[3]), ("GgO", letters[0])):
        firsts = []
        for stop in corridor.stops:
            windows = _shown(plan, junctions[stop.junction], stop.movement, shown, begin_s)
            inside = [(a, b) for a, b in windows if a >= 0 and b - a >= 10]
            if inside:
                firsts.append((stop.at_m, (inside[0][0] + inside[0][1]) / 2))
        figure.add_scatter(
            x=[x for _, x in firsts],
            y=[y + above_m for y, _ in firsts],
            mode="text",
            text=[letter] * len(firsts),
            textposition="top center",
            textfont={"size": 10, "color": MUTED},
            hoverinfo="skip",
            showlegend=False,
        )


def _shown(
    plan: Plan, junction: Junction, movement: str, letters: str, begin_s: float
) -> list[tuple[float, float]]:
    """Windows after ``begin_s``, some cycles long, in which one of the letters is shown."""
    timing = plan.junction(junction.id)
    cycle_s, offset_s = timing.cycle_ds / 10.0, timing.offset_ds / 10.0
    windows = []
    for index in range(-1, int(600 // cycle_s) + 2):
        base = (offset_s - begin_s) % cycle_s + index * cycle_s
        windows += [
            (base + lamp.start_s, base + lamp.end_s)
            for lamp in lamps(plan, junction, movement)
            if lamp.letter in letters
        ]
    return windows


def styled(figure: go.Figure, *, height: int, top: int = 10) -> go.Figure:
    """The figure in the dress of all: colours of the page, system type, no tools."""
    axis = {
        "gridcolor": LINE,
        "linecolor": LINE,
        "zeroline": False,
        "automargin": True,
        "fixedrange": True,
        "title": {"font": {"size": 12, "color": MUTED}},
    }
    figure.update_xaxes(**axis)
    figure.update_yaxes(**axis)
    return figure.update_layout(
        template="none",
        height=height,
        margin={"l": 10, "r": 10, "t": top, "b": 40},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": "system-ui, sans-serif", "size": 12, "color": TEXT},
        legend={"orientation": "h", "x": 0, "y": 1, "yanchor": "bottom", "font": {"color": TEXT}},
        hoverlabel={"font": {"family": "system-ui, sans-serif"}},
        dragmode=False,
    )


def strip_svg(
    shown: Sequence[Lamp],
    duration_s: float,
    *,
    title: str = "",
    language: Language = "en",
) -> str:
    """One signal's cycle as the signal strip (``simulation.strip``), a whole inline ``svg``.

    Classes are styled by ``data/figures.css``.
    """
    drawn = states_svg(
        [(lamp.start_s, aspect(lamp.letter)) for lamp in shown],
        0.0,
        duration_s,
        top_px=0.0,
        height_px=_STRIP_PX,
        letters=_strip_letters(language),
        until_s=min(duration_s, shown[-1].end_s),
    )
    name = html.escape(title)
    return (
        f'<svg class="strip" width="100%" height="{_STRIP_PX}" role="img" aria-label="{name}">'
        f"<title>{name}</title>{drawn}</svg>"
    )


def _strip_letters(language: Language) -> Mapping[str, str]:
    green, permissive, yellow, red, stop_then_go = tuple(_WORDS[language]["letters"])
    return {
        SignalState.GREEN: green,
        PERMISSIVE: permissive,
        SignalState.YELLOW: yellow,
        SignalState.FLASHING_YELLOW: yellow,
        SignalState.RED: red,
        STOP_THEN_GO: stop_then_go,
        SignalState.DARK: "–",
        SignalState.UNKNOWN: "?",
    }


def _plain(value: Any) -> Any:
    """Numpy arrays and numbers as JSON values."""
    return value.tolist()
