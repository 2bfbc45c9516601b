"""The process that watches a site's real cameras: newest frames, one detector, a pipeline each.

All cameras of a site share one process and so one budget of processor time: each round takes the
newest frame of every camera, detects in all of them at once, and hands each to its pipeline. A
machine that is too slow sees fewer frames, never older ones, and coverage says how much was seen.
"""

from __future__ import annotations

import shutil
import signal
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Final, Protocol, TypeAlias

import cv2

from detection.batch import detect_due
from detection.counting import Crossing
from detection.detectors import open_detector
from detection.evidence import EvidenceWriter
from detection.health import HealthMonitor
from detection.lamp import LampReader
from detection.live import LiveSource
from detection.measures import MeasureRow
from detection.motion_detector import MOTION, MotionDetector
from detection.overlay import draw_tracks, draw_view, with_footer
from detection.pipeline import CameraPipeline, FrameResult, PipelineSettings
from detection.plates import PlateEyes
from detection.playback import Playback
from detection.ports import Detections, Detector, Frame, Image
from detection.snapshots import encode_jpeg
from detection.sources import STREAM_SCHEMES, open_source
from detection.tiling import TiledDetector, zone_tiles
from detection.yolo import DetectorSettings
from models.camera import SourceKind
from models.counts import CountRow
from models.errors import BadInput, XanhError
from models.health import HealthEvent, HealthKind
from models.signals import SignalState
from models.site import SiteCamera
from models.violation import Violation
from traffic.detecting import reference_picture
from traffic.sites import load_site
from traffic.workers import let_go, service_gone, tell

REPORT_S: Final = 1.0
STORE_S: Final = 60.0
"""Counts of the running interval are handed over so often."""
HOLD_S: Final = 10.0
"""A flag waits so long: should it turn out that the camera had moved, it is withdrawn."""
CLOCK_S: Final = 2.0
"""This machine's clock was set if it differs so much from the time that passed."""
IDLE_S: Final = 0.02
SILENT_S: Final = 3.0
PICTURE_QUALITY: Final = 80


@dataclass(frozen=True, slots=True)
class WatchConfig:
    """What the process is started with."""

    folder: Path
    cameras: tuple[str, ...]
    evidence: Path
    weights: str
    runtime: str = "openvino"
    threads: int = 0


@dataclass(frozen=True, slots=True)
class WatchReport:
    """About a second of one camera.

    ``start`` is the moment at which the camera's clock shows 0; ``counts`` and ``measures`` replace
    what was reported of the same intervals before. ``wrong`` lasts still, ``ended`` is over since
    the last report. ``kind`` says what its figures come from.
    """

    camera: str
    start: datetime
    now_s: float
    kind: SourceKind
    frames: int
    dropped: int
    coverage: float
    signal: SignalState
    queue_veh: int
    queue_m: float
    queue_at_least: bool
    calibration_version: str
    crossings: tuple[Crossing, ...] = ()
    violations: tuple[Violation, ...] = ()
    counts: tuple[CountRow, ...] = ()
    measures: tuple[MeasureRow, ...] = ()
    wrong: tuple[HealthEvent, ...] = ()
    ended: tuple[HealthEvent, ...] = ()
    picture: bytes | None = None


@dataclass(frozen=True, slots=True)
class WatchFailed:
    """A camera cannot be watched at all, or (no camera) the process broke off; one line."""

    camera: str
    message: str


Report: TypeAlias = WatchReport | WatchFailed


class _Source(Protocol):
    """What a live source and a playback have in common."""

    began_s: float
    dropped: int

    @property
    def faults(self) -> Sequence[HealthEvent]:
        """What went wrong with the source so far."""
        ...

    @property
    def silent_s(self) -> float:
        """How long nothing has come."""
        ...

    def next(self, timeout_s: float) -> Frame | None:
        """The newest frame that was not given yet."""
        ...

    def close(self) -> None:
        """Stop."""
        ...


def watch_main(config: WatchConfig, reports: Queue[Report], stop: Event) -> None:
    """Watch until told to stop, or the service is gone; runs in a process of its own."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the service stops it
    cv2.setNumThreads(1)
    try:
        work = _Watch(config)
        for failed in work.failed:
            tell(reports, failed)
        while not stop.is_set() and not service_gone():
            for report in work.round():
                tell(reports, report)
        for report in work.finish():
            tell(reports, report)
        let_go(reports)
    except XanhError as error:
        reports.put(WatchFailed("", str(error)))
    except Exception as error:
        reports.put(WatchFailed("", f"{type(error).__name__}: {' '.join(str(error).split())}"))
        raise


class _Watch:
    def __init__(self, config: WatchConfig) -> None:
        site = load_site(config.folder)
        self.failed: list[WatchFailed] = []
        self._cameras: list[_WatchedCamera] = []
        shared: dict[str, Detector] = {}
        settings = DetectorSettings(runtime=config.runtime, threads=config.threads)
        for name in config.cameras:
            camera = site.camera(name)
            weights = str(camera.options.get("weights", config.weights))
            try:
                if weights == MOTION:
                    detector = open_detector(weights, settings, view=camera.view)
                else:
                    detector = shared.get(weights) or open_detector(weights, settings)
                    shared[weights] = detector
                    tiles = zone_tiles(camera.view) if camera.options.get("tiles") else ()
                    if tiles:
                        detector = TiledDetector(detector, tiles)
                self._cameras.append(
                    _WatchedCamera(camera, config.evidence, detector, site.pcu_by_class)
                )
            except BadInput as error:
                self.failed.append(WatchFailed(name, str(error)))

    def round(self) -> Iterator[WatchReport]:
        """The newest frame of every camera, and a report of each whose second is over."""
        due = []
        for camera in self._cameras:
            frame = camera.next_frame()
            if frame is not None and frame.image is not None:
                due.append((camera, frame, frame.image))
                if isinstance(camera.detector, MotionDetector):
                    camera.detector.advance(frame.time_s)
        found = detect_due([(camera.detector, image) for camera, _, image in due])
        for (camera, frame, _), boxes in zip(due, found, strict=True):
            camera.process(frame, boxes)
        if not due:
            time.sleep(IDLE_S)
        for camera in self._cameras:
            report = camera.report()
            if report is not None:
                yield report

    def finish(self) -> Iterator[WatchReport]:
        """Settle what is open and close the sources."""
        for camera in self._cameras:
            yield camera.finish()


class _WatchedCamera:
    """One camera: its source, its health, its pipeline, and what it has to report."""

    def __init__(
        self,
        camera: SiteCamera,
        evidence: Path,
        detector: Detector,
        pcu: Mapping[str, float],
    ) -> None:
        self.detector = detector
        self._pcu = pcu
        motion = isinstance(detector, MotionDetector)
        self._kind = SourceKind.MOTION if motion else camera.view.source_kind
        self._view = replace(camera.view, source_kind=self._kind)
        self._camera = camera
        self._evidence = evidence
        self._reference = reference_picture(camera)
        rate = camera.options.get("rate_fps")
        self._source: _Source = (
            LiveSource(camera.source, patient=True)
            if camera.source.startswith(STREAM_SCHEMES)
            else Playback(
                open_source(camera.source, folder_rate_hz=None if rate is None else float(rate))
            )
        )
        self._health = HealthMonitor((camera.view.width_px, camera.view.height_px), self._reference)
        self._told_s = 0.0
        self._ended: list[HealthEvent] = []
        self._start = self._clock_now()
        self._plates = PlateEyes() if camera.options.get("plates") else None
        self._pipeline = self._new_pipeline()
        lamp = camera.view.lamp_px
        self._lamp = None if lamp is None else LampReader(lamp)
        self._last: FrameResult | None = None
        self._image: Image | None = None
        self._held: deque[tuple[float, Violation]] = deque()
        self._crossings: list[Crossing] = []
        self._frames = 0
        self._reported_s = self._stored_s = 0.0
        self._seen: deque[float] = deque(maxlen=4096)

    @property
    def _now_s(self) -> float:
        """The camera's clock."""
        return time.monotonic() - self._source.began_s

    def _clock_now(self) -> datetime:
        """The moment at which the camera's clock showed 0, by this machine's clock."""
        return datetime.now(UTC) - timedelta(seconds=self._now_s)

    def _new_pipeline(self) -> CameraPipeline:
        settings = PipelineSettings(rules=self._camera.options["rules"], pcu=self._pcu)
        return CameraPipeline(
            self._view,
            detector=self.detector.name,
            weights_sha256=self.detector.weights_sha256,
            settings=settings,
            evidence=EvidenceWriter(self._view, self._evidence, plates=self._plates),
            start=self._start,
        )

    def next_frame(self) -> Frame | None:
        """The newest frame that may be used."""
        frame = self._source.next(0.0)
        if frame is None:
            return None
        self._follow_clock(frame.time_s)
        seen = self._health.look(frame)
        if not seen.usable or seen.image is None:
            self._image = frame.image
            return None
        return Frame(frame.index, frame.time_s, seen.image, seen.evidence)

    def process(self, frame: Frame, found: Detections) -> None:
        """Hand a frame and what was found in it to the pipeline."""
        assert frame.image is not None
        state, since_s = SignalState.UNKNOWN, None
        if self._lamp is not None:
            state = self._lamp.read(frame.time_s, frame.image)
            since_s = self._lamp.since_s
        result = self._pipeline.process(
            frame.time_s, found, state, frame.image,
            evidence=frame.evidence, frame=frame.index, signal_since_s=since_s,
        )  # fmt: skip
        self._last, self._image = result, frame.image
        self._frames += 1
        self._seen.append(frame.time_s)
        self._crossings += result.crossings
        self._held.extend((frame.time_s, violation) for violation in result.violations)

    def report(self) -> WatchReport | None:
        """What there is to say, once a second."""
        now_s = self._now_s
        if now_s - self._reported_s < REPORT_S:
            return None
        self._reported_s = now_s
        counts: tuple[CountRow, ...] = ()
        if now_s - self._stored_s >= STORE_S:
            self._stored_s = now_s
            counts = self._counts(now_s)
            self._pipeline.forget_counts_before(now_s - 2 * STORE_S)
        return self._told_so_far(now_s, self._released(now_s - HOLD_S), counts)

    def finish(self) -> WatchReport:
        """Settle and close."""
        now_s = self._now_s
        self._crossings += self._pipeline.finish()
        report = self._told_so_far(now_s, self._released(now_s), self._counts(now_s))
        self._source.close()
        return report

    def _told_so_far(
        self, now_s: float, violations: tuple[Violation, ...], counts: tuple[CountRow, ...]
    ) -> WatchReport:
        last = self._last
        crossings, self._crossings = tuple(self._crossings), []
        frames, self._frames = self._frames, 0
        fresh = last is not None and now_s - last.time_s < SILENT_S
        return WatchReport(
            camera=self._view.camera,
            start=self._start,
            now_s=now_s,
            kind=self._kind,
            frames=frames,
            dropped=self._source.dropped,
            coverage=self._coverage(now_s),
            signal=last.signal if last is not None and fresh else SignalState.UNKNOWN,
            queue_veh=last.queue.vehicles if last is not None and fresh else 0,
            queue_m=last.queue.length_m if last is not None and fresh else 0.0,
            queue_at_least=last is not None and fresh and last.queue.at_least,
            calibration_version=self._view.calibration_version,
            crossings=crossings,
            violations=violations,
            counts=counts,
            measures=self._pipeline.measures(counts),
            wrong=self._wrong(now_s),
            ended=self._newly_ended(),
            picture=self._picture(),
        )

    def _counts(self, now_s: float) -> tuple[CountRow, ...]:
        return self._health.discounted(self._pipeline.counts(until_s=now_s), self._start)

    def _released(self, until_s: float) -> tuple[Violation, ...]:
        """Flags that have waited long enough; those of a camera that had moved are withdrawn."""
        out = []
        while self._held and self._held[0][0] <= until_s:
            _, violation = self._held.popleft()
            if self._health.suspends(violation.time_s):
                shutil.rmtree(self._evidence / violation.id, ignore_errors=True)
            else:
                out.append(violation)
        return tuple(out)

    def _wrong(self, now_s: float) -> tuple[HealthEvent, ...]:
        silent_s = self._source.silent_s
        gap = HealthEvent(HealthKind.GAP, now_s - silent_s, None, "no frame comes")
        return (*self._health.now, *((gap,) if silent_s > SILENT_S else ()))

    def _newly_ended(self) -> tuple[HealthEvent, ...]:
        # Both keep only their last events, so what is new is known by its end.
        over = [
            (event.end_s, event)
            for event in (*self._health.events, *self._source.faults)
            if event.end_s is not None and event.end_s > self._told_s
        ]
        self._told_s = max([self._told_s, *(end_s for end_s, _ in over)])
        out = (*(event for _, event in over), *self._ended)
        self._ended = []
        return out

    def _coverage(self, now_s: float) -> float:
        """Share of the last five minutes that was seen."""
        since_s = max(now_s - 300.0, 0.0)
        times = [since_s, *(t for t in self._seen if t >= since_s), now_s]
        missed_s = sum(b - a for a, b in pairwise(times) if b - a > 1.0)
        return 1.0 - missed_s / max(now_s - since_s, 1e-9)

    def _follow_clock(self, time_s: float) -> None:
        """Begin anew when this machine's clock was set: counts belong to moments of the day."""
        start = self._clock_now()
        ahead_s = (start - self._start).total_seconds()
        if abs(ahead_s) < CLOCK_S:
            return
        self._crossings += self._pipeline.finish()
        self._ended.append(
            HealthEvent(
                HealthKind.CLOCK_JUMP,
                time_s,
                time_s,
                f"this machine's clock was set by {ahead_s:+.0f} s; counting begins anew",
            )
        )
        self._start = start
        self._pipeline = self._new_pipeline()

    def _picture(self) -> bytes | None:
        if self._image is None:
            return None
        image = self._image.copy()
        last = self._last
        if image.shape[:2] == (self._view.height_px, self._view.width_px):
            draw_view(image, self._view)
            if last is not None:
                draw_tracks(image, last.tracks)
                note = f"hàng đợi · queue {last.queue.vehicles}"
                image = with_footer(image, last.signal, last.time_s, note)
        self._image = None
        return encode_jpeg(image, PICTURE_QUALITY)
