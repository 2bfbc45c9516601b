"""The law of the day of the act, as the data file states it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from models.errors import BadInput, XanhError
from models.violation import ViolationKind
from traffic.law import DEFAULT_LAW, load_law

RED, WRONG = ViolationKind.RED_LIGHT, ViolationKind.WRONG_WAY
ACT = datetime(2026, 11, 20, 3, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("kind", "vehicle", "fine", "points", "article"),
    [
        (RED, "car", (18_000_000, 20_000_000), 4, "Art. 6(9)(b)"),
        (RED, "motorcycle", (4_000_000, 6_000_000), 4, "Art. 7(7)(c)"),
        (WRONG, "car", (18_000_000, 20_000_000), 4, "Art. 6(9)(d)"),
        (WRONG, "motorcycle", (4_000_000, 6_000_000), 2, "Art. 7(7)(a)"),
    ],
)
def test_the_figures_of_decree_168(kind, vehicle, fine, points, article):
    rule = load_law().offence(kind, vehicle, ACT)
    assert (rule.fine, rule.points, rule.article) == (fine, points, article)
    assert rule.decree == "168/2024/ND-CP"


def test_the_local_date_of_the_act_decides():
    law = load_law()
    # 2024-12-31 17:00 UTC is New Year in Hanoi, the first day of the decree.
    assert law.offence(RED, "car", datetime(2024, 12, 31, 17, 0, tzinfo=UTC)) is not None
    assert law.offence(RED, "car", datetime(2024, 12, 31, 16, 59, tzinfo=UTC)) is None


def test_what_the_file_does_not_say_is_not_made_up():
    assert load_law().offence(RED, "bicycle", ACT) is None


def _written(tmp_path, old, new):
    path = tmp_path / "law.yaml"
    text = DEFAULT_LAW.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    return path


def test_working_days_skip_weekends_and_holidays(tmp_path):
    path = _written(
        tmp_path, "count: calendar\n    holidays: []", "count: working\n    holidays: [2026-11-23]"
    )
    # Friday 20 November; the ten working days are 24-27 November, 30 November-4 December
    # and 7 December, which ends at 17:00 UTC.
    assert load_law(path).notify_by(ACT) == datetime(2026, 12, 7, 17, tzinfo=UTC)


def test_no_deadline_before_the_file_begins():
    with pytest.raises(XanhError, match="no deadline"):
        load_law().notify_by(datetime(2020, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("vehicles: [motorcycle]", "vehicles: [car]", "applies on the same days as offences[0]"),
        ("points: 2", "points: 20", "points: 20; valid is a whole number from 0 to 12"),
        ("[4000000, 6000000]", "[6000000, 4000000]", "valid is the lower amount first"),
        ("from: 2025-01-01", "from: soon", "'soon'; valid is a date like"),
        ("kind: wrong_way", "kind: helmet", "'helmet'; valid is red_light, early_start"),
        ("decree: 168", "decre: 168", "unknown key (did you mean decree?)"),
    ],
)
def test_a_wrong_law_file_names_line_and_field(tmp_path, old, new, message):
    with pytest.raises(BadInput, match=r"law\.yaml:\d+: ") as error:
        load_law(_written(tmp_path, old, new))
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("vehicle", "over_kmh", "fine"),
    [
        ("car", 7.0, (800_000, 1_000_000)),
        ("car", 20.0, (4_000_000, 6_000_000)),
        ("car", 20.1, (6_000_000, 8_000_000)),
        ("car", 60.0, (12_000_000, 14_000_000)),
        ("motorcycle", 30.0, (6_000_000, 8_000_000)),
    ],
)
def test_how_far_over_the_limit_decides_the_fine(vehicle, over_kmh, fine):
    rule = load_law().offence(ViolationKind.SPEEDING, vehicle, ACT, over_kmh=over_kmh)
    assert rule.fine == fine
    assert load_law().offence(ViolationKind.SPEEDING, vehicle, ACT, over_kmh=3.0) is None
    assert load_law().offence(ViolationKind.SPEEDING, vehicle, ACT) is None


def test_every_kind_has_an_entry_and_some_wait_for_article_and_fine():
    law = load_law()
    waiting = set()
    for kind in ViolationKind:
        rule = law.offence(kind, "motorcycle", ACT, over_kmh=12.0)
        assert rule is not None, kind
        if not rule.supplied:
            waiting.add(kind.value)
    assert waiting == {"illegal_turn", "u_turn", "illegal_stopping", "blocking", "pavement"}
