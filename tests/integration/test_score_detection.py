"""``xanh score detection`` at level 1 on a short stretch of the example site."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from models.violation import ViolationKind


def run(site: Path, out: Path, workers: int) -> tuple[dict[str, Any], str]:
    """``score.json`` and what was printed."""
    command = [
        *(sys.executable, "-m", "traffic.cli", "score", "detection", "--site", str(site)),
        *("--level", "1", "--minutes", "1.5", "--warm-up", "60", "--seed", "3"),
        *("--cameras", "C2-c1,C2-eb2a", "--workers", str(workers), "--out", str(out)),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    score: dict[str, Any] = json.loads((out / "score.json").read_text(encoding="utf-8"))
    return score, done.stdout


def test_level_1_counts_and_flags_what_the_street_did(pho_hue: Path, tmp_path: Path) -> None:
    score, printed = run(pho_hue, tmp_path / "score", workers=2)
    assert score["cameras"] == ["C2-c1", "C2-eb2a"]
    assert score["counts"]["true"] > 40
    assert abs(score["counts"]["error"]) <= 0.06
    assert set(score["rules"]) == {kind.value for kind in ViolationKind}
    flagged = sum(rule["flagged"] for rule in score["rules"].values())
    matched = sum(rule["matched"] for rule in score["rules"].values())
    truth = sum(rule["truth"] for rule in score["rules"].values())
    assert truth > 0
    assert score["together"]["truth"] == truth
    assert score["together"]["flagged"] == flagged
    assert matched >= 0.7 * truth
    assert flagged - matched <= 1
    assert score["speed"]["mean_error_mps"] < 1.5
    assert "precision" in printed
    alone, _ = run(pho_hue, tmp_path / "alone", workers=1)
    assert alone == score
