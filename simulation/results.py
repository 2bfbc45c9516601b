"""What one simulation gave, and the folder where results wait for a rerun."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from models.validation import Kpi, Measures
from simulation.metrics import MovementDelay

FORMAT = 1
"""Results of another format are run again."""
BIN_S = 30.0
"""Length of the intervals of a history."""


@dataclass(frozen=True, slots=True)
class SplitUse:
    """What became of a movement's green: seconds shown, seconds in which vehicles went.

    ``failures`` of its ``greens`` ended with a vehicle waiting that had come before they began.
    """

    green_s: float
    used_s: float
    greens: int
    failures: int


@dataclass(frozen=True, slots=True)
class RunHistory:
    """How a run went, at the ends of intervals of ``BIN_S`` from ``begin_s`` on.

    ``planned`` and ``arrived`` are cumulative vehicles (wanted to start, reached their end);
    ``queues`` holds per approach the vehicles that would have reached its stop line in free flow
    and have not crossed it, those that wait to enter the network included.
    """

    begin_s: float
    planned: tuple[int, ...]
    arrived: tuple[int, ...]
    queues: Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class SimulationResult:
    """What a run gave.

    ``movements`` holds every movement that a vehicle used or headed for; ``spillback_pct`` per
    approach the share of the time in which its queue stood back to the junction before it;
    ``gridlock`` says what stood still at the end, empty when traffic moved.
    """

    name: str
    seed: int
    kpi: Kpi
    movements: Mapping[str, MovementDelay]
    wall_s: float
    measures: Measures = field(default_factory=Measures)
    spillback_pct: Mapping[str, float] = field(default_factory=dict)
    splits: Mapping[str, SplitUse] = field(default_factory=dict)
    history: RunHistory | None = None
    gridlock: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {"format": FORMAT, **asdict(self)}

    @classmethod
    def from_dict(cls, body: Mapping[str, Any]) -> SimulationResult:
        """Read what ``to_dict`` wrote.

        Raises:
            KeyError, ValueError, TypeError: If it is of another form.
        """
        if body["format"] != FORMAT:
            raise ValueError("another format")
        history = body["history"]
        return cls(
            name=body["name"],
            seed=int(body["seed"]),
            kpi=Kpi(**body["kpi"]),
            movements={name: MovementDelay(**item) for name, item in body["movements"].items()},
            wall_s=float(body["wall_s"]),
            measures=Measures(**body["measures"]),
            spillback_pct=dict(body["spillback_pct"]),
            splits={name: SplitUse(**item) for name, item in body["splits"].items()},
            history=None
            if history is None
            else RunHistory(
                begin_s=float(history["begin_s"]),
                planned=tuple(history["planned"]),
                arrived=tuple(history["arrived"]),
                queues={name: tuple(values) for name, values in history["queues"].items()},
            ),
            gridlock=body["gridlock"],
        )


class ResultFolder:
    """Finished runs as files named by what they depend on; a damaged one counts as absent."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self, key: str) -> SimulationResult | None:
        """The result under a key, if it is there and whole."""
        try:
            return SimulationResult.from_dict(json.loads(self._path(key).read_bytes()))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write(self, key: str, result: SimulationResult) -> None:
        """Keep a result, whole or not at all."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self._path(key)
        partial = path.with_name(f".{path.name}.{os.getpid()}")
        partial.write_text(json.dumps(result.to_dict()), encoding="utf-8")
        os.replace(partial, path)

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.json"
