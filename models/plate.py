"""Vietnamese number plates: what may stand on one, and the repair of what was misread.

Source: Circular 79/2024 (amended 13/2025 and 51/2025) and QCVN 08:2024/BCA. A car's plate has a
province code, one or two letters of the series and 4 or 5 digits, on one line or two. A
motorcycle's has always two lines: the first holds the code and a series of a letter and a digit
(old) or two letters (new), the second the digits.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

UNUSED_CODES: Final = frozenset({13, 42, 44, 45, 46, 87, 91, 96})
"""Of 11 to 99 the codes that no province has: 81 remain."""
SERIES_LETTERS: Final = "ABCDEFGHKLMNPSTUVXYZ"
"""Never I, J, O, Q, R or W; G is listed in one place and not in another, and accepted."""
SECOND_LETTERS: Final = "ABCDEFHKLMNPRSTUVXYZ"

_TO_DIGIT: Final = {
    "O": "0", "D": "0", "Q": "0", "U": "0", "I": "1", "J": "1", "L": "1", "Z": "2", "A": "4",
    "S": "5", "G": "6", "T": "7", "B": "8",
}  # fmt: skip
_TO_LETTER: Final = {
    "0": "D", "2": "Z", "4": "A", "5": "S", "6": "G", "7": "T", "8": "B", "O": "D", "Q": "D",
}  # fmt: skip
_FIRST: Final = re.compile(r"[A-Z0-9]{3,4}")
_SECOND: Final = re.compile(r"(?P<plain>[A-Z0-9]{4,5})|(?P<a>[A-Z0-9]{3})\.(?P<b>[A-Z0-9]{2})")


class PlateKind(StrEnum):
    """Whose plate it is, as far as its shape and its series tell."""

    CAR = "car"
    MOTORCYCLE = "motorcycle"


@dataclass(frozen=True, slots=True)
class Plate:
    """A number that satisfies the grammar.

    ``series`` is code and letters (``59U1``, ``30E``), ``number`` its 4 or 5 digits.
    """

    series: str
    number: str
    kind: PlateKind

    @property
    def compact(self) -> str:
        """Without separators: what two readings are compared by."""
        return self.series + self.number

    def __str__(self) -> str:
        """As it is written: ``59-U1 161.24``, ``30E-999.99``, ``29-V5 2108``."""
        digits = self.number if len(self.number) == 4 else f"{self.number[:3]}.{self.number[3:]}"
        if self.kind is PlateKind.MOTORCYCLE:
            return f"{self.series[:2]}-{self.series[2:]} {digits}"
        return f"{self.series}-{digits}"


def parse_plate(lines: tuple[str, ...], kind: PlateKind | None = None) -> Plate | None:
    """The plate that these lines spell, or None.

    A character is changed only where its place decides between digit and letter, and only to
    the one it is known to be mistaken for. The fourth character of a two-line plate may be
    either and is never changed.

    Args:
        lines: One or two lines as read, with or without ``-``, ``.`` and spaces.
        kind: What the plate's shape says; None leaves it to the series.
    """
    cleaned = [re.sub(r"[\s·:,_]", "", line.upper()) for line in lines]
    if len(cleaned) == 2:
        series = cleaned[0].replace("-", "").replace(".", "")
        if kind is None and series[3:].isalpha() and "-" not in cleaned[0]:
            kind = PlateKind.CAR  # two letters without a dash: a special series of cars
        return _joined(series, cleaned[1], kind)
    if len(cleaned) != 1 or kind is PlateKind.MOTORCYCLE:
        return None
    first, dash, rest = cleaned[0].partition("-")
    if dash:
        return _joined(first.replace(".", ""), rest, PlateKind.CAR)
    # Without the dash the series of a car is three characters, or four if the fourth is a letter.
    whole = cleaned[0]
    cut = 4 if whole[3:4].isalpha() else 3
    return _joined(whole[:cut], whole[cut:], PlateKind.CAR)


def _joined(first: str, second: str, kind: PlateKind | None) -> Plate | None:
    second = second.strip("-")
    found = _SECOND.fullmatch(second)
    if not _FIRST.fullmatch(first) or found is None:
        return None
    digits = _digits(found["plain"] or found["a"] + found["b"])
    code = _digits(first[:2])
    letter = _letter(first[2])
    if digits is None or code is None or letter is None or int(digits) == 0:
        return None
    if int(code) < 11 or int(code) in UNUSED_CODES:
        return None
    fourth = first[3:]
    if not fourth:
        if kind is PlateKind.MOTORCYCLE:
            return None
        return Plate(code + letter, digits, PlateKind.CAR)
    if fourth in SECOND_LETTERS:
        return Plate(code + letter + fourth, digits, kind or PlateKind.MOTORCYCLE)
    if fourth in "123456789" and kind is not PlateKind.CAR:
        return Plate(code + letter + fourth, digits, PlateKind.MOTORCYCLE)
    return None


def _digits(text: str) -> str | None:
    repaired = "".join(c if c.isdigit() else _TO_DIGIT.get(c, "?") for c in text)
    return None if "?" in repaired else repaired


def _letter(character: str) -> str | None:
    repaired = character if character in SERIES_LETTERS else _TO_LETTER.get(character, "?")
    return repaired if repaired in SERIES_LETTERS else None


def known_codes() -> tuple[int, ...]:
    """The province codes in use."""
    return tuple(itertools.filterfalse(UNUSED_CODES.__contains__, range(11, 100)))
