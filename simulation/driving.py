"""Driving parameters fitted to an observed discharge."""

from __future__ import annotations

import copy
import csv
import itertools
import math
import re
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from models.errors import BadInput
from models.units import parse_utc
from simulation.discharge import GREEN_S, Approach, Discharge, simulated_discharge

MIN_GREENS = 3
SHORTEST_S = 12
"""A green whose queue leaves sooner shows no saturated discharge."""
LONGEST_GAP_S = 4.0
"""A longer pause at the line ends the saturated part of a green."""
_NUMBER = re.compile(r"\d*\.?\d+")
_DEFAULTS = {"tau": "1.0", "minGap": "2.5", "sigma": "0.5", "speedFactor": "1.0"}


@dataclass(frozen=True, slots=True)
class Driving:
    """Changes to all vehicle types at once: factors, and for sigma a difference."""

    tau: float = 1.0
    min_gap: float = 1.0
    sigma: float = 0.0
    speed_factor: float = 1.0

    def applied(self, types: Sequence[ET.Element], step_s: float) -> list[ET.Element]:
        """Vehicle types with the changes; tau stays at the step or above, as SUMO needs."""
        changed = []
        for original in types:
            element = copy.deepcopy(original)
            if element.get("vClass") != "pedestrian":
                tau = max(step_s, self.tau * _value(element, "tau"))
                sigma = min(1.0, max(0.0, self.sigma + _value(element, "sigma")))
                element.set("tau", f"{tau:.3g}")
                element.set("minGap", f"{self.min_gap * _value(element, 'minGap'):.3g}")
                element.set("sigma", f"{sigma:.3g}")
                text = element.get("speedFactor", _DEFAULTS["speedFactor"])
                wanted = self.speed_factor * _value(element, "speedFactor")
                element.set("speedFactor", _NUMBER.sub(f"{wanted:.3g}", text, count=1))
            changed.append(element)
        return changed


def _value(element: ET.Element, name: str) -> float:
    found = _NUMBER.search(element.get(name, _DEFAULTS[name]))
    return float(found.group()) if found else float(_DEFAULTS[name])


@dataclass(frozen=True, slots=True)
class DrivingFit:
    """Driving that discharges most like what was observed.

    ``error_before`` and ``error_after`` are root mean squares of the vehicles gone by each
    second, as a share of what is gone at the end.
    """

    driving: Driving
    observed: Discharge
    before: Discharge
    after: Discharge
    error_before: float
    error_after: float


# First step of each parameter, and its bounds.
_SEARCH: Mapping[str, tuple[float, float, float]] = {
    "tau": (0.30, 0.5, 2.5),
    "min_gap": (0.30, 0.3, 3.0),
    "speed_factor": (0.15, 0.6, 1.6),
    "sigma": (0.20, -0.5, 0.5),
}
_SMALLEST_STEP = 0.06


def fit_driving(
    types: Sequence[ET.Element],
    mix: Mapping[str, float],
    observed: Discharge,
    approach: Approach,
    *,
    seeds: Sequence[int] = (1, 2),
    evaluations: int = 40,
    progress: Callable[[int, int], None] | None = None,
) -> DrivingFit:
    """Search tau, minGap, sigma and speedFactor, one after the other with shrinking steps.

    Args:
        types: The site's vehicle types; ``mix`` has their shares.
        mix: Share of each vehicle type in the observed stream.
        observed: What was seen at the line.
        approach: The street on which it was seen.
        seeds: Greens simulated for each guess; the same for all, so that guesses compare.
        evaluations: Most guesses that are simulated.
        progress: Called with (guesses, evaluations).

    Raises:
        XanhError: If SUMO refuses the types.
    """
    tried = 0

    def simulated(driving: Driving) -> tuple[float, Discharge]:
        nonlocal tried
        tried += 1
        if progress is not None:
            progress(tried, evaluations)
        made = simulated_discharge(
            driving.applied(types, approach.step_s), mix, approach, seeds=seeds
        )
        return _error(made, observed), made

    best = Driving()
    error_before, before = error, after = simulated(best)
    scale = 1.0
    while scale * max(step for step, _, _ in _SEARCH.values()) > _SMALLEST_STEP:
        improved = False
        for name, (step, least, most) in _SEARCH.items():
            for sign in (1.0, -1.0):
                if tried >= evaluations:
                    return DrivingFit(best, observed, before, after, error_before, error)
                value = min(most, max(least, getattr(best, name) + sign * scale * step))
                if value == getattr(best, name):
                    continue
                guess = replace(best, **{name: value})
                guess_error, made = simulated(guess)
                if guess_error < error:
                    best, error, after, improved = guess, guess_error, made, True
                    break
        if not improved:
            scale /= 2
    return DrivingFit(best, observed, before, after, error_before, error)


def _error(simulated: Discharge, observed: Discharge) -> float:
    count = min(len(simulated.curve), len(observed.curve), GREEN_S)
    pairs = list(zip(simulated.curve[:count], observed.curve[:count], strict=True))
    mean_square = sum((one - other) ** 2 for one, other in pairs) / count
    return math.sqrt(mean_square) / max(1.0, observed.curve[count - 1])


def observed_discharge(
    crossings: Path, signals: Path, *, line: str, width_m: float
) -> tuple[Discharge, dict[str, float]]:
    """Discharge at one line, with the share of each vehicle class, from what a camera wrote.

    A green counts for as long as its queue leaves without a pause; the mean is over the greens
    that last at least as long as the curve.

    Args:
        crossings: ``crossings.csv`` as detection writes it.
        signals: ``time,signal,state`` of the approach's signal.
        line: Which line of the crossings.
        width_m: Width of the carriageway at the line.

    Raises:
        BadInput: If a file cannot be read or shows too few saturated greens.
    """
    passages = [
        (_moment(record, crossings, number), record["vehicle_class"])
        for number, record in _records(crossings, ("time", "line", "direction", "vehicle_class"))
        if record["line"] == line and record["direction"] == "in"
    ]
    if not passages:
        raise BadInput(str(crossings), "line", f"{line!r} has no crossing inwards")
    passages.sort()
    states = sorted(
        (_moment(record, signals, number), record["state"])
        for number, record in _records(signals, ("time", "signal", "state"))
    )
    greens = [
        (start, end)
        for (start, state), (end, _) in itertools.pairwise([*states, (math.inf, "")])
        if state == "green"
    ]
    curves: list[list[float]] = []
    for start, end in greens:
        gone = [moment - start for moment, _ in passages if start <= moment < end]
        lasts = 0.0
        for moment in gone:
            if moment - lasts > LONGEST_GAP_S:
                break
            lasts = moment
        if lasts >= SHORTEST_S:
            curves.append([moment for moment in gone if moment <= lasts])
    if len(curves) < MIN_GREENS:
        raise BadInput(
            str(crossings),
            "time",
            f"{len(curves)} greens of {line} have a queue for {SHORTEST_S} s; valid is "
            f"{MIN_GREENS} or more",
        )
    # As long as at least half of the greens (and three) last; the mean is over those.
    ends = sorted((curve[-1] for curve in curves), reverse=True)
    seconds = int(ends[max(MIN_GREENS, len(ends) // 2) - 1])
    kept = [curve for curve in curves if curve[-1] >= seconds]
    mean = tuple(
        sum(sum(moment <= second for moment in curve) for curve in kept) / len(kept)
        for second in range(1, seconds + 1)
    )
    classes = Counter(kind for _, kind in passages if kind != "pedestrian")
    total = sum(classes.values())
    return Discharge(mean, width_m, len(kept)), {k: n / total for k, n in classes.items()}


def _records(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            reader = csv.DictReader(stream)
            missing = [name for name in columns if name not in (reader.fieldnames or ())]
            if missing:
                raise BadInput(
                    f"{path}:1", missing[0], f"column is missing; valid is {','.join(columns)}"
                )
            for record in reader:
                yield reader.line_num, {name: (record[name] or "").strip() for name in columns}
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(str(path), "", f"cannot be read: {error}") from None


def _moment(record: Mapping[str, str], path: Path, line: int) -> float:
    text = record["time"]
    try:
        return float(text)
    except ValueError:
        pass
    try:
        moment: datetime = parse_utc(text)
    except ValueError:
        raise BadInput(f"{path}:{line}", "time", f"{text!r}; valid is seconds or ISO") from None
    return moment.timestamp()
