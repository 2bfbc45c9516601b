"""Builds the scene of a junction from its streets: outlines, markings, heads, houses and trees."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from simulation.scene import (
    OVERCAST,
    VIEW_RADIUS_M,
    Crossing,
    Frontage,
    Lane,
    Leg,
    Light,
    Marking,
    ParkedMotorcycle,
    SceneGeometry,
    SignalHead,
    Tree,
    offset_polyline,
    point_along,
    polyline_length,
    strip,
    sub_polyline,
)
from simulation.states import FloatArray

_RASTER_PX_PER_M: Final = 8
_DASH_M, _DASH_PERIOD_M, _SOLID_BEFORE_STOP_M = 1.5, 3.0, 20.0
_LINE_WIDTH_M, _STOP_LINE_M = 0.12, 0.4
_ZEBRA_BAR_M, _ZEBRA_PERIOD_M = 0.45, 0.95
_ARROW_DISTANCES_M = (9.0, 30.0)
_HEAD_ASIDE_M, _HEAD_PAST_STOP_M = 0.8, 0.9


class _Raster:
    """The scene from above, to unite lanes, round corners and ask what is road."""

    def __init__(self, centre: FloatArray) -> None:
        self.origin = centre - VIEW_RADIUS_M
        size = int(2 * VIEW_RADIUS_M * _RASTER_PX_PER_M)
        self.mask: npt.NDArray[np.uint8] = np.zeros((size, size), np.uint8)
        self.distance_px: npt.NDArray[np.float32] = np.zeros((1, 1), np.float32)

    def _pixels(self, points: FloatArray) -> npt.NDArray[np.int32]:
        px = (points - self.origin) * _RASTER_PX_PER_M
        return np.round(px).astype(np.int32)

    def fill(self, polygon: FloatArray) -> None:
        cv2.fillPoly(self.mask, [self._pixels(polygon)], 255)

    def round_corners(self, centre: FloatArray, reach_m: float, radius_m: float) -> None:
        """Closing with a disc: the inner corners of the junction become arcs."""
        lo = np.maximum(self._pixels(centre - reach_m), 0)
        hi = self._pixels(centre + reach_m)
        window = self.mask[lo[1] : hi[1], lo[0] : hi[0]]
        radius = radius_m * _RASTER_PX_PER_M
        grown = cv2.distanceTransform(255 - window, cv2.DIST_L2, 5) <= radius
        # Outside the window counts as road, so that closing does not eat into its border.
        kept = cv2.distanceTransform(grown.astype(np.uint8) * 255, cv2.DIST_L2, 5) > radius
        window[kept] = 255

    def finish(self) -> None:
        self.distance_px = cv2.distanceTransform(255 - self.mask, cv2.DIST_L2, 5)

    def road_distance(self, points: FloatArray) -> FloatArray:
        """Metres from each point to the nearest road; 0 on it, NaN outside the scene."""
        px = self._pixels(points)
        size = len(self.mask)
        inside = ((px >= 0) & (px < size)).all(axis=1)
        result = np.full(len(points), np.nan)
        result[inside] = self.distance_px[px[inside, 1], px[inside, 0]] / _RASTER_PX_PER_M
        return result

    def outlines(self) -> Iterator[FloatArray]:
        contours, _ = cv2.findContours(self.mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
        for contour in contours:
            if cv2.contourArea(contour) > 4 * _RASTER_PX_PER_M**2:
                smooth = _smoothed(contour[:, 0].astype(np.float64))
                simple = cv2.approxPolyDP(smooth.astype(np.float32)[:, None], 0.4, True)[:, 0]
                yield simple.astype(np.float64) / _RASTER_PX_PER_M + self.origin


def _smoothed(outline: FloatArray, sigma_px: float = 4.0) -> FloatArray:
    """A closed outline without the steps of its pixels."""
    reach = int(3 * sigma_px)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma_px) ** 2)
    kernel /= kernel.sum()
    padded = np.concatenate([outline[-reach:], outline, outline[:reach]])
    columns = [np.convolve(padded[:, i], kernel, mode="valid") for i in (0, 1)]
    return np.stack(columns, axis=1)


def junction_scene(
    legs: Sequence[Leg],
    seed: int,
    *,
    light: Light = OVERCAST,
    inner: Sequence[Lane] = (),
    crossings: Sequence[Crossing] = (),
    pavement_m: float = 4.2,
    corner_radius_m: float = 4.0,
    tree_spacing_m: tuple[float, float] = (9.0, 16.0),
    parked_share: float = 0.5,
) -> SceneGeometry:
    """Build the scene of one junction; the same arguments give the same scene.

    Args:
        legs: The streets.
        seed: Draws house fronts, trees and other dressing.
        light: Daylight.
        inner: Lanes inside the junction, so that every turn has asphalt under it.
        crossings: Zebra crossings besides those of the legs.
        pavement_m: From the kerb to the house fronts.
        corner_radius_m: Of the kerb at the corners.
        tree_spacing_m: Least and greatest gap between trees.
        parked_share: Chance of a row of parked motorcycles per stretch of pavement.
    """
    rng = np.random.default_rng(seed)
    ends = np.array(
        [lane.points[-1] for leg in legs for lane in leg.incoming]
        + [lane.points[0] for leg in legs for lane in leg.outgoing]
    )
    centre = (ends.min(0) + ends.max(0)) / 2
    reach = float(np.linalg.norm(ends - centre, axis=1).max())
    raster = _Raster(centre)
    for leg in legs:
        for lane in leg.incoming:
            raster.fill(strip(_extended(lane.points, 0.0, reach), lane.width_m + 0.1))
        for lane in leg.outgoing:
            raster.fill(strip(_extended(lane.points, reach, 0.0), lane.width_m + 0.1))
    for lane in inner:
        raster.fill(strip(lane.points, lane.width_m))
    raster.round_corners(centre, reach + 12, corner_radius_m)
    raster.finish()

    outlines = tuple(raster.outlines())
    markings = [m for leg in legs for m in _leg_markings(leg)]
    every_crossing = [*crossings, *(leg.crossing for leg in legs if leg.crossing)]
    markings += [m for crossing in every_crossing for m in _zebra(crossing)]
    heads = tuple(_head(leg) for leg in legs if leg.incoming and leg.signal)
    trees: list[Tree] = []
    fronts: list[Frontage] = []
    parked: list[ParkedMotorcycle] = []
    for leg in legs:
        for edge, outward_left in _road_edges(leg):
            fronts += _house_row(edge, outward_left, pavement_m, reach, raster, rng)
            trees += _tree_row(edge, outward_left, tree_spacing_m, heads, rng)
            parked += _parked_row(edge, outward_left, pavement_m, parked_share, raster, rng)
    return SceneGeometry(
        centre=(float(centre[0]), float(centre[1])),
        carriageways=outlines,
        kerbs=_kerbs(outlines, raster),
        markings=tuple(markings),
        heads=heads,
        frontages=tuple(fronts),
        trees=tuple(trees),
        parked=tuple(parked),
        lanes=tuple(lane for leg in legs for lane in leg.incoming + leg.outgoing),
        light=light,
        seed=seed,
    )


def _extended(points: FloatArray, before_m: float, after_m: float) -> FloatArray:
    """The polyline prolonged straight at its ends."""
    first, d0 = point_along(points, 0.0)
    last, d1 = point_along(points, polyline_length(points))
    return np.concatenate([(first - d0 * before_m)[None], points, (last + d1 * after_m)[None]])


def _kerbs(outlines: Sequence[FloatArray], raster: _Raster) -> FloatArray:
    segments = []
    for outline in outlines:
        closed = np.concatenate([outline, outline[:1]])
        for p, q in itertools.pairwise(closed):
            length = float(np.linalg.norm(q - p))
            if length < 1e-6:
                continue
            right = np.array([q[1] - p[1], p[0] - q[0]]) / length
            sides = raster.road_distance(
                np.array([(p + q) / 2 + right * 0.4, (p + q) / 2 - right * 0.4])
            )
            if np.isnan(sides).any() or (sides[0] == 0) == (sides[1] == 0):
                continue  # the border of the scene is no kerb
            a, b = (p, q) if sides[0] == 0 else (q, p)
            pieces = max(1, int(length / 1.0))
            t = np.linspace(0, 1, pieces + 1)[:, None]
            line = a + (b - a) * t
            segments += [np.stack([line[i], line[i + 1]]) for i in range(pieces)]
    return np.array(segments).reshape(-1, 2, 2)


def _leg_markings(leg: Leg) -> Iterator[Marking]:
    for lanes, incoming in ((leg.incoming, True), (leg.outgoing, False)):
        for number, lane in enumerate(lanes):
            # Distances run from the junction outward.
            left = offset_polyline(lane.points, lane.width_m / 2)
            line = left[::-1] if incoming else left
            length = min(polyline_length(line), VIEW_RADIUS_M)
            if number + 1 < len(lanes):
                start = 0.0
                if incoming:
                    start = min(_SOLID_BEFORE_STOP_M, length)
                    yield Marking(strip(sub_polyline(line, 0, start), _LINE_WIDTH_M), "white")
                for s in np.arange(start + 1.0, length - _DASH_M, _DASH_PERIOD_M):
                    dash = sub_polyline(line, float(s), float(s) + _DASH_M)
                    yield Marking(strip(dash, _LINE_WIDTH_M), "white")
            elif incoming and leg.outgoing:
                for aside in (-0.14, 0.14):
                    double = offset_polyline(sub_polyline(line, 0, length), aside)
                    yield Marking(strip(double, _LINE_WIDTH_M), "yellow")
            elif not (leg.incoming and leg.outgoing):
                edge = offset_polyline(sub_polyline(line, 0, length), 0.25 if incoming else -0.25)
                yield Marking(strip(edge, _LINE_WIDTH_M), "white", 0.7)
            if number == 0:
                right = offset_polyline(lane.points, -lane.width_m / 2 + 0.3)
                right = right[::-1] if incoming else right
                yield Marking(strip(sub_polyline(right, 0, length), _LINE_WIDTH_M), "white", 0.7)
            if incoming:
                for distance in _ARROW_DISTANCES_M:
                    if distance + 4 < length:
                        yield from _arrow(lane, distance)
    if leg.incoming:
        right, direction = _stop_end(leg.incoming[0], -1)
        left, _ = _stop_end(leg.incoming[-1], 1)
        back = direction * _STOP_LINE_M
        yield Marking(np.stack([right, left, left - back, right - back]), "white", 0.95)


def _stop_end(lane: Lane, side: int) -> tuple[FloatArray, FloatArray]:
    """End of the stop line at the right (-1) or left (1) edge of a lane, and travel direction."""
    end, direction = point_along(lane.points, polyline_length(lane.points))
    normal = np.array([-direction[1], direction[0]])
    return end + normal * side * (lane.width_m / 2 - 0.1), direction


def _arrow(lane: Lane, before_stop_m: float) -> Iterator[Marking]:
    tip, d = point_along(lane.points, polyline_length(lane.points) - before_stop_m)
    n = np.array([-d[1], d[0]])
    tail = tip - d * 3.6
    neck = tip - d * 1.2
    yield Marking(
        np.stack([tail + n * 0.09, tail - n * 0.09, neck - n * 0.09, neck + n * 0.09]), "white"
    )
    yield Marking(np.stack([neck - n * 0.38, tip, neck + n * 0.38]), "white")


def _zebra(crossing: Crossing) -> Iterator[Marking]:
    start, end = np.array(crossing.start), np.array(crossing.end)
    length = float(np.linalg.norm(end - start))
    along = (end - start) / max(length, 1e-9)
    across = np.array([-along[1], along[0]]) * crossing.width_m / 2
    for s in np.arange(0.3, length - _ZEBRA_BAR_M, _ZEBRA_PERIOD_M):
        a, b = start + along * s, start + along * (s + _ZEBRA_BAR_M)
        yield Marking(np.stack([a - across, b - across, b + across, a + across]), "white", 0.9)


def _head(leg: Leg) -> SignalHead:
    lane = leg.incoming[0]
    end, direction = point_along(lane.points, polyline_length(lane.points))
    right = np.array([direction[1], -direction[0]])
    at = end + right * (lane.width_m / 2 + _HEAD_ASIDE_M) + direction * _HEAD_PAST_STOP_M
    heading = float(np.arctan2(direction[0], direction[1]))
    return SignalHead(leg.id, float(at[0]), float(at[1]), heading)


def _road_edges(leg: Leg) -> Iterator[tuple[FloatArray, float]]:
    """Both edges of a street from the junction outward; +1 if the houses are on their left."""

    def right_of(lane: Lane) -> FloatArray:
        return offset_polyline(lane.points, -lane.width_m / 2)

    def left_of(lane: Lane) -> FloatArray:
        return offset_polyline(lane.points, lane.width_m / 2)

    yield (right_of(leg.incoming[0])[::-1] if leg.incoming else left_of(leg.outgoing[-1])), 1.0
    yield (right_of(leg.outgoing[0]) if leg.outgoing else left_of(leg.incoming[-1])[::-1]), -1.0


def _house_row(
    edge: FloatArray,
    outward_left: float,
    pavement_m: float,
    reach_m: float,
    raster: _Raster,
    rng: np.random.Generator,
) -> Iterator[Frontage]:
    line = offset_polyline(edge, outward_left * (pavement_m + float(rng.uniform(0, 0.5))))
    end = min(polyline_length(line), VIEW_RADIUS_M)
    s = -reach_m
    while s < end - 2.5:
        width = float(min(rng.uniform(4.0, 8.5), end - s))
        height = float(rng.uniform(7, 17))
        (p, d), (q, _) = point_along(line, s), point_along(line, s + width)
        back = np.array([-d[1], d[0]]) * outward_left * 4.0
        samples = np.array([p + (q - p) * u + back * v for u in (0, 0.5, 1) for v in (0, 0.5, 1)])
        room = raster.road_distance(samples)
        if np.isnan(room).any():
            return
        if room.min() < pavement_m - 0.6:
            s += 0.5
            continue
        a, b = (p, q) if outward_left > 0 else (q, p)
        yield Frontage((float(a[0]), float(a[1])), (float(b[0]), float(b[1])), height)
        s += width


def _tree_row(
    edge: FloatArray,
    outward_left: float,
    spacing_m: tuple[float, float],
    heads: Sequence[SignalHead],
    rng: np.random.Generator,
) -> Iterator[Tree]:
    line = offset_polyline(edge, outward_left * 1.3)
    end = min(polyline_length(line), VIEW_RADIUS_M)
    s = float(rng.uniform(7, 14))
    while s < end:
        (x, y), _ = point_along(line, s)
        height, radius = float(rng.uniform(6.0, 9.0)), float(rng.uniform(1.8, 3.0))
        # A head hidden behind a crown helps nobody: cities trim the trees around it.
        if all(np.hypot(head.x_m - x, head.y_m - y) > 7 for head in heads):
            yield Tree(float(x), float(y), height, radius)
        s += float(rng.uniform(*spacing_m))


def _parked_row(
    edge: FloatArray,
    outward_left: float,
    pavement_m: float,
    share: float,
    raster: _Raster,
    rng: np.random.Generator,
) -> Iterator[ParkedMotorcycle]:
    line = offset_polyline(edge, outward_left * (pavement_m - 1.15))
    end = min(polyline_length(line), 60.0)
    s = float(rng.uniform(4, 12))
    while s < end:
        count = int(rng.integers(3, 9)) if rng.random() < share else 0
        for _ in range(count):
            at, d = point_along(line, s)
            if float(raster.road_distance(at[None])[0]) > 1.2:
                toward = np.array([d[1], -d[0]]) * outward_left
                heading = float(np.arctan2(toward[0], toward[1]) + rng.normal(0, 0.12))
                heading += np.pi if rng.random() < 0.3 else 0.0
                yield ParkedMotorcycle(float(at[0]), float(at[1]), heading)
            s += float(rng.uniform(0.7, 0.95))
        s += float(rng.uniform(3, 14))
