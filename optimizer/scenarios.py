"""Turns that nobody knows: one schedule is planned for several draws of them at once.

Detectors know a lane's turns as shares only. Who turns left at the head of a lane may hold all
behind him, so an average turn plans badly, and one draw plans for what will not happen. So the
junction is laid beside itself ``count`` times; in each copy every vehicle of unknown turn has
another one, such that the copies together have the shares of his lane. A schedule serves all
copies, and its cost is their mean: sample average approximation (Kleywegt, Shapiro and
Homem-de-Mello 2002, SIAM J. Optim. 12), with draws that are stratified instead of random.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import accumulate

import numpy as np

from optimizer.queueing import Displays, Floats, Ints, Traffic

GOLDEN = 0.6180339887498949


def draw(number: int) -> float:
    """Where in [0, 1) the ``number``-th vehicle of a lane stands among its turns.

    The golden ratio's multiples: any few in a row spread evenly, so they have the shares.
    """
    return number * GOLDEN % 1.0


def turn(drawn: float, links: Sequence[int], shares: Sequence[float]) -> int:
    """Link of a vehicle that stands at ``drawn`` among links with these shares (of any sum)."""
    total = sum(shares)
    sums = list(accumulate(shares)) if total > 0.0 else list(range(1, len(links) + 1))
    return links[min(bisect_right(sums, drawn * sums[-1]), len(links) - 1)]


def streams(
    known: Ints,
    drawn: Floats,
    ways: Mapping[int, tuple[Sequence[int], Sequence[float]]],
    count: int,
) -> list[Ints]:
    """Streams of all vehicles in each of ``count`` scenarios.

    Args:
        known: (N,) stream of each vehicle whose turn is known.
        drawn: (N,) where each stands among the turns of his lane; negative if known.
        ways: Links and their shares by the index of each vehicle that is drawn.
        count: How many scenarios.
    """
    found = [known.copy() for _ in range(count)]
    for index, (links, shares) in ways.items():
        for number, scenario in enumerate(found):
            scenario[index] = turn((drawn[index] + number / count) % 1.0, links, shares)
    return found


def beside(traffic: Traffic, scenarios: Sequence[Ints], columns: int) -> Traffic:
    """Traffic once for each scenario's streams, as lanes beside each other; weights divided.

    ``columns`` is how many streams a junction has.
    """
    count = len(scenarios)
    if count == 1:
        return traffic._replace(movement=scenarios[0])
    vehicles = traffic.first[-1]
    firsts = [traffic.first[1:] + number * vehicles for number in range(count)]
    return Traffic(
        first=np.concatenate([traffic.first[:1], *firsts]),
        arrival_s=np.tile(traffic.arrival_s, count),
        movement=np.concatenate(
            [stream + number * columns for number, stream in enumerate(scenarios)]
        ),
        headway_s=np.tile(traffic.headway_s, count),
        size=np.tile(traffic.size, count),
        weight=np.tile(traffic.weight, count) / count,
        lane_free_s=np.tile(traffic.lane_free_s, count),
        last_movement=np.concatenate(
            [traffic.last_movement + number * columns for number in range(count)]
        ),
        moving=np.tile(traffic.moving, count),
        room=np.tile(traffic.room, count),
        drain_per_s=np.tile(traffic.drain_per_s, count),
    )


def displays_beside(shown: Displays, count: int, exits: int) -> Displays:
    """What the copies of a junction can show: all of them the same. ``exits`` is one copy's."""
    if count == 1:
        return shown
    lanes, columns = shown.order.shape[0], shown.rate.shape[1]

    def moved(indices: Ints, by: int, axis: int) -> Ints:
        parts = [np.where(indices >= 0, indices + k * by, -1) for k in range(count)]
        return np.concatenate(parts, axis=axis)

    crosses = np.zeros((count * columns, count * columns), dtype=np.bool_)
    for number in range(count):
        own = slice(number * columns, (number + 1) * columns)
        crosses[own, own] = shown.crosses
    return shown._replace(
        rate=np.tile(shown.rate, (1, count)),
        halts=np.tile(shown.halts, (1, count)),
        yields_to=moved(shown.yields_to, lanes, 1),
        crosses=crosses,
        best_rate=np.tile(shown.best_rate, count),
        exit_of=moved(shown.exit_of, exits, 0),
        order=moved(shown.order, lanes, 0),
    )
