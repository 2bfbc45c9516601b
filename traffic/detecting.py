"""``xanh detect``: one camera's source to counts, crossings, tracks and cases in a folder."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from detection.detectors import open_detector
from detection.motion_detector import MotionDetector
from detection.pipeline import PipelineSettings
from detection.ports import Image
from detection.signal_log import read_signal_log, timeline_for
from detection.sources import open_source, read_image
from detection.worker import DetectOptions, detect_source
from detection.yolo import DetectorSettings
from models.errors import BadInput
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


def detect_to_folder(
    source: str,
    site: Site,
    camera: str,
    out: Path,
    *,
    signals: Path | None = None,
    weights: str | None = None,
    start: str | None = None,
    overlay: bool = False,
    tiles: bool | None = None,
    seconds: float | None = None,
) -> str:
    """Detect in a source and write everything below a folder; a line on what was seen.

    Args:
        source: Video file, folder of images, RTSP or HTTP URL.
        site: The site; its camera's view says what to count.
        camera: Id of the camera.
        out: Folder to write.
        signals: The controller's log as CSV; without it the lamp is read where the site says
            where it is, else no red light is flagged.
        weights: Detector, as ``detection.detectors.open_detector`` names them.
        start: ISO time of the first frame.
        overlay: Also write a video with what was seen drawn into it.
        tiles: Look a second time, closer, at the part of the picture where vehicles queue; as
            the camera's ``tiles`` says by default, else not.
        seconds: Stop after so much of the source; a live stream needs it.

    Raises:
        BadInput: Naming what is wrong with source, camera, signals, weights or start.
        XanhError: If nothing can be written.
    """
    item = site_camera(site, camera)
    began: datetime | None = None
    if start is not None:
        try:
            began = parse_utc(start)
        except ValueError as error:
            raise BadInput("--start", start, str(error)) from None
    timeline: SignalTimeline | None = None
    if signals is not None:
        movements = [path.movement for path in item.view.movements]
        names = [item.id, item.approach, *dict.fromkeys(movements), item.junction]
        timeline = timeline_for(read_signal_log(signals, began), names, str(signals))
    chosen = load_settings()
    detector = open_detector(
        weights or item.options.get("weights") or chosen.weights,
        DetectorSettings(runtime=chosen.inference),
        view=item.view,
    )
    rate = item.options.get("rate_fps")
    frames = open_source(source, folder_rate_hz=float(rate) if rate is not None else None)
    summary = detect_source(
        frames,
        item.view,
        detector,
        out,
        signals=timeline,
        options=DetectOptions(
            start=began,
            overlay=overlay,
            pipeline=PipelineSettings(rules=item.options["rules"]),
            tiles=bool(item.options.get("tiles")) if tiles is None else tiles,
            until_s=seconds,
            plates=bool(item.options.get("plates")),
            reference=reference_picture(item),
        ),
    )
    counted = sum(row.count for row in summary.counts)
    lines = [
        f"{event.kind} from {event.start_s:.1f} s to {event.end_s:.1f} s: {event.detail}"
        for event in summary.health
        if event.end_s is not None
    ]
    advisory = ", found by motion alone: advisory" if isinstance(detector, MotionDetector) else ""
    lines.append(
        f"{summary.frames} frames, {summary.duration_s:.1f} s: {counted} vehicles counted, "
        f"longest queue {summary.largest_queue}, {summary.violations} flags for review{advisory}; "
        f"{summary.frames_per_s:.1f} frames/s; wrote {out}"
    )
    return "\n".join(lines)


def reference_picture(camera: SiteCamera) -> Image | None:
    """The picture that the camera was calibrated on, None if none was kept.

    Raises:
        BadInput: If it cannot be read.
    """
    path = camera.options.get("reference")
    return None if path is None else read_image(Path(path))
