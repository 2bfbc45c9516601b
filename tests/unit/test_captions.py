"""Words on pictures: in both languages, and whole."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image as Picture
from PIL import ImageDraw, ImageFont

from detection.captions import CLASS_WORDS, FONTS, SIGNAL_WORDS, draw_text, width_px
from detection.overlay import FOOTER_PX, draw_subject, with_footer, with_signal_strip
from detection.ports import Image
from models.signals import SignalChange, SignalState, SignalTimeline
from models.site import VEHICLE_CLASSES
from traffic.web.i18n import catalog


def test_every_class_and_state_has_words() -> None:
    assert set(CLASS_WORDS) == set(VEHICLE_CLASSES)
    assert set(SIGNAL_WORDS) == set(SignalState)
    assert all(words.count(" · ") == 1 for words in (*CLASS_WORDS.values(), *SIGNAL_WORDS.values()))


@pytest.mark.parametrize(("language", "side"), [("vi", 0), ("en", 1)])
def test_pictures_say_what_the_console_says(language: str, side: int) -> None:
    words = {f"class.{name}": text for name, text in CLASS_WORDS.items()}
    words |= {f"signal.{state.value}": text for state, text in SIGNAL_WORDS.items()}
    said = {key: text.split(" · ")[side] for key, text in words.items()}
    console = catalog(language)
    assert said == {key: console[key] for key in said}


def _glyph(letter: str) -> bytes:
    picture = Picture.new("L", (40, 60))
    font = ImageFont.truetype(str(FONTS / "NotoSans-Regular.ttf"), 32)
    ImageDraw.Draw(picture).text((2, 2), letter, 255, font)
    return picture.tobytes()


def test_no_letter_is_missing_from_the_type() -> None:
    words = "".join([*CLASS_WORDS.values(), *SIGNAL_WORDS.values(), "SƠ ĐỒ hàng đợi đã đếm 0123 s"])
    missing = _glyph("\U0010fffd")
    assert [letter for letter in set(words) - {" "} if _glyph(letter) == missing] == []


def test_words_are_drawn_in_their_colour_and_nothing_else_changes() -> None:
    image = np.full((30, 200, 3), 60, np.uint8)
    draw_text(image, "đỏ · red", (10, 20), (0, 0, 250), 14)
    changed = np.argwhere((image != 60).any(axis=2))
    assert len(changed) > 40
    assert changed[:, 1].min() >= 9
    assert changed[:, 1].max() <= 10 + width_px("đỏ · red", 14) + 1
    assert image[..., 2].max() == 250
    assert image[..., :2].max() == 60


@pytest.mark.parametrize("at", [(-40, 10), (190, 10), (50, -30), (50, 2), (50, 45)])
def test_words_over_the_edge_are_cut(at: tuple[int, int]) -> None:
    image = np.zeros((30, 200, 3), np.uint8)
    draw_text(image, "vàng nhấp nháy", at, (255, 255, 255))
    wide = np.zeros((130, 400, 3), np.uint8)
    draw_text(wide, "vàng nhấp nháy", (at[0] + 100, at[1] + 50), (255, 255, 255))
    assert (image == wide[50:80, 100:300]).all()


def test_the_footer_says_the_state_below_the_picture() -> None:
    image = np.full((40, 480, 3), 90, np.uint8)
    drawn = with_footer(image, SignalState.FLASHING_YELLOW, 12345.67, "hàng đợi · queue 12")
    assert drawn.shape == (40 + FOOTER_PX, 480, 3)
    assert (drawn[:40] == 90).all()
    edges = (drawn[40:, -4:] == 24).all()
    assert edges, "the longest words fit into a narrow picture"


@pytest.mark.parametrize("times", [2, 3])
def test_a_large_picture_shown_small_reads_like_a_small_one(times: int) -> None:
    signal = SignalTimeline(
        (SignalChange(0.0, SignalState.RED), SignalChange(4.0, SignalState.GREEN))
    )

    def drawn(scale: int) -> Image:
        image = np.full((600 * scale, 800 * scale, 3), 90, np.uint8)
        box = [scale * edge for edge in (300.0, 200.0, 420.0, 330.0)]
        draw_subject(image, box, "car", 7)
        image = with_footer(image, SignalState.RED, 3.21, "hàng đợi · queue 12")
        return with_signal_strip(image, signal, 0.0, 8.0, 3.21)

    small, large = drawn(1), drawn(times)
    assert large.shape == (small.shape[0] * times, small.shape[1] * times, 3)
    shown = cv2.resize(large, (small.shape[1], small.shape[0]), interpolation=cv2.INTER_AREA)
    apart = np.abs(shown.astype(np.int16) - small)
    drawn_on = (small != 90).any(axis=2)
    assert apart[drawn_on].mean() < 12
    assert apart[~drawn_on].mean() < 0.2
