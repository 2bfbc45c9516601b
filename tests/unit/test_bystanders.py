"""Nobody but the vehicle that a case is about can be made out in what leaves the house."""

from __future__ import annotations

import numpy as np
import pytest

from detection.bystanders import CasePlaces, ClipFrame, Place, hide_bystanders
from models.errors import BadInput

SUBJECT = Place(7, "motorcycle", (100.0, 60.0, 140.0, 143.0))
OTHER = Place(8, "car", (20.0, 80.0, 90.0, 155.0))
BEFORE_IT = Place(9, "motorcycle", (125.0, 100.0, 165.0, 183.0))
PX_PER_M = 83 / 1.65


def fine_pattern(cell_px: int = 2) -> np.ndarray:
    """Black and white cells, as fine as the characters of a plate."""
    rows, columns = np.mgrid[0:200, 0:240] // cell_px
    return np.repeat((((rows + columns) % 2) * 255).astype(np.uint8)[..., None], 3, axis=2)


def contrast(image: np.ndarray, x0: int, y0: int, x1: int, y1: int) -> float:
    return float(image[y0:y1, x0:x1].std())


def test_only_the_subject_and_the_lamp_stay() -> None:
    image = fine_pattern()
    before = image.copy()
    out = hide_bystanders(image, [SUBJECT, OTHER], 7, PX_PER_M, lamp_px=(200, 10, 220, 40))
    assert np.array_equal(image, before)
    assert out.shape == image.shape
    assert np.array_equal(out[60:143, 100:140], image[60:143, 100:140])
    assert np.array_equal(out[10:40, 200:220], image[10:40, 200:220])
    for part in ((20, 80, 90, 155), (150, 60, 195, 180), (0, 0, 90, 70)):
        assert contrast(out, *part) < 0.2 * contrast(image, *part)


def test_a_known_bystander_is_hidden_more_than_the_street() -> None:
    """Half a metre wide, a head or a shoulder stays on the street and goes in a box."""
    image = fine_pattern(12)
    out = hide_bystanders(image, [OTHER], 7, PX_PER_M)
    assert contrast(out, 24, 84, 86, 150) < 0.6 * contrast(out, 150, 84, 212, 150)


def test_who_stands_before_the_subject_is_hidden_except_in_its_middle() -> None:
    image = fine_pattern()
    out = hide_bystanders(image, [BEFORE_IT, SUBJECT], 7, PX_PER_M)
    assert contrast(out, 133, 105, 164, 180) < 0.2 * contrast(image, 133, 105, 164, 180)
    assert np.array_equal(out[80:125, 110:131], image[80:125, 110:131])
    behind = hide_bystanders(image, [Place(9, "motorcycle", (90.0, 20.0, 130.0, 100.0)), SUBJECT],
                             7, PX_PER_M)  # fmt: skip
    assert np.array_equal(behind[60:143, 100:140], image[60:143, 100:140])


def test_boxes_beyond_the_picture_do_no_harm() -> None:
    places = [
        Place(1, "bus", (-50.0, -20.0, 30.0, 60.0)),
        Place(2, "car", (300.0, 0.0, 310.0, 9.0)),
    ]
    assert hide_bystanders(fine_pattern(), places, 7, 0.0).shape == (200, 240, 3)


def test_the_scale_is_that_of_the_largest_rider() -> None:
    van = Place(3, "car", (0.0, 0.0, 100.0, 200.0))
    places = CasePlaces((240, 200), 7, None, ((0.0, 1.0), (2.0, 3.0)), {"at": (SUBJECT, van)}, ())
    assert places.px_per_m == pytest.approx(PX_PER_M)


def test_places_are_read_as_they_were_written() -> None:
    places = CasePlaces(
        (240, 200),
        7,
        (1, 2, 3, 4),
        ((0.5, 1.0), (2.0, 3.25)),
        {"at": (SUBJECT,), "before": ()},
        (ClipFrame(1.25, (SUBJECT, OTHER)), ClipFrame(1.5, ())),
    )
    assert CasePlaces.from_json(places.to_json().encode()) == places


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b'{"size_px": [1]}', b"\xff"])
def test_what_is_no_places_file_is_said(text: bytes) -> None:
    with pytest.raises(BadInput, match="places"):
        CasePlaces.from_json(text)
