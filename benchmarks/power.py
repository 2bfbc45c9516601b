"""A test of the test: does a validation find what is there, and refuse what is not?

    python benchmarks/power.py build SITE POOL.json --pairs 60     # runs SUMO
    python benchmarks/power.py POOL.json [POOL.json ...] [--limit 20] [--repeats 1000]

A pool holds, per pair, two runs of the plan in force on the same demand that differ in SUMO's
seed alone: what two identical plans look like. A validation is resampled by drawing pairs from
the pool (with their growth of demand, as in a real one) and judging them one by one with the
very rule of ``simulation.validate``. Identical plans are the second runs as they are. A true
improvement is the second runs with every delay scaled, so that the pool's mean change is exactly
that; it carries the noise of real pairs. Without a site ``build`` makes a corridor of its own.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from models.counts import counts_from_csv
from models.validation import AcceptancePolicy, Verdict
from simulation.judge import ResultPair, gather, judge
from simulation.pairs import Scenario
from simulation.results import SimulationResult
from simulation.runner import Outputs, simulate
from simulation.sequential import FIRST_LOOK
from simulation.validate import DEFAULT_GROWTH_PCT, DEFAULT_LIMIT, runs_own_routes
from simulation.variation import GROWTH_STEPS
from traffic.planfiles import read_plan
from traffic.sites import load_site

OTHER_SEED = 100_000
POLICY = AcceptancePolicy()


def build(site_folder: Path | None, pool: Path, pairs: int) -> None:
    """Run the pairs of a pool that are not in it yet; each is written as it comes."""
    done = json.loads(pool.read_text()) if pool.exists() else []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        if site_folder is None:
            sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
            from networks import corridor, corridor_counts, corridor_plan  # noqa: PLC0415

            site = corridor(folder)
            counts, plan = corridor_counts(site), corridor_plan(site, 25)
        else:
            site = load_site(site_folder)
            text = site.counts_path.read_text(encoding="utf-8")
            counts = counts_from_csv(text, str(site.counts_path))
            plan = read_plan(site.current_plan_path)
        own = runs_own_routes(site, counts)
        growth = 0.0 if own else DEFAULT_GROWTH_PCT
        scenario = Scenario(site, None if own else counts, growth, Outputs())
        for number in range(len(done) + 1, pairs + 1):
            job = replace(scenario.job(number, number, folder), plan=plan)
            both = [simulate(job), simulate(replace(job, seed=number + OTHER_SEED))]
            done.append([replace(run, history=None, splits={}).to_dict() for run in both])
            pool.write_text(json.dumps(done))
            print(f"{number}/{pairs}", end="\r", file=sys.stderr, flush=True)


def read(pool: Path) -> list[ResultPair]:
    """The pairs of a pool in order."""
    return [
        (SimulationResult.from_dict(one), SimulationResult.from_dict(other))
        for one, other in json.loads(pool.read_text())
    ]


def improved(pairs: Sequence[ResultPair], by_pct: float) -> list[ResultPair]:
    """The pairs with second runs scaled so that delay changes by ``-by_pct`` in the mean."""
    changes = [other.kpi.delay_s / one.kpi.delay_s for one, other in pairs]
    factor = (1.0 - by_pct / 100.0) / (sum(changes) / len(changes))
    return [
        (
            one,
            replace(
                other,
                kpi=replace(other.kpi, delay_s=other.kpi.delay_s * factor),
                movements={
                    name: replace(delay, delay_s=delay.delay_s * factor)
                    for name, delay in other.movements.items()
                },
            ),
        )
        for one, other in pairs
    ]


def resampled(pairs: Sequence[ResultPair], draw: random.Random) -> Iterator[ResultPair]:
    """Pairs drawn with replacement, each in its turn of growth."""
    turns = len(GROWTH_STEPS)
    number = 0
    while True:
        yield draw.choice(pairs[number % turns :: turns])
        number += 1


def validation(source: Iterator[ResultPair], limit: int) -> tuple[Verdict, str, int]:
    """One validation as ``simulation.validate`` decides it: verdict, cause, pairs used."""
    seen = [next(source) for _ in range(min(FIRST_LOOK, limit))]
    while True:
        judgement = judge(gather(seen, POLICY, limit), POLICY)
        if judgement.final or len(seen) == limit:
            return judgement.verdict, judgement.cause.value, len(seen)
        seen.append(next(source))


def report(pool: Path, limit: int, repeats: int) -> None:
    """Print one row per true change."""
    pairs = read(pool)
    changes = [100.0 * (other.kpi.delay_s / one.kpi.delay_s - 1.0) for one, other in pairs]
    mean = sum(changes) / len(changes)
    spread = (sum((c - mean) ** 2 for c in changes) / (len(changes) - 1)) ** 0.5
    print(
        f"{pool.name}: {len(pairs)} pairs, a pair's change has a standard deviation of "
        f"{spread:.1f} points; at most {limit} pairs, {repeats} validations each"
    )
    for true in (0.0, 3.0, 5.0, 10.0):
        # The mean of the pool's identical pairs is not exactly 0; a true 0 is.
        source = improved(pairs, true)
        draw = random.Random(1)
        outcomes = [validation(resampled(source, draw), limit) for _ in range(repeats)]
        passed = sum(verdict is Verdict.PASS for verdict, _, _ in outcomes) / repeats
        used = sum(count for _, _, count in outcomes) / repeats
        causes = Counter(cause for _, cause, _ in outcomes)
        print(
            f"  true change {-true:+5.1f} %: passes {100 * passed:5.1f} %, {used:4.1f} pairs; "
            + ", ".join(f"{cause} {n}" for cause, n in causes.most_common()),
            flush=True,
        )


def main() -> None:
    if sys.argv[1:2] == ["build"]:
        parser = argparse.ArgumentParser(prog="power.py build")
        parser.add_argument("site", type=Path, nargs="?")
        parser.add_argument("pool", type=Path)
        parser.add_argument("--pairs", type=int, default=60)
        options = parser.parse_args(sys.argv[2:])
        build(options.site, options.pool, options.pairs)
        return
    parser = argparse.ArgumentParser(description="Power and error rate of a validation.")
    parser.add_argument("pools", type=Path, nargs="+")
    parser.add_argument("--limit", type=int, default=DEFAULT_LIMIT)
    parser.add_argument("--repeats", type=int, default=1000)
    options = parser.parse_args()
    for pool in options.pools:
        report(pool, options.limit, options.repeats)


if __name__ == "__main__":
    main()
