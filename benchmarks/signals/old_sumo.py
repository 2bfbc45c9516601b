"""A policy on an older SUMO through its own traci, beside figures published on that version.

    pip download --no-deps eclipse-sumo==1.9.2 && unzip eclipse_sumo-1.9.2*.whl -d old
    python benchmarks/signals/old_sumo.py --sumo old/sumo --scenarios SITE... --seeds 3

Sites are imported ones (`xanh site import`). Needs Linux; a call through traci costs some fifty
times what it costs in libsumo, so a run takes minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import xml.etree.ElementTree as ET
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from models.policy import Sensing
from simulation.control_area import wire
from simulation.metrics import Trip, kpi, read_trips
from simulation.policyrun import PolicyDrive, PolicyJob
from simulation.runner import command
from traffic.commands.common import parse_envelope
from traffic.planfiles import read_plan
from traffic.policies import Setting, policy_maker, run_of, write_json
from traffic.sites import load_site

PUBLISHED_BEST = {
    "cologne1": ("IDQN", 26.1),
    "cologne3": ("IDQN, IPPO", 24.0),
    "grid4x4": ("IDQN", 33.0),
    "ingolstadt1": ("IPPO", 20.9),
    "arterial4x4": ("FMA2C", 654.0),
}
"""Best episodes of learned control on SUMO 1.9.2, delay in s (J. Ault and G. Sharon, 2021)."""


def run(folder: Path, old: Path, policy: str, seed: int, clearance: str, min_green: float) -> Any:
    """One run: the values of ``kpi.json``."""
    os.environ["SUMO_HOME"] = str(old)
    sys.path.insert(0, str(old / "tools"))
    import traci  # noqa: PLC0415 - the old one, found by the path just set

    if not Path(traci.__file__).is_relative_to(old):
        raise SystemExit(f"another traci is loaded: {traci.__file__}")
    site = parse_envelope(clearance, min_green).applied(load_site(folder))
    plan = read_plan(site.current_plan_path)
    with (
        run_of(site, None, seed, f"{site.id}, {policy}, seed {seed}") as job,
        tempfile.TemporaryDirectory() as temporary,
    ):
        setting = Setting()
        area = wire(site, plan, sensing=Sensing.ORACLE, choice=setting.choice(policy))
        drive = PolicyDrive(
            PolicyJob(
                job,
                site,
                plan,
                policy,
                policy_maker(policy),
                red_extension_s=setting.extension_s(policy),
            ),
            area,
            Path(temporary),
        )
        line = [str(old / "bin" / "sumo"), *command(job, Path(temporary))[1:]]
        line.remove("--tripinfo-output.write-undeparted")  # not known yet; counted below
        traci.start(line)
        drive.steps(traci)
        traci.close()
        end_s = job.options.end_s
        tripinfo = Path(temporary) / "tripinfo.xml"
        trips = list(read_trips(tripinfo, begin_s=job.options.begin_s, end_s=end_s))
        trips += outside(job.demand[0], {trip.id for trip in trips}, job.options.begin_s, end_s)
    time = drive.decision_time()
    return {
        **kpi(trips).to_dict(),
        "seed": seed,
        "policy": policy,
        "fault": drive.fault,
        "decision_ms": {"mean": time.mean_ms, "p99": time.p99_ms},
    }


def outside(routes: Path, known: set[str], begin_s: float, end_s: float) -> list[Trip]:
    """Vehicles of the demand that never entered the network."""
    found = []
    for _, element in ET.iterparse(routes):
        if element.tag in ("trip", "vehicle") and element.get("id") not in known:
            depart_s = float(element.get("depart", "-1"))
            if begin_s <= depart_s < end_s:
                blank = Trip(element.get("id", ""), depart_s, False, False, 0, 0, 0, 0, 0, 0, 1)
                found.append(replace(blank, wait_s=end_s - depart_s))
            element.clear()
    return found


def main() -> None:
    """Run and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sumo", type=Path, required=True, help="the unpacked wheel's sumo folder")
    parser.add_argument("--scenarios", type=Path, nargs="+", required=True)
    parser.add_argument("--policy", default="adaptive")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--clearance", default="yellow=3,allred=0")
    parser.add_argument("--min-green", type=float, default=5.0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, help="JSON file to write")
    given = parser.parse_args()
    old = given.sumo.resolve()
    rows: dict[str, list[Any]] = {}
    # A new process for each run: traci and SUMO_HOME are set for the process.
    with ProcessPoolExecutor(
        given.workers, mp_context=get_context("spawn"), max_tasks_per_child=1
    ) as pool:
        futures = {
            (folder.resolve().name, seed): pool.submit(
                run, folder, old, given.policy, seed, given.clearance, given.min_green
            )
            for seed in range(1, given.seeds + 1)
            for folder in given.scenarios
        }
        for (name, _), future in futures.items():
            rows.setdefault(name, []).append(future.result())
    for name, bodies in rows.items():
        delay_s = statistics.fmean(body["delay_s"] for body in bodies)
        method, best_s = PUBLISHED_BEST.get(name, ("", float("nan")))
        print(
            f"{name:14} {given.policy} {delay_s:7.1f} s, published {best_s:6.1f} s ({method}), "
            f"{100 * (delay_s / best_s - 1):+.1f} %, {len(bodies)} seeds"
        )
    if given.out:
        write_json(given.out, {"sumo": str(old), "runs": rows})
        print(json.dumps({"wrote": str(given.out)}))


if __name__ == "__main__":
    main()
