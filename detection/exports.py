"""A user's own export as weights: what an ultralytics export says of itself, or a note beside it.

The metadata of an ONNX file are read here directly, so that no runtime is needed for it and a
truncated file is one clear line.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from detection import weights as registry
from models.errors import BadInput

_METADATA_FIELD: Final = 14
"""``metadata_props`` of ONNX's ModelProto (onnx.proto)."""
_NOTE: Final = "valid is a JSON object with family (yolo or yolox), classes and input_px"


def weights_of(path: Path) -> tuple[registry.Weights, Path]:
    """The weights in a user's folder or file, and the file that a runtime loads.

    Args:
        path: Folder of an ultralytics OpenVINO export, or an ``.onnx`` file. An ``.onnx`` file
            without ultralytics' metadata needs ``FILE.json`` beside it: family, classes (a list,
            or "coco"), input_px, and licence if you like.

    Raises:
        BadInput: If it is neither, is truncated, or does not say what it finds.
    """
    if path.is_dir():
        return _from_folder(path)
    if not path.is_file():
        raise BadInput(str(path), "", "no such weights file")
    note = path.with_suffix(".json")
    if note.is_file():
        return _from_note(path, note), path
    known = {entry.sha256: entry for entry in registry.registry().values()}
    found = known.get(registry.sha256(path))
    if found is not None:
        return found, path
    return _from_metadata(path, onnx_metadata(path)), path


def _from_folder(folder: Path) -> tuple[registry.Weights, Path]:
    metadata = folder / "metadata.yaml"
    networks = sorted(folder.glob("*.xml"))
    if not metadata.is_file() or not networks:
        raise BadInput(
            str(folder), "", "valid is an ultralytics OpenVINO export with metadata.yaml"
        )
    text = metadata.read_text(encoding="utf-8")
    names = dict(re.findall(r"^  (\d+): ['\"]?(.+?)['\"]?$", text, re.MULTILINE))
    size = re.search(r"^imgsz:\n- (\d+)\n- (\d+)", text, re.MULTILINE)
    licence = re.search(r"^license: (.+)$", text, re.MULTILINE)
    if not names or size is None:
        raise BadInput(str(metadata), "names", "valid names classes and imgsz")
    weights = registry.Weights(
        name=folder.name.removesuffix("_openvino_model"),
        file=networks[0].name,
        family="yolo",
        sha256="",
        licence=licence[1] if licence else "unknown",
        classes=tuple(names[str(index)].lower() for index in range(len(names))),
        input_px=(int(size[2]), int(size[1])),
    )
    return weights, networks[0]


def _from_note(path: Path, note: Path) -> registry.Weights:
    try:
        body = json.loads(note.read_text(encoding="utf-8"))
        body = {"file": path.name, "sha256": "", "licence": "unknown", **body}
        return registry.read_entry(path.stem, body)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError):
        raise BadInput(str(note), "", _NOTE) from None


def _from_metadata(path: Path, metadata: dict[str, str]) -> registry.Weights:
    try:
        names = ast.literal_eval(metadata["names"])
        height, width = ast.literal_eval(metadata["imgsz"])
        classes = tuple(str(names[index]).lower() for index in range(len(names)))
    except (KeyError, ValueError, SyntaxError, TypeError):
        raise BadInput(
            str(path),
            "",
            f"does not say which classes it finds: export it with ultralytics, or put "
            f"{path.stem}.json beside it; {_NOTE}",
        ) from None
    return registry.Weights(
        name=path.stem,
        file=path.name,
        family="yolo",
        sha256="",
        licence=metadata.get("license", "unknown"),
        classes=classes,
        input_px=(int(width), int(height)),
    )


def onnx_metadata(path: Path) -> dict[str, str]:
    """Names and values of an ONNX file's ``metadata_props``.

    Raises:
        BadInput: If it is no ONNX file, or breaks off.
    """
    data = path.read_bytes()
    try:
        metadata = {}
        for field, value in _fields(data):
            if field == _METADATA_FIELD and isinstance(value, bytes):
                pair = {key: text for key, text in _fields(value) if isinstance(text, bytes)}
                metadata[pair[1].decode()] = pair.get(2, b"").decode()
    except (IndexError, KeyError, ValueError):
        raise BadInput(str(path), "", "no ONNX network, or it breaks off") from None
    return metadata


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Fields of a protobuf message: number, and varint or bytes."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        kind = key & 7
        if kind == 0:
            value, at = _varint(data, at)
            yield key >> 3, value
            continue
        if kind == 2:
            length, at = _varint(data, at)
        elif kind in (1, 5):
            length = 8 if kind == 1 else 4
        else:
            raise ValueError(kind)
        if at + length > len(data):
            raise IndexError(at)
        yield key >> 3, data[at : at + length]
        at += length


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
        if shift > 63:
            raise ValueError(at)
