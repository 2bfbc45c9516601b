"""Cases: two officers, every view logged, a history that shows any change."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from plan_fakes import SetClock
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from models.errors import XanhError
from models.signals import SignalState
from models.violation import CaseStatus, RejectReason, TrackPoint, Violation, ViolationKind
from traffic.cases import CaseNotAllowed, CaseService
from traffic.law import load_law
from traffic.store import Store

ACT = datetime(2026, 11, 20, 3, 30, tzinfo=UTC)

RED = Violation(
    id="v1",
    kind=ViolationKind.RED_LIGHT,
    camera="cam",
    junction="J",
    movement="J:a>b",
    vehicle_class="motorcycle",
    track=4,
    time_s=12.345,
    signal_state=SignalState.RED,
    time_into_red_s=2.5,
    detector="d",
    weights_sha256="0" * 64,
    calibration_version="1",
    source_kind="pixels",
    points=(TrackPoint(12.0, 1.5, 2.5, 0.1, 0.2),),
    signal=((0.0, SignalState.GREEN), (9.845, SignalState.RED)),
)


@pytest.fixture
def store(tmp_path):
    opened = Store.at(tmp_path / "store")
    yield opened
    opened.close()


@pytest.fixture
def clock():
    return SetClock()


@pytest.fixture
def cases(store, clock):
    return CaseService(store, load_law(), clock)


@pytest.fixture
def evidence(tmp_path):
    folder = tmp_path / "evidence"
    folder.mkdir()
    (folder / "at_line.jpg").write_bytes(b"picture")
    return folder


@pytest.fixture
def case(cases, evidence):
    return cases.open_case("s", RED, ACT, evidence)


def test_a_case_starts_pending_with_its_deadline_and_the_law_of_its_day(cases, case):
    seen = cases.view(case, "officer")
    assert seen.summary.status is CaseStatus.PENDING_REVIEW
    # The act was on 20 November in Hanoi; ten whole days end when 30 November ends there.
    assert seen.summary.deadline_at == datetime(2026, 11, 30, 17, 0, tzinfo=UTC)
    assert seen.offence.fine == (4_000_000, 6_000_000)
    assert seen.offence.points == 4
    assert "gazette" in seen.law_note["en"]
    assert seen.violation["time_into_red_s"] == 2.5


def test_the_same_flag_is_one_case(cases, case, evidence, store):
    assert cases.open_case("s", RED, ACT, evidence) == case
    assert len(cases.cases("s")) == 1
    assert store.verify_chain().rows == 1
    assert cases.open_case("s", replace(RED, id="v2"), ACT, evidence) != case


def test_two_officers_confirm(cases, case, store):
    cases.accept(case, "officer")
    cases.confirm(case, "officer2", "clear")
    seen = cases.view(case, "officer")
    assert seen.summary.status is CaseStatus.CONFIRMED
    assert [(e.action, e.by) for e in seen.events] == [
        ("open", "system"),
        ("accept", "officer"),
        ("confirm", "officer2"),
    ]
    assert store.verify_chain().ok
    with pytest.raises(CaseNotAllowed, match="valid is nothing"):
        cases.reject(case, "officer2", RejectReason.DUPLICATE)


@pytest.mark.parametrize("again", ["officer", "Officer ", "OFFICER"])
def test_nobody_confirms_their_own_review(cases, case, again):
    cases.accept(case, "officer")
    with pytest.raises(CaseNotAllowed, match="own review"):
        cases.confirm(case, again)
    assert cases.cases("s")[0].status is CaseStatus.ACCEPTED


def test_an_unreviewed_case_cannot_be_confirmed(cases, case):
    with pytest.raises(CaseNotAllowed, match="pending_review cannot become confirmed"):
        cases.confirm(case, "officer2")


def test_an_escalated_case_is_decided_by_another(cases, case):
    cases.escalate(case, "officer", "hidden by a bus")
    with pytest.raises(CaseNotAllowed, match="another person"):
        cases.accept(case, "officer")
    cases.accept(case, "officer2")
    cases.confirm(case, "officer")
    assert cases.view(case, "x").summary.status is CaseStatus.CONFIRMED


def test_the_second_officer_may_disagree_and_a_rejection_can_be_taken_back(cases, case, store):
    cases.accept(case, "officer")
    cases.reject(case, "officer2", RejectReason.ENTERED_ON_YELLOW)
    assert cases.cases("s") == ()
    cases.reopen(case, "officer2", "pressed the wrong key")
    assert cases.cases("s")[0].status is CaseStatus.PENDING_REVIEW
    cases.accept(case, "officer2")
    cases.confirm(case, "officer")
    assert cases.view(case, "x").events[2].reason is RejectReason.ENTERED_ON_YELLOW
    assert store.verify_chain().ok


def test_steps_that_need_words(cases, case):
    with pytest.raises(CaseNotAllowed, match="needs a text"):
        cases.reject(case, "officer", RejectReason.OTHER, " ")
    with pytest.raises(CaseNotAllowed, match="says why"):
        cases.escalate(case, "officer", "")
    with pytest.raises(CaseNotAllowed, match="name"):
        cases.accept(case, " ")


def test_the_nearest_deadline_comes_first(cases, evidence):
    ids = [
        cases.open_case("s", replace(RED, id=f"v{day}"), ACT + timedelta(days=day), evidence)
        for day in (3, 1, 2)
    ]
    assert [c.id for c in cases.cases("s")] == [ids[1], ids[2], ids[0]]
    assert [c.id for c in cases.cases("s", limit=1, offset=1)] == [ids[2]]
    assert cases.cases("s", kind=ViolationKind.WRONG_WAY) == ()
    assert cases.counts("s")[CaseStatus.PENDING_REVIEW] == 3


def test_every_view_is_logged_before_it_is_shown(cases, case, store):
    cases.view(case, "officer")
    found, path = cases.view_evidence(case, "at_line.jpg", "officer2")
    assert (found.size, path.read_bytes()) == (7, b"picture")
    assert [(by, what) for _, by, what in cases.views(case)] == [
        ("officer", "case"),
        ("officer2", "at_line.jpg"),
    ]
    with pytest.raises(XanhError, match="no evidence"):
        cases.view_evidence(case, "../../x", "officer")
    path.write_bytes(b"other")
    with pytest.raises(XanhError, match="was changed or removed"):
        cases.view_evidence(case, "at_line.jpg", "officer")
    with pytest.raises(DBAPIError, match="append-only"), store.write() as connection:
        connection.execute(text("DELETE FROM case_views"))


def test_an_act_without_a_law_of_its_day_opens_no_case(cases, evidence):
    with pytest.raises(XanhError, match="no deadline for acts on 2016-05-01"):
        cases.open_case("s", RED, datetime(2016, 5, 1, 9, tzinfo=UTC), evidence)


TAMPERING = {
    "UPDATE case_events SET by = 'x' WHERE seq = 2": "was changed after it was written",
    "UPDATE case_events SET at = '2026-01-01 00:00:00.000000' WHERE seq = 2": "was changed",
    "DELETE FROM case_events WHERE seq = 2": "removed or replaced",
    "DELETE FROM case_events WHERE seq = 4": "its status has no event",
    "UPDATE cases SET violation = replace(violation, '2.5', '0.5')": "content was changed",
    "UPDATE cases SET status = 'confirmed' WHERE status = 'rejected'": "its status has no event",
    "UPDATE cases SET deadline_at = '2030-01-01 00:00:00.000000'": "content was changed",
}


@pytest.mark.parametrize("statement", TAMPERING)
def test_the_chain_shows_what_someone_did_in_the_database(cases, case, store, evidence, statement):
    second = cases.open_case("s", replace(RED, id="v2"), ACT, evidence)
    cases.accept(case, "officer")
    cases.reject(second, "officer", RejectReason.DUPLICATE)
    assert store.verify_chain().ok
    with store.write() as connection:
        for verb in ("update", "delete"):
            connection.execute(text(f"DROP TRIGGER case_events_no_{verb}"))
        connection.execute(text(statement))
    check = store.verify_chain()
    assert not check.ok
    assert TAMPERING[statement] in check.problem
