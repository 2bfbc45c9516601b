"""Names that people read: a movement as ``northbound left`` rather than by its edges."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

from models.errors import BadInput
from models.junction import Junction, Movement, Turn
from models.site import Site
from simulation.netfile import NetFile, lane_direction, read_net
from simulation.wording import Language

_BOUND: Mapping[Language, tuple[str, ...]] = {
    "en": (
        "northbound",
        "northeastbound",
        "eastbound",
        "southeastbound",
        "southbound",
        "southwestbound",
        "westbound",
        "northwestbound",
    ),
    "vi": (
        "lên bắc",
        "lên đông bắc",
        "sang đông",
        "xuống đông nam",
        "xuống nam",
        "xuống tây nam",
        "sang tây",
        "lên tây bắc",
    ),
}
_TURN: Mapping[Language, Mapping[Turn, str]] = {
    "en": {
        Turn.LEFT: "left",
        Turn.THROUGH: "through",
        Turn.RIGHT: "right",
        Turn.UTURN: "U-turn",
    },
    "vi": {
        Turn.LEFT: "rẽ trái",
        Turn.THROUGH: "đi thẳng",
        Turn.RIGHT: "rẽ phải",
        Turn.UTURN: "quay đầu",
    },
}
_CROSSING: Mapping[Language, tuple[str, str]] = {
    "en": ("crossing", "crossings"),
    "vi": ("lối qua đường", "lối qua đường"),
}
_LONGEST_ID = 16


def short_id(name: str) -> str:
    """An id as people can read it: long generated ones are cut in their middle."""
    return name if len(name) <= _LONGEST_ID else f"{name[:6]}…{name[-8:]}"


def junction_label(junction: Junction) -> str:
    """Name and id of a junction; long generated ids are cut in their middle."""
    short = short_id(junction.id)
    return f"{junction.name} ({short})" if junction.name and junction.name != short else short


def movement_labels(site: Site, language: Language = "en") -> dict[str, str]:
    """A readable name for each movement of a site, by id, unique within its junction.

    The direction of travel on the approach and the turn; the edges are added where two movements
    would read the same. A site without a network gets its own names back.
    """
    parts = _movement_parts(site, language)
    labels: dict[str, str] = {}
    for junction in site.junctions.values():
        plain = {m.id: " ".join(parts[m.id]) for m in junction.movements}
        uses = Counter(plain.values())
        for movement in junction.movements:
            name = plain[movement.id]
            if uses[name] > 1:
                name = f"{name} ({movement.from_edge} → {movement.to_edge})"
            labels[movement.id] = name
    return labels


def approach_label(site: Site, edge: str, language: Language = "en") -> str:
    """An approach by its junction and direction of travel; its edge where no movement is known."""
    for junction in site.junctions.values():
        for movement in junction.movements:
            if movement.from_edge == edge:
                bound = _movement_parts(site, language)[movement.id][0]
                place = "" if len(site.junctions) == 1 else f"{junction_label(junction)} · "
                return f"{place}{bound} ({short_id(edge)})"
    return edge


def green_summaries(
    site: Site, junction: Junction, greens: Sequence[Sequence[str]], language: Language = "en"
) -> list[str]:
    """What each stage's green is for in few words: ``northbound through, left · 2 crossings``."""
    parts = _movement_parts(site, language)
    crossings = {crossing.id for crossing in junction.crossings}
    singular, plural = _CROSSING[language]
    lines = []
    for green in greens:
        turns: dict[str, list[str]] = {}
        for movement in junction.movements:
            if movement.id in green:
                bound, turn = parts[movement.id]
                if turn not in turns.setdefault(bound, []):
                    turns[bound].append(turn)
        texts = [f"{bound} {', '.join(kinds)}" for bound, kinds in turns.items()]
        walking = len(crossings & set(green))
        if walking:
            texts.append(f"{walking} {singular if walking == 1 else plural}")
        lines.append(" · ".join(texts))
    return lines


def _movement_parts(site: Site, language: Language) -> dict[str, tuple[str, str]]:
    net = read_net(site.network) if site.network is not None else None
    return {
        movement.id: (_bound(movement, net, language), _TURN[language][movement.turn])
        for junction in site.junctions.values()
        for movement in junction.movements
    }


def _bound(movement: Movement, net: NetFile | None, language: Language) -> str:
    edge = net.edges.get(movement.from_edge) if net is not None else None
    if edge is None or not edge.lanes:
        return movement.id.partition(":")[2] or movement.id
    try:
        x, y = lane_direction(edge.lanes[-1], at_end=True)
    except BadInput:
        return movement.from_edge
    return _BOUND[language][round(math.degrees(math.atan2(x, y)) / 45.0) % 8]
