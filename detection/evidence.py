"""The evidence of one flag: frames, crops, a clip and ``case.json`` in a folder of its own.

The folder is written under another name and renamed when it is complete: it is there as a whole
or not at all. A camera without a picture gives schematic drawings, and the case says so.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from detection.bystanders import PLACES_FILE, Box, CasePlaces, ClipFrame, places_of
from detection.drafts import Draft, remove_left_over
from detection.overlay import (
    PlanView,
    draw_path,
    draw_stop_line,
    draw_tracks,
    with_footer,
    with_signal_strip,
)
from detection.plane import GroundPlane
from detection.plate_reader import PlateReading
from detection.plates import PlateEyes, TrackPlate, vote
from detection.ports import Image
from detection.snapshots import Snapshot, encode_jpeg
from detection.webm import check_webm, open_webm
from models.camera import CameraView, Point, SourceKind
from models.errors import XanhError
from models.signals import SignalChange, SignalTimeline
from models.violation import ADVISORY as ADVISORY_KINDS
from models.violation import SCREENING, Violation

CLIP_FILE: Final = "clip.webm"
CLIP_WIDTH_PX: Final = 480
CROP_MARGIN: Final = 0.25
PLATE_LOOKS: Final = 12
"""A plate is looked for in so many of the frames around the act, the nearest views first."""
ADVISORY: Final = "A flag for review by an authorised person; not a finding of an offence."
MOTION_CAUTION: Final = "Seen by motion alone, without trained weights: advisory."
SCREENING_CAUTION: Final = "Screening only: a speed from a camera is no measurement in law."
RIDERS_CAUTION: Final = "Advisory: no packaged weights count riders or tell helmets yet."


@dataclass(frozen=True, slots=True)
class EvidenceSettings:
    """``before_s`` and ``after_s`` bound the clip around the act, as far as frames are kept."""

    before_s: float = 3.0
    after_s: float = 6.0
    max_clip_frames: int = 60


@dataclass(frozen=True, slots=True)
class KeyMoment:
    """A frame that the case shows: ``name`` is before, at or inside."""

    name: str
    time_s: float


class EvidenceWriter:
    """Writes the folders of one camera's cases below ``folder``."""

    def __init__(
        self,
        view: CameraView,
        folder: Path,
        settings: EvidenceSettings | None = None,
        plates: PlateEyes | None = None,
    ) -> None:
        """Set up; half a case that a killed process left there is removed.

        Args:
            view: The camera's view.
            folder: Where cases go.
            settings: How much is kept around an act.
            plates: Reads plates; None where the camera does not promise any.
        """
        self._view = view
        self._plates = plates
        self._folder = folder
        remove_left_over(folder)
        self._settings = settings or EvidenceSettings()
        self._plan = PlanView(view)
        first, second = GroundPlane(view).to_image(np.array(view.stop_line, np.float64)).tolist()
        self._line_px: tuple[Point, Point] = (tuple(first), tuple(second))

    def folder(self, violation: str) -> Path:
        """Where the case of this violation lies."""
        return self._folder / violation

    def write(
        self, violation: Violation, moments: Sequence[KeyMoment], snapshots: Sequence[Snapshot]
    ) -> Path:
        """Write a case.

        Args:
            violation: What was flagged.
            moments: The frames to show; each becomes ``NAME.jpg`` with an overlay,
                ``NAME-raw.jpg`` as recorded and ``NAME-crop.jpg`` of the vehicle.
            snapshots: The frames kept around the act, oldest first; at least one.

        Returns:
            The case's folder.

        Raises:
            XanhError: If it cannot be written.
        """
        if not snapshots:
            raise XanhError(f"no frames are kept for {violation.id}: the case is not written")
        target = self.folder(violation.id)
        try:
            draft = Draft(target)
        except OSError as error:
            raise XanhError(f"{self._folder}: cannot write evidence: {error.strerror}") from None
        try:
            self._fill(draft.folder, violation, moments, snapshots)
            draft.folder.chmod(0o755)
            os.replace(draft.folder, target)
        except OSError as error:
            raise XanhError(f"{target}: cannot write evidence: {error.strerror}") from None
        finally:
            draft.release()
        return target

    def _fill(
        self,
        draft: Path,
        violation: Violation,
        moments: Sequence[KeyMoment],
        snapshots: Sequence[Snapshot],
    ) -> None:
        signal = SignalTimeline(tuple(SignalChange(*change) for change in violation.signal))
        frames: list[dict[str, Any]] = []
        shown = {moment.name: _shot_of(moment, snapshots, violation) for moment in moments}
        for name, shot in shown.items():
            frames.append(self._frame(draft, violation, name, shot, snapshots, signal))
        plate = self._plate(draft / "plate.jpg", violation, snapshots)
        clip = self._clip(draft / CLIP_FILE, violation, snapshots, signal)
        if snapshots[0].jpeg is not None:
            places = CasePlaces(
                size_px=(self._view.width_px, self._view.height_px),
                subject=violation.track,
                lamp_px=self._view.lamp_px,
                stop_line_px=self._line_px,
                frames={name: places_of(shot) for name, shot in shown.items()},
                clip=tuple(ClipFrame(shot.time_s, places_of(shot)) for shot in clip),
            )
            (draft / PLACES_FILE).write_text(places.to_json(), encoding="utf-8")
        files = {
            path.name: hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(draft.iterdir())
        }
        case = {
            **violation.to_dict(),
            "note": ADVISORY,
            "caution": _caution(violation),
            "schematic": snapshots[0].jpeg is None,
            "plate": plate,
            "frames": frames,
            "clip": {
                "file": CLIP_FILE,
                "start_s": round(snapshots[0].time_s, 3),
                "end_s": round(snapshots[-1].time_s, 3),
            },
            "files_sha256": files,
        }
        text = json.dumps(case, ensure_ascii=False, indent=2)
        (draft / "case.json").write_text(text + "\n", encoding="utf-8")

    def _frame(
        self,
        draft: Path,
        violation: Violation,
        name: str,
        shot: Snapshot,
        snapshots: Sequence[Snapshot],
        signal: SignalTimeline,
    ) -> dict[str, Any]:
        image = shot.image()
        files = [f"{name}.jpg"]
        if image is not None:
            assert shot.jpeg is not None
            (draft / f"{name}-raw.jpg").write_bytes(shot.jpeg)
            files.append(f"{name}-raw.jpg")
            box = next((t.box_px for t in shot.tracks if t.id == violation.track), None)
            crop = None if box is None else crop_around(image, box)
            if crop is not None:
                (draft / f"{name}-crop.jpg").write_bytes(encode_jpeg(crop))
                files.append(f"{name}-crop.jpg")
        drawn = self._drawn(violation, shot, signal, snapshots)
        (draft / f"{name}.jpg").write_bytes(encode_jpeg(drawn))
        return {
            "name": name,
            "files": files,
            "frame": shot.frame,
            "time_s": round(shot.time_s, 3),
            "signal_state": signal.state_at(shot.time_s).value,
        }

    def _drawn(
        self,
        violation: Violation,
        shot: Snapshot,
        signal: SignalTimeline,
        snapshots: Sequence[Snapshot],
    ) -> Image:
        image = shot.image()
        if image is None:
            image = self._plan.draw(shot.tracks, violation.track)
        else:
            draw_stop_line(image, self._line_px)
            draw_tracks(image, [t for t in shot.tracks if t.id == violation.track], violation.track)
            draw_path(image, _contacts(violation, shot.time_s))
        image = with_footer(image, signal.state_at(shot.time_s), shot.time_s)
        return with_signal_strip(
            image, signal, snapshots[0].time_s, snapshots[-1].time_s, shot.time_s
        )

    def _plate(
        self, path: Path, violation: Violation, snapshots: Sequence[Snapshot]
    ) -> dict[str, Any]:
        """What the vehicle's plate says, by a vote over its frames; the best crop in a file."""
        if self._plates is None:
            return {"state": "not_promised", "text": None}
        views = []
        for shot in snapshots:
            box = next((t.box_px for t in shot.tracks if t.id == violation.track), None)
            if box is not None and shot.jpeg is not None:
                views.append(((box[2] - box[0]) * (box[3] - box[1]), shot, box))
        views.sort(key=lambda item: -item[0])
        readings, crops = [], []
        for _, shot, box in views[:PLATE_LOOKS]:
            image = shot.image()
            reading = None if image is None else self._plates.read_vehicle(image, box)
            if image is not None and reading is not None:
                readings.append(reading)
                crops.append((reading.score, reading.found.width_px, _around(image, reading)))
        if crops:
            path.write_bytes(encode_jpeg(max(crops, key=lambda item: item[:2])[2]))
        return _plate_entry(vote(readings), len(crops))

    def _clip(
        self,
        path: Path,
        violation: Violation,
        snapshots: Sequence[Snapshot],
        signal: SignalTimeline,
    ) -> Sequence[Snapshot]:
        """Write the clip; the snapshots that are in it."""
        step = max(1, -(-len(snapshots) // self._settings.max_clip_frames))
        chosen = snapshots[::step]
        pictures = [self._drawn(violation, shot, signal, snapshots) for shot in chosen]
        span = chosen[-1].time_s - chosen[0].time_s
        rate = (len(chosen) - 1) / span if span > 0 else 6.0
        write_clip(path, pictures, rate)
        return chosen


def _caution(violation: Violation) -> str | None:
    """What is to be known before such a flag is trusted."""
    if violation.source_kind == SourceKind.MOTION:
        return MOTION_CAUTION
    if violation.kind in SCREENING:
        return SCREENING_CAUTION
    return RIDERS_CAUTION if violation.kind in ADVISORY_KINDS else None


def _shot_of(moment: KeyMoment, snapshots: Sequence[Snapshot], violation: Violation) -> Snapshot:
    """The snapshot of a moment; before the act one in which the vehicle is followed already."""
    followed = [
        shot
        for shot in snapshots
        if shot.time_s < violation.time_s and any(t.id == violation.track for t in shot.tracks)
    ]
    early = moment.time_s < violation.time_s
    return min(
        followed if early and followed else snapshots,
        key=lambda item: abs(item.time_s - moment.time_s),
    )


def write_clip(path: Path, pictures: Sequence[Image], rate_hz: float) -> None:
    """Write pictures of one size as a clip that browsers play.

    Raises:
        XanhError: If it cannot be written.
    """
    height, width = pictures[0].shape[:2]
    scale = min(1.0, CLIP_WIDTH_PX / width)
    size = (round(width * scale) // 2 * 2, round(height * scale) // 2 * 2)
    writer = open_webm(path, rate_hz, size)
    try:
        for picture in pictures:
            writer.write(cv2.resize(picture, size, interpolation=cv2.INTER_AREA))
    finally:
        writer.release()
    check_webm(path)


def _plate_entry(agreed: TrackPlate, seen: int) -> dict[str, Any]:
    state = "unreadable" if agreed.plate is None else "read"
    return {
        "state": state,
        "text": None if agreed.plate is None else str(agreed.plate),
        "frames_seen": seen,
        "frames_read": agreed.readings,
        "share": round(agreed.share, 3),
    }


def _around(image: Image, reading: PlateReading) -> Image:
    """The plate with a little of what is around it."""
    low, high = reading.found.quad.min(0), reading.found.quad.max(0)
    margin = 0.15 * (high - low) + 2
    height, width = image.shape[:2]
    x0, y0 = np.clip(low - margin, 0, [width - 2, height - 2]).astype(int)
    x1, y1 = np.clip(high + margin, [x0 + 2, y0 + 2], [width, height]).astype(int)
    return image[y0:y1, x0:x1]


def _contacts(violation: Violation, until_s: float) -> list[Point]:
    return [(p.x_px, p.y_px) for p in violation.points if p.time_s <= until_s + 1e-6]


def crop_around(image: Image, box: Box) -> Image | None:
    """A vehicle with a margin; None where its box is out of the picture."""
    x0, y0, x1, y1 = box
    margin_x, margin_y = CROP_MARGIN * (x1 - x0), CROP_MARGIN * (y1 - y0)
    height, width = image.shape[:2]
    left, right = np.clip([x0 - margin_x, x1 + margin_x], 0, width).astype(int)
    top, bottom = np.clip([y0 - margin_y, y1 + margin_y], 0, height).astype(int)
    if right - left < 2 or bottom - top < 2:
        return None
    return image[top:bottom, left:right]
