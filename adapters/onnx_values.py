"""What is put behind a tensor so that numpy can have its values: dequantised, or widened to float32."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .onnx_nodes import Graph, attribute, opset

MADE = {
    "QuantizeLinear": (1, 2),
    "QLinearConv": (6, 7),
    "QLinearMatMul": (6, 7),
    "QLinearAdd": (6, 7),
    "QLinearMul": (6, 7),
    "QGemm": (7, 8),
    "QLinearSigmoid": (3, 4),
    "QLinearLeakyRelu": (3, 4),
    "QLinearSoftmax": (3, 4),
    "QLinearAveragePool": (3, 4),
    "QLinearGlobalAveragePool": (3, 4),
    "QLinearReduceMean": (3, 4),
    "QLinearConcat": (0, 1),
}
"""Operators that make quantised values, and which of their inputs are the scale and zero point of those."""
READ = {"DequantizeLinear": (1, 2), "QLinearConv": (1, 2), "QLinearMatMul": (1, 2), "QGemm": (1, 2)}
"""Operators that read quantised values as their first input, and where the scale and zero point are."""
KEEPS = frozenset(
    {
        *("MaxPool", "NhwcMaxPool", "Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze", "Identity"),
        *("Slice", "Gather", "Split", "DepthToSpace", "SpaceToDepth", "Expand", "Tile"),
    }
)
"""Operators that take values from their first input without computing with them."""
SUFFIX = "~captured"


@dataclass(frozen=True)
class Scale:
    """How a tensor of small integers stands for numbers: (value - zero point) * scale."""

    scale: str
    zero_point: str
    axis: int | None


def scale_of(graph: Graph, tensor: str) -> Scale | None:
    """The scale of a quantised tensor where the graph tells: from its making, else from its reading."""
    name, direct = tensor, True
    while True:
        node = graph.maker(name)
        if node is None:
            break
        if node.op_type == "DynamicQuantizeLinear":
            return Scale(node.output[1], node.output[2], None) if name == node.output[0] else None
        if node.op_type in MADE:
            return _scale(node, MADE[node.op_type], graph, direct=direct)
        if node.op_type not in KEEPS or name != node.output[0]:
            break
        name, direct = node.input[0], False
    for index in graph.consumers.get(tensor, ()):
        node = graph.nodes[index]
        if node.op_type in READ and node.input[0] == tensor:
            return _scale(node, READ[node.op_type], graph, direct=True)
    return None


def _scale(node: Any, places: tuple[int, int], graph: Graph, *, direct: bool) -> Scale | None:
    names = [node.input[place] if place < len(node.input) else "" for place in places]
    single = names[0] in graph.initializers and not graph.initializers[names[0]].dims
    blocks = bool(attribute(node, "block_size", 0))
    if not names[0] or blocks or not (direct or single):
        return None  # a scale a channel has lost its axis on the way
    linear = node.op_type in ("QuantizeLinear", "DequantizeLinear")
    axis = attribute(node, "axis", 1) if linear and opset(graph.model) >= 13 else None
    return Scale(names[0], names[1], axis)


def behind(tensor: str, scale: Scale | None, kind: int) -> Any | None:
    """The node that turns a tensor's values into what numpy can hold; None when they are so already."""
    from onnx import TensorProto, helper

    answer = tensor + SUFFIX
    if scale is not None:
        names = [tensor, scale.scale, *([scale.zero_point] if scale.zero_point else [])]
        axis = {} if scale.axis is None else {"axis": scale.axis}
        return helper.make_node("DequantizeLinear", names, [answer], **axis)
    if kind == TensorProto.BFLOAT16:
        return helper.make_node("Cast", [tensor], [answer], to=TensorProto.FLOAT)
    return None


def numpy_type(kind: int) -> np.dtype[Any] | None:
    """The numpy type of an ONNX element type; None for text, for less than a byte, and for no type."""
    from onnx import TensorProto, helper

    name = kind_name(kind)
    small = name.startswith(("float4", "float6")) or name.endswith(("int2", "int4"))
    if kind not in TensorProto.DataType.values() or small or name in ("undefined", "string"):
        return None
    dtype: np.dtype[Any] = np.dtype(helper.tensor_dtype_to_np_dtype(kind))
    return dtype


def dtype_name(kind: int, node: Any | None) -> str | None:
    """The numpy type of the values that are captured; None when they are no real numbers."""
    if node is not None:
        return "float32"
    dtype = numpy_type(kind)
    return str(dtype) if dtype is not None and dtype.kind in "fiub" else None


def kind_name(kind: int) -> str:
    """ONNX's word for an element type, such as uint8."""
    from onnx import TensorProto

    names: dict[int, str] = {value: name for name, value in TensorProto.DataType.items()}
    return names.get(kind, f"type {kind}").lower()
