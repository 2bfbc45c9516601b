"""Words drawn on pictures, Vietnamese first, then English.

A picture is read by officers, courts and engineers, and leaves the house without the page that
showed it: it says what it says in both languages. OpenCV's strokes have no Vietnamese letters, so
the words are drawn by Pillow, in the type that lies in the package.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
from PIL import Image as Picture
from PIL import ImageDraw, ImageFont

from detection.ports import Image
from models.signals import SignalState

Colour: TypeAlias = tuple[int, int, int]

FONTS: Final = Path(__file__).parent / "fonts"

SIGNAL_WORDS: Final[dict[SignalState, str]] = {
    SignalState.RED: "đỏ · red",
    SignalState.YELLOW: "vàng · yellow",
    SignalState.FLASHING_YELLOW: "vàng nhấp nháy · flashing yellow",
    SignalState.GREEN: "xanh · green",
    SignalState.DARK: "tắt · dark",
    SignalState.UNKNOWN: "không rõ · unknown",
}
CLASS_WORDS: Final[dict[str, str]] = {
    "motorcycle": "xe máy · motorcycle",
    "bicycle": "xe đạp · bicycle",
    "car": "ô tô · car",
    "bus": "xe buýt · bus",
    "truck": "xe tải · truck",
    "pedestrian": "người đi bộ · pedestrian",
}


@cache
def _font(size_px: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(FONTS / "NotoSans-Regular.ttf"), size_px)


def width_px(text: str, size_px: int) -> int:
    """How wide a text is drawn."""
    return round(_font(size_px).getlength(text))


def draw_text(
    image: Image, text: str, at: tuple[int, int], colour: Colour, size_px: int = 12
) -> None:
    """Draw a text, in place, as far as it lies in the picture.

    Args:
        image: BGR picture (H, W, 3).
        text: What to write.
        at: Left end of the line that the letters stand on.
        colour: BGR.
        size_px: Of the type.
    """
    font = _font(size_px)
    left, top, right, bottom = (round(edge) for edge in font.getbbox(text, anchor="ls"))
    height, width = image.shape[:2]
    x0, y0 = max(at[0] + left - 1, 0), max(at[1] + top - 1, 0)
    x1, y1 = min(at[0] + right + 1, width), min(at[1] + bottom + 1, height)
    if x1 <= x0 or y1 <= y0:
        return
    letters = Picture.new("L", (x1 - x0, y1 - y0))
    ImageDraw.Draw(letters).text((at[0] - x0, at[1] - y0), text, 255, font, anchor="ls")
    share = np.asarray(letters, np.float32)[..., None] / 255.0
    below = image[y0:y1, x0:x1]
    below[:] = np.rint(below + (np.array(colour, np.float32) - below) * share)
