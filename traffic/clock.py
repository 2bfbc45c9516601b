"""The present, as a port: services take a ``models.control.Clock`` so that tests can set it."""

from __future__ import annotations

from datetime import UTC, datetime


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The present, timezone-aware UTC."""
        return datetime.now(UTC)
