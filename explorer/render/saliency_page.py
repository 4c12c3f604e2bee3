"""Saliency maps on a page: each picture, what drives the target in it, and both together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from explorer.errors import InputError
from explorer.render.colours import THEMES, Scale, table
from explorer.render.heatmap import resize
from explorer.render.sheet import Sheet
from explorer.render.text import number, plural

if TYPE_CHECKING:
    from explorer.explain.saliency import Saliency as Maps

MARGIN, GAP, HEAD, TITLE, CAPTION, LEGEND = 24, 10, 64, 26, 40, 44
ZOOM = 2
WIDTH, LEAST, MOST = 1240, 110, 300
CLIP = 99.5
"""Percentile of a map's values at which its colours end."""
SEQUENTIAL = "inferno"


@dataclass(frozen=True)
class _Plan:
    """Where things are on the page, in its units.

    Attributes:
        cell: width and height of a map.
        columns: of maps, with the picture's.
        down: height of what one picture takes.
        stacked: whether overlays stand under their maps, and not beside them.
    """

    cell: tuple[int, int]
    columns: int
    down: int
    stacked: bool

    def left(self, column: int) -> int:
        """The left edge of a column."""
        return MARGIN + column * (self.cell[0] + GAP)

    def top(self, picture: int) -> int:
        """The upper edge of a picture's maps."""
        return HEAD + TITLE + picture * self.down


def saliency_page(
    results: Sequence[Maps] | Maps,
    *,
    beside: Mapping[str, Sequence[tuple[NDArray[np.uint8], str]]] | None = None,
) -> Sheet:
    """Draw maps of one or several methods for the same pictures.

    Unsigned maps are drawn from black to yellow, signed ones in blue (against the target) and red (for it)
    around zero, each map to the 0.5th and 99.5th percentile of its own values, which are written under it.
    Over the picture, which is grey there, what is dark or near zero is let through.

    Args:
        results: what `saliency` returned for the same inputs, one or several.
        beside: by method, one drawing (height, width, 3) a picture with a line under it, such as fidelity
            curves.

    Returns:
        The page; `save` writes .png, .jpg, .svg or .pdf.

    Raises:
        InputError: none, maps of different inputs, or inputs that are no pictures.
    """
    found: list[Maps] = list(results) if isinstance(results, Sequence) else [results]
    _check(found)
    stacked = len(found) > 1 or beside is not None
    plan = _plan(found, stacked=stacked, extra=0 if beside is None else 1)
    n = len(found[0].names)
    wide = 2 * MARGIN + plan.columns * (plan.cell[0] + GAP) - GAP
    tall = plan.top(n) + LEGEND
    theme = THEMES["light"]
    sheet = Sheet((wide * ZOOM, tall * ZOOM), theme.page, ZOOM)
    _heading(sheet, found, wide)
    _titles(sheet, found, plan, beside is not None)
    for row in range(n):
        _picture(sheet, found[0], row, plan)
        for column, one in enumerate(found):
            _maps(sheet, one, row, plan, 1 + column)
        if beside is not None:
            _beside(sheet, found, row, plan, beside)
    _legend(sheet, found, tall, wide)
    return sheet


def _check(found: list[Maps]) -> None:
    if not found:
        raise InputError("saliency page: no maps to draw")
    if any(one.names != found[0].names for one in found):
        raise InputError("saliency page: maps of different pictures; draw them on pages of their own")
    if any(one.values.ndim != 3 for one in found):
        raise InputError(
            f"saliency page: inputs of {found[0].values.ndim - 1} axes; a page draws pictures, "
            "`save` writes the values of any input"
        )


def _plan(found: list[Maps], *, stacked: bool, extra: int) -> _Plan:
    columns = 1 + len(found) + extra if stacked else 3
    height, width = found[0].values.shape[1:]
    across = int(np.clip((WIDTH - 2 * MARGIN + GAP) / columns - GAP, LEAST, MOST))
    cell = across, max(24, round(across * height / width))
    down = (2 * cell[1] + GAP if stacked else cell[1]) + CAPTION
    return _Plan(cell, columns, down, stacked)


def _heading(sheet: Sheet, found: list[Maps], wide: int) -> None:
    theme, one = THEMES["light"], found[0]
    said = set(one.target)
    towards = one.target[0] if len(said) == 1 else "the class each picture is answered with"
    title = f"{one.model} · what drives {towards}"
    limit = wide - 2 * MARGIN
    sheet.write((MARGIN, 34), title, size=19, fill=theme.text, style="Bold", limit=limit)
    below = f"layer {one.layer} · {plural(len(one.names), 'picture')}"
    if len(found) == 1:
        facts = ", ".join(f"{key} {value}" for key, value in one.facts.items() if key != "at")
        below += f" · {one.method}" + (f" ({facts})" if facts else "") + f" · {one.averaged}"
    sheet.write((MARGIN, 56), below, size=12, fill=theme.muted, limit=limit)


def _titles(sheet: Sheet, found: list[Maps], plan: _Plan, extra: bool) -> None:
    theme, y = THEMES["light"], HEAD + 17
    titles = ["picture", *(one.method for one in found), *(["fidelity"] if extra else [])]
    titles = titles if plan.stacked else ["picture", found[0].method, "over the picture"]
    for column, title in enumerate(titles):
        sheet.write((plan.left(column), y), title, size=13, fill=theme.text, style="Bold", limit=plan.cell[0])


def _picture(sheet: Sheet, one: Maps, row: int, plan: _Plan) -> None:
    """The picture, its name, and what the model says of it."""
    theme, at = THEMES["light"], (plan.left(0), plan.top(row))
    if one.pictures is None:
        sheet.plate((*at, *plan.cell), fill=theme.panel)
    else:
        sheet.paste(at, _large(one.pictures[row], plan.cell))
    y = at[1] + plan.cell[1]
    label = "" if one.labels is None else f" · label {one.labels[row]}"
    sheet.write((at[0], y + 15), one.names[row] + label, size=11, fill=theme.text, limit=plan.cell[0])
    said = f"{one.target[row]}: {number(float(one.scores[row]))}"
    sheet.write((at[0], y + 30), said, size=11, fill=theme.muted, limit=plan.cell[0])


def _maps(sheet: Sheet, one: Maps, row: int, plan: _Plan, column: int) -> None:
    """One method's map of one picture, and over it."""
    theme, top = THEMES["light"], plan.top(row)
    scale = scale_of_map(one.values[row], signed=one.signed)
    colours = _large(scale.colours(one.values[row], theme.panel), plan.cell, "nearest")
    sheet.paste((plan.left(column), top), colours)
    over = _over(one, row, scale, plan.cell)
    place = (plan.left(column), top + plan.cell[1] + GAP) if plan.stacked else (plan.left(2), top)
    sheet.paste(place, over)
    y = top + plan.cell[1] + (GAP + plan.cell[1] if plan.stacked else 0)
    ends = f"±{number(scale.high)}" if one.signed else f"{number(scale.low)} to {number(scale.high)}"
    said = f"{number(scale.high)} at every pixel" if scale.constant else ends
    sheet.write((plan.left(column), y + 15), said, size=11, fill=theme.muted, limit=plan.cell[0])
    if one.completeness is not None:
        line = f"completeness error {one.completeness[row]:.1%}"
        worry = theme.warning if one.completeness[row] > 0.05 else theme.muted
        sheet.write((plan.left(column), y + 30), line, size=11, fill=worry, limit=plan.cell[0])


def _beside(
    sheet: Sheet,
    found: list[Maps],
    row: int,
    plan: _Plan,
    beside: Mapping[str, Sequence[tuple[NDArray[np.uint8], str]]],
) -> None:
    """One drawing a method, from the top of what the picture takes."""
    theme, left = THEMES["light"], plan.left(plan.columns - 1)
    drawn = [(one.method, beside[one.method][row]) for one in found if one.method in beside]
    each = (plan.down - GAP) // max(1, len(drawn))
    for place, (method, (picture, line)) in enumerate(drawn):
        top = plan.top(row) + place * each
        high = max(20, min(each - 34, plan.cell[0]))
        sheet.paste((left, top), resize(picture, (plan.cell[0] * ZOOM, high * ZOOM), "lanczos"))
        name = f"{method}: " if len(drawn) > 1 else ""
        sheet.write((left, top + high + 14), name + line, size=10, fill=theme.muted, limit=plan.cell[0])


def scale_of_map(values: NDArray[np.float32], *, signed: bool) -> Scale:
    """The colours of one map: centred on zero where it is signed, else from least to greatest."""
    sizes = np.abs(values)
    most = float(np.percentile(sizes, CLIP)) or float(sizes.max())
    least = -most if signed else float(np.percentile(values, 100 - CLIP))
    return Scale(least, most, "diverging-light" if signed else SEQUENTIAL)


def _over(one: Maps, row: int, scale: Scale, cell: tuple[int, int]) -> NDArray[np.uint8]:
    """A map over its picture in grey, the more opaque the further from zero."""
    values = one.values[row]
    colours = _large(scale.colours(values, THEMES["light"].panel), cell, "bilinear")
    least = 0.0 if one.signed else scale.low
    span = scale.high - least if scale.high > least else 1.0
    share = np.clip((np.abs(values) - least) / span, 0, 1) ** 0.7
    opaque = _large(np.repeat(np.rint(share * 255).astype(np.uint8)[..., None], 3, axis=2), cell, "bilinear")
    alpha = 0.9 * opaque / 255
    if one.pictures is None:
        grey = np.full(colours.shape, 235.0)
    else:
        picture = _large(one.pictures[row], cell)
        grey = np.repeat((picture @ np.array([0.299, 0.587, 0.114]))[..., None], 3, axis=2)
    return np.asarray(np.rint(colours * alpha + grey * (1 - alpha)), np.uint8)


def _large(picture: NDArray[np.uint8], cell: tuple[int, int], method: str = "") -> NDArray[np.uint8]:
    size = cell[0] * ZOOM, cell[1] * ZOOM
    shrinks = picture.shape[1] > size[0]
    return resize(picture, size, "lanczos" if shrinks else method or "nearest")


def _legend(sheet: Sheet, found: list[Maps], tall: int, wide: int) -> None:
    """What the colours mean."""
    theme, y, left = THEMES["light"], tall - 34, MARGIN
    kinds = [(False, SEQUENTIAL, ("least", "most")), (True, "diverging-light", ("against", "for"))]
    for signed, name, ends in kinds:
        if not any(one.signed == signed for one in found):
            continue
        bar = np.repeat(table(name)[None], 10 * ZOOM, axis=0)
        sheet.write((left, y + 9), ends[0], size=11, fill=theme.muted)
        left += 8 + 7 * len(ends[0])
        sheet.paste((left, y), resize(bar, (120 * ZOOM, 10 * ZOOM), "bilinear"))
        sheet.write((left + 126, y + 9), ends[1], size=11, fill=theme.muted)
        left += 126 + 24 + 7 * len(ends[1])
    said = f"each map to its own percentiles {100 - CLIP:g} and {CLIP:g}, written under it"
    sheet.write((left, y + 9), said, size=11, fill=theme.muted, limit=max(40, wide - MARGIN - left))
