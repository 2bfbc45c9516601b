"""Frames of the virtual street show what is there, where it is."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from models.errors import BadInput
from models.signals import SignalState
from simulation.camera import PinholeCamera
from simulation.people import People
from simulation.render import Renderer, Shown
from simulation.scene_network import approach_camera_pose, scene_from_network
from simulation.scene_random import random_junction
from simulation.signal_heads import head_box_px, lamp_centre_px
from simulation.states import CLASSES, VehicleStates

NETWORK = Path(__file__).resolve().parents[2] / "sites" / "pho-hue" / "network.net.xml"
APPROACHES = {"C2": ("c1", "eb2a", "wb2a")}
SIZES = {
    "motorcycle": (1.9, 0.75, 1.6),
    "bicycle": (1.7, 0.6, 1.65),
    "car": (4.4, 1.76, 1.5),
    "bus": (11.0, 2.5, 3.2),
    "truck": (6.8, 2.15, 2.9),
    "pedestrian": (0.5, 0.5, 1.66),
}


@pytest.fixture(scope="module")
def street() -> Renderer:
    pose = approach_camera_pose(NETWORK, "c1")
    return Renderer(scene_from_network(NETWORK, "C2"), PinholeCamera(pose), seed=3)


def _ahead(camera: PinholeCamera, along_m: float, right_m: float = 0.0) -> tuple[float, float]:
    heading = np.radians(camera.pose.heading_deg)
    x, y = camera.position_m[:2]
    return (
        float(x + np.sin(heading) * along_m + np.cos(heading) * right_m),
        float(y + np.cos(heading) * along_m - np.sin(heading) * right_m),
    )


def _one(kind: str, xy: tuple[float, float], heading_rad: float, number: int = 1) -> VehicleStates:
    row = (number, CLASSES.index(kind), *xy, heading_rad, 0.0, *SIZES[kind])
    return VehicleStates.from_rows([row])


def _together(*states: VehicleStates) -> VehicleStates:
    names = [field.name for field in fields(VehicleStates)]
    return VehicleStates(*(np.concatenate([getattr(s, n) for s in states]) for n in names))


@pytest.mark.parametrize("kind", CLASSES)
@pytest.mark.parametrize("turn_deg", [0, 90, 200])
def test_the_box_is_where_the_road_user_projects(
    street: Renderer, kind: str, turn_deg: int
) -> None:
    camera = street.camera
    at = _ahead(camera, 26.0, 1.0)
    heading = np.radians(camera.pose.heading_deg + turn_deg)
    frame = street.render_with_truth(_one(kind, at, heading))
    (box,) = frame.boxes.box_px
    length, width, height = SIZES[kind]
    forward = np.array([np.sin(heading), np.cos(heading)])
    right = np.array([forward[1], -forward[0]])
    corners = [
        [*(np.array(at) + forward * length * i / 2 + right * width * j / 2), z]
        for i in (-1, 1)
        for j in (-1, 1)
        for z in (0.0, height)
    ]
    px, _ = camera.project(np.array(corners))
    expected = np.concatenate([px.min(0), px.max(0)])
    # The shape fills its stated size: roofs taper, mirrors stick out, cars differ in height.
    slack = 0.22 * max(expected[2] - expected[0], expected[3] - expected[1]) + 3
    assert np.abs(box - expected).max() < slack
    assert frame.boxes.visible[0] == pytest.approx(1.0)
    assert frame.boxes.in_frame[0] == pytest.approx(1.0)
    assert CLASSES[frame.boxes.vehicle_class[0]] == kind
    # And the picture really changed there, and (but for its shadow) only near there.
    empty = street.render(VehicleStates.empty())
    x0, y0, x1, y1 = (int(v) for v in box)
    change = np.abs(frame.image.astype(int) - empty.astype(int)).max(2)
    assert change[y0:y1, x0:x1].max() > 60
    assert np.median(change[:, : max(x0 - 120, 1)]) < 12


def test_the_nearer_road_user_hides_the_farther(street: Renderer) -> None:
    camera = street.camera
    heading = np.radians(camera.pose.heading_deg)
    rider = _one("motorcycle", _ahead(camera, 32.0), heading, 1)
    bus = _one("bus", _ahead(camera, 24.5), heading, 2)
    truth = street.render_with_truth(_together(rider, bus)).boxes
    visible = dict(zip(truth.id.tolist(), truth.visible.tolist(), strict=True))
    assert visible[2] == pytest.approx(1.0)
    assert visible[1] < 0.3
    alone = street.render_with_truth(rider).boxes
    assert alone.visible[0] == pytest.approx(1.0)
    hidden = dict(zip(truth.id.tolist(), truth.box_px, strict=True))[1]
    assert hidden == pytest.approx(alone.box_px[0]), "boxes are of the whole road user"


def test_a_car_cut_by_the_edge_keeps_the_box_of_what_is_in_the_picture(street: Renderer) -> None:
    camera = street.camera
    at = _ahead(camera, 8.0)
    truth = street.render_with_truth(_one("car", at, np.radians(camera.pose.heading_deg))).boxes
    (box,) = truth.box_px
    assert truth.in_frame[0] < 1
    assert box[3] == pytest.approx(480, abs=1)
    assert 0 <= box[0] < box[2] <= 640


@pytest.mark.parametrize(
    ("state", "channel"),
    [(SignalState.RED, 2), (SignalState.GREEN, 1)],
)
def test_the_lamp_shines_where_the_head_projects(
    street: Renderer, state: SignalState, channel: int
) -> None:
    head = street.scene.head("c1")
    image = street.render(VehicleStates.empty(), {"c1": Shown(state, 12)})
    centre = lamp_centre_px(head, street.camera, state)
    assert centre is not None
    x, y = (round(v) for v in centre)
    patch = image[y - 1 : y + 2, x - 1 : x + 2].reshape(-1, 3).mean(0)
    others = [c for c in range(3) if c != channel]
    assert patch[channel] > 180
    assert patch[channel] > 1.4 * patch[others].max() or patch[channel] > 230
    box = head_box_px(head, street.camera)
    assert box is not None
    assert box[0] < x < box[2]
    assert box[1] < y < box[3]
    dark = street.render(VehicleStates.empty(), {})
    assert dark[y, x].max() < 120


def test_every_approach_camera_sees_its_head_and_its_junction() -> None:
    for junction, edges in APPROACHES.items():
        scene = scene_from_network(NETWORK, junction)
        for edge in edges:
            camera = PinholeCamera(approach_camera_pose(NETWORK, edge))
            assert head_box_px(scene.head(edge), camera) is not None
            middle, depth = camera.project(np.array([[*scene.centre, 0.0]]))
            assert depth[0] > 0
            assert (middle[0] > [60, 20]).all()
            assert (middle[0] < [580, 460]).all()


def test_the_same_seed_gives_the_same_frames() -> None:
    def frames() -> list[np.ndarray]:
        junction = random_junction(np.random.default_rng(5))
        pose = approach_camera_pose(NETWORK, "c1")
        renderer = Renderer(junction.scene, PinholeCamera(pose), seed=9)
        states = _one("car", _ahead(renderer.camera, 25.0), 1.0)
        return [renderer.render(states), renderer.render(states)]

    first, second = frames(), frames()
    assert np.array_equal(first[0], second[0])
    assert np.array_equal(first[1], second[1])
    assert not np.array_equal(first[0], first[1]), "the noise moves from frame to frame"


def test_a_road_user_keeps_its_looks(street: Renderer) -> None:
    """The same id has the same colours in any camera; another id has others."""
    at = _ahead(street.camera, 25.0)
    heading = float(np.radians(street.camera.pose.heading_deg))
    boxes = street.render_with_truth(_one("bus", at, heading, 41)).boxes.box_px[0].astype(int)
    window = (slice(boxes[1], boxes[3]), slice(boxes[0], boxes[2]))
    same = [street.render(_one("bus", at, heading, 41))[window].mean() for _ in range(2)]
    others = [street.render(_one("bus", at, heading, n))[window].mean() for n in range(50, 58)]
    assert same[0] == pytest.approx(same[1], abs=0.5)
    assert max(abs(mean - same[0]) for mean in others) > 5


def test_no_road_users_is_a_street_and_an_unknown_junction_is_an_error(street: Renderer) -> None:
    frame = street.render_with_truth(VehicleStates.empty(), caption="C2 07:00:00")
    assert frame.image.shape == (480, 640, 3)
    assert frame.image.dtype == np.uint8
    assert len(frame.boxes.id) == 0
    with pytest.raises(BadInput, match="Nowhere"):
        scene_from_network(NETWORK, "Nowhere")
    with pytest.raises(BadInput, match="no_edge"):
        approach_camera_pose(NETWORK, "no_edge")


def test_riders_are_drawn_as_many_as_the_truth_has(street: Renderer) -> None:
    """More heads cover more of the picture; nothing else of it changes."""
    three = Renderer(
        street.scene, street.camera, seed=3, people=People(seed=1, overloaded_share=1.0)
    )
    rider = _one("motorcycle", _ahead(street.camera, 14.0), 0.0, number=3)
    usual, full = (eye.render_with_truth(rider) for eye in (street, three))
    x0, y0, x1, y1 = np.round(full.boxes.box_px[0] + [-12, -12, 12, 12]).astype(int)
    away = np.abs(usual.image.astype(int) - full.image).max(axis=2)
    inside = away[y0:y1, x0:x1].copy()
    away[y0:y1, x0:x1] = 0
    assert (inside > 40).sum() > 60
    assert (away > 40).mean() < 1e-4  # the sensor's noise
