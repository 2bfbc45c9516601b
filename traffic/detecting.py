"""``xanh detect``: cameras' sources to counts, crossings, tracks and cases in a folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from detection.counting import CountingSettings
from detection.detectors import open_detector
from detection.live import LiveSource
from detection.motion_detector import MOTION, MotionDetector
from detection.pipeline import PipelineSettings
from detection.ports import Detector, FrameSource, Image
from detection.signal_log import read_signal_log, timeline_for
from detection.sources import STREAM_SCHEMES, open_source, read_image
from detection.worker import CameraJob, DetectOptions, DetectSummary, Progress, detect_sources
from detection.yolo import DetectorSettings
from models.errors import BadInput, XanhError
from models.signals import SignalTimeline
from models.site import Site, SiteCamera
from models.units import parse_utc
from traffic.settings import load_settings


def site_camera(site: Site, camera: str) -> SiteCamera:
    """A camera of the site by its id.

    Raises:
        BadInput: If there is none of that id.
    """
    try:
        return site.camera(camera)
    except KeyError:
        valid = ", ".join(item.id for item in site.cameras) or "none: the site has no cameras"
        raise BadInput("--camera", camera, f"no such camera; valid is {valid}") from None


def chosen_cameras(
    site: Site, source: str | None, camera: str, cameras: str
) -> tuple[tuple[str, str], ...]:
    """Cameras and their sources out of what was said on the command line.

    Args:
        site: The site.
        source: A source for the one camera; its own by default.
        camera: Id of the one camera; a site's only one needs no name.
        cameras: Ids of several, separated by commas, or ``all``: those that have a source.

    Raises:
        BadInput: If it names none, or one without a source, or a source for several.
    """
    if not camera and not cameras and len(site.cameras) == 1:
        camera = site.cameras[0].id
    if (camera == "") == (cameras == ""):
        raise BadInput("--camera", camera, "valid is one with --camera, or several with --cameras")
    if cameras == "all":
        names = [item.id for item in site.cameras if item.source]
    else:
        names = [name.strip() for name in (camera or cameras).split(",") if name.strip()]
    if source is not None and (cameras or len(names) != 1):
        raise BadInput("source", source, "valid with one --camera; several have their own")
    chosen = []
    for name in dict.fromkeys(names):
        own = source if source is not None else site_camera(site, name).source
        if not own:
            raise BadInput(
                f"camera {name}", "source", "is absent; valid is one here or in the site"
            )
        chosen.append((name, own))
    if not chosen:
        raise BadInput("--cameras", cameras, "the site has no camera with a source")
    return tuple(chosen)


@dataclass(frozen=True, slots=True)
class DetectRequest:
    """What a run of ``xanh detect`` was asked for.

    Attributes:
        cameras: Each camera's id and its source (video file, folder of images, URL).
        out: Folder to write; of several cameras each has its own below it.
        signals: The controller's log as CSV; without it the lamp is read where the site says
            where it is, else no red light is flagged.
        weights: Detector, as ``detection.detectors.open_detector`` names them.
        start: ISO time of the first frame.
        overlay: Also write a video with what was seen drawn into it.
        tiles: Look a second time, closer, at the part of the picture where vehicles queue; as
            the camera's ``tiles`` says by default, else not.
        seconds: Stop after so much of each source.
        interval_s: Length of a counting interval.
    """

    cameras: tuple[tuple[str, str], ...]
    out: Path
    signals: Path | None = None
    weights: str | None = None
    start: str | None = None
    overlay: bool = False
    tiles: bool | None = None
    seconds: float | None = None
    interval_s: float = 900.0


def detect_to_folder(
    site: Site,
    request: DetectRequest,
    *,
    stop: Callable[[], bool] = lambda: False,
    progress: Callable[[str], None] | None = None,
) -> str:
    """Detect in sources and write everything below a folder; lines on what was seen.

    Args:
        site: The site; its cameras' views say what to count.
        request: What is asked for.
        stop: When it says so, files are finished with what was seen so far.
        progress: Given a line on each camera about once a second.

    Raises:
        BadInput: Naming what is wrong with source, camera, signals, weights or start.
        XanhError: If nothing can be written. Of several cameras those that fail are told in the
            lines of the others, and raised only when all fail.
    """
    began: datetime | None = None
    if request.start is not None:
        try:
            began = parse_utc(request.start)
        except ValueError:
            valid = "valid is like 2026-11-22T07:00:00+07:00"
            raise BadInput("--start", request.start, valid) from None
    several = len(request.cameras) > 1
    opened = _Detectors(request.weights)
    jobs: list[CameraJob] = []
    lines: list[str] = []
    failed: list[XanhError] = []
    try:
        for name, source in request.cameras:
            folder = request.out / name if several else request.out
            try:
                item = site_camera(site, name)
                settings = PipelineSettings(
                    rules=item.options["rules"],
                    pcu=site.pcu_by_class,
                    counting=CountingSettings(interval_s=request.interval_s),
                )
                jobs.append(
                    _job(item, source, folder, request, began, opened, settings, patient=several)
                )
            except XanhError as error:
                failed.append(error)
                lines.append(str(error))
    except BaseException:
        for job in jobs:
            job.source.close()
        raise
    told = None if progress is None else lambda each: progress(_progress_line(each))
    for job, outcome in zip(jobs, detect_sources(jobs, stop=stop, progress=told), strict=True):
        prefix = f"{job.view.camera}: " if several else ""
        if isinstance(outcome, XanhError):
            failed.append(outcome)
            lines.append(str(outcome))
        else:
            advisory = isinstance(job.detector, MotionDetector)
            lines += [prefix + line for line in _lines(outcome, advisory=advisory)]
    if len(failed) == len(request.cameras):
        raise failed[0]
    return "\n".join(lines)


class _Detectors:
    """Detectors by name, each loaded once; one by motion is its camera's alone."""

    def __init__(self, weights: str | None) -> None:
        self._weights = weights
        self._settings = load_settings()
        self._shared: dict[str, Detector] = {}

    def of(self, camera: SiteCamera) -> Detector:
        name = str(self._weights or camera.options.get("weights") or self._settings.weights)
        settings = DetectorSettings(runtime=self._settings.inference)
        if name == MOTION:
            return open_detector(name, settings, view=camera.view)
        if name not in self._shared:
            self._shared[name] = open_detector(name, settings)
        return self._shared[name]


def _job(
    item: SiteCamera,
    source: str,
    folder: Path,
    request: DetectRequest,
    began: datetime | None,
    detectors: _Detectors,
    pipeline: PipelineSettings,
    *,
    patient: bool,
) -> CameraJob:
    timeline: SignalTimeline | None = None
    if request.signals is not None:
        movements = [path.movement for path in item.view.movements]
        names = [item.id, item.approach, *dict.fromkeys(movements), item.junction]
        log = read_signal_log(request.signals, began)
        timeline = timeline_for(log, names, str(request.signals))
    detector = detectors.of(item)
    rate = item.options.get("rate_fps")
    tiles = bool(item.options.get("tiles")) if request.tiles is None else request.tiles
    options = DetectOptions(
        start=began,
        overlay=request.overlay,
        pipeline=pipeline,
        tiles=tiles,
        until_s=request.seconds,
        plates=bool(item.options.get("plates")),
        reference=reference_picture(item),
    )
    frames: FrameSource
    if patient and source.startswith(STREAM_SCHEMES):
        frames = LiveSource(source, patient=True)  # one that is away keeps no other waiting
    else:
        frames = open_source(source, folder_rate_hz=float(rate) if rate is not None else None)
    return CameraJob(frames, item.view, detector, folder, timeline, options)


def _lines(summary: DetectSummary, *, advisory: bool) -> list[str]:
    """What was wrong with the source, and what was seen."""
    lines = [
        f"{event.kind} from {event.start_s:.1f} s to {event.end_s:.1f} s: {event.detail}"
        for event in summary.health
        if event.end_s is not None
    ]
    counted = sum(row.count for row in summary.counts)
    by = ", found by motion alone: advisory" if advisory else ""
    dropped = f", {summary.dropped} dropped" if summary.dropped else ""
    lines.append(
        f"{summary.frames} frames, {summary.duration_s:.1f} s: {counted} vehicles counted, "
        f"longest queue {summary.largest_queue}, {summary.violations} flags for review{by}; "
        f"{summary.frames_per_s:.1f} frames/s{dropped}; wrote {summary.folder}"
    )
    return lines


def _progress_line(cameras: Sequence[Progress]) -> str:
    return "; ".join(
        f"{each.camera} {each.time_s:.0f} s, {each.frames} frames, "
        f"{each.frames_per_s:.1f} frames/s, "
        + (f"{each.dropped} dropped, " if each.dropped else "")
        + f"{each.counted} counted, {each.flagged} flags"
        for each in cameras
    )


def reference_picture(camera: SiteCamera) -> Image | None:
    """The picture that the camera was calibrated on, None if none was kept.

    Raises:
        BadInput: If it cannot be read.
    """
    path = camera.options.get("reference")
    return None if path is None else read_image(Path(path))
