"""The benchmark of signal methods as a page: tables and figures, without anything from the net."""

from __future__ import annotations

import os
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

NAMES = {
    "fixed": "Program of the network",
    "webster": "Webster",
    "maxband": "MAXBAND",
    "cpsat": "Fixed time (CP-SAT)",
    "actuated": "SUMO actuated",
    "delay_based": "SUMO delay-based",
    "maxpressure": "Max-pressure",
    "greedy": "Greedy",
    "adaptive": "Adaptive",
}
COLORS = {
    "fixed": "#8a93a0",
    "webster": "#b08d57",
    "maxband": "#c2a878",
    "cpsat": "#d0b890",
    "actuated": "#5b8fb9",
    "delay_based": "#8fb3d1",
    "maxpressure": "#7a6fb0",
    "greedy": "#c07a8f",
    "adaptive": "#0b8457",
}
_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;margin:0 auto;max-width:1080px;padding:24px;color:#1d2530}
h1{font-size:26px;margin:0 0 4px}h2{font-size:19px;margin:36px 0 6px}p{margin:4px 0 12px}
.muted{color:#5d6671}table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{padding:6px 10px;text-align:right;border-bottom:1px solid #e3e7ec;white-space:nowrap}
th:first-child,td:first-child{text-align:left}th{color:#5d6671;font-weight:600}
.best{font-weight:700}.good{color:#0b8457}.bad{color:#b3261e}.wide{overflow-x:auto}
@media(prefers-color-scheme:dark){body{background:#12161c;color:#e6eaf0}.muted,th{color:#9aa4b1}
th,td{border-color:#2a323d}.good{color:#4cc38a}.bad{color:#ff8a80}}
"""


def write_page(summary: Mapping[str, Any], path: Path) -> None:
    """Write ``summary.json``'s body as a page that needs nothing else."""
    parts = [
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>",
        "<meta name='viewport' content='width=device-width,initial-scale=1'>",
        f"<title>Signal methods</title><style>{_STYLE}</style>",
        f"<script>{get_plotlyjs()}</script></head><body>",
        "<h1>Signal methods in SUMO</h1>",
        f"<p class='muted'>SUMO {escape(summary['sumo_version'])}, {len(summary['seeds'])} seeds, "
        "the same for all; delay in seconds per vehicle with its 95 % interval. A network's own "
        "program runs as it was found, with its own clearances.</p>",
    ]
    for block, text in summary["blocks"].items():
        parts += [f"<h2>{escape(text[0].upper() + text[1:])}</h2>", _table(summary, block)]
        if any(len(rows[block]) > 1 for rows in summary["scenarios"].values()):
            parts.append(_points(summary, block))
        parts.append(_verdict(summary, block))
    if summary["failed"]:
        items = "".join(f"<li>{escape(v)}</li>" for v in summary["failed"].values())
        parts.append(f"<h2>Runs that failed</h2><ul>{items}</ul>")
    parts.append("</body></html>")
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text("".join(parts), encoding="utf-8")
    os.replace(temporary, path)


def _cell(row: Mapping[str, Any] | None, best: bool) -> str:
    if row is None:
        return "<td class='muted'>–</td>"
    spread = "" if row["ci95_s"] is None else f" <span class='muted'>±{row['ci95_s']:.1f}</span>"
    return f"<td{' class=best' if best else ''}>{row['delay_s']:.1f}{spread}</td>"


def _table(summary: Mapping[str, Any], block: str) -> str:
    scenarios = summary["scenarios"]
    methods = [
        m for m in summary["methods"] if any(m in rows[block] for rows in scenarios.values())
    ]
    best = {
        name: min(
            ((row["delay_s"], method) for method, row in rows[block].items()), default=("", "")
        )
        for name, rows in scenarios.items()
    }
    head = "".join(f"<th>{escape(name)}</th>" for name in scenarios)
    body = ""
    for method in methods:
        cells = "".join(
            _cell(rows[block].get(method), best[name][1] == method)
            for name, rows in scenarios.items()
        )
        times = [
            rows[block][method]["decision_ms"]["p99"]
            for rows in scenarios.values()
            if "decision_ms" in rows[block].get(method, {})
        ]
        time = f"{max(times):.2f}" if times else ""
        body += f"<tr><td>{escape(NAMES.get(method, method))}</td>{cells}<td>{time}</td></tr>"
    return (
        f"<div class='wide'><table><tr><th>Delay, s</th>{head}<th>Decision p99, ms</th></tr>"
        f"{body}</table></div>"
    )


def _points(summary: Mapping[str, Any], block: str) -> str:
    """Mean delay of each method with its interval, on a logarithmic scale."""
    scenarios = summary["scenarios"]
    figure = go.Figure()
    names = list(scenarios)
    for method in summary["methods"]:
        rows = [scenarios[name][block].get(method) for name in names]
        if not any(rows):
            continue
        color = COLORS.get(method)
        figure.add_scatter(
            name=NAMES.get(method, method),
            x=names,
            y=[row and row["delay_s"] for row in rows],
            error_y={
                "type": "data",
                "array": [(row and row["ci95_s"]) or 0 for row in rows],
                "color": color,
            },
            mode="markers",
            marker={"color": color, "size": 10},
        )
    figure.update_layout(
        scattermode="group",
        height=420,
        margin={"l": 60, "r": 10, "t": 10, "b": 40},
        yaxis={
            "type": "log",
            "title": "delay, s (logarithmic)",
            "gridcolor": "#8883",
            "dtick": "D2",
        },
        xaxis={"gridcolor": "#8883"},
        legend={"orientation": "h", "y": -0.12},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"color": "#7a8491"},
    )
    return str(
        figure.to_html(full_html=False, include_plotlyjs=False, config={"displayModeBar": False})
    )


def _change(entry: Mapping[str, Any] | None) -> str:
    if not entry or "mean_pct" not in entry:
        return "<td class='muted'>–</td>"
    tone = "good" if entry["mean_pct"] < 0 else "bad"
    interval = entry.get("ci95_pct")
    spread = (
        f" <span class='muted'>[{interval[0]:+.0f}, {interval[1]:+.0f}]</span>" if interval else ""
    )
    return f"<td class={tone}>{entry['mean_pct']:+.1f} %{spread}</td>"


def _verdict(summary: Mapping[str, Any], block: str) -> str:
    comparison = summary["comparisons"][block]
    scenarios = comparison["scenarios"]
    rows = ""
    for key, title in (
        ("best_peer", "the best peer with equal clearances"),
        ("full_information", "itself with equal clearances and full information"),
    ):
        if not any(entry.get(key) for entry in scenarios.values()):
            continue
        cells = "".join(_change(entry.get(key)) for entry in scenarios.values())
        mean = _change(comparison["geometric_mean"].get(key))
        rows += f"<tr><td>against {title}</td>{cells}{mean}</tr>"
    if not any("mean_pct" in entry.get(key, {}) for entry in scenarios.values() for key in entry):
        return ""
    head = "".join(
        f"<th>{escape(name)}"
        + (
            f"<br><span class='muted'>{escape(entry['best_peer']['method'])}</span>"
            if entry.get("best_peer")
            else ""
        )
        + "</th>"
        for name, entry in scenarios.items()
    )
    subject = escape(NAMES.get(comparison["subject"], comparison["subject"]))
    return (
        f"<div class='wide'><table><tr><th>{subject}: change of delay</th>{head}"
        f"<th>geometric mean</th></tr>{rows}</table></div>"
    )
