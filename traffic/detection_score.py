"""``xanh score detection``: what a site's cameras count and flag on its virtual street, against
the truth, as a table and as ``score.json``.
"""

from __future__ import annotations

import json
import math
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from detection.counting import Crossing
from models.site import Site
from models.violation import ViolationKind
from simulation.spawned import SpawnedProcesses
from traffic.scored_cameras import (
    LEAD_S,
    TAIL_S,
    ScoreOptions,
    TrueCrossing,
    Watched,
    behaviour_of,
    cameras_of,
    watch,
)
from traffic.scoring import READ_BY_BOXES, TOLERANCE_S, Act, RuleScore, compare, count_error

PAIR_S = 0.5
"""A counted and a true crossing are one when nothing else lies so near to either."""
MOST_NAMED = 12
"""So many false flags, and missed acts, stand below the table; the file has them all."""
_UNREAD = {
    ViolationKind.OVERLOADED.value: "this detector does not count riders",
    ViolationKind.NO_HELMET.value: "this detector does not tell helmets",
}


def score_detection(
    site: Site,
    out: Path,
    options: ScoreOptions,
    say: Callable[[str], None] = lambda _: None,
    *,
    workers: int = 1,
) -> dict[str, Any]:
    """Live the site's street, watch it and write ``score.json``.

    The cameras are shared out among ``workers`` processes, each of which lives the same street;
    the figures do not depend on their number.

    Raises:
        BadInput: If the site has no virtual street, or an option names what is not there.
        XanhError: If SUMO or the detector refuses, or a process dies.
    """
    behaviour_of(site, options)
    cameras = [camera.id for camera in cameras_of(site, options)]
    shares = [cameras[first::workers] for first in range(min(workers, len(cameras)))]
    threads = 0 if len(shares) == 1 else max(1, (os.cpu_count() or 1) // len(shares))
    others = SpawnedProcesses(len(shares) - 1)
    try:
        futures = [
            others.submit(watch, site.folder, options, share, threads=threads)
            for share in shares[1:]
        ]
        first = watch(site.folder, options, shares[0], threads=threads, say=say)
        result = figures([first, *(future.result() for future in futures)], site, options)
    finally:
        others.kill()
    out.mkdir(parents=True, exist_ok=True)
    path = out / "score.json"
    partial = path.with_suffix(".tmp")
    partial.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(partial, path)
    return result


def figures(parts: Sequence[Watched], site: Site, options: ScoreOptions) -> dict[str, Any]:
    """Every figure, as in ``score.json``; vehicles and acts of the scored time alone."""
    begin_s, end_s = parts[0].begin_s + LEAD_S, parts[0].end_s - TAIL_S

    def holds(time_s: float) -> bool:
        return begin_s <= time_s < end_s

    watched = {name: record for part in parts for name, record in part.records.items()}
    records = {camera.id: watched[camera.id] for camera in cameras_of(site, options)}
    counted = {
        name: [c for c in record.crossings if holds(c.time_s)] for name, record in records.items()
    }
    true = [entry for part in parts for entry in part.true if holds(entry.time_s)]
    flagged = [
        Act(name, violation.kind, violation.time_s)
        for name, record in records.items()
        for violation in record.violations
    ]
    acts = [act for part in parts for act in part.acts]
    # An act at the edge of the scored time is found on either side of it.
    compared = compare(flagged, acts, TOLERANCE_S).within(holds)
    # What no detector tells cannot be flagged: such acts are not missed, but not judged.
    unread = READ_BY_BOXES.difference(*(part.read for part in parts))
    known = {
        path.movement for camera in cameras_of(site, options) for path in camera.view.movements
    }
    return {
        "level": options.level,
        "minutes": round((end_s - begin_s) / 60, 2),
        "detector": parts[0].detector,
        "options": asdict(options),
        "cameras": [*records],
        "counts": _counts(counted, true, known, (end_s - begin_s) / 3600),
        "rules": {
            kind.value: {**score.to_dict(), "judged": kind not in unread}
            for kind, score in compared.scores().items()
        },
        "together": _together(
            score for kind, score in compared.scores().items() if kind not in unread
        ).to_dict(),
        "false_flags": _named(compared.false),
        "missed_acts": _named(act for act in compared.missed if act.kind not in unread),
        "speed": _speed(counted, true),
        "queue": _queue(
            [error for record in records.values() for error in record.queue_errors],
            [value for record in records.values() for value in record.queue_true],
        ),
    }


def table(result: Mapping[str, Any]) -> str:
    """The figures as a person reads them."""
    counts, speed, queue = result["counts"], result["speed"], result["queue"]
    lines = [
        f"level {result['level']}, {result['minutes']:g} min, {len(result['cameras'])} cameras, "
        f"{result['detector']}",
        f"counts: {counts['counted']} of {counts['true']} ({_percent(counts['error'])}), "
        f"{counts['unseen']} of them hidden at the line, "
        f"worst GEH of a movement {counts['worst_geh']:.2f}",
        f"speed: {_number(speed['bias_mps'])} m/s on average, {_number(speed['mean_error_mps'])} "
        f"m/s either way, {speed['pairs']} vehicles",
        f"queue: {_number(queue['bias_veh'])} vehicles on average, "
        f"{_number(queue['mean_error_veh'])} either way, {queue['samples']} seconds",
        f"{'rule':<18}{'truth':>7}{'flagged':>9}{'matched':>9}{'precision':>11}{'recall':>8}"
        f"{'unclear':>9}",
    ]
    for name, rule in result["rules"].items():
        if not rule["judged"]:
            lines.append(f"{name:<18}{rule['truth']:>7}  advisory, not judged: {_UNREAD[name]}")
            continue
        lines.append(_row(name, rule))
    lines.append(_row("together", result["together"]))
    for title, acts in (("false", result["false_flags"]), ("missed", result["missed_acts"])):
        lines += [
            f"{title}: {act['kind']}, {act['camera']}, second {act['time_s']:.1f}"
            for act in acts[:MOST_NAMED]
        ]
        if len(acts) > MOST_NAMED:
            lines.append(f"{title}: {len(acts) - MOST_NAMED} more, see score.json")
    return "\n".join(lines)


def _row(name: str, rule: Mapping[str, Any]) -> str:
    return (
        f"{name:<18}{rule['truth']:>7}{rule['flagged']:>9}{rule['matched']:>9}"
        f"{_number(rule['precision']):>11}{_number(rule['recall']):>8}{rule['unclear']:>9}"
    )


def _together(scores: Iterable[RuleScore]) -> RuleScore:
    """All rules as one."""
    total = RuleScore(0, 0, 0)
    for score in scores:
        total = RuleScore(
            total.truth + score.truth,
            total.flagged + score.flagged,
            total.matched + score.matched,
            total.unclear + score.unclear,
        )
    return total


def geh(one_vph: float, other_vph: float) -> float:
    """The GEH statistic of two hourly volumes: 0 is alike, below 5 is good."""
    total = one_vph + other_vph
    return 0.0 if total <= 0 else round(math.sqrt(2 * (one_vph - other_vph) ** 2 / total), 3)


def _counts(
    counted: Mapping[str, Sequence[Crossing]],
    true: Sequence[TrueCrossing],
    known: set[str],
    hours: float,
) -> dict[str, Any]:
    seen = Counter(item.movement for items in counted.values() for item in items)
    real = Counter(entry.movement for entry in true)
    errors = count_error(seen.elements(), real.elements(), known)
    by_movement = {
        movement: {
            "counted": seen[movement],
            "true": real[movement],
            "error": None
            if not real[movement]
            else (seen[movement] - real[movement]) / real[movement],
            "geh": geh(seen[movement] / hours, real[movement] / hours),
        }
        for movement in sorted(known)
    }
    return {
        "counted": seen.total(),
        "true": real.total(),
        "unseen": sum(not item.seen for items in counted.values() for item in items),
        "error": errors["total"],
        "worst_geh": max(
            (geh(seen[name] / hours, real[name] / hours) for name in known), default=0.0
        ),
        "movements": by_movement,
    }


def _queue(errors: Sequence[float], true: Sequence[int]) -> dict[str, Any]:
    if not errors:
        return {"samples": 0, "mean_true": None, "bias_veh": None, "mean_error_veh": None}
    return {
        "samples": len(errors),
        "mean_true": round(float(np.mean(true)), 3),
        "bias_veh": round(float(np.mean(errors)), 3),
        "mean_error_veh": round(float(np.mean(np.abs(errors))), 3),
    }


def _speed(
    counted: Mapping[str, Sequence[Crossing]],
    true: Iterable[TrueCrossing],
) -> dict[str, Any]:
    """Speed at the line, of crossings that can be told apart."""
    errors: list[float] = []
    by_camera: dict[str, list[tuple[float, float]]] = {}
    for entry in true:
        by_camera.setdefault(entry.camera, []).append((entry.time_s, entry.speed_mps))
    for camera, crossings in counted.items():
        real = by_camera.get(camera, [])
        for item in crossings:
            near = [entry for entry in real if abs(entry[0] - item.time_s) <= PAIR_S]
            rivals = [c for c in crossings if abs(c.time_s - item.time_s) <= PAIR_S]
            if len(near) == 1 and len(rivals) == 1 and math.isfinite(near[0][1]):
                errors.append(item.speed_mps - near[0][1])
    if not errors:
        return {"pairs": 0, "bias_mps": None, "mean_error_mps": None}
    return {
        "pairs": len(errors),
        "bias_mps": round(float(np.mean(errors)), 3),
        "mean_error_mps": round(float(np.mean(np.abs(errors))), 3),
    }


def _named(acts: Iterable[Act]) -> list[dict[str, Any]]:
    """Acts as ``score.json`` lists them, in order; times are the street's seconds."""
    return [
        {"camera": act.camera, "kind": act.kind.value, "time_s": round(act.time_s, 2)}
        for act in sorted(acts, key=lambda act: (act.time_s, act.camera, act.kind.value))
    ]


def _percent(value: float | None) -> str:
    return "nothing crossed" if value is None else f"{100 * value:+.2f} %"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
