"""The present of a site: what the console shows this second, and the last minutes behind it.

The service publishes; any number of readers subscribe. Nothing here is stored: the store keeps
counts, cases and plans, this keeps only what would be stale a few minutes later.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from models.signals import SignalState
from models.units import utc_text

HISTORY_S = 180.0
DELAY_STEP_S = 10.0
LINK_S = 1.5


class FrameKind(StrEnum):
    """How a camera's figures come about."""

    PIXELS = "pixels"
    PROJECTED = "projected"
    STREAM = "stream"
    MOTION = "motion"


class FigureSource(StrEnum):
    """Where a live figure comes from; shown with it."""

    CAMERA = "camera"
    CONTROLLER = "controller"
    ESTIMATE = "estimate"
    SIMULATION = "simulation"


class Phase(StrEnum):
    """Where the retiming thread stands."""

    STARTING = "starting"
    OBSERVING = "observing"
    RETIMING = "retiming"
    VALIDATING = "validating"
    WAITING = "waiting_for_approval"
    APPLYING = "applying"
    SETTLING = "settling"
    COMPARING = "comparing"
    DONE = "done"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class ApproachLive:
    """One approach now. ``camera`` is the camera that saw it, if one did.

    ``queue_at_least`` says that the queue reaches the end of what the camera sees.
    """

    queue_veh: float
    queue_m: float
    flow_vph: float
    source: FigureSource = FigureSource.CAMERA
    camera: str = ""
    queue_at_least: bool = False


@dataclass(frozen=True, slots=True)
class JunctionLive:
    """One signal now: its stage, the second of its cycle, and every head's aspect.

    ``states`` is by movement and crossing id, ``approaches`` by approach edge, ``flows_vph`` by
    movement. ``reachable`` is false when the controller did not answer.
    """

    junction: str
    stage: str
    second_in_cycle: float
    cycle_s: float
    states: Mapping[str, SignalState]
    approaches: Mapping[str, ApproachLive] = field(default_factory=dict)
    flows_vph: Mapping[str, float] = field(default_factory=dict)
    plan_digest: str = ""
    reachable: bool = True


@dataclass(frozen=True, slots=True)
class CameraLive:
    """One camera now. ``age_s`` is the age of its newest frame when this was published.

    ``counts`` is vehicles by class since the count began; ``coverage`` the fraction of time it
    saw; ``dropped`` the frames thrown away because detection was late; ``calibration`` its version.
    """

    camera: str
    kind: FrameKind
    age_s: float
    fps: float
    counts: Mapping[str, int] = field(default_factory=dict)
    coverage: float = 1.0
    dropped: int = 0
    ok: bool = True
    calibration: str = ""


@dataclass(frozen=True, slots=True)
class Progress:
    """Where the thread stands; ``fraction`` 0 to 1, ``detail`` a short text with figures."""

    phase: Phase
    fraction: float = 0.0
    detail: str = ""


@dataclass(frozen=True, slots=True)
class DelaySoFar:
    """Mean ``delay_s`` (seconds per vehicle) with the plan before and with the plan after.

    None while there is nothing to measure yet. ``now_s`` is over the last few minutes.
    """

    before_s: float | None = None
    after_s: float | None = None
    now_s: float | None = None


@dataclass(frozen=True, slots=True)
class LiveSnapshot:
    """A site at one instant ``at`` of its own clock, which runs ``speed`` times real time."""

    at: datetime
    junctions: Mapping[str, JunctionLive]
    cameras: Mapping[str, CameraLive] = field(default_factory=dict)
    speed: float = 1.0
    delay: DelaySoFar = field(default_factory=DelaySoFar)
    progress: Progress | None = None
    virtual: bool = True

    def __post_init__(self) -> None:
        if self.at.tzinfo is None:
            raise ValueError("at must carry a time zone")


@dataclass(frozen=True, slots=True)
class Crossing:
    """A vehicle over a stop line: the mark on the signal strip. ``time_s`` is Unix time."""

    time_s: float
    junction: str
    movement: str
    vehicle_class: str
    state: SignalState
    camera: str = ""
    case: str = ""


@dataclass(frozen=True, slots=True)
class Published:
    """A snapshot with its number and the real (monotonic) time of its publication."""

    sequence: int
    snapshot: LiveSnapshot
    monotonic_s: float

    @property
    def age_s(self) -> float:
        """Real seconds since it was published."""
        return time.monotonic() - self.monotonic_s


Change = tuple[float, SignalState]


@dataclass(frozen=True, slots=True)
class DelaySample:
    """Mean ``delay_s`` of the last minutes at one instant (Unix time) of the street.

    ``after`` says whether the delay with the plan after was being measured already.
    """

    time_s: float
    delay_s: float
    after: bool


class LiveState:
    """Thread-safe holder of the newest snapshot, the newest frames and the last minutes.

    Writers are ordinary threads; readers live in an event loop. A slow reader skips to the
    newest value, so nothing ever queues up.
    """

    def __init__(self) -> None:
        """Start empty."""
        self._lock = threading.Lock()
        self._latest: Published | None = None
        self._frames: dict[str, tuple[int, bytes, float]] = {}
        self._signals: dict[str, deque[Change]] = {}
        self._crossings: deque[Crossing] = deque(maxlen=4000)
        self._acts: deque[tuple[str, float, str]] = deque(maxlen=500)
        self._delays: deque[DelaySample] = deque(maxlen=720)
        self._waiting: dict[int, tuple[asyncio.AbstractEventLoop, asyncio.Event]] = {}
        self._next_waiter = 0
        self._closed = False

    # Writers ------------------------------------------------------------------------------

    def publish(self, snapshot: LiveSnapshot) -> None:
        """Make this the present; its aspects also enter the signal history."""
        for junction in snapshot.junctions.values():
            self.record_signals(snapshot.at, junction.states)
        with self._lock:
            self._sample_delay(snapshot)
            sequence = self._latest.sequence + 1 if self._latest else 1
            self._latest = Published(sequence, snapshot, time.monotonic())
        self._wake()

    def record_signals(self, at: datetime, states: Mapping[str, SignalState]) -> None:
        """Add aspects to the history; call it each step when steps are finer than snapshots."""
        now_s = at.timestamp()
        with self._lock:
            for signal_id, state in states.items():
                ring = self._signals.setdefault(signal_id, deque())
                if not ring or (ring[-1][1] is not state and ring[-1][0] <= now_s):
                    ring.append((now_s, state))
                # The change that holds at the window's start is kept, older ones go.
                while len(ring) > 1 and ring[1][0] < now_s - HISTORY_S - 30.0:
                    ring.popleft()

    def record_crossing(self, crossing: Crossing) -> None:
        """Remember a vehicle that went over a stop line."""
        with self._lock:
            self._crossings.append(crossing)

    def link_case(self, camera: str, time_s: float, case: str) -> None:
        """An act at this Unix time, seen by a camera, became a case.

        Its crossing may be recorded before or after; the nearest within ``LINK_S`` is marked.
        """
        with self._lock:
            self._acts.append((camera, time_s, case))

    def put_frame(self, camera: str, jpeg: bytes) -> None:
        """Show this JPEG as the camera's newest picture (boxes already drawn)."""
        with self._lock:
            number = self._frames[camera][0] + 1 if camera in self._frames else 1
            self._frames[camera] = (number, jpeg, time.monotonic())
        self._wake()

    def close(self) -> None:
        """End every subscription, so that a server can stop."""
        self._closed = True
        self._wake()

    # Readers ------------------------------------------------------------------------------

    @property
    def latest(self) -> Published | None:
        """The newest snapshot, None before the first."""
        with self._lock:
            return self._latest

    def frame(self, camera: str) -> bytes | None:
        """The camera's newest JPEG, None before the first."""
        with self._lock:
            held = self._frames.get(camera)
        return held[1] if held else None

    def frame_age_s(self, camera: str) -> float | None:
        """Real seconds since the camera's newest frame came, None before the first."""
        with self._lock:
            held = self._frames.get(camera)
        return time.monotonic() - held[2] if held else None

    def signal_history(self, signal_id: str) -> tuple[Change, ...]:
        """Changes of one head, oldest first, as ``(unix_s, state)``; about three minutes."""
        with self._lock:
            return tuple(self._signals.get(signal_id, ()))

    def delay_history(self) -> tuple[DelaySample, ...]:
        """The delay of the last minutes, sampled every ten seconds, oldest first."""
        with self._lock:
            return tuple(self._delays)

    def crossings(
        self, movements: Iterable[str], since_s: float, camera: str = ""
    ) -> tuple[Crossing, ...]:
        """Crossings of these movements from a Unix time on, optionally of one camera only."""
        wanted = frozenset(movements)
        with self._lock:
            found = [
                item
                for item in self._crossings
                if item.time_s >= since_s
                and item.movement in wanted
                and (not camera or item.camera == camera)
            ]
            acts = [act for act in self._acts if act[1] >= since_s - LINK_S]
        for act_camera, act_s, case in acts:
            near = [
                (abs(item.time_s - act_s), index)
                for index, item in enumerate(found)
                if item.camera == act_camera and not item.case
            ]
            distance_s, index = min(near, default=(LINK_S + 1.0, 0))
            if distance_s <= LINK_S:
                found[index] = replace(found[index], case=case)
        return tuple(found)

    async def subscribe(self) -> AsyncIterator[Published]:
        """Every new snapshot, the present one first; a slow reader gets only the newest."""
        seen = 0
        async for _ in self.wake_ups():
            latest = self.latest
            if latest is not None and latest.sequence != seen:
                seen = latest.sequence
                yield latest

    async def frames(self, camera: str) -> AsyncIterator[bytes]:
        """Every new JPEG of a camera, the present one first; a slow reader gets the newest."""
        seen = 0
        async for _ in self.wake_ups():
            with self._lock:
                held = self._frames.get(camera)
            if held is not None and held[0] != seen:
                seen = held[0]
                yield held[1]

    async def wake_ups(self, every_s: float | None = None) -> AsyncIterator[None]:
        """Yields at once, at each change, and at least every ``every_s``; ends with ``close``."""
        event = asyncio.Event()
        with self._lock:
            key = self._next_waiter
            self._next_waiter += 1
            self._waiting[key] = (asyncio.get_running_loop(), event)
        try:
            while not self._closed:
                yield
                with suppress(TimeoutError):
                    await asyncio.wait_for(event.wait(), every_s)
                event.clear()
        finally:
            with self._lock:
                self._waiting.pop(key, None)

    def _sample_delay(self, snapshot: LiveSnapshot) -> None:
        now_s, delay = snapshot.at.timestamp(), snapshot.delay
        due = not self._delays or now_s - self._delays[-1].time_s >= DELAY_STEP_S
        if delay.now_s is not None and due:
            self._delays.append(DelaySample(now_s, delay.now_s, delay.after_s is not None))

    def _wake(self) -> None:
        with self._lock:
            waiting = list(self._waiting.values())
        for loop, event in waiting:
            # A loop that closed meanwhile has nobody left to wake.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(event.set)


def snapshot_to_dict(published: Published) -> dict[str, object]:
    """A snapshot as the API sends it; ``age_s`` is real seconds since its publication."""
    snapshot = published.snapshot
    progress = snapshot.progress
    return {
        "sequence": published.sequence,
        "at": utc_text(snapshot.at),
        "age_s": round(published.age_s, 2),
        "speed": round(snapshot.speed, 2),
        "virtual": snapshot.virtual,
        "junctions": {key: _junction(item) for key, item in snapshot.junctions.items()},
        "cameras": {key: _camera(item) for key, item in snapshot.cameras.items()},
        "delay": {
            "before_s": _rounded(snapshot.delay.before_s),
            "after_s": _rounded(snapshot.delay.after_s),
            "now_s": _rounded(snapshot.delay.now_s),
        },
        "progress": None
        if progress is None
        else {
            "phase": progress.phase.value,
            "fraction": round(progress.fraction, 3),
            "detail": progress.detail,
        },
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)


def _junction(item: JunctionLive) -> dict[str, object]:
    return {
        "stage": item.stage,
        "second_in_cycle": round(item.second_in_cycle, 1),
        "cycle_s": item.cycle_s,
        "reachable": item.reachable,
        "plan_digest": item.plan_digest,
        "states": {key: state.value for key, state in item.states.items()},
        "flows_vph": {key: round(value) for key, value in item.flows_vph.items()},
        "approaches": {
            key: {
                "queue_veh": round(value.queue_veh, 1),
                "queue_m": round(value.queue_m, 1),
                "queue_at_least": value.queue_at_least,
                "flow_vph": round(value.flow_vph),
                "source": value.source.value,
                "camera": value.camera,
            }
            for key, value in item.approaches.items()
        },
    }


def _camera(item: CameraLive) -> dict[str, object]:
    return {
        "kind": item.kind.value,
        "age_s": round(item.age_s, 2),
        "fps": round(item.fps, 1),
        "counts": dict(item.counts),
        "coverage": round(item.coverage, 4),
        "dropped": item.dropped,
        "ok": item.ok,
        "calibration": item.calibration,
    }
