"""Make a site folder of a SUMO network and its demand."""

from __future__ import annotations

import gzip
import math
import os
import re
import subprocess
import xml.etree.ElementTree as ET
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path

from models.counts import CountRow, counts_to_csv
from models.errors import BadInput
from models.junction import Junction
from models.plan import Plan
from simulation.build import sumo_tool
from simulation.configuration import Source, read_configuration, root_tag
from simulation.demand import counted_class
from simulation.guesses import junction_guesses, network_guesses, parts
from simulation.mending import mended, with_programs
from simulation.netfile import GZIP_MAGIC, NetFile, read_net
from simulation.network import SignalsRead, read_signals
from simulation.openstreetmap import network_of_osm
from simulation.programs import plan_from_network
from simulation.scratch import Scratch
from simulation.sitefile import MIDNIGHT, Found, site_text
from simulation.tripfile import TRAVELLERS, Demand, PlannedTrip, read_demand

INTERVAL_S = 900.0
PLAIN_END_S = 3600.0
# The sublane model, and what keeps a dense stream from locking a junction.
MIXED_OPTIONS = (
    *("--lateral-resolution=0.8", "--ignore-junction-blocker=30"),
    *("--max-depart-delay=-1", "--collision.action=none"),
)
_ENCODING = re.compile(rb"""(<\?xml[^>]*encoding=["'])([\w.-]+)""")
ROUTES, ADDITIONAL = "demand/routes.rou.xml", "demand/additional.add.xml"
# What of additional files a site keeps: all that a route may refer to or that moves traffic.
_KEPT = frozenset(
    {
        *("vType", "vTypeDistribution", "route", "routeDistribution", "taz", "tazs"),
        *("busStop", "trainStop", "containerStop", "chargingStation", "parkingArea"),
        *("rerouter", "variableSpeedSign"),
    }
)
_SILENT = frozenset(["poly", "poi", "location", "tlLogic"])
_SUMO_CLASSES = {"car": "passenger", "truck": "truck", "bus": "bus", "motorcycle": "motorcycle"}


@dataclass(frozen=True, slots=True)
class ImportSummary:
    """What an import found.

    ``notes`` are lines for a person: what could not be taken and why. ``guesses`` is how many
    things are marked as guessed in the site's file.
    """

    site: str
    junctions: int
    trips: int
    counted: int
    notes: tuple[str, ...]
    guesses: int


def import_site(
    net: Path,
    routes: Sequence[Path] = (),
    *,
    additional: Sequence[Path] = (),
    begin_s: float | None = None,
    end_s: float | None = None,
    left_hand: bool = False,
    mixed_traffic: bool = False,
    out: Path,
    write_plan: Callable[[Plan, Path], None],
    now: datetime | None = None,
) -> ImportSummary:
    """Write a whole site folder: network, plan as found, counts, demand, site.yaml.

    Counts are the vehicles that the routes plan through each movement, by the time at which
    they would pass without any hindrance, in 15 min intervals from ``begin_s``. The site runs
    its trips verbatim from ``begin_s`` to ``end_s``. A signal, program or traveller that cannot
    be taken is left out and named; the rest goes on.

    Args:
        net: SUMO network, SUMO configuration (which names the others) or OpenStreetMap extract.
        routes: SUMO routes, trips or flows; none makes a site without demand.
        additional: SUMO additional files: vehicle types, stops, zones, signal programs.
        begin_s: First second of the simulation; who departs earlier is left out. By default the
            configuration's, else from the first departure.
        end_s: Its end; by default the configuration's, else from the last departure.
        left_hand: For an OpenStreetMap extract: traffic drives on the left.
        mixed_traffic: For a site without routes: vehicle types and options of a city of
            motorcycles (``simulation/data/mixed-traffic.add.xml``).
        out: The site's folder; its files are replaced, one by one, ``site.yaml`` last.
        write_plan: Writes a plan file.
        now: When the plan is said to be created; the present by default.

    Raises:
        BadInput: If a file cannot be used, none of the network's signals can be taken, or the
            times make no interval.
    """
    with Scratch("import") as folder:
        source = _source(net, routes, additional, left_hand, folder)
        if mixed_traffic:
            source = _mixed(source)
        source = replace(
            source,
            begin_s=source.begin_s if begin_s is None else begin_s,
            end_s=source.end_s if end_s is None else end_s,
        )
        return _import(source, _site_id(net), folder, out, write_plan, now or datetime.now(UTC))


def _source(
    net: Path, routes: Sequence[Path], additional: Sequence[Path], left_hand: bool, folder: Path
) -> Source:
    tag = root_tag(net)
    if tag in ("configuration", "sumoConfiguration"):
        source = read_configuration(net)
        source = replace(
            source,
            routes=tuple(routes) or source.routes,
            additional=tuple(additional) or source.additional,
        )
    elif tag == "osm":
        made = folder / "made.net.xml"
        notes = network_of_osm(net, made, left_hand=left_hand)
        source = Source(made, tuple(routes), tuple(additional), notes=notes)
    elif tag == "net":
        source = Source(net, tuple(routes), tuple(additional))
    else:
        raise BadInput(
            str(net),
            f"<{tag}>",
            "not a SUMO network; valid is a net.xml, a .sumocfg or an OpenStreetMap .osm file",
        )
    for file in (*source.routes, *source.additional):
        if not file.is_file():
            raise BadInput(str(file), "", "no such file; valid is a SUMO XML file")
    return source


def _mixed(source: Source) -> Source:
    """The source with the types and options of mixed traffic.

    Raises:
        BadInput: If it has routes, which run verbatim.
    """
    if source.routes:
        raise BadInput("--mixed-traffic", "", "the routes have vehicle types of their own")
    types = Path(str(files("simulation").joinpath("data", "mixed-traffic.add.xml")))
    return replace(
        source,
        additional=(*source.additional, types),
        options=(*source.options, *MIXED_OPTIONS),
    )


def _import(
    source: Source,
    site: str,
    folder: Path,
    out: Path,
    write_plan: Callable[[Plan, Path], None],
    now: datetime,
) -> ImportSummary:
    extras = _additional(source.additional, folder)
    network_path = folder / "network.net.xml"
    network_path.write_bytes(_network(source.net, extras.programs))
    network = read_net(network_path)
    signals = read_signals(network_path)
    if not signals.junctions:
        why = "; ".join(signals.refused) or "it has no traffic lights"
        raise BadInput(str(source.net), "", f"no signalized junction can be taken: {why}")
    routes = [*source.routes, *extras.routes]
    demand, begin_s, end_s = _demand(source, routes, extras.file, network_path, network)
    trips = [trip for trip in demand.trips if begin_s <= trip.depart_s < end_s]
    rows = planned_counts(trips, signals.junctions, network, begin_s, end_s)
    if routes and not rows:
        raise BadInput(
            ", ".join(str(path) for path in routes),
            "depart",
            f"no vehicle from {begin_s:g} to {end_s:g} s drives through a signal of {source.net}",
        )
    options = source.options
    if (b"fromJunction=" in demand.text or b"toJunction=" in demand.text) and not any(
        option.startswith("--junction-taz") for option in options
    ):
        options = (*options, "--junction-taz=true")
    times_guessed = source.begin_s is None or source.end_s is None
    source = replace(source, begin_s=begin_s, end_s=end_s, options=options)
    if routes:
        (folder / "routes.rou.xml").write_bytes(demand.text)
    _try_in_sumo(source, folder, has_routes=bool(routes), additional=extras.file)
    plan = plan_from_network(
        network_path, signals.junctions, site=site, created=now, by="import", begin_s=begin_s
    )
    found = _found(network, signals, demand, extras.left, times_guessed=times_guessed)
    text = site_text(
        site,
        source,
        signals.junctions,
        found,
        location=network.location,
        routes=ROUTES if routes else "",
        vehicle_types=ADDITIONAL if extras.file else "",
    )
    out.mkdir(parents=True, exist_ok=True)
    _write(out / "network.net.xml", network_path.read_bytes())
    if routes:
        _write(out / ROUTES, demand.text)
        _write(out / "counts.csv", counts_to_csv(rows).encode())
    if extras.file:
        _write(out / ADDITIONAL, extras.file.read_bytes())
    write_plan(plan, out / "plans" / "current.yaml")
    _write(out / "site.yaml", text.encode())
    return ImportSummary(
        site=site,
        junctions=len(signals.junctions),
        trips=len(trips),
        counted=sum(row.count for row in rows),
        notes=(*signals.refused, *found.left_out, *source.notes),
        guesses=len(found.guessed) + sum(len(lines) for lines in found.by_junction.values()),
    )


@dataclass(frozen=True, slots=True)
class _Extras:
    """Additional files taken apart; ``file`` is what the site keeps of them, if anything."""

    file: Path | None
    routes: tuple[Path, ...]
    programs: tuple[str, ...]
    left: tuple[str, ...]


def _additional(paths: Sequence[Path], folder: Path) -> _Extras:
    kept, travellers = ET.Element("additional"), ET.Element("routes")
    programs: list[str] = []
    left: Counter[str] = Counter()
    for path in paths:
        try:
            root = ET.fromstring(_unzipped(path))
        except (OSError, EOFError, ET.ParseError) as error:
            raise BadInput(str(path), "", f"{error}; valid is a SUMO additional file") from None
        for element in root:
            element.tail = None
            if element.tag == "tlLogic":
                programs.append(ET.tostring(element, encoding="unicode"))
            elif element.tag in TRAVELLERS:
                travellers.append(element)
            elif element.tag in _KEPT:
                kept.append(element)
            elif element.tag not in _SILENT:
                left[element.tag] += 1
    routes: tuple[Path, ...] = ()
    if len(travellers):
        routes = (folder / "additional.rou.xml",)
        ET.ElementTree(travellers).write(routes[0], encoding="utf-8")
    file = None
    if len(kept):
        file = folder / "additional.add.xml"
        ET.indent(kept)
        ET.ElementTree(kept).write(file, encoding="utf-8", xml_declaration=True)
    lines = [f"{count} {tag} of the additional files" for tag, count in sorted(left.items())]
    return _Extras(file, routes, tuple(programs), tuple(lines))


def _network(path: Path, programs: Sequence[str]) -> bytes:
    """The network with the additional files' programs, and without those that SUMO refuses."""
    try:
        content = _as_utf8(_unzipped(path))
        text = content.decode()
        changed = mended(with_programs(text, programs))
    except (OSError, EOFError, LookupError, UnicodeDecodeError, ET.ParseError) as error:
        raise BadInput(str(path), "", f"{error}; valid is a SUMO network (.net.xml)") from None
    return content if changed is text else changed.encode()


def _as_utf8(content: bytes) -> bytes:
    """XML in the encoding that it declares, as UTF-8."""
    declared = _ENCODING.match(content)
    if declared is None or declared.group(2).lower() in (b"utf-8", b"utf8"):
        return content
    start, end = declared.span(2)
    text = content.decode(declared.group(2).decode("ascii"))
    return text[:start].encode() + b"UTF-8" + text[end:].encode()


def _demand(
    source: Source,
    routes: Sequence[Path],
    additional: Path | None,
    network_path: Path,
    network: NetFile,
) -> tuple[Demand, float, float]:
    """The demand with the begin and end of the simulation."""
    begin_s, end_s = source.begin_s, source.end_s
    if begin_s is not None and end_s is not None and not 0 <= begin_s < end_s:
        raise BadInput("--begin, --end", "", f"{begin_s:g} to {end_s:g}; valid is begin below end")
    if not routes:
        begin_s = begin_s or 0.0
        return Demand(b"", (), {}, 0), begin_s, end_s or begin_s + PLAIN_END_S
    demand = read_demand(
        routes, network_path, network, additional=additional, begin_s=begin_s or 0.0, end_s=end_s
    )
    departures = [trip.depart_s for trip in demand.trips]
    if begin_s is None:
        begin_s = math.floor(min(departures, default=0.0) / INTERVAL_S) * INTERVAL_S
    if end_s is None:
        last_s = max(departures, default=begin_s)
        end_s = max(math.floor(last_s / INTERVAL_S) + 1, begin_s / INTERVAL_S + 1) * INTERVAL_S
    if not begin_s < end_s:
        raise BadInput("--begin, --end", "", f"{begin_s:g} to {end_s:g}; valid is begin below end")
    return demand, begin_s, end_s


def planned_counts(
    trips: Sequence[PlannedTrip],
    junctions: Mapping[str, Junction],
    net: NetFile,
    begin_s: float,
    end_s: float,
) -> tuple[CountRow, ...]:
    """Vehicles planned through each movement per class and 15 min, zeros included.

    A movement that no vehicle is planned through counts none of the first class that its lanes
    are open to, cars before others.
    """
    movements = {
        (m.from_edge, m.to_edge): (j.id, m.id) for j in junctions.values() for m in j.movements
    }
    found: dict[tuple[str, str, str], dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for trip in trips:
        vehicle_class = counted_class(trip.vehicle_class)
        for edge, following, left_s in zip(trip.edges, trip.edges[1:], trip.left_s, strict=False):
            if left_s >= end_s:
                break
            if (edge, following) in movements:
                key = (*movements[edge, following], vehicle_class)
                found[key][int((left_s - begin_s) // INTERVAL_S)] += 1
    if not found:
        return ()
    seen = {movement for _, movement, _ in found}
    for (from_edge, _), (junction, movement) in movements.items():
        if movement not in seen:
            lanes = net.edges[from_edge].lanes
            vehicle_class = next(
                (
                    name
                    for name in ("car", "motorcycle", "bus", "truck", "bicycle")
                    if any(lane.allows(_SUMO_CLASSES.get(name, name)) for lane in lanes)
                ),
                "car",
            )
            found[junction, movement, vehicle_class] = defaultdict(int)
    rows = []
    for (junction, movement, vehicle_class), by_interval in found.items():
        index = 0
        while begin_s + index * INTERVAL_S < end_s:
            start_s = begin_s + index * INTERVAL_S
            rows.append(
                CountRow(
                    junction=junction,
                    movement=movement,
                    vehicle_class=vehicle_class,
                    start=MIDNIGHT + timedelta(seconds=start_s),
                    end=MIDNIGHT + timedelta(seconds=min(start_s + INTERVAL_S, end_s)),
                    count=by_interval[index],
                )
            )
            index += 1
    return tuple(rows)


def _found(
    net: NetFile,
    signals: SignalsRead,
    demand: Demand,
    left: Sequence[str],
    *,
    times_guessed: bool,
) -> Found:
    """What the site's file says of guesses and of what was left out."""
    guessed = [*network_guesses(net)]
    if times_guessed:
        guessed.append(
            "begin_s, end_s: from the first and the last departure"
            if demand.trips
            else "begin_s, end_s: an hour, as there is no demand"
        )
    left_out = [f"left out: {line}" for line in left]
    reasons = Counter(demand.left_out.values())
    for why, count in reasons.items():
        first = next(name for name, reason in demand.left_out.items() if reason == why)
        more = f" and {count - 1} more" if count > 1 else ""
        left_out.append(f"left out of the demand: {first}{more}: {why}")
    if demand.unsorted:
        left_out.append(
            f"{demand.unsorted} travellers stand behind later ones in the routes: SUMO passes "
            "over them"
        )
    left_out += [
        f"program of junction {name} left out: {net.programs[name].mended}; shown as switched off"
        for name in signals.junctions
        if net.programs[name].mended
    ]
    left_out += parts(net, set(signals.junctions))
    return Found(
        refused=signals.reasons,
        left_out=tuple(left_out),
        guessed=tuple(guessed),
        by_junction={
            junction.id: lines
            for junction in signals.junctions.values()
            if (lines := junction_guesses(net, junction))
        },
    )


def _try_in_sumo(
    source: Source, folder: Path, *, has_routes: bool, additional: Path | None
) -> None:
    """Let SUMO load it all and run one second, so that what it refuses is known now.

    Raises:
        BadInput: With SUMO's first error.
    """
    binary, environment = sumo_tool("sumo")
    begin_s = source.begin_s or 0.0
    command = [str(binary), "--net-file", str(folder / "network.net.xml"), *source.options]
    command += ["--begin", f"{begin_s:g}", "--end", f"{begin_s + 1:g}", "--no-step-log"]
    command += ["--no-warnings", "--xml-validation", "never"]
    if has_routes:
        command += ["--route-files", str(folder / "routes.rou.xml")]
    if additional is not None:
        command += ["--additional-files", str(additional)]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, errors="replace"
    )
    if done.returncode != 0:
        errors = [line for line in done.stderr.splitlines() if line.startswith("Error")]
        reason = errors[0].removeprefix("Error: ") if errors else f"it ended with {done.returncode}"
        raise BadInput(str(source.net), "", f"SUMO refuses to run it: {reason}")


def _site_id(net: Path) -> str:
    stem = net.name.partition(".")[0].lower()
    return re.sub(r"[^a-z0-9_-]+", "-", stem).strip("-") or "site"


def _unzipped(path: Path) -> bytes:
    content = path.read_bytes()
    return gzip.decompress(content) if content[:2] == GZIP_MAGIC else content


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_bytes(content)
    os.replace(temporary, path)
