"""The validation report as files: ``report.json`` for programs, ``report.html`` for people."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from models.junction import Junction
from models.plan import JunctionPlan, Plan, Stage
from models.site import Site
from models.units import ds_to_seconds, utc_text
from models.validation import MovementChange, ValidationReport
from simulation.candidates import Candidate
from simulation.figures import (
    PALETTES,
    change_figure,
    figure_json,
    movement_delay_figure,
    plotly_script,
    strip_svg,
    time_space_figure,
)
from simulation.film import Film
from simulation.judge import ResultPair
from simulation.labels import approach_label, green_summaries, junction_label, movement_labels
from simulation.playback import playback_html
from simulation.progression import find_corridors, lamps
from simulation.report_rows import measure_rows
from simulation.report_text import TEXTS, VERDICTS
from simulation.roads import read_roads
from simulation.run_figures import add_ways, cumulative_figure, queue_figure, split_figure
from simulation.wording import Language, headline, report_reason, signed

_MOST_MOVEMENTS = 40


def write_report(
    report: ValidationReport,
    site: Site,
    candidate: Candidate,
    against: Plan,
    folder: Path,
    *,
    language: Language = "en",
    runs: Sequence[ResultPair] = (),
    film: Film | None = None,
) -> None:
    """Write ``report.json`` and a self-contained ``report.html``, each whole or not at all.

    With a ``film`` a ``playback.html`` stands beside them, and the diagrams of the corridor show
    its vehicles; with ``runs`` there are figures of how they went.

    Raises:
        OSError: If the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(report.to_dict(), indent=2, ensure_ascii=False)
    page = report_html(report, site, candidate, against, language=language, runs=runs, film=film)
    if film is not None:
        _write(folder / "playback.html", playback_html(site, film, language=language))
    else:
        (folder / "playback.html").unlink(missing_ok=True)
    _write(folder / "report.html", page)
    _write(folder / "report.json", f"{text}\n")


def report_html(
    report: ValidationReport,
    site: Site,
    candidate: Candidate,
    against: Plan,
    *,
    language: Language = "en",
    runs: Sequence[ResultPair] = (),
    film: Film | None = None,
) -> str:
    """The report as one page with its styles, figures and plotly.js inside."""
    texts = TEXTS[language]
    names = _Names(site, language)
    glyph, verdict = VERDICTS[language][report.verdict]
    policy = site.acceptance
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string(_data("report.html.j2"))
    return template.render(
        t=texts,
        language=language,
        report=report,
        site=site,
        glyph=glyph,
        verdict=verdict,
        headline=headline(report, language),
        headline_note=texts["headline"].format(pairs=report.pairs),
        reason=report_reason(report, policy, language),
        measures=measure_rows(report, language),
        figures=_figures(report, site, candidate, against, names, runs, film),
        film=film is not None,
        problems=report.problems,
        corridors=_corridors(site, names, film is not None),
        shown_note=_shown_note(report, texts),
        worst=_worst(report.worst_movement, site, _timing_of(candidate), against, names),
        timings=[
            _timing(junction, _timing_of(candidate), against, names)
            for junction in site.junctions.values()
        ],
        movements=_movement_rows(report, names),
        limits=texts["limits_line"].format(
            limit=f"{policy.max_delay_change_pct:g}",
            enough=f"{policy.min_movement_vehicles:g}",
            pct=f"{policy.max_movement_worse_pct:g}",
            worse=f"{policy.max_movement_worse_s:g}",
            spill=f"{policy.max_spillback_pct:g}",
        ),
        spillback=_spillback_rows(report, names),
        demand=_demand(report, texts),
        policy_note=texts["policy_note"].format(policy=report.policy) if report.policy else "",
        created=utc_text(report.created),
        expires=utc_text(report.expires),
        palettes={
            theme: Markup("".join(f"{name}:{value};" for name, value in palette.items()))
            for theme, palette in PALETTES.items()
        },
        style=Markup(_data("report.css") + _data("figures.css")),
        script=Markup(plotly_script()),
    )


def _timing_of(candidate: Candidate) -> Plan:
    """The plan that is drawn for a candidate: of a policy the one whose stages it shows."""
    return candidate if isinstance(candidate, Plan) else candidate.plan


class _Names:
    """How the site's junctions and movements are called in one language."""

    def __init__(self, site: Site, language: Language) -> None:
        self.language = language
        self.texts = TEXTS[language]
        self._site = site
        self._movements = movement_labels(site, language)
        self._junction_of = {
            movement.id: junction
            for junction in site.junctions.values()
            for movement in junction.movements
        }

    def junction(self, junction: str) -> str:
        return junction_label(self._site.junctions[junction])

    def movement(self, movement: str) -> str:
        return self._movements.get(movement, movement)

    def approach(self, edge: str) -> str:
        return approach_label(self._site, edge, self.language)

    def full(self, movement: str) -> str:
        junction = self._junction_of.get(movement)
        if junction is None or len(self._site.junctions) == 1:
            return self.movement(movement)
        return f"{junction_label(junction)} · {self.movement(movement)}"

    def home(self, movement: str) -> Junction | None:
        return self._junction_of.get(movement)

    def greens(self, junction: Junction, plan: JunctionPlan) -> list[str]:
        greens = [stage.green for stage in plan.stages]
        return green_summaries(self._site, junction, greens, self.language)


def _figures(
    report: ValidationReport,
    site: Site,
    candidate: Candidate,
    against: Plan,
    names: _Names,
    runs: Sequence[ResultPair],
    film: Film | None,
) -> dict[str, Markup]:
    language = names.language
    enough = site.acceptance.min_movement_vehicles
    movements = [m for m in report.movements if m.vehicles >= enough] or list(report.movements)
    figures = {
        "changes": change_figure(report, language=language),
        "movements": movement_delay_figure(
            movements, names.full, language=language, most=_MOST_MOVEMENTS
        ),
    }
    further = {
        "queues": queue_figure(runs, names.approach, language=language),
        "cumulative": cumulative_figure(runs, language=language),
        "splits": split_figure(runs, names.full, language=language),
    }
    figures |= {name: figure for name, figure in further.items() if figure is not None}
    begin_s = film.begin_s if film is not None else 0.0
    sides = (film.before, film.after) if film is not None else (None, None)
    for index, corridor in enumerate(_site_corridors(site)):
        for role, plan, side in zip(
            ("before", "after"), (against, _timing_of(candidate)), sides, strict=True
        ):
            figure = time_space_figure(
                corridor, plan, site.junctions, names.junction, language=language, begin_s=begin_s
            )
            if side is not None and site.network is not None:
                add_ways(figure, corridor, side, read_roads(site.network), begin_s=begin_s)
            figures[f"corridor-{index}-{role}"] = figure
    return {name: Markup(figure_json(figure)) for name, figure in figures.items()}


def _site_corridors(site: Site) -> tuple[Any, ...]:
    return find_corridors(site.junctions, read_roads(site.network)) if site.network else ()


def _corridors(site: Site, names: _Names, filmed: bool) -> list[dict[str, str]]:
    note = names.texts["corridor_note"] + (names.texts["corridor_ways"] if filmed else "")
    return [
        {
            "key": f"corridor-{index}",
            "note": note.format(
                first=names.junction(corridor.stops[0].junction),
                last=names.junction(corridor.stops[-1].junction),
                length=f"{corridor.length_m:.0f}",
            ),
        }
        for index, corridor in enumerate(_site_corridors(site))
    ]


def _shown_note(report: ValidationReport, texts: Mapping[str, str]) -> str:
    count = len(report.movements)
    if count <= _MOST_MOVEMENTS:
        return ""
    return texts["movements_some"].format(shown=_MOST_MOVEMENTS, all=count)


@dataclass(frozen=True, slots=True)
class _Green:
    """What a movement gets of a cycle, seconds."""

    green_s: float
    cycle_s: float
    longest_wait_s: float

    @property
    def share(self) -> float:
        return self.green_s / self.cycle_s


def _green(plan: Plan, junction: Junction, movement: str) -> _Green:
    shown = lamps(plan, junction, movement)
    cycle_s = plan.junction(junction.id).cycle_ds / 10.0
    greens = [(lamp.start_s, lamp.end_s) for lamp in shown if lamp.letter in "Gg"]
    if not greens:
        return _Green(0.0, cycle_s, cycle_s)
    starts = [start for start, _ in greens[1:]] + [greens[0][0] + cycle_s]
    waits = [start - end for (_, end), start in zip(greens, starts, strict=True)]
    return _Green(sum(end - start for start, end in greens), cycle_s, max(waits))


def _worst(
    worst: MovementChange | None, site: Site, candidate: Plan, against: Plan, names: _Names
) -> dict[str, Any] | None:
    junction = names.home(worst.movement) if worst is not None else None
    if worst is None or junction is None:
        return None
    texts = names.texts
    before = _green(against, junction, worst.movement)
    after = _green(candidate, junction, worst.movement)
    share = texts["green_share"].format(
        before=f"{before.green_s:g}",
        cycle_before=f"{before.cycle_s:g}",
        share_before=f"{100 * before.share:.0f}",
        after=f"{after.green_s:g}",
        cycle_after=f"{after.cycle_s:g}",
        share_after=f"{100 * after.share:.0f}",
        red_before=f"{before.longest_wait_s:g}",
        red_after=f"{after.longest_wait_s:g}",
    )
    hardly = (
        after.share > before.share - 0.02 and after.longest_wait_s < before.longest_wait_s + 5.0
    )
    duration_s = max(before.cycle_s, after.cycle_s)
    return {
        "line": texts["worst_line"].format(
            movement=names.movement(worst.movement),
            junction=junction_label(junction),
            before=f"{worst.baseline_delay_s:.1f}",
            after=f"{worst.candidate_delay_s:.1f}",
            change=signed(worst.change_s),
            vehicles=f"{worst.vehicles:.0f}",
        ),
        "id": worst.movement,
        "why": texts["why_worse"] if worst.change_s > 0 else texts["why_better"],
        "share": share,
        "note": texts["same_green"] if hardly and worst.change_s > 0 else "",
        "strips": _strips(junction, worst.movement, candidate, against, duration_s, names),
    }


def _strips(
    junction: Junction,
    signal_id: str,
    candidate: Plan,
    against: Plan,
    duration_s: float,
    names: _Names,
) -> dict[str, Markup]:
    """The strips of one signal under both plans, on one scale of seconds."""
    label = names.movement(signal_id)
    return {
        role: Markup(
            strip_svg(
                lamps(plan, junction, signal_id),
                duration_s,
                title=f"{label}, {names.texts[role]}",
                language=names.language,
            )
        )
        for role, plan in (("before", against), ("after", candidate))
    }


def _timing(junction: Junction, candidate: Plan, against: Plan, names: _Names) -> dict[str, Any]:
    before, after = against.junction(junction.id), candidate.junction(junction.id)
    duration_s = max(before.cycle_ds, after.cycle_ds) / 10.0
    signals = [m.id for m in junction.movements] + [c.id for c in junction.crossings]
    return {
        "name": junction_label(junction),
        "id": junction.id,
        "changed": (before.cycle_ds, before.offset_ds, before.stages, before.as_found)
        != (after.cycle_ds, after.offset_ds, after.stages, after.as_found),
        "as_found": bool(before.as_found),
        "cycle": _pair(before.cycle_ds, after.cycle_ds),
        "offset": _pair(before.offset_ds, after.offset_ds),
        "stages": _stage_rows(junction, before, after, names),
        "strips": [
            {
                "label": names.movement(signal)
                if names.home(signal)
                else f"{names.texts['crossing']} {signal}",
                "id": signal,
                **_strips(junction, signal, candidate, against, duration_s, names),
            }
            for signal in signals
        ],
        "ticks": [
            {"at": 100.0 * second / duration_s, "text": str(second)}
            for second in range(0, int(duration_s) + 1, 10 if duration_s <= 120 else 20)
        ],
    }


def _stage_rows(
    junction: Junction, before: JunctionPlan, after: JunctionPlan, names: _Names
) -> list[dict[str, Any]]:
    """Stages side by side: those that serve the same signals stand in one row."""
    old = list(zip(before.stages, names.greens(junction, before), strict=True))
    rows: list[dict[str, Any]] = []
    for stage, shows in zip(after.stages, names.greens(junction, after), strict=True):
        match = next((item for item in old if _same_signals(item[0], stage, junction)), None)
        if match is not None:
            old.remove(match)
        rows.append(_stage_row(match[0] if match else None, stage, shows))
    rows += [_stage_row(stage, None, shows) for stage, shows in old]
    return rows


def _same_signals(one: Stage, other: Stage, junction: Junction) -> bool:
    movements = {movement.id for movement in junction.movements}
    return set(one.green) & movements == set(other.green) & movements


def _stage_row(before: Stage | None, after: Stage | None, shows: str) -> dict[str, Any]:
    def cell(pick: Callable[[Stage], int]) -> dict[str, Any]:
        return _pair(pick(before) if before else None, pick(after) if after else None)

    ids = [stage.id for stage in (before, after) if stage is not None]
    return {
        "id": " → ".join(dict.fromkeys(ids)),
        "shows": shows,
        "green": cell(lambda stage: stage.green_ds),
        "yellow": cell(lambda stage: stage.yellow_ds),
        "red": cell(lambda stage: stage.red_ds),
    }


def _pair(before_ds: int | None, after_ds: int | None) -> dict[str, Any]:
    return {
        "before": "–" if before_ds is None else f"{ds_to_seconds(before_ds):g}",
        "after": "–" if after_ds is None else f"{ds_to_seconds(after_ds):g}",
        "changed": before_ds != after_ds,
    }


def _movement_rows(report: ValidationReport, names: _Names) -> list[dict[str, str]]:
    return [
        {
            "label": names.full(m.movement),
            "id": m.movement,
            "vehicles": f"{m.vehicles:.0f}",
            "before": f"{m.baseline_delay_s:.1f}",
            "after": f"{m.candidate_delay_s:.1f}",
            "change": signed(m.change_s),
        }
        for m in sorted(report.movements, key=lambda m: -m.change_s)
    ]


def _spillback_rows(report: ValidationReport, names: _Names) -> list[dict[str, str]]:
    shown = [s for s in report.spillback if max(s.baseline_pct, s.candidate_pct) >= 0.05]
    return [
        {
            "label": names.approach(item.approach),
            "before": f"{item.baseline_pct:.1f}",
            "after": f"{item.candidate_pct:.1f}",
            "change": signed(item.change_pct),
        }
        for item in sorted(shown, key=lambda s: -s.change_pct)
    ]


def _demand(report: ValidationReport, texts: Mapping[str, str]) -> str:
    levels = sorted(set(report.growth_pct))
    if len(levels) < 2:
        return texts["growth_none"]
    return texts["growth_line"].format(growth=", ".join(signed(level, 0) for level in levels))


def _data(name: str) -> str:
    return files("simulation").joinpath("data", name).read_text(encoding="utf-8")


def _write(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
