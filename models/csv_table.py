"""Reading CSV texts that people write: what is wrong names file, line and column."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence

from models.errors import BadInput


def table(
    text: str, source: str, columns: Sequence[str]
) -> Iterator[tuple[str, dict[str, str | None]]]:
    """Rows of a CSV text, each with its place ``source:line``.

    Args:
        text: The text, its first line the names of the columns.
        source: What to call it.
        columns: Columns that it must have.

    Raises:
        BadInput: If a column is missing, or it is no CSV (a quote that is never closed).
    """
    reader = csv.DictReader(io.StringIO(text))
    valid = f"valid is {','.join(columns)}"
    try:
        for name in columns:
            if name not in (reader.fieldnames or ()):
                raise BadInput(f"{source}:1", name, f"column is missing; {valid}")
        for row in reader:
            yield f"{source}:{reader.line_num}", row
    except csv.Error as error:
        raise BadInput(
            f"{source}:{reader.line_num + 1}", "", f"no CSV ({error}); {valid}"
        ) from None
