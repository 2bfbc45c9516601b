"""How those who break the law on the virtual street do it, and how everybody else keeps it.

Every act is committed by SUMO's own vehicles where its model knows a way (a speed, a stop, a
lane, a signal not minded), else off the lanes (``simulation.offstreet``). Who does what is drawn
from the street's seed; what really happened is told by ``simulation.offences`` alone.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from models.camera import AreaKind
from models.signals import SignalState
from models.site import Site, StreetOptions
from simulation.field_controller import FixedTimeController
from simulation.netfile import NetFile
from simulation.offstreet import (
    BACK_MPS,
    PAVEMENT_MPS,
    Ride,
    back_path,
    is_clear,
    pavement_path,
)
from simulation.road_marks import straight_exit
from simulation.states import CLASSES, VehicleStates
from simulation.sumo_session import Snapshot, SumoSession
from simulation.truth import StopLine, StopLineCrossing, signal_of
from simulation.violators import (
    CREEPER_TYPE,
    FREE,
    FRONT_ROW_M,
    LAWFUL_SPEED_MODE,
    RED_RUNNER_TYPE,
    RUN_SPEED_MODE,
    SPEEDER_TYPE,
    SUMO_CLASSES,
    Quota,
    RedRunners,
)

_MOTORCYCLE = CLASSES.index("motorcycle")
EARLY_S = 2
"""An early starter sets off so long before green."""
EARLY_MPS = 1.8
CREEP_MPS = 1.2
CREEP_LEFT_S = 12
"""Who creeps past the line does it while red lasts at least so long."""
CREEP_M = (1.4, 2.6)
BLOCK_AT_M = 5.0
"""A vehicle that will block brakes once its front is so far past the line."""
BLOCK_RED_S = 11
"""And stands until its own red has lasted so long."""
BLOCK_MOST_S = 40
STOP_FROM_M, STOP_TO_M = 6.0, 14.0
STOP_S = 45.0
BACK_M = 90.0
PAVEMENT_M = 34.0
AHEAD_M, BESIDE_M, STANDS_MPS = 7.0, 0.6, 0.5
"""One who will run the light waits while another stands so far ahead and hardly beside."""
LEAST_BACK_M, BACK_FROM_MPS = 4.5, 7.0


@dataclass(slots=True)
class _Held:
    """A vehicle whose speed is in our hands: past which line, how far, until when."""

    line: StopLine
    link: int
    stop_m: float
    since_s: int
    blocks: bool
    standing: bool = False


class Conduct:
    """Lawful and unlawful behaviour of one street."""

    def __init__(
        self,
        site: Site,
        net: NetFile,
        options: StreetOptions,
        lanes: Sequence[str],
        lines: Sequence[StopLine],
        controllers: Mapping[str, FixedTimeController],
        class_of_type: Mapping[str, str],
        begin_s: int,
        seed: int,
    ) -> None:
        """Set up.

        Args:
            site: The site; its cameras' signs and marks are what is minded, or not.
            net: Its network.
            options: Shares and rates of violations.
            lanes: Ids of the approach lanes.
            lines: Where each of them ends.
            controllers: The signals, by junction.
            class_of_type: Our class of each vehicle type of the demand.
            begin_s: The street's first second.
            seed: Determines everything.
        """
        self._site, self._net, self._options = site, net, options
        self._lanes, self._lines = lanes, lines
        self._controllers = controllers
        self._class_of_type = class_of_type
        self._type_of_class = {name: kind for kind, name in class_of_type.items()}
        self._red_runners = RedRunners(options.red_light_share, seed * 7919 + 2)
        self._random = random.Random(seed * 7919 + 5)
        rates = (
            options.u_turn_vph,
            options.illegal_stopping_vph,
            options.blocking_vph,
            options.pavement_vph,
        )
        self._back, self._stopping, self._blocking, self._pavement = (
            Quota(rate, begin_s, seed * 7919 + 10 + index) for index, rate in enumerate(rates)
        )
        self.closed: dict[str, tuple[str, ...]] = {}
        self._turns: dict[tuple[str, str], frozenset[str]] = {}
        self._no_back: set[str] = set()
        self._ahead: dict[str, str] = {}
        for camera in site.cameras:
            road = camera.view.road
            for area in road.areas:
                if area.kind is AreaKind.LANE and area.lane:
                    self.closed[area.lane] = area.not_for
            for turn in road.forbidden_turns:
                _, _, way = turn.movement.rpartition(":")
                begin, _, end = way.partition(">")
                self._turns[begin, end] = frozenset(turn.vehicle_classes)
            if road.u_turn_forbidden:
                self._no_back.add(camera.approach)
            ahead = straight_exit(net, camera.junction, camera.approach)
            if ahead is not None:
                self._ahead[camera.approach] = ahead
        self._into_closed = {
            (link.from_edge, link.to_edge): link.from_lane
            for link in net.links
            if f"{link.to_edge}_{link.to_lane}" in self.closed and link.direction == "s"
        }
        self._ways: dict[tuple[tuple[str, ...], str], bool] = {}
        self._lawful_type: dict[str, str] = {}
        self._in_junction: set[str] = set()
        self._asked: set[str] = set()
        self._early: dict[str, tuple[str, int]] = {}
        self._held: dict[str, _Held] = {}
        self._free: set[str] = set()
        self._to_pavement: dict[str, str] = {}
        self._taken: list[str] = []
        self.rides: list[Ride] = []

    # Who departs ----------------------------------------------------------------------------

    def dressed(
        self, name: str, edges: tuple[str, ...], attributes: Mapping[str, str]
    ) -> Mapping[str, str]:
        """Attributes of a vehicle that departs, of a type that may go its way, or does not mind."""
        kind = attributes.get("type", "")
        known = self._class_of_type.get(kind)
        if known is None:
            return attributes
        wanted = known
        forbidden = [self._turns[pair] for pair in pairwise(edges) if pair in self._turns]
        for classes in forbidden:
            if self._drawn(self._options.illegal_turn_share):
                wanted = sorted(classes)[0]
            elif wanted in classes:
                wanted = "motorcycle" if "car" in classes else "car"
        if not self._may_go(edges, wanted):
            wanted = "car" if self._may_go(edges, "car") else "motorcycle"
        kind = kind if wanted == known else self._type_of_class.get(wanted, kind)
        if wanted == "motorcycle" and self._drawn(self._options.speeding_share):
            kind = SPEEDER_TYPE
        elif self._meets_closed_lane(edges, wanted) and self._drawn(self._options.wrong_lane_share):
            kind = FREE + kind
            self._free.add(name)
        return attributes if kind == attributes.get("type") else {**attributes, "type": kind}

    def _meets_closed_lane(self, edges: tuple[str, ...], vehicle_class: str) -> bool:
        """Whether its way leads straight on beside a lane that is closed to it."""
        closed = any(vehicle_class in classes for classes in self.closed.values())
        return closed and any(pair in self._into_closed for pair in pairwise(edges))

    def _drawn(self, share: float) -> bool:
        return share > 0 and self._random.random() < share

    def _may_go(self, edges: tuple[str, ...], vehicle_class: str) -> bool:
        """Whether open lanes lead all the way."""
        if not any(vehicle_class in classes for classes in self.closed.values()):
            return True
        key = (edges, vehicle_class)
        if key not in self._ways:
            open_pairs = {
                (link.from_edge, link.to_edge)
                for link in self._net.links
                if not self._is_closed(f"{link.from_edge}_{link.from_lane}", vehicle_class)
                and not self._is_closed(f"{link.to_edge}_{link.to_lane}", vehicle_class)
            }
            self._ways[key] = all(pair in open_pairs for pair in pairwise(edges))
        return self._ways[key]

    def _is_closed(self, lane: str, vehicle_class: str) -> bool:
        return vehicle_class in self.closed.get(lane, ())

    def close_lanes(self, session: SumoSession) -> None:
        """Close lanes in SUMO to the classes that may not use them."""
        for lane, classes in self.closed.items():
            session.close_lane(lane, [kind for name in classes for kind in SUMO_CLASSES[name]])

    # Before SUMO's step ---------------------------------------------------------------------

    def before_step(
        self,
        session: SumoSession,
        now: Snapshot,
        on_lane: Mapping[str, int],
        against: Mapping[str, str],
        time_s: int,
    ) -> None:
        """Ask new riders at the front at red; set off, hold and release those who act."""
        if on_lane:
            self._ask_front_row(session, now, on_lane, against, time_s)
        for name in self._red_runners.starting(time_s):
            if stands_ahead(now, name):
                # On its way into the junction SUMO would drive it through one who waits there.
                self._red_runners.put_off(name, time_s + 1)
            else:
                self._run(session, name)
        for name, (junction, link) in list(self._early.items()):
            left_s = self._controllers[junction].until_green_s(link)
            if left_s is not None and left_s <= EARLY_S:
                del self._early[name]
                self._run(session, name)
                session.hold_speed(name, EARLY_MPS)
                line = self._lines[on_lane[name]]
                self._held[name] = _Held(line, link, 1e9, time_s, blocks=False)
        for name, held in list(self._held.items()):
            self._steer(session, now, name, held, time_s)
        for name in self._free:
            if name in on_lane:
                self._keep_closed_lane(session, name, self._lines[on_lane[name]].approach)

    def _ask_front_row(
        self,
        session: SumoSession,
        now: Snapshot,
        on_lane: Mapping[str, int],
        against: Mapping[str, str],
        time_s: int,
    ) -> None:
        names = list(on_lane)
        rows = np.array([now.row[name] for name in names])
        lanes = np.array([on_lane[name] for name in names])
        table = np.array(
            [(line.x_m, line.y_m, line.inward_x, line.inward_y) for line in self._lines]
        )[lanes]
        ahead = ((table[:, :2] - now.front_m[rows]) * table[:, 2:]).sum(axis=1)
        riders = now.states.vehicle_class[rows] == _MOTORCYCLE
        for index in np.nonzero(riders & (ahead < FRONT_ROW_M))[0].tolist():
            name = names[index]
            if self._red_runners.asked(name) or name in against:
                continue
            line = self._lines[lanes[index]]
            head = self._head(session, name, line)
            if head is None:
                continue
            self._red_runners.ask(name, time_s)
            if not self._red_runners.waits(name):
                self._ask_other(session, name, line, head, float(ahead[index]), time_s)

    def _ask_other(
        self,
        session: SumoSession,
        name: str,
        line: StopLine,
        link: int,
        ahead_m: float,
        time_s: int,
    ) -> None:
        """One who does not run the light may set off early, or creep past the line."""
        if self._drawn(self._options.early_start_share) and ahead_m < 2.5:
            self._early[name] = (line.junction, link)
        elif self._drawn(self._options.stop_line_share) and ahead_m < 4.0:
            left_s = self._controllers[line.junction].until_green_s(link)
            if left_s is None or left_s >= CREEP_LEFT_S:
                self._run(session, name, CREEPER_TYPE)
                session.hold_speed(name, CREEP_MPS)
                stop_m = self._random.uniform(*CREEP_M)
                self._held[name] = _Held(line, link, stop_m, time_s, blocks=False)

    def _run(self, session: SumoSession, name: str, vehicle_type: str = RED_RUNNER_TYPE) -> None:
        self._lawful_type[name] = session.set_manners(name, vehicle_type, RUN_SPEED_MODE)

    def _steer(
        self, session: SumoSession, now: Snapshot, name: str, held: _Held, time_s: int
    ) -> None:
        if name not in now.row:
            del self._held[name]
            return
        controller = self._controllers[held.line.junction]
        green = controller.letters[held.link] in "Gg"
        depth_m = -held.line.ahead_m(*now.front_m[now.row[name]].tolist())
        red_s = 0 if green else time_s - controller.since_s(held.link)
        long_ago = time_s - held.since_s > BLOCK_MOST_S
        if held.blocks:
            release = long_ago or (not green and red_s > BLOCK_RED_S)
        else:
            release = green or (long_ago and not held.standing)
        if release:
            session.hold_speed(name, None)
            del self._held[name]
        elif depth_m >= held.stop_m and not held.standing:
            held.standing = True
            session.hold_speed(name, 0.0)

    def _keep_closed_lane(self, session: SumoSession, name: str, approach: str) -> None:
        following = after(session.route(name), approach)
        lane = None if following is None else self._into_closed.get((approach, following))
        if lane is not None:
            session.keep_lane(name, lane, 5.0)

    def _head(self, session: SumoSession, name: str, line: StopLine) -> int | None:
        """The signal link of a vehicle that stands at red; None when it has none, or no red."""
        following = after(session.route(name), line.approach)
        if following is None:
            return None
        junction = self._site.junctions[line.junction]
        controller = self._controllers[line.junction]
        if signal_of(junction, controller, line.approach, following)[2] is not SignalState.RED:
            return None
        links = [
            link
            for movement in junction.movements
            if movement.from_edge == line.approach and movement.to_edge in (following, "")
            for link in movement.links
        ] or [
            link
            for movement in junction.movements
            if movement.from_edge == line.approach
            for link in movement.links
        ]
        return links[0]

    # After SUMO's step ----------------------------------------------------------------------

    def crossed(
        self,
        session: SumoSession,
        now: Snapshot,
        crossing: StopLineCrossing,
        lane: int,
        time_s: int,
    ) -> StopLineCrossing:
        """A vehicle is over the line: it may now do one thing or another.

        Returns:
            The crossing, with the way that the vehicle really goes.
        """
        name = str(crossing.vehicle)
        # One who goes on against the one-way does that, and nothing else beside it.
        if crossing.wrong_way or name in self._lawful_type or name in self._held:
            return crossing
        line = self._lines[lane]
        _, _, way = crossing.movement.rpartition(":")
        _, _, following = way.partition(">")
        straight = self._ahead.get(line.approach) == following
        rider = crossing.vehicle_class == "motorcycle"
        kerb = self._is_kerb_lane(lane)
        if crossing.state is SignalState.YELLOW and straight and self._blocking.due(time_s):
            link = self._link_of(line, following)
            if link is not None:
                self._blocking.take()
                self._held[name] = _Held(line, link, BLOCK_AT_M, time_s, blocks=True)
        elif rider and crossing.state is SignalState.GREEN and self._back.due(time_s):
            return self._turn_back(session, now, crossing, line)
        elif straight and kerb and crossing.vehicle_class in ("motorcycle", "car"):
            if self._stopping.due(time_s):
                index = self._net.edges[following].traffic_lanes[0].index
                at_m = self._random.uniform(STOP_FROM_M, STOP_TO_M)
                if session.stop_at(name, following, index, at_m, STOP_S):
                    self._stopping.take()
            elif rider and self._pavement.due(time_s):
                self._pavement.take()
                self._to_pavement[name] = following
        return crossing

    def after_step(self, session: SumoSession, now: Snapshot) -> None:
        """Runners who have left the junction are lawful again; riders take to the pavement."""
        for name in list(self._in_junction):
            if not session.edge_of(name).startswith(":"):
                self._in_junction.discard(name)
                session.set_manners(name, self._lawful_type.pop(name), LAWFUL_SPEED_MODE)
        for name, edge in list(self._to_pavement.items()):
            if name not in now.row:
                del self._to_pavement[name]
            elif session.edge_of(name) == edge:
                del self._to_pavement[name]
                footway = next(
                    (lane for lane in self._net.edges[edge].lanes if lane.allow == {"pedestrian"}),
                    None,
                )
                if footway is not None:
                    state = now.states.select(np.array([now.row[name]]))
                    place = (float(state.x_m[0]), float(state.y_m[0]))
                    path = pavement_path(place, footway, PAVEMENT_M)
                    self._leave_lanes(session, now, name, path, PAVEMENT_MPS)

    def over_the_line(self, name: str) -> None:
        """A vehicle has left its approach lane."""
        if self._red_runners.crossed(name) or name in self._lawful_type:
            self._in_junction.add(name)
        self._early.pop(name, None)

    def gone(self, name: str) -> None:
        """A vehicle has arrived."""
        self._red_runners.crossed(name)
        for table in (self._lawful_type, self._early, self._held, self._to_pavement):
            table.pop(name, None)
        self._in_junction.discard(name)
        self._free.discard(name)

    def taken_out(self) -> tuple[str, ...]:
        """Vehicles that left SUMO's lanes for good since this was last asked."""
        taken, self._taken = tuple(self._taken), []
        return taken

    def ride_on(self) -> VehicleStates | None:
        """One more second of the rides off the lanes; the riders as they are then."""
        self.rides = [ride for ride in (ride.after(1.0) for ride in self.rides) if not ride.over]
        if not self.rides:
            return None
        return VehicleStates.joined([ride.state for ride in self.rides])

    def _is_kerb_lane(self, lane: int) -> bool:
        edge = self._lines[lane].approach
        return self._lanes[lane] == self._net.edges[edge].traffic_lanes[0].id

    def _link_of(self, line: StopLine, following: str) -> int | None:
        return next(
            (
                movement.links[0]
                for movement in self._site.junctions[line.junction].movements
                if movement.from_edge == line.approach
                and movement.to_edge == following
                and movement.links
            ),
            None,
        )

    def _turn_back(
        self, session: SumoSession, now: Snapshot, crossing: StopLineCrossing, line: StopLine
    ) -> StopLineCrossing:
        approach = self._net.edges[line.approach]
        leave = next(
            (
                edge
                for edge in self._net.edges.values()
                if edge.from_node == approach.to_node
                and edge.to_node == approach.from_node
                and edge.traffic_lanes
                and line.approach in self._no_back
            ),
            None,
        )
        name = str(crossing.vehicle)
        if leave is None or name not in now.row:
            return crossing
        state = now.states.select(np.array([now.row[name]]))
        place = (float(state.x_m[0]), float(state.y_m[0]))
        lane = leave.traffic_lanes[-1]
        inward = (line.inward_x, line.inward_y)
        beside = (lane.shape[0][0] - place[0]) * -inward[1] + (
            lane.shape[0][1] - place[1]
        ) * inward[0]
        if beside < LEAST_BACK_M or float(state.speed_mps[0]) > BACK_FROM_MPS:
            return crossing
        path = back_path(place, inward, lane, BACK_M)
        if not is_clear(path, now.states, int(name), BACK_MPS):
            return crossing
        self._leave_lanes(session, now, name, path, BACK_MPS)
        self._back.take()
        return replace(crossing, movement=f"{line.junction}:{line.approach}>{leave.id}")

    def _leave_lanes(
        self,
        session: SumoSession,
        now: Snapshot,
        name: str,
        path: tuple[tuple[float, float], ...],
        target_mps: float,
    ) -> None:
        state = now.states.select(np.array([now.row[name]]))
        session.take_out(name)
        self._taken.append(name)
        self.rides.append(Ride(state, path, 0.0, float(state.speed_mps[0]), target_mps))


def stands_ahead(now: Snapshot, name: str) -> bool:
    """Whether somebody stands right ahead of a rider."""
    states, row = now.states, now.row.get(name)
    if row is None:
        return False
    dx, dy = states.x_m - states.x_m[row], states.y_m - states.y_m[row]
    sin, cos = np.sin(states.heading_rad[row]), np.cos(states.heading_rad[row])
    along, aside = dx * sin + dy * cos, np.abs(dx * cos - dy * sin)
    near = (along > 0.5) & (along - states.length_m / 2 < AHEAD_M)
    near &= (aside < states.width_m / 2 + BESIDE_M) & (states.speed_mps < STANDS_MPS)
    return bool(near.any())


def after(route: Sequence[str], edge: str) -> str | None:
    """The edge that follows another in a route."""
    at = route.index(edge) if edge in route else len(route)
    return route[at + 1] if at + 1 < len(route) else None
