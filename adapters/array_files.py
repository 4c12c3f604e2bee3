"""Activations that were captured elsewhere: the arrays of an array file as layers.

| source | layers | labels and metadata |
|---|---|---|
| .npy | the array | none |
| .npz | each array (batch, *spatial, channels) | arrays of one value an input |
| zarr v3, a folder on this computer | each such array, by its path in the group | the same |
| .parquet | each column of vectors, (batch, channels) | all other columns |

Labels are what is called `labels`, `label` or `y`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from explorer.activations import MAX_SPATIAL_RANK, Activations
from explorer.capture.protocol import LayerInfo, ModelOptions
from explorer.errors import ExplorerError, InputError, LayerError, suggest

from .array_readers import NumpyFile, Reader
from .limits import first_line
from .numpy_files import Header
from .parquet_files import ParquetFile
from .zarr_folders import NODE, ZarrFolder

T = TypeVar("T")
LABELS = ("labels", "label", "y")
LAYOUTS = ("channels_last", "channels_first")


class ArrayFiles:
    """The layers of one file; its inputs are the rows of its arrays.

    Attributes:
        n_inputs: how many inputs the arrays were captured from.
        labels: one an input, None where the file has none.
        metadata: what else the file says of each input, by column.
    """

    requires: ClassVar[tuple[str, ...]] = ()

    def __init__(self, path: Path, layout: str) -> None:
        if layout not in LAYOUTS:
            raise InputError(f"{path}: layout {layout}: {suggest(layout, LAYOUTS)}")
        self._path = path
        self._channels_first = layout == "channels_first"
        self._reader: Reader = self._guarded(lambda: _reader(path))
        self._headers = self._layer_headers()
        batches = {name: header.shape[0] for name, header in self._headers.items()}
        if len(set(batches.values())) > 1:
            listed = ", ".join(f"{name} has {batch}" for name, batch in list(batches.items())[:4])
            raise InputError(f"{path}: the layers must have the same number of inputs: {listed}")
        self.n_inputs = next(iter(batches.values()))
        columns = self._guarded(lambda: self._reader.columns(self.n_inputs))
        label = next((name for name in LABELS if name in columns), None)
        words = None if label is None else columns.pop(label)
        self.labels = None if words is None else tuple("" if word is None else str(word) for word in words)
        self.metadata: Mapping[str, Sequence[Any]] = {
            name: [value if _is_plain(value) else None for value in column]
            for name, column in columns.items()
        }

    @classmethod
    def open(cls, source: object, options: ModelOptions) -> Self | None:
        """Open an .npy, .npz or .parquet, or a folder of zarr v3.

        Raises:
            InputError: the file is missing, damaged, or holds no activations.
            MissingExtraError: parquet, and pyarrow is not installed.
        """
        if not isinstance(source, Path):
            return None
        zarr = source.is_dir() and any((source / name).is_file() for name in (NODE, ".zarray", ".zgroup"))
        if zarr or source.suffix.lower() in (".npy", ".npz", ".parquet"):
            return cls(source, options.layout or "channels_last")
        return None

    def layers(self, input_shape: tuple[int, ...] | None) -> tuple[LayerInfo, ...]:
        """The arrays in the order of the file; `input_shape` does not matter."""
        return tuple(
            LayerInfo(name, "array", self._one_shape(header), 0, header.dtype.name)
            for name, header in self._headers.items()
        )

    def capture(self, inputs: NDArray[Any], layers: Sequence[str]) -> dict[str, Activations]:
        """The values at these rows (batch,), (batch, *spatial, channels) for each layer.

        Raises:
            LayerError: the file has no such array.
            InputError: a row number that the arrays do not have.
        """
        rows = np.asarray(inputs)
        if rows.ndim != 1 or rows.dtype.kind not in "iu":
            raise InputError(f"{self._path}: its inputs are row numbers (batch,) of its arrays")
        if len(rows) and not 0 <= rows.min() <= rows.max() < self.n_inputs:
            raise InputError(f"{self._path}: rows {rows.min()} to {rows.max()} of {self.n_inputs}")
        for name in layers:
            if name not in self._headers:
                raise LayerError(f"{self._path}: no layer {name}; {suggest(name, self._headers)}")
        return {name: Activations(name, self._rows(name, rows)) for name in layers}

    @property
    def provenance(self) -> Mapping[str, Any]:
        """The file, and a digest over its bytes."""
        return {"framework": "arrays", "checkpoint": str(self._path), "digest": self._reader.digest()}

    def _layer_headers(self) -> dict[str, Header]:
        """Shape and type of the arrays that can be layers.

        Raises:
            InputError: there are none.
        """
        headers = self._reader.headers
        fitting = {name: header for name, header in headers.items() if _is_layer(header)}
        if not fitting:
            listed = ", ".join(f"{n} {h.shape} {h.dtype}" for n, h in list(headers.items())[:4]) or "nothing"
            raise InputError(f"{self._path}: no array of numbers (batch, *spatial, channels) among {listed}")
        return fitting

    def _guarded(self, read: Callable[[], T]) -> T:
        """Read, and say in one line what is wrong with a damaged or hostile file."""
        try:
            return read()
        except ExplorerError:
            raise
        except FileNotFoundError:
            raise InputError(f"{self._path}: no such file") from None
        except Exception as error:  # NumPy's headers, TensorStore and Arrow each fail in their own way
            raise InputError(f"{self._path}: cannot be read: {first_line(error)}") from None

    def _one_shape(self, header: Header) -> tuple[int, ...]:
        """(*spatial, channels) of one input."""
        one = header.shape[1:]
        return (*one[1:], one[0]) if self._channels_first else one

    def _rows(self, name: str, rows: NDArray[Any]) -> NDArray[Any]:
        """The rows in memory of their own, channels last."""
        values = self._guarded(lambda: self._reader.rows(name, rows))
        return np.ascontiguousarray(np.moveaxis(values, 1, -1)) if self._channels_first else values


def _reader(path: Path) -> Reader:
    if path.is_dir():
        return ZarrFolder(path)
    return ParquetFile(path) if path.suffix.lower() == ".parquet" else NumpyFile(path)


def _is_plain(value: object) -> bool:
    """Whether a value of metadata is one that is there: not NaN, not infinite."""
    return not isinstance(value, float) or bool(np.isfinite(value))


def _is_layer(header: Header) -> bool:
    """Whether an array has a batch, at most three spatial axes, and channels, and is of numbers."""
    rank = len(header.shape)
    return header.dtype.kind in "fiub" and 2 <= rank <= 2 + MAX_SPATIAL_RANK and 0 not in header.shape
