"""The rules: pure functions of one vehicle's track and its signal's timeline.

What a rule returns is a flag for a person to review, never a verdict. Nothing is flagged on a
guess: an unknown signal, a track that breaks or leaps, a vehicle cut by the picture's edge, or a
camera without calibration where lengths matter. Each rule is one function with its parameters
in one dataclass; ``docs/rules.md`` says what each means and where it is set.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from detection.rules.areas import PavementRule, WrongLaneRule, pavement, wrong_lane
from detection.rules.crossing import (
    EarlyStartRule,
    RedLightRule,
    StopLineRule,
    early_start,
    red_light,
    stop_line,
)
from detection.rules.riding import NoHelmetRule, OverloadedRule, no_helmet, overloaded
from detection.rules.speed import SpeedingRule, speeding
from detection.rules.standing import (
    BlockingRule,
    IllegalStoppingRule,
    blocking,
    illegal_stopping,
)
from detection.rules.story import Finding, Story
from detection.rules.turns import IllegalTurnRule, UTurnRule, illegal_turn, u_turn
from detection.rules.wrong_way import WrongWayRule, wrong_way

__all__ = [
    "BlockingRule",
    "EarlyStartRule",
    "Finding",
    "IllegalStoppingRule",
    "IllegalTurnRule",
    "NoHelmetRule",
    "OverloadedRule",
    "PavementRule",
    "RedLightRule",
    "RuleSettings",
    "SpeedingRule",
    "StopLineRule",
    "Story",
    "UTurnRule",
    "WrongLaneRule",
    "WrongWayRule",
    "blocking",
    "early_start",
    "illegal_stopping",
    "illegal_turn",
    "no_helmet",
    "overloaded",
    "pavement",
    "red_light",
    "speeding",
    "stop_line",
    "u_turn",
    "wrong_lane",
    "wrong_way",
]


@dataclass(frozen=True, slots=True)
class RuleSettings:
    """Parameters of all rules, by the name of the kind that each flags."""

    red_light: RedLightRule = field(default_factory=RedLightRule)
    early_start: EarlyStartRule = field(default_factory=EarlyStartRule)
    stop_line: StopLineRule = field(default_factory=StopLineRule)
    wrong_way: WrongWayRule = field(default_factory=WrongWayRule)
    illegal_turn: IllegalTurnRule = field(default_factory=IllegalTurnRule)
    u_turn: UTurnRule = field(default_factory=UTurnRule)
    wrong_lane: WrongLaneRule = field(default_factory=WrongLaneRule)
    speeding: SpeedingRule = field(default_factory=SpeedingRule)
    illegal_stopping: IllegalStoppingRule = field(default_factory=IllegalStoppingRule)
    blocking: BlockingRule = field(default_factory=BlockingRule)
    pavement: PavementRule = field(default_factory=PavementRule)
    overloaded: OverloadedRule = field(default_factory=OverloadedRule)
    no_helmet: NoHelmetRule = field(default_factory=NoHelmetRule)
