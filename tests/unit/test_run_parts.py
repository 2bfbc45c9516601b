"""Parts that measure a run: probes, history, conflicts, varied demand, keys, what a film keeps."""

from __future__ import annotations

import statistics
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from models.counts import CountRow
from models.errors import BadInput, XanhError
from models.junction import Junction, Movement, SafetyEnvelope, Turn
from models.site import SimulationOptions
from models.validation import Kpi
from simulation.conflicts import entered_on_red, read_conflicts
from simulation.history import run_history, split_use
from simulation.jobkey import job_key
from simulation.metrics import Drive, Trip, types_of_class
from simulation.playback import _deltas, _packed
from simulation.probes import StateChange, read_spillback, read_states
from simulation.results import ResultFolder, SimulationResult
from simulation.roads import Crossover, Road, Roads
from simulation.runner import Outputs, SimulationFailed, SimulationJob, TooSlow
from simulation.variation import growth_pct, vary_counts

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
JUNCTION = Junction(
    id="J",
    movements=(Movement("J:a>b", "a", "b", Turn.THROUGH, links=(0,)),),
    conflicts=frozenset(),
    permissive=frozenset(),
    envelope=SafetyEnvelope(),
)
ROADS = Roads(
    {"a": Road(100.0, 10.0), "b": Road(100.0, 10.0)}, {("a", "b"): Crossover(10.0, 1.0, "s")}
)
TURNS = {("a", "b"): "J:a>b"}


def trip(name: str, planned_s: float, arrival_s: float = -1.0) -> Trip:
    return Trip(
        id=name,
        planned_s=planned_s,
        departed=True,
        arrived=arrival_s >= 0,
        wait_s=0.0,
        duration_s=0.0,
        time_loss_s=0.0,
        waiting_s=0.0,
        stops=0,
        depart_pos_m=0.0,
        speed_factor=1.0,
        arrival_s=arrival_s,
    )


def test_queues_are_vehicles_due_at_the_line_and_not_across() -> None:
    # 10 s of free flow to the line: due at 20, 25 and 100; across at 95, never, 112.
    trips = [trip("1", 10.0, 106.0), trip("2", 15.0), trip("3", 90.0, 123.0)]
    drives = {
        "1": Drive("1", ("a", "b"), (95.0, 106.0)),
        "2": Drive("2", ("a", "b"), (-1.0,)),
        "3": Drive("3", ("a", "b"), (112.0, 123.0)),
    }
    history = run_history(trips, drives, TURNS, ROADS, begin_s=0.0, end_s=120.0)
    assert history.queues == {"a": (2, 2, 2, 1)}
    assert history.planned == (2, 2, 3, 3)
    assert history.arrived == (0, 0, 0, 1)


def test_split_use_counts_whole_greens_used_seconds_and_greens_too_short() -> None:
    states = {
        "J": tuple(
            StateChange(float(at), letters)
            for at, letters in ((0, "r"), (30, "G"), (50, "y"), (53, "r"), (90, "G"), (110, "r"))
        )
    }
    trips = {name: trip(name, 10.0) for name in "123"}
    drives = {
        "1": Drive("1", ("a", "b"), (32.0, 43.0)),
        "2": Drive("2", ("a", "b"), (34.0, 45.0)),
        "3": Drive("3", ("a", "b"), (92.0, 103.0)),  # came before the first green, left in the next
    }
    use = split_use(trips, drives, [JUNCTION], states, ROADS, begin_s=0.0, end_s=120.0)["J:a>b"]
    assert (use.green_s, use.greens, use.failures) == (40.0, 2, 1)
    assert use.used_s == pytest.approx(2.0 + 2.0 + 2.0)
    later = split_use(trips, drives, [JUNCTION], states, ROADS, begin_s=60.0, end_s=120.0)
    assert later["J:a>b"].greens == 1


def test_who_enters_on_red_is_found_by_the_state_of_that_second(tmp_path: Path) -> None:
    states = {"J": (StateChange(0.0, "G"), StateChange(30.0, "y"), StateChange(33.0, "r"))}
    drives = {
        "late": Drive("late", ("a", "b"), (33.0, 40.0)),
        "lawful": Drive("lawful", ("a", "b"), (32.0, 40.0)),
    }
    red = entered_on_red(drives, {"J": JUNCTION}, states)
    assert red == {"late": (33.0,)}
    path = tmp_path / "ssm.xml"

    def conflict(ego: str, foe: str, ttc: str, pet: str, kind: str = "9", begin: int = 30) -> str:
        return (
            f'<conflict begin="{begin}" end="36" ego="{ego}" foe="{foe}">'
            f'<minTTC time="33" type="{kind}" value="{ttc}"/>'
            f'<PET time="35" type="17" value="{pet}"/></conflict>'
        )

    path.write_text(
        "<SSMLog>"
        + conflict("late", "x", "1.0", "NA")
        + conflict("x", "late", "1.2", "1.5")  # the same encounter, told by the other
        + conflict("lawful", "x", "NA", "1.9")
        + conflict("p", "q", "0.0", "NA", kind="111")  # riders side by side
        + conflict("p", "r", "1.6", "2.1")  # not close
        + conflict("s", "t", "1.0", "NA", begin=5)  # in the warm-up
        + "</SSMLog>"
    )
    found = read_conflicts(path, red, begin_s=10.0)
    assert (found.ttc, found.pet, found.red_light) == (1, 2, 1)


def test_spillback_is_the_time_that_somebody_stands_at_the_upstream_end(tmp_path: Path) -> None:
    path = tmp_path / "ends.xml"
    rows = [("end a_0", 0, 30), ("end a_0", 30, 10), ("end a_1", 30, 20), ("end b_0", 60, 6)]
    path.write_text(
        "<detector>"
        + "".join(
            f'<interval begin="{at}" id="{name}" maxIntervalHaltingDuration="{stood}"/>'
            for name, at, stood in rows
        )
        + "</detector>"
    )
    shares, anywhere = read_spillback(path, {"a": "a", "z": "b"}, begin_s=30.0, end_s=130.0)
    assert shares == {"a": 20.0, "z": 6.0}
    assert anywhere == 26.0
    none, zero = read_spillback(tmp_path / "no.xml", {"a": "a"}, begin_s=0, end_s=10)
    assert (none, zero) == ({"a": 0.0}, 0.0)


def test_states_are_joined(tmp_path: Path) -> None:
    path = tmp_path / "states.xml"
    path.write_text(
        "<tlsStates>"
        + "".join(
            f'<tlsState time="{at}" id="J" state="{letters}"/>'
            for at, letters in ((0, "r"), (1, "r"), (2, "G"))
        )
        + "</tlsStates>"
    )
    assert read_states(path) == {"J": (StateChange(0.0, "r"), StateChange(2.0, "G"))}


def test_growth_covers_its_range_in_five_pairs() -> None:
    assert [growth_pct(pair, 10.0) for pair in range(1, 7)] == [0.0, 10.0, -10.0, 5.0, -5.0, 0.0]


def test_varied_counts_keep_their_mean_and_spread_like_counts() -> None:
    rows = [
        CountRow(
            "J",
            "J:a>b",
            "car",
            NOW + i * timedelta(minutes=15),
            NOW + (i + 1) * timedelta(minutes=15),
            25,
        )
        for i in range(4)
    ]
    rows.append(replace(rows[0], vehicle_class="bus", count=0))
    totals = []
    for seed in range(400):
        varied = vary_counts(rows, seed=seed, growth=10.0)
        assert varied == vary_counts(rows, seed=seed, growth=10.0)
        assert varied[-1].count == 0
        totals.append(sum(row.count for row in varied))
    assert statistics.mean(totals) == pytest.approx(110, abs=2.0)
    assert statistics.stdev(totals) == pytest.approx(11, rel=0.15)  # 110 / sqrt(100)


def job(tmp_path: Path) -> SimulationJob:
    for name in ("net", "routes"):
        (tmp_path / name).write_text(name)
    return SimulationJob(
        name="a",
        network=tmp_path / "net",
        junctions={},
        plan=None,
        demand=(tmp_path / "routes",),
        seed=1,
        options=SimulationOptions(),
        outputs=Outputs(),
    )


def test_a_key_follows_everything_that_a_result_depends_on(tmp_path: Path) -> None:
    first = job(tmp_path)

    def key(item: SimulationJob) -> str:
        return job_key(item, version="1", result_format=1)

    same = replace(first, name="b", outputs=Outputs(positions=tmp_path / "p"))
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    assert key(first) == key(same) == key(job(moved))
    others = [
        replace(first, seed=2),
        replace(first, outputs=Outputs(safety=True)),
        replace(first, outputs=None),
        replace(first, options=SimulationOptions(end_s=5.0)),
        replace(first, demand=(tmp_path / "net",)),
    ]
    assert len({key(item) for item in [first, *others]}) == 6
    assert key(first) != job_key(first, version="2", result_format=1)
    with pytest.raises(BadInput, match="cannot be read"):
        key(replace(first, network=tmp_path / "none"))


def test_results_wait_whole_or_not_at_all(tmp_path: Path) -> None:
    kept = ResultFolder(tmp_path / "runs")
    assert kept.read("k") is None
    result = SimulationResult("a", 1, Kpi(1, 1, 0, 0, 1.0, 2.0, 1.0, 0.5, 0.1), {}, 3.0)
    kept.write("k", result)
    assert kept.read("k") == result
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["k.json"]
    text = (tmp_path / "runs" / "k.json").read_text()
    (tmp_path / "runs" / "k.json").write_text(text[: len(text) // 2])
    assert kept.read("k") is None


def test_failures_travel_between_processes() -> None:
    import pickle

    for error in (SimulationFailed("x", "y"), TooSlow("x", "y"), BadInput("a", "b", "c")):
        again = pickle.loads(pickle.dumps(error))
        assert (type(again), str(again)) == (type(error), str(error))
        assert isinstance(again, XanhError)


def test_types_are_told_by_class(tmp_path: Path) -> None:
    path = tmp_path / "t.add.xml"
    path.write_text(
        '<additional><vType id="a" vClass="bus"/><vTypeDistribution id="d"><vType id="b" '
        'vClass="bus"/><vType id="c"/></vTypeDistribution></additional>'
    )
    assert types_of_class([path], frozenset({"bus"})) == {"a", "b"}


def test_packed_numbers_unpack() -> None:
    import base64
    import zlib

    values = _deltas([np.array([5.4, 300.0, -70000.0]), np.array([1.0])])
    assert values.tolist() == [5, 295, -70300, 1]
    raw = zlib.decompress(base64.b64decode(_packed(values)))
    numbers, value, shift = [], 0, 0
    for byte in raw:
        value |= (byte & 127) << shift
        shift += 7
        if not byte & 128:
            numbers.append((value >> 1) ^ -(value & 1))
            value = shift = 0
    assert numbers == values.tolist()
