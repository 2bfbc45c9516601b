"""The only rulebook for plans: what a junction's envelope demands, as a list of breaches."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations

from models.junction import Junction
from models.plan import JunctionPlan, Plan, Stage
from models.units import ds_to_seconds


class Rule(StrEnum):
    """The rules, by the name that reports and the API show."""

    DEPLOYABLE = "deployable"
    KNOWN_IDS = "known_ids"
    CONFLICT = "conflict"
    TIED = "tied"
    MIN_GREEN = "min_green"
    MAX_GREEN = "max_green"
    YELLOW_CHANGE = "yellow_change"
    RED_CLEARANCE = "red_clearance"
    PEDESTRIAN = "pedestrian"
    CYCLE = "cycle"
    GRANULARITY = "granularity"
    STARVED = "starved"
    MAX_RED = "max_red"
    COVERAGE = "coverage"


@dataclass(frozen=True, slots=True)
class Breach:
    """One broken rule; ``message`` is a full line with the values and the limit."""

    rule: Rule
    junction: str
    subject: str
    message: str


def green_windows_ds(plan: JunctionPlan, signal_id: str) -> tuple[tuple[int, int], ...]:
    """Contiguous greens of one id within a cycle as ``(start_ds, duration_ds)``.

    Starts count from the first stage's green. A green that runs over the cycle's end is one
    window; an id green in every stage has a single window as long as the cycle.
    """
    stages = plan.stages
    count = len(stages)
    shown = [signal_id in stage.green for stage in stages]
    if not any(shown):
        return ()
    if all(shown):
        return ((0, plan.cycle_ds),)
    starts = [0]
    for stage in stages:
        starts.append(starts[-1] + stage.split_ds)
    windows: list[tuple[int, int]] = []
    for index in range(count):
        if not shown[index] or shown[index - 1]:
            continue
        length, at = 0, index
        while True:
            following = (at + 1) % count
            length += stages[at].split_ds if shown[following] else stages[at].green_ds
            if not shown[following]:
                break
            at = following
        windows.append((starts[index], length))
    return tuple(windows)


def check(plan: JunctionPlan, junction: Junction) -> tuple[Breach, ...]:
    """Every rule of the junction's envelope that the plan breaks; empty when it may be deployed.

    Cycle = sum of the stages and offset < cycle hold already, or the plan could not exist.
    """
    breaches: list[Breach] = []

    def breach(rule: Rule, subject: str, message: str) -> None:
        breaches.append(Breach(rule, junction.id, subject, f"junction {junction.id}: {message}"))

    if plan.junction != junction.id:
        breach(Rule.KNOWN_IDS, plan.junction, f"the plan is for junction {plan.junction}")
        return tuple(breaches)
    if plan.as_found:
        breach(
            Rule.DEPLOYABLE,
            junction.id,
            "a program taken as found in a network is for comparison only; retime it to deploy",
        )
    if not plan.stages:
        return tuple(breaches)

    known = junction.signal_ids
    unknown = sorted({i for stage in plan.stages for i in stage.green} - known)
    for signal_id in unknown:
        breach(
            Rule.KNOWN_IDS,
            signal_id,
            f"{signal_id!r} has no signal here; valid are {', '.join(sorted(known))}",
        )
    for stage in plan.stages:
        _check_conflicts(stage, junction, breach)
        _check_tied(stage, junction, breach)
    _check_interstages(plan, junction, breach)
    _check_greens(plan, junction, breach)
    _check_cycle(plan, junction, breach)
    return tuple(breaches)


def check_plan(plan: Plan, junctions: Mapping[str, Junction]) -> tuple[Breach, ...]:
    """``check`` for every junction of a plan, and that the plan fits the site's junctions."""
    breaches: list[Breach] = []
    for junction_plan in plan.junctions:
        junction = junctions.get(junction_plan.junction)
        if junction is None:
            name = junction_plan.junction
            valid = ", ".join(sorted(junctions))
            breaches.append(
                Breach(
                    Rule.KNOWN_IDS,
                    name,
                    name,
                    f"junction {name}: not a junction of this site; valid are {valid}",
                )
            )
            continue
        breaches += check(junction_plan, junction)
    missing = sorted(set(junctions) - {plan.junction for plan in plan.junctions})
    breaches += [
        Breach(Rule.COVERAGE, name, name, f"junction {name}: the plan has no timing for it")
        for name in missing
    ]
    return tuple(breaches)


_Report = Callable[[Rule, str, str], None]


def _check_conflicts(stage: Stage, junction: Junction, breach: _Report) -> None:
    permissive = set(stage.permissive)
    for first, second in combinations(sorted(stage.green), 2):
        if frozenset((first, second)) not in junction.conflicts:
            continue
        yields = any(
            one in permissive and (one, other) in junction.permissive
            for one, other in ((first, second), (second, first))
        )
        if not yields:
            breach(
                Rule.CONFLICT,
                stage.id,
                f"stage {stage.id} shows {first} and {second} green together, which conflict "
                "and may not share a stage this way",
            )


def _check_tied(stage: Stage, junction: Junction, breach: _Report) -> None:
    green, permissive = set(stage.green), set(stage.permissive)
    for group in sorted(junction.tied, key=sorted):
        if not (group <= green or not group & green) or 0 < len(group & permissive) < len(group):
            breach(
                Rule.TIED,
                stage.id,
                f"stage {stage.id}: {' and '.join(sorted(group))} share a signal head and must "
                "be shown alike",
            )


def _check_interstages(plan: JunctionPlan, junction: Junction, breach: _Report) -> None:
    envelope = junction.envelope
    movements = {m.id for m in junction.movements}
    for stage, following in zip(plan.stages, plan.stages[1:] + plan.stages[:1], strict=True):
        ending = set(stage.green) - set(following.green)
        if not ending:
            continue
        if ending & movements and stage.yellow_ds < envelope.yellow_change_ds:
            breach(
                Rule.YELLOW_CHANGE,
                stage.id,
                f"stage {stage.id}: yellow_s is {ds_to_seconds(stage.yellow_ds)}; valid is at "
                f"least {ds_to_seconds(envelope.yellow_change_ds)}",
            )
        if stage.red_ds < envelope.red_clearance_ds:
            breach(
                Rule.RED_CLEARANCE,
                stage.id,
                f"stage {stage.id}: red_s is {ds_to_seconds(stage.red_ds)}; valid is at least "
                f"{ds_to_seconds(envelope.red_clearance_ds)}",
            )


def _check_greens(plan: JunctionPlan, junction: Junction, breach: _Report) -> None:
    envelope = junction.envelope
    for movement in junction.movements:
        windows = green_windows_ds(plan, movement.id)
        if not windows:
            breach(Rule.STARVED, movement.id, f"movement {movement.id} never turns green")
            continue
        always = windows[0][1] == plan.cycle_ds
        for _, length in windows:
            if length < envelope.min_green_ds:
                breach(
                    Rule.MIN_GREEN,
                    movement.id,
                    f"movement {movement.id} is green for {ds_to_seconds(length)} s; valid is at "
                    f"least {ds_to_seconds(envelope.min_green_ds)} s",
                )
            if length > envelope.max_green_ds and not always:
                breach(
                    Rule.MAX_GREEN,
                    movement.id,
                    f"movement {movement.id} is green for {ds_to_seconds(length)} s; valid is at "
                    f"most {ds_to_seconds(envelope.max_green_ds)} s",
                )
        longest_red = _longest_red_ds(windows, plan.cycle_ds)
        if longest_red > envelope.max_red_ds:
            breach(
                Rule.MAX_RED,
                movement.id,
                f"movement {movement.id} waits {ds_to_seconds(longest_red)} s without green; "
                f"valid is at most {ds_to_seconds(envelope.max_red_ds)} s",
            )
    for crossing in junction.crossings:
        windows = green_windows_ds(plan, crossing.id)
        if not windows:
            breach(Rule.STARVED, crossing.id, f"crossing {crossing.id} never turns green")
        needed = envelope.crossing_ds(crossing.id)
        for _, length in windows:
            if length < needed:
                breach(
                    Rule.PEDESTRIAN,
                    crossing.id,
                    f"crossing {crossing.id} has {ds_to_seconds(length)} s; walk and clearance "
                    f"need at least {ds_to_seconds(needed)} s",
                )


def _longest_red_ds(windows: tuple[tuple[int, int], ...], cycle_ds: int) -> int:
    ends = [start + length for start, length in windows]
    following = [start for start, _ in windows[1:]] + [windows[0][0] + cycle_ds]
    return max(start - end for start, end in zip(following, ends, strict=True))


def _check_cycle(plan: JunctionPlan, junction: Junction, breach: _Report) -> None:
    envelope = junction.envelope
    if not envelope.min_cycle_ds <= plan.cycle_ds <= envelope.max_cycle_ds:
        breach(
            Rule.CYCLE,
            junction.id,
            f"cycle_s is {ds_to_seconds(plan.cycle_ds)}; valid is from "
            f"{ds_to_seconds(envelope.min_cycle_ds)} to {ds_to_seconds(envelope.max_cycle_ds)}",
        )
    values = {"cycle_s": plan.cycle_ds, "offset_s": plan.offset_ds}
    values |= {f"stage {stage.id} split": stage.split_ds for stage in plan.stages}
    for name, value in values.items():
        if value % envelope.granularity_ds:
            breach(
                Rule.GRANULARITY,
                junction.id,
                f"{name} is {ds_to_seconds(value)}; the controller takes multiples of "
                f"{ds_to_seconds(envelope.granularity_ds)} s",
            )
