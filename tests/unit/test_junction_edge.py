"""Who stands at the edge of the junction on red: the truth is clear well inside and outside."""

from __future__ import annotations

import numpy as np
import pytest
from test_offences import GREEN, RED, kinds, line_of, live, site

from models.camera import AreaKind
from models.violation import ViolationKind as Kind

__all__ = ["site"]


@pytest.mark.parametrize(
    ("inside_m", "told"),
    [(-1.5, []), (-0.5, [(Kind.BLOCKING, False)]), (0.5, [(Kind.BLOCKING, False)]),
     (1.5, [(Kind.BLOCKING, True)])],
)  # fmt: skip
def test_who_stands_at_the_edge_of_the_junction_is_unclear_on_either_side(site, inside_m, told):
    line = line_of(site, "C2-c1")
    (box,) = (a for a in site.camera("C2-c1").view.road.areas if a.kind is AreaKind.BOX)
    depths = (np.array(box.outline) - (line.x_m, line.y_m)) @ (line.inward_x, line.inward_y)
    stands_m = float(np.sort(depths)[:2].mean()) + inside_m + 0.95  # the middle of a rider

    def front(t: float) -> float:
        return min(4.0 * (t - 3), stands_m) if t < 20 else stands_m + 6 * (t - 20)

    found = live(site, "C2-c1", front, 26, shown=lambda t: GREEN if t < 5 else RED)
    assert [item for item in kinds(found) if item[0] is Kind.BLOCKING] == told
