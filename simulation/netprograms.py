"""Signal programs of a SUMO network as plain cycles of rows, and what that took to guess."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass

MENDED_KEY = "xanh.mended"
"""Parameter of a program that stands for one that SUMO refuses; its value is why."""
RAIL_KINDS = frozenset({"rail_signal", "rail_crossing", "railSignal", "railCrossing"})
LETTERS = frozenset("rRyYgGsuoO")
_KINDS = RAIL_KINDS | {
    *("static", "actuated", "delay_based", "NEMA", "swarm", "hilevel_deterministic"),
    *("sotl_phase", "sotl_platoon", "sotl_request", "sotl_wave", "sotl_marching"),
}

Row = tuple[float, str]


@dataclass(frozen=True, slots=True)
class NetProgram:
    """A ``tlLogic``: rows of (duration in seconds, state) in the order in which they run.

    ``guessed`` are lines on what the file leaves open. With ``from_begin`` the offset counts
    from the begin of the simulation, else from its time 0. A program that SUMO refuses has no
    rows, and ``unusable`` is why; where an import has put a row of the signal switched off in
    its place, ``mended`` says why.
    """

    tl: str
    program: str
    kind: str
    offset_s: float
    rows: tuple[Row, ...]
    guessed: tuple[str, ...] = ()
    from_begin: bool = False
    unusable: str = ""
    mended: str = ""


def seconds(text: str) -> float:
    """SUMO's times: seconds, or days:hours:minutes:seconds with leading parts left out.

    Raises:
        ValueError: If a part is no number.
    """
    value = 0.0
    for part, factor in zip(reversed(text.split(":")), (1, 60, 3600, 86_400), strict=False):
        value += float(part) * factor
    return value


def why_unusable(element: ET.Element, links: int) -> str:
    """Why SUMO would refuse a ``tlLogic``, one line without the junction; empty if it would not.

    ``links`` is how many link indices the network connects to the signal.
    """
    kind = element.get("type", "static")
    rows = list(element.iter("phase"))
    if kind == "off" or element.get("programID") == "off":
        return "it is switched off, which SUMO 1.28 breaks down on"
    if kind not in _KINDS:
        return f"its type {kind!r} is unknown"
    if kind in RAIL_KINDS:
        return ""
    if not rows:
        return "its program has no rows"
    lengths = {len(row.get("state", "")) for row in rows}
    if len(lengths) != 1:
        return "its rows have states of different lengths"
    if lengths.pop() < links:
        return f"its rows have fewer letters than its {links} links"
    strange = sorted({letter for row in rows for letter in row.get("state", "")} - LETTERS)
    if strange:
        return f"its rows have the letter {strange[0]!r}"
    if kind != "NEMA":
        for number, row in enumerate(rows):
            try:
                if seconds(row.attrib["duration"]) <= 0:
                    return f"row {number} lasts no time"
            except KeyError:
                return f"row {number} has no duration"
            except ValueError:
                return f"the duration of row {number} is {row.get('duration')!r}"
    return ""


def read_program(element: ET.Element, links: int) -> NetProgram:
    """Read a ``tlLogic``.

    Programs that react to traffic become the cycle of the durations that their rows state.
    ``links`` is how many link indices the network connects to the signal.

    Raises:
        KeyError, ValueError: If an attribute is absent or no number.
    """
    kind = element.get("type", "static")
    why = why_unusable(element, links)
    if why:
        return NetProgram(element.attrib["id"], "", kind, 0.0, (), unusable=why)
    offset = element.get("offset", "0")
    guessed: list[str] = []
    mended = next(
        (p.get("value", "") for p in element.iter("param") if p.get("key") == MENDED_KEY), ""
    )
    if mended:
        guessed.append("as if switched off, since its program cannot be used")
    rows: list[Row] = []
    if kind == "NEMA":
        rows = _nema_rows(element)
        guessed.append(
            "NEMA rings as a fixed cycle: both rings change together, greens at their maximum"
        )
    elif kind not in RAIL_KINDS:
        rows, guess = _cycle([*element.iter("phase")])
        guessed += guess
        if kind != "static":
            guessed.append(f"{kind} program as a fixed cycle of the durations that its rows state")
    for duration_s, _ in rows:
        if abs(duration_s * 10 - round(duration_s * 10)) > 1e-6:
            guessed.append(f"a row of {duration_s:g} s is rounded to 0.1 s")
    return NetProgram(
        tl=element.attrib["id"],
        program=element.get("programID", ""),
        kind=kind,
        offset_s=0.0 if offset == "begin" else seconds(offset),
        rows=tuple(rows),
        guessed=tuple(guessed),
        from_begin=offset == "begin",
        mended=mended,
    )


def _cycle(phases: Sequence[ET.Element]) -> tuple[list[Row], list[str]]:
    """Rows in the order that ``next`` gives them: the cycle that the first row leads into."""
    if not phases:
        return [], []
    order: list[int] = []
    at = 0
    while at not in order:
        order.append(at)
        onward = phases[at].get("next", "").split()
        at = int(onward[0]) if onward else (at + 1) % len(phases)
        if not 0 <= at < len(phases):
            raise ValueError(f"next={at}, but there are {len(phases)} rows")
    order = order[order.index(at) :]
    rows = [(seconds(phases[i].attrib["duration"]), phases[i].attrib["state"]) for i in order]
    if order == list(range(len(phases))):
        return rows, []
    shown = ", ".join(str(i) for i in order)
    return rows, [f"rows follow one another by `next`; taken in the order {shown}"]


def _nema_rows(element: ET.Element) -> list[Row]:
    """A dual-ring program as rows: pairs of phases side by side, barrier by barrier.

    Each pair has the longer of its maximum greens, then the yellow and red of the phases.
    """
    phases = {row.get("name", str(i)): row for i, row in enumerate(element.iter("phase"))}
    params = {p.get("key", ""): p.get("value", "") for p in element.iter("param")}

    def names(key: str) -> list[str]:
        return [name for name in params.get(key, "").replace(" ", "").split(",") if name in phases]

    barriers = {*names("barrierPhases"), *names("barrier2Phases")}
    rings = [ring for ring in (names("ring1"), names("ring2")) if ring] or [list(phases)]
    groups: list[list[list[str]]] = []
    for ring in rings:
        parts: list[list[str]] = [[]]
        for name in ring:
            parts[-1].append(name)
            if name in barriers:
                parts.append([])
        groups.append([part for part in parts if part])
    pairs: list[list[ET.Element]] = []
    for index in range(max(len(parts) for parts in groups)):
        beside = [parts[index] for parts in groups if index < len(parts)]
        pairs += [
            [phases[part[min(step, len(part) - 1)]] for part in beside]
            for step in range(max(len(part) for part in beside))
        ]
    rows: list[Row] = []
    for number, pair in enumerate(pairs):
        shown = _merged([phase.attrib["state"] for phase in pair])
        following = _merged([phase.attrib["state"] for phase in pairs[(number + 1) % len(pairs)]])
        green_s = max(seconds(p.get("maxDur", p.get("duration", "30"))) for p in pair)
        rows.append((green_s, shown))
        for key, letter in (("yellow", "y"), ("red", "r")):
            length_s = max(seconds(phase.get(key, "0")) for phase in pair)
            ending = "".join(
                letter if now in "Gg" and then not in "Gg" else now
                for now, then in zip(shown, following, strict=True)
            )
            if length_s > 0 and ending != shown:
                rows.append((length_s, ending))
    return rows


def _merged(states: Sequence[str]) -> str:
    """The letter with most right of way, link by link."""
    return "".join(min(letters, key="Ggysrou".find) for letters in zip(*states, strict=True))
