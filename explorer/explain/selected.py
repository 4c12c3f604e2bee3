"""Which positions are to be explained: read from a selection, masks, positions or a file, and checked."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from explorer.capture.store import Run
from explorer.errors import InputError, first_line
from explorer.explain.selection_files import AXES, check_file, read_masks, read_table


@runtime_checkable
class Places(Protocol):
    """A set of positions, such as a scene's selection.

    Attributes:
        grid_shape: (batch, *spatial) of the layer's grid.
        places: (n,) the positions' places in it, in C order.
    """

    grid_shape: tuple[int, ...]
    places: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Chosen:
    """Positions of a layer of a run.

    Attributes:
        layer: the layer.
        grid_shape: (batch, *spatial) of it.
        places: (n,) int64, their places in the grid in C order, strictly increasing, at least one.
    """

    layer: str
    grid_shape: tuple[int, ...]
    places: NDArray[np.int64]

    def positions(self) -> NDArray[np.int64]:
        """(n, 1 + n_spatial) of (image, *position)."""
        return np.stack(np.unravel_index(self.places, self.grid_shape), axis=1).astype(np.int64)

    @property
    def each(self) -> int:
        """Positions of one picture."""
        return math.prod(self.grid_shape[1:])

    def mask(self, image: int) -> NDArray[np.bool_]:
        """One picture's chosen positions, (*spatial) bool."""
        first, last = np.searchsorted(self.places, (image * self.each, (image + 1) * self.each))
        marked = np.zeros(self.each, bool)
        marked[self.places[first:last] - image * self.each] = True
        return marked.reshape(self.grid_shape[1:])


def choose(run: Run, selection: object, layer: str | None = None) -> Chosen:
    """Read a selection of a run's layer.

    Args:
        run: the run that it was made in.
        selection: a scene's selection, or anything with `grid_shape` and `places`; masks (batch, *spatial)
            of True and False; positions (n, 1 + n_spatial) of (image, *position); or a file of positions
            that a scene wrote: .csv, .parquet or .npz.
        layer: the layer; left out, the only one of the run with this grid.

    Raises:
        InputError: nothing is selected, it is of another run or grid, or the file cannot be read.
        LayerError: the run has no such layer.
    """
    if isinstance(selection, str | Path):
        selection = _read(Path(selection), run)
    if isinstance(selection, Places):
        grid = tuple(int(size) for size in selection.grid_shape)
        places = np.unique(np.asarray(selection.places, np.int64))
    else:
        array = np.asarray(selection)
        if array.dtype == np.bool_:
            grid, places = array.shape, np.flatnonzero(array).astype(np.int64)
        else:
            if layer is None and len(run.layers) == 1:
                layer = run.layers[0]
            grid, places = _of_positions(run, array, layer)
    name = _layer(run, grid, layer)
    if not len(places):
        raise InputError("the selection is empty; select something first")
    if places[0] < 0 or places[-1] >= math.prod(grid):
        raise InputError(f"selection: places outside the grid {grid} of layer {name}")
    return Chosen(name, grid, places)


def _layer(run: Run, grid: tuple[int, ...], layer: str | None) -> str:
    """The layer that is named, if it has this grid, or the only one that has."""
    fitting = [name for name in run.layers if run.grid_shape(name) == grid]
    if layer is not None:
        own = run.grid_shape(layer)
        if own != grid:
            also = f"; it fits {' and '.join(fitting)}" if fitting else ""
            of = " of another run" if own[0] != grid[0] else ""
            raise InputError(f"selection{of} on the grid {grid}, but layer {layer} has {own}{also}")
        return layer
    if not fitting:
        raise InputError(f"{run.path}: no layer has the selection's grid {grid}: it is of another run")
    if len(fitting) > 1:
        raise InputError(f"{run.path}: name the layer; the selection fits {' and '.join(fitting)}")
    return fitting[0]


def _of_positions(
    run: Run, array: NDArray[Any], layer: str | None
) -> tuple[tuple[int, ...], NDArray[np.int64]]:
    """Grid and places of positions (n, 1 + n_spatial)."""
    if layer is None:
        ranks = [
            name for name in run.layers if array.ndim == 2 and len(run.grid_shape(name)) == array.shape[1]
        ]
        grids = {run.grid_shape(name) for name in ranks}
        if len(grids) != 1:
            raise InputError(f"{run.path}: name the layer of the selection: {', '.join(run.layers)}")
        layer = ranks[0]
    grid = run.grid_shape(layer)
    if array.size == 0:
        return grid, np.zeros(0, np.int64)
    if array.ndim != 2 or array.shape[1] != len(grid) or array.dtype.kind not in "iu":
        raise InputError(
            f"selection of shape {array.shape} and type {array.dtype}: expected whole numbers "
            f"(n, {len(grid)}) of image and place on the grid {grid[1:]}, or masks {grid} of True and False"
        )
    if (array < 0).any() or (array >= np.array(grid)).any():
        raise InputError(f"selection: some positions lie outside the grid {grid} of layer {layer}")
    return grid, np.unique(np.ravel_multi_index(tuple(array.T), grid)).astype(np.int64)


def _read(path: Path, run: Run) -> NDArray[Any]:
    """Masks or positions that a scene wrote, held against the run's names."""
    check_file(path)
    if path.suffix.lower() == ".npz":
        return _masks(path, run)
    try:
        return _positions(path, read_table(path), run)
    except (ValueError, TypeError, OverflowError) as error:  # cells that are no whole numbers
        raise InputError(f"{path}: cannot be read as a selection ({first_line(error)})") from None


def _masks(path: Path, run: Run) -> NDArray[Any]:
    masks, names = read_masks(path)
    if names is not None and names != list(run.image_names):
        raise InputError(f"{path}: a selection of other pictures than those of {run.path}")
    return masks


def _positions(path: Path, columns: Mapping[str, Sequence[Any]], run: Run) -> NDArray[Any]:
    """(n, 1 + n_spatial) of a table of positions."""
    places = [name for name in ("position", "slice", "row", "column") if name in columns]
    rank = len(places)
    if "image" not in columns or tuple(places) != AXES[rank]:
        wanted = ", ".join(("image", *AXES[2]))
        raise InputError(f"{path}: expected columns such as {wanted}; it has {', '.join(columns) or 'none'}")
    found = np.array([[int(cell) for cell in columns[name]] for name in ("image", *places)], np.int64).T
    images = found[:, 0]
    if len(images) and not (images.min() >= 0 and images.max() < run.n_images):
        raise InputError(f"{path}: image {int(images.max())}, but {run.path} has 0 to {run.n_images - 1}")
    for image, name in zip(images.tolist(), columns.get("name", ()), strict=False):
        if name != run.image_names[image]:
            raise InputError(
                f"{path}: image {image} is {name}, but {run.image_names[image]} in {run.path}: "
                "a selection of another run"
            )
    return found
