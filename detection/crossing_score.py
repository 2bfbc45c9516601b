"""How well crossings were found, against labels made by eye.

A found crossing and a label are matched one to one where they lie within ``max_frames`` and
``max_px`` of each other, as many pairs as possible, and among those the nearest. A label that
its maker was not sure of (a wheel that rests on the line) is neither missed nor wrong.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.optimize import linear_sum_assignment

from models.errors import BadInput

MAX_FRAMES: Final = 8
MAX_SHARE: Final = 0.12
"""Of the picture's width: how far beside its label a crossing may lie."""
LABEL_COLUMNS: Final = ("line", "frame", "x_px", "vehicle_class", "red_light", "certain")


@dataclass(frozen=True, slots=True)
class Passage:
    """A vehicle over a line: found, or labelled."""

    frame: int
    x_px: float
    red_light: bool = False
    certain: bool = True


@dataclass(frozen=True, slots=True)
class Score:
    """Counts of one comparison; precision and recall are None where nothing could be scored."""

    labelled: int
    found: int
    matched: int

    @property
    def precision(self) -> float | None:
        """Matched over found."""
        return self.matched / self.found if self.found else None

    @property
    def recall(self) -> float | None:
        """Matched over labelled."""
        return self.matched / self.labelled if self.labelled else None

    def __add__(self, other: Score) -> Score:
        return Score(
            self.labelled + other.labelled, self.found + other.found, self.matched + other.matched
        )


def score(
    found: Sequence[Passage],
    labels: Sequence[Passage],
    width_px: int,
    max_frames: int = MAX_FRAMES,
) -> Score:
    """Precision and recall of what was found."""
    if not found or not labels:
        return Score(sum(label.certain for label in labels), len(found), 0)
    frames = np.abs(
        np.array([f.frame for f in found])[:, None] - np.array([t.frame for t in labels])[None]
    )
    beside = np.abs(
        np.array([f.x_px for f in found])[:, None] - np.array([t.x_px for t in labels])[None]
    )
    possible = (frames <= max_frames) & (beside <= MAX_SHARE * width_px)
    sure = np.array([label.certain for label in labels])
    # A pair costs at most 2, an unsure one 1 more; one pair too few costs more than all others.
    cost = frames / max_frames + beside / (MAX_SHARE * width_px) + np.where(sure, 0.0, 1.0)[None]
    cost = np.where(possible, cost, 4.0 * (len(found) + len(labels)))
    rows, columns = linear_sum_assignment(cost)
    pairs = [
        (row, column)
        for row, column in zip(rows.tolist(), columns.tolist(), strict=True)
        if possible[row, column]
    ]
    excused = sum(not sure[column] for _, column in pairs)
    return Score(int(sure.sum()), len(found) - excused, len(pairs) - excused)


def score_red_light(
    flagged: Sequence[Passage],
    labels: Sequence[Passage],
    width_px: int,
    max_frames: int = MAX_FRAMES,
) -> Score:
    """Precision and recall of red-light runners alone."""
    runners = [label for label in labels if label.red_light]
    return score(flagged, runners, width_px, max_frames)


def read_labels(text: str, source: str) -> dict[str, tuple[Passage, ...]]:
    """Labels of a clip by the name of their line, from the text of ``labels.csv``.

    Raises:
        BadInput: Naming the line of the file and what is wrong with it.
    """
    reader = csv.reader(io.StringIO(text))
    if tuple(next(reader, ())) != LABEL_COLUMNS:
        raise BadInput(f"{source}:1", "", f"valid is the header {','.join(LABEL_COLUMNS)}")
    labels: dict[str, list[Passage]] = {}
    for number, row in enumerate(reader, 2):
        try:
            line, frame, x_px, _, red, certain = row
            answers = {"yes": True, "no": False}
            passage = Passage(int(frame), float(x_px), answers[red], answers[certain])
        except (ValueError, KeyError):
            raise BadInput(
                f"{source}:{number}", ",".join(row), "valid is line,frame,x,class,yes|no,yes|no"
            ) from None
        labels.setdefault(line, []).append(passage)
    return {line: tuple(passages) for line, passages in labels.items()}
