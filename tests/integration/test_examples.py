"""The worked examples of the documentation run as they are written there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from traffic.planfiles import read_plan
from traffic.sites import load_site

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_a_real_junction_is_imported_retimed_and_validated(test_data: Path, tmp_path: Path) -> None:
    out = tmp_path / "cologne1"
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [ROOT / "docs" / "examples" / "cologne1" / "run", out],
        capture_output=True,
        text=True,
        env=os.environ | {"PATH": path, "XANH_TEST_DATA": str(test_data)},
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    site = load_site(out / "site")
    (junction,) = site.junctions
    found = read_plan(site.current_plan_path).junction(junction)
    assert found.as_found, "the program that came with the network is kept as found"
    plan = read_plan(out / "plan.yaml").junction(junction)
    served = {name for stage in plan.stages for name in stage.green}
    assert served == {movement.id for movement in site.junctions[junction].movements}
    report = json.loads((out / "report" / "report.json").read_text())
    # The program as shipped has 42.9 s here (mean of the public scenario's three seeds).
    assert report["baseline"]["delay_s"] == pytest.approx(42.9, rel=0.05)
    assert report["baseline"]["trips"] == report["candidate"]["trips"] == 2015
    assert report["verdict"] in {"pass", "fail", "undecided"}
    assert report["reason"]
