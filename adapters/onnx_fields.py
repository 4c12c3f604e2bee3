"""Receptive fields of a graph's tensors, followed through its nodes.

What each operator does to the axes of what it reads is stated here; of one that is not, nothing is assumed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from explorer.capture.receptive_field import Reach

from .fields import Field, Sizes, chosen, lost, mixed, moved, of_input, reached, reshaped, union
from .onnx_nodes import Graph, attribute, opset, title
from .onnx_windows import Windows, cuts, pads_of, resized

_ELEMENTWISE = """
    Abs Acos Acosh Add And Asin Asinh Atan Atanh BatchNormalization BiasGelu BitShift BitwiseAnd BitwiseNot
    BitwiseOr BitwiseXor Cast CastLike Ceil Celu Clip Cos Cosh DequantizeLinear Div Dropout Elu Equal Erf Exp
    Expand FastGelu Floor FusedAdd Gelu Greater GreaterOrEqual HardSigmoid HardSwish Identity IsInf IsNaN LRN
    LeakyRelu Less LessOrEqual Log Max Mean Min Mish Mod Mul Neg Not Or PRelu Pow QLinearAdd QLinearLeakyRelu
    QLinearMul QLinearSigmoid QuantizeLinear QuickGelu Reciprocal Relu Round Selu Shrink Sigmoid Sign Sin Sinh
    Softplus Softsign Sqrt Sub Sum Swish Tan Tanh ThresholdedRelu Where Xor
"""
ELEMENTWISE = frozenset(_ELEMENTWISE.split())
"""Operators whose answer at an index is made of what they read at that very index, sizes of 1 repeated."""
RESHAPES = frozenset({"Reshape", "Flatten", "Squeeze", "Unsqueeze"})
CONVOLUTIONS = frozenset({"Conv", "ConvInteger", "QLinearConv", "FusedConv", "ConvTranspose"})
POOLING = frozenset({"MaxPool", "AveragePool", "LpPool", "QLinearAveragePool"})
GLOBAL = frozenset({"GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool", "QLinearGlobalAveragePool"})
OVER_SPACE = frozenset({"InstanceNormalization", "GroupNormalization"})
OVER_LAST = frozenset(
    {"LayerNormalization", "RMSNormalization", "SkipLayerNormalization", "SimplifiedLayerNormalization"}
)
PRODUCTS = {
    "MatMul": (0, 1),
    "MatMulInteger": (0, 1),
    "FusedMatMul": (0, 1),
    "QLinearMatMul": (0, 3),
    "Gemm": (0, 1),
}
"""Matrix products, and which of their inputs the two matrices are."""


class Fields:
    """Goes through a graph once.

    Attributes:
        found: the field of each tensor that depends on the input's values.
    """

    def __init__(
        self, graph: Graph, shapes: Mapping[str, tuple[int, ...]], *, source: str, spatial: Sequence[int]
    ) -> None:
        """Follow what every tensor sees.

        Args:
            graph: the graph.
            shapes: of its tensors, for one input; what has none is not followed.
            source: the input.
            spatial: its axes along which the pixels lie.
        """
        self._graph = graph
        self._shapes = shapes
        self.pixels = tuple(shapes[source][axis] for axis in spatial)
        self.found: dict[str, Field] = {source: of_input(len(shapes[source]), spatial)}
        for index, node in enumerate(graph.nodes):
            moving = [name for name in graph.reads[index] if name in self.found]
            if moving and node.op_type not in ("Shape", "Size"):
                for output in filter(None, node.output):
                    self.found[output] = self._behind(node, output, moving)

    def sizes(self, name: str) -> Sizes:
        """The input's pixels, and a tensor's shape."""
        return Sizes(self.pixels, self._shapes[name])

    def _behind(self, node: Any, output: str, moving: Sequence[str]) -> Field:
        """The field of what a node makes; where it is not known, what is seen alike from everywhere."""
        whole = union([self.found[name] for name in moving], self.pixels)
        if all(name in self._shapes for name in (output, *moving)):
            field = self._known(node, output, moving)
            if field is not None:
                return field
        return lost(whole, self.pixels, title(node))

    def _known(self, node: Any, output: str, moving: Sequence[str]) -> Field | None:
        kind = node.op_type
        if kind in ELEMENTWISE or (kind == "SkipLayerNormalization" and output != node.output[0]):
            return self._union(moving, output)
        if kind == "Concat":
            along = attribute(node, "axis", 0) % len(self._shapes[output])
            return union(
                [
                    mixed(self.found[name], (along,), sizes=self.sizes(name), why="concatenated positions")
                    for name in moving
                ],
                self.pixels,
            )
        if kind in PRODUCTS:
            return self._product(node, moving)
        if kind == "DynamicQuantizeLinear":  # every value is rounded by a scale measured on all of them
            return moved(self.found[moving[0]], {}, self.sizes(moving[0]))
        if kind in OVER_LAST and len(moving) > 1:
            return self._over(self._union(moving, output), output, self._normalised(node, output))
        return self._of_one(node, output) if list(moving) == list(node.input[:1]) else None

    def _union(self, names: Sequence[str], output: str) -> Field:
        """Behind an operator that repeats axes of size 1, and puts missing ones in front."""
        after = self._shapes[output]
        parts = []
        for name in names:
            before = self._shapes[name]
            behind = len(after) - len(before)
            axes = {axis: axis + behind for axis, size in enumerate(before) if after[axis + behind] == size}
            parts.append(moved(self.found[name], axes, self.sizes(name)))
        return union(parts, self.pixels)

    def _of_one(self, node: Any, output: str) -> Field | None:
        """Behind a node of which the first input alone depends on the pixels; None if it is not known."""
        kind, name = node.op_type, node.input[0]
        field, before = self.found[name], self._shapes[name]
        rank = len(before)
        if kind in RESHAPES:
            return reshaped(field, self._shapes[output], self.sizes(name))
        if kind == "Transpose":
            order = attribute(node, "perm") or list(reversed(range(rank)))
            return moved(field, {old: new for new, old in enumerate(order)}, self.sizes(name))
        if kind in GLOBAL:
            return moved(field, {0: 0, 1: 1}, self.sizes(name))
        if kind.startswith("Reduce") or kind in ("ArgMax", "ArgMin", "QLinearReduceMean"):
            return self._reduced(node, rank)
        normalised = self._normalised(node, name)
        if normalised is not None:
            return self._over(field, name, normalised)
        if kind in CONVOLUTIONS:
            return self._convolved(node, output)
        changes = self._changes(node, output)
        if isinstance(changes, str):
            axes = [axis for axis in range(rank) if before[axis] != self._shapes[output][axis]]
            return chosen(field, axes or range(rank), sizes=self.sizes(name), why=changes)
        return None if changes is None else reached(field, changes, self.pixels)

    def _over(self, field: Field, name: str, axes: Sequence[int] | None) -> Field:
        """Behind an operator whose every answer depends on all indices along some axes, which it keeps."""
        rank = len(self._shapes[name])
        return moved(
            field, {axis: axis for axis in range(rank) if axis not in (axes or ())}, self.sizes(name)
        )

    def _normalised(self, node: Any, name: str) -> Sequence[int] | None:
        """The axes that a normalisation or softmax sums over; None if the node is no such operator."""
        rank, kind = len(self._shapes[name]), node.op_type
        if kind in OVER_SPACE:
            return range(2, rank)
        if kind in OVER_LAST:
            return range(attribute(node, "axis", -1) % rank, rank)
        if kind == "MeanVarianceNormalization":
            return [axis % rank for axis in attribute(node, "axes") or (0, 2, 3)]
        if kind in ("Softmax", "LogSoftmax", "Hardmax"):
            newer = opset(self._graph.model) >= 13
            axis = attribute(node, "axis", -1 if newer else 1) % rank
            return (axis,) if newer else range(axis, rank)
        if kind == "LpNormalization":
            return (attribute(node, "axis", -1) % rank,)
        return None

    def _constant(self, node: Any, place: int) -> list[int] | None:
        """An input of whole numbers that the file holds, None where it is computed or left out."""
        values = self._held(node.input[place] if place < len(node.input) else "")
        return None if values is None else [int(value) for value in values]

    def _held(self, name: str) -> list[Any] | None:
        from onnx import numpy_helper

        tensor = self._graph.initializers.get(name)
        if tensor is None or tensor.data_location == type(tensor).EXTERNAL:
            return None
        values: list[Any] = np.ravel(numpy_helper.to_array(tensor)).tolist()
        return values

    def _scales(self, node: Any) -> list[float] | None:
        """What a resize enlarges by; None where it is told the sizes, [] where it is computed."""
        if attribute(node, "scales"):
            return list(attribute(node, "scales"))
        place = 2 if node.op_type == "Resize" and len(node.input) > 2 else 1
        name = node.input[place] if place < len(node.input) else ""
        held = self._held(name) if name else None
        return (held or []) if name and held != [] else None

    def _reduced(self, node: Any, rank: int) -> Field | None:
        name = node.input[0]
        axes = attribute(node, "axes")
        if node.op_type in ("ArgMax", "ArgMin"):
            axes = [attribute(node, "axis", 0)]
        elif axes is None and len(node.input) > 1 and node.input[1]:
            axes = self._constant(node, 1)
            if axes is None:
                return None
        if not axes and attribute(node, "noop_with_empty_axes", 0):
            return self.found[name]
        gone = {axis % rank for axis in axes or range(rank)}
        kept = [axis for axis in range(rank) if axis not in gone]
        places = {old: new for new, old in enumerate(kept)}
        if attribute(node, "keepdims", 1):
            places = {axis: axis for axis in kept}
        return moved(self.found[name], places, self.sizes(name))

    def _convolved(self, node: Any, output: str) -> Field | None:
        """Behind a convolution, or its transpose: channels are summed over, positions windowed."""
        name = node.input[0]
        weight = node.input[3 if node.op_type == "QLinearConv" else 1]
        if weight not in self._shapes or weight in self.found:
            return None
        rank = len(self._shapes[name])
        windows = Windows.of(node, self._shapes[weight][2:], (self._shapes[name], self._shapes[output]))
        if windows is None or attribute(node, "channels_last", 0):
            return None
        changes = windows.transposed() if node.op_type == "ConvTranspose" else windows.direct()
        field = reached(self.found[name], changes, self.pixels)
        grouped = attribute(node, "group", 1) > 1
        kept = {axis: axis for axis in range(rank) if axis != 1 or grouped}
        return moved(field, kept, self.sizes(name))

    def _changes(self, node: Any, output: str) -> Mapping[int, Callable[[Reach], Reach]] | str | None:
        """What a node reads along each axis it changes; why it is not followed; None if it is not known."""
        before, after = self._shapes[node.input[0]], self._shapes[output]
        kind = node.op_type
        if kind in POOLING:
            windows = Windows.of(node, tuple(attribute(node, "kernel_shape")), (before, after))
            return None if windows is None or attribute(node, "channels_last", 0) else windows.direct()
        if kind in ("DepthToSpace", "SpaceToDepth"):
            size = attribute(node, "blocksize")
            change = _repeated(size) if kind == "DepthToSpace" else _gathered(size)
            return dict.fromkeys(range(2, len(before)), change)
        if kind == "Pad":
            return pads_of(node, self._constant, len(before))
        if kind == "Slice":
            return cuts(node, self._constant, before)
        if kind == "Split":
            axis = attribute(node, "axis", 0) % len(before)
            start = 0
            for other in node.output:
                if other == output:
                    break
                start += self._shapes[other][axis]
            return {axis: lambda reach: reach.window(1, (start,))}
        if kind in ("Resize", "Upsample"):
            scales = self._scales(node)
            return None if scales == [] else resized(node, scales, (before, after))
        if kind in ("Gather", "TopK", "Tile"):
            return title(node) if len(before) == len(after) else None
        return None

    def _product(self, node: Any, moving: Sequence[str]) -> Field | None:
        """Behind a matrix product: what is summed over is seen whole."""
        places = PRODUCTS[node.op_type]
        names = [node.input[place] for place in places]
        if any(name not in self._shapes or len(self._shapes[name]) < 2 for name in names):
            return None
        if any(attribute(node, f"transBatch{side}", 0) for side in "AB"):
            return None
        rank = max(len(self._shapes[name]) for name in names)
        parts = []
        for side, name in enumerate(names):
            if name not in self.found:
                continue
            own = len(self._shapes[name])
            turned = bool(attribute(node, f"trans{'AB'[side]}", 0))
            # of the left matrix the rows stay, of the right one the columns
            stays = own - 2 if (side == 0) != turned else own - 1
            axes = {axis: axis + rank - own for axis in range(own - 2) if self._shapes[name][axis] > 1}
            axes[stays] = rank - 2 + side
            parts.append(moved(self.found[name], axes, self.sizes(name)))
        others = [name for name in moving if name not in names]
        return None if others else union(parts, self.pixels)


def _repeated(times: int) -> Callable[[Reach], Reach]:
    return lambda reach: reach.behind(Reach(((0, 1),) * times))


def _gathered(size: int) -> Callable[[Reach], Reach]:
    return lambda reach: reach.window(size, range(size))
