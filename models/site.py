"""A site: everything that its folder declares, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from models.camera import CameraView
from models.junction import Junction
from models.validation import AcceptancePolicy


@dataclass(frozen=True, slots=True)
class VehicleClass:
    """A class that is counted: its passenger car unit and usual size.

    ``worth`` is what one of them counts when signals are retimed: 1, or its people.
    """

    name: str
    pcu: float
    length_m: float
    width_m: float
    worth: float = 1.0


# PCU: a car is 3.4 motorbikes and a bus 10.5 motorbikes in Hanoi (reference figures); the
# rest are common values. A site may state its own.
DEFAULT_CLASSES: tuple[VehicleClass, ...] = (
    VehicleClass("motorcycle", 0.29, 1.9, 0.7),
    VehicleClass("bicycle", 0.25, 1.7, 0.6),
    VehicleClass("car", 1.0, 4.4, 1.8),
    VehicleClass("bus", 3.1, 11.0, 2.5),
    VehicleClass("truck", 2.0, 7.0, 2.2),
    VehicleClass("pedestrian", 0.0, 0.4, 0.5),
)
VEHICLE_CLASSES: tuple[str, ...] = tuple(item.name for item in DEFAULT_CLASSES)
TWO_WHEELERS = frozenset({"motorcycle", "bicycle"})
LONG_VEHICLES = frozenset({"bus", "truck"})


@dataclass(frozen=True, slots=True)
class SimulationOptions:
    """How SUMO runs the site.

    An imported site runs its trips verbatim from ``begin_s`` to ``end_s``: no warm-up, 1 s
    step, SUMO's defaults. ``warm_up_s`` is simulated before measuring starts.
    """

    begin_s: float = 0.0
    end_s: float = 3600.0
    warm_up_s: float = 0.0
    step_s: float = 1.0
    options: tuple[str, ...] = ()
    routes: str = ""
    vehicle_types: str = ""


@dataclass(frozen=True, slots=True)
class StreetOptions:
    """How the virtual street of a site behaves.

    ``red_light_share`` of the riders who stand first at a red light run it, ``early_start_share``
    set off before green, ``stop_line_share`` creep past the line. ``wrong_way_vph`` riders an
    hour take a one-way carriageway against its direction; as many an hour turn back, stop where
    it is forbidden, block a junction or ride on the pavement as their rates say, on the whole
    street. ``illegal_turn_share`` of those who make a turn that is forbidden to some class are of
    that class; ``wrong_lane_share`` of the vehicles of a class that a lane is closed to do not
    mind; ``speeding_share`` of the riders speed. ``overloaded_share`` and ``no_helmet_share`` of
    the motorbikes carry three, or somebody without a helmet. ``pedestrians_ph`` cross at each
    junction. Shares and rates are for demonstration and scoring, not survey data.
    """

    seed: int = 1
    red_light_share: float = 0.05
    early_start_share: float = 0.0
    stop_line_share: float = 0.0
    illegal_turn_share: float = 0.0
    wrong_lane_share: float = 0.0
    speeding_share: float = 0.0
    overloaded_share: float = 0.0
    no_helmet_share: float = 0.0
    wrong_way_vph: float = 30.0
    u_turn_vph: float = 0.0
    illegal_stopping_vph: float = 0.0
    blocking_vph: float = 0.0
    pavement_vph: float = 0.0
    pedestrians_ph: float = 200.0

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if item.name.endswith("_share") and not 0.0 <= value <= 1.0:
                raise ValueError(f"{item.name} must be from 0 to 1")
            if item.name.endswith(("_vph", "_ph")) and value < 0:
                raise ValueError(f"{item.name} must be 0 or more")


LAWFUL = StreetOptions(red_light_share=0.0, wrong_way_vph=0.0)
"""A street on which everybody keeps the law."""
DENSE = StreetOptions(
    red_light_share=0.15,
    early_start_share=0.06,
    stop_line_share=0.08,
    illegal_turn_share=0.2,
    wrong_lane_share=0.5,
    speeding_share=0.08,
    overloaded_share=0.01,
    no_helmet_share=0.02,
    wrong_way_vph=120.0,
    u_turn_vph=120.0,
    illegal_stopping_vph=120.0,
    blocking_vph=24.0,
    pavement_vph=160.0,
)
"""A street with dozens of the rarer violations in half an hour, so that every rule can be scored on
more than a handful of acts."""


@dataclass(frozen=True, slots=True)
class SiteCamera:
    """A camera of the site: its view, and how its picture is come by.

    ``source`` is a file, folder or URL for a real camera; empty on the virtual street.
    ``options`` keeps the entry's remaining settings (pose, rates) for the room that uses them.
    """

    id: str
    junction: str
    approach: str
    view: CameraView
    source: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Site:
    """A site folder, loaded and checked. ``network`` is None on a camera-only site.

    ``street`` is set where the site's field is a virtual one. ``objective`` is what retiming
    weighs, by the optimizer's names; what is absent is the optimizer's own.
    """

    id: str
    name: str
    folder: Path
    junctions: Mapping[str, Junction]
    cameras: tuple[SiteCamera, ...] = ()
    classes: tuple[VehicleClass, ...] = DEFAULT_CLASSES
    network: Path | None = None
    simulation: SimulationOptions = field(default_factory=SimulationOptions)
    acceptance: AcceptancePolicy = field(default_factory=AcceptancePolicy)
    agencies: tuple[str, ...] = ()
    street: StreetOptions | None = None
    latitude: float | None = None
    longitude: float | None = None
    objective: Mapping[str, float] = field(default_factory=dict)

    @property
    def counts_path(self) -> Path:
        """The counts in force."""
        return self.folder / "counts.csv"

    @property
    def current_plan_path(self) -> Path:
        """The plan in force."""
        return self.folder / "plans" / "current.yaml"

    @property
    def pcu_by_class(self) -> dict[str, float]:
        """Passenger car units of every class that the site names."""
        return {item.name: item.pcu for item in self.classes}

    def camera(self, camera: str) -> SiteCamera:
        """The camera with this id.

        Raises:
            KeyError: If the site has none.
        """
        for candidate in self.cameras:
            if candidate.id == camera:
                return candidate
        raise KeyError(camera)
