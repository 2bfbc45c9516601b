"""A confirmed case as a package that leaves the house: one vehicle, hashed, needing no Xanh."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from detection.handout import handout_pictures
from models.errors import XanhError
from models.units import utc_text
from traffic.cases import Case, CaseNotAllowed
from traffic.signing import SigningKey
from traffic.web.i18n import Words
from traffic.web.names import Names
from traffic.web.sheet import sheet_html, sheet_of
from traffic.web.sheet_pdf import sheet_pdf

SUMS_FILE = "SHA256SUMS"
SIGNATURE_FILE = "SHA256SUMS.sig"
PUBLIC_KEY_FILE = "public-key.pem"


def package_name(case_id: str) -> str:
    """The file's name."""
    return f"case-{case_id}.zip"


def build_package(
    case: Case,
    files: Mapping[str, bytes],
    at: datetime,
    *,
    by: str,
    purpose: str,
    names: Names,
    t: Words,
    key: SigningKey,
) -> bytes:
    """A ZIP with the sheet, pictures and clip, the case as data, the SHA-256 of each, signed.

    The same case exported at the same moment for the same purpose gives the same files, but for
    the number that the video library invents for the clip's track.

    Args:
        case: The case.
        files: Its evidence by name.
        at: When it is exported.
        by: Who exports it.
        purpose: For whom and what for.
        names: Readable names of the site.
        t: Words of the sheet's language.
        key: Signs the list of hashes.

    Raises:
        CaseNotAllowed: If the evidence is not such that bystanders can be hidden.
    """
    if "case.json" not in files:
        raise CaseNotAllowed(f"case {case.summary.id} has no case.json: it cannot be exported")
    recorded = json.loads(files["case.json"])
    try:
        content = dict(handout_pictures(files, recorded))
    except XanhError as error:
        raise CaseNotAllowed(str(error)) from None
    sheet = sheet_of(
        case,
        recorded,
        content,
        by=by,
        purpose=purpose,
        at=at,
        names=names,
        t=t,
        key=key.fingerprint,
    )
    content["sheet.html"] = sheet_html(sheet).encode("utf-8")
    content["sheet.pdf"] = sheet_pdf(sheet)
    body = _body(case, recorded, at, by=by, purpose=purpose)
    content["case.json"] = (json.dumps(body, ensure_ascii=False, indent=2) + "\n").encode("utf-8")
    content[SUMS_FILE] = "".join(
        f"{hashlib.sha256(content[name]).hexdigest()}  {name}\n" for name in sorted(content)
    ).encode("ascii")
    content[SIGNATURE_FILE] = key.sign(content[SUMS_FILE])
    content[PUBLIC_KEY_FILE] = key.public_pem
    return _zipped(f"case-{case.summary.id}", content, at)


def _body(
    case: Case, recorded: Mapping[str, Any], at: datetime, *, by: str, purpose: str
) -> dict[str, Any]:
    item = case.summary
    kept = {name: value for name, value in case.violation.items() if name != "status"}
    return {
        "case": item.id,
        "site": item.site,
        "status": item.status.value,
        "occurred_at": utc_text(item.occurred_at),
        "exported": {"at": utc_text(at), "by": by, "purpose": purpose},
        "violation": kept,
        "frames": [
            {name: frame[name] for name in ("name", "frame", "time_s", "signal_state")}
            for frame in recorded["frames"]
        ],
        "clip": recorded["clip"],
        "plate": recorded.get("plate"),
        "schematic": bool(recorded.get("schematic")),
        "bystanders_hidden": not recorded.get("schematic"),
        "history": [
            {
                "at": utc_text(event.at),
                "by": event.by,
                "action": event.action,
                "to": event.to_status.value,
                "sha256": event.sha256,
            }
            for event in case.events
        ],
        "originals_sha256": {entry.name: entry.sha256 for entry in item.evidence},
    }


def _zipped(folder: str, content: Mapping[str, bytes], at: datetime) -> bytes:
    stream = io.BytesIO()
    moment = at.astimezone(UTC)
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as package:
        for name in sorted(content):
            entry = zipfile.ZipInfo(f"{folder}/{name}", moment.timetuple()[:6])
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            package.writestr(entry, content[name])
    return stream.getvalue()
