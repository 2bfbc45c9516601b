"""A site's street recorded once, and shown to its cameras as often as a change asks for it.

    .venv/bin/python benchmarks/street_replay.py record street.pkl --dense --seed 7 --minutes 10
    .venv/bin/python benchmarks/street_replay.py replay street.pkl --cameras C1-c1 --miss-rate 0.1

SUMO takes half of the time of `xanh score detection --level 1`; the figures of a replay are those
of the command with the same options, for whichever cameras are asked for.
"""

from __future__ import annotations

import argparse
import pickle
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

from models.counts import counts_from_csv
from simulation.people import People
from simulation.projection import MISS_RATE
from simulation.street import Street
from traffic.detection_score import figures, table
from traffic.planfiles import read_plan
from traffic.scored_cameras import (
    LEAD_S,
    TAIL_S,
    ScoreOptions,
    StreetWatch,
    Watched,
    behaviour_of,
    cameras_of,
)
from traffic.sites import load_site

SITE = Path(__file__).parents[1] / "sites" / "pho-hue"


def record(path: Path, options: ScoreOptions) -> None:
    """Live the street and write the options and every second after the warm-up."""
    site = load_site(SITE)
    behaviour = behaviour_of(site, options)
    counts = counts_from_csv(site.counts_path.read_text(encoding="utf-8"), str(site.counts_path))
    plan = read_plan(site.current_plan_path)
    seconds = options.warm_up_s + LEAD_S + round(options.minutes * 60) + TAIL_S
    with (
        path.open("wb") as file,
        Street(site, plan, seed=options.seed, counts=counts, options=behaviour) as street,
    ):
        pickle.dump(options, file)
        for frame in street.steps(seconds):
            if frame.begin_s >= options.warm_up_s:
                pickle.dump(frame, file)


def watch(path: Path, level: int, miss_rate: float, cameras: tuple[str, ...]) -> Watched:
    """Show it to some cameras."""
    site = load_site(SITE)
    with path.open("rb") as file:
        options = replace(pickle.load(file), level=level, miss_rate=miss_rate)
        behaviour = behaviour_of(site, options)
        people = People(options.seed, behaviour.overloaded_share, behaviour.no_helmet_share)
        watching = StreetWatch(site, options, people, cameras, threads=1)
        while True:
            try:
                watching.add(pickle.load(file))
            except EOFError:
                return watching.finish()


def replay(path: Path, level: int, miss_rate: float, cameras: tuple[str, ...], workers: int) -> str:
    """Show it to cameras; the table of ``xanh score detection``."""
    site = load_site(SITE)
    with path.open("rb") as file:
        options = replace(pickle.load(file), level=level, cameras=cameras)
    names = [camera.id for camera in cameras_of(site, options)]
    shares = [tuple(names[first::workers]) for first in range(min(workers, len(names)))]
    with ProcessPoolExecutor(len(shares)) as pool:
        parts = [*pool.map(partial(watch, path, level, miss_rate), shares)]
    return table(figures(parts, site, options))


def main() -> None:
    """Record or replay."""
    parser = argparse.ArgumentParser(description=__doc__)
    does = parser.add_subparsers(dest="does", required=True)
    one = does.add_parser("record")
    one.add_argument("path", type=Path)
    one.add_argument("--seed", type=int, default=1)
    one.add_argument("--minutes", type=float, default=10.0)
    one.add_argument("--dense", action="store_true")
    one.add_argument("--lawful", action="store_true")
    two = does.add_parser("replay")
    two.add_argument("path", type=Path)
    two.add_argument("--level", type=int, default=1)
    two.add_argument("--miss-rate", type=float, default=MISS_RATE)
    two.add_argument("--workers", type=int, default=1)
    two.add_argument("--cameras", nargs="*", default=[])
    asked = parser.parse_args()
    if asked.does == "record":
        options = ScoreOptions(
            minutes=asked.minutes, seed=asked.seed, dense=asked.dense, lawful=asked.lawful
        )
        record(asked.path, options)
    else:
        cameras = tuple(asked.cameras)
        print(replay(asked.path, asked.level, asked.miss_rate, cameras, asked.workers))


if __name__ == "__main__":
    main()
