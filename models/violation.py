"""A flagged violation: always a candidate for review, never a verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from models.signals import SignalState


class ViolationKind(StrEnum):
    """Kinds that the rules can flag (docs/rules.md)."""

    RED_LIGHT = "red_light"
    EARLY_START = "early_start"
    STOP_LINE = "stop_line"
    WRONG_WAY = "wrong_way"
    ILLEGAL_TURN = "illegal_turn"
    U_TURN = "u_turn"
    WRONG_LANE = "wrong_lane"
    SPEEDING = "speeding"
    ILLEGAL_STOPPING = "illegal_stopping"
    BLOCKING = "blocking"
    PAVEMENT = "pavement"
    OVERLOADED = "overloaded"
    NO_HELMET = "no_helmet"


SCREENING: frozenset[ViolationKind] = frozenset({ViolationKind.SPEEDING})
"""What a camera's geometry can only point at: a speed from it is no measurement in law."""
ADVISORY: frozenset[ViolationKind] = frozenset({ViolationKind.NO_HELMET, ViolationKind.OVERLOADED})
"""What no packaged weights are trained for yet: the flag only advises to look."""


class CaseStatus(StrEnum):
    """Where a case stands. Every flag starts as pending review."""

    PENDING_REVIEW = "pending_review"
    ACCEPTED = "accepted"
    CONFIRMED = "confirmed"
    REJECTED = "rejected"
    ESCALATED = "escalated"


class RejectReason(StrEnum):
    """Why a reviewer refuses a flag (operators.md, enforcement staff)."""

    OFFICER_DIRECTED = "officer_directed_traffic"
    EMERGENCY_VEHICLE = "emergency_vehicle"
    ENTERED_ON_YELLOW = "entered_on_yellow_or_before_red"
    PLATE_UNREADABLE = "plate_unreadable"
    WRONG_VEHICLE = "wrong_vehicle"
    DEVICE_FAULT = "camera_or_signal_fault"
    RIGHT_TURN_ALLOWED = "right_turn_allowed"
    FORCED = "blocked_or_forced"
    DUPLICATE = "duplicate"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class TrackPoint:
    """Where a vehicle was seen: wheel contact in pixels and, if calibrated, metres."""

    time_s: float
    x_px: float
    y_px: float
    x_m: float | None = None
    y_m: float | None = None


@dataclass(frozen=True, slots=True)
class Violation:
    """What a rule flagged, with what is needed to judge it.

    ``time_s`` is the instant of the act in the source's clock (the front at the line for a red
    light); ``started_unix_s`` anchors that clock. ``detector`` names the detector and
    ``weights_sha256`` its weights; ``signal`` is the head's timeline around the act as
    ``(time_s, state)``.
    """

    id: str
    kind: ViolationKind
    camera: str
    junction: str
    movement: str | None
    vehicle_class: str
    track: int
    time_s: float
    signal_state: SignalState
    time_into_red_s: float | None
    detector: str
    weights_sha256: str
    calibration_version: str
    source_kind: str
    points: tuple[TrackPoint, ...] = ()
    signal: tuple[tuple[float, SignalState], ...] = ()
    measures: Mapping[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for ``case.json`` and the API."""
        return {
            "id": self.id,
            "kind": self.kind.value,
            "status": CaseStatus.PENDING_REVIEW.value,
            "camera": self.camera,
            "junction": self.junction,
            "movement": self.movement,
            "vehicle_class": self.vehicle_class,
            "track": self.track,
            "time_s": round(self.time_s, 3),
            "signal_state": self.signal_state.value,
            "time_into_red_s": None
            if self.time_into_red_s is None
            else round(self.time_into_red_s, 3),
            "detector": self.detector,
            "weights_sha256": self.weights_sha256,
            "calibration_version": self.calibration_version,
            "source_kind": self.source_kind,
            "track_points": [
                [round(p.time_s, 3), round(p.x_px, 1), round(p.y_px, 1), p.x_m, p.y_m]
                for p in self.points
            ],
            "signal": [[round(time_s, 3), state.value] for time_s, state in self.signal],
            "measures": dict(self.measures),
        }
