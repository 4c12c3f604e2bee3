"""What the points' colours mean: colours of every projected position, and the legend that says so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.render.colours import Colour, Scale, Theme, categorical, scale_of
from explorer.render.state import State
from explorer.render.text import plural

MOST_CLASSES = 14
TRUST_OF_RANDOM = 0.5
CLIP = 0.5  # percent of values beyond either end of a colour bar


@dataclass(frozen=True)
class Legend:
    """What a reader needs to read the colours; one of the three forms.

    Attributes:
        title: what is shown, and in what unit.
        swatches: (name, colour) pairs of classes, or empty.
        scale: a colour bar, or None.
        ticks: numbers to write at the bar; its ends when empty.
    """

    title: str
    swatches: tuple[tuple[str, Colour], ...] = ()
    scale: Scale | None = None
    ticks: tuple[float, ...] = ()


@dataclass(frozen=True)
class Colouring:
    """Every projected position's colour.

    Attributes:
        colours: (n_samples, 3) uint8.
        legend: how to read them.
        groups: (n_samples,) small integers that say which points look alike.
    """

    colours: NDArray[np.uint8]
    legend: Legend
    groups: NDArray[np.int64]


def colouring(state: State, theme: Theme, basis: Any) -> Colouring:
    """Colour the points as the state asks.

    Args:
        state: what is asked for.
        theme: the colours around the cloud.
        basis: gives the fitted PCA→RGB colours when it is called.
    """
    if state.colour == "label":
        return _labels(state, theme)
    if state.colour == "rgb":
        return _rgb(state, basis())
    if state.colour in ("image", "row", "column"):
        return _places(state, theme)
    values, title = _numbers(state)
    if state.colour == "trust":
        scale = Scale(TRUST_OF_RANDOM, 1.0, "viridis")
        return Colouring(scale.colours(values, theme.faint), Legend(title, scale=scale), _bins(values))
    scale = scale_of(values, theme.name, CLIP, signed=state.colour != "component")
    return Colouring(scale.colours(values, theme.faint), Legend(title, scale=scale), _bins(values))


def _labels(state: State, theme: Theme) -> Colouring:
    """One colour a label, in the order of their names."""
    labels = state.run.labels or ()
    names = sorted(set(labels), key=natural)
    number = {name: index for index, name in enumerate(names)}
    codes = np.array([number[label] for label in labels], np.int64)[state.image_of_row]
    palette = categorical(len(names), theme.name)
    swatches = tuple((name, colour_of(palette[i])) for i, name in enumerate(names))
    return Colouring(palette[codes], Legend("label", swatches), codes)


def natural(name: str) -> tuple[int, float, str]:
    """A key that sorts 2 before 10, and numbers before words."""
    try:
        return 0, float(name), name
    except ValueError:
        return 1, 0.0, name


def colour_of(row: NDArray[np.uint8]) -> Colour:
    """A colour as three plain numbers."""
    return int(row[0]), int(row[1]), int(row[2])


def _places(state: State, theme: Theme) -> Colouring:
    """Which image, or where in it: named colours for a few images, else a colour bar."""
    if state.colour == "image":
        codes, n, title = state.image_of_row, state.run.n_images, "image, in the run's order"
        if n <= MOST_CLASSES:
            palette = categorical(n, theme.name)
            names = state.run.image_names
            swatches = tuple((names[i], colour_of(palette[i])) for i in range(n))
            return Colouring(palette[codes], Legend("image", swatches), codes)
    else:
        positions = state.projection.positions()
        rank = positions.shape[1] - 1
        axis = rank if state.colour == "column" else max(rank - 1, 0)
        if rank == 0 or (rank == 1 and state.colour == "row"):
            codes, n = np.zeros(len(positions), np.int64), 1
        else:
            codes, n = positions[:, axis], state.values.grid_shape[axis]
        edge = "from the left" if state.colour == "column" else "from the top"
        title = f"{state.colour} of the position, {edge}"
    scale = Scale(0.0, float(max(n - 1, 0)), "viridis")
    ticks = whole_ticks(max(n - 1, 0))
    return Colouring(scale.colours(codes, theme.faint), Legend(title, scale=scale, ticks=ticks), codes)


def whole_ticks(last: int) -> tuple[float, ...]:
    """Whole numbers from 0 to `last` in equal steps where that can be: all of a few, else up to six."""
    if last <= 9:
        return tuple(float(tick) for tick in range(last + 1))
    parts = next((parts for parts in (5, 4, 3, 2) if last % parts == 0), 4)
    return tuple(float(tick) for tick in np.linspace(0, last, parts + 1).round())


def _numbers(state: State) -> tuple[NDArray[Any], str]:
    """One number a projected position, (n_samples,), and what it is."""
    rows = state.projection.samples.grid_rows()
    if state.colour == "component":
        axis = min(state.component, state.projection.n_components - 1)
        return state.projection.coordinates[:, axis], f"component {axis + 1} of the projection"
    if state.colour == "trust":
        assert state.projection.trust is not None  # the state has looked
        return state.projection.trust, "trust: 1 neighbours are true, 0.5 as in a random map"
    if state.colour == "channel":
        values = state.values.channel(state.channel)
        return values.reshape(-1)[rows], f"channel {state.channel}, activation"
    return state.values.norms().reshape(-1)[rows], f"norm over {plural(state.values.channels, 'channel')}"


def _rgb(state: State, basis: Any) -> Colouring:
    """The layer's PCA→RGB colours of every projected position."""
    grid = np.empty((*state.values.grid_shape, 3), np.uint8)
    colours = state.values.reduced(basis.colours, grid).reshape(-1, 3)[state.projection.samples.grid_rows()]
    legend = Legend("PCA→RGB, first three principal components", rgb_swatches())
    return Colouring(colours, legend, (colours // 86 @ np.array([9, 3, 1])).astype(np.int64))


def rgb_swatches() -> tuple[tuple[str, Colour], ...]:
    """What red, green and blue stand for."""
    return (("PC 1", (214, 48, 49)), ("PC 2", (38, 166, 91)), ("PC 3", (52, 104, 219)))


def _bins(values: NDArray[Any]) -> NDArray[np.int64]:
    """Eight groups of equal size, by value."""
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        return np.zeros(len(values), np.int64)
    edges = np.unique(np.percentile(finite, np.linspace(0, 100, 9)[1:-1]))
    return np.asarray(np.searchsorted(edges, np.nan_to_num(values)), np.int64)
