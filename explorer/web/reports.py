"""The report on what the page has selected, as one file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from explorer.errors import InputError

if TYPE_CHECKING:
    from explorer.capture import Run
    from explorer.reduce import Projection


def report(run: Run, projection: Projection, places: list[int], model: object) -> dict[str, Any]:
    """Why some positions lie together, as a page that opens anywhere.

    Args:
        run: the run.
        projection: the map that is shown: what it shows is what the selection is compared with.
        places: the selected positions' places in the layer's grid.
        model: the model that the run was captured from, with the run's weights where it is `AtCheckpoint`; or
            None.

    Returns:
        The file's name, type and bytes, and its headline.

    Raises:
        InputError: nothing is selected, or places that the layer has not.
    """
    from explorer.explain.of_run import AtCheckpoint
    from explorer.render.report.explaining import why

    shape = projection.grid_shape
    at = np.asarray(places, np.int64).reshape(-1)
    if len(at) and not (at.min() >= 0 and at.max() < projection.n_positions):
        raise InputError(f"a selection beyond the {projection.n_positions:,} positions of {projection.layer}")
    if isinstance(model, AtCheckpoint):
        model = model.open()
    positions = np.stack(np.unravel_index(at, shape), axis=1)
    found = why(run, positions, projection.layer, model=model, projection=projection)
    name = f"{run.name}-{projection.layer}-why.html".replace("/", "-")
    page = found.html().encode("utf-8")
    return {"name": name, "type": "text/html", "bytes": page, "headline": found.headline}
