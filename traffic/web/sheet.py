"""The sheet of a case that leaves the house: what stands on it, and the page to read it on.

``traffic.web.sheet_pdf`` prints the same. Both need nothing but themselves.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from markupsafe import Markup

from traffic.cases import Case
from traffic.web import case_pages
from traffic.web.i18n import Words
from traffic.web.names import Names
from traffic.web.render import STATIC, render
from traffic.web.text import local_time

SHEET_CSS = ("tokens.css", "sheet.css")
CHECK_SUMS = "sha256sum -c SHA256SUMS"
CHECK_SIGNATURE = (
    "openssl pkeyutl -verify -pubin -inkey public-key.pem -rawin -in SHA256SUMS "
    "-sigfile SHA256SUMS.sig"
)


@dataclass(frozen=True, slots=True)
class SheetPicture:
    """A JPEG with what stands below it."""

    content: bytes
    title: str
    signal: str = ""

    @property
    def src(self) -> str:
        """The picture as an address that holds it."""
        return "data:image/jpeg;base64," + base64.b64encode(self.content).decode("ascii")


@dataclass(frozen=True, slots=True)
class Sheet:
    """Everything that stands on the sheet, in the words of its language.

    ``history`` is when, what and who; what officers wrote to each other stays in the house.
    ``originals`` are the name and SHA-256 of each file as recorded; ``key`` is the fingerprint of
    the key that signs the package.
    """

    t: Words
    case_id: str
    at: datetime
    title: str
    when: str
    place: str
    exported: str
    caution: str
    about_pictures: str
    frames: tuple[SheetPicture, ...]
    details: tuple[SheetPicture, ...]
    strip: case_pages.CaseStrip
    facts: tuple[tuple[str, str], ...]
    law: tuple[str, ...]
    law_note: str
    history: tuple[tuple[str, str, str], ...]
    key: str
    originals: tuple[tuple[str, str], ...]


def sheet_of(
    case: Case,
    recorded: Mapping[str, Any],
    pictures: Mapping[str, bytes],
    *,
    by: str,
    purpose: str,
    at: datetime,
    names: Names,
    t: Words,
    key: str,
) -> Sheet:
    """What stands on the sheet.

    Args:
        case: The case.
        recorded: Its ``case.json``.
        pictures: Pictures that may leave, by name.
        by: Who exports it.
        purpose: For whom and what for.
        at: When.
        names: Readable names of the site.
        t: Words of the sheet's language.
        key: Fingerprint of the key that signs the package.
    """
    item, violation = case.summary, case.violation
    shown = {str(frame["name"]): frame for frame in recorded.get("frames", ())}
    titles = zip(case_pages.FRAMES, case_pages.frame_words(item.kind), strict=True)
    about = [t("case.schematic") if recorded.get("schematic") else t("sheet.hidden")]
    if case_pages.CLIP in pictures:
        about.append(t("sheet.clip", file=case_pages.CLIP))
    rows = (case_pages.history_row(event, t) for event in case.events)
    return Sheet(
        t=t,
        case_id=item.id,
        at=at,
        title=t("kind." + item.kind.value),
        when=local_time(item.occurred_at, seconds=True),
        place=names.place(item.junction, violation.get("movement")),
        exported=t("sheet.exported", when=local_time(at, seconds=True), by=by, purpose=purpose),
        caution=case_pages.caution(item.kind, str(violation.get("source_kind", "")), t),
        about_pictures=" ".join(about),
        frames=tuple(
            SheetPicture(
                pictures[f"{name}.jpg"],
                t(title),
                case_pages.frame_signal(shown.get(name), violation, name, t),
            )
            for name, title in titles
            if f"{name}.jpg" in pictures
        ),
        details=tuple(
            SheetPicture(pictures[name], t(title))
            for name, title in (
                (case_pages.VEHICLE, "case.vehicle_picture"),
                (case_pages.PLATE, "case.plate_picture"),
            )
            if name in pictures
        ),
        strip=case_pages.case_strip(violation, recorded, t),
        facts=tuple(
            (fact["name"], fact["value"])
            for fact in case_pages.facts_of(item, violation, recorded, names, t)
        ),
        law=tuple(case_pages.law_lines(case, t)),
        law_note=case.law_note.get(t.language, ""),
        history=tuple((row["when"], row["what"], row["by"]) for row in rows),
        key=key,
        originals=tuple((entry.name, entry.sha256) for entry in item.evidence),
    )


def sheet_html(sheet: Sheet) -> str:
    """The sheet as one page of HTML, readable and printable without Xanh."""
    return render(
        "sheet.html",
        {
            "t": sheet.t,
            "lang": sheet.t.language,
            "style": Markup("\n".join(_css(name) for name in SHEET_CSS)),
            "sheet": sheet,
            "strip": case_pages.case_strip_svg(sheet.strip, sheet.t),
            "check_sums": CHECK_SUMS,
            "check_signature": CHECK_SIGNATURE,
        },
    )


def _css(name: str) -> str:
    return (Path(STATIC) / "css" / name).read_text("utf-8")
