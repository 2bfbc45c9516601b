"""Commands on cases: ``xanh case export``.

Heavy imports happen inside the commands, so that a wrong argument answers at once.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from models.errors import BadInput, XanhError
from traffic.commands.common import load, read_password, say

if TYPE_CHECKING:
    from traffic.cases import Case

case_app = typer.Typer(help="Cases of flagged violations.")


@case_app.callback()
def cases() -> None:
    """Cases of flagged violations."""


@case_app.command("export")
def case_export(
    case: Annotated[str, typer.Argument(help="Its id, as the console shows it.")],
    by: Annotated[str, typer.Option("--by", help="Your user name; the password is asked for.")],
    purpose: Annotated[str, typer.Option("--purpose", help="For whom and what for; is logged.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="The ZIP to write; default: case-ID.zip here.")
    ] = None,
    language: Annotated[
        str | None, typer.Option("--language", help="vi or en; default: the installation's.")
    ] = None,
    site: Annotated[
        Path | None, typer.Option("--site", help="Default: XANH_SITE, else sites/pho-hue.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option("--data", help="Store and evidence; default: XANH_DATA_DIR.")
    ] = None,
) -> None:
    """Hand out a confirmed case: one vehicle, everybody else hidden, hashed, and logged."""
    from traffic.auth import Permission
    from traffic.evidence_package import build_package, package_name
    from traffic.service import open_services
    from traffic.settings import load_settings
    from traffic.web.geometry import read_geometry
    from traffic.web.i18n import LANGUAGES, Words
    from traffic.web.names import Names

    settings = load_settings()
    if language is not None and language not in LANGUAGES:
        raise BadInput("--language", language, f"valid is {', '.join(LANGUAGES)}")
    described = load(site or settings.site)
    services = open_services(described, settings, data=data)
    try:
        session = services.auth.sign_in(by, read_password())
        services.auth.sign_out(session.token)
        session.user.require(Permission.REVIEW_CASES)
        words = Words(language or settings.language)
        drawing = (
            read_geometry(described.network, described.junctions) if described.network else None
        )
        names = Names(described, drawing, words)

        def build(found: Case, files: Mapping[str, bytes], at: datetime) -> bytes:
            return build_package(
                found,
                files,
                at,
                by=session.user.name,
                purpose=purpose,
                names=names,
                t=words,
                key=services.signing,
            )

        target = out or Path(package_name(case))
        _writable(target)
        content = services.cases.export(case, session.user.name, purpose, build)
        temporary = target.with_name(f".{target.name}.part")
        temporary.write_bytes(content)
        os.replace(temporary, target)
    finally:
        services.store.close()
    say(f"wrote {target}")


def _writable(target: Path) -> None:
    """Find out before anything is logged."""
    if target.is_dir() or not target.parent.is_dir():
        raise XanhError(f"{target}: cannot be written; valid is a file in a folder that exists")
