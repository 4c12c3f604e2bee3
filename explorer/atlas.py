"""atlas(): the whole data set's positions on a map, each part drawn by its typical patch or by maximising."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from explorer.errors import InputError
from explorer.explain.of_run import given_of_run
from explorer.maximize import maximize, steps_in_all

if TYPE_CHECKING:
    from explorer.capture import Run
    from explorer.explain.maximised import Maximised
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
    from explorer.render.report.explaining import smaller
    from explorer.render.sheets.atlas import make_atlas

    made = make_atlas(run, projection, cells=cells, least=least)
    if model is None:
        return made
    if len(made.cells) < 2:
        raise InputError("one cell has no direction from the mean of all; ask for more cells")
    given = given_of_run(model, run, [0], layer=made.layer)
    size = smaller(given.model, made.layer)
    total = steps_in_all(given.model, len(made.cells), steps, size)
    found = maximize(
        given.model,
        layer=made.layer,
        directions=made.directions,
        size=size,
        steps=steps,
        seed=seed,
        watch=None if watch is None else _teller(made, watch),
        stop=None if step is None else _counter(step, total),
    )
    ended = found.finished == len(found.names)
    if not ended and step is None:
        raise KeyboardInterrupt
    return _grown(made, found, "" if ended else ", stopped before the end")


def _counter(step: Callable[[int, int], bool], total: int) -> Callable[[], bool]:
    """What counts the steps and asks whether that was the last."""
    done = iter(range(1, total + 1))
    return lambda: step(next(done, total), total)


def _teller(made: Atlas, watch: Callable[[Atlas], None]) -> Callable[[Maximised], None]:
    """What is told of pictures as they grow."""
    return lambda found: watch(_grown(made, found, ", growing"))


def _grown(made: Atlas, found: Maximised, how: str) -> Atlas:
    """The atlas with pictures that grew, in place of patches."""
    words = f"the picture that its mean direction grows into{how}"
    return replace(made, pictures=tuple(found.shown()[:, 0]), drawn_by=words)
