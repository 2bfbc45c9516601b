"""A film as one HTML file that plays it: the network, both runs side by side, their signals."""

from __future__ import annotations

import base64
import json
import math
import zlib
from collections.abc import Iterable
from importlib.resources import files
from typing import Any

import numpy as np
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup
from numpy.typing import NDArray

from models.site import Site
from simulation.figures import PALETTES
from simulation.film import Film, Moves, Side
from simulation.labels import junction_label
from simulation.netfile import NetFile, NetLane, read_net
from simulation.playback_text import TEXTS
from simulation.wording import LANGUAGES, Language

_AROUND_M = 450.0
"""Streets further from every signal of the site are not drawn."""
_FINEST_M = 0.1
_KINDS = {
    "motorcycle": 0,
    "moped": 0,
    "bicycle": 1,
    "bus": 3,
    "coach": 3,
    "truck": 4,
    "trailer": 4,
    "pedestrian": 5,
}
_CAR = 2


def playback_html(site: Site, film: Film, *, language: Language = "en") -> str:
    """The page; nothing is fetched, and both languages and themes are in it.

    Raises:
        BadInput: If the site's network cannot be read.
    """
    if site.network is None:
        raise ValueError("a film needs a network")
    net = read_net(site.network)
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    map_ = _map(site, net)
    scene = {
        "begin_s": film.begin_s,
        "seconds": film.seconds,
        "seed": film.seed,
        "map": map_,
        "sides": [_side(side, map_) for side in (film.before, film.after)],
    }
    return environment.from_string(_data("playback.html.j2")).render(
        language=language,
        site=site,
        texts=Markup(_script_json({name: TEXTS[name] for name in LANGUAGES})),
        scene=Markup(_script_json(scene)),
        palettes={
            theme: Markup("".join(f"{name}:{value};" for name, value in palette.items()))
            for theme, palette in PALETTES.items()
        },
        style=Markup(_data("playback.css")),
        script=Markup(_data("playback.js")),
    )


def _map(site: Site, net: NetFile) -> dict[str, Any]:
    """Lanes, crossings, junction areas and signal heads near the site's signals."""
    signals: dict[str, list[dict[str, Any]]] = {name: [] for name in site.junctions}
    centres: dict[str, tuple[float, float]] = {}
    heads: dict[tuple[str, str], list[int]] = {}
    for link in net.links:
        if link.tl in signals:
            heads.setdefault((link.tl, f"{link.from_edge}_{link.from_lane}"), []).append(link.index)
    lanes = {lane.id: lane for edge in net.edges.values() for lane in edge.lanes}
    for (name, lane_id), links in sorted(heads.items()):
        lane = lanes.get(lane_id)
        if lane is None or net.edges[lane.edge].function:
            continue
        (x0, y0), (x1, y1) = lane.shape[-2], lane.shape[-1]
        heading = math.atan2(x1 - x0, y1 - y0)
        signals[name].append(
            {
                "at": _point(x1, y1),
                "heading": round(heading, 3),
                "width": lane.width_m,
                "links": sorted(set(links)),
            }
        )
    for name, items in signals.items():
        if items:
            xs, ys = zip(*(item["at"] for item in items), strict=True)
            centres[name] = (sum(xs) / len(xs), sum(ys) / len(ys))
    near = list(centres.values())

    def shown(lane: NetLane) -> bool:
        return not near or any(
            math.hypot(x - cx, y - cy) <= _AROUND_M for x, y in lane.shape for cx, cy in near
        )

    streets = [
        lane
        for edge in net.edges.values()
        if edge.function in ("", "normal", "crossing")
        for lane in edge.lanes
        if shown(lane)
    ]
    drawn = [
        {
            "way": [_point(x, y) for x, y in lane.shape],
            "width": lane.width_m,
            "foot": not (lane.allows("passenger") or lane.allows("bus")),
        }
        for lane in streets
    ]
    crossings = {
        lane.id for e in net.edges.values() if e.function == "crossing" for lane in e.lanes
    }
    areas = [
        [_point(x, y) for x, y in node.shape]
        for node in net.nodes.values()
        if len(node.shape) > 2
        and any(math.hypot(node.x_m - cx, node.y_m - cy) <= _AROUND_M for cx, cy in near)
    ]
    ways = [[_point(x, y) for x, y in lane.shape] for lane in streets]
    points = [point for way in ways for point in way] or [(0.0, 0.0)]
    xs, ys = zip(*points, strict=True)
    return {
        "bounds": [min(xs), min(ys), max(xs), max(ys)],
        "lanes": drawn,
        "areas": areas,
        "zebras": [
            {"way": [_point(x, y) for x, y in lanes[name].shape], "width": lanes[name].width_m}
            for name in sorted(crossings)
            if shown(lanes[name])
        ],
        "signals": [
            {
                "id": name,
                "name": junction_label(site.junctions[name]),
                "at": _point(*centres[name]),
                "heads": signals[name],
            }
            for name in site.junctions
            if name in centres
        ],
    }


def _side(side: Side, map_: dict[str, Any]) -> dict[str, Any]:
    """Vehicles as delta-coded integers, deflated; signals as changes."""
    x0, y0, x1, y1 = map_["bounds"]
    finest = max(_FINEST_M, max(x1 - x0, y1 - y0) / 30_000)
    moves = [item for item in (_clip(m, x0, y0, x1, y1) for m in side.moves) if item is not None]
    heads = np.array(
        [(_KINDS.get(m.kind, _CAR), m.first, len(m.x_m)) for m in moves], np.int32
    ).reshape(-1, 3)
    return {
        "finest": finest,
        "count": len(moves),
        "vehicles": _packed(heads.ravel()),
        "x": _packed(_deltas((m.x_m - x0) / finest for m in moves)),
        "y": _packed(_deltas((m.y_m - y0) / finest for m in moves)),
        "turn": _packed(_deltas(_unrolled(m.heading_deg) * 256 / 360 for m in moves)),
        "states": {
            name: [[change.time_s, change.letters] for change in changes]
            for name, changes in side.states.items()
        },
    }


def _clip(moves: Moves, x0: float, y0: float, x1: float, y1: float) -> Moves | None:
    """The part of a way that lies on the map; None if there is none."""
    inside = (moves.x_m >= x0) & (moves.x_m <= x1) & (moves.y_m >= y0) & (moves.y_m <= y1)
    rows = np.flatnonzero(inside)
    if not len(rows):
        return None
    part = slice(int(rows[0]), int(rows[-1]) + 1)
    return Moves(
        kind=moves.kind,
        first=moves.first + int(rows[0]),
        x_m=moves.x_m[part],
        y_m=moves.y_m[part],
        heading_deg=moves.heading_deg[part],
        edge=moves.edge[part],
        along_m=moves.along_m[part],
    )


def _unrolled(heading_deg: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.degrees(np.unwrap(np.radians(heading_deg)))


def _deltas(series: Iterable[NDArray[np.float64]]) -> NDArray[np.int32]:
    """Each series as its first value and then differences, one after the other."""
    parts = []
    for values in series:
        whole = np.rint(values).astype(np.int32)
        parts.append(np.diff(whole, prepend=np.int32(0)))
    return np.concatenate(parts) if parts else np.empty(0, np.int32)


def _packed(values: NDArray[np.int32]) -> str:
    """Integers as zigzag-coded bytes of varying length, deflated, in base64."""
    zigzag = ((values << 1) ^ (values >> 31)).astype(np.uint32)
    out = np.zeros((len(zigzag), 5), np.uint8)
    used = np.ones(len(zigzag), np.int64)
    rest = zigzag.copy()
    for place in range(5):
        more = rest >= 128
        out[:, place] = np.where(more, (rest & 127) | 128, rest)
        used[more] += 1
        rest >>= 7
        if not more.any():
            break
    kept = np.arange(5)[None, :] < used[:, None]
    return base64.b64encode(zlib.compress(out[kept].tobytes(), 9)).decode()


def _point(x: float, y: float) -> tuple[float, float]:
    return round(x, 1), round(y, 1)


def _script_json(value: Any) -> str:
    """JSON that is safe inside a ``<script>`` element."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


def _data(name: str) -> str:
    return files("simulation").joinpath("data", name).read_text(encoding="utf-8")
