"""Fit a site's vehicle types to a discharge that a camera saw."""

from __future__ import annotations

import os
import xml.etree.ElementTree as ET
from pathlib import Path

from models.errors import BadInput
from models.site import Site
from simulation.demand import VehicleTypes
from simulation.discharge import Approach
from simulation.driving import DrivingFit, fit_driving, observed_discharge


def fitted_driving(
    site: Site, crossings: Path, signals: Path, line: str, approach: Approach, out: Path
) -> tuple[DrivingFit, tuple[ET.Element, ...]]:
    """Fit all of a site's vehicle types, and write them as a SUMO additional file.

    Raises:
        BadInput: If the files show no saturated discharge, or ``line`` is not given.
        XanhError: If SUMO refuses the types.
    """
    if not line:
        raise BadInput("--line", "", "is missing; valid is a line of the crossings")
    observed, classes = observed_discharge(crossings, signals, line=line, width_m=approach.width_m)
    own = VehicleTypes.of_site(site)
    mix = {
        name: share * part
        for vehicle_class, share in classes.items()
        for name, part in own.shares(vehicle_class).items()
    }
    fit = fit_driving(own.elements, mix, observed, approach)
    types = tuple(fit.driving.applied(own.elements, approach.step_s))
    changes = fit.driving
    root = ET.Element("additional")
    root.append(
        ET.Comment(
            f" Fitted to the discharge at {line} in {crossings.name}: "
            f"tau x {changes.tau:.2f}, minGap x {changes.min_gap:.2f}, sigma {changes.sigma:+.2f}, "
            f"speedFactor x {changes.speed_factor:.2f} "
        )
    )
    root.extend(types)
    ET.indent(root)
    temporary = out.with_name(out.name + ".tmp")
    ET.ElementTree(root).write(temporary, encoding="utf-8", xml_declaration=True)
    os.replace(temporary, out)
    return fit, types
