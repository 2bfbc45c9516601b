"""The virtual street of the example site, lived for a minute or so by the real SUMO."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.counts import CountRow, counts_from_csv
from models.errors import XanhError
from models.plan import Plan
from models.signals import SignalState
from models.site import Site, StreetOptions
from models.violation import ViolationKind
from simulation.live_demand import WriteChunk
from simulation.states import CLASSES, interpolate
from simulation.street import Street, StreetFrame
from simulation.truth import StopLineCrossing
from traffic.planfiles import read_plan
from traffic.sites import load_site


@pytest.fixture(scope="module")
def site(pho_hue: Path) -> Site:
    return load_site(pho_hue)


@pytest.fixture(scope="module")
def plan(site: Site) -> Plan:
    return read_plan(site.current_plan_path)


@pytest.fixture(scope="module")
def counts(site: Site) -> tuple[CountRow, ...]:
    return counts_from_csv(site.counts_path.read_text(encoding="utf-8"), "counts.csv")


def crossings(frames: list[StreetFrame]) -> list[StopLineCrossing]:
    return [crossing for frame in frames for crossing in frame.crossings]


def test_the_same_seed_lives_the_same_life(
    site: Site, plan: Plan, counts: tuple[CountRow, ...]
) -> None:
    lives = []
    for seed in (1, 1, 2):
        with Street(
            site,
            plan,
            seed=seed,
            counts=counts,
            options=StreetOptions(red_light_share=0.5, wrong_way_vph=900),
        ) as street:
            lives.append(list(street.steps(60)))
    one, again, other = lives
    for first, second in zip(one, again, strict=True):
        assert first.crossings == second.crossings
        assert first.wrong_way == second.wrong_way
        assert first.letters == second.letters
        assert np.array_equal(first.current.id, second.current.id)
        assert np.array_equal(first.current.x_m, second.current.x_m)
    assert crossings(one) != crossings(other)
    assert {CLASSES[index] for index in one[-1].current.vehicle_class} >= {
        "motorcycle",
        "car",
        "pedestrian",
    }


def test_nobody_crosses_at_red_when_nobody_is_to(
    site: Site, plan: Plan, counts: tuple[CountRow, ...]
) -> None:
    with Street(site, plan, seed=4, counts=counts) as street:
        frames = list(street.steps(180))
    seen = crossings(frames)
    assert len(seen) > 400
    assert not any(crossing.red_light for crossing in seen)
    assert all(crossing.letter in "Ggy" for crossing in seen)
    assert len({(crossing.vehicle, crossing.approach) for crossing in seen}) == len(seen)
    for frame in frames:
        for crossing in frame.crossings:
            assert frame.begin_s <= crossing.time_s < frame.end_s
            assert frame.aspects[crossing.movement] is crossing.state
    known = {m.id for junction in site.junctions.values() for m in junction.movements}
    assert {crossing.movement for crossing in seen} <= known


def test_runners_cross_at_red_at_the_instant_that_a_camera_sees(
    site: Site, plan: Plan, counts: tuple[CountRow, ...]
) -> None:
    with Street(
        site,
        plan,
        seed=4,
        counts=counts,
        options=StreetOptions(red_light_share=1.0, wrong_way_vph=0),
    ) as street:
        lines = {line.approach: line for line in street.stop_lines}
        frames = list(street.steps(120))
        controllers = street.controllers
        assert set(controllers) == set(site.junctions)
    red = [crossing for crossing in crossings(frames) if crossing.red_light]
    assert len(red) > 20
    assert {crossing.vehicle_class for crossing in red} == {"motorcycle"}
    for frame in frames:
        for crossing in frame.crossings:
            if not crossing.red_light:
                assert crossing.time_into_red_s is None
                continue
            assert crossing.state is SignalState.RED
            assert crossing.time_into_red_s is not None
            # At least the whole second before was red as well, or this one began it.
            assert crossing.time_into_red_s >= crossing.time_s - frame.begin_s - 1e-9
            states = interpolate(frame.previous, frame.current, crossing.time_s - frame.begin_s)
            row = int(np.nonzero(states.id == crossing.vehicle)[0][0])
            half = states.length_m[row] / 2
            front = (
                states.x_m[row] + np.sin(states.heading_rad[row]) * half,
                states.y_m[row] + np.cos(states.heading_rad[row]) * half,
            )
            assert abs(lines[crossing.approach].ahead_m(*front)) < 0.6


def test_riders_against_the_one_way_are_seen_where_they_enter(
    site: Site, plan: Plan, counts: tuple[CountRow, ...]
) -> None:
    with Street(
        site,
        plan,
        seed=4,
        counts=counts,
        options=StreetOptions(red_light_share=0, wrong_way_vph=900),
    ) as street:
        frames = list(street.steps(150))
    entries = [entry for frame in frames for entry in frame.wrong_way]
    assert len(entries) > 8
    corridor = {f"c{k}": f"C{k + 1}" for k in range(8)}
    for entry in entries:
        assert corridor[entry.approach] == entry.junction
        assert entry.vehicle_class == "motorcycle"
    assert len({entry.vehicle for entry in entries}) == len(entries)
    # They really ride south: against the corridor's heading of about 7 degrees.
    for frame in frames:
        for entry in frame.wrong_way:
            later = frames[min(int(frame.begin_s) + 4, len(frames) - 1)].current
            rows = np.nonzero(later.id == entry.vehicle)[0]
            assert all(np.cos(later.heading_rad[rows] - np.radians(7.0)) < -0.5)


def test_who_rides_against_the_one_way_does_not_turn_back_as_well(
    site: Site, plan: Plan, counts: tuple[CountRow, ...]
) -> None:
    options = StreetOptions(red_light_share=0, wrong_way_vph=900, u_turn_vph=36000)
    with Street(site, plan, seed=4, counts=counts, options=options) as street:
        frames = list(street.steps(90))
    assert sum(len(frame.wrong_way) for frame in frames) > 4
    assert sum(o.kind is ViolationKind.U_TURN for f in frames for o in f.offences) > 4


def test_who_creeps_past_the_line_holds_up_nobody(
    site: Site, plan: Plan, counts: tuple[CountRow, ...]
) -> None:
    delay_s, crept = [], []
    for share in (0.0, 0.5):
        options = StreetOptions(red_light_share=0, wrong_way_vph=0, stop_line_share=share)
        with Street(site, plan, seed=4, counts=counts, options=options) as street:
            frames = list(street.steps(300))
        delay_s.append(sum(frame.delay_vehicle_s for frame in frames))
        offences = [offence for frame in frames for offence in frame.offences]
        crept.append(sum(offence.kind is ViolationKind.STOP_LINE for offence in offences))
    assert crept[0] == 0
    assert crept[1] > 50
    assert delay_s[1] == pytest.approx(delay_s[0], rel=0.1)


def test_a_plan_taken_while_it_runs_reaches_the_heads(site: Site, plan: Plan) -> None:
    current = plan.junction("C2")
    moved = replace(current, offset_ds=(current.offset_ds + 100) % current.cycle_ds)
    with Street(site, plan, seed=4, demand=_nobody) as street:
        list(street.steps(20))
        controller = street.controllers["C2"]
        controller.apply(moved)
        assert controller.read_plan() == moved
        for frame in street.steps(3 * current.cycle_ds // 10):
            assert frame.letters["C2"] == controller.letters
            if controller.settled:
                break
        assert controller.running_plan == moved
        cycle_s, offset_s = moved.cycle_ds // 10, moved.offset_ds // 10
        assert (frame.begin_s - controller.report().second_in_cycle) % cycle_s == offset_s


def test_delay_accrues_and_a_window_of_it_can_be_read(
    site: Site, plan: Plan, counts: tuple[CountRow, ...]
) -> None:
    with Street(site, plan, seed=4, counts=counts) as street:
        list(street.steps(60))
        mark = street.delay.mark()
        frames = list(street.steps(60))
        window = street.delay.since(mark)
    assert window.vehicle_s == pytest.approx(sum(frame.delay_vehicle_s for frame in frames))
    assert 250 < window.vehicles < 500, "about 22,000 vehicles an hour"
    assert 5 < window.delay_s < 200
    assert any(queue.vehicles > 5 for queue in frames[-1].queues.values())


def test_only_one_sumo_runs_in_a_process(site: Site, plan: Plan) -> None:
    nobody: WriteChunk = _nobody
    with Street(site, plan, seed=1, demand=nobody) as street:
        street.step()
        with pytest.raises(XanhError, match="its own process"):
            Street(site, plan, seed=1, demand=nobody)
        assert street.step().end_s == 2.0, "the first one lives on"
    with pytest.raises(XanhError, match="closed"):
        street.step()


def _nobody(path: Path, seed: int, begin_s: float, end_s: float) -> None:
    path.write_text("<routes/>", encoding="utf-8")
