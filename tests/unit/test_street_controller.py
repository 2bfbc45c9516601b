"""The last gate before the field: what a controller takes, and what it refuses."""

from __future__ import annotations

import pytest
from plan_fakes import CURRENT, START, FakeField, SetClock, junction, plan, report, timing

from models.errors import XanhError
from models.lifecycle import ApprovedPlan, NotAllowed
from traffic.controllers.street import StreetController, timing_digest
from traffic.store import Store


@pytest.fixture
def store(tmp_path):
    opened = Store.at(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def field():
    return FakeField()


@pytest.fixture
def controller(field, store):
    return StreetController("two", junction("J1"), field, store, SetClock())


def approved(candidate) -> ApprovedPlan:
    return ApprovedPlan(candidate, report(candidate), "ann", "ben", START)


def test_an_approved_plan_is_sent_and_read_back(controller, field):
    controller.apply(approved(plan(30)))
    assert field.received == [timing("J1", 30)]
    assert controller.read_back() == timing("J1", 30)
    assert controller.status().stage == "main"


@pytest.mark.parametrize("other", [plan(30), timing("J1", 30), None])
def test_nothing_but_an_approved_plan_is_taken(controller, field, other):
    with pytest.raises(NotAllowed, match="approved plan only"):
        controller.apply(other)
    assert field.received == []


def test_an_unsafe_plan_is_not_sent_whoever_approved_it(controller, field):
    with pytest.raises(NotAllowed, match="not sent: junction J1: stage main: red_s"):
        controller.apply(approved(plan(30, red_ds=10)))
    assert field.received == []


def test_only_timing_that_it_was_read_to_run_is_restored(controller, field):
    with pytest.raises(NotAllowed, match="never ran"):
        controller.restore(timing("J1", 20))
    controller.read_back()
    controller.apply(approved(plan(30)))
    controller.restore(timing("J1", 20))
    assert field.running["J1"] == CURRENT.junction("J1")
    with pytest.raises(NotAllowed, match="does not run J2"):
        controller.restore(timing("J2", 20))


def test_what_it_ran_is_remembered_by_a_new_process(controller, field, store):
    controller.read_back()
    field.running["J1"] = timing("J1", 30)
    again = StreetController("two", junction("J1"), field, store, SetClock())
    again.restore(timing("J1", 20))
    assert field.running["J1"] == timing("J1", 20)


def test_a_broken_line_is_a_lost_controller(controller, field):
    field.faults = ["late"]
    with pytest.raises(XanhError, match="controller J1 cannot be reached: no answer"):
        controller.read_back()
    field.faults = ["late"]
    with pytest.raises(XanhError, match="controller J1 cannot be reached: reset"):
        controller.apply(approved(plan(30)))


def test_an_answer_for_another_junction_is_refused(controller, field):
    field.running["J1"] = timing("J2", 20)
    with pytest.raises(XanhError, match="answered with timing for J2"):
        controller.read_back()


def test_the_digest_of_a_timing_is_its_content_alone():
    assert timing_digest(timing("J1", 30)) == timing_digest(timing("J1", 30))
    others = [timing("J2", 30), timing("J1", 31), timing("J1", 30, red_ds=21)]
    assert len({timing_digest(item) for item in [timing("J1", 30), *others]}) == 4
