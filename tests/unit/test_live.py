"""The live state: newest value to every reader, the last minutes, marks of cases."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from models.signals import SignalState as S
from traffic.live import (
    HISTORY_S,
    Crossing,
    DelaySoFar,
    JunctionLive,
    LiveSnapshot,
    LiveState,
)

START = datetime(2026, 11, 22, tzinfo=UTC)


def snapshot(second: float, state: S = S.RED, now_s: float | None = None) -> LiveSnapshot:
    junction = JunctionLive("J", "main", second, 90, {"J:a>b": state})
    at = START + timedelta(seconds=second)
    return LiveSnapshot(at, {"J": junction}, delay=DelaySoFar(now_s=now_s))


def crossing(second: float, movement: str = "J:a>b") -> Crossing:
    return Crossing(START.timestamp() + second, "J", movement, "car", S.RED, "cam")


def test_history_keeps_changes_only_and_forgets_what_is_old() -> None:
    live = LiveState()
    for second in range(0, 600, 5):
        live.publish(snapshot(second, S.GREEN if second // 30 % 2 else S.RED))
    history = live.signal_history("J:a>b")
    assert all(a[1] is not b[1] for a, b in pairwise(history))
    end_s = START.timestamp() + 595
    # What held when the window began is still known, and little more.
    assert end_s - HISTORY_S - 61 <= history[0][0] <= end_s - HISTORY_S


@pytest.mark.parametrize("case_first", [True, False])
def test_a_case_marks_its_crossing_whichever_comes_first(case_first: bool) -> None:
    live = LiveState()
    steps = [lambda: live.link_case("cam", START.timestamp() + 10.2, "c1")]
    steps.insert(1 if case_first else 0, lambda: live.record_crossing(crossing(10.0)))
    for step in steps:
        step()
    live.record_crossing(crossing(14.0))
    marked = live.crossings(["J:a>b"], START.timestamp())
    assert [item.case for item in marked] == ["c1", ""]


def test_a_case_far_from_every_crossing_marks_none() -> None:
    live = LiveState()
    live.record_crossing(crossing(10.0))
    live.link_case("cam", START.timestamp() + 20, "c1")
    live.link_case("other", START.timestamp() + 10, "c2")
    assert [item.case for item in live.crossings(["J:a>b"], START.timestamp())] == [""]


def test_crossings_are_of_the_wanted_movements_and_time() -> None:
    live = LiveState()
    for second in (1.0, 5.0):
        live.record_crossing(crossing(second))
        live.record_crossing(crossing(second, "J:c>d"))
    found = live.crossings(["J:a>b"], START.timestamp() + 3)
    assert [(item.movement, item.time_s - START.timestamp()) for item in found] == [("J:a>b", 5.0)]


def test_delay_is_sampled_and_gaps_stay_gaps() -> None:
    live = LiveState()
    for second in range(0, 60):
        live.publish(snapshot(second, now_s=None if second < 20 else 50.0 + second))
    samples = live.delay_history()
    assert [item.time_s - START.timestamp() for item in samples] == [20, 30, 40, 50]


def test_a_slow_reader_gets_the_newest_and_a_closed_state_ends_readers() -> None:
    live = LiveState()

    async def read() -> list[int]:
        seen = []
        async for item in live.subscribe():
            seen.append(item.sequence)
            if len(seen) == 1:
                writer = threading.Thread(target=write)
                writer.start()
                await asyncio.to_thread(writer.join)
            else:
                live.close()
        return seen

    def write() -> None:
        for second in range(1, 9):
            live.publish(snapshot(second))

    live.publish(snapshot(0))
    assert asyncio.run(asyncio.wait_for(read(), 10)) == [1, 9]


def test_each_picture_of_the_camera_comes_once() -> None:
    live = LiveState()

    async def read() -> list[bytes]:
        seen = []
        async for jpeg in live.frames("cam"):
            seen.append(jpeg)
            if jpeg == b"2":
                live.close()
            else:
                live.put_frame("other", b"x")
                live.put_frame("cam", b"2")
        return seen

    live.put_frame("cam", b"1")
    assert asyncio.run(asyncio.wait_for(read(), 10)) == [b"1", b"2"]


def test_a_snapshot_needs_a_zone() -> None:
    with pytest.raises(ValueError, match="time zone"):
        LiveSnapshot(datetime(2026, 1, 1), {})
