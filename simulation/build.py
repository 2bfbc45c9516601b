"""Build a site's network from its plain description files with SUMO's netconvert."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import sumo

from models.errors import BadInput, XanhError

_GENERATED = re.compile(rb"<!-- generated on .*?-->\s*", re.DOTALL)


def sumo_tool(name: str) -> tuple[Path, dict[str, str]]:
    """Path of a program of the installed SUMO, and the environment to run it in."""
    home = Path(sumo.SUMO_HOME)
    return home / "bin" / name, {**os.environ, "SUMO_HOME": str(home)}


def build_network(site_folder: Path, out: Path | None = None) -> Path:
    """Rebuild ``network.net.xml`` from ``network/*.netccfg`` and the files that it names.

    The result has no date in it: the same descriptions give the same bytes.

    Args:
        site_folder: The site's folder.
        out: Where to write; the site's own ``network.net.xml`` by default.

    Returns:
        The file that was written.

    Raises:
        BadInput: If the folder holds no description.
        XanhError: If netconvert refuses it; the message is netconvert's first error.
    """
    configurations = sorted((site_folder / "network").glob("*.netccfg"))
    if len(configurations) != 1:
        raise BadInput(
            str(site_folder / "network"),
            "",
            f"has {len(configurations)} *.netccfg files; valid is exactly one",
        )
    target = out if out is not None else site_folder / "network.net.xml"
    temporary = target.with_name(target.name + ".tmp")
    netconvert, environment = sumo_tool("netconvert")
    done = subprocess.run(
        [netconvert, "-c", configurations[0], "-o", temporary.resolve()],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        temporary.unlink(missing_ok=True)
        errors = [line for line in done.stderr.splitlines() if line.startswith("Error")]
        reason = errors[0] if errors else done.stderr.strip() or f"exit {done.returncode}"
        raise XanhError(f"netconvert refuses {configurations[0]}: {reason}")
    temporary.write_bytes(_GENERATED.sub(b"", temporary.read_bytes(), count=1))
    os.replace(temporary, target)
    return target
