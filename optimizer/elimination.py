"""Exact minimum of a sum of tables over offsets and choices, by eliminating junctions.

Each junction has an offset and a choice, such as its stage sequence. Minimize

    sum over junctions of own_a[k_a]  +  sum over edges of t_ab[k_a, k_b, (o_b - o_a) mod C]

over integer offsets ``o`` and choices ``k``. A junction with one neighbour takes, for each choice
of the neighbour, its own best choice and difference. One with two neighbours a and b becomes a
single table between them,

    h[k_a, k_b, d] = min over k, x of t_av[k_a, k, x] + own_v[k] + t_vb[k, k_b, d - x],

cyclic min-plus convolutions, since of offsets only differences count. Both steps are exact
(non-serial dynamic programming, Bertele and Brioschi 1972; the series and parallel steps of
Gartner, Little and Gabbay 1975 for offsets). Lines, trees, rings and whatever is made of them
vanish; the core that remains has three neighbours everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
Pair = tuple[str, str]
Place = tuple[int, int]
"""Choice and offset, in steps, of a junction."""
Recover = Callable[[dict[str, Place]], None]


@dataclass(frozen=True, slots=True)
class Reduced:
    """What elimination leaves: the core's own costs and tables, a constant, and the way back.

    ``recover`` are applied last to first; each adds one junction to the places known so far.
    """

    own: Mapping[str, Array]
    tables: Mapping[Pair, Array]
    constant: float
    recover: tuple[Recover, ...]

    def complete(self, core: Mapping[str, Place], steps: int) -> dict[str, Place]:
        """Places of all junctions, offsets modulo the cycle, from those of the core."""
        places = dict(core)
        for step in reversed(self.recover):
            step(places)
        return {name: (choice, offset % steps) for name, (choice, offset) in places.items()}


def joined(tables: Sequence[tuple[str, str, Array]]) -> dict[Pair, Array]:
    """One table per pair of junctions, ids in order, from tables of single links.

    Each table is (choices upstream, choices downstream, offset downstream less upstream).
    """
    found: dict[Pair, Array] = {}
    for upstream, downstream, table in tables:
        _add(found, upstream, downstream, table)
    return found


def reduce_network(own: Mapping[str, Array], tables: Mapping[Pair, Array]) -> Reduced:
    """Eliminate junctions with at most two neighbours until none is left.

    Args:
        own: Cost of each choice of each junction by itself.
        tables: Costs between junctions, as ``joined`` makes them.
    """
    left = {name: own[name] for name in sorted(own)}
    edges = dict(tables)
    recover: list[Recover] = []
    constant = 0.0
    while True:
        degree = dict.fromkeys(left, 0)
        for one, other in edges:
            degree[one] += 1
            degree[other] += 1
        ready = [name for name in left if degree[name] <= 2]
        if not ready:
            break
        name = min(ready, key=lambda item: degree[item])
        cost = left.pop(name)
        beside = [_outward(edges, pair, name) for pair in sorted(edges) if name in pair]
        for other, _ in beside:
            del edges[_ordered(name, other)]
        if not beside:
            constant += float(cost.min())
            recover.append(_free(name, int(cost.argmin())))
        elif len(beside) == 1:
            other, table = beside[0]
            # (other's choice, own choice x difference): the best for each choice of the other.
            both = (table + cost[:, None, None]).transpose(1, 0, 2)
            flat = both.reshape(len(both), -1)
            best = flat.argmin(axis=1)
            left[other] = left[other] + flat[np.arange(len(flat)), best]
            recover.append(_leaf(name, other, best, both.shape[2]))
        else:
            (first, to_first), (second, to_second) = beside
            # From the first neighbour to the junction, then from it to the second.
            onward, choice, place = _series(_turned(to_first) + cost[:, None], to_second)
            _add(edges, first, second, onward)
            recover.append(_between(name, first, second, choice, place))
    return Reduced(left, edges, constant, tuple(recover))


def total(
    own: Mapping[str, Array], tables: Mapping[Pair, Array], places: Mapping[str, Place]
) -> float:
    """Value of the sum."""
    value = sum(float(cost[places[name][0]]) for name, cost in own.items())
    for (one, other), table in tables.items():
        (choice, offset), (to_choice, to_offset) = places[one], places[other]
        value += float(table[choice, to_choice, (to_offset - offset) % table.shape[2]])
    return value


def _series(first: Array, second: Array) -> tuple[Array, Indices, Indices]:
    """Cyclic min-plus convolution over the choices between; the choice and place of each minimum.

    ``first`` is (choices at one end, between, steps), ``second`` (between, other end, steps).
    """
    ends, between, count = first.shape
    steps = np.arange(count)
    turned = second[:, :, (steps[:, None] - steps[None, :]) % count]
    shape = (ends, second.shape[1], count)
    result = np.full(shape, np.inf)
    choice, place = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
    for index in range(ends):
        for middle in range(between):
            both = first[index, middle][None, None, :] + turned[middle]
            at = both.argmin(axis=2)
            value = np.take_along_axis(both, at[:, :, None], axis=2)[:, :, 0]
            better = value < result[index]
            result[index] = np.where(better, value, result[index])
            choice[index] = np.where(better, middle, choice[index])
            place[index] = np.where(better, at, place[index])
    return result, choice, place


def _turned(table: Array) -> Array:
    """The table of the difference the other way."""
    result: Array = np.roll(table.transpose(1, 0, 2)[:, :, ::-1], 1, axis=2)
    return result


def _ordered(one: str, other: str) -> Pair:
    return (one, other) if one < other else (other, one)


def _add(edges: dict[Pair, Array], upstream: str, downstream: str, table: Array) -> None:
    pair = _ordered(upstream, downstream)
    own = table if pair[0] == upstream else _turned(table)
    edges[pair] = edges[pair] + own if pair in edges else own


def _outward(edges: Mapping[Pair, Array], pair: Pair, name: str) -> tuple[str, Array]:
    """The neighbour in a pair and the table of its offset less the junction's own."""
    one, other = pair
    return (other, edges[pair]) if one == name else (one, _turned(edges[pair]))


def _free(name: str, choice: int) -> Recover:
    def place(places: dict[str, Place]) -> None:
        places[name] = (choice, 0)

    return place


def _leaf(name: str, other: str, best: Indices, steps: int) -> Recover:
    def place(places: dict[str, Place]) -> None:
        choice, offset = places[other]
        own, difference = divmod(int(best[choice]), steps)
        places[name] = (own, offset - difference)

    return place


def _between(name: str, first: str, second: str, choice: Indices, place_of: Indices) -> Recover:
    def place(places: dict[str, Place]) -> None:
        (one, offset), (other, to_offset) = places[first], places[second]
        at = (one, other, (to_offset - offset) % place_of.shape[2])
        places[name] = (int(choice[at]), offset + int(place_of[at]))

    return place
