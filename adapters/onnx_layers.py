"""Which tensors of a graph are layers, and what has to be done to one to capture it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
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
        batch: the axis of its inputs: not always the first.
        axis: the axis of its channels.
        node: what is put behind the tensor, None for nothing.
        grid: where its tokens lie, None when they are no tokens of patches.
        token: which of the tokens of no patch this layer is, None for the patches.
    """

    info: LayerInfo
    tensor: str
    batch: int
    axis: int
    node: Any | None
    grid: Grid | None = None
    token: int | None = None

    def values(self, captured: NDArray[Any]) -> NDArray[Any]:
        """The layer's values (batch, *spatial, channels) from those of its tensor, batch in front."""
        values = np.moveaxis(captured, _behind(self.axis, self.batch), -1)
        values = values.astype(self.info.dtype, copy=False)
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
        if self.batch is None and not self._following(two, three, None).keys() & set(self._graph.outputs):
            # exported for one input, though its declaration says any number
            single, _ = self._traced(used, fixed=1)
            if self._following(single, single, 1).keys() & set(self._graph.outputs):
                self.batch, two, three = 1, single, single
        batches = self._following(two, three, self.batch)
        axes = self._axes(two)
        shapes = {name: tensor.dims for name, tensor in two.items() if tensor.dims is not None}
        grids = token_grids(self._graph, shapes, axes)
        layers = [
            layer
            for name, batch in batches.items()
            for layer in self._layers(name, two[name], batch, axes.get(name), grids)
        ]
        if shape is None and None in self._source.declared(self.axis.index):
            layers = [_shapeless(layer) for layer in layers]
        kinds = {name: tensor.kind for name, tensor in two.items()}
        return Plan({layer.info.name: layer for layer in layers}, self.axis, kinds, shapes)

    def _tensors(self) -> list[str]:
        """Every tensor that is computed from the input's values and can be captured, in order."""
        return [name for name in self._graph.producer if name in self._moving and name not in self.blocked]

    def _following(
        self, two: Mapping[str, Tensor], three: Mapping[str, Tensor], fixed: int | None
    ) -> dict[str, int]:
        """The tensors with a row for each input, and which axis the rows are on."""
        found = {}
        traced = (two, three) if fixed is None else self._as_if_free()
        for name in self._tensors():
            axis = _batch_axis(traced[0].get(name), traced[1].get(name))
            if fixed is not None and (axis is None or _size(two.get(name), axis) != fixed):
                axis = 0 if _size(two.get(name), 0) == fixed else None
            if axis is not None:
                found[name] = axis
        return found

    def _as_if_free(self) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """What the graph tells for batches of 2 and 3 that it does not take; nothing where it objects."""
        shape = self._source.guess(self.axis.index)
        try:
            return self._infer(2, shape), self._infer(3, shape)
        except ModelError:
            return {}, {}

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
        self, name: str, tensor: Tensor, batch: int, axis: Axis | None, grids: Mapping[int, Grid]
    ) -> list[Layer]:
        """The layers that a tensor makes: one, or for tokens of patches one more for each other token."""
        shape = tensor.known
        scale = scale_of(self._graph, name) if kind_name(tensor.kind) in ("int8", "uint8") else None
        node = behind(name, scale, tensor.kind)
        dtype = dtype_name(tensor.kind, node)
        if shape is None or dtype is None or not 2 <= len(shape) <= 2 + MAX_SPATIAL_RANK or 0 in shape:
            return []
        channels = 1 - batch if len(shape) == 2 or axis is None else axis.index
        if channels == batch:
            return []
        one = list(shape)
        one.append(one.pop(channels))
        del one[batch - (batch > channels)]
        maker = self._graph.maker(name)
        assert maker is not None  # every layer is made by a node
        words = []
        if axis is not None and len(shape) > 2:
            words.append(letters(len(shape), _behind(channels, batch)) + (" assumed" if axis.assumed else ""))
        if node is not None:
            words.append(f"{'dequantised' if scale else 'widened'} from {kind_name(tensor.kind)}")
        inside = sum(inner == title(maker) for inner in self._graph.inside.values())
        if inside:
            words.append(f"{inside} tensors inside cannot be captured")
        grid = grids.get(one[0]) if len(one) == 2 else None
        spatial = one[:-1] if grid is None else [grid.height, grid.width]
        if grid is not None:
            words.append("tokens as a grid")
        info = LayerInfo(
            self._graph.layer_name(name),
            _kind(maker, words),
            (*spatial, one[-1]),
            self._parameters(maker),
            dtype,
        )
        layer = Layer(info, name, batch, channels, node, grid)
        return [layer] if grid is None else [layer, *_tokens(layer, one[0] - math.prod(spatial))]

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


def _tokens(layer: Layer, count: int) -> list[Layer]:
    """The layers of the tokens of no patch."""
    kind = layer.info.kind.split(" (")[0]
    return [
        replace(
            layer,
            info=replace(layer.info, name=name, kind=f"{kind} (token)", shape=layer.info.shape[-1:]),
            token=number,
        )
        for number, name in enumerate(token_names(layer.info.name, count))
        if layer.info.shape is not None
    ]


def _behind(axis: int, batch: int) -> int:
    """Where an axis is once the batch is in front."""
    return axis if axis > batch else axis + 1


def _size(tensor: Tensor | None, axis: int) -> int:
    """The size of one axis of a tensor of rank 2 or more, 0 when it is not known."""
    known = None if tensor is None else tensor.known
    return known[axis] if known is not None and len(known) > max(1, axis) else 0


def _batch_axis(two: Tensor | None, three: Tensor | None) -> int | None:
    """The axis with a row for each input, seen with batches of 2 and 3."""
    if two is None or three is None or two.known is None or three.known is None:
        return None
    if not 2 <= len(two.known) == len(three.known):
        return None
    differing = [
        place for place, sizes in enumerate(zip(two.known, three.known, strict=True)) if len(set(sizes)) > 1
    ]
    if len(differing) != 1 or (two.known[differing[0]], three.known[differing[0]]) != (2, 3):
        return None
    return differing[0]


def _shapeless(layer: Layer) -> Layer:
    """A layer whose shape was found with an input of a guessed size."""
    return replace(layer, info=replace(layer.info, shape=None))
