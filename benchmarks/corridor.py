"""Plans of a corridor side by side: travel time and stops along it, delay on each cross street.

    python benchmarks/corridor.py SITE [--plan FILE ...] [--wave C,SPEED] [--pairs 10] [--out DIR]

The plan in force, a hand-made wave (``--wave``: common cycle in s, speed in m/s; stages and the
order of the plan in force, greens in proportion, offsets = distance / speed) and every ``--plan``
run on the same demands and seeds. The corridor is the longest chain of signals met going
straight. Its travel time is that of vehicles which drove all of it, from when they were due to
enter until they left its last road, waiting outside included; stops are theirs. A cross street's
delay is that of all vehicles of an approach up to its stop line, of those too that never reached
it. Vehicles due in the window after the warm-up are measured; the run and its demand go on until
they are through (``--tail``), so that slow ones are not left out; what is still on the way then
is counted beside.

Runs are kept in ``DIR/runs.json`` and not repeated. 95 % intervals of the mean of the pairs'
changes, Student's t. Writes ``DIR/summary.json`` and ``DIR/corridor.svg``.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from scipy.stats import t as student

from models.counts import counts_from_csv
from models.plan import Plan
from models.site import Site
from optimizer.refine import legal_start
from simulation.charts import Row, document, rows
from simulation.demand import write_demand
from simulation.metrics import (
    all_drives,
    planned_routes,
    read_drives,
    read_everybody,
    signalized_turns,
    split_delay,
)
from simulation.progression import Corridor, find_corridors
from simulation.roads import read_roads
from simulation.runner import prepare, run_sumo, site_job, sumo_version
from traffic.planfiles import read_plan
from traffic.retiming import build_problem
from traffic.sites import load_site

IN_FORCE = "in force"
WAVE = "hand-made wave"


@dataclass(frozen=True, slots=True)
class CorridorRun:
    """What one run says of a corridor; delays in s by approach edge of the cross streets."""

    travel_s: float
    stops: float
    through: int
    on_the_way: int
    cross_s: Mapping[str, float]
    all_delay_s: float
    processor_s: float


def corridor_edges(site: Site, corridor: Corridor) -> tuple[str, ...]:
    """Approach edge of each signal along the corridor, then the edge after the last."""
    movements = {m.id: m for part in site.junctions.values() for m in part.movements}
    along = [movements[stop.movement] for stop in corridor.stops]
    return (*(m.from_edge for m in along), along[-1].to_edge)


def run_corridor(
    site: Site, plan: Plan, seed: int, tail_s: float, edges: Sequence[str]
) -> CorridorRun:
    """Simulate a plan with one demand and seed and measure the corridor.

    Raises:
        XanhError: If SUMO fails.
    """
    options = site.simulation
    begin_s, until_s = options.begin_s + options.warm_up_s, options.end_s
    end_s = until_s + tail_s
    longer = replace(site, simulation=replace(options, end_s=end_s))
    used = os.times()
    with tempfile.TemporaryDirectory(prefix="xanh-corridor-") as name:
        folder = Path(name)
        demand = folder / "demand.rou.xml"
        counts = counts_from_csv(
            site.counts_path.read_text(encoding="utf-8"), str(site.counts_path)
        )
        write_demand(longer, counts, demand, seed=seed, begin_s=options.begin_s, end_s=end_s)
        job = site_job(longer, plan, (demand,), seed=seed, name=f"seed {seed}")
        prepare(job, folder)
        run_sumo(job, folder)
        everybody = read_everybody(folder / "tripinfo.xml", end_s=end_s)
        trips = [trip for trip in everybody.trips if begin_s <= trip.planned_s < until_s]
        turns, roads = signalized_turns(site.junctions.values()), read_roads(job.network)
        outside = frozenset(trip.id for trip in trips if not trip.departed)
        drives = all_drives(
            trips,
            read_drives(folder / "vehroutes.xml"),
            turns,
            planned_routes(job.demand, outside),
        )
    done = os.times()
    through, on_the_way = [], 0
    lost: dict[str, list[float]] = {}
    approaches = {m.id: m.from_edge for part in site.junctions.values() for m in part.movements}
    for trip in trips:
        drive = drives[trip.id]
        if drive.edges == tuple(edges):
            if trip.arrived:
                through.append((trip.arrival_s - trip.planned_s, trip.stops))
            else:
                on_the_way += 1
        for movement, delay_s in split_delay(trip, drive, turns, roads).items():
            if movement and approaches[movement] not in edges:
                lost.setdefault(approaches[movement], []).append(delay_s)
    return CorridorRun(
        travel_s=statistics.fmean(seconds for seconds, _ in through),
        stops=statistics.fmean(stops for _, stops in through),
        through=len(through),
        on_the_way=on_the_way,
        cross_s={edge: statistics.fmean(values) for edge, values in sorted(lost.items())},
        all_delay_s=statistics.fmean(trip.delay_s for trip in trips),
        processor_s=(done.children_user - used.children_user) + (done.user - used.user),
    )


def hand_made_wave(
    site: Site, current: Plan, corridor: Corridor, cycle_s: float, mps: float
) -> Plan:
    """The plan in force with one cycle and offsets of distance over speed, as by hand.

    Raises:
        ValueError: If the minimums of some junction do not fit into the cycle.
    """
    counts = counts_from_csv(site.counts_path.read_text(encoding="utf-8"), str(site.counts_path))
    problem = build_problem(site, counts, current)
    plan = legal_start(
        problem, current, created=current.created, by=WAVE, cycle_ds=round(cycle_s * 10)
    )
    if plan is None:
        raise ValueError(f"the minimums do not fit into {cycle_s:g} s")
    at = {stop.junction: stop.at_m for stop in corridor.stops}
    return replace(
        plan,
        junctions=tuple(
            replace(item, offset_ds=round(at.get(item.junction, 0.0) / mps) * 10 % item.cycle_ds)
            for item in plan.junctions
        ),
    )


def change_pct(before: Sequence[float], after: Sequence[float]) -> tuple[float, float, float]:
    """Change of the mean in percent over pairs, with its 95 % interval (low, high)."""
    changes = [100.0 * (b / a - 1.0) for a, b in zip(before, after, strict=True)]
    mean = statistics.fmean(changes)
    if len(changes) < 2:
        return mean, math.nan, math.nan
    half = float(student.ppf(0.975, len(changes) - 1)) * statistics.stdev(changes)
    half /= math.sqrt(len(changes))
    return mean, mean - half, mean + half


def _run(site_folder: Path, plan: Plan, seed: int, tail_s: float) -> CorridorRun:
    """``run_corridor`` in a process of its own."""
    site = load_site(site_folder)
    return run_corridor(site, plan, seed, tail_s, corridor_edges(site, _corridor(site)))


def _corridor(site: Site) -> Corridor:
    if site.network is None:
        raise SystemExit(f"{site.id} has no network")
    found = find_corridors(site.junctions, read_roads(site.network))
    if not found:
        raise SystemExit(f"{site.id} has no corridor of three signals")
    return found[0]


class Runs:
    """Runs by plan and seed, kept in a file."""

    def __init__(self, folder: Path, site_folder: Path, tail_s: float) -> None:
        """Read what is there already."""
        self.path = folder / "runs.json"
        self.site_folder, self.tail_s = site_folder, tail_s
        self.known = json.loads(self.path.read_text()) if self.path.exists() else {}

    def get(self, plans: Mapping[str, Plan], seeds: Sequence[int], workers: int) -> None:
        """Run what is missing."""
        wanted = [
            (name, plan, seed)
            for seed in seeds
            for name, plan in plans.items()
            if self._key(plan, seed) not in self.known
        ]
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            futures = {
                pool.submit(_run, self.site_folder, plan, seed, self.tail_s): (name, plan, seed)
                for name, plan, seed in wanted
            }
            for done, future in enumerate(as_completed(futures), 1):
                name, plan, seed = futures[future]
                self.known[self._key(plan, seed)] = asdict(future.result())
                self.path.write_text(json.dumps(self.known))
                print(f"{done}/{len(wanted)} {name}, seed {seed}", file=sys.stderr, flush=True)

    def of(self, plan: Plan, seeds: Sequence[int]) -> list[CorridorRun]:
        """The runs of a plan in the order of the seeds."""
        return [CorridorRun(**self.known[self._key(plan, seed)]) for seed in seeds]

    def _key(self, plan: Plan, seed: int) -> str:
        return f"{plan.digest[:16]} {seed} {self.tail_s:g}"


def compare(before: Sequence[CorridorRun], after: Sequence[CorridorRun]) -> dict[str, Any]:
    """Means of ``after`` and changes against ``before``, paired: (mean, low, high) in percent."""

    def pair(value: Callable[[CorridorRun], float]) -> dict[str, Any]:
        old, new = [value(run) for run in before], [value(run) for run in after]
        return {
            "before": statistics.fmean(old),
            "after": statistics.fmean(new),
            "change_pct": change_pct(old, new),
        }

    def cross(run: CorridorRun) -> float:
        return statistics.fmean(run.cross_s.values())

    return {
        "travel_s": pair(lambda run: run.travel_s),
        "stops": pair(lambda run: run.stops),
        "all_delay_s": pair(lambda run: run.all_delay_s),
        "cross_mean_s": pair(cross),
        "cross_s": {
            edge: pair(lambda run, edge=edge: run.cross_s[edge])  # type: ignore[misc]
            for edge in before[0].cross_s
        },
        "through": statistics.fmean(run.through for run in after),
        "on_the_way": statistics.fmean(run.on_the_way for run in after),
        "processor_s": statistics.fmean(run.processor_s for run in after),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Plans of a corridor side by side.")
    parser.add_argument("site", type=Path)
    parser.add_argument("--plan", type=Path, action="append", default=[])
    parser.add_argument("--wave", default="100,9.5", help="Cycle in s, speed in m/s; '' for none.")
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--first-seed", type=int, default=7001)
    parser.add_argument("--tail", type=float, default=600.0, help="Seconds after the window.")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("out/corridor"))
    options = parser.parse_args()
    site = load_site(options.site)
    corridor = _corridor(site)
    current = read_plan(site.current_plan_path)
    plans = {IN_FORCE: current}
    if options.wave:
        cycle_s, mps = (float(part) for part in options.wave.split(","))
        plans[WAVE] = hand_made_wave(site, current, corridor, cycle_s, mps)
    for path in options.plan:
        plans[path.stem] = read_plan(path)
    options.out.mkdir(parents=True, exist_ok=True)
    seeds = range(options.first_seed, options.first_seed + options.pairs)
    runs = Runs(options.out, options.site, options.tail)
    runs.get(plans, seeds, options.workers)
    before = runs.of(current, seeds)
    print(
        f"SUMO {sumo_version()}, {options.pairs} pairs; in force: "
        f"{statistics.fmean(run.travel_s for run in before):.0f} s, "
        f"{statistics.fmean(run.stops for run in before):.2f} stops"
    )
    summary = {name: compare(before, runs.of(plan, seeds)) for name, plan in plans.items()}
    for name, found in summary.items():
        print(f"{name}: {line(found)}")
    (options.out / "summary.json").write_text(json.dumps(summary, indent=1))
    (options.out / "corridor.svg").write_text(figure(site.name, summary), encoding="utf-8")


def line(found: Mapping[str, Any]) -> str:
    """A comparison in one line."""
    worst = max(found["cross_s"], key=lambda edge: found["cross_s"][edge]["change_pct"][0])
    parts = [
        f"{title} {found[key]['after']:.{digits}f} ({interval(found[key]['change_pct'])})"
        for title, key, digits in (
            ("travel s", "travel_s", 0),
            ("stops", "stops", 2),
            ("delay of all s", "all_delay_s", 1),
            ("cross streets s", "cross_mean_s", 1),
        )
    ]
    figures = found["cross_s"][worst]
    parts.append(
        f"worst cross street {worst} {figures['before']:.1f} to {figures['after']:.1f} "
        f"({interval(figures['change_pct'])})"
    )
    parts.append(f"{found['through']:.0f} through, {found['on_the_way']:.0f} still on the way")
    parts.append(f"{found['processor_s']:.0f} processor s a run")
    return "; ".join(parts)


def figure(name: str, summary: Mapping[str, Mapping[str, Any]]) -> str:
    """Changes against the plan in force with their intervals, one block per plan, as SVG."""
    panels = {
        plan: [
            Row(
                label,
                value["change_pct"][0],
                None if math.isnan(value["change_pct"][1]) else value["change_pct"][1],
                None if math.isnan(value["change_pct"][2]) else value["change_pct"][2],
                note=f"{value['before']:.3g} → {value['after']:.3g} {unit}",
            )
            for label, value, unit in (
                ("travel time along", found["travel_s"], "s"),
                ("stops along", found["stops"], ""),
                ("delay of all", found["all_delay_s"], "s"),
                *((f"delay on {edge}", value, "s") for edge, value in found["cross_s"].items()),
            )
        ]
        for plan, found in summary.items()
        if plan != IN_FORCE
    }
    every = [row for data in panels.values() for row in data]
    parts, bottom = [], 0.0
    for plan, data in panels.items():
        title = f"{name}: {plan} against the plan in force"
        drawn, bottom = rows(title, "change, %", data, width=760, top=bottom + 8, beside=every)
        parts.append(drawn)
    return document(760, bottom + 12, "".join(parts), f"{name}: plans of a corridor")


def interval(change: Sequence[float]) -> str:
    """``-30.1 % [-33.0, -27.2]``."""
    return f"{change[0]:+.1f} % [{change[1]:.1f}, {change[2]:.1f}]"


if __name__ == "__main__":
    main()
