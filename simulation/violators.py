"""Riders of the virtual street who run red lights or ride against the one-way."""

from __future__ import annotations

import math
import random
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from models.errors import BadInput
from simulation.netfile import NetFile, lane_direction
from simulation.truth import StopLine

FRONT_ROW_M = 6.0
"""A rider whose front is this near to the line stands in the front rows."""

RUN_SPEED_MODE = 7
"""SUMO speed mode of a safe speed, but without right of way and without stopping at red."""
LAWFUL_SPEED_MODE = 31

MEAN_PATIENCE_S = 7.0
"""A runner waits about this long at red before going (exponential)."""

WRONG_WAY_TYPE = "wrong_way_rider"
RED_RUNNER_TYPE = "red_runner"
CREEPER_TYPE = "creeper"
SPEEDER_TYPE = "speeder"
FREE = "free_"
"""Prefix of the types of those who do not mind a closed lane."""

SUMO_CLASSES: Mapping[str, tuple[str, ...]] = {
    "motorcycle": ("motorcycle",),
    "bicycle": ("bicycle",),
    "car": ("passenger",),
    "bus": ("bus",),
    "truck": ("truck",),
}
"""SUMO's classes that a lane is closed to, by ours; those of ``_FREE`` stay open to them."""
_FREE = {"motorcycle": "moped", "passenger": "taxi", "bus": "coach", "truck": "delivery"}

# What makes a motorcycle ride on against the traffic, and one that runs a red light thread its
# way through instead of standing before the others (SUMO junction model parameters).
_RED_RUNNER = {"jmIgnoreFoeProb": "1", "jmIgnoreFoeSpeed": "20", "jmIgnoreJunctionFoeProb": "1"}
_WRONG_WAY = {
    "jmDriveAfterRedTime": "300",
    "jmDriveRedSpeed": "6",
    **_RED_RUNNER,
}
_SPEEDER = {"speedFactor": "1.5", "maxSpeed": "24", "accel": "3.5", "lcSpeedGain": "5"}
_TWO_WHEELS = frozenset({"motorcycle", "moped"})


class RedRunners:
    """Decides which front-row riders at red will run it, and when."""

    def __init__(self, share: float, seed: int) -> None:
        if not 0.0 <= share <= 1.0:
            raise ValueError(f"red_light_share is {share}; valid is from 0 to 1")
        self._share = share
        self._random = random.Random(seed)
        self._asked: set[str] = set()
        self._waiting: dict[str, float] = {}
        self.running: set[str] = set()
        """Riders whose speed mode is set to run."""

    def ask(self, rider: str, time_s: float) -> None:
        """A rider stands in the front row at red; asked once per stop line."""
        if rider in self._asked:
            return
        self._asked.add(rider)
        if self._random.random() < self._share:
            self._waiting[rider] = time_s + self._random.expovariate(1 / MEAN_PATIENCE_S)

    def waits(self, rider: str) -> bool:
        """Whether the rider will run the light."""
        return rider in self._waiting

    def asked(self, rider: str) -> bool:
        """Whether the rider has been asked at this line already."""
        return rider in self._asked

    def starting(self, time_s: float) -> list[str]:
        """Riders who lose patience now; from here on they are running."""
        riders = [rider for rider, at_s in self._waiting.items() if at_s <= time_s]
        for rider in riders:
            del self._waiting[rider]
        self.running.update(riders)
        return riders

    def put_off(self, rider: str, until_s: float) -> None:
        """Somebody stands in the rider's way: it starts later, if red lasts."""
        self.running.discard(rider)
        self._waiting[rider] = until_s

    def crossed(self, rider: str) -> bool:
        """A rider is over the line, or gone; whether their speed mode has to be set back."""
        self._asked.discard(rider)
        self._waiting.pop(rider, None)
        if rider not in self.running:
            return False
        self.running.discard(rider)
        return True


class Quota:
    """So many acts an hour: a Poisson process of occasions, each taken by who comes first."""

    def __init__(self, vph: float, begin_s: float, seed: int) -> None:
        if vph < 0:
            raise ValueError(f"a rate of {vph} an hour; valid is 0 or more")
        self._rate = vph / 3600.0
        self._random = random.Random(seed)
        self._next_s = begin_s + self._gap_s()

    def due(self, time_s: float) -> bool:
        """Whether somebody should act now."""
        return self._next_s <= time_s

    def take(self) -> None:
        """Somebody acts; the next occasion comes later."""
        self._next_s += self._gap_s()

    def _gap_s(self) -> float:
        return self._random.expovariate(self._rate) if self._rate > 0 else math.inf


@dataclass(frozen=True, slots=True)
class KerbEdge:
    """A kerb strip against a one-way approach, where it begins, and how riders get on and off."""

    edge: str
    junction: str
    approach: str
    entry: StopLine
    routes: tuple[tuple[str, ...], ...]


def kerb_edges(net: NetFile, approaches: Mapping[str, str]) -> tuple[KerbEdge, ...]:
    """Edges only for two wheels that run against an approach.

    Args:
        net: The network.
        approaches: Junction id per approach edge.

    Returns:
        One entry per edge that can be reached, with every route of street, kerb, street.
    """
    by_ends = {(net.edges[edge].from_node, net.edges[edge].to_node): edge for edge in approaches}
    strips = {
        edge.id: by_ends[edge.to_node, edge.from_node]
        for edge in net.edges.values()
        if not edge.function
        and (edge.to_node, edge.from_node) in by_ends
        and edge.lanes
        and all(lane.allow and lane.allow <= _TWO_WHEELS for lane in edge.lanes)
    }
    found = []
    for strip, approach in strips.items():
        before = sorted(
            {link.from_edge for link in net.links if link.to_edge == strip}
            & (net.edges.keys() - strips.keys())
        )
        before = [edge for edge in before if not net.edges[edge].function]
        after = sorted({link.to_edge for link in net.outgoing(strip)} - strips.keys())
        routes: list[tuple[str, ...]] = [
            (first, strip, last) for first in before for last in after
        ] or [(first, strip) for first in before]
        if routes:
            lane = net.edges[strip].lanes[0]
            entry = StopLine(
                approaches[approach], approach, *lane.shape[0], *lane_direction(lane, at_end=False)
            )
            found.append(KerbEdge(strip, approaches[approach], approach, entry, tuple(routes)))
    return tuple(found)


class WrongWayRiders:
    """Departures of riders against the one-way: a Poisson process over all kerb strips."""

    def __init__(self, vph: float, kerbs: Sequence[KerbEdge], begin_s: float, seed: int) -> None:
        if vph < 0:
            raise ValueError(f"wrong_way_vph is {vph}; valid is 0 or more")
        self._rate = vph / 3600.0 if kerbs else 0.0
        self._kerbs = kerbs
        self._random = random.Random(seed)
        self._next_s = begin_s + self._gap_s()

    def until(self, time_s: float) -> list[tuple[float, tuple[str, ...]]]:
        """(planned time, route) of each rider due at or before a time."""
        due = []
        while self._next_s <= time_s:
            kerb = self._random.choice(self._kerbs)
            due.append((self._next_s, self._random.choice(kerb.routes)))
            self._next_s += self._gap_s()
        return due

    def _gap_s(self) -> float:
        return self._random.expovariate(self._rate) if self._rate > 0 else math.inf


def write_violator_types(vehicle_types: Iterable[Path], path: Path) -> None:
    """Write the vehicle types of violators: the site's motorcycle with other manners, and each
    of the site's types once more as one whom closed lanes do not stop.

    Raises:
        BadInput: If no file has a type with ``vClass="motorcycle"``.
    """
    root = ET.Element("additional")
    for source in vehicle_types:
        for element in ET.parse(source).getroot().iter("vType"):
            attributes = dict(element.attrib)
            attributes.pop("probability", None)
            kind, name = attributes.get("vClass", "passenger"), attributes["id"]
            if kind == "motorcycle" and not root.findall(f"vType[@id='{SPEEDER_TYPE}']"):
                for other, manners in (
                    (WRONG_WAY_TYPE, _WRONG_WAY),
                    (RED_RUNNER_TYPE, _RED_RUNNER),
                    (CREEPER_TYPE, _RED_RUNNER),
                    (SPEEDER_TYPE, _SPEEDER),
                ):
                    ET.SubElement(root, "vType", {**attributes, **manners, "id": other})
            if kind in _FREE:
                free = {**attributes, "vClass": _FREE[kind], "id": FREE + name}
                ET.SubElement(root, "vType", free)
    if root.findall(f"vType[@id='{SPEEDER_TYPE}']"):
        ET.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)
        return
    raise BadInput(
        "vehicle_types", "vType", 'has no motorcycle; valid is one with vClass="motorcycle"'
    )


def classes_of_types(vehicle_types: Iterable[Path]) -> dict[str, str]:
    """Our class of each vehicle type that a lane may be closed to."""
    ours = {sumo: name for name, all_of in SUMO_CLASSES.items() for sumo in all_of}
    return {
        element.attrib["id"]: ours[kind]
        for source in vehicle_types
        for element in ET.parse(source).getroot().iter("vType")
        if (kind := element.get("vClass", "passenger")) in ours
    }
