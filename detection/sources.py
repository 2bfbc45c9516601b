"""Frames from files and folders; live streams are in :mod:`detection.live`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from detection.live import LiveSource
from detection.ports import Frame, FrameSource, Image
from models.errors import BadInput

IMAGE_SUFFIXES: Final = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp"})
STREAM_SCHEMES: Final = ("rtsp://", "rtsps://", "http://", "https://")


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

    A file that breaks off in the middle ends with BadInput after its readable frames, unless
    they are nearly all that its header promises.
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
            raise BadInput(str(path), "", "not a video that can be decoded (truncated or damaged)")
        self._size = (
            int(self._capture.get(cv2.CAP_PROP_FRAME_WIDTH)),
            int(self._capture.get(cv2.CAP_PROP_FRAME_HEIGHT)),
        )
        self._promised = int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))

    @property
    def size_px(self) -> tuple[int, int]:
        """Width and height from the file's header."""
        return self._size

    @property
    def promised_frames(self) -> int:
        """Number of frames that the header promises; 0 when it says nothing."""
        return max(self._promised, 0)

    def __iter__(self) -> Iterator[Frame]:
        """The frames in order.

        Raises:
            BadInput: If no frame can be decoded, or the file breaks off before its end.
        """
        index = 0
        first_s = previous_s = 0.0
        while True:
            done, image = self._capture.read()
            if not done:
                break
            time_s = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000.0
            if index == 0:
                first_s = time_s
            time_s -= first_s
            if index and time_s <= previous_s:
                # A broken timestamp; a frame that shares its time with another adds nothing.
                continue
            previous_s = time_s
            yield Frame(index, time_s, image)
            index += 1
        if index == 0:
            raise BadInput(str(self._path), "", "no frame can be decoded (truncated or damaged)")
        if self._promised > 0 and index < 0.95 * self._promised - 2:
            raise BadInput(
                str(self._path),
                f"frame {index}",
                f"the video breaks off there; its header promises {self._promised} frames",
            )

    def close(self) -> None:
        """Close the file."""
        self._capture.release()


class FolderSource:
    """Images of a folder in order of name, at a declared rate."""

    kind = "folder"

    def __init__(self, folder: Path, rate_hz: float | None) -> None:
        """Look into the folder.

        Raises:
            BadInput: If it has no images, no rate is given, or the first cannot be read.
        """
        self._paths = sorted(p for p in folder.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES)
        if not self._paths:
            raise BadInput(str(folder), "", "the folder has no images; valid are .jpg and .png")
        if rate_hz is None or not rate_hz > 0:
            raise BadInput(
                str(folder), "frame rate", "a folder of images has no clock; give its rate above 0"
            )
        self._rate_hz = rate_hz
        first = _read_image(self._paths[0])
        self._size = (first.shape[1], first.shape[0])

    @property
    def size_px(self) -> tuple[int, int]:
        """Width and height of the first image."""
        return self._size

    def __iter__(self) -> Iterator[Frame]:
        """The images in order.

        Raises:
            BadInput: If one cannot be read.
        """
        for index, path in enumerate(self._paths):
            yield Frame(index, index / self._rate_hz, _read_image(path))

    def close(self) -> None:
        """Nothing is held."""


def _read_image(path: Path) -> Image:
    try:
        data = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError as error:
        raise BadInput(str(path), "", f"cannot be read: {error.strerror}") from None
    image = cv2.imdecode(data, cv2.IMREAD_COLOR) if len(data) else None
    if image is None:
        raise BadInput(str(path), "", "not an image that can be decoded")
    picture: Image = np.asarray(image, np.uint8)
    return picture
