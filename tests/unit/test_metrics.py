"""Measures from what SUMO writes, on small files whose totals are known by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.errors import XanhError
from simulation.metrics import (
    Drive,
    MovementDelay,
    Trip,
    kpi,
    movement_delays,
    planned_routes,
    read_drives,
    read_trips,
    split_delay,
)
from simulation.roads import Crossover, Road, Roads

# Two signals in line: a > b at J, b > c at K; 100 m each at 10 m/s, 2 s over each junction.
ROADS = Roads(
    {edge: Road(100.0, 10.0) for edge in "abcd"},
    {(a, b): Crossover(20.0, 2.0, "s") for a, b in ("ab", "bc", "bd")},
)
TURNS = {("a", "b"): "J:a>b", ("b", "c"): "K:b>c", ("b", "d"): "K:b>d"}

HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n<tripinfos>\n'


def tripinfo(
    name: str,
    depart: float,
    wait: float,
    arrival: float = -1.0,
    duration: float = 0.0,
    loss: float = 0.0,
    standing: float = 0.0,
    stops: int = 0,
) -> str:
    return (
        f'<tripinfo id="{name}" depart="{depart}" departPos="0.00" departDelay="{wait}" '
        f'arrival="{arrival}" duration="{duration}" timeLoss="{loss}" waitingTime="{standing}" '
        f'waitingCount="{stops}" speedFactor="1.00"/>\n'
    )


@pytest.fixture
def four_trips(tmp_path: Path) -> Path:
    """One finished, one on its way, one never inserted, one of the warm-up, one due later."""
    path = tmp_path / "tripinfo.xml"
    path.write_text(
        HEAD
        + tripinfo("early", 50, 0, 90, 40, 7, 3, 1)
        + tripinfo("done", 110, 10, 150, 40, 12, 5, 1)
        + '<personinfo id="p" depart="120" type="DEFAULT_PEDTYPE"/>\n'
        + tripinfo("moving", 180, 0, -1, 20, 8, 4, 2)
        + tripinfo("outside", -1, 30)
        + tripinfo("later", -1, -20)
        + "</tripinfos>\n"
    )
    return path


def test_every_vehicle_of_the_measured_window_counts(four_trips: Path) -> None:
    result = kpi(read_trips(four_trips, begin_s=100, end_s=200))
    assert (result.trips, result.finished, result.running, result.undeparted) == (3, 1, 1, 1)
    assert result.delay_s == pytest.approx((12 + 10 + 8 + 30) / 3)
    assert result.trip_time_s == pytest.approx((40 + 20) / 2)
    assert result.time_loss_s == pytest.approx((12 + 8) / 2)
    assert result.waiting_time_s == pytest.approx((5 + 4) / 2)
    assert result.stops == pytest.approx((1 + 2) / 2)


def test_planned_departure_decides_what_is_warm_up(four_trips: Path) -> None:
    names = [trip.id for trip in read_trips(four_trips, begin_s=101, end_s=200)]
    assert names == ["moving", "outside"]  # "done" entered at 110 but was planned for 100


def test_a_run_without_vehicles_has_no_delay() -> None:
    assert kpi([]).delay_s == 0.0


def test_a_file_cut_short_is_named(tmp_path: Path) -> None:
    path = tmp_path / "tripinfo.xml"
    path.write_text(HEAD + tripinfo("a", 1, 0))
    with pytest.raises(XanhError, match=r"tripinfo\.xml"):
        list(read_trips(path, begin_s=0, end_s=10))


def trip(name: str, loss: float, wait: float = 0.0, departed: bool = True) -> Trip:
    return Trip(name, 0.0, departed, False, wait, 0.0, loss, 0.0, 0, 0.0, 1.0)


def test_delay_between_two_signals_belongs_to_the_second() -> None:
    # Free flow: a in 10 s, then 2 + 10 s for b. Left a at 25 (wait 3 included), b at 57.
    drive = Drive("v", ("a", "b", "c"), (25.0, 57.0, -1.0))
    parts = split_delay(trip("v", loss=33.0, wait=3.0), drive, TURNS, ROADS)
    assert parts == pytest.approx({"J:a>b": 15.0, "K:b>c": 20.0, "": 1.0})


def test_loss_on_the_way_belongs_to_the_signal_ahead() -> None:
    drive = Drive("v", ("a", "b", "c"), (10.0, -1.0, -1.0))
    parts = split_delay(trip("v", loss=18.0), drive, TURNS, ROADS)
    assert parts == pytest.approx({"J:a>b": 0.0, "K:b>c": 18.0})


def test_vehicles_that_never_entered_wait_at_their_first_movement(tmp_path: Path) -> None:
    path = tmp_path / "r.rou.xml"
    path.write_text(
        '<routes><route id="r" edges="b d"/>'
        '<trip id="trip" depart="0" from="a" to="c"/>'
        '<vehicle id="whole" depart="0"><route edges="b c"/></vehicle>'
        '<vehicle id="named" depart="0" route="r"/>'
        '<flow id="f" begin="0" end="9" number="3"><route edges="a b"/></flow></routes>'
    )
    outside = ["trip", "whole", "named", "f.1"]
    routes = planned_routes([path], frozenset(outside))
    assert routes == {
        "trip": ("a", "c"),
        "whole": ("b", "c"),
        "named": ("b", "d"),
        "f.1": ("a", "b"),
    }
    trips = [trip(name, 0.0, 40.0, departed=False) for name in outside]
    seen = Drive("seen", ("a", "b", "c"), (10.0, 22.0, 34.0))
    delays = movement_delays([*trips, trip("seen", 0.0)], [seen], TURNS, ROADS, routes)
    assert delays == {
        "J:a>b": MovementDelay(3, pytest.approx(80 / 3)),
        "K:b>c": MovementDelay(2, pytest.approx(20)),
        "K:b>d": MovementDelay(1, pytest.approx(40)),
    }


def test_the_last_of_several_routes_is_the_one_driven(tmp_path: Path) -> None:
    path = tmp_path / "vehroutes.xml"
    path.write_text(
        '<routes><vehicle id="v" depart="0"><routeDistribution last="1">'
        '<route replacedOnEdge="a" edges="a b c"/><route edges="a b d" exitTimes="9 -1 -1"/>'
        "</routeDistribution></vehicle></routes>"
    )
    assert list(read_drives(path)) == [Drive("v", ("a", "b", "d"), (9.0, -1.0, -1.0))]
