from __future__ import annotations

import numpy as np
import pytest

from detection.stream_clock import StreamClock


def times(arrivals, stamps):
    clock = StreamClock()
    return [clock.time_of(a, s) for a, s in zip(arrivals, stamps, strict=True)], clock


def test_a_stall_does_not_bend_time():
    stamps = np.arange(60) / 10 + 300.0
    arrivals = stamps - 290.0 + 0.02
    arrivals[20:35] = arrivals[35]  # one and a half seconds come at once
    arrivals[20:35] += np.arange(15) * 1e-3
    got, clock = times(arrivals, stamps)
    np.testing.assert_allclose(np.diff(got), 0.1, atol=1e-3)
    assert clock.trusts_stream


def test_without_timestamps_arrival_decides_and_time_ascends():
    got, _ = times([1.0, 1.2, 1.2, 1.5], [None] * 4)
    assert got == [1.0, 1.2, None, 1.5]


def test_a_stream_that_starts_its_count_anew_goes_on():
    stamps = [*np.arange(20) / 10, *np.arange(20) / 10]
    arrivals = np.arange(40) / 10 + 50.0
    got, clock = times(arrivals, stamps)
    np.testing.assert_allclose(got, arrivals, atol=0.01)
    assert clock.trusts_stream


@pytest.mark.parametrize("pretended_hz", [25.0, 2.0])
def test_made_up_timestamps_are_found_out(pretended_hz):
    """Ten frames a second whose timestamps claim another, nominal rate."""
    arrivals = np.arange(600) / 10.0
    got, _ = times(arrivals, np.arange(600) / pretended_hz)
    late = [t for t in got[-200:] if t is not None]
    assert np.ptp(late) == pytest.approx(20.0, abs=0.2)
    assert late[-1] == pytest.approx(arrivals[-1], abs=0.5)
