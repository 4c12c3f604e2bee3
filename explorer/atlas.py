"""atlas(): the whole data set's positions on a map, each part drawn by its typical patch or by maximising."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from explorer.errors import InputError
from explorer.maximize import maximize

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

    Raises:
        InputError: a map in 3D or of another run, a run without pictures, or numbers out of their range.
        ModelError, LayerError: the model has no gradients, or no such layer.
    """
    from explorer.render.sheets.atlas import make_atlas

    made = make_atlas(run, projection, cells=cells, least=least)
    if model is None:
        return made
    if len(made.cells) < 2:
        raise InputError("one cell has no direction from the mean of all; ask for more cells")
    found = maximize(model, layer=made.layer, directions=made.directions, steps=steps, seed=seed)
    if found.finished < len(found.names):
        raise KeyboardInterrupt
    words = "the picture that its mean direction grows into"
    return replace(made, pictures=tuple(found.shown()[:, 0]), drawn_by=words)
