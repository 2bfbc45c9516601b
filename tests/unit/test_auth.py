"""Accounts: passwords, sessions, throttling and who may do what."""

from __future__ import annotations

from itertools import pairwise

import pytest
from argon2 import PasswordHasher
from plan_fakes import SetClock
from sqlalchemy import text

from models.errors import BadInput
from traffic.auth import (
    FIRST_USERS,
    PERMISSIONS,
    Accounts,
    Forbidden,
    Permission,
    Role,
    SignInRefused,
    create_first_users,
)
from traffic.store import Store

PASSWORD = "correct horse battery"
# The cheapest argon2 that the library accepts: what is tested here is not its cost.
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


@pytest.fixture
def store(tmp_path):
    opened = Store.at(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def clock():
    return SetClock()


@pytest.fixture
def accounts(store, clock):
    opened = Accounts(store, clock, attempts=3, window_s=60, session_hours=1, hasher=CHEAP)
    opened.create_user("ann", PASSWORD, Role.ENGINEER)
    return opened


def test_sign_in_and_out(accounts):
    session = accounts.sign_in(" Ann", PASSWORD)
    assert session.user.role is Role.ENGINEER
    assert accounts.session(session.token) == session
    assert len(session.csrf) == 64
    accounts.sign_out(session.token)
    assert accounts.session(session.token) is None


def test_a_session_expires(accounts, clock):
    session = accounts.sign_in("ann", PASSWORD)
    clock.pass_s(3599)
    assert accounts.session(session.token) is not None
    clock.pass_s(1)
    assert accounts.session(session.token) is None


def test_neither_passwords_nor_tokens_are_stored(accounts, store):
    session = accounts.sign_in("ann", PASSWORD)
    with store.read() as connection:
        rows = [*connection.execute(text("SELECT * FROM users"))]
        rows += connection.execute(text("SELECT * FROM sessions"))
    assert "$argon2id$" in str(rows)
    assert PASSWORD not in str(rows)
    assert session.token not in str(rows)


def test_a_wrong_name_and_a_wrong_password_look_the_same(accounts):
    messages = set()
    for name, password in (("ann", "wrong"), ("bob", PASSWORD), ("", "")):
        with pytest.raises(SignInRefused) as error:
            accounts.sign_in(name, password)
        messages.add(str(error.value))
    assert messages == {"the name or the password is wrong"}


def test_too_many_failures_must_wait_even_with_the_right_password(accounts, clock):
    for _ in range(3):
        with pytest.raises(SignInRefused, match="is wrong"):
            accounts.sign_in("ann", "wrong")
    with pytest.raises(SignInRefused, match="try again in 60 s"):
        accounts.sign_in("ANN", PASSWORD)
    clock.pass_s(60)
    assert accounts.sign_in("ann", PASSWORD).user.name == "ann"


def test_one_address_cannot_try_many_names(accounts):
    for name in ("bob", "cat", "dan"):
        with pytest.raises(SignInRefused):
            accounts.sign_in(name, "wrong", "10.0.0.1")
    with pytest.raises(SignInRefused, match="too many"):
        accounts.sign_in("ann", PASSWORD, "10.0.0.1")
    assert accounts.sign_in("ann", PASSWORD, "10.0.0.2").user.name == "ann"


def test_a_disabled_user_is_out_at_once(accounts):
    session = accounts.sign_in("ann", PASSWORD)
    accounts.disable("ann")
    assert accounts.session(session.token) is None
    with pytest.raises(SignInRefused):
        accounts.sign_in("ann", PASSWORD)
    assert accounts.users() == ()


@pytest.mark.parametrize(
    ("name", "password"), [("ann", PASSWORD), ("Bob", PASSWORD), ("a b", PASSWORD), ("bob", "x")]
)
def test_users_that_cannot_be_created(accounts, name, password):
    with pytest.raises(BadInput, match="valid is"):
        accounts.create_user(name, password, Role.VIEWER)


def test_the_ladder_and_the_two_agencies():
    ladder = [Role.VIEWER, Role.OPERATOR, Role.ENGINEER, Role.MANAGER]
    for lower, higher in pairwise(ladder):
        assert PERMISSIONS[lower] < PERMISSIONS[higher]
    who = {p: {r for r in Role if p in PERMISSIONS[r]} for p in Permission}
    assert who[Permission.APPROVE] == {Role.MANAGER}
    assert who[Permission.VIEW_CASES] == who[Permission.REVIEW_CASES] == {Role.OFFICER}
    assert who[Permission.MANAGE_USERS] == {Role.ADMIN}


def test_a_missing_permission_is_refused_with_name_and_role(accounts):
    user = accounts.sign_in("ann", PASSWORD).user
    user.require(Permission.PROPOSE)
    with pytest.raises(Forbidden, match=r"ann \(engineer\) may not approve"):
        user.require(Permission.APPROVE)


def test_the_first_users_get_their_passwords_once(store, clock):
    accounts = Accounts(store, clock, hasher=CHEAP)
    created = create_first_users(accounts)
    assert created.keys() == FIRST_USERS.keys()
    assert len(set(created.values())) == len(created)
    for name, password in created.items():
        assert accounts.sign_in(name, password).user.role is FIRST_USERS[name]
    # Who was shut out does not come back with the next start.
    accounts.disable("officer2")
    assert create_first_users(accounts) == {}
    assert "officer2" not in {user.name for user in accounts.users()}


def test_nobody_is_created_beside_those_whom_the_installation_named(accounts):
    assert create_first_users(accounts) == {}
    assert [user.name for user in accounts.users()] == ["ann"]


def test_every_change_of_an_account_ends_its_sessions_and_is_on_record(accounts, store):
    session = accounts.sign_in("ann", PASSWORD)
    accounts.set_role("ann", Role.MANAGER, by="root@desk")
    assert accounts.session(session.token) is None
    session = accounts.sign_in("ann", PASSWORD)
    assert session.user.role is Role.MANAGER
    accounts.set_password("ann", "another " + PASSWORD, by="root@desk")
    assert accounts.session(session.token) is None
    with pytest.raises(SignInRefused):
        accounts.sign_in("ann", PASSWORD)
    accounts.disable("ann", by="root@desk")
    accounts.enable("ann", by="root@desk")
    assert accounts.sign_in("ann", "another " + PASSWORD).user.role is Role.MANAGER
    assert [(e.name, e.by, e.action, e.role) for e in accounts.history()] == [
        ("ann", "setup", "added", Role.ENGINEER),
        ("ann", "root@desk", "role", Role.MANAGER),
        ("ann", "root@desk", "password", Role.MANAGER),
        ("ann", "root@desk", "disabled", Role.MANAGER),
        ("ann", "root@desk", "enabled", Role.MANAGER),
    ]
    with pytest.raises(Exception, match="append-only"), store.write() as connection:
        connection.execute(text("DELETE FROM user_events"))


def test_an_unknown_user_cannot_be_changed(accounts):
    for change in (
        lambda: accounts.disable("bob"),
        lambda: accounts.set_role("bob", Role.VIEWER),
        lambda: accounts.set_password("bob", PASSWORD),
    ):
        with pytest.raises(BadInput, match="'bob'; valid is ann"):
            change()
    with pytest.raises(BadInput, match="12 characters"):
        accounts.set_password("ann", "short")
    assert len(accounts.history()) == 1
