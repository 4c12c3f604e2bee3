"""The input of a graph that takes the pictures: which one it is, and how inputs become what it takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.activations import MAX_SPATIAL_RANK
from explorer.errors import InputError, ModelError, suggest

from .onnx_axes import letters
from .onnx_nodes import Graph
from .onnx_shapes import Dims, declared
from .onnx_values import kind_name, numpy_type

GUESS = 224
"""Pixels a side, to find out which tensors follow the batch, while the size of an input is not known."""


@dataclass(frozen=True)
class Source:
    """The input that takes the pictures.

    Attributes:
        name: its tensor.
        dtype: what it is to be given in.
        dims: as declared, None where any size will do.
        batch: how many inputs one run takes, None for any number.
        has_batch: whether it has a batch axis at all; some detectors take one picture without.
        others: values of the other inputs, as `call` gives them.
    """

    name: str
    dtype: np.dtype[Any]
    dims: Dims
    batch: int | None
    has_batch: bool
    others: Mapping[str, NDArray[Any]]

    @property
    def rank(self) -> int:
        """Number of axes with a batch, whether the graph has that or not."""
        return len(self.dims) + (not self.has_batch)

    def declared(self, axis: int) -> Dims:
        """(*spatial, channels) of one input as declared, when the channels are on `axis` of `rank`."""
        one = list(self.dims[1:] if self.has_batch else self.dims)
        one.append(one.pop(axis - 1))
        return tuple(one)

    def guess(self, axis: int) -> tuple[int, ...]:
        """(*spatial, channels) with a likely size where none is declared."""
        *spatial, channels = self.declared(axis)
        return (*(size or GUESS for size in spatial), channels or 3)

    def check(self, shape: tuple[int, ...], axis: int, where: str) -> None:
        """Hold the shape of an input against what is declared.

        Raises:
            ModelError: the model does not take it; says what it takes.
        """
        wanted = self.declared(axis)
        fits = len(shape) == len(wanted) and all(w in (None, s) for s, w in zip(shape, wanted, strict=True))
        if not fits or 0 in shape:
            said = " × ".join("any" if size is None else str(size) for size in wanted)
            raise ModelError(
                f"{where}: input {self.name} takes {said} (*spatial, channels), read as "
                f"{letters(self.rank, axis)}; got {' × '.join(map(str, shape))}; set size and channels under "
                "[preprocessing], or layout"
            )

    def shapes(self, batch: int, shape: tuple[int, ...], axis: int) -> dict[str, tuple[int, ...]]:
        """The shape of every input for a batch of inputs of `shape`."""
        one = list(shape)
        one.insert(axis - 1, one.pop())
        own = (batch, *one) if self.has_batch else tuple(one)
        return {self.name: own} | {name: value.shape for name, value in self.feeds_others(batch).items()}

    def feeds(self, inputs: NDArray[Any], axis: int) -> dict[str, NDArray[Any]]:
        """What the graph is given for inputs (batch, *spatial, channels)."""
        values = np.moveaxis(inputs, -1, axis).astype(self.dtype, copy=False)
        own = np.ascontiguousarray(values if self.has_batch else values[0])
        return {self.name: own, **self.feeds_others(len(inputs))}

    def feeds_others(self, batch: int) -> dict[str, NDArray[Any]]:
        """The other inputs; a value for one input is repeated for each where that is declared."""
        return {
            name: np.repeat(value, batch, axis=0) if name in self._repeated else value
            for name, value in self.others.items()
        }

    @property
    def _repeated(self) -> set[str]:
        """Other inputs of one row: they go with every input of a batch of any size."""
        if self.batch is not None:
            return set()
        return {name for name, value in self.others.items() if value.ndim > 1 and len(value) == 1}

    def checked(self, inputs: NDArray[Any], where: str) -> NDArray[Any]:
        """The inputs, rounded where the graph takes whole numbers.

        Raises:
            InputError: no batch of inputs, or values that its type cannot hold.
        """
        if inputs.ndim < 2 or len(inputs) == 0 or inputs.dtype.kind not in "fiub":
            raise InputError(
                f"{where}: inputs have shape {inputs.shape} and type {inputs.dtype}, "
                "expected numbers (batch, *spatial, channels)"
            )
        if self.dtype.kind not in "iu":
            return inputs
        whole: NDArray[Any] = np.rint(inputs)
        limits = np.iinfo(self.dtype)
        low, high = float(inputs.min()), float(inputs.max())
        if not np.allclose(whole, inputs, rtol=0, atol=1e-2) or low < limits.min or high > limits.max:
            raise InputError(
                f"{where}: input {self.name} takes {self.dtype}, whole numbers; got {low:g} to {high:g} "
                "with fractions; set range = [0, 255] under [preprocessing]"
            )
        return whole


def find_source(graph: Graph, call: Mapping[str, Any], where: str) -> Source:
    """The input that takes the pictures, and values for the others.

    Raises:
        ModelError: it cannot be told, or others have no value; names them.
    """
    known = {name: declared(value) for name, value in graph.inputs.items()}
    for name in call:
        if name not in known:
            raise ModelError(f"{where}: call names input {name!r}; {suggest(name, known)}")
    free = [name for name in known if name not in call]
    fitting = [name for name in free if 2 <= len(known[name].dims or ()) <= 2 + MAX_SPATIAL_RANK]
    rank = max((len(known[name].dims or ()) for name in fitting), default=0)
    pictures = [name for name in fitting if len(known[name].dims or ()) == rank]
    listed = ", ".join(f"{name} {kind_name(known[name].kind)} {_words(known[name].dims)}" for name in known)
    if len(pictures) != 1:
        raise ModelError(
            f"{where}: which input takes the pictures? give the others under call; it has {listed}"
        )
    name = pictures[0]
    missing = [other for other in free if other != name]
    if missing:
        raise ModelError(
            f"{where}: needs values for all inputs but the one of the pictures, by name under call; "
            f"taking {name} for that, {', '.join(missing)} are missing (it has {listed})"
        )
    dims = known[name].dims or ()
    has_batch = not (len(dims) == 3 and dims[0] == 3 and all(size is None or size > 4 for size in dims[1:]))
    batch = (dims[0] or None) if has_batch else 1
    others = {other: _value(known[other].kind, call[other], f"{where}: call: {other}") for other in call}
    return Source(name, _input_dtype(known[name].kind, name, where), dims, batch, has_batch, others)


def _input_dtype(kind: int, name: str, where: str) -> np.dtype[Any]:
    dtype = numpy_type(kind)
    if dtype is None or (dtype.kind not in "fiu" and dtype.name != "bfloat16"):
        raise ModelError(f"{where}: input {name} takes {kind_name(kind)}, expected numbers")
    return np.dtype(np.float32) if dtype.name == "bfloat16" else dtype


def _value(kind: int, given: Any, where: str) -> NDArray[Any]:
    dtype = numpy_type(kind)
    try:
        if dtype is None:
            raise ValueError("which cannot be given")
        return np.asarray(given).astype(dtype)
    except (TypeError, ValueError) as error:
        raise ModelError(f"{where}: {given!r} is no array of {kind_name(kind)} ({error})") from None


def _words(dims: Dims | None) -> str:
    if dims is None:
        return "of any shape"
    return "(" + ", ".join("any" if size is None else str(size) for size in dims) + ")"
