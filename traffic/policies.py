"""Signal policies by name, and one simulated run of a plan or a policy on a site."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, get_args

from models.counts import CountRow
from models.errors import BadInput
from models.plan import Plan
from models.policy import Sensing, SignalPolicy, StageChoice
from models.site import Site
from simulation.actuated import Kind, simulate_reactive
from simulation.candidates import PolicyCandidate
from simulation.control_area import EnvelopeChange
from simulation.demand import write_demand
from simulation.plansamples import simulate_sampled
from simulation.policyrun import PolicyJob, run_policy
from simulation.red_extension import LONGEST_S
from simulation.runner import SimulationJob, simulate, site_job, sumo_version
from simulation.scratch import Scratch
from simulation.validate import runs_own_routes

if TYPE_CHECKING:
    from traffic.directives import Orders

POLICIES = {
    "adaptive": "optimizer.adaptive:AdaptivePolicy",
    "maxpressure": "optimizer.maxpressure:MaxPressure",
    "greedy": "optimizer.greedy:Greedy",
}
"""Where each policy is built; loaded when it is used, for some compile their code."""
COMPOSING = frozenset({"adaptive"})
"""Policies that are given composed stages beside the plan's unless it is said otherwise."""
EXTENDING = frozenset({"adaptive"})
"""Policies that wait for whoever stands on a junction unless it is said otherwise."""
ORDERED = frozenset({"adaptive"})
"""Policies that take what operators ask for."""
REACTIVE: tuple[str, ...] = get_args(Kind)
"""Controllers that SUMO brings itself."""
POLICY_NAMES: tuple[str, ...] = (*POLICIES, *REACTIVE)


@dataclass(frozen=True, slots=True)
class Setting:
    """How a policy is run: what replaces the envelope, what it is given of the traffic.

    ``stages`` and ``red_extension_s`` None are the policy's own choice (``COMPOSING``,
    ``EXTENDING``).
    """

    change: EnvelopeChange = field(default_factory=EnvelopeChange)
    sensing: Sensing = Sensing.ORACLE
    miss_rate: float = 0.05
    stages: StageChoice | None = None
    red_extension_s: float | None = None

    def extension_s(self, policy: str) -> float:
        """The longest by which a change waits for whoever stands on the junction."""
        own_s = LONGEST_S if policy in EXTENDING else 0.0
        return own_s if self.red_extension_s is None else self.red_extension_s

    def choice(self, policy: str) -> StageChoice:
        """The stages that a policy may show."""
        own = StageChoice.COMPOSED if policy in COMPOSING else StageChoice.PLAN
        return self.stages or own

    def to_dict(self) -> dict[str, Any]:
        """Plain values; what is None is the site's own."""
        return {
            "yellow_s": self.change.yellow_s,
            "all_red_s": self.change.red_s,
            "min_green_s": self.change.min_green_s,
            "sensing": self.sensing.value,
            "miss_rate": self.miss_rate if self.sensing is Sensing.DETECTORS else None,
        }


def build_policy(name: str, orders: Orders | None = None) -> SignalPolicy:
    """A new policy, the adaptive one under orders if there are any.

    Raises:
        BadInput: If there is none of this name.
    """
    check_policy(name)
    module, _, made = POLICIES[name].partition(":")
    built = getattr(import_module(module), made)
    if orders is None:
        return cast(SignalPolicy, built())
    return cast(SignalPolicy, built(orders.options, orders.directives))


def policy_maker(name: str, orders: Orders | None = None) -> Callable[[], SignalPolicy]:
    """Builds the policy in whatever process it is called in.

    Raises:
        BadInput: If orders are given to a policy that takes none.
    """
    if orders is not None and name not in ORDERED:
        valid = ", ".join(sorted(ORDERED))
        raise BadInput("--directives", "", f"{name} takes none; valid with --policy {valid}")
    return partial(build_policy, name, orders)


def policy_candidate(
    name: str, plan: Plan, setting: Setting, orders: Orders | None = None
) -> PolicyCandidate:
    """A policy to be validated, showing the stages of a plan, under orders if there are any.

    Raises:
        BadInput: If there is no such policy, SUMO brings it itself, or it takes no orders.
    """
    if name not in POLICIES:
        raise BadInput("--policy", name, f"valid here is {', '.join(POLICIES)}")
    return PolicyCandidate(
        name=name,
        plan=plan,
        make=policy_maker(name, orders),
        sensing=setting.sensing,
        miss_rate=setting.miss_rate,
        choice=setting.choice(name),
        red_extension_s=setting.extension_s(name),
        change=setting.change,
        version=_policies_digest(orders),
    )


def _policies_digest(orders: Orders | None) -> str:
    """SHA-256 over the sources of the policies and orders: others are another candidate."""
    digest = hashlib.sha256()
    for source in sorted(Path(import_module("optimizer").__path__[0]).glob("*.py")):
        digest.update(source.read_bytes())
    if orders is not None:
        digest.update(json.dumps(asdict(orders), sort_keys=True, default=sorted).encode())
    return digest.hexdigest()


def check_policy(name: str) -> None:
    """Refuse a name that is no policy's.

    Raises:
        BadInput: Naming the valid ones.
    """
    if name not in POLICY_NAMES:
        raise BadInput("--policy", name, f"valid is {', '.join(POLICY_NAMES)}")


def run_plan(
    site: Site,
    plan: Plan,
    counts: Sequence[CountRow] | None,
    seed: int,
    *,
    samples: Path | None = None,
) -> dict[str, Any]:
    """Simulate a plan: the values of ``kpi.json``.

    ``counts`` None runs the site's own routes; ``samples`` is a Parquet file of per-second
    samples to write.

    Raises:
        XanhError: If SUMO refuses or breaks off.
    """
    with run_of(site, counts, seed, f"{site.id}, plan {plan.digest[:12]}, seed {seed}") as run:
        if samples is None:
            result = simulate(replace(run, plan=plan))
        else:
            result = simulate_sampled(run, site, plan, samples)
    return {
        **result.kpi.to_dict(),
        "seed": seed,
        "plan_digest": plan.digest,
        "sumo_version": sumo_version(),
        "wall_s": round(result.wall_s, 3),
    }


def run_named(
    site: Site,
    plan: Plan,
    policy: str,
    counts: Sequence[CountRow] | None,
    seed: int,
    setting: Setting,
    *,
    samples: Path | None = None,
    explain: tuple[str, float] | None = None,
    orders: Orders | None = None,
) -> dict[str, Any]:
    """Simulate a policy by its name: the values of ``kpi.json``.

    Args:
        site: A site with a network.
        plan: The plan in force; its stages are what a policy may show.
        policy: One of ``POLICY_NAMES``.
        counts: Demand; None runs the site's own routes.
        seed: Seed of the demand and of SUMO.
        setting: Envelope and sensing of this run.
        samples: Parquet file of per-second samples to write (not for SUMO's own controllers).
        explain: Junction and second: its next decision from then on comes back under
            ``explanation`` (None if there is none).
        orders: What operators ask of it.

    Raises:
        BadInput: If there is no such policy, or it takes no orders.
        XanhError: If SUMO refuses or breaks off, or the policy does not start.
    """
    check_policy(policy)
    make = policy_maker(policy, orders)
    changed = setting.change.applied(site)
    body: dict[str, Any] = {"seed": seed, "policy": policy, "sumo_version": sumo_version()}
    body |= {**setting.to_dict(), "stages": setting.choice(policy).value}
    body |= {"red_extension_s": setting.extension_s(policy)}
    with run_of(changed, counts, seed, f"{site.id}, {policy}, seed {seed}") as run:
        if policy in REACTIVE:
            reactive = simulate_reactive(run, changed, plan, cast(Kind, policy))
            body |= {"sensing": "SUMO's own", "miss_rate": None, "stages": StageChoice.PLAN.value}
            body |= {"red_extension_s": 0.0}
            return {**reactive.kpi.to_dict(), **body, "wall_s": round(reactive.wall_s, 3)}
        result = run_policy(
            PolicyJob(
                run=run,
                site=changed,
                plan=plan,
                policy=policy,
                make=make,
                sensing=setting.sensing,
                miss_rate=setting.miss_rate,
                choice=setting.choice(policy),
                red_extension_s=setting.extension_s(policy),
                samples=samples,
                explain=explain,
            )
        )
    return {
        **result.kpi.to_dict(),
        **body,
        "decision_ms": {
            "mean": round(result.decision.mean_ms, 4),
            "p99": round(result.decision.p99_ms, 4),
        },
        "switches": result.switches,
        "overruled": result.overruled,
        "extended_s": result.extended_s,
        "silent_s": result.silent_s,
        "fault": result.fault,
        "wall_s": round(result.wall_s, 3),
        **({} if explain is None else {"explanation": result.explanation}),
    }


@contextmanager
def run_of(
    site: Site, counts: Sequence[CountRow] | None, seed: int, name: str
) -> Iterator[SimulationJob]:
    """A run of the site with its own routes, or with demand made of counts while it lasts."""
    own = counts is None or runs_own_routes(site, counts)
    with Scratch("demand") as folder:
        if own:
            demand = site.folder / site.simulation.routes
        else:
            demand = folder / "demand.rou.xml"
            options = site.simulation
            write_demand(
                site,
                counts or (),
                demand,
                seed=seed,
                begin_s=options.begin_s,
                end_s=options.end_s,
            )
        yield site_job(site, None, [demand], seed=seed, name=name, vehicle_types=own)


def write_json(path: Path, body: dict[str, Any]) -> None:
    """Write a JSON file, whole or not at all."""
    write_text(path, json.dumps(body, indent=2, ensure_ascii=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a text file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)
