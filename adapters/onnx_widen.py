"""bfloat16 graphs, whose operators onnxruntime lacks here: float32, rounded to bfloat16 after each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SUFFIX = "~float32"
NATIVE = frozenset({"Cast", "Identity", "Constant", "ConstantOfShape", "Shape", "Size", "If", "Loop", "Scan"})
"""Operators that are left as they are: they compute nothing, or hold a graph of their own."""


def widened(model: Any, types: Mapping[str, int]) -> Any:
    """The model with casts around every node that reads or makes bfloat16.

    This is what onnxruntime does for float16 by itself. Every tensor keeps its name, its type and the
    rounding that the graph prescribes. A model without bfloat16 is returned as it is.

    Args:
        model: a ModelProto; not modified.
        types: ONNX element types of its tensors.
    """
    import onnx
    from onnx import TensorProto, helper

    known = dict(types) | {tensor.name: tensor.data_type for tensor in model.graph.initializer}
    narrow = {name for name, kind in known.items() if kind == TensorProto.BFLOAT16}
    if not narrow:
        return model
    wide = onnx.ModelProto()
    wide.CopyFrom(model)
    del wide.graph.node[:]
    cast: set[str] = set()
    for node in model.graph.node:
        touched = narrow.intersection((*node.input, *node.output))
        if not touched or node.op_type in NATIVE:
            wide.graph.node.append(node)
            continue
        for name in dict.fromkeys(node.input):
            if name in narrow and name not in cast:
                cast.add(name)
                wide.graph.node.append(
                    helper.make_node("Cast", [name], [name + SUFFIX], to=TensorProto.FLOAT)
                )
        changed = wide.graph.node.add()
        changed.CopyFrom(node)
        del changed.input[:], changed.output[:]
        changed.input.extend(name + SUFFIX if name in narrow else name for name in node.input)
        changed.output.extend(name + "~exact" if name in narrow else name for name in node.output)
        for name in node.output:
            if name in narrow:
                wide.graph.node.append(
                    helper.make_node("Cast", [name + "~exact"], [name], to=TensorProto.BFLOAT16)
                )
    return wide
