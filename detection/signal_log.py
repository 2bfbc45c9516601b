"""A signal controller's log as a CSV file: ``time,signal,state``.

``time`` is seconds from the clip's start, or ISO 8601 with a zone; ``state`` is red, yellow,
green, flashing_yellow, dark or unknown, and holds until the signal's next row.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from datetime import datetime
from pathlib import Path
from typing import Final

from models.csv_table import table
from models.errors import BadInput
from models.signals import SignalChange, SignalState, SignalTimeline
from models.units import parse_utc

COLUMNS: Final = ("time", "signal", "state")
STALE_S: Final = 300.0
"""No head shows one state for so long while traffic runs: a log that ended before is over."""


def read_signal_log(path: Path, start: datetime | None = None) -> dict[str, SignalTimeline]:
    """The timeline of each signal in the file.

    Args:
        path: The CSV file.
        start: The moment of the clip's first frame; needed when times are ISO.

    Raises:
        BadInput: Naming file, line and column.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise BadInput(str(path), "", f"cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise BadInput(str(path), "", "not a text file in UTF-8") from None
    return parse_signal_log(text, str(path), start)


def parse_signal_log(
    text: str, source: str, start: datetime | None = None
) -> dict[str, SignalTimeline]:
    """As :func:`read_signal_log`, from text.

    Raises:
        BadInput: Naming ``source``, line and column.
    """
    changes: dict[str, list[SignalChange]] = {}
    for where, row in table(text, source, COLUMNS):
        time_s = _time(row["time"], where, start)
        signal = (row["signal"] or "").strip()
        if not signal:
            raise BadInput(where, "signal", "value is absent")
        try:
            state = SignalState((row["state"] or "").strip())
        except ValueError:
            valid = ", ".join(item.value for item in SignalState)
            raise BadInput(where, "state", f"{row['state']!r}; valid are {valid}") from None
        known = changes.setdefault(signal, [])
        if known and known[-1].time_s > time_s:
            raise BadInput(where, "time", "before the signal's last row; valid is ascending time")
        known.append(SignalChange(time_s, state))
    if not changes:
        raise BadInput(source, "time", "the file has no rows; valid is at least one")
    return {signal: SignalTimeline(tuple(items)) for signal, items in changes.items()}


def timeline_for(
    timelines: Mapping[str, SignalTimeline], names: Collection[str], source: str
) -> SignalTimeline:
    """The timeline that rules a camera: the only one, or that with one of the camera's names.

    Args:
        timelines: Output of :func:`read_signal_log`.
        names: Ids under which the camera's signal may be logged, the most particular first.
        source: The file, for the error.

    Raises:
        BadInput: If several signals are logged and none has such a name, or the log is of another
            time: its last state would hold for the whole clip.
    """
    ours = next((timelines[name] for name in names if name in timelines), None)
    if ours is None and len(timelines) == 1:
        ours = next(iter(timelines.values()))
    if ours is None:
        raise BadInput(source, "signal", f"none of {', '.join(names)} is logged there")
    over_s = -ours.changes[-1].time_s
    if over_s > STALE_S:
        raise BadInput(
            source, "time",
            f"the log ends {over_s:.0f} s before the clip begins; valid is one of the clip's own "
            "time (is the zone of --start right?)",
        )  # fmt: skip
    return ours


def _time(text: str | None, where: str, start: datetime | None) -> float:
    value = (text or "").strip()
    try:
        number = float(value)
    except ValueError:
        try:
            moment = parse_utc(value)
        except ValueError:
            raise BadInput(
                where, "time", f"{value!r}; valid is seconds or ISO 8601 with a zone"
            ) from None
        if start is None:
            raise BadInput(
                where, "time", "ISO times need the clip's own start time (--start)"
            ) from None
        return (moment - start).total_seconds()
    if not math.isfinite(number):
        raise BadInput(where, "time", f"{value!r}; valid is a finite number of seconds")
    return number
