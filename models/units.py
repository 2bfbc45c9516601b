"""Durations of a plan are integer deciseconds: exact sums, solver integers, stable digests."""

from __future__ import annotations

from datetime import UTC, datetime


def seconds_to_ds(seconds: float) -> int:
    """Seconds to deciseconds.

    Raises:
        ValueError: If the value is not a whole number of deciseconds.
    """
    ds = round(seconds * 10)
    if abs(seconds * 10 - ds) > 1e-6:
        raise ValueError(f"{seconds} s is not a multiple of 0.1 s")
    return ds


def ds_to_seconds(ds: int) -> float:
    """Deciseconds to seconds, whole seconds as integers when written to a file."""
    return ds // 10 if ds % 10 == 0 else ds / 10


def utc_text(moment: datetime) -> str:
    """ISO 8601 in UTC with a ``Z``; milliseconds only when there are any.

    Raises:
        ValueError: If the moment carries no time zone.
    """
    if moment.tzinfo is None:
        raise ValueError("a time without a time zone")
    spec = "milliseconds" if moment.microsecond else "seconds"
    return moment.astimezone(UTC).isoformat(timespec=spec).replace("+00:00", "Z")


def parse_utc(text: str) -> datetime:
    """Read an ISO 8601 time that carries a zone.

    Raises:
        ValueError: If it is not ISO 8601 or has no zone.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone; write 2026-11-22T07:00:00Z")
    return moment.astimezone(UTC)
