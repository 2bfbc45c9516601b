"""A U-turn leads back beside one's own way, not along it."""

from __future__ import annotations

import pytest
from test_rules import a_story, riding, sighting

from detection import rules


@pytest.mark.parametrize(("beside_m", "flagged"), [(0.0, False), (4.0, True)])
def test_who_stands_far_off_and_seems_to_move_back_did_not_turn(beside_m, flagged):
    """He changed the lane on his way, stops 30 m on, and his boxes scatter along it by metres."""
    goes = [
        point._replace(centre=(min(3.0, point.depth_m / 3), point.depth_m))
        for point in riding(20.0, 11.0, 17)
    ]
    far_m, time_s = goes[-1].depth_m, goes[-1].time_s
    back = [
        sighting(time_s + (k + 1) / 6, far_m - 0.4 * k, x_m=3.0 + beside_m, speed_mps=1.5)
        for k in range(10)
    ]
    turned = [
        sighting(time_s + 1 / 6, far_m + 0.5, x_m=3.0 + beside_m / 2, speed_mps=6.0),
        *(point._replace(time_s=point.time_s + 1 / 6) for point in back),
    ]
    story = a_story([*goes, *turned], crossing_s=20.0)
    assert (rules.u_turn(story, rules.UTurnRule()) is not None) is flagged
