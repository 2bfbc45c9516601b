"""Demand that reproduces turning counts interval by interval."""

from __future__ import annotations

import math
import random
import xml.etree.ElementTree as ET
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path

from models.counts import CountRow, geh
from models.errors import BadInput
from models.site import Site
from simulation.balance import Balance, balanced
from simulation.counted_streets import CountedStreets
from simulation.demand import (
    VehicleTypes,
    check_counts,
    vehicle_element,
    walk_elements,
    write_routes,
)
from simulation.netfile import read_net
from simulation.roads import Roads, roads_of

Interval = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class Misfit:
    """A movement whose count no flow can reproduce: what was counted and what comes closest."""

    movement: str
    start: datetime
    counted: float
    fitted: int
    geh: float

    def __str__(self) -> str:
        """The line for a person."""
        return (
            f"{self.movement} at {self.start:%H:%M}: counted {self.counted:.0f}, but its "
            f"neighbours' counts leave at most a flow of {self.fitted} (GEH {self.geh:.1f})"
            if self.fitted < self.counted
            else f"{self.movement} at {self.start:%H:%M}: counted {self.counted:.0f}, but its "
            f"neighbours' counts ask for at least {self.fitted} (GEH {self.geh:.1f})"
        )


@dataclass(frozen=True, slots=True)
class LinkBalance:
    """One street between counted junctions in one interval, vehicles of all classes.

    ``closed`` streets have no side street: both numbers should be the same.
    """

    approach: str
    start: datetime
    arriving: float
    counted: float
    closed: bool

    @property
    def difference(self) -> float:
        """Vehicles counted at the approach beyond those counted into the street."""
        return self.counted - self.arriving


@dataclass(frozen=True, slots=True)
class FittedDemand:
    """Vehicles by movement and interval that the demand sends, and where the counts disagree."""

    flows: Mapping[tuple[str, Interval], int]
    counted: Mapping[tuple[str, Interval], float]
    misfits: tuple[Misfit, ...]
    links: tuple[LinkBalance, ...]
    vehicles: int
    pedestrians: int


MISFIT_GEH = 5.0
"""A movement further from its count is named."""


def write_fitted_demand(
    site: Site,
    rows: Sequence[CountRow],
    path: Path,
    *,
    seed: int,
    begin_s: float,
    lead_s: float = 0.0,
    pedestrians_ph: float | None = None,
) -> FittedDemand:
    """Write a SUMO route file whose vehicles pass the counted movements as often as counted.

    The first interval's counts begin at ``begin_s + lead_s``; before them its flow runs too, to
    fill the streets. Each vehicle departs so early that, unhindered, it reaches its first
    counted line in the interval.

    Args:
        site: A site with a network.
        rows: The counts; partly seen intervals are scaled up, unseen ones left free.
        path: The file to write.
        seed: Of the order of turns, the vehicles' types and the moments of departure.
        begin_s: First second of the simulation.
        lead_s: Warm-up before the counted time.
        pedestrians_ph: People an hour who cross at each junction; by default the site's.

    Raises:
        BadInput: If the site has no network, or a count names what the site does not have.
    """
    streets, counts, intervals = _counted(site, rows)
    net = streets.net
    roads, types, draw = roads_of(net), VehicleTypes.of_site(site), random.Random(seed)
    first = intervals[0][0]
    departures: list[tuple[float, ET.Element]] = []
    flows: dict[tuple[str, Interval], int] = defaultdict(int)
    vehicles = 0
    for interval in intervals:
        start_s = begin_s + lead_s + (interval[0] - first).total_seconds()
        end_s = start_s + (interval[1] - interval[0]).total_seconds()
        for vehicle_class in sorted({name for name, when in counts if when == interval}):
            balance = balanced(streets, counts[vehicle_class, interval])
            for movement, flow in balance.flows.items():
                flows[movement, interval] += flow
            windows = [(start_s, end_s, 1.0)]
            if interval == intervals[0] and lead_s > 0:
                windows.append((begin_s, start_s, lead_s / (end_s - start_s)))
            for window_s, until_s, share in windows:
                for route, arrives, ahead_s in _routes(balance, streets, roads, draw, share):
                    moment = max(begin_s, draw.uniform(window_s, until_s) - ahead_s)
                    element = vehicle_element(draw, types, vehicle_class, route, arrives)
                    departures.append((math.floor(moment * 100) / 100, element))
                    vehicles += 1
    until_s = begin_s + lead_s + (intervals[-1][1] - first).total_seconds()
    people = walk_elements(
        net, site.junctions, types, draw, pedestrians_ph, begin_s=begin_s, end_s=until_s
    )
    departures += people
    write_routes(departures, types, path)
    totals = _totals(counts)
    return FittedDemand(
        flows=dict(flows),
        counted=totals,
        misfits=_misfits(totals, flows),
        links=_links(streets, totals, intervals),
        vehicles=vehicles,
        pedestrians=len(people),
    )


def check_flows(
    site: Site, rows: Sequence[CountRow]
) -> tuple[tuple[Misfit, ...], tuple[LinkBalance, ...]]:
    """Counts that no flow can reproduce, and what was counted at both ends of each street.

    Raises:
        BadInput: If the site has no network, or the counts cannot be used.
    """
    streets, counts, intervals = _counted(site, rows)
    flows: dict[tuple[str, Interval], int] = defaultdict(int)
    for (_, interval), counted in counts.items():
        for movement, flow in balanced(streets, counted).flows.items():
            flows[movement, interval] += flow
    totals = _totals(counts)
    return _misfits(totals, flows), _links(streets, totals, intervals)


def _counted(
    site: Site, rows: Sequence[CountRow]
) -> tuple[CountedStreets, _Counts, list[Interval]]:
    if site.network is None:
        raise BadInput(
            str(site.folder / "site.yaml"), "network", "the site has none; valid is a net.xml"
        )
    check_counts(site, rows)
    counts, intervals = _by_interval(rows)
    streets = CountedStreets(read_net(site.network), site.junctions, {row.movement for row in rows})
    return streets, counts, intervals


_Counts = Mapping[tuple[str, Interval], Mapping[str, int]]


def _by_interval(rows: Sequence[CountRow]) -> tuple[_Counts, list[Interval]]:
    """Whole vehicles by class and interval, then movement; and the intervals in order.

    Raises:
        BadInput: If intervals overlap without being the same.
    """
    found: dict[tuple[str, Interval], dict[str, int]] = defaultdict(dict)
    intervals: set[Interval] = set()
    for row in rows:
        if row.vehicle_class == "pedestrian" or row.coverage == 0:
            continue
        interval = (row.start, row.end)
        intervals.add(interval)
        into = found[row.vehicle_class, interval]
        into[row.movement] = into.get(row.movement, 0) + round(row.count / row.coverage)
    if not intervals:
        raise BadInput("counts", "coverage", "no vehicle was counted in any interval")
    ordered = sorted(intervals)
    for one, other in pairwise(ordered):
        if other[0] < one[1]:
            raise BadInput(
                "counts",
                "start",
                f"the intervals from {one[0]:%H:%M} and from {other[0]:%H:%M} overlap; valid are "
                "the same intervals for all movements",
            )
    # A movement of a class that is not listed in an interval, where others are, counts none.
    named: dict[Interval, set[str]] = defaultdict(set)
    for (_, interval), movements in found.items():
        named[interval].update(movements)
    for (_, interval), movements in found.items():
        for movement in named[interval]:
            movements.setdefault(movement, 0)
    return found, ordered


def _routes(
    balance: Balance,
    streets: CountedStreets,
    roads: Roads,
    draw: random.Random,
    share: float,
) -> Iterator[tuple[tuple[str, ...], bool, float]]:
    """Routes whose movements add up to the flows: edges, whether the last is driven to its end,
    and the unhindered seconds to the first counted line.

    At each approach those who arrive are matched at random with the turns that leave it.
    """
    units: list[str] = []
    leaving: dict[str, list[int]] = defaultdict(list)
    arriving: dict[str, list[int]] = defaultdict(list)
    leads: dict[int, tuple[str, ...]] = {}
    for approach, movements in streets.movements.items():
        for movement in movements:
            chain = streets.after(movement.to_edge)
            for _ in range(balance.flows[movement.id]):
                number = len(units)
                units.append(approach)
                leads[number] = chain
                leaving[approach].append(number)
                if chain[-1] in streets.movements:
                    arriving[chain[-1]].append(number)
    follows: dict[int, int] = {}
    starts: list[int] = []
    for approach, outgoing in leaving.items():
        order: list[int] = [*outgoing, *([-1] * balance.ends.get(approach, 0))]
        draw.shuffle(order)
        incoming = arriving[approach]
        draw.shuffle(incoming)
        for before, after in zip(incoming, order, strict=False):
            if after >= 0:
                follows[before] = after
        starts += [number for number in order[len(incoming) :] if number >= 0]
    followed = set(follows.values())
    on_a_way: set[int] = set()
    # A loop that nothing enters (counts of a block that circle it) begins anywhere on it.
    for first in [*starts, *(number for number in range(len(units)) if number in followed)]:
        if first in on_a_way:
            continue
        way = [first]
        on_a_way.add(first)
        while way[-1] in follows and follows[way[-1]] not in on_a_way:
            way.append(follows[way[-1]])
            on_a_way.add(way[-1])
        if share < 1.0 and draw.random() >= share:
            continue
        approach = units[first]
        start = (approach,) if streets.fed(approach) else streets.entry(approach)
        edges = (*start, *(edge for number in way for edge in leads[number]))
        ahead_s = sum(
            roads.free_s(before, edge) for before, edge in zip((None, *start), start, strict=False)
        )
        yield edges, leads[way[-1]][-1] not in streets.movements, ahead_s


def _totals(counts: _Counts) -> dict[tuple[str, Interval], float]:
    totals: dict[tuple[str, Interval], float] = defaultdict(float)
    for (_, interval), movements in counts.items():
        for movement, count in movements.items():
            totals[movement, interval] += count
    return dict(totals)


def hourly(vehicles: float, interval: Interval) -> float:
    """Vehicles of an interval as vehicles an hour."""
    return vehicles * 3600.0 / (interval[1] - interval[0]).total_seconds()


def _misfits(
    counted: Mapping[tuple[str, Interval], float], flows: Mapping[tuple[str, Interval], int]
) -> tuple[Misfit, ...]:
    found = []
    for (movement, interval), count in counted.items():
        fitted = flows[movement, interval]
        apart = geh(hourly(fitted, interval), hourly(count, interval))
        if apart >= MISFIT_GEH:
            found.append(Misfit(movement, interval[0], count, fitted, apart))
    return tuple(sorted(found, key=lambda misfit: -misfit.geh))


def _links(
    streets: CountedStreets,
    counted: Mapping[tuple[str, Interval], float],
    intervals: Sequence[Interval],
) -> tuple[LinkBalance, ...]:
    arrives: dict[str, list[str]] = defaultdict(list)
    for movements in streets.movements.values():
        for movement in movements:
            end = streets.after(movement.to_edge)[-1]
            if end in streets.movements:
                arrives[end].append(movement.id)
    return tuple(
        LinkBalance(
            approach=approach,
            start=interval[0],
            arriving=sum(counted.get((m, interval), 0.0) for m in feeding),
            counted=sum(counted.get((m.id, interval), 0.0) for m in streets.movements[approach]),
            closed=streets.closed(approach),
        )
        for approach, feeding in sorted(arrives.items())
        for interval in intervals
    )
