"""Both languages say the same things, and no page says anything outside them."""

from __future__ import annotations

import re
import string
from pathlib import Path

import pytest

from models.lifecycle import PlanStatus
from models.signals import SignalState
from models.site import VEHICLE_CLASSES
from models.violation import CaseStatus, RejectReason, ViolationKind
from traffic.auth import Role, UserAction
from traffic.live import FigureSource, FrameKind, Phase
from traffic.web.i18n import LANGUAGES, catalog

ROOT = Path(__file__).resolve().parents[2] / "traffic"
TEMPLATES = sorted((ROOT / "web" / "templates").glob("*.html"))
SCRIPTS = sorted((ROOT / "web" / "static" / "js").glob("*.js"))
PYTHON = sorted([*(ROOT / "web").glob("*.py"), *(ROOT / "api").glob("*.py")])
# Words that are names, the same in every language.
NAMES = {"Xanh", "GET", "/openapi.json"}
# Keys that are put together from a value: the prefix and every value it can take.
MADE = {
    "user.action.": tuple(UserAction),
    "alarm.": None,
    "bound.": ("n", "ne", "e", "se", "s", "sw", "w", "nw"),
    "camera.kind.": tuple(FrameKind),
    "case_event.": ("open", "accept", "reject", "escalate", "confirm", "reopen", "export"),
    "case_status.": ("open", *CaseStatus),
    "class.": VEHICLE_CLASSES,
    "action.": ("approve", "refuse", "apply", "rollback"),
    "event.": (
        "propose", "validate", "approve", "refuse", "apply", "read_back", "roll_back", "supersede",
    ),
    "kind.": tuple(ViolationKind),
    "phase.": tuple(Phase),
    "reject.": tuple(RejectReason),
    "role.": tuple(Role),
    "signal.": tuple(SignalState),
    "signal.letter.": tuple(SignalState),
    "source.": tuple(FigureSource),
    "status.": tuple(PlanStatus),
    "verdict.": ("pass", "fail", "undecided"),
}  # fmt: skip


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_both_languages_have_the_same_keys_and_values_to_fill() -> None:
    first, second = (catalog(language) for language in LANGUAGES)
    assert first.keys() == second.keys()
    for key in first:
        assert fields(first[key]) == fields(second[key]), key
        assert first[key].strip(), key
        assert second[key].strip(), key


def test_every_value_has_its_word() -> None:
    words = catalog("vi")
    for prefix, values in MADE.items():
        for value in values or ():
            assert prefix + str(value) in words


def _used() -> dict[str, Path]:
    used: dict[str, Path] = {}
    for path in [*TEMPLATES, *SCRIPTS, *PYTHON]:
        text = path.read_text("utf-8")
        # Any quoted dotted word whose first part is one that the catalog knows.
        for key in re.findall(r"""["']([a-z_]+\.[a-z_.]+)["']""", text):
            used[key] = path
    return used


def test_every_word_that_is_used_exists_and_every_word_is_used() -> None:
    words = catalog("en")
    groups = {key.split(".")[0] for key in words}
    used = {
        key: path
        for key, path in _used().items()
        if key.split(".")[0] in groups and not key.endswith((".html", ".js", ".csv", ".py", "."))
    }
    files = {"case.json", "clip.webm", "sheet.css"}
    missing = {key: path.name for key, path in used.items() if key not in words}
    missing = {key: path for key, path in missing.items() if key not in files}
    assert not missing
    names = (
        "nav.city",
        "nav.junctions",
        "nav.plans",
        "nav.cases",
        "nav.health",
        "nav.docs",
        "case.reject",
    )
    unused = [
        key
        for key in words
        if key not in used and key not in names and not key.startswith(tuple(MADE))
    ]
    assert not unused


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_templates_have_no_text_of_their_own(path: Path) -> None:
    text = path.read_text("utf-8")
    text = re.sub(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", " ", text, flags=re.DOTALL)
    text = re.sub(r"<(style|kbd)\b.*?</\1>", " ", text, flags=re.DOTALL)
    spoken = re.findall(r'\b(?:title|alt|placeholder|aria-label)="([^"]*)"', text)
    text = re.sub(r"<[^>]*>", " ", text)
    for part in [text, *spoken]:
        left = [word for word in re.findall(r"[^\W\d_]{2,}|/\S+", part) if word not in NAMES]
        assert not left, left


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_modules_reach_nothing_outside(path: Path) -> None:
    text = path.read_text("utf-8")
    assert not re.search(r"https?://", text)
    for name in re.findall(r'from "([^"]+)"', text):
        assert name.startswith("/static/js/")
        assert (ROOT / "web" / name.removeprefix("/")).is_file()


def test_only_lamps_wear_the_signals_colours() -> None:
    """The lamp colours appear in the stylesheet for signal classes only."""
    sheet = (ROOT / "web" / "static" / "css" / "console.css").read_text("utf-8")
    for selector, body in re.findall(r"([^{}]+)\{([^{}]*)\}", sheet):
        if re.search(r"var\(--(red|yellow|green)\)", body):
            assert re.search(r"\.s-|strip-letter", selector), selector
