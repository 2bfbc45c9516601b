"""YAML read strictly: every value knows its file, line and field, and says what is valid."""

from __future__ import annotations

import difflib
import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from models.camera import Point
from models.errors import BadInput


@dataclass(frozen=True, slots=True)
class Field:
    """One value of a YAML file and where it stands."""

    file: str
    line: int
    path: str
    value: Any

    def bad(self, valid: str) -> BadInput:
        """The error for this field; the caller raises it."""
        return BadInput(f"{self.file}:{self.line}", self.path, valid)

    def wrong(self, valid: str) -> BadInput:
        """The error that quotes the value and says what is valid."""
        shown = repr(self.value) if isinstance(self.value, str | int | float) else _kind(self.value)
        return self.bad(f"{shown}; valid is {valid}")

    def section(self, required: Collection[str], optional: Collection[str] = ()) -> Section:
        """This value as a mapping with exactly these keys.

        Raises:
            BadInput: If it is no mapping, lacks a required key or has an unknown one.
        """
        if not isinstance(self.value, CommentedMap):
            raise self.wrong(f"a mapping with {', '.join([*required, *optional])}")
        known = [*required, *optional]
        for key in self.value:
            if key not in known:
                near = difflib.get_close_matches(str(key), known, n=1)
                hint = f" (did you mean {near[0]}?)" if near else ""
                raise self._child(key).bad(
                    f"unknown key{hint}; valid is {', '.join(known) or 'nothing'}"
                )
        for key in required:
            if self.value.get(key) is None:
                raise BadInput(
                    f"{self.file}:{self.line}", self._join(key), "is missing; valid is a value here"
                )
        return Section(self)

    def mapping(self) -> Iterator[tuple[str, Field]]:
        """Entries of a mapping whose keys are names.

        Raises:
            BadInput: If it is no mapping.
        """
        if not isinstance(self.value, CommentedMap):
            raise self.wrong("a mapping of names to values")
        for key in self.value:
            yield str(key), self._child(key)

    def items(self, *, least: int = 0) -> tuple[Field, ...]:
        """Entries of a list.

        Raises:
            BadInput: If it is no list, or has fewer than ``least`` entries.
        """
        if not isinstance(self.value, CommentedSeq):
            raise self.wrong("a list")
        if len(self.value) < least:
            raise self.bad(f"has {len(self.value)} entries; valid is at least {least}")
        return tuple(
            Field(self.file, self.value.lc.item(i)[0] + 1, f"{self.path}[{i}]", item)
            for i, item in enumerate(self.value)
        )

    def text(self) -> str:
        """A text that is not empty."""
        # An id such as 4012 is a number to YAML and a name to us.
        if isinstance(self.value, int) and not isinstance(self.value, bool):
            return str(self.value)
        if not isinstance(self.value, str) or not self.value.strip():
            raise self.wrong("a text")
        return str(self.value).strip()

    def choice(self, valid: Collection[str]) -> str:
        """One of a set of texts."""
        chosen = self.text()
        if chosen not in valid:
            near = difflib.get_close_matches(chosen, valid, n=1)
            hint = f" (did you mean {near[0]}?)" if near else ""
            raise self.bad(f"{chosen!r}; valid is {', '.join(valid) or 'nothing'}{hint}")
        return chosen

    def flag(self) -> bool:
        """True or false."""
        if not isinstance(self.value, bool):
            raise self.wrong("true or false")
        return self.value

    def number(
        self, least: float = -math.inf, most: float = math.inf, *, above: float | None = None
    ) -> float:
        """A finite number from ``least`` to ``most``, and greater than ``above`` if given."""
        value = self.value
        ok = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        if not ok or not least <= value <= most or (above is not None and value <= above):
            raise self.wrong(_range("a number", least, most, above))
        return float(value)

    def integer(self, least: float = -math.inf, most: float = math.inf) -> int:
        """A whole number within a range."""
        value = self.value
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise self.wrong(_range("a whole number", least, most, None))
        return int(value)

    def numbers(self, count: int) -> tuple[float, ...]:
        """A list of exactly ``count`` finite numbers."""
        items = self.items()
        if len(items) != count:
            raise self.bad(f"has {len(items)} entries; valid is {count} numbers")
        return tuple(item.number() for item in items)

    def point(self) -> Point:
        """A pair [x, y]."""
        x, y = self.numbers(2)
        return x, y

    def points(self, *, least: int) -> tuple[Point, ...]:
        """A list of at least ``least`` pairs [x, y]."""
        return tuple(item.point() for item in self.items(least=least))

    def day(self) -> date:
        """A date like 2025-01-01."""
        if isinstance(self.value, str):
            try:
                return date.fromisoformat(self.value)
            except ValueError:
                raise self.wrong("a date like 2025-01-01") from None
        if type(self.value) is not date:
            raise self.wrong("a date like 2025-01-01")
        return self.value

    def file_in(self, folder: Path) -> Path:
        """A file inside a folder, given relative to it."""
        name = self.text()
        path = (folder / name).resolve()
        if not path.is_relative_to(folder.resolve()):
            raise self.wrong(f"a path inside {folder}")
        if not path.is_file():
            raise self.bad(f"{name!r}: no such file; valid is a file in {folder}")
        return folder / name

    def _child(self, key: Any) -> Field:
        return Field(self.file, self.value.lc.key(key)[0] + 1, self._join(key), self.value[key])

    def _join(self, key: Any) -> str:
        return f"{self.path}.{key}" if self.path else str(key)


@dataclass(frozen=True, slots=True)
class Section:
    """A mapping whose keys were checked."""

    field: Field

    def get(self, key: str) -> Field | None:
        """An optional value; None when it is absent or empty."""
        value = self.field.value.get(key)
        return None if value is None else self.field._child(key)

    def __getitem__(self, key: str) -> Field:
        """A value that ``Field.section`` required."""
        return self.field._child(key)

    def number(
        self, key: str, default: float, least: float = -math.inf, most: float = math.inf
    ) -> float:
        """An optional number within a range."""
        found = self.get(key)
        return default if found is None else found.number(least, most)

    def text(self, key: str, default: str = "") -> str:
        """An optional text."""
        found = self.get(key)
        return default if found is None else found.text()

    def texts(self, key: str) -> tuple[str, ...]:
        """An optional list of texts."""
        found = self.get(key)
        return () if found is None else tuple(item.text() for item in found.items())

    def items(self, key: str) -> tuple[Field, ...]:
        """Entries of an optional list."""
        found = self.get(key)
        return () if found is None else found.items()


def unique(fields: Sequence[tuple[str, Field]]) -> None:
    """Check that ids differ.

    Raises:
        BadInput: At the second of two equal ids.
    """
    seen: dict[str, Field] = {}
    for name, field in fields:
        if name in seen:
            raise field.bad(f"{name!r} stands in line {seen[name].line} too; valid is another id")
        seen[name] = field


def read_yaml(path: Path) -> Field:
    """Read one YAML document.

    Raises:
        BadInput: If the file is absent, not text, or not YAML; with the line.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise BadInput(str(path), "", "no such file; valid is a YAML file") from None
    except (IsADirectoryError, NotADirectoryError, PermissionError) as error:
        raise BadInput(str(path), "", f"cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise BadInput(str(path), "", "is not text; valid is YAML in UTF-8") from None
    try:
        value = YAML(typ="rt").load(text)
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        problem = " ".join(str(error.problem or "cannot be parsed").split())
        raise BadInput(f"{path}:{line}", "", f"not valid YAML: {problem}") from None
    except (YAMLError, ValueError) as error:
        message = " ".join(str(error).split())
        raise BadInput(str(path), "", f"not valid YAML: {message}") from None
    return Field(str(path), 1, "", value)


def _kind(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, CommentedMap):
        return "a mapping"
    return "a list" if isinstance(value, CommentedSeq) else repr(value)


def _range(what: str, least: float, most: float, above: float | None) -> str:
    if above is not None:
        what += f" above {above:g}"
    if math.isfinite(least):
        what += f" from {least:g}"
    if math.isfinite(most):
        what += f" to {most:g}" if math.isfinite(least) else f" up to {most:g}"
    return what
