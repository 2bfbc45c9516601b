"""Demand to signal plans. Knows no simulator and no camera."""
