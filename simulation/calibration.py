"""Does the simulated street pass as many vehicles through each movement as were counted?"""

from __future__ import annotations

import json
import os
import subprocess
import xml.etree.ElementTree as ET
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from models.counts import CountRow, geh
from models.errors import BadInput, XanhError
from models.plan import Plan
from models.site import Site
from models.units import utc_text
from simulation.build import sumo_tool
from simulation.driving import DrivingFit
from simulation.fitted import FittedDemand, Interval, hourly, write_fitted_demand
from simulation.programs import write_additional
from simulation.scratch import Scratch

GOOD_GEH = 5.0
WANTED_SHARE = 0.85
"""UK DMRB (TAG unit M3.1): GEH below 5 in at least 85 % of cases."""


@dataclass(frozen=True, slots=True)
class MovementFit:
    """One movement in one interval: counted, sent by the demand, and simulated vehicles."""

    movement: str
    interval: Interval
    counted: float
    fitted: int
    simulated: float

    @property
    def geh(self) -> float:
        """GEH of simulated and counted hourly flow."""
        return geh(hourly(self.simulated, self.interval), hourly(self.counted, self.interval))


@dataclass(frozen=True, slots=True)
class Calibration:
    """What a calibration found; ``driving`` where a discharge was given."""

    site: str
    seeds: tuple[int, ...]
    demand: FittedDemand
    movements: tuple[MovementFit, ...]
    undeparted: float
    driving: DrivingFit | None = None

    @property
    def share_below_5(self) -> float:
        """Share of movements and intervals with a GEH below 5."""
        return sum(m.geh < GOOD_GEH for m in self.movements) / len(self.movements)

    @property
    def passes(self) -> bool:
        """Whether enough of them are."""
        return self.share_below_5 >= WANTED_SHARE


def calibrate(
    site: Site,
    rows: Sequence[CountRow],
    plan: Plan,
    demand: Path,
    *,
    seeds: Sequence[int] = (1,),
    driving: DrivingFit | None = None,
    vehicle_types: Sequence[ET.Element] = (),
    progress: Callable[[int, int], None] | None = None,
) -> Calibration:
    """Fit demand to counts, run it under a plan and compare passages with counts.

    Args:
        site: A site with a network.
        rows: The counts; their whole time is simulated, after the site's warm-up.
        plan: The plan that was in force when they were counted.
        demand: Where the route file goes that the first seed gives.
        seeds: Runs; passages are their mean.
        driving: A fit of driving to report with it.
        vehicle_types: Types to use instead of the site's of the same id (fitted ones).
        progress: Called with (runs done, runs in all).

    Raises:
        BadInput: If the site has no network or the counts cannot be used.
        XanhError: If SUMO breaks off.
    """
    if site.network is None:
        raise BadInput(
            str(site.folder / "site.yaml"), "network", "the site has none; valid is a net.xml"
        )
    options = site.simulation
    passed: Counter[tuple[str, Interval]] = Counter()
    undeparted = 0
    first: FittedDemand | None = None
    with Scratch("calibrate") as folder:
        write_additional(plan, site.junctions, folder / "signals.add.xml", step_s=options.step_s)
        for number, seed in enumerate(seeds):
            routes = demand if first is None else folder / "demand.rou.xml"
            fitted = write_fitted_demand(
                site, rows, routes, seed=seed, begin_s=options.begin_s, lead_s=options.warm_up_s
            )
            first = first or fitted
            if vehicle_types:
                _replace_types(routes, vehicle_types)
            intervals = sorted({interval for _, interval in fitted.counted})
            found, waiting = _passages(site, routes, folder, seed, intervals)
            passed += found
            undeparted += waiting
            if progress is not None:
                progress(number + 1, len(seeds))
    if first is None:
        raise BadInput("seeds", "", "none; valid is one or more")
    movements = tuple(
        MovementFit(
            movement,
            interval,
            counted,
            first.flows[movement, interval],
            passed[movement, interval] / len(seeds),
        )
        for (movement, interval), counted in sorted(first.counted.items())
    )
    return Calibration(site.id, tuple(seeds), first, movements, undeparted / len(seeds), driving)


def _replace_types(routes: Path, types: Sequence[ET.Element]) -> None:
    fitted = {element.attrib["id"]: element for element in types}
    tree = ET.parse(routes)
    root = tree.getroot()
    for index, element in enumerate(root):
        if element.tag == "vType" and element.attrib["id"] in fitted:
            root[index] = fitted[element.attrib["id"]]
    temporary = routes.with_name(routes.name + ".tmp")
    tree.write(temporary, encoding="utf-8", xml_declaration=True)
    os.replace(temporary, routes)


def _passages(
    site: Site, routes: Path, folder: Path, seed: int, intervals: Sequence[Interval]
) -> tuple[Counter[tuple[str, Interval]], int]:
    """Vehicles that left each approach by movement and interval; and how many never entered."""
    options = site.simulation
    zero_s = options.begin_s + options.warm_up_s
    start = intervals[0][0]
    end_s = zero_s + (intervals[-1][1] - start).total_seconds()
    sumo, environment = sumo_tool("sumo")
    given = {option.partition("=")[0] for option in options.options}
    command = [
        *(str(sumo), "--net-file", str(site.network), "--route-files", str(routes)),
        *("--additional-files", str(folder / "signals.add.xml"), "--seed", f"{seed}"),
        *("--begin", f"{options.begin_s:g}", "--end", f"{end_s:g}"),
        *("--step-length", f"{options.step_s:g}", "--vehroute-output", str(folder / "v.xml")),
        *("--vehroute-output.exit-times", "--vehroute-output.write-unfinished"),
        *("--no-step-log", "--no-warnings", "--xml-validation", "never"),
        *(() if "--time-to-teleport" in given else ("--time-to-teleport", "-1")),
        *options.options,
    ]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, errors="replace", check=False
    )
    if done.returncode != 0:
        errors = [line for line in done.stderr.splitlines() if line.startswith("Error")]
        raise XanhError(f"the calibration's run failed: {(errors or ['SUMO broke off'])[0]}")
    known = {(m.from_edge, m.to_edge): m.id for j in site.junctions.values() for m in j.movements}
    windows = [
        (zero_s + (a - start).total_seconds(), zero_s + (b - start).total_seconds(), (a, b))
        for a, b in intervals
    ]
    passed: Counter[tuple[str, Interval]] = Counter()
    entered = 0
    for _, element in ET.iterparse(folder / "v.xml"):
        if element.tag != "vehicle":
            continue
        entered += 1
        route = list(element.iter("route"))[-1]
        edges = route.attrib["edges"].split()
        left = [float(value) for value in route.get("exitTimes", "").split()]
        for edge, following, moment in zip(edges, edges[1:], left, strict=False):
            movement = known.get((edge, following))
            if movement is not None and moment >= 0:
                passed.update((movement, when) for a, b, when in windows if a <= moment < b)
        element.clear()
    planned = sum(element.tag == "vehicle" for element in ET.parse(routes).getroot())
    return passed, planned - entered


def calibration_to_dict(found: Calibration) -> dict[str, Any]:
    """The calibration as ``calibration.json`` holds it."""
    body: dict[str, Any] = {
        "site": found.site,
        "seeds": list(found.seeds),
        "geh_share_below_5": round(found.share_below_5, 4),
        "wanted_share": WANTED_SHARE,
        "passes": found.passes,
        "vehicles": found.demand.vehicles,
        "pedestrians": found.demand.pedestrians,
        "undeparted": found.undeparted,
        "movements": [
            {
                "movement": m.movement,
                "start": utc_text(m.interval[0]),
                "end": utc_text(m.interval[1]),
                "counted": m.counted,
                "fitted": m.fitted,
                "simulated": round(m.simulated, 2),
                "geh": round(m.geh, 3),
            }
            for m in found.movements
        ],
        "not_reproducible": [
            {
                "movement": misfit.movement,
                "start": utc_text(misfit.start),
                "counted": misfit.counted,
                "fitted": misfit.fitted,
                "geh": round(misfit.geh, 3),
            }
            for misfit in found.demand.misfits
        ],
        "links": [
            {
                "approach": link.approach,
                "start": utc_text(link.start),
                "arriving": link.arriving,
                "counted": link.counted,
                "difference": link.difference,
                "side_streets": not link.closed,
            }
            for link in found.demand.links
        ],
        "discharge": None,
    }
    if found.driving is not None:
        fit = found.driving
        body["discharge"] = {
            "greens": fit.observed.greens,
            "seconds": len(fit.observed.curve),
            "observed_vph": round(fit.observed.flow_vph),
            "before_vph": round(_flow_vph(fit.before, fit.observed)),
            "after_vph": round(_flow_vph(fit.after, fit.observed)),
            "error_before": round(fit.error_before, 4),
            "error_after": round(fit.error_after, 4),
            "factors": asdict(fit.driving),
        }
    return body


def _flow_vph(simulated: Any, observed: Any) -> float:
    """Discharge over the same seconds of green as the observed one."""
    count = min(len(simulated.curve), len(observed.curve))
    return float(simulated.curve[count - 1] * 3600.0 / max(1.0, count - 2.0))


def worst_links(found: Calibration) -> list[tuple[str, float, float, bool]]:
    """Approach, vehicles arriving and counted over all intervals; the most apart first."""
    arriving: dict[str, float] = defaultdict(float)
    counted: dict[str, float] = defaultdict(float)
    closed: Mapping[str, bool] = {link.approach: link.closed for link in found.demand.links}
    for link in found.demand.links:
        arriving[link.approach] += link.arriving
        counted[link.approach] += link.counted
    rows = [(a, arriving[a], counted[a], closed[a]) for a in arriving]
    return sorted(rows, key=lambda row: -abs(row[2] - row[1]))


def calibration_text(found: Calibration) -> str:
    """The text of ``calibration.json``."""
    return json.dumps(calibration_to_dict(found), indent=2, ensure_ascii=False) + "\n"
