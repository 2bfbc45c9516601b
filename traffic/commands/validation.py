"""Commands that prove: ``xanh validate``.

Heavy imports happen inside the commands, so that a wrong argument answers at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from models.errors import BadInput
from traffic.commands.common import (
    OutFolder,
    RedExtensionOption,
    SiteOption,
    StagesOption,
    load,
    need_network,
    parse_envelope,
    parse_sensing,
    parse_stages,
    read_counts,
    read_current,
    say,
)

if TYPE_CHECKING:
    from models.counts import CountRow
    from models.plan import Plan
    from simulation.candidates import PolicyCandidate
    from traffic.cluster import Cluster

app = typer.Typer()


@app.command()
def validate(
    site: SiteOption,
    out: OutFolder,
    plan: Annotated[
        Path | None,
        typer.Option("--plan", help="The candidate: a plan, or a folder of them by time of day."),
    ] = None,
    policy: Annotated[
        str | None,
        typer.Option("--policy", help="The candidate: adaptive, maxpressure or greedy."),
    ] = None,
    against: Annotated[
        Path | None, typer.Option("--against", help="Default: plans/current.yaml.")
    ] = None,
    counts: Annotated[Path | None, typer.Option("--counts", help="Default: the site's.")] = None,
    pairs: Annotated[
        int | None,
        typer.Option(
            "--pairs",
            min=2,
            help="Pairs of runs at most; it ends earlier when decided (from 5). "
            "Default: XANH_VALIDATION_PAIRS.",
        ),
    ] = None,
    growth: Annotated[
        float | None,
        typer.Option(
            "--growth",
            min=0,
            max=50,
            help="Demand differs by up to so many percent. Default: the site's; else 10 where "
            "demand comes from counts, 0 where a site runs its own trips.",
        ),
    ] = None,
    safety: Annotated[
        bool,
        typer.Option(
            "--safety", help="Measure surrogate safety too; a run takes 5 to 8 times as long."
        ),
    ] = False,
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers", min=1, help="Runs at the same time. Default: XANH_SIMULATION_WORKERS."
        ),
    ] = None,
    cluster: Annotated[
        str | None, typer.Option("--cluster", help="Run on a Dask cluster: tcp://HOST:PORT.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the first pair.")] = 1,
    clearance: Annotated[
        str | None, typer.Option("--clearance", help="Of a policy: as in xanh simulate.")
    ] = None,
    min_green: Annotated[
        float | None, typer.Option("--min-green", min=1, help="Of a policy, seconds.")
    ] = None,
    sensing: Annotated[
        str, typer.Option("--sensing", help="Of a policy: oracle or detectors.")
    ] = "oracle",
    miss_rate: Annotated[
        float, typer.Option("--miss-rate", min=0, max=1, help="Of the detectors.")
    ] = 0.05,
    stages: StagesOption = None,
    red_extension: RedExtensionOption = None,
    directives: Annotated[
        Path | None,
        typer.Option("--directives", help="Of a policy: as in xanh simulate."),
    ] = None,
    playback: Annotated[
        bool, typer.Option("--playback/--no-playback", help="Film one pair: playback.html.")
    ] = True,
    language: Annotated[str, typer.Option("--language", help="Of the report: en or vi.")] = "en",
    require_pass: Annotated[
        bool, typer.Option("--require-pass", help="Exit 1 unless it passed.")
    ] = False,
) -> None:
    """Simulate candidate and baseline on the same demand and seeds; write the report."""
    from dataclasses import replace

    from simulation.report import write_report
    from simulation.validate import run_validation
    from simulation.wording import LANGUAGES
    from traffic.settings import load_settings

    settings = load_settings()
    pairs = pairs or settings.validation_pairs
    workers = workers or settings.simulation_workers
    chosen = next((item for item in LANGUAGES if item == language), None)
    if chosen is None:
        raise BadInput("--language", language, f"valid is {', '.join(LANGUAGES)}")
    if (plan is None) == (policy is None):
        raise BadInput("--plan, --policy", "", "valid is exactly one of them")
    if policy is None and (
        clearance or min_green or stages or red_extension or directives or sensing != "oracle"
    ):
        given = "--clearance, --min-green, --sensing, --stages, --red-extension, --directives"
        raise BadInput(given, "", "valid with --policy")
    loaded = load(site)
    need_network(loaded, "be validated")
    if growth is not None:
        loaded = replace(loaded, acceptance=replace(loaded.acceptance, growth_pct=growth))
    baseline = read_current(loaded, against)
    rows = read_counts(loaded, counts)
    questions: list[tuple[Path, str, Plan | PolicyCandidate, tuple[CountRow, ...]]]
    if policy is not None:
        from traffic.directives import read_directives
        from traffic.policies import Setting, policy_candidate

        setting = Setting(
            parse_envelope(clearance, min_green),
            parse_sensing(sensing),
            miss_rate,
            parse_stages(stages),
            red_extension,
        )
        orders = read_directives(directives, loaded) if directives else None
        decided = policy_candidate(policy, baseline, setting, orders)
        questions = [(out, policy, decided, rows)]
    elif plan is not None and plan.is_dir():
        from traffic.schedule import read_schedule

        # Each plan is proved on the counts of the hours in which it runs.
        questions = [
            (out / item.name, str(item.path), read_current(loaded, item.path), item.rows(rows))
            for item in read_schedule(plan, loaded.id)
        ]
        for _, source, _, demand in questions:
            if not demand:
                raise BadInput(source, "", "no counts fall in its hours; valid is a day's counts")
    else:
        questions = [(out, str(plan), read_current(loaded, plan), rows)]
    passed = True
    with _where(cluster, workers) as place:
        for folder, source, candidate, demand in questions:
            with _progress(pairs) as progress:
                validation = run_validation(
                    loaded,
                    candidate,
                    baseline,
                    demand,
                    pairs=pairs,
                    workers=workers if place is None else place.workers,
                    executor=None if place is None else place.executor,
                    first_seed=seed,
                    progress=progress,
                    now=datetime.now(UTC),
                    sources=(source, str(against or loaded.current_plan_path)),
                    safety=safety,
                    kept=folder / "runs",
                    film=playback,
                )
            report = validation.report
            write_report(
                report,
                loaded,
                candidate,
                baseline,
                folder,
                language=chosen,
                runs=validation.results,
                film=validation.film,
            )
            say(f"{report.verdict.value}: {report.reason}; wrote {folder}")
            passed = passed and report.verdict.value == "pass"
    if require_pass and not passed:
        raise typer.Exit(1)


@contextmanager
def _where(address: str | None, workers: int) -> Iterator[Cluster | None]:
    """The cluster, or None for processes of this machine."""
    if address is None:
        yield None
        return
    from traffic.cluster import connect

    with connect(address) as place:
        yield place


@contextmanager
def _progress(pairs: int) -> Iterator[Callable[[int, int], None]]:
    """A bar on standard error with the time left if every pair is needed."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left at most"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(f"runs of at most {pairs} pairs", total=2 * pairs)
        yield lambda done, total: bar.update(task, completed=done, total=total)
