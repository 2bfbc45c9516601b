"""Commands that simulate: ``xanh simulate``.

Heavy imports happen inside the commands, so that a wrong argument answers at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from models.errors import BadInput
from models.site import Site
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

app = typer.Typer()


@app.command("simulate")
def simulate_one(
    site: SiteOption,
    out: OutFolder,
    plan: Annotated[
        Path | None, typer.Option("--plan", help="A plan file; default: plans/current.yaml.")
    ] = None,
    policy: Annotated[
        str | None,
        typer.Option("--policy", help="adaptive, maxpressure, greedy, actuated, delay_based."),
    ] = None,
    counts: Annotated[Path | None, typer.Option("--counts", help="Default: the site's.")] = None,
    clearance: Annotated[
        str | None,
        typer.Option(
            "--clearance", help="For this run, as yellow=3,allred=0; default: the site's."
        ),
    ] = None,
    min_green: Annotated[
        float | None, typer.Option("--min-green", min=1, help="Seconds; default: the site's.")
    ] = None,
    sensing: Annotated[
        str, typer.Option("--sensing", help="oracle (every vehicle) or detectors.")
    ] = "oracle",
    miss_rate: Annotated[
        float, typer.Option("--miss-rate", min=0, max=1, help="Of the detectors.")
    ] = 0.05,
    stages: StagesOption = None,
    red_extension: RedExtensionOption = None,
    directives: Annotated[
        Path | None,
        typer.Option(
            "--directives",
            help="A YAML file of escorts, flushes, gates, bus priority (docs/policies.md).",
        ),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of demand and SUMO.")] = 1,
    samples: Annotated[
        bool, typer.Option("--samples", help="Per-second samples to samples.parquet.")
    ] = False,
    explain: Annotated[
        str | None,
        typer.Option(
            "--explain",
            help="JUNCTION@SECOND: why the policy decided there as it did, to explain.json and "
            "explain.svg.",
        ),
    ] = None,
) -> None:
    """Simulate a plan or a policy once; write kpi.json."""
    from traffic.directives import read_directives
    from traffic.policies import Setting, run_named, run_plan, write_json

    if plan is not None and policy is not None:
        raise BadInput("--plan, --policy", "", "both are given; valid is one of them")
    loaded = load(site)
    need_network(loaded, "be simulated")
    asked = _asked(loaded, explain, policy)
    rows = read_counts(loaded, counts) if counts or not loaded.simulation.routes else None
    target = out / "samples.parquet" if samples else None
    if policy is None:
        given = {
            "--clearance": clearance,
            "--min-green": min_green,
            "--stages": stages,
            "--red-extension": red_extension,
            "--directives": directives,
        }
        option = next((name for name, value in given.items() if value), None)
        if option is not None:
            raise BadInput(option, "", "a plan brings its own timing; valid with --policy")
        body = run_plan(loaded, read_current(loaded, plan), rows, seed, samples=target)
    else:
        setting = Setting(
            parse_envelope(clearance, min_green),
            parse_sensing(sensing),
            miss_rate,
            parse_stages(stages),
            red_extension,
        )
        body = run_named(
            loaded,
            read_current(loaded),
            policy,
            rows,
            seed,
            setting,
            samples=target,
            explain=asked,
            orders=read_directives(directives, loaded) if directives else None,
        )
        if body.get("fault"):
            say(f"the policy failed for {body['silent_s']:g} s: {body['fault']}")
    if asked is not None:
        _write_explanation(loaded, out, body.pop("explanation", None), asked)
    write_json(out / "kpi.json", body)
    say(
        f"delay {body['delay_s']:.1f} s over {body['trips']} trips ({body['finished']} finished, "
        f"{body['running']} running, {body['undeparted']} not departed); wrote {out / 'kpi.json'}"
    )


def _asked(site: Site, explain: str | None, policy: str | None) -> tuple[str, float] | None:
    """Junction and second of ``--explain``.

    Raises:
        BadInput: If it names neither.
    """
    if explain is None:
        return None
    if policy is None:
        raise BadInput("--explain", explain, "a plan decides nothing; valid with --policy")
    junction, _, second = explain.rpartition("@")
    if junction not in site.junctions:
        names = ", ".join(sorted(site.junctions)[:5])
        raise BadInput("--explain", explain, f"valid is JUNCTION@SECOND, for example {names}@600")
    try:
        return junction, float(second)
    except ValueError:
        raise BadInput(
            "--explain", explain, "valid is JUNCTION@SECOND with a second of the simulation"
        ) from None


def _write_explanation(
    site: Site, out: Path, decision: Mapping[str, object] | None, asked: tuple[str, float]
) -> None:
    from simulation.labels import movement_labels
    from simulation.wording import Language
    from traffic.decisionfigure import decision_svg
    from traffic.policies import write_json, write_text

    if decision is None:
        say(f"no decision to explain at {asked[0]} from second {asked[1]:g} on")
        return
    write_json(out / "explain.json", dict(decision))
    names: dict[Language, str] = {"en": "explain.svg", "vi": "explain-vi.svg"}
    for language, name in names.items():
        labels = movement_labels(site, language)
        write_text(out / name, decision_svg(decision, labels, language=language))
    say(f"wrote {out / 'explain.svg'}")
