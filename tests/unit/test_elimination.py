"""Elimination of junctions is exact: it agrees with trying every offset."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from optimizer.elimination import joined, reduce_network, total

STEPS = 6
NETWORKS = {
    "line": [("A", "B"), ("B", "C"), ("C", "D")],
    "both ways": [("A", "B"), ("B", "A"), ("C", "B"), ("B", "C")],
    "ring": [("A", "B"), ("B", "C"), ("C", "D"), ("D", "A")],
    "two rings": [("A", "B"), ("B", "C"), ("C", "A"), ("C", "D"), ("D", "E"), ("E", "C")],
    "apart": [("A", "B"), ("C", "D")],
    "complete": list(itertools.combinations("ABCD", 2)),
}


def _tables(links, seed=3):
    random = np.random.default_rng(seed)
    return joined([(one, other, random.uniform(0, 100, STEPS)) for one, other in links])


def _least(names, tables):
    return min(
        total(tables, dict(zip(names, values, strict=True)))
        for values in itertools.product(range(STEPS), repeat=len(names))
    )


@pytest.mark.parametrize("name", NETWORKS)
def test_what_is_eliminated_comes_back_at_the_least_cost(name):
    links = NETWORKS[name]
    names = sorted({junction for link in links for junction in link})
    tables = _tables(links)
    reduced = reduce_network(names, tables)
    assert bool(reduced.nodes) == (name == "complete")
    cores = itertools.product(range(STEPS), repeat=len(reduced.nodes))
    costs = [
        total(tables, reduced.complete(dict(zip(reduced.nodes, core, strict=True)), STEPS))
        for core in cores
    ]
    assert min(costs) == pytest.approx(_least(names, tables))
    if not reduced.nodes:
        assert costs == [pytest.approx(reduced.constant)]


def test_a_table_read_from_its_other_end_is_the_same():
    values = [5.0, 1.0, 2.0, 3.0]
    (one,), (other,) = joined([("A", "B", values)]).items(), joined([("B", "A", values)]).items()
    offsets = {"A": 1, "B": 2}
    assert total(dict([one]), offsets) == values[1]
    assert total(dict([other]), offsets) == values[3]
