"""A junction as arrays: its stages, changes and streams in the form that the search reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from models.policy import ControlJunction
from optimizer.queueing import Displays, Ints

# Share of the saturation flow of a stream that gives way, gaps apart: drivers look first.
GIVES_WAY_RATE = 0.75
# Of one that must stop before it goes on red.
STOP_THEN_GO_RATE = 0.6


@dataclass(frozen=True, slots=True)
class Layout:
    """What never changes at a junction.

    Streams are the columns of ``displays``: first every link, then one mixture per lane for
    vehicles whose turn is not known, then every crossing. Lanes come first among the queues and
    crossings after them.

    Attributes:
        id: Of the junction.
        stages: Ids, in the order of the rows.
        lanes: Ids.
        crossings: Ids.
        exits: Ids of receiving lanes.
        stream_of: Column by (lane, movement).
        links_of: Columns of the links of each lane.
        movement_of: Movement or crossing per column, "" for mixtures.
        serves: Movements and crossings that are green in each stage.
        displays: With mixtures of equal shares; ``mixed`` gives others.
    """

    id: str
    stages: tuple[str, ...]
    lanes: tuple[str, ...]
    crossings: tuple[str, ...]
    exits: tuple[str, ...]
    stream_of: Mapping[tuple[str, str], int]
    links_of: tuple[tuple[int, ...], ...]
    movement_of: tuple[str, ...]
    serves: tuple[frozenset[str], ...]
    displays: Displays

    @property
    def links(self) -> int:
        """How many columns are links."""
        return len(self.movement_of) - len(self.lanes) - len(self.crossings)

    def mixture(self, lane: int) -> int:
        """Column of vehicles on a lane whose turn is not known."""
        return self.links + lane

    def crossing(self, index: int) -> int:
        """Column of a crossing."""
        return self.links + len(self.lanes) + index

    def set_shares(self, lane: int, shares: Mapping[str, float]) -> None:
        """Let the mixture of a lane turn as ``shares`` of its movements say."""
        column, links = self.mixture(lane), self.links_of[lane]
        if not links:
            return
        weights = np.array([max(0.0, shares.get(self.movement_of[k], 0.0)) for k in links])
        if weights.sum() <= 0.0:
            weights = np.ones(len(links))
        weights /= weights.sum()
        shown = self.displays
        shown.rate[:, column] = shown.rate[:, list(links)] @ weights
        shown.halts[:, column] = shown.halts[:, list(links)] @ weights
        leading = [k for k, weight in zip(links, weights, strict=True) if weight >= 0.25]
        shown.crosses[:, column] = shown.crosses[:, leading].any(axis=1)
        shown.crosses[column, :] = shown.crosses[leading, :].any(axis=0)
        most = links[int(weights.argmax())]
        shown.yields_to[:, column] = shown.yields_to[:, most]
        shown.exit_of[column] = shown.exit_of[most]
        shown.best_rate[column] = shown.rate[: len(self.stages), column].max()


def layout(control: ControlJunction) -> Layout:
    """The arrays of one junction."""
    lanes = tuple(sorted(control.lanes))
    place = {lane: n for n, lane in enumerate(lanes)}
    crossings = tuple(crossing.id for crossing in control.junction.crossings)
    letters = [stage.letters for stage in control.stages.values()]
    links = len(letters[0])
    columns = links + len(lanes) + len(crossings)
    queues = len(lanes) + len(crossings)

    lane_of: Ints = np.full(columns, -1, dtype=np.int64)
    exits: dict[str, int] = {}
    exit_of: Ints = np.full(columns, -1, dtype=np.int64)
    movement_of = [""] * columns
    stream_of: dict[tuple[str, str], int] = {}
    links_of = []
    for name in lanes:
        own = control.lanes[name].connections
        links_of.append(tuple(connection.link for connection in own))
        for connection in own:
            lane_of[connection.link] = place[name]
            exit_of[connection.link] = exits.setdefault(connection.to_lane, len(exits))
            movement_of[connection.link] = connection.movement
            stream_of.setdefault((name, connection.movement), connection.link)
    for index, crossing in enumerate(crossings):
        movement_of[links + len(lanes) + index] = crossing

    crosses = np.zeros((columns, columns), dtype=np.bool_)
    for one, other in control.link_yields:
        if one < links and other < links:
            crosses[one, other] = crosses[other, one] = True

    stages = len(letters)
    rows = stages + stages * stages
    rate = np.zeros((rows, columns))
    halts = np.zeros((rows, columns))
    yielded: dict[tuple[int, int], list[int]] = {}
    yields = {(one, other) for one, other in control.link_yields}
    for row, shown in enumerate(letters):
        for link, letter in enumerate(shown):
            if lane_of[link] < 0 or letter not in "Ggs":
                continue
            before = [
                other
                for other in range(links)
                if lane_of[other] >= 0
                and lane_of[other] != lane_of[link]
                and (link, other) in yields
                and (shown[other] == "G" or (letter == "s" and shown[other] == "g"))
            ]
            if letter == "G":
                rate[row, link] = 1.0
            elif letter == "g":
                rate[row, link] = GIVES_WAY_RATE if before else 1.0
            else:
                rate[row, link] = STOP_THEN_GO_RATE
                halts[row, link] = 1.0
            if letter != "G" and before:
                yielded[row, link] = list(dict.fromkeys(int(lane_of[k]) for k in before))
        for index, crossing in enumerate(crossings):
            stage = list(control.stages.values())[row]
            if crossing in stage.crossings:
                rate[row, links + len(lanes) + index] = 1.0
    most = max((len(found) for found in yielded.values()), default=1)
    yields_to: Ints = np.full((rows, columns, most), -1, dtype=np.int64)
    for (row, link), before in yielded.items():
        yields_to[row, link, : len(before)] = before

    clear_s = np.zeros((stages, stages))
    names = list(control.stages)
    vehicles = slice(0, links + len(lanes))
    for p, first in enumerate(names):
        for q, second in enumerate(names):
            row = stages + p * stages + q
            if p == q:
                continue
            clear_s[p, q] = control.changes[first, second].length_s
            both = np.minimum(rate[p, vehicles], rate[q, vehicles])
            rate[row, vehicles] = both
            halts[row, vehicles] = np.maximum(halts[p, vehicles], halts[q, vehicles])
            # Between the two it gives way to whoever it gives way to in either.
            given = np.where(rate[p] <= rate[q], p, q)
            yields_to[row] = yields_to[given, np.arange(columns)]

    giving = {int(lane_of[link]) for _, link in yielded}
    found = Layout(
        id=control.id,
        stages=tuple(names),
        lanes=lanes,
        crossings=crossings,
        exits=tuple(exits),
        stream_of=stream_of,
        links_of=tuple(links_of),
        movement_of=tuple(movement_of),
        serves=tuple(
            frozenset(stage.protected) | frozenset(stage.permissive) | frozenset(stage.crossings)
            for stage in control.stages.values()
        ),
        displays=Displays(
            rate=rate,
            halts=halts,
            yields_to=yields_to,
            crosses=crosses,
            best_rate=rate[:stages].max(axis=0),
            clear_s=clear_s,
            min_green_s=np.array([max(1.0, s.min_green_s) for s in control.stages.values()]),
            max_green_s=np.array([s.max_green_s for s in control.stages.values()]),
            exit_of=exit_of,
            order=np.array(sorted(range(queues), key=lambda lane: lane in giving), dtype=np.int64),
        ),
    )
    for lane in range(len(lanes)):
        found.set_shares(lane, {})
    return found
