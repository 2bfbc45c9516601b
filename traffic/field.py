"""The virtual street in a process of its own, and the line to it.

The street process owns SUMO. It advances to a target second when told to, sends one small tick
a second to the service, and hands each second's road users to the camera workers through
bounded queues: when they fall behind, the street waits. Requests to its controllers are
answered at any time, also while it stands still.
"""

from __future__ import annotations

import multiprocessing as mp
import queue
import signal
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnContext
from multiprocessing.queues import Queue
from pathlib import Path
from typing import Any, TypeAlias

from models.control import ControllerStatus
from models.counts import CountRow
from models.errors import XanhError
from models.plan import JunctionPlan, Plan
from models.signals import SignalState
from models.site import Site, StreetOptions
from simulation.field_controller import Fault
from simulation.offences import Offence
from simulation.states import VehicleStates
from simulation.street import Street, StreetFrame
from simulation.truth import StopLineCrossing, WrongWayEntry
from traffic.sites import load_site

ANSWER_S = 30.0
"""A field that does not answer within this time is lost."""
STOP_S = 10.0


@dataclass(frozen=True, slots=True)
class FieldConfig:
    """What the street process is started with.

    ``sinks`` names the camera workers that get each second's road users; ``zero`` is the moment
    of the street's second 0.
    """

    folder: Path
    plan: Plan
    counts: tuple[CountRow, ...]
    options: StreetOptions
    begin_s: int = 0


@dataclass(frozen=True, slots=True)
class ShownStage:
    """What one controller shows: its stage, the second of its cycle, whether it has settled."""

    stage: str
    second_in_cycle: float
    cycle_s: float
    settled: bool


@dataclass(frozen=True, slots=True)
class ApproachQueue:
    """Queue of one approach as the street knows it."""

    vehicles: int
    length_m: float


@dataclass(frozen=True, slots=True)
class StreetTick:
    """One second of the street for the service, ``[begin_s, end_s)``."""

    begin_s: float
    end_s: float
    aspects: Mapping[str, SignalState]
    stages: Mapping[str, ShownStage]
    queues: Mapping[str, ApproachQueue]
    crossings: tuple[StopLineCrossing, ...]
    wrong_way: tuple[WrongWayEntry, ...]
    offences: tuple[Offence, ...]
    delay_vehicle_s: float
    planned: int
    running: int
    waiting: int
    speed: float


@dataclass(frozen=True, slots=True)
class StreetSecond:
    """One second of road users for a camera worker; ``observed`` is False between windows."""

    begin_s: float
    previous: VehicleStates
    current: VehicleStates
    aspects: Mapping[str, SignalState]


@dataclass(frozen=True, slots=True)
class StreetFailed:
    """The street broke off; ``message`` is one line."""

    message: str


Tick: TypeAlias = StreetTick | StreetFailed
# Camera workers take other orders through the same queue.
Sink: TypeAlias = "Queue[Any]"
Answer: TypeAlias = tuple[bool, Any]


class FieldProcess:
    """The street process as the service holds it; also a ``FieldLink`` to its controllers."""

    def __init__(self, config: FieldConfig, zero: datetime, sinks: Sequence[Sink] = ()) -> None:
        """Start the process. Its first second is not lived before ``run_until``."""
        context = mp.get_context("spawn")
        self.zero = zero
        self.ticks: Queue[Tick] = context.Queue()
        self._near, far = context.Pipe()
        self._lock = threading.Lock()
        self._process = context.Process(
            target=_street_main,
            args=(config, far, self.ticks, tuple(sinks)),
            name="xanh-street",
            daemon=True,
        )
        self._process.start()
        far.close()

    # The street ------------------------------------------------------------------------------

    def run_until(self, second: float, *, cameras: bool, speed: float = 0.0) -> None:
        """Live on until a second of the street; returns at once, ticks tell how far it is.

        Args:
            second: Target second; the street stands still there.
            cameras: Whether the camera workers see these seconds.
            speed: At most so many times real time; 0 is as fast as the machine can.
        """
        self._ask("run", second, cameras, speed)

    def next_tick(self, timeout_s: float = 120.0) -> StreetTick:
        """The next second.

        Raises:
            XanhError: If the street broke off or does not go on.
        """
        waited_s = 0.0
        while True:
            try:
                tick = self.ticks.get(timeout=1.0)
            except queue.Empty:
                waited_s += 1.0
                if not self._process.is_alive():
                    raise XanhError("the virtual street has stopped") from None
                if waited_s >= timeout_s:
                    raise XanhError("the virtual street does not go on") from None
                continue
            if isinstance(tick, StreetFailed):
                raise XanhError(f"the virtual street broke off: {tick.message}")
            return tick

    def set_fault(self, junction: str, fault: Fault | None) -> None:
        """Switch a fault of one controller on or off (tests and demonstrations)."""
        self._ask("fault", junction, fault)

    def close(self) -> None:
        """Stop the process; safe to call again."""
        if self._process.is_alive():
            try:
                with self._lock:
                    self._near.send(("stop", ()))
            except OSError:
                pass
            deadline = time.monotonic() + STOP_S
            while self._process.is_alive() and time.monotonic() < deadline:
                # A process cannot end while what it queued is not taken.
                try:
                    self.ticks.get(timeout=0.1)
                except queue.Empty:
                    self._process.join(0.1)
            if self._process.is_alive():
                self._process.kill()
        self._process.join()
        self.ticks.cancel_join_thread()

    # Its controllers (FieldLink) ---------------------------------------------------------------

    def apply(self, plan: JunctionPlan) -> None:
        """Make the junction's controller run this timing."""
        self._ask("apply", plan)

    def read(self, junction: str) -> JunctionPlan:
        """The timing that the junction's controller runs."""
        plan = self._ask("read", junction)
        if not isinstance(plan, JunctionPlan):
            raise XanhError(f"controller {junction} gave an answer that is no plan")
        return plan

    def status(self, junction: str) -> ControllerStatus:
        """What the junction's signals show now."""
        stage, second, time_s, states = self._ask("status", junction)
        return ControllerStatus(
            junction=junction,
            at=self.zero + timedelta(seconds=time_s),
            stage=stage,
            second_in_cycle=second,
            states=states,
        )

    def _ask(self, command: str, *arguments: Any) -> Any:
        with self._lock:
            try:
                self._near.send((command, arguments))
                if not self._near.poll(ANSWER_S):
                    raise XanhError("the virtual street does not answer")
                done, value = self._near.recv()
            except (OSError, EOFError) as error:
                raise XanhError("the virtual street cannot be reached") from error
        if not done:
            raise XanhError(value)
        return value


def camera_queue(context: SpawnContext, seconds: int = 3) -> Sink:
    """A bounded queue to a camera worker: the street may be so many seconds ahead."""
    return context.Queue(maxsize=seconds)


# In the street process -----------------------------------------------------------------------


class _Run:
    """How far the street may go, for whom, and how fast."""

    def __init__(self, begin_s: float) -> None:
        self.target_s = begin_s
        self.cameras = False
        self.speed = 0.0
        self.stopped = False
        self.started = (time.monotonic(), begin_s)

    def begin(self, now_s: float, target_s: float, cameras: bool, speed: float) -> None:
        self.target_s, self.cameras, self.speed = target_s, cameras, speed
        self.started = (time.monotonic(), now_s)

    def wait_s(self, now_s: float) -> float:
        """Real seconds to wait before the next second may begin."""
        if self.speed <= 0:
            return 0.0
        began, from_s = self.started
        return max(0.0, began + (now_s - from_s) / self.speed - time.monotonic())


def _street_main(
    config: FieldConfig,
    requests: Connection,
    ticks: Queue[Tick],
    sinks: tuple[Sink, ...],
) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the service stops it
    try:
        site = load_site(config.folder)
        options = config.options
        with Street(
            site,
            config.plan,
            seed=options.seed,
            counts=config.counts,
            begin_s=config.begin_s,
            options=options,
            pedestrians_ph=options.pedestrians_ph,
        ) as street:
            _live(street, _Run(config.begin_s), requests, ticks, sinks)
        # Whoever read these may be gone: do not wait until they are taken.
        for channel in (ticks, *sinks):
            channel.cancel_join_thread()
    except XanhError as error:
        ticks.put(StreetFailed(str(error)))
    except Exception as error:
        ticks.put(StreetFailed(f"{type(error).__name__}: {' '.join(str(error).split())}"))
        raise


def _live(
    street: Street,
    run: _Run,
    requests: Connection,
    ticks: Queue[Tick],
    sinks: tuple[Sink, ...],
) -> None:
    pace = time.monotonic()
    while not run.stopped:
        idle = street.time_s >= run.target_s
        while not run.stopped and requests.poll(None if idle else run.wait_s(street.time_s)):
            _answer(street, run, requests)
            idle = street.time_s >= run.target_s
        if run.stopped or idle:
            continue
        frame = street.step()
        if run.cameras and not _hand_over(street, run, requests, frame, sinks):
            return
        now = time.monotonic()
        ticks.put(_tick(street, frame, speed=1.0 / max(now - pace, 1e-6)))
        pace = now


def _hand_over(
    street: Street,
    run: _Run,
    requests: Connection,
    frame: StreetFrame,
    sinks: tuple[Sink, ...],
) -> bool:
    """Give the second to every worker; while one is behind, keep answering requests."""
    second = StreetSecond(frame.begin_s, frame.previous, frame.current, frame.aspects)
    for sink in sinks:
        while True:
            try:
                sink.put(second, timeout=0.05)
                break
            except queue.Full:
                # Once the service is gone there is always something to read: its end.
                while not run.stopped and requests.poll(0):
                    _answer(street, run, requests)
                if run.stopped:
                    return False
    return True


def _answer(street: Street, run: _Run, requests: Connection) -> None:
    try:
        command, arguments = requests.recv()
    except EOFError:
        run.stopped = True
        return
    if command == "stop":
        run.stopped = True
        return
    try:
        answer: Answer = (True, _carry_out(street, run, command, arguments))
    except XanhError as error:
        answer = (False, str(error))
    except KeyError as error:
        answer = (False, f"no controller {error.args[0]!r} on this street")
    requests.send(answer)


def _carry_out(street: Street, run: _Run, command: str, arguments: tuple[Any, ...]) -> Any:
    if command == "run":
        run.begin(street.time_s, *arguments)
        return None
    if command == "apply":
        (plan,) = arguments
        street.controllers[plan.junction].apply(plan)
        return None
    (junction, *rest) = arguments
    controller = street.controllers[junction]
    if command == "read":
        return controller.read_plan()
    if command == "status":
        report = controller.report()
        return report.stage, float(report.second_in_cycle), float(report.time_s), report.states
    if command == "fault":
        controller.fault = rest[0]
        return None
    raise XanhError(f"the street does not know the request {command!r}")


def _tick(street: Street, frame: StreetFrame, speed: float) -> StreetTick:
    stages = {}
    for name, controller in street.controllers.items():
        if controller.fault is Fault.LOST:
            continue
        report = controller.report()
        stages[name] = ShownStage(
            stage=report.stage,
            second_in_cycle=float(report.second_in_cycle),
            cycle_s=controller.running_plan.cycle_ds / 10,
            settled=report.settled,
        )
    return StreetTick(
        begin_s=frame.begin_s,
        end_s=frame.end_s,
        aspects=frame.aspects,
        stages=stages,
        queues={
            edge: ApproachQueue(item.vehicles, item.length_m) for edge, item in frame.queues.items()
        },
        crossings=frame.crossings,
        wrong_way=frame.wrong_way,
        offences=frame.offences,
        delay_vehicle_s=frame.delay_vehicle_s,
        planned=street.delay.mark().planned,
        running=frame.running,
        waiting=frame.waiting,
        speed=speed,
    )


def street_of(site: Site) -> StreetOptions:
    """The site's virtual street.

    Raises:
        XanhError: If the site has none: its field is a real one.
    """
    if site.street is None:
        raise XanhError(f"site {site.id} has no virtual street (no `street:` in its site.yaml)")
    return site.street
