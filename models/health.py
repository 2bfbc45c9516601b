"""What goes wrong with a camera: events with a start and an end, and their file form."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from models.units import utc_text

COLUMNS = ("kind", "start", "end", "detail")


class HealthKind(StrEnum):
    """What can be wrong."""

    GAP = "gap"
    """Nothing came from the camera."""
    TRUNCATED = "truncated"
    """The file breaks off before its end."""
    CLOCK_JUMP = "clock_jump"
    """The source's clock was set, forwards or back."""
    FROZEN = "frozen"
    """The same picture again and again."""
    BLANK = "blank"
    """Black, or of one colour."""
    SIZE_CHANGED = "size_changed"
    """The picture has another size than the camera was set up with."""
    MOVED = "moved"
    """The camera looks elsewhere than its calibration was made for."""


@dataclass(frozen=True, slots=True)
class HealthEvent:
    """Something was wrong from ``start_s`` to ``end_s`` of the source's clock.

    ``end_s`` is None while it lasts. ``detail`` says more, in English, for logs and files.
    """

    kind: HealthKind
    start_s: float
    end_s: float | None
    detail: str = ""

    def __post_init__(self) -> None:
        if self.end_s is not None and self.end_s < self.start_s:
            raise ValueError("an event must not end before it starts")


def health_to_csv(events: Iterable[HealthEvent], start: datetime | None = None) -> str:
    """The text of ``health.csv``, in order of time.

    Times are ISO 8601 UTC where the source's clock is known (``start`` is its 0), else seconds
    from its start; ``end`` is empty while an event lasts.
    """

    def moment(time_s: float | None) -> str:
        if time_s is None:
            return ""
        if start is None:
            return f"{time_s:.3f}"
        return utc_text(start + timedelta(milliseconds=round(time_s * 1000)))

    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for event in sorted(events, key=lambda item: (item.start_s, item.kind)):
        writer.writerow((event.kind, moment(event.start_s), moment(event.end_s), event.detail))
    return out.getvalue()
