"""Charts drawn one above the other can be compared."""

from __future__ import annotations

import re

from simulation.charts import Row, rows


def _zero_px(drawn: str) -> str:
    found = re.search(r'<line class="zero" x1="([\d.]+)"', drawn)
    assert found is not None
    return found.group(1)


def test_charts_read_beside_each_other_have_one_scale():
    narrow = [Row("delay", -3.0, note="10 → 7 s")]
    wide = [Row("travel time along", -80.0, -90.0, 40.0, note="386 → 241 s")]
    alone = [rows("one", "%", data, width=600, top=0)[0] for data in (narrow, wide)]
    assert _zero_px(alone[0]) != _zero_px(alone[1])
    together = [
        rows("one", "%", data, width=600, top=0, beside=[*narrow, *wide])[0]
        for data in (narrow, wide)
    ]
    assert _zero_px(together[0]) == _zero_px(together[1])
