"""Site folders: what loads, and one clear line for each thing that is wrong."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from networks import corridor, corridor_counts, corridor_plan

from models.errors import BadInput
from models.junction import Turn
from models.site import DEFAULT_CLASSES
from optimizer.problem import Weights
from traffic.retiming import build_problem
from traffic.sites import Level, check_site, load_site

NETWORK_SITE = """\
schema: 1
id: pho-hue
name: Phố Huế
agencies: [transport, police]
location: {latitude: 21.0116, longitude: 105.8512}
network: network.net.xml
simulation: {begin_s: 0, end_s: 2100, warm_up_s: 600, options: ["--lateral-resolution", "0.8"]}
acceptance: {max_delay_change_pct: -2, valid_hours: 12}
envelope: {min_green_s: 8, red_clearance_s: 2.5}
street: {seed: 3, red_light_share: 0.06}
junctions:
  - {id: C1, name: Thái Phiên, envelope: {min_green_s: 9, ped_clearance_s: {":C1_c0": 7.5}}}
  - {id: C2}
cameras:
  - id: C2-c1
    junction: C2
    approach: c1
    kind: projected
    pose: {x_m: -5, y_m: 150, z_m: 7, heading_deg: 0, pitch_deg: 15, hfov_deg: 50}
"""

CAMERA_SITE = """\
schema: 1
id: hanoi
name: A junction in Hanoi
junctions:
  - id: J
    movements:
      - {id: "J:south>north", turn: through}
      - {id: "J:south>west", turn: left}
      - {id: "J:east>west"}
    conflicts: [["J:south>north", "J:east>west"], ["J:south>west", "J:east>west"]]
    permissive: [["J:south>west", "J:east>west"]]
cameras:
  - id: cam
    junction: J
    approach: south
    kind: stream
    source: video.mp4
    size_px: [640, 480]
    stop_line: [[100, 300], [500, 300]]
    inward: [0, -2]
    zone: [[0, 479], [639, 479], [500, 300], [100, 300]]
    lamp_px: [600, 20, 620, 60]
    wrong_way: true
    movements:
      - {id: "J:south>north", path: [[300, 400], [300, 200]]}
"""

CALIBRATION = """\
    calibration:
      version: "7"
      points:
        - {px: [0, 480], m: [-10, 0]}
        - {px: [640, 480], m: [10, 0]}
        - {px: [480, 240], m: [10, 40]}
        - {px: [160, 240], m: [-10, 40]}
"""


@pytest.fixture
def write(tmp_path: Path, pho_hue: Path):
    def _write(text: str) -> Path:
        (tmp_path / "site.yaml").write_text(text, encoding="utf-8")
        if "network:" in text:
            shutil.copy(pho_hue / "network.net.xml", tmp_path)
        return tmp_path

    return _write


def test_a_site_with_a_network(write):
    site = load_site(write(NETWORK_SITE))
    assert list(site.junctions) == ["C1", "C2"]
    first, second = site.junctions["C1"], site.junctions["C2"]
    assert (first.name, first.envelope.min_green_ds) == ("Thái Phiên", 90)
    assert (second.envelope.min_green_ds, second.envelope.red_clearance_ds) == (80, 25)
    assert first.envelope.ped_clearance_ds[":C1_c0"] == 75
    assert first.envelope.ped_clearance_ds[":C1_c1"] > 0
    assert site.acceptance.max_delay_change_pct == -2
    assert site.simulation.options == ("--lateral-resolution", "0.8")
    assert site.classes == DEFAULT_CLASSES
    assert site.street is not None
    assert (site.street.seed, site.street.red_light_share) == (3, 0.06)
    camera = site.camera("C2-c1")
    assert camera.view.source_kind == "projected"
    assert {path.movement for path in camera.view.movements} <= {m.id for m in second.movements}
    assert camera.options["pose"].z_m == 7


def test_without_a_list_every_signal_of_the_network_is_a_junction(write):
    text = "schema: 1\nid: x\nname: X\nnetwork: network.net.xml\n"
    assert len(load_site(write(text)).junctions) == 8


def test_a_camera_only_site(write):
    site = load_site(write(CAMERA_SITE))
    junction = site.junctions["J"]
    assert site.network is None
    assert [m.turn for m in junction.movements] == [Turn.THROUGH, Turn.LEFT, Turn.THROUGH]
    assert junction.approaches == ("south", "east")
    assert ("J:south>west", "J:east>west") in junction.permissive
    view = site.camera("cam").view
    assert (view.metric, view.inward, view.lamp_px) == (False, (0.0, -1.0), (600, 20, 620, 60))
    assert site.camera("cam").source == str(site.folder / "video.mp4")


def test_a_calibrated_camera_sees_metres(write):
    text = CAMERA_SITE.replace(
        '    movements:\n      - {id: "J:south>north", path',
        CALIBRATION + '    movements:\n      - {id: "J:south>north", path',
    )
    view = load_site(write(text)).camera("cam").view
    assert view.metric
    assert view.calibration_version == "7"
    matrix = np.array(view.ground_from_image)
    x, y, w = matrix @ (160, 240, 1)
    assert (x / w, y / w) == pytest.approx((-10, 40), abs=1e-6)
    # The picture's vertical middle line is the plane's x = 0, and inward is away from the camera.
    assert view.inward == pytest.approx((0, 1), abs=1e-9) or view.inward[1] > 0.9
    assert view.stop_line[0][1] == pytest.approx(view.stop_line[1][1], abs=1e-6)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("junction: C2", "junction: C9", r":16: cameras[0].junction: 'C9'; valid is C1, C2"),
        (
            "approach: c1",
            "approach: c7",
            r":17: cameras[0].approach: 'c7'; valid is wb2a, c1, eb2a",
        ),
        ("kind: projected", "kind: radar", r":18: cameras[0].kind: 'radar'; valid is pixels"),
        ("z_m: 7", "z_m: 0", r":19: cameras[0].pose.z_m: 0; valid is a number above 0"),
        ("z_m: 7, ", "", r":19: cameras[0].pose.z_m: is missing"),
        ("agencies:", "agency:", r":4: agency: unknown key (did you mean agencies?); valid is"),
        ("schema: 1", "schema: 2", r":1: schema: 2; valid is 1"),
        ("name: Phố Huế\n", "", r": name: is missing"),
        ("id: pho-hue", "id: ''", r":2: id: ''; valid is a text"),
        ("network.net.xml", "other.net.xml", r":6: network: 'other.net.xml': no such file"),
        ("network.net.xml", "../x.net.xml", r":6: network: '../x.net.xml'; valid is a path inside"),
        ("end_s: 2100", "end_s: 500", r":7: simulation.end_s: 500; valid is above"),
        ("end_s: 2100", "end_s: soon", r":7: simulation.end_s: 'soon'; valid is a number"),
        ("pct: -2", "pct: 5", r":8: acceptance.max_delay_change_pct: 5; valid is a number from"),
        ("min_green_s: 8", "min_green_s: 200", r":9: envelope: max_green_s must be at least min"),
        ("clearance_s: 2.5", "clearance_s: 2.55", r":9: envelope.red_clearance_s: 2.55; valid is"),
        (":C1_c0", ":C1_c9", r":12: junctions[0].envelope.ped_clearance_s.:C1_c9: ':C1_c9'; valid"),
        ("{id: C2}", "{id: C1}", r":13: junctions[1].id: 'C1' stands in line 12 too"),
        ("{id: C2}", "{id: Z}", r":13: junctions[1].id: 'Z'; valid is C1"),
        (
            "share: 0.06",
            "share: 6",
            r":10: street.red_light_share: 6; valid is a number from 0 to 1",
        ),
        ("latitude: 21", "latitude: 91", r":5: location.latitude: 91"),
    ],
)
def test_each_thing_wrong_names_file_line_field_and_remedy(write, old, new, message):
    assert old in NETWORK_SITE
    with pytest.raises(BadInput, match=re.escape(message)) as error:
        load_site(write(NETWORK_SITE.replace(old, new, 1)))
    assert "\n" not in str(error.value)
    assert "site.yaml" in str(error.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"J:east>west"}', '"K:east>west"}', "junctions[0].movements[2].id: 'K:east>west'; valid"),
        ('"J:east>west"}', '"J:south>north"}', "stands in line 7 too"),
        ("turn: left", "turn: leftish", "movements[1].turn: 'leftish'; valid is left, through"),
        ('["J:south>north", "J:east>west"]', '["J:south>north"]', "valid is two movement ids"),
        ('["J:south>north", "J:east>west"]', '["J:south>north", "J:x>y"]', "'J:x>y'; valid is"),
        ('permissive: [["J:south>west"', 'permissive: [["J:south>north"', "ok"),
        ("kind: stream", "kind: pixels", "cameras[0].kind: 'pixels'; valid is stream"),
        ("inward: [0, -2]", "inward: [0, 0]", "cameras[0].inward: [0, 0]; valid is a direction"),
        ("inward: [0, -2]", "inward: [1, 0]", "cameras[0].inward: a list; valid is a direction"),
        ("[500, 300]]\n    inward", "[100, 300]]\n    inward", "valid is two different points"),
        ("size_px: [640, 480]", "size_px: [640]", "cameras[0].size_px: has 1 entries"),
        ("[600, 20, 620, 60]", "[620, 20, 600, 60]", "valid is x0 < x1 and y0 < y1"),
        ("wrong_way: true", "wrong_way: 3", "cameras[0].wrong_way: 3; valid is true or false"),
        ("    zone: [[0, 479], [639, 479], [500, 300], [100, 300]]\n", "", "zone is missing"),
        ('"J:south>north", path', '"J:east>west", path', "'J:east>west'; valid is J:south>north"),
        ("size_px", "coordinates: metres\n    size_px", "or a calibration that ties metres"),
    ],
)
def test_each_thing_wrong_on_a_camera_only_site(write, old, new, message):
    assert old in CAMERA_SITE
    folder = write(CAMERA_SITE.replace(old, new, 1))
    if message == "ok":
        assert ("J:south>north", "J:east>west") in load_site(folder).junctions["J"].permissive
        return
    with pytest.raises(BadInput, match=re.escape(message)):
        load_site(folder)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1\nb: 2\n", "site.yaml:2: not valid YAML"),
        ("a: 1\na: 2\n", "site.yaml:2: not valid YAML: found duplicate key"),
        ("", "site.yaml:1: nothing; valid is a mapping"),
        ("- 1\n", "site.yaml:1: a list; valid is a mapping"),
    ],
)
def test_a_file_that_is_no_site(write, text, message):
    with pytest.raises(BadInput, match=re.escape(message)) as error:
        load_site(write(text))
    assert "\n" not in str(error.value)


def test_missing_folders_and_files(tmp_path):
    with pytest.raises(BadInput, match="no such folder"):
        load_site(tmp_path / "none")
    with pytest.raises(BadInput, match=r"site\.yaml: no such file"):
        load_site(tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("- {px: [160, 240], m: [-10, 40]}", "- {px: [320, 480], m: [0, 0]}", "lie on one line"),
        ("        - {px: [160, 240], m: [-10, 40]}\n", "", "has 3 entries; valid is at least 4"),
    ],
)
def test_a_calibration_that_fixes_nothing(write, old, new, message):
    marker = '    movements:\n      - {id: "J:south>north", path'
    text = CAMERA_SITE.replace(marker, CALIBRATION.replace(old, new) + marker)
    with pytest.raises(BadInput, match=re.escape(message)):
        load_site(write(text))


def test_a_point_above_the_horizon_is_no_ground(write):
    marker = '    movements:\n      - {id: "J:south>north", path'
    text = CAMERA_SITE.replace(marker, CALIBRATION + marker).replace("[0, 479]", "[0, -5]")
    with pytest.raises(BadInput, match=r"cameras\[0\]\.zone: .*above the horizon"):
        load_site(write(text))


def test_a_zone_that_reaches_out_of_the_picture_is_noted_and_one_outside_refused(write):
    inside = "zone: [[0, 479], [639, 479], [500, 300], [100, 300]]"
    half = CAMERA_SITE.replace(inside, "zone: [[0, 479], [1279, 479], [1279, 300], [0, 300]]")
    notes = [str(f) for f in check_site(write(half)) if f.level is Level.NOTE]
    assert any("camera cam: zone: 50% of it lies outside the picture" in note for note in notes)
    outside = CAMERA_SITE.replace(inside, "zone: [[700, 479], [900, 479], [900, 300], [700, 300]]")
    with pytest.raises(BadInput, match=r"cameras\[0\]\.zone: lies outside the picture of 640x480"):
        load_site(write(outside))


def test_a_zone_that_crosses_itself_and_a_direction_that_points_back_are_refused(write):
    corners = "[[0, 479], [639, 479], [500, 300], [100, 300]]"
    crossed = CAMERA_SITE.replace(corners, "[[0, 479], [500, 300], [639, 479], [100, 300]]")
    with pytest.raises(BadInput, match=r"cameras\[0\]\.zone: its sides cross"):
        load_site(write(crossed))
    for calibration in ("", CALIBRATION):
        back = CAMERA_SITE.replace("inward: [0, -2]\n", f"inward: [0, 2]\n{calibration}")
        with pytest.raises(BadInput, match=r"cameras\[0\]\.inward: points back"):
            load_site(write(back))
    assert load_site(write(CAMERA_SITE.replace("[0, -2]\n", f"[0, -2]\n{CALIBRATION}")))


def test_what_a_camera_cannot_tell_as_it_is_set_up_is_noted(write):
    def notes(text):
        return [f.message for f in check_site(write(text)) if "camera cam" in str(f)]

    plain = "\n".join(notes(CAMERA_SITE))
    assert "no calibration: no speed" in plain
    assert "plates" not in plain
    marker = '    movements:\n      - {id: "J:south>north", path'
    text = CAMERA_SITE.replace(marker, CALIBRATION + "    plates: true\n" + marker)
    (full,) = notes(text)
    assert "plates: at 640x480" in full
    (dark,) = notes(
        text.replace("    lamp_px: [600, 20, 620, 60]\n", "").replace(
            "plates: true", "plates: false"
        )
    )
    assert "nothing is flagged on red" in dark


def test_a_calibration_point_far_from_the_others_is_named(write):
    further = ("[320, 360], m: [0, 30]", "[320, 480], m: [0, 0]", "[320, 240], m: [0, 40]")
    extra = CALIBRATION + "".join(f"        - {{px: {pair}}}\n" for pair in further)
    marker = '    movements:\n      - {id: "J:south>north", path'
    with pytest.raises(BadInput, match=r"calibration\.points\[\d\]: lies .* m from where"):
        load_site(write(CAMERA_SITE.replace(marker, extra + marker)))


def test_check_finds_wrong_counts_and_notes_what_is_absent(write):
    folder = write(CAMERA_SITE)
    absent = check_site(folder)
    assert {f.level for f in absent} == {Level.NOTE}
    for what in ("no calibration", "no plan", "no counts"):
        assert sum(what in f.message for f in absent) == 1
    assert len(absent) == 3
    (folder / "counts.csv").write_text(
        "junction,movement,vehicle_class,start,end,count,coverage\n"
        "J,J:south>north,car,2026-01-01T00:00:00Z,2026-01-01T00:15:00Z,3,1\n"
        "J,J:south>east,car,2026-01-01T00:00:00Z,2026-01-01T00:15:00Z,3,1\n"
        "J,J:south>north,tank,2026-01-01T00:00:00Z,2026-01-01T00:15:00Z,3,1\n"
    )
    errors = [str(f) for f in check_site(folder) if f.level is Level.ERROR]
    assert len(errors) == 2
    assert "counts.csv:3: movement: 'J:south>east'; valid is J:south>north" in errors[0]
    assert "counts.csv:4: vehicle_class: 'tank'" in errors[1]


def test_check_of_a_broken_site_is_one_error(tmp_path):
    findings = check_site(tmp_path)
    assert [f.level for f in findings] == [Level.ERROR]


PLAN = """\
schema: 1
site: hanoi
created: 2026-11-22T07:00:00Z
by: someone
---
junction: J
cycle_s: 60
offset_s: 0
stages:
  - {{id: a, green: ["J:south>north", "J:south>west"], green_s: 25, yellow_s: 3, red_s: {red}}}
  - {{id: b, green: ["J:east>west"], green_s: {green}, yellow_s: 3, red_s: 2}}
"""


def test_check_reads_the_plan_in_force(write):
    folder = write(CAMERA_SITE)
    (folder / "plans").mkdir()
    path = folder / "plans" / "current.yaml"
    path.write_text(PLAN.format(red=2, green=25))
    (left,) = [f for f in check_site(folder) if "no calibration" not in f.message]
    assert (left.level, "no counts" in left.message) == (Level.NOTE, True)
    path.write_text(PLAN.format(red=0, green=27))
    errors = [str(f) for f in check_site(folder) if f.level is Level.ERROR]
    assert len(errors) == 1
    assert "red_s is 0; valid is at least 2" in errors[0]


def test_a_program_as_found_is_noted_not_failed(write):
    folder = write(CAMERA_SITE)
    (folder / "plans").mkdir()
    text = PLAN.format(red=0, green=27) + "as_found: [{duration_s: 60, state: GGr}]\n"
    (folder / "plans" / "current.yaml").write_text(text)
    findings = check_site(folder)
    assert all(f.level is Level.NOTE for f in findings)
    assert any("as found" in str(f) for f in findings)


def test_the_example_site_is_sound(pho_hue):
    if not (pho_hue / "site.yaml").exists():
        pytest.fail("sites/pho-hue has no site.yaml")
    errors = [str(f) for f in check_site(pho_hue) if f.level is Level.ERROR]
    assert errors == []


def test_the_objective_of_retiming_is_the_sites(write, tmp_path):
    text = NETWORK_SITE.replace("street:", "objective: {stop_s: 8, spill_s: 0}\nstreet:")
    assert load_site(write(text)).objective == {"stop_s": 8, "spill_s": 0}
    for wrong, message in (
        ("{stops: 8}", r":10: objective.stops: unknown key"),
        ("{stop_s: -1}", r":10: objective.stop_s: -1; valid is a number from 0 to 1000"),
        ("{worse_weight: 0.5}", r":10: objective.worse_weight: 0.5; valid is a number from 1"),
    ):
        with pytest.raises(BadInput, match=message):
            load_site(write(NETWORK_SITE.replace("street:", f"objective: {wrong}\nstreet:")))
    (tmp_path / "site").mkdir()
    site = replace(corridor(tmp_path / "site"), objective={"stop_s": 9.0})
    problem = build_problem(site, corridor_counts(site), corridor_plan(site, 25))
    assert problem.weights == Weights(stop_s=9.0)
