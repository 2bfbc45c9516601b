"""Whoever does what to a case in whatever order: two people, and an unbroken history."""

from __future__ import annotations

import contextlib
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from plan_fakes import SetClock

from models.errors import XanhError
from models.signals import SignalState
from models.violation import CaseStatus, RejectReason, Violation, ViolationKind
from traffic.cases import CaseService
from traffic.law import load_law
from traffic.store import Store

FLAG = Violation(
    id="v",
    kind=ViolationKind.WRONG_WAY,
    camera="cam",
    junction="J",
    movement=None,
    vehicle_class="car",
    track=1,
    time_s=1.0,
    signal_state=SignalState.UNKNOWN,
    time_into_red_s=None,
    detector="d",
    weights_sha256="0" * 64,
    calibration_version="1",
    source_kind="pixels",
)
LAW = load_law()
STEPS = st.tuples(
    st.sampled_from(["accept", "reject", "escalate", "confirm", "reopen"]),
    st.sampled_from(["ann", "ben", "Ann "]),
)


def _step(cases: CaseService, case: str, action: str, by: str) -> None:
    if action == "accept":
        cases.accept(case, by)
    elif action == "reject":
        cases.reject(case, by, RejectReason.DUPLICATE)
    elif action == "escalate":
        cases.escalate(case, by, "look again")
    elif action == "confirm":
        cases.confirm(case, by)
    else:
        cases.reopen(case, by, "a mistake")


@settings(max_examples=25, deadline=None)
@given(steps=st.lists(STEPS, max_size=15))
def test_a_confirmed_case_was_accepted_by_someone_else_just_before(steps):
    with tempfile.TemporaryDirectory() as folder:
        store = Store.at(Path(folder) / "store")
        cases = CaseService(store, LAW, SetClock())
        (Path(folder) / "in").mkdir()
        (Path(folder) / "in" / "a.jpg").write_bytes(b"a")
        case = cases.open_case("s", FLAG, datetime(2026, 11, 20, tzinfo=UTC), Path(folder) / "in")
        for action, by in steps:
            with contextlib.suppress(XanhError):
                _step(cases, case, action, by)
        seen = cases.view(case, "x")
        confirmations = [i for i, e in enumerate(seen.events) if e.action == "confirm"]
        assert (seen.summary.status is CaseStatus.CONFIRMED) == bool(confirmations)
        for index in confirmations:
            assert index == len(seen.events) - 1
            assert seen.events[index - 1].action == "accept"
            assert seen.events[index - 1].by != seen.events[index].by
        assert store.verify_chain().ok
        store.close()
