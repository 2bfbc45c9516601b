"""Plans: exact sums, canonical form, files."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from models.plan import (
    JunctionPlan,
    Plan,
    SignalRow,
    Stage,
    junction_plan_from_dict,
    junction_plan_to_dict,
    plan_from_dicts,
    plan_header,
)

NOW = datetime(2026, 11, 22, 7, tzinfo=UTC)


def corridor_plan() -> JunctionPlan:
    return JunctionPlan(
        junction="C1",
        cycle_ds=900,
        offset_ds=120,
        stages=(
            Stage("main", ("C1:a>b", ":C1_c0"), 500, 30, 20),
            Stage("cross", ("C1:x>y", "C1:x>b"), 300, 30, 20, permissive=("C1:x>b",)),
        ),
    )


def test_cycle_must_be_the_sum_of_the_stages() -> None:
    with pytest.raises(ValueError, match=r"cycle_s is 91 but the stages add up to 90"):
        replace(corridor_plan(), cycle_ds=910)


def test_offset_lies_within_the_cycle() -> None:
    with pytest.raises(ValueError, match="offset_s must be from 0 to below the cycle of 90"):
        replace(corridor_plan(), offset_ds=900)


def test_digest_is_of_the_timing_not_of_the_author() -> None:
    plan = Plan("hue", (corridor_plan(),), NOW, "an")
    same = Plan("hue", (corridor_plan(),), NOW.replace(year=2027), "binh")
    other = Plan("hue", (replace(corridor_plan(), offset_ds=130),), NOW, "an")
    assert plan.digest == same.digest
    assert plan.digest != other.digest


def test_order_of_ids_in_a_stage_does_not_change_the_digest() -> None:
    stage = corridor_plan().stages[0]
    turned = replace(
        corridor_plan(), stages=(replace(stage, green=stage.green[::-1]), corridor_plan().stages[1])
    )
    assert (
        Plan("hue", (turned,), NOW, "an").digest
        == Plan("hue", (corridor_plan(),), NOW, "an").digest
    )


def test_a_plan_survives_its_file_form() -> None:
    plan = Plan("hue", (corridor_plan(),), NOW, "an")
    documents = [junction_plan_to_dict(item) for item in plan.junctions]
    assert plan_from_dicts(plan_header(plan), documents) == plan


def test_as_found_rows_survive_too() -> None:
    found = JunctionPlan("C1", 900, 0, (), (SignalRow(600, "GGr"), SignalRow(300, "rrG")))
    assert junction_plan_from_dict(junction_plan_to_dict(found)) == found


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cycle_s": "ninety"}, r"junction C1: cycle_s must be a number of seconds, not 'ninety'"),
        ({"cycle_s": -3}, "cycle_s must be from 0 to 86400"),
        ({"offset_s": 0.05}, "offset_s: 0.05 s is not a multiple of 0.1 s"),
        ({"stages": 4}, "stages must be a list"),
        ({"junction": None}, "junction is missing"),
    ],
)
def test_a_wrong_field_is_named(change: dict[str, object], message: str) -> None:
    document = junction_plan_to_dict(corridor_plan()) | change
    with pytest.raises(ValueError, match=message):
        junction_plan_from_dict(document)
