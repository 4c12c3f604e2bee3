"""A selection taken away: CSV, parquet, or boolean masks of every picture."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.errors import InputError, MissingExtraError, RenderError
from explorer.reduce.projection import Projection
from explorer.render.linked.selection import Selection
from explorer.render.values import RunLike

SUFFIXES = (".csv", ".parquet", ".npz")
NAMES = {0: (), 1: ("position",), 2: ("row", "column"), 3: ("slice", "row", "column")}


def save_selection(selection: Selection, path: str | Path, run: RunLike, projection: Projection) -> Path:
    """Write a selection, by the file's suffix.

    .csv and .parquet hold one line a position: picture's number, name and label, the place on the grid,
    and the coordinates on the map (empty where the position was not sampled). .npz holds `masks`
    (batch, *spatial) bool, `image_names` and, where there are any, `labels`.

    Raises:
        InputError: another suffix.
        MissingExtraError: .parquet without pyarrow.
        RenderError: the file cannot be written.
    """
    target = Path(path)
    if target.suffix.lower() not in SUFFIXES:
        raise InputError(f"{target}: a selection is written as {', '.join(SUFFIXES)}")
    write = {".csv": _csv, ".parquet": _parquet, ".npz": _npz}[target.suffix.lower()]
    try:
        write(selection, target, run, projection)
    except OSError as error:
        raise RenderError(f"{target}: cannot be written ({error})") from None
    return target


def columns(selection: Selection, run: RunLike, projection: Projection) -> dict[str, Any]:
    """The selection as columns of equal length, in the order in which they are written.

    Returns:
        image (numbers), name, label (only where the run has labels), the places on the grid, and
        component_1 … (floats, NaN where a position was not sampled).
    """
    positions = selection.positions()
    images = positions[:, 0]
    found: dict[str, Any] = {"image": images, "name": [run.image_names[image] for image in images]}
    if run.labels is not None:
        found["label"] = [run.labels[image] for image in images]
    for axis, name in enumerate(NAMES[len(selection.grid_shape) - 1]):
        found[name] = positions[:, 1 + axis]
    for axis, column in enumerate(_coordinates(selection, projection).T):
        found[f"component_{axis + 1}"] = column
    return found


def _coordinates(selection: Selection, projection: Projection) -> NDArray[np.float32]:
    """Where the selected positions lie on the map, (n, n_components); NaN where they were not sampled."""
    out = np.full((len(selection), projection.n_components), np.nan, np.float32)
    if selection.grid_shape != projection.grid_shape or not len(selection):
        return out
    own = projection.samples.grid_rows()
    at = np.minimum(np.searchsorted(own, selection.places), len(own) - 1)
    there = own[at] == selection.places
    out[there] = projection.coordinates[at[there]]
    return out


def _csv(selection: Selection, path: Path, run: RunLike, projection: Projection) -> None:
    found = columns(selection, run, projection)
    cells = [
        ["" if value != value else value for value in column.tolist()]
        if isinstance(column, np.ndarray)
        else column
        for column in found.values()
    ]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(found)
        writer.writerows(zip(*cells, strict=True))


def _parquet(selection: Selection, path: Path, run: RunLike, projection: Projection) -> None:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise MissingExtraError(
            f"{path}: parquet needs pyarrow: pip install 'activation-explorer[parquet]'; or write .csv"
        ) from None
    table = pa.table({name: pa.array(column) for name, column in columns(selection, run, projection).items()})
    pq.write_table(table, path)


def _npz(selection: Selection, path: Path, run: RunLike, projection: Projection) -> None:
    del projection
    arrays: dict[str, Any] = {"masks": selection.masks(), "image_names": np.array(run.image_names)}
    if run.labels is not None:
        arrays["labels"] = np.array(run.labels)
    np.savez_compressed(path, allow_pickle=False, **arrays)
