"""An atlas by maximising: each cell drawn by the picture that its mean direction grows into."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from explorer.errors import InputError
from explorer.explain.of_run import given_of_run
from explorer.maximize import maximize, smaller, steps_in_all
from explorer.render.sheets.atlas import Atlas

if TYPE_CHECKING:
    from explorer.capture import Model, Run
    from explorer.explain.maximised import Maximised


def grow(
    made: Atlas,
    run: Run,
    model: object,
    *,
    steps: int = 96,
    seed: int = 0,
    watch: Callable[[Atlas], None] | None = None,
    step: Callable[[int, int], bool] | None = None,
) -> tuple[Atlas, Model]:
    """Grow a picture for each cell, in place of its patch; see `explorer.atlas`.

    Returns:
        The atlas, and the model opened.

    Raises:
        InputError: a single cell, or a model that answers otherwise than the run holds.
        ModelError, LayerError: the model has no gradients, or no such layer.
    """
    if len(made.cells) < 2:
        raise InputError("one cell has no direction from the mean of all; ask for more cells")
    opened = given_of_run(model, run, [0], layer=made.layer).model
    size = smaller(opened, made.layer)
    total = steps_in_all(opened, len(made.cells), steps, size)
    found = maximize(
        opened,
        layer=made.layer,
        directions=made.directions,
        size=size,
        steps=steps,
        seed=seed,
        watch=None if watch is None else lambda found: watch(_with(made, found, ", growing")),
        stop=None if step is None else _counter(step, total),
    )
    ended = found.finished == len(found.names)
    if not ended and step is None:
        raise KeyboardInterrupt
    return _with(made, found, "" if ended else ", stopped before the end"), opened


def _counter(step: Callable[[int, int], bool], total: int) -> Callable[[], bool]:
    """What counts the steps and asks whether that was the last."""
    done = iter(range(1, total + 1))
    return lambda: step(next(done, total), total)


def _with(made: Atlas, found: Maximised, how: str) -> Atlas:
    """The atlas with pictures that grew."""
    words = f"the picture that its mean direction grows into{how}"
    return replace(made, pictures=tuple(found.shown()[:, 0]), drawn_by=words)
