"""How moments and amounts read on a page."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from traffic.web.i18n import Words

# Vietnam keeps one zone all year.
LOCAL = timezone(timedelta(hours=7), "ICT")


def local_time(moment: datetime, *, seconds: bool = False) -> str:
    """A moment in Vietnam time, ``2026-11-22 07:15``."""
    return moment.astimezone(LOCAL).strftime("%Y-%m-%d %H:%M:%S" if seconds else "%Y-%m-%d %H:%M")


def time_left(deadline: datetime, now: datetime, t: Words) -> str:
    """Time until a deadline, or since it, in days and hours."""
    left = deadline - now
    overdue = left < timedelta()
    hours = int(abs(left).total_seconds() // 3600)
    key = "case.overdue" if overdue else "case.left"
    return t(key, days=hours // 24, hours=hours % 24)


def dong(amount: int) -> str:
    """An amount in dong with thin groups: ``4 000 000``."""
    return f"{amount:,}".replace(",", " ")
