"""Parts of the virtual street that need no SUMO: delay, demand, violators, truth, queues."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.errors import BadInput
from models.junction import Junction, Movement, Turn
from models.plan import JunctionPlan, Stage
from models.signals import SignalState
from simulation.conduct import stands_ahead
from simulation.delay_meter import DelayMeter
from simulation.field_controller import FixedTimeController
from simulation.live_demand import CHUNK_S, LiveDemand, read_departures
from simulation.netfile import read_net
from simulation.states import VehicleStates
from simulation.street import Queue, queue_behind
from simulation.sumo_session import Snapshot
from simulation.truth import StopLine, crossing_fraction, signal_of
from simulation.violators import (
    CREEPER_TYPE,
    RED_RUNNER_TYPE,
    WRONG_WAY_TYPE,
    RedRunners,
    WrongWayRiders,
    kerb_edges,
    write_violator_types,
)


def test_delay_counts_those_on_the_road_gone_and_waiting() -> None:
    meter = DelayMeter(0.0)
    meter.plan(3)
    assert meter.step(1.0, {"a": 0, "b": 1}, np.array([0.5, 0.0]), [], 1.0) == 1.5
    mark = meter.mark()
    meter.plan(1)
    meter.step(2.0, {"b": 0, "c": 1}, np.array([0.75, 0.25]), ["a"], 0.0)
    window = meter.since(mark)
    assert (window.begin_s, window.end_s, window.vehicles) == (1.0, 2.0, 1)
    assert window.delay_s == pytest.approx(1.0)  # b and c lost 1.0 s; a, who left, nothing more
    assert meter.total_s == pytest.approx(2.5)


def test_a_window_in_which_nobody_was_planned_has_no_delay() -> None:
    meter = DelayMeter(0.0)
    assert meter.since(meter.mark()).delay_s == 0.0


def _writer(path: Path, seed: int, begin_s: float, end_s: float) -> None:
    departs = [begin_s + 10.0 * k + seed % 7 for k in range(int((end_s - begin_s) / 10))]
    vehicles = "".join(
        f'<vehicle id="v{k}" type="car" depart="{at}"><route edges="a b"/></vehicle>'
        for k, at in enumerate(departs)
    )
    walker = f'<person id="p" depart="{begin_s + 5}"><walk from="a" to="w"/></person>'
    path.write_text(f'<routes><vType id="car"/>{vehicles}{walker}</routes>', encoding="utf-8")


def test_demand_never_ends_and_is_in_order(tmp_path: Path) -> None:
    demand = LiveDemand(_writer, seed=3, begin_s=0.0, folder=tmp_path)
    times = []
    for second in range(int(3 * CHUNK_S)):
        due = demand.until(second)
        assert all(second - 1 < item.time_s <= second for item in due)
        times += [item.time_s for item in due]
    assert times == sorted(times)
    assert sum(1 for time in times) == pytest.approx(3 * CHUNK_S / 10 + 3, abs=2)


def test_a_flow_cannot_be_inserted_one_by_one(tmp_path: Path) -> None:
    path = tmp_path / "flow.rou.xml"
    path.write_text('<routes><flow id="f" begin="0" end="9"/></routes>', encoding="utf-8")
    with pytest.raises(BadInput, match="flow"):
        read_departures(path, 0.0, 10.0)


def test_runners_are_asked_once_a_line_and_as_many_as_their_share_run() -> None:
    runners = RedRunners(0.25, seed=1)
    for rider in range(4000):
        for _ in range(3):
            runners.ask(str(rider), 10.0)
    started = runners.starting(1e9)
    assert 900 < len(started) < 1100
    assert runners.starting(1e9) == []
    assert runners.crossed(started[0])
    assert not runners.crossed(started[0])
    assert not runners.asked(started[0]), "asked anew at the next line"


def test_a_runner_who_waits_for_green_does_not_run() -> None:
    runners = RedRunners(1.0, seed=1)
    runners.ask("7", 10.0)
    runners.crossed("7")
    assert runners.starting(1e9) == []


def test_a_runner_waits_while_somebody_stands_in_its_way() -> None:
    runners = RedRunners(1.0, seed=1)
    runners.ask("7", 0.0)
    assert runners.starting(1e6) == ["7"]
    runners.put_off("7", 1e6 + 1)
    assert not runners.running
    assert runners.starting(1e6) == []
    assert runners.starting(1e6 + 1) == ["7"]


def test_who_stands_ahead_is_in_the_way_and_who_stands_beside_is_not() -> None:
    def blocked(x_m: float, y_m: float, speed_mps: float) -> bool:
        rows = [
            (1, 0, 0.0, 0.0, 0.0, 0.0, 1.9, 0.7, 1.6),
            (2, 0, x_m, y_m, 0.0, speed_mps, 1.9, 0.7, 1.6),
        ]
        everybody = VehicleStates.from_rows(rows)
        now = Snapshot(("1", "2"), everybody, np.zeros((2, 2)), np.zeros(2), {"1": 0, "2": 1})
        return stands_ahead(now, "1")

    assert blocked(0.3, 4.0, 0.0)
    assert not blocked(1.5, 4.0, 0.0)
    assert not blocked(0.3, 4.0, 3.0)
    assert not blocked(0.3, -4.0, 0.0)
    assert not blocked(0.3, 20.0, 0.0)


def test_kerbs_of_pho_hue_are_found_with_their_approach(pho_hue: Path) -> None:
    net = read_net(pho_hue / "network.net.xml")
    approaches = {f"c{k}": f"C{k + 1}" for k in range(8)}
    kerbs = {kerb.edge: kerb for kerb in kerb_edges(net, approaches)}
    assert set(kerbs) == {f"z{k}" for k in range(8)}
    kerb = kerbs["z2"]
    assert (kerb.junction, kerb.approach) == ("C3", "c2")
    assert ("eb3a", "z2", "wb2b") in kerb.routes
    assert all(route[1] == "z2" and len(route) == 3 for route in kerb.routes)
    riders = WrongWayRiders(60.0, tuple(kerbs.values()), 0.0, seed=1)
    due = riders.until(36_000.0)
    assert 520 < len(due) < 680
    assert [time for time, _ in due] == sorted(time for time, _ in due)


def test_violators_are_the_site_s_motorcycle_with_other_manners(
    pho_hue: Path, tmp_path: Path
) -> None:
    path = tmp_path / "type.add.xml"
    write_violator_types([pho_hue / "demand" / "vehicle-types.add.xml"], path)
    text = path.read_text(encoding="utf-8")
    assert f'id="{WRONG_WAY_TYPE}"' in text
    assert f'id="{RED_RUNNER_TYPE}"' in text
    assert f'id="{CREEPER_TYPE}"' in text
    assert 'minGapLat="0.25"' in text
    assert 'jmIgnoreFoeProb="1"' in text
    empty = tmp_path / "none.add.xml"
    empty.write_text("<additional/>", encoding="utf-8")
    with pytest.raises(BadInput, match="motorcycle"):
        write_violator_types([empty], path)


def test_the_instant_of_a_crossing_is_where_the_front_meets_the_line() -> None:
    line = StopLine("J", "a", 100.0, 0.0, 1.0, 0.0)
    assert crossing_fraction(line, (97.0, 1.0), (101.0, 1.0)) == pytest.approx(0.75)
    assert crossing_fraction(line, (100.5, 0.0), (104.0, 0.0)) == 0.0
    assert 0.99 < crossing_fraction(line, (90.0, 0.0), (100.0, 0.0)) < 1.0


def test_a_turn_without_signal_stands_under_the_approach_s_heads() -> None:
    junction = Junction(
        "J",
        (
            Movement("J:a>b", "a", "b", Turn.THROUGH, (), (0,)),
            Movement("J:a>c", "a", "c", Turn.LEFT, (), (1,)),
            Movement("J:d>c", "d", "c", Turn.THROUGH, (), (2,)),
        ),
    )
    stages = (
        Stage("1", ("J:a>b",), 100, 30, 20),
        Stage("2", ("J:a>c",), 100, 30, 20),
        Stage("3", ("J:d>c",), 100, 30, 20),
    )
    controller = FixedTimeController(JunctionPlan("J", 450, 0, stages), junction)
    seen = {}
    for second in range(45):
        controller.advance()
        seen[second] = signal_of(junction, controller, "a", "kerb")
        exact = signal_of(junction, controller, "a", "c")
        assert exact[0] == "J:a>c"
        assert exact[2] is (
            SignalState.GREEN
            if 15 <= second < 25
            else SignalState.YELLOW
            if 25 <= second < 28
            else SignalState.RED
        )
    assert seen[5][0] == "J:a>kerb"
    assert seen[5][2:] == (SignalState.GREEN, 0)
    assert seen[11][2:] == (SignalState.YELLOW, 10)
    assert seen[14][2] is SignalState.RED
    assert seen[20][2:] == (SignalState.GREEN, 15)
    assert seen[40][2:] == (SignalState.RED, 28), "red since the last of its heads turned red"


def test_a_queue_ends_at_the_first_long_gap() -> None:
    ahead = np.array([1.0, 4.0, 60.0, 2.0])
    assert queue_behind(ahead, ahead + 2.0) == Queue(3, 6.0)
    assert queue_behind(np.array([50.0]), np.array([52.0])) == Queue(0, 0.0)
