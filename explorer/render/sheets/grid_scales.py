"""From values to colours in a grid: over what, between which percentiles, around what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from explorer.render.drawing.colours import Scale
from explorer.render.drawing.text import number, plural
from explorer.render.sheets.grid_source import Source

Normalise = Literal["map", "layer", "channel", "data"]
NORMALISE: tuple[str, ...] = get_args(Normalise)


@dataclass(frozen=True)
class Norm:
    """How maps are scaled.

    Attributes:
        over: "map", "layer", "channel" or "data".
        limits: (0, 1) or (-1, 1).
        percentiles: the lower and the upper one that become the ends.
        colour_map: as `colours.table` takes it.
    """

    over: str
    limits: tuple[int, int]
    percentiles: tuple[float, float]
    colour_map: str

    @property
    def clips(self) -> bool:
        """Whether some values may lie beyond the ends."""
        return self.percentiles != (0.0, 100.0)


def scales_of(maps: NDArray[Any], norm: Norm, channels: list[int], source: Source) -> list[list[Scale]]:
    """One scale a map: maps (pictures, channels, rows, columns) give a list of lists.

    A map that is constant by itself keeps its own value in a scale of its own, so that it can be told.
    """
    n_pictures, n_maps = maps.shape[:2]
    low, high = (np.empty((n_pictures, n_maps)) for _ in range(2))
    if norm.over == "map":
        for picture in range(n_pictures):
            low[picture], high[picture] = _ends(maps[picture].reshape(n_maps, -1), norm.percentiles)
    elif norm.over == "layer":
        ends = _ends(maps.reshape(1, -1), norm.percentiles)
        low[:], high[:] = ends[0][0], ends[1][0]
    elif norm.over == "channel":
        low[:], high[:] = (source.statistics.percentile(part)[channels] for part in norm.percentiles)
    else:
        low[:], high[:] = (source.statistics.layer_percentile(part) for part in norm.percentiles)
    if norm.limits == (-1, 1):
        reach = np.maximum(np.abs(low), np.abs(high))
        # A constant map is still no map when its one value is not zero.
        low, high = np.where(low == high, low, -reach), np.where(low == high, high, reach)
    return [
        [Scale(float(a), float(b), norm.colour_map, norm.clips) for a, b in zip(*ends, strict=True)]
        for ends in zip(low, high, strict=True)
    ]


def _ends(rows: NDArray[Any], percentiles: tuple[float, float]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Lower and upper percentile of the finite values of each row (n, values); 0 and 0 where none is.

    Where the percentiles fall together though the values differ, the range itself.
    """
    finite = np.isfinite(rows)
    low = np.where(finite, rows, np.inf).min(axis=1)
    high = np.where(finite, rows, -np.inf).max(axis=1)
    if percentiles != (0.0, 100.0):
        with np.errstate(invalid="ignore"):
            for row in np.flatnonzero(low < high):
                inner = np.percentile(rows[row][finite[row]], percentiles)
                if inner[0] < inner[1]:
                    low[row], high[row] = inner
    return np.where(np.isinf(low), 0, low), np.where(np.isinf(high), 0, high)


def scale_words(norm: Norm, scales: list[list[Scale]], n_pictures: int) -> str:
    """What the colour bar's ends mean, in one line."""
    centred = norm.limits == (-1, 1)
    span = "−1 to 1 around zero" if centred else "0 to 1"
    part = " to ".join(f"{percent:g}" for percent in norm.percentiles)
    ends = f"percentiles {part}" if norm.clips else "minimum and maximum"
    if centred:
        ends = f"the larger magnitude of its {ends}" if norm.clips else "largest magnitude"
    own = "own " if not (centred and norm.clips) else ""
    if norm.over == "map":
        return f"each map scaled to {span} by {'its ' if own else ''}{own}{ends}"
    first = scales[0][0]
    reach = f"{number(first.low)} to {number(first.high)}"
    data_set = plural(n_pictures, "picture")
    if norm.over == "channel":
        return f"each channel scaled to {span} by {'its ' if own else ''}{ends} over {data_set}"
    where = "of the maps shown" if norm.over == "layer" else f"of the layer over {data_set}"
    ends = ends.replace(" of its ", " of the ")
    return f"all maps scaled to {span} together, {ends} {where}: {reach}"
