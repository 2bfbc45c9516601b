"""A small site for tests of signal policies: two signals on a street, built with netconvert."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

from models.policy import QUEUE_VIEW_M, ControlArea, Observation
from simulation.runner import SUMO_BINARY, sumo_environment

NODES = {
    "W": (0, 0, "priority"),
    "A": (150, 0, "traffic_light"),
    "M": (250, 0, "priority"),
    "B": (350, 0, "traffic_light"),
    "E": (550, 0, "priority"),
    "SA": (150, -150, "priority"),
    "NA": (150, 150, "priority"),
    "SB": (350, -150, "priority"),
    "NB": (350, 150, "priority"),
}
"""M splits the street between A and B without a signal."""
EDGES = {
    "wa": ("W", "A", 2),
    "am": ("A", "M", 2),
    "mb": ("M", "B", 2),
    "be": ("B", "E", 2),
    "sa": ("SA", "A", 1),
    "an": ("A", "NA", 1),
    "sb": ("SB", "B", 1),
    "bn": ("B", "NB", 1),
}
END_S = 300


def build_network(folder: Path, *, crossings: bool = False, radius_m: float = 4.0) -> Path:
    """``net.net.xml`` of the two signals; with pedestrian crossings, and wider, if asked."""
    (folder / "a.nod.xml").write_text(
        "<nodes>"
        + "".join(
            f'<node id="{name}" x="{x}" y="{y}" type="{kind}"/>'
            for name, (x, y, kind) in NODES.items()
        )
        + "</nodes>"
    )
    (folder / "a.edg.xml").write_text(
        "<edges>"
        + "".join(
            f'<edge id="{name}" from="{a}" to="{b}" numLanes="{lanes}" speed="13.89"/>'
            for name, (a, b, lanes) in EDGES.items()
        )
        + "</edges>"
    )
    net = folder / "net.net.xml"
    subprocess.run(
        [
            str(SUMO_BINARY.with_name("netconvert")),
            *("--node-files", str(folder / "a.nod.xml"), "--edge-files", str(folder / "a.edg.xml")),
            *("--output-file", str(net), "--default.junctions.radius", str(radius_m)),
            *(("--sidewalks.guess", "--crossings.guess") if crossings else ()),
        ],
        env=sumo_environment(),
        check=True,
        capture_output=True,
    )
    return net


def build_scenario(folder: Path, *, radius_m: float = 4.0) -> Path:
    """A raw scenario, as found in the world: network, trips, configuration."""
    folder.mkdir(parents=True, exist_ok=True)
    build_network(folder, radius_m=radius_m)
    trips = []
    for second in range(END_S):
        if second % 4 == 0:
            trips.append((second, "wa", "be"))
        if second % 9 == 0:
            trips.append((second, "sa", "be"))
        if second % 11 == 0:
            trips.append((second, "sb", "bn"))
    (folder / "t.rou.xml").write_text(
        "<routes>"
        + "".join(
            f'<trip id="v{n}" depart="{t}" from="{a}" to="{b}"/>'
            for n, (t, a, b) in enumerate(trips)
        )
        + "</routes>"
    )
    (folder / "t.sumocfg").write_text(
        '<configuration><input><net-file value="net.net.xml"/>'
        '<route-files value="t.rou.xml"/></input>'
        f'<time><begin value="0"/><end value="{END_S}"/></time></configuration>'
    )
    return folder


class Turns:
    """A policy that wants the next stage every 20 s; checks that it is told what it should be."""

    def start(self, area: ControlArea, seed: int) -> None:
        self.area = area

    def decide(self, observation: Observation) -> Mapping[str, str]:
        assert set(observation.shown) == set(self.area.junctions)
        wishes = {}
        for name, junction in self.area.junctions.items():
            stages = list(junction.stages)
            wishes[name] = stages[int(observation.time_s // 20) % len(stages)]
        return wishes


class Breaks(Turns):
    """Fails from the hundredth second on."""

    def decide(self, observation: Observation) -> Mapping[str, str]:
        if observation.time_s >= 100:
            raise RuntimeError("the policy broke")
        return super().decide(observation)


class Watches(Turns):
    """Fails at the end of the run, so that what it saw with detectors can be read."""

    def start(self, area: ControlArea, seed: int) -> None:
        super().start(area, seed)
        self.entered = self.crossed = self.passed = self.queue = self.followed = 0
        self.turned = self.on_line = 0
        self.share = 0.0

    def decide(self, observation: Observation) -> Mapping[str, str]:
        assert not observation.vehicles
        if observation.time_s > 0:
            assert observation.sensed_s == observation.time_s - 1
        for reading in observation.readings.values():
            self.entered += reading.entered
            self.crossed += reading.crossed
            self.queue = max(self.queue, reading.queue)
            assert reading.in_view == len(reading.tracks)
            assert reading.queue == sum(track.speed_mps < 0.1 for track in reading.tracks)
            assert list(reading.tracks) == sorted(reading.tracks)
            assert all(0.0 <= track.distance_m < QUEUE_VIEW_M + 5.0 for track in reading.tracks)
            self.followed += any(track.speed_mps > 5.0 for track in reading.tracks)
            self.turned += len(reading.turned)
            first = reading.tracks[0] if reading.tracks else None
            if first and first.speed_mps < 0.1 and first.distance_m < 3.0:
                self.on_line += reading.occupied >= 1.0
        self.passed += sum(observation.passed.values())
        self.share = max(
            (share for turns in observation.shares.values() for share in turns.values()), default=0
        )
        if observation.time_s == END_S - 1:
            seen = (self.entered, self.crossed, self.queue, round(self.share, 2))
            assert self.followed
            assert self.on_line
            assert 0 < self.turned <= self.crossed
            raise RuntimeError(" ".join(map(str, seen)))
        return super().decide(observation)
