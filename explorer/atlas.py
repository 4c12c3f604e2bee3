"""atlas(): the whole data set's positions on a map, each part drawn by its typical patch or by maximising."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from explorer.capture import Run
    from explorer.reduce import Projection
    from explorer.render.sheets.atlas import Atlas


def atlas(
    run: Run,
    projection: Projection,
    *,
    cells: int | None = None,
    least: int = 5,
    model: object = None,
    steps: int = 96,
    seed: int = 0,
    watch: Callable[[Atlas], None] | None = None,
    step: Callable[[int, int], bool] | None = None,
) -> Atlas:
    """Divide a 2D map of a layer into cells, each drawn by what is typical of the positions in it.

    Draw it with `explorer.sheet(atlas).save("atlas.png")`.

    Args:
        run: an opened run folder with pictures.
        projection: a 2D map of one of its layers.
        cells: along the longer side; None for as many as the number of positions carries.
        least: positions that a cell needs to be drawn.
        model: the run's model, to draw each cell by the picture that its mean direction grows into, from the
            mean of all positions, in place of a patch.
        steps: of gradient ascent for each.
        seed: of what they start from.
        watch: called now and then with the atlas as its pictures grow.
        step: called after every step with how many of how many are done; True ends it with what there is,
            which `drawn_by` says.

    Raises:
        InputError: a map in 3D or of another run, a run without pictures, numbers out of their range, or a
            model that answers otherwise than the run holds.
        ModelError, LayerError: the model has no gradients, or no such layer.
    """
    from explorer.render.sheets.atlas import make_atlas
    from explorer.render.sheets.atlas_growing import grow

    made = make_atlas(run, projection, cells=cells, least=least)
    return (
        made if model is None else grow(made, run, model, steps=steps, seed=seed, watch=watch, step=step)[0]
    )
