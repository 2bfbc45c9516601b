"""Junctions, conflicts and camera views read out of a SUMO network."""

from __future__ import annotations

import math
import subprocess
from pathlib import Path

import pytest

from models.camera import CameraPose, SourceKind
from models.errors import BadInput, XanhError
from models.junction import SafetyEnvelope, Turn
from simulation.build import sumo_tool
from simulation.camera import PinholeCamera
from simulation.network import camera_view, read_junctions, read_signals

POSE = CameraPose(19.0, 167.0, 8.0, 7.0, 20.0, 62.0)


@pytest.fixture(scope="module")
def net(pho_hue: Path) -> Path:
    return pho_hue / "network.net.xml"


def build(folder: Path, nodes: str, edges: str, *options: str) -> Path:
    (folder / "t.nod.xml").write_text(f"<nodes>{nodes}</nodes>")
    (folder / "t.edg.xml").write_text(f"<edges>{edges}</edges>")
    out = folder / f"t{len(list(folder.glob('*.net.xml')))}.net.xml"
    tool, environment = sumo_tool("netconvert")
    subprocess.run(
        [tool, "-n", "t.nod.xml", "-e", "t.edg.xml", "-o", out.name, "--no-turnarounds", *options],
        cwd=folder,
        env=environment,
        check=True,
        capture_output=True,
    )
    return out


def cross_roads(signals: str) -> tuple[str, str]:
    """Two crossings of two-lane streets, 100 m apart on one street."""
    nodes = "".join(
        f'<node id="{name}" x="{x}" y="{y}" {kind}/>'
        for name, x, y, kind in [
            ("A", 0, 0, signals), ("B", 100, 0, signals), ("W", -200, 0, ""), ("E", 300, 0, ""),
            ("AN", 0, 200, ""), ("AS", 0, -200, ""), ("BN", 100, 200, ""), ("BS", 100, -200, ""),
        ]
    )  # fmt: skip
    pairs = ["WA", "AB", "BE", "AN.A", "AS.A", "BN.B", "BS.B"]
    edges = ""
    for pair in pairs:
        one, other = pair.split(".") if "." in pair else (pair[0], pair[1])
        edges += f'<edge id="{one}-{other}" from="{one}" to="{other}" numLanes="2"/>'
        edges += f'<edge id="{other}-{one}" from="{other}" to="{one}" numLanes="2"/>'
    return nodes, edges


def test_the_corridor_has_its_eight_junctions_in_order(net: Path) -> None:
    junctions = read_junctions(net)
    assert list(junctions) == [f"C{i}" for i in range(1, 9)]
    assert [j.y_m for j in junctions.values()] == sorted(j.y_m for j in junctions.values())
    assert junctions["C6"].name == "Trần Hưng Đạo"


def test_movements_carry_turn_lanes_and_links(net: Path) -> None:
    junction = read_junctions(net)["C2"]
    turns = {m.id.split(":")[1]: m.turn for m in junction.movements}
    assert turns == {
        "c1>c2": Turn.THROUGH,
        "c1>eb2b": Turn.RIGHT,
        "c1>wb2b": Turn.LEFT,
        "eb2a>eb2b": Turn.THROUGH,
        "eb2a>c2": Turn.LEFT,
        "wb2a>wb2b": Turn.THROUGH,
        "wb2a>c2": Turn.RIGHT,
    }
    assert junction.movement("C2:c1>c2").lanes == ("c1_1", "c1_2", "c1_3")
    assert junction.movement("C2:eb2a>c2").lanes == ("eb2a_3",)
    links = sorted(i for m in junction.movements for i in m.links)
    links += sorted(i for c in junction.crossings for i in c.links)
    assert sorted(links) == list(range(15))


def test_kerb_strips_against_the_traffic_are_no_movements(net: Path) -> None:
    edges = {e for j in read_junctions(net).values() for m in j.movements
             for e in (m.from_edge, m.to_edge)}  # fmt: skip
    assert not any(edge.startswith(("z", "w0", ":")) for edge in edges)


def test_what_crosses_conflicts_and_what_shares_an_approach_does_not(net: Path) -> None:
    junction = read_junctions(net)["C2"]

    def conflict(one: str, other: str) -> bool:
        return frozenset((one, other)) in junction.conflicts

    over = {c.edges: c.id for c in junction.crossings}
    assert conflict("C2:c1>c2", "C2:eb2a>eb2b")
    assert conflict("C2:eb2a>c2", "C2:wb2a>wb2b")
    assert conflict("C2:c1>c2", over["c1",])
    assert conflict("C2:c1>c2", over["c2",])
    assert not conflict("C2:c1>c2", "C2:c1>eb2b")
    assert not conflict("C2:eb2a>eb2b", "C2:wb2a>wb2b")
    assert not conflict("C2:eb2a>eb2b", over["c1",])


def test_only_turns_may_give_way(net: Path) -> None:
    junction = read_junctions(net)["C2"]
    over = {c.edges: c.id for c in junction.crossings}
    assert junction.permissive == {
        ("C2:c1>eb2b", over["eb2b", "wb2a"]),
        ("C2:c1>wb2b", over["wb2b", "eb2a"]),
        ("C2:eb2a>c2", over["c2",]),
        ("C2:eb2a>c2", "C2:wb2a>wb2b"),
        ("C2:wb2a>c2", over["c2",]),
    }


def test_pedestrian_clearance_is_the_length_at_walking_speed(net: Path) -> None:
    junction = read_junctions(net)["C2"]
    lengths = {c.id: c.length_m for c in junction.crossings}
    assert sorted(lengths.values()) == [10.5, 10.5, 13.0, 16.25]
    clearances = junction.envelope.ped_clearance_ds
    assert all(clearances[i] == 10 * math.ceil(m / 1.2) for i, m in lengths.items())


def test_a_stated_clearance_stays(net: Path) -> None:
    stated = SafetyEnvelope(min_green_ds=90, ped_clearance_ds={":C2_c0": 125})
    junctions = read_junctions(net, {"C2": stated}, names={"C2": "Two"})
    assert junctions["C2"].envelope.ped_clearance_ds[":C2_c0"] == 125
    assert junctions["C2"].envelope.ped_clearance_ds[":C2_c1"] == 110
    assert junctions["C2"].envelope.min_green_ds == 90
    assert junctions["C2"].name == "Two"
    assert junctions["C3"].envelope.min_green_ds == SafetyEnvelope().min_green_ds


def test_one_signal_over_two_nodes_has_the_conflicts_of_both(tmp_path: Path) -> None:
    streets = cross_roads('type="traffic_light" tl="both"')
    path = build(tmp_path, *streets, "--offset.disable-normalization")
    junction = read_junctions(path)["both"]
    assert {"both:W-A>A-B", "both:A-B>B-E", "both:AN-A>A-B"} <= junction.signal_ids
    assert frozenset(("both:W-A>A-B", "both:AN-A>A-AS")) in junction.conflicts
    assert frozenset(("both:A-B>B-E", "both:BN-B>B-BS")) in junction.conflicts
    # Different nodes: their paths never meet.
    assert frozenset(("both:W-A>A-B", "both:BN-B>B-BS")) not in junction.conflicts
    assert junction.x_m == 50


def test_a_network_without_inner_lanes_has_the_same_conflicts(tmp_path: Path) -> None:
    streets = cross_roads('type="traffic_light"')
    inner = read_junctions(build(tmp_path, *streets))
    bare = read_junctions(build(tmp_path, *streets, "--no-internal-links"))
    assert inner["A"].movements == bare["A"].movements
    assert inner["A"].conflicts == bare["A"].conflicts
    assert inner["A"].conflicts


def test_a_signal_that_cannot_be_taken_is_named_and_the_others_are_read(
    net: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.net.xml"
    broken.write_text(net.read_text().replace('tl="C4" linkIndex="2"', 'tl="C4"'))
    read = read_signals(broken)
    assert "C4" not in read.junctions
    assert len(read.junctions) == 7
    (line,) = read.refused
    assert line.startswith("junction C4 cannot be taken: the connection c3 -> c4")
    assert "\n" not in line


def test_two_signals_whose_paths_cross_are_both_refused(net: Path, tmp_path: Path) -> None:
    text = net.read_text()
    logic = text[text.index('<tlLogic id="C4"') :]
    logic = logic[: logic.index("</tlLogic>") + len("</tlLogic>")]
    split = text.replace(logic, logic + logic.replace('id="C4"', 'id="D4"'))
    lines = [
        line.replace('tl="C4"', 'tl="D4"') if 'from="eb4a"' in line else line
        for line in split.splitlines()
    ]
    path = tmp_path / "split.net.xml"
    path.write_text("\n".join(lines))
    read = read_signals(path)
    assert list(read.junctions) == ["C1", "C2", "C3", "C5", "C6", "C7", "C8"]
    assert read.refused == (
        "junction C4 cannot be taken: its paths at C4 cross those of another signal, D4",
        "junction D4 cannot be taken: its paths at C4 cross those of another signal, C4",
    )


def test_a_network_without_signals_is_one_line(tmp_path: Path) -> None:
    path = build(tmp_path, *cross_roads(""))
    with pytest.raises(XanhError, match="no signalized junction can be taken: it has no signals"):
        read_junctions(path)


@pytest.mark.parametrize("text", ["", "<routes/>", "<net><edge/></net>"])
def test_what_is_no_network_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.net.xml"
    path.write_text(text)
    with pytest.raises(BadInput, match=r"x\.net\.xml"):
        read_junctions(path)


def test_a_camera_sees_its_approach(net: Path) -> None:
    view = camera_view(net, "C2", "c1", POSE, "cam", SourceKind.PROJECTED)
    (x0, y0), (x1, y1) = view.stop_line
    assert math.dist(*view.stop_line) == pytest.approx(10.5, abs=0.05)
    assert math.hypot(*view.inward) == pytest.approx(1)
    # The line is square to the direction of travel, its first end on the left.
    assert (x1 - x0) * view.inward[0] + (y1 - y0) * view.inward[1] == pytest.approx(0, abs=0.05)
    assert (x1 - x0) * view.inward[1] - (y1 - y0) * view.inward[0] > 0
    assert view.wrong_way
    assert view.metric
    assert view.source_kind is SourceKind.PROJECTED
    along = [(x - x0) * view.inward[0] + (y - y0) * view.inward[1] for x, y in view.zone]
    assert max(along) == pytest.approx(1.5, abs=0.1)
    assert min(along) == pytest.approx(-41.5, abs=0.1)
    area = abs(sum(a[0] * b[1] - b[0] * a[1] for a, b in zip(
        view.zone, view.zone[1:] + view.zone[:1], strict=True))) / 2  # fmt: skip
    assert area == pytest.approx(43 * 13.5, rel=0.02)


def test_paths_lead_from_the_approach_through_the_junction(net: Path) -> None:
    view = camera_view(net, "C2", "c1", POSE, "cam")
    ids = [path.movement for path in view.movements]
    assert ids.count("C2:c1>c2") == 3
    assert set(ids) == {"C2:c1>c2", "C2:c1>eb2b", "C2:c1>wb2b"}
    for path in view.movements:
        start, end = path.points[0], path.points[-1]
        line = view.stop_line[0]

        def along(p: tuple[float, float], origin: tuple[float, float] = line) -> float:
            return (p[0] - origin[0]) * view.inward[0] + (p[1] - origin[1]) * view.inward[1]

        assert along(start) == pytest.approx(-10, abs=0.2)
        assert along(end) > 5
        assert all(math.dist(a, b) > 0.05 for a, b in zip(path.points, path.points[1:],
                                                         strict=False))  # fmt: skip


def test_the_view_maps_pixels_to_the_ground(net: Path) -> None:
    import numpy as np

    view = camera_view(net, "C2", "c1", POSE, "cam")
    x, y = view.movements[0].points[2]
    pixels, depth = PinholeCamera(POSE).project(np.array([[x, y, 0.0]]))
    assert depth[0] > 0
    u, v, w = np.array(view.ground_from_image) @ np.array([*pixels[0], 1.0])
    assert (u / w, v / w) == pytest.approx((x, y), abs=1e-6)


def test_driving_against_the_traffic_is_an_offence_only_on_a_one_way(net: Path) -> None:
    one_way = {
        approach: camera_view(net, "C2", approach, POSE, "cam").wrong_way
        for approach in ("c1", "eb2a", "wb2a")
    }
    assert one_way == {"c1": True, "eb2a": False, "wb2a": False}
    assert camera_view(net, "C1", "eb1a", POSE, "cam").wrong_way


def test_an_approach_of_another_junction_is_refused(net: Path) -> None:
    with pytest.raises(BadInput, match="valid are c1, eb2a, wb2a"):
        camera_view(net, "C2", "c5", POSE, "cam")
