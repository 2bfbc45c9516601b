"""How retiming grows with the number of junctions of a corridor: seconds, proven gap, figure.

    python benchmarks/retime_scaling.py [--most 30] [--out out/retime-scaling.svg]

Corridors of crossroads 250 m apart, main street in both directions, demand from a fixed random
seed; ``retime`` with its defaults, which uses one core. Processor seconds, so that other work on
the machine does not count. The gap is that of the offset program for the platoons as they leave
each signal: 0 where elimination solves it, as on any line.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
import itertools

from retiming_problems import crossroads, northbound_link, problem

from optimizer.problem import LinkGeometry
from optimizer.retime import retime
from simulation.charts import growth

SIZES = (1, 2, 4, 8, 14, 20, 30)


def southbound_link(upstream: str, downstream: str) -> LinkGeometry:
    """The same road the other way."""
    return LinkGeometry(
        upstream,
        downstream,
        (f"{upstream}:sin>sout", f"{upstream}:win>sout"),
        f"{downstream}sin",
        250.0,
        12.0,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Retiming corridors of growing length.")
    parser.add_argument("--most", type=int, default=30)
    parser.add_argument("--out", type=Path, default=Path("out/retime-scaling.svg"))
    options = parser.parse_args()
    random = np.random.default_rng(1)
    print("junctions,seconds,cycle_s,gap,status")
    points, worst = [], 0.0
    for size in (n for n in SIZES if n <= options.most):
        names = [f"J{index:02d}" for index in range(size)]
        junctions = [crossroads(name) for name in names]
        main_vph, back_vph = (int(v) for v in random.integers(500, 750, 2))
        vph = {
            name: {
                "n through": main_vph,
                "n left": 40,
                "s through": back_vph,
                "s left": 40,
                "e through": int(random.integers(150, 350)),
                "w through": int(random.integers(150, 350)),
            }
            for name in names
        }
        links = []
        for lower, upper in itertools.pairwise(names):
            links += [northbound_link(lower, upper, 250.0), southbound_link(upper, lower)]
        body = problem(junctions, vph, links)
        started_s = time.process_time()
        result = retime(body)
        took_s = time.process_time() - started_s
        cycle_s = next(iter(result.cycle_ds.values())) / 10
        print(f"{size},{took_s:.1f},{cycle_s:g},{result.gap:.4f},{result.status}", flush=True)
        points.append((float(size), took_s, f"{took_s:.0f} s" if size > 4 else ""))
        worst = max(worst, result.gap)
    title = f"Retiming a corridor on one core, proven gap at most {100 * worst:.1f} %"
    figure = growth(title, "junctions", "processor seconds", points)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(figure, encoding="utf-8")
    print(f"wrote {options.out}")


if __name__ == "__main__":
    main()
