"""The life of a plan: who may do what, and what the records say."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from plan_fakes import CURRENT, FakeField, SetClock, approved, plan, report, service
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from models.errors import BadInput, XanhError
from models.lifecycle import NotAllowed, PlanStatus
from models.plan import Plan
from models.validation import Verdict
from traffic.lifecycle import PlanService
from traffic.store import Severity, Store


@pytest.fixture
def store(tmp_path: Path):
    opened = Store.at(tmp_path / "store")
    yield opened
    opened.close()


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def field() -> FakeField:
    return FakeField()


@pytest.fixture
def plans(store: Store, tmp_path: Path, field: FakeField, clock: SetClock) -> PlanService:
    return service(store, tmp_path, field, clock)


def test_the_whole_way_to_the_street(plans: PlanService, field: FakeField):
    candidate = plan(30)
    digest = approved(plans, candidate)
    outcome = plans.apply(digest, "ben")
    assert outcome.applied
    assert outcome.read_back == {"J1": True, "J2": True}
    assert {p.junction: p for p in candidate.junctions} == field.running
    assert plans.applied().digest == digest
    assert [(e.action, e.by) for e in plans.history(digest)] == [
        ("propose", "ann"),
        ("validate", "system"),
        ("approve", "ben"),
        ("apply", "ben"),
        ("read_back", "system"),
    ]
    assert plans.history(digest)[2].comment == "good"


def test_a_second_plan_supersedes_and_rolls_back_to_the_first(plans, field):
    first, second = plan(30), plan(35)
    plans.apply(approved(plans, first), "ben")
    plans.apply(approved(plans, second), "ben")
    assert plans.get(first.digest).status is PlanStatus.SUPERSEDED
    outcome = plans.rollback("cat", "queues on the side street")
    assert outcome.unrestored == ()
    assert plans.get(second.digest).status is PlanStatus.ROLLED_BACK
    assert {p.junction: p for p in first.junctions} == field.running
    assert plans.expected() == field.running
    assert plans.history(second.digest)[-1].by == "cat"
    assert plans.applied().digest == first.digest
    plans.rollback("cat", "still queues")
    assert field.running == plans.expected() == {p.junction: p for p in CURRENT.junctions}
    assert plans.applied() is None
    with pytest.raises(NotAllowed, match="nothing to roll back"):
        plans.rollback("cat", "again")


def test_nobody_approves_their_own_plan_under_any_spelling(plans):
    candidate = plan(30)
    plans.propose(candidate, "Ann ")
    plans.attach_report(report(candidate))
    with pytest.raises(NotAllowed, match="own plan"):
        plans.approve(candidate.digest, "aNN", "mine")


def test_whoever_proposed_it_again_may_not_approve_it_either(plans):
    candidate = plan(30)
    plans.propose(candidate, "ann")
    plans.propose(candidate, "ben")
    plans.attach_report(report(candidate))
    with pytest.raises(NotAllowed, match="own plan"):
        plans.approve(candidate.digest, "ben", "good")
    assert plans.approve(candidate.digest, "cat", "good").status is PlanStatus.APPROVED


@pytest.mark.parametrize("verdict", [Verdict.FAIL, Verdict.UNDECIDED])
def test_a_report_that_does_not_pass_gives_no_approval(plans, verdict):
    candidate = plan(30)
    plans.propose(candidate, "ann")
    assert plans.attach_report(report(candidate, verdict)).status is PlanStatus.FAILED
    with pytest.raises(NotAllowed):
        plans.approve(candidate.digest, "ben", "good")


def test_no_report_no_approval(plans):
    plans.propose(plan(30), "ann")
    with pytest.raises(NotAllowed, match="validate"):
        plans.approve(plan(30).digest, "ben", "good")


def test_an_expired_report_gives_no_approval_and_no_application(plans, clock, field):
    first, second = plan(30), plan(35)
    digest = approved(plans, first)
    plans.propose(second, "ann")
    plans.attach_report(report(second))
    clock.at += timedelta(hours=25)
    with pytest.raises(NotAllowed, match="validate again"):
        plans.approve(second.digest, "ben", "good")
    with pytest.raises(NotAllowed, match="expired"):
        plans.apply(digest, "ben")
    assert field.received == []


def test_an_unsafe_plan_is_not_even_proposed(plans):
    with pytest.raises(NotAllowed, match="red_s"):
        plans.propose(plan(30, red_ds=10), "ann")


def test_a_plan_for_another_site_is_bad_input(plans):
    other = Plan("other", plan(30).junctions, plan(30).created, "ann")
    with pytest.raises(BadInput, match="site: 'other'; valid is 'two'"):
        plans.propose(other, "ann")


def test_a_refused_timing_stays_refused(plans):
    plans.propose(plan(30), "ann")
    plans.refuse(plan(30).digest, "ben", "too long for the side street")
    with pytest.raises(NotAllowed, match="refused before"):
        plans.propose(plan(30), "ann")


def test_decisions_need_a_reason_and_a_name(plans):
    plans.propose(plan(30), "ann")
    plans.attach_report(report(plan(30)))
    with pytest.raises(NotAllowed, match="comment"):
        plans.approve(plan(30).digest, "ben", "  ")
    with pytest.raises(NotAllowed, match="name"):
        plans.refuse(plan(30).digest, " ", "no")


def test_a_new_report_takes_an_old_approval_away(plans):
    digest = approved(plans, plan(30))
    plans.apply(digest, "ben")
    plans.rollback("cat", "wrong day")
    again = plans.attach_report(report(plan(30)))
    assert (again.status, again.approver) == (PlanStatus.VALIDATED, None)
    with pytest.raises(NotAllowed, match="only an approved plan"):
        plans.apply(digest, "ben")


def test_a_controller_that_runs_something_else_rolls_all_back(plans, field, store):
    digest = approved(plans, plan(30))
    # Four reads at the start, J1 applied and read, J2 runs something else.
    field.faults = [None] * 6 + ["lie"]
    outcome = plans.apply(digest, "ben")
    assert not outcome.applied
    assert outcome.read_back == {"J1": True, "J2": False}
    assert "other timing" in outcome.reason
    assert field.running == {p.junction: p for p in CURRENT.junctions}
    assert plans.get(digest).status is PlanStatus.ROLLED_BACK
    assert [a.kind for a in store.alarms("two")] == ["plan_rolled_back"]


def test_a_lost_controller_before_the_start_leaves_all_untouched(plans, field):
    digest = approved(plans, plan(30))
    field.faults = [None, None, "raise"]
    with pytest.raises(XanhError, match="nothing was sent"):
        plans.apply(digest, "ben")
    assert field.received == []
    assert plans.get(digest).status is PlanStatus.APPROVED


def test_the_plan_in_force_can_be_rolled_back_after_another_failed(plans, field):
    first, second = plan(30), plan(35)
    plans.apply(approved(plans, first), "ben")
    digest = approved(plans, second)
    field.faults = [None] * 4 + ["raise"]
    assert not plans.apply(digest, "ben").applied
    assert plans.applied().digest == first.digest
    assert plans.watch() == {"J1": True, "J2": True}
    plans.rollback("cat", "queues")
    assert field.running == plans.expected() == {p.junction: p for p in CURRENT.junctions}


def test_a_controller_lost_for_good_is_restored_later(plans, field, store):
    digest = approved(plans, plan(30))
    field.faults = [None] * 4 + ["late", "raise"]  # J1 took it; restoring J1 fails
    outcome = plans.apply(digest, "ben")
    assert outcome.unrestored == ("J1",)
    critical = [a for a in store.alarms("two") if a.severity is Severity.CRITICAL]
    assert [a.subject for a in critical] == ["J1"]
    with pytest.raises(NotAllowed, match="recover"):
        plans.apply(approved(plans, plan(35)), "ben")
    assert plans.watch() == {"J1": False, "J2": True}
    plans.recover()
    assert field.running == {p.junction: p for p in CURRENT.junctions}
    assert plans.watch() == {"J1": True, "J2": True}
    assert [a.severity for a in store.alarms("two")] == [Severity.WARNING]
    assert plans.recover() == ()


def test_the_watch_sees_what_someone_changed_at_the_cabinet(plans, field, store):
    plans.apply(approved(plans, plan(30)), "ben")
    assert plans.watch() == {"J1": True, "J2": True}
    field.running["J2"] = plan(35).junction("J2")
    assert plans.watch() == {"J1": True, "J2": False}
    assert [(a.kind, a.subject) for a in store.alarms("two")] == [("controller_timing", "J2")]
    field.running["J2"] = plan(30).junction("J2")
    plans.watch()
    assert store.alarms("two") == ()


def test_a_stored_plan_that_was_changed_is_not_applied(plans, store, field):
    digest = approved(plans, plan(30))
    with store.write() as connection:
        connection.execute(text("UPDATE plans SET document = replace(document, '30', '31')"))
    with pytest.raises(XanhError, match=r"was changed|damaged"):
        plans.apply(digest, "ben")
    assert field.received == []


def test_the_history_cannot_be_changed(plans, store):
    plans.propose(plan(30), "ann")
    for statement in ("UPDATE plan_events SET by = 'x'", "DELETE FROM plan_events"):
        with pytest.raises(DBAPIError, match="append-only"), store.write() as connection:
            connection.execute(text(statement))
