"""Names of movements, approaches and crossings as a page shows them."""

from __future__ import annotations

import math
from functools import cached_property

from models.site import Site
from simulation.labels import junction_label, movement_labels
from simulation.wording import Language
from traffic.web.geometry import DrawnApproach, DrawnNetwork
from traffic.web.i18n import Words

_SECTORS = ("n", "ne", "e", "se", "s", "sw", "w", "nw")


class Names:
    """Readable names of one site in one language."""

    def __init__(self, site: Site, drawing: DrawnNetwork | None, words: Words) -> None:
        """Names in the language of ``words``."""
        self._site = site
        self._drawing = drawing
        self._t = words

    @cached_property
    def _movements(self) -> dict[str, str]:
        language: Language = "vi" if self._t.language == "vi" else "en"
        return movement_labels(self._site, language)

    def movement(self, movement: str) -> str:
        """``northbound left`` for a movement, or its id where nothing is known of it."""
        return self._movements.get(movement, movement)

    def signal(self, signal_id: str) -> str:
        """A movement's or a crossing's name."""
        if signal_id in self._movements:
            return self._movements[signal_id]
        return f"{self._t('movement.crossing')} {signal_id.rsplit('_c', 1)[-1]}"

    def junction(self, junction: str) -> str:
        """``Tô Hiến Thành (C2)``."""
        found = self._site.junctions.get(junction)
        return junction_label(found) if found is not None else junction

    def place(self, junction: str, movement: str | None) -> str:
        """Junction and movement in one line."""
        if not movement:
            return self.junction(junction)
        return f"{self.junction(junction)}, {self.movement(movement)}"

    def bound(self, junction: str, edge: str) -> str:
        """Direction of travel on an approach, or its id where there is no network."""
        approach = self._approach(junction, edge)
        return edge if approach is None else self._t("bound." + _sector(approach))

    def _approach(self, junction: str, edge: str) -> DrawnApproach | None:
        if self._drawing is None or junction not in self._drawing.junctions:
            return None
        approaches = self._drawing.junctions[junction].approaches
        return next((item for item in approaches if item.edge == edge), None)


def _sector(approach: DrawnApproach) -> str:
    x, y = approach.direction
    return _SECTORS[round(math.degrees(math.atan2(x, y)) / 45.0) % 8]
