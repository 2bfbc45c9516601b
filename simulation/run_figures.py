"""Figures of how the runs of a validation went: queues, vehicles, splits, ways along a corridor."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from simulation.figures import AFTER, BEFORE, LINE, MUTED, TEXT, styled
from simulation.film import Side
from simulation.judge import ResultPair
from simulation.progression import Corridor
from simulation.results import BIN_S, SimulationResult
from simulation.roads import Roads
from simulation.wording import Language

MOST_QUEUES = 9
MOST_SPLITS = 30
_MOST_WAYS = 220

_WORDS: Mapping[Language, Mapping[str, str]] = {
    "en": {
        "before": "in force",
        "after": "candidate",
        "minutes": "minutes measured",
        "vehicles": "vehicles",
        "planned": "wanted to start",
        "arrived": "arrived",
        "used": "green used, %",
        "failures": "greens that left a queue: {before:.0f} % → {after:.0f} %",
        "green": "green {before:.0f} → {after:.0f} s of an hour",
    },
    "vi": {
        "before": "đang dùng",
        "after": "đề xuất",
        "minutes": "phút đã đo",
        "vehicles": "xe",
        "planned": "muốn khởi hành",
        "arrived": "đã đến",
        "used": "xanh được dùng, %",
        "failures": "lần xanh còn để lại hàng chờ: {before:.0f} % → {after:.0f} %",
        "green": "xanh {before:.0f} → {after:.0f} giây mỗi giờ",
    },
}


def queue_figure(
    runs: Sequence[ResultPair], label: Callable[[str], str], *, language: Language = "en"
) -> go.Figure | None:
    """Queues over time at the approaches where they are longest, mean of the pairs.

    ``label`` names an approach. None without a history.
    """
    words = _WORDS[language]
    means = [_mean_queues([pair[side] for pair in runs]) for side in (0, 1)]
    peaks = {
        name: max(float(values[name].max(initial=0.0)) for values in means if name in values)
        for name in {name for values in means for name in values}
    }
    chosen = sorted(peaks, key=lambda name: -peaks[name])[:MOST_QUEUES]
    if not chosen:
        return None
    columns = min(3, len(chosen))
    rows = -(-len(chosen) // columns)
    figure = make_subplots(
        rows=rows,
        cols=columns,
        subplot_titles=[html.escape(label(name)) for name in chosen],
        horizontal_spacing=0.06,
        vertical_spacing=0.30 / rows,
    )
    for index, name in enumerate(chosen):
        place = {"row": index // columns + 1, "col": index % columns + 1}
        for key, values, color, width in (
            ("before", means[0], BEFORE, 1.5),
            ("after", means[1], AFTER, 2),
        ):
            if name not in values:
                continue
            minutes = (np.arange(len(values[name])) + 1) * BIN_S / 60
            figure.add_scatter(
                x=minutes.tolist(),
                y=np.round(values[name], 1).tolist(),
                mode="lines",
                name=words[key],
                legendgroup=key,
                showlegend=index == 0,
                line={"color": color, "width": width},
                **place,
            )
    figure.update_yaxes(rangemode="tozero")
    for column in range(1, columns + 1):
        figure.update_xaxes(title_text=words["minutes"], row=rows, col=column)
    for note in figure.layout.annotations:
        note.font = {"size": 12, "color": TEXT}
    styled(figure, height=70 + 170 * rows, top=48)
    return figure.update_layout(legend={"y": 1 + 0.13 / rows})


def cumulative_figure(runs: Sequence[ResultPair], *, language: Language = "en") -> go.Figure | None:
    """Vehicles that wanted to start and that arrived, over time, mean of the pairs."""
    words = _WORDS[language]
    histories = [
        (one.history, other.history)
        for one, other in runs
        if one.history is not None and other.history is not None
    ]
    if not histories:
        return None
    figure = go.Figure()
    lines = (
        ("planned", words["planned"], [one.planned for one, _ in histories], TEXT, "dot"),
        (
            "before",
            f"{words['arrived']}, {words['before']}",
            [one.arrived for one, _ in histories],
            BEFORE,
            "solid",
        ),
        (
            "after",
            f"{words['arrived']}, {words['after']}",
            [other.arrived for _, other in histories],
            AFTER,
            "solid",
        ),
    )
    for _, name, values, color, dash in lines:
        mean: NDArray[np.float64] = np.array(values, float).mean(axis=0)
        figure.add_scatter(
            x=[minute * BIN_S / 60 for minute in range(len(mean) + 1)],
            y=[0.0, *(round(float(value), 1) for value in mean)],
            mode="lines",
            name=name,
            line={"color": color, "width": 2, "dash": dash},
        )
    figure.update_xaxes(title=words["minutes"])
    figure.update_yaxes(title=words["vehicles"], rangemode="tozero")
    return styled(figure, height=320)


def split_figure(
    runs: Sequence[ResultPair], label: Callable[[str], str], *, language: Language = "en"
) -> go.Figure | None:
    """Of each movement's green, how much vehicles used; those with most of it at the top."""
    words = _WORDS[language]
    before = _mean_splits([one for one, _ in runs])
    after = _mean_splits([other for _, other in runs])
    names = sorted(
        (name for name in before if name in after),
        key=lambda name: max(before[name][0], after[name][0]),
    )[-MOST_SPLITS:]
    if not names:
        return None
    ticks = list(range(len(names)))
    joined_x: list[float | None] = []
    joined_y: list[float | None] = []
    for at, name in enumerate(names):
        joined_x += [before[name][0], after[name][0], None]
        joined_y += [at, at, None]
    hover = [
        f"{html.escape(label(name))}<br>{before[name][0]:.0f} → {after[name][0]:.0f} %<br>"
        + words["failures"].format(before=before[name][1], after=after[name][1])
        + "<br>"
        + words["green"].format(before=before[name][2], after=after[name][2])
        for name in names
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
    for key, values, symbol, color in (
        ("before", before, "circle-open", BEFORE),
        ("after", after, "circle", AFTER),
    ):
        figure.add_scatter(
            x=[round(values[name][0], 1) for name in names],
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
        ticktext=[html.escape(label(name)) for name in names],
        range=[-0.7, len(names) - 0.3],
    )
    figure.update_xaxes(title=words["used"], range=[0, 102], side="bottom")
    return styled(figure, height=90 + 26 * max(2, len(names)))


def add_ways(
    figure: go.Figure, corridor: Corridor, side: Side, roads: Roads, *, begin_s: float
) -> go.Figure:
    """Draw the ways of a film's vehicles into a time-space diagram whose 0 is ``begin_s``.

    Places between two approaches (within junctions) are joined by a straight line.
    """
    base: dict[str, float] = {}
    for stop in corridor.stops:
        edge = stop.movement.split(":", 1)[-1].split(">")[0]
        if edge in roads.roads:
            base[edge] = stop.at_m - roads.roads[edge].length_m
    xs: list[float | None] = []
    ys: list[float | None] = []
    ways = []
    for moves in side.moves:
        on = [i for i, edge in enumerate(moves.edge) if edge in base]
        if len(on) < 20:
            continue
        at = [base[moves.edge[i]] + float(moves.along_m[i]) for i in on]
        ways.append((moves.first, on, at))
    every = max(1, -(-len(ways) // _MOST_WAYS))
    for first, on, at in ways[::every]:
        kept = _bends(on, at)
        xs += [float(first + on[i]) for i in kept]
        ys += [round(at[i], 1) for i in kept]
        xs.append(None)
        ys.append(None)
    figure.add_scatter(
        x=xs,
        y=ys,
        mode="lines",
        line={"color": MUTED, "width": 0.8},
        opacity=0.75,
        hoverinfo="skip",
        showlegend=False,
    )
    return figure


def _bends(on: Sequence[int], at: Sequence[float]) -> list[int]:
    """Points of a way that a straight line between its neighbours would miss by over a metre."""
    kept = [0]
    for i in range(1, len(on) - 1):
        start, end = kept[-1], i + 1
        share = (on[i] - on[start]) / max(1, on[end] - on[start])
        if abs(at[start] + share * (at[end] - at[start]) - at[i]) > 1.0 or i - start >= 15:
            kept.append(i)
    return [*kept, len(on) - 1]


def _mean_queues(runs: Sequence[SimulationResult]) -> dict[str, NDArray[np.float64]]:
    series: dict[str, list[NDArray[np.float64]]] = {}
    for run in runs:
        for name, values in run.history.queues.items() if run.history is not None else ():
            series.setdefault(name, []).append(np.array(values, float))
    return {name: np.sum(values, axis=0) / len(runs) for name, values in series.items()}


def _mean_splits(runs: Sequence[SimulationResult]) -> dict[str, tuple[float, float, float]]:
    """Per movement: used share, share of greens that left a queue (percent), green per hour."""
    found: dict[str, tuple[float, float, float]] = {}
    names = {name for run in runs for name in run.splits}
    for name in sorted(names):
        uses: list[Any] = [run.splits[name] for run in runs if name in run.splits]
        shown = sum(use.green_s for use in uses)
        greens = sum(use.greens for use in uses)
        hours = sum(
            len(run.history.planned) * BIN_S / 3600
            for run in runs
            if run.history is not None and name in run.splits
        )
        if shown and greens:
            found[name] = (
                100.0 * sum(use.used_s for use in uses) / shown,
                100.0 * sum(use.failures for use in uses) / greens,
                shown / max(hours, 1e-9),
            )
    return found
