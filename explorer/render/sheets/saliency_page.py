"""Saliency maps on a page: each picture, what drives the target in it, and both together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from explorer.errors import InputError
from explorer.render.drawing.colours import THEMES, Scale, table
from explorer.render.drawing.heatmap import outline_mask, resize
from explorer.render.drawing.layout import Rect
from explorer.render.drawing.sheet import Sheet
from explorer.render.drawing.text import number, plural
from explorer.render.sheets.fidelity_curves import fidelity_curves

if TYPE_CHECKING:
    from explorer.explain.fidelity import Fidelity
    from explorer.explain.saliency import Saliency as Maps

MARGIN, GAP, HEAD, TITLE, CAPTION, LEGEND = 24, 10, 64, 26, 40, 44
CURVES = 130
ZOOM = 2
WIDTH, LEAST, MOST = 1240, 160, 300
CLIP = 99.5
"""Percentile of a map's values at which its colours end."""
SEQUENTIAL = "inferno"
Place = tuple[int, int]
"""Left and top."""


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
    images: Sequence[int] | None = None,
    fidelity: Sequence[Fidelity] | None = None,
) -> Sheet:
    """Draw maps of one or several methods for the same pictures.

    Unsigned maps are drawn from black to yellow, signed ones in blue (against the target) and red (for it)
    around zero, each map to the 0.5th and 99.5th percentile of its own values, which are written under it.
    Over the picture, which is grey there, what is dark or near zero is let through.

    Args:
        results: what `saliency` returned for the same inputs, one or several.
        images: numbers of the pictures that are drawn; all when left out.
        fidelity: what `Saliency.fidelity` returned for each of them, to draw the curves with the maps.

    Returns:
        The page; `save` writes .png, .jpg, .svg or .pdf.

    Raises:
        InputError: none, maps of different inputs, or inputs that are no pictures.
    """
    found: list[Maps] = list(results) if isinstance(results, Sequence) else [results]
    _check(found)
    plan = _plan(found, stacked=len(found) > 1, curves=fidelity is not None)
    rows = list(range(len(found[0].names)) if images is None else images)
    n = len(rows)
    wide = 2 * MARGIN + plan.columns * (plan.cell[0] + GAP) - GAP
    tall = plan.top(n) + LEGEND
    theme = THEMES["light"]
    sheet = Sheet((wide * ZOOM, tall * ZOOM), theme.page, ZOOM)
    _heading(sheet, found, wide)
    _titles(sheet, found, plan)
    for place, row in enumerate(rows):
        top = plan.top(place)
        _picture(sheet, found[0], row, plan, top)
        for column, one in enumerate(found, start=1):
            _maps(sheet, one, row, plan, (plan.left(column), top))
            if fidelity is not None:
                _curves(sheet, fidelity[column - 1], row, plan, (plan.left(column), top))
    _legend(sheet, found, tall, wide, None if fidelity is None else fidelity[0].of)
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


def _plan(found: list[Maps], *, stacked: bool, curves: bool) -> _Plan:
    columns = 1 + len(found) if stacked else 3 + curves
    height, width = found[0].values.shape[1:]
    across = int(np.clip((WIDTH - 2 * MARGIN + GAP) / columns - GAP, LEAST, MOST))
    cell = across, max(24, round(across * height / width))
    down = (2 * cell[1] + GAP if stacked else cell[1]) + CAPTION
    if stacked and curves:
        down += min(cell[1], CURVES) + CAPTION
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


def _titles(sheet: Sheet, found: list[Maps], plan: _Plan) -> None:
    theme, y = THEMES["light"], HEAD + 17
    titles = ["picture", *(one.method for one in found)]
    titles = titles if plan.stacked else ["picture", found[0].method, "over the picture", "fidelity"]
    titles = titles[: plan.columns]
    for column, title in enumerate(titles):
        sheet.write((plan.left(column), y), title, size=13, fill=theme.text, style="Bold", limit=plan.cell[0])


def _picture(sheet: Sheet, one: Maps, row: int, plan: _Plan, top: int) -> None:
    """The picture, its name, and what the model says of it."""
    theme, at = THEMES["light"], (plan.left(0), top)
    if one.shown is None:
        sheet.plate((*at, *plan.cell), fill=theme.panel)
    else:
        sheet.paste(at, _with_positions(_large(one.shown[row], plan.cell), one, row))
    y, label = at[1] + plan.cell[1], [] if one.labels is None else [f"label {one.labels[row]}"]
    is_length = one.question is not None and one.question.target.needs_values
    score = ("length " if is_length else "") + number(float(one.scores[row]))
    lines = [one.names[row], *label, one.target[row], score]
    if not plan.stacked:  # no room for a line each
        lines = [" · ".join(lines[: 1 + len(label)]), f"{one.target[row]}: {score}"]
    for line, words in enumerate(lines):
        fill = theme.text if line == 0 else theme.muted
        sheet.write((at[0], y + 15 * (line + 1)), words, size=11, fill=fill, limit=plan.cell[0])


def _with_positions(picture: NDArray[np.uint8], one: Maps, row: int) -> NDArray[np.uint8]:
    """A picture with the positions outlined that are explained, where those are some of its grid."""
    from PIL import Image

    masks = None if one.question is None else one.question.target.masks
    if masks is None or masks.ndim != 3 or masks[row].all() or not masks[row].any():
        return picture
    canvas = Image.fromarray(picture)
    outline_mask(
        canvas, Rect(0, 0, canvas.width, canvas.height), masks[row], THEMES["light"], thick=4, pale=False
    )
    return np.asarray(canvas, np.uint8)


def _maps(sheet: Sheet, one: Maps, row: int, plan: _Plan, at: Place) -> None:
    """One method's map of one picture, and over it."""
    theme, (left, top) = THEMES["light"], at
    scale = scale_of_map(one.values[row], signed=one.signed)
    colours = _large(scale.colours(one.values[row], theme.panel), plan.cell, "nearest")
    sheet.paste(at, colours)
    over = _over(one, row, scale, plan.cell)
    place = (left, top + plan.cell[1] + GAP) if plan.stacked else (plan.left(2), top)
    sheet.paste(place, over)
    y = top + plan.cell[1] + (GAP + plan.cell[1] if plan.stacked else 0)
    ends = f"±{number(scale.high)}" if one.signed else f"{number(scale.low)} to {number(scale.high)}"
    said = f"{number(scale.high)} at every pixel" if scale.constant else ends
    sheet.write((left, y + 15), said, size=11, fill=theme.muted, limit=plan.cell[0])
    if one.completeness is not None:
        line = f"completeness error {one.completeness[row]:.1%}"
        worry = theme.warning if one.completeness[row] > 0.05 else theme.muted
        sheet.write((left, y + 30), line, size=11, fill=worry, limit=plan.cell[0])


def _curves(sheet: Sheet, found: Fidelity, row: int, plan: _Plan, at: Place) -> None:
    """A method's curves of one picture: under its maps, or beside them where there is but one method."""
    high = min(plan.cell[1], CURVES)
    picture, said = fidelity_curves(found, row, (plan.cell[0] * ZOOM, high * ZOOM), ZOOM)
    left, top = (at[0] if plan.stacked else plan.left(3)), at[1]
    if plan.stacked:
        top += 2 * plan.cell[1] + GAP + CAPTION
    sheet.paste((left, top), picture)
    for line, words in enumerate(said, start=1):
        at = left, top + high + 15 * line
        sheet.write(at, words, size=11, fill=THEMES["light"].muted, limit=plan.cell[0])


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
    if one.shown is None:
        grey = np.full(colours.shape, 235.0)
    else:
        picture = _large(one.shown[row], cell)
        grey = np.repeat((picture @ np.array([0.299, 0.587, 0.114]))[..., None], 3, axis=2)
    return np.asarray(np.rint(colours * alpha + grey * (1 - alpha)), np.uint8)


def _large(picture: NDArray[np.uint8], cell: tuple[int, int], method: str = "") -> NDArray[np.uint8]:
    size = cell[0] * ZOOM, cell[1] * ZOOM
    shrinks = picture.shape[1] > size[0]
    return resize(picture, size, "lanczos" if shrinks else method or "nearest")


def _legend(sheet: Sheet, found: list[Maps], tall: int, wide: int, curves: str | None) -> None:
    """What the colours mean, and what is drawn in the curves."""
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
    said += "" if curves is None else f" · curves: {curves}, 0 to 1, over the share of pixels"
    sheet.write((left, y + 9), said, size=11, fill=theme.muted, limit=max(40, wide - MARGIN - left))
