"""Who may do what: users with argon2 passwords, roles as permissions, sessions by token."""

from __future__ import annotations

import hashlib
import re
import secrets
import threading
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import Connection, select

from models.control import Clock
from models.errors import BadInput, XanhError
from traffic import schema
from traffic.store import Store

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{1,63}")
MIN_PASSWORD = 12
_MANY_FAILURES = 1000


class Permission(StrEnum):
    """What a person may do."""

    VIEW_STREET = "view_street"
    OPERATE = "operate"
    PROPOSE = "propose"
    APPROVE = "approve"
    VIEW_CASES = "view_cases"
    REVIEW_CASES = "review_cases"
    MANAGE_USERS = "manage_users"


class Role(StrEnum):
    """A desk: the ladder of the transport department, the police, and who runs the system."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ENGINEER = "engineer"
    MANAGER = "manager"
    OFFICER = "officer"
    ADMIN = "admin"


_VIEWER = frozenset({Permission.VIEW_STREET})
_OPERATOR = _VIEWER | {Permission.OPERATE}
_ENGINEER = _OPERATOR | {Permission.PROPOSE}
_MANAGER = _ENGINEER | {Permission.APPROVE}

# Cases hold personal data: only the police see them, and who runs the system does not.
PERMISSIONS: Mapping[Role, frozenset[Permission]] = {
    Role.VIEWER: _VIEWER,
    Role.OPERATOR: _OPERATOR,
    Role.ENGINEER: _ENGINEER,
    Role.MANAGER: _MANAGER,
    Role.OFFICER: _VIEWER | {Permission.VIEW_CASES, Permission.REVIEW_CASES},
    Role.ADMIN: _VIEWER | {Permission.MANAGE_USERS},
}
FIRST_USERS: Mapping[str, Role] = {
    "operator": Role.OPERATOR,
    "engineer": Role.ENGINEER,
    "manager": Role.MANAGER,
    "officer": Role.OFFICER,
    "officer2": Role.OFFICER,
}


class SignInRefused(XanhError):
    """A sign-in failed, or must wait; the message never says which part was wrong."""


class Forbidden(XanhError):
    """A person lacks a permission."""


@dataclass(frozen=True, slots=True)
class User:
    """A person who is signed in."""

    name: str
    role: Role

    def may(self, permission: Permission) -> bool:
        """Whether this person has a permission."""
        return permission in PERMISSIONS[self.role]

    def require(self, permission: Permission) -> None:
        """Check a permission.

        Raises:
            Forbidden: If this person lacks it.
        """
        if not self.may(permission):
            raise Forbidden(f"{self.name} ({self.role}) may not {permission.replace('_', ' ')}")


class UserAction(StrEnum):
    """What was done to an account."""

    ADDED = "added"
    ROLE = "role"
    PASSWORD = "password"
    DISABLED = "disabled"
    ENABLED = "enabled"


@dataclass(frozen=True, slots=True)
class Account:
    """A user as who runs the system sees it: shut out or not, and since when it exists."""

    user: User
    disabled: bool
    created: datetime


@dataclass(frozen=True, slots=True)
class UserEvent:
    """A line of the accounts' history. ``role`` is the one that held afterwards."""

    name: str
    at: datetime
    by: str
    action: UserAction
    role: Role


@dataclass(frozen=True, slots=True)
class Session:
    """A signed-in session: the token goes to the person once and is stored as a hash only."""

    token: str
    user: User
    expires: datetime

    @property
    def csrf(self) -> str:
        """Token for forms of this session (``csrf_token``)."""
        return csrf_token(self.token)


def csrf_token(token: str) -> str:
    """A form token that only the holder of the session's token can know."""
    return hashlib.sha256(b"xanh csrf " + token.encode()).hexdigest()


class Accounts:
    """Users and sessions of a store."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        *,
        session_hours: float = 12.0,
        attempts: int = 5,
        window_s: float = 300.0,
        hasher: PasswordHasher | None = None,
    ) -> None:
        """Open the accounts.

        Args:
            store: Where they are kept.
            clock: The present.
            session_hours: Life of a session.
            attempts: Failed sign-ins per name, or per address, before it must wait.
            window_s: How long a failed sign-in counts.
            hasher: Password hashing; argon2id with the library's defaults when absent.
        """
        self._store = store
        self._clock = clock
        self._life = timedelta(hours=session_hours)
        self._attempts = attempts
        self._window = timedelta(seconds=window_s)
        self._hasher = hasher or PasswordHasher()
        # An unknown name costs as much time as a known one.
        self._nobody = self._hasher.hash(secrets.token_urlsafe(16))
        self._failures: dict[str, list[datetime]] = defaultdict(list)
        self._guard = threading.Lock()

    def create_user(self, name: str, password: str, role: Role, *, by: str = "setup") -> User:
        """Create a user; ``by`` is who does it, for the history.

        Raises:
            BadInput: If the name or password is not acceptable, or the name is taken.
        """
        if not _NAME.fullmatch(name):
            raise BadInput("user", "name", f"{name!r}; valid is 2 to 64 of a-z 0-9 . _ -")
        hashed = self._hashed(password)
        with self._store.write() as connection:
            if _find(connection, name) is not None:
                raise BadInput("user", "name", f"{name!r} is taken; valid is another name")
            connection.execute(
                schema.users.insert().values(
                    name=name,
                    role=role.value,
                    password_hash=hashed,
                    disabled=False,
                    created=self._clock.now(),
                )
            )
            self._record(connection, name, by, UserAction.ADDED, role)
        return User(name, role)

    def users(self) -> tuple[User, ...]:
        """Everyone who may sign in, by name."""
        return tuple(account.user for account in self.accounts() if not account.disabled)

    def accounts(self) -> tuple[Account, ...]:
        """Everyone there ever was, by name."""
        query = select(schema.users).order_by(schema.users.c.name)
        with self._store.read() as connection:
            return tuple(
                Account(User(row.name, Role(row.role)), row.disabled, row.created)
                for row in connection.execute(query)
            )

    def history(self) -> tuple[UserEvent, ...]:
        """What was done to accounts, oldest first; append-only."""
        query = select(schema.user_events).order_by(schema.user_events.c.id)
        with self._store.read() as connection:
            return tuple(
                UserEvent(row.name, row.at, row.by, UserAction(row.action), Role(row.role))
                for row in connection.execute(query)
            )

    def disable(self, name: str, *, by: str = "setup") -> None:
        """Take a user's access away, at once; what they did stays on record.

        Raises:
            BadInput: If there is no such user.
        """
        self._change(name, by, UserAction.DISABLED, {"disabled": True})

    def enable(self, name: str, *, by: str = "setup") -> None:
        """Give a user's access back.

        Raises:
            BadInput: If there is no such user.
        """
        self._change(name, by, UserAction.ENABLED, {"disabled": False})

    def set_password(self, name: str, password: str, *, by: str = "setup") -> None:
        """Give a user another password; whoever is signed in under the name is signed out.

        Raises:
            BadInput: If there is no such user or the password is not acceptable.
        """
        hashed = self._hashed(password)
        self._change(name, by, UserAction.PASSWORD, {"password_hash": hashed})

    def set_role(self, name: str, role: Role, *, by: str = "setup") -> None:
        """Give a user another desk; who is signed in must sign in again.

        Raises:
            BadInput: If there is no such user.
        """
        self._change(name, by, UserAction.ROLE, {"role": role.value})

    def _hashed(self, password: str) -> str:
        if len(password) < MIN_PASSWORD:
            raise BadInput("user", "password", f"valid is {MIN_PASSWORD} characters or more")
        return self._hasher.hash(password)

    def _change(
        self, name: str, by: str, action: UserAction, values: Mapping[str, str | bool]
    ) -> None:
        """Change an account, end its sessions and write it down: all or nothing."""
        with self._store.write() as connection:
            if _find(connection, name) is None:
                known = connection.execute(select(schema.users.c.name)).scalars()
                valid = ", ".join(sorted(known)) or "none yet: xanh user add"
                raise BadInput("user", "name", f"{name!r}; valid is {valid}")
            connection.execute(
                schema.users.update().where(schema.users.c.name == name).values(**values)
            )
            connection.execute(schema.sessions.delete().where(schema.sessions.c.user == name))
            role = Role(str(_find(connection, name)))
            self._record(connection, name, by, action, role)

    def _record(
        self, connection: Connection, name: str, by: str, action: UserAction, role: Role
    ) -> None:
        connection.execute(
            schema.user_events.insert().values(
                name=name, at=self._clock.now(), by=by[:64], action=action.value, role=role.value
            )
        )

    def sign_in(self, name: str, password: str, address: str = "") -> Session:
        """Open a session.

        Args:
            name: User name; case and spaces around it do not matter.
            password: The password.
            address: Where the request came from, for throttling; empty when unknown.

        Raises:
            SignInRefused: If name or password is wrong, or there were too many attempts.
        """
        name = name.strip().casefold()
        now = self._clock.now()
        self._throttle(name, address, now)
        with self._store.read() as connection:
            row = connection.execute(
                select(schema.users).where(
                    schema.users.c.name == name, schema.users.c.disabled.is_(False)
                )
            ).first()
        try:
            self._hasher.verify(self._nobody if row is None else row.password_hash, password)
        except (VerificationError, InvalidHashError):
            row = None
        if row is None:
            with self._guard:
                for key in _keys(name, address):
                    self._failures[key].append(now)
                self._forget(now)
            raise SignInRefused("the name or the password is wrong")
        with self._guard:
            self._failures.pop(f"name {name}", None)
        return self._open(User(row.name, Role(row.role)), now)

    def _open(self, user: User, now: datetime) -> Session:
        token = secrets.token_urlsafe(32)
        expires = now + self._life
        with self._store.write() as connection:
            connection.execute(schema.sessions.delete().where(schema.sessions.c.expires <= now))
            connection.execute(
                schema.sessions.insert().values(
                    token_sha256=_sha256(token), user=user.name, created=now, expires=expires
                )
            )
        return Session(token, user, expires)

    def session(self, token: str) -> Session | None:
        """The session of a token; None when it is unknown, has expired or was ended."""
        query = (
            select(schema.users.c.name, schema.users.c.role, schema.sessions.c.expires)
            .join(schema.users, schema.users.c.name == schema.sessions.c.user)
            .where(
                schema.sessions.c.token_sha256 == _sha256(token),
                schema.sessions.c.expires > self._clock.now(),
                schema.users.c.disabled.is_(False),
            )
        )
        with self._store.read() as connection:
            row = connection.execute(query).first()
        return None if row is None else Session(token, User(row.name, Role(row.role)), row.expires)

    def sign_out(self, token: str) -> None:
        """End a session; ending one that is over does nothing."""
        with self._store.write() as connection:
            connection.execute(
                schema.sessions.delete().where(schema.sessions.c.token_sha256 == _sha256(token))
            )

    def _forget(self, now: datetime) -> None:
        """Drop what no longer counts once there is much of it: names may be made up."""
        if len(self._failures) <= _MANY_FAILURES:
            return
        for key in [k for k, at in self._failures.items() if now - at[-1] >= self._window]:
            del self._failures[key]

    def _throttle(self, name: str, address: str, now: datetime) -> None:
        with self._guard:
            for key in _keys(name, address):
                recent = [at for at in self._failures.get(key, ()) if now - at < self._window]
                if recent:
                    self._failures[key] = recent
                else:
                    self._failures.pop(key, None)
                if len(recent) >= self._attempts:
                    wait_s = (recent[0] + self._window - now).total_seconds()
                    raise SignInRefused(
                        f"too many failed sign-ins; try again in {max(1, round(wait_s))} s"
                    )


def create_first_users(accounts: Accounts) -> dict[str, str]:
    """Create one user of each desk where there is nobody yet.

    Returns:
        The generated password of each user created now, by name: shown once, kept nowhere.
    """
    if accounts.accounts():
        return {}
    created = {name: secrets.token_urlsafe(12) for name in FIRST_USERS}
    for name, role in FIRST_USERS.items():
        accounts.create_user(name, created[name], role)
    return created


def _find(connection: Connection, name: str) -> str | None:
    """Role of a user; None if there is no such."""
    table = schema.users
    role: str | None = connection.execute(
        select(table.c.role).where(table.c.name == name)
    ).scalar_one_or_none()
    return role


def _keys(name: str, address: str) -> tuple[str, ...]:
    return (f"name {name}", f"address {address}") if address else (f"name {name}",)


def _sha256(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
