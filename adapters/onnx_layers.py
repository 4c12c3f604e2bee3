"""Which tensors of a graph are layers, and what has to be done to one to capture it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.activations import MAX_SPATIAL_RANK
from explorer.capture.protocol import LayerInfo
from explorer.errors import ModelError

from .limits import available_memory
from .onnx_axes import Axes, Axis, Grid, letters, token_grids
from .onnx_input import Source
from .onnx_nodes import RANDOM, Graph, title
from .onnx_session import Sessions
from .onnx_shapes import Dims, Tensor, infer
from .onnx_values import behind, dtype_name, kind_name, scale_of
from .tokens import split_tokens, token_names


@dataclass(frozen=True)
class Layer:
    """A layer and where its values come from.

    Attributes:
        info: as listed.
        tensor: the graph's tensor.
        axis: the axis of its channels, 1 where it has rank 2.
        node: what is put behind the tensor, None for nothing.
        grid: where its tokens lie, None when they are no tokens of patches.
        token: which of the tokens of no patch this layer is, None for the patches.
    """

    info: LayerInfo
    tensor: str
    axis: int
    node: Any | None
    grid: Grid | None = None
    token: int | None = None

    def values(self, captured: NDArray[Any]) -> NDArray[Any]:
        """The layer's values (batch, *spatial, channels) from those of its tensor."""
        values = np.moveaxis(captured, self.axis, -1).astype(self.info.dtype, copy=False)
        if self.grid is not None:
            patches, others = split_tokens(values, (self.grid.height, self.grid.width), self.grid.before)
            values = patches if self.token is None else others[:, self.token]
        return np.ascontiguousarray(values)


@dataclass(frozen=True)
class Plan:
    """The layers of a graph for inputs of one shape.

    Attributes:
        layers: by listed name, in the order they answer.
        axis: which axis of the input the channels are.
        types: ONNX element types of the graph's tensors, as far as known.
        shapes: shapes of the tensors computed from the input.
    """

    layers: dict[str, Layer]
    axis: Axis
    types: dict[str, int]
    shapes: dict[str, Dims]


class Planner:
    """Finds the layers of a graph.

    Attributes:
        blocked: tensors that cannot be captured, each with the reason.
        batch: how many inputs one run takes, None for any number.
    """

    def __init__(self, graph: Graph, source: Source, sessions: Sessions, given: int | None) -> None:
        self._graph = graph
        self._source = source
        self._sessions = sessions
        self._given = given
        self._moving = graph.following([source.name], values_only=True)
        self.batch = source.batch
        self.blocked: dict[str, str] = {}
        declared = self._infer(source.batch or 2, None)
        self.axis = self._axes(declared)[source.name] if source.rank > 2 else Axis(1, "given")
        self._check(declared)

    def plan(self, shape: tuple[int, ...] | None) -> Plan:
        """The layers for inputs (*spatial, channels); for any inputs when None, and then without shapes.

        Raises:
            ModelError: the graph does not take such inputs.
        """
        used = self._source.guess(self.axis.index) if shape is None else shape
        self._source.check(used, self.axis.index, self._sessions.where)
        two, three = self._traced(used)
        if self.batch is None and not any(_follows(two.get(o), three.get(o)) for o in self._graph.outputs):
            # exported for one input, though its declaration says any number
            single, _ = self._traced(used, fixed=1)
            if any(_follows(single.get(o), single.get(o), 1) for o in self._graph.outputs):
                self.batch, two, three = 1, single, single
        names = [name for name in self._tensors() if _follows(two.get(name), three.get(name), self.batch)]
        axes = self._axes(two)
        shapes = {name: tensor.dims for name, tensor in two.items() if tensor.dims is not None}
        grids = token_grids(self._graph, shapes, axes)
        layers = [layer for name in names for layer in self._layers(name, two[name], axes, grids)]
        if shape is None and None in self._source.declared(self.axis.index):
            layers = [_shapeless(layer) for layer in layers]
        kinds = {name: tensor.kind for name, tensor in two.items()}
        return Plan({layer.info.name: layer for layer in layers}, self.axis, kinds, shapes)

    def _tensors(self) -> list[str]:
        """Every tensor that is computed from the input's values and can be captured, in order."""
        return [name for name in self._graph.producer if name in self._moving and name not in self.blocked]

    def _infer(self, batch: int, shape: tuple[int, ...] | None) -> dict[str, Tensor]:
        """What the graph tells for a batch of inputs of a shape; without one, for the declared shape."""
        source = self._source
        if shape is not None:
            inputs = source.shapes(batch, shape, self.axis.index)
        else:
            dims = (batch, *source.dims[1:]) if source.has_batch else source.dims
            inputs = {} if None in dims else {source.name: tuple(size or 0 for size in dims)}
        try:
            return infer(self._graph.model, inputs)
        except Exception as error:  # ONNX's own exceptions have no base, and come from C++
            line = " ".join(str(error).split())[:200]
            raise ModelError(f"{self._sessions.where}: the graph contradicts itself: {line}") from None

    def _axes(self, tensors: Mapping[str, Tensor]) -> dict[str, Axis]:
        shapes = {name: tensor.dims for name, tensor in tensors.items() if tensor.dims is not None}
        if not self._source.has_batch:
            shapes[self._source.name] = (1, *self._source.dims)
        return Axes(self._graph, shapes, self._moving).resolve(self._source.name, self._given)

    def _traced(
        self, shape: tuple[int, ...], fixed: int | None = None
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Every tensor for two sizes of the batch; what the graph does not tell is measured."""
        fixed = fixed or self.batch
        found = []
        for batch in (fixed, fixed) if fixed else (2, 3):
            tensors = self._infer(batch, shape)
            self._check_memory(tensors)
            open_ones = [
                name
                for name in self._tensors()
                if name not in tensors or (tensors[name].known is None and tensors[name].kind != 0)
            ]
            if open_ones:
                tensors |= self._measured(open_ones, batch, shape, tensors)
            found.append(tensors)
        return found[0], found[1]

    def _measured(
        self, names: Sequence[str], batch: int, shape: tuple[int, ...], tensors: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        """Shapes and types as onnxruntime answers them, for inputs of noise."""
        from onnx import helper

        noise = np.random.default_rng(batch).random((batch, *shape), dtype=np.float32)
        feeds = self._source.feeds(noise, self.axis.index)
        types = {name: tensor.kind for name, tensor in tensors.items()}
        try:
            values = self._sessions.run(dict.fromkeys(names), feeds, types, keep=False)
        except ModelError:
            if batch == 1 or self.batch is not None:
                raise
            return {}  # the graph takes one input at a time; the caller finds that nothing follows
        return {
            name: Tensor(helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)
            for name, value in values.items()
            if isinstance(value, np.ndarray) and value.dtype.kind in "fiub"
        }

    def _check(self, tensors: Mapping[str, Tensor]) -> None:
        """Have onnxruntime read the graph; set apart what it has no operator for, and what is random."""
        for node in self._graph.nodes:
            if node.op_type in RANDOM:
                self._block([node], f"depends on {title(node)}, whose values are others in every run")
        types = {name: tensor.kind for name, tensor in tensors.items()}
        while True:
            names = self._tensors()
            if not names:
                raise ModelError(f"{self._sessions.where}: no tensor depends on input {self._source.name}")
            try:
                return self._sessions.check(names, types)
            except ModelError as error:
                culprits = self._culprits(str(error))
                blocked = len(self.blocked)
                reason = str(error).removeprefix(f"{self._sessions.where}: ")
                self._block(culprits, f"needs {title(culprits[0])}: {reason}" if culprits else "")
                if len(self.blocked) == blocked or not self._tensors():
                    raise

    def _culprits(self, said: str) -> list[Any]:
        """The nodes that onnxruntime says it has no operator for."""
        unknown = re.search(r"operator (\S*)\.(\w+) is not known", said)
        if unknown:
            domain = unknown.group(1).replace("ai.onnx", "")
            return [n for n in self._graph.nodes if (n.domain, n.op_type) == (domain, unknown.group(2))]
        missing = re.search(r"an implementation for (\w+)\(\d+\) node with name '(.*?)'", said)
        if missing:
            kind, name = missing.groups()
            return [n for n in self._graph.nodes if n.op_type == kind and n.name.startswith(name)]
        return []

    def _block(self, nodes: Sequence[Any], reason: str) -> None:
        made = [name for node in nodes for name in node.output if name]
        for name in self._graph.following(made):
            self.blocked.setdefault(name, reason)

    def _check_memory(self, tensors: Mapping[str, Tensor]) -> None:
        """Refuse a tensor that this computer cannot hold, before onnxruntime tries to."""
        left = available_memory()
        for name, tensor in tensors.items():
            if tensor.nbytes > left:
                size = " × ".join(map(str, tensor.known or ()))
                raise ModelError(
                    f"{self._sessions.where}: tensor {name} of {size} takes {tensor.nbytes / 1e9:.3g} GB, "
                    f"and {left / 1e9:.1f} GB of memory are free"
                )

    def _layers(
        self, name: str, tensor: Tensor, axes: Mapping[str, Axis], grids: Mapping[int, Grid]
    ) -> list[Layer]:
        """The layers that a tensor makes: one, or for tokens of patches one more for each other token."""
        shape = tensor.known
        scale = scale_of(self._graph, name) if kind_name(tensor.kind) in ("int8", "uint8") else None
        node = behind(name, scale, tensor.kind)
        dtype = dtype_name(tensor.kind, node)
        if shape is None or dtype is None or not 2 <= len(shape) <= 2 + MAX_SPATIAL_RANK or 0 in shape:
            return []
        axis = axes.get(name, Axis(1, "given")) if len(shape) > 2 else Axis(1, "given")
        one = [*shape[1:]]
        one.append(one.pop(axis.index - 1))
        maker = self._graph.maker(name)
        assert maker is not None  # every layer is made by a node
        words = []
        if len(shape) > 2:
            words.append(letters(len(shape), axis.index) + (" assumed" if axis.assumed else ""))
        if node is not None:
            words.append(f"{'dequantised' if scale else 'widened'} from {kind_name(tensor.kind)}")
        inside = sum(inner == title(maker) for inner in self._graph.inside.values())
        if inside:
            words.append(f"{inside} tensors inside cannot be captured")
        listed = self._graph.layer_name(name)
        count = self._parameters(maker)
        grid = grids.get(one[0]) if len(one) == 2 else None
        if grid is None:
            info = LayerInfo(listed, _kind(maker, words), tuple(one), count, dtype)
            return [Layer(info, name, axis.index, node)]
        spatial = (grid.height, grid.width)
        info = LayerInfo(listed, _kind(maker, [*words, "tokens as a grid"]), (*spatial, one[1]), count, dtype)
        layers = [Layer(info, name, axis.index, node, grid)]
        for number, title_ in enumerate(token_names(listed, one[0] - math.prod(spatial))):
            info = LayerInfo(title_, _kind(maker, ["token of no patch"]), (one[1],), count, dtype)
            layers.append(Layer(info, name, axis.index, node, grid, number))
        return layers

    def _parameters(self, node: Any) -> int:
        """Number of weights that a node reads, also through nodes that only prepare them."""
        from onnx import TensorProto

        waiting = [name for name in self._reads(node) if name not in self._moving]
        names: set[str] = set()
        while waiting:
            name = waiting.pop()
            if name not in names and name not in self._moving:
                names.add(name)
                maker = self._graph.maker(name)
                waiting += [] if maker is None else self._reads(maker)
        held = [self._graph.initializers[name] for name in names if name in self._graph.initializers]
        return sum(math.prod(t.dims) for t in held if t.data_type != TensorProto.INT64 and t.dims)

    def _reads(self, node: Any) -> tuple[str, ...]:
        return self._graph.reads[self._graph.producer[next(filter(None, node.output))]]


def _kind(node: Any, words: Sequence[str]) -> str:
    name = node.op_type if node.domain in ("", "ai.onnx") else f"{node.domain}.{node.op_type}"
    return f"{name} ({', '.join(words)})" if words else name


def _follows(two: Tensor | None, three: Tensor | None, fixed: int | None = None) -> bool:
    """Whether a tensor has one row for each input, seen with two sizes of the batch or with a fixed one."""
    if two is None or three is None or two.known is None or three.known is None:
        return False
    if len(two.known) < 2 or len(three.known) < 2 or two.known[1:] != three.known[1:]:
        return False
    return (two.known[0], three.known[0]) == ((fixed, fixed) if fixed else (2, 3))


def _shapeless(layer: Layer) -> Layer:
    """A layer whose shape was found with an input of a guessed size."""
    from dataclasses import replace

    return replace(layer, info=replace(layer.info, shape=None))
