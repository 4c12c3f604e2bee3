"""Array files of many inputs: .npy, and .npz with labels and metadata beside them.

Of an .npz, the array `images` (or `x`, or the only one with three axes or more) is the inputs; arrays
of one value an input are `labels` (or `label`, `y`) and metadata.
"""

from __future__ import annotations

import math
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.capture.tables import Columns
from explorer.errors import InputError, first_line

SUFFIXES = (".npy", ".npz")
IMAGES = ("images", "x")
LABELS = ("labels", "label", "y")


def read_npy(path: Path) -> NDArray[Any]:
    """Map an .npy of numbers; nothing is read yet, and nothing is unpickled.

    Raises:
        InputError: it is no such file, or is damaged.
    """
    try:
        values: NDArray[Any] = np.lib.format.open_memmap(path, mode="r")
    except Exception as error:  # a damaged header is parsed as Python's own tokens are
        raise InputError(f"{path}: cannot be read as an array of numbers ({first_line(error)})") from None
    return values


def read_npz(path: Path) -> tuple[NDArray[Any], tuple[str, ...] | None, Columns]:
    """The inputs, labels and metadata of an .npz.

    Raises:
        InputError: it is damaged, holds no inputs, or would not fit into memory.
    """
    arrays = read_arrays(path)
    large = [name for name, array in arrays.items() if array.ndim >= 3]
    key = next((name for name in IMAGES if name in arrays), large[0] if len(large) == 1 else None)
    if key is None:
        listed = ", ".join(f"{name} {array.shape}" for name, array in list(arrays.items())[:6])
        raise InputError(f"{path}: no array images (or x) among {listed}")
    values = arrays.pop(key)
    columns: Columns = {
        name: array.tolist()
        for name, array in arrays.items()
        if array.ndim == 1 and len(array) == len(values) and array.dtype.kind in "fiubU"
    }
    columns = {name: [_plain(value) for value in column] for name, column in columns.items()}
    label = next((name for name in LABELS if name in columns), None)
    labels = None if label is None else tuple(str(value) for value in columns.pop(label))
    return values, labels, columns


def read_masks(path: Path) -> NDArray[Any]:
    """The masks of an .npz: its array `masks`, or its only one.

    Raises:
        InputError: it is damaged, or has no such array.
    """
    arrays = read_arrays(path)
    if "masks" not in arrays and len(arrays) > 1:
        raise InputError(f"{path}: no array masks among {', '.join(list(arrays)[:6])}")
    return arrays["masks"] if "masks" in arrays else next(iter(arrays.values()))


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Every array of an .npz, once headers agree with the sizes of their members and fit into memory.

    Raises:
        InputError: it is damaged, or holds no arrays of numbers or words.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = [member for member in archive.infolist() if member.filename.endswith(".npy")]
            total = sum(member.file_size for member in members)
            if total > _free_memory():
                raise InputError(f"{path}: unpacks to {total / 1e9:.1f} GB, more memory than is free")
            if len({member.filename for member in members}) != len(members):
                raise InputError(f"{path}: two arrays have one name")
            arrays = {}
            for member in members:
                with archive.open(member) as file:
                    _check_header(file, member.file_size)
                with archive.open(member) as file:
                    name = member.filename.removesuffix(".npy")
                    arrays[name] = np.lib.format.read_array(file, allow_pickle=False)
    except InputError:
        raise
    except Exception as error:  # zipfile and zlib have errors of their own
        raise InputError(f"{path}: cannot be read as arrays of numbers ({first_line(error)})") from None
    if not arrays:
        raise InputError(f"{path}: holds no arrays")
    return arrays


def _check_header(file: Any, size: int) -> None:
    """Hold an array's declared size against that of its member: reading allocates what is declared."""
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    if dtype.hasobject:
        raise ValueError("an array holds Python objects, expected numbers")
    if min(shape, default=0) < 0 or file.tell() + math.prod(shape) * dtype.itemsize != size:
        raise ValueError(f"an array declares shape {shape} {dtype}, but its member has {size} bytes")


def _free_memory() -> int:
    """Bytes that can be allocated now, where the system tells."""
    try:
        words = Path("/proc/meminfo").read_text(encoding="ascii").split()
        return int(words[words.index("MemAvailable:") + 1]) * 1024
    except (OSError, ValueError):  # not on Windows or macOS
        return 1 << 34
