"""Arrays of a zarr v3 folder on this computer, through TensorStore: headers first, rows when asked for."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .limits import check_memory
from .numpy_files import Header

NODE = "zarr.json"
DEPTH = 8
"""Groups within groups that are followed."""
MOST = 10_000
"""Arrays in one folder."""
TYPES = ("bool", *(f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)))
TYPES += ("float16", "float32", "float64")


class ZarrFolder:
    """The arrays of one array or group.

    Attributes:
        headers: shape and type of every array of numbers, by its path in the group.
    """

    def __init__(self, path: Path) -> None:
        if (path / ".zarray").exists() or (path / ".zgroup").exists():
            raise ValueError("it is zarr of version 2, expected version 3 (zarr.json)")
        self._path = path
        self._chunks: dict[str, int] = {}
        self.headers: dict[str, Header] = {}
        self._walk(path, "", DEPTH)

    def _walk(self, folder: Path, name: str, depth: int) -> None:
        node = json.loads((folder / NODE).read_text(encoding="utf-8"))
        if node.get("zarr_format") != 3:
            raise ValueError(f"{name or NODE}: zarr_format {node.get('zarr_format')!r}, expected 3")
        if node.get("node_type") == "array":
            self._add(name or self._path.stem, node)
        elif depth:
            for child in sorted(folder.iterdir()):
                if (child / NODE).is_file() and not child.is_symlink():
                    self._walk(child, f"{name}/{child.name}" if name else child.name, depth - 1)

    def _add(self, name: str, node: dict[str, Any]) -> None:
        """Note an array of numbers, its declared sizes checked; others are left out."""
        shape, dtype = node["shape"], node["data_type"]
        chunk = node["chunk_grid"]["configuration"]["chunk_shape"]
        for sizes in (shape, chunk):
            if not isinstance(sizes, list) or not all(type(n) is int and 0 <= n < 2**48 for n in sizes):
                raise ValueError(f"{name}: shape {shape} in chunks of {chunk}")
        if len(self.headers) >= MOST:
            raise ValueError(f"more than {MOST} arrays")
        if dtype in TYPES:
            self.headers[name] = Header(tuple(shape), np.dtype(dtype))
            self._chunks[name] = math.prod(chunk) * np.dtype(dtype).itemsize

    def rows(self, name: str, rows: NDArray[Any]) -> NDArray[Any]:
        """These rows of an array, in memory of their own."""
        header = self.headers[name]
        # Whatever chunk a row touches is unpacked whole.
        check_memory(self._chunks[name] + header.nbytes // max(header.shape[0], 1) * len(rows))
        import tensorstore as ts

        folder = self._path / name if (self._path / name / NODE).is_file() else self._path
        spec = {
            "driver": "zarr3",
            "kvstore": {"driver": "file", "path": str(folder.resolve()) + "/"},
        }
        array = ts.open(spec, open=True, read=True).result()
        if (tuple(array.shape), array.dtype.numpy_dtype) != (header.shape, header.dtype):
            raise ValueError(f"{name}: is not the array that it was")
        values: NDArray[Any] = array[np.asarray(rows, np.int64)].read().result()
        return values

    def columns(self, count: int) -> dict[str, list[Any]]:
        """Arrays of one number an input, as metadata."""
        fitting = [n for n, header in self.headers.items() if header.shape == (count,)]
        return {name: self.rows(name, np.arange(count)).tolist() for name in fitting}

    def digest(self) -> str:
        """SHA-256 over the names and bytes of all files."""
        whole = hashlib.sha256()
        for path in sorted(path for path in self._path.rglob("*") if path.is_file()):
            whole.update(path.relative_to(self._path).as_posix().encode("utf-8", "surrogateescape") + b"\0")
            with path.open("rb") as file:
                whole.update(hashlib.file_digest(file, "sha256").digest())
        return whole.hexdigest()
