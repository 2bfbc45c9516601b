"""Commands on accounts: ``xanh user add|list|role|password|disable|enable|log``.

Heavy imports happen inside the commands, so that a wrong argument answers at once.
"""

from __future__ import annotations

import getpass
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from models.errors import BadInput
from traffic.commands.common import read_password, say

if TYPE_CHECKING:
    from traffic.auth import Accounts, Role

user_app = typer.Typer(help="Who may sign in, and what they may do.")

_Name = Annotated[str, typer.Argument(help="The name they sign in with.")]
_Data = Annotated[
    Path | None, typer.Option("--data", help="Store and evidence; default: XANH_DATA_DIR.")
]
_RoleName = Annotated[
    str, typer.Option("--role", help="viewer, operator, engineer, manager, officer or admin.")
]
_Ask = Annotated[bool, typer.Option("--ask", help="Ask for the password instead of making one up.")]


@user_app.callback()
def users() -> None:
    """Who may sign in, and what they may do."""


@user_app.command("add")
def add(name: _Name, role: _RoleName, ask: _Ask = False, data: _Data = None) -> None:
    """Let a person sign in; shows the password that was made up, once."""
    desk = _role(role)
    with _accounts(data) as accounts:
        password = _password(ask)
        accounts.create_user(name, password, desk, by=_who())
    say(f"added {name} ({desk})" + ("" if ask else f", password {password}"))


@user_app.command("list")
def list_users(data: _Data = None) -> None:
    """Everyone with an account: name, role, since when, and whether they are shut out."""
    with _accounts(data) as accounts:
        found = accounts.accounts()
    if not found:
        say("nobody yet; valid is xanh user add NAME --role ROLE")
    for account in found:
        state = "disabled" if account.disabled else "active"
        user = account.user
        say(f"{user.name:20} {user.role:10} {state:10} since {account.created:%Y-%m-%d %H:%M} UTC")


@user_app.command("role")
def set_role(name: _Name, role: _RoleName, data: _Data = None) -> None:
    """Give a person another role; whoever is signed in signs in again."""
    desk = _role(role)
    with _accounts(data) as accounts:
        accounts.set_role(name, desk, by=_who())
    say(f"{name} is {desk} now")


@user_app.command("password")
def set_password(name: _Name, ask: _Ask = False, data: _Data = None) -> None:
    """Give a person another password; shows the one that was made up, once."""
    with _accounts(data) as accounts:
        password = _password(ask)
        accounts.set_password(name, password, by=_who())
    say(f"changed {name}" + ("" if ask else f", password {password}"))


@user_app.command("disable")
def disable(name: _Name, data: _Data = None) -> None:
    """Shut a person out, at once; what they did stays on record."""
    with _accounts(data) as accounts:
        accounts.disable(name, by=_who())
    say(f"{name} cannot sign in any more")


@user_app.command("enable")
def enable(name: _Name, data: _Data = None) -> None:
    """Let a person in again who was shut out, with the role and password of before."""
    with _accounts(data) as accounts:
        accounts.enable(name, by=_who())
    say(f"{name} can sign in again")


@user_app.command("log")
def log(data: _Data = None) -> None:
    """What was done to accounts, when and by whom."""
    with _accounts(data) as accounts:
        for event in accounts.history():
            at = f"{event.at:%Y-%m-%d %H:%M:%S} UTC"
            say(f"{at}  {event.by:24} {event.action:9} {event.name} ({event.role})")


@contextmanager
def _accounts(data: Path | None) -> Iterator[Accounts]:
    from traffic.auth import Accounts
    from traffic.clock import SystemClock
    from traffic.service import open_store
    from traffic.settings import load_settings

    store = open_store(load_settings(), data)
    try:
        yield Accounts(store, SystemClock())
    finally:
        store.close()


def _role(name: str) -> Role:
    from traffic.auth import Role

    try:
        return Role(name)
    except ValueError:
        raise BadInput("--role", name, f"valid is {', '.join(Role)}") from None


def _password(ask: bool) -> str:
    return read_password("new password: ") if ask else secrets.token_urlsafe(12)


def _who() -> str:
    """The person at this machine: whoever can write the data folder may do this."""
    return f"{getpass.getuser()}@{socket.gethostname()}"
