"""What a controller shows is safe at every second, whatever plans it is given and when."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, pairwise

from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from models.junction import Junction, Movement, PedestrianCrossing, SafetyEnvelope, Turn
from models.plan import JunctionPlan, Stage
from models.safety import check
from simulation.field_controller import FixedTimeController

MIN_GREEN_S, YELLOW_S, RED_S, WALK_S, CLEARANCE_S = 7, 3, 2, 7, 6


def movement(name: str, link: int, turn: Turn = Turn.THROUGH) -> Movement:
    return Movement(name, name[0], name[1], turn, (), (link,))


# Two streets: ns with its permissive left nl; ew; el a left of its own; two crossings.
IDS = ("ns", "nl", "ew", "el")
CROSSINGS = ("pw", "pn")
LINKS = {"ns": 0, "nl": 1, "ew": 2, "el": 3, "pw": 4, "pn": 5}
CONFLICTS = frozenset(
    frozenset(pair)
    for pair in (
        ("ns", "ew"), ("ns", "el"), ("nl", "ew"), ("nl", "el"), ("ew", "el"), ("nl", "ns"),
        ("pw", "ew"), ("pw", "el"), ("pn", "ns"), ("pn", "nl"), ("nl", "pw"),
    )
)  # fmt: skip
PERMISSIVE = frozenset({("nl", "ns"), ("nl", "pw")})
JUNCTION = Junction(
    "J",
    tuple(movement(name, LINKS[name]) for name in IDS),
    tuple(PedestrianCrossing(name, (), (LINKS[name],)) for name in CROSSINGS),
    CONFLICTS,
    PERMISSIVE,
    SafetyEnvelope(
        min_green_ds=MIN_GREEN_S * 10,
        walk_ds=WALK_S * 10,
        ped_clearance_ds={"pw": CLEARANCE_S * 10, "pn": CLEARANCE_S * 10},
    ),
)
GREENS = {
    "NS": (("ns", "nl", "pw"), ("nl",)),
    "N": (("ns", "pw"), ()),
    "EW": (("ew", "pn"), ()),
    "EL": (("el", "pn"), ()),
}


@st.composite
def plans(draw: st.DrawFn) -> JunctionPlan:
    order = draw(
        st.sampled_from(
            [
                ("NS", "EW", "EL"),
                ("EW", "NS", "EL"),
                ("EL", "NS", "EW"),
                ("NS", "EL", "EW"),
                ("NS", "N", "EW", "EL"),
                ("N", "EW", "EL", "NS"),
            ]
        )
    )
    stages = []
    for name in order:
        green, permissive = GREENS[name]
        # A crossing's time may be made up of two stages, also over the cycle's end.
        shortest = MIN_GREEN_S if name in ("EW", "EL") else WALK_S + CLEARANCE_S
        seconds = draw(st.integers(shortest, 39))
        clearances = draw(st.sampled_from([(YELLOW_S, RED_S), (4, 2), (3, 3)]))
        stages.append(
            Stage(name, green, seconds * 10, clearances[0] * 10, clearances[1] * 10, permissive)
        )
    cycle = sum(stage.split_ds for stage in stages)
    offset = draw(st.integers(0, cycle // 10 - 1))
    plan = JunctionPlan("J", cycle, offset * 10, tuple(stages))
    assume(check(plan, JUNCTION) == ())
    return plan


@dataclass
class Watch:
    """Everything that was shown, second by second."""

    states: list[str]

    def runs(self, name: str) -> list[tuple[str, int, int]]:
        """(letter group, begin, length) of what one head showed; ends of the record left out."""
        letters = [state[LINKS[name]].lower() for state in self.states]
        found: list[tuple[str, int, int]] = []
        begin = 0
        for second in range(1, len(letters) + 1):
            if second == len(letters) or letters[second] != letters[begin]:
                found.append((letters[begin], begin, second - begin))
                begin = second
        return found[1:-1]

    def check(self) -> None:
        for state in self.states:
            shown = {name: state[link] for name, link in LINKS.items()}
            for one, other in combinations(shown, 2):
                if frozenset((one, other)) not in CONFLICTS:
                    continue
                if "r" in (shown[one], shown[other]):
                    continue
                assert any(
                    (a, b) in PERMISSIVE and shown[a] in "gy"
                    for a, b in ((one, other), (other, one))
                ), (state, one, other)
        for name in IDS:
            runs = self.runs(name)
            for letter, begin, length in runs:
                if letter == "g":
                    assert length >= MIN_GREEN_S, (name, begin, length)
                    assert self.states[begin + length][LINKS[name]] == "y", "green ends in yellow"
                if letter == "y":
                    assert length >= YELLOW_S, (name, begin, length)
                    assert self.states[begin + length][LINKS[name]] == "r", "yellow ends in red"
        for name in CROSSINGS:
            for letter, begin, length in self.runs(name):
                if letter == "g":
                    assert length >= WALK_S, (name, begin, length)
        self.check_clearances()

    def check_clearances(self) -> None:
        """Nothing turns green within the red clearance (or walking time) of a conflicting end."""
        for one in LINKS:
            ends = [begin + length for letter, begin, length in self.runs(one) if letter in "gy"]
            needed = CLEARANCE_S if one in CROSSINGS else RED_S
            for other in LINKS:
                if frozenset((one, other)) not in CONFLICTS:
                    continue
                if {(one, other), (other, one)} & PERMISSIVE:
                    continue
                for letter, begin, _ in self.runs(other):
                    if letter == "g":
                        assert not any(end <= begin < end + needed for end in ends), (one, other)


@settings(max_examples=120, deadline=None)
@given(
    first=plans(),
    changes=st.lists(st.tuples(st.integers(1, 260), plans()), max_size=3),
    begin_s=st.integers(0, 400),
)
def test_what_is_shown_is_safe_through_any_changes_of_plan(
    first: JunctionPlan, changes: list[tuple[int, JunctionPlan]], begin_s: int
) -> None:
    controller = FixedTimeController(first, JUNCTION, begin_s=begin_s)
    states: list[str] = []
    for wait, plan in changes:
        states += [controller.advance() for _ in range(wait)]
        controller.apply(plan)
        assert controller.read_plan() == plan
    while not controller.settled:
        states.append(controller.advance())
        assert len(states) < 4000, "never settles"
    states += [controller.advance() for _ in range(200)]
    Watch(states).check()
    last = changes[-1][1] if changes else first
    assert controller.running_plan == last
    # At its offset: the first stage begins when the plan says.
    steady = FixedTimeController(last, JUNCTION, begin_s=controller.time_s + 1)
    for _ in range(last.cycle_ds // 10):
        assert controller.advance() == steady.advance()
        assert controller.report().second_in_cycle == (controller.time_s - last.offset_ds // 10) % (
            last.cycle_ds // 10
        )


@settings(max_examples=60, deadline=None)
@given(first=plans(), plan=plans(), at=st.integers(1, 300))
def test_the_offset_is_reached_within_five_cycles(
    first: JunctionPlan, plan: JunctionPlan, at: int
) -> None:
    controller = FixedTimeController(first, JUNCTION)
    for _ in range(at):
        controller.advance()
    controller.apply(plan)
    while controller.running_plan != plan:
        controller.advance()
        assert controller.time_s <= at + 2 * first.cycle_ds // 10
    starts = 0
    while not controller.settled:
        controller.advance()
        starts += controller.report().second_in_cycle == 0
    assert starts <= 5


def stage(name: str, green_s: int) -> Stage:
    green, permissive = GREENS[name]
    return Stage(name, green, green_s * 10, YELLOW_S * 10, RED_S * 10, permissive)


def plan_of(*stages: Stage) -> JunctionPlan:
    return JunctionPlan("J", sum(item.split_ds for item in stages), 0, stages)


@settings(max_examples=40, deadline=None)
@given(first=plans(), plan=plans(), at=st.integers(1, 300))
# The crossing's green runs on from the last stage into the first; where the plan begins it has
# the first alone, which must then be longer by itself.
@example(
    first=plan_of(stage("N", 13), stage("EW", 7), stage("EL", 7), stage("NS", 13)),
    plan=plan_of(stage("EW", 7), stage("NS", 13), stage("EL", 7)),
    at=1,
)
def test_a_cycle_on_the_way_changes_by_a_fifth_at_most(
    first: JunctionPlan, plan: JunctionPlan, at: int
) -> None:
    controller = FixedTimeController(first, JUNCTION)
    for _ in range(at):
        controller.advance()
    controller.apply(plan)
    begins = []
    for _ in range(900):
        controller.advance()
        report = controller.report()
        if report.second_in_cycle == 0 and controller.running_plan == plan:
            begins.append(controller.time_s)
    cycle = plan.cycle_ds // 10
    fifth = -(-cycle // 5)
    for number, (begin, end) in enumerate(pairwise(begins)):
        # A green that had only a part of its stages left is first of all as long as it must be.
        minimum = WALK_S + CLEARANCE_S - MIN_GREEN_S if number == 0 else 0
        assert -fifth <= end - begin - cycle <= fifth + minimum
