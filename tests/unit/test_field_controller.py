"""One controller: what it takes, what it refuses, and what it says of itself."""

from __future__ import annotations

from dataclasses import replace

import pytest

from models.errors import XanhError
from models.junction import Junction, Movement, PedestrianCrossing, SafetyEnvelope, Turn
from models.plan import JunctionPlan, SignalRow, Stage
from models.signals import SignalState
from simulation.field_controller import (
    ControllerLost,
    ControllerRefused,
    Fault,
    FixedTimeController,
)

JUNCTION = Junction(
    "J",
    (
        Movement("J:a>b", "a", "b", Turn.THROUGH, (), (0,)),
        Movement("J:c>d", "c", "d", Turn.THROUGH, (), (1, 2)),
    ),
    (PedestrianCrossing(":J_c0", ("c",), (3,)),),
    frozenset({frozenset(("J:a>b", "J:c>d")), frozenset(("J:c>d", ":J_c0"))}),
    envelope=SafetyEnvelope(ped_clearance_ds={":J_c0": 50}),
)


def plan(first_s: int = 20, second_s: int = 15, offset_s: int = 0) -> JunctionPlan:
    stages = (
        Stage("A", ("J:a>b", ":J_c0"), first_s * 10, 30, 20),
        Stage("B", ("J:c>d",), second_s * 10, 30, 20),
    )
    return JunctionPlan("J", (first_s + second_s + 10) * 10, offset_s * 10, stages)


def shown(controller: FixedTimeController, seconds: int) -> list[str]:
    return [controller.advance() for _ in range(seconds)]


def test_a_cycle_is_shown_second_by_second_from_the_offset() -> None:
    controller = FixedTimeController(plan(offset_s=4), JUNCTION)
    expected = (
        ["GrrG"] * 15 + ["Grrr"] * 5 + ["yrrr"] * 3 + ["rrrr"] * 2
        + ["rGGr"] * 15 + ["ryyr"] * 3 + ["rrrr"] * 2
    )  # fmt: skip
    assert shown(controller, 4) == expected[-4:]
    assert shown(controller, 45) == expected
    assert controller.since_s(0) == 4 + 23, "red since the end of yellow"


def test_the_aspect_s_beginning_is_known_from_the_start() -> None:
    controller = FixedTimeController(plan(), JUNCTION, begin_s=100)
    controller.advance()  # second 100 is 10 s into the third cycle
    assert controller.letters == "GrrG"
    assert controller.since_s(0) == 90
    assert controller.since_s(1) == 90 - 2, "red began before the red clearance"


def test_a_new_plan_waits_for_the_end_of_the_cycle_and_is_read_back_at_once() -> None:
    controller = FixedTimeController(plan(), JUNCTION)
    shown(controller, 5)
    new = plan(30, 20)
    controller.apply(new)
    assert controller.read_plan() == new
    assert controller.running_plan == plan()
    assert not controller.settled
    shown(controller, 40)
    assert controller.running_plan == plan()
    shown(controller, 1)
    assert controller.time_s == 45
    assert controller.running_plan == new


def test_a_plan_in_the_last_interstage_starts_at_this_cycle_s_end_when_nothing_is_cut() -> None:
    controller = FixedTimeController(plan(), JUNCTION)
    shown(controller, 44)
    controller.apply(plan(30, 20, offset_s=45))
    assert shown(controller, 31)[-1] == "Grrr", "30 s of green from second 45 on"
    assert controller.settled


def test_a_second_plan_replaces_the_first() -> None:
    controller = FixedTimeController(plan(), JUNCTION)
    shown(controller, 5)
    controller.apply(plan(30, 20))
    controller.apply(plan(25, 25, offset_s=45))
    shown(controller, 42)
    assert controller.running_plan == plan(25, 25, offset_s=45)
    assert controller.settled


def test_its_report_names_stage_second_and_aspects() -> None:
    controller = FixedTimeController(plan(), JUNCTION)
    shown(controller, 22)
    report = controller.report()
    assert (report.stage, report.second_in_cycle, report.settled) == ("A", 21, True)
    assert report.states == {
        "J:a>b": SignalState.YELLOW,
        "J:c>d": SignalState.RED,
        ":J_c0": SignalState.RED,
    }


def test_it_refuses_what_breaks_the_envelope() -> None:
    controller = FixedTimeController(plan(), JUNCTION)
    with pytest.raises(ControllerRefused, match="at least 7 s"):
        controller.apply(plan(20, 5))
    both = replace(plan().stages[0], green=("J:a>b", "J:c>d"))
    with pytest.raises(ControllerRefused, match="conflict"):
        controller.apply(replace(plan(), stages=(both, plan().stages[1])))
    assert controller.read_plan() == plan()


def test_tenths_of_a_second_are_rounded_up_out_of_the_green() -> None:
    stages = (
        Stage("A", ("J:a>b", ":J_c0"), 196, 34, 20),
        Stage("B", ("J:c>d",), 150, 30, 20),
    )
    controller = FixedTimeController(JunctionPlan("J", 450, 0, stages), JUNCTION)
    letters = shown(controller, 45)
    assert letters.count("yrrr") == 4
    assert letters.index("yrrr") == 19
    assert letters.index("rGGr") == 25


def test_a_program_as_found_cannot_be_run() -> None:
    found = JunctionPlan("J", 100, 0, (), (SignalRow(50, "GrrG"), SignalRow(50, "rGGr")))
    with pytest.raises(ControllerRefused, match="retime"):
        FixedTimeController(found, JUNCTION)


def test_a_lost_controller_answers_nothing_but_its_signals_go_on() -> None:
    controller = FixedTimeController(plan(), JUNCTION)
    controller.fault = Fault.LOST
    for question in (lambda: controller.apply(plan()), controller.read_plan, controller.report):
        with pytest.raises(ControllerLost, match="does not answer"):
            question()
    assert shown(controller, 21)[-1] == "yrrr"


def test_a_refusing_controller_keeps_its_plan() -> None:
    controller = FixedTimeController(plan(), JUNCTION)
    controller.fault = Fault.REFUSES
    with pytest.raises(XanhError, match="refuses"):
        controller.apply(plan(30, 20))
    assert controller.read_plan() == plan()


def test_an_altering_controller_runs_and_reports_something_else() -> None:
    controller = FixedTimeController(plan(), JUNCTION)
    controller.fault = Fault.ALTERS
    controller.apply(plan(30, 20))
    assert controller.read_plan() == plan(30, 20, offset_s=5)
