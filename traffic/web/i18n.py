"""Words of the console: two catalogs with the same keys, shared by templates and modules."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

LANGUAGES = ("vi", "en")
FOLDER = Path(__file__).parent / "static" / "i18n"


@lru_cache(maxsize=len(LANGUAGES))
def catalog(language: str) -> Mapping[str, str]:
    """All words of a language by key.

    Raises:
        KeyError: If the language is not one of ``LANGUAGES``.
    """
    if language not in LANGUAGES:
        raise KeyError(language)
    words: dict[str, str] = json.loads((FOLDER / f"{language}.json").read_text("utf-8"))
    return words


class Words:
    """Looks words up in one language; call it with a key and the values to fill in."""

    __slots__ = ("_words", "language")

    def __init__(self, language: str) -> None:
        """Use the catalog of ``language``."""
        self.language = language
        self._words = catalog(language)

    def __call__(self, key: str, /, **values: object) -> str:
        """The text of a key.

        Raises:
            KeyError: If the catalog has no such key.
        """
        text = self._words[key]
        return text.format(**values) if values else text

    def has(self, key: str) -> bool:
        """Whether the catalog has this key."""
        return key in self._words
