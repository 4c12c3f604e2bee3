"""The window's lists about colours and sizes: by what, which classes, which palette."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from explorer.render.drawing.colours import QUALITATIVE
from explorer.render.drawing.text import count, number
from explorer.render.linked.colouring import hide, isolate
from explorer.render.linked.quantities import METADATA, Clustering
from explorer.render.linked.saliency_files import SALIENCY
from explorer.render.window.widgets import Item

if TYPE_CHECKING:
    from explorer.render.window.controls import Controls

SEQUENTIAL = ("viridis", "cividis", "magma", "turbo", "gray")
DIVERGING = ("diverging", "PuOr", "RdBu_r", "coolwarm")
SIZES = ("norm", "channel", "component", "trust", "similarity")
CLUSTERINGS = (
    ("k-means, 4 groups", Clustering("kmeans", "features", 4)),
    ("k-means, 8 groups", Clustering("kmeans", "features", 8)),
    ("k-means, 16 groups", Clustering("kmeans", "features", 16)),
    ("HDBSCAN, features", Clustering("hdbscan", "features")),
    ("HDBSCAN, map", Clustering("hdbscan", "map")),
)
NAMED = (("Classes", QUALITATIVE),)
SCALES = (("Sequential", SEQUENTIAL), ("Centred on zero", DIVERGING))


def shown(mode: str) -> str:
    """How a colouring is written in a list."""
    named = {"rgb": "PCA→RGB", "norm": "norm", "mask": "mask class"}
    return named.get(mode, mode.removeprefix(METADATA)).replace(SALIENCY, "saliency, ", 1)


def colour_items(controls: Controls) -> list[Item]:
    """What the points can be coloured by, and ways of finding clusters."""
    state = controls.scene.state
    found = [
        Item(
            shown(mode),
            partial(controls.colour, mode),
            chosen=mode == state.colour,
            detail="column" if mode.startswith(METADATA) else _key_of(mode),
        )
        for mode in state.colours
        if mode not in ("component", "cluster")
    ]
    found += _components(controls)
    found.append(Item("another channel …", partial(controls.push, "channel"), detail="list"))
    if state.focus is None:
        found.append(Item("similarity", None, detail="click a point first"))
    found.append(Item("Clusters", None))
    for words, how in CLUSTERINGS:
        now = state.colour == "cluster" and state.clustering == how
        found.append(Item(words, partial(controls.cluster, how), chosen=now))
    return found


def found_channels(controls: Controls, query: str) -> list[Item]:
    """Channels whose number begins with what was typed; of all, the strongest of the focus first."""
    state = controls.scene.state

    def show(channel: int) -> None:
        state.channel = channel
        controls.colour("channel")

    order, detail = list(range(state.values.channels)), {}
    if state.focus is not None:
        vector = state.values.image(state.focus.image)[state.focus.position]
        detail = {channel: number(float(value)) for channel, value in enumerate(vector)}
        if not query:
            order = np.argsort(-np.nan_to_num(np.asarray(vector, np.float64)), kind="stable").tolist()
    found = [channel for channel in order if str(channel).startswith(query)]
    here = state.channel if state.colour == "channel" else None
    lines = [
        Item(f"channel {channel}", partial(show, channel), channel == here, detail.get(channel, ""))
        for channel in found
    ]
    return lines or [Item(f"channels are 0 to {state.values.channels - 1}", None)]


def channel_items(controls: Controls) -> list[Item]:
    """All channels."""
    return found_channels(controls, "")


def _components(controls: Controls) -> list[Item]:
    """Each axis of the map as a colouring."""
    state = controls.scene.state

    def show(axis: int) -> None:
        state.component = axis
        controls.colour("component")

    return [
        Item(
            f"component {axis + 1}",
            partial(show, axis),
            state.colour == "component" and state.component == axis,
        )
        for axis in range(state.projection.n_components)
    ]


def _key_of(mode: str) -> str:
    from explorer.render.window.keys import COLOUR_KEYS

    return COLOUR_KEYS.get(mode, "")


def class_items(controls: Controls) -> list[Item]:
    """Every class with its count; a click hides or shows it, a right click shows it alone."""
    scene, state = controls.scene, controls.scene.state
    found, gone = scene.colouring(), state.hidden.get(state.colour, frozenset())
    colours = {swatch.name: swatch.colour for swatch in found.legend.swatches}
    quantity = state.quantity(state.colour)
    sizes = np.bincount(quantity.values, minlength=len(quantity.names)).tolist()
    items = [Item("Show all", partial(controls.show_all_classes), detail="right click: one alone")]
    for name, size in zip(quantity.names, sizes, strict=True):
        items.append(
            Item(
                name,
                partial(hide, state, name, hidden=name not in gone),
                chosen=name not in gone,
                detail=count(size),
                colour=colours.get(name),
                stays=True,
                other=partial(isolate, state, name),
            )
        )
    return items


def palette_items(controls: Controls) -> list[Item]:
    """Colour maps for what is shown: for classes, or for numbers from low to high and about zero."""
    state = controls.scene.state

    def choose(name: str | None) -> None:
        state.colour_map = name

    classes = bool(controls.scene.colouring().names)
    groups = (
        (("Classes", QUALITATIVE),)
        if classes
        else (("Sequential", SEQUENTIAL), ("Centred on zero", DIVERGING))
    )
    found = [Item("the one that fits", partial(choose, None), chosen=state.colour_map is None)]
    for heading, names in groups:
        found.append(Item(heading, None))
        found += [Item(name, partial(choose, name), chosen=state.colour_map == name) for name in names]
    return found


def size_items(controls: Controls) -> list[Item]:
    """What the points' sizes can mean."""
    state = controls.scene.state

    def choose(name: str | None) -> None:
        state.size = name

    numbers = [
        mode
        for mode in state.colours
        if mode in SIZES or (mode.startswith(METADATA) and not state.quantity(mode).names)
    ]
    found = [Item("all alike", partial(choose, None), chosen=state.size is None)]
    return found + [Item(shown(mode), partial(choose, mode), chosen=state.size == mode) for mode in numbers]
