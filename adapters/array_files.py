"""Activations that were captured elsewhere: the arrays of an .npy or .npz file as layers."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from explorer.activations import MAX_SPATIAL_RANK, Activations
from explorer.capture.protocol import LayerInfo, ModelOptions
from explorer.errors import InputError, LayerError, suggest

from .limits import DAMAGE, first_line
from .numpy_files import Header, npz_arrays, npz_headers

LAYOUTS = ("channels_last", "channels_first")


class ArrayFiles:
    """The layers of one file; its inputs are the rows of its arrays.

    Attributes:
        n_inputs: how many inputs the arrays were captured from.
    """

    requires: ClassVar[tuple[str, ...]] = ()

    def __init__(self, path: Path, layout: str) -> None:
        if layout not in LAYOUTS:
            raise InputError(f"{path}: layout {layout}: {suggest(layout, LAYOUTS)}")
        self._path = path
        self._channels_first = layout == "channels_first"
        self._arrays: dict[str, NDArray[Any]] = {}
        self._headers = self._read_headers()
        batches = {name: header.shape[0] for name, header in self._headers.items()}
        if len(set(batches.values())) > 1:
            listed = ", ".join(f"{name} has {batch}" for name, batch in list(batches.items())[:4])
            raise InputError(f"{path}: the layers must have the same number of inputs: {listed}")
        self.n_inputs = next(iter(batches.values()))

    @classmethod
    def open(cls, source: object, options: ModelOptions) -> Self | None:
        """Open a path that ends in .npy or .npz.

        Raises:
            InputError: the file is missing, damaged, or holds no activations.
        """
        if isinstance(source, Path) and source.suffix.lower() in (".npy", ".npz"):
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
        self._load([name for name in layers if name not in self._arrays])
        return {name: Activations(name, self._rows(name, rows)) for name in layers}

    @property
    def provenance(self) -> Mapping[str, Any]:
        """The file, and a digest over its bytes."""
        with self._path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return {"framework": "arrays", "checkpoint": str(self._path), "digest": digest}

    def _read_headers(self) -> dict[str, Header]:
        """Shape and type of the arrays that can be layers.

        Raises:
            InputError: the file is missing, damaged, or has none.
        """
        try:
            if self._path.suffix.lower() == ".npz":
                headers = npz_headers(self._path)
            else:
                array = np.load(self._path, mmap_mode="r", allow_pickle=False)
                self._arrays[self._path.stem] = array
                headers = {self._path.stem: Header(array.shape, array.dtype)}
        except FileNotFoundError:
            raise InputError(f"{self._path}: no such file") from None
        except DAMAGE as error:
            raise InputError(f"{self._path}: cannot be read: {first_line(error)}") from None
        fitting = {name: header for name, header in headers.items() if _is_layer(header)}
        if not fitting:
            listed = ", ".join(f"{n} {h.shape} {h.dtype}" for n, h in list(headers.items())[:4])
            raise InputError(f"{self._path}: no array of numbers (batch, *spatial, channels) among {listed}")
        return fitting

    def _load(self, names: list[str]) -> None:
        """Unpack these arrays of an .npz file; those of an .npy file stay on disk."""
        if not names:
            return
        try:
            self._arrays |= npz_arrays(self._path, names)
        except DAMAGE as error:
            raise InputError(f"{self._path}: cannot be read: {first_line(error)}") from None

    def _one_shape(self, header: Header) -> tuple[int, ...]:
        """(*spatial, channels) of one input."""
        one = header.shape[1:]
        return (*one[1:], one[0]) if self._channels_first else one

    def _rows(self, name: str, rows: NDArray[Any]) -> NDArray[Any]:
        """The rows in memory of their own, channels last."""
        values = np.asarray(self._arrays[name][rows])
        return np.ascontiguousarray(np.moveaxis(values, 1, -1)) if self._channels_first else values


def _is_layer(header: Header) -> bool:
    """Whether an array has a batch, at most three spatial axes, and channels, and is of numbers."""
    rank = len(header.shape)
    return header.dtype.kind in "fiub" and 2 <= rank <= 2 + MAX_SPATIAL_RANK and 0 not in header.shape
