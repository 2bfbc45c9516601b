"""A network's text with programs added, and with those that SUMO refuses replaced."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections import defaultdict
from collections.abc import Mapping, Sequence
from xml.sax.saxutils import quoteattr

from simulation.netprograms import MENDED_KEY, RAIL_KINDS, why_unusable

OFF_ROW_S = 90
_LOGIC = re.compile(r"[ \t]*<tlLogic\b[^>]*?(?:/>|>.*?</tlLogic\s*>)[ \t]*\n?", re.DOTALL)


def with_programs(text: str, added: Sequence[str]) -> str:
    """A network's text with more ``tlLogic`` elements; SUMO runs the last one of a signal."""
    if not added:
        return text
    ends = [match.end() for match in _LOGIC.finditer(text)]
    at = ends[-1] if ends else _before_junctions(text)
    return text[:at] + "".join(f"    {logic.strip()}\n" for logic in added) + text[at:]


def replaced_programs(text: str, programs: Mapping[str, str]) -> str:
    """A network's text with all programs of some signals replaced by one each."""
    left = dict(programs)

    def swap(match: re.Match[str]) -> str:
        signal = ET.fromstring(match.group()).attrib["id"]
        if signal not in programs:
            return match.group()
        logic = left.pop(signal, None)
        return "" if logic is None else f"    {logic.strip()}\n"

    return with_programs(_LOGIC.sub(swap, text), list(left.values()))


def mended(text: str) -> str:
    """A network's text that SUMO takes: unusable programs are dropped.

    Where a signal has no other program it gets one row of what it shows when off, with the
    reason as a parameter; so does a signal that has links but no program. The text comes back
    as it is when nothing is wrong.

    Raises:
        ET.ParseError: If it is no XML.
    """
    off: dict[str, dict[int, str]] = defaultdict(dict)
    root = ET.fromstring(text.encode())
    # Rail signals have no program of their own.
    rail = {e.get("id") for e in root.iter("junction") if e.get("type") in RAIL_KINDS}
    for link in root.iter("connection"):
        if link.get("tl") in rail:
            continue
        if link.get("tl") and link.get("linkIndex", "").isdigit():
            off[link.attrib["tl"]][int(link.attrib["linkIndex"])] = link.get("state", "o")
    sound: set[str] = set()
    broken: dict[str, str] = {}

    def drop(match: re.Match[str]) -> str:
        element = ET.fromstring(match.group())
        signal = element.get("id", "")
        why = why_unusable(element, max(off[signal], default=-1) + 1 if signal in off else 0)
        if not why:
            sound.add(signal)
            return match.group()
        broken[signal] = why
        return ""

    kept = _LOGIC.sub(drop, text)
    missing = dict.fromkeys(off, "there is none")
    wanted = {s: why for s, why in {**missing, **broken}.items() if s in off and s not in sound}
    if not broken and not wanted:
        return text
    return with_programs(kept, [_off(s, off[s], why) for s, why in sorted(wanted.items())])


def _off(signal: str, links: Mapping[int, str], why: str) -> str:
    letters = "".join("O" if links.get(i) == "O" else "o" for i in range(max(links) + 1))
    return (
        f'<tlLogic id={quoteattr(signal)} type="static" programID="shown-as-off" offset="0">'
        f'<phase duration="{OFF_ROW_S}" state="{letters}"/>'
        f"<param key={quoteattr(MENDED_KEY)} value={quoteattr(why)}/></tlLogic>"
    )


def _before_junctions(text: str) -> int:
    """Where programs may stand in a network that has none."""
    match = re.search(r"[ \t]*<(?:junction|connection)\b", text)
    return match.start() if match else text.rindex("</net>")
