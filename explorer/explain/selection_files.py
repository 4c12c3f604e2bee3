"""The files that the viewer writes of a selection: masks of pictures, or a table of positions."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.capture.batches import read_arrays
from explorer.errors import InputError, MissingExtraError, first_line

SUFFIXES = (".csv", ".npz", ".parquet")
AXES = {0: (), 1: ("position",), 2: ("row", "column"), 3: ("slice", "row", "column")}
"""Columns of a table of positions beside "image" and "name", by the number of spatial axes."""


def check_file(path: Path) -> None:
    """Refuse what no selection is read from.

    Raises:
        InputError: another suffix, or no such file.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"{path}: a selection is read from {', '.join(SUFFIXES)}")
    if not path.is_file():
        raise InputError(f"{path}: no such file; save a selection first")


def read_masks(path: Path) -> tuple[NDArray[np.bool_], list[str] | None]:
    """Masks (batch, *spatial) of an .npz, and the names of their pictures, None where it does not tell.

    Raises:
        InputError: it is damaged, or holds no masks.
    """
    arrays = read_arrays(path)
    masks = arrays.get("masks")
    if masks is None:
        raise InputError(f"{path}: holds no masks, as a selection does")
    if masks.dtype != np.bool_ or masks.ndim < 1:
        raise InputError(f"{path}: masks of type {masks.dtype}, expected bool")
    names = arrays.get("image_names")
    return masks, None if names is None else [str(name) for name in names.ravel()]


def read_table(path: Path) -> Mapping[str, Sequence[Any]]:
    """The columns of a .csv or .parquet, as they stand there.

    Raises:
        InputError: it is damaged or empty.
        MissingExtraError: .parquet without pyarrow.
    """
    try:
        return _csv(path) if path.suffix.lower() == ".csv" else _parquet(path)
    except (OSError, ValueError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read as a selection ({first_line(error)})") from None


def _csv(path: Path) -> dict[str, Sequence[Any]]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.reader(file))
    if not rows:
        raise InputError(f"{path}: empty")
    head, body = rows[0], [row for row in rows[1:] if row]
    for number, row in enumerate(body, 2):
        if len(row) != len(head):
            raise InputError(f"{path}: line {number} has {len(row)} cells, the first has {len(head)}")
    return {name: [row[place] for row in body] for place, name in enumerate(head)}


def _parquet(path: Path) -> dict[str, Sequence[Any]]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise MissingExtraError(
            f"{path}: parquet needs pyarrow: pip install 'activation-explorer[parquet]'; or use .csv"
        ) from None
    try:
        columns: dict[str, Sequence[Any]] = pq.read_table(path).to_pydict()
    except pa.ArrowException as error:
        raise InputError(f"{path}: cannot be read as a selection ({first_line(error)})") from None
    return columns
