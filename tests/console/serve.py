"""Serve the console on the made-up street, for looking at it: ``python tests/console/serve.py``."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import uvicorn

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from console_street import PASSWORD, USERS, FixtureStreet, make_services  # noqa: E402

from traffic.api.app import create_app  # noqa: E402

if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8010
    with tempfile.TemporaryDirectory() as folder:
        services = make_services(ROOT / "sites" / "pho-hue", Path(folder))
        street = FixtureStreet(services)
        street.warm_up()
        street.flag_one()
        street.start(1.0)
        print(f"http://127.0.0.1:{port}  {', '.join(USERS)}: {PASSWORD}", flush=True)
        uvicorn.run(
            create_app(services), port=port, log_level="warning", timeout_graceful_shutdown=1
        )
        street.stop()
