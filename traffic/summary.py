"""``summary.json`` of the demo: every figure measured in that run."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.camera import SourceKind
from models.plan import Plan
from models.site import Site, SiteCamera
from models.validation import ValidationReport
from models.violation import ViolationKind
from traffic.scoring import TOLERANCE_S, Act, compare, count_error, true_acts
from traffic.streetwork import Window


@dataclass(frozen=True, slots=True)
class Summary:
    """What a run of the demo yielded. ``windows`` are before and, once applied, after."""

    site: Site
    windows: tuple[Window, ...]
    plan: Plan
    report: ValidationReport
    applied: bool
    read_back_matches: bool
    cases: int
    seed: int
    minutes: float
    detector: str

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as in the file."""
        cameras = self.site.cameras
        everything = self._score(cameras)
        by_kind = {
            kind: self._score([c for c in cameras if c.view.source_kind is kind])
            for kind in (SourceKind.PIXELS, SourceKind.PROJECTED)
        }
        red = by_kind[SourceKind.PIXELS]["rules"][ViolationKind.RED_LIGHT.value]
        change = self.report.change.get("delay_s")
        before = self.windows[0]
        after = self.windows[1] if len(self.windows) > 1 else None
        return {
            "site": self.site.id,
            "minutes": self.minutes,
            "seed": self.seed,
            "vehicles_counted": everything["vehicles_counted"],
            "vehicles_true": everything["vehicles_true"],
            "count_error": everything["count_error"],
            "violations_flagged": everything["violations_flagged"],
            "violations_true": everything["violations_true"],
            "precision": red["precision"],
            "recall": red["recall"],
            "cameras": {kind.value: score for kind, score in by_kind.items()},
            "cases": self.cases,
            "detector": self.detector,
            "plan_digest": self.plan.digest,
            "validation": {
                "pairs": self.report.pairs,
                "delay_s": None
                if change is None
                else {"mean_pct": change.mean_pct, "ci95_pct": list(change.ci95_pct)},
                "mean_change_pct": None if change is None else change.mean_pct,
                "ci95_pct": None if change is None else list(change.ci95_pct),
                "verdict": self.report.verdict.value,
                "reason": self.report.reason,
                "seeds": list(self.report.seeds),
                "sumo_version": self.report.sumo_version,
            },
            "delay_before_s": before.delay_s,
            "delay_after_s": None if after is None else after.delay_s,
            "delay_change_pct": None
            if after is None or before.delay_s == 0
            else 100.0 * (after.delay_s / before.delay_s - 1.0),
            "applied": self.applied,
            "read_back_matches": self.read_back_matches,
        }

    def _score(self, cameras: Sequence[SiteCamera]) -> dict[str, Any]:
        """Counts and flags of some cameras over all windows, against the street's truth."""
        ids = {camera.id for camera in cameras}
        camera_of = {camera.approach: camera.id for camera in cameras}
        counted: list[str] = []
        true: list[str] = []
        flagged: list[Act] = []
        truth: list[Act] = []
        for window in self.windows:
            counted += [item.movement for camera in ids for item in window.counted.get(camera, ())]
            flagged += [
                Act(item.camera, item.kind, item.time_s)
                for item in window.violations
                if item.camera in ids
            ]
            for crossing in window.crossings:
                camera = camera_of.get(crossing.approach)
                if camera is None:
                    continue
                true.append(crossing.movement)
            truth += true_acts(window.offences, window.wrong_way, camera_of)
        known = {path.movement for camera in cameras for path in camera.view.movements}
        rules = compare(flagged, truth, TOLERANCE_S).scores()
        return {
            "cameras": len(cameras),
            "vehicles_counted": len(counted),
            "vehicles_true": len(true),
            "count_error": count_error(counted, true, known),
            "violations_flagged": len(flagged),
            "violations_true": sum(act.clear for act in truth),
            "rules": {kind.value: score.to_dict() for kind, score in rules.items()},
        }


def write_summary(summary: Summary, path: Path) -> Path:
    """Write the summary, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".tmp")
    text = json.dumps(summary.to_dict(), indent=2, ensure_ascii=False)
    partial.write_text(text + "\n", encoding="utf-8")
    os.replace(partial, path)
    return path
