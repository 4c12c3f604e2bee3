"""What the names in a file of `torch.save` stand for: a table, and records in place of objects.

A name is looked up here and nowhere else, and "calling" one of them runs our own few lines.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

STORAGES = {
    "FloatStorage": "float32",
    "DoubleStorage": "float64",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
    "ComplexFloatStorage": "complex64",
    "ComplexDoubleStorage": "complex128",
    "UntypedStorage": "uint8",
}
DTYPES = (*sorted(set(STORAGES.values())), "uint16", "uint32", "uint64", "float8_e4m3fn", "float8_e5m2")
DICTIONARIES = ("collections.OrderedDict", "collections.defaultdict", "builtins.dict")
TENSORS = ("_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_tensor_v3")
PARAMETERS = ("_rebuild_parameter", "_rebuild_parameter_with_state")
PASSED_OVER = {
    "argparse": ("Namespace",),
    "types": ("SimpleNamespace",),
    "collections": ("Counter", "deque"),
    "builtins": ("set", "frozenset", "list", "tuple", "int", "float", "str", "bool", "complex", "bytearray"),
    "pathlib": ("PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath"),
    "datetime": ("datetime", "date", "timedelta", "timezone"),
    "_codecs": ("encode",),
    "numpy": ("dtype", "ndarray"),
    "numpy.core.multiarray": ("scalar", "_reconstruct"),
    "numpy._core.multiarray": ("scalar", "_reconstruct"),
    "torch": ("device", "Generator"),
}
"""What training scripts save beside the weights: recognised by name, and never more than a name."""


class RefusedError(ValueError):
    """The file names or does something that no state dict needs."""


@dataclass(frozen=True)
class Name:
    """A name that a pickle mentions; it stands for itself."""

    module: str
    name: str

    @property
    def full(self) -> str:
        """Module and name with a dot between."""
        return f"{self.module}.{self.name}"


@dataclass(frozen=True, eq=False)
class PassedOver:
    """Where something was that is no weight."""


@dataclass(frozen=True)
class Storage:
    """A run of numbers elsewhere in the file."""

    key: str
    dtype: str
    count: int


@dataclass(frozen=True, eq=False)
class TensorRecord:
    """A tensor's place in a storage, in items; checked to lie inside it."""

    storage: Storage
    dtype: str
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def is_known(name: Name) -> bool:
    """Whether a name is in the table."""
    if name.module in ("torch", "torch.storage", "torch.cuda") and name.name in STORAGES:
        return True
    if name.module == "torch" and name.name in (*DTYPES, "Size"):
        return True
    if name.module == "torch._utils" and name.name in (*TENSORS, *PARAMETERS):
        return True
    return name.full in DICTIONARIES or _is_passed_over(name)


def _is_passed_over(name: Name) -> bool:
    return name.name in PASSED_OVER.get(name.module, ())


def result(function: Name, arguments: tuple[Any, ...]) -> Any:
    """What calling a name of the table stands for.

    Raises:
        RefusedError: a name that is no function of the table, or a tensor it cannot stand for.
    """
    if _is_passed_over(function):
        return PassedOver()
    if function.full in DICTIONARIES:
        pairs = arguments[-1] if arguments and isinstance(arguments[-1], list) else []
        return {key: value for key, value in pairs}  # noqa: C416  # pairs of two, checked by the unpacking
    if function.full == "torch.Size":
        return counts(arguments[0])
    if function.module == "torch._utils" and function.name in PARAMETERS:
        return arguments[0]
    if function.module == "torch._utils" and function.name in TENSORS:
        return _tensor(function.name, arguments)
    raise RefusedError(f"calls {function.full}, which is no function")


def _tensor(function: str, arguments: tuple[Any, ...]) -> TensorRecord:
    """(storage, offset, shape, strides, …[, dtype at 6 in v3])."""
    storage, offset, shape, strides = arguments[:4]
    if not isinstance(storage, Storage):
        raise RefusedError("has a tensor without a storage")
    dtype, count = storage.dtype, storage.count
    if function == "_rebuild_tensor_v3":
        named = arguments[6]
        if not isinstance(named, Name) or named.name not in DTYPES:
            raise RefusedError("has a tensor of unknown type")
        dtype = named.name
        count = storage.count // item_type(dtype).itemsize
    (first,), sizes, steps = counts((offset,)), counts(shape), counts(strides)
    if len(sizes) != len(steps):
        raise ValueError(f"a tensor of shape {sizes} has strides {steps}")
    last = first + sum((size - 1) * step for size, step in zip(sizes, steps, strict=True))
    if math.prod(sizes) and last >= count:
        raise ValueError(f"a tensor of shape {sizes} is larger than its storage of {count} items")
    return TensorRecord(storage, dtype, first, sizes, steps)


def counts(values: Any) -> tuple[int, ...]:
    """Sizes and the like, refused when they are no whole numbers from 0 up."""
    if not isinstance(values, tuple | list) or any(type(value) is not int or value < 0 for value in values):
        raise RefusedError("has a tensor whose sizes are no whole numbers")
    return tuple(values)


def item_type(name: str) -> np.dtype[Any]:
    """Numpy's type of a name in DTYPES, little-endian."""
    import ml_dtypes

    return np.dtype(getattr(ml_dtypes, name)) if hasattr(ml_dtypes, name) else np.dtype(name)
