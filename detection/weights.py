"""The registry of weights: where they come from, what they find and under which licence.

A weights file is looked for in the folder that ``XANH_WEIGHTS_DIR`` names, then in the
repository's own ``detection/weights``, then in the cache; only the public ones of the registry
are downloaded, on first use, and every file is verified by its SHA-256.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from models.errors import BadInput

PACKAGED: Final = Path(__file__).parent / "weights"
REGISTRY: Final = PACKAGED / "registry.json"
WEIGHTS_DIR_VARIABLE: Final = "XANH_WEIGHTS_DIR"
DOWNLOAD_TIMEOUT_S: Final = 60.0

COCO_NAMES: Final = (
    "person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat",
    "traffic light", "fire hydrant", "stop sign", "parking meter", "bench", "bird", "cat", "dog",
    "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe", "backpack", "umbrella",
    "handbag", "tie", "suitcase", "frisbee", "skis", "snowboard", "sports ball", "kite",
    "baseball bat", "baseball glove", "skateboard", "surfboard", "tennis racket", "bottle",
    "wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana", "apple", "sandwich", "orange",
    "broccoli", "carrot", "hot dog", "pizza", "donut", "cake", "chair", "couch", "potted plant",
    "bed", "dining table", "toilet", "tv", "laptop", "mouse", "remote", "keyboard", "cell phone",
    "microwave", "oven", "toaster", "sink", "refrigerator", "book", "clock", "vase", "scissors",
    "teddy bear", "hair drier", "toothbrush",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Weights:
    """One entry of the registry.

    ``file`` is the file's path relative to a weights folder; ``family`` says how its output is
    read (yolox or yolo); ``sha256`` empty accepts any (a user's own file); ``input_px`` is
    (width, height).
    """

    name: str
    file: str
    family: str
    sha256: str
    licence: str
    classes: tuple[str, ...]
    input_px: tuple[int, int]
    url: str = ""
    note: str = ""


def registry(path: Path = REGISTRY) -> dict[str, Weights]:
    """All known weights by name.

    Raises:
        BadInput: If the registry cannot be read.
    """
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
        return {name: read_entry(name, entry) for name, entry in body["weights"].items()}
    except OSError as error:
        raise BadInput(str(path), "", f"cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadInput(str(path), "weights", f"not a registry of weights: {error}") from None


def read_entry(name: str, body: Mapping[str, Any]) -> Weights:
    """One entry of a registry, or a note beside a user's file.

    Raises:
        KeyError, TypeError, ValueError: If a field is absent or no such value.
    """
    classes = body["classes"]
    return Weights(
        name=name,
        file=body["file"],
        family=body["family"],
        sha256=body["sha256"],
        licence=body["licence"],
        classes=COCO_NAMES if classes == "coco" else tuple(str(n).lower() for n in classes),
        input_px=(int(body["input_px"][0]), int(body["input_px"][1])),
        url=body.get("url", ""),
        note=body.get("note", ""),
    )


def sha256(path: Path) -> str:
    """SHA-256 of a file, hexadecimal.

    Raises:
        BadInput: If it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise BadInput(str(path), "", f"cannot be read: {error.strerror}") from None


def cache_folder() -> Path:
    """Where downloaded weights are kept."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "xanh" / "weights"


def locate(weights: Weights, folder: Path | None = None) -> Path | None:
    """The file of these weights on this machine, or None.

    Args:
        weights: What to look for.
        folder: Look here first; the folder of ``XANH_WEIGHTS_DIR`` by default.
    """
    named = os.environ.get(WEIGHTS_DIR_VARIABLE)
    first = folder if folder is not None else (Path(named) if named else None)
    for place in (first, PACKAGED, cache_folder()):
        if place is None:
            continue
        for candidate in (place / weights.file, place / Path(weights.file).name):
            if candidate.is_file():
                return candidate
    return None


def verify(weights: Weights, path: Path) -> None:
    """Check that a file is what the registry says.

    Raises:
        BadInput: If its hash differs.
    """
    if not weights.sha256:
        return
    found = sha256(path)
    if found != weights.sha256:
        raise BadInput(
            str(path), "sha256", f"{found[:12]}…; valid for {weights.name} is {weights.sha256}"
        )


def packaged() -> tuple[str, ...]:
    """Names of the project's own weights, which are part of the installation."""
    return tuple(sorted(path.parent.name for path in PACKAGED.glob("*/metadata.json")))


def verify_packaged(name: str) -> Path:
    """Check the project's own weights against the hashes that were written with them.

    Returns:
        Their folder.

    Raises:
        BadInput: If a file is absent or differs.
    """
    folder = PACKAGED / name
    for file, wanted in json.loads((folder / "metadata.json").read_text("utf-8"))["sha256"].items():
        found = sha256(folder / file)
        if found != wanted:
            raise BadInput(str(folder / file), "sha256", f"{found[:12]}…; valid is {wanted}")
    return folder


def fetch(weights: Weights, folder: Path | None = None) -> Path:
    """The verified file of these weights; downloaded if it is public and not here yet.

    Raises:
        BadInput: If it is nowhere and cannot be downloaded, or is not the right file.
    """
    path = locate(weights, folder)
    if path is None:
        path = _download(weights)
    verify(weights, path)
    return path


def _download(weights: Weights) -> Path:
    if not weights.url:
        raise BadInput(
            f"weights {weights.name}", weights.file,
            f"not found; put the file into a folder and name it in {WEIGHTS_DIR_VARIABLE}",
        )  # fmt: skip
    target = cache_folder() / Path(weights.file).name
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=target.parent, delete=False) as draft:
            place = Path(draft.name)
            try:
                with urllib.request.urlopen(weights.url, timeout=DOWNLOAD_TIMEOUT_S) as answer:
                    while block := answer.read(1 << 20):
                        draft.write(block)
                draft.flush()
                verify(weights, place)
                place.replace(target)
            except BaseException:
                place.unlink(missing_ok=True)
                raise
    except (urllib.error.URLError, OSError) as error:
        reason = getattr(error, "reason", error)
        raise BadInput(
            f"weights {weights.name}", weights.url,
            f"cannot be downloaded ({reason}); put {weights.file} into a folder and name it in "
            f"{WEIGHTS_DIR_VARIABLE}",
        ) from None  # fmt: skip
    return target


def require(name: str) -> Weights:
    """The registry's entry of this name.

    Raises:
        BadInput: If there is none.
    """
    known = registry()
    if name not in known:
        valid = ", ".join(sorted((*known, *packaged())))
        raise BadInput("weights", name, f"unknown; valid are {valid}")
    return known[name]
