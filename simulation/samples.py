"""Per-second samples of a run as a Parquet file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from models.errors import XanhError
from simulation.control_area import Wiring

SCHEMA = pa.schema(
    [
        ("time_s", pa.float64()),
        ("junction", pa.dictionary(pa.int16(), pa.string())),
        ("stage", pa.string()),
        ("state", pa.string()),
        ("lane", pa.dictionary(pa.int16(), pa.string())),
        ("vehicles", pa.int32()),
        ("standing", pa.int32()),
    ]
)
"""One row per second and lane that ends at a signal. ``stage`` is the one that is green, or
``A>B`` in the change between two (empty in a change of a fixed plan); ``state`` are the letters
shown."""
_ROWS_AT_ONCE = 50_000


class SampleWriter:
    """Writes samples while a run goes on; the file appears when it has ended well.

    Without a path it does nothing.
    """

    def __init__(self, path: Path | None, wiring: Wiring, sumo: Any) -> None:
        """Sample the lanes of a control area in the one SUMO of this process."""
        self._path = path
        self._sumo = sumo
        self._lanes = {
            name: tuple(control.lanes) for name, control in wiring.area.junctions.items()
        }
        self._rows: dict[str, list[Any]] = {name: [] for name in SCHEMA.names}
        self._writer: pq.ParquetWriter | None = None

    def __enter__(self) -> SampleWriter:
        if self._path is not None:
            try:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._writer = pq.ParquetWriter(self._temporary, SCHEMA)
            except OSError as error:
                raise XanhError(f"{self._path}: cannot be written ({error})") from None
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._writer is None or self._path is None:
            return
        if kind is None:
            self._flush()
        self._writer.close()
        if kind is None:
            os.replace(self._temporary, self._path)
        else:
            self._temporary.unlink(missing_ok=True)

    @property
    def _temporary(self) -> Path:
        assert self._path is not None
        return self._path.with_name(self._path.name + ".tmp")

    def add(self, time_s: float, signals: Mapping[str, tuple[str, str]]) -> None:
        """Sample one second; ``signals`` holds each junction's stage and letters."""
        if self._writer is None:
            return
        lane_of = self._sumo.lane
        rows = self._rows
        for junction, lanes in self._lanes.items():
            stage, letters = signals[junction]
            for lane in lanes:
                rows["time_s"].append(time_s)
                rows["junction"].append(junction)
                rows["stage"].append(stage)
                rows["state"].append(letters)
                rows["lane"].append(lane)
                rows["vehicles"].append(lane_of.getLastStepVehicleNumber(lane))
                rows["standing"].append(lane_of.getLastStepHaltingNumber(lane))
        if len(rows["time_s"]) >= _ROWS_AT_ONCE:
            self._flush()

    def _flush(self) -> None:
        assert self._writer is not None
        self._writer.write_table(pa.table(self._rows, schema=SCHEMA))
        for values in self._rows.values():
            values.clear()
