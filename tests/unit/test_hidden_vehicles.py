"""Vehicles that a camera misses, told by the room that others leave for them."""

from __future__ import annotations

from models.policy import DetectorReading, Track
from optimizer.hidden import completed


def _reading(*places: tuple[float, float], occupied: float = 1.0) -> DetectorReading:
    tracks = tuple(Track(at_m, speed, 7) for at_m, speed in places)
    standing = sum(speed < 0.1 for _, speed in places)
    return DetectorReading(0, 0, occupied, standing, len(tracks), tracks)


def _shown(reading: DetectorReading) -> list[float]:
    found = completed(reading, red=True)
    assert found.in_view == len(found.tracks)
    assert found.queue == sum(track.speed_mps < 0.1 for track in found.tracks)
    return [track.distance_m for track in found.tracks]


def test_a_queue_without_gaps_is_as_it_is_seen() -> None:
    """A metre more or less between two is how well they are placed."""
    reading = _reading((1.0, 0.0), (8.5, 0.0), (15.0, 0.0), (24.0, 0.0))
    assert completed(reading, red=True) is reading


def test_between_two_who_stand_apart_another_stands() -> None:
    """Where one has room, and where two have; not behind the end of the queue."""
    assert _shown(_reading((1.0, 0.0), (16.0, 0.0))) == [1.0, 8.5, 16.0]
    assert _shown(_reading((1.0, 0.0), (23.5, 0.0))) == [1.0, 8.5, 16.0, 23.5]
    assert _shown(_reading((1.0, 0.0), (50.0, 0.0))) == [1.0, 50.0]


def test_who_drives_has_a_gap_before_him() -> None:
    """Nothing is concluded from it."""
    assert _shown(_reading((1.0, 0.0), (16.0, 9.0))) == [1.0, 16.0]


def test_on_an_occupied_line_stands_one_before_the_first_who_is_seen() -> None:
    """Nobody is seen near the line, and yet its detector is covered for a whole second."""
    assert _shown(_reading((8.5, 0.0), (16.0, 0.0))) == [1.0, 8.5, 16.0]
    assert _shown(_reading()) == [1.0]
    assert _shown(_reading((8.5, 0.0), occupied=0.4)) == [8.5]
    # At green that may be one who is just driving over it.
    assert completed(_reading((8.5, 0.0)), red=False) == _reading((8.5, 0.0))
    # He is given no number: nobody follows him.
    assert completed(_reading(), red=True).tracks[0].number == 0


def test_a_camera_that_only_counts_is_taken_at_its_word() -> None:
    """It says how many, not where."""
    reading = DetectorReading(0, 0, 1.0, 2, 2)
    assert completed(reading, red=True) is reading
