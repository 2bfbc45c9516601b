"""Rules of a site: their parameters, and what marks and signs say before each camera."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from detection.rules import RuleSettings
from models.camera import AreaKind, ForbiddenTurn, Point, RoadArea, RoadRules
from models.site import VEHICLE_CLASSES
from simulation.netfile import read_net
from simulation.road_marks import APPROACH_M, EXIT_M, lane_outline, road_rules, straight_exit
from traffic.yamlfile import Field, Section

MARKS = ("areas", "forbidden_turns", "u_turn", "speed_limit_kmh")
"""Keys of a camera that say what its signs and marks are."""
MOST = 1000.0


def read_rules(field: Field | None, base: RuleSettings) -> RuleSettings:
    """A ``rules:`` section over ``base``: parameters by rule, each rule with ``enabled``.

    Raises:
        BadInput: Naming ``file:line``, the field, and what would be valid.
    """
    if field is None:
        return base
    names = [item.name for item in fields(RuleSettings)]
    section = field.section((), names)
    changed: dict[str, Any] = {}
    for name in names:
        entry = section.get(name)
        if entry is not None:
            changed[name] = _parameters(entry, getattr(base, name))
    return replace(base, **changed)


def _parameters(field: Field, rule: Any) -> Any:
    section = field.section((), [item.name for item in fields(rule)])
    values: dict[str, Any] = {}
    for item in fields(rule):
        entry = section.get(item.name)
        if entry is None:
            continue
        known = getattr(rule, item.name)
        if isinstance(known, bool):
            values[item.name] = entry.flag()
        elif isinstance(known, int):
            values[item.name] = entry.integer(0, MOST)
        else:
            share = item.name.endswith("_share") or item.name.startswith("max_unseen")
            least = -MOST if item.name in ("begin_m", "end_m") else 0.0
            values[item.name] = entry.number(least, 1.0 if share else MOST)
    return replace(rule, **values)


def read_marks(
    camera: Section,
    movements: list[str],
    place: Callable[[Field, int], tuple[Point, ...]],
    network: Path | None,
    base: RoadRules,
) -> RoadRules:
    """The marks and signs of a camera's entry, added to ``base``.

    Args:
        camera: The entry.
        movements: Ids of the approach's movements.
        place: Reads an outline into the view's plane.
        network: The site's network, where lanes may be named by id.
        base: What is known of the approach beforehand.

    Raises:
        BadInput: Naming ``file:line``, the field, and what would be valid.
    """
    areas = [*base.areas]
    for item in camera.items("areas"):
        areas.append(_area(item, camera, place, network))
    turns = []
    for item in camera.items("forbidden_turns"):
        section = item.section(("movement", "classes"))
        classes = tuple(c.choice(VEHICLE_CLASSES) for c in section["classes"].items(least=1))
        turns.append(ForbiddenTurn(section["movement"].choice(movements), classes))
    back = camera.get("u_turn")
    limit = camera.get("speed_limit_kmh")
    return RoadRules(
        areas=tuple(areas),
        forbidden_turns=tuple(turns),
        u_turn_forbidden=base.u_turn_forbidden
        if back is None
        else back.choice(("forbidden", "allowed")) == "forbidden",
        speed_limit_mps=base.speed_limit_mps if limit is None else limit.number(5, 150) / 3.6,
    )


def network_marks(network: Path, junction: str, approach: str) -> RoadRules:
    """What the network itself says of an approach (``simulation.road_marks``)."""
    return road_rules(network, junction, approach)


def _area(
    field: Field,
    camera: Section,
    place: Callable[[Field, int], tuple[Point, ...]],
    network: Path | None,
) -> RoadArea:
    section = field.section(("kind",), ("outline", "lane", "not_for"))
    kind = AreaKind(section["kind"].choice([kind.value for kind in AreaKind]))
    not_for = tuple(c.choice(VEHICLE_CLASSES) for c in section.items("not_for"))
    if (kind is AreaKind.LANE) != bool(not_for):
        raise field.bad("valid is not_for with the classes that a lane is closed to, there only")
    outline, lane = section.get("outline"), section.get("lane")
    if (outline is None) == (lane is None):
        raise field.bad("valid is either an outline, or a lane of the network")
    if outline is not None:
        return RoadArea(kind, place(outline, 3), not_for)
    assert lane is not None
    if network is None:
        raise lane.wrong("an outline: this site has no network")
    return RoadArea(kind, _lane_area(lane, camera, network), not_for, lane.text())


def _lane_area(field: Field, camera: Section, network: Path) -> tuple[Point, ...]:
    """The part of a lane that the camera watches: before its line, or straight beyond."""
    net = read_net(network)
    approach = camera["approach"].text()
    ahead = straight_exit(net, camera["junction"].text(), approach)
    near: Mapping[str, bool] = {
        lane.id: edge == approach
        for edge in (approach, ahead)
        if edge is not None
        for lane in net.edges[edge].traffic_lanes
    }
    name = field.choice(list(near))
    edge, _, _ = name.rpartition("_")
    lane = next(item for item in net.edges[edge].lanes if item.id == name)
    length_m = APPROACH_M if near[name] else EXIT_M
    return lane_outline(lane, at_end=near[name], length_m=length_m, narrow_m=0.0)
