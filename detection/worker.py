"""Sources through detectors and pipelines to the files of ``xanh detect``, in one process.

Each round takes a frame of every camera that has one, detects in all of them at once and hands
each to its camera. A file gives its next frame; a live camera its newest one, so that a machine
that is too slow sees fewer frames, never older ones. No more than a frame of each camera is ever
held.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from detection.batch import detect_due
from detection.camera_run import CameraRun, DetectOptions, DetectSummary
from detection.drafts import Draft
from detection.health import HealthSettings
from detection.live import LiveSource
from detection.motion_detector import MotionDetector
from detection.pipeline import FrameResult
from detection.ports import Detections, Detector, Frame, FrameSource, Image
from detection.run_files import draft_beside, publish
from models.camera import CameraView, SourceKind
from models.errors import BadInput, XanhError
from models.signals import SignalTimeline

__all__ = ["CameraJob", "DetectOptions", "DetectSummary", "Progress", "detect_source",
           "detect_sources"]  # fmt: skip

IDLE_S: Final = 0.01
PROGRESS_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class CameraJob:
    """A camera to be watched, and the folder for its files.

    ``signals`` is the controller's own log; without it the lamp is read where the view says
    where it is, else the state is unknown and no red light is flagged. ``each`` is called after
    each frame. Cameras may share a detector, except one by motion.
    """

    source: FrameSource
    view: CameraView
    detector: Detector
    folder: Path
    signals: SignalTimeline | None = None
    options: DetectOptions = field(default_factory=DetectOptions)
    each: Callable[[Frame, FrameResult], None] | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a camera is; ``frames_per_s`` is that of the last second."""

    camera: str
    time_s: float
    frames: int
    frames_per_s: float
    dropped: int
    counted: int
    flagged: int


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
    """Count and flag in one source; see :func:`detect_sources`.

    Raises:
        BadInput: If the source cannot be read or does not fit the view.
        XanhError: If the files cannot be written.
    """
    options = options or DetectOptions()
    job = CameraJob(source, view, detector, folder, signals, options, progress)
    (outcome,) = detect_sources([job])
    if isinstance(outcome, XanhError):
        raise outcome
    return outcome


def detect_sources(
    jobs: Sequence[CameraJob],
    *,
    stop: Callable[[], bool] = lambda: False,
    progress: Callable[[Sequence[Progress]], None] | None = None,
) -> list[DetectSummary | XanhError]:
    """Count and flag in sources; writes all files below each folder at the end, or none.

    Files: ``counts.csv``, ``measures.csv``, ``crossings.csv``, ``queue.csv`` (one row a second),
    ``tracks.parquet``, ``health.csv`` (what was wrong with the camera, from when to when),
    ``summary.json``, ``violations/ID/{case.json,*.jpg,clip.webm}`` and ``overlay.webm``. Files of
    the same names are replaced.

    Args:
        jobs: The cameras.
        stop: Asked in each round; when it says so all files are finished with what was seen.
        progress: Called about once a second.

    Returns:
        For each job what it saw, or why it could not be done; one that fails stops no other.
    """
    every = [_Watched(job) for job in jobs]
    told = time.perf_counter()
    try:
        while watched := [item for item in every if item.outcome is None]:
            stopped = stop()
            due = [] if stopped else _due(watched)
            found = detect_due([(item.run.detector, image) for item, _, image in due])
            for (item, frame, _), boxes in zip(due, found, strict=True):
                with item.alone():
                    item.take(frame, boxes)
            for item in watched:
                if item.outcome is None and (item.over or stopped):
                    with item.alone():
                        item.finish(stopped=stopped)
            if not due:
                time.sleep(IDLE_S)
            spent_s = time.perf_counter() - told
            if progress is not None and spent_s >= PROGRESS_S:
                told += spent_s
                progress([item.progress(spent_s) for item in watched])
    finally:
        for item in every:
            item.abandon()
    return [item.outcome for item in every if item.outcome is not None]


def _due(watched: Sequence[_Watched]) -> list[tuple[_Watched, Frame, Image]]:
    """The next frame of every camera that has one."""
    due = []
    for item in watched:
        with item.alone():
            frame = item.next()
            if frame is not None and frame.image is not None:
                due.append((item, frame, frame.image))
    return due


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


class _Watched:
    """A job under way, until it has an outcome."""

    def __init__(self, job: CameraJob) -> None:
        self.outcome: DetectSummary | XanhError | None = None
        self.over = False
        self._job = job
        self._draft: Draft | None = None
        self._frames: Iterator[Frame] | None = None
        self._told = 0
        self._run: CameraRun | None = None
        with self.alone():
            self._run = self._begin()

    @property
    def run(self) -> CameraRun:
        """The camera's own part; there is one unless the job could not be begun."""
        assert self._run is not None
        return self._run

    def _begin(self) -> CameraRun:
        job, view = self._job, self._job.view
        if job.source.size_px != (0, 0):  # a live camera that has not come yet
            check_size(job.source.size_px, view)
        if isinstance(job.detector, MotionDetector):
            view = replace(view, source_kind=SourceKind.MOTION)
        self._draft = draft_beside(job.folder)
        return CameraRun(view, job.detector, self._draft.folder, job.signals, job.options)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """What goes wrong with a camera ends that camera, and no other."""
        try:
            yield
        except XanhError as error:
            self.outcome = error
        except OSError as error:
            reason = error.strerror or error
            self.outcome = XanhError(f"{self._job.folder}: cannot be written: {reason}")

    def next(self) -> Frame | None:
        """Its next frame that can be used; None where there is none now."""
        frame, until_s = self._next(), self._job.options.until_s
        if frame is not None and until_s is not None and frame.time_s > until_s:
            self.over, frame = True, None
        return None if frame is None else self.run.look(frame)

    def _next(self) -> Frame | None:
        source, until_s = self._job.source, self._job.options.until_s
        if isinstance(source, LiveSource):
            frame = source.next(0.0)
            late = until_s is not None and source.now_s > until_s
            self.over = frame is None and (source.gave_up or late)
            return frame
        if self._frames is None:
            self._frames = iter(source)
        frame = next(self._frames, None)
        self.over = frame is None
        return frame

    def take(self, frame: Frame, found: Detections) -> None:
        """Hand a frame and what was found in it to the camera."""
        result = self.run.take(frame, found)
        if self._job.each is not None:
            self._job.each(frame, result)

    def finish(self, *, stopped: bool) -> None:
        """Write all files and put them in their place."""
        source, folder = self._job.source, self._job.folder
        until_s = source.settle() if isinstance(source, LiveSource) else 0.0
        assert self._draft is not None
        summary = self.run.finish(source, folder, until_s=until_s, stopped=stopped)
        publish(self._draft.folder, folder)
        self.outcome = summary

    def abandon(self) -> None:
        """Close everything; nothing half-written stays."""
        self._job.source.close()
        if self._run is not None:
            with suppress(OSError, XanhError):
                self._run.close()
        if self._draft is not None:
            self._draft.release()

    def progress(self, spent_s: float) -> Progress:
        """How far it is, since the last time."""
        frames, self._told = self.run.frames - self._told, self.run.frames
        return Progress(
            camera=self._job.view.camera,
            time_s=self.run.last_s,
            frames=self.run.frames,
            frames_per_s=frames / spent_s,
            dropped=getattr(self._job.source, "dropped", 0),
            counted=self.run.counted,
            flagged=self.run.flagged,
        )
