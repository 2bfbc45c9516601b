"""A loopback camera that speaks HTTP motion JPEG."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import cv2
import numpy as np


class MjpegCamera:
    """Sends pictures by their number, and can stop sending, as cameras do."""

    def __init__(self, picture: Callable[[int], np.ndarray], rate_hz: float = 25.0) -> None:
        self.silent = threading.Event()
        self.connections = 0
        camera = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                camera.connections += 1
                self.send_response(200)
                self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
                self.end_headers()
                number = 0
                try:
                    while not camera.closing.is_set():
                        if camera.silent.is_set():
                            time.sleep(0.02)
                            continue
                        number += 1
                        data = cv2.imencode(".jpg", picture(number))[1].tobytes()
                        head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}"
                        self.wfile.write(head.encode() + b"\r\n\r\n" + data + b"\r\n")
                        time.sleep(1 / rate_hz)
                except OSError:
                    return

            def log_message(self, *_: object) -> None:
                return

        self.closing = threading.Event()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/stream.mjpg"

    def close(self) -> None:
        self.closing.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
