"""``xanh serve``: the console of a site, over its store and its field."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from models.counts import counts_from_csv
from models.plan import Plan
from models.site import Site
from traffic.api.app import create_app
from traffic.api.services import Services
from traffic.broadcast import Broadcast
from traffic.cameradesk import CameraDesk
from traffic.camerawatch import CameraWatch, WatchRelay, watch_until_stopped
from traffic.planfiles import read_plan
from traffic.relay import Relay
from traffic.service import announce_users, open_services
from traffic.settings import load_settings
from traffic.streetwork import StreetWork
from traffic.watching import WatchConfig
from traffic.webserver import WebServer, require_free_port


def serve_site(
    site: Site,
    *,
    host: str | None,
    port: int | None,
    data: Path | None,
    say: Callable[[str], None],
    speed: float = 1.0,
) -> None:
    """Serve until Ctrl-C.

    A site with a virtual street has it running, with its cameras, under the plan in force. On
    the first start the users are created and their passwords shown once.

    Raises:
        BadInput: If the port is in use or a setting is wrong.
        XanhError: If the store cannot be opened, or the street breaks off.
    """
    settings = load_settings()
    host, port = host or settings.host, port or settings.port
    require_free_port(host, port)
    if site.street is None:
        alone = open_services(site, settings, data=data)
        watched = tuple(camera.id for camera in site.cameras if camera.source)
        if watched:
            evidence = (data or settings.data_dir) / "violations"
            config = WatchConfig(
                site.folder, watched, evidence, settings.weights, settings.inference
            )
            _serve_cameras(alone, config, host, port, say)
        else:
            _serve_alone(alone, host, port, say)
        return
    folder = data or settings.data_dir
    # Each start has its own: on the virtual street the same second comes again.
    evidence = folder / "violations" / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    zero = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    relay = Relay(evidence, keep_counts=True)
    work = StreetWork(
        site,
        _plan_in_force(site, data),
        counts_from_csv(site.counts_path.read_text(encoding="utf-8"), str(site.counts_path)),
        site.street,
        zero=zero,
        evidence=evidence,
        weights=settings.weights,
        on_tick=relay.tick,
        on_report=relay.report,
    )
    server: WebServer | None = None
    services: Services | None = None
    try:
        services = open_services(site, settings, data=data, link=work.field)
        for line in services.plans.recover():
            say(line)
        relay.connect(services, Broadcast(site, services.live, zero))
        announce_users(services, say)
        server = WebServer(create_app(services), host, port)
        say(f"console: {server.url}")
        while True:
            work.advance(60.0, cameras=True, speed=speed)
    except KeyboardInterrupt:
        say("stopped")
    finally:
        if server is not None and services is not None:
            services.live.close()
            server.close()
        work.close()


def _plan_in_force(site: Site, data: Path | None) -> Plan:
    """What the field ran when the service last stopped; a new virtual street starts with it."""
    services = open_services(site, load_settings(), data=data)
    try:
        return services.plan_in_force() or read_plan(site.current_plan_path)
    finally:
        services.store.close()


def _serve_cameras(
    services: Services, config: WatchConfig, host: str, port: int, say: Callable[[str], None]
) -> None:
    """The console over real cameras that are being watched."""
    watch: CameraWatch | None = None
    server: WebServer | None = None
    relay = WatchRelay(services, config.evidence)
    try:
        announce_users(services, say)
        watch = CameraWatch(config, say)
        desk = CameraDesk(services.site.folder, changed=watch.again)
        server = WebServer(create_app(services, desk), host, port)
        say(f"watching {', '.join(config.cameras)}")
        say(f"console: {server.url}")
        watch_until_stopped(watch, relay)
    except KeyboardInterrupt:
        say("stopped")
    finally:
        if watch is not None:
            for report in watch.close():
                relay.report(report)
        services.live.close()
        if server is not None:
            server.close()


def _serve_alone(services: Services, host: str, port: int, say: Callable[[str], None]) -> None:
    announce_users(services, say)
    server = WebServer(create_app(services), host, port)
    say(f"console: {server.url}")
    try:
        server.wait()
    except KeyboardInterrupt:
        say("stopped")
    finally:
        services.live.close()
        server.close()
