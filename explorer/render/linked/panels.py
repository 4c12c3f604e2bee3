"""What the four heatmap panels of one image hold, before anything is laid out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.errors import ExplorerError
from explorer.explain.beside_run import sought
from explorer.render.drawing.colours import Scale, Theme, scale_of, scale_with
from explorer.render.drawing.text import plural
from explorer.render.linked.colouring import Swatch, rgb_swatches
from explorer.render.linked.plane import cells, plane
from explorer.render.linked.state import State
from explorer.render.values import length, similarity


@dataclass(frozen=True)
class Panel:
    """One picture with its caption.

    Attributes:
        title: the caption.
        detail: said less loudly at the caption's other end.
        cells: (rows, columns) of the layer's grid that a click can name, or None.
        values: (rows, columns) numbers, drawn with `scale`.
        colours: (rows, columns, 3) uint8, drawn as they are.
        scale: the colour bar.
        swatches: named colours in place of a colour bar.
        under: a picture to lay the map over, (height, width, 3), or None.
        note: words shown in place of a picture.
        aspect: width over height of what the grid is laid over; None for as many pixels as positions.
        curve: whether the values, (1, n), are drawn as a curve.
        level: how far down a line lies across the picture, from 0 to 1; None for none.
    """

    title: str
    detail: str = ""
    cells: tuple[int, int] | None = None
    values: NDArray[Any] | None = None
    colours: NDArray[np.uint8] | None = None
    scale: Scale | None = None
    swatches: tuple[Swatch, ...] = ()
    under: NDArray[np.uint8] | None = None
    note: str = ""
    aspect: float | None = None
    curve: bool = False
    level: float | None = None


def panels(state: State, theme: Theme, basis: Any) -> tuple[Panel, Panel, Panel, Panel]:
    """The image, the map, its PCA→RGB, and the similarity to the selection (or what else tells something)."""
    values = state.values.image(state.image)
    picture = state.run.picture(state.image)
    if not state.values.spatial:
        words = f"{state.values.layer} has no positions: one vector an image"
        empty = [Panel(title, note=words) for title in ("map", "PCA→RGB", "similarity")]
        return _image(state, picture), empty[0], empty[1], _answered(state, theme) or empty[2]
    last = _similar(state, theme, values) if state.focus is not None else _varied(state, theme, values)
    last = _answered(state, theme) or _sought(state) or last
    maps = (_map(state, theme, values=values, picture=picture), _rgb(state, values, basis), last)
    if len(state.values.spatial) == 1:
        curves = tuple(
            replace(one, curve=True, under=None) if one.values is not None and len(one.values) == 1 else one
            for one in maps
        )
        first = _channels(state, theme, values) if picture is None else _image(state, picture)
        return first, curves[0], curves[1], curves[2]
    if len(state.values.spatial) == 3 and picture is None:
        return _across(state, theme, values), maps[0], maps[1], maps[2]
    aspect = None if picture is None else picture.shape[1] / picture.shape[0]
    laid = [one if one.note or one.cells is None else replace(one, aspect=aspect) for one in maps]
    return _image(state, picture), laid[0], laid[1], laid[2]


def _image(state: State, picture: NDArray[np.uint8] | None) -> Panel:
    """The image itself."""
    label = state.label(state.image)
    title, detail = state.run.image_names[state.image], "" if label is None else f"label {label}"
    if picture is None:
        return Panel(title, detail, note="no picture was kept with these activations")
    return Panel(title, detail, cells=cells(state), colours=picture)


def _channels(state: State, theme: Theme, values: NDArray[Any]) -> Panel:
    """A signal's channels below one another, in place of a picture."""
    label = state.label(state.image)
    return Panel(
        state.run.image_names[state.image],
        f"{plural(state.values.channels, 'channel')}" + ("" if label is None else f" · label {label}"),
        cells=cells(state),
        values=values.T,
        scale=scale_with(scale_of(values.T, theme.name), state.colour_map, theme.name),
    )


def _across(state: State, theme: Theme, values: NDArray[Any]) -> Panel:
    """A volume cut across its slices, in place of a picture: its norm, and where the shown slice lies."""
    (deep, rows, _), at = state.values.spatial, state.focus
    row = rows // 2 if at is None or at.image != state.image else at.position[1]
    cut = length(values[:, row])
    title = state.run.image_names[state.image]
    level = (state.cut + 0.5) / deep
    return Panel(title, f"slices at row {row}", values=cut, scale=scale_of(cut, theme.name), level=level)


def _slice(state: State) -> str:
    """Which slice of a volume a map shows."""
    if len(state.values.spatial) != 3:
        return ""
    return f"slice {state.cut}"


def _map(state: State, theme: Theme, *, values: NDArray[Any], picture: NDArray[np.uint8] | None) -> Panel:
    """The norm, a channel, or an axis of the projection."""
    detail = _slice(state)
    if state.map == "norm":
        grid, title = length(values), f"norm of {plural(state.values.channels, 'channel')}"
    elif state.map == "channel":
        grid, title = values[..., state.channel], f"channel {state.channel}"
        detail = detail or f"of {state.values.channels}"
    else:
        axis = min(state.component, state.projection.n_components - 1)
        folded = state.projection.samples.fold(state.projection.coordinates[:, axis])
        grid, title = folded[state.image], f"component {axis + 1}"
        detail = "hatched: not sampled" if state.projection.rows is not None else detail
    flat = np.asarray(plane(state, grid))
    under = picture if state.overlaid else None
    scale = scale_of(flat, theme.name, signed=state.map != "component" or state.projection.method == "pca")
    scale = scale_with(scale, state.colour_map, theme.name)
    return Panel(title, detail, cells=cells(state), values=flat, scale=scale, under=under)


def _rgb(state: State, values: NDArray[Any], basis: Any) -> Panel:
    """The first three principal components as red, green and blue."""
    try:
        colours = basis().colours(values)
    except ExplorerError as error:
        return Panel("PCA→RGB", note=str(error))
    flat = np.asarray(plane(state, colours))
    return Panel("PCA→RGB", "shared basis", cells=cells(state), colours=flat, swatches=rgb_swatches())


def _similar(state: State, theme: Theme, values: NDArray[Any]) -> Panel:
    """How much every position of this image resembles the selected one."""
    at = state.focus
    assert at is not None  # the caller looked
    one = state.values.image(at.image)[at.position]
    flat = np.asarray(plane(state, similarity(values, one)))
    scale = Scale(min(0.0, float(np.nanmin(flat, initial=0.0))), 1.0, "viridis")
    return Panel("similarity", "cosine, to the ring", cells=cells(state), values=flat, scale=scale)


def _answered(state: State, theme: Theme) -> Panel | None:
    """What the model answered last, while it is about what is shown."""
    return (
        state.answer.panel(state, theme) if state.answer is not None and state.answer.holds(state) else None
    )


def _sought(state: State) -> Panel | None:
    """The picture that the shown channel answers to most, where the run keeps one and nothing is selected."""
    if state.map != "channel" or state.focus is not None:
        return None
    kept = sought(state.run, state.values.layer, state.channel)
    if kept is None:
        return None
    detail = f"reached {kept.reached:.3g}"
    if kept.strongest is not None:  # in few words: there is little room
        detail = f"{kept.reached:.3g} · real {kept.strongest:.3g}"
    return Panel("maximised", detail, colours=kept.picture)


def channel_in_view(state: State) -> int:
    """The channel whose map is seen: the shown one, or the one that varies most; else the current one."""
    if state.map == "channel" or state.focus is not None or not state.values.spatial:
        return state.channel
    return _most_varied(state.values.image(state.image))


def _most_varied(values: NDArray[Any]) -> int:
    numbers = values.reshape(-1, values.shape[-1]).astype(np.float64)
    spread = np.nan_to_num(numbers.var(axis=0), nan=-1.0, posinf=-1.0)
    return int(np.argmax(spread))


def _varied(state: State, theme: Theme, values: NDArray[Any]) -> Panel:
    """Until something is selected: the channel that varies most over this image."""
    best = _most_varied(values)
    flat = np.asarray(plane(state, values[..., best]))
    return Panel(
        f"channel {best}",
        "varies most here",
        cells=cells(state),
        values=flat,
        scale=scale_of(flat, theme.name),
    )


def picture_aspect(state: State) -> float:
    """Width over height of the run's pictures, or of the layer's grid; at most 4 to 1 either way."""
    if state.aspect is None:
        picture = state.run.picture(0)
        tall, wide = (cells(state) or (1, 1)) if picture is None else picture.shape[:2]
        state.aspect = 2.4 if tall == 1 < wide else min(max(wide / tall, 0.25), 4.0)
    return state.aspect
