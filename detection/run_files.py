"""The files of a run of detection: tracks, overlay and the folder that appears as a whole."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from detection.drafts import Draft, remove_left_over
from detection.overlay import draw_tracks, draw_view, with_footer
from detection.pipeline import FrameResult
from detection.ports import Image
from detection.queues import Queue
from detection.webm import check_webm, open_webm
from models.camera import CameraView
from models.errors import XanhError
from models.signals import SignalState

TRACK_ROWS_PER_GROUP: Final = 20_000
TRACK_SCHEMA: Final = pa.schema(
    [
        ("frame", pa.int32()), ("time_s", pa.float64()), ("track", pa.int32()),
        ("vehicle_class", pa.dictionary(pa.int8(), pa.string())), ("score", pa.float32()),
        ("x0_px", pa.float32()), ("y0_px", pa.float32()), ("x1_px", pa.float32()),
        ("y1_px", pa.float32()), ("x", pa.float32()), ("y", pa.float32()),
        ("speed_mps", pa.float32()), ("seen", pa.bool_()),
    ]
)  # fmt: skip
"""Columns of ``tracks.parquet``; x, y are metres on the ground where the camera is calibrated."""


class TrackFile:
    """``tracks.parquet``, written in groups so that a long run does not fill the memory."""

    def __init__(self, path: Path) -> None:
        """Begin the file."""
        self._writer = pq.ParquetWriter(path, TRACK_SCHEMA, compression="zstd")
        self._columns: list[list[Any]] = [[] for _ in TRACK_SCHEMA]
        self._open = True

    def close(self) -> None:
        """Write what is left; safe to call again, also where that failed.

        Raises:
            OSError: If it cannot be written.
        """
        if self._open:
            self._open = False
            try:
                self._flush()
            finally:
                self._writer.close()

    def add(self, result: FrameResult) -> None:
        """The tracks of a frame."""
        for track in result.tracks:
            row = (
                result.frame, result.time_s, track.id, track.vehicle_class, track.score,
                *track.box_px, *track.centre, track.speed_mps, track.seen,
            )  # fmt: skip
            for column, value in zip(self._columns, row, strict=True):
                column.append(value)
        if len(self._columns[0]) >= TRACK_ROWS_PER_GROUP:
            self._flush()

    def _flush(self) -> None:
        if self._columns[0]:
            arrays = [
                pa.array(column, field.type)
                for column, field in zip(self._columns, TRACK_SCHEMA, strict=True)
            ]
            self._writer.write_table(pa.Table.from_arrays(arrays, schema=TRACK_SCHEMA))
            for column in self._columns:
                column.clear()


class OverlayFile:
    """A video of what was seen; nothing when no path is given."""

    def __init__(self, path: Path | None, view: CameraView) -> None:
        """The file is begun when the first frames tell their rate."""
        self._path = path
        self._view = view
        self._times: list[float] = []
        self._held: list[Image] = []
        self._writer: Any = None

    def close(self) -> None:
        """Finish the video; safe to call again.

        Raises:
            XanhError: If it cannot be written.
        """
        if self._path is not None and self._writer is None and self._held:
            self._open()
        if self._path is not None and self._writer is not None:
            self._writer.release()
            self._writer, path, self._path = None, self._path, None
            check_webm(path)

    def add(self, image: Image, result: FrameResult, counted: int) -> None:
        """A frame with what was seen in it, and how many have been counted so far."""
        if self._path is None:
            return
        picture = image.copy()
        draw_view(picture, self._view)
        draw_tracks(picture, result.tracks)
        note = f"hàng đợi · queue {result.queue.vehicles}   đã đếm · counted {counted}"
        picture = with_footer(picture, result.signal, result.time_s, note)
        if self._writer is not None:
            self._writer.write(picture)
            return
        # The rate of the video comes from the first frames' own times.
        self._held.append(picture)
        self._times.append(result.time_s)
        if len(self._held) >= 12:
            self._open()

    def _open(self) -> None:
        assert self._path is not None
        span = self._times[-1] - self._times[0]
        rate = (len(self._times) - 1) / span if span > 0 else 6.0
        height, width = self._held[0].shape[:2]
        self._writer = open_webm(self._path, rate, (width, height))
        for picture in self._held:
            self._writer.write(picture)
        self._held.clear()


def queue_csv(rows: Sequence[tuple[float, Queue, SignalState]]) -> str:
    """The text of ``queue.csv``: time, vehicles, length in metres, signal state, and whether the
    queue reaches the end of what is seen (1) or not (0).
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("time_s", "vehicles", "length_m", "signal_state", "at_least"))
    writer.writerows(
        (f"{t:.3f}", q.vehicles, f"{q.length_m:.1f}", state.value, int(q.at_least))
        for t, q, state in rows
    )
    return out.getvalue()


def draft_beside(folder: Path) -> Draft:
    """A draft of a run's folder; what a killed run left of the same one is removed.

    Raises:
        XanhError: If it cannot be made.
    """
    try:
        remove_left_over(folder.parent, folder.name)
        return Draft(folder)
    except OSError as error:
        raise XanhError(f"{folder}: cannot be written: {error.strerror}") from None


def publish(draft: Path, folder: Path) -> None:
    """Move what was written to its place; each file and the violations are there as a whole."""
    draft.chmod(0o755)
    with suppress(OSError):
        folder.rmdir()
    if not folder.exists():
        os.replace(draft, folder)
        return
    old = draft / ".replaced"
    old.mkdir()
    for item in sorted(draft.iterdir()):
        if item == old:
            continue
        target = folder / item.name
        if target.is_dir():
            os.replace(target, old / item.name)
        os.replace(item, target)
