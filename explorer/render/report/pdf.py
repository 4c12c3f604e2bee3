"""A report as a PDF of A4 pages: words stay words, pictures keep their pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from explorer.render.drawing.colours import THEMES, Colour, rgb
from explorer.render.drawing.heatmap import resize
from explorer.render.drawing.sheet import Sheet
from explorer.render.drawing.text import font, printable, width
from explorer.render.files import held
from explorer.render.report.parts import Bar, Picture, Report, Row, Section, Table

THEME = THEMES["light"]
PAGE = (595, 842)  # A4 in points
EDGE, TOP, FOOT = 54, 58, 50
ROOM = PAGE[0] - 2 * EDGE
ZOOM = 4  # pixels to a point of what is enlarged
ACROSS, GAP = 8, 8  # pictures in a row, and points between them
BAR, OTHER = rgb("#3b6fd4"), rgb("#c8553d")
NAME, TRACK, LINE = 104, 128, 15


class Pages:
    """Sheets that are filled from the top; a block that has no room goes to the next."""

    def __init__(self) -> None:
        self.sheets: list[Sheet] = []
        self.y = 0
        self.turn()

    def turn(self) -> None:
        """Begin a page."""
        self.sheets.append(Sheet((PAGE[0] * ZOOM, PAGE[1] * ZOOM), THEME.page, ZOOM))
        self.y = TOP

    @property
    def sheet(self) -> Sheet:
        """The page that is being filled."""
        return self.sheets[-1]

    def need(self, height: int) -> None:
        """Go to the next page unless so many points are left on this one."""
        if self.y + height > PAGE[1] - FOOT:
            self.turn()

    def write(
        self, text: str, size: int, *, colour: Colour = THEME.text, bold: bool = False, step: float = 1.45
    ) -> None:
        """Write a paragraph in lines of whole words."""
        for line in wrapped(text, size, ROOM, bold=bold):
            self.need(round(size * step))
            self.y += round(size * step)
            at = (EDGE, self.y - round(size * (step - 1) / 2))
            self.sheet.write(at, line, size=size, fill=colour, style="Bold" if bold else "")


def wrapped(text: str, size: int, room: int, *, bold: bool = False) -> list[str]:
    """Lines of whole words, none wider than `room` if its words are not; longer words are cut."""
    face = font(size * 4, "Bold" if bold else "")
    lines, line = [], ""
    for word in printable(text).replace(" %", "\0%").split(" "):
        word = word.replace("\0", " ")  # a number and its unit stay on one line
        while width(word, face) > room * 4:
            cut = max(1, len(word) * room * 4 // width(word, face) - 1)
            lines += [line, word[:cut]] if line else [word[:cut]]
            line, word = "", word[cut:]
        longer = f"{line} {word}" if line else word
        if line and width(longer, face) > room * 4:
            lines.append(line)
            longer = word
        line = longer
    return [*lines, line]


def save(report: Report, path: Path) -> None:
    """Write the report.

    Raises:
        RenderError: the file cannot be written.
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_pdf import PdfPages

    pages = Pages()
    pages.write(report.title, 10, colour=THEME.muted, bold=True)
    pages.y += 6
    pages.write(report.headline, 17, bold=True, step=1.36)
    pages.y += 8
    pages.write(report.facts, 9, colour=THEME.muted)
    for section in report.sections:
        _section(pages, section)
    _heading(pages, "How this was counted", 60)
    for line in report.caveats:
        pages.write(line, 9, colour=THEME.muted)
        pages.y += 4
    about = {"Title": printable(report.title), "Creator": "activation-explorer", "CreationDate": None}
    look = {"pdf.fonttype": 42, "image.composite_image": False}
    with held(path) as memory, mpl.rc_context(look), PdfPages(memory, metadata=about) as file:
        for number, sheet in enumerate(pages.sheets, 1):
            at = (PAGE[0] - EDGE, PAGE[1] - 28)
            words = f"{number} of {len(pages.sheets)}"
            sheet.write(at, words, size=8, fill=THEME.muted, anchor="rs")
            file.savefig(sheet.drawing(), dpi=72)


def _heading(pages: Pages, title: str, least: int) -> None:
    """A rule and a title, with room for what follows."""
    pages.y += 20
    pages.need(40 + least)
    if pages.y > TOP:
        pages.sheet.plate((EDGE, pages.y, ROOM, 1), fill=THEME.rule)
        pages.y += 10
    pages.write(title, 13, bold=True)
    pages.y += 3


def _section(pages: Pages, section: Section) -> None:
    _heading(pages, section.title, 90)
    for line in section.text:
        pages.write(line, 9)
        pages.y += 3
    for row in section.rows:
        _row(pages, row)
    for table in section.tables:
        _table(pages, table)


def _row(pages: Pages, row: Row) -> None:
    """Pictures side by side under a line, in as many rows as they need."""
    small = (ROOM - (ACROSS - 1) * GAP) // ACROSS
    lines: list[list[tuple[Picture, int]]] = [[]]
    for one in row.pictures:
        wide = 2 * small + GAP if one.large else small
        if sum(taken + GAP for _, taken in lines[-1]) + wide > ROOM:
            lines.append([])
        lines[-1].append((one, wide))
    pages.y += 7
    pages.need(50 + max((_height(*one) for one in lines[0]), default=0))
    pages.write(row.title, 9, bold=True)
    pages.y += 5
    for some in lines:
        _pictures(pages, some)


def _pictures(pages: Pages, some: list[tuple[Picture, int]]) -> None:
    """One row of (picture, width), with their captions."""
    tall = max(_height(*one) for one in some)
    words = [_caption(*one) for one in some]
    below = max(len(lines) for lines in words) * 10 + 10
    pages.need(tall + below)
    left = EDGE
    for (one, wide), lines in zip(some, words, strict=True):
        high = _height(one, wide)
        pixels = resize(np.ascontiguousarray(one.pixels), (wide * ZOOM, high * ZOOM), _filter(one))
        pages.sheet.paste((left, pages.y), pixels)
        for line, (text, colour) in enumerate(lines):
            at = (left, pages.y + high + 10 + line * 10)
            pages.sheet.write(at, text, size=7, fill=colour, limit=wide)
        left += wide + GAP
    pages.y += tall + below


def _filter(one: Picture) -> str:
    return "bicubic" if one.smooth else "nearest"


def _height(one: Picture, wide: int) -> int:
    """Height in points of a picture of this width; no more than thrice that."""
    tall = round(wide * int(one.pixels.shape[0]) / int(one.pixels.shape[1]))
    return max(1, min(tall, 3 * wide))


def _caption(one: Picture, wide: int) -> list[tuple[str, Colour]]:
    """Lines under a picture: the caption, and the detail in up to three."""
    detail = wrapped(one.detail, 7, wide - 1)[:4] if one.detail else []
    caption = wrapped(one.caption, 7, wide - 1)[:2]
    return [(line, THEME.text) for line in caption] + [(line, THEME.muted) for line in detail]


def _table(pages: Pages, table: Table) -> None:
    """Lines with bars; the head comes again on the next page."""
    pages.y += 8
    pages.need(2 * LINE + LINE * min(len(table.bars), 4))
    columns = _columns(table)
    _head(pages, table, columns)
    for bar in table.bars:
        if pages.y + LINE > PAGE[1] - FOOT:
            pages.turn()
            _head(pages, table, columns)
        _line(pages, bar, columns)
    if table.note:
        pages.y += 3
        pages.write(table.note, 8, colour=THEME.muted)
    pages.y += 6


def _columns(table: Table) -> list[int]:
    """Right ends of the cells' columns."""
    count = len(table.head) - 2
    room = ROOM - NAME - TRACK - 12
    return [EDGE + NAME + TRACK + 12 + round(room * (place + 1) / count) for place in range(count)]


def _head(pages: Pages, table: Table, columns: list[int]) -> None:
    pages.y += LINE
    at = pages.y - 4
    pages.sheet.write((EDGE, at), table.head[0], size=8, fill=THEME.muted, limit=NAME - 6)
    pages.sheet.write((EDGE + NAME, at), table.head[1], size=8, fill=THEME.muted, limit=TRACK + 20)
    for title, right in zip(table.head[2:], columns, strict=True):
        pages.sheet.write((right, at), title, size=8, fill=THEME.muted, anchor="rs")


def _line(pages: Pages, bar: Bar, columns: list[int]) -> None:
    pages.sheet.plate((EDGE, pages.y, ROOM, 1), fill=THEME.rule)
    pages.y += LINE
    at = pages.y - 4
    pages.sheet.write((EDGE, at), bar.name, size=9, fill=THEME.text, limit=NAME - 6)
    long = round(TRACK * bar.part)
    if long:
        box = (EDGE + NAME, pages.y - LINE + 4, long, LINE - 7)
        pages.sheet.plate(box, fill=OTHER if bar.negative else BAR)
    if bar.mark is not None:
        left = EDGE + NAME + round(TRACK * bar.mark)
        pages.sheet.plate((left, pages.y - LINE + 2, 1, LINE - 3), fill=THEME.text)
    for cell, right in zip(bar.cells, columns, strict=True):
        pages.sheet.write((right, at), cell, size=9, fill=THEME.text, anchor="rs")
