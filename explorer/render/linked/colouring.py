"""What the points' colours mean: colours of every projected position, and the legend that says so."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.errors import InputError, suggest
from explorer.render.drawing.colours import Colour, Scale, Theme, categorical, scale_of, scale_with
from explorer.render.drawing.text import count
from explorer.render.linked.quantities import MOST_CLASSES, Quantity
from explorer.render.linked.state import State

CLIP = 0.5  # percent of values beyond either end of a colour bar
LONG = {"cluster": 4_000, "rgb": 10**7, "norm": 10**7, "channel": 10**7, "similarity": 10**7}
"""From how much on a colouring takes more than a moment: positions for clusters, values for the others."""
OTHERS = {"light": (152, 158, 166), "dark": (116, 124, 133)}


@dataclass(frozen=True)
class Swatch:
    """One class in a legend.

    Attributes:
        name: the class.
        colour: its colour.
        n: how many projected positions it has; None where that is not told.
        hidden: whether its points are not shown.
    """

    name: str
    colour: Colour
    n: int | None = None
    hidden: bool = False


@dataclass(frozen=True)
class Legend:
    """What a reader needs to read the colours; swatches or a colour bar.

    Attributes:
        title: what is shown, and in what unit.
        swatches: the classes, or empty.
        others: how many classes share the grey of `others`; 0 where every class has its own colour.
        scale: a colour bar, or None.
        ticks: numbers to write at the bar; its ends when empty.
        note: what else a reader should know.
        mode: the colouring whose classes can be hidden by their names; "" where they cannot.
    """

    title: str
    swatches: tuple[Swatch, ...] = ()
    others: int = 0
    scale: Scale | None = None
    ticks: tuple[float, ...] = ()
    note: str = ""
    mode: str = ""


@dataclass(frozen=True, eq=False)
class Colouring:
    """Every projected position's colour.

    Attributes:
        colours: (n_samples, 3) uint8.
        legend: how to read them.
        groups: (n_samples,) small integers that say which points look alike.
        names: the groups' names where they are classes that have a colour of their own; else empty.
    """

    colours: NDArray[np.uint8]
    legend: Legend
    groups: NDArray[np.int64]
    names: tuple[str, ...] = ()


def colouring(state: State, theme: Theme, basis: Any) -> Colouring:
    """Colour the points as the state asks.

    Args:
        state: what is asked for.
        theme: the colours around the cloud.
        basis: gives the fitted PCA→RGB colours when it is called.
    """
    if state.colour == "rgb":
        return _rgb(state, basis())
    quantity = state.quantity(state.colour)
    return _classes(state, theme, quantity) if quantity.names else _numbers(state, theme, quantity)


def _classes(state: State, theme: Theme, quantity: Quantity) -> Colouring:
    """One colour a class; of many classes the largest, and those asked for, have one of their own."""
    names, codes = quantity.names, np.asarray(quantity.values, np.int64)
    sizes = np.bincount(codes, minlength=len(names))
    hidden = state.hidden.get(state.colour, frozenset())
    own = featured(sizes, [name in hidden for name in names])
    palette = np.tile(np.array(OTHERS[theme.name], np.uint8), (len(names), 1))
    palette[own] = categorical(len(own), theme.name, state.colour_map)
    swatches = tuple(
        Swatch(names[code], colour_of(palette[code]), int(sizes[code]), names[code] in hidden) for code in own
    )
    legend = Legend(quantity.title, swatches, len(names) - len(own), note=quantity.note, mode=state.colour)
    kept = np.zeros(len(names), bool)
    kept[own] = True
    shown = tuple(name if kept[code] else "" for code, name in enumerate(names))
    return Colouring(palette[codes], legend, codes, shown)


def featured(sizes: NDArray[np.int64], hidden: list[bool]) -> NDArray[np.intp]:
    """Which classes get a colour of their own, in their order: all of a few, else the largest.

    Where some of many classes are hidden, those that are left come first: isolating a class gives it
    a colour, and the colours of a few classes never change.
    """
    if len(sizes) <= MOST_CLASSES:
        return np.arange(len(sizes))
    order = np.lexsort((np.arange(len(sizes)), -sizes, np.array(hidden)))
    return np.sort(order[:MOST_CLASSES])


def colour_of(row: NDArray[np.uint8]) -> Colour:
    """A colour as three plain numbers."""
    return int(row[0]), int(row[1]), int(row[2])


def _numbers(state: State, theme: Theme, quantity: Quantity) -> Colouring:
    """A colour bar: the map that fits the numbers, or the one asked for."""
    values = quantity.values
    if quantity.limits is not None:
        low, high = quantity.limits
        scale = scale_of(np.array([low, high]), theme.name, signed=quantity.signed)
        scale = scale if quantity.signed else Scale(low, high, scale.colour_map)
    else:
        scale = scale_of(values, theme.name, CLIP, signed=quantity.signed)
    scale = scale_with(scale, state.colour_map, theme.name)
    ticks = quantity.ticks if quantity.limits == (scale.low, scale.high) else ()
    legend = Legend(quantity.title, scale=scale, ticks=ticks, note=quantity.note)
    return Colouring(scale.colours(values, theme.faint), legend, _bins(values))


def _rgb(state: State, basis: Any) -> Colouring:
    """The layer's PCA→RGB colours of every projected position."""
    grid = np.empty((*state.values.grid_shape, 3), np.uint8)
    colours = state.values.reduced(basis.colours, grid).reshape(-1, 3)[state.rows]
    legend = Legend("PCA→RGB, first three principal components", rgb_swatches())
    return Colouring(colours, legend, (colours // 86 @ np.array([9, 3, 1])).astype(np.int64))


def with_size(legend: Legend, state: State) -> Legend:
    """A legend that also says what the points' sizes mean, where they mean something."""
    if state.size is None:
        return legend
    words = f"larger points: more {state.quantity(state.size).title}"
    return replace(legend, note=f"{legend.note} · {words}" if legend.note else words)


def takes_long(state: State) -> str:
    """What the state's colours need that takes more than a moment, in words; empty for nothing."""
    n, grid = len(state.rows), state.values.grid_shape
    if state.colour == "cluster" and n > LONG["cluster"]:
        return f"finding clusters of {count(n)} positions …"
    if state.colour in LONG and math.prod(grid) * state.values.channels > LONG[state.colour]:
        return f"reading {count(math.prod(grid))} positions of {state.values.layer} …"
    return ""


def rgb_swatches() -> tuple[Swatch, ...]:
    """What red, green and blue stand for."""
    return (
        Swatch("PC 1", (214, 48, 49)),
        Swatch("PC 2", (38, 166, 91)),
        Swatch("PC 3", (52, 104, 219)),
    )


def _bins(values: NDArray[Any]) -> NDArray[np.int64]:
    """Eight groups of equal size, by value."""
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        return np.zeros(len(values), np.int64)
    edges = np.unique(np.percentile(finite, np.linspace(0, 100, 9)[1:-1]))
    return np.asarray(np.searchsorted(edges, np.nan_to_num(values)), np.int64)


def hide(state: State, name: str, *, hidden: bool = True) -> None:
    """Hide a class of the current colouring, or show it again; the last one that is shown stays.

    Raises:
        InputError: the colouring has no such class.
    """
    names = class_names(state, name)
    now = state.hidden.get(state.colour, frozenset())
    now = now | {name} if hidden else now - {name}
    if len(now) < len(set(names)):
        state.hidden = {**state.hidden, state.colour: now}


def isolate(state: State, name: str) -> None:
    """Show one class of the current colouring alone; all of them where it is alone already.

    Raises:
        InputError: the colouring has no such class.
    """
    others = frozenset(class_names(state, name)) - {name}
    alone = state.hidden.get(state.colour) == others
    state.hidden = {**state.hidden, state.colour: frozenset() if alone else others}


def class_names(state: State, name: str) -> tuple[str, ...]:
    """The classes of the current colouring, among which a name must be.

    Raises:
        InputError: it is not.
    """
    names = () if state.colour == "rgb" else state.quantity(state.colour).names
    if name not in names:
        raise InputError(f"class {name!r} of {state.colour}: {suggest(name, names)}")
    return names
