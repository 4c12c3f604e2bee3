"""Read what `torch.save` wrote, without PyTorch: the tree at once, the numbers when they are asked for."""

from __future__ import annotations

import io
import math
import zipfile
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from explorer.errors import CheckpointError

from .limits import DAMAGE, check_memory, first_line
from .torch_pickle import read_pickle
from .torch_records import Storage, TensorRecord, item_type
from .weights import Flat, WeightPath

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
LEGACY_PROTOCOL = 1001
LONGEST_PICKLE = 200_000_000
"""Bytes of the tree in a file: some two million tensors."""


@dataclass(frozen=True, eq=False)
class StoredTensor:
    """A tensor of a file, of known shape and type; `numpy.asarray` reads it."""

    record: TensorRecord
    read: Callable[[TensorRecord], NDArray[Any]] = field(repr=False)

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape."""
        return self.record.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Its type."""
        return item_type(self.record.dtype)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """Read it into memory of its own.

        Raises:
            CheckpointError: the file is damaged there, or the tensor does not fit into memory.
        """
        values = self.read(self.record)
        return values if dtype is None else values.astype(dtype, copy=False)


def strided(
    raw: NDArray[np.uint8], dtype: np.dtype[Any], place: tuple[tuple[int, ...], tuple[int, ...], int]
) -> NDArray[Any]:
    """A tensor in memory of its own from the bytes of its storage.

    Args:
        raw: the bytes.
        dtype: its type.
        place: its shape, strides and offset, the last two in items.

    Raises:
        ValueError: it reaches beyond the bytes, or does not fit into memory.
    """
    shape, strides, offset = place
    last = offset + sum((size - 1) * step for size, step in zip(shape, strides, strict=True))
    items = raw[: len(raw) // dtype.itemsize * dtype.itemsize].view(dtype)
    if math.prod(shape) == 0:
        return np.zeros(shape, dtype)
    if last >= len(items):
        raise ValueError(f"a tensor of shape {shape} is larger than its storage of {len(items)} items")
    check_memory(math.prod(shape) * dtype.itemsize)
    steps = tuple(step * dtype.itemsize for step in strides)
    return np.array(np.lib.stride_tricks.as_strided(items[offset:], shape, steps), order="C")


def is_torch_zip(path: Path) -> bool:
    """Whether a zip file is one that `torch.save` wrote."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.split("/", 1)[-1] == "data.pkl" for name in archive.namelist())
    except (OSError, zipfile.BadZipFile):
        return False


def is_legacy(head: bytes) -> bool:
    """Whether a file begins as a pickle does, and so as `torch.save` began it before version 1.6."""
    return len(head) > 2 and head[0] == 0x80 and 2 <= head[1] <= 5


def read_torch(path: Path) -> Flat:
    """Every tensor of a file by its path: keys of nested dictionaries, each split at its dots.

    Raises:
        ValueError, KeyError, OSError, BadZipFile: the file is damaged, or names what no state dict needs.
    """
    with path.open("rb") as file:
        zipped = file.read(4) == b"PK\x03\x04"
    return _read_zip(path) if zipped else _read_legacy(path)


def _read_zip(path: Path) -> Flat:
    with zipfile.ZipFile(path) as archive:
        members = {member.filename: member for member in archive.infolist()}
        roots = [name.removesuffix("data.pkl") for name in members if name.split("/", 1)[-1] == "data.pkl"]
        if len(roots) != 1 or len(members) != len(archive.infolist()):
            raise ValueError(f"has {len(roots)} trees of tensors, or a name twice")
        root = roots[0]
        if f"{root}constants.pkl" in members or any(name.startswith(f"{root}code/") for name in members):
            raise ValueError("is a TorchScript program, which brings code; save model.state_dict() instead")
        if members[f"{root}data.pkl"].file_size > LONGEST_PICKLE:
            raise ValueError(f"has a tree of {members[f'{root}data.pkl'].file_size} bytes")
        order = archive.read(f"{root}byteorder") if f"{root}byteorder" in members else b"little"
        if order.strip() != b"little":
            raise ValueError("was written by a big-endian computer; save it again on another")
        tree = read_pickle(io.BytesIO(archive.read(f"{root}data.pkl")))
    sizes = {name: member.file_size for name, member in members.items()}
    packed = [member.filename for member in members.values() if member.compress_type != zipfile.ZIP_STORED]
    if packed:
        raise ValueError(f"{packed[0]} is compressed, as torch.save never does")

    def read(record: TensorRecord) -> NDArray[Any]:
        with _naming(path), zipfile.ZipFile(path) as archive:
            raw = np.frombuffer(archive.read(f"{root}data/{record.storage.key}"), np.uint8)
            return _strided(raw, record)

    return _tensors(tree, read, lambda storage: sizes[f"{root}data/{storage.key}"])


def _read_legacy(path: Path) -> Flat:
    """One pickle after another: magic number, version, computer, tree, order of storages; then those."""
    size = path.stat().st_size
    with path.open("rb") as file:
        if read_pickle(file) != LEGACY_MAGIC or read_pickle(file) != LEGACY_PROTOCOL:
            raise ValueError("is a pickle, but not one that torch.save wrote")
        read_pickle(file)
        storages: dict[str, Storage] = {}
        tree = read_pickle(file, storages)
        keys = read_pickle(file)
        if not isinstance(keys, list):
            raise ValueError("does not list its storages")
        places = _places(file, keys, storages)

    def read(record: TensorRecord) -> NDArray[Any]:
        with _naming(path), path.open("rb") as file:
            file.seek(places[record.storage.key])
            return _strided(np.fromfile(file, np.uint8, _nbytes(record.storage)), record)

    return _tensors(tree, read, lambda storage: max(0, size - places[storage.key]))


def _places(file: IO[bytes], keys: list[Any], storages: dict[str, Storage]) -> dict[str, int]:
    """Where in a legacy file each storage begins; the file stands behind the list of their keys."""
    places: dict[str, int] = {}
    for key in keys:
        if key not in storages:
            raise ValueError(f"storage {key!r} belongs to no tensor, so its length is not known")
        count = int.from_bytes(file.read(8), "little", signed=True)
        if count != storages[key].count:
            raise ValueError(f"storage {key} has {count} items, and {storages[key].count} are declared")
        places[key] = file.tell()
        file.seek(_nbytes(storages[key]), io.SEEK_CUR)
    return places


def _strided(raw: NDArray[np.uint8], record: TensorRecord) -> NDArray[Any]:
    return strided(raw, item_type(record.dtype), (record.shape, record.strides, record.offset))


def _nbytes(storage: Storage) -> int:
    return storage.count * item_type(storage.dtype).itemsize


def _tensors(
    tree: Any, read: Callable[[TensorRecord], NDArray[Any]], stored: Callable[[Storage], int]
) -> Flat:
    """The tensors of a tree, once every storage has been found to be as long as it says."""
    flat: dict[WeightPath, Any] = {}
    for path, record in _walk(tree):
        if stored(record.storage) < _nbytes(record.storage):
            raise ValueError(f"storage {record.storage.key} is cut off")
        if path in flat:
            raise ValueError(f"{'.'.join(path)} is there twice")
        flat[path] = StoredTensor(record, read)
    if not flat:
        raise ValueError("has no tensors in it")
    return flat


def _walk(tree: Any) -> Iterator[tuple[WeightPath, TensorRecord]]:
    """The tensors in nested dictionaries, each dictionary once; lists hold no model's weights."""
    if isinstance(tree, TensorRecord):
        raise ValueError("holds one single tensor, expected a state dict")
    pending: deque[tuple[WeightPath, Any]] = deque([((), tree)])
    seen: set[int] = set()
    while pending:
        path, node = pending.popleft()
        if isinstance(node, TensorRecord):
            yield path, node
        elif isinstance(node, dict) and id(node) not in seen:
            seen.add(id(node))
            pending += [((*path, *str(key).split(".")), value) for key, value in node.items()]


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Turn damage that is met while reading late into one line that names the file."""
    try:
        yield
    except DAMAGE as error:
        raise CheckpointError(f"{path}: cannot be read as torch: {first_line(error)}") from None
