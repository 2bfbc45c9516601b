"""The page of a case that leaves the house: printable, in one file, readable without Xanh."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
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


def sheet_html(
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
) -> str:
    """The sheet.

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
    frames = [
        {
            "src": _inline(pictures[f"{name}.jpg"]),
            "title": t(title),
            "signal": case_pages.frame_signal(shown.get(name), violation, name, t),
        }
        for name, title in titles
        if f"{name}.jpg" in pictures
    ]
    details = [
        {"src": _inline(pictures[name]), "title": t(key)}
        for name, key in (
            (case_pages.VEHICLE, "case.vehicle_picture"),
            (case_pages.PLATE, "case.plate_picture"),
        )
        if name in pictures
    ]
    return render(
        "sheet.html",
        {
            "t": t,
            "lang": t.language,
            "style": Markup("\n".join(_css(name) for name in SHEET_CSS)),
            "kind": item.kind.value,
            "when": local_time(item.occurred_at, seconds=True),
            "place": names.place(item.junction, violation.get("movement")),
            "exported": t(
                "sheet.exported", when=local_time(at, seconds=True), by=by, purpose=purpose
            ),
            "caution": case_pages.caution(item.kind, str(violation.get("source_kind", "")), t),
            "schematic": bool(recorded.get("schematic")),
            "frames": frames,
            "details": details,
            "clip": case_pages.CLIP if case_pages.CLIP in pictures else "",
            "strip": case_pages.case_strip(violation, recorded, t),
            "facts": case_pages.facts_of(item, violation, recorded, names, t),
            "law": case_pages.law_lines(case, t),
            "law_note": case.law_note.get(t.language, ""),
            "history": _history(case, t),
            "key": key,
            "originals": [(entry.name, entry.sha256) for entry in item.evidence],
        },
    )


def _history(case: Case, t: Words) -> Sequence[Mapping[str, str]]:
    """Who did what and when; what officers wrote to each other stays in the house."""
    return [case_pages.history_row(event, t) for event in case.events]


def _inline(picture: bytes) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(picture).decode("ascii")


def _css(name: str) -> str:
    return (Path(STATIC) / "css" / name).read_text("utf-8")
