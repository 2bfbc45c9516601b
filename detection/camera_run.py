"""One camera of a run of detection, from its frames to the files of its folder."""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from detection.counting import EPOCH, Crossing, crossings_to_csv
from detection.evidence import EvidenceWriter
from detection.health import HealthMonitor, HealthSettings
from detection.lamp import LampReader
from detection.measures import measures_to_csv
from detection.motion_detector import MotionDetector
from detection.pipeline import CameraPipeline, FrameResult, PipelineSettings
from detection.plates import PlateEyes
from detection.ports import Detections, Detector, Frame, FrameSource, Image
from detection.queues import Queue
from detection.run_files import OverlayFile, TrackFile, queue_csv
from detection.tiling import TiledDetector, zone_tiles
from models.camera import CameraView
from models.counts import CountRow, counts_to_csv
from models.errors import BadInput
from models.health import HealthEvent, health_to_csv
from models.signals import SignalState, SignalTimeline
from models.violation import Violation

QUEUE_S: Final = 1.0
"""So far apart are the rows of ``queue.csv``."""


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
    """What a run saw; ``frames_per_s`` is the speed of the whole run, decoding included.

    ``dropped``: frames of a live camera that were overtaken by newer ones.
    """

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
    dropped: int = 0


class CameraRun:
    """Takes a camera's frames with what was found in them; writes its files at the end."""

    def __init__(
        self,
        view: CameraView,
        detector: Detector,
        draft: Path,
        signals: SignalTimeline | None,
        options: DetectOptions,
    ) -> None:
        """Set up; files grow in ``draft``.

        Raises:
            BadInput: If the view cannot be used.
        """
        self._view = view
        self._draft = draft
        self._options = options
        self._signals = signals
        self._lamp = (
            LampReader(view.lamp_px) if signals is None and view.lamp_px is not None else None
        )
        self._motion = detector if isinstance(detector, MotionDetector) else None
        tiles = zone_tiles(view) if options.tiles and self._motion is None else ()
        self.detector: Detector = TiledDetector(detector, tiles) if tiles else detector
        try:
            self._pipeline = CameraPipeline(
                view,
                detector=self.detector.name,
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
        self._tracks = TrackFile(draft / "tracks.parquet")
        self._overlay = OverlayFile(draft / "overlay.webm" if options.overlay else None, view)
        self._began = time.perf_counter()
        self._came = 0
        self._violations: list[Violation] = []
        self._crossings: list[Crossing] = []
        self._lost_cases: list[str] = []
        self._queue: list[tuple[float, Queue, SignalState]] = []
        self._signal_frames: dict[str, int] = {}
        self.frames = 0
        """Frames that could be used."""
        self.last_s = 0.0
        self.largest_queue = 0

    @property
    def counted(self) -> int:
        """Crossings into the junction so far."""
        return sum(item.direction == "in" for item in self._crossings)

    @property
    def flagged(self) -> int:
        """Flags so far."""
        return len(self._violations)

    def look(self, frame: Frame) -> Frame | None:
        """The frame as it is to be looked at; None where it cannot be believed."""
        self._came, self.last_s = self._came + 1, frame.time_s
        seen = self._health.look(frame)
        if not seen.usable or seen.image is None:
            return None
        if self._motion is not None:
            self._motion.advance(frame.time_s)
        return Frame(frame.index, frame.time_s, seen.image, seen.evidence)

    def take(self, frame: Frame, found: Detections) -> FrameResult:
        """A frame of :meth:`look` and what the detector found in it."""
        image = frame.image
        assert image is not None
        state, since_s = SignalState.UNKNOWN, None
        if self._signals is not None:
            state = self._signals.state_at(frame.time_s)
        elif self._lamp is not None:
            state = self._lamp.read(frame.time_s, image)
            since_s = self._lamp.since_s
        result = self._pipeline.process(
            frame.time_s, found, state, image,
            evidence=frame.evidence, frame=frame.index, signal_since_s=since_s,
        )  # fmt: skip
        self.frames += 1
        self.largest_queue = max(self.largest_queue, result.queue.vehicles)
        self._crossings += result.crossings
        self._violations += result.violations
        self._lost_cases += result.lost_cases
        self._signal_frames[state.value] = self._signal_frames.get(state.value, 0) + 1
        if not self._queue or frame.time_s - self._queue[-1][0] >= QUEUE_S - 1e-6:
            self._settle_signal()
            self._queue.append((frame.time_s, result.queue, state))
        self._tracks.add(result)
        self._overlay.add(image, result, self.counted)
        return result

    def _settle_signal(self) -> None:
        """What a lamp showed at the last row of the queue: believed a moment later, it is known."""
        if self._queue:
            time_s, queue, _ = self._queue[-1]
            self._queue[-1] = time_s, queue, self._pipeline.timeline.state_at(time_s)

    def finish(
        self, source: FrameSource, folder: Path, *, until_s: float = 0.0, stopped: bool = False
    ) -> DetectSummary:
        """Settle what is open and write the files into the draft.

        Args:
            source: Where the frames came from: what was wrong with it.
            folder: Where the draft will be put.
            until_s: The watch lasted at least so long, whether frames came or not.
            stopped: Somebody ended it before its end.

        Raises:
            BadInput: If no frame could be used.
        """
        self._crossings += self._pipeline.finish()
        self._settle_signal()
        self._health.finish(max(self.last_s, until_s))
        health = tuple(sorted((*source.faults, *self._health.events), key=lambda e: e.start_s))
        if self.frames == 0:
            why = "; ".join(dict.fromkeys(f"{e.kind}: {e.detail}" for e in health))
            came = f"none of its {self._came} frames can be used ({why})"
            raise BadInput(
                f"camera {self._view.camera}", "source", came if self._came else "it gave no frame"
            )
        self._withdraw_suspended()
        # The interval runs to the end of what was promised: what is missing was not watched.
        end_s = max([self.last_s, until_s, *(e.end_s or 0.0 for e in health)])
        counts = self._health.discounted(
            self._pipeline.counts(until_s=end_s), self._options.start or EPOCH
        )
        summary = DetectSummary(
            frames=self.frames,
            duration_s=round(self.last_s, 3),
            counts=counts,
            crossings=len(self._crossings),
            violations=len(self._violations),
            largest_queue=self.largest_queue,
            signal_seen={k: round(v / self.frames, 4) for k, v in self._signal_frames.items()},
            frames_per_s=round(self.frames / max(time.perf_counter() - self._began, 1e-9), 2),
            health=health,
            folder=folder,
            dropped=getattr(source, "dropped", 0),
        )
        self.close()
        self._write(summary, source, stopped=stopped)
        return summary

    def close(self) -> None:
        """Close what is being written; safe to call again."""
        self._tracks.close()
        self._overlay.close()

    def _withdraw_suspended(self) -> None:
        """Take back what was flagged before it was known that the camera had moved."""
        for violation in [v for v in self._violations if self._health.suspends(v.time_s)]:
            self._violations.remove(violation)
            shutil.rmtree(self._draft / "violations" / violation.id, ignore_errors=True)

    def _write(self, summary: DetectSummary, source: FrameSource, *, stopped: bool) -> None:
        start, view = self._options.start, self._view
        body: dict[str, Any] = {
            "camera": view.camera,
            "junction": view.junction,
            "source_kind": source.kind,
            "figures_from": view.source_kind.value,
            "advisory": self._motion is not None,
            "detector": self.detector.name,
            "weights_sha256": self.detector.weights_sha256,
            "calibration_version": view.calibration_version,
            "metric": view.metric,
            "signal_from": "log" if self._signals else ("lamp" if self._lamp else "nothing"),
            "frames": summary.frames,
            "dropped": summary.dropped,
            "stopped": stopped,
            "duration_s": summary.duration_s,
            "frames_per_s": summary.frames_per_s,
            "crossings_in": self.counted,
            "crossings_out": len(self._crossings) - self.counted,
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
        (self._draft / "violations").mkdir(exist_ok=True)
        for name, text in (
            ("counts.csv", counts_to_csv(summary.counts)),
            ("crossings.csv", crossings_to_csv(self._crossings, start)),
            ("measures.csv", measures_to_csv(self._pipeline.measures(summary.counts))),
            ("queue.csv", queue_csv(self._queue)),
            ("health.csv", health_to_csv(summary.health, start)),
            ("summary.json", json.dumps(body, ensure_ascii=False, indent=2) + "\n"),
        ):
            (self._draft / name).write_text(text, encoding="utf-8")
