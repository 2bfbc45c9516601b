"""Surrogate safety: encounters that SUMO's SSM device recorded, counted once each.

A time to collision (TTC) of 1.5 s or less and a post-encroachment time (PET) of 2 s or less are
the usual thresholds (FHWA's Surrogate Safety Assessment Model; SUMO's default for PET). What the
device calls a collision is left out: with several riders side by side in a lane it is one
passing another. Between riders in one lane the device looks along the lane only, so following
at an angle counts too: the numbers compare two plans on one network, they are no forecast.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from models.junction import Junction
from simulation.metrics import Drive, elements
from simulation.probes import StateChange

TTC_S = 1.5
PET_S = 2.0
RANGE_M = 30.0
_COLLISION = "111"


@dataclass(frozen=True, slots=True)
class Conflicts:
    """Encounters in a run; ``red_light`` are those with somebody who had entered on red."""

    ttc: int
    pet: int
    red_light: int


def ssm_options(folder: Path) -> list[str]:
    """SUMO's options that equip every vehicle with the device."""
    return [
        *("--device.ssm.probability", "1"),
        *("--device.ssm.measures", "TTC PET"),
        *("--device.ssm.thresholds", f"{TTC_S} {PET_S}"),
        *("--device.ssm.range", f"{RANGE_M}"),
        *("--device.ssm.extratime", "2"),
        *("--device.ssm.file", str(folder / "ssm.xml")),
    ]


def read_conflicts(
    path: Path, red_entries: Mapping[str, Sequence[float]], *, begin_s: float
) -> Conflicts:
    """Count the encounters that began at or after ``begin_s``.

    ``red_entries`` holds by vehicle when it crossed a stop line on red (``entered_on_red``).
    The device of either vehicle may write an encounter down; a pair counts once per beginning.

    Raises:
        XanhError: If the file is not complete.
    """
    ttc: set[tuple[str, str, str]] = set()
    pet: set[tuple[str, str, str]] = set()
    red: set[tuple[str, str, str]] = set()
    for element in elements(path, "conflict"):
        get = element.attrib
        if float(get["begin"]) < begin_s:
            continue
        one, other = sorted((get["ego"], get["foe"]))
        key = (one, other, get["begin"])
        close = _value(element.find("minTTC"), TTC_S)
        after = _value(element.find("PET"), PET_S)
        if close:
            ttc.add(key)
        if after:
            pet.add(key)
        if (close or after) and any(
            float(get["begin"]) - 2.0 <= moment <= float(get["end"])
            for name in (one, other)
            for moment in red_entries.get(name, ())
        ):
            red.add(key)
    return Conflicts(len(ttc), len(pet), len(red))


def entered_on_red(
    drives: Mapping[str, Drive],
    junctions: Mapping[str, Junction],
    states: Mapping[str, Sequence[StateChange]],
) -> dict[str, tuple[float, ...]]:
    """By vehicle, when it crossed a stop line while all links of its movement showed red."""
    movements = {
        (m.from_edge, m.to_edge): (junction.id, m.links)
        for junction in junctions.values()
        for m in junction.movements
    }
    times = {name: [change.time_s for change in changes] for name, changes in states.items()}
    found: dict[str, tuple[float, ...]] = {}
    for drive in drives.values():
        moments = []
        for pair, left in zip(
            zip(drive.edges, drive.edges[1:], strict=False), drive.left_s, strict=False
        ):
            place = movements.get(pair)
            if place is None or left < 0 or place[0] not in states:
                continue
            junction, links = place
            # SUMO notes the beginning of the step in which the edge is left; signals switch first.
            at = bisect_right(times[junction], left) - 1
            letters = states[junction][at].letters if at >= 0 else ""
            if letters and all(i < len(letters) and letters[i] in "ru" for i in links):
                moments.append(left)
        if moments:
            found[drive.id] = tuple(moments)
    return found


def _value(element: object, limit: float) -> bool:
    """Whether a measure of an encounter is there, real, and at most ``limit``."""
    attributes = getattr(element, "attrib", {})
    text = attributes.get("value", "NA")
    if text == "NA" or attributes.get("type") == _COLLISION:
        return False
    return 0.0 < float(text) <= limit
