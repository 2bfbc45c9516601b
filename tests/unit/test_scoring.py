"""Matching flags with truth: one to one, nearest, within tolerance."""

from __future__ import annotations

import pytest

from models.violation import ViolationKind
from traffic.scoring import Act, count_error, match_acts, score_rules

RED, WRONG = ViolationKind.RED_LIGHT, ViolationKind.WRONG_WAY
WITHIN = {RED: 1.0, WRONG: 5.0}


def red(time_s: float, camera: str = "a") -> Act:
    return Act(camera, RED, time_s)


def test_one_truth_is_matched_by_one_flag_only() -> None:
    score = score_rules([red(10.0), red(10.2)], [red(10.1)], WITHIN)[RED]
    assert (score.truth, score.flagged, score.matched) == (1, 2, 1)
    assert score.precision == 0.5
    assert score.recall == 1.0


def test_the_most_pairs_win_over_the_nearest_pair() -> None:
    assert match_acts([red(10.0), red(10.9)], [red(9.2), red(10.1)], WITHIN) == [(0, 0), (1, 1)]


@pytest.mark.parametrize("flag", [red(11.5), red(10.0, "b"), Act("a", WRONG, 10.0)])
def test_other_time_camera_or_kind_is_no_match(flag: Act) -> None:
    assert match_acts([flag], [red(10.0)], WITHIN) == []


def test_nothing_to_score_is_none_not_one() -> None:
    score = score_rules([], [], WITHIN)[RED]
    assert score.precision is None
    assert score.recall is None


def test_count_error_is_relative_to_truth() -> None:
    error = count_error(["m"] * 9 + ["n"] * 2, ["m"] * 10 + ["n"] * 2 + ["kerb"] * 2, "mn")
    assert error["total"] == pytest.approx(-3 / 14)
    assert error["movements"] == {"m": -0.1, "n": 0.0}
    assert count_error([], [], ())["total"] is None
