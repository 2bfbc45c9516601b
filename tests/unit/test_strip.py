"""The signal strip: what it shows between changes, at its edges, and for whole plans."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest

from models.signals import SignalState as S
from simulation.strip import intervals
from traffic.planfiles import read_plan
from traffic.sites import load_site
from traffic.web.i18n import Words
from traffic.web.strip import (
    Mark,
    StripRow,
    TimeSpaceRow,
    cycle_changes,
    plan_changes,
    signal_strip_svg,
    time_space_svg,
)

T = Words("en")
CHANGES = ((0.0, S.GREEN), (40.0, S.YELLOW), (43.0, S.RED), (90.0, S.GREEN))


def widths(svg: str, state: str) -> list[float]:
    found = re.findall(rf'<rect class="s-{state}" x="([\d.]+)%" y="[\d.]+" width="([\d.]+)%"', svg)
    return [float(width) for _, width in found]


def test_intervals_fill_the_window_without_gap_or_overlap() -> None:
    spans = intervals(CHANGES, -10.0, 100.0)
    assert spans[0] == (-10.0, 0.0, S.UNKNOWN)
    assert spans[-1] == (90.0, 100.0, S.GREEN)
    assert all(a[1] == b[0] for a, b in pairwise(spans))


def test_a_change_before_the_window_holds_in_it() -> None:
    assert intervals(CHANGES, 50.0, 60.0) == ((50.0, 60.0, S.RED),)


def test_no_changes_are_unknown_not_red() -> None:
    assert intervals((), 0.0, 5.0) == ((0.0, 5.0, S.UNKNOWN),)


def test_widths_are_shares_of_the_window() -> None:
    svg = signal_strip_svg([StripRow("a", CHANGES)], 0.0, 100.0, t=T)
    assert widths(svg, "green") == [40.0, 10.0]
    assert widths(svg, "yellow") == [3.0]
    assert widths(svg, "red") == [47.0]


def test_a_flagged_mark_is_told_apart_and_one_outside_is_not_drawn() -> None:
    row = StripRow("a", CHANGES, (Mark(50.0, flagged=True, title="3.2 s"), Mark(500.0)))
    svg = signal_strip_svg([row], 0.0, 100.0, t=T)
    assert svg.count('class="mark flagged"') == 1
    assert svg.count('class="mark"') == 0
    assert 'x="50.000%"' in svg


def test_labels_are_text_not_markup() -> None:
    svg = signal_strip_svg([StripRow("<b>&", CHANGES)], 0.0, 100.0, t=T)
    assert "<b>" not in svg
    assert "&lt;b&gt;&amp;" in svg


@pytest.mark.parametrize("language", ["vi", "en"])
def test_letters_are_the_languages(language: str) -> None:
    svg = signal_strip_svg([StripRow("a", CHANGES)], 0.0, 100.0, t=Words(language))
    assert (">X<" in svg, ">G<" in svg) == (language == "vi", language == "en")


def test_a_plan_repeats_with_its_offset(pho_hue: Path) -> None:
    site = load_site(pho_hue)
    plan = read_plan(site.current_plan_path)
    for junction in site.junctions.values():
        timing = plan.junction(junction.id)
        cycle_s, offset_s = timing.cycle_ds / 10, timing.offset_ds / 10
        for movement in junction.movements:
            once = cycle_changes(plan, junction, movement.id)
            many = plan_changes(plan, junction, movement.id, 0.0, 400.0)
            for second in range(0, 400, 7):
                wrapped = (second - offset_s) % cycle_s
                now = [state for at, state in many if at <= second][-1]
                assert now == [state for at, state in once if at <= wrapped][-1]


def test_time_space_puts_the_last_stop_on_top() -> None:
    rows = [TimeSpaceRow("C1", 0.0, CHANGES), TimeSpaceRow("C2", 200.0, CHANGES)]
    svg = time_space_svg(rows, 0.0, 100.0, speed_mps=10.0, t=T)
    places = dict(re.findall(r'y="([\d.]+)" text-anchor="end">(C\d)<', svg))
    heights = {name: float(y) for y, name in places.items()}
    assert heights["C2"] < heights["C1"]
    # A vehicle that leaves C1 at its green (0 s) reaches C2, 200 m on at 10 m/s, at 20 s.
    assert re.search(r'class="wave" x1="0.000%" y1="[\d.]+" x2="20.000%"', svg)
