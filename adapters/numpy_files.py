"""Read .npz files whose headers have been checked first; nothing is ever unpickled."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from .limits import check_memory


@dataclass(frozen=True)
class Header:
    """What an array says of itself before it is read."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    is_fortran: bool = False

    @property
    def nbytes(self) -> int:
        """Size of the unpacked array."""
        return math.prod(self.shape) * self.dtype.itemsize


def npz_headers(path: Path) -> dict[str, Header]:
    """Name, shape and type of every array of an .npz file, none of them unpacked.

    Raises:
        ValueError: it holds no arrays, objects, or sizes that its members do not have.
    """
    with zipfile.ZipFile(path) as archive:
        members = [member for member in archive.infolist() if member.filename.endswith(".npy")]
        headers = {}
        for member in members:
            name = member.filename.removesuffix(".npy")
            if name in headers:
                raise ValueError(f"two arrays are called {name}")
            with archive.open(member) as file:
                headers[name] = _read_header(file, name, member.file_size)
    if not headers:
        raise ValueError("no .npy arrays in it")
    return headers


def _read_header(file: IO[bytes], name: str, size: int) -> Header:
    """Read one array's header and hold it against the size of its member."""
    header = read_npy_header(file, name)
    if file.tell() + header.nbytes != size:
        raise ValueError(f"array {name} declares shape {header.shape} {header.dtype}, but has {size} bytes")
    return header


def read_npy_header(file: IO[bytes], name: str) -> Header:
    """Read the header of an array where the file stands; its values begin where the file is left.

    Raises:
        ValueError: there is none, or it is of objects or of negative lengths.
    """
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(file)
    elif version == (2, 0):
        shape, is_fortran, dtype = np.lib.format.read_array_header_2_0(file)
    else:  # version 3 exists for structured types alone
        raise ValueError(f"array {name} is of format version {version}, expected plain numbers")
    if dtype.hasobject:
        raise ValueError(f"array {name} holds Python objects, expected numbers")
    if min(shape, default=0) < 0:
        raise ValueError(f"array {name} declares shape {shape}")
    return Header(tuple(shape), dtype, is_fortran)


def npz_arrays(path: Path, names: Collection[str]) -> dict[str, NDArray[Any]]:
    """Unpack these arrays.

    Raises:
        ValueError: together they do not fit into memory, or see `npz_headers`.
    """
    headers = npz_headers(path)
    check_memory(sum(headers[name].nbytes for name in names))
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in names}
