"""Derivatives of PyTorch's layers by autograd, which leave nothing behind in the module.

Autograd is asked for what was given alone, so no weight's own `grad` is touched. Guided backpropagation hooks
into the graph of the one pass, where every ReLU is a node, whoever called it and how.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import is_dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.errors import InputError, LayerError

from .torch_forward import Call, Part, tensors
from .torch_layout import Layer, Reading


class Pass:
    """One forward pass in which a layer's tensor is kept with its graph, from the inputs or a layer on.

    Args:
        layer: what is differentiated.
        at: the layer it is differentiated for; None for the inputs.
    """

    def __init__(self, layer: Layer, at: Layer | None) -> None:
        self._layer, self._at = layer, at
        self._values: Any = None
        self._start: Any = None

    @property
    def paths(self) -> set[str]:
        """Of the modules that are to be watched."""
        return {layer.key[0] for layer in (self._layer, self._at) if layer is not None}

    def begin(self, inputs: Any) -> Any:
        """What the model is given in place of its inputs."""
        if self._at is not None:
            return inputs
        self._start = inputs.detach().requires_grad_()
        return self._start.clone()  # a model may write into what it is given

    def edit(self, call: Call, answer: Any) -> Any:
        """Put a variable of its own in the place of the layer that is differentiated for."""
        if self._at is None or self._at.key[:2] != call or self._start is not None:
            return answer
        place = self._at.key[2]
        tensor = next((found for at, found in tensors(answer) if at == place), None)
        if tensor is None:
            return answer
        self._start = tensor.detach().clone().requires_grad_()
        return _with(answer, place, self._start.clone())

    def visit(self, call: Call, _: Part, answer: Any) -> bool:
        """Keep the layer's tensor; that is all, once it has been seen."""
        if self._layer.key[:2] == call and self._values is None:
            found = (tensor for at, tensor in tensors(answer) if at == self._layer.key[2])
            self._values = next(found, None)
        return self._values is not None

    def gradient(self, cotangent: NDArray[np.float32], *, guided: bool, model: str) -> Any:
        """The derivative for the start, in the axes of its tensor.

        Raises:
            LayerError: the layer does not depend on the start, or has no ReLU before it.
        """
        import torch

        layer, values = self._layer.info.name, self._values
        start = "the inputs" if self._at is None else self._at.info.name
        if values is None:
            raise LayerError(f"{model}: with these inputs, layer {layer!r} is not reached")
        if self._start is None or not values.requires_grad:
            raise LayerError(
                f"{model}: {layer} does not depend on {start} in a way PyTorch differentiates; "
                "name a layer before it"
            )
        if guided and not _guide(values):
            raise LayerError(
                f"{model}: no ReLU lies before {layer}, and guided backpropagation changes ReLUs alone; "
                "use the gradient"
            )
        read = select(values, self._layer.reading)
        counts = torch.from_numpy(np.array(cotangent)).to(read.device, read.dtype)
        with torch.enable_grad():
            (found,) = torch.autograd.grad((read * counts).sum(), self._start, allow_unused=True)
        if found is None:
            raise LayerError(f"{model}: {layer} does not depend on {start}; name a layer before it")
        return found if self._at is None else select(found, self._at.reading)


def select(tensor: Any, reading: Reading) -> Any:
    """A layer's own values (batch, *spatial, channels) in a tensor, with its graph.

    Raises:
        InputError: the tensor has not as many axes as it had.
    """
    if tensor.ndim != len(reading.order):
        raise InputError(f"a layer has {tensor.ndim} axes with these inputs, and had {len(reading.order)}")
    turned = tensor.permute(reading.order)
    if reading.grid is None:
        return turned
    n_patches, before = math.prod(reading.grid), reading.n_prefix
    if reading.token is not None:
        return turned[:, reading.token if reading.token < before else reading.token + n_patches]
    patches = turned[:, before : before + n_patches]
    return patches.reshape(len(turned), *reading.grid, turned.shape[-1])


def _guide(values: Any) -> int:
    """Let every ReLU in the graph of a tensor pass back only what is positive; how many there are."""
    count = 0
    for node in _nodes(values.grad_fn):
        name = type(node).__name__
        is_relu6 = name.startswith("HardtanhBackward") and getattr(node, "_saved_min_val", None) == 0
        if name.startswith("ReluBackward") or is_relu6:
            node.register_hook(_positive)
            count += 1
    return count


def _positive(inputs: tuple[Any, ...], _: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(None if one is None else one.clamp(min=0) for one in inputs)


def _nodes(last: Any) -> Iterator[Any]:
    """Every node of a graph."""
    waiting, seen = [last], set()
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        yield node
        waiting += [before for before, _ in node.next_functions]


def _with(answer: Any, place: tuple[str, ...], tensor: Any) -> Any:
    """An answer with another tensor at a place in its nested tuples and dictionaries."""
    if not place:
        return tensor
    first, rest = place[0], place[1:]
    kind: Any = type(answer)
    if isinstance(answer, Mapping):
        key = next(key for key in answer if str(key) == first)
        made = {**answer, key: _with(answer[key], rest, tensor)}
        return made if kind is dict else kind(made)
    if hasattr(answer, "_replace"):  # a named tuple
        return answer._replace(**{first: _with(getattr(answer, first), rest, tensor)})
    if is_dataclass(answer) and not isinstance(answer, type):
        return replace(answer, **{first: _with(getattr(answer, first), rest, tensor)})
    items = list(answer)
    items[int(first)] = _with(items[int(first)], rest, tensor)
    return kind(items)
