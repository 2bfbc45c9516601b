"""The figure of a decision: well-formed, complete, in both languages."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree as ET

import pytest
from planner_cases import pair, seen

from models.policy import Approaching, ExplainingPolicy, Sensing
from optimizer.adaptive import AdaptivePolicy
from optimizer.greedy import Greedy
from simulation.wording import Language
from traffic.decisionfigure import decision_svg


@pytest.fixture(scope="module")
def decision() -> dict[str, Any]:
    policy = AdaptivePolicy()
    policy.start(pair(Sensing.ORACLE), 1)
    queue = tuple(Approaching("W:nw>sw", 2.0 + 7.5 * n, 0.0, "car") for n in range(4))
    policy.decide(seen(vehicles={"nw_0": queue}))
    assert isinstance(policy, ExplainingPolicy)
    assert policy.explanation("W", 99.0) is None
    found = policy.explanation("W", 100.0)
    assert found is not None
    return dict(found)


def _texts(svg: str) -> list[str]:
    return [element.text or "" for element in ET.fromstring(svg).iter() if element.text]


@pytest.mark.parametrize("language", ["en", "vi"])
def test_it_names_what_was_chosen_against_what_and_why(
    decision: dict[str, Any], language: Language
) -> None:
    texts = _texts(decision_svg(decision, {"W:nw>sw": "đi thẳng <1>"}, language=language))
    assert any(text.startswith("W, ") for text in texts)
    assert "A → B" in texts
    assert "A" in texts
    assert "đi thẳng <1>" in texts
    assert texts.count(f"{decision['alternatives'][0]['cost']:,.0f}") <= 1


def test_what_is_not_allowed_has_no_cost_and_bindings_read_as_names(
    decision: dict[str, Any],
) -> None:
    rows = [dict(row) for row in decision["alternatives"]]
    rows[0] |= {"cost": None, "schedule": (), "delay_s": None}
    bound = decision | {
        "alternatives": rows,
        "binding": ("W:nw>sw has been red for 170 s", "no room on e_0", "longest green of A"),
        "silent": ("E",),
        "ignored": ("nw_0:line",),
    }
    texts = _texts(decision_svg(bound, {"W:nw>sw": "southbound through"}))
    assert "not allowed now" in texts
    assert "southbound through has been red for 170 s" in texts
    assert "E says nothing" in texts
    assert "nw_0:line is not believed" in texts
    texts = _texts(decision_svg(bound, {"W:nw>sw": "xuống nam đi thẳng"}, language="vi"))
    assert "xuống nam đi thẳng đã đỏ 170 giây" in texts
    assert "không còn chỗ trên e_0" in texts


def test_a_policy_without_reasons_has_none() -> None:
    assert not isinstance(Greedy(), ExplainingPolicy)
