"""What the cameras reported against what the virtual street knows: counts and flags."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from models.violation import ViolationKind
from simulation.offences import Offence
from simulation.truth import WrongWayEntry


@dataclass(frozen=True, slots=True)
class Act:
    """One violation, flagged or true: which camera's approach, what, when.

    A truth that is not ``clear`` lies at the limit of its definition, or out of the camera's sight:
    it need not be flagged, and a flag on it is neither right nor wrong. ``vehicle`` is the
    street's number of who did it, where it is known. A truth may have been at any moment from
    ``from_s`` to ``to_s``, by default at ``time_s``: the front was on the line so long. At
    ``done_s``, where it is known, all that makes it one had been done.
    """

    camera: str
    kind: ViolationKind
    time_s: float
    clear: bool = True
    vehicle: int = -1
    from_s: float | None = None
    to_s: float | None = None
    done_s: float | None = None

    def apart_s(self, time_s: float) -> float:
        """How far a moment is from it, seconds."""
        from_s = self.time_s if self.from_s is None else self.from_s
        to_s = self.time_s if self.to_s is None else self.to_s
        return max(from_s - time_s, time_s - to_s, 0.0)


TOLERANCE_S: Mapping[ViolationKind, float] = {
    **dict.fromkeys(ViolationKind, 1.5),
    # The front at the line: frames are a sixth of a second apart.
    ViolationKind.RED_LIGHT: 1.0,
    # Truth is where the rider gets onto the kerb, a flag where the camera first sees it there.
    ViolationKind.WRONG_WAY: 8.0,
    # What lasts: a flag's beginning is that of an unbroken view of it.
    ViolationKind.STOP_LINE: 6.0,
    ViolationKind.WRONG_LANE: 6.0,
    ViolationKind.PAVEMENT: 8.0,
    ViolationKind.BLOCKING: 12.0,
    ViolationKind.ILLEGAL_STOPPING: 30.0,
}
"""How far apart in time a flag and a truth may lie."""


AT_THE_LINE = frozenset({ViolationKind.RED_LIGHT, ViolationKind.EARLY_START})
"""Acts of one instant: it is to be seen before and after it."""
STANDING = frozenset(
    {ViolationKind.STOP_LINE, ViolationKind.BLOCKING, ViolationKind.ILLEGAL_STOPPING}
)
"""Acts that are to be seen from their beginning on: how one came there tells nothing of them."""
PLACES = STANDING | {ViolationKind.PAVEMENT, ViolationKind.WRONG_LANE}
"""Acts of a place: nothing is told of a box that the picture's edge cuts."""
MOST = 0.5
"""More than so many of an act's frames are to show who does it."""
INSTANT_S = 2.0
WATCHED_S = {
    ViolationKind.PAVEMENT: 5.0,
    ViolationKind.WRONG_LANE: 4.0,
    ViolationKind.BLOCKING: 8.0,
    ViolationKind.ILLEGAL_STOPPING: 27.0,
    ViolationKind.STOP_LINE: 4.0,
    ViolationKind.U_TURN: 5.0,
    ViolationKind.ILLEGAL_TURN: 4.0,
}
"""So long from its beginning an act has to be watched; an instant one for ``INSTANT_S``. Standing
lasts at least so long where it is clear (``simulation.offences``)."""
BACK_S = 2.0
"""Who drives back has turned back: one whom others hide so long before that may have turned off."""
READ_BY_BOXES = frozenset({ViolationKind.OVERLOADED, ViolationKind.NO_HELMET})
"""Rules that rest on what a detector reads of the riders; packaged weights read nothing."""
READ_S = (3.0, 1.5)
"""Riders are to be seen large enough to be told so long before and after the line."""


@dataclass(frozen=True, slots=True)
class Glimpse:
    """What a frame shows of a road user: how likely in spite of those that hide it, from 0 to 1,
    how tall within the picture, and whether the picture's edge leaves all of it."""

    shown: float
    height_px: float
    whole: bool


@dataclass(frozen=True, slots=True)
class Sight:
    """Who is in a camera's view at the instant of a frame, by the street's numbers."""

    time_s: float
    glimpses: Mapping[int, Glimpse]


def watched(act: Act, sights: Iterable[Sight], least_px: Mapping[ViolationKind, float]) -> bool:
    """Whether an act could be seen: most of its frames, by what they show, show who does it.

    One of an instant, at the line, is to be seen before it as well, who stands from when he does;
    who turns back as he drives back, too; riders about the line. ``least_px`` is how tall he must
    be for a kind to be told.
    """
    lead_s = 0.0 if act.kind in STANDING else 1.5
    before_s, after_s = (lead_s, WATCHED_S.get(act.kind, INSTANT_S))
    if act.kind in READ_BY_BOXES:
        before_s, after_s = READ_S
    frames = [
        (item.time_s, _shown(act, item.glimpses.get(act.vehicle), least_px[act.kind]))
        for item in sights
    ]

    def mostly(from_s: float, to_s: float) -> bool:
        shares = [share for at_s, share in frames if from_s <= at_s <= to_s]
        return sum(shares) > MOST * len(shares)

    begin_s, done_s = act.time_s - before_s, act.done_s
    before = max((share for at_s, share in frames if begin_s <= at_s <= act.time_s), default=0.0)
    if act.kind in AT_THE_LINE and before <= MOST:
        return False
    if act.kind is ViolationKind.U_TURN and done_s is not None:
        return mostly(begin_s, act.time_s + after_s) and mostly(done_s - BACK_S, done_s)
    return mostly(begin_s, act.time_s + after_s)


def _shown(act: Act, glimpse: Glimpse | None, least_px: float) -> float:
    if glimpse is None or glimpse.height_px < least_px:
        return 0.0
    return glimpse.shown if glimpse.whole or act.kind not in PLACES else 0.0


@dataclass(frozen=True, slots=True)
class RuleScore:
    """How well one rule did. Precision and recall are None where nothing could be scored.

    ``unclear`` acts at the limit of the definition, and flags on them, are left out.
    """

    truth: int
    flagged: int
    matched: int
    unclear: int = 0

    @property
    def precision(self) -> float | None:
        """Matched flags over flags."""
        return self.matched / self.flagged if self.flagged else None

    @property
    def recall(self) -> float | None:
        """Matched truths over truths."""
        return self.matched / self.truth if self.truth else None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for ``summary.json``."""
        return {
            "truth": self.truth,
            "flagged": self.flagged,
            "matched": self.matched,
            "precision": self.precision,
            "recall": self.recall,
            "unclear": self.unclear,
        }


def match_acts(
    flagged: Sequence[Act], truth: Sequence[Act], tolerance_s: Mapping[ViolationKind, float]
) -> list[tuple[int, int]]:
    """Pair flags with truths one to one, same camera and kind, nearest in time.

    Pairs further apart than the kind's tolerance do not match. The most pairs are made, and
    among those the total time difference is the least. Returns ``(flag, truth)`` indices.
    """
    flags_by: dict[tuple[str, ViolationKind], list[int]] = defaultdict(list)
    truth_by: dict[tuple[str, ViolationKind], list[int]] = defaultdict(list)
    for index, act in enumerate(flagged):
        flags_by[act.camera, act.kind].append(index)
    for index, act in enumerate(truth):
        truth_by[act.camera, act.kind].append(index)
    pairs: list[tuple[int, int]] = []
    for key, flag_indices in flags_by.items():
        truth_indices = truth_by.get(key, [])
        if not truth_indices:
            continue
        limit = tolerance_s[key[1]]
        gaps = np.array(
            [[truth[j].apart_s(flagged[i].time_s) for j in truth_indices] for i in flag_indices]
        )
        # A forbidden pair costs more than all allowed pairs together, so pairs come first.
        costs = np.where(gaps <= limit, gaps, (limit + 1.0) * (len(gaps) + gaps.shape[1]))
        rows, columns = linear_sum_assignment(costs)
        pairs += [
            (flag_indices[row], truth_indices[column])
            for row, column in zip(rows.tolist(), columns.tolist(), strict=True)
            if gaps[row, column] <= limit
        ]
    return sorted(pairs)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Flags against truths: ``matched`` and ``false`` flags, clear truths ``missed``, ``unclear``
    truths. A flag on an unclear act is neither right nor wrong."""

    matched: tuple[Act, ...]
    false: tuple[Act, ...]
    missed: tuple[Act, ...]
    unclear: tuple[Act, ...]

    def within(self, holds: Callable[[float], bool]) -> Comparison:
        """What of it lies in a part of the time."""
        return Comparison(
            *(
                tuple(act for act in part if holds(act.time_s))
                for part in (self.matched, self.false, self.missed, self.unclear)
            )
        )

    def scores(self) -> dict[ViolationKind, RuleScore]:
        """Each rule over all cameras."""
        matched, false, missed, unclear = (
            Counter(act.kind for act in part)
            for part in (self.matched, self.false, self.missed, self.unclear)
        )
        return {
            kind: RuleScore(
                matched[kind] + missed[kind],
                matched[kind] + false[kind],
                matched[kind],
                unclear[kind],
            )
            for kind in ViolationKind
        }


def compare(
    flagged: Sequence[Act],
    truth: Sequence[Act],
    tolerance_s: Mapping[ViolationKind, float],
) -> Comparison:
    """Match flags with clear truths first; of those left, one on an unclear act is no flag.

    A vehicle is flagged once for a kind: one that was flagged on an unclear act, and later did the
    same clearly (it stands, creeps on and stands again), is not missed.
    """
    firm = [act for act in truth if act.clear]
    unclear = [act for act in truth if not act.clear]
    pairs = match_acts(flagged, firm, tolerance_s)
    used, found = {flag for flag, _ in pairs}, {act for _, act in pairs}
    left = [act for index, act in enumerate(flagged) if index not in used]
    excuses = match_acts(left, unclear, tolerance_s)
    excused = {flag for flag, _ in excuses}
    told = {_who(unclear[act]) for _, act in excuses if unclear[act].vehicle >= 0}
    return Comparison(
        tuple(flagged[flag] for flag in sorted(used)),
        tuple(act for index, act in enumerate(left) if index not in excused),
        tuple(
            act for index, act in enumerate(firm) if index not in found and _who(act) not in told
        ),
        tuple(unclear),
    )


def _who(act: Act) -> tuple[str, ViolationKind, int]:
    return act.camera, act.kind, act.vehicle


def true_acts(
    offences: Iterable[Offence], wrong_way: Iterable[WrongWayEntry], camera_of: Mapping[str, str]
) -> list[Act]:
    """The street's truth as acts before the cameras of these approaches."""
    return [
        *(
            Act(
                camera_of[item.approach],
                item.kind,
                item.time_s,
                item.clear,
                item.vehicle,
                item.from_s,
                item.to_s,
            )
            for item in offences
            if item.approach in camera_of
        ),
        *(
            Act(
                camera_of[entry.approach],
                ViolationKind.WRONG_WAY,
                entry.time_s,
                vehicle=entry.vehicle,
            )
            for entry in wrong_way
            if entry.approach in camera_of
        ),
    ]


def count_error(
    counted: Iterable[str], true: Iterable[str], movements: Collection[str]
) -> dict[str, float | dict[str, float | None] | None]:
    """Relative count error in total and per movement.

    Args:
        counted: The movement of each counted vehicle.
        true: The movement of each vehicle that crossed.
        movements: The movements that are counted. Who crossed the line for elsewhere (a rider
            onto the kerb, against the one-way) is in the total alone.

    Returns:
        ``{"total": x, "movements": {movement: x}}`` with x = (counted - true) / true; None
        where nothing crossed.
    """
    counted_by, true_by = Counter(counted), Counter(true)
    total_true = true_by.total()
    return {
        "total": (counted_by.total() - total_true) / total_true if total_true else None,
        "movements": {
            movement: (counted_by[movement] - true_by[movement]) / true_by[movement]
            if true_by[movement]
            else None
            for movement in sorted((set(counted_by) | set(true_by)) & set(movements))
        },
    }
