"""Where the channels of each tensor are, read from the operators that make and consume it.

ONNX defines convolutions, pooling and batch normalisation as channels first, so a tensor that such a
node reads or makes is. From there the axis is followed through element-wise operators, concatenations
and transposes, in both directions; a network converted from TensorFlow, with transposes around its
convolutions, is so found to be channels last outside of them. What only dense layers and layer
normalisation touch (transformers) is channels last. What nothing tells of is assumed, and said to be.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .onnx_nodes import Graph, attribute, title
from .onnx_shapes import Dims

CONVOLUTIONS = frozenset(
    {
        *("Conv", "ConvTranspose", "ConvInteger", "QLinearConv", "DeformConv", "FusedConv"),
        *("MaxPool", "AveragePool", "LpPool", "GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"),
        *("BatchNormalization", "InstanceNormalization", "GroupNormalization", "LRN"),
        *("DepthToSpace", "SpaceToDepth", "MaxUnpool", "MaxRoiPool", "RoiAlign", "GridSample", "Upsample"),
    }
)
"""Operators whose first input and output are channels first by ONNX's definition."""
LAST = frozenset({"NhwcConv", "NhwcFusedConv", "NhwcMaxPool", "GroupNorm", "SkipGroupNorm"})
"""Operators of com.microsoft that are channels last."""
EITHER = frozenset({"QLinearAveragePool", "QLinearGlobalAveragePool", "QLinearConv", "ReorderOutput"})
"""Operators that have an attribute channels_last."""
DENSE = frozenset({"MatMul", "MatMulInteger", "QLinearMatMul", "FusedMatMul", "MatMulNBits", "Gemm"})
DENSE_WEIGHT = {"QLinearMatMul": 3}
"""Which input of a dense operator the weight is, when it is not the second."""
NORMS = frozenset(
    {"LayerNormalization", "RMSNormalization", "SkipLayerNormalization", "SimplifiedLayerNormalization"}
)
BREAKS = frozenset(
    {
        *("Reshape", "Flatten", "Einsum", "MatMul", "MatMulInteger", "QLinearMatMul", "FusedMatMul", "Gemm"),
        *("Gather", "GatherND", "GatherElements", "ScatterND", "LSTM", "GRU", "RNN", "Attention"),
        *("MultiHeadAttention", "If", "Loop", "Scan", "NonZero", "Squeeze", "Unsqueeze", "Col2Im"),
    }
)
"""Operators that an axis cannot be followed through."""


@dataclass(frozen=True)
class Axis:
    """Which axis of a tensor the channels are, and what says so."""

    index: int
    why: str

    @property
    def assumed(self) -> bool:
        """Whether nothing in the graph says so."""
        return self.why == "assumed"


class Axes:
    """The channel axes of a graph's tensors, found by following them from the nodes that fix them."""

    def __init__(self, graph: Graph, shapes: Mapping[str, Dims], inputs: set[str]) -> None:
        """Prepare to follow.

        Args:
            graph: the graph.
            shapes: shapes of its tensors as far as known; what has none is passed over.
            inputs: the tensors computed from the input's values, and the input itself.
        """
        self._graph = graph
        self._shapes = {name: shapes[name] for name in shapes if name in inputs and len(shapes[name]) > 2}
        self.found: dict[str, Axis] = {}

    def resolve(self, source: str, given: int | None) -> dict[str, Axis]:
        """The axis of every tensor of rank 3 or more.

        Args:
            source: the input.
            given: the channel axis of the input, from 0, where the user says so; it is followed first.
        """
        if given is not None and source in self._shapes:
            self._follow({source: Axis(given, "given")})
        for seeds in (self._convolved(), self._dense()):
            self._follow(seeds)
        if source in self._shapes and source not in self.found:
            self._follow({source: Axis(_likely(self._shapes[source]), "assumed")})
        first = source not in self.found or self.found[source].index == 1
        for name, dims in self._shapes.items():
            if name not in self.found:
                self.found[name] = Axis(1 if first and len(dims) > 3 else len(dims) - 1, "assumed")
        return self.found

    def _convolved(self) -> dict[str, Axis]:
        """What operators over space read and make."""
        seeds: dict[str, Axis] = {}
        for node in self._graph.nodes:
            if node.op_type not in CONVOLUTIONS | LAST | EITHER:
                continue
            last = node.op_type in LAST or bool(attribute(node, "channels_last", 0))
            for name in (*node.input[:1], *node.output[:1]):
                if name in self._shapes:
                    seeds.setdefault(name, Axis(len(self._shapes[name]) - 1 if last else 1, title(node)))
        return seeds

    def _dense(self) -> dict[str, Axis]:
        """What dense layers and layer normalisation read and make."""
        seeds: dict[str, Axis] = {}
        for node in self._graph.nodes:
            if node.op_type in DENSE:
                weight = "".join(node.input[DENSE_WEIGHT.get(node.op_type, 1) :][:1])
                fits = weight not in self._shapes and weight not in self._graph.inputs
            elif node.op_type in NORMS:
                fits = attribute(node, "axis", -1) in (-1, len(self._shapes.get(node.input[0], ())) - 1)
            else:
                continue
            for name in (*node.input[:1], *node.output[:1]):
                if fits and name in self._shapes:
                    seeds.setdefault(name, Axis(len(self._shapes[name]) - 1, title(node)))
        return seeds

    def _follow(self, seeds: Mapping[str, Axis]) -> None:
        """Take these axes on, and carry them as far as operators keep them; the first word counts."""
        waiting = []
        for name, axis in seeds.items():
            if name not in self.found:
                self.found[name] = axis
                waiting.append(name)
        while waiting:
            name = waiting.pop()
            for other, index in self._beside(name, self.found[name].index):
                if other not in self.found:
                    self.found[other] = Axis(index, self.found[name].why)
                    waiting.append(other)

    def _beside(self, name: str, index: int) -> Iterator[tuple[str, int]]:
        """The tensors that share a node with this one, and where its channel axis is in them."""
        graph = self._graph
        nodes = [graph.nodes[reader] for reader in graph.consumers.get(name, ())]
        maker = graph.maker(name)
        for node in [*nodes, *([] if maker is None else [maker])]:
            if node.op_type == "Transpose":
                yield from self._transposed(node, name, index)
            elif node.op_type in ("Reshape", "Flatten"):
                yield from self._reshaped(node, name, index)
            elif node.op_type not in BREAKS:
                for other in (*node.input, *node.output):
                    if other in self._shapes and len(self._shapes[other]) == len(self._shapes[name]):
                        yield other, index

    def _transposed(self, node: Any, name: str, index: int) -> Iterator[tuple[str, int]]:
        rank = len(self._shapes[name])
        order = list(attribute(node, "perm") or reversed(range(rank)))
        other = node.output[0] if name == node.input[0] else node.input[0]
        if other in self._shapes and sorted(order) == list(range(rank)):
            moved = order.index(index) if name == node.input[0] else order[index]
            if moved > 0:  # the batch stays in front
                yield other, moved

    def _reshaped(self, node: Any, name: str, index: int) -> Iterator[tuple[str, int]]:
        """The axis where a reshape merges or splits the positions and leaves the channels alone."""
        other = node.output[0] if name == node.input[0] else node.input[0]
        if other not in self._shapes:
            return
        here, there = self._shapes[name], self._shapes[other]
        place = 1 if index == 1 else len(there) - 1
        if index not in (1, len(here) - 1) or here[index] is None or there[place] != here[index]:
            return
        if here[0] == there[0] and {len(here), len(there)} == {3, 4}:
            yield other, place


def _likely(dims: Dims) -> int:
    """The channel axis of a picture that nothing tells of: the end with 1, 3 or 4 sizes, else the first."""
    few = (1, 3, 4)
    return len(dims) - 1 if dims[-1] in few and dims[1] not in few else 1


def letters(rank: int, index: int) -> str:
    """The axes of a tensor in the usual letters, such as NCHW.

    >>> letters(4, 1), letters(4, 3), letters(3, 2), letters(5, 2)
    ('NCHW', 'NHWC', 'NWC', 'channels on axis 2 of 5')
    """
    spatial = "DHW"[-(rank - 2) :] if rank > 2 else ""
    if index == 1:
        return f"NC{spatial}"
    return f"N{spatial}C" if index == rank - 1 else f"channels on axis {index} of {rank}"


@dataclass(frozen=True)
class Grid:
    """Where the patches of a token sequence lie: height, width, and the tokens before them."""

    height: int
    width: int
    before: int


def token_grids(graph: Graph, shapes: Mapping[str, Dims], axes: Mapping[str, Axis]) -> dict[int, Grid]:
    """Number of tokens to their grid, where the graph makes tokens of a map's positions.

    A reshape that merges the two spatial axes says which grid a number of tokens lies on. A
    concatenation with something that does not depend on the input (class and register tokens)
    says how many tokens of no patch are put before it.
    """
    grids: dict[int, Grid] = {}
    for node in graph.nodes:
        found = None
        if node.op_type in ("Reshape", "Flatten"):
            found = _merged(node, shapes, axes)
        elif node.op_type == "Concat":
            found = _prefixed(node, (shapes, axes), grids)
        if found is not None and found[1].height * found[1].width > 1:
            grids.setdefault(*found)
    return grids


def _merged(node: Any, shapes: Mapping[str, Dims], axes: Mapping[str, Axis]) -> tuple[int, Grid] | None:
    """The number of tokens that a reshape makes of a map, and the map's grid."""
    before, after = shapes.get(node.input[0], ()), shapes.get(node.output[0], ())
    axis, result = axes.get(node.input[0]), axes.get(node.output[0])
    if len(before) != 4 or len(after) != 3 or axis is None or result is None or axis.index not in (1, 3):
        return None
    height, width = (size for place, size in enumerate(before) if place not in (0, axis.index))
    tokens = after[3 - result.index]
    if not height or not width or tokens != height * width or after[result.index] != before[axis.index]:
        return None
    return tokens, Grid(height, width, 0)


def _prefixed(
    node: Any, known: tuple[Mapping[str, Dims], Mapping[str, Axis]], grids: Mapping[int, Grid]
) -> tuple[int, Grid] | None:
    """The number of tokens after a concatenation with tokens of no patch, and the grid of the others."""
    shapes, axes = known
    result, axis = shapes.get(node.output[0], ()), axes.get(node.output[0])
    moving = [place for place, name in enumerate(node.input) if name in axes]
    if len(result) != 3 or axis is None or len(moving) != 1:
        return None
    along = attribute(node, "axis", 0) % 3
    total, tokens = result[along], shapes[node.input[moving[0]]][along]
    behind = [shapes.get(name, (None,) * 3) for name in node.input[moving[0] + 1 :]]
    counts = [dims[along] if len(dims) == 3 else None for dims in behind]
    if along == axis.index or total is None or tokens not in grids or None in counts:
        return None
    # exporters hide the shape of what is put in front; the sum tells it
    before = total - tokens - sum(count or 0 for count in counts)
    return total, Grid(grids[tokens].height, grids[tokens].width, before)
