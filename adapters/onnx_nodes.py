"""An ONNX graph as something to walk: who makes a tensor, who reads it, what an answer needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

from explorer.errors import ModelError

from .onnx_file import graphs

SHAPE_ONLY = frozenset({"Shape", "Size", "ConstantOfShape", "EyeLike"})
"""Operators that read the shape of what they are given, not its values."""
RANDOM = frozenset(
    {"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial", "Bernoulli"}
)


class Graph:
    """The nodes of a model, and how they are joined.

    Attributes:
        model: the ModelProto; never modified.
        nodes: its nodes in the order of the file, which is the order they answer in.
        producer: tensor to the index of the node that makes it.
        consumers: tensor to the indices of the nodes that read it, inner graphs included.
        reads: what each node reads, inner graphs included.
        initializers: the weights' declarations by name.
        inputs: declared inputs that are no weights, by name.
        outputs: names of the model's outputs.
    """

    def __init__(self, model: Any, where: str) -> None:
        self.model = model
        self.nodes: list[Any] = list(model.graph.node)
        self.initializers = {tensor.name: tensor for tensor in model.graph.initializer}
        self.sparse = {tensor.values.name for tensor in model.graph.sparse_initializer}
        self.inputs = {
            value.name: value
            for value in model.graph.input
            if value.name not in self.initializers and value.name not in self.sparse
        }
        self.outputs = [value.name for value in model.graph.output]
        self.reads = [(*node.input, *_captured(node)) for node in self.nodes]
        self.producer: dict[str, int] = {}
        known = {"", *self.initializers, *self.sparse, *self.inputs}
        self.consumers: dict[str, list[int]] = {}
        for index, node in enumerate(self.nodes):
            for name in filter(None, node.output):
                if name in self.producer:
                    raise ModelError(f"{where}: tensor {name} is made by two nodes; the graph is damaged")
                self.producer[name] = index
            for name in self.reads[index]:
                if name not in known:
                    raise ModelError(
                        f"{where}: {title(node)} reads tensor {name}, which nothing has made before it; "
                        "the graph is damaged"
                    )
            known.update(node.output)
            for name in filter(None, self.reads[index]):
                self.consumers.setdefault(name, []).append(index)

    def maker(self, tensor: str) -> Any | None:
        """The node that makes a tensor; None for inputs and weights."""
        return self.nodes[self.producer[tensor]] if tensor in self.producer else None

    def needed(self, tensors: Iterable[str]) -> list[int]:
        """The nodes without which these tensors cannot be computed, in order."""
        found: set[int] = set()
        waiting = [self.producer[name] for name in tensors if name in self.producer]
        while waiting:
            index = waiting.pop()
            if index not in found:
                found.add(index)
                waiting += [self.producer[name] for name in self.reads[index] if name in self.producer]
        return sorted(found)

    def following(self, sources: Iterable[str], *, values_only: bool = False) -> set[str]:
        """The tensors computed from these, with `values_only` not from their shapes alone."""
        found = set(sources)
        waiting = list(found)
        while waiting:
            for index in self.consumers.get(waiting.pop(), ()):
                node = self.nodes[index]
                if values_only and node.op_type in SHAPE_ONLY:
                    continue
                new = set(filter(None, node.output)) - found
                found |= new
                waiting += new
        return found

    @cached_property
    def aliases(self) -> dict[str, str]:
        """Every name of a tensor that a node makes, its own and its node's, to the tensor."""
        names = {tensor: tensor for tensor in self.producer}
        for tensor, name in self.node_names.items():
            names.setdefault(name, tensor)
        return names

    @cached_property
    def node_names(self) -> dict[str, str]:
        """Tensor to its node's name, where it has one that is no other tensor's."""
        names = {}
        for node in self.nodes:
            first = next(filter(None, node.output), "")
            taken = node.name in self.producer and node.name != first
            if first and node.name and not taken and node.name not in self.inputs:
                names[first] = node.name
        return names

    def layer_name(self, tensor: str) -> str:
        """The name a tensor is listed by: of an output its own, else its node's where that is unique."""
        return tensor if tensor in self.outputs else self.node_names.get(tensor, tensor)

    @cached_property
    def inside(self) -> dict[str, str]:
        """The tensors inside control flow, which cannot be captured, each with its node's words."""
        found: dict[str, str] = {}
        for node in self.nodes:
            for name in _inner_outputs(node):
                found.setdefault(name, title(node))
        return found

    def cut(self, outputs: Sequence[str]) -> Any:
        """A new model that computes these tensors and nothing else."""
        import onnx

        kept = [self.nodes[index] for index in self.needed(outputs)]
        names = {name for index in self.needed(outputs) for name in self.reads[index]} | set(outputs)
        cut = onnx.ModelProto()
        cut.ir_version = self.model.ir_version
        cut.opset_import.extend(self.model.opset_import)
        cut.graph.name = self.model.graph.name or "graph"
        cut.graph.node.extend(kept)
        cut.graph.input.extend(value for name, value in self.inputs.items() if name in names)
        cut.graph.initializer.extend(tensor for name, tensor in self.initializers.items() if name in names)
        cut.graph.sparse_initializer.extend(
            tensor for tensor in self.model.graph.sparse_initializer if tensor.values.name in names
        )
        cut.graph.output.extend(onnx.ValueInfoProto(name=name) for name in outputs)
        return cut


def title(node: Any) -> str:
    """A node in words: operator and name."""
    domain = "" if node.domain in ("", "ai.onnx") else f"{node.domain}."
    name = node.name or next(filter(None, node.output), "")
    return f"{domain}{node.op_type} {name}".strip()


def attribute(node: Any, name: str, default: Any = None) -> Any:
    """The value of a node's attribute."""
    from onnx import helper

    for entry in node.attribute:
        if entry.name == name:
            return helper.get_attribute_value(entry)
    return default


def _inner_graphs(node: Any) -> list[Any]:
    return [
        inner
        for entry in node.attribute
        for graph in [*([entry.g] if entry.HasField("g") else []), *entry.graphs]
        for inner in graphs(graph)
    ]


def _inner_outputs(node: Any) -> list[str]:
    """Every tensor that the nodes inside a node make."""
    return [name for graph in _inner_graphs(node) for inner in graph.node for name in inner.output if name]


def _captured(node: Any) -> list[str]:
    """What the graphs inside a node read from outside of them; some names of their own do no harm."""
    found: dict[str, None] = {}
    for graph in _inner_graphs(node):
        for inner in graph.node:
            found.update(dict.fromkeys(filter(None, inner.input)))
        found.update(dict.fromkeys(value.name for value in graph.output))
    own = set(_inner_outputs(node))
    for graph in _inner_graphs(node):
        own |= {value.name for value in graph.input} | {tensor.name for tensor in graph.initializer}
    return [name for name in found if name not in own]


def opset(model: Any, domain: str = "") -> int:
    """The version of a set of operators that a model was written for."""
    names = ("", "ai.onnx") if domain == "" else (domain,)
    versions: Mapping[str, int] = {entry.domain: entry.version for entry in model.opset_import}
    return max((versions[name] for name in names if name in versions), default=0)
