"""The protocol between signals and a policy that decides them while traffic flows.

A policy is told once what it controls (``ControlArea``), then sees each second what is known of
the traffic (``Observation``) and answers with the stage it wants at each junction. It never shows
a signal itself: minimum greens, change intervals, pedestrian clearances and the longest red are
kept by whoever executes its wishes, whatever it answers. Seconds count from the simulation's (or
the controller's) own zero; a state observed at ``time_s`` is what the answer acts on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple, Protocol, runtime_checkable

from models.junction import Junction


class Sensing(StrEnum):
    """What a policy is given of the traffic."""

    ORACLE = "oracle"
    """Every vehicle on its way to a signal, with its turn."""
    DETECTORS = "detectors"
    """Counts, occupancies, queues and what cameras follow near the line; turns as shares."""


class StageChoice(StrEnum):
    """Which stages a policy may show."""

    PLAN = "plan"
    """Those of the plan in force."""
    COMPOSED = "composed"
    """Those, and every set of whole lanes that no two paths of cross."""


@dataclass(frozen=True, slots=True)
class Connection:
    """One way from a lane over the junction: signal link ``link`` rules it.

    ``to_lane`` is the first lane after the junction, a key of ``ControlJunction.receiving_m``.
    """

    link: int
    movement: str
    to_lane: str


@dataclass(frozen=True, slots=True)
class ControlLane:
    """A lane that ends at a stop line.

    ``edge_m`` is the length of the lane itself; ``length_m`` reaches back from the line over it
    and over those lanes before it that lead nowhere else and have no signal in between.
    ``entry_m`` is how far before the line the entry detector lies (at most ``length_m``).
    """

    id: str
    approach: str
    edge_m: float
    length_m: float
    entry_m: float
    speed_mps: float
    width_m: float
    connections: tuple[Connection, ...]

    @property
    def movements(self) -> tuple[str, ...]:
        """Movements that may be driven from this lane, in the order of its links."""
        return tuple(dict.fromkeys(connection.movement for connection in self.connections))


@dataclass(frozen=True, slots=True)
class UpstreamDetector:
    """A count on one lane of a road that leads to an approach, behind its entry detectors.

    Of what it counts, a share that is for the policy to learn turns off before the junction.
    ``distance_m`` is from it to the stop line; ``lanes`` are those of the approach.
    """

    id: str
    approach: str
    distance_m: float
    speed_mps: float
    lanes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ControlStage:
    """What a junction can show.

    ``letters[link]`` is exact: G protected, g permissive (gives way), s stop-then-go, r red. The
    sets of movements say the same where all links of a movement show one letter, which is the
    rule; a movement whose links differ stands under the best of them. ``min_green_s`` covers the
    walk and clearance of ``crossings``.
    """

    id: str
    letters: str
    protected: tuple[str, ...]
    permissive: tuple[str, ...]
    stop_then_go: tuple[str, ...]
    crossings: tuple[str, ...]
    min_green_s: float
    max_green_s: float


@dataclass(frozen=True, slots=True)
class ChangeInterval:
    """Between two stages: what loses green shows yellow, then red, then the next stage begins.

    What is green in both stages stays green. Both are 0 where nothing needs clearing.
    """

    yellow_s: float
    red_s: float

    @property
    def length_s(self) -> float:
        """Both together."""
        return self.yellow_s + self.red_s


@dataclass(frozen=True, slots=True)
class ControlJunction:
    """One junction as a policy sees it.

    Attributes:
        junction: Movements, crossings, conflicts, who yields to whom, the safety envelope.
        lanes: Lanes that end at its stop lines, by id.
        stages: The stages that may be wanted, by id: in the order of the plan in force, and after
            them those that were composed.
        changes: Change interval by (stage, next stage), for every pair of different stages.
        link_yields: Ordered pairs of links (yielding, priority) whose paths cross: on g the
            first waits for a gap in the second when that is green.
        receiving_m: Length of each lane after the junction up to the next stop line or fork:
            what can be stored there.
        max_red_s: Nobody who is seen to wait, and no crossing, is kept without green for longer.
        upstream: Detectors further back than ``entry_m`` of an approach's lanes, by id.
        plan: Fixed timing that stands in when a policy is silent: (stage id, seconds of its
            green and the change after it), in order, and ``plan_offset_s`` its start.
    """

    junction: Junction
    lanes: Mapping[str, ControlLane]
    stages: Mapping[str, ControlStage]
    changes: Mapping[tuple[str, str], ChangeInterval]
    link_yields: frozenset[tuple[int, int]]
    receiving_m: Mapping[str, float]
    max_red_s: float
    upstream: Mapping[str, UpstreamDetector] = field(default_factory=dict)
    plan: tuple[tuple[str, float], ...] = ()
    plan_offset_s: float = 0.0

    @property
    def id(self) -> str:
        """Id of the junction."""
        return self.junction.id


@dataclass(frozen=True, slots=True)
class Feed:
    """Where the vehicles of a movement meet their next signal.

    Those that leave ``from_junction`` by ``movement`` reach ``to_junction`` on ``lanes`` of
    ``approach`` after ``travel_s`` at free flow (line to line); ``storage_m`` is the length of
    all lanes on the way together. A movement may feed several approaches or none.
    """

    from_junction: str
    movement: str
    to_junction: str
    approach: str
    lanes: tuple[str, ...]
    travel_s: float
    storage_m: float


@dataclass(frozen=True, slots=True)
class ControlArea:
    """Everything that a policy is told before the first second.

    ``sight_m`` is how far before the line vehicles (or requests) are reported at most, with a
    known turn also beyond a lane's ``length_m``. ``pcu`` is the passenger car unit by class.
    """

    junctions: Mapping[str, ControlJunction]
    feeds: tuple[Feed, ...]
    step_s: float
    sensing: Sensing
    sight_m: float
    pcu: Mapping[str, float] = field(default_factory=dict)


class Approaching(NamedTuple):
    """A vehicle whose next signal is this lane's. Distance from its front to the line."""

    movement: str
    distance_m: float
    speed_mps: float
    vehicle_class: str


class Track(NamedTuple):
    """A vehicle that a camera follows: from its front to the line, and how fast it drives.

    ``number`` stays the same as long as it is on this approach, on whatever lane.
    """

    distance_m: float
    speed_mps: float
    number: int = 0


class Turned(NamedTuple):
    """Where a vehicle that was followed to the line went."""

    number: int
    movement: str


class DetectorReading(NamedTuple):
    """What one lane's detectors saw in the last second they reported.

    ``entered`` vehicles passed the entry detector, ``crossed`` the stop line; ``occupied`` is
    the share of the second in which something stood or drove over the detector at the line;
    a camera at the line counts vehicles within its view (``QUEUE_VIEW_M``): ``queue`` those that
    stand, ``in_view`` all. ``tracks`` says where they are, nearest first; empty where a camera
    only counts. ``turned`` are those of the ``crossed`` whom it followed.
    """

    entered: int
    crossed: int
    occupied: float
    queue: int
    in_view: int
    tracks: tuple[Track, ...] = ()
    turned: tuple[Turned, ...] = ()


QUEUE_VIEW_M = 60.0
"""How far back from its line a camera counts vehicles."""


class RequestKind(StrEnum):
    """Who asks for priority."""

    BUS = "bus"
    EMERGENCY = "emergency"


class PriorityRequest(NamedTuple):
    """A vehicle that reports itself: ``weight`` is its load and lateness, 1 an ordinary car."""

    vehicle: str
    kind: RequestKind
    junction: str
    movement: str
    lane: str
    distance_m: float
    speed_mps: float
    weight: float


class SignalShown(NamedTuple):
    """What a junction shows.

    ``stage`` is green since ``since_s``. During a change ``stage`` is the one that ends and
    ``next_stage`` begins its green at ``next_green_s``; otherwise ``next_stage`` is None and
    ``ready_s`` is the earliest second at which a change may start.
    """

    stage: str
    since_s: float
    ready_s: float
    next_stage: str | None = None
    next_green_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Observation:
    """What is known at one second.

    Attributes:
        time_s: Now.
        sensed_s: The second that the readings describe; before ``time_s`` by their delay.
        shown: Per junction.
        vehicles: Per lane, nearest first (oracle; empty with detectors). A lane without any
            vehicle may be absent. A vehicle that is not on a lane that serves its movement yet
            stands under the nearest lane that does.
        readings: Per lane (detectors; empty with the oracle). A lane that is absent has no
            working detector or no word of it came in.
        passed: Vehicles per upstream detector in the last second it reported (detectors).
        behind: Per approach whose lanes are short, vehicles that the camera sees on the roads
            which lead to them (detectors).
        shares: Per lane, the share of each of its movements in what was counted lately
            (detectors). Adds up to 1.
        free_m: Per receiving lane, metres from its beginning to the rear of the first standing
            vehicle, its whole length if none stands. Detectors see only ``FREE_VIEW_M``: beyond
            it they report the lane's whole length. A lane that is absent is not observed.
        standing: Per receiving lane, how many vehicles stand on it (detectors: in their view).
        red_since_s: Per junction, since when each movement and crossing that is not green now
            has been without green.
        requests: Vehicles that ask for priority.
    """

    time_s: float
    sensed_s: float
    shown: Mapping[str, SignalShown]
    vehicles: Mapping[str, tuple[Approaching, ...]] = field(default_factory=dict)
    readings: Mapping[str, DetectorReading] = field(default_factory=dict)
    passed: Mapping[str, int] = field(default_factory=dict)
    behind: Mapping[str, int] = field(default_factory=dict)
    shares: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    free_m: Mapping[str, float] = field(default_factory=dict)
    standing: Mapping[str, int] = field(default_factory=dict)
    red_since_s: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    requests: tuple[PriorityRequest, ...] = ()


FREE_VIEW_M = 25.0
"""How far into a receiving lane the detectors of a junction see."""


class SignalPolicy(Protocol):
    """Decides the stages of an area. Deterministic for a given seed and observations."""

    def start(self, area: ControlArea, seed: int) -> None:
        """Learn what is to be controlled; called once, before the first second."""
        ...

    def decide(self, observation: Observation) -> Mapping[str, str]:
        """The stage wanted now, by junction id.

        A junction that is absent keeps what it shows. Asking for another stage starts the
        change as soon as the minimum green allows; a wish may change until then, not after. A
        wish that would keep somebody red for too long is overruled. A policy that raises, or
        names a stage that the junction has not, is taken as silent.
        """
        ...


@runtime_checkable
class ExplainingPolicy(Protocol):
    """A policy that can say why it decided as it did."""

    def explanation(self, junction: str, time_s: float) -> Mapping[str, object] | None:
        """What it decided for a junction at ``time_s`` and why, as plain values for JSON.

        None if it decided nothing there at that second. The keys: ``junction``, ``time_s``,
        ``shown``, ``wanted`` (stages), ``alternatives`` (each with ``stage``, ``cost`` or None
        if it is not allowed, ``schedule`` as [seconds from now, stage], ``delay_s`` by
        movement), ``binding`` (in words), ``queue_veh`` by lane, ``silent``, ``ignored``,
        ``composed`` (movements protected in each stage that is not the plan's).
        """
        ...
