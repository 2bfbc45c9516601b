"""Benchmark of signal methods: every method on the same scenarios, seeds and clearances."""

from __future__ import annotations

import hashlib
import json
import math
import statistics
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scipy.stats import t as student

from models.counts import counts_from_csv
from models.errors import BadInput, XanhError
from models.plan import Plan
from models.policy import Sensing, StageChoice
from models.site import Site
from simulation.control_area import EnvelopeChange
from simulation.imports import import_site
from simulation.runner import sumo_version
from traffic.planfiles import read_plan, write_plan
from traffic.policies import POLICY_NAMES, Setting, run_named, run_plan, write_json
from traffic.replan import retime_site
from traffic.sites import load_site

FIXED = "fixed"
RETIMED = ("webster", "maxband", "cpsat")
METHODS: tuple[str, ...] = (FIXED, *RETIMED, *POLICY_NAMES)
DEFAULT_METHODS = (FIXED, "webster", "actuated", "maxpressure", "greedy", "adaptive")
EQUAL, LEGAL, DETECTORS = "equal", "legal", "detectors"
BLOCKS: Mapping[str, str] = {
    EQUAL: "equal clearances and minimum green for all, full information",
    LEGAL: "the site's own safety envelope, full information",
    DETECTORS: "equal clearances, detectors only",
}


@dataclass(frozen=True, slots=True)
class BenchOptions:
    """What is run.

    ``changes`` holds, by the scenario's name, what replaces its envelope in the blocks with equal
    clearances; ``""`` is for all others. ``subject`` is the method that is compared with the
    best of the others; only it is run in the blocks beside the first. ``stages`` and
    ``red_extension_s`` None are each policy's own choice.
    """

    seeds: tuple[int, ...]
    methods: tuple[str, ...] = DEFAULT_METHODS
    blocks: tuple[str, ...] = tuple(BLOCKS)
    changes: Mapping[str, EnvelopeChange] = field(default_factory=dict)
    miss_rate: float = 0.05
    stages: StageChoice | None = None
    red_extension_s: float | None = None
    subject: str = "adaptive"
    workers: int = 2

    def change(self, scenario: str) -> EnvelopeChange:
        """What replaces the envelope of a scenario."""
        return self.changes.get(scenario, self.changes.get("", EnvelopeChange(3.0, 0.0, 5.0)))


@dataclass(frozen=True, slots=True)
class Scenario:
    """A site to run on, by the name of its folder."""

    name: str
    site: Site
    plan: Plan


@dataclass(frozen=True, slots=True)
class _Run:
    scenario: Scenario
    block: str
    method: str
    seed: int

    @property
    def title(self) -> str:
        return f"{self.scenario.name}, {self.block}, {self.method}, seed {self.seed}"


def run_bench(
    folders: Sequence[Path],
    out: Path,
    options: BenchOptions,
    *,
    progress: Callable[[int, int, str], None] | None = None,
) -> dict[str, Any]:
    """Run what is not there yet and write ``summary.json``; its body.

    Every run leaves a file under ``out/runs``; a run whose settings, inputs and versions are the
    same is not done again. A run that fails is named in the summary and is done again next time.

    Args:
        folders: Site folders, raw scenario folders, or folders of such.
        out: Folder to write.
        options: What is run.
        progress: Called with (done, all, what was done) after each run.

    Raises:
        BadInput: If a folder holds nothing to run, or a method is unknown.
    """
    for method in options.methods:
        if method not in METHODS:
            raise BadInput("--methods", method, f"valid is {', '.join(METHODS)}")
    scenarios = [find_scenario(folder, out / "sites") for folder in expand(folders)]
    names = [scenario.name for scenario in scenarios]
    if len(set(names)) != len(names):
        raise BadInput("--scenarios", "", "two folders have one name; valid are different names")
    runs = [
        _Run(scenario, block, method, seed)
        for seed in options.seeds
        for scenario in scenarios
        for block in options.blocks
        for method in options.methods
        if block == EQUAL or method == options.subject
    ]
    bench = _Bench(out, options)
    found: dict[_Key, dict[str, Any]] = {}
    failed: dict[str, str] = {}
    with ThreadPoolExecutor(options.workers) as pool:
        futures = {pool.submit(bench.run, run): run for run in runs}
        try:
            for done, future in enumerate(as_completed(futures), start=1):
                run = futures[future]
                try:
                    found[run.scenario.name, run.block, run.method, run.seed] = future.result()
                except XanhError as error:
                    failed[run.title] = str(error)
                if progress is not None:
                    progress(done, len(runs), run.title)
        finally:
            for future in futures:
                future.cancel()
    body = summarize(found, names, options)
    body["failed"] = dict(sorted(failed.items()))
    write_json(out / "summary.json", body)
    return body


class _Bench:
    """Does one run at a time, or finds it done."""

    def __init__(self, out: Path, options: BenchOptions) -> None:
        self._out = out
        self._options = options
        self._lock = threading.Lock()
        self._plans: dict[tuple[str, str], Plan] = {}

    def run(self, run: _Run) -> dict[str, Any]:
        setting = self._setting(run)
        path = self._out / "runs" / run.scenario.name / run.block / f"{run.method}-{run.seed}.json"
        key = _key(run, setting)
        try:
            kept: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            if kept.get("key") == key:
                return kept
        except (OSError, ValueError):
            pass
        site, plan = run.scenario.site, run.scenario.plan
        if run.method == FIXED:
            body = run_plan(site, plan, None, run.seed)
        elif run.method in RETIMED:
            changed = setting.change.applied(site)
            body = run_plan(changed, self._retimed(run, changed), None, run.seed)
        else:
            body = run_named(site, plan, run.method, None, run.seed, setting)
        body["key"] = key
        write_json(path, body)
        return body

    def _setting(self, run: _Run) -> Setting:
        change = EnvelopeChange() if run.block == LEGAL else self._options.change(run.scenario.name)
        sensing = Sensing.DETECTORS if run.block == DETECTORS else Sensing.ORACLE
        options = self._options
        return Setting(change, sensing, options.miss_rate, options.stages, options.red_extension_s)

    def _retimed(self, run: _Run, site: Site) -> Plan:
        """The plan that a method makes of the site's counts; made once for all seeds."""
        with self._lock:
            made = self._plans.get((run.scenario.name, run.method))
            if made is None:
                rows = counts_from_csv(
                    site.counts_path.read_text(encoding="utf-8"), str(site.counts_path)
                )
                made = retime_site(site, rows, run.scenario.plan, method=run.method).plan
                self._plans[run.scenario.name, run.method] = made
                (self._out / "plans").mkdir(parents=True, exist_ok=True)
                write_plan(made, self._out / "plans" / f"{run.scenario.name}-{run.method}.yaml")
            return made


def _key(run: _Run, setting: Setting) -> str:
    """Digest of all that a run's result depends on, apart from the methods' own code."""
    site = run.scenario.site
    files = [site.network, site.folder / site.simulation.routes]
    body = {
        "inputs": [hashlib.sha256(path.read_bytes()).hexdigest() for path in files if path],
        "plan": run.scenario.plan.digest,
        "options": repr(site.simulation),
        "setting": setting.to_dict(),
        "stages": setting.choice(run.method).value,
        "red_extension_s": setting.extension_s(run.method),
        "run": [run.block, run.method, run.seed],
        "sumo": sumo_version(),
    }
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


# Scenarios --------------------------------------------------------------------------------------


def expand(folders: Iterable[Path]) -> list[Path]:
    """The folders, or in place of one that holds nothing to run those in it that do.

    Raises:
        BadInput: If neither does.
    """
    found: list[Path] = []
    for folder in folders:
        if _kind(folder):
            found.append(folder)
            continue
        inner = sorted(item for item in folder.iterdir() if _kind(item)) if folder.is_dir() else []
        if not inner:
            raise BadInput(
                str(folder),
                "",
                "nothing to run; valid is a site, or a folder with a .sumocfg or .net.xml",
            )
        found += inner
    return found


def _kind(folder: Path) -> str:
    if (folder / "site.yaml").is_file():
        return "site"
    return "raw" if folder.is_dir() and _raw_files(folder) is not None else ""


def _raw_files(folder: Path) -> tuple[Path, tuple[Path, ...]] | None:
    """What an import takes of a raw scenario: its configuration, else network and routes."""
    configurations = sorted(folder.glob("*.sumocfg"))
    if configurations:
        return configurations[0], ()
    nets = sorted((*folder.glob("*.net.xml"), *folder.glob("*.net.xml.gz")))
    routes = sorted((*folder.glob("*.rou.xml"), *folder.glob("*.rou.xml.gz")))
    return (nets[0], tuple(routes)) if nets and routes else None


def find_scenario(folder: Path, sites: Path) -> Scenario:
    """A site folder as it is, or a raw scenario imported into ``sites``.

    Raises:
        BadInput: If it cannot be used, or a site has no routes of its own.
    """
    name = folder.resolve().name
    raw = None if (folder / "site.yaml").is_file() else _raw_files(folder)
    if raw is not None:
        folder = sites / name
        import_site(raw[0], raw[1], out=folder, write_plan=write_plan)
    site = load_site(folder)
    if site.network is None or not site.simulation.routes:
        raise BadInput(
            str(folder / "site.yaml"),
            "simulation.routes",
            "the benchmark runs a site's own routes; valid is an imported site",
        )
    return Scenario(name, site, read_plan(site.current_plan_path))


# Summary ----------------------------------------------------------------------------------------

_Key = tuple[str, str, str, int]


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Mean and half the width of its 95 % interval (Student's t); no width from one value."""
    mean = statistics.fmean(values)
    if len(values) < 2:
        return mean, math.nan
    spread = statistics.stdev(values) / math.sqrt(len(values))
    return mean, float(student.ppf(0.975, len(values) - 1)) * spread


def summarize(
    found: Mapping[_Key, Mapping[str, Any]], scenarios: Sequence[str], options: BenchOptions
) -> dict[str, Any]:
    """Means with 95 % intervals, the subject against the best peer, geometric means."""
    table: dict[str, Any] = {}
    for scenario in scenarios:
        table[scenario] = {}
        for block in options.blocks:
            rows = {}
            for method in options.methods:
                bodies = [
                    found[key]
                    for seed in options.seeds
                    if (key := (scenario, block, method, seed)) in found
                ]
                if bodies:
                    rows[method] = _row(bodies)
            table[scenario][block] = rows
    comparisons = {
        block: _comparison(found, table, scenarios, block, options) for block in options.blocks
    }
    return {
        "sumo_version": sumo_version(),
        "seeds": list(options.seeds),
        "methods": list(options.methods),
        "blocks": {block: BLOCKS[block] for block in options.blocks},
        "clearances": {name: Setting(options.change(name)).to_dict() for name in scenarios},
        "miss_rate": options.miss_rate,
        "scenarios": table,
        "comparisons": comparisons,
    }


def _row(bodies: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    mean, half = interval([body["delay_s"] for body in bodies])
    row: dict[str, Any] = {
        "runs": len(bodies),
        "delay_s": mean,
        "ci95_s": None if math.isnan(half) else half,
    }
    for name in ("trip_time_s", "waiting_time_s", "stops", "running", "undeparted", "wall_s"):
        row[name] = statistics.fmean(body[name] for body in bodies)
    times = [body["decision_ms"] for body in bodies if "decision_ms" in body]
    if times:
        row["decision_ms"] = {
            "mean": statistics.fmean(item["mean"] for item in times),
            "p99": max(item["p99"] for item in times),
        }
        row["silent_s"] = sum(body["silent_s"] for body in bodies)
    return row


def _comparison(
    found: Mapping[_Key, Mapping[str, Any]],
    table: Mapping[str, Any],
    scenarios: Sequence[str],
    block: str,
    options: BenchOptions,
) -> dict[str, Any]:
    """The subject in a block against the best peer with equal clearances, paired by seed.

    With detectors it is compared with itself under full information too.
    """
    against: dict[str, Any] = {}
    logs: dict[str, dict[int, list[float]]] = {"best_peer": {}, "full_information": {}}
    for scenario in scenarios:
        peers = {
            method: row["delay_s"]
            for method, row in table[scenario].get(EQUAL, {}).items()
            if method != options.subject
        }
        entry: dict[str, Any] = {}
        if peers:
            best = min(peers, key=lambda method: peers[method])
            entry["best_peer"] = {"method": best, "delay_s": peers[best]}
            entry["best_peer"] |= _paired(
                found,
                (scenario, block, options.subject),
                (scenario, EQUAL, best),
                logs["best_peer"],
            )
        if block != EQUAL:
            entry["full_information"] = _paired(
                found,
                (scenario, block, options.subject),
                (scenario, EQUAL, options.subject),
                logs["full_information"],
            )
        against[scenario] = entry
    means = {}
    for name, by_seed in logs.items():
        whole = [
            statistics.fmean(values) for values in by_seed.values() if len(values) == len(scenarios)
        ]
        if whole:
            mean, half = interval(whole)
            means[name] = {
                "mean_pct": 100 * (math.exp(mean) - 1),
                "ci95_pct": None
                if math.isnan(half)
                else [100 * (math.exp(mean - half) - 1), 100 * (math.exp(mean + half) - 1)],
            }
    return {"subject": options.subject, "scenarios": against, "geometric_mean": means}


def _paired(
    found: Mapping[_Key, Mapping[str, Any]],
    subject: tuple[str, str, str],
    other: tuple[str, str, str],
    logs: dict[int, list[float]],
) -> dict[str, Any]:
    """Change of delay in percent over seeds that both ran; adds the logarithms by seed."""
    ratios = []
    for key, body in found.items():
        if key[:3] == subject and (*other, key[3]) in found:
            ratio = math.log(
                max(1e-9, body["delay_s"]) / max(1e-9, found[*other, key[3]]["delay_s"])
            )
            ratios.append(ratio)
            logs.setdefault(key[3], []).append(ratio)
    if not ratios:
        return {}
    mean, half = interval(ratios)
    return {
        "mean_pct": 100 * (math.exp(mean) - 1),
        "ci95_pct": None
        if math.isnan(half)
        else [100 * (math.exp(mean - half) - 1), 100 * (math.exp(mean + half) - 1)],
    }
