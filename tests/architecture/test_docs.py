"""The documentation leads somewhere: links resolve, every command is told of."""

from __future__ import annotations

import re
import runpy
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    ROOT / name
    for name in subprocess.run(
        ["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)#\s]+)(?:#[^)]*)?\)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_within_the_repository_resolve(page: Path) -> None:
    broken = [
        target
        for target in LINK.findall(page.read_text(encoding="utf-8"))
        if "://" not in target and not (page.parent / target).exists()
    ]
    assert broken == []


def test_the_readme_names_the_commands_that_scripts_call() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for command in (
        "make demo",
        "make test",
        "site check",
        "detect",
        "retime",
        "validate",
        "serve",
    ):
        assert command in text


def test_the_page_of_commands_is_what_they_say() -> None:
    made = runpy.run_path(str(ROOT / "scripts" / "commands-page"))
    assert (ROOT / "docs" / "commands.md").read_text(encoding="utf-8") == made["page"](), (
        "scripts/commands-page > docs/commands.md"
    )
    for name, command in made["commands"]():
        assert command.help, name
        assert all(option.help for option in command.params), name


COMMAND = re.compile(
    r"^(?: {4}|)(?:\.venv/bin/)?(xanh [a-z].*?)(?:\s{2,}#.*| # .*)?$", re.MULTILINE
)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_in_the_documentation_are_there(page: Path) -> None:
    """Each command that a page shows exists, and takes the options that it is shown with."""
    known = dict(runpy.run_path(str(ROOT / "scripts" / "commands-page"))["commands"]())
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    for line in COMMAND.findall(text):
        words = line.split()
        name = next((" ".join(words[:n]) for n in (3, 2) if " ".join(words[:n]) in known), "")
        assert name, f"{page.name}: {line}"
        options = {part for option in known[name].params for part in option.opts}
        for word in words:
            given = word.strip("[]").split("=")[0].split("|")[0]
            if given.startswith("--"):
                assert given in options | {"--help"}, f"{page.name}: {line}: {given}"
