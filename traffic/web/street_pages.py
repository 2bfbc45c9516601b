"""What the corridor's and a junction's pages show."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import plotly.graph_objects as go
from markupsafe import Markup, escape

from detection.measures import ALL, APPROACH, MeasureRow
from models.counts import CountRow
from models.junction import Junction
from models.plan import Plan
from models.site import Site, SiteCamera
from simulation.figures import figure_json
from simulation.labels import short_id
from traffic.live import HISTORY_S, LiveState
from traffic.measure_records import StoredMeasure
from traffic.web.drawing import lamp
from traffic.web.geometry import DrawnJunction, DrawnNetwork
from traffic.web.i18n import Words
from traffic.web.names import Names
from traffic.web.strip import (
    Mark,
    StripRow,
    TimeSpaceRow,
    cycle_changes,
    label_width_px,
    signal_strip_svg,
    time_space_svg,
)
from traffic.web.text import LOCAL, local_time

MAX_SPEED_MPS = 11.1  # 40 km/h: a usual progression speed in town


def camera_rows(site: Site, live: LiveState, names: Names) -> list[dict[str, str]]:
    """Cameras with the kind of their source: what is published now, else what the site says."""
    latest = live.latest
    rows = []
    for camera in site.cameras:
        now = latest.snapshot.cameras.get(camera.id) if latest else None
        rows.append(
            {
                "id": camera.id,
                "junction": camera.junction,
                "approach": camera.approach,
                "kind": now.kind.value if now else _kind(camera),
                "bound": names.bound(camera.junction, camera.approach),
                # A camera with a pose is known by it; the others can be calibrated.
                "marked": "" if "pose" in camera.options else "yes",
            }
        )
    return rows


def _kind(camera: SiteCamera) -> str:
    return "stream" if camera.source else camera.view.source_kind.value


def approach_names(
    site: Site, drawing: DrawnNetwork | None, names: Names
) -> dict[str, dict[str, str | float | None]]:
    """Label and length of every approach, by ``junction|edge``.

    Without a network these are the approaches that cameras watch, of unknown length.
    """
    if drawing is None:
        return {
            f"{camera.junction}|{camera.approach}": {
                "label": f"{names.junction(camera.junction)} {camera.approach}",
                "length_m": None,
            }
            for camera in site.cameras
        }
    return {
        f"{junction.id}|{approach.edge}": {
            "label": _approach_label(junction, names.bound(junction.id, approach.edge)),
            "length_m": round(approach.length_m, 1),
        }
        for junction in drawing.junctions.values()
        for approach in junction.approaches
    }


def _approach_label(junction: DrawnJunction, bound: str) -> str:
    short = short_id(junction.id)
    return f"{short} {bound}" + (f" · {junction.name}" if junction.name != junction.id else "")


def junction_lamps(drawing: DrawnNetwork | None, junction: str) -> Markup:
    """One small head per approach, for lists."""
    if drawing is None or junction not in drawing.junctions:
        return Markup("–")
    approaches = drawing.junctions[junction].approaches
    heads = "".join(
        lamp(approach.main_movement, (14 + 26 * index, 12), 0.9)
        for index, approach in enumerate(approaches)
    )
    return Markup(f'<svg width="{26 * len(approaches) + 4}" height="24">{heads}</svg>')


def corridor_strips(drawing: DrawnNetwork | None, live: LiveState, t: Words) -> Markup:
    """The last minutes of the corridor's signals at their distances."""
    latest = live.latest
    if drawing is None or drawing.corridor is None or latest is None:
        return Markup("")
    corridor = drawing.corridor
    end_s = latest.snapshot.at.timestamp()
    rows = [
        TimeSpaceRow(stop.junction, stop.at_m, live.signal_history(stop.movement))
        for stop in corridor.stops
    ]
    speed = min(corridor.speed_limit_mps, MAX_SPEED_MPS)
    return time_space_svg(rows, end_s - HISTORY_S, end_s, speed_mps=speed, tick_origin_s=end_s, t=t)


def delay_line(live: LiveState, t: Words) -> Markup:
    """Delay of the last minutes since the start; heavier once the new plan is measured."""
    samples = live.delay_history()
    if len(samples) < 7:
        return Markup("")
    width, height = 320.0, 64.0
    start_s, end_s = samples[0].time_s, samples[-1].time_s
    top = max(sample.delay_s for sample in samples) * 1.1 or 1.0

    def place(time_s: float, delay_s: float) -> str:
        x = width * (time_s - start_s) / (end_s - start_s)
        return f"{x:.1f} {height - height * delay_s / top:.1f}"

    line = "L".join(place(sample.time_s, sample.delay_s) for sample in samples)
    after = [place(sample.time_s, sample.delay_s) for sample in samples if sample.after]
    minutes = (end_s - start_s) / 60
    caption = t("delay.history", minutes=f"{minutes:.0f}", top=f"{top / 1.1:.0f}")
    heavy = f'<path class="after" d="M{"L".join(after)}"/>' if len(after) > 1 else ""
    return Markup(
        f'<svg class="delay-line" viewBox="0 -4 {width:.0f} {height + 8:.0f}" '
        f'preserveAspectRatio="none" role="img" '
        f'aria-label="{escape(caption)}"><line x1="0" x2="{width:.0f}" y1="{height:.0f}" '
        f'y2="{height:.0f}"/><path d="M{line}"/>{heavy}</svg>'
        f'<p class="small muted">{escape(caption)}</p>'
    )


def approach_strip(
    junction: Junction, approach: str, camera: str, live: LiveState, names: Names, t: Words
) -> Markup:
    """The last minutes of an approach's heads, each camera's crossings marked."""
    latest = live.latest
    if latest is None:
        return Markup("")
    end_s = latest.snapshot.at.timestamp()
    groups: dict[tuple[Any, ...], list[str]] = {}
    for movement in junction.movements:
        if movement.from_edge == approach:
            groups.setdefault(live.signal_history(movement.id), []).append(movement.id)
    rows = []
    for changes, movements in groups.items():
        crossings = live.crossings(movements, end_s - HISTORY_S, camera)
        marks = tuple(
            Mark(
                item.time_s,
                flagged=bool(item.case),
                title=f"{_class(item.vehicle_class, t)} · {t('signal.' + item.state.value)}",
            )
            for item in crossings
        )
        label = names.movement(movements[0])
        if len(movements) > 1:
            label = names.bound(junction.id, approach)
        rows.append(StripRow(label, changes, marks))
    return signal_strip_svg(rows, end_s - HISTORY_S, end_s, t=t, tick_s=30.0, tick_origin_s=end_s)


def split_monitor(plan: Plan | None, junction: Junction, names: Names, t: Words) -> Markup:
    """What every head shows over one cycle of the plan in force."""
    if plan is None or all(item.junction != junction.id for item in plan.junctions):
        return Markup("")
    timing = plan.junction(junction.id)
    cycle_s = timing.cycle_ds / 10
    rows = [
        StripRow(names.signal(key), cycle_changes(plan, junction, key))
        for key in signal_order(junction)
    ]
    return signal_strip_svg(
        rows,
        0.0,
        cycle_s,
        t=t,
        tick_label=lambda at: f"{at:.0f}",
        cursor_s=0.0,
        height_px=12,
        label_px=monitor_label_px(junction, names),
        title=t("junction.cycle"),
    )


def monitor_label_px(junction: Junction, names: Names) -> int:
    """Room for the names of a junction's heads."""
    return label_width_px(names.signal(key) for key in signal_order(junction))


def signal_order(junction: Junction) -> list[str]:
    """Heads that can be drawn from a network's links: movements by approach, then crossings."""
    movements = sorted(junction.movements, key=lambda m: junction.approaches.index(m.from_edge))
    return [m.id for m in movements if m.links] + [c.id for c in junction.crossings if c.links]


def _class(name: str, t: Words) -> str:
    return t("class." + name) if t.has("class." + name) else name


def count_rows(
    junction: Junction, rows: Sequence[CountRow], classes: Sequence[str], names: Names
) -> list[dict[str, Any]]:
    """Counted vehicles per movement and class, and the least coverage of their intervals."""
    totals: dict[tuple[str, str], int] = defaultdict(int)
    coverage: dict[str, float] = {}
    for row in rows:
        totals[row.movement, row.vehicle_class] += row.count
        coverage[row.movement] = min(coverage.get(row.movement, 1.0), row.coverage)
    out = []
    for movement in junction.movements:
        by_class = [totals[movement.id, name] for name in classes]
        seen = coverage.get(movement.id)
        out.append(
            {
                "id": movement.id,
                "label": names.movement(movement.id),
                "by_class": by_class,
                "total": sum(by_class),
                "coverage": "–" if seen is None else f"{100 * seen:.0f} %",
            }
        )
    return out


def measure_rows(found: Sequence[StoredMeasure], names: Names, t: Words) -> dict[str, Any] | None:
    """A camera's newest interval: the approach and its movements, all classes together."""
    rows = [item.row for item in found if item.row.vehicle_class == ALL]
    if not rows:
        return None
    first = rows[0]
    return {
        "from": local_time(first.start),
        "until": local_time(first.end)[-5:],
        "coverage": f"{100 * first.coverage:.0f} %",
        "calibration": found[0].calibration,
        "rows": [
            {
                "label": names.movement(row.movement) if row.movement else t("measures.approach"),
                "whole": row.movement == APPROACH,
                "count": row.count,
                "bounds": "–"
                if math.isinf(row.count_high)
                else f"{row.count_low:.0f}–{row.count_high:.0f}",
                "flow": _figure(row.flow_vph),
                "pcu": _figure(row.flow_pcu_ph),
                "speed": _figure(row.mean_speed_mps, scale=3.6),
                "headway": _figure(row.headway_s, digits=1),
                "queue": _figure(row.queue_mean_veh, digits=1),
                "queue_most": _at_least(row, _figure(row.queue_max_veh)),
                "queue_m": _at_least(row, _figure(row.queue_max_m)),
                "occupancy": _figure(row.occupancy, scale=100.0),
                "saturation": _figure(row.saturation_pcu_ph),
            }
            for row in sorted(rows, key=lambda row: row.movement)
        ],
    }


def _at_least(row: MeasureRow, figure: str) -> str:
    """A queue's figure, marked where the queue went on beyond what the camera sees."""
    return f"≥ {figure}" if row.queue_beyond and figure != "–" else figure


def _figure(value: float | None, *, digits: int = 0, scale: float = 1.0) -> str:
    return "–" if value is None else f"{value * scale:.{digits}f}"


def history_figure(
    junction: Junction, rows: Iterable[CountRow], names: Names, t: Words
) -> Markup | None:
    """Flow by approach over the counted intervals, None before one has closed."""
    approach_of = {m.id: m.from_edge for m in junction.movements}
    flows: Mapping[str, dict[Any, float]] = defaultdict(lambda: defaultdict(float))
    for row in rows:
        if row.movement in approach_of and row.vehicle_class != "pedestrian":
            seen_s = row.duration_s * row.coverage
            if seen_s > 0:
                flows[approach_of[row.movement]][row.start] += 3600 * row.count / seen_s
    if not flows:
        return None
    figure = go.Figure()
    dashes = ("solid", "dash", "dot", "dashdot")
    shades = ("var(--accent)", "var(--text)", "var(--muted)", "var(--before)")
    for index, edge in enumerate(approach for approach in junction.approaches if approach in flows):
        starts = sorted(flows[edge])
        figure.add_scatter(
            x=[start.astimezone(LOCAL).strftime("%Y-%m-%d %H:%M:%S") for start in starts],
            y=[round(flows[edge][start]) for start in starts],
            mode="lines+markers",
            name=names.bound(junction.id, edge),
            line={"dash": dashes[index % 4], "color": shades[index % 4], "shape": "hv"},
        )
    axis = {"gridcolor": "var(--line)", "linecolor": "var(--line)", "zeroline": False}
    figure.update_xaxes(tickformat="%H:%M", hoverformat="%H:%M", **axis)
    figure.update_yaxes(title=t("history.flow"), rangemode="tozero", **axis)
    figure.update_layout(
        template="none",
        height=260,
        margin={"l": 56, "r": 10, "t": 30, "b": 36},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": "system-ui, sans-serif", "size": 12, "color": "var(--muted)"},
        legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        dragmode=False,
    )
    return Markup(figure_json(figure))  # safe inside a script element by its own escaping
