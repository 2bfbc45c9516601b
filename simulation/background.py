"""The still part of a camera's picture: road, markings, pavements, houses, trees and sky.

Built once per camera. Besides the picture it gives the same picture in shadow (vehicles throw
theirs by copying from it) and a depth map of what can stand in front of vehicles.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from simulation.camera import PinholeCamera
from simulation.house_fronts import awning, house_front, noise, side_wall, wall_colour
from simulation.scene import Frontage, Marking, SceneGeometry, Tree
from simulation.states import FloatArray

FAR_M: Final = 1e4
"""Depth where nothing static stands."""

_NEAR_M, _TREE_NEAR_M = 2.5, 14.0
_KERB_HEIGHT_M, _KERB_WIDTH_M = 0.16, 0.22
_DETAIL_PX_PER_M, _DETAIL_RANGE_M = 8, 110.0
_TILE_PX_PER_M, _TILE_PX = 32, 512
_WHITE, _YELLOW = (222.0, 224.0, 224.0), (70.0, 170.0, 214.0)

Picture = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Background:
    """Static picture (H, W, 3) uint8, the same in shadow, depth (H, W) float32 in metres.

    ``road`` (H, W) uint8 is 255 on the carriageway.
    """

    image: npt.NDArray[np.uint8]
    shadowed: npt.NDArray[np.uint8]
    depth: npt.NDArray[np.float32]
    road: npt.NDArray[np.uint8]


def build_background(
    scene: SceneGeometry, camera: PinholeCamera, scale: int, seed: int
) -> Background:
    """Paint the static picture at ``scale`` times the camera's size."""
    return _Painter(scene, camera, scale, np.random.default_rng(seed)).paint()


def clip_near(points: FloatArray, camera: PinholeCamera, near_m: float = _NEAR_M) -> FloatArray:
    """A polygon (N, 3) cut at a plane in front of the camera; may come back empty."""
    depth = (points - camera.position_m) @ camera.forward
    if depth.min() >= near_m:
        return points
    kept: list[FloatArray] = []
    for i in range(len(points)):
        j = (i + 1) % len(points)
        if depth[i] >= near_m:
            kept.append(points[i])
        if (depth[i] >= near_m) != (depth[j] >= near_m):
            t = (near_m - depth[i]) / (depth[j] - depth[i])
            kept.append(points[i] + (points[j] - points[i]) * t)
    return np.array(kept).reshape(-1, 3)


class _Painter:
    def __init__(
        self, scene: SceneGeometry, camera: PinholeCamera, scale: int, rng: np.random.Generator
    ) -> None:
        self.scene, self.camera, self.scale, self.rng = scene, camera, scale, rng
        self.light = scene.light
        self.width, self.height = camera.width_px * scale, camera.height_px * scale
        self.tint = np.array(self.light.tint, np.float32)
        self.haze = np.array(self.light.haze, np.float32)
        self.sun = np.array(self.light.sun)
        self.image: Picture = np.zeros((self.height, self.width, 3), np.float32)
        self.depth: npt.NDArray[np.float32] = np.full((self.height, self.width), FAR_M, np.float32)
        self.road: npt.NDArray[np.uint8] = np.zeros((self.height, self.width), np.uint8)

    def paint(self) -> Background:
        self._ground()
        self._kerbs()
        self._sky()
        self._standing_things()
        self.image += noise(self.height, self.width, 2, self.rng)[..., None] * 1.6
        image = np.clip(self.image, 0, 255).astype(np.uint8)
        shade = np.array((1.05, 1.0, 0.97), np.float32) * np.float32(self.light.shadow)
        shadowed = np.clip(self.image * shade, 0, 255).astype(np.uint8)
        return Background(image, shadowed, self.depth, self.road)

    def _pixels(self, points: FloatArray) -> FloatArray | None:
        """Image points of a polygon (N, 2 or 3), cut at the near plane; None if out of sight."""
        if points.shape[1] == 2:
            points = np.column_stack([points, np.zeros(len(points))])
        points = clip_near(points, self.camera)
        if len(points) < 3:
            return None
        px, _ = self.camera.project(points)
        px *= self.scale
        if (px.max(0) < 0).any() or (px.min(0) > [self.width, self.height]).any():
            return None
        # Far outside the picture is as good as just outside: keeps OpenCV's integers small.
        clipped: FloatArray = np.clip(px, -20000, 20000)
        return clipped

    def _haze(self, distance_m: npt.NDArray[np.floating[Any]] | float) -> FloatArray:
        return 1 - np.exp(-np.asarray(distance_m) / self.light.haze_distance_m)

    # ---- the ground ----

    def _ground(self) -> None:
        camera, rng = self.camera, self.rng
        horizon = camera.horizon_px * self.scale
        top = int(np.clip(np.ceil(horizon) + 1, 0, self.height))
        if top >= self.height:
            return
        rows = self.height - top
        u, v = np.meshgrid(
            (np.arange(self.width, dtype=np.float32) + 0.5) / self.scale,
            (np.arange(top, self.height, dtype=np.float32) + 0.5) / self.scale,
        )
        m = np.array(camera.ground_from_image(), np.float64)
        w = m[2, 0] * u + m[2, 1] * v + m[2, 2]
        gx = ((m[0, 0] * u + m[0, 1] * v + m[0, 2]) / w).astype(np.float32)
        gy = ((m[1, 0] * u + m[1, 1] * v + m[1, 2]) / w).astype(np.float32)
        distance = (
            camera.pose.z_m * camera.focal_px * self.scale / (np.arange(top, self.height) - horizon)
        )
        # Fine grain fades where a texel is smaller than a pixel.
        pixel_m = distance**2 / (camera.pose.z_m * camera.focal_px * self.scale)
        fine_weight = np.clip(0.06 / np.maximum(pixel_m, 1e-6), 0, 1).astype(np.float32)[:, None]

        tile_x, tile_y = (gx * _TILE_PX_PER_M) % _TILE_PX, (gy * _TILE_PX_PER_M) % _TILE_PX
        grain_tile = noise(_TILE_PX, _TILE_PX, 2, rng) * 3.4 + noise(_TILE_PX, _TILE_PX, 8, rng) * 2
        grain = cv2.remap(grain_tile, tile_x, tile_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
        slab_tile = noise(_TILE_PX, _TILE_PX, 2, rng) * 3
        slab_tile[:, ::16] -= 15
        slab_tile[::16, :] -= 15
        slab_tile[:, 1::16] -= 9
        slab_tile[1::16, :] -= 9
        slab = cv2.remap(slab_tile, tile_x, tile_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
        worn, pavement_tone, paint_wear, shade = self._detail(gx, gy)

        asphalt_grey = np.float32(rng.uniform(102, 138))
        asphalt = asphalt_grey + worn + grain * fine_weight
        asphalt_tint = np.array((1.02, 1.0, 0.99), np.float32)
        pavement_grey = np.float32(rng.uniform(126, 160))
        pavement = pavement_grey + pavement_tone + slab * fine_weight
        pavement_tint = np.array((0.92, 0.98, 1.04), np.float32)
        pavement_tint += rng.normal(0, 0.025, 3).astype(np.float32)

        road = self.road
        outlines = [self._pixels(outline) for outline in self.scene.carriageways]
        polygons = [np.round(p * 16).astype(np.int32) for p in outlines if p is not None]
        if polygons:
            cv2.fillPoly(road, polygons, 255, cv2.LINE_AA, 4)
        on_road = (road[top:].astype(np.float32) / 255)[..., None]
        ground = asphalt[..., None] * asphalt_tint * on_road
        ground += pavement[..., None] * pavement_tint * (1 - on_road)
        wear = np.clip(1 + paint_wear + grain * fine_weight * 0.012, 0.2, 1)
        for colour, tone in (("white", _WHITE), ("yellow", _YELLOW)):
            mask = self._marking_mask([m for m in self.scene.markings if m.colour == colour])
            alpha = (mask[top:].astype(np.float32) / 255 * wear)[..., None]
            ground += (np.array(tone, np.float32) - ground) * alpha
        lit = self.light.ambient + self.light.direct * float(self.sun[2])
        ground *= self.tint * np.float32(lit)
        ground *= (1 - shade * np.float32((1 - self.light.shadow) * self.light.cast_m))[..., None]
        haze = self._haze(distance).astype(np.float32)[:, None, None]
        self.image[top:] = ground * (1 - haze) + self.haze * haze
        assert rows == len(ground)

    def _marking_mask(self, markings: list[Marking]) -> npt.NDArray[np.uint8]:
        mask = np.zeros((self.height, self.width), np.uint8)
        for marking in sorted(markings, key=lambda m: m.opacity):
            px = self._pixels(marking.points)
            if px is not None:
                polygon = np.round(px * 16).astype(np.int32)
                cv2.fillPoly(mask, [polygon], int(255 * marking.opacity), cv2.LINE_AA, 4)
        return mask

    def _detail(self, gx: Picture, gy: Picture) -> tuple[Picture, Picture, Picture, Picture]:
        """Wear of the road, tone of the pavement, wear of the paint and cast shadow per pixel."""
        k, rng = _DETAIL_PX_PER_M, self.rng
        camera_xy = self.camera.position_m[:2]
        ahead = self.camera.forward[:2] / np.linalg.norm(self.camera.forward[:2])
        middle = camera_xy + ahead * _DETAIL_RANGE_M * 0.45
        origin = middle - _DETAIL_RANGE_M / 2
        n = int(_DETAIL_RANGE_M * k)

        def px(points: FloatArray) -> npt.NDArray[np.int32]:
            return np.round((points - origin) * k).astype(np.int32)

        wear = np.zeros((n, n), np.float32)
        for lane in self.scene.lanes:
            normal_m = lane.width_m * 0.22
            step = lane.points[-1] - lane.points[0]
            side = np.array([-step[1], step[0]]) / max(float(np.hypot(*step)), 1e-9) * normal_m
            for offset in (side, -side):
                cv2.polylines(wear, [px(lane.points + offset)], False, -7.0, int(0.5 * k))
            cv2.polylines(wear, [px(lane.points)], False, -5.0, int(0.8 * k))
        wear = cv2.GaussianBlur(wear, (0, 0), 3)
        for scale, strength in ((3, 1.4), (20, 2.5), (120, 4.0)):
            wear += noise(n, n, scale, rng) * np.float32(strength)
        for _ in range(int(rng.integers(8, 26))):  # patches of newer asphalt
            at, size = rng.uniform(0, n, 2), rng.uniform(1, 7, 2) * k
            corner = (at + size).astype(int)
            tone = float(rng.uniform(-15, 7))
            cv2.rectangle(
                wear, (int(at[0]), int(at[1])), (int(corner[0]), int(corner[1])), tone, -1
            )
        for _ in range(int(rng.integers(10, 50))):  # cracks
            walk = rng.uniform(0, n, 2) + np.cumsum(rng.normal(0, 0.6 * k, (10, 2)), 0)
            cv2.polylines(wear, [np.round(walk).astype(np.int32)], False, -17.0, 1, cv2.LINE_AA)
        pavement = noise(n, n, 16, rng) * 4 + noise(n, n, 90, rng) * 4
        paint = noise(n, n, 2, rng) * 0.1 + noise(n, n, 10, rng) * 0.14
        shade = np.zeros((n, n), np.float32)
        if self.light.cast_m > 0:
            self._cast_shadows(shade, px)
        mx, my = (gx - np.float32(origin[0])) * k, (gy - np.float32(origin[1])) * k
        layers = [
            cv2.remap(layer, mx, my, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
            for layer in (wear, pavement.astype(np.float32), paint.astype(np.float32), shade)
        ]
        return layers[0], layers[1], layers[2], layers[3]

    def _cast_shadows(self, shade: npt.NDArray[np.float32], px: object) -> None:
        assert callable(px)
        throw = -self.sun[:2] / max(float(self.sun[2]), 0.35)
        for front in self.scene.frontages:
            a, b = np.array(front.start), np.array(front.end)
            top = throw * front.height_m
            cv2.fillPoly(shade, [px(np.stack([a, b, b + top, a + top]))], 1.0)
        for tree in self.scene.trees:
            foot = np.array([tree.x_m, tree.y_m])
            for _ in range(26):
                at = foot + throw * tree.height_m + self.rng.normal(0, tree.radius_m * 0.5, 2)
                blob = tree.radius_m * _DETAIL_PX_PER_M * float(self.rng.uniform(0.12, 0.3))
                x, y = (int(v) for v in px(at[None])[0])
                cv2.circle(shade, (x, y), max(1, int(blob)), 0.85, -1)
        shade[:] = cv2.GaussianBlur(shade, (0, 0), 1.2)

    def _kerbs(self) -> None:
        kerbs = self.scene.kerbs
        if not len(kerbs):
            return
        near = np.hypot(*(kerbs.mean(1) - self.camera.position_m[:2]).T)
        lit = self.tint * np.float32(self.light.ambient + self.light.direct * float(self.sun[2]))
        for i in np.argsort(-near):
            a, b = kerbs[i]
            along = (b - a) / max(float(np.linalg.norm(b - a)), 1e-9)
            away = np.array([-along[1], along[0]])  # from the road
            z = _KERB_HEIGHT_M
            face = np.array([[*a, 0], [*b, 0], [*b, z], [*a, z]])
            c, d = b + away * _KERB_WIDTH_M, a + away * _KERB_WIDTH_M
            top = np.array([[*a, z], [*b, z], [*c, z], [*d, z]])
            tone = 152.0 if i % 4 else 140.0
            haze = float(self._haze(float(near[i])))
            for polygon, normal, shade in (
                (face, np.array([*-away, 0]), 0.72),
                (top, np.array([0, 0, 1.0]), 1.12),
            ):
                if normal @ (self.camera.position_m - polygon[0]) <= 0:
                    continue
                px = self._pixels(polygon)
                if px is None:
                    continue
                colour = tone * shade * lit * (1 - haze) + self.haze * haze
                self._fill(px, colour)

    def _fill(self, px: FloatArray, colour: npt.NDArray[np.float32]) -> None:
        bgr = (float(colour[0]), float(colour[1]), float(colour[2]))
        cv2.fillConvexPoly(self.image, np.round(px * 16).astype(np.int32), bgr, cv2.LINE_8, 4)

    # ---- sky and standing things ----

    def _sky(self) -> None:
        horizon = int(np.clip(self.camera.horizon_px * self.scale + 2, 0, self.height))
        if horizon <= 0:
            return
        up = (np.arange(horizon, 0, -1, dtype=np.float32) / max(horizon, 1))[:, None, None]
        sky = self.haze * (1 - up) + np.array(self.light.sky_top, np.float32) * up
        self.image[:horizon] = sky
        # Tree masses close the view at the end of the streets.
        lit = np.float32(self.light.ambient + 0.5 * self.light.direct)
        for _ in range(500):
            x = int(self.rng.uniform(-20, self.width + 20))
            u = float(self.rng.random())
            tall = self.height * 0.075 * (0.55 + 0.45 * float(np.sin(x * 0.011) ** 2))
            shade = np.float32((0.6 + 0.7 * u) * self.rng.uniform(0.85, 1.15))
            green = np.array((52, 92, 66), np.float32) * shade * lit * 0.5 + self.haze * 0.5
            radius = int(self.rng.uniform(0.08, 0.2) * tall) + 1
            bgr = (float(green[0]), float(green[1]), float(green[2]))
            cv2.circle(self.image, (x, int(horizon - u * tall)), radius, bgr, -1)

    def _standing_things(self) -> None:
        eye = self.camera.position_m[:2]
        things: list[tuple[float, Frontage | Tree]] = []
        for front in self.scene.frontages:
            a, b = np.array(front.start), np.array(front.end)
            t = float(np.clip((eye - a) @ (b - a) / max(float((b - a) @ (b - a)), 1e-9), 0, 1))
            things.append((float(np.hypot(*(a + (b - a) * t - eye))), front))
        for tree in self.scene.trees:
            things.append((float(np.hypot(tree.x_m - eye[0], tree.y_m - eye[1])), tree))
        for _, thing in sorted(things, key=lambda item: -item[0]):
            if isinstance(thing, Tree):
                self._tree(thing)
            else:
                self._house(thing)

    def _house(self, front: Frontage) -> None:
        a, b = np.array(front.start), np.array(front.end)
        along = (b - a) / np.linalg.norm(b - a)
        street = np.array([along[1], -along[0]])
        h = front.height_m
        back = -street * 9.0
        paint = wall_colour(self.rng)
        for foot, normal in ((a, -along), (b, along)):
            c = foot + back
            if normal @ (self.camera.position_m[:2] - foot) > 0:
                side = side_wall(9.0, h, paint, self.rng)
                left, right = (c, foot) if foot is a else (foot, c)
                corners = np.array([[*left, h], [*right, h], [*right, 0], [*left, 0]])
                self._quad(corners, side, normal)
        width = float(np.linalg.norm(b - a))
        texture = house_front(width, h, paint, self.rng)
        self._quad(np.array([[*a, h], [*b, h], [*b, 0], [*a, 0]]), texture, street)
        if self.rng.random() < 0.6:
            p, q = a + along * 0.3, b - along * 0.3
            out = street * 1.2
            cloth = np.array([[*p, 2.9], [*q, 2.9], [*(q + out), 2.5], [*(p + out), 2.5]])
            self._quad(cloth, awning(self.rng), None)

    def _quad(
        self, corners: FloatArray, texture: npt.NDArray[np.uint8], normal: FloatArray | None
    ) -> None:
        """Draw a textured quad (4, 3), from its top left clockwise; None: lit from above."""
        n = np.array([0, 0, 1.0]) if normal is None else np.array([*normal, 0.0])
        if normal is not None and n @ (self.camera.position_m - corners.mean(0)) <= 0:
            return
        px, depth = self.camera.project(corners)
        if depth.min() < 0.6:
            return
        px *= self.scale
        lo = np.floor(np.maximum(px.min(0), 0)).astype(int)
        hi = np.ceil(np.minimum(px.max(0), [self.width, self.height])).astype(int)
        w, h = hi - lo
        if w < 1 or h < 1:
            return
        shade = np.float32(self.light.ambient + self.light.direct * max(0.0, float(n @ self.sun)))
        haze = np.float32(self._haze(float(depth.mean())))
        th, tw = texture.shape[:2]
        source = np.array([[0, 0], [tw, 0], [tw, th], [0, th]], np.float32)
        matrix = cv2.getPerspectiveTransform(source, (px - lo).astype(np.float32))
        shrink = int(tw / (np.linalg.norm(px[1] - px[0]) + 1))
        smooth = texture if shrink < 2 else cv2.blur(texture, (shrink, shrink))
        warped = cv2.warpPerspective(
            smooth,
            matrix,
            (int(w), int(h)),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        mask = np.zeros((h, w), np.uint8)
        cv2.fillConvexPoly(mask, np.round((px - lo) * 16).astype(np.int32), 1, cv2.LINE_8, 4)
        inside = mask > 0
        colour = warped[inside].astype(np.float32) * (shade * self.tint)
        rows, columns = slice(int(lo[1]), int(hi[1])), slice(int(lo[0]), int(hi[0]))
        self.image[rows, columns][inside] = colour * (1 - haze) + self.haze * haze
        self.depth[rows, columns][inside] = float(depth.min())

    def _tree(self, tree: Tree) -> None:
        foot = np.array([[tree.x_m, tree.y_m, z * tree.height_m] for z in (0.0, 0.7, 1.0)])
        px, depth = self.camera.project(foot)
        if depth.min() < _TREE_NEAR_M:
            return  # cameras are not mounted behind a crown
        px *= self.scale
        k = self.camera.focal_px * self.scale / float(depth[2])
        radius = tree.radius_m * k
        if px[2, 0] < -radius or px[2, 0] > self.width + radius:
            return
        haze = np.float32(self._haze(float(depth[2])))
        lit = np.float32(self.light.ambient + 0.5 * self.light.direct)
        base, fork = ((int(p[0]), int(p[1])) for p in px[:2])
        for width_m, bark in ((0.36, (58, 72, 86)), (0.2, (74, 90, 104))):
            colour = np.array(bark, np.float32) * lit * (1 - haze) + self.haze * haze
            bgr = (float(colour[0]), float(colour[1]), float(colour[2]))
            cv2.line(self.image, base, fork, bgr, max(1, int(width_m * k)))
        trunk = max(1, int(0.36 * k))
        cv2.line(self.depth, base, fork, float(depth.min()), trunk)
        leaves = self.rng.normal(0, 0.48, (170, 2))
        leaves = leaves[np.hypot(leaves[:, 0], leaves[:, 1]) < 1.1]
        green = np.array((52, 104, 74), np.float32) * np.float32(self.rng.uniform(0.75, 1.15))
        lit = np.float32(self.light.ambient + 0.8 * self.light.direct)
        for a, b in leaves[np.argsort(-leaves[:, 1])]:
            tone = np.float32((0.62 + 0.42 * (0.5 - b / 2)) * self.rng.uniform(0.82, 1.18))
            colour = green * tone * lit * self.tint * (1 - haze) + self.haze * haze
            at = (int(px[2, 0] + a * radius), int(px[2, 1] + b * radius * 0.72))
            axes = (
                max(1, int(radius * self.rng.uniform(0.1, 0.24))),
                max(1, int(radius * self.rng.uniform(0.07, 0.16))),
            )
            bgr = (float(colour[0]), float(colour[1]), float(colour[2]))
            cv2.ellipse(self.image, at, axes, float(self.rng.uniform(0, 180)), 0, 360, bgr, -1)
            cv2.circle(
                self.depth, at, max(1, int(radius * 0.15)), float(depth[2] - tree.radius_m), -1
            )
