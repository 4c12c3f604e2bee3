"""The words of a grid: its heading, and the colour bar with what a reader has to know."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from explorer.render.drawing.colours import THEMES, Scale, table
from explorer.render.drawing.heatmap import hatched, resize
from explorer.render.drawing.sheet import Sheet
from explorer.render.drawing.text import count, font, plural, width
from explorer.render.sheets.grid_plan import GUTTER, MARGIN, fit
from explorer.render.sheets.grid_scales import Norm, scale_words
from explorer.render.sheets.grid_source import MEASURES, Finding, Source

if TYPE_CHECKING:
    from explorer.render.sheets.feature_maps import Request

THEME = THEMES["light"]
NOTE, NOTE_STEP = 13, 19  # size of the small print, and from one line of it to the next
BAR, LEGIBLE = 180, 320  # width of the colour bar, and the least that is left for words beside it


def heading_lines(source: Source, asked: Request, found: tuple[Finding, ...], room: int) -> list[str]:
    """The title, what is shown of which layer, the order's measure, and what was found."""
    several = len(asked.images) > 1
    what = plural(len(asked.images), "picture") if several else source.name(asked.images[0])
    shown = len(asked.channels)
    of = "" if shown == source.channels else f" of {count(source.channels)}"
    shape = " × ".join(map(str, source.spatial))
    facts = f"{count(shown)}{of} channel{'' if source.channels == 1 else 's'} · {shape} positions"
    if source.cut is not None:
        middle = ", the middle one" if source.cut == source.shape[1] // 2 else ""
        facts += f" · slice {source.cut}, of 0 to {source.shape[1] - 1}{middle}"
    lines = [asked.title or f"{source.layer} · {what}", facts]
    measure = MEASURES[asked.order].format(n=plural(source.shape[0], "picture"))
    if measure:
        first = f" of the first, {source.name(asked.images[0])}" if several else ""
        measure = measure.replace("by answer", f"by answer{first}")
        lines += list(wrapped(f"ordered {measure}", room))
    face = font(NOTE)
    for finding in found:
        line = finding.within(lambda text: width(text, face) <= room)
        lines += list(wrapped(line, room))
    return lines


def wrapped(text: str, room: int) -> Iterator[str]:
    """Lines of whole words, none wider than `room` pixels if its words are not."""
    face, line = font(NOTE), ""
    for word in text.split(" "):
        longer = f"{line} {word}" if line else word
        if line and width(longer, face) > room:
            yield line
            longer = word
        line = longer
    yield line


def draw_heading(sheet: Sheet, lines: list[str], picture: NDArray[np.uint8] | None) -> None:
    """Write title and facts, and the picture itself before them where there is one."""
    x, top = MARGIN, 22
    if picture is not None:
        wide, tall = fit((picture.shape[0], picture.shape[1]), 110, 72)
        sheet.paste((x, top), resize(picture, (wide * sheet.zoom, tall * sheet.zoom), "bicubic"))
        sheet.plate((x, top, wide, tall), outline=THEME.rule)
        x += wide + 16
    room = sheet.size[0] // sheet.zoom - MARGIN - x
    sheet.write((x, top + 20), lines[0], size=20, style="Bold", fill=THEME.text, limit=room)
    for row, line in enumerate(lines[1:]):
        sheet.write((x, top + 43 + row * NOTE_STEP), line, size=NOTE, fill=THEME.muted, limit=room)


def draw_picture(sheet: Sheet, top: int, name: str, picture: NDArray[np.uint8] | None) -> None:
    """Show a picture and its name before its maps."""
    room, y = GUTTER - 22, top
    if picture is not None:
        wide, tall = fit((picture.shape[0], picture.shape[1]), room, 96)
        sheet.paste((MARGIN, y), resize(picture, (wide * sheet.zoom, tall * sheet.zoom), "bicubic"))
        sheet.plate((MARGIN, y, wide, tall), outline=THEME.rule)
        y += tall + 4
    sheet.write((MARGIN, y + 13), name, size=12, fill=THEME.text, limit=room)


def note_lines(source: Source, asked: Request, scales: list[list[Scale]], missing: bool) -> list[str]:
    """What a reader has to know to read the maps, some lines."""
    lines = [scale_words(asked.norm, scales, source.shape[0])]
    look = asked.look
    if look.overlay is not None:
        lines.append(f"maps at {look.overlay:.0%} over the picture in grey, upsampled {look.words}")
    elif look.method != "nearest":
        lines.append(f"maps upsampled {look.words}")
    if asked.strongest is not None:
        lines.append(asked.strongest.words)
    if missing:
        lines.append("hatched: not a number, or infinite")
    return lines


def beside_bar(across: int) -> tuple[int, int]:
    """How far notes stand right of the colour bar's start and below it: beside it, if there is room."""
    return (BAR + 18, 0) if across - BAR - 18 >= LEGIBLE else (0, 36)


def draw_footer(sheet: Sheet, norm: Norm, notes: list[str], missing: bool) -> None:
    """Draw the colour bar, what its ends mean, and what else there is to know."""
    x, wide = MARGIN, BAR
    across = sheet.size[0] // sheet.zoom - 2 * MARGIN
    indent, below = beside_bar(across)
    y = sheet.size[1] // sheet.zoom - 32 - below - NOTE_STEP * len(notes)
    bar = np.repeat(table(norm.colour_map)[None], 12, axis=0)
    sheet.paste((x, y), resize(bar, (wide * sheet.zoom, 12 * sheet.zoom), "bilinear"))
    middle = "0" if norm.limits == (-1, 1) else "0.5"
    for part, text, anchor in ((0, str(norm.limits[0]), "lt"), (0.5, middle, "mt"), (1, "1", "rt")):
        place = (x + part * wide, y + 16)
        sheet.write(place, text.replace("-", "−"), size=12, fill=THEME.muted, anchor=anchor)
    left = x + indent
    for row, line in enumerate(notes):
        at, start = y + below + 11 + row * NOTE_STEP, left
        if missing and row == len(notes) - 1:
            box = np.zeros((12 * sheet.zoom, 18 * sheet.zoom, 3), np.uint8)
            sheet.paste((left, at - 11), hatched(box, np.ones(box.shape[:2], bool), THEME))
            start += 24
        sheet.write((start, at), line, size=NOTE, fill=THEME.muted, limit=across - start + x)
