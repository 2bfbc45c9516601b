from __future__ import annotations

import pytest

from detection.crossing_score import Passage, read_labels, score, score_red_light
from models.errors import BadInput

LABELS = (
    Passage(10, 100), Passage(14, 110, red_light=True), Passage(50, 400, red_light=True),
    Passage(80, 300, certain=False),
)  # fmt: skip


def test_one_to_one_and_as_many_as_possible():
    # The first lies near both labels, the second near the first label alone.
    result = score([Passage(13, 104), Passage(3, 100)], LABELS, 640)
    assert (result.labelled, result.found, result.matched) == (3, 2, 2)
    twice = score([Passage(50, 400), Passage(51, 402)], LABELS, 640)
    assert (twice.found, twice.matched) == (2, 1)
    assert twice.precision == 0.5
    assert twice.recall == pytest.approx(1 / 3)


def test_too_late_and_too_far_beside_do_not_match():
    assert score([Passage(19, 100)], LABELS[:1], 640).matched == 0
    assert score([Passage(18, 100)], LABELS[:1], 640).matched == 1
    assert score([Passage(10, 190)], LABELS[:1], 640).matched == 0


def test_what_the_eye_could_not_tell_is_neither_wrong_nor_missed():
    found = score([Passage(82, 305), Passage(10, 100)], LABELS, 640)
    assert (found.labelled, found.found, found.matched) == (3, 1, 1)


def test_runners_and_nothing_at_all():
    flagged = [Passage(15, 110), Passage(10, 500)]
    assert score_red_light(flagged, LABELS, 640).matched == 1
    assert score_red_light(flagged, LABELS, 640).labelled == 2
    nothing = score([], LABELS, 640)
    assert nothing.precision is None
    assert nothing.recall == 0.0
    assert score([Passage(1, 1)], (), 640).recall is None
    total = nothing + found_all()
    assert (total.labelled, total.matched) == (6, 3)


def found_all():
    return score(LABELS[:3], LABELS, 640)


def test_labels_are_read_and_a_bad_line_is_named():
    head = "line,frame,x_px,vehicle_class,red_light,certain\n"
    labels = read_labels(head + "stop,4,30.5,car,no,yes\n", "labels.csv")
    assert labels == {"stop": (Passage(4, 30.5),)}
    with pytest.raises(BadInput, match=r"labels\.csv:2"):
        read_labels(head + "stop,4,30,car,maybe,yes\n", "labels.csv")
    with pytest.raises(BadInput, match=r"labels\.csv:1"):
        read_labels("frame\n", "labels.csv")
