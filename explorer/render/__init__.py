"""Pictures: the feature-map grid, and the point cloud beside the heatmaps of the same positions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from explorer.render.report.explaining import why
from explorer.render.sheets.grids import grid
from explorer.render.sheets.saliency_page import saliency_page

if TYPE_CHECKING:
    from explorer.explain.maximised import Maximised
    from explorer.reduce.projection import Projection
    from explorer.reduce.rgb_basis import RgbBasis
    from explorer.render.drawing.sheet import Sheet
    from explorer.render.epochs.epochs import EpochsLike
    from explorer.render.linked.scene import Scene
    from explorer.render.sheets.atlas import Atlas
    from explorer.render.values import RunLike

__all__ = ["grid", "saliency_page", "scene", "sheet", "why"]


def scene(
    run: RunLike | EpochsLike,
    projection: Projection | None = None,
    *,
    image: int = 0,
    channel: int | None = None,
    colour: str = "label",
    theme: str = "light",
    rgb: RgbBasis | None = None,
    beside: Projection | None = None,
    slice: int | None = None,  # noqa: A002  what it is called everywhere
) -> Scene:
    """Tie a run's heatmaps to a projection of one of its layers.

    Args:
        run: an opened run folder; or an `Evolution`, whose scene has a slider over its epochs.
        projection: 2D or 3D coordinates of positions of one of the run's layers; an evolution has its own.
        image: which input's heatmaps are shown first.
        channel: the channel the map shows; None for the norm over all channels.
        colour: "label" ("image" where the run has no labels), "image", "row", "column", "norm",
            "channel", "component", "rgb", "trust", "cluster"; "mask" where the run has masks, and
            "metadata:NAME" for a column of its metadata. `scene.state.colours` lists what there is.
        theme: "light" or "dark".
        rgb: PCA→RGB colours of another run in place of this one's own.
        beside: another projection of the same run, of this layer or another one, shown side by side with
            the first: cameras tied, selection shared. `scene.beside` changes it.
        slice: which slice of a volume is shown first; the middle one by default.

    Raises:
        InputError: an image, channel, slice, colour or theme that there is not, or a projection of
            another run.
        LayerError: the run lacks the projection's layer.
    """
    from explorer.errors import InputError
    from explorer.render.epochs.epochs import EpochsLike
    from explorer.render.linked.scene import Scene

    made: Scene
    if isinstance(run, EpochsLike):
        from explorer.render.epochs.scene import EpochScene

        made = EpochScene(run, image=image, colour=colour, theme=theme)
        made.channel = channel
    elif projection is None:
        raise InputError(
            "scene: a run is shown with a projection of one of its layers; explorer.project makes one"
        )
    else:
        made = Scene(run, projection, image=image, channel=channel, colour=colour, theme=theme)
    if rgb is not None:
        made.use_rgb(rgb)
    if beside is not None:
        made.beside = beside
    if slice is not None:
        made.slice = slice
    return made


def sheet(found: Maximised | Atlas, *, theme: str = "light") -> Sheet:
    """Draw what `explorer.maximize` or `explorer.atlas` found; `.save(path)` writes PNG, JPEG, SVG or PDF.

    Raises:
        InputError: an unknown theme, or more than fits on a sheet.
    """
    from explorer.explain.maximised import Maximised

    if isinstance(found, Maximised):
        from explorer.render.sheets.maximised_sheet import maximised_sheet

        return maximised_sheet(found, theme=theme)
    from explorer.render.sheets.atlas_sheet import atlas_sheet

    return atlas_sheet(found, theme=theme)
