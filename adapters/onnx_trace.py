"""Shapes of a graph's tensors for one shape of input, and which of them have a row for each input."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.errors import ModelError

from .limits import available_memory
from .onnx_input import Source
from .onnx_nodes import RANDOM, Graph, title
from .onnx_session import Sessions
from .onnx_shapes import Tensor, infer

BLOCKED_CHANNELS = "com.microsoft.nchwc"
"""The domain of operators in a graph that onnxruntime has rewritten for this processor."""


class Tracer:
    """Finds out about the tensors of a graph, without running it wherever the graph tells.

    Attributes:
        moving: the tensors computed from the values of the input.
        blocked: those of them that cannot be captured, each with the reason.
        batch: how many inputs one run takes, None for any number.
        failure: why onnxruntime could not compute what the graph does not tell, "" when it could.
        where: the file, for errors.
    """

    def __init__(self, graph: Graph, source: Source, sessions: Sessions) -> None:
        self._graph = graph
        self._source = source
        self._sessions = sessions
        self.moving = graph.following([source.name], values_only=True)
        self.blocked: dict[str, str] = {}
        self.batch = source.batch
        self.failure = ""
        self.where = sessions.where

    def trace(self, shape: tuple[int, ...], axis: int) -> tuple[dict[str, Tensor], dict[str, int]]:
        """What is known of every tensor for a batch of inputs, and which axis of a tensor is the batch.

        Args:
            shape: (*spatial, channels) of one input.
            axis: the axis of the input's channels.

        Raises:
            ModelError: the graph does not take such inputs.
        """
        self.failure = ""
        two, three = self._traced(shape, axis, self.batch)
        batches = self._following(two, three, axis)
        if self.batch is None and not batches.keys() & set(self._graph.outputs):
            # exported for one input, though its declaration says any number
            self.failure, failure = "", self.failure
            single, _ = self._traced(shape, axis, 1)
            self.batch = 1
            alone = self._following(single, single, axis)
            if alone.keys() & set(self._graph.outputs):
                return single, alone
            self.batch, self.failure = None, self.failure or failure
        if not batches:
            raise ModelError(f"{self.where}: {self.failure or 'no tensor has a row for each input'}")
        return two, batches

    def tensors(self) -> list[str]:
        """Every tensor that is computed from the input's values and can be captured, in order."""
        return [name for name in self._graph.producer if name in self.moving and name not in self.blocked]

    def _following(
        self, two: Mapping[str, Tensor], three: Mapping[str, Tensor], axis_of_channels: int
    ) -> dict[str, int]:
        """The tensors with a row for each input, and which axis the rows are on."""
        found, fixed = {}, self.batch
        traced = (two, three) if fixed is None else self._as_if_free(axis_of_channels)
        for name in self.tensors():
            axis = _batch_axis(traced[0].get(name), traced[1].get(name))
            if fixed is not None and (axis is None or _size(two.get(name), axis) != fixed):
                axis = 0 if _size(two.get(name), 0) == fixed else None
            if axis is not None:
                found[name] = axis
        return found

    def _as_if_free(self, axis: int) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """What the graph tells for batches of 2 and 3 that it does not take; nothing where it objects."""
        shape = self._source.guess(axis)
        try:
            return self.infer(2, shape, axis), self.infer(3, shape, axis)
        except ModelError:
            return {}, {}

    def infer(self, batch: int, shape: tuple[int, ...] | None, axis: int) -> dict[str, Tensor]:
        """What the graph tells for a batch of inputs of a shape; without one, for the declared shape.

        Raises:
            ModelError: the graph contradicts itself.
        """
        source = self._source
        if shape is not None:
            inputs = source.shapes(batch, shape, axis)
        else:
            dims = (batch, *source.dims[1:]) if source.has_batch else source.dims
            inputs = {} if None in dims else {source.name: tuple(size or 0 for size in dims)}
        try:
            return infer(self._graph.model, inputs)
        except Exception as error:  # ONNX's own exceptions have no base, and come from C++
            line = " ".join(str(error).split())[:200]
            raise ModelError(f"{self.where}: the graph contradicts itself: {line}") from None

    def _traced(
        self, shape: tuple[int, ...], axis: int, fixed: int | None
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Every tensor for two sizes of the batch; what the graph does not tell is measured."""
        found = []
        for batch in (fixed,) if fixed else (2, 3):
            tensors = self.infer(batch, shape, axis)
            self._check_memory(tensors)
            unknown = [name for name in self.tensors() if name not in tensors or tensors[name].known is None]
            if unknown:
                noise = np.random.default_rng(batch).random((batch, *shape), dtype=np.float32)
                tensors |= self._measured(unknown, self._source.feeds(noise, axis), tensors)
            found.append(tensors)
        return found[0], found[-1]

    def _measured(
        self, names: Sequence[str], feeds: Mapping[str, NDArray[Any]], tensors: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        """Shapes and types as onnxruntime answers them."""
        from onnx import helper

        types = {name: tensor.kind for name, tensor in tensors.items()}
        try:
            values = self._sessions.run(dict.fromkeys(names), feeds, types, keep=False)
        except ModelError as error:
            # an input of a size that some late node does not take, or more of them than it takes at a time
            self.failure = str(error).removeprefix(f"{self.where}: ")
            return {}
        return {
            name: Tensor(helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)
            for name, value in values.items()
            if isinstance(value, np.ndarray) and value.dtype.kind in "fiub"
        }

    def check(self, tensors: Mapping[str, Tensor]) -> None:
        """Have onnxruntime read the graph; set apart what it has no operator for, and what is random.

        Raises:
            ModelError: no tensor depends on the input.
        """
        for node in self._graph.nodes:
            if node.op_type in RANDOM:
                self._block([node], f"depends on {title(node)}, whose values are others in every run")
            if node.domain == BLOCKED_CHANNELS and node.op_type != "ReorderOutput":
                self.blocked |= dict.fromkeys(
                    node.output, "has its channels in blocks, for onnxruntime alone"
                )
        types = {name: tensor.kind for name, tensor in tensors.items()}
        while True:
            names = self.tensors()
            if not names:
                raise ModelError(f"{self.where}: no tensor depends on input {self._source.name}")
            try:
                return self._sessions.check(names, types)
            except ModelError as error:
                culprits = self._culprits(str(error))
                blocked = len(self.blocked)
                reason = str(error).removeprefix(f"{self.where}: ")
                self._block(culprits, f"needs {title(culprits[0])}: {reason}" if culprits else "")
                if len(self.blocked) == blocked or not self.tensors():
                    raise

    def _culprits(self, said: str) -> list[Any]:
        """The nodes that onnxruntime says it has no operator for."""
        unknown = re.search(r"operator (\S*)\.(\w+) is not known", said)
        if unknown:
            domain = "" if unknown.group(1) == "ai.onnx" else unknown.group(1)
            return [n for n in self._graph.nodes if (n.domain, n.op_type) == (domain, unknown.group(2))]
        missing = re.search(r"an implementation for (\w+)\(\d+\) node with name '(.*?)'", said)
        if missing:
            kind, name = missing.groups()
            return [n for n in self._graph.nodes if n.op_type == kind and n.name.startswith(name)]
        return []

    def _block(self, nodes: Sequence[Any], reason: str) -> None:
        made = [name for node in nodes for name in node.output if name]
        following = self._graph.following(made)
        for name in self._graph.producer:
            if name in following:
                self.blocked.setdefault(name, reason)

    def _check_memory(self, tensors: Mapping[str, Tensor]) -> None:
        """Refuse a tensor that this computer cannot hold, before onnxruntime tries to."""
        left = available_memory()
        for name, tensor in tensors.items():
            if tensor.nbytes > left:
                size = " × ".join(map(str, tensor.known or ()))
                raise ModelError(
                    f"{self.where}: tensor {name} of {size} takes {tensor.nbytes / 1e9:.3g} GB, "
                    f"and {left / 1e9:.1f} GB of memory are free"
                )


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
