"""Watching a camera's picture: still, blank, of another size, or looking elsewhere.

A frame that cannot be believed is not counted in: it does not reach the pipeline, so the coverage
of its interval falls, and nothing is flagged on it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from detection.ports import Frame, Image
from detection.pose_watch import Pose, PoseSettings, PoseWatch
from detection.sway import SwayWatch
from models.counts import CountRow
from models.health import HealthEvent, HealthKind

THUMB_PX: Final = (160, 120)
BLACK_LEVEL: Final = 60
MAX_EVENTS: Final = 1000


@dataclass(frozen=True, slots=True)
class HealthSettings:
    """When a picture is not believed.

    ``frozen_s`` without any pixel of the reduced picture changing by more than ``still_levels``
    (of 255), nor all of them by ``still_mean`` on average, is a frozen camera: a living one has
    noise, and a still picture that is encoded again and again wavers less. A picture as still as
    that (by ``repeat_mean`` on average) within ``repeat_s`` of the last one that was used is the
    same once more: a recorder writes 25 frames a second of a camera with 6. Where something moved
    before it is so within ``hangs_s``: a network that stutters shows a picture on. A picture whose
    values span less than ``blank_levels`` shows nothing; ``blank_s`` of that make an event.
    ``same_shape`` is how far the ratio of the sides may differ for a picture of another size to
    be scaled back to the calibrated one.
    """

    frozen_s: float = 8.0
    still_levels: int = 8
    still_mean: float = 0.7
    repeat_mean: float = 1.0
    repeat_s: float = 0.5
    hangs_s: float = 0.95
    blank_levels: int = 24
    blank_s: float = 0.5
    same_shape: float = 0.01
    pose: PoseSettings | None = field(default_factory=PoseSettings)


@dataclass(frozen=True, slots=True)
class Seen:
    """A frame as the monitor lets it through.

    ``image`` has the calibrated size and lies as it does while the camera rests; None where there
    is none, or it must not be used. ``evidence`` is what to keep of it, see
    :class:`detection.sway.Steadied`.
    """

    image: Image | None
    evidence: Image | None
    usable: bool = True


class HealthMonitor:
    """Looks at every frame of one camera and keeps its events."""

    def __init__(
        self,
        size_px: tuple[int, int],
        reference: Image | None = None,
        settings: HealthSettings | None = None,
    ) -> None:
        """Set up.

        Args:
            size_px: Width and height that the camera was set up with.
            reference: The picture that was calibrated, if it was kept.
            settings: Parameters.
        """
        self._size = size_px
        self._settings = settings or HealthSettings()
        pose = self._settings.pose
        self._pose = None if pose is None else PoseWatch(reference, pose)
        self._sway = SwayWatch()
        self._events: list[HealthEvent] = []
        self._open: dict[HealthKind, HealthEvent] = {}
        self._still: tuple[float, npt.NDArray[np.int16]] | None = None
        self._used: tuple[float, npt.NDArray[np.int16]] | None = None
        self._stands = False
        """Whether nothing has changed for so long that the street is taken to stand still."""
        self._blank_since_s: float | None = None
        self._in_place_s: float | None = None
        """The last time that the camera surely looked where it should."""
        self._moved = False
        self._disbelieved: list[tuple[float, float]] = []

    @property
    def events(self) -> tuple[HealthEvent, ...]:
        """What was and is wrong, by start; what still lasts has no end."""
        return tuple(sorted((*self._events, *self._open.values()), key=lambda e: e.start_s))

    @property
    def now(self) -> tuple[HealthEvent, ...]:
        """What is wrong now."""
        return tuple(self._open.values())

    def suspends(self, time_s: float) -> bool:
        """Whether nothing may be flagged at this time: the picture was not to be believed."""
        moves = [e for e in (*self._events, *self._open.values()) if e.kind is HealthKind.MOVED]
        spans = [(e.start_s, e.end_s) for e in moves] + self._disbelieved
        return any(
            start_s <= time_s and (end_s is None or time_s <= end_s) for start_s, end_s in spans
        )

    def look(self, frame: Frame) -> Seen:
        """Judge a frame; one without a picture (projected boxes) passes."""
        if frame.image is None:
            return Seen(None, None)  # boxes without a picture
        if self._in_place_s is None:
            self._in_place_s = frame.time_s
        image = self._fitted(frame.time_s, frame.image)
        if image is None:
            return _REFUSED
        thumb = np.asarray(
            cv2.cvtColor(
                cv2.resize(image, THUMB_PX, interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2GRAY
            ),
            np.int16,
        )
        if self._is_blank(frame.time_s, thumb):
            self._still = None
            self._end(HealthKind.FROZEN, frame.time_s)
            return _REFUSED
        self._look_for_change(frame.time_s, thumb)
        if HealthKind.FROZEN in self._open:
            return _REFUSED
        if self._repeats(frame.time_s, thumb):
            return _REFUSED
        self._used = frame.time_s, thumb
        self._look_at_pose(frame.time_s, image)
        steadied = self._sway.steadied(frame.time_s, image)
        return _REFUSED if self._moved else Seen(steadied.image, steadied.evidence)

    def discounted(self, rows: Iterable[CountRow], start: datetime) -> tuple[CountRow, ...]:
        """Rows whose coverage leaves out what was watched before it turned out to be wrong.

        Args:
            rows: Counts as the pipeline gives them.
            start: The moment at which the source's clock shows 0.
        """
        spans = [
            (start + timedelta(seconds=begin_s), start + timedelta(seconds=end_s))
            for begin_s, end_s in self._disbelieved
        ]
        return tuple(
            replace(row, coverage=max(row.coverage - _share(row, spans), 0.0)) if spans else row
            for row in rows
        )

    def finish(self, time_s: float) -> None:
        """End what lasts: the source is over."""
        for kind in list(self._open):
            self._end(kind, time_s)

    def _fitted(self, time_s: float, image: Image) -> Image | None:
        height, width = image.shape[:2]
        if (width, height) == self._size:
            self._end(HealthKind.SIZE_CHANGED, time_s)
            return image
        ours = self._size[0] / self._size[1]
        alike = abs(width / height / ours - 1.0) <= self._settings.same_shape
        self._begin(
            HealthKind.SIZE_CHANGED,
            time_s,
            f"{width}x{height} instead of {self._size[0]}x{self._size[1]}: "
            + ("scaled" if alike else "of another shape, not used"),
        )
        if not alike:
            return None
        return np.asarray(cv2.resize(image, self._size, interpolation=cv2.INTER_AREA), np.uint8)

    def _is_blank(self, time_s: float, thumb: npt.NDArray[np.int16]) -> bool:
        low, high = int(thumb.min()), int(thumb.max())
        if high - low >= self._settings.blank_levels:
            self._blank_since_s = None
            self._end(HealthKind.BLANK, time_s)
            return False
        if self._blank_since_s is None:
            self._blank_since_s = time_s
        if time_s - self._blank_since_s >= self._settings.blank_s:
            what = "black" if high < BLACK_LEVEL else "of one colour"
            self._begin(HealthKind.BLANK, self._blank_since_s, what)
        return True

    def _look_for_change(self, time_s: float, thumb: npt.NDArray[np.int16]) -> None:
        still = self._still
        if still is None or not self._still_as(still[1], thumb, self._settings.still_mean):
            self._still = time_s, thumb
            self._end(HealthKind.FROZEN, time_s)
        elif HealthKind.FROZEN not in self._open and time_s - still[0] >= self._settings.frozen_s:
            self._begin(HealthKind.FROZEN, still[0], "the picture does not change at all")
            self._disbelieve(still[0], time_s)

    def _repeats(self, time_s: float, thumb: npt.NDArray[np.int16]) -> bool:
        s = self._settings
        if self._used is None or not self._still_as(self._used[1], thumb, s.repeat_mean):
            self._stands = False
            return False
        # Traffic does not come to rest all at once: a picture of it that comes again hangs.
        if time_s - self._used[0] < (s.repeat_s if self._stands else s.hangs_s):
            return True
        self._stands = True
        return False

    def _still_as(
        self, before: npt.NDArray[np.int16], now: npt.NDArray[np.int16], mean: float
    ) -> bool:
        change = np.abs(now - before)
        return int(change.max()) <= self._settings.still_levels and float(change.mean()) <= mean

    def _look_at_pose(self, time_s: float, image: Image) -> None:
        finding = None if self._pose is None else self._pose.look(time_s, image)
        if finding is None or finding.pose is Pose.UNSURE:
            return
        if finding.pose is Pose.IN_PLACE:
            self._in_place_s, self._moved = time_s, False
            self._end(HealthKind.MOVED, time_s)
            return
        since_s = time_s if self._in_place_s is None else self._in_place_s
        if not self._moved:
            # Believed at once, told when a second look agrees.
            self._moved = True
            self._disbelieve(since_s, time_s)
        else:
            self._begin(
                HealthKind.MOVED,
                since_s,
                f"the scene has shifted by about {finding.shift_px:.0f} px; calibrate again, or "
                "turn the camera back",
            )

    def _disbelieve(self, start_s: float, end_s: float) -> None:
        self._disbelieved.append((start_s, end_s))
        del self._disbelieved[:-MAX_EVENTS]

    def _begin(self, kind: HealthKind, start_s: float, detail: str) -> None:
        if kind not in self._open:
            self._open[kind] = HealthEvent(kind, start_s, None, detail)

    def _end(self, kind: HealthKind, end_s: float) -> None:
        event = self._open.pop(kind, None)
        if event is not None:
            self._events.append(replace(event, end_s=max(end_s, event.start_s)))
            del self._events[:-MAX_EVENTS]


def _share(row: CountRow, spans: Sequence[tuple[datetime, datetime]]) -> float:
    """Part of a row's interval that lies in the spans."""
    seconds = sum(
        max((min(row.end, end) - max(row.start, begin)).total_seconds(), 0.0)
        for begin, end in spans
    )
    return seconds / row.duration_s


_REFUSED: Final = Seen(None, None, usable=False)
