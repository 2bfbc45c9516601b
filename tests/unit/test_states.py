from __future__ import annotations

import numpy as np
import pytest

from simulation.states import VehicleStates, interpolate


def _row(number: int, x: float, y: float, heading: float = 0.0, speed: float = 10.0):
    return (number, 0, x, y, heading, speed, 1.8, 0.7, 1.6)


def test_a_road_user_is_halfway_at_half_time() -> None:
    before = VehicleStates.from_rows([_row(7, 0, 0), _row(3, 5, 5)])
    after = VehicleStates.from_rows([_row(3, 5, 9), _row(7, 2, 10)])
    half = interpolate(before, after, 0.5)
    assert half.id.tolist() == [3, 7]
    assert half.x_m.tolist() == [5, 1]
    assert half.y_m.tolist() == [7, 5]


def test_headings_turn_the_short_way_over_north() -> None:
    before = VehicleStates.from_rows([_row(1, 0, 0, np.radians(350))])
    after = VehicleStates.from_rows([_row(1, 0, 1, np.radians(10))])
    heading = interpolate(before, after, 0.5).heading_rad[0]
    assert np.sin(heading) == pytest.approx(0, abs=1e-9)
    assert np.cos(heading) == pytest.approx(1)


def test_who_just_entered_comes_along_its_heading_and_who_left_is_gone() -> None:
    before = VehicleStates.from_rows([_row(1, 0, 0)])
    after = VehicleStates.from_rows([_row(2, 10, 50, np.pi / 2, speed=8)])
    quarter = interpolate(before, after, 0.25)
    assert quarter.id.tolist() == [2]
    assert quarter.x_m[0] == pytest.approx(10 - 8 * 0.75)
    assert quarter.y_m[0] == pytest.approx(50)


def test_a_teleport_is_not_driven() -> None:
    before = VehicleStates.from_rows([_row(1, 0, 0)])
    after = VehicleStates.from_rows([_row(1, 300, 0)])
    assert interpolate(before, after, 0.5).x_m[0] == 300


def test_at_the_ends_it_is_the_states_themselves() -> None:
    before = VehicleStates.from_rows([_row(1, 0, 0)])
    after = VehicleStates.from_rows([_row(1, 4, 3)])
    assert interpolate(before, after, 0.0).x_m[0] == 0
    assert interpolate(before, after, 1.0).y_m[0] == 3
    assert len(interpolate(before, VehicleStates.empty(), 0.5)) == 0
    assert interpolate(VehicleStates.empty(), after, 1.0).x_m[0] == 4


def test_ragged_arrays_and_unknown_classes_are_refused() -> None:
    states = VehicleStates.from_rows([_row(1, 0, 0)])
    with pytest.raises(ValueError, match="shape"):
        VehicleStates(states.id, *(np.zeros(2) for _ in range(8)))
    with pytest.raises(ValueError, match="vehicle_class"):
        VehicleStates.from_rows([(1, 9, 0, 0, 0, 0, 1, 1, 1)])


def test_near_selects_by_distance() -> None:
    states = VehicleStates.from_rows([_row(1, 0, 0), _row(2, 30, 0)])
    assert states.near(1, 0, 5).id.tolist() == [1]
