"""How road users really moved: by where they are, not by what the simulator says of the lane."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pytest

from simulation.driven import Driven
from simulation.states import VehicleStates


def speeds(places: Iterable[tuple[float, float]], said_mps: float = 0.0) -> Sequence[float]:
    driven = Driven()
    return [
        float(
            driven.step(
                VehicleStates.from_rows([(7, 0, x, y, 0.0, said_mps, 1.9, 0.7, 1.6)])
            ).speed_mps[0]
        )
        for x, y in places
    ]


def test_one_moved_aside_rides_whatever_the_simulator_says() -> None:
    places = [(1.2 * second, 0.0) for second in range(5)]
    assert speeds(places)[2:] == pytest.approx([1.2] * 3)


def test_one_who_shifts_about_stands_until_he_has_left() -> None:
    places = [(0.0, 9.0), (0.0, 5.0), (0.0, 2.0), (0.0, 2.1), (0.7, 2.1), (0.2, 2.1), (0.2, 4.9)]
    assert speeds(places, 4.0) == pytest.approx([4.0, 4.0, 3.0, 0.0, 0.0, 0.0, 2.8])


def test_a_teleport_is_no_way() -> None:
    assert speeds([(0.0, 0.0), (90.0, 0.0)], 3.0) == pytest.approx([3.0, 3.0])
