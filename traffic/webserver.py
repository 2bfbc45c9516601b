"""The console's web server in a thread beside the work that feeds it."""

from __future__ import annotations

import socket
import threading
import time

import uvicorn
from fastapi import FastAPI

from models.errors import BadInput, XanhError


def require_free_port(host: str, port: int) -> None:
    """Check that a port can be listened on.

    Raises:
        BadInput: If it cannot, saying why and what to do.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise BadInput(
                "--port", str(port), f"cannot be used on {host} ({error.strerror}); choose another"
            ) from None


class WebServer:
    """Serves an application until closed."""

    def __init__(self, app: FastAPI, host: str, port: int) -> None:
        """Start serving.

        Raises:
            XanhError: If the server does not come up.
        """
        config = uvicorn.Config(
            app, host=host, port=port, log_level="warning", timeout_graceful_shutdown=3
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, name="xanh-web", daemon=True)
        self._thread.start()
        self.url = f"http://{'localhost' if host in ('0.0.0.0', '::') else host}:{port}"
        deadline = time.monotonic() + 20.0
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > deadline:
                raise XanhError(f"the console does not come up on {host}:{port}")
            time.sleep(0.05)

    def wait(self) -> None:
        """Wait until the server ends by itself (Ctrl-C)."""
        self._thread.join()

    def close(self) -> None:
        """Stop serving; safe to call again."""
        self._server.should_exit = True
        self._thread.join(timeout=10.0)
