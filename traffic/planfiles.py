"""Plan files: a header document, then one YAML document for each junction."""

from __future__ import annotations

import io
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from models.errors import BadInput
from models.plan import (
    JunctionPlan,
    Plan,
    junction_plan_from_dict,
    junction_plan_to_dict,
    plan_from_dicts,
    plan_header,
)

_HEADER_FIELDS = ("schema", "site", "created", "by")
_JUNCTION_FIELDS = ("junction", "cycle_s", "offset_s", "stages", "as_found")
_STAGE_FIELDS = ("id", "green", "green_s", "yellow_s", "red_s", "permissive")
_ROW_FIELDS = ("duration_s", "state")


def read_plan(path: Path) -> Plan:
    """Read a plan file.

    Raises:
        BadInput: Naming ``file:line``, the field and what would be valid.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise BadInput(str(path), "", f"cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise BadInput(str(path), "", "is not UTF-8 text") from None
    return plan_from_text(text, str(path))


def plan_from_text(text: str, source: str) -> Plan:
    """Read the text of a plan file; ``source`` names it in errors.

    Raises:
        BadInput: Naming ``source:line``, the field and what would be valid.
    """
    try:
        documents = [item for item in YAML(typ="rt").load_all(text) if item is not None]
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{source}:{mark.line + 1}" if mark is not None else source
        raise BadInput(where, "", f"not readable YAML: {error.problem}") from None
    except YAMLError as error:
        raise BadInput(source, "", f"not readable YAML: {str(error).splitlines()[0]}") from None
    for document in documents:
        if not isinstance(document, CommentedMap):
            raise BadInput(source, "", "each document must be a mapping of fields to values")
    if not documents or "junction" in documents[0]:
        raise BadInput(
            f"{source}:1",
            "schema",
            f"the header is missing; the first document must hold {', '.join(_HEADER_FIELDS)}",
        )
    header, *bodies = documents
    _known_fields(header, _HEADER_FIELDS, source)
    if isinstance(header.get("created"), datetime) and header["created"].tzinfo is None:
        # YAML reads an unquoted 2026-11-22T07:00:00Z as UTC without saying so.
        header["created"] = datetime.fromisoformat(header["created"].isoformat()).replace(
            tzinfo=UTC
        )
    if not bodies:
        raise BadInput(source, "junction", "no junction; valid is one document for each junction")
    seen: dict[str, int] = {}
    for body in bodies:
        plan = _junction(body, source)
        line = _line(body, "junction")
        if plan.junction in seen:
            raise BadInput(
                f"{source}:{line}",
                "junction",
                f"{plan.junction} appears twice, first in line {seen[plan.junction]}",
            )
        seen[plan.junction] = line
    try:
        return plan_from_dicts(header, bodies)
    except ValueError as error:
        field = next((name for name in _HEADER_FIELDS if name in str(error)), "created")
        raise BadInput(f"{source}:{_line(header, field)}", field, str(error)) from None


def write_plan(plan: Plan, path: Path) -> None:
    """Write a plan file; a reader sees the old file or the whole new one."""
    temporary = path.with_name(path.name + ".tmp")
    temporary.parent.mkdir(parents=True, exist_ok=True)
    temporary.write_text(plan_to_text(plan), encoding="utf-8")
    os.replace(temporary, path)


def plan_to_text(plan: Plan) -> str:
    """The text of a plan file."""
    writer = YAML(typ="rt")
    writer.width = 100
    writer.allow_unicode = True
    out = io.StringIO()
    documents = [plan_header(plan), *(_document(item) for item in plan.junctions)]
    for index, document in enumerate(documents):
        if index:
            out.write("---\n")
        writer.dump(document, out)
    return out.getvalue()


def _document(plan: JunctionPlan) -> dict[str, Any]:
    """The junction's document with short lists on one line."""
    document = junction_plan_to_dict(plan)
    for stage in document["stages"]:
        for name in ("green", "permissive"):
            stage[name] = _flow(CommentedSeq(stage[name]))
    if "as_found" in document:
        document["as_found"] = [_flow(CommentedMap(row)) for row in document["as_found"]]
    return document


def _flow(value: Any) -> Any:
    value.fa.set_flow_style()
    return value


def _junction(body: CommentedMap, source: str) -> JunctionPlan:
    _known_fields(body, _JUNCTION_FIELDS, source)
    for name, fields in (("stages", _STAGE_FIELDS), ("as_found", _ROW_FIELDS)):
        for item in body.get(name) or ():
            if isinstance(item, CommentedMap):
                _known_fields(item, fields, source)
    try:
        return junction_plan_from_dict(body)
    except ValueError as error:
        line, field = _place(body, str(error))
        raise BadInput(f"{source}:{line}", field, str(error)) from None


def _known_fields(mapping: CommentedMap, fields: tuple[str, ...], source: str) -> None:
    for name in mapping:
        if name not in fields:
            raise BadInput(
                f"{source}:{_line(mapping, name)}",
                str(name),
                f"is not a field here; valid are {', '.join(fields)}",
            )


def _line(mapping: CommentedMap, field: str) -> int:
    """Line of a field, or of the mapping when it has none of that name; from 1."""
    position = mapping.lc.data.get(field) if mapping.lc.data else None
    return int(position[0] if position is not None else mapping.lc.line) + 1


def _place(body: CommentedMap, message: str) -> tuple[int, str]:
    """Line and field that a message of the vocabulary speaks of."""
    stages = [item for item in body.get("stages") or () if isinstance(item, CommentedMap)]
    stage = next((item for item in stages if f"stage {item.get('id')}:" in message), None)
    if stage is not None:
        field = next((name for name in _STAGE_FIELDS[1:] if name in message.split()), "id")
        return _line(stage, field), field
    inner = next((name for name in _ROW_FIELDS if name in message.split()), None)
    if inner is not None:
        return _line(body, "as_found"), inner
    field = next((name for name in _JUNCTION_FIELDS[1:] if name in message.split()), "junction")
    return _line(body, field), field
