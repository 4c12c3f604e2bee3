"""Capture from ONNX files with onnxruntime: any tensor of the graph, without the model's code.

The file is only read. What is asked for is cut out of its graph in memory, so that an early layer
costs no full pass, and the weights are shared by every such cut.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from explorer.activations import Activations
from explorer.capture.protocol import LayerInfo, ModelOptions
from explorer.errors import InputError, LayerError, ModelError, suggest

from .array_files import LAYOUTS
from .onnx_axes import letters
from .onnx_file import read_graph, weights_of
from .onnx_input import find_source
from .onnx_layers import Layer, Plan, Planner
from .onnx_nodes import Graph
from .onnx_session import Sessions, runtime_facts
from .onnx_trace import Tracer
from .weights import digest

MOST_PIXELS = 80_000_000
"""A declared size above which no picture is resized to it without being asked."""


class OnnxGraph:
    """The tensors of one .onnx file.

    Layers are named by node where the file names its nodes uniquely, else by tensor; both names are
    understood. A sequence of patch tokens is a map, and its class and register tokens are layers of
    their own, `name#token`.
    """

    requires: ClassVar[tuple[str, ...]] = ("onnx", "onnxruntime")

    def __init__(self, path: Path, options: ModelOptions) -> None:
        if options.layout not in (None, *LAYOUTS):
            raise InputError(f"{path}: layout {options.layout}: {suggest(str(options.layout), LAYOUTS)}")
        if options.variables is not None or options.checkpoint is not None:
            raise ModelError(
                f"{path}: an ONNX file brings its own weights; leave variables and checkpoint out"
            )
        self._path = path
        self._file = read_graph(path)
        self._graph = Graph(self._file.model, str(path))
        self._source = find_source(self._graph, options.call, str(path))
        self._sessions = Sessions(self._file, self._graph)
        given = {None: None, "channels_first": 1, "channels_last": self._source.rank - 1}[options.layout]
        self._tracer = Tracer(self._graph, self._source, self._sessions)
        self._planner = Planner(self._graph, self._source, self._tracer, given=given)
        self._plans: dict[tuple[int, ...] | None, Plan] = {}

    @classmethod
    def open(cls, source: object, options: ModelOptions) -> Self | None:
        """Open a path that ends in .onnx.

        `options.call` holds the values of inputs other than the pictures, by name, and
        `options.layout` says where the channels of the input are, against what the graph tells.

        Raises:
            ModelError: the file is missing, damaged, no ONNX, or of operators that onnxruntime lacks.
            CheckpointError: weights beside it are missing, or outside its folder.
        """
        if isinstance(source, Path) and source.suffix.lower() == ".onnx":
            return cls(source, options)
        return None

    @property
    def layout(self) -> str:
        """Where the graph has the channels of its input."""
        return LAYOUTS[self._source.rank > 2 and self._planner.axis.index == 1]

    @property
    def default_preprocessing(self) -> dict[str, Any]:
        """What the declared input says of how a picture has to look, in the words of a model.toml."""
        declared = self._source.declared(self._planner.axis.index)
        *size, channels = declared
        if len(declared) != 3 or math.prod(number or 1 for number in size) > MOST_PIXELS:
            return {}
        rule: dict[str, Any] = {} if None in size else {"size": size}
        if channels == 1:
            rule["channels"] = "gray"
        if self._source.dtype == np.uint8:
            rule["range"] = [0, 255]
        return rule if channels in (1, 3, None) else {}

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know of how this graph is read and run, a line each."""
        source, axis, facts = self._source, self._planner.axis, self._facts
        because = {"given": "told by the option layout", "assumed": "assumed: nothing in the graph tells"}
        why = because.get(axis.why, f"told by {axis.why}")
        layout = f", {letters(source.rank, axis.index)} ({why})" if source.rank > 2 else ""
        sizes = " × ".join("any" if size is None else str(size) for size in source.declared(axis.index))
        lines = [
            f"input: {source.name}, {source.dtype}, {sizes} (*spatial, channels){layout}",
            f"onnxruntime {facts['onnxruntime']} on the processor, {facts['threads']} threads, "
            f"graph optimisation {facts['optimisation']}",
        ]
        if self._tracer.batch is not None:
            lines.append(f"runs {self._tracer.batch} at a time: the graph takes no other batch")
        elif self._batch(self._graph.outputs) == 1:
            lines.append(
                "runs one at a time: DynamicQuantizeLinear would measure its scale over the whole batch"
            )
        if self._file.quieted:
            lines.append(f"written for training, run as for inference: {_few(self._file.quieted)}")
        return (*lines, *self._left_out())

    def _left_out(self) -> list[str]:
        """Which tensors cannot be captured, and why."""
        groups: dict[str, list[str]] = {}
        for plan in list(self._plans.values())[-1:]:
            made = {layer.tensor for layer in plan.layers.values()}
            groups[plan.left_out] = [name for name in self._tracer.tensors() if name not in made]
        for name, owner in self._graph.inside.items():
            groups.setdefault(f"inside {owner}, which cannot be followed", []).append(name)
        for name, reason in self._tracer.blocked.items():
            groups.setdefault(reason, []).append(name)
        return [f"not captured: {_few(names)}: {reason}" for reason, names in groups.items() if names]

    @cached_property
    def provenance(self) -> Mapping[str, Any]:
        """The file, a digest of its weights and one of its graph, and how it is run."""
        weights, nodes = weights_of(self._file), self._graph.cut(self._graph.outputs)
        nodes.graph.ClearField("initializer")
        graph = hashlib.sha256(nodes.SerializeToString(deterministic=True)).hexdigest()
        axis = self._planner.axis
        return {
            "framework": "onnx",
            "checkpoint": str(self._path),
            "digest": digest(weights),
            "graph": graph,
            "input": {"name": self._source.name, "layout": self.layout, "because": axis.why},
            **self._facts,
        }

    @property
    def _facts(self) -> dict[str, Any]:
        return runtime_facts(self._sessions, self._graph)

    def layers(self, input_shape: tuple[int, ...] | None) -> tuple[LayerInfo, ...]:
        """Every tensor with a row for each input, for inputs (*spatial, channels).

        Without a shape, where the file declares none, the layers are listed without theirs.

        Raises:
            ModelError: the graph does not take such inputs.
        """
        return tuple(layer.info for layer in self._plan(input_shape).layers.values())

    def find_layer(self, name: str, input_shape: tuple[int, ...] | None) -> LayerInfo:
        """The layer of a name, as listed or as the graph's node or tensor has it, under that name.

        Raises:
            LayerError: there is none, or it cannot be captured; says why.
        """
        return replace(self._find(name, self._plan(input_shape)).info, name=name)

    def capture(self, inputs: NDArray[Any], layers: Sequence[str]) -> dict[str, Activations]:
        """The values of these layers for inputs (batch, *spatial, channels).

        Raises:
            LayerError: the graph has no such layer, or it cannot be captured.
            ModelError: the graph does not take such inputs.
        """
        checked = self._source.checked(np.asarray(inputs), str(self._path))
        plan = self._plan(checked.shape[1:])
        found = {name: self._find(name, plan) for name in layers}
        wanted = {layer.tensor: layer for layer in found.values()}
        if not wanted:
            return {}
        try:
            captured = self._run(wanted, checked, plan)
        except ModelError:
            if self._tracer.batch is not None or len(checked) == 1:
                raise
            # a graph with one batch size baked in deeper than its declaration says
            self._tracer.batch = 1
            captured = self._run(wanted, checked, plan)
        return {
            name: Activations(name, layer.values(captured[layer.tensor])) for name, layer in found.items()
        }

    def _plan(self, shape: tuple[int, ...] | None) -> Plan:
        if shape is None:
            declared = self._source.declared(self._planner.axis.index)
            shape = None if None in declared else tuple(size or 0 for size in declared)
        else:
            shape = tuple(int(size) for size in shape)
        if shape not in self._plans:
            self._plans[shape] = self._planner.plan(shape)
        return self._plans[shape]

    def _run(self, wanted: Mapping[str, Layer], inputs: NDArray[Any], plan: Plan) -> dict[str, NDArray[Any]]:
        """The values of tensors, batch in front, in as many runs as the graph's own batch size takes."""
        behind = {name: layer.node for name, layer in wanted.items()}
        size = self._batch(wanted) or len(inputs)
        parts: dict[str, list[NDArray[Any]]] = {name: [] for name in wanted}
        for start in range(0, len(inputs), size):
            some = inputs[start : start + size]
            full = np.concatenate([some, np.repeat(some[-1:], size - len(some), axis=0)])
            feeds = self._source.feeds(full, plan.axis.index)
            for name, values in self._sessions.run(behind, feeds, plan.types).items():
                parts[name].append(np.moveaxis(values, wanted[name].batch, 0)[: len(some)])
        return {
            name: np.concatenate(values) if len(values) > 1 else values[0] for name, values in parts.items()
        }

    def _batch(self, wanted: Iterable[str]) -> int | None:
        """How many inputs one run takes, None for any number.

        A scale that is measured on the tensor would mix the inputs of a batch, so then it is one.
        """
        if self._tracer.batch is not None:
            return self._tracer.batch
        nodes = (self._graph.nodes[index] for index in self._graph.needed(wanted))
        return 1 if any(node.op_type == "DynamicQuantizeLinear" for node in nodes) else None

    def _find(self, name: str, plan: Plan) -> Layer:
        """The layer of a name, in any of its spellings.

        Raises:
            LayerError: there is none, or it cannot be captured.
        """
        if name in plan.layers:
            return plan.layers[name]
        stem, mark, token = name.rpartition("#token")
        tensor = self._graph.aliases.get(stem if mark else name, "")
        listed = self._graph.layer_name(tensor) + (mark + token if mark else "")
        if listed in plan.layers:
            return plan.layers[listed]
        if name in self._graph.inside:
            owner = self._graph.inside[name]
            raise LayerError(
                f"{self._path}: {name} is inside {owner}, which cannot be followed; ask for what it makes"
            )
        if tensor in self._tracer.blocked:
            raise LayerError(f"{self._path}: {name} cannot be captured: it {self._tracer.blocked[tensor]}")
        if tensor:
            shape = plan.shapes.get(tensor)
            known = "" if shape is None else f" (shape {' × '.join(map(str, shape)) or 'of one number'})"
            raise LayerError(f"{self._path}: {name}{known} cannot be captured: {plan.left_out}")
        names = [*plan.layers, *(alias for alias in self._graph.aliases if alias not in plan.layers)]
        raise LayerError(f"{self._path}: no layer {name!r}; {suggest(name, names)}")


def _few(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
