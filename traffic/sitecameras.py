"""The cameras of a site: views from a pose and the network, or from marks in the picture."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from detection.calibration import PointPair, fit
from detection.plane import GroundPlane
from detection.rules import RuleSettings
from models.camera import (
    IDENTITY,
    CameraPose,
    CameraView,
    Matrix3,
    MovementPath,
    Point,
    RoadRules,
    SourceKind,
)
from models.errors import BadInput
from models.junction import Junction
from models.site import SiteCamera
from simulation.network import camera_view
from traffic.siterules import MARKS, network_marks, read_marks, read_rules
from traffic.yamlfile import Field, Section, unique

CAMERA_REQUIRED = ("id", "junction", "approach", "kind")
_MARKS = (
    "size_px",
    "coordinates",
    "calibration",
    "stop_line",
    "inward",
    "zone",
    "movements",
    "lamp_px",
    "wrong_way",
)
CAMERA_OPTIONAL = (
    "pose", "source", "rate_fps", "weights", "tiles", "plates", "rules", *MARKS, *_MARKS,
)  # fmt: skip
_KINDS = ("pixels", "projected", "stream")
_MARKS_NEEDED = ("size_px", "stop_line", "inward", "zone", "movements")
MAX_CALIBRATION_ERROR_M = 2.0


def read_camera(
    camera: Section,
    junctions: Mapping[str, Junction],
    network: Path | None,
    rules: RuleSettings,
) -> SiteCamera:
    """One entry of ``cameras``; ``rules`` are the site's, which the entry may change.

    Raises:
        BadInput: Naming the field and what would be valid.
    """
    junction = junctions[camera["junction"].choice(list(junctions))]
    approach = camera["approach"].choice(list(junction.approaches))
    kind = camera["kind"].choice(_KINDS)
    pose_field = camera.get("pose")
    options: dict[str, Any] = {"kind": kind}
    rate = camera.get("rate_fps")
    if rate is not None:
        options["rate_fps"] = rate.number(0.1, 120)
    if camera.get("weights") is not None:
        options["weights"] = camera["weights"].text()
    for name in ("plates", "tiles"):
        field = camera.get(name)
        if field is not None:
            options[name] = field.flag()
    if pose_field is not None:
        for mark in _MARKS:
            if camera.get(mark) is not None:
                raise camera[mark].bad("the camera has a pose; valid is one of them, not both")
        if network is None:
            raise pose_field.bad("this site has no network; valid is stop_line and zone instead")
        pose = _pose(pose_field)
        options["pose"] = pose
        source_kind = SourceKind.PROJECTED if kind == "projected" else SourceKind.PIXELS
        try:
            view = camera_view(
                network, junction.id, approach, pose, camera["id"].text(), source_kind
            )
        except (BadInput, ValueError) as error:
            raise pose_field.bad(str(error)) from None
        base = network_marks(network, junction.id, approach)
        known = [path.movement for path in view.movements]
        road = read_marks(camera, known, _as_given, network, base)
        view = replace(view, road=road)
    elif kind == "stream":
        view = _marked_view(camera, junction, approach)
        reference = _reference(camera.get("calibration"))
        if reference is not None:
            options["reference"] = reference
        if camera.get("calibration") is not None:
            options["pairs"] = _pairs(camera["calibration"])
    else:
        raise camera["kind"].wrong("stream, or give the camera a pose on the virtual street")
    options["rules"] = read_rules(camera.get("rules"), rules)
    return SiteCamera(
        id=view.camera,
        junction=junction.id,
        approach=approach,
        view=view,
        source=_source(camera.get("source")),
        options=options,
    )


def _pose(field: Field) -> CameraPose:
    section = field.section(
        ("x_m", "y_m", "z_m", "heading_deg", "pitch_deg", "hfov_deg"), ("width_px", "height_px")
    )
    width, height = section.get("width_px"), section.get("height_px")
    return CameraPose(
        x_m=section["x_m"].number(),
        y_m=section["y_m"].number(),
        z_m=section["z_m"].number(most=100, above=0),
        heading_deg=section["heading_deg"].number(-360, 360),
        pitch_deg=section["pitch_deg"].number(-79, 88),
        hfov_deg=section["hfov_deg"].number(5, 160),
        width_px=640 if width is None else width.integer(64, 8192),
        height_px=480 if height is None else height.integer(64, 8192),
    )


def _marked_view(camera: Section, junction: Junction, approach: str) -> CameraView:
    for mark in _MARKS_NEEDED:
        if camera.get(mark) is None:
            raise camera["id"].bad(f"{mark} is missing; valid is a pose, or marks in the picture")
    width, height = (item.integer(64, 16_384) for item in _two(camera["size_px"]))
    coordinates = camera.get("coordinates")
    given = "pixels" if coordinates is None else coordinates.choice(("pixels", "metres"))
    calibration = camera.get("calibration")
    version, matrix = "none", IDENTITY
    if calibration is not None:
        version, matrix = _calibration(calibration)
    elif given == "metres":
        assert coordinates is not None
        raise coordinates.wrong("pixels, or a calibration that ties metres to the picture")
    place: Callable[[Point], Point] = (
        _to_ground(matrix) if calibration is not None and given == "pixels" else _unchanged
    )

    def placed(field: Field, least: int) -> tuple[Point, ...]:
        points = field.points(least=least)
        try:
            return tuple(place(point) for point in points)
        except ValueError as error:
            raise field.bad(str(error)) from None

    line = camera["stop_line"]
    marked = line.points(least=2)
    if len(marked) != 2 or marked[0] == marked[1]:
        raise line.bad("valid is two different points")
    stop_line = placed(line, 2)
    wrong_way = camera.get("wrong_way")
    view = CameraView(
        camera=camera["id"].text(),
        junction=junction.id,
        width_px=width,
        height_px=height,
        ground_from_image=matrix,
        metric=calibration is not None,
        stop_line=(stop_line[0], stop_line[1]),
        inward=_inward(camera["inward"], marked, place),
        zone=placed(camera["zone"], 3),
        movements=_paths(camera["movements"], junction, approach, placed),
        calibration_version=version,
        source_kind=SourceKind.PIXELS,
        lamp_px=_lamp(camera.get("lamp_px"), width, height),
        wrong_way=False if wrong_way is None else wrong_way.flag(),
        road=read_marks(
            camera,
            [m.id for m in junction.movements if m.from_edge == approach],
            placed,
            None,
            RoadRules(),
        ),
    )
    _check_seen(camera["zone"], view, view.zone)
    _check_seen(line, view, view.stop_line)
    _check_way(camera, view)
    return view


def _paths(
    field: Field,
    junction: Junction,
    approach: str,
    placed: Callable[[Field, int], tuple[Point, ...]],
) -> tuple[MovementPath, ...]:
    valid = [m.id for m in junction.movements if m.from_edge == approach]
    sections = [item.section(("id", "path")) for item in field.items(least=1)]
    unique([(section["id"].text(), section["id"]) for section in sections])
    return tuple(
        MovementPath(section["id"].choice(valid), placed(section["path"], 2))
        for section in sections
    )


def _inward(field: Field, line: Sequence[Point], place: Callable[[Point], Point]) -> Point:
    dx, dy = field.point()
    if dx == 0 and dy == 0:
        raise field.bad("[0, 0]; valid is a direction from the approach into the junction")
    middle = ((line[0][0] + line[1][0]) / 2, (line[0][1] + line[1][1]) / 2)
    scale = 1.0 / math.hypot(dx, dy)
    ahead = (middle[0] + dx * scale, middle[1] + dy * scale)
    try:
        start, end = place(middle), place(ahead)
    except ValueError as error:
        raise field.bad(str(error)) from None
    length = math.dist(start, end)
    inward = ((end[0] - start[0]) / length, (end[1] - start[1]) / length)
    first, second = place(line[0]), place(line[1])
    across = (second[0] - first[0], second[1] - first[1])
    if abs(across[0] * inward[1] - across[1] * inward[0]) < 0.05 * math.hypot(*across):
        raise field.wrong("a direction across the stop line, not along it")
    return inward


def _lamp(field: Field | None, width: int, height: int) -> tuple[int, int, int, int] | None:
    if field is None:
        return None
    items = field.items()
    if len(items) != 4:
        raise field.bad(f"has {len(items)} entries; valid is [x0, y0, x1, y1]")
    x0, y0, x1, y1 = (
        item.integer(0, limit)
        for item, limit in zip(items, (width, height, width, height), strict=True)
    )
    if x1 <= x0 or y1 <= y0:
        raise field.bad(f"[{x0}, {y0}, {x1}, {y1}]; valid is x0 < x1 and y0 < y1")
    return x0, y0, x1, y1


def _two(field: Field) -> tuple[Field, Field]:
    items = field.items()
    if len(items) != 2:
        raise field.bad(f"has {len(items)} entries; valid is [width, height]")
    return items[0], items[1]


def _calibration(field: Field) -> tuple[str, Matrix3]:
    section = field.section(("version", "points"), ("reference",))
    pairs = [item.section(("px", "m")) for item in section["points"].items(least=4)]
    try:
        fitted = fit(_pairs(field))
    except BadInput as error:
        raise section["points"].bad(error.valid) from None
    worst = max(range(len(pairs)), key=lambda index: fitted.error_m[index])
    if fitted.worst_m > MAX_CALIBRATION_ERROR_M:
        raise pairs[worst].field.bad(
            f"lies {fitted.worst_m:.1f} m from where the other points put it; valid is at most "
            f"{MAX_CALIBRATION_ERROR_M:g} m"
        )
    return section["version"].text(), fitted.ground_from_image


def _as_given(field: Field, least: int) -> tuple[Point, ...]:
    """An outline in network metres, as a posed camera's plane is."""
    return field.points(least=least)


def _source(field: Field | None) -> str:
    """A URL as it is; a file or folder is looked for from the site's folder."""
    if field is None:
        return ""
    name = field.text()
    return name if "://" in name else str(Path(field.file).parent / name)


def _pairs(calibration: Field) -> tuple[PointPair, ...]:
    points = calibration.section(("version", "points"), ("reference",))["points"]
    pairs = [item.section(("px", "m")) for item in points.items(least=4)]
    return tuple(PointPair(pair["px"].point(), pair["m"].point()) for pair in pairs)


def _reference(calibration: Field | None) -> Path | None:
    """The picture that the pairs were marked on."""
    if calibration is None:
        return None
    picture = calibration.section(("version", "points"), ("reference",)).get("reference")
    return None if picture is None else picture.file_in(Path(calibration.file).parent)


def _check_seen(field: Field, view: CameraView, points: Sequence[Point]) -> None:
    """Refuse a mark of which nothing lies in the picture."""
    if seen_share(view, points) <= 0.0:
        raise field.bad(
            f"lies outside the picture of {view.width_px}x{view.height_px}; valid is a place "
            "that the camera sees"
        )


def _check_way(camera: Section, view: CameraView) -> None:
    """Refuse a zone whose sides cross, and an ``inward`` against which all movements drive."""
    if _crosses_itself(view.zone):
        raise camera["zone"].bad("its sides cross; valid is a list of corners in order around it")

    def beyond(point: Point) -> float:
        (x, y), (end_x, end_y) = view.stop_line
        # Across the line, positive where ``inward`` points.
        across = (y - end_y, end_x - x)
        side = across[0] * view.inward[0] + across[1] * view.inward[1]
        return math.copysign(1.0, side) * (across[0] * (point[0] - x) + across[1] * (point[1] - y))

    ways = [(beyond(path.points[0]), beyond(path.points[-1])) for path in view.movements]
    if all(begin > 0 > end for begin, end in ways):
        raise camera["inward"].bad(
            "points back: each movement's path begins beyond the line; valid is the direction of "
            "travel over the stop line, into the junction"
        )


def _crosses_itself(corners: Sequence[Point]) -> bool:
    """Whether two sides of an outline that do not meet in a corner cross."""

    def turn(a: Point, b: Point, c: Point) -> float:
        return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])

    def cross(a: Point, b: Point, c: Point, d: Point) -> bool:
        return turn(a, b, c) * turn(a, b, d) < 0 and turn(c, d, a) * turn(c, d, b) < 0

    sides = list(zip(corners, (*corners[1:], corners[0]), strict=True))
    return any(
        cross(*first, *second) for at, first in enumerate(sides) for second in sides[at + 2 :]
    )


def seen_share(view: CameraView, points: Sequence[Point]) -> float:
    """Share of an area (three points or more) or a line of the view's plane that it shows."""
    pixels = GroundPlane(view).to_image(np.array(points, np.float64))
    if not np.isfinite(pixels).all():
        return 0.0
    size = np.array([view.width_px, view.height_px], np.float64)
    # The picture in the middle of a canvas three times its size; what lies beyond is far outside.
    scale = 256.0 / size.max()
    width, height = np.ceil(size * scale).astype(int).tolist()
    canvas = np.zeros((3 * height, 3 * width), np.uint8)
    corners = np.clip(pixels * scale, -30_000, 30_000).round().astype(np.int32)
    corners += np.array([width, height], np.int32)
    if len(points) > 2:
        cv2.fillPoly(canvas, [corners], 1)
    cv2.polylines(canvas, [corners], len(points) > 2, 1)
    inside = int(canvas[height : 2 * height + 1, width : 2 * width + 1].sum())
    return inside / max(int(canvas.sum()), 1)


def _unchanged(point: Point) -> Point:
    return point


def _to_ground(matrix: Matrix3) -> Callable[[Point], Point]:
    array = np.array(matrix)

    def place(point: Point) -> Point:
        x, y, w = array @ (point[0], point[1], 1.0)
        if w <= 0:
            raise ValueError(
                f"[{point[0]:g}, {point[1]:g}] lies above the horizon of the calibration; valid "
                "is a point on the ground"
            )
        return float(x / w), float(y / w)

    return place
