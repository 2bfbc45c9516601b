"""Why a plan is as it is: the data and the figure of a retiming; SUMO has the last word."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest
from networks import corridor, corridor_counts, corridor_plan

from models.errors import BadInput
from models.site import SimulationOptions
from traffic.explain import write_explanation
from traffic.replan import Effort, affordable, retime_site


def _short(folder: Path):
    site = corridor(folder)
    options = SimulationOptions(end_s=300, warm_up_s=60)
    return replace(site, simulation=options)


def test_a_model_plan_explains_itself(tmp_path: Path) -> None:
    site = corridor(tmp_path)
    made = retime_site(
        site, corridor_counts(site), corridor_plan(site, 25), search=0, time_limit_s=2
    )
    data, figure = write_explanation(made, tmp_path / "why")
    body = json.loads(data.read_text())
    assert body["plan"] == made.plan.digest
    assert set(body["junctions"]) == set(site.junctions)
    # What binds is a rule of the envelope with its limit in seconds.
    rules = [rule for part in body["junctions"].values() for rule in part["binding"]]
    assert all(rule["limit_s"] > 0 for rule in rules)
    known = {m.id for part in site.junctions.values() for m in part.movements}
    assert {item["movement"] for item in body["movements"]} <= known
    assert all(item["in_force_delay_s"] > 0 for item in body["movements"])
    assert body["alternatives"][0]["plan"] == made.plan.digest
    assert body["delay_s"] < body["in_force_delay_s"]
    drawn = ET.fromstring(figure.read_text())
    texts = [element.text or "" for element in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert "What binds" in texts
    assert any("chosen" in text for text in texts)
    assert not list((tmp_path / "why").glob("*.tmp"))


def test_sumo_never_lets_a_plan_pass_that_is_worse_than_the_one_in_force(tmp_path: Path) -> None:
    """With two judgements the plan in force and the model's best meet, and the better wins."""
    site = _short(tmp_path)
    told: list[tuple[int, int]] = []
    made = retime_site(
        site,
        corridor_counts(site),
        corridor_plan(site, 25),
        search=2,
        time_limit_s=2,
        progress=lambda done, most: told.append((done, most)),
    )
    assert told == [(done, 6) for done in range(1, 7)]  # two plans at three demands
    names = {trial.move: trial.figure for trial in made.trials}
    assert set(names) == {"in force", "start"}
    chosen = next(t for t in made.trials if t.plan.digest == made.plan.digest)
    assert chosen.figure <= names["in force"]
    assert "the plan in force" in made.line
    assert "breaks" not in made.line


def test_a_plan_in_force_that_breaks_the_envelope_is_judged_as_it_is(tmp_path: Path) -> None:
    """No second of all red, so that nothing allowed is better: it is said."""
    site = _short(tmp_path)
    lawful = corridor_plan(site, 25)
    plan = replace(
        lawful,
        junctions=tuple(
            replace(
                part,
                cycle_ds=sum(stage.green_ds + 30 for stage in part.stages),
                offset_ds=0,
                stages=tuple(replace(stage, red_ds=0) for stage in part.stages),
            )
            for part in retime_site(site, corridor_counts(site), lawful).plan.junctions
        ),
    )
    junctions = {
        name: replace(part, envelope=replace(part.envelope, red_clearance_ds=60))
        for name, part in site.junctions.items()
    }
    site = replace(site, junctions=junctions)
    made = retime_site(site, corridor_counts(site), plan, search=2, time_limit_s=2)
    assert "as it is, which breaks the envelope" in made.line
    assert "s within it (nothing within it was found that is better than as it is)" in made.line


@pytest.mark.parametrize(("factor", "hours"), [(1.0, 1), (30.0, 4)])
def test_what_is_affordable_always_hears_the_plan_in_force(
    tmp_path: Path, factor: float, hours: int
) -> None:
    site = corridor(tmp_path)
    site = replace(site, simulation=SimulationOptions(end_s=3600.0 * hours))
    effort = affordable(site, corridor_counts(site, factor))
    assert isinstance(effort, Effort)
    assert effort.plans >= 2
    assert (len(effort.scenarios) == 1) == (factor > 1)


def test_a_long_run_is_judged_on_several_draws(tmp_path: Path) -> None:
    site = corridor(tmp_path)
    site = replace(site, simulation=SimulationOptions(end_s=3600.0))
    efforts = [affordable(site, corridor_counts(site, factor)) for factor in (60.0, 2000.0)]
    assert [effort.scenarios for effort in efforts] == [(1.0,), (1.0,)]
    assert efforts[0].plans * efforts[0].draws >= 12
    assert efforts[1].plans < 2


def test_advised_speeds_are_for_the_model_alone(tmp_path: Path) -> None:
    site = corridor(tmp_path)
    counts, plan = corridor_counts(site), corridor_plan(site, 25)
    made = retime_site(site, counts, plan, slowest_advice=0.8, time_limit_s=1)
    assert not made.trials
    assert "proven within" in made.line
    for wrong in ({"slowest_advice": 0.1}, {"slowest_advice": 0.8, "search": 5}):
        with pytest.raises(BadInput, match="--advise-speed"):
            retime_site(site, counts, plan, **wrong)
