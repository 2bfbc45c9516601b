"""The truth of the virtual street: what counts as done, from positions and signals alone."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from models.camera import AreaKind
from models.signals import SignalState
from models.site import Site
from models.violation import ViolationKind as Kind
from simulation.offences import Offence, OffenceWatch
from simulation.people import People
from simulation.states import CLASSES, VehicleStates
from simulation.truth import StopLine, StopLineCrossing
from traffic.sites import load_site

RED, GREEN = SignalState.RED, SignalState.GREEN


@pytest.fixture(scope="module")
def site(pho_hue: Path) -> Site:
    return load_site(pho_hue)


def line_of(site: Site, camera: str) -> StopLine:
    view = site.camera(camera).view
    (ax, ay), (bx, by) = view.stop_line
    return StopLine(
        view.junction, site.camera(camera).approach, (ax + bx) / 2, (ay + by) / 2, *view.inward
    )


def live(
    site: Site,
    camera: str,
    depth_m: Callable[[float], float],
    seconds: int,
    *,
    shown: Callable[[float], SignalState] = lambda _: GREEN,
    aside_m: Callable[[float], float] = lambda _: 0.0,
    kind: str = "motorcycle",
    movement: str = "",
    people: People | None = None,
) -> list[Offence]:
    """One vehicle, its front ``depth_m(t)`` past the line and ``aside_m(t)`` beside its way."""
    line = line_of(site, camera)
    watch = OffenceWatch(site, [line], people or People(1))
    heading = math.atan2(line.inward_x, line.inward_y)
    found: list[Offence] = []
    before = depth_m(0.0)
    for second in range(seconds):
        after = depth_m(second + 1.0)
        crossings = []
        if before < 0.0 <= after:
            at = second + -before / (after - before)
            state = shown(second)
            crossings.append(
                StopLineCrossing(
                    at, 7, kind, line.junction, line.approach, movement, "r", state,
                    10.0 if state is RED else None, state is RED, False,
                )
            )  # fmt: skip
        middle, aside = after - 0.95, aside_m(second + 1.0)
        states = VehicleStates.from_rows(
            [
                (
                    7, CLASSES.index(kind),
                    line.x_m + line.inward_x * middle + line.inward_y * aside,
                    line.y_m + line.inward_y * middle - line.inward_x * aside,
                    heading, after - before, 1.9, 0.7, 1.6,
                )
            ]
        )  # fmt: skip
        found += watch.step(float(second), states, crossings, lambda _, s=second: shown(s))
        before = after
    return found


def kinds(found: list[Offence]) -> list[tuple[Kind, bool]]:
    return [(item.kind, item.clear) for item in found]


def test_one_who_drives_on_through_red_ran_the_light(site):
    found = live(site, "C2-c1", lambda t: 5 * t - 12, 12, shown=lambda _: RED)
    assert kinds(found) == [(Kind.RED_LIGHT, True)]
    assert found[0].time_s == pytest.approx(2.4)


@pytest.mark.parametrize(("stands_m", "clear"), [(-0.1, False), (-1.0, True)])
def test_one_who_stood_on_the_line_when_red_began_is_not_clearly_a_runner(site, stands_m, clear):
    def front(t: float) -> float:
        return min(4 * (t - 3), stands_m) if t < 20 else stands_m + 5 * (t - 20)

    found = live(site, "C2-c1", front, 26, shown=lambda t: GREEN if t < 9 else RED)
    assert kinds(found) == [(Kind.RED_LIGHT, clear)]


def test_green_before_the_front_is_inside_makes_it_an_early_start(site):
    def front(t: float) -> float:
        return 1.5 * (t - 5) - 0.5 if t < 8 else 4 + 3 * (t - 8)

    found = live(site, "C2-c1", front, 14, shown=lambda t: RED if t < 7 else GREEN)
    assert kinds(found) == [(Kind.EARLY_START, True)]


def test_one_who_stands_past_the_line_at_red_encroached(site):
    def front(t: float) -> float:
        return min(1.2 * (t - 3), 2.4) if t < 15 else 2.4 + 3 * (t - 15)

    found = live(site, "C2-c1", front, 22, shown=lambda t: RED if t < 14 else GREEN)
    assert kinds(found) == [(Kind.STOP_LINE, True)]


@pytest.mark.parametrize(
    ("aside_m", "told"), [(2.4, [(7.0, True)]), (4.8, [(9.0, False)]), (18.0, [])]
)
def test_one_who_is_moved_aside_past_the_line_does_not_stand_there_yet(site, aside_m, told):
    """The simulator calls his speed zero meanwhile; beyond four metres he has turned."""

    def front(t: float) -> float:
        return min(1.2 * (t - 3), 2.4) if t < 20 else 2.4 + 4 * (t - 20)

    def aside(t: float) -> float:
        return min(max(1.2 * (t - 5), 0.0), aside_m)

    found = live(site, "C2-c1", front, 25, shown=lambda _: RED, aside_m=aside)
    stops = [item for item in found if item.kind is Kind.STOP_LINE]
    assert [(item.time_s, item.clear) for item in stops] == told


@pytest.mark.parametrize("stop_m", [-1.0, 0.3])
def test_one_who_stands_before_or_on_the_line_did_not(site, stop_m):
    def front(t: float) -> float:
        return min(2.0 * (t - 5), stop_m) if t < 15 else stop_m + 4 * (t - 15)

    assert not live(site, "C2-c1", front, 25, shown=lambda t: RED if t < 14 else GREEN)


def test_one_who_stood_on_the_line_when_red_began_did_not_clearly_come_over_it(site):
    def front(t: float) -> float:
        if t < 16:
            return min(4 * (t - 3), -0.1)
        return min(-0.1 + 1.2 * (t - 16), 2.4) if t < 32 else 2.4 + 4 * (t - 32)

    found = live(site, "C2-c1", front, 40, shown=lambda t: RED if 9 <= t < 31 else GREEN)
    assert kinds(found) == [(Kind.STOP_LINE, False)]


@pytest.mark.parametrize(
    ("queue_s", "beyond_m", "beside_m", "told"),
    [
        (None, 0.0, 0.0, [(0.0, True)]),
        ((0, 45), 6.0, 0.0, []),  # it queues from the beginning
        ((0, 45), 6.0, 1.8, [(0.0, False)]),  # in the same queue, or beside it
        ((0, 45), 6.0, 2.2, [(0.0, True)]),
        ((24, 45), 6.0, 0.0, [(0.0, False)]),  # it stood long, and then another stands before it
        ((0, 10), 6.0, 0.0, [(10.0, True)]),  # it queued, and stays when the queue has gone
        ((24, 45), 20.0, 0.0, [(0.0, True)]),
        (None, -1.0, 0.0, [(0.0, False)]),  # nobody drives past
    ],
)
def test_stopping_is_what_one_does_while_it_does_not_queue(site, queue_s, beyond_m, beside_m, told):
    line = line_of(site, "C1-c0")
    heading = math.atan2(line.inward_x, line.inward_y)
    zone = next(
        area for area in site.camera("C1-c0").view.road.areas if area.kind is AreaKind.NO_STOPPING
    )
    # Where it stands: at the zone's end; who queues before it does so beyond the zone.
    along = [
        (x - line.x_m) * line.inward_x + (y - line.y_m) * line.inward_y for x, y in zone.outline
    ]
    stands_m = max(along) - 4.0
    x, y = (sum(values) / len(zone.outline) for values in zip(*zone.outline, strict=True))
    aside = (x - line.x_m) * line.inward_y - (y - line.y_m) * line.inward_x
    watch = OffenceWatch(site, [line], People(1))

    def row(name: int, along_m: float, aside_m: float, speed: float) -> tuple[float, ...]:
        place_x = line.x_m + line.inward_x * along_m + line.inward_y * aside_m
        place_y = line.y_m + line.inward_y * along_m - line.inward_x * aside_m
        kind = CLASSES.index("car")
        return (name, kind, place_x, place_y, heading, speed, 4.4, 1.8, 1.5)

    found: list[Offence] = []
    for second in range(45):
        rows = [row(1, stands_m if second < 40 else 400.0, aside, 0.0 if second < 40 else 9.0)]
        passing = second // 5
        if beyond_m >= 0.0:
            rows.append(row(100 + passing, stands_m - 12 + 5 * (second % 5), aside - 3.0, 5.0))
        if queue_s is not None and queue_s[0] <= second < queue_s[1]:
            rows.append(row(2, stands_m + beyond_m, aside + beside_m, 0.0))
        states = VehicleStates.from_rows(rows)
        found += watch.step(float(second), states, [], lambda _: GREEN)
    mine = [item for item in found if item.vehicle == 1 and item.kind is Kind.ILLEGAL_STOPPING]
    assert [(item.time_s, item.clear) for item in mine] == told


def test_one_who_stands_creeps_on_and_stands_again_does_one_thing(site):
    def front(t: float) -> float:
        return min(6 * (t - 3), 12.0) if t < 18 else min(12.0 + (t - 18), 13.0)

    found = live(site, "C2-c1", front, 40, shown=lambda t: GREEN if t < 5 else RED)
    assert kinds(found) == [(Kind.BLOCKING, True)]

    def past(t: float) -> float:
        return min(1.2 * (t - 3), 2.4) if t < 12 else min(2.4 + (t - 12), 3.4)

    assert kinds(live(site, "C2-c1", past, 30, shown=lambda _: RED)) == [(Kind.STOP_LINE, True)]


def test_standing_counts_from_the_second_in_which_red_began(site):
    """He stops on yellow at 6 s, red begins at 8 s, he stays until 10 s: two seconds on red."""

    def front(t: float) -> float:
        return min(3.6 * (t - 5), 3.6) if t < 10 else 3.6 + 4 * (t - 10)

    def shown(t: float) -> SignalState:
        return RED if t >= 8 else SignalState.YELLOW

    found = live(site, "C2-c1", front, 16, shown=shown)
    assert [(item.kind, item.time_s, item.clear) for item in found] == [
        (Kind.STOP_LINE, 8.0, False)
    ]


def test_a_ride_on_the_pavement_is_told_though_its_rider_leaves_the_street(site):
    line = line_of(site, "C3-c2")
    view = site.camera("C3-c2").view
    area = next(a for a in view.road.areas if a.kind is AreaKind.PAVEMENT)
    corners = np.array(area.outline)
    x, y = corners.mean(axis=0)
    heading = math.atan2(line.inward_x, line.inward_y)
    watch = OffenceWatch(site, [line], People(1))
    found: list[Offence] = []
    for second in range(5):
        ahead = 12.0 * (second - 1)
        place = (x + line.inward_x * ahead, y + line.inward_y * ahead)
        row = (7, CLASSES.index("motorcycle"), *place, heading, 12.0, 1.9, 0.7, 1.6)
        # He is there at the ends of two seconds, and then nowhere.
        states = VehicleStates.from_rows([row] if second < 2 else [])
        found += watch.step(float(second), states, [], lambda _: GREEN)
    assert kinds(found) == [(Kind.PAVEMENT, False)]


def test_one_who_stands_inside_after_green_blocks(site):
    def front(t: float) -> float:
        return min(6.0 * (t - 3), 15.0) if t < 20 else 15 + 6 * (t - 20)

    found = live(site, "C2-c1", front, 26, shown=lambda t: GREEN if t < 7 else RED)
    assert kinds(found) == [(Kind.BLOCKING, True)]
    assert not live(site, "C2-c1", front, 26)


def blocking(site: Site, depth_m: float, until_s: float) -> list[Offence]:
    """What one does who stands so far past the line, from second 5, while its head is red."""
    found = live(
        site,
        "C2-c1",
        lambda t: (
            min(depth_m / 2 * (t - 3), depth_m) if t < until_s else depth_m + 6 * (t - until_s)
        ),
        int(until_s) + 6,
        shown=lambda t: GREEN if t < 4.5 else RED,
    )
    return [item for item in found if item.kind is Kind.BLOCKING]


def test_what_lasted_and_is_not_clear_was_done_as_long_as_it_lasted(site):
    """He stands at the junction's edge from second 5 to 40: a flag on it at 25 s is not wrong."""
    edge_m = next(
        d
        for d in np.arange(1.0, 20.0, 0.2).tolist()
        if kinds(blocking(site, d, 20)) == [(Kind.BLOCKING, False)]
    )
    (act,) = blocking(site, edge_m, 40)
    assert act.from_s == act.time_s == pytest.approx(5.0, abs=1.0)
    assert act.to_s == pytest.approx(40.0, abs=1.0)


@pytest.mark.parametrize(
    ("speed", "expected"),
    [(12.0, []), (16.0, [(Kind.SPEEDING, False)]), (19.0, [(Kind.SPEEDING, True)])],
)
def test_speeding_is_what_is_over_the_limit_by_its_margin(site, speed, expected):
    assert kinds(live(site, "C2-c1", lambda t: speed * (t - 2), 9)) == expected


@pytest.mark.parametrize(("until_s", "told"), [(5, True), (13, False)])
def test_one_who_turns_back_does_so_near_the_line(site, until_s, told):
    def front(t: float) -> float:
        return 5 * t - 2 if t < until_s else 5 * until_s - 2 - 2 * (t - until_s)

    found = live(site, "C2-eb2a", front, until_s + 5)
    assert (Kind.U_TURN in {kind for kind, _ in kinds(found)}) is told


def test_a_truck_that_turns_where_trucks_may_not(site):
    turn = "C2:c1>wb2b"
    found = live(site, "C2-c1", lambda t: 7 * (t - 2), 8, kind="truck", movement=turn)
    assert (Kind.ILLEGAL_TURN, True) in kinds(found)
    assert not live(site, "C2-c1", lambda t: 7 * (t - 2), 8, kind="car", movement=turn)


def test_three_on_a_motorbike_and_a_bare_head_are_told_at_the_line(site):
    found = live(site, "C2-c1", lambda t: 8 * (t - 2), 6, people=People(1, 1.0, 1.0))
    assert {kind for kind, _ in kinds(found)} == {Kind.OVERLOADED, Kind.NO_HELMET}


def test_shares_of_riders_hold_and_do_not_change():
    people = People(5, 0.1, 0.2)
    ids = np.arange(20_000)
    riders, bare = people.riders(ids), people.bare_heads(ids)
    assert (riders == 3).mean() == pytest.approx(0.1, abs=0.01)
    assert bare.mean() == pytest.approx(0.2, abs=0.015)
    assert (people.riders(ids[::-1])[::-1] == riders).all()
    assert set(np.unique(riders)) == {1, 2, 3}


def test_every_camera_has_a_box_inside_its_junction(site):
    for camera in site.cameras:
        areas = [a for a in camera.view.road.areas if a.kind is AreaKind.BOX]
        assert len(areas) == 1, camera.id
        junction = site.junctions[camera.junction]
        middle = np.mean(np.array(areas[0].outline), axis=0)
        assert math.dist(middle, (junction.x_m, junction.y_m)) < 12.0, camera.id


@pytest.mark.parametrize(
    ("waits_m", "from_s", "to_s"), [(0.2, 3.0, 12.1), (0.8, 3.0, 3.5), (-0.3, 3.0, 12.2)]
)
def test_what_one_does_who_waits_on_the_line_he_does_till_he_drives_on(site, waits_m, from_s, to_s):
    """He comes at a metre a second, waits until the twelfth, and turns where he must not."""
    camera = site.camera("C2-c1")
    turn = camera.view.road.forbidden_turns[0]

    def depth_m(time_s: float) -> float:
        return min(time_s - 3.0, waits_m) if time_s <= 12.0 else waits_m + 4.0 * (time_s - 12.0)

    found = live(site, "C2-c1", depth_m, 24, kind=turn.vehicle_classes[0], movement=turn.movement)
    act = next(item for item in found if item.kind is Kind.ILLEGAL_TURN)
    assert act.from_s == pytest.approx(from_s, abs=0.3)
    assert act.to_s == pytest.approx(to_s, abs=0.3)
