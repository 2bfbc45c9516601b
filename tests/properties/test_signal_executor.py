"""Whatever is wished, what an executor shows is safe and nobody waits for ever."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from models.junction import Junction, Movement, PedestrianCrossing, SafetyEnvelope, Turn
from models.policy import ControlJunction
from simulation.control_area import change_interval, control_stage
from simulation.red_extension import Inside
from simulation.signal_executor import SignalExecutor

SECONDS = 700


@st.composite
def junctions(draw: st.DrawFn) -> ControlJunction:
    """A junction of random conflicts whose stages are random sets without any."""
    count = draw(st.integers(2, 7))
    walks = draw(st.integers(0, min(2, count - 1)))
    pairs = list(combinations(range(count), 2))
    conflicts = {pair for pair in pairs if draw(st.booleans())}
    conflicts -= set(combinations(range(count - walks, count), 2))  # people do not collide
    envelope = SafetyEnvelope(
        min_green_ds=draw(st.integers(3, 12)) * 10,
        yellow_change_ds=draw(st.integers(0, 5)) * 10,
        red_clearance_ds=draw(st.integers(0, 3)) * 10,
        walk_ds=draw(st.integers(4, 9)) * 10,
        ped_clearance_ds={f"c{k}": draw(st.integers(2, 9)) * 10 for k in range(count)},
        max_red_ds=draw(st.sampled_from([10, 600, 1200, 1800])),
    )
    junction = Junction(
        "J",
        tuple(
            Movement(f"J:a{k}>b", f"a{k}", "b", Turn.THROUGH, (), (k,))
            for k in range(count - walks)
        ),
        tuple(PedestrianCrossing(f"c{k}", (), (k,)) for k in range(count - walks, count)),
        envelope=envelope,
    )
    states: list[str] = []
    for start in range(count):
        order = [start, *draw(st.permutations(range(count)))]
        shown: set[int] = set()
        for link in order:
            if not any((min(link, k), max(link, k)) in conflicts for k in shown):
                shown.add(link)
        state = "".join("G" if k in shown else "r" for k in range(count))
        if state not in states:
            states.append(state)
    stages = {
        f"S{n}": control_stage(f"S{n}", state, junction, 1.0) for n, state in enumerate(states)
    }
    both = frozenset(conflicts) | frozenset((b, a) for a, b in conflicts)
    return ControlJunction(
        junction=junction,
        lanes={},
        stages=stages,
        changes={
            (a.id, b.id): change_interval(a, b, junction, both, 1.0)
            for a in stages.values()
            for b in stages.values()
            if a is not b
        },
        link_yields=both,
        receiving_m={},
        max_red_s=envelope.max_red_ds / 10,
        plan=tuple((name, 20.0) for name in stages),
    )


def shown_by(control: ControlJunction, wishes: list[str | None]) -> tuple[list[str], float]:
    """States per second for wishes that are held for ten seconds each, over and over."""
    executor = SignalExecutor(control, begin_s=0.0, step_s=1.0)
    states = [executor.advance(t, wishes[t // 10 % len(wishes)]) for t in range(SECONDS)]
    return states, executor.max_red_s


@settings(max_examples=120, deadline=None)
@given(data=st.data(), control=junctions())
def test_random_and_nonsense_wishes_are_safe(data: st.DataObject, control: ControlJunction) -> None:
    names = [*control.stages, "no such stage", "", None]
    wishes = data.draw(st.lists(st.sampled_from(names), min_size=1, max_size=9))
    states, max_red_s = shown_by(control, wishes)
    envelope = control.junction.envelope
    walks = {link for c in control.junction.crossings for link in c.links}
    clash = [(a, b) for a, b in control.link_yields if a < b]
    count = len(states[0])
    last_green = [-1000] * count
    red_from = [0] * count
    green_from = [0] * count
    for t, state in enumerate(states):
        for a, b in clash:
            assert not (state[a] in "Gg" and state[b] in "Ggy"), (t, state)
            assert not (state[b] in "Gg" and state[a] in "Ggy"), (t, state)
        before = states[t - 1] if t else "r" * count
        for k, letter in enumerate(state):
            if letter in "Gg" and before[k] not in "Gg":
                green_from[k] = t
                assert t - red_from[k] <= max_red_s, "starved"
                for a, b in control.link_yields:
                    if a == k and t > 0:
                        need = envelope.yellow_change_ds + envelope.red_clearance_ds
                        if b in walks:
                            need = envelope.ped_clearance_ds[f"c{b}"]
                        assert t - last_green[b] - 1 >= need / 10, (t, k, b)
            elif letter not in "Gg" and before[k] in "Gg" and t:
                red_from[k] = t
                least = envelope.walk_ds if k in walks else envelope.min_green_ds
                assert t - green_from[k] >= least / 10
            if letter in "Gg":
                last_green[k] = t
            elif any(stage.letters[k] in "Gg" for stage in control.stages.values()):
                assert t - red_from[k] <= max_red_s, "starved"


@settings(max_examples=30, deadline=None)
@given(control=junctions())
def test_a_wish_for_one_stage_still_serves_all(control: ControlJunction) -> None:
    """Somebody who only ever wants the first stage cannot keep the others from their green."""
    states, _ = shown_by(control, [next(iter(control.stages))])
    if len(control.stages) > 1 and control.max_red_s <= 180:
        executor = SignalExecutor(control, begin_s=0.0, step_s=1.0)
        if executor.max_red_s < SECONDS:
            for link in range(len(states[0])):
                served = any(s.letters[link] in "Gg" for s in control.stages.values())
                assert not served or any(state[link] in "Gg" for state in states)


@settings(max_examples=80, deadline=None)
@given(data=st.data(), control=junctions())
def test_whoever_is_seen_is_served_in_time(data: st.DataObject, control: ControlJunction) -> None:
    """Calls at random seconds: from the first one in a red on, the maximum red counts."""
    names = [*control.stages, None]
    wishes = data.draw(st.lists(st.sampled_from(names), min_size=1, max_size=4))
    count = len(next(iter(control.stages.values())).letters)
    calls = data.draw(st.lists(st.sets(st.integers(0, count - 1)), min_size=1, max_size=6))
    executor = SignalExecutor(control, begin_s=0.0, step_s=1.0)
    served = {k for s in control.stages.values() for k, x in enumerate(s.letters) if x in "Gg"}
    waits_from: dict[int, int] = {}
    for t in range(SECONDS):
        called = calls[t // 40 % len(calls)] if t % 40 == 0 else set()
        state = executor.advance(t, wishes[t // 7 % len(wishes)], called)
        for link in served:
            if state[link] in "Gg":
                waits_from.pop(link, None)
            else:
                if link in called:
                    waits_from.setdefault(link, t)
                assert t - waits_from.get(link, t) <= executor.max_red_s


@settings(max_examples=80, deadline=None)
@given(data=st.data(), control=junctions(), impatient=st.booleans())
def test_a_change_waits_for_who_stands_on_the_junction(
    data: st.DataObject, control: ControlJunction, impatient: bool
) -> None:
    """Nobody begins across one who stands in the way, for as long as is allowed; nobody starves."""
    if not impatient:
        control = replace(control, max_red_s=1e6)
    names = list(control.stages)
    wishes = data.draw(st.lists(st.sampled_from(names), min_size=1, max_size=6))
    longest_s = data.draw(st.sampled_from([0.0, 4.0, 10.0]))
    count = len(control.stages[names[0]].letters)
    link = data.draw(st.integers(0, count - 1))
    stays_s = data.draw(st.integers(1, 60))
    crossing = {b if a == link else a for a, b in control.link_yields if link in (a, b)}
    servable = {k for s in control.stages.values() for k, x in enumerate(s.letters) if x in "Gg"}
    executor = SignalExecutor(control, begin_s=0.0, step_s=1.0, red_extension_s=longest_s)
    last = executor.letters
    red_from = [0] * count
    changed_s = 0.0
    for t in range(SECONDS):
        inside = {"v": Inside(link, 0.0, 30.0)} if t % 60 < stays_s else {}
        before = executor.shown
        state = executor.advance(t, wishes[t // 10 % len(wishes)], None, inside)
        if executor.shown.next_stage is not None and before.next_stage is None:
            changed_s = executor.shown.ready_s
        begun = {k for k in servable if state[k] in "Gg" and last[k] not in "Gg"}
        if before.next_stage is not None:
            assert t <= changed_s + longest_s, "waited for too long"
            had_priority = control.stages[before.stage].letters[link] == "G"
            if begun & crossing and inside and had_priority and not impatient:
                assert t >= changed_s + longest_s, "began in his way"
        for k in servable:
            if state[k] in "Gg":
                red_from[k] = t + 1
            assert t + 1 - red_from[k] <= executor.max_red_s, "starved"
        last = state
