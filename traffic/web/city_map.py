"""The map of a site as SVG, drawn from its network; the page patches what changes."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from html import escape

from markupsafe import Markup

from simulation.labels import short_id
from traffic.web.drawing import Projection, lamp, path_text, queue_line
from traffic.web.geometry import DrawnApproach, DrawnJunction, DrawnNetwork, Point

Translate = Callable[..., str]

EMPHASIS = 1.7
"""Roads are drawn wider than true: at a map's scale a lane is a pixel or two."""
# Where the map is usually shown, in pixels, and metres a pixel at which sizes below are meant.
_WIDE_PX, _TALL_PX = (1040.0, 600.0), (370.0, 1200.0)
_WIDE_SCALE, _TALL_SCALE = 1.81, 1.5


@dataclass(frozen=True, slots=True)
class _Frame:
    """How a network lies on the map.

    ``box`` is x, y, width and height in metres of the drawing; ``unit_m`` scales heads, labels
    and distances between them, so that they look alike on small and large networks. ``lined`` is
    true where nearly every junction lies on the corridor, so that labels can stand in one line.
    """

    project: Projection
    box: tuple[float, float, float, float]
    unit_m: float
    lined: bool
    wide: bool


def city_map_svg(drawing: DrawnNetwork, *, wide: bool, t: Translate) -> Markup:
    """The whole network with its corridor lying along the drawing's longer side."""
    frame = _frame(drawing, wide=wide)
    project = frame.project
    lanes = [
        f'<path class="lane" d="{path_text(project(p) for p in lane.points)}" '
        f'stroke-width="{lane.width_m * EMPHASIS:g}"/>'
        for lane in drawing.lanes
        if not lane.foot
    ]
    outlines = [
        f'<path class="junction-area" d="{path_text((project(p) for p in line), close=True)}"/>'
        for line in (*drawing.other_outlines, *(j.outline for j in drawing.junctions.values()))
        if line
    ]
    approaches = [item for junction in drawing.junctions.values() for item in junction.approaches]
    queues = [queue_line(item, project, item.width_m * EMPHASIS * 0.8) for item in approaches]
    lamps = [_lamp(item, frame) for item in approaches]
    labels = [_label(junction, frame, t) for junction in drawing.junctions.values()]
    box = " ".join(f"{value:.1f}" for value in frame.box)
    return Markup(
        f'<svg class="map {"wide" if wide else "tall"}" viewBox="{box}" role="img" '
        f'aria-label="{escape(t("city.map"))}">'
        f'<g class="roads">{"".join(lanes)}{"".join(outlines)}</g>'
        f'<g class="queues">{"".join(queues)}</g>'
        f'<g class="labels">{"".join(labels)}</g><g class="lamps">{"".join(lamps)}</g>'
        f"{_compass(frame)}</svg>"
    )


def _frame(drawing: DrawnNetwork, *, wide: bool) -> _Frame:
    stops = drawing.corridor.stops if drawing.corridor is not None else ()
    lined = len(stops) >= 0.6 * len(drawing.junctions)
    project = Projection()
    if lined:
        first = drawing.junctions[stops[0].junction].at
        last = drawing.junctions[stops[-1].junction].at
        along = math.atan2(last[1] - first[1], last[0] - first[0])
        # The corridor runs to the right on a wide map and upward on a tall one.
        project = Projection(-along if wide else math.pi / 2 - along)
    points = [project(p) for lane in drawing.lanes for p in lane.points]
    xs, ys = [p[0] for p in points], [p[1] for p in points]
    width, height = max(xs) - min(xs), max(ys) - min(ys)
    (shown_x, shown_y), scale = (_WIDE_PX, _WIDE_SCALE) if wide else (_TALL_PX, _TALL_SCALE)
    unit_m = max(width / shown_x, height / shown_y) / scale
    margin_x, margin_y = ((10.0, 30.0) if wide else (60.0, 10.0)) if lined else (20.0, 40.0)
    margin_x, margin_y = margin_x * unit_m, margin_y * unit_m
    box = (min(xs) - margin_x, min(ys) - margin_y, width + 2 * margin_x, height + 2 * margin_y)
    return _Frame(project, box, unit_m, lined, wide)


def _lamp(approach: DrawnApproach, frame: _Frame) -> str:
    x, y = frame.project(approach.centre[-1])
    ux, uy = frame.project.direction(approach.direction)
    # Beside the road on its right, a little before the stop line, so the queue stays visible.
    side, back = approach.width_m * EMPHASIS / 2 + 14.0 * frame.unit_m, 4.0 * frame.unit_m
    at: Point = (x - uy * side - ux * back, y + ux * side - uy * back)
    return lamp(approach.main_movement, at, 1.15 * frame.unit_m)


def _label(junction: DrawnJunction, frame: _Frame, t: Translate) -> str:
    x, y = frame.project(junction.at)
    unit = frame.unit_m
    if frame.lined and frame.wide:
        tx, ty, anchor = x, frame.box[1] + 20 * unit, "middle"
    elif frame.lined:
        tx, ty, anchor = frame.box[0] + 6 * unit, y + 7 * unit, "start"
    else:
        # Up and to the right of the junction's area and of the heads around it.
        reach = max((math.dist(junction.at, p) for p in junction.outline), default=0.0)
        off = max(34 * unit, 0.7 * reach + 30 * unit)
        tx, ty, anchor = x + off, y - off, "start"
    name = escape(junction.id)
    return (
        f'<a href="/junctions/{name}" class="map-label" data-junction="{name}" '
        f'aria-label="{escape(t("city.open_junction", name=junction.name))}">'
        f'<circle class="hit" cx="{x:.1f}" cy="{y:.1f}" r="{34 * unit:.1f}" '
        f'stroke-width="{2.5 * unit:.2f}"/>'
        f'<text x="{tx:.1f}" y="{ty:.1f}" text-anchor="{anchor}" font-size="{21 * unit:.1f}">'
        f"{escape(short_id(junction.id))}</text>"
        f"<title>{name} {escape(junction.name)}</title></a>"
    )


def _compass(frame: _Frame) -> str:
    left, top, width, _ = frame.box
    unit = frame.unit_m
    north = frame.project.direction((0.0, 1.0))
    turn = math.degrees(math.atan2(north[0], -north[1]))
    return (
        f'<g class="compass" transform="translate({left + width - 46 * unit:.1f} '
        f'{top + 44 * unit:.1f}) scale({unit:.3f})"><path transform="rotate({turn:.0f})" '
        f'd="M0 -18L6 10L0 5L-6 10Z"/><text x="{north[0] * 30:.0f}" y="{north[1] * 30 + 6:.0f}" '
        'text-anchor="middle">N</text></g>'
    )
