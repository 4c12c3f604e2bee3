"""What a scene tells of itself: the maps of its picture as a grid, and why a selection lies together."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal

from explorer.render.linked.state import State

if TYPE_CHECKING:
    from explorer.render.report.explaining import Why
    from explorer.render.sheets.feature_maps import Grid


class Telling:
    """The part of a scene that asks about what it shows.

    Attributes:
        state: what is shown, without any drawing.
        model: the model that the run was captured from, which `why` asks; None where it is not known.
    """

    state: State
    model: object = None

    def grid(
        self,
        *,
        channels: Iterable[int] | None = None,
        order: Literal["index", "variance", "response", "cluster"] = "index",
        normalise: Literal["map", "layer", "channel", "data"] = "map",
        overlay: float | None = None,
        strongest: int = 0,
        size: tuple[int, int] | None = None,
    ) -> Grid:
        """The maps of the shown picture, layer and slice as a grid: see `explorer.grid`, which has more.

        Args:
            channels: which channels; all when left out.
            order: by "index", "variance", "response" to this picture, or "cluster" for look-alikes together.
            normalise: scale each "map" by itself, all of the "layer" together, each "channel" over the data
                set, or all by the layer's values over the "data" set.
            overlay: lay the maps over the picture, so opaque: 0 to 1.
            strongest: so many of the pictures that a channel answers to most beside its map.
            size: (width, height) in pixels; as large as the maps need when left out.

        Raises:
            InputError: an argument that does not fit.
        """
        from explorer.render.sheets.grids import grid

        state = self.state
        run: Any = state.run
        return grid(
            run,
            state.values.layer,
            image=state.image,
            channels=channels,
            order=order,
            normalise=normalise,
            overlay=overlay,
            strongest=strongest,
            size=size,
            slice=state.cut if len(state.values.spatial) == 3 else None,
        )

    def why(self, *, model: object = None, images: object = None, n: int = 8) -> Why:
        """What the selection has in common, and what sets it apart: see `explorer.why`.

        Where the map shows a sample, the selection is compared with the positions that it shows.

        Args:
            model: the model that the run was captured from, for the pixels that drive the selection and
                the picture that it grows into; `model` of the scene when left out.
            images: where the run's inputs are, where neither the run's pictures nor the model tell.
            n: how many typical patches to give.

        Raises:
            InputError: nothing is selected, or the model answers otherwise than the run holds.
        """
        from explorer.render.report.explaining import why

        state, asked = self.state, self.model if model is None else model
        run: Any = state.run
        shown = state.projection
        return why(run, state.selection, shown.layer, model=asked, projection=shown, images=images, n=n)
