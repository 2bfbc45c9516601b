"""What an import is asked to take: a network, an OpenStreetMap extract or a SUMO configuration."""

from __future__ import annotations

import gzip
import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

from models.errors import BadInput
from simulation.netfile import GZIP_MAGIC
from simulation.netprograms import seconds

# Options that change how vehicles move. Outputs, reports, seeds and teleporting are left.
_KEPT = (
    *("lateral-resolution", "step-method.ballistic", "ignore-junction-blocker", "scale"),
    *("max-depart-delay", "extrapolate-departpos", "eager-insert", "random-depart-offset"),
    *("collision.", "default.", "lanechange.", "pedestrian.", "emergency", "time-to-impatience"),
    *("junction-taz", "parking.", "device.rerouting", "routing-algorithm", "waiting-time-memory"),
    *("tls.", "persontrip.", "keep-after-arrival", "overhead-wire", "railsignal"),
)
_OUTPUT = re.compile(r"output|log|\.file$")
_TAKEN = ("net-file", "route-files", "additional-files", "begin", "end", "step-length")
_SILENT = re.compile(
    r"output|log|^no-|^seed$|^random$|^xml-validation|verbose|gui|^start$|^quit|^delay$|"
    r"^game|^threads$|^time-to-teleport|^ignore-route-errors$|^print|^remote|^version$|^tripinfo|"
    r"^vehroute|^summary|^save|^precision|^human|^message|^error|^route-steps$"
)


@dataclass(frozen=True, slots=True)
class Source:
    """Files and times of an import. ``options`` are SUMO options that a configuration declares."""

    net: Path
    routes: tuple[Path, ...] = ()
    additional: tuple[Path, ...] = ()
    begin_s: float | None = None
    end_s: float | None = None
    step_s: float = 1.0
    options: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def root_tag(path: Path) -> str:
    """Name of the first element of an XML file, plain or gzipped.

    Raises:
        BadInput: If it cannot be read or is no XML.
    """
    valid = "valid is a SUMO network, a .sumocfg or an OpenStreetMap .osm file"
    try:
        with path.open("rb") as raw:
            zipped = raw.read(2) == GZIP_MAGIC
        with gzip.open(path) if zipped else path.open("rb") as stream:
            for _, element in ET.iterparse(stream, events=("start",)):
                return str(element.tag)
    except FileNotFoundError:
        raise BadInput(str(path), "", f"no such file; {valid}") from None
    except (OSError, EOFError, ET.ParseError) as error:
        raise BadInput(str(path), "", f"{error}; {valid}") from None
    raise BadInput(str(path), "", f"is empty; {valid}")


def read_configuration(path: Path) -> Source:
    """Read a ``.sumocfg``; its files are named relative to it.

    Raises:
        BadInput: If it names no network, or a file that is not there.
    """
    root = ET.parse(path).getroot()
    values = {e.tag: e.get("value", e.get("v", "")) for e in root.iter() if e is not root}
    for short, name in (("net", "net-file"), ("n", "net-file"), ("r", "route-files")):
        values.setdefault(name, values.pop(short, ""))
    for short, name in (("a", "additional-files"), ("additional", "additional-files")):
        values.setdefault(name, values.pop(short, ""))

    def files(name: str) -> tuple[Path, ...]:
        found = tuple(
            path.parent / part.strip() for part in values[name].split(",") if part.strip()
        )
        for file in found:
            if not file.is_file():
                raise BadInput(str(path), name, f"{file}: no such file")
        return found

    nets = files("net-file")
    if len(nets) != 1:
        raise BadInput(str(path), "net-file", f"names {len(nets)} networks; valid is one")

    def moment(name: str) -> float | None:
        text = values.get(name, "")
        try:
            value = seconds(text) if text else None
        except ValueError:
            raise BadInput(str(path), name, f"{text!r}; valid is a time") from None
        return value if value is None or value >= 0 else None

    options, left = [], []
    for name, value in values.items():
        if not value or name in _TAKEN:
            continue
        if name.startswith(_KEPT) and not _OUTPUT.search(name):
            options.append(f"--{name}={value}")
        elif not _SILENT.search(name):
            left.append(name)
    notes = [f"options of the configuration are kept: {' '.join(options)}"] if options else []
    if left:
        notes.append(f"options of the configuration are left: {', '.join(left)}")
    return Source(
        net=nets[0],
        routes=files("route-files"),
        additional=files("additional-files"),
        begin_s=moment("begin"),
        end_s=moment("end"),
        step_s=moment("step-length") or 1.0,
        options=tuple(options),
        notes=tuple(notes),
    )
