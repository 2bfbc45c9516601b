"""Elimination of junctions is exact: it agrees with trying every choice and offset."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from optimizer.elimination import joined, reduce_network, total

NETWORKS = {
    "line": [("A", "B"), ("B", "C"), ("C", "D")],
    "both ways": [("A", "B"), ("B", "A"), ("C", "B"), ("B", "C")],
    "ring": [("A", "B"), ("B", "C"), ("C", "D"), ("D", "A")],
    "two rings": [("A", "B"), ("B", "C"), ("C", "A"), ("C", "D"), ("D", "E"), ("E", "C")],
    "apart": [("A", "B"), ("C", "D")],
    "complete": list(itertools.combinations("ABCD", 2)),
}


def _program(links, choices, steps, seed=3):
    """Random costs; junctions have 1 to ``choices`` choices in turn."""
    random = np.random.default_rng(seed)
    names = sorted({junction for link in links for junction in link})
    counts = {name: 1 + index % choices for index, name in enumerate(names)}
    own = {name: random.uniform(0, 50, counts[name]) for name in names}
    tables = joined(
        [(a, b, random.uniform(0, 100, (counts[a], counts[b], steps))) for a, b in links]
    )
    return own, tables


def _least(own, tables, steps):
    places = [list(itertools.product(range(len(own[name])), range(steps))) for name in own]
    return min(
        total(own, tables, dict(zip(own, chosen, strict=True)))
        for chosen in itertools.product(*places)
    )


@pytest.mark.parametrize(("choices", "steps"), [(1, 6), (3, 3)])
@pytest.mark.parametrize("name", NETWORKS)
def test_what_is_eliminated_comes_back_at_the_least_cost(name, choices, steps):
    own, tables = _program(NETWORKS[name], choices, steps)
    reduced = reduce_network(own, tables)
    assert bool(reduced.own) == (name == "complete")
    places = [
        list(itertools.product(range(len(cost)), range(steps))) for cost in reduced.own.values()
    ]
    costs = [
        total(own, tables, reduced.complete(dict(zip(reduced.own, core, strict=True)), steps))
        for core in itertools.product(*places)
    ]
    assert min(costs) == pytest.approx(_least(own, tables, steps))
    if not reduced.own:
        assert costs == [pytest.approx(reduced.constant)]


def test_constant_of_a_core_and_its_tables_add_up_to_the_whole():
    """A tail on a complete core: what was eliminated is in the core's own costs."""
    own, tables = _program([*itertools.combinations("ABCD", 2), ("D", "E")], 2, 3)
    reduced = reduce_network(own, tables)
    core = dict.fromkeys(reduced.own, (0, 1))
    assert reduced.constant + total(reduced.own, reduced.tables, core) == pytest.approx(
        total(own, tables, reduced.complete(core, 3))
    )


def test_a_table_read_from_its_other_end_is_the_same():
    values = np.array([[[5.0, 1.0, 2.0, 3.0], [0.0, 7.0, 8.0, 9.0]]])
    (one,) = joined([("A", "B", values)]).items()
    (other,) = joined([("B", "A", values)]).items()
    own = {"A": np.zeros(1), "B": np.zeros(2)}
    assert total(own, dict([one]), {"A": (0, 1), "B": (1, 2)}) == 7.0
    own = {"A": np.zeros(2), "B": np.zeros(1)}
    assert total(own, dict([other]), {"A": (1, 1), "B": (0, 2)}) == 9.0
