"""Settings of the tracker; every time is in seconds and every length in metres, never frames."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TrackerSettings:
    """Tuned on streets filmed at 6 frames per second."""

    high_score: float = 0.35
    """Detections from here on may start a track and are assigned first."""
    low_score: float = 0.1
    """Weaker ones are ignored; those between only continue confirmed tracks."""
    confirm_hits: int = 2
    confirm_hits_cut: int = 5
    """For one that the border of the picture cuts: where it stands is only guessed."""
    tentative_s: float = 0.45
    """A track that is not yet confirmed ends after this long without a detection."""
    lost_moving_s: float = 1.2
    lost_standing_s: float = 4.0
    """How long a confirmed track waits for its vehicle to come back from behind another."""
    known_s: float = 0.25
    """But no longer than so much for each time that it was seen."""
    held_s: float = 20.0
    """The same where the picture has not changed since: the vehicle is there, only unseen."""
    still_share: float = 0.1
    moved_share: float = 0.4
    """A box of which less (more) has changed lately stands still (moves)."""
    acceleration_mps2: float = 3.5
    """Spread of what a driver may do between frames: hard braking, swerving."""
    first_speed_mps: float = 7.0
    """Spread of the unknown speed of a new track."""
    start_speed_mps: float = 1.5
    """Spread of the speed of one that stood and may have started."""
    gate: float = 14.0
    """Largest squared Mahalanobis distance of a detection from a track."""
    max_speed_mps: float = 22.0
    slack_m: float = 1.2
    surprise_mps2: float = 8.0
    """A settled track may be off its prediction by ``slack_m`` and what this does in the gap."""
    turn_gap_s: float = 0.4
    turn_speed_mps: float = 1.5
    turn_share: float = 1.2
    turn_size_ratio: float = 1.35
    """A vehicle that turns sharply: moving, seen just now, off its prediction by at most such a
    share of its own way in the gap (a turn by 75 degrees), and of about the same size."""
    max_size_ratio: float = 2.2
    known_size_ratio: float = 1.7
    """A box that differs more in size from a new (a settled) track's is another vehicle."""
    weak_gap_s: float = 0.4
    """Weak detections only continue what was seen so short a time ago."""
    short_share: float = 0.87
    """A box below this share of its vehicle's height, with its top where it should be, hides
    the wheels behind the next in the queue."""
    max_ground_sigma_m: float = 5.0
    """Detections whose place on the ground is less certain (far away) are left out."""
    walking_mps: float = 3.5
    """Persons who move faster ride; a detector saw the rider and missed the machine."""
