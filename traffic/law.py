"""Legal rules as data, by date of the act: fines, licence points and deadlines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from pathlib import Path

from models.errors import XanhError
from models.site import VEHICLE_CLASSES
from models.violation import ViolationKind
from traffic.yamlfile import Field, read_yaml

SCHEMA = 1
DEFAULT_LAW = Path(__file__).parent / "data" / "law" / "vn.yaml"
LANGUAGES = ("vi", "en")
_SATURDAY = 5


@dataclass(frozen=True, slots=True)
class Offence:
    """What the law says of one kind of act by one group of vehicles.

    ``fine`` is the range for a person, in the law's currency; it applies to acts from
    ``start`` and before ``until``. ``text`` is by language (vi, en). An entry without
    ``article`` says only what the act is: article and fine are still to be supplied. A speed
    entry speaks of those who were ``over_kmh`` [from, below) over the limit.
    """

    kind: ViolationKind
    vehicles: tuple[str, ...]
    start: date
    until: date | None
    decree: str
    article: str
    points_article: str
    fine: tuple[int, int]
    points: int
    text: Mapping[str, str]
    over_kmh: tuple[float, float] | None = None

    @property
    def supplied(self) -> bool:
        """Whether the file gives its article and fine."""
        return bool(self.article)

    def applies(
        self, kind: ViolationKind, vehicle_class: str, day: date, over_kmh: float | None = None
    ) -> bool:
        """Whether it speaks of this act on this day."""
        return (
            kind is self.kind
            and vehicle_class in self.vehicles
            and self.start <= day
            and (self.until is None or day < self.until)
            and (self.over_kmh is None or _within(self.over_kmh, over_kmh))
        )


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Days to notify an owner, and to wait for an answer, for acts from ``start`` on."""

    start: date
    source: str
    notify_days: int
    answer_days: int
    working_days: bool
    holidays: frozenset[date]


@dataclass(frozen=True, slots=True)
class Law:
    """The rules of one country. ``note`` must stand wherever a figure is shown."""

    country: str
    currency: str
    zone: timezone
    note: Mapping[str, str]
    offences: tuple[Offence, ...]
    deadlines: tuple[Deadlines, ...]

    def day(self, moment: datetime) -> date:
        """Local date of a moment."""
        return moment.astimezone(self.zone).date()

    def offence(
        self,
        kind: ViolationKind,
        vehicle_class: str,
        occurred_at: datetime,
        *,
        over_kmh: float | None = None,
    ) -> Offence | None:
        """The rule in force when the act happened; None when the file has none for it.

        ``over_kmh`` is how far over the limit a speeding vehicle was.
        """
        day = self.day(occurred_at)
        found = (o for o in self.offences if o.applies(kind, vehicle_class, day, over_kmh))
        return next(found, None)

    def notify_by(self, occurred_at: datetime) -> datetime:
        """End of the last local day on which the owner may be notified, UTC.

        Raises:
            XanhError: If the file has no deadline for acts of that day.
        """
        day = self.day(occurred_at)
        rules = [rule for rule in self.deadlines if rule.start <= day]
        if not rules:
            raise XanhError(f"the law file has no deadline for acts on {day.isoformat()}")
        rule = max(rules, key=lambda rule: rule.start)
        last = _days_after(day, rule.notify_days, rule)
        midnight = datetime.combine(last + timedelta(days=1), time(), self.zone)
        return midnight.astimezone(UTC)


def _days_after(day: date, days: int, rule: Deadlines) -> date:
    if not rule.working_days:
        return day + timedelta(days=days)
    while days > 0:
        day += timedelta(days=1)
        if day.weekday() < _SATURDAY and day not in rule.holidays:
            days -= 1
    return day


def load_law(path: Path = DEFAULT_LAW) -> Law:
    """Read a law file.

    Raises:
        BadInput: Naming ``file:line``, the field, and what would be valid.
    """
    top = read_yaml(path).section(
        ("schema", "country", "utc_offset_hours", "currency", "note", "offences", "deadlines")
    )
    if top["schema"].value != SCHEMA:
        raise top["schema"].wrong(str(SCHEMA))
    offences = tuple(_offence(field) for field in top["offences"].items())
    _check_overlaps(offences, top["offences"])
    deadlines = tuple(_deadlines(field) for field in top["deadlines"].items(least=1))
    return Law(
        country=top["country"].text(),
        currency=top["currency"].text(),
        zone=timezone(timedelta(hours=top["utc_offset_hours"].number(-14, 14))),
        note=_texts(top["note"]),
        offences=offences,
        deadlines=deadlines,
    )


def _within(band: tuple[float, float], value: float | None) -> bool:
    return value is not None and band[0] <= value < band[1]


def _offence(field: Field) -> Offence:
    awaited = isinstance(field.value, Mapping) and field.value.get("to_be_supplied") is not None
    if awaited:
        section = field.section(("kind", "vehicles", "from", "to_be_supplied", "text"), ("until",))
        if not section["to_be_supplied"].flag():
            raise section["to_be_supplied"].wrong("true, or decree, article, fine and points")
        return Offence(
            kind=ViolationKind(section["kind"].choice([kind.value for kind in ViolationKind])),
            vehicles=tuple(v.choice(VEHICLE_CLASSES) for v in section["vehicles"].items(least=1)),
            start=section["from"].day(),
            until=None if section.get("until") is None else section["until"].day(),
            decree="",
            article="",
            points_article="",
            fine=(0, 0),
            points=0,
            text=_texts(section["text"]),
        )
    section = field.section(
        ("kind", "vehicles", "from", "decree", "article", "fine", "points", "text"),
        ("until", "points_article", "over_kmh"),
    )
    fine = section["fine"].items()
    if len(fine) != 2:
        raise section["fine"].bad("valid is [least, most]")
    least, most = (item.integer(0) for item in fine)
    until = section.get("until")
    band = section.get("over_kmh")
    offence = Offence(
        kind=ViolationKind(section["kind"].choice([kind.value for kind in ViolationKind])),
        vehicles=tuple(v.choice(VEHICLE_CLASSES) for v in section["vehicles"].items(least=1)),
        start=section["from"].day(),
        until=None if until is None else until.day(),
        decree=section["decree"].text(),
        article=section["article"].text(),
        points_article=section.text("points_article"),
        fine=(least, most),
        points=section["points"].integer(0, 12),
        text=_texts(section["text"]),
        over_kmh=None if band is None else _band(band),
    )
    if most < least:
        raise section["fine"].bad(f"[{least}, {most}]; valid is the lower amount first")
    if until is not None and offence.until is not None and offence.until <= offence.start:
        raise until.wrong("a day after from")
    return offence


def _band(field: Field) -> tuple[float, float]:
    low, high = field.numbers(2)
    if not 0 <= low < high:
        raise field.bad(f"[{low:g}, {high:g}]; valid is [from, below] in km/h")
    return low, high


def _bands_part(one: Offence, other: Offence) -> bool:
    if one.over_kmh is None or other.over_kmh is None:
        return False
    return one.over_kmh[1] <= other.over_kmh[0] or other.over_kmh[1] <= one.over_kmh[0]


def _check_overlaps(offences: tuple[Offence, ...], field: Field) -> None:
    fields = field.items()
    for later, offence in enumerate(offences):
        for earlier in range(later):
            other = offences[earlier]
            if offence.kind is not other.kind or not set(offence.vehicles) & set(other.vehicles):
                continue
            if _bands_part(offence, other):
                continue
            first, second = sorted((offence, other), key=lambda item: item.start)
            if first.until is None or first.until > second.start:
                raise fields[later].bad(
                    f"applies on the same days as {field.path}[{earlier}]; valid is until on one"
                )


def _deadlines(field: Field) -> Deadlines:
    section = field.section(
        ("from", "source", "notify_days", "answer_days", "count"), ("holidays",)
    )
    return Deadlines(
        start=section["from"].day(),
        source=section["source"].text(),
        notify_days=section["notify_days"].integer(1, 365),
        answer_days=section["answer_days"].integer(1, 365),
        working_days=section["count"].choice(("calendar", "working")) == "working",
        holidays=frozenset(item.day() for item in section.items("holidays")),
    )


def _texts(field: Field) -> Mapping[str, str]:
    section = field.section(LANGUAGES)
    return {language: section[language].text() for language in LANGUAGES}
