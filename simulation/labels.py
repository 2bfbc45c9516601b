"""Names that people read: a movement as ``northbound left`` rather than by its edges."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping

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
_LONGEST_ID = 16


def junction_label(junction: Junction) -> str:
    """Name and id of a junction; long generated ids are cut in their middle."""
    short = junction.id
    if len(short) > _LONGEST_ID:
        short = f"{short[:6]}…{short[-8:]}"
    return f"{junction.name} ({short})" if junction.name and junction.name != short else short


def movement_labels(site: Site, language: Language = "en") -> dict[str, str]:
    """A readable name for each movement of a site, by id, unique within its junction.

    The direction of travel on the approach and the turn; the approach edge is added where two
    movements would read the same. A site without a network gets its own names back.
    """
    net = read_net(site.network) if site.network is not None else None
    labels: dict[str, str] = {}
    for junction in site.junctions.values():
        plain = {m.id: _movement_label(m, net, language) for m in junction.movements}
        uses = Counter(plain.values())
        for movement in junction.movements:
            name = plain[movement.id]
            if uses[name] > 1:
                name = f"{name} ({movement.from_edge} → {movement.to_edge})"
            labels[movement.id] = name
    return labels


def _movement_label(movement: Movement, net: NetFile | None, language: Language) -> str:
    turn = _TURN[language][movement.turn]
    edge = net.edges.get(movement.from_edge) if net is not None else None
    if edge is None or not edge.lanes:
        return f"{movement.id.partition(':')[2] or movement.id}, {turn}"
    try:
        x, y = lane_direction(edge.lanes[-1], at_end=True)
    except BadInput:
        return f"{movement.from_edge}, {turn}"
    sector = round(math.degrees(math.atan2(x, y)) / 45.0) % 8
    return f"{_BOUND[language][sector]} {turn}"
