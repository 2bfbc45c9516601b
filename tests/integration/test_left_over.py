"""What a killed process (SIGKILL) leaves behind is found and removed at the next start."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from red_light_case import VIEW

from detection.drafts import Draft, remove_left_over
from detection.evidence import EvidenceWriter
from simulation import scratch

TESTS = Path(__file__).parents[1]

SCRATCH = """
    import sys, time
    from simulation.scratch import Scratch
    with Scratch("run") as folder:
        (folder / "net.xml").write_text("x")
        print(folder, flush=True)
        time.sleep(600)
"""
CASE = """
    import sys
    from pathlib import Path
    sys.path[:0] = [sys.argv[2]]
    from detection import evidence
    import red_light_case

    whole = evidence.encode_jpeg

    def slowly(image):
        print("writing", flush=True)
        sys.stdin.readline()
        return whole(image)

    evidence.encode_jpeg = slowly
    red_light_case.write_case(Path(sys.argv[1]))
"""


def started(code: str, folder: Path, temporary: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", textwrap.dedent(code), str(folder), str(TESTS)]
    environment = {**os.environ, "TMPDIR": str(temporary)}
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    )


def kill(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.close()
    process.stdout.close()


def aged(folder: Path) -> None:
    os.utime(folder, (time.time() - 600, time.time() - 600))


def test_scratch_of_the_dead_is_removed_and_of_the_living_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scratch.tempfile, "tempdir", str(tmp_path))
    elsewhere = tmp_path / "other-run-1"
    elsewhere.mkdir()
    aged(elsewhere)
    process = started(SCRATCH, tmp_path, tmp_path)
    try:
        assert process.stdout is not None
        folder = Path(process.stdout.readline().strip())
        assert folder.parent == tmp_path
        aged(folder)
        scratch.remove_left_over()
        assert folder.exists()
    finally:
        kill(process)
    scratch.remove_left_over()
    assert not folder.exists()
    assert elsewhere.exists()


def test_a_folder_that_was_just_made_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scratch.tempfile, "tempdir", str(tmp_path))
    young = tmp_path / "xanh-run-abc"
    young.mkdir()
    scratch.remove_left_over()
    assert young.exists()
    with scratch.Scratch("run") as folder:
        assert folder.is_dir()
    assert not folder.exists()


def test_a_camera_killed_in_the_middle_of_a_case_leaves_no_half_one(tmp_path: Path) -> None:
    cases = tmp_path / "violations"
    process = started(CASE, cases, tmp_path)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "writing\n"
        (half,) = cases.iterdir()
        assert half.name.startswith(".")
    finally:
        kill(process)
    aged(half)
    EvidenceWriter(VIEW, cases)  # the camera's next start
    assert list(cases.iterdir()) == []


def test_a_draft_that_somebody_writes_is_not_taken_away(tmp_path: Path) -> None:
    draft = Draft(tmp_path / "a[1]" / "clip")
    aged(draft.folder)
    remove_left_over(tmp_path / "a[1]")
    assert draft.folder.exists()
    draft.release()
    draft.release()
    assert not draft.folder.exists()
    other = tmp_path / ".clip.abcdefgh"
    other.mkdir()
    aged(other)
    remove_left_over(tmp_path, "clap")
    assert other.exists()
    remove_left_over(tmp_path, "clip")
    assert not other.exists()


STREET = """
    import multiprocessing, sys, time
    from dataclasses import replace
    from datetime import UTC, datetime
    from pathlib import Path
    from models.counts import counts_from_csv
    from models.site import StreetOptions
    from traffic.planfiles import read_plan
    from traffic.sites import load_site
    from traffic.streetwork import StreetWork

    def main():
        whole = load_site(Path(sys.argv[2]).parent / "sites" / "pho-hue")
        cameras = tuple(c for c in whole.cameras if c.id == "C2-c1")
        work = StreetWork(
            replace(whole, cameras=cameras),
            read_plan(whole.current_plan_path),
            counts_from_csv(whole.counts_path.read_text(), "counts.csv"),
            StreetOptions(seed=3),
            zero=datetime(2026, 11, 22, tzinfo=UTC),
            evidence=Path(sys.argv[1]),
        )
        # The cameras' reports are not read: the street waits for them, and they for a reader.
        work.field.run_until(600.0, cameras=True)
        for _ in range(12):
            work.field.next_tick()
        print(*(child.pid for child in multiprocessing.active_children()), flush=True)
        time.sleep(600)

    if __name__ == "__main__":
        main()
"""


UNREAD = """
    import multiprocessing, time
    from traffic.workers import let_go, tell

    def work(reports):
        for _ in range(10):
            tell(reports, bytes(200_000))
        let_go(reports)

    def main():
        context = multiprocessing.get_context("spawn")
        reports = context.Queue(maxsize=3)
        worker = context.Process(target=work, args=(reports,))
        worker.start()
        while not reports.full():
            time.sleep(0.1)
        print(worker.pid, flush=True)
        time.sleep(600)

    if __name__ == "__main__":
        main()
"""


def runs(pid: int) -> bool:
    """Whether a process lives; one that only waits to be buried does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_street_and_cameras_end_with_the_service_that_is_killed(tmp_path: Path) -> None:
    assert not left_by_the_dead(STREET, tmp_path)


def test_a_worker_ends_whose_reports_nobody_takes_any_more(tmp_path: Path) -> None:
    assert not left_by_the_dead(UNREAD, tmp_path)


def left_by_the_dead(code: str, folder: Path) -> list[int]:
    """Which children of a service are left a minute after it was killed."""
    script = folder / "service.py"
    script.write_text(textwrap.dedent(code), encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, str(script), str(folder / "cases"), str(TESTS)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(TESTS.parent)},
    )
    assert process.stdout is not None
    children = [int(pid) for pid in process.stdout.readline().split()]
    kill(process)
    assert children
    deadline = time.monotonic() + 60
    while (left := [pid for pid in children if runs(pid)]) and time.monotonic() < deadline:
        time.sleep(0.2)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    return left
