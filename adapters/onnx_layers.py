"""Which tensors of a graph are layers, and what has to be done to one to capture it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.activations import MAX_SPATIAL_RANK
from explorer.capture.protocol import LayerInfo
from explorer.capture.receptive_field import unknown

from .fields import as_receptive_field
from .onnx_axes import Axes, Axis, Grid, letters, token_grids
from .onnx_fields import Fields
from .onnx_input import Source
from .onnx_nodes import Graph, title
from .onnx_shapes import Dims, Tensor
from .onnx_trace import Tracer
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
        return values  # a view: who writes or reads it moves the axes, and capture goes on meanwhile


@dataclass(frozen=True)
class Plan:
    """The layers of a graph for inputs of one shape.

    Attributes:
        layers: by listed name, in the order they answer.
        axis: which axis of the input the channels are.
        types: ONNX element types of the graph's tensors, as far as known.
        shapes: shapes of the tensors computed from the input.
        left_out: why other tensors are no layers.
    """

    layers: dict[str, Layer]
    axis: Axis
    types: dict[str, int]
    shapes: dict[str, Dims]
    left_out: str


class Planner:
    """Finds the layers of a graph.

    Attributes:
        axis: which axis of the input the channels are.
    """

    def __init__(self, graph: Graph, source: Source, tracer: Tracer, *, given: int | None) -> None:
        """Find the channels of the input, and have onnxruntime read the graph.

        Args:
            graph: the graph.
            source: its input.
            tracer: what is known of its tensors.
            given: the axis of the input's channels, where the user says so.

        Raises:
            ModelError: onnxruntime cannot read the graph.
        """
        self._graph = graph
        self._source = source
        self._tracer = tracer
        self._given = given
        declared = tracer.infer(source.batch or 2, None, 1)
        tracer.check(declared)
        self.axis = self._axes(declared)[source.name] if source.rank > 2 else Axis(1, "given")

    def plan(self, shape: tuple[int, ...] | None) -> Plan:
        """The layers for inputs (*spatial, channels); for any inputs when None, and then without shapes.

        Raises:
            ModelError: the graph does not take such inputs.
        """
        used = self._source.guess(self.axis.index) if shape is None else shape
        self._source.check(used, self.axis.index, self._tracer.where)
        tensors, batches = self._tracer.trace(used, self.axis.index)
        axes = self._axes(tensors)
        shapes = {name: tensor.dims for name, tensor in tensors.items() if tensor.dims is not None}
        grids = token_grids(self._graph, shapes, axes)
        fields = self._fields(tensors)
        layers = [
            _seeing(layer, fields)
            for name, batch in batches.items()
            for layer in self._layers(name, tensors[name], batch=batch, axis=axes.get(name), grids=grids)
        ]
        if shape is None and None in self._source.declared(self.axis.index):
            layers = [_shapeless(layer) for layer in layers]
        kinds = {name: tensor.kind for name, tensor in tensors.items()}
        left_out = self._tracer.failure or "no row for each input, or more than three spatial axes"
        return Plan({layer.info.name: layer for layer in layers}, self.axis, kinds, shapes, left_out)

    def _axes(self, tensors: Mapping[str, Tensor]) -> dict[str, Axis]:
        shapes = {name: tensor.dims for name, tensor in tensors.items() if tensor.dims is not None}
        if not self._source.has_batch:
            shapes[self._source.name] = (1, *self._source.dims)
        return Axes(self._graph, shapes, self._tracer.moving).resolve(self._source.name, self._given)

    def _fields(self, tensors: Mapping[str, Tensor]) -> Fields:
        """What every tensor sees of the input."""
        known = {name: tensor.known for name, tensor in tensors.items()}
        shapes = {name: shape for name, shape in known.items() if shape is not None}
        missing = not self._source.has_batch
        rank = self._source.rank
        spatial = [axis - missing for axis in range(1, rank) if axis != self.axis.index]
        return Fields(self._graph, shapes, source=self._source.name, spatial=spatial)

    def _layers(
        self, name: str, tensor: Tensor, *, batch: int, axis: Axis | None, grids: Mapping[int, Grid]
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
        *spatial, count = _one(shape, batch, channels)
        words = []
        if axis is not None and len(shape) > 2:
            words.append(letters(len(shape), _behind(channels, batch)) + (" assumed" if axis.assumed else ""))
        if node is not None:
            words.append(f"{'dequantised' if scale else 'widened'} from {kind_name(tensor.kind)}")
        grid = grids.get(spatial[0]) if len(spatial) == 1 else None
        others = 0
        if grid is not None:
            words.append("tokens as a grid")
            others = spatial[0] - grid.height * grid.width
            spatial = [grid.height, grid.width]
        info = self._info(name, words, shape=(*spatial, count), dtype=dtype)
        layer = Layer(info, name, batch, channels, node, grid)
        return [layer, *_tokens(layer, others)]

    def _info(self, tensor: str, words: list[str], *, shape: tuple[int, ...], dtype: str) -> LayerInfo:
        """What is listed of a tensor: its operator, and in brackets how it was read."""
        node = self._graph.nodes[self._graph.producer[tensor]]
        inside = sum(owner == title(node) for owner in self._graph.inside.values())
        if inside:
            words = [*words, f"{inside} tensors inside cannot be captured"]
        kind = node.op_type if node.domain in ("", "ai.onnx") else f"{node.domain}.{node.op_type}"
        kind += f" ({', '.join(words)})" if words else ""
        return LayerInfo(self._graph.layer_name(tensor), kind, shape, self._parameters(node), dtype)

    def _parameters(self, node: Any) -> int:
        """Number of weights that a node reads, also through nodes that only prepare them."""
        from onnx import TensorProto

        waiting = [name for name in self._reads(node) if name not in self._tracer.moving]
        names: set[str] = set()
        while waiting:
            name = waiting.pop()
            if name not in names and name not in self._tracer.moving:
                names.add(name)
                maker = self._graph.maker(name)
                waiting += [] if maker is None else self._reads(maker)
        held = [self._graph.initializers[name] for name in names if name in self._graph.initializers]
        return sum(math.prod(t.dims) for t in held if t.data_type != TensorProto.INT64 and t.dims)

    def _reads(self, node: Any) -> tuple[str, ...]:
        return self._graph.reads[self._graph.producer[next(filter(None, node.output))]]


def _one(shape: tuple[int, ...], batch: int, channels: int) -> list[int]:
    """(*spatial, channels) of one input."""
    spatial = [size for place, size in enumerate(shape) if place not in (batch, channels)]
    return [*spatial, shape[channels]]


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


def _shapeless(layer: Layer) -> Layer:
    """A layer whose shape was found with an input of a guessed size."""
    return replace(layer, info=replace(layer.info, shape=None, receptive_field=None))


def _seeing(layer: Layer, fields: Fields) -> Layer:
    """A layer with what it sees of the input."""
    found = fields.found.get(layer.tensor)
    sizes = fields.sizes(layer.tensor)
    spatial = [axis for axis in range(len(sizes.shape)) if axis not in (layer.batch, layer.axis)]
    seen = as_receptive_field(found, spatial, sizes)
    if layer.grid is not None and any(seen.stride):
        seen = unknown("tokens of patches")
    return replace(layer, info=replace(layer.info, receptive_field=seen))
