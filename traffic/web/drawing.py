"""A junction as SVG, drawn from the network, and the parts that the map shares with it.

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
            f'd="{path_text(project(p) for p in lane.points)}" stroke-width="{lane.width_m:g}"/>'
            for lane in near
            if lane.foot is pass_foot
        ]
    parts.append(
        '<path class="junction-area" '
        f'd="{path_text((project(p) for p in junction.outline), close=True)}"/>'
    )
    parts.append(_lane_lines(near, project))
    for crossing in junction.crossings:
        parts.append(
            f'<path class="zebra" d="{path_text(project(p) for p in crossing.points)}" '
            f'stroke-width="{crossing.width_m:g}"/>'
        )
    flows = [
        f'<path class="flow" data-flow="{escape(key)}" d="{path_text(project(p) for p in line)}">'
        f"<title>{escape(key)}</title></path>"
        for key, line in junction.paths.items()
    ]
    queues = [
        queue_line(approach, project, approach.width_m * 0.82) for approach in junction.approaches
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


def queue_line(approach: DrawnApproach, project: Projection, width_m: float) -> str:
    """A queue from the stop line backwards; the page sets its length in metres and its level."""
    backwards = [project(p) for p in reversed(approach.centre)]
    return (
        f'<path class="queue" data-queue="{escape(approach.junction)}|{escape(approach.edge)}" '
        f'data-length="{approach.length_m:.0f}" d="{path_text(backwards)}" '
        f'stroke-width="{width_m:.1f}" stroke-dasharray="0 9999"><title></title></path>'
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
            out.append(f'<path class="lane-line" d="{path_text(project(p) for p in left)}"/>')
    return "".join(out)


def _middle(points: Sequence[Point]) -> Point:
    xs, ys = [p[0] for p in points], [p[1] for p in points]
    return (min(xs) + max(xs)) / 2, (min(ys) + max(ys)) / 2


def _dense(points: Sequence[Point]) -> list[Point]:
    (ax, ay), (bx, by) = points[0], points[-1]
    return [(ax + (bx - ax) * k / 8, ay + (by - ay) * k / 8) for k in range(9)]


def path_text(points: Iterable[Point], *, close: bool = False) -> str:
    """Points of the drawing as the ``d`` of a path."""
    text = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    return text + ("Z" if close else "")
