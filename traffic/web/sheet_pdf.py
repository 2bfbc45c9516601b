"""The sheet of a case on paper: a PDF with its fonts inside, A4, in the console's light colours."""

from __future__ import annotations

import re
from functools import cache
from io import BytesIO
from pathlib import Path

from fpdf import FPDF
from fpdf.enums import XPos, YPos
from PIL import Image

from detection.captions import FONTS
from models.signals import SignalState
from simulation.strip import PERMISSIVE, STOP_THEN_GO, bars, lettered
from traffic.web.render import STATIC
from traffic.web.sheet import CHECK_SIGNATURE, CHECK_SUMS, Sheet, SheetPicture
from traffic.web.strip import Mark

MARGIN_MM = 14.0
WIDTH_MM = 210.0 - 2 * MARGIN_MM
GAP_MM = 4.0
_PAGES = "¤"  # stands for how many there are; as wide as a figure
SANS, MONO = "NotoSans", "DejaVuSansMono"
_LAMPS = {
    SignalState.GREEN: "green",
    PERMISSIVE: "green",
    SignalState.YELLOW: "yellow",
    SignalState.FLASHING_YELLOW: "yellow",
    SignalState.RED: "red",
    STOP_THEN_GO: "red",
}


def sheet_pdf(sheet: Sheet) -> bytes:
    """The sheet as a PDF; the same sheet gives the same bytes."""
    page = _Paper(sheet)
    page.head()
    page.frames()
    page.strip()
    page.facts()
    page.law()
    page.history()
    page.check()
    page.signatures()
    page.enlarged()
    return bytes(page.output())


class _Paper(FPDF):
    """The pages; each method adds one section below the last."""

    def __init__(self, sheet: Sheet) -> None:
        super().__init__(unit="mm", format="A4")
        self._sheet = sheet
        self._t = sheet.t
        for style, name in (("", "Regular"), ("B", "Bold")):
            self.add_font(SANS, style, FONTS / f"{SANS}-{name}.ttf")
        self.add_font(MONO, "", FONTS / f"{MONO}.ttf")
        self._known = frozenset(self.fonts[SANS.lower()].cmap)  # type: ignore[union-attr]
        self.set_margins(MARGIN_MM, MARGIN_MM, MARGIN_MM)
        self.c_margin = 0.0
        self.alias_nb_pages(_PAGES)
        self.set_auto_page_break(True, MARGIN_MM + 6.0)
        self.set_creation_date(sheet.at)
        self.set_lang(sheet.t.language)
        self.set_title(f"{sheet.title} · {sheet.when}")
        self.set_subject(self._t("sheet.title"))
        self.set_creator("Xanh")
        self.add_page()

    def footer(self) -> None:
        """Which case this is, and which of how many pages."""
        self.set_y(-MARGIN_MM)
        self._style("muted", 8)
        self.cell(WIDTH_MM / 2, 4, f"{self._t('case.id')} {self._sheet.case_id}")
        self.cell(WIDTH_MM / 2, 4, f"{self.page_no()} / {_PAGES}", align="R")

    def head(self) -> None:
        """What it is, where and when, who hands it out and what for."""
        sheet = self._sheet
        self._text(self._t("sheet.title"), "muted", 9)
        self._text(sheet.title, "text", 18, bold=True, line_mm=9)
        self._text(f"{sheet.when} · {sheet.place}", "text", 11, line_mm=6)
        self.ln(1)
        self._text(sheet.exported, "muted", 9)
        self._text(self._t("sheet.review"), "muted", 9)
        if sheet.caution:
            self.ln(1.5)
            top = self.get_y()
            self.set_x(MARGIN_MM + 3)
            self._text(sheet.caution, "text", 9.5, width_mm=WIDTH_MM - 3)
            self._ink("text", draw=True)
            self.set_line_width(0.7)
            self.line(MARGIN_MM, top, MARGIN_MM, self.get_y())

    def frames(self) -> None:
        """The three instants side by side."""
        self._section(self._t("sheet.pictures"), 55)
        width = (WIDTH_MM - 2 * GAP_MM) / 3
        top = bottom = self.get_y()
        for index, frame in enumerate(self._sheet.frames):
            self.set_xy(MARGIN_MM + index * (width + GAP_MM), top)
            bottom = max(bottom, self._figure(frame, width))
        self.set_y(bottom + 1.5)
        self._text(self._sheet.about_pictures, "muted", 8.5)

    def strip(self) -> None:
        """What the head showed around the act."""
        self._section(f"{self._t('strip.title')} · {self._t('case.strip_about')}", 20)
        strip = self._sheet.strip
        window = strip.end_s - strip.start_s
        label_mm, height = 22.0, 6.0
        left, width = MARGIN_MM + label_mm, WIDTH_MM - label_mm
        top = self.get_y() + 4
        foot = top + height

        def x_of(at_s: float) -> float:
            return left + width * (at_s - strip.start_s) / window

        self.set_xy(MARGIN_MM, top + 1)
        self._style("muted", 9)
        self.cell(label_mm - 3, 4, self._shown(strip.row.label))
        self.set_line_width(0.15)
        self._ink("line", draw=True)
        self._style("muted", 8)
        for step in range(-40, 21, 10):
            x = x_of(strip.act_s + step)
            self.line(x, top - 2, x, foot + 1.5)
            self.set_xy(min(x - 6, MARGIN_MM + WIDTH_MM - 12), foot + 2)
            self.cell(12, 3.5, strip.tick(strip.act_s + step), align="R" if step == 20 else "C")
        for begin, end, shown, share in bars(
            strip.row.changes, strip.start_s, strip.end_s, strip.until_s
        ):
            tall = share * height
            if shown != SignalState.UNKNOWN:  # a gap is drawn as a gap
                self._ink(_LAMPS.get(SignalState(shown), "faint"), fill=True)
                self.rect(x_of(begin), foot - tall, x_of(end) - x_of(begin), tall, style="F")
            if lettered(begin, end, window):
                over = tall < height / 2
                self._style(_LAMPS.get(SignalState(shown), "faint") if over else "panel", 7.5, True)
                self.set_xy(x_of(begin) + 0.3, foot - (tall + 3.6 if over else 3.8))
                self.cell(5, 3.5, self._t("signal.letter." + shown))
        for mark in strip.row.marks:
            self._mark(mark, x_of(mark.time_s), top, foot)
        self.set_y(foot + 6)

    def _mark(self, mark: Mark, x: float, top: float, foot: float) -> None:
        self._ink("alarm" if mark.flagged else "text", draw=True, fill=mark.flagged)
        self.set_line_width(0.5 if mark.flagged else 0.25)
        if mark.flagged:
            self.polygon([(x - 1.4, top - 2.6), (x + 1.4, top - 2.6), (x, top - 0.4)], style="F")
            self.line(x, top - 1, x, foot + 0.6)
        else:
            self.line(x, top - 1.8, x, top - 0.4)

    def facts(self) -> None:
        """What was measured, beside the vehicle and its plate."""
        height = 5.0
        self._section(self._t("case.facts"), max(45, height * len(self._sheet.facts)))
        top = self.get_y()
        name_mm, left_mm = 38.0, WIDTH_MM * 0.64
        for name, value in self._sheet.facts:
            line = self.get_y()
            self._style("muted", 9)
            self.set_x(MARGIN_MM)
            self.cell(name_mm, height, self._shown(name))
            self.set_xy(MARGIN_MM + name_mm, line)
            self._text(value, "text", 9, width_mm=left_mm - name_mm, line_mm=height)
        below = self.get_y()
        self.set_y(top)
        for detail in self._sheet.details:
            self.set_x(MARGIN_MM + left_mm + GAP_MM)
            self.set_y(self._figure(detail, WIDTH_MM - left_mm - GAP_MM, 42) + 2)
        self.set_y(max(below, self.get_y()))

    def law(self) -> None:
        """The rule in force on the day of the act."""
        self._section(self._t("case.law"), 22)
        for line in self._sheet.law:
            self._text(line, "text", 9.5)
        self._text(self._sheet.law_note, "muted", 8.5)

    def history(self) -> None:
        """Who did what and when."""
        self._section(self._t("history.title"), 20)
        for when, what, by in self._sheet.history:
            self._style("text", 9)
            self.cell(42, 4.8, self._shown(when))
            self.cell(90, 4.8, self._shown(what))
            self.cell(0, 4.8, self._shown(by), new_x=XPos.LMARGIN, new_y=YPos.NEXT)

    def check(self) -> None:
        """How anybody checks the package, and what the evidence was."""
        self._section(self._t("sheet.check"), 40)
        for about, command in (
            ("sheet.check_about", CHECK_SUMS),
            ("sheet.signed", CHECK_SIGNATURE),
            ("sheet.key", self._sheet.key),
        ):
            self._text(self._t(about), "text", 9)
            self._mono(command)
            self.ln(1)
        self._section(self._t("sheet.originals"), 12)
        for name, digest in self._sheet.originals:
            top = self.get_y()
            self._mono(name, 46)
            self.set_xy(MARGIN_MM + 46, top)
            self._mono(digest)

    def signatures(self) -> None:
        """Room for the hand of those who answer for it."""
        if self.will_page_break(42):
            self.add_page()
        self.ln(8)
        top = self.get_y()
        for index, who in enumerate(("sheet.sign_officer", "sheet.sign_head")):
            self.set_xy(MARGIN_MM + index * WIDTH_MM / 2, top)
            self._style("text", 10, bold=True)
            self.cell(WIDTH_MM / 2, 5, self._t(who), align="C")
            self.set_xy(MARGIN_MM + index * WIDTH_MM / 2, top + 5)
            self._style("muted", 8.5)
            self.cell(WIDTH_MM / 2, 4, self._t("sheet.sign"), align="C")
        self.set_y(top + 34)

    def enlarged(self) -> None:
        """The three instants again, as large as the page allows."""
        if not self._sheet.frames:
            return
        self.add_page()
        self._text(self._t("sheet.pictures"), "muted", 9, bold=True)
        self.ln(1)
        room = (297 - 2 * MARGIN_MM - 6 - 8) / len(self._sheet.frames) - 7.5
        for frame in self._sheet.frames:
            self.set_x(MARGIN_MM)
            self.set_y(self._figure(frame, WIDTH_MM, room, one_line=True) + 2)

    def _figure(
        self,
        picture: SheetPicture,
        width_mm: float,
        most_mm: float = 400.0,
        *,
        one_line: bool = False,
    ) -> float:
        """A picture from here on with its line below; gives where it ends."""
        x, y = self.get_x(), self.get_y()
        with Image.open(BytesIO(picture.content)) as opened:
            shape = opened.height / opened.width
        width = min(width_mm, most_mm / shape)
        self.image(BytesIO(picture.content), x, y, width, width * shape, alt_text=picture.title)
        self.set_xy(x, y + width * shape + 0.8)
        self._style("text", 8.5)
        if one_line:
            text = " · ".join(part for part in (picture.title, picture.signal) if part)
            self.cell(width_mm, 4, self._shown(text))
            return self.get_y() + 4
        self.cell(width, 4, self._shown(picture.title))
        if picture.signal:
            self.set_xy(x, self.get_y() + 4)
            self._style("muted", 8.5)
            self.cell(width, 4, self._shown(picture.signal))
        return self.get_y() + 4

    def _section(self, title: str, needs_mm: float) -> None:
        """A rule and a heading, with room for what follows on the same page."""
        self.ln(2.5)
        if self.will_page_break(needs_mm + 8):
            self.add_page()
        else:
            self.set_line_width(0.2)
            self._ink("line-strong", draw=True)
            self.line(MARGIN_MM, self.get_y(), MARGIN_MM + WIDTH_MM, self.get_y())
            self.ln(1.5)
        self._text(title, "muted", 9, bold=True)
        self.ln(0.5)

    def _text(
        self,
        text: str,
        colour: str,
        size_pt: float,
        *,
        bold: bool = False,
        width_mm: float = 0.0,
        line_mm: float = 4.6,
    ) -> None:
        self._style(colour, size_pt, bold)
        self.multi_cell(
            width_mm,
            line_mm,
            self._shown(text),
            align="L",
            new_x=XPos.LMARGIN,
            new_y=YPos.NEXT,
        )

    def _mono(self, text: str, width_mm: float = 0.0) -> None:
        self.set_font(MONO, "", 7.5)
        self.multi_cell(width_mm, 4, text, align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT)

    def _style(self, colour: str, size_pt: float, bold: bool = False) -> None:
        self.set_font(SANS, "B" if bold else "", size_pt)
        self.set_text_color(*_colour(colour))

    def _ink(self, colour: str, *, draw: bool = False, fill: bool = False) -> None:
        if draw:
            self.set_draw_color(*_colour(colour))
        if fill:
            self.set_fill_color(*_colour(colour))

    def _shown(self, text: str) -> str:
        """A text in characters that the fonts have: names and purposes are typed by people."""
        return "".join(
            character if ord(character) in self._known or character == "\n" else "?"
            for character in text
        )


@cache
def _colour(name: str) -> tuple[int, int, int]:
    """A colour of the console's light theme."""
    tokens = (Path(STATIC) / "css" / "tokens.css").read_text("utf-8")
    light = tokens[tokens.index('[data-theme="light"]') :]
    found = re.search(rf"--{re.escape(name)}: #([0-9a-f]{{6}})", light)
    if found is None:
        raise KeyError(name)
    value = int(found.group(1), 16)
    return value >> 16, value >> 8 & 255, value & 255
