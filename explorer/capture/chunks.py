"""A run's whole chunks read straight from their files, checksum included: what every streaming pass does.

TensorStore reads any part of an array through its caches; a whole chunk of the one format that a run is
written in (Zarr 3, little-endian bytes, then their CRC-32C, RFC 3720) is its file, less four bytes. Reading
that costs less than half the time and scales with threads.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.errors import RunError

CHECKSUM = 4
"""Bytes after a chunk's values."""
PLAIN = ("float16", "float32", "float64", "int8", "uint8", "int16", "int32", "int64")


def read_chunk(root: Path, entry: Mapping[str, Any], start: int, stop: int) -> NDArray[Any] | None:
    """Inputs start to stop of an array, when they are exactly one chunk; None when they are not.

    None, too, where the checksum can only be computed slowly or the type is none of numpy's own: then
    TensorStore does as well.

    Args:
        root: the run folder.
        entry: the array's entry in the manifest.
        start: first input.
        stop: one past the last.

    Raises:
        RunError: the chunk is missing, cut short, or not what was written.
    """
    shape, chunk = tuple(entry["shape"]), int(entry["chunk"])
    whole = start % chunk == 0 and start < stop == min(start + chunk, shape[0])
    if not whole or entry["dtype"] not in PLAIN or _checksum() is None:
        return None
    path = root / entry["folder"] / "c" / str(start // chunk) / Path(*["0"] * (len(shape) - 1))
    dtype = np.dtype(entry["dtype"]).newbyteorder("<")
    size = chunk * math.prod(shape[1:]) * dtype.itemsize
    try:
        with open(path, "rb", buffering=0) as file:
            content, checksum, more = file.read(size), file.read(CHECKSUM), file.read(1)
    except FileNotFoundError:
        raise RunError(f"{path}: missing; capture the run again") from None
    except OSError as error:
        raise RunError(f"{path}: cannot be read ({error.strerror or error})") from None
    sound = len(content) == size and len(checksum) == CHECKSUM and not more
    if not sound or _checksum()(content) != int.from_bytes(checksum, "little"):
        raise RunError(f"{path}: damaged; capture the run again")
    values = np.frombuffer(content, dtype).reshape(chunk, *shape[1:])
    return values[: stop - start].astype(dtype.newbyteorder("="), copy=False)


@cache
def _checksum() -> Any:
    """The function from bytes to their CRC-32C by the processor itself; None where there is none."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns when it has only Python to compute with
        try:
            import google_crc32c
        except ImportError:
            return None
    return google_crc32c.value if google_crc32c.implementation == "c" else None
