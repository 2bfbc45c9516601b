"""What is compiled for speed says what the expressions say that define it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detection.association import centre_offset
from detection.boxes import intersections
from detection.extents import LONG, reaches
from detection.geometry import AreaMap, inside
from detection.kalman_kernel import CALM, predict
from detection.movements import HEADING_M, HEADING_WEIGHT_M, MOST_POINTS, MovementMatcher
from detection.plane import GroundPlane
from detection.sighting_kernel import misfits, note_motion
from detection.track_table import LENGTH_M, WIDTH_M, TrackTable
from models.site import VEHICLE_CLASSES
from traffic.sites import load_site

VIEW = (
    load_site(Path(__file__).parents[2] / "docs" / "examples" / "hanoi-giang-vo")
    .camera("giang-vo-south")
    .view
)
generators = st.integers(0, 2**32 - 1).map(np.random.default_rng)


def _boxes(random: np.random.Generator, count: int) -> np.ndarray:
    low = random.uniform(0, 900, (count, 2))
    return np.concatenate([low, low + random.uniform(2, 300, (count, 2))], axis=1)


def _units(random: np.random.Generator, count: int) -> np.ndarray:
    angle = random.uniform(-np.pi, np.pi, count)
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


@given(random=generators)
def test_what_boxes_share(random: np.random.Generator) -> None:
    first, second = _boxes(random, 9), _boxes(random, 7)
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    assert intersections(first, second) == pytest.approx(np.prod(np.clip(high - low, 0, None), 2))


@given(random=generators)
def test_the_plane_and_the_picture(random: np.random.Generator) -> None:
    plane = GroundPlane(VIEW)
    pixels = random.uniform((0, 0.4 * VIEW.height_px), (VIEW.width_px, VIEW.height_px), (20, 2))
    pixels = pixels[plane.depth_scale(pixels) > 1e-6]
    points, jacobian = plane.to_plane_with_jacobian(pixels)
    assert points == pytest.approx(plane.to_plane(pixels))
    assert jacobian == pytest.approx(plane.jacobian(pixels))
    assert plane.to_image(points) == pytest.approx(pixels)


@given(random=generators, dt=st.floats(0.05, 1.0))
def test_the_filter_moves_on_as_its_matrices_say(random: np.random.Generator, dt: float) -> None:
    units, state = random.uniform(1, 40, (1, 2)), random.normal(0, 9, 4)
    factor = random.normal(0, 1, (4, 4))
    covariance = factor @ factor.T
    standing = random.random() < 0.5
    pp, pv, vv = (
        covariance[a : a + 2, b : b + 2][None].copy() for a, b in ((0, 0), (0, 2), (2, 2))
    )
    position, velocity = state[None, :2].copy(), state[None, 2:].copy()
    held = np.array([False])
    predict(dt, 3.5, units, held, np.array([standing]), position, velocity, pp, pv, vv)
    step = np.eye(4) + dt * np.eye(4, k=2)
    spread = np.diag((3.5 * units[0]) ** 2) * (CALM if standing else 1.0)
    push = np.concatenate([dt * dt / 2 * np.eye(2), dt * np.eye(2)])
    expected = step @ covariance @ step.T + push @ spread @ push.T
    assert np.concatenate([position[0], velocity[0]]) == pytest.approx(step @ state)
    assert np.block([[pp[0], pv[0]], [pv[0].T, vv[0]]]) == pytest.approx(expected)


@given(random=generators)
def test_one_that_is_held_stays_as_unsure_as_it_was(random: np.random.Generator) -> None:
    blocks = [random.normal(0, 1, (1, 2, 2)) for _ in range(3)]
    before = [block.copy() for block in blocks]
    yes, pair = np.array([True]), np.ones((1, 2))
    predict(0.2, 3.5, pair, yes, yes, pair.copy(), np.zeros((1, 2)), *blocks)
    assert all((now == then).all() for now, then in zip(blocks, before, strict=True))


@given(random=generators)
def test_half_a_footprint_lies_beyond_its_near_end(random: np.random.Generator) -> None:
    away, heading = _units(random, 8), _units(random, 8)
    kinds = random.integers(0, len(VEHICLE_CLASSES), 8)
    length, width = LENGTH_M[kinds], WIDTH_M[kinds]
    along = np.abs((away * heading).sum(axis=1))
    across = np.sqrt(np.clip(1.0 - along**2, 0.0, None))
    half = (length * along + width * across) / 2
    found = centre_offset(GroundPlane(VIEW), away, heading, kinds)
    assert found == pytest.approx(away * half[:, None], abs=1e-6)


@given(random=generators)
def test_points_in_several_outlines_at_once(random: np.random.Generator) -> None:
    outlines = [random.uniform(-5, 5, (corners, 2)).tolist() for corners in (3, 4, 7)]
    points = random.uniform(-6, 6, (30, 2))
    bits = AreaMap(outlines).bits(points)
    for index, outline in enumerate(outlines):
        assert ((bits >> index & 1) == inside(points, outline)).all()


@given(random=generators)
def test_a_box_is_short_or_holds_two_or_neither(random: np.random.Generator) -> None:
    expected, rows = _boxes(random, 12), np.arange(12)
    box = expected + random.normal(0, 12, (12, 4))
    contact = np.stack([(box[:, 0] + box[:, 2]) / 2, box[:, 3]], axis=1)
    hidden, joined = misfits(rows, box, contact, expected, np.full(12, 9), 0.87)
    height, shown = expected[:, 3] - expected[:, 1], box[:, 3] - box[:, 1]
    assert (hidden[hidden > 0] == pytest.approx((height - shown)[hidden > 0])) or not hidden.any()
    assert (joined[joined > 0] == pytest.approx((shown - height)[joined > 0])) or not joined.any()
    assert not ((hidden > 0) & (joined > 0)).any()
    unknown = misfits(rows, box, contact, expected, np.full(12, 2), 0.87)
    assert not any(part.any() for part in unknown)


@given(random=generators)
def test_who_drives_heads_where_he_drives(random: np.random.Generator) -> None:
    velocity, heading = random.normal(0, 4, (10, 2)), _units(random, 10)
    before, rows, units = heading.copy(), np.arange(10), np.ones((10, 2))
    standing, fastest = np.zeros(10, np.bool_), np.zeros(10)
    note_motion(rows, velocity, units, np.full(10, 9), standing, heading, fastest)
    speed = np.hypot(*velocity.T)
    assert (standing == (speed < 0.6)).all()
    assert fastest == pytest.approx(speed)
    assert np.hypot(*heading.T) == pytest.approx(np.ones(10))
    assert (heading[speed <= 1.5] == before[speed <= 1.5]).all()
    nearer = (heading * velocity).sum(axis=1) >= (before * velocity).sum(axis=1) - 1e-9
    assert nearer[speed > 1.5].all()


def test_a_way_along_a_path_is_that_movement() -> None:
    matcher = MovementMatcher(VIEW)
    for path in VIEW.movements:
        assert matcher.match([*path.points], (1.0, 1.0)).movement == path.movement


@given(random=generators, count=st.integers(2, 40))
def test_the_movement_is_that_of_the_least_cost(random: np.random.Generator, count: int) -> None:
    matcher = MovementMatcher(VIEW)
    (ax, ay), (bx, by) = VIEW.stop_line
    points = np.array([(ax + bx) / 2, (ay + by) / 2]) + random.normal(0, 1.5, (count, 2)).cumsum(0)
    match = matcher.match([(x, y) for x, y in points.tolist()], (1.0, 1.0))
    assert match.travelled_m == pytest.approx(np.hypot(*np.diff(points, axis=0).T).sum())

    ahead = points[-1] - points
    far = np.nonzero(np.hypot(*ahead.T) >= HEADING_M)[0]
    heading = ahead[far[-1]] if len(far) else np.array(VIEW.inward)
    told = points[np.linspace(0, count - 1, min(count, MOST_POINTS)).astype(int)]
    costs = []
    for path in matcher._paths:
        away = np.hypot(*(told[:, None] - path[None]).transpose(2, 0, 1))
        at = int(away[-1].argmin())
        along = path[min(at + 1, len(path) - 1)] - path[max(at - 1, 0)]
        cosine = along @ heading / np.hypot(*along) / np.hypot(*heading)
        turn = np.arccos(np.clip(cosine, -1.0, 1.0))
        off_m = np.average(away.min(axis=1), weights=np.linspace(0.3, 1.0, len(told)))
        costs.append((off_m + HEADING_WEIGHT_M * turn, turn))
    names = [path.movement for path in VIEW.movements]
    chosen, turn = costs[names.index(match.movement)]
    assert chosen == pytest.approx(min(costs)[0])
    assert match.heading_off_rad == pytest.approx(turn)
    least, *more = sorted(cost for cost, _ in costs)
    assert match.lead_m == pytest.approx(more[0] - least if more else np.inf, abs=1e-9)


@given(random=generators)
def test_fronts_are_half_the_known_length_ahead(random: np.random.Generator) -> None:
    count, flags = 12, random.integers(0, 2, (3, 12)).astype(bool)
    heading, away, kinds = (
        _units(random, count),
        _units(random, count),
        random.integers(0, len(LENGTH_M), count),
    )
    cut, known, large = flags[0], flags[1], np.array([True] * len(VEHICLE_CLASSES))
    size_m, reach_m = random.uniform(3, 12, (count, 2)), random.uniform(-1, 4, count)
    size_class = np.where(known, kinds, -1)
    table = replace(
        TrackTable.empty(), heading=heading, away=away, cut=cut, reach_m=reach_m, size_m=size_m,
        size_class=size_class,
    )  # fmt: skip
    usual = LENGTH_M[kinds]
    length = np.where(LONG[kinds] & known, size_m[:, 0], usual)
    along = np.abs((heading * away).sum(axis=1))
    half = heading * (length / 2)[:, None] + away * (along * (length - usual) / 2)[:, None]
    told = np.where((cut & (reach_m > 0))[:, None], heading * reach_m[:, None], half)
    rows = random.permutation(count)
    assert reaches(table, rows, kinds[rows], large) == pytest.approx(told[rows])
