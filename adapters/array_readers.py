"""What every kind of array file answers, and the answers of NumPy's own."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from .numpy_files import Header, npz_arrays, npz_headers


class Reader(Protocol):
    """One kind of array file."""

    headers: dict[str, Header]
    """Shape and type of every array, told before it is unpacked where the kind allows it."""

    def rows(self, name: str, rows: NDArray[Any]) -> NDArray[Any]:
        """These rows of an array, in memory of their own."""
        ...

    def columns(self, count: int) -> dict[str, list[Any]]:
        """What the file says of each of `count` inputs beside its activations."""
        ...

    def digest(self) -> str:
        """SHA-256 over its bytes."""
        ...


class NumpyFile:
    """An .npy, which stays on disk, or an .npz, whose arrays are unpacked when they are asked for."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.arrays: dict[str, NDArray[Any]] = {}
        if path.suffix.lower() == ".npz":
            self.headers = npz_headers(path)
        else:
            array = np.load(path, mmap_mode="r", allow_pickle=False)
            self.arrays[path.stem] = array
            self.headers = {path.stem: Header(array.shape, array.dtype)}

    def rows(self, name: str, rows: NDArray[Any]) -> NDArray[Any]:
        """These rows of an array, in memory of their own."""
        if name not in self.arrays:
            self.arrays |= npz_arrays(self._path, [name])
        return np.asarray(self.arrays[name][rows])

    def columns(self, count: int) -> dict[str, list[Any]]:
        """The arrays of one number or text an input."""
        fitting = [n for n, h in self.headers.items() if h.shape == (count,) and h.dtype.kind in "fiubU"]
        read = npz_arrays(self._path, fitting) if fitting else {}
        return {name: array.tolist() for name, array in read.items()}

    def digest(self) -> str:
        """SHA-256 over the file."""
        with self._path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
