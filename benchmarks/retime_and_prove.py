"""From counts to a proven plan: how long ``xanh retime`` and ``xanh validate`` take.

    python benchmarks/retime_and_prove.py SITE [SITE ...] [--pairs 10]

Both commands as an engineer runs them, retiming with its defaults and then ``--pairs`` pairs of
simulations, all of them. Prints processor seconds of both, which other work on the machine does
not change, and the seconds that passed; on two idle cores about half of the processor seconds
pass, more while the solver works alone.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def timed(*command: str) -> tuple[float, float, str]:
    """Processor seconds, seconds and last line of a command that must succeed."""
    before, started = os.times(), time.perf_counter()
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    after = os.times()
    used = after.children_user + after.children_system
    used -= before.children_user + before.children_system
    return used, time.perf_counter() - started, done.stdout.strip().splitlines()[-1]


def main() -> None:
    parser = argparse.ArgumentParser(description="Time from counts to a proven plan.")
    parser.add_argument("sites", type=Path, nargs="+")
    parser.add_argument("--pairs", type=int, default=10)
    options = parser.parse_args()
    xanh = str(Path(sys.executable).with_name("xanh"))
    for site in options.sites:
        with tempfile.TemporaryDirectory() as folder:
            plan, report = f"{folder}/plan.yaml", f"{folder}/report"
            made = timed(xanh, "retime", "--site", str(site), "--out", plan)
            proven = timed(
                *(xanh, "validate", "--site", str(site), "--plan", plan, "--out", report),
                *("--pairs", str(options.pairs)),
            )
        for name, (used, passed, line) in (("retime", made), ("validate", proven)):
            print(f"{site.name} {name}: {used:.1f} processor s, {passed:.1f} s passed; {line}")
        print(
            f"{site.name}: {made[0] + proven[0]:.1f} processor s, "
            f"{made[1] + proven[1]:.1f} s passed",
            flush=True,
        )


if __name__ == "__main__":
    main()
