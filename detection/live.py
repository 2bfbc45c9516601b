"""A live stream under a watchdog.

``VideoCapture.read`` can hang for ever after a camera reconnects, and no thread can stop it. The
stream is therefore read in a process of its own, which is killed and started again when nothing
arrives. Frames pass through shared memory, the newest wins: a reader that is late loses frames,
never time. What was missed shows as a gap between times, which coverage accounts for.
"""

from __future__ import annotations

import multiprocessing as mp
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Final

import cv2
import numpy as np

from detection.ports import Frame, Image
from models.errors import BadInput

OPEN_TIMEOUT_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class LiveSettings:
    """``hang_s``: no frame for so long means the reader hangs or the stream has stopped, and the
    reader is replaced. ``give_up_s``: nothing at all for so long ends the source (None: never).
    ``retry_s``: pause before a new attempt; ``open_s``: how long the first frame may take.
    """

    hang_s: float = 5.0
    open_s: float = OPEN_TIMEOUT_S
    give_up_s: float | None = None
    retry_s: float = 1.0


@dataclass(frozen=True, slots=True)
class Gap:
    """Nothing was seen from ``start_s`` to ``end_s`` (source's clock)."""

    start_s: float
    end_s: float


class LiveSource:
    """An RTSP or HTTP stream; time counts from the first frame by this machine's clock.

    A camera's own timestamps restart when it reconnects, so arrival decides.
    """

    kind = "stream"

    def __init__(self, url: str, settings: LiveSettings | None = None) -> None:
        """Connect and wait for the first frame.

        Raises:
            BadInput: If no frame arrives in time.
        """
        self._url = url
        self._settings = settings or LiveSettings()
        self._context = mp.get_context("spawn")
        self._process: mp.process.BaseProcess | None = None
        self._pipe: Connection | None = None
        self._closed = False
        self.gaps: list[Gap] = []
        self._start()
        self._first = self._receive(self._settings.open_s)
        if self._first is None:
            self.close()
            raise BadInput(
                url, "", f"no frame within {self._settings.open_s:g} s; valid is a live stream"
            )
        height, width = self._first[1].shape[:2]
        self._size = (width, height)

    @property
    def size_px(self) -> tuple[int, int]:
        """Width and height of the newest frame; a camera may change it when it reconnects."""
        return self._size

    def __iter__(self) -> Iterator[Frame]:
        """Frames as they arrive; ends on ``close`` or after ``give_up_s`` without any."""
        if self._first is None:
            return
        index = 0
        begin, image = self._first
        last = begin
        self._first = None
        yield Frame(0, 0.0, image)
        while not self._closed:
            received = self._receive(self._settings.hang_s)
            if received is None:
                if self._is_closed():
                    return
                silent_s = time.monotonic() - last
                if self._settings.give_up_s is not None and silent_s > self._settings.give_up_s:
                    return
                self._stop()
                time.sleep(self._settings.retry_s)
                self._start()
                continue
            at, image = received
            if at - last > self._settings.hang_s:
                self.gaps.append(Gap(last - begin, at - begin))
                del self.gaps[:-100]
            last = at
            index += 1
            self._size = (image.shape[1], image.shape[0])
            yield Frame(index, at - begin, image)

    def close(self) -> None:
        """Stop reading."""
        self._closed = True
        self._stop()

    def _is_closed(self) -> bool:
        return self._closed

    def _start(self) -> None:
        receiver, sender = self._context.Pipe(duplex=False)
        process = self._context.Process(
            target=_read_stream, args=(self._url, sender), daemon=True, name="xanh-stream"
        )
        process.start()
        sender.close()
        self._process, self._pipe = process, receiver

    def _stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join(timeout=5.0)
            if not self._process.is_alive():
                self._process.close()
            self._process = None
        if self._pipe is not None:
            self._pipe.close()
            self._pipe = None

    def _receive(self, timeout_s: float) -> tuple[float, Image] | None:
        """The newest frame with its arrival, or None when none came in time."""
        pipe = self._pipe
        if pipe is None:
            return None
        newest: tuple[float, Image] | None = None
        deadline = time.monotonic() + timeout_s
        try:
            while newest is None:
                left = deadline - time.monotonic()
                if left <= 0 or not pipe.poll(min(left, 0.5)):
                    if left <= 0 or self._closed:
                        return None
                    continue
                while newest is None or pipe.poll(0):
                    at, shape = pipe.recv()
                    data = pipe.recv_bytes()
                    newest = at, np.frombuffer(data, np.uint8).reshape(shape)
        except (EOFError, OSError):
            # The reader ended: the stream closed. What came before it is still good.
            if newest is None:
                time.sleep(min(0.2, timeout_s))
        return newest


def _read_stream(url: str, sender: Connection) -> None:
    """Read until the stream ends; runs in its own process."""
    os.environ.setdefault("OPENCV_FFMPEG_CAPTURE_OPTIONS", "rtsp_transport;tcp")
    capture = cv2.VideoCapture(url, cv2.CAP_FFMPEG)
    try:
        while capture.isOpened():
            done, image = capture.read()
            if not done:
                return
            sender.send((time.monotonic(), image.shape))
            sender.send_bytes(np.ascontiguousarray(image).tobytes())
    except (BrokenPipeError, OSError):
        return
    finally:
        capture.release()
        sender.close()
