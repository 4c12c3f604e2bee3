"""What a report on a selection is made of, whatever it is written as: sections, tables, pictures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture with its caption.

    Attributes:
        pixels: (height, width, 3) uint8.
        caption: what it is.
        detail: said less loudly.
        smooth: whether it may be smoothed when it is enlarged.
        large: whether it is shown twice as wide as others.
    """

    pixels: NDArray[np.uint8]
    caption: str
    detail: str = ""
    smooth: bool = True
    large: bool = False


@dataclass(frozen=True)
class Row:
    """Pictures side by side.

    Attributes:
        title: the line above them.
        pictures: the pictures.
    """

    title: str
    pictures: tuple[Picture, ...]


@dataclass(frozen=True)
class Bar:
    """A line of a table with a bar.

    Attributes:
        name: what it is of.
        part: length of the bar, 0 to 1.
        cells: what stands behind it, a cell a column.
        mark: where a mark stands on the bar's scale, or None.
        negative: whether the bar is of the other colour.
    """

    name: str
    part: float
    cells: tuple[str, ...]
    mark: float | None = None
    negative: bool = False


@dataclass(frozen=True)
class Table:
    """Lines with bars.

    Attributes:
        head: the columns' titles: the name's, the bar's, and one a cell.
        bars: the lines.
        note: what was left out, and how to read the bars.
    """

    head: tuple[str, ...]
    bars: tuple[Bar, ...]
    note: str = ""


@dataclass(frozen=True)
class Section:
    """A part of the report.

    Attributes:
        title: its heading.
        text: what it says, a paragraph each.
        rows: rows of pictures.
        tables: tables.
    """

    title: str
    text: tuple[str, ...] = ()
    rows: tuple[Row, ...] = ()
    tables: tuple[Table, ...] = ()


@dataclass(frozen=True)
class Report:
    """All of it.

    Attributes:
        title: the page's title.
        headline: what there is to know first.
        facts: what was selected of what.
        sections: the parts.
        caveats: how it was counted, and what it does not say.
    """

    title: str
    headline: str
    facts: str
    sections: tuple[Section, ...]
    caveats: tuple[str, ...]
