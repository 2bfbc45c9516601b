"""Who is waited for before a change ends: pure rules of ``simulation.red_extension``."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulation.red_extension import (
    OUT_IN_S,
    START_MPS2,
    UNDER_WAY_MPS,
    Inside,
    in_the_way,
    still_held,
)

CROSSING = {0: {1}, 1: {0}, 2: set[int]()}


def waited_for(vehicle: Inside, *, protected: int = 0, beginning: int = 1) -> bool:
    """Whether one vehicle alone on the junction is waited for."""
    return bool(in_the_way({"v": vehicle}, {protected}, {beginning}, CROSSING))


@pytest.mark.parametrize(
    ("speed_mps", "way_out_m", "waited"),
    [
        (0.0, 27.0, True),
        (1.0, 27.0, True),  # creeps: he needs 3.7 s, and was driven round
        (3.0, 27.0, True),
        (0.0, 14.0, False),  # gone before who starts at his line comes
        (2.0, 16.0, False),
        (4.0, 40.0, False),  # under way
    ],
)
def test_who_cannot_be_out_in_time_is_waited_for(
    speed_mps: float, way_out_m: float, waited: bool
) -> None:
    assert waited_for(Inside(0, speed_mps, way_out_m)) is waited


def test_who_gave_way_and_whom_nobody_crosses_is_not_waited_for() -> None:
    assert not waited_for(Inside(0, 0.0, 30.0), protected=1)
    assert not waited_for(Inside(0, 0.0, 30.0), beginning=2)
    assert not waited_for(Inside(2, 0.0, 30.0), protected=2)


@given(st.floats(0.0, 20.0), st.floats(0.0, 80.0))
def test_the_way_out_takes_as_long_as_it_takes(speed_mps: float, way_out_m: float) -> None:
    needed_s = Inside(0, speed_mps, way_out_m).out_in_s
    driven_m = speed_mps * needed_s + START_MPS2 * needed_s**2 / 2.0
    assert driven_m == pytest.approx(way_out_m, abs=1e-6)


def test_fifteen_metres_from_a_standstill_are_the_bound() -> None:
    assert Inside(0, 0.0, 15.0).out_in_s == pytest.approx(OUT_IN_S, abs=0.01)


def test_one_is_held_until_he_is_under_way_or_out() -> None:
    held = frozenset({"a", "b", "c"})
    inside = {"a": Inside(0, UNDER_WAY_MPS - 0.1, 20.0), "b": Inside(0, UNDER_WAY_MPS, 20.0)}
    assert still_held(held, inside) == {"a"}
