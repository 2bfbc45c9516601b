"""Flows that reproduce counts as well as any flow can, and what none can reproduce.

A vehicle that one junction lets go arrives at the next, so counts of neighbours that no side
street explains must agree. Where they do not, the flows closest to them that agree are taken:
a linear program over movements whose cost grows with the distance from the count. Its matrix is
a network's, so whole counts give whole flows (Ahuja, Magnanti, Orlin: Network Flows, ch. 11).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import coo_matrix

from models.errors import XanhError
from simulation.counted_streets import CountedStreets

# Parts of a deviation, as shares of the count, and what a vehicle of each costs: a small
# deviation everywhere is better than a large one somewhere.
_STEPS = ((0.05, 1.0), (0.10, 2.0), (0.20, 4.0), (math.inf, 8.0))
_SIDE_COST = 1e-3
"""Of a vehicle that begins or ends between junctions: those that drive on are preferred."""


@dataclass(frozen=True, slots=True)
class Balance:
    """Whole vehicles: through each movement, and beginning and ending at each approach."""

    flows: Mapping[str, int]
    begins: Mapping[str, int]
    ends: Mapping[str, int]


def balanced(streets: CountedStreets, counts: Mapping[str, int]) -> Balance:
    """Flows closest to counts that could be driven.

    Vehicles begin at approaches that no counted junction feeds, and begin or end between two
    counted junctions where a side street joins or leaves. A movement without a count is free.

    Args:
        streets: The counted approaches.
        counts: Vehicles by movement id in some interval.

    Raises:
        XanhError: If the program cannot be solved, which counts alone cannot cause.
    """
    movements = [m for group in streets.movements.values() for m in group]
    approaches = {approach: row for row, approach in enumerate(streets.movements)}
    cost: list[float] = []
    upper: list[float] = []
    entries: list[tuple[int, int, float]] = []
    right = np.zeros(len(approaches))
    columns: dict[str, list[tuple[int, int]]] = defaultdict(list)

    def column(price: float, most: float, *cells: tuple[int, float]) -> int:
        number = len(cost)
        cost.append(price)
        upper.append(most)
        entries.extend((row, number, value) for row, value in cells)
        return number

    for movement in movements:
        leads_to = streets.after(movement.to_edge)[-1]
        cells = [(approaches[movement.from_edge], 1.0)]
        if leads_to in approaches:
            cells.append((approaches[leads_to], -1.0))
        count = counts.get(movement.id)
        if count is None:
            columns[movement.id].append((column(_SIDE_COST, math.inf, *cells), 1))
            continue
        for row, value in cells:
            right[row] -= value * count
        weight = 1.0 / math.sqrt(max(count, 1))
        left = float(count)
        for share, price in _STEPS:
            width = float(max(1, round(share * count))) if share < math.inf else math.inf
            columns[movement.id].append((column(price * weight, width, *cells), 1))
            less = min(left, width)
            left -= less
            lowered = [(row, -value) for row, value in cells]
            columns[movement.id].append((column(price * weight, less, *lowered), -1))
    begins: dict[str, int] = {}
    ends: dict[str, int] = {}
    for approach, row in approaches.items():
        if not streets.fed(approach):
            begins[approach] = column(0.0, math.inf, (row, -1.0))
        elif not streets.closed(approach):
            begins[approach] = column(_SIDE_COST, math.inf, (row, -1.0))
            ends[approach] = column(_SIDE_COST, math.inf, (row, 1.0))
    rows, numbers, values = zip(*entries, strict=True)
    matrix = coo_matrix((values, (rows, numbers)), shape=(len(approaches), len(cost)))
    solved = linprog(
        cost,
        A_eq=matrix.tocsr(),
        b_eq=right,
        bounds=[(0.0, None if most == math.inf else most) for most in upper],
        method="highs-ds",
    )
    if not solved.success:
        raise XanhError(f"counts cannot be balanced: {solved.message}")
    found = [round(value) for value in solved.x]
    return Balance(
        flows={
            m.id: (counts.get(m.id) or 0) + sum(sign * found[n] for n, sign in columns[m.id])
            for m in movements
        },
        begins={a: found[n] for a, n in begins.items() if found[n]},
        ends={a: found[n] for a, n in ends.items() if found[n]},
    )
