"""Calibrating a camera: judge point pairs, and write them into the site as a new version.

Each version stays in the site's folder ``calibrations``: the pairs with who and when, and the
picture that they were marked on, by which a moved camera is known later. Counts and cases carry
the version.
"""

from __future__ import annotations

import io
import json
import math
import os
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from detection.calibration import MIN_PAIRS, Calibration, PointPair, fit
from detection.plane import horizon_row
from detection.ports import Image
from detection.snapshots import encode_jpeg
from models.csv_table import table
from models.errors import BadInput, XanhError
from models.site import Site, SiteCamera
from models.units import utc_text
from traffic.sitecameras import MAX_CALIBRATION_ERROR_M
from traffic.sites import load_site

FOLDER: Final = "calibrations"
PAIR_COLUMNS: Final = ("x_px", "y_px", "x_m", "y_m")
DOUBTFUL_ERROR_M: Final = 0.5
SMALL_PART: Final = 0.12
"""Pairs that span less of the picture say little about the rest of it."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """A fit and what to think of it.

    ``suspect`` is the index of the pair without which the others agree best, where that makes
    them agree at least three times better (it takes six pairs to tell). ``warnings`` are keys
    ``four``, ``error`` and ``part`` (docs/camera.md). ``horizon_px`` is the row of the picture's
    middle at which the ground ends.
    """

    calibration: Calibration
    suspect: int | None
    warnings: tuple[str, ...]
    horizon_px: float | None


def read_pairs(path: Path) -> tuple[PointPair, ...]:
    """Point pairs of a CSV file with the columns ``x_px,y_px,x_m,y_m``.

    Raises:
        BadInput: Naming file and line, the column, and what would be valid.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise BadInput(
            str(path), "", f"cannot be read ({reason}); valid is a CSV of point pairs"
        ) from None
    pairs = []
    for where, row in table(text, str(path), PAIR_COLUMNS):
        values = []
        for name in PAIR_COLUMNS:
            try:
                value = float(row[name] or "")
            except ValueError:
                value = math.nan
            if not math.isfinite(value):
                raise BadInput(where, name, f"{row[name]!r}; valid is a number")
            values.append(value)
        pairs.append(PointPair((values[0], values[1]), (values[2], values[3])))
    return tuple(pairs)


def judge(
    pairs: Sequence[PointPair], size_px: tuple[int, int], source: str = "calibration"
) -> Judgement:
    """Fit pairs of points and say how far the fit can be trusted.

    Raises:
        BadInput: If they are too few, outside the picture, twice the same, on one line, or
            contradict each other.
    """
    for index, pair in enumerate(pairs, start=1):
        inside = 0 <= pair.px[0] <= size_px[0] and 0 <= pair.px[1] <= size_px[1]
        if not inside:
            raise BadInput(
                source,
                f"pair {index}",
                f"{pair.px[0]:g}, {pair.px[1]:g} lies outside the picture of "
                f"{size_px[0]}x{size_px[1]}",
            )
        for before, other in enumerate(pairs[: index - 1], start=1):
            if math.dist(pair.px, other.px) < 1.0:
                raise BadInput(source, f"pair {index}", f"marks the same pixel as pair {before}")
    calibration = fit(pairs, source)
    warnings = []
    if len(pairs) == MIN_PAIRS:
        warnings.append("four")
    if calibration.worst_m > DOUBTFUL_ERROR_M:
        warnings.append("error")
    hull = cv2.convexHull(np.array([pair.px for pair in pairs], np.float32))
    if cv2.contourArea(hull) < SMALL_PART * size_px[0] * size_px[1]:
        warnings.append("part")
    return Judgement(
        calibration,
        _suspect(pairs, calibration),
        tuple(warnings),
        horizon_row(calibration.ground_from_image, size_px),
    )


def _suspect(pairs: Sequence[PointPair], whole: Calibration) -> int | None:
    if len(pairs) < MIN_PAIRS + 2 or whole.worst_m <= DOUBTFUL_ERROR_M:
        return None
    without: list[float] = []
    for index in range(len(pairs)):
        try:
            rest = fit([pair for at, pair in enumerate(pairs) if at != index])
            without.append(rest.rms_m)
        except BadInput:
            without.append(math.inf)
    best = min(range(len(pairs)), key=without.__getitem__)
    return best if without[best] * 3.0 <= whole.rms_m else None


def save_calibration(
    folder: Path,
    camera: str,
    pairs: Sequence[PointPair],
    *,
    by: str,
    picture: Image | None,
    now: datetime | None = None,
) -> str:
    """Make these pairs the camera's calibration: a new version in ``site.yaml``.

    Comments and order of the file are kept; it is replaced as a whole, and only if the site can
    still be loaded with it.

    Args:
        folder: The site's folder.
        camera: Id of a camera with marks in the picture (not one with a pose).
        pairs: At least four.
        by: Who calibrated.
        picture: The picture they were marked on, if there is one.
        now: The moment; by default the present.

    Returns:
        The new version.

    Raises:
        BadInput: If the camera cannot be calibrated, or the pairs cannot be used.
        XanhError: If a file cannot be written.
    """
    site = load_site(folder)
    found = calibrated_camera(site, camera)
    size = (found.view.width_px, found.view.height_px)
    result = judge(pairs, size, f"camera {camera}")
    if result.calibration.worst_m > MAX_CALIBRATION_ERROR_M:
        raise BadInput(
            f"camera {camera}",
            "points",
            f"one lies {result.calibration.worst_m:.1f} m from where the others put it; valid is "
            f"at most {MAX_CALIBRATION_ERROR_M:g} m",
        )
    path = folder / "site.yaml"
    yaml = YAML(typ="rt")
    yaml.preserve_quotes = True
    yaml.width = 4096
    yaml.indent(mapping=2, sequence=4, offset=2)
    document = yaml.load(path.read_text(encoding="utf-8"))
    entry = next(item for item in document["cameras"] if str(item["id"]) == camera)
    version = _next_version(folder, camera, found.view.calibration_version)
    stem = f"{FOLDER}/{_file_name(camera)}-{version}"
    reference = f"{stem}.jpg" if picture is not None else None
    _put(entry, version, pairs, reference)
    text = io.StringIO()
    yaml.dump(document, text)
    record = {
        "camera": camera,
        "version": version,
        "at": utc_text(now or datetime.now(UTC)),
        "by": by,
        "points": [{"px": list(pair.px), "m": list(pair.m)} for pair in pairs],
        "error_m": [round(value, 3) for value in result.calibration.error_m],
        "reference": reference,
    }
    try:
        (folder / FOLDER).mkdir(exist_ok=True)
        if picture is not None:
            _write(folder / f"{stem}.jpg", encode_jpeg(picture))
        _write(folder / f"{stem}.json", json.dumps(record, ensure_ascii=False, indent=2).encode())
        draft = _draft(path, text.getvalue().encode())
        try:
            load_site(folder, description=draft.name)
            os.replace(draft, path)
        except BadInput as error:
            where = error.source.replace(draft.name, path.name)
            raise BadInput(where, error.field, f"with these pairs: {error.valid}") from None
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise XanhError(f"{folder}: cannot be written: {error.strerror or error}") from None
    return version


def calibrated_camera(site: Site, camera: str) -> SiteCamera:
    """A camera of the site that point pairs can calibrate.

    Raises:
        BadInput: If there is none of that id, or its place is known from its pose.
    """
    valid = [item.id for item in site.cameras if "pose" not in item.options]
    for item in site.cameras:
        if item.id == camera and item.id in valid:
            return item
        if item.id == camera:
            raise BadInput(
                f"camera {camera}", "pose", "its place is given by a pose: nothing to calibrate"
            )
    raise BadInput(
        "camera", camera, f"no such camera; valid is {', '.join(valid) or 'nothing: none here'}"
    )


def _put(
    entry: CommentedMap, version: str, pairs: Sequence[PointPair], reference: str | None
) -> None:
    points = CommentedSeq([_flow(px=pair.px, m=pair.m) for pair in pairs])
    calibration = entry.get("calibration")
    if not isinstance(calibration, CommentedMap):
        calibration = CommentedMap()
        at = list(entry).index("coordinates") + 1 if "coordinates" in entry else len(entry)
        entry.insert(at, "calibration", calibration)
    calibration["version"] = version
    if reference is not None:
        calibration["reference"] = reference
    else:
        calibration.pop("reference", None)
    calibration["points"] = points


def _flow(**values: Sequence[float]) -> CommentedMap:
    """``{px: [x, y], m: [x, y]}`` on one line."""
    row = CommentedMap()
    for name, numbers in values.items():
        row[name] = CommentedSeq([_plain(number) for number in numbers])
        row[name].fa.set_flow_style()
    row.fa.set_flow_style()
    return row


def _plain(number: float) -> int | float:
    rounded = round(float(number), 3)
    return int(rounded) if rounded.is_integer() else rounded


def _next_version(folder: Path, camera: str, current: str) -> str:
    """One more than any version there ever was."""
    pattern = re.compile(re.escape(_file_name(camera)) + r"-(\d+)\.json")
    taken = [int(current)] if current.isdecimal() else [0]
    if (folder / FOLDER).is_dir():
        names = [pattern.fullmatch(path.name) for path in (folder / FOLDER).iterdir()]
        taken += [int(name[1]) for name in names if name is not None]
    return str(max(taken) + 1)


def _file_name(camera: str) -> str:
    return "".join(c if c.isalnum() or c in "-_" else "_" for c in camera)


def _write(path: Path, data: bytes) -> None:
    os.replace(_draft(path, data), path)


def _draft(path: Path, data: bytes) -> Path:
    """The data in a file beside ``path``, on the disk."""
    with tempfile.NamedTemporaryFile(
        dir=path.parent, prefix=f".{path.name}.", delete=False
    ) as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    draft = Path(file.name)
    draft.chmod(path.stat().st_mode & 0o777 if path.exists() else 0o644)
    return draft


def report(pairs: Sequence[PointPair], result: Judgement) -> list[str]:
    """Lines for a person: the error at each pair, and what to think of it."""
    lines = [f"{'pair':>4} {'px':>14} {'m':>16} {'error':>8}"]
    errors = result.calibration.error_m
    for index, (pair, error_m) in enumerate(zip(pairs, errors, strict=True)):
        px, metres = (f"{x:g}, {y:g}" for x, y in (pair.px, pair.m))
        mark = "  <- the others agree without it" if index == result.suspect else ""
        lines.append(f"{index + 1:>4} {px:>14} {metres:>16} {error_m:>6.2f} m{mark}")
    lines.append(
        f"reprojection error {result.calibration.rms_m:.2f} m rms, worst "
        f"{result.calibration.worst_m:.2f} m"
    )
    words = {
        "four": "four pairs always fit: add a fifth, so that the error means something",
        "error": f"a pair is more than {DOUBTFUL_ERROR_M:g} m off: measure it again",
        "part": "the pairs lie in a small part of the picture: spread them over the approach",
    }
    return lines + [f"warning: {words[key]}" for key in result.warnings]
