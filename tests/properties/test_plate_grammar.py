"""Every plate that the grammar allows is read back; what is against it is never read."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from models.plate import (
    SECOND_LETTERS,
    SERIES_LETTERS,
    UNUSED_CODES,
    Plate,
    PlateKind,
    known_codes,
    parse_plate,
)

CODES = st.sampled_from([str(code) for code in known_codes()])
LETTERS = st.sampled_from(SERIES_LETTERS)
NUMBERS = st.integers(1, 99999).map(lambda n: f"{n:05d}") | st.integers(1, 9999).map(
    lambda n: f"{n:04d}"
)
MOTORCYCLES = st.builds(
    lambda code, letter, fourth, number: Plate(
        code + letter + fourth, number, PlateKind.MOTORCYCLE
    ),
    CODES, LETTERS, st.sampled_from("123456789" + SECOND_LETTERS), NUMBERS,
)  # fmt: skip
CARS = st.builds(
    lambda code, letter, number: Plate(code + letter, number, PlateKind.CAR),
    CODES, LETTERS, NUMBERS,
)  # fmt: skip
LOOKALIKES = {"0": "ODQ", "1": "IL", "2": "Z", "5": "S", "8": "B"}


def lines_of(plate: Plate) -> tuple[str, ...]:
    return tuple(str(plate).split(" "))


@given(MOTORCYCLES | CARS)
def test_a_plate_as_written_is_read_back(plate: Plate) -> None:
    assert parse_plate(lines_of(plate)) == plate


@given(MOTORCYCLES | CARS)
def test_separators_may_be_lost(plate: Plate) -> None:
    bare = tuple(line.replace("-", "").replace(".", "") for line in lines_of(plate))
    kind = plate.kind if len(bare) == 2 else None
    read = parse_plate(bare, kind)
    assert read is not None
    assert read.compact == plate.compact


@given(MOTORCYCLES, st.data())
def test_lookalikes_are_repaired_where_the_place_decides(plate: Plate, data: st.DataObject) -> None:
    first, second = lines_of(plate)
    at = data.draw(st.integers(0, len(second) - 1))
    if second[at] in LOOKALIKES:
        wrong = data.draw(st.sampled_from(LOOKALIKES[second[at]]))
        second = second[:at] + wrong + second[at + 1 :]
    if plate.series[2] == "B":
        first = first.replace("-B", "-8")
    read = parse_plate((first, second))
    assert read is not None
    assert read.compact == plate.compact


@given(MOTORCYCLES)
def test_the_fourth_character_is_never_changed(plate: Plate) -> None:
    """Where letter and digit are both lawful, what was seen stands."""
    read = parse_plate(lines_of(plate))
    assert read is not None
    assert read.series[3] == plate.series[3]
    for unlawful in "0IJOQW":
        first = f"{plate.series[:2]}-{plate.series[2]}{unlawful}"
        assert parse_plate((first, lines_of(plate)[1])) is None


@given(MOTORCYCLES | CARS, st.sampled_from(sorted(UNUSED_CODES)))
def test_no_province_has_an_unused_code(plate: Plate, code: int) -> None:
    first, *rest = lines_of(plate)
    assert parse_plate((f"{code}{first[2:]}", *rest)) is None


@given(st.lists(st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-. ", max_size=12), max_size=3))
def test_whatever_is_read_obeys_the_grammar(lines: list[str]) -> None:
    plate = parse_plate(tuple(lines))
    if plate is None:
        return
    assert int(plate.series[:2]) in known_codes()
    assert plate.series[2] in SERIES_LETTERS
    assert plate.number.isdigit()
    assert len(plate.number) in (4, 5)
    assert parse_plate(lines_of(plate), plate.kind) == plate


@given(MOTORCYCLES)
def test_a_plate_cut_after_the_dot_is_not_a_shorter_one(plate: Plate) -> None:
    first, second = lines_of(plate)
    if "." in second:
        assert parse_plate((first, second[:-1])) is None
