"""Stage sequences: what is in force, made legal, and alternatives that serve the same turns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations, product
from typing import Any

from models.errors import XanhError
from models.junction import Junction
from models.plan import JunctionPlan, Stage

MAX_SETS = 12


@dataclass(frozen=True, slots=True)
class StageOption:
    """Ids shown green together; ``permissive`` give way."""

    id: str
    green: tuple[str, ...]
    permissive: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StageSet:
    """A sequence of stages that serves every movement and crossing.

    ``repeats`` 2: the sequence is there twice, for a junction that runs half the common cycle.
    """

    name: str
    stages: tuple[StageOption, ...]
    repeats: int = 1

    def twice(self) -> StageSet:
        """The sequence two times in one common cycle."""
        again = tuple(StageOption(f"{s.id}'", s.green, s.permissive) for s in self.stages)
        return StageSet(f"{self.name}, twice", (*self.stages, *again), 2)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a file."""
        return {
            "name": self.name,
            "repeats": self.repeats,
            "stages": [
                {"id": s.id, "green": list(s.green), "permissive": list(s.permissive)}
                for s in self.stages
            ],
        }

    @classmethod
    def from_dict(cls, body: Mapping[str, Any]) -> StageSet:
        """Read what ``to_dict`` wrote.

        Raises:
            KeyError, TypeError: If a key is absent or of the wrong form.
        """
        return cls(
            body["name"],
            tuple(
                StageOption(s["id"], tuple(s["green"]), tuple(s["permissive"]))
                for s in body["stages"]
            ),
            body["repeats"],
        )

    def interstages(self, junction: Junction) -> tuple[tuple[int, int], ...]:
        """Yellow and red in ds at the end of each stage, from the junction's envelope.

        Yellow only where a movement ends (a crossing has its clearance within its green), none
        at all where nothing ends.
        """
        movements = {m.id for m in junction.movements}
        envelope = junction.envelope
        result = []
        for stage, following in zip(self.stages, self.stages[1:] + self.stages[:1], strict=True):
            ending = set(stage.green) - set(following.green)
            yellow = envelope.yellow_change_ds if ending & movements else 0
            result.append((yellow, envelope.red_clearance_ds if ending else 0))
        return tuple(result)


def windows(stages: StageSet, signal_id: str) -> tuple[tuple[int, ...], ...]:
    """Runs of consecutive stages (cyclic, in order) in which an id is green."""
    shown = [signal_id in stage.green for stage in stages.stages]
    count = len(shown)
    if all(shown):
        return (tuple(range(count)),)
    runs = []
    for index in range(count):
        if shown[index] and not shown[index - 1]:
            run = [index]
            while shown[(run[-1] + 1) % count]:
                run.append((run[-1] + 1) % count)
            runs.append(tuple(run))
    return tuple(runs)


# Stages of which all orders are listed; of more only the reversed one.
_ORDERED = 4


def orders(stages: StageSet) -> tuple[StageSet, ...]:
    """The same stages in other cyclic orders, without a green more: lead becomes lag.

    A movement whose green would come twice in the cycle would have two short greens.
    """
    first, rest = stages.stages[0], stages.stages[1:]
    if len(rest) < _ORDERED:
        found = [order for order in permutations(rest) if order != rest]
    else:
        found = [tuple(reversed(rest))]
    ids = {signal_id for stage in stages.stages for signal_id in stage.green}
    result = []
    for order in found:
        ordered = (first, *order)
        name = f"{stages.name}, {'-'.join(stage.id for stage in ordered)}"
        other = StageSet(name, ordered)
        if all(len(windows(other, i)) <= len(windows(stages, i)) for i in ids):
            result.append(other)
    return tuple(result)


def permissive_in(junction: Junction, green: Iterable[str]) -> frozenset[str] | None:
    """Who must give way when these are green together; None if it may not be."""
    ids = sorted(set(green))
    if any(not junction.unit(signal_id) <= set(ids) for signal_id in ids):
        return None
    yielding: set[str] = set()
    for index, first in enumerate(ids):
        for second in ids[index + 1 :]:
            if frozenset((first, second)) not in junction.conflicts:
                continue
            if (first, second) in junction.permissive:
                yielding.add(first)
            elif (second, first) in junction.permissive:
                yielding.add(second)
            else:
                return None
    # Ids that share a signal head give way together.
    return frozenset(other for signal_id in yielding for other in junction.unit(signal_id))


def stage_sets(junction: Junction, in_force: JunctionPlan) -> tuple[StageSet, ...]:
    """The sequence in force first, then alternatives that keep each protected turn protected.

    Alternatives exist where a stage of the plan in force serves several approaches: each of
    them may have a stage of its own (split phasing), or lead and lag around the common stage.

    Raises:
        XanhError: If the plan in force shows what the junction forbids and cannot be repaired.
    """
    base = _in_force(junction, in_force)
    protected = _protected(base)
    found = [base]
    seen = {_shape(base)}
    for name, stages in _alternatives(junction, base):
        candidate = _named(name, stages)
        if (
            _shape(candidate) not in seen
            and _served(junction, candidate)
            and protected <= _protected(candidate)
        ):
            seen.add(_shape(candidate))
            found.append(candidate)
    return tuple(found[:MAX_SETS])


def _shape(stages: StageSet) -> tuple[frozenset[str], ...]:
    return tuple(frozenset(stage.green) for stage in stages.stages)


def _protected(stages: StageSet) -> frozenset[str]:
    return frozenset(i for stage in stages.stages for i in stage.green if i not in stage.permissive)


def _served(junction: Junction, stages: StageSet) -> bool:
    return junction.signal_ids <= {i for stage in stages.stages for i in stage.green}


def _named(name: str, stages: Sequence[StageOption]) -> StageSet:
    return StageSet(
        name,
        tuple(
            StageOption(chr(ord("A") + index) if index < 26 else f"S{index}", s.green, s.permissive)
            for index, s in enumerate(stages)
        ),
    )


def _in_force(junction: Junction, plan: JunctionPlan) -> StageSet:
    raw = (
        [(s.id, s.green, s.permissive) for s in plan.stages]
        if plan.stages
        else _from_rows(junction, plan)
    )
    stages: list[StageOption] = []
    for stage_id, green, shown_permissive in raw:
        kept = _legal_part(junction, green, frozenset(shown_permissive))
        if kept.green:
            stages.append(StageOption(stage_id, kept.green, kept.permissive))
    served = {i for stage in stages for i in stage.green}
    for missing in sorted(junction.signal_ids - served):
        stages = _add(junction, stages, missing)
    if not stages:
        raise XanhError(f"junction {junction.id}: the plan in force shows no green")
    return StageSet("in force", tuple(stages))


def _from_rows(
    junction: Junction, plan: JunctionPlan
) -> list[tuple[str, tuple[str, ...], tuple[str, ...]]]:
    """Stages of a program found in a network: its rows without yellow that show a green."""
    found: list[tuple[str, tuple[str, ...], tuple[str, ...]]] = []
    signals = [(m.id, m.links) for m in junction.movements]
    signals += [(c.id, c.links) for c in junction.crossings]
    seen = set()
    for row in plan.as_found:
        if "y" in row.state.lower():
            continue
        green, permissive = [], []
        for signal_id, links in signals:
            shown = [row.state[link] for link in links if link < len(row.state)]
            if shown and all(s in "Gg" for s in shown):
                green.append(signal_id)
                if "g" in shown:
                    permissive.append(signal_id)
        if green and tuple(green) not in seen:
            seen.add(tuple(green))
            found.append((f"P{len(found) + 1}", tuple(green), tuple(permissive)))
    # A walk that ends before its stage does would look like two stages.
    result: list[tuple[str, tuple[str, ...], tuple[str, ...]]] = []
    crossings = {c.id for c in junction.crossings}
    for item in found:
        vehicles = set(item[1]) - crossings
        if result and vehicles == set(result[-1][1]) - crossings:
            wider = max(result[-1], item, key=lambda entry: len(entry[1]))
            result[-1] = wider
        elif vehicles:
            result.append(item)
    return result


def _legal_part(
    junction: Junction, green: Sequence[str], permissive: frozenset[str]
) -> StageOption:
    """The stage with everything the junction forbids in it taken out, last named first."""
    kept: list[str] = []
    # Those with right of way first, so that what gives way is what leaves.
    for signal_id in sorted(green, key=lambda i: (i in permissive, green.index(i))):
        if signal_id in kept or signal_id not in junction.signal_ids:
            continue
        unit = sorted(junction.unit(signal_id))
        if permissive_in(junction, [*kept, *unit]) is not None:
            kept += unit
    gives_way = permissive_in(junction, kept) or frozenset()
    order = [*(i for i in green if i in kept), *(i for i in kept if i not in green)]
    return StageOption(
        "", tuple(order), tuple(i for i in order if i in gives_way or i in permissive)
    )


def _add(junction: Junction, stages: Sequence[StageOption], missing: str) -> list[StageOption]:
    """Serve an id that no stage serves: in a stage without conflict, else in its own."""
    result = list(stages)
    unit = sorted(junction.unit(missing))
    if any(missing in stage.green for stage in result):
        return result
    for index, stage in enumerate(result):
        if all(
            frozenset((one, other)) not in junction.conflicts
            for one in unit
            for other in stage.green
        ):
            result[index] = StageOption(stage.id, (*stage.green, *unit), stage.permissive)
            return result
    crossing = any(c.id == missing for c in junction.crossings)
    if crossing:
        # Turning traffic may give way to people on foot where the junction says so.
        for index, stage in enumerate(result):
            gives_way = permissive_in(junction, (*stage.green, missing))
            if gives_way is not None and missing not in gives_way:
                green = (*stage.green, missing)
                shown = tuple(i for i in green if i in gives_way or i in stage.permissive)
                result[index] = StageOption(stage.id, green, shown)
                return result
    result.append(StageOption(f"extra {missing}", tuple(unit), ()))
    return result


def _alternatives(
    junction: Junction, base: StageSet
) -> Iterable[tuple[str, tuple[StageOption, ...]]]:
    approach = {m.id: m.from_edge for m in junction.movements}
    parts: list[list[StageOption]] = []
    pairs: list[frozenset[str]] = []
    for stage in base.stages:
        served = frozenset(approach[i] for i in stage.green if i in approach)
        if pairs and served and served == pairs[-1]:
            parts[-1].append(stage)
        else:
            pairs.append(served)
            parts.append([stage])
    if len(parts) > 4:
        return
    options: list[list[tuple[str, tuple[StageOption, ...]]]] = []
    for served, stages in zip(pairs, parts, strict=True):
        choices: list[tuple[str, tuple[StageOption, ...]]] = [("", tuple(stages))]
        if len(served) == 2:
            alone = [_own_stage(junction, edge) for edge in sorted(served)]
            first, second = alone
            if first is not None and second is not None:
                common = max(stages, key=lambda stage: len(stage.green))
                choices.append(("split", (first, second)))
                choices.append(("lead-lag", (first, common, second)))
                choices.append(("lag-lead", (second, common, first)))
        options.append(choices)
    for combination in product(*options):
        names = [name or "in force" for name, _ in combination]
        if all(name == "in force" for name in names):
            continue
        stages_of = [stage for _, chosen in combination for stage in chosen]
        completed = _serve_crossings(junction, stages_of)
        yield " / ".join(names), tuple(completed)


def _own_stage(junction: Junction, edge: str) -> StageOption | None:
    """All movements of one approach, protected, with every other movement that fits in."""
    green = [m.id for m in junction.movements if m.from_edge == edge]
    if permissive_in(junction, green) != frozenset():
        return None
    for movement in junction.movements:
        unit = sorted(junction.unit(movement.id) - set(green))
        if permissive_in(junction, [*green, *unit]) == frozenset():
            green += unit
    return StageOption("", tuple(green), ())


def _serve_crossings(junction: Junction, stages: Sequence[StageOption]) -> list[StageOption]:
    result = list(stages)
    served = {i for stage in result for i in stage.green}
    for crossing in junction.crossings:
        if crossing.id not in served:
            result = _add(junction, result, crossing.id)
    return result


def build_plan(
    junction: Junction,
    stages: StageSet,
    greens_ds: Sequence[int],
    offset_ds: int,
) -> JunctionPlan:
    """The plan with these greens; interstages come from the envelope.

    A sequence that runs twice in the common cycle becomes a plan of half that cycle.
    """
    made = tuple(
        Stage(option.id, option.green, green_ds, yellow_ds, red_ds, option.permissive)
        for option, green_ds, (yellow_ds, red_ds) in zip(
            stages.stages, greens_ds, stages.interstages(junction), strict=True
        )
    )
    made = made[: len(made) // stages.repeats]
    cycle_ds = sum(stage.split_ds for stage in made)
    return JunctionPlan(junction.id, cycle_ds, offset_ds % cycle_ds, made)
