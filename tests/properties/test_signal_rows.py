"""Any plan that the rulebook allows is safe as the rows that SUMO runs."""

from __future__ import annotations

from pathlib import Path

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from models.junction import Junction
from models.plan import JunctionPlan, Stage
from models.safety import check
from simulation.network import read_junctions
from simulation.programs import signal_rows

NET = Path(__file__).resolve().parents[2] / "sites" / "pho-hue" / "network.net.xml"
JUNCTIONS = read_junctions(NET)


@st.composite
def plans(draw: st.DrawFn) -> JunctionPlan:
    """Stages grown from any order of ids: each takes what it can, permissive where allowed."""
    junction = JUNCTIONS[draw(st.sampled_from(["C1", "C2", "C5"]))]
    order = draw(st.permutations(sorted(junction.signal_ids)))
    stages, served = [], set[str]()
    while not junction.signal_ids <= served:
        green: list[str] = []
        permissive: set[str] = set()
        for name in [*(n for n in order if n not in served), *(n for n in order if n in served)]:
            foes = [g for g in green if frozenset((g, name)) in junction.conflicts]
            yields = {name if (name, foe) in junction.permissive else foe for foe in foes}
            allowed = all(
                (name, foe) in junction.permissive or (foe, name) in junction.permissive
                for foe in foes
            )
            if allowed and (not foes or draw(st.booleans())):
                green.append(name)
                permissive |= yields
        served |= set(green)
        stages.append(
            Stage(
                id=f"s{len(stages)}",
                green=tuple(green),
                green_ds=10 * draw(st.integers(7, 45)),
                yellow_ds=draw(st.sampled_from([30, 40])),
                red_ds=draw(st.sampled_from([20, 30])),
                permissive=tuple(sorted(permissive)),
            )
        )
    cycle = sum(stage.split_ds for stage in stages)
    return JunctionPlan(junction.id, cycle, draw(st.integers(0, cycle // 10 - 1)) * 10,
                        tuple(stages))  # fmt: skip


def letters(junction: Junction, state: str) -> dict[str, str]:
    """The letter of each movement and crossing; all links of one show the same."""
    shown = {}
    for signal in junction.movements + junction.crossings:
        (shown[signal.id],) = {state[i] for i in signal.links}
    return shown


@given(plans())
@settings(max_examples=150, deadline=None)
def test_conflicting_links_are_never_green_together_unless_one_gives_way(
    plan: JunctionPlan,
) -> None:
    junction = JUNCTIONS[plan.junction]
    assume(not check(plan, junction))
    rows = signal_rows(plan, junction)
    assert sum(row.duration_ds for row in rows) == plan.cycle_ds
    for row in rows:
        shown = letters(junction, row.state)
        for pair in junction.conflicts:
            one, other = sorted(pair)
            if shown[one] not in "Gg" or shown[other] not in "Gg":
                continue
            assert (shown[one] == "g" and (one, other) in junction.permissive) or (
                shown[other] == "g" and (other, one) in junction.permissive
            ), f"{one} and {other} in {row.state}"


@given(plans())
@settings(max_examples=150, deadline=None)
def test_between_conflicting_greens_lie_yellow_and_red_clearance(plan: JunctionPlan) -> None:
    junction = JUNCTIONS[plan.junction]
    assume(not check(plan, junction))
    rows = signal_rows(plan, junction)
    seconds = [row.state for row in rows for _ in range(row.duration_ds // 10)]
    shown = [letters(junction, state) for state in seconds]
    envelope = junction.envelope
    clearance_s = (envelope.yellow_change_ds + envelope.red_clearance_ds) // 10
    walk_gap_s = {c.id: envelope.ped_clearance_ds[c.id] // 10 for c in junction.crossings}
    for pair in junction.conflicts:
        if any((a, b) in junction.permissive for a, b in (tuple(pair), tuple(pair)[::-1])):
            continue
        for ended, begun in (tuple(pair), tuple(pair)[::-1]):
            for now in range(len(seconds)):
                if shown[now - 1][begun] in "Gg" or shown[now][begun] not in "Gg":
                    continue
                needed = max(clearance_s, walk_gap_s.get(ended, 0))
                for back in range(1, needed + 1):
                    assert shown[now - back][ended] not in "Gg"


@given(plans())
@settings(max_examples=150, deadline=None)
def test_a_movement_never_goes_from_green_to_red_without_yellow(plan: JunctionPlan) -> None:
    junction = JUNCTIONS[plan.junction]
    assume(not check(plan, junction))
    states = [row.state for row in signal_rows(plan, junction)]
    crossings = {i for c in junction.crossings for i in c.links}
    for before, after in zip(states, [*states[1:], states[0]], strict=True):
        for i, (one, other) in enumerate(zip(before, after, strict=True)):
            if one in "Gg" and other == "r":
                assert i in crossings


def test_enough_random_plans_pass_the_rulebook() -> None:
    """The properties above would be empty if the drawn plans were hardly ever lawful."""
    lawful = 0

    @given(plans())
    @settings(max_examples=60, deadline=None, database=None, derandomize=True)
    def count(plan: JunctionPlan) -> None:
        nonlocal lawful
        lawful += not check(plan, JUNCTIONS[plan.junction])

    count()
    assert lawful >= 10
