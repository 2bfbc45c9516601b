"""A signalized junction: its movements, pedestrian crossings, conflicts and safety envelope."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType


class Turn(StrEnum):
    """Where a movement goes, seen from its approach."""

    LEFT = "left"
    THROUGH = "through"
    RIGHT = "right"
    UTURN = "uturn"


def movement_id(junction: str, from_edge: str, to_edge: str) -> str:
    """The movement id that files, API and reports share: ``JUNCTION:FROM>TO``."""
    return f"{junction}:{from_edge}>{to_edge}"


@dataclass(frozen=True, slots=True)
class Movement:
    """Vehicles from one approach edge to one exit edge.

    ``links`` are SUMO link indices of the junction's signal, empty on a camera-only site.
    """

    id: str
    from_edge: str
    to_edge: str
    turn: Turn
    lanes: tuple[str, ...] = ()
    links: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class PedestrianCrossing:
    """A signalized pedestrian crossing; ``edges`` are the carriageways it crosses."""

    id: str
    edges: tuple[str, ...]
    links: tuple[int, ...] = ()
    length_m: float = 0.0


@dataclass(frozen=True, slots=True)
class SafetyEnvelope:
    """What every deployed plan of a junction keeps. Site constants, never optimized.

    ``walk_ds`` and ``ped_clearance_ds`` apply per crossing; ``max_red_ds`` bounds the time a
    movement may be without green. ``granularity_ds`` is the controller's step for greens,
    cycle and offset; clearances may be set to 1 ds.
    """

    min_green_ds: int = 70
    max_green_ds: int = 1200
    yellow_change_ds: int = 30
    red_clearance_ds: int = 20
    walk_ds: int = 70
    ped_clearance_ds: Mapping[str, int] = field(default_factory=dict)
    min_cycle_ds: int = 300
    max_cycle_ds: int = 1800
    max_red_ds: int = 1800
    granularity_ds: int = 10

    def __post_init__(self) -> None:
        for name in ("min_green_ds", "walk_ds", "min_cycle_ds", "granularity_ds", "max_red_ds"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be above 0")
        for name in ("yellow_change_ds", "red_clearance_ds"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be 0 or more")
        if self.max_green_ds < self.min_green_ds:
            raise ValueError("max_green_ds must be at least min_green_ds")
        if self.max_cycle_ds < self.min_cycle_ds:
            raise ValueError("max_cycle_ds must be at least min_cycle_ds")
        if any(value < 0 for value in self.ped_clearance_ds.values()):
            raise ValueError("ped_clearance_ds must be 0 or more")
        object.__setattr__(self, "ped_clearance_ds", MappingProxyType(dict(self.ped_clearance_ds)))

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle for spawned processes (a mapping proxy alone cannot be pickled)."""
        values = {name: getattr(self, name) for name in self.__slots__}
        values["ped_clearance_ds"] = dict(self.ped_clearance_ds)
        return (_envelope, (values,))

    def crossing_ds(self, crossing: str) -> int:
        """Shortest service of a crossing: walk and then pedestrian clearance."""
        return self.walk_ds + self.ped_clearance_ds.get(crossing, 0)


def _envelope(values: dict[str, object]) -> SafetyEnvelope:
    return SafetyEnvelope(**values)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Junction:
    """One signalized junction.

    ``conflicts`` holds unordered pairs of ids (movements and crossings) whose paths cross.
    ``permissive`` holds ordered pairs (yielding, priority): the only conflicts that may share
    a stage, the first shown as permissive. ``tied`` holds groups of ids that share a signal
    head: a stage shows all of a group or none.
    """

    id: str
    movements: tuple[Movement, ...]
    crossings: tuple[PedestrianCrossing, ...] = ()
    conflicts: frozenset[frozenset[str]] = frozenset()
    permissive: frozenset[tuple[str, str]] = frozenset()
    envelope: SafetyEnvelope = field(default_factory=SafetyEnvelope)
    name: str = ""
    x_m: float = 0.0
    y_m: float = 0.0
    tied: frozenset[frozenset[str]] = frozenset()

    def __post_init__(self) -> None:
        ids = [m.id for m in self.movements] + [c.id for c in self.crossings]
        if len(set(ids)) != len(ids):
            raise ValueError(f"junction {self.id}: a movement or crossing id appears twice")
        known = set(ids)
        for pair in self.conflicts:
            if len(pair) != 2 or not pair <= known:
                raise ValueError(f"junction {self.id}: conflict {sorted(pair)} names unknown ids")
        for group in self.tied:
            if len(group) < 2 or not group <= known:
                raise ValueError(f"junction {self.id}: tied {sorted(group)} names unknown ids")
        for yielding, priority in self.permissive:
            if frozenset((yielding, priority)) not in self.conflicts:
                raise ValueError(
                    f"junction {self.id}: {yielding} yielding to {priority} is no conflict"
                )

    @property
    def signal_ids(self) -> frozenset[str]:
        """Ids of everything that has a signal here."""
        return frozenset(m.id for m in self.movements) | frozenset(c.id for c in self.crossings)

    @property
    def approaches(self) -> tuple[str, ...]:
        """Approach edges in the order of their first movement."""
        return tuple(dict.fromkeys(m.from_edge for m in self.movements))

    def unit(self, signal_id: str) -> frozenset[str]:
        """What must be shown with an id: its tied group, else itself alone."""
        return next((group for group in self.tied if signal_id in group), frozenset({signal_id}))

    def movement(self, movement: str) -> Movement:
        """The movement with this id.

        Raises:
            KeyError: If there is none.
        """
        for candidate in self.movements:
            if candidate.id == movement:
                return candidate
        raise KeyError(movement)
