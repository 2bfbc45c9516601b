"""A junction's stock: standing queues that move, vehicles that left since the last reading."""

from __future__ import annotations

from collections import deque
from dataclasses import replace

import pytest
from planner_cases import pair, seen

from models.policy import Approaching, Connection, DetectorReading, Sensing, Track, Turned
from optimizer.prediction import LocalFlow, arrival_s
from optimizer.stock import JunctionStock, Options

OPTIONS = Options()
QUIET = DetectorReading(0, 0, 0.0, 0, 0)


def _stock(sensing: Sensing) -> JunctionStock:
    area = pair(sensing)
    return JunctionStock(area.junctions["W"], area.feeds, OPTIONS)


def _looked(*vehicles: tuple[float, float]) -> list[float]:
    """When the vehicles at (distance, speed) on W's first lane are expected at the line."""
    stock = _stock(Sensing.ORACLE)
    cars = tuple(Approaching("W:w>we", at_m, speed, "car") for at_m, speed in vehicles)
    stock.look(seen(vehicles={"w_0": cars}), LocalFlow(), {}, OPTIONS)
    return [item.arrival_s for item in stock.vehicles["w_0"]]


def test_a_queue_that_stands_is_at_the_line() -> None:
    """Its first vehicle stands: the search counts its start from the green."""
    assert _looked((1.0, 0.0), (8.5, 0.0)) == [0.0, 0.0]


def test_the_rear_of_a_queue_that_moves_starts_when_the_wave_reaches_it() -> None:
    """The first has started; two behind it stand still, one wave after another."""
    first, second, third = _looked((1.0, 3.0), (8.5, 0.0), (16.0, 0.0))
    assert first == pytest.approx(arrival_s(1.0, 3.0, 15.0))
    assert second == pytest.approx(OPTIONS.wave_s + arrival_s(8.5, 0.0, 15.0))
    assert third == pytest.approx(2 * OPTIONS.wave_s + arrival_s(16.0, 0.0, 15.0))


def test_a_driver_keeps_the_speed_at_which_he_drives() -> None:
    """At 12 of 15 m/s he is one who drives so; at 6 m/s he is still gaining speed."""
    assert _looked((120.0, 12.0)) == [pytest.approx(10.0)]
    assert _looked((120.0, 16.5)) == [pytest.approx(120.0 / 16.5)]
    assert _looked((120.0, 6.0))[0] == pytest.approx((15 - 6) / 2.6 + (120 - 36.35) / 15, abs=0.01)


def _known(crossed: tuple[int, ...], *, late_s: float) -> int:
    """Vehicles known after six entered, and so many crossed second by second at green."""
    stock = _stock(Sensing.DETECTORS)
    entering = (6, *[0] * 20)
    for second, count in enumerate((*[0] * 21, *crossed)):
        entered = entering[second] if second < len(entering) else 0
        queue = 6 if second > 14 else 0
        queue = max(0, queue - sum(crossed[: max(0, second - 20)]))
        reading = DetectorReading(entered, count, float(queue > 0), queue, queue)
        observation = seen(
            time_s=100.0 + second,
            stage={"W": "A" if second > 20 else "B"},
            since_s=60.0,
            readings={"w_0": reading, "nw_0": QUIET},
        )
        observation = replace(observation, sensed_s=observation.time_s - late_s)
        stock.estimate(observation, OPTIONS)
    return len(stock.vehicles["w_0"])


def test_of_a_queue_that_leaves_the_next_has_gone_since_the_reading() -> None:
    """One crossed two seconds before now: by now the next has, too."""
    crossed = (1, 0, 1, 0)
    assert _known(crossed, late_s=0.0) == 4
    assert _known(crossed, late_s=1.0) == 3
    # Just after a crossing the next is still there.
    assert _known((1, 0, 1), late_s=0.0) == 4


def test_without_a_queue_leaving_nobody_is_taken_as_gone() -> None:
    """The queue stands at green: nobody has crossed yet."""
    assert _known((0, 0), late_s=1.0) == 6


def test_who_will_turn_from_a_pocket_is_expected_there() -> None:
    """Before the pocket begins all drive on one lane; the order by arrival is kept."""
    area = pair(Sensing.ORACLE)
    west = area.junctions["W"]
    pocket = replace(west.lanes["nw_0"], approach="w", length_m=20.0)
    west = replace(west, lanes={**west.lanes, "nw_0": pocket})
    stock = JunctionStock(west, area.feeds, OPTIONS)
    cars = (
        Approaching("W:w>we", 60.0, 12.0, "car"),
        Approaching("W:nw>sw", 70.0, 12.0, "car"),
        Approaching("W:w>we", 80.0, 12.0, "car"),
    )
    ahead = (Approaching("W:nw>sw", 90.0, 12.0, "car"),)
    stock.look(seen(vehicles={"w_0": cars, "nw_0": ahead}), LocalFlow(), {}, OPTIONS)
    through, turning = stock.vehicles["w_0"], stock.vehicles["nw_0"]
    assert [item.arrival_s for item in through] == [
        arrival_s(at, 12.0, 15.0) for at in (60.0, 80.0)
    ]
    assert [item.arrival_s for item in turning] == [
        arrival_s(at, 12.0, 15.0) for at in (70.0, 90.0)
    ]
    assert {item.stream for item in turning} == {stock.layout.stream_of["nw_0", "W:nw>sw"]}


def _followed(*tracks: tuple[float, float], seconds: int = 1, stage: str = "A") -> JunctionStock:
    """A stock whose camera follows vehicles at (distance, speed) on W's first lane."""
    stock = _stock(Sensing.DETECTORS)
    standing = sum(speed < 0.1 for _, speed in tracks)
    reading = DetectorReading(
        0, 0, 0.0, standing, len(tracks), tuple(Track(at_m, speed) for at_m, speed in tracks)
    )
    for second in range(seconds):
        now_s = 100.0 + second
        observation = seen(
            time_s=now_s, stage={"W": stage}, readings={"w_0": reading, "nw_0": QUIET}
        )
        stock.estimate(replace(observation, sensed_s=now_s - 1.0), OPTIONS)
    return stock


def test_whom_a_camera_follows_is_expected_from_where_he_is() -> None:
    """One stands, one drives up; both a second later than they were seen."""
    stock = _followed((1.0, 0.0), (45.0, 15.0), stage="B")
    assert [item.arrival_s for item in stock.vehicles["w_0"]] == [0.0, pytest.approx(2.0)]
    # Where a camera counts only, who has just come into view is a whole view away.
    counted = _stock(Sensing.DETECTORS)
    reading = DetectorReading(0, 0, 0.0, 0, 1)
    counted.estimate(
        replace(seen(stage={"W": "B"}, readings={"w_0": reading, "nw_0": QUIET}), sensed_s=99.0),
        OPTIONS,
    )
    assert [item.arrival_s for item in counted.vehicles["w_0"]] == [pytest.approx(3.0)]


def test_who_drove_over_the_line_since_he_was_seen_has_gone() -> None:
    """At green 5 m before the line at 12 m/s a second ago; who stands there has not."""
    assert len(_followed((5.0, 12.0), (30.0, 12.0)).vehicles["w_0"]) == 1
    assert len(_followed((5.0, 0.0), (30.0, 12.0)).vehicles["w_0"]) == 2


def _fork() -> JunctionStock:
    """W, its first lane leading through and, on stage B, to the right."""
    area = pair(Sensing.DETECTORS)
    west = area.junctions["W"]
    both = (*west.lanes["w_0"].connections, Connection(1, "W:nw>sw", "sw_0"))
    lanes = {"w_0": replace(west.lanes["w_0"], connections=both)}
    return JunctionStock(replace(west, lanes=lanes), area.feeds, OPTIONS)


def test_turns_of_whom_detectors_count_are_drawn_by_the_shares() -> None:
    """Three in four go through: so they do in each place of the queue, over the scenarios."""
    stock = _fork()
    queue = tuple(Track(1.0 + 7.5 * place, 0.0) for place in range(6))
    reading = DetectorReading(0, 0, 1.0, 6, 6, queue)
    shares = {"w_0": {"W:w>we": 0.75, "W:nw>sw": 0.25}}
    for second in range(5):
        stock.estimate(
            seen(
                time_s=100.0 + second,
                stage={"W": "A"},
                since_s=99.0,
                readings={"w_0": reading},
                shares=shares,
            ),
            OPTIONS,
        )
        turned = stock.arrays([stock.vehicles["w_0"]], {}).movement.reshape(4, -1)
        right = (turned % len(stock.layout.movement_of) == 1).sum(axis=0).tolist()
        # Whoever stands at green of the one turn for three seconds wants the other.
        assert right == ([1] * 6 if second < 2 else [4, 1, 1, 1, 1, 1])
    assert stock.wanted == {"W:w>we", "W:nw>sw"}


def test_who_is_followed_turns_as_those_did_who_came_like_him() -> None:
    """The lane's shares say through; twenty who were followed turned right."""
    stock = _fork()
    shares = {"w_0": {"W:w>we": 0.75, "W:nw>sw": 0.25}}

    def right(reading: DetectorReading, at_s: float) -> int:
        readings = {"w_0": reading}
        stock.estimate(
            seen(time_s=at_s, stage={"W": "B"}, readings=readings, shares=shares), OPTIONS
        )
        turned = stock.arrays([stock.vehicles["w_0"]], {}).movement
        return int((turned % len(stock.layout.movement_of) == 1).sum())

    def standing(number: int) -> DetectorReading:
        return DetectorReading(0, 0, 1.0, 1, 1, (Track(1.0, 0.0, number),))

    assert right(standing(1), 100.0) == 1
    for number in range(1, 21):
        right(standing(number), 99.0 + 2.0 * number)
        right(QUIET._replace(crossed=1, turned=(Turned(number, "W:nw>sw"),)), 100.0 + 2.0 * number)
    assert right(standing(21), 150.0) >= 3
    assert right(standing(0), 151.0) == 1


def _waited(stock: JunctionStock, seconds: int, free_m: float) -> JunctionStock:
    """Somebody stands at the line of the fork, only its way through is green, for so long."""
    reading = DetectorReading(0, 0, 1.0, 1, 1, (Track(1.0, 0.0),))
    for second in range(seconds):
        stock.estimate(
            seen(
                time_s=100.0 + second,
                stage={"W": "A"},
                since_s=60.0,
                readings={"w_0": reading},
                free_m={"we_0": free_m, "sw_0": 300.0},
                shares={"w_0": {"W:w>we": 0.5, "W:nw>sw": 0.5}},
            ),
            OPTIONS,
        )
    return stock


def test_who_may_want_what_is_red_is_not_held_by_something_unknown() -> None:
    """He waits for his stage: nothing says that he would stand as long again when it comes."""
    assert _waited(_fork(), 2, 300.0).held_s == [0.0]
    assert _waited(_fork(), 8, 300.0).held_s == [0.0]
    both = _fork()
    both.layout.displays.rate[both.layout.stages.index("A"), :2] = 1.0
    assert _waited(both, 8, 300.0).held_s == [8.0]


@pytest.mark.parametrize(("free_m", "right"), [(300.0, 4), (3.0, 2)])
def test_who_stands_before_a_full_road_may_want_it(free_m: float, right: int) -> None:
    """Only where there is room beyond does standing at green say that he wants another way."""
    stock = _waited(_fork(), 8, free_m)
    turned = stock.arrays([stock.vehicles["w_0"]], {}).movement.reshape(4, -1)
    assert (turned % len(stock.layout.movement_of) == 1).sum() == right


def test_who_is_counted_on_full_roads_is_planned_for_in_fewer_scenarios() -> None:
    """A decision's time is bounded by counts: 300 vehicles are copied three times, not four."""
    stock = _fork()
    reading = DetectorReading(0, 0, 0.0, 0, 0)
    estimate = stock.estimator.lanes["w_0"]
    for vehicles, scenarios in ((10, 4), (300, 3), (2000, 1)):
        estimate.lane = replace(estimate.lane, entry_m=5.6 * vehicles)
        estimate.coming_s = deque([101.0] * vehicles)
        stock.estimate(seen(readings={"w_0": reading}, stage={"W": "B"}), OPTIONS)
        assert len(stock.vehicles["w_0"]) == vehicles
        assert stock.scenarios == scenarios
