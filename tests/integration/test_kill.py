"""Killed at any instant (SIGKILL): the store opens again, and the street runs one plan."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from plan_fakes import CURRENT, JUNCTIONS, FileField, SetClock, plan, service
from sqlalchemy import text

from models.lifecycle import PlanStatus
from traffic.cases import CaseService
from traffic.law import load_law
from traffic.store import Store

TESTS = Path(__file__).parents[1]

WRITER = """
    import sys
    from dataclasses import replace
    from datetime import timedelta
    from pathlib import Path
    sys.path[:0] = [sys.argv[2], sys.argv[2] + "/unit"]
    from plan_fakes import SetClock
    from test_cases import ACT, RED
    from test_store import row
    from traffic.cases import CaseService
    from traffic.law import load_law
    from traffic.store import Store

    folder = Path(sys.argv[1])
    store = Store.at(folder / "store")
    cases = CaseService(store, load_law(), SetClock())
    pictures = folder / "pictures"
    pictures.mkdir(exist_ok=True)
    for number in range(int(sys.argv[3]), 10**9):
        (pictures / "at_line.jpg").write_bytes(b"%d" % number * 50_000)
        case = cases.open_case("s", replace(RED, id=f"v{number}"), ACT, pictures)
        print(case, flush=True)
        store.add_counts("s", [row(number, 1), row(number, 2, "J:c>d")])
        cases.accept(case, "officer")
        cases.confirm(case, "officer2")
"""


def test_a_store_that_is_killed_while_writing_is_whole(tmp_path):
    opened: list[str] = []
    for turn in range(3):
        command = [sys.executable, "-c", textwrap.dedent(WRITER)]
        command += [str(tmp_path), str(TESTS), str(turn * 100_000)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            # Killed while it writes: after a few cases, at an instant that differs every time.
            opened += [process.stdout.readline().strip() for _ in range(3 + turn)]
            time.sleep(0.003 * turn)
            process.kill()
            opened += process.stdout.read().split()
        assert process.returncode == -signal.SIGKILL

        store = Store.at(tmp_path / "store")
        check = store.verify_chain()
        assert check.ok, check.problem
        with store.read() as connection:
            assert connection.execute(text("PRAGMA integrity_check")).scalar() == "ok"
            assert connection.execute(text("PRAGMA foreign_key_check")).first() is None
        rows = store.counts("s")
        assert len(rows) % 2 == 0
        assert len({r.start for r in rows}) * 2 == len(rows)
        cases = CaseService(store, load_law(), SetClock())
        for case in opened:
            for item in cases.view(case, "officer").summary.evidence:
                assert store.evidence.is_intact(item.sha256)
        store.close()
    assert len(opened) >= 12


APPLIER = """
    import os, signal, sys
    from pathlib import Path
    sys.path.insert(0, sys.argv[2])
    from plan_fakes import FileField, SetClock, approved, plan, service
    from traffic.store import Store

    class Dying(FileField):
        calls = 0
        def _die(self, moment):
            if moment == sys.argv[4] and Dying.calls == int(sys.argv[3]):
                os.kill(os.getpid(), signal.SIGKILL)
        def apply(self, sent):
            Dying.calls += 1
            self._die("before")
            super().apply(sent)
            self._die("after")
        def read(self, name):
            Dying.calls += 1
            self._die("before")
            found = super().read(name)
            self._die("after")
            return found

    folder = Path(sys.argv[1])
    plans = service(Store.at(folder / "store"), folder, Dying(folder / "field"), SetClock())
    print(plans.apply(approved(plans, plan(30)), "ben").applied)
"""


@pytest.mark.parametrize(
    ("call", "moment"),
    # Four reads at the start, then apply and read for each of two junctions.
    [(4, "after"), (5, "before"), (5, "after"), (6, "after"), (7, "after"), (8, "after")],
)
def test_killed_while_a_plan_is_applied_the_street_is_rolled_back(tmp_path, call, moment):
    FileField(tmp_path / "field").start()
    command = [sys.executable, "-c", textwrap.dedent(APPLIER)]
    command += [str(tmp_path), str(TESTS), str(call), moment]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr

    field = FileField(tmp_path / "field")
    store = Store.at(tmp_path / "store")
    plans = service(store, tmp_path, field, SetClock())
    record = plans.get(plan(30).digest)
    if call == 4:
        assert record.status is PlanStatus.APPROVED
        assert plans.recover() == ()
    else:
        assert record.status is PlanStatus.APPLYING
        assert len(plans.recover()) == 1
        assert plans.get(record.digest).status is PlanStatus.ROLLED_BACK
        assert [a.kind for a in store.alarms("two")] == ["plan_rolled_back"]
        assert plans.watch() == dict.fromkeys(JUNCTIONS, True)
    assert {name: field.read(name) for name in JUNCTIONS} == {
        item.junction: item for item in CURRENT.junctions
    }
    store.close()
