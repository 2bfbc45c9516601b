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
