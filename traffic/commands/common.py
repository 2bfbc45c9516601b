"""What the commands of ``xanh`` share: the options, and reading what they name."""

from __future__ import annotations

import getpass
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from models.errors import BadInput

if TYPE_CHECKING:
    from models.counts import CountRow
    from models.plan import Plan
    from models.policy import Sensing, StageChoice
    from models.site import Site
    from simulation.control_area import EnvelopeChange

StagesOption = Annotated[
    str | None,
    typer.Option(
        "--stages",
        help="plan (those of the plan in force) or composed (also every other set of lanes that "
        "no two paths of cross); default: composed with adaptive.",
    ),
]
RedExtensionOption = Annotated[
    float | None,
    typer.Option(
        "--red-extension",
        min=0,
        max=30,
        help="Longest by which a change waits for somebody who stands on the junction, seconds; "
        "default: 10 with adaptive, 0 with the others.",
    ),
]
SiteOption = Annotated[Path, typer.Option("--site", help="The site's folder.")]
OutFolder = Annotated[Path, typer.Option("--out", help="Folder to write; made if absent.")]


def fail(line: str, code: int) -> None:
    """Print one line on standard error and end with a code."""
    typer.echo(line, err=True)
    sys.exit(code)


def say(text: str) -> None:
    """Print a line for the user."""
    typer.echo(text)


def read_password(prompt: str = "password: ") -> str:
    """Asked for unseen at a terminal; else the first line of standard input."""
    if sys.stdin.isatty():
        return getpass.getpass(prompt)
    return sys.stdin.readline().rstrip("\n")


class Ticker:
    """Shows how far something is, on standard error: a line that is rewritten in a terminal, else
    one every ten seconds.
    """

    EVERY_S = 10.0

    def __init__(self) -> None:
        """Nothing is shown yet."""
        self._shown_s = time.monotonic()
        self._terminal = sys.stderr.isatty()

    def __call__(self, line: str) -> None:
        """Show a line."""
        if self._terminal:
            typer.echo(f"\r\x1b[K{line}", err=True, nl=False)
        elif time.monotonic() - self._shown_s >= self.EVERY_S:
            self._shown_s = time.monotonic()
            typer.echo(line, err=True)

    def end(self) -> None:
        """Leave the line."""
        if self._terminal:
            typer.echo("", err=True)


@contextmanager
def until_told() -> Iterator[Callable[[], bool]]:
    """Whether Ctrl-C or SIGTERM has come; the second time it ends the program as usual."""
    told = threading.Event()

    def tell(number: int, _: object) -> None:
        told.set()
        signal.signal(number, before[signal.Signals(number)])

    before = {number: signal.signal(number, tell) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield told.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def load(folder: Path) -> Site:
    """The site of a folder; ``BadInput`` names file, line and field."""
    from traffic.sites import load_site

    return load_site(folder)


def read_counts(site: Site, path: Path | None) -> tuple[CountRow, ...]:
    """Counts of a file, else the site's; every junction and movement must be the site's."""
    from models.counts import counts_from_csv

    chosen = path or site.counts_path
    try:
        text = chosen.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise BadInput(str(chosen), "", "no such file; valid is a counts.csv") from None
    except (UnicodeDecodeError, IsADirectoryError):
        raise BadInput(str(chosen), "", "is not a text file; valid is a counts.csv") from None
    rows = counts_from_csv(text, str(chosen))
    known = {m.id for junction in site.junctions.values() for m in junction.movements}
    for line, row in enumerate(rows, start=2):
        if row.junction not in site.junctions:
            valid = ", ".join(sorted(site.junctions))
            raise BadInput(f"{chosen}:{line}", "junction", f"{row.junction!r}; valid is {valid}")
        if row.movement not in known:
            valid = ", ".join(m.id for m in site.junctions[row.junction].movements)
            raise BadInput(f"{chosen}:{line}", "movement", f"{row.movement!r}; valid is {valid}")
    return rows


def read_current(site: Site, path: Path | None = None) -> Plan:
    """A plan file, else the site's plan in force."""
    from traffic.planfiles import read_plan

    return read_plan(path or site.current_plan_path)


def need_network(site: Site, what: str) -> None:
    """Refuse a camera-only site where a simulation is asked for."""
    if site.network is None:
        raise BadInput(
            str(site.folder / "site.yaml"),
            "network",
            f"this site has no network, so it cannot {what}; valid is a SUMO net.xml",
        )


def one_line(text: str) -> str:
    """A text without line breaks."""
    return " ".join(text.split())


def parse_envelope(clearance: str | None, min_green: float | None) -> EnvelopeChange:
    """``yellow=3,allred=0`` and a minimum green as what replaces a site's envelope."""
    from simulation.control_area import EnvelopeChange

    valid = "valid is yellow=SECONDS,allred=SECONDS, 0 to 20"
    given: dict[str, float] = {}
    for part in (clearance or "").split(",") if clearance is not None else ():
        name, _, value = part.strip().partition("=")
        try:
            given[name] = float(value)
        except ValueError:
            raise BadInput("--clearance", part, valid) from None
        if name not in ("yellow", "allred") or not 0 <= given[name] <= 20:
            raise BadInput("--clearance", part, valid)
    return EnvelopeChange(given.get("yellow"), given.get("allred"), min_green)


def parse_stages(name: str | None) -> StageChoice | None:
    """``plan`` or ``composed``; None is the policy's own choice."""
    from models.policy import StageChoice

    try:
        return None if name is None else StageChoice(name)
    except ValueError:
        valid = ", ".join(item.value for item in StageChoice)
        raise BadInput("--stages", name or "", f"valid is {valid}") from None


def parse_sensing(name: str) -> Sensing:
    """``oracle`` or ``detectors``."""
    from models.policy import Sensing

    try:
        return Sensing(name)
    except ValueError:
        valid = ", ".join(item.value for item in Sensing)
        raise BadInput("--sensing", name, f"valid is {valid}") from None
