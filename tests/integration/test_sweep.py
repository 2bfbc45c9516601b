"""A validation that is killed, resumed, spread over a cluster, or that meets a standstill."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import pytest
from networks import NOW, corridor, corridor_counts, corridor_plan

from models.counts import CountRow
from models.errors import BadInput, XanhError
from models.plan import Plan
from models.policy import Sensing
from models.site import Site
from models.validation import Cause, Verdict
from simulation.history import standstill
from simulation.metrics import Drive
from simulation.report import write_report
from simulation.runner import Outputs, SimulationFailed, TooSlow, simulate, site_job
from simulation.spawned import SpawnedProcesses
from simulation.validate import run_validation
from traffic.cluster import connect
from traffic.policies import Setting, policy_candidate


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    made = corridor(tmp_path_factory.mktemp("three"), name="Three")
    return replace(made, simulation=replace(made.simulation, end_s=400, warm_up_s=60))


@pytest.fixture(scope="module")
def counts(site: Site) -> tuple[CountRow, ...]:
    return corridor_counts(site)


@pytest.fixture(scope="module")
def wave(site: Site) -> Plan:
    return corridor_plan(site, 30, (0, 24, 48))


@pytest.fixture(scope="module")
def bad(site: Site) -> Plan:
    return corridor_plan(site, 20, (0, 40, 20))


def children(pid: int) -> set[int]:
    """All descendants of a process."""
    found: set[int] = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, IndexError, ValueError):
                continue
            if parent == pid:
                child = int(entry.name)
                found |= {child} | children(child)
    return found


def alive(pid: int) -> bool:
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_for(condition: object, seconds: float = 60.0) -> None:
    assert callable(condition)
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not come to pass"
        time.sleep(0.02)


SCRIPT = """
import sys
from pathlib import Path
from networks import *
from dataclasses import replace
from simulation.validate import run_validation
from simulation.report import write_report
if __name__ == "__main__":
    out = Path(sys.argv[1])
    folder = out.parent / "net"
    folder.mkdir(exist_ok=True)
    site = corridor(folder)
    site = replace(site, simulation=replace(site.simulation, end_s=int(sys.argv[2])))
    plans = corridor_plan(site, 30, (0, 24, 48)), corridor_plan(site, 20, (0, 40, 20))
    counts = corridor_counts(site)
    done = run_validation(site, *plans, counts, now=NOW, pairs=5, kept=out / "runs")
    write_report(done.report, site, *plans, out)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="children end with their parent on Linux only")
@pytest.mark.parametrize("with_signal", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_validation_leaves_no_simulation_and_no_half_report(
    tmp_path: Path, with_signal: signal.Signals
) -> None:
    (tmp_path / "run.py").write_text(SCRIPT)
    root = Path(__file__).resolve().parents[2]
    environment = {**os.environ, "PYTHONPATH": f"{root}{os.pathsep}{root / 'tests'}"}
    out = tmp_path / "out"
    process = subprocess.Popen(
        # 20 simulated hours: each run lasts long enough to be met.
        [sys.executable, str(tmp_path / "run.py"), str(out), "72000"],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def simulating() -> bool:
        names = []
        for child in children(process.pid):
            try:
                names.append((Path("/proc") / str(child) / "comm").read_text().strip())
            except OSError:
                continue
        return names.count("sumo") >= 2

    try:
        wait_for(simulating)
        family = children(process.pid)
        process.send_signal(with_signal)
        process.wait(30)
        wait_for(lambda: not any(alive(pid) for pid in family), 10)
    finally:
        process.kill()
    assert not (out / "report.json").exists()
    assert not (out / "report.html").exists()


def test_a_rerun_goes_on_from_what_was_kept(
    site: Site,
    counts: tuple[CountRow, ...],
    wave: Plan,
    bad: Plan,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = run_validation(site, wave, bad, counts, now=NOW, pairs=3, kept=tmp_path)
    kept = sorted(tmp_path.glob("*.json"))
    assert len(kept) == 6
    assert list(tmp_path.glob("demand-*")) == []
    kept[0].write_text("{ damaged")
    kept[1].unlink()
    asked: list[str] = []
    submit = SpawnedProcesses.submit

    def watched(self: SpawnedProcesses, fn: object, /, *args: object) -> Future[object]:
        asked.append(args[0].name)  # type: ignore[attr-defined]
        return submit(self, fn, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(SpawnedProcesses, "submit", watched)
    again = run_validation(site, wave, bad, counts, now=NOW, pairs=3, kept=tmp_path)
    assert len(asked) == 2
    assert again.report == first.report
    other = replace(site, simulation=replace(site.simulation, end_s=401))
    run_validation(other, wave, bad, counts, now=NOW, pairs=2, kept=tmp_path)
    assert len(asked) == 6  # another scenario, other runs


def test_a_cluster_gives_what_processes_give(
    site: Site, counts: tuple[CountRow, ...], wave: Plan, bad: Plan, tmp_path: Path
) -> None:
    distributed = pytest.importorskip("distributed", reason="Dask is not installed: xanh[dask]")
    here = run_validation(site, wave, bad, counts, now=NOW, pairs=3)
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None, local_directory=tmp_path
        ) as cluster,
        connect(cluster.scheduler_address) as place,
    ):
        assert place.workers == 2
        there = run_validation(
            site,
            wave,
            bad,
            counts,
            now=NOW,
            pairs=3,
            executor=place.executor,
            workers=place.workers,
            kept=tmp_path / "runs",
        )
    assert there.report == here.report
    assert there.report.pairs == 3
    for one, other in zip(here.results, there.results, strict=True):
        for left, right in zip(one, other, strict=True):
            assert replace(left, wall_s=0) == replace(right, wall_s=0)


def test_a_cluster_that_is_not_there_is_named() -> None:
    pytest.importorskip("distributed", reason="Dask is not installed: xanh[dask]")
    with (
        pytest.raises(BadInput, match=r"--cluster: nonsense://x: .*valid is tcp://HOST:PORT"),
        connect("nonsense://x"),
    ):
        pass


def test_what_breaks_off_is_named_in_the_report(
    site: Site, counts: tuple[CountRow, ...], wave: Plan, bad: Plan, tmp_path: Path
) -> None:
    broken = replace(
        site, simulation=replace(site.simulation, options=("--no-such-option", "true"))
    )
    done = run_validation(broken, wave, bad, counts, now=NOW, pairs=3)
    report = done.report
    assert (report.verdict, report.cause) == (Verdict.UNDECIDED, Cause.NO_NUMBER)
    assert "simulation pair 1 (seed 1), plan in force failed: " in report.reason
    assert "no-such-option" in report.reason
    assert report.baseline is None
    assert report.change == {}
    write_report(report, broken, wave, bad, tmp_path)
    body = json.loads((tmp_path / "report.json").read_text())
    assert (body["verdict"], body["baseline"], body["candidate"]) == ("undecided", None, None)
    assert "no number" in (tmp_path / "report.html").read_text()


def test_a_killed_worker_is_named_by_its_run(
    site: Site, counts: tuple[CountRow, ...], wave: Plan, bad: Plan
) -> None:
    class Killing(SpawnedProcesses):
        """Every process is killed at its first call."""

        def submit(self, fn: object, /, *args: object, **_: object) -> Future[object]:
            return super().submit(_die)  # type: ignore[return-value]

    pool = Killing(1)
    report = run_validation(site, wave, bad, counts, now=NOW, pairs=2, executor=pool).report
    pool.kill()
    assert (report.verdict, report.cause) == (Verdict.UNDECIDED, Cause.NO_NUMBER)
    assert "pair 1 (seed 1), plan in force failed: a simulation's process ended" in report.reason


def test_gridlock_is_said_instead_of_a_number(site: Site, wave: Plan, tmp_path: Path) -> None:
    """Somebody stops for ever on the only lane of a street: nothing behind moves again."""
    stone = tmp_path / "stone.rou.xml"
    stone.write_text(
        '<routes><vehicle id="stone" depart="0"><route edges="e0 e1 e2 e3"/>'
        '<stop lane="e2_0" endPos="200" duration="9999"/></vehicle></routes>'
    )
    flow = tmp_path / "flow.rou.xml"
    flow.write_text(
        '<routes><flow id="f" begin="5" end="1200" period="6"><route edges="e0 e1 e2 e3"/></flow>'
        "</routes>"
    )
    long = replace(site, simulation=replace(site.simulation, end_s=1200))
    job = site_job(long, wave, [stone, flow], seed=1, name="stone")
    result = simulate(replace(job, outputs=Outputs()))
    assert "have stood for 300 s or more" in result.gridlock
    assert "e2" in result.gridlock


def test_a_policy_is_validated_like_a_plan(
    site: Site, counts: tuple[CountRow, ...], wave: Plan, bad: Plan, tmp_path: Path
) -> None:
    candidate = policy_candidate("greedy", bad, Setting())
    done = run_validation(site, candidate, bad, counts, now=NOW, pairs=2, kept=tmp_path / "runs")
    report = done.report
    assert report.pairs == 2, report.reason
    assert (report.policy, report.plan_digest) == ("greedy", candidate.digest)
    assert report.measures is not None
    assert None not in (report.measures[1].control_delay_s, report.measures[1].fuel_g)
    assert done.results[0][1].splits  # what the policy showed was noted too
    write_report(report, site, candidate, bad, tmp_path, runs=done.results)
    assert json.loads((tmp_path / "report.json").read_text())["policy"] == "greedy"
    assert "greedy" in (tmp_path / "report.html").read_text()
    other = policy_candidate("greedy", bad, Setting(miss_rate=0.5, sensing=Sensing.DETECTORS))
    assert other.digest != candidate.digest
    with pytest.raises(BadInput, match="--policy: nobody: valid here is adaptive"):
        policy_candidate("nobody", bad, Setting())


def test_a_standstill_is_told_from_a_queue() -> None:
    moving = [Drive(f"a{i}", ("x", "y"), (float(900 + i),)) for i in range(20)]
    stuck = [Drive(f"b{i}", ("p", "q"), (100.0 + i,)) for i in range(20)]
    departures = {drive.id: 0.0 for drive in (*moving, *stuck)}
    assert standstill(moving, departures, end_s=1000.0) == ""
    assert standstill(stuck, departures, end_s=300.0) == ""  # not long enough
    line = standstill([*moving, *stuck], departures, end_s=1000.0)
    assert line.startswith("20 of 40 vehicles")
    assert "q" in line


def test_a_candidate_that_locks_up_fails_and_one_that_both_do_is_undecided(
    site: Site,
    counts: tuple[CountRow, ...],
    wave: Plan,
    bad: Plan,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The judgement on runs that stand still; the runs themselves are real."""
    from simulation import pairs as module

    real = module.Runs.outcome

    def locked(sides: frozenset[int]) -> object:
        def outcome(self: module.Runs, number: int, side: int) -> object:
            result = real(self, number, side)
            if side not in sides or isinstance(result, SimulationFailed):
                return result
            return replace(result, gridlock="40 of 50 vehicles stand")

        return outcome

    monkeypatch.setattr(module.Runs, "outcome", locked(frozenset({1})))
    report = run_validation(site, wave, bad, counts, now=NOW, pairs=5).report
    assert (report.verdict, report.cause) == (Verdict.FAIL, Cause.GRIDLOCK)
    assert "pair 1 (seed 1), candidate: 40 of 50 vehicles stand" in report.reason
    assert report.candidate is None
    monkeypatch.setattr(module.Runs, "outcome", locked(frozenset({0, 1})))
    report = run_validation(site, wave, bad, counts, now=NOW, pairs=2).report
    assert (report.verdict, report.cause) == (Verdict.UNDECIDED, Cause.GRIDLOCK_BOTH)
    assert len(report.problems) == 4


def test_a_run_that_grinds_is_given_up(
    site: Site, wave: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    demand = tmp_path / "d.rou.xml"
    demand.write_text(
        '<routes><flow id="f" begin="0" end="999999" period="2"><route edges="e0 e1 e2 e3"/>'
        "</flow></routes>"
    )
    endless = replace(site, simulation=replace(site.simulation, end_s=2_000_000))
    monkeypatch.setattr("simulation.runner.SimulationJob.patience_s", 1.0)
    job = site_job(endless, wave, [demand], seed=1, name="pair 1 (seed 1), candidate")
    with pytest.raises(TooSlow, match=r"pair 1 \(seed 1\), candidate failed: given up after 1 s"):
        simulate(job)


def _answer(value: int) -> int:
    return value + os.getpid() * 0


def _die() -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def _refuse() -> None:
    raise BadInput("file", "field", "valid is another")


def test_spawned_processes_answer_refuse_and_are_replaced() -> None:
    pool = SpawnedProcesses(2)
    futures = [pool.submit(_answer, value) for value in range(6)]
    assert [future.result() for future in futures] == list(range(6))
    with pytest.raises(XanhError, match="ended with code -11"):
        pool.submit(_die).result()
    with pytest.raises(BadInput, match="file: field: valid is another"):
        pool.submit(_refuse).result()
    assert pool.submit(_answer, 7).result() == 7
    slow = [pool.submit(time.sleep, 600) for _ in range(4)]
    pool.kill()
    assert all(future.done() for future in slow)
    with pytest.raises(RuntimeError, match="closed"):
        pool.submit(_answer, 1)
