"""Signs, marks and parameters of the rules in a site file."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from models.camera import AreaKind
from models.errors import BadInput
from traffic.sites import load_site


def changed(pho_hue: Path, tmp_path: Path, old: str, new: str) -> Path:
    folder = tmp_path / "site"
    shutil.copytree(pho_hue, folder)
    path = folder / "site.yaml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return folder


def test_the_site_sets_parameters_and_a_camera_changes_them(pho_hue, tmp_path):
    old = "    u_turn: forbidden\n"
    new = (
        "    u_turn: forbidden\n    rules: {u_turn: {enabled: false}, blocking: {min_stand_s: 9}}\n"
    )
    site = load_site(changed(pho_hue, tmp_path, old, new))
    by_camera = {camera.id: camera.options["rules"] for camera in site.cameras}
    assert by_camera["C1-c0"].blocking.min_stand_s == 5
    assert by_camera["C1-c0"].u_turn.enabled
    other = next(rules for rules in by_camera.values() if not rules.u_turn.enabled)
    assert other.blocking.min_stand_s == 9
    assert other.red_light == by_camera["C1-c0"].red_light


def test_marks_come_from_the_network_and_signs_from_the_file(pho_hue):
    road = load_site(pho_hue).camera("C2-c1").view.road
    kinds = [area.kind for area in road.areas]
    assert kinds.count(AreaKind.PAVEMENT) == 2
    assert {AreaKind.BOX, AreaKind.NO_STOPPING} <= set(kinds)
    lane = next(area for area in road.areas if area.kind is AreaKind.LANE)
    assert (lane.lane, lane.not_for) == ("c2_3", ("truck",))
    assert [turn.movement for turn in road.forbidden_turns] == ["C2:c1>wb2b"]
    assert road.speed_limit_mps == pytest.approx(50 / 3.6, abs=0.05)
    assert load_site(pho_hue).camera("C2-eb2a").view.road.u_turn_forbidden


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("blocking: {min_stand_s: 5}", "blocking: {min_stand: 5}", "did you mean min_stand_s?"),
        ("blocking: {min_stand_s: 5}", "blocked: {}", "rules.blocked: unknown key"),
        ("min_passed: 5", "min_passed: 2.5", "valid is a whole number"),
        ("blocking: {min_stand_s: 5}", "blocking: {enabled: 1}", "valid is true or false"),
        ("u_turn: forbidden", "u_turn: no", "u_turn"),
        ("lane: c2_3", "lane: c9_3", "'c9_3'; valid is c1_1"),
        ("not_for: [truck]", "not_for: [tank]", "'tank'; valid is motorcycle"),
        (", not_for: [truck]}]", "}]", "the classes that a lane is closed to"),
        ('"C2:c1>wb2b"', '"C2:c1>c9"', "valid is C2:c1>eb2b"),
        ("wrong_lane_share: 0.4", "wrong_lane_share: 4", "valid is a number from 0 to 1"),
    ],
)
def test_a_wrong_sign_or_parameter_names_line_and_field(pho_hue, tmp_path, old, new, message):
    with pytest.raises(BadInput, match=r"site\.yaml:\d+: ") as error:
        load_site(changed(pho_hue, tmp_path, old, new))
    assert message in str(error.value)
