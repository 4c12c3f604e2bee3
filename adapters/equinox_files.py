r"""Read .eqx files: what `equinox.tree_serialise_leaves` wrote, one .npy record a leaf, unnamed.

    {"width": 48}\n       often, a line of JSON with what the model is made from
    \x93NUMPY …          the first leaf
    \x93NUMPY …          the second

Every header is read, and held against the file and the model, before any values are.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from explorer.errors import CheckpointError

from .limits import DAMAGE, check_memory, first_line
from .numpy_files import Header, read_npy_header

MAGIC = b"\x93NUMPY"
LONGEST_LINE = 1_000_000
MOST_RECORDS = 1_000_000


def read_leaves(path: Path, trees: Sequence[Sequence[Any]]) -> tuple[int, list[NDArray[Any]]]:
    """The leaves of an .eqx file.

    Args:
        path: the file.
        trees: the leaves of each tree that the file may be of, as the model has them now.

    Returns:
        Which of the trees it is of, and the arrays in the order of its leaves.

    Raises:
        CheckpointError: the file is missing, damaged, or of none of the trees.
    """
    try:
        with path.open("rb") as file:
            records = _records(file, path.stat().st_size)
            check_memory(sum(header.nbytes for header, _ in records))
            which = _matching(path, [header for header, _ in records], trees)
            return which, [_read(file, header, start) for header, start in records]
    except FileNotFoundError:
        raise CheckpointError(f"{path}: no such file") from None
    except DAMAGE as error:
        raise CheckpointError(f"{path}: cannot be read as eqx: {first_line(error)}") from None


def _records(file: IO[bytes], size: int) -> list[tuple[Header, int]]:
    """Each record's header and where its values begin."""
    start = file.read(len(MAGIC))
    file.seek(0)
    if start != MAGIC:
        json.loads(file.readline(LONGEST_LINE))
    records: list[tuple[Header, int]] = []
    while file.tell() < size:
        header = read_npy_header(file, str(len(records)))
        begin = file.tell()
        if begin + header.nbytes > size or len(records) >= MOST_RECORDS:
            raise ValueError(
                f"array {len(records)} declares shape {header.shape}, beyond the end of the file"
            )
        records.append((header, begin))
        file.seek(begin + header.nbytes)
    return records


def _matching(path: Path, headers: Sequence[Header], trees: Sequence[Sequence[Any]]) -> int:
    """Which tree has these shapes, leaf by leaf."""
    for which, leaves in enumerate(trees):
        if [header.shape for header in headers] == [np.shape(leaf) for leaf in leaves]:
            return which
    leaves = min(trees, key=lambda leaves: abs(len(leaves) - len(headers)))
    wrong = [
        f"array {place} has shape {header.shape}, the model's has {np.shape(leaf)}"
        for place, (header, leaf) in enumerate(zip(headers, leaves, strict=False))
        if header.shape != np.shape(leaf)
    ]
    detail = f": {wrong[0]}" if wrong else ""
    counts = " or ".join(str(len(leaves)) for leaves in trees)
    raise CheckpointError(
        f"{path}: does not fit the model: has {len(headers)} leaves, the model {counts}{detail}"
    )


def _read(file: IO[bytes], header: Header, start: int) -> NDArray[Any]:
    """The values of one record; the two bytes that numpy does not know are bfloat16."""
    import ml_dtypes

    file.seek(start)
    count = int(np.prod(header.shape, dtype=np.int64))
    dtype = np.dtype(ml_dtypes.bfloat16) if header.dtype == np.dtype("V2") else header.dtype
    values = np.frombuffer(file.read(header.nbytes), dtype=dtype, count=count)
    return values.reshape(header.shape, order="F" if header.is_fortran else "C")
