"""Counted approaches of a network and the streets between them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping

from models.junction import Junction, Movement
from simulation.netfile import NetEdge, NetFile

_ENTRY_RUN_M = 300.0
_MAX_CHAIN = 60


class CountedStreets:
    """How counted approaches hang together, and what leads on where nothing is counted.

    ``movements`` holds the counted movements of each approach edge.
    """

    def __init__(
        self, net: NetFile, junctions: Mapping[str, Junction], counted: Collection[str]
    ) -> None:
        """Take a network, its junctions and the ids of the movements that were counted."""
        self.net = net
        self.movements: dict[str, list[Movement]] = defaultdict(list)
        for junction in junctions.values():
            for movement in junction.movements:
                if movement.id in counted:
                    self.movements[movement.from_edge].append(movement)
        self._straight: dict[str, str] = {}
        self._before: dict[str, str] = {}
        rank = {"s": 0, "L": 1, "R": 1, "r": 2, "l": 3}
        best: dict[str, int] = {}
        best_before: dict[str, int] = {}
        for link in net.links:
            one, other = net.edges.get(link.from_edge), net.edges.get(link.to_edge)
            if not _is_street(one) or not _is_street(other):
                continue
            order = rank.get(link.direction, 9)
            if order < best.get(link.from_edge, 9):
                best[link.from_edge], self._straight[link.from_edge] = order, link.to_edge
            if order < best_before.get(link.to_edge, 9):
                best_before[link.to_edge], self._before[link.to_edge] = order, link.from_edge
        self._into: dict[str, set[str]] = defaultdict(set)
        self._onward: dict[str, set[str]] = defaultdict(set)
        for link in net.links:
            one, other = net.edges.get(link.from_edge), net.edges.get(link.to_edge)
            # One may turn round at the end of any street: that joins no other.
            if _is_street(one) and _is_street(other) and not _is_back(one, other):
                self._into[link.to_edge].add(link.from_edge)
                self._onward[link.from_edge].add(link.to_edge)
        self._chains: dict[str, tuple[str, ...]] = {}
        self._fed = {
            self.after(movement.to_edge)[-1]
            for group in self.movements.values()
            for movement in group
        }

    def after(self, edge: str) -> tuple[str, ...]:
        """Edges from ``edge`` straight on until a counted approach (included) or the end."""
        if edge not in self._chains:
            chain = [edge]
            while chain[-1] not in self.movements and len(chain) < _MAX_CHAIN:
                following = self._straight.get(chain[-1])
                if following is None or following in chain:
                    break
                chain.append(following)
            self._chains[edge] = tuple(chain)
        return self._chains[edge]

    def fed(self, approach: str) -> bool:
        """Whether a counted movement leads to this approach."""
        return approach in self._fed

    def entry(self, approach: str) -> tuple[str, ...]:
        """Edges from where vehicles begin, some way up the street, to the approach."""
        chain = [approach]
        run_m = self.net.edges[approach].lanes[0].length_m
        while run_m < _ENTRY_RUN_M:
            before = self._before.get(chain[0])
            if before is None or before in chain or before in self.movements:
                break
            if self._straight.get(before) != chain[0]:
                break
            chain.insert(0, before)
            run_m += self.net.edges[before].lanes[0].length_m
        return tuple(chain)

    def closed(self, approach: str) -> bool:
        """Whether all that reaches a fed approach was counted upstream, and all of that reaches it.

        So it is where no other street joins or leaves between the two junctions.
        """
        edge = approach
        seen = {edge}
        while True:
            before = self._into[edge]
            counted = {one for one in before if self._counts(one, edge)}
            if counted:
                return counted == before
            if len(before) != 1:
                return False
            (edge,) = before
            if len(self._onward[edge]) != 1 or edge in seen:
                return False
            seen.add(edge)

    def _counts(self, from_edge: str, to_edge: str) -> bool:
        return any(m.to_edge == to_edge for m in self.movements.get(from_edge, ()))


def _is_street(edge: NetEdge | None) -> bool:
    return edge is not None and edge.function in ("", "normal") and bool(edge.traffic_lanes)


def _is_back(one: NetEdge | None, other: NetEdge | None) -> bool:
    return (
        one is not None
        and other is not None
        and one.from_node == other.to_node
        and one.to_node == other.from_node
    )
