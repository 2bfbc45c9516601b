"""Green bands, strips and figures, on timing whose band is known by hand."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import plotly.graph_objects as go
import pytest

from models.junction import Junction, Movement, Turn
from models.plan import JunctionPlan, Plan, SignalRow
from models.validation import MovementChange
from simulation.figures import (
    figure_json,
    movement_delay_figure,
    strip_svg,
    time_space_figure,
    with_palette,
)
from simulation.progression import Band, Corridor, Lamp, Stop, best_band, find_corridors, lamps
from simulation.roads import Crossover, Road, Roads

NOW = datetime(2026, 3, 2, tzinfo=UTC)
NAMES = ("A", "B", "C")


def junction(index: int, *, name: str, forth: bool = True) -> Junction:
    start, end = (f"e{index}", f"e{index + 1}") if forth else (f"w{index + 1}", f"w{index}")
    movement = Movement(f"{name}:{start}>{end}", start, end, Turn.THROUGH, (), (0,))
    return Junction(name, (movement,))


JUNCTIONS = {name: junction(index, name=name) for index, name in enumerate(NAMES)}
CORRIDOR = Corridor(
    tuple(Stop(name, JUNCTIONS[name].movements[0].id, 200.0 * i) for i, name in enumerate(NAMES)),
    20.0,
)


def plan(offsets_s: tuple[float, ...], greens_s: tuple[float, ...], cycle_s: float = 60) -> Plan:
    return Plan(
        "s",
        tuple(
            JunctionPlan(
                name,
                round(cycle_s * 10),
                round(offset * 10),
                (),
                (SignalRow(round(green * 10), "G"), SignalRow(round((cycle_s - green) * 10), "r")),
            )
            for name, offset, green in zip(NAMES, offsets_s, greens_s, strict=True)
        ),
        NOW,
        "t",
    )


def test_a_perfect_wave_has_its_whole_green_as_band() -> None:
    band = best_band(CORRIDOR, plan((5, 25, 45), (24, 24, 24)), JUNCTIONS)
    assert band == Band(speed_mps=10.0, start_s=5.0, width_s=24.0, cycle_s=60.0)


def test_the_band_runs_over_the_cycles_end() -> None:
    band = best_band(CORRIDOR, plan((50, 10, 30), (20, 20, 20)), JUNCTIONS)
    assert band == Band(speed_mps=10.0, start_s=50.0, width_s=20.0, cycle_s=60.0)


def test_without_a_common_cycle_there_is_no_band() -> None:
    other = plan((0, 0, 0), (30, 30, 30), 70).junctions[0]
    mixed = plan((0, 0, 0), (30, 30, 30)).junctions
    assert best_band(CORRIDOR, Plan("s", (other, *mixed[1:]), NOW, "t"), JUNCTIONS) is None


def test_lamps_join_rows_that_show_the_same() -> None:
    rows = (SignalRow(100, "G"), SignalRow(50, "G"), SignalRow(30, "y"), SignalRow(120, "r"))
    one = Plan("s", (JunctionPlan("A", 300, 0, (), rows),), NOW, "t")
    movement = JUNCTIONS["A"].movements[0].id
    assert lamps(one, JUNCTIONS["A"], movement) == (
        Lamp(0, 15, "G"),
        Lamp(15, 18, "y"),
        Lamp(18, 30, "r"),
    )


def test_a_corridor_follows_straight_movements_over_unsignalized_nodes() -> None:
    junctions = {name: junction(2 * index, name=name) for index, name in enumerate(NAMES)}
    pairs = [(f"e{i}", f"e{i + 1}") for i in range(6)]
    roads = Roads(
        {f"e{i}": Road(100.0, 13.9) for i in range(7)},
        {pair: Crossover(10.0, 1.0, "s") for pair in pairs},
    )
    (corridor,) = find_corridors(junctions, roads)
    assert [(stop.junction, stop.at_m) for stop in corridor.stops] == [
        ("A", 0.0),
        ("B", 220.0),
        ("C", 440.0),
    ]
    assert corridor.speed_limit_mps == 13.9
    assert find_corridors({name: junctions[name] for name in "AB"}, roads) == ()


def test_a_time_space_figure_draws_the_band_only_where_there_is_one() -> None:
    wave = time_space_figure(
        CORRIDOR, plan((5, 25, 45), (24, 24, 24)), JUNCTIONS, str, language="en"
    )
    assert wave.layout.title.text == "band 24 of 60 s at 36 km/h"
    assert sum(trace.fill == "toself" for trace in wave.data) == 1
    none = time_space_figure(CORRIDOR, plan((0, 0, 0), (3, 3, 3)), JUNCTIONS, str)
    assert none.layout.title.text.startswith("no green band")
    assert not any(trace.fill == "toself" for trace in none.data)


def test_figures_take_either_palette_and_cannot_end_a_script() -> None:
    movements = [MovementChange("J:</script>", 40.0, 30.0, 20.0)]
    figure = movement_delay_figure(movements, lambda name: name)
    text = figure_json(figure)
    assert "<" not in text
    assert "var(--accent)" in text
    assert json.loads(text)["data"]
    for theme in ("light", "dark"):
        themed = with_palette(figure, theme)
        assert isinstance(themed, go.Figure)
        assert "var(" not in themed.to_json()


def test_the_movement_that_loses_most_stands_on_top() -> None:
    movements = [
        MovementChange("gains", 40.0, 30.0, 10.0),
        MovementChange("loses", 40.0, 30.0, 50.0),
        MovementChange("holds", 40.0, 30.0, 31.0),
    ]
    figure = movement_delay_figure(movements, lambda name: name)
    assert figure.layout.yaxis.ticktext == ("gains", "holds", "loses")


@pytest.mark.parametrize(("language", "letters"), [("en", "GYR"), ("vi", "XVĐ")])
def test_a_strip_shows_each_state_by_form_and_letter(language: str, letters: str) -> None:
    shown = (Lamp(0, 20, "G"), Lamp(20, 30, "y"), Lamp(30, 60, "r"))
    svg = strip_svg(
        shown,
        60.0,
        title="a <b>",
        language=language,  # type: ignore[arg-type]
    )
    assert [svg.count(f">{letter}</text>") for letter in letters] == [1, 1, 1]
    assert svg.count("<rect") == 3
    assert 'x="50.000%" y="11" width="50.000%"' in svg
    assert "a &lt;b&gt;" in svg
