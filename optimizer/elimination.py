"""Exact minimum of a sum of tables over differences of offsets, by eliminating junctions.

Minimize the sum over edges of ``t_ab[(o_b - o_a) mod K]`` over integer offsets. A junction with
one neighbour takes its best difference. One with two neighbours a and b becomes a single table
between them, ``h[d] = min over x of t_av[x] + t_vb[d - x]``: a cyclic min-plus convolution, since
only differences count. Both steps are exact (non-serial dynamic programming, Bertele and Brioschi
1972; the series and parallel steps of Gartner, Little and Gabbay 1975 for offsets). Lines, trees,
rings and whatever is made of them vanish; the core that remains has three neighbours everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]
Pair = tuple[str, str]
Recover = Callable[[dict[str, int]], None]


@dataclass(frozen=True, slots=True)
class Reduced:
    """What elimination leaves: the core's tables, a constant, and the way back.

    ``recover`` are applied last to first; each adds one junction to the offsets known so far.
    """

    nodes: tuple[str, ...]
    tables: Mapping[Pair, Array]
    constant: float
    recover: tuple[Recover, ...]

    def complete(self, core: Mapping[str, int], steps: int) -> dict[str, int]:
        """Offsets of all junctions, in steps modulo the cycle, from those of the core."""
        offsets = dict(core)
        for step in reversed(self.recover):
            step(offsets)
        return {name: value % steps for name, value in offsets.items()}


def joined(tables: Sequence[tuple[str, str, Sequence[float]]]) -> dict[Pair, Array]:
    """One table per pair of junctions, ids in order, from tables of single links."""
    found: dict[Pair, Array] = {}
    for upstream, downstream, values in tables:
        table = np.asarray(values, dtype=np.float64)
        _add(found, upstream, downstream, table)
    return found


def reduce_network(nodes: Sequence[str], tables: Mapping[Pair, Array]) -> Reduced:
    """Eliminate junctions with at most two neighbours until none is left."""
    left = sorted(nodes)
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
        left.remove(name)
        beside = [_outward(edges, pair, name) for pair in sorted(edges) if name in pair]
        for other, _ in beside:
            del edges[_ordered(name, other)]
        if not beside:
            recover.append(_free(name))
        elif len(beside) == 1:
            other, table = beside[0]
            best = int(table.argmin())
            constant += float(table[best])
            recover.append(_leaf(name, other, best))
        else:
            (first, to_first), (second, to_second) = beside
            # From the first neighbour to the junction, then from it to the second.
            onward, choice = _series(_turned(to_first), to_second)
            _add(edges, first, second, onward)
            recover.append(_between(name, first, second, choice))
    return Reduced(tuple(left), edges, constant, tuple(recover))


def total(tables: Mapping[Pair, Array], offsets: Mapping[str, int]) -> float:
    """Value of the sum for offsets in steps."""
    return float(
        sum(
            table[(offsets[other] - offsets[one]) % len(table)]
            for (one, other), table in tables.items()
        )
    )


def _series(first: Array, second: Array) -> tuple[Array, Places]:
    """Cyclic min-plus convolution and the place in ``first`` where each minimum lies."""
    count = len(first)
    steps = np.arange(count)
    both = first[None, :] + second[(steps[:, None] - steps[None, :]) % count]
    choice = both.argmin(axis=1)
    result: Array = both[steps, choice]
    return result, choice


def _turned(table: Array) -> Array:
    """The table of the difference the other way."""
    result: Array = np.roll(table[::-1], 1)
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


def _free(name: str) -> Recover:
    def place(offsets: dict[str, int]) -> None:
        offsets[name] = 0

    return place


def _leaf(name: str, other: str, best: int) -> Recover:
    def place(offsets: dict[str, int]) -> None:
        offsets[name] = offsets[other] - best

    return place


def _between(name: str, first: str, second: str, choice: Places) -> Recover:
    def place(offsets: dict[str, int]) -> None:
        difference = (offsets[second] - offsets[first]) % len(choice)
        offsets[name] = offsets[first] + int(choice[difference])

    return place
