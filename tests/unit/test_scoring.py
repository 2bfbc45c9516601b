"""Matching flags with truth: one to one, nearest, within tolerance."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from detection.ports import Detections
from models.errors import BadInput
from models.violation import ViolationKind
from traffic.detection_score import score_detection, table
from traffic.scored_cameras import ScoreOptions, read_of_riders
from traffic.scoring import (
    READ_BY_BOXES,
    Act,
    Glimpse,
    Sight,
    compare,
    count_error,
    match_acts,
    watched,
)
from traffic.sites import load_site

RED, WRONG = ViolationKind.RED_LIGHT, ViolationKind.WRONG_WAY
WITHIN = {RED: 1.0, WRONG: 5.0}


def red(time_s: float, camera: str = "a") -> Act:
    return Act(camera, RED, time_s)


def test_one_truth_is_matched_by_one_flag_only() -> None:
    score = compare([red(10.0), red(10.2)], [red(10.1)], WITHIN).scores()[RED]
    assert (score.truth, score.flagged, score.matched) == (1, 2, 1)
    assert score.precision == 0.5
    assert score.recall == 1.0


def test_the_most_pairs_win_over_the_nearest_pair() -> None:
    assert match_acts([red(10.0), red(10.9)], [red(9.2), red(10.1)], WITHIN) == [(0, 0), (1, 1)]


@pytest.mark.parametrize("flag", [red(11.5), red(10.0, "b"), Act("a", WRONG, 10.0)])
def test_other_time_camera_or_kind_is_no_match(flag: Act) -> None:
    assert match_acts([flag], [red(10.0)], WITHIN) == []


@pytest.mark.parametrize(
    ("flagged_s", "matched"), [(9.1, 1), (12.0, 1), (15.9, 1), (8.9, 0), (16.1, 0)]
)
def test_what_one_did_who_waited_on_the_line_is_right_at_any_moment_of_it(
    flagged_s: float, matched: int
) -> None:
    act = replace(red(10.5), from_s=10.0, to_s=15.0)
    assert compare([red(flagged_s)], [act], WITHIN).scores()[RED].matched == matched


def test_nothing_to_score_is_none_not_one() -> None:
    score = compare([], [], WITHIN).scores()[RED]
    assert score.precision is None
    assert score.recall is None


def test_false_flags_and_missed_acts_are_named_an_unclear_act_is_neither() -> None:
    doubtful = Act("a", RED, 50.0, clear=False)
    flags, truth = [red(10.0), red(30.0), red(50.2)], [red(10.1), red(40.0), doubtful]
    found = compare(flags, truth, WITHIN)
    assert found.matched == (flags[0],)
    assert found.false == (flags[1],)
    assert found.missed == (truth[1],)
    assert found.unclear == (doubtful,)


def test_the_table_tells_all_rules_together_and_what_was_false_or_missed() -> None:
    kind = {"judged": True, "truth": 3, "flagged": 2, "matched": 1, "precision": 0.5}
    rule = {**kind, "recall": 1 / 3, "unclear": 0}
    acts = [{"camera": "C2-c1", "kind": "u_turn", "time_s": float(k)} for k in range(14)]
    told = table({
        "level": 2, "minutes": 5.0, "detector": "street", "cameras": ["C2-c1"],
        "counts": {"counted": 9, "true": 9, "unseen": 0, "error": 0.0, "worst_geh": 0.0},
        "speed": {"bias_mps": None, "mean_error_mps": None, "pairs": 0},
        "queue": {"bias_veh": None, "mean_error_veh": None, "samples": 0},
        "rules": {"u_turn": rule}, "together": rule,
        "false_flags": acts[:1], "missed_acts": acts,
    })  # fmt: skip
    lines = told.splitlines()
    assert next(line for line in lines if line.startswith("together")).split()[1:3] == ["3", "2"]
    assert "false: u_turn, C2-c1, second 0.0" in lines
    assert sum(line.startswith("missed: u_turn") for line in lines) == 12
    assert lines[-1] == "missed: 2 more, see score.json"


def test_an_act_at_the_edge_of_the_scored_time_is_found_beyond_it() -> None:
    found = compare([red(20.4)], [red(19.9)], WITHIN)
    inside = found.within(lambda time_s: time_s >= 20.0)
    assert (len(inside.matched), inside.false, inside.missed) == (1, (), ())
    outside = found.within(lambda time_s: time_s < 20.0)
    assert (outside.matched, outside.false, outside.missed) == ((), (), ())


def test_count_error_is_relative_to_truth() -> None:
    error = count_error(["m"] * 9 + ["n"] * 2, ["m"] * 10 + ["n"] * 2 + ["kerb"] * 2, "mn")
    assert error["total"] == pytest.approx(-3 / 14)
    assert error["movements"] == {"m": -0.1, "n": 0.0}
    assert count_error([], [], ())["total"] is None


@pytest.mark.parametrize(
    ("kind", "unseen_s", "small_s", "told"),
    [
        (ViolationKind.RED_LIGHT, (), range(60), True),
        (ViolationKind.RED_LIGHT, (18, 19), (), False),
        (ViolationKind.SPEEDING, (18, 19), (), True),
        (ViolationKind.SPEEDING, (19, 20, 21), (), False),
        (ViolationKind.STOP_LINE, (23,), (), True),
        (ViolationKind.STOP_LINE, (22, 23), (), False),  # seen as he came, hidden as he stood
        (ViolationKind.NO_HELMET, (), (17, 18, 19, 20), False),
        (ViolationKind.NO_HELMET, (), range(21, 60), True),
    ],
)
def test_what_a_camera_could_not_see_is_no_truth_to_hold_against_it(
    kind: ViolationKind, unseen_s: Iterable[int], small_s: Iterable[int], told: bool
) -> None:
    """The act is at 20 s; a sight each second."""
    sights = [
        Sight(
            second + 0.4,
            {
                7: Glimpse(
                    0.1 if second in unseen_s else 0.9, 20.0 if second in small_s else 40.0, True
                )
            },
        )
        for second in range(60)
    ]
    least_px = dict.fromkeys(ViolationKind, 18.0) | dict.fromkeys(READ_BY_BOXES, 36.0)
    assert watched(Act("C1", kind, 20.0, vehicle=7), sights, least_px) is told
    assert not watched(Act("C1", kind, 20.0, vehicle=8), sights, least_px)


@pytest.mark.parametrize(
    ("glimpse", "kind", "told"),
    [
        (Glimpse(0.55, 20.0, True), ViolationKind.PAVEMENT, True),
        (Glimpse(0.45, 20.0, True), ViolationKind.PAVEMENT, False),  # hidden in most frames
        (Glimpse(1.0, 17.0, True), ViolationKind.PAVEMENT, False),
        (Glimpse(1.0, 20.0, False), ViolationKind.PAVEMENT, False),  # cut by the edge
        (Glimpse(1.0, 20.0, False), ViolationKind.RED_LIGHT, True),
        (Glimpse(0.45, 20.0, True), ViolationKind.RED_LIGHT, False),
    ],
)
def test_an_act_is_held_against_a_camera_that_is_given_most_of_its_frames(
    glimpse: Glimpse, kind: ViolationKind, told: bool
) -> None:
    sights = [Sight(frame / 6, {7: glimpse}) for frame in range(240)]
    least_px = dict.fromkeys(ViolationKind, 18.0)
    assert watched(Act("C1", kind, 20.0, vehicle=7), sights, least_px) is told


@pytest.mark.parametrize(("hidden_s", "told"), [((), True), ((26,), True), ((26, 27), False)])
def test_who_turns_back_is_to_be_seen_driving_back(hidden_s: Iterable[int], told: bool) -> None:
    """He crosses the line at 20 s, and has turned back at 28 s."""
    sights = [
        Sight(frame / 6, {7: Glimpse(0.0 if frame // 6 in hidden_s else 1.0, 40.0, True)})
        for frame in range(240)
    ]
    least_px = dict.fromkeys(ViolationKind, 18.0)
    act = Act("C1", ViolationKind.U_TURN, 20.0, vehicle=7, done_s=28.0)
    assert watched(act, sights, least_px) is told


def test_a_rule_on_riders_is_judged_where_the_detector_tells_of_them() -> None:
    packaged = Detections.empty(("motorcycle", "car"))
    coco = Detections.empty(("person", "motorcycle"))
    none = np.zeros(0, np.int64)
    assert read_of_riders(packaged) == frozenset()
    assert read_of_riders(coco) == {ViolationKind.OVERLOADED}
    assert read_of_riders(replace(packaged, riders=none)) == {ViolationKind.OVERLOADED}
    assert read_of_riders(replace(packaged, bare_heads=none)) == {ViolationKind.NO_HELMET}


def test_a_street_cannot_be_lawful_and_full_of_violations(pho_hue: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="--dense"):
        score_detection(load_site(pho_hue), tmp_path, ScoreOptions(lawful=True, dense=True))


def test_one_that_was_flagged_on_an_unclear_act_of_its_own_is_not_missed_later() -> None:
    first = Act("a", WRONG, 10.0, clear=False, vehicle=7)
    later = Act("a", WRONG, 30.0, vehicle=7)
    flag = Act("a", WRONG, 11.0)
    assert compare([flag], [first, later], WITHIN).missed == ()
    assert compare([], [first, later], WITHIN).missed == (later,)
    other = replace(later, vehicle=8)
    assert compare([flag], [first, other], WITHIN).missed == (other,)
