"""Delay that no signal causes: the same demand, every signal green, nobody in anybody's way.

    python benchmarks/signals/floor.py --scenarios SITE... --seed 1

What remains is what drivers lose by themselves (SUMO's imperfect driving, insertion, slow
leaders, turns, junctions without signals). No control can have less; what a method has above it
is the signals' doing. Vehicles ignore the right of way at and inside junctions (SUMO's speed mode
39), and follow their leaders as ever.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import sumo

from simulation.runner import command, measure_all, prepare
from simulation.sumo_session import libsumo
from traffic.policies import run_of
from traffic.sites import load_site

WITHOUT_RIGHT_OF_WAY = 39


def floor_s(folder: Path, seed: int) -> float:
    """Mean delay of a site's own demand without signals and conflicts, in this process."""
    os.environ["SUMO_HOME"] = str(sumo.SUMO_HOME)
    site = load_site(folder)
    sim = libsumo()
    with (
        run_of(site, None, seed, f"{site.id}, floor, seed {seed}") as run,
        tempfile.TemporaryDirectory() as temporary,
    ):
        prepare(run, Path(temporary))
        sim.start(["sumo", *command(run, Path(temporary))[1:], "--collision.action", "none"])
        for signal in sim.trafficlight.getIDList():
            letters = sim.trafficlight.getRedYellowGreenState(signal)
            sim.trafficlight.setRedYellowGreenState(signal, "G" * len(letters))
        for _ in range(round((run.options.end_s - run.options.begin_s) / run.options.step_s)):
            for vehicle in sim.simulation.getDepartedIDList():
                sim.vehicle.setSpeedMode(vehicle, WITHOUT_RIGHT_OF_WAY)
            sim.simulationStep()
        sim.close()
        return measure_all(run, Path(temporary)).kpi.delay_s


def main() -> None:
    """Print a line for each site."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--scenarios", type=Path, nargs="+", required=True)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    # A process for each run: libsumo holds one simulation.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
        for folder in given.scenarios:
            delay_s = pool.submit(floor_s, folder, given.seed).result()
            print(f"{folder.resolve().name:14} {delay_s:6.1f} s")


if __name__ == "__main__":
    main()
