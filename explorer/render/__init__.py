"""Pictures: the feature-map grid, and the point cloud beside the heatmaps of the same positions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from explorer.activations import Activations
from explorer.errors import InputError

if TYPE_CHECKING:
    from PIL import Image

    from explorer.reduce.projection import Projection
    from explorer.reduce.rgb_basis import RgbBasis
    from explorer.render.linked_scene import Scene
    from explorer.render.values import RunLike

__all__ = ["grid", "scene"]


def scene(
    run: RunLike,
    projection: Projection,
    *,
    image: int = 0,
    channel: int | None = None,
    colour: str = "label",
    theme: str = "light",
    rgb: RgbBasis | None = None,
) -> Scene:
    """Tie a run's heatmaps to a projection of one of its layers.

    Args:
        run: an opened run folder.
        projection: 2D or 3D coordinates of positions of one of the run's layers.
        image: which input's heatmaps are shown first.
        channel: the channel the map shows; None for the norm over all channels.
        colour: "label" ("image" where the run has no labels), "image", "row", "column", "norm",
            "channel", "component", "rgb", "trust", "cluster"; "mask" where the run has masks, and
            "metadata:NAME" for a column of its metadata. `scene.state.colours` lists what there is.
        theme: "light" or "dark".
        rgb: PCA→RGB colours of another run in place of this one's own.

    Raises:
        InputError: an image, channel, colour or theme that there is not, or a projection of another run.
        LayerError: the run lacks the projection's layer.
    """
    from explorer.render.linked_scene import Scene

    made = Scene(run, projection, image=image, channel=channel, colour=colour, theme=theme)
    if rgb is not None:
        made.use_rgb(rgb)
    return made


def grid(
    activations: Activations,
    *,
    image: int = 0,
    channels: Iterable[int] | None = None,
    columns: int | None = None,
    colour_map: str | None = None,
    normalise: Literal["map", "layer"] = "map",
    limits: tuple[int, int] = (0, 1),
    title: str | None = None,
    picture: NDArray[np.uint8] | None = None,
    size: tuple[int, int] | None = None,
) -> Image.Image:
    """Draw the maps of one layer for one picture as a grid.

    Args:
        activations: (batch, *spatial, channels) with one or two spatial axes.
        image: which of the batch.
        channels: which channels, in the order they are drawn; all when left out.
        columns: maps in a row; near-square when left out (4 for sixteen maps).
        colour_map: "gray" or any of Matplotlib's; left out, viridis for limits (0, 1) and a diverging
            blue–grey–red for (-1, 1).
        normalise: "map" scales each map by its own values, "layer" all maps together.
        limits: (0, 1), from minimum to maximum; or (-1, 1), centred on zero.
        title: the heading; layer and image when left out.
        picture: the input itself, (height, width, 3) uint8, shown in the heading.
        size: (width, height) in pixels; as large as the maps need when left out.

    Constant maps are drawn grey and say so; values that are not finite are hatched.

    Raises:
        InputError: an argument that does not fit the activations.
    """
    from explorer.render.colours import table
    from explorer.render.feature_maps import draw_grid

    chosen = _channels(activations, channels)
    _check(activations, image=image, normalise=normalise, limits=tuple(limits), columns=columns)
    name = colour_map or ("viridis" if tuple(limits) == (0, 1) else "diverging-light")
    table(name)
    return draw_grid(
        activations,
        chosen,
        image=image,
        columns=None if columns is None else min(columns, len(chosen)),
        colour_map=name,
        normalise=normalise,
        limits=(int(limits[0]), int(limits[1])),
        title=title,
        picture=picture,
        size=size,
    )


def _channels(activations: Activations, channels: Iterable[int] | None) -> list[int]:
    """The channels asked for, checked."""
    chosen = list(range(activations.channels)) if channels is None else [int(c) for c in channels]
    for channel in chosen:
        if not 0 <= channel < activations.channels:
            last = activations.channels - 1
            raise InputError(f"channel {channel}: layer {activations.layer} has channels 0 to {last}")
    if not chosen or 0 in activations.values.shape:
        raise InputError(f"layer {activations.layer}: no maps to draw in shape {activations.values.shape}")
    return chosen


def _check(
    activations: Activations, *, image: int, normalise: str, limits: tuple[int, ...], columns: int | None
) -> None:
    """Refuse what a grid cannot draw."""
    layer, rank = activations.layer, len(activations.spatial_shape)
    if rank not in (1, 2):
        raise InputError(f"layer {layer}: {rank} spatial axes; a grid draws 1 or 2")
    if not 0 <= image < activations.batch:
        raise InputError(f"image {image}: layer {layer} has images 0 to {activations.batch - 1}")
    if normalise not in ("map", "layer"):
        raise InputError(f"normalise {normalise!r}: expected 'map' or 'layer'")
    if limits not in ((0, 1), (-1, 1)):
        raise InputError(f"limits {limits}: expected (0, 1) or (-1, 1)")
    if columns is not None and columns < 1:
        raise InputError(f"columns {columns}: expected at least 1")
