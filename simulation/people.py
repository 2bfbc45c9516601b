"""Who rides the motorbikes of a street: how many, and how many of them without a helmet.

A pure function of a vehicle's number and the street's seed, so that the truth, a projected
camera and a renderer agree without telling each other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simulation.states import FloatArray, IntArray

PILLION_SHARE = 0.3
"""Motorbikes with a second person."""
THREE = 3


@dataclass(frozen=True, slots=True)
class People:
    """Shares of motorbikes with three people, and with somebody without a helmet."""

    seed: int
    overloaded_share: float = 0.0
    no_helmet_share: float = 0.0

    def riders(self, ids: IntArray) -> IntArray:
        """People on each motorbike, 1 to 3."""
        drawn = _uniform(ids, self.seed * 2 + 1)
        pillion = self.overloaded_share + (1.0 - self.overloaded_share) * PILLION_SHARE
        count = np.where(drawn < self.overloaded_share, THREE, np.where(drawn < pillion, 2, 1))
        return count.astype(np.int64)

    def bare_heads(self, ids: IntArray) -> IntArray:
        """How many on each motorbike wear no helmet."""
        return (_uniform(ids, self.seed * 2 + 2) < self.no_helmet_share).astype(np.int64)


def _uniform(ids: IntArray, salt: int) -> FloatArray:
    """Numbers in [0, 1) that depend on id and salt alone (splitmix64)."""
    mask = (1 << 64) - 1
    with np.errstate(over="ignore"):
        z = ids.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z += np.uint64(salt * 0xD1B54A32D192ED03 & mask)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    result: FloatArray = (z >> np.uint64(11)).astype(np.float64) / float(1 << 53)
    return result
