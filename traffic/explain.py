"""Why a plan is as it is: alternatives and their costs, what binds, predicted delay; data, figure.

``explain.json`` for machines, ``explain.svg`` for people; both of one plan that ``retime`` made.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from models.plan import JunctionPlan
from models.units import ds_to_seconds
from optimizer.refine import Trial
from optimizer.result import RetimingResult
from simulation.charts import ROW_PX, Row, Span, document, rows, timelines
from traffic.replan import Retiming

WIDTH_PX = 860.0
_MOST_MOVEMENTS = 18
_MOST_ALTERNATIVES = 10
_MOST_RULES = 24
_MOST_FULL, _NEARLY_FULL = 4, 0.85
_LABEL = 34
_MADE = {"start": "the model", "learnt": "the model, taught"}


def explanation(made: Retiming) -> dict[str, Any]:
    """Everything that speaks for and against a plan, as plain values; times in seconds.

    ``alternatives`` are the plans of the model, best first by its cost, each with the proven gap of
    the program that made it, ``gap`` is that of the first; ``judged`` those that SUMO
    saw, in order, with the draw of demand and seeds: figures of one draw compare.
    """
    result = made.result
    before = {item.movement: item for item in made.in_force.movements} if made.in_force else {}
    return {
        "plan": made.plan.digest,
        "line": made.line,
        "method": result.method,
        "status": result.status,
        "gap": made.options[0].gap if made.options else result.gap,
        "advised_speeds": [
            {
                "from": item.upstream,
                "to": item.downstream,
                "approach": item.approach,
                "speed_kmh": round(3.6 * item.speed_mps),
                "unadvised_kmh": 3.6 * item.usual_mps,
            }
            for item in result.advice
        ],
        "delay_s": result.delay_s,
        "stops": result.stops,
        "in_force_delay_s": made.in_force.delay_s if made.in_force else None,
        "note": result.note,
        "junctions": {
            item.junction: {
                "cycle_s": ds_to_seconds(item.cycle_ds),
                "offset_s": ds_to_seconds(item.offset_ds),
                "stages": result.stage_sets.get(item.junction, ""),
                "binding": [
                    {"rule": rule.rule, "limit_s": ds_to_seconds(rule.limit_ds)}
                    for rule in result.binding
                    if rule.junction == item.junction
                ],
            }
            for item in made.plan.junctions
        },
        "movements": [
            {
                "movement": item.movement,
                "demand_vph": item.demand_vph,
                "degree_of_saturation": item.degree_of_saturation,
                "delay_s": item.delay_s,
                "stops": item.stops,
                "in_force_delay_s": before[item.movement].delay_s
                if item.movement in before
                else None,
            }
            for item in result.movements
        ],
        "overloaded": list(result.overloaded),
        "alternatives": [_alternative(item) for item in made.options],
        "judged": [
            {
                "plan": trial.plan.digest,
                "made_by": trial.move,
                "draw": trial.draw,
                "cost_s": trial.figure,
            }
            for trial in made.trials
        ],
        "learnt": [
            {"junction": junction, "lane_group": group, "saturation_flow_factor": factor}
            for (junction, group), factor in sorted(made.learnt.items())
            if abs(factor - 1.0) > 1e-9
        ],
    }


def _alternative(item: RetimingResult) -> dict[str, Any]:
    return {
        "plan": item.plan.digest,
        "cycle_s": {name: ds_to_seconds(cycle) for name, cycle in sorted(item.cycle_ds.items())},
        "stages": dict(sorted(item.stage_sets.items())),
        "delay_s": item.delay_s,
        "stops": item.stops,
        "cost_veh_s_per_h": item.cost,
        "status": item.status,
        "gap": item.gap,
    }


def explanation_svg(made: Retiming) -> str:
    """The explanation as one figure: alternatives, timing, what binds, delay by movement."""
    parts = [f'<text class="h" x="12" y="24">{escape(made.plan.site)}</text>']
    parts.append(f'<text class="m" x="12" y="44">{escape(_short_line(made))}</text>')
    drawn, bottom = _alternatives(made, 60.0)
    parts.append(drawn)
    lines = {_tail(item.junction): _spans(item) for item in made.plan.junctions}
    title = "Timing: stages with their green, from the start of the first"
    drawn, bottom = timelines(title, "s", lines, width=WIDTH_PX, top=bottom + 16)
    parts.append(drawn)
    drawn, bottom = _binding(made.result, bottom + 16)
    parts.append(drawn)
    drawn, bottom = _movements(made, bottom + 16)
    parts.append(drawn)
    return document(WIDTH_PX, bottom + 12, "".join(parts), f"Why this plan: {made.plan.site}")


def write_explanation(made: Retiming, folder: Path) -> tuple[Path, Path]:
    """Write ``explain.json`` and ``explain.svg`` into a folder; returns both."""
    folder.mkdir(parents=True, exist_ok=True)
    data = json.dumps(explanation(made), indent=1, ensure_ascii=False)
    written = []
    for name, text in (("explain.json", data + "\n"), ("explain.svg", explanation_svg(made))):
        path = folder / name
        temporary = path.with_name(name + ".tmp")
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, path)
        written.append(path)
    return written[0], written[1]


def _short_line(made: Retiming) -> str:
    result = made.result
    was = f", the plan in force {made.in_force.delay_s:.1f} s" if made.in_force else ""
    gap = made.options[0].gap if made.options else result.gap
    proven = f"; gap of its program {100.0 * gap:.1f} %" if result.method == "cpsat" else ""
    return (
        f"{result.delay_s:.1f} s delay and {result.stops:.2f} stops per vehicle by the model"
        f"{was}{proven}"
    )


def _alternatives(made: Retiming, top: float) -> tuple[str, float]:
    judged = _last_of_each(made.trials)
    if judged:
        best = sorted(judged, key=lambda trial: trial.figure)[:_MOST_ALTERNATIVES]
        data = [
            Row(
                _cycles(trial.plan.junctions, trial.move),
                trial.figure,
                note=f"{trial.figure:.1f}"
                + (" chosen" if trial.plan.digest == made.plan.digest else ""),
            )
            for trial in best
        ]
        title, unit = "Alternatives judged by SUMO", "delay and stops, s per vehicle"
    else:
        data = [
            Row(
                _cycles(item.plan.junctions, ""),
                item.delay_s,
                note=f"{item.delay_s:.1f}"
                + (" chosen" if item.plan.digest == made.plan.digest else ""),
            )
            for item in made.options[:_MOST_ALTERNATIVES]
        ]
        if made.in_force is not None:
            data.append(Row("in force", made.in_force.delay_s, note=f"{made.in_force.delay_s:.1f}"))
        title, unit = "Alternatives, by the model", "delay, s per vehicle"
    return rows(title, unit, data, width=WIDTH_PX, top=top, from_zero=True)


def _last_of_each(trials: Sequence[Trial]) -> list[Trial]:
    """The latest judgement of each plan."""
    found: Mapping[str, Trial] = {trial.plan.digest: trial for trial in trials}
    return list(found.values())


def _cycles(plans: Sequence[JunctionPlan], move: str) -> str:
    cycles = sorted({item.cycle_ds // 10 for item in plans})
    text = "/".join(str(cycle) for cycle in cycles) + " s"
    made = _MADE.get(move, move)
    return _tail(f"{text}, {made}" if made else text, front=True)


def _spans(plan: JunctionPlan) -> list[Span]:
    spans, at = [], 0.0
    for stage in plan.stages:
        green, yellow, red = stage.green_ds / 10, stage.yellow_ds / 10, stage.red_ds / 10
        spans.append(Span(at, at + green, "go", f"{stage.id} {green:g}"))
        spans.append(Span(at + green, at + green + yellow, "change"))
        spans.append(Span(at + green + yellow, at + green + yellow + red, "wait"))
        at += green + yellow + red
    return spans


def _binding(result: RetimingResult, top: float) -> tuple[str, float]:
    found = [
        f"{_tail(rule.junction)}: {rule.rule}, {ds_to_seconds(rule.limit_ds)} s"
        for rule in result.binding
    ]
    full = sorted(result.movements, key=lambda m: -m.degree_of_saturation)[:_MOST_FULL]
    found += [
        f"capacity: {_tail(item.movement)} is {100 * item.degree_of_saturation:.0f} % full"
        for item in full
        if item.degree_of_saturation >= _NEARLY_FULL
    ]
    found += [
        f"speed: {3.6 * item.speed_mps:.0f} km/h is advised from {item.upstream} to "
        f"{item.downstream}, where traffic drives {3.6 * item.usual_mps:.0f}"
        for item in result.advice
    ]
    shown = found[:_MOST_RULES] or ["nothing: every rule and movement has something to spare"]
    if len(found) > len(shown):
        shown.append(f"and {len(found) - len(shown)} more, see explain.json")
    parts = [f'<text class="h" x="12" y="{top + 16:g}">What binds</text>']
    parts += [
        f'<text x="24" y="{top + 38 + (ROW_PX - 4) * index:g}">{escape(text)}</text>'
        for index, text in enumerate(shown)
    ]
    return "".join(parts), top + 38 + (ROW_PX - 4) * len(shown)


def _movements(made: Retiming, top: float) -> tuple[str, float]:
    before = {item.movement: item for item in made.in_force.movements} if made.in_force else {}
    heaviest = sorted(made.result.movements, key=lambda m: -m.demand_vph * m.delay_s)
    data = [
        Row(
            _tail(item.movement),
            item.delay_s,
            before=before[item.movement].delay_s if item.movement in before else None,
            note=f"{item.delay_s:.0f} s, {100 * item.degree_of_saturation:.0f} % full",
        )
        for item in heaviest[:_MOST_MOVEMENTS]
    ]
    title = "Predicted delay by movement: this plan (filled), in force (ring)"
    return rows(title, "s per vehicle", data, width=WIDTH_PX, top=top)


def _tail(text: str, *, front: bool = False) -> str:
    if len(text) <= _LABEL:
        return text
    return text[: _LABEL - 1] + "…" if front else "…" + text[-(_LABEL - 1) :]
