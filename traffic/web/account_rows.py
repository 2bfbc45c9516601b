"""Accounts and their history, as who runs the system reads them."""

from __future__ import annotations

from collections.abc import Sequence

from traffic.auth import Account, UserEvent
from traffic.web.i18n import Words
from traffic.web.text import local_time

_SHOWN = 50


def account_rows(accounts: Sequence[Account], t: Words) -> list[dict[str, str]]:
    """Everyone with an account."""
    return [
        {
            "name": account.user.name,
            "role": t("role." + account.user.role.value),
            "state": t("user.disabled" if account.disabled else "user.active"),
            "since": local_time(account.created),
        }
        for account in accounts
    ]


def account_events(events: Sequence[UserEvent], t: Words) -> list[dict[str, str]]:
    """What was done to accounts lately, the newest first."""
    return [
        {
            "when": local_time(event.at, seconds=True),
            "by": event.by,
            "what": t("user.action." + event.action.value),
            "name": event.name,
            "role": t("role." + event.role.value),
        }
        for event in reversed(events[-_SHOWN:])
    ]
