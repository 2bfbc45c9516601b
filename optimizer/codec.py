"""Junctions as plain values, so that a retiming problem can be written to a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from models.junction import Junction, Movement, PedestrianCrossing, SafetyEnvelope, Turn


def junction_to_dict(junction: Junction) -> dict[str, Any]:
    """All of a junction, sets sorted."""
    envelope = {item.name: getattr(junction.envelope, item.name) for item in fields(SafetyEnvelope)}
    envelope["ped_clearance_ds"] = dict(sorted(envelope["ped_clearance_ds"].items()))
    return {
        "id": junction.id,
        "name": junction.name,
        "x_m": junction.x_m,
        "y_m": junction.y_m,
        "movements": [
            {
                "id": m.id,
                "from_edge": m.from_edge,
                "to_edge": m.to_edge,
                "turn": m.turn.value,
                "lanes": list(m.lanes),
                "links": list(m.links),
            }
            for m in junction.movements
        ],
        "crossings": [
            {"id": c.id, "edges": list(c.edges), "links": list(c.links), "length_m": c.length_m}
            for c in junction.crossings
        ],
        "conflicts": sorted(sorted(pair) for pair in junction.conflicts),
        "permissive": sorted(list(pair) for pair in junction.permissive),
        "tied": sorted(sorted(group) for group in junction.tied),
        "envelope": envelope,
    }


def junction_from_dict(body: Mapping[str, Any]) -> Junction:
    """Read what ``junction_to_dict`` wrote.

    Raises:
        KeyError, ValueError, TypeError: If a key is absent or of the wrong form.
    """
    return Junction(
        id=body["id"],
        name=body["name"],
        x_m=body["x_m"],
        y_m=body["y_m"],
        movements=tuple(
            Movement(
                id=m["id"],
                from_edge=m["from_edge"],
                to_edge=m["to_edge"],
                turn=Turn(m["turn"]),
                lanes=tuple(m["lanes"]),
                links=tuple(m["links"]),
            )
            for m in body["movements"]
        ),
        crossings=tuple(
            PedestrianCrossing(c["id"], tuple(c["edges"]), tuple(c["links"]), c["length_m"])
            for c in body["crossings"]
        ),
        conflicts=frozenset(frozenset(pair) for pair in body["conflicts"]),
        permissive=frozenset((pair[0], pair[1]) for pair in body["permissive"]),
        tied=frozenset(frozenset(group) for group in body.get("tied", ())),
        envelope=SafetyEnvelope(**body["envelope"]),
    )
