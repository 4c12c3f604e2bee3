"""What a report on a selection shows, section by section, whatever it is written as."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from explorer.explain.coverage import Classes, Share
from explorer.explain.crops import Crops, cut
from explorer.explain.reasons import Reasons
from explorer.explain.typical import Patch
from explorer.render import why_words as words
from explorer.render.colours import THEMES, Scale
from explorer.render.heatmap import heatmap, outline_mask, overlay, resize
from explorer.render.layout import Rect
from explorer.render.text import count, number, plural

THEME = THEMES["light"]
LARGE = 288
"""Longer side in pixels of a picture on which something is marked."""
BARS = 12
PICTURES = 8


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture with its caption.

    Attributes:
        pixels: (height, width, 3) uint8.
        caption: what it is.
        detail: said less loudly.
        smooth: whether it may be smoothed when it is enlarged.
    """

    pixels: NDArray[np.uint8]
    caption: str
    detail: str = ""
    smooth: bool = True


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
        rows: rows of pictures, each with a line above it.
        tables: tables.
    """

    title: str
    text: tuple[str, ...] = ()
    rows: tuple[tuple[str, tuple[Picture, ...]], ...] = ()
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


def content(found: Reasons) -> Report:
    """Everything a report says and shows."""
    sections = (
        _patches(found),
        _classes(found),
        _pictures(found),
        _channels(found),
        _drivers(found),
        _grown(found),
    )
    return Report(
        f"Why {count(found.n_selected)} positions of {found.layer} lie together",
        words.headline(found),
        words.facts(found),
        tuple(one for one in sections if one is not None),
        tuple(words.caveats(found)),
    )


def crops_of(found: Reasons) -> Crops | None:
    """How patches are cropped; None where there are no pictures, or no rows and columns."""
    first = found.run.picture(0)
    spatial = found.chosen.grid_shape[1:]
    if first is None or len(spatial) != 2:
        return None
    return Crops((int(first.shape[0]), int(first.shape[1])), (spatial[0], spatial[1]), found.field)


def _patches(found: Reasons) -> Section | None:
    crops, shown = crops_of(found), found.typical
    if crops is None:
        if found.run.picture(0) is None:
            return Section("Typical patches", ("The run keeps no pictures to cut patches from.",))
        return _whole_pictures(found)

    def row(patches: Sequence[Patch], *, kinds: bool = False) -> tuple[Picture, ...]:
        return tuple(_patch(found, crops, one, kind=kinds) for one in patches)

    rows = [("Nearest to the selection's mean: what is most typical of it", row(shown.nearest))]
    if shown.kinds:
        kinds = f"{len(shown.kinds)} kinds within it, told apart by k-means, the largest first"
        rows.append((kinds, row(shown.kinds, kinds=True)))
    if shown.outside:
        rows.append(("Just outside: nearest to the same mean, but not selected", row(shown.outside)))
    how = f"Each patch is cropped {crops.words}. Grey is outside the picture."
    near = "Nearness is Euclidean, in the layer's own channels and not on the map."
    return Section("Typical patches", (f"{how} {near}",), tuple(rows))


def _whole_pictures(found: Reasons) -> Section:
    """Where a layer has no rows and columns, the pictures themselves."""
    shown = []
    for one in found.typical.nearest:
        picture = found.run.picture(one.image)
        if picture is not None:
            shown.append(Picture(_enlarged(picture), found.run.image_names[one.image], _label(found, one.image)))
    rank = len(found.chosen.grid_shape) - 1
    what = "one vector a picture" if not rank else plural(rank, "spatial axis").replace("axiss", "axes")
    text = f"The layer has {what}, so whole pictures are shown."
    return Section("Typical pictures", (text,), (("Nearest to the selection's mean", tuple(shown)),))


def _label(found: Reasons, image: int) -> str:
    return "" if found.run.labels is None else f"label {found.run.labels[image]}"


def _patch(found: Reasons, crops: Crops, one: Patch, *, kind: bool) -> Picture:
    picture = found.run.picture(one.image)
    assert picture is not None  # the first was there
    pixels = cut(picture, crops.spans(one.position), (150, 154, 160))
    label = _label(found, one.image)
    place = f"row {one.position[0]}, column {one.position[1]}"
    if kind:
        return Picture(pixels, f"{words.percent(one.share)} of it", label or found.run.image_names[one.image])
    return Picture(pixels, label or found.run.image_names[one.image], place if label == "" else place)


def _classes(found: Reasons) -> Section | None:
    groups = [one for one in (found.labels, found.masks, *found.classes) if one is not None]
    tables = [_class_table(one) for one in groups]
    text = [f"{words.number_words(one)}." for one in found.numbers]
    if not tables and not text:
        return Section("What it covers", ("The run knows no labels, masks or metadata of its pictures.",))
    return Section("What it covers", tuple(text), (), tuple(tables))


def _class_table(classes: Classes) -> Table:
    shares = list(classes.shares)
    shown = [one for one in shares if one.selected][:BARS]
    most = max(max(one.share, one.expected) for one in shown)
    left = [one for one in shares if one not in shown]
    none = sum(1 for one in left if not one.selected)
    notes = ["The line on each bar: its share of all positions."]
    if len(left) > none:
        notes.append(f"{count(len(left) - none)} more with smaller shares.")
    if none:
        notes.append(f"{count(none)} without any selected position.")
    head = (classes.title, "share of the selection", "share", "expected", "times its share", "positions", "pictures")
    return Table(head, tuple(_share_bar(one, most) for one in shown), " ".join(notes))


def _share_bar(one: Share, most: float) -> Bar:
    factor = words.times(one.enrichment).replace(" times", "×")
    cells = (
        words.percent(one.share),
        words.percent(one.expected),
        factor,
        count(one.selected),
        f"{count(one.images)} of {count(one.of_images)}",
    )
    return Bar(one.name, one.share / most, cells, one.expected / most)


def _pictures(found: Reasons) -> Section:
    text = [words.place_words(found)]
    rows: list[tuple[str, tuple[Picture, ...]]] = []
    shown = found.pictures[:PICTURES]
    pictures = [_marked(found, one.image, one.name, one.share) for one in shown]
    drawn = tuple(one for one in pictures if one is not None)
    if drawn:
        rest = len(found.pictures) - len(drawn)
        more = f"; {count(rest)} more hold some" if rest else ""
        rows.append((f"Pictures with the largest share selected{more}. What is not selected is paler", drawn))
    heat = _where(found)
    if heat is not None:
        rows.append(("All pictures together: how often each place is selected", (heat,)))
    return Section("Which pictures, and where in them", tuple(one for one in text if one), tuple(rows))


def _marked(found: Reasons, image: int, name: str, share: float) -> Picture | None:
    """A picture with its selected positions outlined."""
    picture = found.run.picture(image)
    if picture is None:
        return None
    large, mask = _enlarged(picture), found.chosen.mask(image)
    if mask.ndim == 3:
        mask = mask[mask.sum(axis=(1, 2)).argmax()]
    if mask.ndim == 2 and not mask.all():
        large = outlined(large, mask)
    label = _label(found, image)
    return Picture(large, f"{words.percent(share)} selected", f"{label} · {name}" if label else name)


def outlined(picture: NDArray[np.uint8], mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """A picture with the cells of a mask outlined and the rest paler."""
    from PIL import Image

    canvas = Image.fromarray(picture)
    place = Rect(0, 0, canvas.width, canvas.height)
    outline_mask(canvas, place, mask, THEME, thick=2)
    return np.asarray(canvas, np.uint8)


def _enlarged(picture: NDArray[np.uint8], longer: int = LARGE) -> NDArray[np.uint8]:
    """A picture whose longer side has so many pixels."""
    zoom = longer / max(picture.shape[:2])
    size = max(1, round(picture.shape[1] * zoom)), max(1, round(picture.shape[0] * zoom))
    return resize(np.ascontiguousarray(picture), size, "lanczos" if zoom < 1 else "bicubic")


def _where(found: Reasons) -> Picture | None:
    """The places of the grid by how often they are selected."""
    shares = found.where
    if shares.ndim == 3:
        shares = shares.mean(axis=0)
    if shares.ndim != 2 or found.run.n_images < 2:
        return None
    high = float(shares.max())
    pixels = heatmap(shares, Scale(0.0, high, "viridis"), THEME)
    zoom = max(1, LARGE // max(shares.shape))
    large = np.repeat(np.repeat(pixels, zoom, axis=0), zoom, axis=1)
    detail = f"yellow: in {words.percent(high)} of all pictures; violet: in none"
    return Picture(large, "how often selected", detail, smooth=False)


def _channels(found: Reasons) -> Section:
    shown = [one for one in found.channels if one.effect][:BARS]
    finite = [abs(one.effect) for one in shown if math.isfinite(one.effect)]
    most = max(finite, default=1.0)
    bars = tuple(
        Bar(
            f"channel {one.channel}",
            min(abs(one.effect) / most, 1.0),
            (
                f"{one.effect:+.2f}".replace("-", "−") if math.isfinite(one.effect) else "only here",
                number(one.inside),
                number(one.outside),
            ),
            negative=one.effect < 0,
        )
        for one in shown
    )
    rest = len(found.channels) - len(shown)
    note = f"{plural(rest, 'further channel')}, less apart." if rest else ""
    head = ("channel", "apart by, in standard deviations", "apart", "mean here", "mean elsewhere")
    tables = (Table(head, bars, note),) if bars else ()
    return Section("Channels that set it apart", (words.channel_words(found),), _channel_maps(found), tables)


def _channel_maps(found: Reasons) -> tuple[tuple[str, tuple[Picture, ...]], ...]:
    """The most telling channels' maps on the most typical picture."""
    if not found.typical.nearest or len(found.chosen.grid_shape) != 3:
        return ()
    image = found.typical.nearest[0].image
    values, mask = found.run.read(found.layer, image, image + 1)[0], found.chosen.mask(image)
    under = found.run.picture(image)
    base = None if under is None else _enlarged(under)
    drawn = []
    if base is not None:
        own = base if mask.all() else outlined(base, mask)
        drawn.append(Picture(own, "the picture", f"{plural(int(mask.sum()), 'position')} selected"))
    for one in found.channels[:5]:
        plane = np.asarray(values[..., one.channel], np.float64)
        finite = plane[np.isfinite(plane)]
        if not finite.size:
            continue
        pixels = heatmap(plane, Scale(float(finite.min()), float(finite.max()), "viridis"), THEME)
        zoom = max(1, LARGE // max(plane.shape))
        size = (pixels.shape[1] * zoom, pixels.shape[0] * zoom) if base is None else (base.shape[1], base.shape[0])
        detail = f"{number(float(finite.min()))} to {number(float(finite.max()))}"
        drawn.append(Picture(resize(pixels, size), f"channel {one.channel}", detail, smooth=False))
    name = found.run.image_names[image]
    return ((f"Their maps on the most typical picture, {name}, each from its least to its most", tuple(drawn)),)


def _drivers(found: Reasons) -> Section:
    rows: tuple[tuple[str, tuple[Picture, ...]], ...] = ()
    drawn = [one for driver in found.drivers for one in _driven(found, driver.image, driver.values)]
    if drawn:
        words_above = "Each picture with its selected positions, and beside it the pixels that drive them"
        rows = ((words_above, tuple(drawn)),)
    return Section("Pixels that drive exactly these positions", (found.drivers_note,), rows)


def _driven(found: Reasons, image: int, values: NDArray[np.float32]) -> list[Picture]:
    picture = found.run.picture(image)
    if picture is None:
        return []
    large, mask = _enlarged(picture), found.chosen.mask(image)
    top = float(np.percentile(values, 99.5)) or float(values.max()) or 1.0
    colours = heatmap(values, Scale(0.0, top, "inferno", clipped=True), THEME)
    over = overlay(large, resize(colours, (large.shape[1], large.shape[0]), "bilinear"), 0.82)
    own = large if mask.all() else outlined(large, mask)
    name = found.run.image_names[image]
    return [
        Picture(own, _label(found, image) or name, plural(int(mask.sum()), "position")),
        Picture(over, "what drives them", "bright: most"),
    ]


def _grown(found: Reasons) -> Section:
    rows: tuple[tuple[str, tuple[Picture, ...]], ...] = ()
    if found.grown is not None:
        one = found.grown
        caption = f"reaches {number(one.reached)}"
        detail = f"largest of any picture: {number(one.strongest)}"
        rows = (("Grown from noise", (Picture(_enlarged(one.picture), caption, detail),)),)
    return Section("What its mean direction grows into", (found.grown_note,), rows)
