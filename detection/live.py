"""A live stream under a watchdog.

``VideoCapture.read`` can hang for ever after a camera reconnects, and no thread can stop it. The
stream is therefore read in a process of its own, which tries again by itself while the camera is
away, and is killed and started again when it hangs. The newest frame wins: a consumer that is late
loses frames, never time. What was missed is a gap, which coverage accounts for.
"""

from __future__ import annotations

import ctypes
import multiprocessing as mp
import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Final

import cv2
import numpy as np

from detection.ports import Frame, Image
from detection.stream_clock import StreamClock
from models.errors import BadInput
from models.health import HealthEvent, HealthKind

MAX_GAPS: Final = 100
CAPTURE_OPTIONS: Final = "rtsp_transport;tcp|analyzeduration;1000000|timeout;5000000"
"""FFmpeg's: lost packets are sent again, a stream is understood within a second (microseconds)."""
STEP_S: Final = 0.25
RESTART_S: Final = 2.0
OPENING_S: Final = 5.0
"""To open a stream may take so much longer than to read from it: it waits for a key frame."""


@dataclass(frozen=True, slots=True)
class LiveSettings:
    """How a stream is watched.

    ``hang_s``: a reader that does nothing for so long hangs, and is replaced. ``open_s``: how
    long the first frame may take. ``retry_s``: pause between attempts while the camera is away.
    ``gap_s``: a longer time without a frame is recorded as a gap. ``give_up_s``: nothing at all
    for so long ends the source (None: never).
    """

    hang_s: float = 5.0
    open_s: float = 10.0
    retry_s: float = 1.0
    gap_s: float = 2.0
    give_up_s: float | None = None


class LiveSource:
    """An RTSP or HTTP stream.

    Time counts from the first frame; a frame's own timestamp, tied to this machine's monotonic
    clock (``detection.stream_clock``), decides, or its arrival where a stream has none.
    """

    kind = "stream"

    def __init__(
        self, url: str, settings: LiveSettings | None = None, *, patient: bool = False
    ) -> None:
        """Connect, and wait for the first frame.

        Args:
            url: RTSP or HTTP URL.
            settings: How it is watched.
            patient: Do not wait: the camera may come whenever it likes. Time then counts from
                now.

        Raises:
            BadInput: If no frame arrives in time.
        """
        self._url = url
        self._settings = settings or LiveSettings()
        self._reader = _Reader(url, self._settings.retry_s)
        self._closed = False
        self._index = 0
        self._size = (0, 0)
        self.faults: list[HealthEvent] = []
        """Gaps, the last hundred of them."""
        self.dropped = 0
        """Frames that came but were overtaken by a newer one."""
        self.began_s = time.monotonic()
        """The monotonic clock at time 0."""
        self._last_s = 0.0
        self._first: Frame | None = None
        if not patient:
            self._first = self._await_first()

    @property
    def size_px(self) -> tuple[int, int]:
        """Width and height of the newest frame; a camera may change it. (0, 0) before the first."""
        return self._size

    @property
    def now_s(self) -> float:
        """The stream's clock now."""
        return time.monotonic() - self.began_s

    @property
    def silent_s(self) -> float:
        """How long nothing has come."""
        return self.now_s - self._last_s

    @property
    def gave_up(self) -> bool:
        """Whether nothing has come for so long that nothing more is awaited."""
        give_up_s = self._settings.give_up_s
        return self._closed or (give_up_s is not None and self.silent_s > give_up_s)

    def __iter__(self) -> Iterator[Frame]:
        """Frames as they arrive; ends on ``close`` or after ``give_up_s`` without any."""
        while not self._closed:
            frame = self.next(STEP_S)
            if frame is not None:
                yield frame
                continue
            if self.gave_up:
                return

    def next(self, timeout_s: float) -> Frame | None:
        """The newest frame that was not given yet, or None when none comes in time.

        Looks after the reader: call it often, and not from two threads.
        """
        if self._first is not None:
            first, self._first = self._first, None
            return first
        deadline = time.monotonic() + timeout_s
        while not self._closed:
            if self._reader.idle_s > self._settings.hang_s:
                self._reader.restart()
            left_s = deadline - time.monotonic()
            received = self._reader.take(max(min(left_s, STEP_S), 0.0))
            if received is not None:
                frame = self._accept(*received)
                if frame is not None:
                    return frame
            if left_s <= 0:
                return None
        return None

    def settle(self) -> float:
        """End the watch: a silence that lasts is a gap too. The stream's clock at the end."""
        now_s = self.now_s
        if self.silent_s > self._settings.gap_s:
            silent_s = now_s - self._last_s
            self._note_gap(now_s, f"no frame for {silent_s:.1f} s, nor again before the end")
        self.close()
        return now_s

    def close(self) -> None:
        """Stop reading."""
        self._closed = True
        self._reader.stop()

    def _await_first(self) -> Frame:
        deadline = time.monotonic() + self._settings.open_s
        while (left_s := deadline - time.monotonic()) > 0:
            if self._reader.idle_s > self._settings.hang_s:
                self._reader.restart()
            received = self._reader.take(min(left_s, STEP_S))
            if received is not None:
                at_s, dropped, image = received
                self.began_s = at_s
                frame = self._accept(at_s, dropped, image, first=True)
                if frame is not None:
                    return frame
        self.close()
        raise BadInput(
            self._url, "", f"no frame within {self._settings.open_s:g} s; valid is a live stream"
        )

    def _accept(
        self, at_s: float, dropped: int, image: Image, *, first: bool = False
    ) -> Frame | None:
        time_s = at_s - self.began_s
        if time_s <= self._last_s and not first:
            return None  # from before a reconnection
        if time_s - self._last_s > self._settings.gap_s:
            self._note_gap(time_s, f"no frame for {time_s - self._last_s:.1f} s")
        self._last_s = time_s
        self.dropped += dropped
        self._size = (image.shape[1], image.shape[0])
        frame = Frame(self._index, time_s, image)
        self._index += 1
        return frame

    def _note_gap(self, end_s: float, detail: str) -> None:
        self.faults.append(HealthEvent(HealthKind.GAP, self._last_s, end_s, detail))
        del self.faults[:-MAX_GAPS]


class _Reader:
    """The process that reads, as its watchdog holds it."""

    def __init__(self, url: str, retry_s: float) -> None:
        self._url = url
        self._retry_s = retry_s
        self._asked = False
        self._context = mp.get_context("spawn")
        self._start()

    @property
    def idle_s(self) -> float:
        """How long the reader has shown no sign of life."""
        now_s = time.monotonic()
        if not self._process.is_alive():
            # One that ends at once is not started again and again without a pause.
            return float("inf") if now_s - self._started_s > RESTART_S else 0.0
        return now_s - float(self._pulse.value)

    def take(self, timeout_s: float) -> tuple[float, int, Image] | None:
        """Time (monotonic), frames dropped before it, and the newest frame; None if none came."""
        try:
            if not self._asked:
                self._pipe.send_bytes(b"?")
                self._asked = True
            if not self._pipe.poll(timeout_s):
                return None
            at_s, dropped, shape = self._pipe.recv()
            data = self._pipe.recv_bytes()
        except (EOFError, OSError):
            time.sleep(min(timeout_s, 0.05))
            return None  # it has ended: the watchdog starts another
        self._asked = False
        return at_s, dropped, np.frombuffer(data, np.uint8).reshape(shape)

    def restart(self) -> None:
        """Kill it, whatever it hangs on, and start another."""
        self.stop()
        self._start()

    def stop(self) -> None:
        """Kill it; safe to call again."""
        if self._pipe.closed:
            return
        self._process.kill()
        self._process.join(timeout=5.0)
        if not self._process.is_alive():
            self._process.close()
        self._pipe.close()

    def _start(self) -> None:
        self._pipe, far = self._context.Pipe()
        self._asked = False
        self._started_s = time.monotonic()
        # Start-up counts as life: Python and OpenCV take a second to load.
        self._pulse = self._context.Value(ctypes.c_double, time.monotonic() + 3.0, lock=False)
        self._process = self._context.Process(
            target=_read_stream,
            args=(self._url, far, self._pulse, self._retry_s),
            daemon=True,
            name="xanh-stream",
        )
        self._process.start()
        far.close()


# In the reader's process -----------------------------------------------------------------------


class _Newest:
    """The newest frame, handed over when it is asked for."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._held: tuple[float, Image] | None = None
        self._overtaken = 0

    def put(self, at_s: float, image: Image) -> None:
        with self._condition:
            self._overtaken += self._held is not None
            self._held = at_s, image
            self._condition.notify()

    def take(self) -> tuple[float, int, Image]:
        with self._condition:
            while self._held is None:
                self._condition.wait()
            (at_s, image), dropped = self._held, self._overtaken
            self._held, self._overtaken = None, 0
            return at_s, dropped, image


def _read_stream(url: str, pipe: Connection, pulse: ctypes.c_double, retry_s: float) -> None:
    """Read the stream, again and again, until the other side is gone or kills this."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the other side stops it
    os.environ.setdefault("OPENCV_FFMPEG_CAPTURE_OPTIONS", CAPTURE_OPTIONS)
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    cv2.setNumThreads(1)
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    newest = _Newest()
    threading.Thread(target=_hand_over, args=(newest, pipe), daemon=True).start()
    while True:
        pulse.value = time.monotonic() + OPENING_S
        capture = cv2.VideoCapture(url, cv2.CAP_FFMPEG)
        clock = StreamClock()
        # Motion JPEG has no timestamps: FFmpeg makes them up from a nominal rate.
        stamped = url.startswith("rtsp")
        while capture.isOpened():
            done, image = capture.read()
            if not done:
                break
            now_s = time.monotonic()
            pulse.value = now_s
            stamp_s = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000.0 if stamped else None
            at_s = clock.time_of(now_s, stamp_s)
            if at_s is not None:
                newest.put(at_s, np.ascontiguousarray(image, np.uint8))
        capture.release()
        pulse.value = time.monotonic()
        time.sleep(retry_s)


def _hand_over(newest: _Newest, pipe: Connection) -> None:
    try:
        while pipe.recv_bytes():
            at_s, dropped, image = newest.take()
            pipe.send((at_s, dropped, image.shape))
            pipe.send_bytes(image.tobytes())
    except (EOFError, OSError):
        os._exit(0)  # nobody is left to read for; the stream may hang for ever
