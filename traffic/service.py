"""The service of one site put together: store, accounts, plans, cases and the live state."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from models.control import Clock
from models.site import Site
from traffic.api.services import Services
from traffic.auth import Accounts, create_first_users
from traffic.cases import CaseService
from traffic.clock import SystemClock
from traffic.controllers.street import FieldLink, StreetController
from traffic.law import load_law
from traffic.lifecycle import PlanService
from traffic.live import LiveState
from traffic.settings import Settings
from traffic.signing import SigningKey
from traffic.store import Store


def open_store(settings: Settings, data: Path | None) -> Store:
    """The store of the settings, or the one in folder ``data``.

    Raises:
        BadInput: If the database's URL is wrong.
        XanhError: If it cannot be opened.
    """
    if data is not None:
        return Store.at(data)
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    return Store(settings.store_url, settings.evidence_path)


def open_services(
    site: Site,
    settings: Settings,
    *,
    data: Path | None = None,
    link: FieldLink | None = None,
    clock: Clock | None = None,
) -> Services:
    """Open everything that a site's service needs.

    Args:
        site: The site.
        settings: The installation's settings.
        data: Folder of store and evidence instead of the settings' one.
        link: Connection to the field; None serves without controllers.
        clock: The present; the machine's clock by default.

    Raises:
        BadInput: If the law file, the signing key or the database's URL is wrong.
        XanhError: If the store cannot be opened.
    """
    present = clock or SystemClock()
    store = open_store(settings, data)
    controllers = (
        []
        if link is None
        else [
            StreetController(site.id, junction, link, store, present)
            for junction in site.junctions.values()
        ]
    )
    return Services(
        site=site,
        store=store,
        plans=PlanService(store, site, controllers, present),
        cases=CaseService(store, load_law(settings.law_file), present),
        auth=Accounts(
            store,
            present,
            session_hours=settings.session_hours,
            attempts=settings.sign_in_attempts,
            window_s=settings.sign_in_window_s,
        ),
        live=LiveState(),
        settings=settings,
        clock=present,
        signing=SigningKey.at(data or settings.data_dir),
    )


def announce_users(services: Services, say: Callable[[str], None]) -> None:
    """Create the first users where there are none and tell their passwords, once."""
    for name, password in create_first_users(services.auth).items():
        say(f"user {name:10} password {password}")
