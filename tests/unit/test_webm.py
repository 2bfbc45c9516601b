"""Clips are whole, or it is said that they are not."""

from __future__ import annotations

import resource

import numpy as np
import pytest

from detection.evidence import write_clip
from models.errors import XanhError


@pytest.mark.parametrize(("frames", "rate_hz"), [(1, 6.0), (2, 0.7), (31, 12.3)])
def test_a_whole_clip_passes(tmp_path, frames, rate_hz):
    pictures = [np.full((60, 80, 3), 5 * at, np.uint8) for at in range(frames)]
    write_clip(tmp_path / "clip.webm", pictures, rate_hz)


@pytest.mark.parametrize("room_bytes", [100, 20_000, 60_000])
def test_a_clip_that_breaks_off_is_told(tmp_path, room_bytes):
    rng = np.random.default_rng(1)
    pictures = list(rng.integers(0, 255, (12, 120, 160, 3)).astype(np.uint8))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room_bytes, hard))
    try:
        with pytest.raises(XanhError, match="to its end"):
            write_clip(tmp_path / "clip.webm", pictures, 6.0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
