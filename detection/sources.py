"""Frames from files and folders; live streams are in :mod:`detection.live`."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from detection.live import LiveSource
from detection.ports import Frame, FrameSource, Image
from models.errors import BadInput
from models.health import HealthEvent, HealthKind

IMAGE_SUFFIXES: Final = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp"})
STREAM_SCHEMES: Final = ("rtsp://", "rtsps://", "http://", "https://")
GAP_S: Final = 2.0
"""A longer time between two frames of a file is a gap, unless its frames are as rare as that."""
BACK_S: Final = 1.0
FORTH_S: Final = 3600.0
"""A timestamp so far before or behind the last one is a clock that was set."""


def open_source(source: str, *, folder_rate_hz: float | None = None) -> FrameSource:
    """Open a video file, a folder of images, or an RTSP or HTTP URL.

    Args:
        source: Path or URL.
        folder_rate_hz: Frames per second of a folder of images; a folder has no clock of its
            own, so it must be said.

    Raises:
        BadInput: If there is nothing there that can be read.
    """
    if source.startswith(STREAM_SCHEMES):
        return LiveSource(source)
    path = Path(source)
    if path.is_dir():
        return FolderSource(path, folder_rate_hz)
    return FileSource(path)


class FileSource:
    """A video file; the time of a frame is its own timestamp, counted from the first frame.

    The rate may vary: nothing is derived from a nominal one. ``faults`` tells where the file has
    gaps, where its clock was set (the frames go on without a leap), and that it breaks off.
    """

    kind = "file"

    def __init__(self, path: Path) -> None:
        """Open the file.

        Raises:
            BadInput: If it is missing, empty, or no video that can be decoded.
        """
        if not path.is_file():
            raise BadInput(str(path), "", "no such video file")
        if path.stat().st_size == 0:
            raise BadInput(str(path), "", "the file is empty; valid is a video")
        self._path = path
        self._capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
        if not self._capture.isOpened():
            raise BadInput(
                str(path),
                "",
                "not a video that can be decoded: truncated, damaged or of an unknown codec; "
                "valid is like MP4 with H.264",
            )
        self._size = (
            int(self._capture.get(cv2.CAP_PROP_FRAME_WIDTH)),
            int(self._capture.get(cv2.CAP_PROP_FRAME_HEIGHT)),
        )
        frames = self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        rate_hz = self._capture.get(cv2.CAP_PROP_FPS)
        self._promised_s = frames / rate_hz if frames > 0 and rate_hz > 0 else 0.0
        self.faults: list[HealthEvent] = []

    @property
    def size_px(self) -> tuple[int, int]:
        """Width and height from the file's header."""
        return self._size

    @property
    def promised_s(self) -> float:
        """Length that the header promises; 0 when it says nothing."""
        return self._promised_s

    def __iter__(self) -> Iterator[Frame]:
        """The frames in order.

        Raises:
            BadInput: If no frame can be decoded.
        """
        clock = FileClock(self.faults)
        index = 0
        while True:
            done, image = self._capture.read()
            if not done:
                break
            time_s = clock.time_of(self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000.0)
            if time_s is not None:
                yield Frame(index, time_s, image)
                index += 1
        if index == 0:
            raise BadInput(
                str(self._path),
                "",
                "no frame can be decoded: truncated, damaged or of an unknown codec",
            )
        missing_s = self._promised_s - clock.jumped_s - clock.last_s - clock.step_s
        if missing_s > max(1.0, 0.05 * self._promised_s):
            self.faults.append(
                HealthEvent(
                    HealthKind.TRUNCATED,
                    clock.last_s,
                    clock.last_s + missing_s,
                    f"the video breaks off at {clock.last_s:.1f} s; its header promises "
                    f"{self._promised_s:.1f} s",
                )
            )

    def close(self) -> None:
        """Close the file."""
        self._capture.release()


class FileClock:
    """Times of a file's frames, ascending from 0, out of its timestamps."""

    def __init__(self, faults: list[HealthEvent]) -> None:
        """Set up; gaps and jumps of the clock are added to ``faults``."""
        self._faults = faults
        self._origin_s: float | None = None
        self._steps: deque[float] = deque(maxlen=31)
        self.last_s = 0.0
        self.jumped_s = 0.0
        """How far the clock was set forwards in all."""

    @property
    def step_s(self) -> float:
        """Usual time between two frames, from the last ones."""
        return float(np.median(self._steps)) if self._steps else 0.0

    def time_of(self, stamp_s: float) -> float | None:
        """The time of a frame; None for one that shares its time with another."""
        if self._origin_s is None:
            self._origin_s = stamp_s
            return 0.0
        time_s = stamp_s - self._origin_s
        step_s = time_s - self.last_s
        if -BACK_S < step_s <= 0:
            return None  # a broken timestamp
        if step_s <= -BACK_S or step_s > FORTH_S:
            usual_s = self.step_s or 0.04
            self._faults.append(
                HealthEvent(
                    HealthKind.CLOCK_JUMP,
                    self.last_s,
                    self.last_s + usual_s,
                    f"the clock jumps by {step_s:+.1f} s; the frames go on without it",
                )
            )
            self._origin_s += step_s - usual_s
            self.jumped_s += max(step_s, 0.0)
            time_s = self.last_s + usual_s
        elif step_s > max(GAP_S, 5.0 * self.step_s):
            self._faults.append(
                HealthEvent(HealthKind.GAP, self.last_s, time_s, f"no frame for {step_s:.1f} s")
            )
        else:
            self._steps.append(step_s)
        self.last_s = time_s
        return time_s


class FolderSource:
    """Images of a folder in order of name (numbers by their value: 9 before 10), at a declared
    rate. One that cannot be decoded keeps its place in time; ``faults`` tells of it as a gap.
    """

    kind = "folder"

    def __init__(self, folder: Path, rate_hz: float | None) -> None:
        """Look into the folder.

        Raises:
            BadInput: If no rate is given, or it has no image that can be read.
        """
        paths = (p for p in folder.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES)
        self._paths = sorted(paths, key=_counted_name)
        if not self._paths:
            raise BadInput(str(folder), "", "the folder has no images; valid are .jpg and .png")
        if rate_hz is None or not rate_hz > 0:
            raise BadInput(
                str(folder),
                "frame rate",
                "a folder of images has no clock; valid is a camera with rate_fps above 0",
            )
        self._rate_hz = rate_hz
        self.faults: list[HealthEvent] = []
        self._size = _first_size(self._paths)

    @property
    def size_px(self) -> tuple[int, int]:
        """Width and height of the first image that can be read."""
        return self._size

    def __iter__(self) -> Iterator[Frame]:
        """The images in order."""
        damaged: list[str] = []
        for index, path in enumerate(self._paths):
            try:
                image = read_image(path)
            except BadInput:
                damaged.append(path.name)
                continue
            self._note(damaged, index)
            damaged.clear()
            yield Frame(index, index / self._rate_hz, image)
        self._note(damaged, len(self._paths))

    def _note(self, damaged: Sequence[str], until: int) -> None:
        if damaged:
            others = f" and {len(damaged) - 1} after it" if len(damaged) > 1 else ""
            start_s = (until - len(damaged)) / self._rate_hz
            detail = f"{damaged[0]}{others}: not an image that can be decoded"
            gap = HealthEvent(HealthKind.GAP, start_s, until / self._rate_hz, detail)
            self.faults.append(gap)

    def close(self) -> None:
        """Nothing is held."""


def _counted_name(path: Path) -> tuple[list[str | int], str]:
    """Orders names as a person counts; ``split`` puts text and number at the same places."""
    parts = re.split(r"([0-9]+)", path.name)
    return [int(part) if at % 2 else part for at, part in enumerate(parts)], path.name


def _first_size(paths: Sequence[Path]) -> tuple[int, int]:
    refused: BadInput | None = None
    for path in paths:
        try:
            first = read_image(path)
        except BadInput as error:
            refused = refused or error
            continue
        return first.shape[1], first.shape[0]
    assert refused is not None
    raise refused


def first_picture(source: str) -> Image:
    """The first picture of an image file, or of anything that :func:`open_source` opens.

    Raises:
        BadInput: If there is none.
    """
    if not source.startswith(STREAM_SCHEMES) and Path(source).suffix.lower() in IMAGE_SUFFIXES:
        return read_image(Path(source))
    opened = open_source(source, folder_rate_hz=1.0)
    try:
        for frame in opened:
            if frame.image is not None:
                return frame.image
        raise BadInput(source, "", "it gives no picture")
    finally:
        opened.close()


def read_image(path: Path) -> Image:
    """A picture from a file.

    Raises:
        BadInput: If it cannot be read or decoded.
    """
    try:
        data = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError as error:
        raise BadInput(str(path), "", f"cannot be read: {error.strerror}") from None
    image = cv2.imdecode(data, cv2.IMREAD_COLOR) if len(data) else None
    if image is None:
        raise BadInput(str(path), "", "not an image that can be decoded")
    picture: Image = np.asarray(image, np.uint8)
    return picture
