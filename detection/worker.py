"""One source through detector and pipeline to the files of ``xanh detect``."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from detection.counting import EPOCH, Crossing, crossings_to_csv
from detection.evidence import EvidenceWriter
from detection.health import HealthMonitor, HealthSettings
from detection.lamp import LampReader
from detection.measures import measures_to_csv
from detection.motion_detector import MotionDetector
from detection.overlay import draw_signal, draw_tracks, draw_view
from detection.pipeline import CameraPipeline, FrameResult, PipelineSettings
from detection.plates import PlateEyes
from detection.ports import Detector, Frame, FrameSource, Image
from detection.tiling import TiledDetector, zone_tiles
from detection.webm import open_webm
from models.camera import CameraView, SourceKind
from models.counts import CountRow, counts_to_csv
from models.errors import BadInput, XanhError
from models.health import HealthEvent, health_to_csv
from models.signals import SignalState, SignalTimeline
from models.violation import Violation

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


@dataclass(frozen=True, slots=True)
class DetectOptions:
    """``start`` is the moment of the source's first frame, ``overlay`` writes
    ``overlay.webm``, ``tiles`` looks a second time at the zone, ``until_s`` stops a stream;
    ``reference`` is the picture that was calibrated, by which a moved camera is known;
    ``plates`` reads those of flagged vehicles.
    """

    start: datetime | None = None
    overlay: bool = False
    tiles: bool = False
    until_s: float | None = None
    reference: Image | None = None
    health: HealthSettings | None = None
    pipeline: PipelineSettings | None = None
    plates: bool = False


@dataclass(frozen=True, slots=True)
class DetectSummary:
    """What a run saw; ``frames_per_s`` is the speed of the whole run, decoding included."""

    frames: int
    duration_s: float
    counts: tuple[CountRow, ...]
    crossings: int
    violations: int
    largest_queue: int
    signal_seen: dict[str, float]
    frames_per_s: float
    health: tuple[HealthEvent, ...]
    folder: Path


def detect_source(
    source: FrameSource,
    view: CameraView,
    detector: Detector,
    folder: Path,
    *,
    signals: SignalTimeline | None = None,
    options: DetectOptions | None = None,
    progress: Callable[[Frame, FrameResult], None] | None = None,
) -> DetectSummary:
    """Count and flag in a source; writes all files below ``folder`` at the end, or none.

    Files: ``counts.csv``, ``measures.csv``, ``crossings.csv``, ``queue.csv`` (one row a second),
    ``tracks.parquet``,
    ``health.csv`` (what was wrong with the camera, from when to when), ``summary.json``,
    ``violations/ID/{case.json,*.jpg,clip.webm}`` and ``overlay.webm``.

    Args:
        source: The frames.
        view: The approach as the camera sees it.
        detector: What finds vehicles.
        folder: Where the files go; files of the same names are replaced.
        signals: The controller's own log; else the lamp is read where the view says where it
            is, else the state is unknown and no red light is flagged.
        options: Further settings.
        progress: Called after each frame.

    Raises:
        BadInput: If the source cannot be read or does not fit the view.
        XanhError: If the files cannot be written.
    """
    options = options or DetectOptions()
    check_size(source.size_px, view)
    if isinstance(detector, MotionDetector):
        view = replace(view, source_kind=SourceKind.MOTION)
    draft = _draft(folder)
    try:
        run = _Run(view, detector, draft, signals, options)
        summary = run.over(source, folder, progress)
        _publish(draft, folder)
    except OSError as error:
        raise XanhError(f"{folder}: cannot be written: {error.strerror or error}") from None
    finally:
        source.close()
        shutil.rmtree(draft, ignore_errors=True)
    return summary


def check_size(size_px: tuple[int, int], view: CameraView) -> None:
    """Refuse a source whose picture is not the one that the camera was set up with.

    Raises:
        BadInput: If it has another shape; the same shape in another size is scaled.
    """
    width, height = size_px
    if abs(width * view.height_px / (height * view.width_px) - 1.0) > HealthSettings().same_shape:
        raise BadInput(
            f"camera {view.camera}", "size_px",
            f"the source has {width}x{height}, the camera is set up for "
            f"{view.width_px}x{view.height_px}",
        )  # fmt: skip


class _Run:
    def __init__(
        self,
        view: CameraView,
        detector: Detector,
        draft: Path,
        signals: SignalTimeline | None,
        options: DetectOptions,
    ) -> None:
        self._view = view
        self._draft = draft
        self._options = options
        self._signals = signals
        self._lamp = (
            LampReader(view.lamp_px) if signals is None and view.lamp_px is not None else None
        )
        self._motion = detector if isinstance(detector, MotionDetector) else None
        tiles = zone_tiles(view) if options.tiles and self._motion is None else ()
        self._detector = TiledDetector(detector, tiles) if tiles else detector
        try:
            self._pipeline = CameraPipeline(
                view,
                detector=self._detector.name,
                weights_sha256=detector.weights_sha256,
                settings=options.pipeline,
                evidence=EvidenceWriter(
                    view, draft / "violations", plates=PlateEyes() if options.plates else None
                ),
                timeline=signals,
                start=options.start or EPOCH,
            )
        except ValueError as error:
            raise BadInput(f"camera {view.camera}", "", str(error)) from None
        self._health = HealthMonitor(
            (view.width_px, view.height_px), options.reference, options.health
        )
        self._crossings: list[Crossing] = []
        self._violations: list[Violation] = []
        self._lost_cases: list[str] = []
        self._queue: list[tuple[float, int, float, str]] = []
        self._signal_frames: dict[str, int] = {}

    def over(
        self,
        source: FrameSource,
        folder: Path,
        progress: Callable[[Frame, FrameResult], None] | None,
    ) -> DetectSummary:
        began = time.perf_counter()
        frames, came, last_s, largest = 0, 0, 0.0, 0
        with (
            _TrackFile(self._draft / "tracks.parquet") as tracks,
            _Overlay(
                self._draft / "overlay.webm" if self._options.overlay else None, self._view
            ) as overlay,
        ):
            for frame in source:
                if self._options.until_s is not None and frame.time_s > self._options.until_s:
                    break
                came, last_s = came + 1, frame.time_s
                seen = self._health.look(frame)
                if not seen.usable:
                    continue
                frame = Frame(frame.index, frame.time_s, seen.image)  # noqa: PLW2901 - as fitted
                result = self._frame(frame)
                frames += 1
                largest = max(largest, result.queue.vehicles)
                tracks.add(result)
                if frame.image is not None:
                    overlay.add(frame.image, result)
                if progress is not None:
                    progress(frame, result)
        self._crossings += self._pipeline.finish()
        self._health.finish(last_s)
        health = tuple(sorted((*source.faults, *self._health.events), key=lambda e: e.start_s))
        if frames == 0:
            why = "; ".join(dict.fromkeys(f"{e.kind}: {e.detail}" for e in health))
            raise BadInput(
                f"camera {self._view.camera}", "source",
                f"none of its {came} frames can be used ({why})" if came else "it gave no frame",
            )  # fmt: skip
        self._withdraw_suspended()
        # The interval runs to the end of what was promised: what is missing was not watched.
        end_s = max([last_s, *(e.end_s or 0.0 for e in health)])
        counts = self._health.discounted(
            self._pipeline.counts(until_s=end_s), self._options.start or EPOCH
        )
        summary = DetectSummary(
            frames=frames,
            duration_s=round(last_s, 3),
            counts=counts,
            crossings=len(self._crossings),
            violations=len(self._violations),
            largest_queue=largest,
            signal_seen={k: round(v / frames, 4) for k, v in self._signal_frames.items()},
            frames_per_s=round(frames / max(time.perf_counter() - began, 1e-9), 2),
            health=health,
            folder=folder,
        )
        self._write(summary, source)
        return summary

    def _withdraw_suspended(self) -> None:
        """Take back what was flagged before it was known that the camera had moved."""
        for violation in [v for v in self._violations if self._health.suspends(v.time_s)]:
            self._violations.remove(violation)
            shutil.rmtree(self._draft / "violations" / violation.id, ignore_errors=True)

    def _frame(self, frame: Frame) -> FrameResult:
        image = frame.image
        assert image is not None
        state, since_s = SignalState.UNKNOWN, None
        if self._signals is not None:
            state = self._signals.state_at(frame.time_s)
        elif self._lamp is not None:
            state = self._lamp.read(frame.time_s, image)
            since_s = self._lamp.since_s
        if self._motion is not None:
            self._motion.advance(frame.time_s)
        found = self._detector.detect([image])[0]
        result = self._pipeline.process(
            frame.time_s, found, state, image, frame=frame.index, signal_since_s=since_s
        )
        self._crossings += result.crossings
        self._violations += result.violations
        self._lost_cases += result.lost_cases
        self._signal_frames[state.value] = self._signal_frames.get(state.value, 0) + 1
        if not self._queue or frame.time_s - self._queue[-1][0] >= 1.0 - 1e-6:
            self._queue.append(
                (frame.time_s, result.queue.vehicles, result.queue.length_m, state.value)
            )
        return result

    def _write(self, summary: DetectSummary, source: FrameSource) -> None:
        start = self._options.start
        _write_text(self._draft / "counts.csv", counts_to_csv(summary.counts))
        _write_text(self._draft / "crossings.csv", crossings_to_csv(self._crossings, start))
        _write_text(
            self._draft / "measures.csv", measures_to_csv(self._pipeline.measures(summary.counts))
        )
        _write_text(self._draft / "queue.csv", _queue_csv(self._queue))
        (self._draft / "violations").mkdir(exist_ok=True)
        _write_text(self._draft / "health.csv", health_to_csv(summary.health, start))
        body: dict[str, Any] = {
            "camera": self._view.camera,
            "junction": self._view.junction,
            "source_kind": source.kind,
            "figures_from": self._view.source_kind.value,
            "advisory": self._motion is not None,
            "detector": self._detector.name,
            "weights_sha256": self._detector.weights_sha256,
            "calibration_version": self._view.calibration_version,
            "metric": self._view.metric,
            "signal_from": "log" if self._signals else ("lamp" if self._lamp else "nothing"),
            "frames": summary.frames,
            "duration_s": summary.duration_s,
            "frames_per_s": summary.frames_per_s,
            "crossings_in": sum(item.direction == "in" for item in self._crossings),
            "crossings_out": sum(item.direction == "out" for item in self._crossings),
            "violations": [item.id for item in self._violations],
            "lost_cases": self._lost_cases,
            "largest_queue": summary.largest_queue,
            "signal_seen": summary.signal_seen,
            "health": [
                {
                    "kind": event.kind.value,
                    "start_s": round(event.start_s, 3),
                    "end_s": None if event.end_s is None else round(event.end_s, 3),
                    "detail": event.detail,
                }
                for event in summary.health
            ],
        }
        _write_text(
            self._draft / "summary.json", json.dumps(body, ensure_ascii=False, indent=2) + "\n"
        )


class _TrackFile:
    """``tracks.parquet``, written in groups so that a long run does not fill the memory."""

    def __init__(self, path: Path) -> None:
        self._writer = pq.ParquetWriter(path, TRACK_SCHEMA, compression="zstd")
        self._columns: list[list[Any]] = [[] for _ in TRACK_SCHEMA]

    def __enter__(self) -> _TrackFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._flush()
        self._writer.close()

    def add(self, result: FrameResult) -> None:
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


class _Overlay:
    """A video of what was seen; nothing when no path is given."""

    def __init__(self, path: Path | None, view: CameraView) -> None:
        self._path = path
        self._view = view
        self._times: list[float] = []
        self._held: list[Image] = []
        self._writer: Any = None

    def __enter__(self) -> _Overlay:
        return self

    def __exit__(self, *_: object) -> None:
        if self._path is not None and self._writer is None and self._held:
            self._open()
        if self._writer is not None:
            self._writer.release()

    def add(self, image: Image, result: FrameResult) -> None:
        if self._path is None:
            return
        picture = image.copy()
        draw_view(picture, self._view)
        draw_tracks(picture, result.tracks)
        draw_signal(picture, result.signal, result.time_s, f"queue {result.queue.vehicles}")
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
        size = (self._view.width_px, self._view.height_px)
        self._writer = open_webm(self._path, rate, size)
        for picture in self._held:
            self._writer.write(picture)
        self._held.clear()


def _queue_csv(rows: Sequence[tuple[float, int, float, str]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("time_s", "vehicles", "length_m", "signal_state"))
    writer.writerows((f"{t:.3f}", n, f"{length:.1f}", state) for t, n, length, state in rows)
    return out.getvalue()


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def _draft(folder: Path) -> Path:
    """A folder beside the target, on the same disk, so that renaming is possible."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    except OSError as error:
        raise XanhError(f"{folder}: cannot be written: {error.strerror}") from None


def _publish(draft: Path, folder: Path) -> None:
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
