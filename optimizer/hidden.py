"""Vehicles that a camera does not show, told by those that it shows.

Nobody leaves room for a car before him when he stops: where two who stand are further apart, there
is somebody in between, and before who stands well behind an occupied line there is another.
"""

from __future__ import annotations

from models.policy import QUEUE_VIEW_M, DetectorReading, Track

# Slower than this a vehicle stands.
STILL_MPS = 0.1
# Road that a standing vehicle takes.
SPACING_M = 7.5
# Who stands on the detector at the line is nearer to it than this.
ON_LINE_M = 4.5
# Further apart they stand in two queues.
MOST_GAP_M = 3.5 * SPACING_M


def completed(reading: DetectorReading, *, red: bool) -> DetectorReading:
    """The reading with those added who stand and whom its camera misses; not if it only counts.

    ``red``: nobody has been going from this lane, so that who covers its line stands there.
    """
    if len(reading.tracks) != reading.in_view:
        return reading
    found: list[Track] = []
    first_m = reading.tracks[0].distance_m if reading.tracks else QUEUE_VIEW_M
    if red and reading.occupied >= 1.0 and first_m > ON_LINE_M:
        found.append(Track(1.0, 0.0))
    for track in reading.tracks:
        if found and found[-1].speed_mps < STILL_MPS and track.speed_mps < STILL_MPS:
            last_m = found[-1].distance_m
            gap_m = track.distance_m - last_m
            if gap_m < MOST_GAP_M:
                between = max(1, round(gap_m / SPACING_M))
                found += [
                    Track(last_m + gap_m * place / between, 0.0) for place in range(1, between)
                ]
        found.append(track)
    added = len(found) - len(reading.tracks)
    if not added:
        return reading
    return reading._replace(
        tracks=tuple(found), in_view=reading.in_view + added, queue=reading.queue + added
    )
