"""Projection and its inverse agree for any camera."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.camera import CameraPose
from simulation.camera import PinholeCamera

poses = st.builds(
    CameraPose,
    x_m=st.floats(-500, 500),
    y_m=st.floats(-500, 500),
    z_m=st.floats(3, 15),
    heading_deg=st.floats(0, 360),
    pitch_deg=st.floats(5, 60),
    hfov_deg=st.floats(30, 90),
)
offsets = st.tuples(st.floats(-20, 20), st.floats(4, 80))


def _ahead(camera: PinholeCamera, offset: tuple[float, float]) -> np.ndarray:
    heading = np.radians(camera.pose.heading_deg)
    forward = np.array([np.sin(heading), np.cos(heading)])
    right = np.array([forward[1], -forward[0]])
    return camera.position_m[:2] + right * offset[0] + forward * offset[1]


@given(pose=poses, offset=offsets)
def test_homography_is_the_projection_of_the_ground(
    pose: CameraPose, offset: tuple[float, float]
) -> None:
    camera = PinholeCamera(pose)
    ground = _ahead(camera, offset)
    px, depth = camera.project(np.array([[*ground, 0.0]]))
    assert depth[0] > 0
    mapped = camera.ground_homography() @ np.array([*ground, 1.0])
    assert mapped[:2] / mapped[2] == pytest.approx(px[0], abs=1e-5)


@given(pose=poses, offset=offsets)
def test_a_pixel_leads_back_to_its_ground_point(
    pose: CameraPose, offset: tuple[float, float]
) -> None:
    camera = PinholeCamera(pose)
    ground = _ahead(camera, offset)
    px, _ = camera.project(np.array([[*ground, 0.0]]))
    assert camera.to_ground(px)[0] == pytest.approx(ground, abs=1e-4)
    row = np.array(camera.ground_from_image()) @ np.array([*px[0], 1.0])
    assert row[2] > 0, "below the horizon the last coordinate is positive"


@given(pose=poses)
def test_nothing_on_the_ground_lies_above_the_horizon(pose: CameraPose) -> None:
    camera = PinholeCamera(pose)
    above = np.array([[320.0, camera.horizon_px - 5]])
    assert np.isnan(camera.to_ground(above)).all()


def test_the_axes_point_the_right_way() -> None:
    """Seen northward: east is to the right, up is up, and further is higher in the picture."""
    camera = PinholeCamera(CameraPose(0, 0, 8, 0, 20, 60))
    points = np.array([[0, 20, 0], [3, 20, 0], [0, 20, 2], [0, 40, 0]], np.float64)
    px, depth = camera.project(points)
    assert px[0, 0] == pytest.approx(320)
    assert px[1, 0] > px[0, 0]
    assert px[2, 1] < px[0, 1]
    assert px[3, 1] < px[0, 1]
    assert depth[3] > depth[0]


def test_a_camera_under_the_ground_is_refused() -> None:
    with pytest.raises(ValueError, match="camera"):
        PinholeCamera(CameraPose(0, 0, -1, 0, 20, 60))
