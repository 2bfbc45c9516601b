"""How road users really moved, second by second: who stands, and how fast the others go.

The simulator's speed is along the lane alone. One that it moves aside in a queue, at a metre a
second, has none there; for who watches the street he rides.
"""

from __future__ import annotations

import math
from dataclasses import replace

from simulation.states import MAX_JUMP_M, VehicleStates

STANDS_MPS = 0.3
STAYS_M = 1.5
"""One who came to a stand stands until he is so far from there: shifting about is no driving on.
What the rule on blocking allows one who stays."""


class Driven:
    """Tells the speeds of the ways that road users went."""

    def __init__(self) -> None:
        self._place_of: dict[int, list[float]] = {}
        self._stood_at: dict[int, list[float]] = {}

    def step(self, now: VehicleStates) -> VehicleStates:
        """Road users a second later, each with the speed of its way in it; 0 where it stands."""
        was, self._place_of = self._place_of, {}
        stood, self._stood_at = self._stood_at, {}
        speeds = now.speed_mps.copy()
        rows = zip(now.id.tolist(), now.x_m.tolist(), now.y_m.tolist(), strict=True)
        for row, (vehicle, *place) in enumerate(rows):
            before = was.get(vehicle, place)
            way_m = math.dist(place, before)
            # One who has just come has gone no way yet, a teleport is none.
            if vehicle in was and way_m <= MAX_JUMP_M:
                speeds[row] = way_m
            since = stood.get(vehicle, before if speeds[row] < STANDS_MPS else None)
            if since is not None and math.dist(place, since) < STAYS_M:
                self._stood_at[vehicle] = since
                speeds[row] = 0.0
            self._place_of[vehicle] = place
        return replace(now, speed_mps=speeds)
