"""The RTSP server of ``rtsp_server.py`` as a camera that tests can kill, hang and spoil."""

from __future__ import annotations

import random
import signal
import socket
import subprocess
import threading
from contextlib import suppress
from pathlib import Path

import pytest

SERVER = Path(__file__).with_name("rtsp_server.py")
DEBIAN_PYTHON = Path("/usr/bin/python3")
IMPORTS = (
    "import gi; gi.require_version('GstRtspServer', '1.0'); "
    "from gi.repository import Gst, GstRtspServer; Gst.init(None); "
    "assert Gst.ElementFactory.find('x264enc') and Gst.ElementFactory.find('rtph264pay')"
)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def require_rtsp_server() -> None:
    """Skip, with the packages that are missing, where there is no RTSP server."""
    done = (
        DEBIAN_PYTHON.exists()
        and not subprocess.run(
            [str(DEBIAN_PYTHON), "-c", IMPORTS], check=False, capture_output=True
        ).returncode
    )
    if not done:
        pytest.skip("no RTSP server here: run scripts/install-debian-packages")


class RtspCamera:
    """A server on a port of its own, and a wire to it that can spoil pictures."""

    def __init__(self, rate: int = 10) -> None:
        self.rate = rate
        self.port = free_port()
        self._server: subprocess.Popen[bytes] | None = None
        self.spoiling = threading.Event()
        self._wire = socket.create_server(("127.0.0.1", 0))
        self.url = f"rtsp://127.0.0.1:{self._wire.getsockname()[1]}/live"
        self._closing = False
        threading.Thread(target=self._accept, daemon=True).start()

    def start(self, width: int = 320, height: int = 240) -> None:
        command = [str(DEBIAN_PYTHON), str(SERVER), str(self.port)]
        command += [str(width), str(height), str(self.rate)]
        self._server = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert self._server.stdout is not None
        assert self._server.stdout.readline() == b"ready\n"

    def kill(self) -> None:
        """As when the power goes."""
        if self._server is not None:
            self._server.kill()
            self._server.wait()
            if self._server.stdout is not None:
                self._server.stdout.close()
            self._server = None

    def hang(self) -> None:
        """The connection stays, nothing comes."""
        assert self._server is not None
        self._server.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        assert self._server is not None
        self._server.send_signal(signal.SIGCONT)

    def close(self) -> None:
        self._closing = True
        self.kill()
        self._wire.close()

    def _accept(self) -> None:
        while not self._closing:
            try:
                near, _ = self._wire.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", self.port), timeout=5.0)
            except OSError:
                near.close()
                continue
            far.settimeout(None)
            threading.Thread(target=self._forward, args=(near, far), daemon=True).start()
            threading.Thread(target=self._answer, args=(far, near), daemon=True).start()

    def _forward(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _answer(self, source: socket.socket, target: socket.socket) -> None:
        """The camera's answers, packet by packet: its video comes interleaved (RFC 2326, 10.12)."""
        draw = random.Random(7)
        held = b""
        with suppress(OSError):
            while data := source.recv(65536):
                held += data
                out, held = _packets(held, draw if self.spoiling.is_set() else None)
                target.sendall(out)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


def _packets(data: bytes, draw: random.Random | None) -> tuple[bytes, bytes]:
    """Whole packets of ``data``, video in them broken if ``draw`` is given, and the rest."""
    out, at = bytearray(), 0
    while at < len(data):
        if data[at] != 0x24:  # a text answer: up to the next packet
            end = data.find(b"\x24\x00", at)
            end = len(data) if end < 0 else end
            out += data[at:end]
            at = end
            continue
        if at + 4 > len(data):
            break
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        if at + 4 + length > len(data):
            break
        packet = bytearray(data[at : at + 4 + length])
        if draw is not None and packet[1] == 0:
            # After the RTP header and the first bytes of the slice.
            for place in range(4 + 12 + 6, len(packet), 37):
                packet[place] = draw.randrange(256)
        out += packet
        at += 4 + length
    return bytes(out), data[at:]
