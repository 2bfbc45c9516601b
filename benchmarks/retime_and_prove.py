"""From counts to a proven plan: how long retiming and validating take, stage by stage.

    python benchmarks/retime_and_prove.py SITE [SITE ...] [--pairs 10] [--workers 2]

What ``xanh retime`` and ``xanh validate`` do with their defaults, in one process: the program's
start, the search with SUMO as judge, the validation of its plan. Of each stage the processor
seconds of this process, which works alone, and of the simulations, ``--workers`` at a time: they do
not depend on what else the machine does, and on idle cores about their own seconds and the
simulations' divided by the workers pass. The validation ends when it is decided; what all its
pairs would have taken is told beside, each pair like those that were run.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from models.counts import counts_from_csv
from simulation.report import write_report
from simulation.validate import run_validation
from simulation.wording import LANGUAGES
from traffic.planfiles import read_plan
from traffic.replan import retime_site
from traffic.sites import load_site


@dataclass(frozen=True, slots=True)
class Used:
    """Processor seconds of this process and of its simulations, and seconds that passed."""

    own_s: float
    simulations_s: float
    passed_s: float

    def text(self, workers: int) -> str:
        """The figures in one line, with what would pass on idle cores."""
        return (
            f"{self.own_s:.1f} + {self.simulations_s:.1f} processor s, {self.passed_s:.1f} s "
            f"passed, {self.own_s + self.simulations_s / workers:.1f} s on {workers} idle cores"
        )

    def __sub__(self, other: Used) -> Used:
        return Used(
            self.own_s - other.own_s,
            self.simulations_s - other.simulations_s,
            self.passed_s - other.passed_s,
        )

    def __add__(self, other: Used) -> Used:
        return Used(
            self.own_s + other.own_s,
            self.simulations_s + other.simulations_s,
            self.passed_s + other.passed_s,
        )


def used() -> Used:
    """What this process and those that it ran to their end have used until now."""
    times = os.times()
    return Used(
        times.user + times.system,
        times.children_user + times.children_system,
        time.perf_counter(),
    )


def main() -> None:
    started = used()
    parser = argparse.ArgumentParser(description="Time from counts to a proven plan.")
    parser.add_argument("sites", type=Path, nargs="+")
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    workers = options.workers
    start = Used(started.own_s, 0.0, started.own_s)
    print(f"start: {start.text(workers)}")
    for folder in options.sites:
        site = load_site(folder)
        current = read_plan(site.current_plan_path)
        text = site.counts_path.read_text(encoding="utf-8")
        counts = counts_from_csv(text, str(site.counts_path))
        before = used()
        made = retime_site(site, counts, current, search=None, time_limit_s=30.0, workers=workers)
        retimed = used()
        with tempfile.TemporaryDirectory() as out:
            proven = run_validation(
                site,
                made.plan,
                current,
                counts,
                now=datetime.now(UTC),
                pairs=options.pairs,
                workers=workers,
                film=True,
            )
            write_report(
                proven.report,
                site,
                made.plan,
                current,
                Path(out),
                language=LANGUAGES[0],
                runs=proven.results,
                film=proven.film,
            )
        done = used()
        search, proof = retimed - before, done - retimed
        pairs = proven.report.pairs
        print(f"{site.id} retime: {search.text(workers)}; {made.line}")
        print(f"{site.id} validate, {pairs} pairs: {proof.text(workers)}; {proven.report.reason}")
        further = proof.simulations_s / (2 * pairs + 1) * 2 * (options.pairs - pairs)
        whole = start + search + proof + Used(0.0, further, further / workers)
        print(f"{site.id}, {options.pairs} pairs: {whole.text(workers)}", flush=True)


if __name__ == "__main__":
    main()
