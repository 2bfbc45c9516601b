"""What operators ask of the adaptive policy: a YAML file of escorts, flushes and gates.

Every name is checked against the site, so that nothing is asked of a road that is not there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from models.site import Site
from optimizer.priority import Directives, Escort, Flush, Gate
from optimizer.stock import Options
from simulation.netfile import NetFile, read_net
from traffic.yamlfile import Field, read_yaml

LATEST_S = 7 * 86_400.0
MOST_WEIGHT = 1000.0


@dataclass(frozen=True, slots=True)
class Orders:
    """What a file asks for."""

    directives: Directives
    options: Options


def read_directives(path: Path, site: Site) -> Orders:
    """Read a directives file for a site with a network (format: docs/policies.md).

    Raises:
        BadInput: Naming ``file:line``, the field, and what would be valid.
    """
    top = read_yaml(path).section((), ("bus_share", "coordination", "escorts", "flushes", "gates"))
    reader = _Reader(site)
    usual = Options()
    return Orders(
        Directives(
            escorts=tuple(step for item in top.items("escorts") for step in reader.escort(item)),
            flushes=tuple(reader.flush(item) for item in top.items("flushes")),
            gates=tuple(reader.gate(item) for item in top.items("gates")),
            coordination=top.number("coordination", 0.0, 0.0, MOST_WEIGHT),
        ),
        replace(usual, bus_share=top.number("bus_share", usual.bus_share, 0.0, 1.0)),
    )


class _Reader:
    """Knows the site's names."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._movements = {
            movement.id: (junction.id, movement)
            for junction in site.junctions.values()
            for movement in junction.movements
        }
        self._lanes = dict.fromkeys(
            lane for _, movement in self._movements.values() for lane in movement.lanes
        )
        self._net: NetFile | None = None

    def escort(self, field: Field) -> list[Escort]:
        """The steps of an escort: the window moves on with the vehicle from light to light."""
        section = field.section(("route", "from_s", "until_s"), ("speed_kmh",))
        first_s = section["from_s"].number(0, LATEST_S)
        last_s = section["until_s"].number(0, LATEST_S, above=first_s)
        speed_mps = section.number("speed_kmh", 40.0, 5.0, 150.0) / 3.6
        steps: list[Escort] = []
        before = None
        for item in section["route"].items(least=1):
            name = item.choice(list(self._movements))
            junction, movement = self._movements[name]
            if before is not None:
                if movement.from_edge != before.to_edge:
                    known = [
                        other.id
                        for _, other in self._movements.values()
                        if other.from_edge == before.to_edge
                    ]
                    raise item.wrong(
                        f"a movement that begins on {before.to_edge}, where the one before ends"
                        + (f": {', '.join(known)}" if known else "; begin another escort here")
                    )
                travel_s = self._length_m(movement.from_edge) / speed_mps
                first_s, last_s = first_s + travel_s, last_s + travel_s
            steps.append(Escort(junction, name, round(first_s, 1), round(last_s, 1)))
            before = movement
        return steps

    def flush(self, field: Field) -> Flush:
        """A queue to empty."""
        section = field.section(("roads",), ("weight",))
        return Flush(self._on(section["roads"]), section.number("weight", 5.0, 1.0, MOST_WEIGHT))

    def gate(self, field: Field) -> Gate:
        """A border of an area."""
        section = field.section(("movements", "inside", "most_vehicles"), ("metered_vph",))
        movements = section["movements"].items(least=1)
        return Gate(
            frozenset(item.choice(list(self._movements)) for item in movements),
            self._on(section["inside"]),
            section["most_vehicles"].number(0, 1e6),
            section.number("metered_vph", 360.0, 0.0, 1e5),
        )

    def _on(self, field: Field) -> frozenset[str]:
        """Lanes before signals, named themselves or by their road."""
        roads = dict.fromkeys(movement.from_edge for _, movement in self._movements.values())
        found: set[str] = set()
        for item in field.items(least=1):
            name = item.text()
            if name in self._lanes:
                found.add(name)
                continue
            road = item.choice(list(roads))
            for _, movement in self._movements.values():
                if movement.from_edge == road:
                    found.update(movement.lanes)
        return frozenset(found)

    def _length_m(self, edge: str) -> float:
        if self._net is None:
            assert self._site.network is not None
            self._net = read_net(self._site.network)
        return max(lane.length_m for lane in self._net.edges[edge].lanes)
