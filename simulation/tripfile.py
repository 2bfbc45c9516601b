"""Demand that comes with a network: its files as one, and the way of every vehicle in it."""

from __future__ import annotations

import gzip
import re
import subprocess
import xml.etree.ElementTree as ET
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from models.errors import BadInput
from simulation.build import sumo_tool
from simulation.netfile import GZIP_MAGIC, NetFile
from simulation.netprograms import seconds
from simulation.scratch import Scratch

TRAVELLERS = ("vehicle", "trip", "flow", "person", "personFlow", "container", "containerFlow")
_TYPES = ("vType", "vTypeDistribution", "route", "routeDistribution")
_ABOUT = re.compile(r"(?:vehicle|trip|person|flow|container) '([^']+)'")
_DEFAULT_TYPES = frozenset(
    f"DEFAULT_{name}TYPE" for name in ("VEH", "PED", "BIKE", "TAXI", "RAIL", "CONTAINER")
)


@dataclass(frozen=True, slots=True)
class PlannedTrip:
    """A vehicle of the demand: SUMO's class, its whole route, and when it would leave each edge.

    ``left_s`` are moments without any hindrance by others.
    """

    id: str
    depart_s: float
    vehicle_class: str
    edges: tuple[str, ...]
    left_s: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Demand:
    """Route files taken together.

    ``text`` is a route file that SUMO takes, the only file's own text where nothing had to be
    changed. ``left_out`` says of each traveller that had to be dropped why.
    """

    text: bytes
    trips: tuple[PlannedTrip, ...]
    left_out: Mapping[str, str]
    unsorted: int


def read_demand(
    routes: Sequence[Path],
    network: Path,
    net: NetFile,
    *,
    additional: Path | None = None,
    begin_s: float = 0.0,
    end_s: float | None = None,
) -> Demand:
    """Read route files as SUMO would, dropping what it would break off on.

    Ways, expanded flows, drawn routes and types come from SUMO's duarouter.

    Args:
        routes: Route files, plain or gzipped.
        network: The network file.
        net: The same, read.
        additional: A file of vehicle types, zones and stops that the routes refer to.
        begin_s: Who departs earlier is left out of ``trips``.
        end_s: Who departs at or after it is left out of ``trips``.

    Raises:
        BadInput: If a file cannot be read as SUMO routes.
    """
    contents = [_content(path) for path in routes]
    roots = [_root(content, path) for content, path in zip(contents, routes, strict=True)]
    known = (
        set()
        if additional is None
        else {
            e.attrib["id"]
            for e in ET.parse(additional).getroot()
            if e.tag in _TYPES and "id" in e.attrib
        }
    )
    left_out: dict[str, str] = {}
    for root in roots:
        known |= {e.attrib["id"] for e in root.iter() if e.tag in _TYPES[:2] and "id" in e.attrib}
    seen: set[str] = set()
    for root in roots:
        _drop_unknown(root, net, known, seen, left_out)
    text = contents[0] if len(roots) == 1 and not left_out else _merged(roots)
    with Scratch("routes") as folder:
        trips, complaints = _routed(text, network, additional, folder, begin_s, end_s, routes)
    if complaints:
        for root in roots:
            _drop(root, complaints, left_out)
        text = _merged(roots)
        trips = tuple(trip for trip in trips if trip.id not in complaints)
    unsorted = _unsorted(roots[0]) if len(roots) == 1 and not left_out else 0
    return Demand(text, trips, left_out, unsorted)


def _content(path: Path) -> bytes:
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if content[:2] == GZIP_MAGIC else content
    except (OSError, EOFError) as error:
        raise BadInput(str(path), "", f"{error}; valid is a SUMO XML file") from None


def _root(content: bytes, path: Path) -> ET.Element:
    try:
        root = ET.fromstring(content)
    except ET.ParseError as error:
        raise BadInput(str(path), "", f"{error}; valid is a SUMO XML file") from None
    if root.tag not in ("routes", "additional"):
        raise BadInput(str(path), f"<{root.tag}>", "not SUMO routes; it must start with <routes>")
    return root


def _drop_unknown(
    root: ET.Element, net: NetFile, types: set[str], seen: set[str], left_out: dict[str, str]
) -> None:
    """Drop what names an edge, type or route that is not there, or an id that is taken."""

    def unknown_edge(element: ET.Element) -> str:
        named = [
            edge
            for part in element.iter()
            for edge in part.get("edges", "").split() + part.get("via", "").split()
        ]
        named += [e.attrib[k] for e in element.iter() for k in ("from", "to") if k in e.attrib]
        return next((edge for edge in named if edge not in net.edges), "")

    routes: set[str] = set()
    for parent in _parents(root):
        for element in list(parent):
            if element.tag in ("route", "routeDistribution"):
                edge = unknown_edge(element)
                if edge:
                    parent.remove(element)
                    left_out[f"route {element.get('id', '')}"] = f"edge {edge} is not there"
                else:
                    routes.add(element.get("id", ""))
                    routes |= {e.attrib["id"] for e in element.iter("route") if "id" in e.attrib}
            elif element.tag in TRAVELLERS:
                name, kind = element.get("id", ""), element.get("type", "")
                route = element.get("route", "")
                edge = unknown_edge(element)
                why = ""
                if name in seen:
                    why = "another one has this id"
                elif edge:
                    why = f"edge {edge} is not there"
                elif kind and kind not in types and kind not in _DEFAULT_TYPES:
                    why = f"type {kind} is not there"
                elif route and route not in routes and not route.startswith("!"):
                    why = f"route {route} is not there"
                if why:
                    parent.remove(element)
                    left_out[name] = why
                seen.add(name)


def _parents(root: ET.Element) -> tuple[ET.Element, ...]:
    """Where travellers may stand: the top and SUMO's intervals of flows."""
    return (root, *root.iter("interval"))


def _drop(root: ET.Element, why: Mapping[str, str], left_out: dict[str, str]) -> None:
    for parent in _parents(root):
        for element in list(parent):
            name = element.get("id", "")
            if element.tag in TRAVELLERS and name in why:
                parent.remove(element)
                left_out[name] = why[name]


def _merged(roots: Sequence[ET.Element]) -> bytes:
    """Several route files as one: types and routes first, then travellers as they depart."""
    fixed: list[ET.Element] = []
    travellers: list[tuple[float, ET.Element]] = []
    for root in roots:
        for element in root:
            if element.tag in TRAVELLERS or element.tag == "interval":
                travellers.append((_departs(element), element))
            else:
                fixed.append(element)
    travellers.sort(key=lambda item: item[0])
    out = ET.Element("routes")
    out.extend([*fixed, *(element for _, element in travellers)])
    ET.indent(out)
    return bytes(ET.tostring(out, encoding="utf-8", xml_declaration=True)) + b"\n"


def _departs(element: ET.Element) -> float:
    try:
        return seconds(element.get("depart", element.get("begin", "0")))
    except ValueError:
        return 0.0


def _unsorted(root: ET.Element) -> int:
    """Travellers of a file that SUMO passes over because a later one stands before them."""
    latest, passed = float("-inf"), 0
    for element in root:
        if element.tag not in TRAVELLERS or element.tag.lower().endswith("flow"):
            continue
        moment = _departs(element)
        passed += moment < latest
        latest = max(latest, moment)
    return passed


def _routed(
    text: bytes,
    network: Path,
    additional: Path | None,
    folder: Path,
    begin_s: float,
    end_s: float | None,
    sources: Sequence[Path],
) -> tuple[tuple[PlannedTrip, ...], dict[str, str]]:
    """Trips with their ways by duarouter, and its complaint by traveller that has none."""
    demand, found, types = folder / "in.xml", folder / "out.xml", folder / "types.xml"
    demand.write_bytes(text)
    duarouter, environment = sumo_tool("duarouter")
    command = [
        *(str(duarouter), "--net-file", str(network), "--route-files", str(demand)),
        *("--output-file", str(found), "--vtype-output", str(types)),
        *("--begin", f"{begin_s:g}", "--unsorted-input", "--skip-new-routes", "--exit-times"),
        *("--ignore-errors", "--no-step-log", "--junction-taz", "--xml-validation", "never"),
    ]
    if end_s is not None:
        command += ["--end", f"{end_s:g}"]
    if additional is not None:
        command += ["--additional-files", str(additional)]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, errors="replace"
    )
    if done.returncode != 0:
        errors = [line for line in done.stderr.splitlines() if line.startswith("Error")]
        reason = (errors or done.stderr.splitlines() or ["it broke off"])[0]
        raise BadInput(
            ", ".join(str(path) for path in sources),
            "",
            f"SUMO refuses these routes: {reason.removeprefix('Error: ')}",
        )
    classes = _classes([types, found])
    trips = []
    for element in _elements(found, "vehicle"):
        route = element.find("route")
        depart = element.get("depart", "")
        if route is None or not route.get("edges") or depart in ("triggered", "split"):
            continue
        trips.append(
            PlannedTrip(
                id=element.attrib["id"],
                depart_s=max(0.0, seconds(depart)),
                vehicle_class=classes.get(element.get("type", ""), "passenger"),
                edges=tuple(route.attrib["edges"].split()),
                left_s=tuple(seconds(t) for t in route.get("exitTimes", "").split()),
            )
        )
    return tuple(trips), _complaints(done.stderr)


def _complaints(log: str) -> dict[str, str]:
    """Of each traveller without a way, the first thing that duarouter says before it gives up."""
    found: dict[str, str] = {}
    reason = ""
    for line in log.splitlines():
        warning = line.removeprefix("Warning: ").strip()
        about = _ABOUT.search(warning)
        if about is None:
            reason = warning.rstrip(".")
            continue
        given_up = "has no valid route" in warning or "is not known" in warning
        reason = reason or warning.rstrip(".")
        if given_up:
            name = about.group(1)
            found.setdefault(name, reason)
            stem, _, number = name.rpartition(".")
            if stem and number.isdigit():  # one of a flow: all of it goes the same way
                found.setdefault(stem, reason)
            reason = ""
    return found


def _classes(files: Sequence[Path]) -> dict[str, str]:
    classes: dict[str, str] = defaultdict(lambda: "passenger")
    for path in files:
        if path.exists():
            for element in _elements(path, "vType"):
                classes[element.attrib["id"]] = element.get("vClass", "passenger")
    return classes


def _elements(path: Path, tag: str) -> Iterator[ET.Element]:
    for _, element in ET.iterparse(path):
        if element.tag == tag:
            yield element
            element.clear()
