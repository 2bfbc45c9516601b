"""Whatever fails on the way, no unapproved or unsafe timing reaches a controller."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from plan_fakes import CURRENT, FakeField, SetClock, plan, report, service

from models.errors import XanhError
from models.lifecycle import PlanStatus
from models.plan import Plan
from models.safety import check
from models.validation import Verdict
from traffic.controllers.street import timing_digest
from traffic.lifecycle import PlanService
from traffic.store import Store

FAULTS = st.sampled_from([None, None, None, "raise", "late", "lie", "bug", "stop"])
PLANS = [plan(30), plan(35), plan(40), plan(30, red_ds=10)]
STEPS = st.tuples(
    st.sampled_from(
        ["propose", "report", "fail", "approve", "refuse", "apply", "rollback", "recover", "late"]
    ),
    st.sampled_from(PLANS),
    st.sampled_from(["ann", "ben", "Ann"]),
)


def _step(plans: PlanService, clock: SetClock, action: str, candidate: Plan, by: str) -> None:
    digest = candidate.digest
    if action == "propose":
        plans.propose(candidate, by)
    elif action in ("report", "fail"):
        verdict = Verdict.PASS if action == "report" else Verdict.FAIL
        plans.attach_report(report(candidate, verdict, created=clock.now()))
    elif action == "approve":
        plans.approve(digest, by, "good")
    elif action == "refuse":
        plans.refuse(digest, by, "bad")
    elif action == "apply":
        plans.apply(digest, by)
    elif action == "rollback":
        plans.rollback(by, "back")
    elif action == "recover":
        plans.recover()
    else:
        clock.pass_s(13 * 3600)


@settings(max_examples=25, deadline=None)
@given(steps=st.lists(STEPS, max_size=25), faults=st.lists(FAULTS, max_size=20))
def test_any_order_of_steps_and_faults_keeps_the_street_safe(steps, faults):
    with tempfile.TemporaryDirectory() as folder:
        store = Store.at(Path(folder))
        field, clock = FakeField(faults=list(faults)), SetClock()
        plans = service(store, Path(folder), field, clock)
        ever_approved = {timing_digest(item) for item in CURRENT.junctions}
        junctions = service_junctions(plans)
        for action, candidate, by in steps:
            before = len(field.received)
            with contextlib.suppress(XanhError, KeyboardInterrupt):
                _step(plans, clock, action, candidate, by)
            for record in plans.plans():
                if record.status is PlanStatus.APPROVED:
                    assert record.approver != record.proposer
                    ever_approved |= {timing_digest(p) for p in record.plan.junctions}
            for sent in field.received[before:]:
                assert check(sent, junctions[sent.junction]) == ()
                assert timing_digest(sent) in ever_approved
        # The faults are over: what is recorded and what runs come to agree.
        field.faults = []
        plans.recover()
        assert all(plans.watch().values())
        if plans.applied() is not None:
            timings = {item.junction: item for item in plans.applied().plan.junctions}
            assert field.running == timings
            plans.rollback("cat", "the last plan off")
            assert field.running == plans.expected()
        store.close()


def service_junctions(plans: PlanService):
    return plans._site.junctions


@settings(max_examples=20, deadline=None)
@given(faults=st.lists(FAULTS, min_size=1, max_size=12))
def test_an_application_is_all_or_nothing_once_the_field_answers(faults):
    with tempfile.TemporaryDirectory() as folder:
        store = Store.at(Path(folder))
        field, clock = FakeField(), SetClock()
        plans = service(store, Path(folder), field, clock)
        candidate = plan(30)
        plans.propose(candidate, "ann")
        plans.attach_report(report(candidate))
        plans.approve(candidate.digest, "ben", "good")
        field.faults = list(faults)
        applied = False
        with contextlib.suppress(XanhError, KeyboardInterrupt):
            applied = plans.apply(candidate.digest, "ben").applied
        field.faults = []
        plans.recover()
        expected = candidate if applied else CURRENT
        assert field.running == {item.junction: item for item in expected.junctions}
        assert (plans.get(candidate.digest).status is PlanStatus.APPLIED) == applied
        store.close()
