"""A process that watches several cameras of the virtual street and reports each second.

Cameras with pixels render every frame, run the detector on it and draw what it saw; projected
ones turn the street's vehicles into boxes with misses and jitter. Both feed the same pipeline:
tracker, counting, rules. Each second the worker sends one small report per camera, never frames
but the newest picture as a JPEG.
"""

from __future__ import annotations

import multiprocessing as mp
import queue
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from multiprocessing.queues import Queue
from pathlib import Path
from typing import Protocol, TypeAlias

import cv2
import numpy as np

from detection.counting import Crossing
from detection.detectors import STREET, open_detector
from detection.evidence import EvidenceWriter
from detection.measures import MeasureRow
from detection.overlay import draw_tracks, draw_view
from detection.pipeline import CameraPipeline, FrameResult, PipelineSettings
from detection.plates import PlateEyes
from detection.ports import Detections, Detector, Image
from models.camera import CameraPose, SourceKind
from models.counts import CountRow
from models.errors import XanhError
from models.signals import SignalState
from models.site import Site, SiteCamera
from models.violation import Violation
from simulation.camera import PinholeCamera
from simulation.people import People
from simulation.projection import Boxes, Projection
from simulation.render import Renderer, Shown
from simulation.scene_network import scene_from_network
from simulation.states import CLASSES, VehicleStates, interpolate
from traffic.field import StreetSecond
from traffic.sites import load_site
from traffic.workers import SERVICE_CHECK_S, let_go, service_gone, tell

FRAMES_PER_S = 6
SIGHT_M = 130.0
"""Road users further than this from a camera's junction are not drawn."""
PICTURE_QUALITY = 80
COUNTS_S = 60.0
"""Counts and measures of the running interval are handed over so often."""


@dataclass(frozen=True, slots=True)
class WorkConfig:
    """What a worker is started with. ``zero`` is the moment of the street's second 0."""

    folder: Path
    cameras: tuple[str, ...]
    zero: datetime
    evidence: Path
    seed: int
    weights: str = ""
    people: People | None = None


@dataclass(frozen=True, slots=True)
class EndWindow:
    """The observation ends here: settle what is open, report it, and begin anew."""


Order: TypeAlias = StreetSecond | EndWindow | None


@dataclass(frozen=True, slots=True)
class CameraReport:
    """One second of one camera; with ``ends_window`` what was still open at its end.

    Now and then it has ``counts`` and ``measures``, which replace those of the same intervals.
    """

    camera: str
    begin_s: float
    frames: int
    crossings: tuple[Crossing, ...]
    violations: tuple[Violation, ...]
    queue_veh: int
    queue_m: float
    queue_at_least: bool
    picture: bytes | None = None
    busy_s: float = 0.0
    ends_window: bool = False
    counts: tuple[CountRow, ...] = ()
    measures: tuple[MeasureRow, ...] = ()


@dataclass(frozen=True, slots=True)
class WorkFailed:
    """The worker broke off; ``message`` is one line."""

    message: str


Report: TypeAlias = CameraReport | WorkFailed


class _Eye(Protocol):
    """What turns the street into detections for one camera."""

    def look(
        self, states: VehicleStates, aspects: Mapping[str, SignalState]
    ) -> tuple[Image | None, Detections | None]:
        """A picture still to be detected, or detections without a picture."""
        ...


class CameraProcess:
    """A worker as the service holds it."""

    def __init__(self, config: WorkConfig, orders: Queue[Order]) -> None:
        """Start the process; it takes its seconds from ``orders``."""
        context = mp.get_context("spawn")
        self.cameras = config.cameras
        self.orders = orders
        self.reports: Queue[Report] = context.Queue()
        self._process = context.Process(
            target=_work_main,
            args=(config, orders, self.reports),
            name="xanh-cameras",
            daemon=True,
        )
        self._process.start()

    def take(self, timeout_s: float) -> CameraReport | None:
        """The next report, or None when none comes in time.

        Raises:
            XanhError: If the worker broke off.
        """
        try:
            report = self.reports.get(timeout=timeout_s)
        except queue.Empty:
            if not self._process.is_alive():
                raise XanhError("a camera worker has stopped") from None
            return None
        if isinstance(report, WorkFailed):
            raise XanhError(f"a camera worker broke off: {report.message}")
        return report

    def end_window(self) -> None:
        """Settle and report what is open; call when every second has been reported."""
        self.orders.put(EndWindow())

    def close(self) -> None:
        """Stop the process; safe to call again."""
        if self._process.is_alive():
            self._process.terminate()
        self._process.join()
        for channel in (self.orders, self.reports):
            channel.cancel_join_thread()
            channel.close()


# In the worker ---------------------------------------------------------------------------------


def _work_main(config: WorkConfig, orders: Queue[Order], reports: Queue[Report]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the service stops it
    cv2.setNumThreads(1)
    try:
        site = load_site(config.folder)
        work = _Work(site, config)
        while (order := _next_order(orders)) is not None:
            for report in work.carry_out(order):
                tell(reports, report)
        let_go(reports)
    except XanhError as error:
        reports.put(WorkFailed(str(error)))
    except Exception as error:
        reports.put(WorkFailed(f"{type(error).__name__}: {' '.join(str(error).split())}"))
        raise


def _next_order(orders: Queue[Order]) -> Order:
    """The next order; None also when the service is gone."""
    while not service_gone():
        with suppress(queue.Empty):
            return orders.get(timeout=SERVICE_CHECK_S)
    return None


class _Work:
    def __init__(self, site: Site, config: WorkConfig) -> None:
        self._config = config
        cameras = [site.camera(name) for name in config.cameras]
        pixels = any(camera.view.source_kind is SourceKind.PIXELS for camera in cameras)
        self._detector: Detector | None = (
            open_detector(config.weights or STREET) if pixels else None
        )
        self._cameras = [
            _CameraAtWork(site, camera, config, self._detector, index)
            for index, camera in enumerate(cameras)
        ]

    def carry_out(self, order: StreetSecond | EndWindow) -> Iterator[CameraReport]:
        if isinstance(order, EndWindow):
            for camera in self._cameras:
                yield camera.end_window()
            return
        began = time.monotonic()
        for camera in self._cameras:
            camera.begin_second(order)
        for step in range(FRAMES_PER_S):
            fraction = step / FRAMES_PER_S
            looks = [camera.look(order, fraction) for camera in self._cameras]
            found = self._detect([image for image, _ in looks if image is not None])
            for camera, (image, boxes) in zip(self._cameras, looks, strict=True):
                detections = boxes if boxes is not None else next(found)
                camera.process(order, fraction, detections, image)
        busy_s = (time.monotonic() - began) / len(self._cameras)
        for camera in self._cameras:
            yield camera.report(order, busy_s)

    def _detect(self, images: Sequence[Image]) -> Iterator[Detections]:
        if not images:
            return iter(())
        assert self._detector is not None
        return iter(self._detector.detect(images))


class _CameraAtWork:
    """One camera: its eye, its pipeline, and what it has to report this second."""

    def __init__(
        self,
        site: Site,
        camera: SiteCamera,
        config: WorkConfig,
        detector: Detector | None,
        index: int,
    ) -> None:
        self._camera = camera
        self._pcu = site.pcu_by_class
        self._config = config
        self._movements = tuple(path.movement for path in camera.view.movements)
        junction = site.junctions[camera.junction]
        self._place = (junction.x_m, junction.y_m)
        self._eye: _Eye
        seed = config.seed * 1009 + index
        if camera.view.source_kind is SourceKind.PIXELS:
            assert detector is not None
            self._eye = PixelEye(site, camera, seed, config.people)
            self._named = (detector.name, detector.weights_sha256)
        else:
            self._eye = _ProjectedEye(camera, seed, config.people)
            self._named = ("projected", "")
        promised = bool(camera.options.get("plates"))
        self._plates = PlateEyes() if promised else None
        self._pipeline = self._new_pipeline()
        self._second: list[FrameResult] = []
        self._counted_s = 0.0
        self._near: tuple[VehicleStates, VehicleStates] | None = None
        self._image: Image | None = None

    def _new_pipeline(self) -> CameraPipeline:
        evidence = EvidenceWriter(self._camera.view, self._config.evidence, plates=self._plates)
        return CameraPipeline(
            self._camera.view,
            detector=self._named[0],
            weights_sha256=self._named[1],
            settings=PipelineSettings(rules=self._camera.options["rules"], pcu=self._pcu),
            evidence=evidence,
            start=self._config.zero,
        )

    def begin_second(self, order: StreetSecond) -> None:
        current = order.current.near(*self._place, SIGHT_M)
        previous = order.previous.select(np.isin(order.previous.id, current.id))
        self._near = previous, current
        self._second = []

    def look(self, order: StreetSecond, fraction: float) -> tuple[Image | None, Detections | None]:
        assert self._near is not None
        return self._eye.look(interpolate(*self._near, fraction), order.aspects)

    def process(
        self, order: StreetSecond, fraction: float, detections: Detections, image: Image | None
    ) -> None:
        result = self._pipeline.process(
            order.begin_s + fraction,
            detections,
            {movement: order.aspects[movement] for movement in self._movements},
            image,
        )
        self._second.append(result)
        self._image = image

    def report(self, order: StreetSecond, busy_s: float) -> CameraReport:
        last = self._second[-1]
        counts = self._counts_due(order.begin_s)
        return CameraReport(
            camera=self._camera.id,
            begin_s=order.begin_s,
            frames=len(self._second),
            crossings=tuple(item for result in self._second for item in result.crossings),
            violations=tuple(item for result in self._second for item in result.violations),
            queue_veh=last.queue.vehicles,
            queue_m=last.queue.length_m,
            queue_at_least=last.queue.at_least,
            picture=self._picture(last),
            busy_s=busy_s,
            counts=counts,
            measures=self._pipeline.measures(counts),
        )

    def _counts_due(self, begin_s: float) -> tuple[CountRow, ...]:
        if begin_s - self._counted_s < COUNTS_S:
            return ()
        self._counted_s = begin_s
        return self._pipeline.counts()

    def end_window(self) -> CameraReport:
        crossings = self._pipeline.finish()
        self._pipeline = self._new_pipeline()
        return CameraReport(
            camera=self._camera.id,
            begin_s=0.0,
            frames=0,
            crossings=crossings,
            violations=(),
            queue_veh=0,
            queue_m=0.0,
            queue_at_least=False,
            ends_window=True,
        )

    def _picture(self, last: FrameResult) -> bytes | None:
        if self._image is None:
            return None
        image = self._image.copy()
        draw_view(image, self._camera.view)
        draw_tracks(image, last.tracks)
        done, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, PICTURE_QUALITY])
        return bytes(data) if done else None


class PixelEye:
    """Renders the camera's picture; the detector comes after."""

    def __init__(
        self, site: Site, camera: SiteCamera, seed: int, people: People | None = None
    ) -> None:
        assert site.network is not None
        scene = scene_from_network(site.network, camera.junction)
        self._renderer = Renderer(scene, PinholeCamera(camera_pose(camera)), seed, people=people)
        self._approaches = {
            approach: tuple(
                movement.id
                for movement in site.junctions[camera.junction].movements
                if movement.from_edge == approach
            )
            for approach in site.junctions[camera.junction].approaches
        }

    def look(
        self, states: VehicleStates, aspects: Mapping[str, SignalState]
    ) -> tuple[Image | None, Detections | None]:
        """The picture of these road users, with the heads as they are shown."""
        heads = {
            approach: Shown(approach_aspect([aspects[movement] for movement in movements]))
            for approach, movements in self._approaches.items()
        }
        return self._renderer.render(states, heads), None


class _ProjectedEye:
    """The street's vehicles as boxes, with misses and jitter."""

    def __init__(self, camera: SiteCamera, seed: int, people: People | None) -> None:
        self._projection = Projection(PinholeCamera(camera_pose(camera)), seed=seed, people=people)

    def look(
        self, states: VehicleStates, aspects: Mapping[str, SignalState]
    ) -> tuple[Image | None, Detections | None]:
        return None, detections_of(self._projection.observe(states))


def detections_of(seen: Boxes) -> Detections:
    """Projected boxes as a detector would give them."""
    return Detections(
        seen.xyxy.astype(np.float32),
        seen.score.astype(np.float32),
        seen.class_index.astype(np.int64),
        CLASSES,
        seen.riders,
        seen.bare_heads,
    )


def camera_pose(camera: SiteCamera) -> CameraPose:
    """Where a camera of the virtual street stands.

    Raises:
        XanhError: If its entry has no pose.
    """
    pose = camera.options.get("pose")
    if not isinstance(pose, CameraPose):
        raise XanhError(f"camera {camera.id} has no pose; the virtual street needs one")
    return pose


def approach_aspect(states: Sequence[SignalState]) -> SignalState:
    """What the main head of an approach shows: green if any of its movements has it, ..."""
    for state in (SignalState.GREEN, SignalState.YELLOW, SignalState.RED):
        if state in states:
            return state
    return states[0] if states else SignalState.UNKNOWN
