"""Scenes follow the network: where traffic drives is road, where people live is not."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from models.errors import BadInput
from simulation.netfile import read_net
from simulation.scene import SceneGeometry, point_along, polyline_length, sub_polyline
from simulation.scene_network import approach_camera_pose, junction_legs, scene_from_network
from simulation.scene_random import random_camera, random_junction, random_traffic

NETWORK = Path(__file__).resolve().parents[2] / "sites" / "pho-hue" / "network.net.xml"


def on_road(scene: SceneGeometry, points: np.ndarray) -> np.ndarray:
    inside = np.zeros(len(points), bool)
    for outline in scene.carriageways:
        polygon = outline.astype(np.float32)
        inside ^= np.array(
            [cv2.pointPolygonTest(polygon, (float(x), float(y)), False) > 0 for x, y in points]
        )
    return inside


@pytest.fixture(scope="module")
def scene() -> SceneGeometry:
    return scene_from_network(NETWORK, "C2")


def test_every_way_through_the_junction_is_asphalt(scene: SceneGeometry) -> None:
    net = read_net(NETWORK)
    inner = [
        np.array(lane.shape)
        for edge in net.edges.values()
        if edge.id.startswith(":C2_") and edge.function == "internal"
        for lane in edge.lanes
        if lane.allows("passenger")
    ]
    assert inner
    for shape in inner:
        along = np.array([point_along(shape, s)[0] for s in np.arange(0, polyline_length(shape))])
        assert on_road(scene, along).all()


def test_approaches_and_exits_are_asphalt_and_houses_are_not(scene: SceneGeometry) -> None:
    for lane in scene.lanes:
        near = [
            point_along(lane.points, s)[0] for s in np.linspace(0, polyline_length(lane.points), 40)
        ]
        close = np.array([p for p in near if np.hypot(*(p - scene.centre)) < 100])
        assert on_road(scene, close).all()
    fronts = np.array([f.start for f in scene.frontages] + [f.end for f in scene.frontages])
    assert len(fronts) > 40
    assert not on_road(scene, fronts).any()
    trunks = np.array([(tree.x_m, tree.y_m) for tree in scene.trees])
    assert not on_road(scene, trunks).any()
    bikes = np.array([(bike.x_m, bike.y_m) for bike in scene.parked])
    assert not on_road(scene, bikes).any()


def test_heads_stand_to_the_right_just_past_the_stop_line(scene: SceneGeometry) -> None:
    net = read_net(NETWORK)
    assert {head.id for head in scene.heads} == {"c1", "eb2a", "wb2a"}
    for head in scene.heads:
        lane = net.edges[head.id].traffic_lanes[0]
        end = np.array(lane.shape[-1])
        ahead = np.array([np.sin(head.heading_rad), np.cos(head.heading_rad)])
        right = np.array([ahead[1], -ahead[0]])
        offset = np.array([head.x_m, head.y_m]) - end
        assert 0 < offset @ ahead < 2
        assert lane.width_m / 2 < offset @ right < lane.width_m / 2 + 2
        assert not on_road(scene, np.array([[head.x_m, head.y_m]])).any()


def test_kerbs_have_the_road_on_their_right(scene: SceneGeometry) -> None:
    along = scene.kerbs[:, 1] - scene.kerbs[:, 0]
    along /= np.linalg.norm(along, axis=1)[:, None]
    right = np.stack([along[:, 1], -along[:, 0]], 1)
    middle = scene.kerbs.mean(1)
    assert on_road(scene, middle + right * 0.5).mean() > 0.99
    assert on_road(scene, middle - right * 0.5).mean() < 0.01


def test_markings_lie_on_the_road(scene: SceneGeometry) -> None:
    middles = np.array([m.points.mean(0) for m in scene.markings])
    near = np.hypot(*(middles - scene.centre).T) < 100
    assert on_road(scene, middles[near]).mean() > 0.99
    # The stop line of an approach is where its lanes end.
    end = np.array(read_net(NETWORK).edges["c1"].traffic_lanes[1].shape[-1])
    wide = [m for m in scene.markings if m.opacity == 0.95]
    assert min(np.hypot(*(m.points.mean(0) - end)) for m in wide) < 0.6


def test_the_same_junction_is_the_same_street(scene: SceneGeometry) -> None:
    again = scene_from_network(NETWORK, "C2")
    assert again.frontages == scene.frontages
    assert again.trees == scene.trees
    assert np.array_equal(again.kerbs, scene.kerbs)


def test_foreign_networks_make_scenes_too(test_data: Path) -> None:
    """Curved streets, odd angles, no sidewalks: any signalized junction of real cities."""
    made = 0
    for name in ("cologne1", "ingolstadt1"):
        path = test_data / "scenarios" / name / f"{name}.net.xml"
        net = read_net(path)
        for junction in [n.id for n in net.nodes.values() if n.kind == "traffic_light"]:
            foreign = scene_from_network(path, junction)
            legs = junction_legs(net, junction)
            assert len(foreign.heads) == sum(1 for leg in legs if leg.incoming)
            assert foreign.carriageways
            for head in foreign.heads:
                approach_camera_pose(path, head.id)
            made += 1
    assert made


def test_unknown_and_unreachable_junctions_are_named() -> None:
    with pytest.raises(BadInput, match=r"C99.*valid are C1"):
        scene_from_network(NETWORK, "C99")
    with pytest.raises(BadInput, match="no traffic can enter"):
        scene_from_network(NETWORK, "C0")


@pytest.mark.parametrize("seed", range(6))
def test_random_traffic_drives_apart(seed: int) -> None:
    rng = np.random.default_rng(seed)
    junction = random_junction(rng)
    random_camera(junction.legs[0], rng)
    states = random_traffic(junction.legs, rng)
    centres = np.stack([states.x_m, states.y_m], 1)
    gaps = np.hypot(*(centres[:, None] - centres[None]).transpose(2, 0, 1))
    np.fill_diagonal(gaps, 9.0)
    # No two centres closer than two motorcycles side by side.
    assert gaps.min() > 0.4


def test_sub_polyline_is_the_part_between_two_distances() -> None:
    line = np.array([[0, 0], [10, 0], [10, 10.0]])
    part = sub_polyline(line, 4, 15)
    assert part.tolist() == [[4, 0], [10, 0], [10, 5]]
    assert polyline_length(part) == pytest.approx(11)
