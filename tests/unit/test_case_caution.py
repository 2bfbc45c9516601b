"""A flag that only advises says so in its case."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from red_light_case import VIEW, write_case

from detection.evidence import EvidenceWriter, KeyMoment
from detection.snapshots import Snapshot
from models.camera import SourceKind
from models.signals import SignalState
from models.violation import Violation, ViolationKind


@pytest.fixture(scope="module")
def flag(tmp_path_factory: pytest.TempPathFactory) -> Violation:
    return write_case(tmp_path_factory.mktemp("cases"))[0]


@pytest.mark.parametrize(
    ("kind", "source", "says"),
    [
        (ViolationKind.NO_HELMET, SourceKind.PIXELS, "Advisory"),
        (ViolationKind.OVERLOADED, SourceKind.PIXELS, "Advisory"),
        (ViolationKind.SPEEDING, SourceKind.PIXELS, "Screening"),
        (ViolationKind.RED_LIGHT, SourceKind.MOTION, "motion"),
        (ViolationKind.RED_LIGHT, SourceKind.PIXELS, None),
    ],
)
def test_each_kind_says_how_far_it_goes(
    flag: Violation, tmp_path: Path, kind: ViolationKind, source: SourceKind, says: str | None
) -> None:
    violation = replace(flag, kind=kind, source_kind=source.value)
    shot = Snapshot(0, flag.time_s, (), SignalState.RED, None)
    folder = EvidenceWriter(VIEW, tmp_path).write(violation, [KeyMoment("at", flag.time_s)], [shot])
    caution = json.loads((folder / "case.json").read_text())["caution"]
    assert caution is None if says is None else says in caution
