"""Shapes and types of a graph's tensors for inputs of a given shape, told without running it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .onnx_values import numpy_type

Dims = tuple[int | None, ...]


@dataclass(frozen=True)
class Tensor:
    """What is known of a tensor: its ONNX element type, and its shape where the graph tells.

    A size that the graph does not tell is None; so is the whole shape when not even its rank is known.
    """

    kind: int
    dims: Dims | None

    @property
    def known(self) -> tuple[int, ...] | None:
        """The shape, when all of it is known."""
        if self.dims is None or None in self.dims:
            return None
        return tuple(size for size in self.dims if size is not None)

    @property
    def nbytes(self) -> int:
        """Bytes of the values, 0 when the shape is not known."""
        dtype = numpy_type(self.kind)
        return 0 if self.known is None or dtype is None else math.prod(self.known) * dtype.itemsize


def infer(model: Any, inputs: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """Every tensor that ONNX's own shape inference can say something of.

    Shapes that the file itself declares for inner tensors are not believed: exporters leave stale
    ones behind, and nobody checks them.

    Args:
        model: a ModelProto; not modified.
        inputs: shapes of inputs, in place of those that the model declares.

    Raises:
        ModelError: ONNX finds the graph contradicts itself; raised as ONNX words it.
    """
    import onnx
    from onnx import shape_inference

    plain = onnx.ModelProto()
    plain.CopyFrom(model)
    del plain.graph.value_info[:]
    for value in plain.graph.output:
        kind = value.type.tensor_type.elem_type
        value.ClearField("type")
        if kind:
            value.type.tensor_type.elem_type = kind
    for value in plain.graph.input:
        if value.name in inputs:
            dims = value.type.tensor_type.shape.dim
            del dims[:]
            for size in inputs[value.name]:
                dims.add().dim_value = size
    done = shape_inference.infer_shapes(plain, data_prop=True)
    found = {tensor.name: Tensor(tensor.data_type, tuple(tensor.dims)) for tensor in done.graph.initializer}
    for values in (done.graph.input, done.graph.value_info, done.graph.output):
        for value in values:
            if value.type.HasField("tensor_type") and value.type.tensor_type.elem_type:
                found[value.name] = declared(value)
    return found


def declared(value: Any) -> Tensor:
    """What a ValueInfoProto says."""
    tensor = value.type.tensor_type
    if not tensor.HasField("shape"):
        return Tensor(tensor.elem_type, None)
    # some exporters write -1 for "any"
    dims = tuple(dim.dim_value if dim.dim_value > 0 else None for dim in tensor.shape.dim)
    return Tensor(tensor.elem_type, dims)
