"""The map and the junctions as SVG, drawn from the network; live values are patched in place.

Elements that change carry ``data-signal`` (a head), ``data-queue`` (a queue), ``data-flow`` (a
movement's band) or ``data-junction``; the page's module sets their state, nothing is redrawn.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape

from markupsafe import Markup

from models.junction import Turn
from traffic.web.geometry import (
    DrawnApproach,
    DrawnJunction,
    DrawnLane,
    DrawnNetwork,
    Point,
    offset,
)

Translate = Callable[..., str]
EMPHASIS = 1.7
_LETTER_ON = {
    "yellow": "on-yellow",
    "flashing_yellow": "on-hollow",
    "dark": "on-hollow",
    "unknown": "on-hollow",
}
_TURN_DEG = {Turn.LEFT: -90.0, Turn.THROUGH: 0.0, Turn.RIGHT: 90.0, Turn.UTURN: 180.0}
TURN_ARROW = {Turn.LEFT: "↰", Turn.THROUGH: "↑", Turn.RIGHT: "↱", Turn.UTURN: "↶"}


@dataclass(frozen=True, slots=True)
class Projection:
    """Ground metres to drawing units: turned by ``angle_rad``, y down, one unit per metre."""

    angle_rad: float = 0.0

    def __call__(self, point: Point) -> Point:
        """The drawing position of a ground position."""
        cos, sin = math.cos(self.angle_rad), math.sin(self.angle_rad)
        x, y = point
        return x * cos - y * sin, -(x * sin + y * cos)

    def direction(self, vector: Point) -> Point:
        """The drawing direction of a ground direction."""
        return self(vector)


def lamp_symbols(t: Translate) -> Markup:
    """The shapes of the aspects, defined once a page: square red, triangle yellow, disc green.

    Each carries its letter in the page's language. Unit: 20 x 20 about the origin.
    """
    shapes = {
        "red": '<rect x="-9" y="-9" width="18" height="18" rx="2"/>',
        "yellow": '<path d="M0 -10.5L11 8.5H-11Z"/>',
        "green": '<circle r="10"/>',
        "flashing_yellow": '<path d="M0 -10.5L11 8.5H-11Z" class="hollow"/>',
        "dark": '<circle r="9" class="hollow"/>',
        "unknown": '<circle r="9" class="hollow dashed"/>',
    }
    drop = {"yellow": 6.5, "flashing_yellow": 6.5}
    parts = [
        f'<symbol id="lamp-{state}" overflow="visible"><g class="s-{state}">{shape}</g>'
        f'<text class="lamp-letter {_LETTER_ON.get(state, "")}" '
        f'y="{drop.get(state, 4.6)}">'
        f"{escape(t('signal.letter.' + state))}</text></symbol>"
        for state, shape in shapes.items()
    ]
    return Markup(
        '<svg class="defs" width="0" height="0" aria-hidden="true"><defs>'
        + "".join(parts)
        + "</defs></svg>"
    )


def lamp(signal_id: str, at: Point, scale: float, *, turn_deg: float | None = None) -> str:
    """One head: every aspect's symbol, of which the stylesheet shows the one in ``data-state``."""
    uses = "".join(
        f'<use class="u-{state}" href="#lamp-{state}"/>'
        for state in ("red", "yellow", "green", "flashing_yellow", "dark", "unknown")
    )
    arrow = ""
    if turn_deg is not None:
        arrow = (
            f'<path class="head-arrow" transform="rotate({turn_deg:.0f})" '
            'd="M0 -26V-14M-4 -20L0 -26L4 -20"/>'
        )
    return (
        f'<g class="lamp" data-signal="{escape(signal_id)}" data-state="unknown" '
        f'transform="translate({at[0]:.1f} {at[1]:.1f}) scale({scale:g})">{uses}{arrow}'
        f"<title>{escape(signal_id)}</title></g>"
    )


def city_map_svg(drawing: DrawnNetwork, *, wide: bool, t: Translate) -> Markup:
    """The whole network with its corridor lying along the drawing's longer side."""
    project = _city_projection(drawing, wide=wide)
    # Wider than true: at this scale a lane is a pixel or two.
    lanes = [
        f'<path class="lane" d="{_path(project(p) for p in lane.points)}" '
        f'stroke-width="{lane.width_m * EMPHASIS:g}"/>'
        for lane in drawing.lanes
        if not lane.foot
    ]
    outlines = [
        f'<path class="junction-area" d="{_path((project(p) for p in line), close=True)}"/>'
        for line in drawing.other_outlines
    ]
    nodes: list[str] = []
    queues: list[str] = []
    for junction in drawing.junctions.values():
        outlines.append(
            '<path class="junction-area" '
            f'd="{_path((project(p) for p in junction.outline), close=True)}"/>'
        )
        for approach in junction.approaches:
            queues.append(_queue(approach, project, approach.width_m * EMPHASIS * 0.8))
            nodes.append(_city_lamp(approach, project))
    points = [project(p) for lane in drawing.lanes for p in lane.points]
    box = _bounds(points, 10.0, 30.0) if wide else _bounds(points, 60.0, 10.0)
    labels = [
        _city_label(junction, project, box, wide=wide, t=t)
        for junction in drawing.junctions.values()
    ]
    north = project.direction((0.0, 1.0))
    compass = _compass(box, north)
    return Markup(
        f'<svg class="map {"wide" if wide else "tall"}" viewBox="{_box_text(box)}" role="img" '
        f'aria-label="{escape(t("city.map"))}">'
        f'<g class="roads">{"".join(lanes)}{"".join(outlines)}</g>'
        f'<g class="queues">{"".join(queues)}</g>'
        f'<g class="labels">{"".join(labels)}</g><g class="lamps">{"".join(nodes)}</g>'
        f"{compass}</svg>"
    )


def junction_svg(junction: DrawnJunction, drawing: DrawnNetwork, *, t: Translate) -> Markup:
    """One junction north up: lanes, stop lines, crossings, heads, queues and flow bands."""
    project = Projection()
    reach = 62.0
    cx, cy = project(_middle(junction.outline))
    near = [
        lane
        for lane in drawing.lanes
        if any(math.dist(p, junction.at) < 4 * reach for p in _dense(lane.points))
    ]
    parts: list[str] = []
    for pass_foot in (True, False):
        parts += [
            f'<path class="{"pavement" if lane.foot else "lane"}" '
            f'd="{_path(project(p) for p in lane.points)}" stroke-width="{lane.width_m:g}"/>'
            for lane in near
            if lane.foot is pass_foot
        ]
    parts.append(
        '<path class="junction-area" '
        f'd="{_path((project(p) for p in junction.outline), close=True)}"/>'
    )
    parts.append(_lane_lines(near, project))
    for crossing in junction.crossings:
        parts.append(
            f'<path class="zebra" d="{_path(project(p) for p in crossing.points)}" '
            f'stroke-width="{crossing.width_m:g}"/>'
        )
    flows = [
        f'<path class="flow" data-flow="{escape(key)}" d="{_path(project(p) for p in line)}">'
        f"<title>{escape(key)}</title></path>"
        for key, line in junction.paths.items()
    ]
    queues = [
        _queue(approach, project, approach.width_m * 0.82) for approach in junction.approaches
    ]
    stops, heads, figures = [], [], []
    for approach in junction.approaches:
        (ax, ay), (bx, by) = (project(p) for p in approach.stop_line)
        stops.append(
            f'<line class="stop-line" x1="{ax:.1f}" y1="{ay:.1f}" x2="{bx:.1f}" y2="{by:.1f}"/>'
        )
        ux, uy = project.direction(approach.direction)
        for head in approach.heads:
            hx, hy = project(head.at)
            turn = math.degrees(head.heading_rad) + _TURN_DEG[head.turn]
            heads.append(lamp(head.movement, (hx - ux * 3.2, hy - uy * 3.2), 0.15, turn_deg=turn))
        figures.append(_queue_figure(approach, project, (cx, cy), reach))
    for crossing in junction.crossings:
        points = [project(p) for p in crossing.points]
        for end, inner in ((points[0], points[1]), (points[-1], points[-2])):
            # On the pavement, where a person looks for it.
            reach_m = 2.4 / (math.dist(end, inner) or 1.0)
            at = (
                end[0] + (end[0] - inner[0]) * reach_m,
                end[1] + (end[1] - inner[1]) * reach_m,
            )
            heads.append(lamp(crossing.id, at, 0.1))
    return Markup(
        f'<svg class="junction-drawing" viewBox="{cx - reach:.1f} {cy - reach * 0.8:.1f} '
        f'{2 * reach:.1f} {1.6 * reach:.1f}" role="img" '
        f'aria-label="{escape(t("junction.drawing", name=junction.name))}">'
        f'<g class="roads">{"".join(parts)}{"".join(stops)}</g>'
        f'<g class="flows">{"".join(flows)}</g><g class="queues">{"".join(queues)}</g>'
        f'<g class="lamps">{"".join(heads)}</g><g class="figures">{"".join(figures)}</g></svg>'
    )


def _city_projection(drawing: DrawnNetwork, *, wide: bool) -> Projection:
    places = [junction.at for junction in drawing.junctions.values()]
    if drawing.corridor is not None:
        first = drawing.junctions[drawing.corridor.stops[0].junction].at
        last = drawing.junctions[drawing.corridor.stops[-1].junction].at
    elif len(places) > 1:
        first, last = min(places), max(places)
    else:
        return Projection()
    along = math.atan2(last[1] - first[1], last[0] - first[0])
    # The corridor runs to the right on a wide map and upward on a tall one.
    return Projection(-along if wide else math.pi / 2 - along)


def _queue(approach: DrawnApproach, project: Projection, width_m: float) -> str:
    backwards = [project(p) for p in reversed(approach.centre)]
    return (
        f'<path class="queue" data-queue="{escape(approach.junction)}|{escape(approach.edge)}" '
        f'data-length="{approach.length_m:.0f}" d="{_path(backwards)}" '
        f'stroke-width="{width_m:.1f}" stroke-dasharray="0 9999"><title></title></path>'
    )


def _city_lamp(approach: DrawnApproach, project: Projection) -> str:
    x, y = project(approach.centre[-1])
    ux, uy = project.direction(approach.direction)
    # Beside the road on its right, a little before the stop line, so the queue stays visible.
    side = approach.width_m * EMPHASIS / 2 + 14.0
    return lamp(approach.main_movement, (x - uy * side - ux * 4, y + ux * side - uy * 4), 1.15)


def _city_label(
    junction: DrawnJunction,
    project: Projection,
    box: tuple[float, float, float, float],
    *,
    wide: bool,
    t: Translate,
) -> str:
    x, y = project(junction.at)
    tx, ty, anchor = (x, box[1] + 20.0, "middle") if wide else (box[0] + 6.0, y + 7.0, "start")
    return (
        f'<a href="/junctions/{escape(junction.id)}" class="map-label" '
        f'data-junction="{escape(junction.id)}" '
        f'aria-label="{escape(t("city.open_junction", name=junction.name))}">'
        f'<circle class="hit" cx="{x:.1f}" cy="{y:.1f}" r="34"/>'
        f'<text x="{tx:.1f}" y="{ty:.1f}" text-anchor="{anchor}">{escape(junction.id)}</text>'
        f"<title>{escape(junction.id)} {escape(junction.name)}</title></a>"
    )


def _queue_figure(approach: DrawnApproach, project: Projection, centre: Point, reach: float) -> str:
    x, y = project(approach.centre[-1])
    ux, uy = project.direction(approach.direction)
    back = reach * 0.42
    side = approach.width_m / 2 + 7.5
    px = min(max(x - ux * back - uy * side, centre[0] - reach + 10), centre[0] + reach - 10)
    py = min(
        max(y - uy * back + ux * side, centre[1] - reach * 0.8 + 5),
        centre[1] + reach * 0.8 - 3,
    )
    # Beside a road that runs up or down, the text starts at the road's side.
    anchor = "middle" if abs(uy) < 0.7 else "start" if -uy > 0 else "end"
    key = f"{escape(approach.junction)}|{escape(approach.edge)}"
    return (
        f'<text class="queue-figure" data-queue-text="{key}" x="{px:.1f}" y="{py:.1f}" '
        f'text-anchor="{anchor}">–</text>'
    )


def _lane_lines(lanes: Sequence[DrawnLane], project: Projection) -> str:
    out: list[str] = []
    by_edge: dict[str, list[DrawnLane]] = {}
    for lane in lanes:
        if not lane.foot:
            by_edge.setdefault(lane.edge, []).append(lane)
    for group in by_edge.values():
        for lane in group[:-1]:
            left = offset(lane.points, -lane.width_m / 2)
            out.append(f'<path class="lane-line" d="{_path(project(p) for p in left)}"/>')
    return "".join(out)


def _compass(box: tuple[float, float, float, float], north: Point) -> str:
    x, y = box[0] + box[2] - 46, box[1] + 34
    turn = math.degrees(math.atan2(north[0], -north[1]))
    nx, ny = x + north[0] * 30, y + north[1] * 30
    return (
        f'<g class="compass"><path transform="translate({x:.0f} {y:.0f}) rotate({turn:.0f})" '
        f'd="M0 -18L6 10L0 5L-6 10Z"/><text x="{nx:.0f}" y="{ny + 6:.0f}" '
        'text-anchor="middle">N</text></g>'
    )


def _bounds(
    points: Sequence[Point], margin_x: float, margin_y: float
) -> tuple[float, float, float, float]:
    xs, ys = [p[0] for p in points], [p[1] for p in points]
    return (
        min(xs) - margin_x,
        min(ys) - margin_y,
        max(xs) - min(xs) + 2 * margin_x,
        max(ys) - min(ys) + 2 * margin_y,
    )


def _box_text(box: tuple[float, float, float, float]) -> str:
    return " ".join(f"{value:.1f}" for value in box)


def _middle(points: Sequence[Point]) -> Point:
    xs, ys = [p[0] for p in points], [p[1] for p in points]
    return (min(xs) + max(xs)) / 2, (min(ys) + max(ys)) / 2


def _dense(points: Sequence[Point]) -> list[Point]:
    (ax, ay), (bx, by) = points[0], points[-1]
    return [(ax + (bx - ax) * k / 8, ay + (by - ay) * k / 8) for k in range(9)]


def _path(points: Iterable[Point], *, close: bool = False) -> str:
    text = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    return text + ("Z" if close else "")
