"""What a run's result depends on, as a key: the same key, the same result."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.errors import BadInput

if TYPE_CHECKING:
    from simulation.runner import SimulationJob


def file_digest(path: Path | None) -> str:
    """SHA-256 of a file; empty for none.

    Raises:
        BadInput: If it cannot be read.
    """
    if path is None:
        return ""
    try:
        status = path.stat()
        return _digest(path, status.st_mtime_ns, status.st_size)
    except OSError as error:
        raise BadInput(str(path), "", f"cannot be read ({error.strerror})") from None


def digest_of(body: Any) -> str:
    """SHA-256 of plain values in canonical form."""
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def job_key(job: SimulationJob, *, version: str, result_format: int) -> str:
    """Key of a job's result: files by content, so that it holds wherever they lie.

    Its name and the files that it leaves for others do not matter.
    """
    outputs = job.outputs
    options = asdict(job.options)
    del options["routes"], options["vehicle_types"]  # their content is in the files below
    return digest_of(
        {
            "format": result_format,
            "sumo": version,
            "network": file_digest(job.network),
            "demand": [file_digest(path) for path in job.demand],
            "additional": [file_digest(path) for path in job.additional],
            "plan": None if job.plan is None else job.plan.digest,
            "junctions": sorted(job.junctions),
            "seed": job.seed,
            "options": options,
            "outputs": None if outputs is None else [outputs.probes, outputs.safety],
        }
    )


@lru_cache(maxsize=256)
def _digest(path: Path, modified_ns: int, size: int) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
