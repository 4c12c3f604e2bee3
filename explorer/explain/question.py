"""What saliency is asked about: inputs, and what of a layer's answer to them is to be explained."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.capture.model import Model
from explorer.capture.protocol import Differentiable, LayerInfo
from explorer.errors import InputError, LayerError, ModelError
from explorer.explain.logits import is_probability, softmax
from explorer.explain.targets import Asked, Target

MOST = 128
"""Inputs at a time where memory does not say less: larger batches gain nothing on a processor."""
MEMORY = 512 * 2**20
"""Bytes that a model's values may take, where nobody says."""
COPIES = 3
"""Times that a layer's values are in memory while gradients are computed, roughly."""


@dataclass(frozen=True, eq=False)
class Question:
    """Inputs of a model, and the one number for each of them that is to be explained.

    The number is the sum of the target layer's values, each times what it counts. What they count is decided
    on the input as it is and stays so while noise, steps or occlusion change it.

    Attributes:
        model: the model.
        inputs: (batch, *spatial, channels) float32.
        infos: the model's layers by name, in the order they answer.
        target: what is explained.
        batch: how many inputs are computed at a time.
        asked: what is explained, as it was named; None where it was found otherwise.
    """

    model: Model
    inputs: NDArray[np.float32]
    infos: Mapping[str, LayerInfo]
    target: Target
    batch: int
    asked: Asked | None = None

    @property
    def spatial(self) -> tuple[int, ...]:
        """(height, width), or as many axes as an input has."""
        return tuple(self.inputs.shape[1:-1])

    def counts(self, rows: NDArray[np.intp]) -> NDArray[np.float32]:
        """What each value of the target layer counts, (n, *spatial, channels), for the inputs `rows`."""
        if not self.target.needs_values:
            return self.target.counts(rows, None)
        own, back = np.unique(rows, return_inverse=True)
        values = self.capture(self.inputs[own], self.target.layer)
        return self.target.counts(own, values)[back]

    def capture(self, inputs: NDArray[Any], layer: str) -> NDArray[Any]:
        """The values of a layer."""
        return self.model.adapter.capture(inputs, [layer])[layer].values

    def scores(self, inputs: NDArray[Any], rows: NDArray[np.intp]) -> NDArray[np.float64]:
        """The number that is explained (n,), of changed forms of the inputs `rows`."""
        values = self.capture(inputs, self.target.layer).reshape(len(rows), -1).astype(np.float64)
        return np.asarray((values * self.counts(rows).reshape(len(rows), -1)).sum(axis=1), np.float64)

    def own_scores(self) -> NDArray[np.float64]:
        """The number that is explained (batch,), of the inputs as they are."""
        parts = [self.scores(self.inputs[rows], rows) for rows in self.chunks(len(self.inputs))]
        return np.concatenate(parts)

    def probabilities(self, inputs: NDArray[Any], rows: NDArray[np.intp]) -> NDArray[np.float64]:
        """The probability of the target's class (n,), of changed forms of the inputs `rows`.

        The softmax of the answer's mean over positions, or that mean where it is a probability already.
        """
        channels = self.target.channels
        assert channels is not None  # a class is a channel
        values = self.capture(inputs, self.target.layer).astype(np.float64)
        mean = values.reshape(len(rows), -1, values.shape[-1]).mean(axis=1)
        shares = mean if is_probability(mean) else softmax(mean)
        return np.asarray(shares[np.arange(len(rows)), channels[rows]])

    def gradient(
        self,
        inputs: NDArray[Any],
        rows: NDArray[np.intp],
        *,
        at: str | None = None,
        guided: bool = False,
    ) -> NDArray[np.float32]:
        """Its derivative at changed forms of the inputs `rows`.

        Raises:
            ModelError: the framework gives no derivatives.
        """
        adapter = self.model.adapter
        if not isinstance(adapter, Differentiable):
            raise ModelError(
                f"{self.model.name}: {self.model.adapter_name} models give no gradients; use the method "
                "occlusion, or open the model in the framework that it was trained in"
            )
        return adapter.gradient(inputs, self.target.layer, self.counts(rows), at=at, guided=guided)

    def chunks(self, n: int) -> Iterator[NDArray[np.intp]]:
        """The numbers from 0 to n - 1 in near-equal parts, none larger than what is computed at a time."""
        parts = max(1, -(-n // self.batch))
        each = -(-n // parts)
        for start in range(0, n, each):
            yield np.arange(start, min(start + each, n))

    def baseline(self, given: float | str) -> NDArray[np.float32]:
        """What stands for nothing, as large as the inputs: one number, or each input's mean colour.

        Raises:
            InputError: neither a number nor "mean".
        """
        if given == "mean":
            axes = tuple(range(1, self.inputs.ndim - 1))
            means = self.inputs.mean(axis=axes, keepdims=True)
            return np.broadcast_to(means, self.inputs.shape).astype(np.float32)
        if isinstance(given, str) or not np.isfinite(given):
            raise InputError(f'baseline {given!r}: expected a number, or "mean" for each picture\'s mean')
        return np.full(self.inputs.shape, given, np.float32)


def batch_of(infos: Mapping[str, LayerInfo], memory: int) -> int:
    """How many inputs at a time keep a model's values within so many bytes."""
    each = sum(4 * math.prod(info.shape) for info in infos.values() if info.shape is not None)
    return max(1, min(MOST, memory // max(1, COPIES * each)))


def layer_before(question: Question, at: str | None) -> str:
    """The layer whose maps Grad-CAM weighs: a named one, or the last grid before the target.

    A last layer with one channel a class at every position is passed over: its channels are answers already.

    Raises:
        LayerError: there is none.
    """
    if at is not None:
        info = question.model.find_layers([at], question.inputs.shape[1:])[0]
        if info.shape is None or len(info.shape) - 1 != len(question.spatial):
            raise LayerError(f"{info.name}: is no grid of positions as the inputs are; name a spatial layer")
        return info.name
    found = None
    target = question.infos[question.target.layer]
    for name, info in question.infos.items():
        if name == target.name:
            break
        shape = info.shape or ()
        of_classes = question.target.kind == "class" or len(target.shape or ()) == 1
        is_answer = of_classes and shape[-1:] == (target.shape or ())[-1:]
        if len(shape) - 1 == len(question.spatial) and (info.positions or 0) > 1 and not is_answer:
            found = name if np.dtype(info.dtype).kind == "f" else found
    if found is None:
        raise LayerError(f"{question.model.name}: no layer before {target.name} has positions; name it as at")
    return found
