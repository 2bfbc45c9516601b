"""A site folder, loaded strictly: each thing wrong is one line with file, line, field, remedy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from pathlib import Path
from typing import Final

from detection.rules import RuleSettings
from models.counts import CountRow, counts_from_csv, geh
from models.errors import BadInput
from models.junction import Junction, Movement, SafetyEnvelope, Turn
from models.safety import Rule, check_plan
from models.site import (
    DEFAULT_CLASSES,
    SimulationOptions,
    Site,
    SiteCamera,
    StreetOptions,
    VehicleClass,
)
from models.units import seconds_to_ds
from models.validation import AcceptancePolicy
from optimizer.problem import Weights
from simulation.demand import IMBALANCE_GEH
from simulation.fitted import check_flows
from simulation.network import read_junctions, with_crossing_clearances
from traffic.planfiles import read_plan
from traffic.sitecameras import CAMERA_OPTIONAL, CAMERA_REQUIRED, read_camera, seen_share
from traffic.siterules import read_rules
from traffic.yamlfile import Field, Section, read_yaml, unique

SCHEMA = 1
_OPTIONAL = (
    "agencies",
    "location",
    "network",
    "simulation",
    "acceptance",
    "objective",
    "envelope",
    "vehicle_classes",
    "street",
    "rules",
    "cameras",
    "import",
)
_ENVELOPE = (
    "min_green_s",
    "max_green_s",
    "yellow_change_s",
    "red_clearance_s",
    "walk_s",
    "min_cycle_s",
    "max_cycle_s",
    "max_red_s",
    "granularity_s",
)


MOST_UNSEEN: Final = 0.1
PLATES_FROM_PX: Final = 1280
"""In narrower pictures a motorbike's plate is 10 to 25 pixels wide: it is rarely read."""


class Level(StrEnum):
    """How much a finding matters."""

    ERROR = "error"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a check of a site found."""

    level: Level
    message: str

    def __str__(self) -> str:
        """The line to print."""
        return f"{self.level}: {self.message}"


def load_site(folder: Path, *, description: str = "site.yaml") -> Site:
    """Load and check ``site.yaml`` and the network that it names.

    Args:
        folder: The site's folder.
        description: Name of the file in it that describes the site.

    Raises:
        BadInput: Naming ``file:line``, the field, and what would be valid.
    """
    if not folder.is_dir():
        raise BadInput(str(folder), "", "no such folder; valid is a site's folder")
    top = _top(folder / description)
    envelope = _envelope(top.get("envelope"), SafetyEnvelope())
    network_field = top.get("network")
    network = None if network_field is None else network_field.file_in(folder)
    if network_field is None or network is None:
        junctions = _described_junctions(top, envelope)
    else:
        junctions = _network_junctions(top, envelope, network, network_field)
    classes = tuple(_vehicle_class(item) for item in top.items("vehicle_classes"))
    unique([(c.name, f) for c, f in zip(classes, top.items("vehicle_classes"), strict=True)])
    rules = read_rules(top.get("rules"), RuleSettings())
    camera_fields = top.items("cameras")
    cameras = tuple(
        read_camera(item.section(CAMERA_REQUIRED, CAMERA_OPTIONAL), junctions, network, rules)
        for item in camera_fields
    )
    unique([(camera.id, f) for camera, f in zip(cameras, camera_fields, strict=True)])
    latitude, longitude = _location(top.get("location"))
    return Site(
        id=top["id"].text(),
        name=top["name"].text(),
        folder=folder,
        junctions=junctions,
        cameras=cameras,
        classes=classes or DEFAULT_CLASSES,
        network=network,
        simulation=_simulation(top.get("simulation"), folder),
        acceptance=_acceptance(top.get("acceptance")),
        agencies=top.texts("agencies"),
        street=_street(top.get("street")),
        latitude=latitude,
        longitude=longitude,
        objective=_objective(top.get("objective")),
    )


def check_site(folder: Path) -> tuple[Finding, ...]:
    """Check a site folder: its description, the plan in force and the counts.

    A program taken as found is noted where it breaks the envelope, never failed.

    Returns:
        Every finding; the site is sound when none is an error.
    """
    try:
        site = load_site(folder)
    except BadInput as error:
        return (Finding(Level.ERROR, str(error)),)
    return (
        *_check_import(folder),
        *_check_marks(site),
        *_check_plan_file(site),
        *_check_counts(site),
    )


def _top(path: Path) -> Section:
    document = read_yaml(path)
    # Without a network the junctions must be described; with one, all of its signals are meant.
    described = isinstance(document.value, Mapping) and document.value.get("network") is None
    if described:
        top = document.section(("schema", "id", "name", "junctions"), _OPTIONAL)
    else:
        top = document.section(("schema", "id", "name"), ("junctions", *_OPTIONAL))
    if top["schema"].value != SCHEMA:
        raise top["schema"].wrong(str(SCHEMA))
    return top


def _network_junctions(
    top: Section, envelope: SafetyEnvelope, network: Path, network_field: Field
) -> dict[str, Junction]:
    entries = [
        item.section(("id",), ("name", "envelope", "guessed")) for item in top.items("junctions")
    ]
    unique([(entry["id"].text(), entry["id"]) for entry in entries])
    envelopes = {
        entry["id"].text(): _envelope(entry.get("envelope"), envelope) for entry in entries
    }
    names = {entry["id"].text(): entry["name"].text() for entry in entries if entry.get("name")}
    try:
        found = read_junctions(network, envelopes, default=envelope, names=names)
    except BadInput as error:
        raise network_field.bad(f"the network cannot be used: {error}") from None
    if not found:
        raise network_field.bad("the network has no traffic light; valid is at least one")
    for entry in entries:
        junction = entry["id"].choice(list(found))
        _check_crossings(entry.get("envelope"), found[junction])
    _check_site_crossings(top.get("envelope"), found)
    chosen = [entry["id"].text() for entry in entries] or list(found)
    return {junction: found[junction] for junction in chosen}


def _check_crossings(envelope: Field | None, junction: Junction) -> None:
    for name, field in _clearances(envelope):
        valid = [crossing.id for crossing in junction.crossings]
        if name not in valid:
            raise field.bad(f"{name!r}; valid is {', '.join(valid) or 'nothing: no crossing here'}")


def _check_site_crossings(envelope: Field | None, junctions: Mapping[str, Junction]) -> None:
    valid = [crossing.id for junction in junctions.values() for crossing in junction.crossings]
    for name, field in _clearances(envelope):
        if name not in valid:
            raise field.bad(f"{name!r}; valid is {', '.join(valid) or 'nothing: no crossing here'}")


def _clearances(envelope: Field | None) -> tuple[tuple[str, Field], ...]:
    if envelope is None:
        return ()
    clearances = envelope.section((), (*_ENVELOPE, "ped_clearance_s")).get("ped_clearance_s")
    return () if clearances is None else tuple(clearances.mapping())


def _described_junctions(top: Section, envelope: SafetyEnvelope) -> dict[str, Junction]:
    junctions: dict[str, Junction] = {}
    entries = top["junctions"].items(least=1)
    for item in entries:
        entry = item.section(("id", "movements"), ("name", "envelope", "conflicts", "permissive"))
        junction_id = entry["id"].text()
        if junction_id in junctions:
            raise entry["id"].bad(f"{junction_id!r} stands here twice; valid is another id")
        movement_fields = entry["movements"].items(least=1)
        movements = tuple(_movement(field, junction_id) for field in movement_fields)
        unique([(m.id, f) for m, f in zip(movements, movement_fields, strict=True)])
        known = [movement.id for movement in movements]
        conflicts = [_pair(field, known) for field in entry.items("conflicts")]
        permissive = []
        for field in entry.items("permissive"):
            pair = _pair(field, known)
            if set(pair) not in [set(other) for other in conflicts]:
                raise field.bad(f"{' yielding to '.join(pair)}: valid is a pair of conflicts")
            permissive.append(pair)
        own = _envelope(entry.get("envelope"), envelope)
        for name, field in _clearances(entry.get("envelope")):
            raise field.bad(f"{name!r}; valid is nothing: no crossing here")
        junctions[junction_id] = Junction(
            id=junction_id,
            movements=movements,
            conflicts=frozenset(frozenset(pair) for pair in conflicts),
            permissive=frozenset(permissive),
            envelope=with_crossing_clearances(own, ()),
            name=entry.text("name"),
        )
    return junctions


def _movement(field: Field, junction: str) -> Movement:
    section = field.section(("id",), ("turn", "from", "to"))
    name = section["id"].text()
    prefix, _, path = name.rpartition(":")
    from_edge, arrow, to_edge = path.partition(">")
    if prefix and prefix != junction:
        raise section["id"].wrong(f"an id of junction {junction}, like {junction}:FROM>TO")
    if not arrow and (section.get("from") is None or section.get("to") is None):
        raise section["id"].wrong(f"{junction}:FROM>TO, or any name with from and to given")
    turn = section.get("turn")
    return Movement(
        id=name,
        from_edge=section.text("from", from_edge),
        to_edge=section.text("to", to_edge),
        turn=Turn.THROUGH if turn is None else Turn(turn.choice([t.value for t in Turn])),
    )


def _pair(field: Field, known: list[str]) -> tuple[str, str]:
    items = field.items()
    if len(items) != 2:
        raise field.bad(f"has {len(items)} entries; valid is two movement ids")
    first, second = (item.choice(known) for item in items)
    if first == second:
        raise field.bad("names one movement twice; valid is two movement ids")
    return first, second


def _envelope(field: Field | None, base: SafetyEnvelope) -> SafetyEnvelope:
    if field is None:
        return base
    section = field.section((), (*_ENVELOPE, "ped_clearance_s"))
    values: dict[str, int] = {
        item.name: getattr(base, item.name)
        for item in fields(SafetyEnvelope)
        if item.name != "ped_clearance_ds"
    }
    for key in _ENVELOPE:
        entry = section.get(key)
        if entry is not None:
            values[key[:-2] + "_ds"] = _duration_ds(entry)
    clearances = dict(base.ped_clearance_ds) | {
        name: _duration_ds(entry) for name, entry in _clearances(field)
    }
    try:
        return SafetyEnvelope(**values, ped_clearance_ds=clearances)
    except ValueError as error:
        raise field.bad(str(error).replace("_ds", "_s")) from None


def _duration_ds(field: Field) -> int:
    seconds = field.number(0, 3600)
    try:
        return seconds_to_ds(seconds)
    except ValueError:
        raise field.wrong("seconds in steps of 0.1") from None


def _simulation(field: Field | None, folder: Path) -> SimulationOptions:
    if field is None:
        return SimulationOptions()
    section = field.section((), tuple(item.name for item in fields(SimulationOptions)))
    files = {
        name: str(entry.file_in(folder).relative_to(folder))
        for name in ("routes", "vehicle_types")
        if (entry := section.get(name)) is not None and entry.value != ""
    }
    defaults = SimulationOptions()
    options = SimulationOptions(
        begin_s=section.number("begin_s", defaults.begin_s, 0, 1e7),
        end_s=section.number("end_s", defaults.end_s, 0, 1e7),
        warm_up_s=section.number("warm_up_s", defaults.warm_up_s, 0, 86_400),
        step_s=section.number("step_s", defaults.step_s, 0.05, 1),
        options=section.texts("options"),
        **files,
    )
    if options.end_s <= options.begin_s + options.warm_up_s:
        where = section.get("end_s") or field
        raise where.bad(
            f"{options.end_s:g}; valid is above begin_s + warm_up_s = "
            f"{options.begin_s + options.warm_up_s:g}"
        )
    return options


def _objective(field: Field | None) -> dict[str, float]:
    """What retiming weighs; docs/retime.md tells each."""
    if field is None:
        return {}
    names = tuple(item.name for item in fields(Weights))
    section = field.section((), names)
    return {
        name: entry.number(1.0 if name == "worse_weight" else 0.0, 1000.0)
        for name in names
        if (entry := section.get(name)) is not None
    }


def _acceptance(field: Field | None) -> AcceptancePolicy:
    if field is None:
        return AcceptancePolicy()
    section = field.section((), tuple(item.name for item in fields(AcceptancePolicy)))
    base = AcceptancePolicy()
    change, growth = "max_delay_change_pct", section.get("growth_pct")
    return AcceptancePolicy(
        # Above 0 a plan would pass that makes delay worse.
        max_delay_change_pct=section.number(change, base.max_delay_change_pct, -100, 0),
        max_movement_worse_pct=section.number(
            "max_movement_worse_pct", base.max_movement_worse_pct, 0, 1000
        ),
        max_movement_worse_s=section.number(
            "max_movement_worse_s", base.max_movement_worse_s, 0, 600
        ),
        min_movement_vehicles=section.number(
            "min_movement_vehicles", base.min_movement_vehicles, 0, 1e6
        ),
        valid_hours=section.number("valid_hours", base.valid_hours, 0.1, 24 * 366),
        max_spillback_pct=section.number("max_spillback_pct", base.max_spillback_pct, 0, 100),
        growth_pct=None if growth is None else growth.number(0, 50),
    )


def _vehicle_class(field: Field) -> VehicleClass:
    section = field.section(("name", "pcu", "length_m", "width_m"), ("worth",))
    return VehicleClass(
        name=section["name"].text(),
        pcu=section["pcu"].number(0, 20),
        length_m=section["length_m"].number(most=40, above=0),
        width_m=section["width_m"].number(most=5, above=0),
        worth=section.number("worth", 1.0, 0.0, 1000.0),
    )


def _street(field: Field | None) -> StreetOptions | None:
    if field is None:
        return None
    section = field.section((), tuple(item.name for item in fields(StreetOptions)))
    seed = section.get("seed")
    base = StreetOptions()
    limits = {"_share": 1.0, "_vph": 3600.0, "_ph": 20_000.0}
    rates = {
        item.name: section.number(
            item.name,
            getattr(base, item.name),
            0,
            next(most for end, most in limits.items() if item.name.endswith(end)),
        )
        for item in fields(StreetOptions)
        if item.name != "seed"
    }
    return StreetOptions(base.seed if seed is None else seed.integer(0, 2**31 - 1), **rates)


def _location(field: Field | None) -> tuple[float | None, float | None]:
    if field is None:
        return None, None
    section = field.section(("latitude", "longitude"))
    return section["latitude"].number(-90, 90), section["longitude"].number(-180, 180)


def _check_import(folder: Path) -> list[Finding]:
    """What the import could not take, left out or guessed: notes, for a person to settle."""
    top = _top(folder / "site.yaml")
    lines = []
    about = top.get("import")
    if about is not None:
        section = about.section((), ("partial", "not_taken", "left_out", "guessed"))
        for item in section.items("not_taken"):
            entry = item.section(("id", "why"))
            lines.append(f"junction {entry['id'].text()} was not taken: {entry['why'].text()}")
        lines += section.texts("left_out")
        lines += [f"guessed: {text}" for text in section.texts("guessed")]
    if top.get("network") is not None:
        for item in top.items("junctions"):
            entry = item.section(("id",), ("name", "envelope", "guessed"))
            lines += [
                f"junction {entry['id'].text()}: guessed: {text}" for text in entry.texts("guessed")
            ]
    return [Finding(Level.NOTE, f"{folder / 'site.yaml'}: {line}") for line in lines]


def _check_marks(site: Site) -> list[Finding]:
    """What a real camera can never see or tell as it is set up."""
    return [
        Finding(Level.NOTE, f"{site.folder / 'site.yaml'}: camera {camera.id}: {line}")
        for camera in site.cameras
        if camera.options["kind"] == "stream"
        for line in _shortcomings(camera)
    ]


def _shortcomings(camera: SiteCamera) -> Iterator[str]:
    view = camera.view
    for name, points in (("zone", view.zone), ("stop_line", view.stop_line)):
        unseen = 1.0 - seen_share(view, points)
        if unseen > MOST_UNSEEN:
            yield f"{name}: {unseen:.0%} of it lies outside the picture, where nothing is seen"
    if view.lamp_px is None:
        yield "no lamp_px: without a log of the signal nothing is flagged on red"
    if not view.metric:
        yield "no calibration: no speed and no length, and few of the rules are judged"
    if camera.options.get("plates") and view.width_px < PLATES_FROM_PX:
        yield (
            f"plates: at {view.width_px}x{view.height_px} hardly any can be read; "
            "promise them from 1080p on"
        )


def _check_plan_file(site: Site) -> list[Finding]:
    path = site.current_plan_path
    if not path.exists():
        if site.network is None:
            return [Finding(Level.NOTE, f"{path}: no plan; this site counts and flags only")]
        return [Finding(Level.ERROR, f"{path}: no such file; valid is the plan in force")]
    try:
        plan = read_plan(path)
    except BadInput as error:
        return [Finding(Level.ERROR, str(error))]
    if plan.site != site.id:
        return [Finding(Level.ERROR, f"{path}: site: {plan.site!r}; valid is {site.id!r}")]
    found = {junction.junction for junction in plan.junctions if junction.as_found}
    return [
        Finding(
            Level.NOTE if breach.junction in found else Level.ERROR,
            f"{path}: {breach.message}"
            + (" (as found: compared against, never deployed)" if breach.junction in found else ""),
        )
        for breach in check_plan(plan, site.junctions)
        if breach.rule is not Rule.DEPLOYABLE
    ]


def _check_counts(site: Site) -> list[Finding]:
    path = site.counts_path
    if not path.exists():
        return [Finding(Level.NOTE, f"{path}: no counts; retime and validate need --counts")]
    try:
        rows = counts_from_csv(path.read_text(encoding="utf-8"), str(path))
    except BadInput as error:
        return [Finding(Level.ERROR, str(error))]
    except (OSError, UnicodeDecodeError) as error:
        return [Finding(Level.ERROR, f"{path}: cannot be read: {error}")]
    findings = []
    seen: set[tuple[str, str]] = set()
    classes = {item.name for item in site.classes}
    for line, row in enumerate(rows, start=2):
        wrong = _wrong_count(site, row.junction, row.movement, row.vehicle_class, classes)
        if wrong is not None and wrong not in seen:
            seen.add(wrong)
            field, valid = wrong
            findings.append(Finding(Level.ERROR, f"{path}:{line}: {field}: {valid}"))
    return findings or _check_flows(site, rows, path)


def _check_flows(site: Site, rows: Sequence[CountRow], path: Path) -> list[Finding]:
    """Notes on counts of neighbours that cannot both be right, over all intervals."""
    if site.network is None:
        return []
    try:
        misfits, links = check_flows(site, rows)
    except BadInput as error:
        return [Finding(Level.ERROR, f"{path}: {error}")]
    lines = []
    hours = sum((end - start).total_seconds() for start, end in {(r.start, r.end) for r in rows})
    for approach in dict.fromkeys(link.approach for link in links if link.closed):
        arriving = sum(link.arriving for link in links if link.approach == approach)
        counted = sum(link.counted for link in links if link.approach == approach)
        if geh(arriving * 3600 / hours, counted * 3600 / hours) > IMBALANCE_GEH:
            lines.append(
                f"street {approach}: {arriving:.0f} vehicles were counted into it and "
                f"{counted:.0f} at its end, but no side street joins it"
            )
    lines += [f"no flow reproduces {misfit}" for misfit in misfits]
    return [Finding(Level.NOTE, f"{path}: {line}") for line in lines]


def _wrong_count(
    site: Site, junction: str, movement: str, vehicle_class: str, classes: set[str]
) -> tuple[str, str] | None:
    if junction not in site.junctions:
        return "junction", f"{junction!r}; valid is {', '.join(site.junctions)}"
    known = [m.id for m in site.junctions[junction].movements]
    if movement not in known:
        return "movement", f"{movement!r}; valid is {', '.join(known)}"
    if vehicle_class not in classes:
        return "vehicle_class", f"{vehicle_class!r}; valid is {', '.join(sorted(classes))}"
    return None
