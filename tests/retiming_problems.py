"""Small retiming problems built from plain values: crossroads, corridors."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from models.counts import CountRow
from models.junction import Junction, Movement, PedestrianCrossing, SafetyEnvelope, Turn
from models.plan import JunctionPlan, Plan, Stage
from optimizer.problem import LaneGeometry, LinkGeometry, RetimingProblem, problem_from_counts

START = datetime(2026, 11, 23, 0, 0, tzinfo=UTC)
CREATED = datetime(2026, 11, 22, 0, 0, tzinfo=UTC)


def crossroads(name: str, envelope: SafetyEnvelope | None = None) -> Junction:
    """Northbound and southbound against eastbound and westbound, lefts permissive."""
    movements, conflicts, permissive = [], set(), set()
    onward = {"n": "n", "s": "s", "e": "e", "w": "w"}
    left = {"n": "w", "s": "e", "e": "n", "w": "s"}
    opposite = {"n": "s", "s": "n", "e": "w", "w": "e"}
    for heading in "nsew":
        for turn, to in ((Turn.THROUGH, onward[heading]), (Turn.LEFT, left[heading])):
            movements.append(
                Movement(
                    f"{name}:{heading}in>{to}out",
                    f"{name}{heading}in",
                    f"{name}{to}out",
                    turn,
                    (f"{name}{heading}_0",),
                )
            )
    ids = {m.id for m in movements}
    axis = {"n": 0, "s": 0, "e": 1, "w": 1}
    for first in ids:
        for second in ids:
            a, b = first.split(":")[1][0], second.split(":")[1][0]
            if axis[a] != axis[b]:
                conflicts.add(frozenset((first, second)))
    for heading in "nsew":
        turning = f"{name}:{heading}in>{left[heading]}out"
        against = f"{name}:{opposite[heading]}in>{onward[opposite[heading]]}out"
        conflicts.add(frozenset((turning, against)))
        permissive.add((turning, against))
    crossing = PedestrianCrossing(f":{name}_c0", (f"{name}nin",))
    for movement in ids:
        if movement.split(":")[1][0] in "ns":
            conflicts.add(frozenset((crossing.id, movement)))
    return Junction(
        name,
        tuple(movements),
        (crossing,),
        frozenset(conflicts),
        frozenset(permissive),
        envelope or SafetyEnvelope(ped_clearance_ds={crossing.id: 100}),
    )


def two_stages(junction: Junction, cycle_ds: int = 900) -> JunctionPlan:
    """North-south then east-west, equal splits."""
    envelope = junction.envelope
    lost = envelope.yellow_change_ds + envelope.red_clearance_ds
    by_axis: dict[bool, list[str]] = {True: [], False: []}
    for movement in junction.movements:
        by_axis[movement.id.split(":")[1][0] in "ns"].append(movement.id)
    first, second = by_axis[True], [*by_axis[False], *(c.id for c in junction.crossings)]
    lefts = {m.id for m in junction.movements if m.turn is Turn.LEFT}
    half = cycle_ds // 2
    return JunctionPlan(
        junction.id,
        2 * half,
        0,
        tuple(
            Stage(
                name,
                tuple(green),
                half - lost,
                envelope.yellow_change_ds,
                envelope.red_clearance_ds,
                tuple(i for i in green if i in lefts),
            )
            for name, green in (("A", first), ("B", second))
        ),
    )


def counts(junction: Junction, vph: dict[str, int]) -> list[CountRow]:
    """An hour of cars; ``vph`` by heading and turn such as ``"n through"``."""
    rows = []
    for movement in junction.movements:
        heading = movement.id.split(":")[1][0]
        count = vph.get(f"{heading} {movement.turn}", 0)
        rows.append(
            CountRow(junction.id, movement.id, "car", START, START + timedelta(hours=1), count)
        )
    return rows


def problem(
    junctions: list[Junction],
    vph: dict[str, dict[str, int]],
    links: list[LinkGeometry] | None = None,
) -> RetimingProblem:
    """A problem with one lane of 3.5 m per approach."""
    current = Plan("test", tuple(two_stages(j) for j in junctions), CREATED, "test")
    lanes = [
        LaneGeometry(lane, j.id, approach, 3.5, 200.0, served)
        for j in junctions
        for approach in j.approaches
        for served in [tuple(m.id for m in j.movements if m.from_edge == approach)]
        for lane in [f"{approach}_0"]
    ]
    rows = [row for j in junctions for row in counts(j, vph[j.id])]
    return problem_from_counts(
        "test",
        {j.id: j for j in junctions},
        rows,
        {"car": 1.0},
        current,
        lanes,
        links or [],
        cycle_step_ds=200,
    )


def northbound_link(upstream: str, downstream: str, length_m: float = 300.0) -> LinkGeometry:
    """The road that joins two crossroads northward."""
    return LinkGeometry(
        upstream,
        downstream,
        (f"{upstream}:nin>nout", f"{upstream}:ein>nout"),
        f"{downstream}nin",
        length_m,
        12.0,
    )


USUAL = {
    "n through": 600,
    "s through": 400,
    "e through": 300,
    "w through": 300,
    "n left": 40,
    "e left": 60,
}
