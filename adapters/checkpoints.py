"""Read a checkpoint into a tree of numpy arrays: Orbax, Flax msgpack, safetensors, npz or PyTorch.

Nothing is ever unpickled, declared sizes are held against the file before anything is allocated,
and whatever goes wrong becomes one line that names the file.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.errors import CheckpointError

from .limits import DAMAGE, check_memory, first_line
from .numpy_files import npz_arrays, npz_headers
from .orbax_folders import find_step, read_step
from .torch_files import is_legacy, is_torch_zip, read_torch
from .weights import Flat, WeightPath, flatten, nest

SUFFIXES = {
    ".safetensors": "safetensors",
    ".npz": "npz",
    ".msgpack": "msgpack",
    ".mpk": "msgpack",
    ".flax": "msgpack",
    ".pt": "torch",
    ".pth": "torch",
}
LONGEST_HEADER = 25_000_000
"""Bytes of JSON in a safetensors file: some 200,000 arrays."""


def read_checkpoint(
    path: Path,
    format: str | None = None,  # noqa: A002
    step: int | None = None,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read a checkpoint.

    Args:
        path: file or folder.
        format: "orbax", "msgpack", "safetensors", "npz" or "torch"; None to tell from the file.
        step: which step of a folder of steps; None for the latest.

    Returns:
        The nested dictionaries of arrays, and {"format", "step"} as found.

    Raises:
        CheckpointError: the checkpoint is missing, of no known format, or damaged.
    """
    found: int | None = None
    place, told = path, format
    try:
        if not path.exists():
            raise CheckpointError(f"{path}: no such file or folder")
        if path.is_dir():
            place, found = find_step(path, step)
        elif step is not None:
            raise CheckpointError(f"{path}: is a file, not a folder of steps with a step {step}")
        told = format or _tell_format(place)
        if told not in READERS:
            raise CheckpointError(f"{path}: format {told} is unknown; there are {_formats()}")
        return nest(READERS[told](place)), {"format": told, "step": found}
    except DAMAGE as error:
        kind = f"cannot be read as {told}: " if told else ""
        raise CheckpointError(f"{place}: {kind}{first_line(error)}") from None


def _formats() -> str:
    """The names of the formats, for errors."""
    return ", ".join(list(READERS)[:-1]) + f" and {list(READERS)[-1]}"


def _tell_format(path: Path) -> str:
    """Tell the format from the first bytes, else from the name's ending."""
    if path.is_dir():
        return "orbax"
    with path.open("rb") as file:
        head = file.read(16)
    if head.startswith(b"PK\x03\x04"):
        return "torch" if is_torch_zip(path) else "npz"
    if is_legacy(head):
        return "torch"
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") < path.stat().st_size:
        return "safetensors"
    if path.suffix.lower() in SUFFIXES:
        return SUFFIXES[path.suffix.lower()]
    if head and (head[0] & 0xF0 == 0x80 or head[0] in (0xDE, 0xDF)):  # a msgpack map
        return "msgpack"
    raise CheckpointError(f"{path}: of no known format; checkpoints are {_formats()}")


def _read_msgpack(path: Path) -> Flat:
    """What `flax.serialization.to_bytes` wrote."""
    from flax import serialization

    check_memory(2 * path.stat().st_size)
    tree = serialization.msgpack_restore(path.read_bytes())
    if not isinstance(tree, dict):
        raise ValueError("holds one single value, expected a tree of arrays")
    return {key: _array(leaf) for key, leaf in flatten(tree).items() if not isinstance(leaf, str)}


def _array(leaf: Any) -> NDArray[Any]:
    """A number or an array as an array; the two bytes that numpy does not know are bfloat16."""
    import ml_dtypes

    array = np.asarray(leaf)
    if array.dtype.hasobject:
        raise ValueError("holds objects, expected numbers")
    return array.view(ml_dtypes.bfloat16) if array.dtype == np.dtype("V2") else array


def _read_npz(path: Path) -> Flat:
    """What `numpy.savez` wrote, its names split into paths."""
    arrays = npz_arrays(path, list(npz_headers(path)))
    return {key: _array(leaf) for key, leaf in _split(arrays).items()}


def _split(arrays: dict[str, Any]) -> Flat:
    """Split names at "/", or at "." when no name has a "/"."""
    separator = "/" if any("/" in name for name in arrays) else "."
    split: dict[WeightPath, Any] = {}
    for name, array in arrays.items():
        split[tuple(name.split(separator))] = array
    return split


def _read_safetensors(path: Path) -> Flat:
    """What `safetensors` wrote, its names split into paths."""
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > min(size - 8, LONGEST_HEADER):
            raise ValueError(f"declares a header of {length} bytes in a file of {size}")
        header = json.loads(file.read(length), object_pairs_hook=_no_twins)
        header.pop("__metadata__", None)
        check_memory(size - 8 - length)
        data = np.fromfile(file, dtype=np.uint8)
    return _split({name: _view(name, entry, data) for name, entry in header.items()})


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object, refused when it has a key twice: two readers would see two files."""
    content = dict(pairs)
    if len(content) != len(pairs):
        raise ValueError("its header has a name twice")
    return content


def _view(name: str, entry: dict[str, Any], data: NDArray[np.uint8]) -> NDArray[Any]:
    """One array of a safetensors file."""
    types = _safetensors_types()
    if entry["dtype"] not in types:
        raise ValueError(f"array {name} is of type {entry['dtype']}, which is unknown")
    dtype, shape = types[entry["dtype"]], tuple(int(length) for length in entry["shape"])
    first, last = (int(offset) for offset in entry["data_offsets"])
    declared = math.prod(shape) * dtype.itemsize
    if min(shape, default=0) < 0 or not 0 <= first <= last <= len(data):
        raise ValueError(f"array {name} lies outside the file; it was cut off or damaged")
    if last - first != declared:
        raise ValueError(f"array {name} declares shape {shape}, but has {last - first} bytes")
    return data[first:last].view(dtype).reshape(shape)


def _safetensors_types() -> dict[str, np.dtype[Any]]:
    """The types of a safetensors file by their names there."""
    import ml_dtypes

    names = {"F": "float", "I": "int", "U": "uint"}
    sizes = {"F": (16, 32, 64), "I": (8, 16, 32, 64), "U": (8, 16, 32, 64)}
    types = {
        f"{letter}{bits}": np.dtype(f"{name}{bits}").newbyteorder("<")
        for letter, name in names.items()
        for bits in sizes[letter]
    }
    return types | {"BOOL": np.dtype(bool), "BF16": np.dtype(ml_dtypes.bfloat16)}


READERS: dict[str, Callable[[Path], Flat]] = {
    "orbax": read_step,
    "msgpack": _read_msgpack,
    "safetensors": _read_safetensors,
    "npz": _read_npz,
    "torch": read_torch,
}
