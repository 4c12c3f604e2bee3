"""Graphs of float16 and bfloat16: each operator computed in float32, its answer rounded as written.

onnxruntime has no bfloat16 operators on the processor, and few of float16: those it computes in
float32, leaving out the rounding between two of them, unless the tensor there is asked for. Values
would so depend on what else is asked for; with the casts written out they do not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

WIDE = "~float32"
EXACT = "~unrounded"
GIVEN = "~given"
"""What an input of bfloat16 is called, which is given as float32."""
NATIVE = frozenset({"Cast", "Identity", "Constant", "ConstantOfShape", "Shape", "Size", "If", "Loop", "Scan"})
"""Operators that are left as they are: they compute nothing, or hold a graph of their own."""


def widened(model: Any, types: Mapping[str, int]) -> Any:
    """The model with casts around every node that reads or makes numbers of two bytes.

    Every tensor keeps its name, its type and the rounding that the graph prescribes. A model without
    any is returned as it is; float16 is left to onnxruntime where the type of a tensor is not known.

    Args:
        model: a ModelProto; not modified.
        types: ONNX element types of its tensors, as far as they are known.
    """
    import onnx
    from onnx import TensorProto

    known = dict(types) | {tensor.name: tensor.data_type for tensor in model.graph.initializer}
    all_known = all(name in known for node in model.graph.node for name in node.output if name)
    kinds = {TensorProto.BFLOAT16} | ({TensorProto.FLOAT16} if all_known else set())
    narrow = {name: kind for name, kind in known.items() if kind in kinds}
    if not narrow:
        return model
    wide = onnx.ModelProto()
    wide.CopyFrom(model)
    del wide.graph.node[:]
    for value in wide.graph.input:
        if narrow.get(value.name) == TensorProto.BFLOAT16:  # which numpy has not
            value.type.tensor_type.elem_type = TensorProto.FLOAT
            wide.graph.node.append(_cast(value.name + GIVEN, value.name, TensorProto.BFLOAT16))
            value.name += GIVEN
    cast: set[str] = set()
    for node in model.graph.node:
        if node.op_type in NATIVE or not narrow.keys() & {*node.input, *node.output}:
            wide.graph.node.append(node)
        else:
            wide.graph.node.extend(_between_casts(node, narrow, cast))
    return wide


def _between_casts(node: Any, narrow: Mapping[str, int], cast: set[str]) -> list[Any]:
    """A node that computes in float32, casts of its inputs that are not in `cast` yet, and of its outputs."""
    from onnx import TensorProto

    new = [name for name in dict.fromkeys(node.input) if name in narrow and name not in cast]
    cast.update(new)
    changed = type(node)()
    changed.CopyFrom(node)
    del changed.input[:], changed.output[:]
    changed.input.extend(name + WIDE if name in narrow else name for name in node.input)
    changed.output.extend(name + EXACT if name in narrow else name for name in node.output)
    before = [_cast(name, name + WIDE, TensorProto.FLOAT) for name in new]
    return [*before, changed, *(_cast(n + EXACT, n, narrow[n]) for n in node.output if n in narrow)]


def _cast(source: str, target: str, kind: int) -> Any:
    from onnx import helper

    return helper.make_node("Cast", [source], [target], to=kind)
