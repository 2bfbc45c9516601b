"""Make a site folder of a SUMO network and its demand."""

from __future__ import annotations

import gzip
import json
import os
import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from models.counts import CountRow, counts_to_csv
from models.errors import BadInput
from models.junction import Junction
from models.plan import Plan
from simulation.demand import counted_class
from simulation.netfile import NetFile, read_net
from simulation.network import read_signals
from simulation.programs import plan_from_network
from simulation.roads import Roads, roads_of
from simulation.tripfile import PlannedTrip, read_trip_file

MIDNIGHT = datetime(2026, 1, 5, tzinfo=UTC)
"""Second 0 of an imported simulation, a Monday: networks state a time of day but no date."""
INTERVAL_S = 900.0


@dataclass(frozen=True, slots=True)
class ImportSummary:
    """What an import found. ``notes`` are lines for a person: what could not be taken and why."""

    site: str
    junctions: int
    trips: int
    counted: int
    notes: tuple[str, ...]


def import_site(
    net: Path,
    routes: Path,
    *,
    begin_s: float,
    end_s: float,
    out: Path,
    write_plan: Callable[[Plan, Path], None],
    now: datetime | None = None,
) -> ImportSummary:
    """Write a whole site folder: network, plan as found, counts, demand, site.yaml.

    Counts are the vehicles that the routes plan through each movement, by the time at which
    they would pass without any hindrance, in 15 min intervals from ``begin_s``. The site runs
    its trips verbatim from ``begin_s`` to ``end_s``.

    Args:
        net: SUMO network.
        routes: SUMO routes, trips or flows.
        begin_s: First second of the simulation; who departs earlier is left out.
        end_s: Its end.
        out: The site's folder; its files are replaced, one by one, ``site.yaml`` last.
        write_plan: Writes a plan file.
        now: When the plan is said to be created; the present by default.

    Raises:
        BadInput: If a file cannot be used or the times make no interval.
        XanhError: If none of the network's signals can be taken.
    """
    if not 0 <= begin_s < end_s:
        raise BadInput("--begin, --end", "", f"{begin_s:g} to {end_s:g}; valid is begin below end")
    network = read_net(net)
    signals = read_signals(net)
    if not signals.junctions:
        why = "; ".join(signals.refused) or "it has no signals"
        raise BadInput(str(net), "", f"no signalized junction can be taken: {why}")
    demand = read_trip_file(routes, network)
    trips = [trip for trip in demand.trips if begin_s <= trip.depart_s < end_s]
    rows = planned_counts(trips, signals.junctions, roads_of(network), begin_s, end_s)
    if not rows:
        raise BadInput(
            str(routes),
            "depart",
            f"no vehicle from {begin_s:g} to {end_s:g} s drives through a signal of {net}",
        )
    site = _site_id(net)
    plan = plan_from_network(
        net, signals.junctions, site=site, created=now or datetime.now(UTC), by="import"
    )
    zipped = routes.suffix == ".gz"
    kept_routes = f"demand/routes.rou.xml{'.gz' if zipped else ''}"
    for folder in (out, out / "plans", out / "demand"):
        folder.mkdir(parents=True, exist_ok=True)
    _write(out / "network.net.xml", _unzipped(net))
    _write(out / kept_routes, routes.read_bytes())
    _write(out / "counts.csv", counts_to_csv(rows).encode())
    write_plan(plan, out / "plans" / "current.yaml")
    text = _site_yaml(site, signals.junctions, begin_s, end_s, kept_routes)
    _write(out / "site.yaml", text.encode())
    return ImportSummary(
        site=site,
        junctions=len(signals.junctions),
        trips=len(trips),
        counted=sum(row.count for row in rows),
        notes=(
            *signals.refused,
            *(f"{count} vehicles left out: {why}" for why, count in demand.skipped.items()),
            *_moving_programs(network, signals.junctions),
        ),
    )


def planned_counts(
    trips: list[PlannedTrip],
    junctions: Mapping[str, Junction],
    roads: Roads,
    begin_s: float,
    end_s: float,
) -> tuple[CountRow, ...]:
    """Vehicles planned through each movement per class and 15 min, zeros included.

    A movement that no vehicle is planned through counts cars, none of them.
    """
    movements = {
        (m.from_edge, m.to_edge): (j.id, m.id) for j in junctions.values() for m in j.movements
    }
    found: dict[tuple[str, str, str], dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for trip in trips:
        vehicle_class = counted_class(trip.vehicle_class)
        moment, before = trip.depart_s, None
        for edge, following in zip(trip.edges, trip.edges[1:], strict=False):
            moment += roads.free_s(before, edge)
            before = edge
            if moment >= end_s:
                break
            if (edge, following) in movements:
                key = (*movements[edge, following], vehicle_class)
                found[key][int((moment - begin_s) // INTERVAL_S)] += 1
    if not found:
        return ()
    seen = {movement for _, movement, _ in found}
    for junction, movement in movements.values():
        if movement not in seen:
            found[junction, movement, "car"] = defaultdict(int)
    rows = []
    for (junction, movement, vehicle_class), by_interval in found.items():
        index = 0
        while begin_s + index * INTERVAL_S < end_s:
            start_s = begin_s + index * INTERVAL_S
            rows.append(
                CountRow(
                    junction=junction,
                    movement=movement,
                    vehicle_class=vehicle_class,
                    start=MIDNIGHT + timedelta(seconds=start_s),
                    end=MIDNIGHT + timedelta(seconds=min(start_s + INTERVAL_S, end_s)),
                    count=by_interval[index],
                )
            )
            index += 1
    return tuple(rows)


def _moving_programs(net: NetFile, junctions: Mapping[str, Junction]) -> list[str]:
    """A line on programs that react to traffic, which a fixed-time plan does not."""
    kinds = sorted({net.programs[name].kind for name in junctions} - {"static"})
    return [
        f"programs of type {kind} are taken with the durations that their rows state"
        for kind in kinds
    ]


def _site_id(net: Path) -> str:
    stem = net.name.partition(".")[0].lower()
    return re.sub(r"[^a-z0-9_-]+", "-", stem).strip("-") or "site"


def _unzipped(path: Path) -> bytes:
    if path.suffix == ".gz":
        with gzip.open(path) as stream:
            return stream.read()
    return path.read_bytes()


def _write(path: Path, content: bytes) -> None:
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_bytes(content)
    os.replace(temporary, path)


def _site_yaml(
    site: str, junctions: Mapping[str, Junction], begin_s: float, end_s: float, routes: str
) -> str:
    lines = [
        "# Written by `xanh site import`. Second 0 of its simulation is taken as",
        f"# {MIDNIGHT:%Y-%m-%d} 00:00 UTC; the network states no date.",
        "schema: 1",
        f"id: {json.dumps(site)}",
        f"name: {json.dumps(site)}",
        "network: network.net.xml",
        "",
        "# The trips run verbatim: no warm-up, 1 s step, SUMO's defaults.",
        "simulation:",
        f"  begin_s: {begin_s:g}",
        f"  end_s: {end_s:g}",
        "  warm_up_s: 0",
        "  step_s: 1.0",
        f"  routes: {json.dumps(routes)}",
        "",
        "junctions:",
    ]
    for junction in junctions.values():
        name = f", name: {json.dumps(junction.name, ensure_ascii=False)}" if junction.name else ""
        lines.append(f"  - {{id: {json.dumps(junction.id, ensure_ascii=False)}{name}}}")
    return "\n".join(lines) + "\n"
