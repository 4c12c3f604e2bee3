"""Pictures: the feature-map grid, and the point cloud beside the heatmaps of the same positions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from explorer.render.grids import grid

if TYPE_CHECKING:
    from explorer.reduce.projection import Projection
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
) -> Scene:
    """Tie a run's heatmaps to a projection of one of its layers.

    Args:
        run: an opened run folder.
        projection: 2D or 3D coordinates of positions of one of the run's layers.
        image: which input's heatmaps are shown first.
        channel: the channel the map shows; None for the norm over all channels.
        colour: "label", "image", "row", "column", "norm", "channel", "component" or "rgb";
            "label" becomes "image" where the run has no labels.
        theme: "light" or "dark".

    Raises:
        InputError: an image, channel, colour or theme that there is not, or a projection of another run.
        LayerError: the run lacks the projection's layer.
    """
    from explorer.render.linked_scene import Scene

    return Scene(run, projection, image=image, channel=channel, colour=colour, theme=theme)
