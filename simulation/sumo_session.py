"""SUMO inside this process (libsumo): one at a time, road users read as arrays."""

from __future__ import annotations

import contextlib
import io
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from models.errors import XanhError
from models.site import Site
from simulation.runner import DEFAULTS
from simulation.states import CLASSES, FloatArray, VehicleStates

_CLASS_OF = {
    "motorcycle": "motorcycle",
    "moped": "motorcycle",
    "bicycle": "bicycle",
    "bus": "bus",
    "coach": "bus",
    "truck": "truck",
    "trailer": "truck",
    "delivery": "truck",
    "pedestrian": "pedestrian",
}
"""Our class of a SUMO vehicle class; every other is a car."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """What a SUMO vehicle type looks like."""

    class_index: int
    length_m: float
    width_m: float
    height_m: float


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everybody at one instant.

    ``states`` holds the vehicles in the order of ``names``, then the pedestrians. ``front_m``
    (V, 2) are the middles of the vehicles' front bumpers, ``loss_s`` (V,) their timeLoss so
    far, ``row`` the place of each vehicle's name.
    """

    names: tuple[str, ...]
    states: VehicleStates
    front_m: FloatArray
    loss_s: FloatArray
    row: Mapping[str, int]

    @classmethod
    def empty(cls) -> Snapshot:
        """Nobody."""
        return cls((), VehicleStates.empty(), np.empty((0, 2)), np.empty(0), {})


class SumoSession:
    """The one SUMO of this process. Names of its road users are whole numbers."""

    def __init__(
        self,
        site: Site,
        *,
        seed: int,
        begin_s: int,
        additional: Sequence[Path] = (),
        unheeded: str = "",
    ) -> None:
        """Start SUMO on the site's network, without any traffic.

        Within junctions nobody waits for a vehicle of the type ``unheeded``.

        Raises:
            XanhError: If one runs already in this process, or SUMO refuses.
        """
        self._sumo: Any = libsumo()
        # A second start is silently accepted by libsumo and takes the first one's place.
        if self._sumo.isLoaded():
            raise XanhError(
                "a SUMO runs in this process already; start another street in its own process"
            )
        types = site.simulation.vehicle_types
        files = [*([site.folder / types] if types else []), *additional]
        given = {option.partition("=")[0] for option in site.simulation.options}
        line = [
            "sumo",
            *("--net-file", str(site.network)),
            *("--begin", str(begin_s), "--step-length", "1", "--seed", str(seed)),
            *site.simulation.options,
        ]
        for option, value in DEFAULTS.items():
            if option not in given:
                line += [option, value]
        if files:
            line += ["--additional-files", ",".join(str(path) for path in files)]
        try:
            self._sumo.start(line)
        except self._sumo.TraCIException as error:
            raise XanhError(f"SUMO does not start on {site.network}: {error}") from None
        self._unheeded = unheeded
        self._random = random.Random(seed)
        self._routes: dict[tuple[str, ...], str] = {}
        self._walks: dict[tuple[str, ...], tuple[str, ...]] = {}
        self._kinds: dict[str, _Kind] = {}
        self._kind_of: dict[str, _Kind] = {}

    def close(self) -> None:
        """Stop SUMO."""
        self._sumo.close()

    # Traffic --------------------------------------------------------------------------------

    def add_vehicle(self, name: str, edges: tuple[str, ...], attributes: Mapping[str, str]) -> None:
        """Let a vehicle enter as soon as there is room, in the middle of its lane.

        libsumo takes no ``departPosLat``. Measured on pho-hue over 1200 s this neither makes
        vehicles wait longer to enter nor changes delay (81.4 s, from a route file 81.3 s).

        Raises:
            XanhError: If SUMO refuses it (a route that does not exist, an unknown type).
        """
        try:
            if edges not in self._routes:
                route = f"route{len(self._routes)}"
                self._sumo.route.add(route, edges)
                self._routes[edges] = route
            self._sumo.vehicle.add(
                name,
                self._routes[edges],
                typeID=attributes.get("type", "DEFAULT_VEHTYPE"),
                depart="now",
                departLane=attributes.get("departLane", "best"),
                departPos=attributes.get("departPos", "base"),
                departSpeed=attributes.get("departSpeed", "max"),
                arrivalPos=attributes.get("arrivalPos", "max"),
            )
            if self._unheeded:
                self._sumo.vehicle.setParameter(name, "junctionModel.ignoreTypes", self._unheeded)
        except self._sumo.TraCIException as error:
            raise XanhError(f"the street takes no vehicle on {' '.join(edges)}: {error}") from None

    def add_person(self, name: str, edges: tuple[str, ...], attributes: Mapping[str, str]) -> bool:
        """Let a pedestrian walk between the first and the last edge; False if there is no way."""
        if edges not in self._walks:
            found = edges
            if len(edges) == 2:
                stages = self._sumo.simulation.findIntermodalRoute(*edges)
                found = tuple(edge for stage in stages for edge in stage.edges)
            self._walks[edges] = found
        walk = self._walks[edges]
        if not walk:
            return False
        self._sumo.person.add(
            name,
            edges[0],
            self._along_m(edges[0], attributes.get("departPos", "0")),
            typeID=attributes.get("type", "DEFAULT_PEDTYPE"),
        )
        arrival_m = self._along_m(walk[-1], attributes.get("arrivalPos", "random"))
        self._sumo.person.appendWalkingStage(name, walk, arrival_m)
        return True

    def _along_m(self, edge: str, position: str) -> float:
        length_m = float(self._sumo.lane.getLength(f"{edge}_0"))
        if position in {"random", "random_free"}:
            return self._random.uniform(0.0, length_m)
        if position in {"max", "last"}:
            return length_m
        if position in {"base", "free"}:
            return 0.0
        return float(position)

    def show(self, junction: str, letters: str) -> None:
        """Set a junction's signal state for the steps to come."""
        self._sumo.trafficlight.setRedYellowGreenState(junction, letters)

    def set_manners(self, name: str, vehicle_type: str, speed_mode: int) -> str:
        """Change how a vehicle on the road behaves; the type that it was of before."""
        vehicle = self._sumo.vehicle
        before = str(vehicle.getTypeID(name))
        vehicle.setType(name, vehicle_type)
        vehicle.setSpeedMode(name, speed_mode)
        return before

    def hold_speed(self, name: str, speed_mps: float | None) -> None:
        """Make a vehicle drive at a speed; None lets it choose again."""
        self._sumo.vehicle.setSpeed(name, -1.0 if speed_mps is None else speed_mps)

    def keep_lane(self, name: str, index: int, seconds: float) -> None:
        """Make a vehicle change to a lane of its edge, where it can, and stay there."""
        self._sumo.vehicle.changeLane(name, index, seconds)

    def stop_at(self, name: str, edge: str, lane: int, along_m: float, seconds: float) -> bool:
        """Make a vehicle stop on its way; False if it cannot any more."""
        try:
            self._sumo.vehicle.setStop(name, edge, along_m, lane, seconds)
        except self._sumo.TraCIException:
            return False
        return True

    def close_lane(self, lane: str, sumo_classes: Sequence[str]) -> None:
        """Close a lane to SUMO vehicle classes."""
        closed = {*self._sumo.lane.getDisallowed(lane), *sumo_classes}
        self._sumo.lane.setDisallowed(lane, sorted(closed))

    def take_out(self, name: str) -> None:
        """Take a vehicle out of SUMO; it arrives with the next step."""
        self._sumo.vehicle.remove(name)

    def route(self, name: str) -> tuple[str, ...]:
        """Edges of a vehicle on the road."""
        return tuple(self._sumo.vehicle.getRoute(name))

    # Stepping and reading -------------------------------------------------------------------

    def step(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Simulate one second; names of vehicles that entered and that arrived in it.

        Raises:
            XanhError: If SUMO breaks off.
        """
        try:
            self._sumo.simulationStep()
        except self._sumo.TraCIException as error:
            raise XanhError(f"the virtual street broke off: {error}") from None
        vehicle, simulation = self._sumo.vehicle, self._sumo.simulation
        departed = tuple(simulation.getDepartedIDList())
        arrived = tuple(simulation.getArrivedIDList())
        for name in departed:
            self._kind_of[name] = self._kind(vehicle.getTypeID(name))
        for name in arrived:
            self._kind_of.pop(name, None)
        for name in simulation.getDepartedPersonIDList():
            self._kind_of[name] = self._kind(self._sumo.person.getTypeID(name))
        for name in simulation.getArrivedPersonIDList():
            self._kind_of.pop(name, None)
        return departed, arrived

    def read(self) -> Snapshot:
        """Everybody now."""
        vehicle, person = self._sumo.vehicle, self._sumo.person
        names = tuple(vehicle.getIDList())
        walkers = tuple(person.getIDList())
        kinds = [self._kind_of[name] for name in names]
        kinds += [self._kind_of[name] for name in walkers]
        position, angle, speed = vehicle.getPosition, vehicle.getAngle, vehicle.getSpeed
        points = [position(name) for name in names]
        points += [person.getPosition(name) for name in walkers]
        angles = [angle(name) for name in names]
        angles += [person.getAngle(name) for name in walkers]
        speeds = [speed(name) for name in names]
        speeds += [person.getSpeed(name) for name in walkers]
        loss = vehicle.getTimeLoss
        losses = np.array([loss(name) for name in names], np.float64)
        sizes = np.array(
            [(k.class_index, k.length_m, k.width_m, k.height_m) for k in kinds], np.float64
        ).reshape(-1, 4)
        front = np.array(points, np.float64).reshape(-1, 2)
        heading = np.radians(np.array(angles, np.float64))
        # SUMO's position is the front bumper of a vehicle, and of a pedestrian too.
        half = sizes[:, 1] / 2
        states = VehicleStates(
            id=np.array([int(name) for name in (*names, *walkers)], np.int64),
            vehicle_class=sizes[:, 0].astype(np.uint8),
            x_m=front[:, 0] - np.sin(heading) * half,
            y_m=front[:, 1] - np.cos(heading) * half,
            heading_rad=heading,
            speed_mps=np.array(speeds, np.float64),
            length_m=sizes[:, 1].copy(),
            width_m=sizes[:, 2].copy(),
            height_m=sizes[:, 3].copy(),
        )
        row = {name: index for index, name in enumerate(names)}
        return Snapshot(names, states, front[: len(names)], losses, row)

    def on_lanes(self, lanes: Sequence[str]) -> dict[str, int]:
        """Index of the lane that each vehicle on any of these lanes is on."""
        on = self._sumo.lane.getLastStepVehicleIDs
        return {name: index for index, lane in enumerate(lanes) for name in on(lane)}

    def edge_of(self, name: str) -> str:
        """Edge that a vehicle on the road is on."""
        return str(self._sumo.vehicle.getRoadID(name))

    def _kind(self, type_id: str) -> _Kind:
        if type_id not in self._kinds:
            types = self._sumo.vehicletype
            sumo_class = types.getVehicleClass(type_id)
            self._kinds[type_id] = _Kind(
                CLASSES.index(_CLASS_OF.get(sumo_class, "car")),
                types.getLength(type_id),
                types.getWidth(type_id),
                types.getHeight(type_id),
            )
        return self._kinds[type_id]


def libsumo() -> Any:
    """SUMO as a library, without its complaint about pyarrow, which nothing hands to it."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        import libsumo as sumo  # noqa: PLC0415 - loads SUMO's data, and few need it
    return sumo
