"""The table of measures, the same in the report and on the console's page of a plan."""

from __future__ import annotations

from models.validation import KPI_NAMES, MEASURE_NAMES, ValidationReport
from simulation.report_text import MEASURES
from simulation.wording import Language, change_text

_WHOLE = frozenset({"trips", "finished", "running", "undeparted", "throughput_vph", "co2_g"})


def measure_rows(report: ValidationReport, language: Language) -> list[dict[str, str]]:
    """Rows of label, unit, name (both together), before, after and change, in reading order.

    A measure that nothing was measured of is left out; nothing is left where no pair counts.
    """
    if report.baseline is None or report.candidate is None:
        return []
    before = report.baseline.to_dict()
    after = report.candidate.to_dict()
    if report.measures is not None:
        for values, further in zip((before, after), report.measures, strict=True):
            known = {name: value for name, value in further.to_dict().items() if value is not None}
            values.update(known)
    rows = []
    for name, (label, unit) in MEASURES[language].items():
        if name not in (*KPI_NAMES, *MEASURE_NAMES) or name not in before or name not in after:
            continue
        digits = 0 if name in _WHOLE else 2 if name == "stops" else 1
        change = report.change.get(name)
        rows.append(
            {
                "label": label,
                "unit": unit,
                "name": ", ".join(part for part in (label, unit) if part),
                "before": f"{before[name]:.{digits}f}",
                "after": f"{after[name]:.{digits}f}",
                "change": change_text(change) if change is not None else "",
            }
        )
    return rows
