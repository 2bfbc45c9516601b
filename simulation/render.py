"""Real image frames of the virtual street: what a camera over an approach would record.

Speed: all road users are transformed in one flat numpy pass, back faces are culled in model
space, polygons are filled without anti-aliasing at twice the size and the picture is reduced
by area, shadows are masks over a pre-darkened background, noise comes from a bank.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from models.signals import SignalState
from simulation.background import FAR_M, Background, build_background
from simulation.camera import PinholeCamera
from simulation.mesh import FaceTable, Part, Slot
from simulation.painter_order import far_to_near
from simulation.palette import appearance
from simulation.people import People
from simulation.scene import SceneGeometry
from simulation.signal_heads import draw_signal_head
from simulation.states import CLASSES, FloatArray, IntArray, VehicleStates
from simulation.surfaces import Foreground, contact_shadows, mottle
from simulation.vehicle_models import (
    CAR_HEIGHT,
    LIBRARY,
    MINIBUS_BELOW_M,
    MINIBUS_NUMBER,
    MODEL_NUMBER,
    ridden,
)

SCALE: Final = 2
"""Frames are drawn this many times larger, then reduced by area."""

MAX_ROAD_USERS: Final = 65000
_SIGHT_M, _NEAREST_M = 170.0, 0.8
_COARSE_BELOW_PX = {0: 34.0, 1: 34.0, 2: 16.0, 3: 16.0, 4: 16.0, 5: 30.0}
_STOPPED_MPS = 0.4
_HEAD_FOOTPRINT_M = 0.3
_DISC = np.stack([np.cos(np.arange(12) * np.pi / 6), np.sin(np.arange(12) * np.pi / 6)], -1)
_CAR_INDEX = CLASSES.index("car")
_BUS_INDEX = CLASSES.index("bus")
_MOTORCYCLE_INDEX = CLASSES.index("motorcycle")
_NOISE_MARGIN_PX = 64

Image = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Shown:
    """What a signal head shows: its state and the seconds on its countdown, if it has one."""

    state: SignalState
    countdown_s: int | None = None


@dataclass(frozen=True, slots=True)
class TrueBoxes:
    """Boxes of the road users in a frame, one row each.

    ``box_px`` (N, 4) is x0, y0, x1, y1 in pixels of the frame, around the whole road user
    (amodal), cut at the frame's edge; ``visible`` is the share of its drawn area that nothing
    hides and ``in_frame`` the share of its whole box that lies in the frame.
    """

    id: IntArray
    vehicle_class: npt.NDArray[np.uint8]
    box_px: FloatArray
    visible: FloatArray
    in_frame: FloatArray


@dataclass(frozen=True, slots=True)
class RenderedFrame:
    """A frame (height, width, 3) BGR uint8 with the truth about what is in it."""

    image: Image
    boxes: TrueBoxes


def _rows_of(part: Part | FaceTable, models: IntArray) -> tuple[IntArray, IntArray]:
    """Library rows of the chosen models, and for each row which of the models it belongs to."""
    count = part.count[models]
    owner = np.repeat(np.arange(len(models)), count)
    first = np.concatenate([[0], np.cumsum(count)[:-1]]).astype(np.int64)
    rows = np.arange(len(owner)) - first[owner] + part.start[models][owner]
    return rows, owner


class _Fleet:
    """Road users to draw: their models, poses and colours as arrays over the fleet."""

    def __init__(
        self, states: VehicleStates, models: IntArray, scale: FloatArray, palette: FloatArray
    ) -> None:
        self.states, self.models, self.scale, self.palette = states, models, scale, palette
        self.sin, self.cos = np.sin(states.heading_rad), np.cos(states.heading_rad)

    def to_world(self, points: FloatArray, owner: IntArray) -> FloatArray:
        along, left = points[:, 0] * self.scale[owner, 0], points[:, 1] * self.scale[owner, 1]
        sin, cos = self.sin[owner], self.cos[owner]
        world = np.empty((len(points), 3))
        world[:, 0] = sin * along - cos * left + self.states.x_m[owner]
        world[:, 1] = cos * along + sin * left + self.states.y_m[owner]
        world[:, 2] = points[:, 2] * self.scale[owner, 2]
        return world

    def eye_in_model(self, eye: FloatArray) -> FloatArray:
        dx, dy = eye[0] - self.states.x_m, eye[1] - self.states.y_m
        along, left = self.sin * dx + self.cos * dy, -self.cos * dx + self.sin * dy
        return np.stack([along, left, np.full(len(dx), eye[2])], -1) / self.scale


@dataclass(slots=True)
class _Projected:
    """The fleet in the image (at ``SCALE``): bounds per road user and polygons to fill."""

    low: FloatArray
    high: FloatArray
    nearest_m: FloatArray
    drawn: npt.NDArray[np.bool_]
    polygons: list[npt.NDArray[np.int32]]
    colours: list[list[float]]
    first: IntArray
    """Polygons of road user k are ``first[k]:first[k + 1]``, in painting order."""


class Renderer:
    """Draws frames of one camera; build it once per camera, then call :meth:`render`.

    The same arguments and the same sequence of calls give the same frames.
    """

    def __init__(
        self,
        scene: SceneGeometry,
        camera: PinholeCamera,
        seed: int = 0,
        noise_level: float = 3.0,
        *,
        mottled: float = 0.0,
        clutter: Callable[[Background], Foreground] | None = None,
        people: People | None = None,
    ) -> None:
        """Paint what does not move.

        Args:
            scene: The street.
            camera: Where it is seen from.
            seed: Draws wear, houses, foliage and noise.
            noise_level: Standard deviation of the sensor's noise, grey levels.
            mottled: How uneven surfaces of road users are in frames with truth, 0 to about 1:
                dirt, folds and reflections, which training on flat colours would never see.
            people: Who rides the motorcycles; by chance of the shapes where nobody says.
            clutter: May paint over the still picture, and gives what stands before everything.
        """
        self.scene, self.camera = scene, camera
        self._background: Background = build_background(scene, camera, SCALE, seed)
        self._mottled = mottled
        self._people = people
        self._obstacle = self._background.depth < _SIGHT_M
        self._ground: Image = (self._background.depth >= FAR_M).astype(np.uint8) * 255
        self._rng = np.random.default_rng(seed)
        shape = (camera.height_px + _NOISE_MARGIN_PX, camera.width_px + _NOISE_MARGIN_PX)
        colour = self._rng.standard_normal((*shape, 3)) * 0.6
        noise = (colour + self._rng.standard_normal((*shape, 1))) * noise_level
        self._noise_up = np.clip(noise, 0, 255).astype(np.uint8)
        self._noise_down = np.clip(-noise, 0, 255).astype(np.uint8)
        self._looks: dict[tuple[int, int], tuple[int, FloatArray]] = {}
        light = scene.light
        self._sun, self._tint = np.array(light.sun), np.array(light.tint)
        self._haze = np.array(light.haze)
        self._size = np.array([camera.width_px * SCALE, camera.height_px * SCALE])
        self._paint_parked()
        self._foreground = clutter(self._background) if clutter is not None else None

    def render(
        self,
        vehicles: VehicleStates,
        signals: Mapping[str, Shown] | None = None,
        caption: str | None = None,
    ) -> Image:
        """One frame (height, width, 3) BGR uint8.

        Args:
            vehicles: Road users, network coordinates.
            signals: What each head of the scene shows, by its id; missing heads are dark.
            caption: Text burned into the top left corner, as cameras do.
        """
        image, _, _ = self._draw(vehicles, signals or {}, None)
        return self._finish(image, caption)

    def render_with_truth(
        self,
        vehicles: VehicleStates,
        signals: Mapping[str, Shown] | None = None,
        caption: str | None = None,
    ) -> RenderedFrame:
        """Like :meth:`render`, with the box of every road user that is in the picture."""
        if len(vehicles) > MAX_ROAD_USERS:
            raise ValueError(f"{len(vehicles)} road users, at most {MAX_ROAD_USERS}")
        ids = np.zeros((int(self._size[1]), int(self._size[0])), np.uint16)
        image, seen, rows = self._draw(vehicles, signals or {}, ids)
        return RenderedFrame(self._finish(image, caption), self._boxes(vehicles, ids, seen, rows))

    # ---- one frame ----

    def _draw(
        self,
        vehicles: VehicleStates,
        signals: Mapping[str, Shown],
        ids: npt.NDArray[np.uint16] | None,
    ) -> tuple[Image, _Projected, IntArray]:
        image = self._background.image.copy()
        eye = self.camera.position_m
        depth = (
            np.stack(
                [vehicles.x_m - eye[0], vehicles.y_m - eye[1], vehicles.height_m / 2 - eye[2]], -1
            )
            @ self.camera.forward
        )
        rows = np.nonzero((depth > _NEAREST_M - vehicles.length_m / 2) & (depth < _SIGHT_M))[0]
        fleet = self._fleet(vehicles.select(rows), depth[rows])
        seen = self._project(fleet, depth[rows])
        self._shadows(image, fleet, seen)

        heads = [h for h in self.scene.heads if self._head_in_view(h.x_m, h.y_m)]
        states = fleet.states
        n = len(states)
        order = far_to_near(
            np.concatenate(
                [
                    np.stack([states.x_m, states.y_m], -1),
                    np.array([[h.x_m, h.y_m] for h in heads]).reshape(-1, 2),
                ]
            ),
            np.concatenate([states.heading_rad, [h.heading_rad for h in heads]]),
            np.concatenate([states.length_m, np.full(len(heads), _HEAD_FOOTPRINT_M)]),
            np.concatenate([states.width_m, np.full(len(heads), _HEAD_FOOTPRINT_M)]),
            eye[:2],
        )
        for k in order.tolist():
            if k >= n:
                shown = signals.get(heads[k - n].id, Shown(SignalState.DARK))
                draw_signal_head(
                    image, ids, self.camera, SCALE, heads[k - n], shown.state, shown.countdown_s
                )
            elif seen.drawn[k]:
                self._fill(image, ids, seen, k, int(rows[k]) + 1)
        if ids is not None and self._mottled > 0:
            mottle(image, ids, self._mottled, self._rng)
        if self._foreground is not None:
            before = self._foreground.mask
            image[before] = self._foreground.image[before]
            if ids is not None:
                ids[before] = 0
        return image, seen, rows

    def _head_in_view(self, x_m: float, y_m: float) -> bool:
        px, depth = self.camera.project(np.array([[x_m, y_m, 5.0]]))
        return bool(1 < depth[0] < _SIGHT_M and -40 < px[0, 0] < self.camera.width_px + 40)

    def _fleet(self, states: VehicleStates, depth: FloatArray) -> _Fleet:
        looks = []
        for user, kind in zip(states.id.tolist(), states.vehicle_class.tolist(), strict=True):
            key = (user, kind)
            look = self._looks.get(key)
            if look is None:
                look = self._looks[key] = appearance(user, kind)
            looks.append(look)
        variant = np.array([look[0] for look in looks], np.int64)
        if self._people is not None:
            ridden_by = states.vehicle_class == _MOTORCYCLE_INDEX
            ids = states.id[ridden_by]
            variant[ridden_by] = ridden(
                variant[ridden_by], self._people.riders(ids), self._people.bare_heads(ids)
            )
        palette = np.array([look[1] for look in looks]).reshape(len(looks), len(Slot), 3)
        if len(self._looks) > 4 * len(looks) + 2000:
            self._looks = dict(
                zip(
                    zip(states.id.tolist(), states.vehicle_class.tolist(), strict=True),
                    looks,
                    strict=True,
                )
            )
        kinds = states.vehicle_class.astype(np.int64)
        tall_px = self.camera.focal_px * states.height_m / np.maximum(depth, 1)
        coarse = tall_px < np.array([_COARSE_BELOW_PX[k] for k in range(len(CLASSES))])[kinds]
        models = MODEL_NUMBER[kinds, variant, coarse.astype(np.int64)]
        small = (kinds == _BUS_INDEX) & (states.length_m < MINIBUS_BELOW_M)
        models[small] = MINIBUS_NUMBER[coarse[small].astype(np.int64)]
        size = np.stack([states.length_m, states.width_m, states.height_m], -1)
        cars = kinds == _CAR_INDEX
        size[cars, 2] *= np.array(CAR_HEIGHT)[variant[cars]]
        scale = size / LIBRARY.nominal[models]
        # Mirrors and handlebars stick out: widths of states are those of the body.
        return _Fleet(states, models, scale, palette)

    def _project(self, fleet: _Fleet, depth: FloatArray) -> _Projected:
        n = len(fleet.models)
        if n == 0:
            none = np.zeros((0, 2))
            return _Projected(
                none, none, np.zeros(0), np.zeros(0, np.bool_), [], [], np.zeros(1, np.int64)
            )
        vertex_rows, vertex_owner = _rows_of(LIBRARY.vertex_rows, fleet.models)
        px, z = self.camera.project(fleet.to_world(LIBRARY.vertices[vertex_rows], vertex_owner))
        px *= SCALE
        counts = LIBRARY.vertex_rows.count[fleet.models]
        first = np.concatenate([[0], np.cumsum(counts)[:-1]])
        nearest = np.minimum.reduceat(z, first)
        low, high = np.minimum.reduceat(px, first), np.maximum.reduceat(px, first)
        rows, owner = _rows_of(LIBRARY.disc_rows, fleet.models)
        centre, disc_z = self.camera.project(fleet.to_world(LIBRARY.disc_centre[rows], owner))
        centre *= SCALE
        radius = LIBRARY.disc_radius[rows] * fleet.scale[owner, 2]
        radius = (radius * self.camera.focal_px * SCALE / np.maximum(disc_z, 0.5))[:, None]
        np.minimum.at(low, owner, centre - radius)
        np.maximum.at(high, owner, centre + radius)
        drawn = (nearest > _NEAREST_M) & (high > 0).all(1) & (low < self._size).all(1)
        px_int = np.round(np.clip(px, -30000, 30000)).astype(np.int32)

        group_rows, group_owner = _rows_of(LIBRARY.group_rows, fleet.models)
        to_group = (
            fleet.to_world(LIBRARY.group_centre[group_rows], group_owner) - self.camera.position_m
        )
        group_depth = np.sqrt((to_group**2).sum(1)) + LIBRARY.group_bias[group_rows]
        first_group = np.concatenate([[0], np.cumsum(LIBRARY.group_rows.count[fleet.models])[:-1]])
        haze = (1 - np.exp(-np.maximum(depth, 0) / self.scene.light.haze_distance_m))[:, None]
        eye = fleet.eye_in_model(self.camera.position_m)

        polygons: list[npt.NDArray[np.int32]] = []
        colours, owners, depths, layers = [], [], [], []
        for table in LIBRARY.faces:
            rows, owner = _rows_of(table, fleet.models)
            normal = table.normal[rows]
            facing = (normal * eye[owner]).sum(1) > table.plane[rows]
            kept = np.nonzero(facing & drawn[owner])[0]
            rows, owner, normal = rows[kept], owner[kept], normal[kept]
            index = table.index[rows] + first[owner][:, None]
            polygons += list(px_int[index])
            slot = table.slot[rows]
            colours.append(self._face_colours(fleet, owner, normal, slot, haze))
            owners.append(owner)
            depths.append(group_depth[first_group[owner] + table.group[rows]])
            layers.append(table.layer[rows])
        disc_rows, disc_owner = _rows_of(LIBRARY.disc_rows, fleet.models)
        highlight = LIBRARY.disc_highlight[disc_rows] > 0
        kept = np.nonzero(drawn[disc_owner] & ~(highlight & (radius[:, 0] < 2.2)))[0]
        if len(kept):
            rows, owner, highlight = disc_rows[kept], disc_owner[kept], highlight[kept]
            centre, radius = centre[kept], radius[kept, 0]
            light = self.scene.light
            colour = fleet.palette[owner, LIBRARY.disc_slot[rows]] * self._tint
            colour = colour * (light.ambient * 0.95 + light.direct * 0.55)
            colour[highlight] = colour[highlight] * 0.72 + 63
            colours.append(colour * (1 - haze[owner]) + self._haze * haze[owner])
            shift = np.where(highlight, radius, 0.0)[:, None] * np.array([0.6, 0.8])
            rim = (centre - shift)[:, None] + _DISC * radius[:, None, None]
            polygons += list(np.round(np.clip(rim, -30000, 30000)).astype(np.int32))
            owners.append(owner)
            depths.append(group_depth[first_group[owner] + LIBRARY.disc_group[rows]])
            layers.append(LIBRARY.disc_layer[rows])
        all_owners = np.concatenate(owners)
        order = np.lexsort((np.concatenate(layers), -np.concatenate(depths), all_owners))
        all_colours = np.clip(np.concatenate(colours), 0, 255)[order].tolist()
        starts = np.searchsorted(all_owners[order], np.arange(n + 1))
        return _Projected(
            low, high, nearest, drawn, [polygons[i] for i in order.tolist()], all_colours, starts
        )

    def _face_colours(
        self, fleet: _Fleet, owner: IntArray, normal: FloatArray, slot: IntArray, haze: FloatArray
    ) -> FloatArray:
        scaled = normal / fleet.scale[owner]
        scaled /= np.sqrt((scaled**2).sum(1))[:, None]
        sin, cos = fleet.sin[owner], fleet.cos[owner]
        light, sun = self.scene.light, self._sun
        facing_sun = (sin * sun[0] + cos * sun[1]) * scaled[:, 0]
        facing_sun += (sin * sun[1] - cos * sun[0]) * scaled[:, 1] + sun[2] * scaled[:, 2]
        up = scaled[:, 2]
        shade = light.ambient * (0.82 + 0.18 * up) + light.direct * np.maximum(0, facing_sun)
        colour = fleet.palette[owner, slot] * (shade[:, None] * self._tint)
        glass = np.nonzero(slot == Slot.GLASS)[0]  # reflects the sky
        colour[glass] += (self._haze * 0.28) * np.clip(up[glass, None] + 0.25, 0, 1)
        if self._mottled > 0:  # so does paint, on what faces up
            paint = np.nonzero((slot == Slot.PAINT) & (up > 0.3))[0]
            colour[paint] += self._haze * 0.14 * up[paint, None]
        stopped = fleet.states.speed_mps[owner] < _STOPPED_MPS
        lamp = np.nonzero((slot == Slot.HEADLAMP) | ((slot == Slot.TAIL_LAMP) & stopped))[0]
        colour[lamp] = fleet.palette[owner[lamp], slot[lamp]] * 1.05
        result: FloatArray = colour * (1 - haze[owner]) + self._haze * haze[owner]
        return result

    def _shadows(self, image: Image, fleet: _Fleet, seen: _Projected) -> None:
        if not seen.drawn.any():
            return
        rows, owner = _rows_of(LIBRARY.shadow_rows, fleet.models)
        points = fleet.to_world(LIBRARY.shadow[rows], owner)
        points[:, :2] -= self._sun[:2] / max(float(self._sun[2]), 0.35) * points[:, 2:3]
        points[:, 2] = 0
        px, z = self.camera.project(points)
        px_int = np.round(np.clip(px * SCALE, -30000, 30000)).astype(np.int32)
        ends = np.cumsum(LIBRARY.shadow_rows.count[fleet.models])
        starts = np.concatenate([[0], ends[:-1]])
        nearest = np.minimum.reduceat(z, starts)
        mask = np.zeros(image.shape[:2], np.uint8)
        for k in np.nonzero(seen.drawn & (nearest > 0.5))[0].tolist():
            cv2.fillConvexPoly(mask, cv2.convexHull(px_int[starts[k] : ends[k]]), 255)
        cv2.copyTo(self._background.shadowed, cv2.bitwise_and(mask, self._ground), image)
        if self._mottled > 0:
            corners, near = self._footprints(fleet)
            contact_shadows(image, self._ground, corners[seen.drawn & near])

    def _footprints(self, fleet: _Fleet) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
        """Corners on the ground (N, 4, 2) at ``SCALE``, and who stands wholly before the camera."""
        states = fleet.states
        across, along = np.array([-0.5, 0.5, 0.5, -0.5]), np.array([-0.5, -0.5, 0.5, 0.5])
        forward = along * states.length_m[:, None]
        left = across * states.width_m[:, None]
        points = np.zeros((len(states), 4, 3))
        sin, cos = fleet.sin[:, None], fleet.cos[:, None]
        points[..., 0] = states.x_m[:, None] + sin * forward - cos * left
        points[..., 1] = states.y_m[:, None] + cos * forward + sin * left
        px, depth = self.camera.project(points.reshape(-1, 3))
        near = depth.reshape(-1, 4).min(1) > 0.5
        return (px * SCALE).reshape(-1, 4, 2), near

    def _window(self, seen: _Projected, k: int) -> tuple[slice, slice]:
        x0, y0 = np.maximum(np.floor(seen.low[k]) - 1, 0).astype(int)
        x1, y1 = np.minimum(np.ceil(seen.high[k]) + 1, self._size).astype(int)
        return slice(int(y0), int(y1)), slice(int(x0), int(x1))

    def _fill(
        self,
        image: Image,
        ids: npt.NDArray[np.uint16] | None,
        seen: _Projected,
        k: int,
        number: int,
    ) -> None:
        begin, end = int(seen.first[k]), int(seen.first[k + 1])
        fill, polygons, colours = cv2.fillConvexPoly, seen.polygons, seen.colours
        for i in range(begin, end):
            fill(image, polygons[i], colours[i])
        rows, columns = self._window(seen, k)
        if ids is not None:
            for i in range(begin, end):
                fill(ids, polygons[i], number)
        # A trunk or crown nearer than the road user stays in front of it.
        if self._obstacle[rows, columns][::3, ::3].any():
            hidden = self._background.depth[rows, columns] < seen.nearest_m[k]
            if hidden.any():
                image[rows, columns][hidden] = self._background.image[rows, columns][hidden]
                if ids is not None:
                    ids[rows, columns][hidden] = 0

    def _boxes(
        self, vehicles: VehicleStates, ids: npt.NDArray[np.uint16], seen: _Projected, rows: IntArray
    ) -> TrueBoxes:
        chosen, boxes, visible, inside = [], [], [], []
        size = self._size
        lone = np.zeros_like(ids, np.uint8)
        for k in np.nonzero(seen.drawn)[0].tolist():
            window = self._window(seen, k)
            # What it would cover were it alone.
            begin, end = int(seen.first[k]), int(seen.first[k + 1])
            for i in range(begin, end):
                cv2.fillConvexPoly(lone, seen.polygons[i], 1)
            drawn = cv2.countNonZero(lone[window])
            low, high = seen.low[k], seen.high[k]
            cut = np.concatenate([np.maximum(low, 0), np.minimum(high, size)])
            if (low < 0).any() or (high > size).any():
                # Parts below the frame are close to the camera and would widen the box.
                x, y, w, h = cv2.boundingRect(lone[window])
                corner = np.array([window[1].start + x, window[0].start + y])
                cut = np.concatenate([corner, corner + np.array([w, h])]).astype(np.float64)
            lone[window] = 0
            if drawn < 12:
                continue
            whole = float(np.prod(np.maximum(high - low, 1e-6)))
            chosen.append(int(rows[k]))
            boxes.append(cut / SCALE)
            visible.append(float((ids[window] == rows[k] + 1).sum()) / drawn)
            inside.append(float(np.prod(np.maximum(cut[2:] - cut[:2], 0))) / whole)
        index = np.array(chosen, np.int64)
        return TrueBoxes(
            vehicles.id[index],
            vehicles.vehicle_class[index],
            np.array(boxes).reshape(-1, 4),
            np.minimum(np.array(visible), 1.0),
            np.minimum(np.array(inside), 1.0),
        )

    def _finish(self, image: Image, caption: str | None) -> Image:
        camera = self.camera
        size = (camera.width_px, camera.height_px)
        frame = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        frame = cv2.GaussianBlur(frame, (3, 3), 0.55)
        i, j = self._rng.integers(0, _NOISE_MARGIN_PX, 2)
        window = (slice(i, i + camera.height_px), slice(j, j + camera.width_px))
        frame = cv2.subtract(cv2.add(frame, self._noise_up[window]), self._noise_down[window])
        if caption:
            font = cv2.FONT_HERSHEY_SIMPLEX
            (width, _), _ = cv2.getTextSize(caption, font, 0.42, 1)
            cv2.rectangle(frame, (0, 0), (int(width) + 12, 18), (0, 0, 0), -1)
            cv2.putText(frame, caption, (5, 13), font, 0.42, (255, 255, 255), 1, cv2.LINE_AA)
        result: Image = frame
        return result

    def _paint_parked(self) -> None:
        """Motorcycles on the pavement belong to the background."""
        parked = [
            p
            for p in self.scene.parked
            if np.hypot(p.x_m - self.camera.position_m[0], p.y_m - self.camera.position_m[1]) < 90
        ]
        if not parked:
            return
        rng = np.random.default_rng(self.scene.seed)
        states = VehicleStates.from_rows(
            [
                (int(rng.integers(1 << 40)), 0, p.x_m, p.y_m, p.heading_rad, 1.0, 1.85, 0.75, 1.15)
                for p in parked
            ]
        )
        eye = self.camera.position_m
        depth = (
            np.stack([states.x_m - eye[0], states.y_m - eye[1], -eye[2] + states.height_m / 2], -1)
            @ self.camera.forward
        )
        front = depth > 3
        states, depth = states.select(front), depth[front]
        if not len(states):
            return
        names = [LIBRARY.number(f"parked{int(rng.integers(2))}.0") for _ in range(len(states))]
        models = np.array(names, np.int64)
        size = np.stack([states.length_m, states.width_m, states.height_m], -1)
        palette = np.array([appearance(int(i), 0)[1] for i in states.id])
        fleet = _Fleet(states, models, size / LIBRARY.nominal[models], palette)
        seen = self._project(fleet, depth)
        image = self._background.image.copy()
        self._shadows(image, fleet, seen)
        order = far_to_near(
            np.stack([states.x_m, states.y_m], -1),
            states.heading_rad,
            states.length_m,
            states.width_m,
            eye[:2],
        )
        for k in order.tolist():
            if seen.drawn[k]:
                self._fill(image, None, seen, k, 0)
        self._background.image[:] = image
        shade = np.array((1.05, 1.0, 0.97)) * self.scene.light.shadow
        self._background.shadowed[:] = np.clip(image * shade, 0, 255).astype(np.uint8)
