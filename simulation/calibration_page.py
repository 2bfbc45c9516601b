"""The calibration as a page for people, self-contained, in English or Vietnamese."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from models.site import Site
from simulation.calibration import GOOD_GEH, Calibration, calibration_text, worst_links
from simulation.driving import DrivingFit
from simulation.figures import PALETTES
from simulation.fitted import hourly
from simulation.labels import junction_label, movement_labels
from simulation.wording import Language

_MOST_ROWS = 60
_MOST_LINKS = 30
_SIZE_PX, _LEFT_PX, _BELOW_PX = 360, 48, 40

TEXTS: dict[Language, dict[str, str]] = {
    "en": {
        "title": "Calibration",
        "share": "of movements and intervals have a GEH below 5; wanted are 85 % (UK TAG M3.1)",
        "passes": "calibrated",
        "fails": "not calibrated",
        "demand": "{vehicles} vehicles and {people} people on foot over {intervals} intervals; "
        "runs: {seeds}; {undeparted} vehicles never entered.",
        "scatter": "Counted and simulated, vehicles an hour",
        "discharge": "Vehicles gone by each second of green",
        "saturation": "Saturation flow {observed} vehicles an hour of green observed; {before} "
        "with the site's driving, {after} with the fitted one.",
        "misfits": "Counts that no flow can reproduce",
        "movements": "Movements, the farthest from their counts first",
        "movement": "Movement",
        "from": "From",
        "counted": "Counted",
        "closest": "Closest flow",
        "simulated": "Simulated",
        "links": "Streets between junctions",
        "links_note": "Where no side street joins, what was counted into a street should be what "
        "was counted at its end.",
        "approach": "Approach",
        "arriving": "Into the street",
        "difference": "Difference",
        "side": "Side streets",
        "none": "none",
        "some": "yes",
        "more": "{count} more in calibration.json",
        "seconds": "seconds of green",
        "vehicles": "vehicles",
        "observed": "observed",
        "before": "before",
        "after": "fitted",
    },
    "vi": {
        "title": "Hiệu chỉnh",
        "share": "lượt rẽ và khoảng thời gian có GEH dưới 5; cần 85 % (UK TAG M3.1)",
        "passes": "đạt",
        "fails": "chưa đạt",
        "demand": "{vehicles} xe và {people} người đi bộ trong {intervals} khoảng thời gian; "
        "số lần chạy: {seeds}; {undeparted} xe không vào được mạng.",
        "scatter": "Đếm được và mô phỏng, xe mỗi giờ",
        "discharge": "Số xe đã qua theo từng giây đèn xanh",
        "saturation": "Lưu lượng bão hòa quan sát {observed} xe mỗi giờ xanh; {before} với tham số "
        "của địa điểm, {after} với tham số đã hiệu chỉnh.",
        "misfits": "Số đếm mà không dòng xe nào tái tạo được",
        "movements": "Các hướng, xa số đếm nhất trước",
        "movement": "Hướng",
        "from": "Từ",
        "counted": "Đếm được",
        "closest": "Dòng gần nhất",
        "simulated": "Mô phỏng",
        "links": "Các đoạn đường giữa hai nút",
        "links_note": "Nơi không có đường nhánh, số xe vào đoạn đường phải bằng số xe đếm ở "
        "cuối đoạn.",
        "approach": "Nhánh",
        "arriving": "Vào đoạn",
        "difference": "Chênh lệch",
        "side": "Đường nhánh",
        "none": "không",
        "some": "có",
        "more": "còn {count} dòng trong calibration.json",
        "seconds": "giây đèn xanh",
        "vehicles": "xe",
        "observed": "quan sát",
        "before": "trước",
        "after": "hiệu chỉnh",
    },
}


def write_calibration(
    found: Calibration, site: Site, folder: Path, *, language: Language = "en"
) -> None:
    """Write ``calibration.json`` and ``calibration.html``, each whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in (
        ("calibration.html", calibration_html(found, site, language=language)),
        ("calibration.json", calibration_text(found)),
    ):
        temporary = folder / f"{name}.tmp"
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, folder / name)


def calibration_html(found: Calibration, site: Site, *, language: Language = "en") -> str:
    """The page."""
    texts = TEXTS[language]
    labels = movement_labels(site, language)
    junction_of = {m.id: junction_label(j) for j in site.junctions.values() for m in j.movements}

    def label(movement: str) -> str:
        return f"{junction_of[movement]}: {labels[movement]}"

    by_distance = sorted(found.movements, key=lambda m: -m.geh)
    data = files("simulation").joinpath("data")
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    template = environment.from_string(data.joinpath("calibration.html.j2").read_text("utf-8"))
    left = len(found.movements) - _MOST_ROWS
    return template.render(
        t=texts,
        language=language,
        site=site,
        found=found,
        share=f"{100 * found.share_below_5:.1f}",
        demand_line=texts["demand"].format(
            vehicles=found.demand.vehicles,
            people=found.demand.pedestrians,
            intervals=len({m.interval for m in found.movements}),
            seeds=len(found.seeds),
            undeparted=f"{found.undeparted:.0f}",
        ),
        scatter=Markup(_scatter(found, texts)),
        discharge=_discharge(found.driving, texts) if found.driving else None,
        misfits=[
            {
                "id": m.movement,
                "label": label(m.movement),
                "start": f"{m.start:%H:%M}",
                "counted": f"{m.counted:.0f}",
                "fitted": m.fitted,
                "geh": f"{m.geh:.1f}",
            }
            for m in found.demand.misfits[:_MOST_ROWS]
        ],
        movements=[
            {
                "id": m.movement,
                "label": label(m.movement),
                "start": f"{m.interval[0]:%H:%M}",
                "counted": f"{m.counted:.0f}",
                "simulated": f"{m.simulated:.0f}",
                "geh": f"{m.geh:.1f}",
                "far": m.geh >= GOOD_GEH,
            }
            for m in by_distance[:_MOST_ROWS]
        ],
        more=texts["more"].format(count=left) if left > 0 else "",
        links=[
            {
                "approach": approach,
                "arriving": f"{arriving:.0f}",
                "counted": f"{counted:.0f}",
                "difference": f"{counted - arriving:+.0f}",
                "closed": closed,
            }
            for approach, arriving, counted, closed in worst_links(found)[:_MOST_LINKS]
        ],
        palettes={
            theme: Markup("".join(f"{name}:{value};" for name, value in palette.items()))
            for theme, palette in PALETTES.items()
        },
        style=Markup(data.joinpath("report.css").read_text("utf-8")),
    )


def _frame(most_x: float, most_y: float, names: tuple[str, str], inside: str) -> str:
    """A square diagram from 0, with the ends and names of its axes, across and up."""
    size, left, below = _SIZE_PX, _LEFT_PX, _BELOW_PX
    return (
        f'<svg viewBox="0 0 {size + left + 12} {size + below}" role="img">'
        f'<path d="M{left} 8V{size}H{size + left}" fill="none" stroke="var(--line)"/>'
        f'<text x="{left - 6}" y="16" text-anchor="end">{most_y:,.0f}</text>'
        f'<text x="{left - 6}" y="{size}" text-anchor="end">0</text>'
        f'<text x="{size + left}" y="{size + 16}" text-anchor="end">{most_x:,.0f}</text>'
        f'<text x="{left + size // 2}" y="{size + 32}" text-anchor="middle">{names[0]}</text>'
        f'<text transform="translate(14 {size // 2}) rotate(-90)" text-anchor="middle">{names[1]}'
        f"</text>{inside}</svg>"
    )


def _scatter(found: Calibration, texts: dict[str, str]) -> str:
    pairs = [
        (hourly(m.counted, m.interval), hourly(m.simulated, m.interval)) for m in found.movements
    ]
    most = max(1.0, *(max(pair) for pair in pairs))
    span = _SIZE_PX - 8

    def place(value: float) -> float:
        return value / most * span

    dots = "".join(
        f'<circle cx="{_LEFT_PX + place(x):.1f}" cy="{_SIZE_PX - place(y):.1f}" r="3" '
        f'fill="{"var(--accent)" if m.geh < GOOD_GEH else "var(--lamp-red)"}" fill-opacity="0.7"/>'
        for (x, y), m in zip(pairs, found.movements, strict=True)
    )
    line = (
        f'<path d="M{_LEFT_PX} {_SIZE_PX}L{_LEFT_PX + span} 8" stroke="var(--before)" '
        'stroke-dasharray="4 4"/>'
    )
    return _frame(most, most, (texts["counted"], texts["simulated"]), line + dots)


def _discharge(fit: DrivingFit, texts: dict[str, str]) -> dict[str, Any]:
    seconds = len(fit.observed.curve)
    curves: Sequence[tuple[str, Sequence[float], str]] = (
        ("observed", fit.observed.curve, "var(--text)"),
        ("before", fit.before.curve[:seconds], "var(--before)"),
        ("after", fit.after.curve[:seconds], "var(--accent)"),
    )
    most = max(1.0, *(max(curve) for _, curve, _ in curves))
    inside = []
    for row, (name, curve, colour) in enumerate(curves):
        points = " ".join(
            f"{_LEFT_PX + (i + 1) / seconds * (_SIZE_PX - 8):.1f},"
            f"{_SIZE_PX - gone / most * (_SIZE_PX - 8):.1f}"
            for i, gone in enumerate(curve)
        )
        inside.append(
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>'
        )
        y_px = 24 + 16 * row
        inside.append(
            f'<path d="M{_LEFT_PX + 12} {y_px - 4}h20" stroke="{colour}" stroke-width="2"/>'
            f'<text x="{_LEFT_PX + 38}" y="{y_px}">{texts[name]}</text>'
        )
    greens = {
        name: curve[min(seconds, len(curve)) - 1] * 3600 / max(1.0, seconds - 2.0)
        for name, curve, _ in curves
    }
    driving = fit.driving
    return {
        "svg": Markup(
            _frame(seconds, most, (texts["seconds"], texts["vehicles"]), "".join(inside))
        ),
        "line": texts["saturation"].format(**{k: f"{v:,.0f}" for k, v in greens.items()}),
        "factors": [
            ("tau", f"× {driving.tau:.2f}"),
            ("minGap", f"× {driving.min_gap:.2f}"),
            ("sigma", f"{driving.sigma:+.2f}"),
            ("speedFactor", f"× {driving.speed_factor:.2f}"),
        ],
    }
