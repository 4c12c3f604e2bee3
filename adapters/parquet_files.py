"""A parquet file of one row an input: columns of vectors are layers, all others metadata."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.errors import MissingExtraError

from .limits import check_memory
from .numpy_files import Header

MOST_ROWS = 100_000_000


class ParquetFile:
    """The vector columns of one file.

    Attributes:
        headers: shape and type of every column of vectors.
    """

    def __init__(self, path: Path) -> None:
        try:
            import pyarrow.parquet as parquet
        except ImportError:
            raise MissingExtraError(
                f"{path}: parquet needs pyarrow: pip install 'activation-explorer[parquet]'"
            ) from None
        self._path = path
        self._open = parquet.ParquetFile
        self._arrays: dict[str, NDArray[Any]] = {}
        with self._open(path) as file:
            self._schema, self._count = file.schema_arrow, file.metadata.num_rows
            if not 0 < self._count <= MOST_ROWS:
                raise ValueError(f"{self._count:,} rows, expected 1 to {MOST_ROWS:,}")
            self._check_sizes(file.metadata)
        self._vectors = [field.name for field in self._schema if _is_vector(field.type)]
        self.headers = {name: self._header(name) for name in self._vectors}

    def _check_sizes(self, metadata: Any) -> None:
        """Hold the sizes that a file declares against the memory, before any of it is unpacked."""
        groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
        check_memory(sum(group.total_byte_size for group in groups))

    def _header(self, name: str) -> Header:
        values = self._load(name)
        return Header(values.shape, values.dtype)

    def _load(self, name: str) -> NDArray[Any]:
        """A column of vectors (n_rows, length); every row must be as long as the first, and whole."""
        if name not in self._arrays:
            with self._open(self._path) as file:
                column = file.read(columns=[name])[name].combine_chunks()
            if column.null_count:
                raise ValueError(f"column {name}: {column.null_count} rows without a vector")
            flat = column.flatten()
            if flat.null_count:
                raise ValueError(f"column {name}: {flat.null_count} numbers are missing")
            values = flat.to_numpy(zero_copy_only=False)
            length = len(values) // len(column)
            if {int(n) for n in np.unique(column.value_lengths().to_numpy(zero_copy_only=False))} != {length}:
                raise ValueError(f"column {name}: vectors of different lengths")
            self._arrays[name] = values.reshape(len(column), length)
        return self._arrays[name]

    def rows(self, name: str, rows: NDArray[Any]) -> NDArray[Any]:
        """These rows of a column of vectors, in memory of their own."""
        return np.asarray(self._load(name)[rows])

    def columns(self, count: int) -> dict[str, list[Any]]:
        """The other columns."""
        others = [field.name for field in self._schema if not _is_nested(field.type)]
        with self._open(self._path) as file:
            table = file.read(columns=others)
        return {name: [_plain(value) for value in table[name].to_pylist()] for name in others}

    def digest(self) -> str:
        """SHA-256 over the file."""
        with self._path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()


def _is_vector(kind: Any) -> bool:
    import pyarrow as pa

    lists = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    if not lists:
        return False
    return bool(pa.types.is_floating(kind.value_type) or pa.types.is_integer(kind.value_type))


def _is_nested(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _plain(value: Any) -> Any:
    """A cell as a number, truth, text or nothing."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int | str) else str(value)
