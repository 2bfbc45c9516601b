"""Who rides a motorcycle is drawn as the truth says: how many, and whether a head is bare."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from simulation.mesh import Slot
from simulation.motorcycle_models import MOTORCYCLES, OFFENDERS, TWO_UP
from simulation.people import People
from simulation.vehicle_models import VARIANTS, ridden

BUILDERS = (*MOTORCYCLES, *OFFENDERS)


@cache
def heads(variant: int) -> tuple[Slot, ...]:
    """What covers each head of a shape: a helmet's colour or hair."""
    discs = BUILDERS[variant](True).discs
    caps = [disc.slot for disc in discs if not disc.highlight and disc.slot is not Slot.SKIN]
    assert sum(disc.slot is Slot.SKIN for disc in discs) == len(caps)
    return tuple(caps)


@pytest.mark.parametrize("riders", [1, 2, 3])
@pytest.mark.parametrize("bare", [0, 1])
def test_every_chance_shape_becomes_one_with_these_riders(riders: int, bare: int) -> None:
    by_chance = np.arange(len(MOTORCYCLES))
    n = len(by_chance)
    drawn = ridden(by_chance, np.full(n, riders), np.full(n, bare))
    for variant in drawn.tolist():
        caps = heads(variant)
        assert len(caps) == riders
        assert caps.count(Slot.HAIR) == bare


def test_a_shape_that_fits_is_kept_and_offenders_never_come_by_chance() -> None:
    by_chance = np.arange(len(MOTORCYCLES))
    riders = np.where(np.isin(by_chance, TWO_UP), 2, 1)
    assert (ridden(by_chance, riders, np.zeros_like(riders)) == by_chance).all()
    assert VARIANTS["motorcycle"] == len(MOTORCYCLES)


def test_what_is_drawn_is_what_the_truth_says() -> None:
    people = People(seed=5, overloaded_share=0.2, no_helmet_share=0.3)
    ids = np.arange(400, dtype=np.int64)
    riders, bare = people.riders(ids), people.bare_heads(ids)
    drawn = ridden(ids % len(MOTORCYCLES), riders, bare)
    assert [len(heads(variant)) for variant in drawn.tolist()] == riders.tolist()
    assert [heads(v).count(Slot.HAIR) for v in drawn.tolist()] == bare.tolist()
    assert set(riders.tolist()) == {1, 2, 3}
