"""A grid as a matplotlib figure, one axes a map, for those who go on from there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from explorer.render.drawing.colours import table
from explorer.render.drawing.heatmap import MISSING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from explorer.render.sheets.feature_maps import Map

EACH, STRIP = 1.6, 6.0  # inches of a map, and of a signal
MOST_TIDIED = 64
"""Maps up to which matplotlib may look for the tightest layout, which takes it seconds for hundreds."""


def figure_of(maps: Sequence[Map], columns: int) -> Figure:
    """One axes a map in reading order, titled, with the map's values, colours and limits."""
    from matplotlib.colors import ListedColormap
    from matplotlib.figure import Figure

    rows = -(-len(maps) // columns)
    height, wide = maps[0].values.shape
    across = STRIP if height == 1 else EACH
    down = 0.25 if height == 1 else EACH * min(height / wide, 4)
    tidy = len(maps) <= MOST_TIDIED
    figure = Figure(figsize=(columns * across, rows * (down + 0.3)), layout="constrained" if tidy else None)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    several = len({one.image for one in maps}) > 1
    for place, one in zip(axes, maps, strict=False):
        plain = ListedColormap(table(one.scale.colour_map) / 255, name=one.scale.colour_map)
        colours = plain.with_extremes(bad=np.asarray(MISSING["light"]) / 255)
        shown = np.ma.masked_invalid(one.values)
        low, high = one.scale.low, one.scale.high
        place.imshow(
            shown, cmap=colours, vmin=low, vmax=high if high > low else low + 1, interpolation="nearest",
            aspect="equal" if height > 1 else "auto",
        )  # fmt: skip
        title = f"{one.title} · image {one.image}" if several else one.title
        place.set_title(title if tidy else f"channel {one.channel}", fontsize=8 if tidy else 6)
    for place in axes:
        place.set_axis_off()
    return figure
