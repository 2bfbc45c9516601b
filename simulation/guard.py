"""Child processes that never outlive their parent and never run for ever."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_GRACE_S = 5


@dataclass(frozen=True, slots=True)
class Ended:
    """How a guarded program ended. ``timed_out``: it was stopped at one of its limits."""

    code: int
    complaint: str
    timed_out: bool


def die_with_parent(signal_number: int = signal.SIGKILL) -> None:
    """End this process as soon as the one that started it is gone, however it ended.

    Linux does it (``prctl``); elsewhere nothing happens. The kernel watches the thread that
    started this process, so that thread must live as long as it.
    """
    if sys.platform == "linux":
        _prctl()(_PR_SET_PDEATHSIG, signal_number, 0, 0, 0)


def run_guarded(
    command: Sequence[str],
    *,
    folder: Path,
    environment: Mapping[str, str],
    cpu_limit_s: float,
    wall_limit_s: float,
) -> Ended:
    """Run a program to its end, or to the end of its patience.

    Its complaints (standard error) go to a file in ``folder``. It ends with this process, when
    this call is interrupted, after ``cpu_limit_s`` of processor time, or after ``wall_limit_s``.
    """
    log = folder / "stderr.txt"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            list(command),
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=stream,
            preexec_fn=_limits(os.getpid(), cpu_limit_s),  # noqa: PLW1509 - three system calls
        )
        late = False
        try:
            process.wait(timeout=wall_limit_s)
        except subprocess.TimeoutExpired:
            late = True
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
    late = late or process.returncode in (-signal.SIGXCPU, 128 + signal.SIGXCPU)
    return Ended(process.returncode, log.read_text(encoding="utf-8", errors="replace"), late)


def _limits(parent: int, cpu_limit_s: float) -> Callable[[], None]:
    """What the child does between fork and exec; everything it needs is looked up before."""
    prctl = _prctl() if sys.platform == "linux" else None
    seconds = max(1, round(cpu_limit_s))

    def apply() -> None:
        if prctl is not None:
            prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            if os.getppid() != parent:  # it went between the fork and here
                os._exit(1)
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + _GRACE_S))

    return apply


def _prctl() -> Callable[..., int]:
    function: Callable[..., int] = ctypes.CDLL(None, use_errno=True).prctl
    return function
