"""The commands as other people's scripts call them: exit codes, one line on bad input."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

XANH = str(Path(sys.executable).with_name("xanh"))


def xanh(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [XANH, *map(str, arguments)], capture_output=True, text=True, timeout=300, check=False
    )


def refused(*arguments: str | Path) -> str:
    """The single line with which bad input is refused."""
    done = xanh(*arguments)
    assert done.returncode == 2, (done.returncode, done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, lines
    return lines[0]


@pytest.fixture
def site(pho_hue: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    shutil.copytree(pho_hue, folder)
    return folder


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


@pytest.mark.parametrize(
    "command",
    [
        (),
        ("site", "check"),
        ("site", "import"),
        ("site", "build"),
        ("detect",),
        ("retime",),
        ("validate",),
        ("serve",),
        ("demo",),
        ("train", "detector"),
        ("weights", "list"),
    ],
)
def test_every_command_has_help(command: tuple[str, ...]) -> None:
    done = xanh(*command, "--help")
    assert done.returncode == 0
    assert "--help" in done.stdout


def test_the_example_site_is_sound(pho_hue: Path) -> None:
    done = xanh("site", "check", pho_hue)
    assert done.returncode == 0
    assert "8 junctions" in done.stdout


def test_a_missing_argument_or_command_is_one_line() -> None:
    assert "--site" in refused("detect")
    assert "nothing-like-it" in refused("nothing-like-it")


def test_a_wrong_id_in_a_site_names_line_and_field(site: Path) -> None:
    edit(site / "site.yaml", "junction: C2", "junction: C99")
    line = refused("site", "check", site)
    assert "site.yaml:" in line
    assert "junction" in line
    assert "C99" in line
    assert "C1" in line


def test_a_plan_that_breaks_a_safety_rule_is_not_validated(site: Path, tmp_path: Path) -> None:
    plan = tmp_path / "plan.yaml"
    shutil.copy(site / "plans" / "current.yaml", plan)
    edit(plan, "yellow_s: 3\n  red_s: 2", "yellow_s: 1\n  red_s: 4")
    line = refused("validate", "--site", site, "--plan", plan, "--out", tmp_path / "out")
    assert "yellow_s is 1; valid is at least 3" in line
    assert not (tmp_path / "out").exists()


def test_a_plan_whose_sum_is_wrong_is_named(site: Path, tmp_path: Path) -> None:
    plan = tmp_path / "plan.yaml"
    shutil.copy(site / "plans" / "current.yaml", plan)
    edit(plan, "yellow_s: 3", "yellow_s: 4")
    line = refused("validate", "--site", site, "--plan", plan, "--out", tmp_path / "out")
    assert "plan.yaml" in line
    assert "cycle_s" in line


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (None, "", ("counts.csv:1", "junction")),
        ("\nC1,", "\nC77,", ("counts.csv:2", "junction", "C77")),
    ],
)
def test_counts_that_cannot_be_used(
    site: Path, tmp_path: Path, old: str | None, new: str, words: tuple[str, ...]
) -> None:
    counts = tmp_path / "counts.csv"
    if old is None:
        counts.write_text(new)
    else:
        shutil.copy(site / "counts.csv", counts)
        edit(counts, old, new)
    line = refused("retime", "--site", site, "--counts", counts, "--out", tmp_path / "plan.yaml")
    assert all(word in line for word in words), line
    assert not (tmp_path / "plan.yaml").exists()


def test_a_negative_count_is_named_with_its_line(site: Path, tmp_path: Path) -> None:
    rows = (site / "counts.csv").read_text().splitlines()
    cells = rows[1].split(",")
    cells[5] = "-4"
    counts = tmp_path / "counts.csv"
    counts.write_text("\n".join([rows[0], ",".join(cells), *rows[2:]]) + "\n")
    line = refused("retime", "--site", site, "--counts", counts, "--out", tmp_path / "plan.yaml")
    assert "counts.csv:2: count: -4; valid is a whole number, 0 or more" in line


def test_minimums_that_do_not_fit_are_named(site: Path, tmp_path: Path) -> None:
    """A retiming that no cycle allows says which greens and clearances clash, and where."""
    edit(site / "site.yaml", "max_cycle_s: 180", "max_cycle_s: 35")
    done = xanh("retime", "--site", site, "--out", tmp_path / "plan.yaml", "--search", "0")
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    line = done.stderr.strip().splitlines()[-1]
    assert "no plan is possible" in line
    assert "needs" in line
    assert "do not fit into a cycle of at most 35 s" in line
    assert not (tmp_path / "plan.yaml").exists()


def test_demand_above_capacity_is_said_and_explained(site: Path, tmp_path: Path) -> None:
    """Three times the counts: a plan all the same, its overload named, why written beside."""
    rows = (site / "counts.csv").read_text(encoding="utf-8").splitlines()
    fields = [row.split(",") for row in rows[1:]]
    more = [",".join([*f[:5], str(3 * int(f[5])), *f[6:]]) for f in fields]
    counts = tmp_path / "counts.csv"
    counts.write_text("\n".join([rows[0], *more]) + "\n", encoding="utf-8")
    plan, why = tmp_path / "plan.yaml", tmp_path / "why"
    arguments = ("--counts", counts, "--out", plan, "--search", "0", "--time-limit", "2")
    done = xanh("retime", "--site", site, *arguments, "--explain", why)
    assert done.returncode == 0, done.stderr
    assert "above capacity on" in done.stdout
    body = json.loads((why / "explain.json").read_text(encoding="utf-8"))
    assert body["overloaded"]
    assert "above capacity" in body["note"]
    assert (why / "explain.svg").read_text(encoding="utf-8").startswith("<svg")


def test_a_missing_video_and_a_wrong_camera(site: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    line = refused("detect", "none.mp4", "--site", site, "--camera", "C2-c1", "--out", out)
    assert "none.mp4" in line
    line = refused("detect", "none.mp4", "--site", site, "--camera", "Z9", "--out", out)
    assert "Z9" in line
    assert "C2-c1" in line
    assert not out.exists()


def test_a_start_that_is_no_time_says_what_is(site: Path, tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(b"x")
    line = refused(
        *("detect", clip, "--site", site, "--camera", "C2-c1", "--out", tmp_path / "o"),
        *("--start", "today"),
    )
    assert line.endswith("--start: today: valid is like 2026-11-22T07:00:00+07:00")


def test_a_truncated_video_leaves_nothing_half_written(site: Path, tmp_path: Path) -> None:
    whole = tmp_path / "whole.mp4"
    writer = cv2.VideoWriter(str(whole), cv2.VideoWriter.fourcc(*"mp4v"), 6.0, (640, 480))
    rng = np.random.default_rng(0)
    for _ in range(60):
        writer.write(rng.integers(0, 255, (480, 640, 3), np.uint8))
    writer.release()
    torn = tmp_path / "torn.mp4"
    torn.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    out = tmp_path / "out"
    line = refused("detect", torn, "--site", site, "--camera", "C2-c1", "--out", out)
    assert "torn.mp4" in line
    assert not out.exists()


def test_a_port_in_use_is_one_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for command in ("demo", "serve"):
            extra = ("--out", tmp_path / "o") if command == "demo" else ("--data", tmp_path / "d")
            line = refused(command, "--port", str(port), *extra)
            assert str(port) in line
            assert "choose another" in line


def test_the_demo_does_not_overwrite_what_is_not_its_own(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("two years")
    line = refused("demo", "--headless", "--auto-approve", "--out", tmp_path)
    assert "holds something else" in line
    assert (tmp_path / "thesis.txt").exists()
    assert "--auto-approve" in refused("demo", "--headless", "--out", tmp_path / "new")


def test_movements_without_a_count_are_named(site: Path, tmp_path: Path) -> None:
    counts = (site / "counts.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line for line in counts if "C5:c4>c5" not in line]
    assert 0 < len(kept) < len(counts)
    few = tmp_path / "few.csv"
    few.write_text("".join(kept), encoding="utf-8")
    done = xanh(
        *("retime", "--site", site, "--counts", few, "--out", tmp_path / "plan.yaml"),
        *("--method", "webster"),
    )
    assert done.returncode == 0, done.stderr
    assert "1 movements have no count" in done.stdout
    assert "C5:c4>c5" in done.stdout


def test_a_camera_that_needs_no_name_is_calibrated(tmp_path: Path) -> None:
    example = Path(__file__).resolve().parents[2] / "docs" / "examples" / "hanoi-giang-vo"
    pairs = tmp_path / "pairs.csv"
    pairs.write_text("x_px,y_px,x_m,y_m\n" + "".join(f"{i}0,{i}0,{i},{i}\n" for i in range(5)))
    line = refused("camera", "calibrate", "--site", example, "--pairs", pairs, "--check")
    assert "lie on one line" in line


def test_accounts_by_command(tmp_path: Path) -> None:
    data = ("--data", tmp_path)
    added = xanh("user", "add", "hoa", "--role", "manager", *data)
    assert added.returncode == 0, added.stderr
    assert len(added.stdout.split("password ")[1].strip()) >= 12
    assert "'hoa' is taken" in refused("user", "add", "hoa", "--role", "viewer", *data)
    assert "valid is viewer, operator" in refused("user", "add", "lan", "--role", "boss", *data)
    assert "'lan'; valid is hoa" in refused("user", "disable", "lan", *data)
    assert xanh("user", "disable", "hoa", *data).returncode == 0
    listed = xanh("user", "list", *data).stdout
    assert listed.startswith("hoa ")
    assert "disabled" in listed
    log = xanh("user", "log", *data).stdout.splitlines()
    assert [line.split()[4] for line in log] == ["added", "disabled"]
