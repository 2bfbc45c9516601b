"""The store: counts, alarms, evidence, and what it refuses to open."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from models.counts import CountRow
from models.errors import BadInput, XanhError
from traffic import schema
from traffic.measure_records import stored_measures
from traffic.store import Severity, Store

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture
def store(tmp_path):
    opened = Store.at(tmp_path)
    yield opened
    opened.close()


def row(minute: int, count: int, movement: str = "J:a>b", coverage: float = 1.0) -> CountRow:
    start = NOON + timedelta(minutes=minute)
    return CountRow("J", movement, "car", start, start + timedelta(minutes=15), count, coverage)


def test_counts_come_back_as_they_went_in(store):
    rows = (row(0, 3), row(15, 4, coverage=0.5), row(15, 9, "J:c>d"))
    store.add_counts("s", rows, camera="c", source_kind="pixels")
    assert store.counts("s") == rows
    assert store.counts("s", begin=NOON + timedelta(minutes=15)) == rows[1:]
    assert store.counts("s", end=NOON + timedelta(minutes=15)) == rows[:1]
    assert store.counts("other") == ()


def test_counts_sent_twice_are_counted_once(store):
    store.add_counts("s", [row(0, 3)], camera="c")
    store.add_counts("s", [row(0, 5)], camera="c")
    assert [r.count for r in store.counts("s", camera="c")] == [5]
    store.add_counts("s", [row(0, 5)], camera="d")
    assert len(store.counts("s")) == 2


def test_an_open_alarm_is_not_raised_twice_and_can_be_cleared(store):
    def alarm(message: str = "dark") -> int:
        return store.raise_alarm(
            "s", at=NOON, severity=Severity.CRITICAL, kind="dark", subject="J", message=message
        )

    first = alarm()
    assert alarm() == first
    assert alarm("dark again") != first
    store.acknowledge_alarm(first, by="op", at=NOON)
    assert {a.acknowledged_by for a in store.alarms("s")} == {"op", None}
    with pytest.raises(XanhError, match="acknowledged before"):
        store.acknowledge_alarm(first, by="op2", at=NOON)
    assert store.clear_alarms("s", "dark", "J", at=NOON) == 2
    assert store.alarms("s") == ()
    assert len(store.alarms("s", open_only=False)) == 2
    assert alarm() != first


def test_a_failed_transaction_leaves_nothing(store):
    def write_and_fail() -> None:
        with store.write() as connection:
            connection.execute(schema.meta.insert().values(key="k", value="v"))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_and_fail()
    with store.read() as connection:
        assert connection.execute(text("SELECT count(*) FROM meta")).scalar() == 1


def test_foreign_keys_are_enforced(store):
    with pytest.raises(IntegrityError), store.write() as connection:
        connection.execute(
            schema.sessions.insert().values(
                token_sha256="x", user="nobody", created=NOON, expires=NOON
            )
        )


def test_writers_in_many_threads_and_stores_all_succeed(tmp_path):
    stores = [Store.at(tmp_path) for _ in range(2)]

    def write(store: Store, number: int) -> None:
        for i in range(10):
            store.add_counts("s", [row(i, number)], camera=f"{number}")

    threads = [
        threading.Thread(target=write, args=(stores[number % 2], number)) for number in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(stores[0].counts("s")) == 60
    for store in stores:
        store.close()


def test_another_schema_is_refused_with_one_clear_line(tmp_path):
    store = Store.at(tmp_path)
    with store.write() as connection:
        connection.execute(text("UPDATE meta SET value = '99' WHERE key = 'schema'"))
    store.close()
    with pytest.raises(XanhError, match="has schema 99, this program knows 4"):
        Store.at(tmp_path)


def test_an_older_database_is_brought_up_to_date(tmp_path):
    store = Store.at(tmp_path)
    with store.write() as connection:
        connection.execute(text("ALTER TABLE counts DROP COLUMN calibration"))
        connection.execute(text("DROP TABLE measures"))
        connection.execute(text("UPDATE meta SET value = '1' WHERE key = 'schema'"))
        connection.execute(
            text(
                "INSERT INTO counts VALUES ('s', 'cam', 'm', 'car', '2026-11-22 07:00:00.000000', "
                "'2026-11-22 07:15:00.000000', 'J', 4, 1.0, 'pixels')"
            )
        )
    store.close()
    store = Store.at(tmp_path)
    (old,) = store.stored_counts("s")
    assert (old.row.count, old.source_kind, old.calibration) == (4, "pixels", "")
    store.add_counts("s", [old.row], camera="cam", source_kind="motion", calibration="3")
    (new,) = store.stored_counts("s")
    assert (new.row.count, new.camera, new.source_kind, new.calibration) == (
        4,
        "cam",
        "motion",
        "3",
    )
    assert stored_measures(store, "s") == ()
    store.close()


def test_a_file_that_is_no_database_is_refused(tmp_path):
    (tmp_path / "xanh.db").write_text("not a database, but long enough to look at " * 50)
    with pytest.raises(XanhError, match="cannot be opened"):
        Store.at(tmp_path)


@pytest.mark.parametrize("url", ["nonsense", "nosuchdb://x", "sqlite+nodriver:///x"])
def test_a_url_that_cannot_be_used_is_bad_input(tmp_path, url):
    with pytest.raises(BadInput, match="database_url"):
        Store(url, tmp_path)


def test_evidence_is_named_by_its_content(store, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(b"picture")
    (folder / "b.json").write_bytes(b"{}")
    files = store.evidence.put(folder)
    assert [(f.name, f.size, f.media_type) for f in files] == [
        ("a.jpg", 7, "image/jpeg"),
        ("b.json", 2, "application/json"),
    ]
    assert store.evidence.path(files[0].sha256).read_bytes() == b"picture"
    assert store.evidence.put(folder) == files
    assert store.evidence.is_intact(files[0].sha256)
    store.evidence.path(files[0].sha256).write_bytes(b"changed")
    assert not store.evidence.is_intact(files[0].sha256)


@pytest.mark.parametrize("name", ["../../xanh.db", "", "a" * 64, "A" * 64])
def test_evidence_cannot_be_asked_for_by_path(store, name):
    with pytest.raises(XanhError, match="evidence"):
        store.evidence.path(name)


def test_an_empty_or_missing_evidence_folder_is_bad_input(store, tmp_path):
    with pytest.raises(BadInput, match="not a folder"):
        store.evidence.put(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInput, match="holds no file"):
        store.evidence.put(tmp_path / "empty")
