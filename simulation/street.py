"""The virtual street: SUMO as the field, with controllers, violators and the truth.

One step is one second. A signal state that is set for the step that begins at ``t`` rules
everything that moves in ``[t, t + 1)``; road users move in a straight line in between
(``simulation.states.interpolate``). Everything is determined by the seed. SUMO's own outputs call
the end of that second ``t``: instants in them are one second earlier than here.

SUMO runs inside this process (libsumo) and only once: use a spawned process per street.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from models.counts import CountRow
from models.errors import BadInput, XanhError
from models.plan import Plan
from models.signals import SignalState
from models.site import LAWFUL, Site, StreetOptions
from simulation.conduct import Conduct, after
from simulation.delay_meter import DelayMeter
from simulation.demand import write_demand
from simulation.field_controller import FixedTimeController
from simulation.live_demand import LiveDemand, WriteChunk
from simulation.netfile import NetFile, lane_direction, read_net
from simulation.offences import Offence, OffenceWatch
from simulation.people import People
from simulation.scratch import Scratch
from simulation.states import CLASSES, FloatArray, IntArray, VehicleStates
from simulation.sumo_session import Snapshot, SumoSession
from simulation.truth import (
    StopLine,
    StopLineCrossing,
    WrongWayEntry,
    crossing_fraction,
    signal_of,
)
from simulation.violators import (
    CREEPER_TYPE,
    WRONG_WAY_TYPE,
    KerbEdge,
    WrongWayRiders,
    classes_of_types,
    kerb_edges,
    write_violator_types,
)

QUEUED_MPS = 5.0 / 3.6
"""Slower than this is queued (HCM's 5 km/h)."""
_NOBODY = replace(LAWFUL, pedestrians_ph=0.0, seed=0)

QUEUE_GAP_M = 20.0
"""A gap longer than this between slow vehicles ends the queue."""


@dataclass(frozen=True, slots=True)
class Queue:
    """Vehicles slower than 5 km/h behind a stop line, and how far back they stand."""

    vehicles: int
    length_m: float


@dataclass(frozen=True, slots=True)
class StreetFrame:
    """One second of the street, ``[begin_s, end_s)``.

    ``letters`` (by junction) and ``aspects`` (by movement and crossing) hold throughout it;
    ``previous`` and ``current`` are the road users at its beginning and end. ``queues`` are by
    approach edge, at its end. ``offences`` are the violations that became certain in it, wrong
    way excepted (``wrong_way``). ``delay_vehicle_s`` is the delay that accrued in it; ``running``
    and ``waiting`` count vehicles on the road and before it.
    """

    begin_s: float
    end_s: float
    previous: VehicleStates
    current: VehicleStates
    letters: Mapping[str, str]
    aspects: Mapping[str, SignalState]
    crossings: tuple[StopLineCrossing, ...]
    wrong_way: tuple[WrongWayEntry, ...]
    offences: tuple[Offence, ...]
    queues: Mapping[str, Queue]
    delay_vehicle_s: float
    running: int
    waiting: int

    def near(self, x_m: float, y_m: float, radius_m: float) -> tuple[VehicleStates, VehicleStates]:
        """Previous and current states of those within ``radius_m`` of a point at the end."""
        current = self.current.near(x_m, y_m, radius_m)
        return self.previous.select(np.isin(self.previous.id, current.id)), current


class Street:
    """The street of one site under a plan, second by second."""

    def __init__(
        self,
        site: Site,
        plan: Plan,
        *,
        seed: int,
        counts: Sequence[CountRow] = (),
        demand: WriteChunk | None = None,
        begin_s: int = 0,
        options: StreetOptions = LAWFUL,
        pedestrians_ph: float | None = None,
    ) -> None:
        """Start SUMO on the site's network.

        Args:
            site: A site with a network and a step of 1 s.
            plan: Timing that the junctions' controllers run at first.
            seed: Determines demand, drivers and violators.
            counts: Flows per movement that the demand reproduces without end.
            demand: Writes the demand instead of ``counts`` (see ``live_demand.WriteChunk``).
            begin_s: First second; plan offsets count from second 0.
            options: What its riders and drivers do; everybody keeps the law by default. Its seed
                and its pedestrians are not used here.
            pedestrians_ph: People an hour who cross at each junction; by default the site's own.

        Raises:
            BadInput: If the site cannot be a street.
            XanhError: If a SUMO already runs in this process, or SUMO refuses.
        """
        network = _check(site)
        net = read_net(network)
        self.site = site
        self.seed = seed
        self.controllers: dict[str, FixedTimeController] = {
            name: FixedTimeController(plan.junction(name), junction, begin_s=begin_s)
            for name, junction in site.junctions.items()
        }
        self.delay = DelayMeter(begin_s)
        self._approaches = {
            edge: name for name, junction in site.junctions.items() for edge in junction.approaches
        }
        self._lanes, self._lines = _stop_lines(net, self._approaches)
        self._lanes_of = {
            edge: np.array([line.approach == edge for line in self._lines])
            for edge in self._approaches
        }
        self._line_rows = np.array(
            [(line.x_m, line.y_m, line.inward_x, line.inward_y) for line in self._lines]
        ).reshape(-1, 4)
        kerbs = kerb_edges(net, self._approaches)
        self._kerbs: dict[str, KerbEdge] = {kerb.edge: kerb for kerb in kerbs}
        self._wrong_way = WrongWayRiders(options.wrong_way_vph, kerbs, begin_s, seed * 7919 + 3)
        types = site.simulation.vehicle_types
        files = [site.folder / types] if types else []
        self._conduct = Conduct(
            site,
            net,
            options,
            self._lanes,
            self._lines,
            self.controllers,
            classes_of_types(files),
            begin_s,
            seed,
        )
        self.people = People(seed, options.overloaded_share, options.no_helmet_share)
        self._offences = OffenceWatch(site, self._lines, self.people)
        self._against: dict[str, str] = {}
        self._time_s = begin_s
        self._names = 0
        self._waiting: set[str] = set()
        self._on_lane: dict[str, int] = {}
        self._now = Snapshot.empty()
        self._shown: dict[str, str] = {}
        self._folder = Scratch("street")
        folder = self._folder.path
        try:
            additional = []
            if replace(options, pedestrians_ph=0.0, seed=0) != _NOBODY:
                additional.append(folder / "violators.add.xml")
                write_violator_types(files, additional[0])
            write = demand or _writer(site, counts, pedestrians_ph)
            self._demand = LiveDemand(write, seed=seed, begin_s=begin_s, folder=folder)
            self._session: SumoSession | None = SumoSession(
                site,
                seed=seed,
                begin_s=begin_s,
                additional=additional,
                # Who has crept past the line stands beside the others' ways, not in them.
                unheeded=CREEPER_TYPE,
            )
            self._conduct.close_lanes(self._session)
        except BaseException:
            self._folder.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def time_s(self) -> float:
        """The present: end of the last step."""
        return float(self._time_s)

    @property
    def stop_lines(self) -> tuple[StopLine, ...]:
        """Where each approach lane ends."""
        return tuple(self._lines)

    def close(self) -> None:
        """Stop SUMO; the street cannot be stepped any more."""
        if self._session is not None:
            self._session.close()
            self._session = None
            self._folder.close()

    def steps(self, seconds: int) -> Iterator[StreetFrame]:
        """The next ``seconds`` steps."""
        for _ in range(seconds):
            yield self.step()

    def step(self) -> StreetFrame:
        """Live one second.

        Raises:
            XanhError: If SUMO breaks off, or the street is closed.
        """
        session = self._session
        if session is None:
            raise XanhError("the virtual street is closed")
        begin_s = self._time_s
        late_s = self._depart(session, begin_s)
        for name, controller in self.controllers.items():
            letters = controller.advance()
            if self._shown.get(name) != letters:
                session.show(name, letters)
                self._shown[name] = letters
        self._conduct.before_step(session, self._now, self._on_lane, self._against, begin_s)

        departed, left = session.step()
        arrived = tuple(dict.fromkeys((*left, *self._conduct.taken_out())))
        self._time_s = begin_s + 1
        before, now = self._now, session.read()
        riding = self._conduct.ride_on()
        if riding is not None:
            now = replace(now, states=VehicleStates.joined([now.states, riding]))
        on_lane = session.on_lanes(self._lanes)
        crossings = self._crossings(session, before, now, on_lane, set(arrived), begin_s)
        wrong_way = self._wrong_way_entries(session, before, now, begin_s)
        for name in arrived:
            self._conduct.gone(name)
            self._against.pop(name, None)
        self._conduct.after_step(session, now)
        offences = self._offences.step(float(begin_s), now.states, crossings, self._shown_to)
        # SUMO lets vehicles enter at a step's beginning; who is still outside waited all of it.
        self._waiting.difference_update(departed)
        waited_s = late_s + len(self._waiting)
        delay = self.delay.step(self._time_s, now.row, now.loss_s, arrived, waited_s)
        self._now, self._on_lane = now, on_lane
        return StreetFrame(
            begin_s=float(begin_s),
            end_s=float(self._time_s),
            previous=before.states,
            current=now.states,
            letters=dict(self._shown),
            aspects=self._aspects(),
            crossings=crossings,
            wrong_way=wrong_way,
            offences=offences,
            queues=self._queues(now, on_lane),
            delay_vehicle_s=delay,
            running=len(now.names),
            waiting=len(self._waiting),
        )

    def _aspects(self) -> dict[str, SignalState]:
        aspects: dict[str, SignalState] = {}
        for controller in self.controllers.values():
            aspects |= controller.aspects()
        return aspects

    # Before SUMO's step ---------------------------------------------------------------------

    def _depart(self, session: SumoSession, time_s: int) -> float:
        """Hand over who is due; vehicle-seconds by which they are late for their planned time."""
        late_s = 0.0
        planned = 0
        for departure in self._demand.until(time_s):
            if departure.walks:
                session.add_person(self._name(), departure.edges, departure.attributes)
                continue
            name = self._name()
            attributes = self._conduct.dressed(name, departure.edges, departure.attributes)
            session.add_vehicle(name, departure.edges, attributes)
            self._waiting.add(name)
            late_s += time_s - departure.time_s
            planned += 1
        for planned_s, route in self._wrong_way.until(time_s):
            name = self._name()
            session.add_vehicle(name, route, {"type": WRONG_WAY_TYPE, "departLane": "best"})
            self._waiting.add(name)
            self._against[name] = next(edge for edge in route if edge in self._kerbs)
            late_s += time_s - planned_s
            planned += 1
        self.delay.plan(planned)
        return late_s

    def _name(self) -> str:
        self._names += 1
        return str(self._names)

    # After SUMO's step ----------------------------------------------------------------------

    def _ahead_m(self, now: Snapshot, rows: IntArray, lanes: IntArray) -> FloatArray:
        """Distance of fronts before the ends of the lanes that they are on, metres."""
        line = self._line_rows[lanes]
        ahead: FloatArray = ((line[:, :2] - now.front_m[rows]) * line[:, 2:]).sum(axis=1)
        return ahead

    def _crossings(
        self,
        session: SumoSession,
        before: Snapshot,
        now: Snapshot,
        on_lane: Mapping[str, int],
        arrived: set[str],
        begin_s: int,
    ) -> tuple[StopLineCrossing, ...]:
        found = []
        for name, lane in self._on_lane.items():
            line = self._lines[lane]
            there = on_lane.get(name)
            if there is not None and self._lines[there].approach == line.approach:
                continue
            self._conduct.over_the_line(name)
            if name in arrived:
                continue
            following = after(session.route(name), line.approach)
            if following is None:
                continue
            fraction = crossing_fraction(
                line,
                tuple(before.front_m[before.row[name]].tolist()),
                tuple(now.front_m[now.row[name]].tolist()),
            )
            time_s = begin_s + fraction
            controller = self.controllers[line.junction]
            movement, letter, state, since_s = signal_of(
                self.site.junctions[line.junction], controller, line.approach, following
            )
            red = state is SignalState.RED
            crossing = StopLineCrossing(
                time_s=time_s,
                vehicle=int(name),
                vehicle_class=CLASSES[now.states.vehicle_class[now.row[name]]],
                junction=line.junction,
                approach=line.approach,
                movement=movement,
                letter=letter,
                state=state,
                time_into_red_s=time_s - since_s if red else None,
                red_light=red,
                wrong_way=following in self._kerbs,
            )
            found.append(self._conduct.crossed(session, now, crossing, lane, begin_s))
        return tuple(sorted(found, key=lambda crossing: (crossing.time_s, crossing.vehicle)))

    def _wrong_way_entries(
        self, session: SumoSession, before: Snapshot, now: Snapshot, begin_s: int
    ) -> tuple[WrongWayEntry, ...]:
        found = []
        for name, edge in list(self._against.items()):
            if name not in now.row or session.edge_of(name) != edge:
                continue
            del self._against[name]
            kerb = self._kerbs[edge]
            fraction = 0.0
            if name in before.row:
                fraction = crossing_fraction(
                    kerb.entry,
                    tuple(before.front_m[before.row[name]].tolist()),
                    tuple(now.front_m[now.row[name]].tolist()),
                )
            vehicle_class = CLASSES[now.states.vehicle_class[now.row[name]]]
            found.append(
                WrongWayEntry(
                    begin_s + fraction, int(name), vehicle_class, kerb.junction, kerb.approach
                )
            )
        return tuple(found)

    def _shown_to(self, crossing: StopLineCrossing) -> SignalState:
        """What a vehicle that crossed a line is shown this second, by its movement's head."""
        _, _, way = crossing.movement.rpartition(":")
        _, _, following = way.partition(">")
        junction = self.site.junctions[crossing.junction]
        controller = self.controllers[crossing.junction]
        return signal_of(junction, controller, crossing.approach, following)[2]

    def _queues(self, now: Snapshot, on_lane: Mapping[str, int]) -> dict[str, Queue]:
        queues = dict.fromkeys(self._approaches, Queue(0, 0.0))
        if not on_lane:
            return queues
        names = list(on_lane)
        rows = np.array([now.row[name] for name in names])
        lanes = np.array([on_lane[name] for name in names])
        ahead = self._ahead_m(now, rows, lanes)
        slow = now.states.speed_mps[rows] < QUEUED_MPS
        rear = ahead + now.states.length_m[rows]
        for edge in self._approaches:
            of_edge = slow & self._lanes_of[edge][lanes]
            if of_edge.any():
                queues[edge] = queue_behind(ahead[of_edge], rear[of_edge])
        return queues


def _check(site: Site) -> Path:
    where = str(site.folder / "site.yaml")
    if site.network is None:
        raise BadInput(where, "network", "is absent; a virtual street needs a SUMO network")
    if site.simulation.step_s != 1.0:
        step = f"{site.simulation.step_s:g}"
        raise BadInput(where, "simulation.step_s", f"{step}; the virtual street steps by 1")
    return site.network


def _writer(site: Site, counts: Sequence[CountRow], pedestrians_ph: float | None) -> WriteChunk:
    """Demand from counts, one stretch at a time."""

    def write(path: Path, seed: int, begin_s: float, end_s: float) -> None:
        write_demand(
            site,
            counts,
            path,
            seed=seed,
            begin_s=begin_s,
            end_s=end_s,
            pedestrians_ph=pedestrians_ph,
        )

    return write


def _stop_lines(net: NetFile, approaches: Mapping[str, str]) -> tuple[list[str], list[StopLine]]:
    """Vehicle lanes of the approaches, and where each ends."""
    lanes, lines = [], []
    for edge, junction in approaches.items():
        for lane in net.edges[edge].lanes:
            if lane.allow != {"pedestrian"}:
                lanes.append(lane.id)
                inward = lane_direction(lane, at_end=True)
                lines.append(StopLine(junction, edge, *lane.shape[-1], *inward))
    return lanes, lines


def queue_behind(ahead_m: FloatArray, rear_m: FloatArray) -> Queue:
    """The queue of slow vehicles at a line: it ends where a gap is too long."""
    order = np.argsort(ahead_m)
    ahead, rear = ahead_m[order], np.maximum.accumulate(rear_m[order])
    gaps = ahead - np.concatenate(([0.0], rear[:-1]))
    broken = np.nonzero(gaps > QUEUE_GAP_M)[0]
    count = int(broken[0]) if len(broken) else len(ahead)
    return Queue(count, float(rear[count - 1]) if count else 0.0)
