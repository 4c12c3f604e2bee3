"""What every adapter of a framework on JAX does alike: list, capture and differentiate layers under jit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.activations import Activations
from explorer.capture.protocol import LayerInfo

from .jaxpr_capture import Tracer
from .jit_capture import JitCapture
from .jit_layers import Answer
from .random_weights import RandomWeights
from .weights import WeightPath


class JaxModel(RandomWeights):
    """A model whose weights are a tree that JAX knows; what differs between frameworks is how it is read.

    Its arguments and answers are those of `Adapter`, `Differentiable` and `Attentive` (capture/protocol.py).
    """

    _jit: JitCapture

    def layers(self, input_shape: tuple[int, ...] | None) -> tuple[LayerInfo, ...]:
        """Every array that the model's parts answer, for inputs (*spatial, channels).

        Raises:
            ModelError: the shape is not known, or the model does not take it.
            CheckpointError: the weights are not those of the model.
        """
        weights = None if input_shape is None else self._weights_for(tuple(input_shape))
        return self._jit.infos(weights, input_shape)

    def capture(self, inputs: NDArray[Any], layers: Sequence[str]) -> dict[str, Activations]:
        """The values of these layers in inference mode, for inputs (batch, *spatial, channels).

        Raises:
            LayerError: the model has no such layer.
            ModelError: the model does not take such inputs.
            CheckpointError: the weights are not those of the model.
        """
        return self._jit.run(self._weights_for(np.shape(inputs)[1:]), inputs, layers)

    def gradient(
        self,
        inputs: NDArray[Any],
        layer: str,
        cotangent: NDArray[Any],
        *,
        at: str | None = None,
        guided: bool = False,
    ) -> NDArray[Any]:
        """How a layer's values, each times its `cotangent`, answer to changes of the inputs or of `at`.

        Raises:
            LayerError: the model has no such layer, or it is of whole numbers.
            InputError: the cotangent has not the layer's shape (batch, *spatial, channels).
        """
        weights = self._weights_for(np.shape(inputs)[1:])
        return self._jit.gradient(weights, inputs, layer=layer, cotangent=cotangent, at=at, guided=guided)

    def attention(self, inputs: NDArray[Any], layer: str) -> dict[str, NDArray[np.float32]]:
        """The self-attention that a layer depends on, (batch, heads, tokens that look, looked at) each.

        Raises:
            LayerError: the model has no such layer.
        """
        return self._jit.attention(self._weights_for(np.shape(inputs)[1:]), inputs, layer)

    def _weights_for(self, input_shape: tuple[int, ...]) -> Any:
        """The weights for inputs of this shape; some frameworks can check them only when they know it."""
        del input_shape
        return getattr(self, self.held)


class TracedModel(JaxModel):
    """One whose layers are found in its trace, where its parts have marked what they answer."""

    _tracer: Tracer
    _parameters: Mapping[WeightPath, int]

    @property
    def notes(self) -> tuple[str, ...]:
        """What the layers found last leave out, and their layout where it was turned."""
        return self._tracer.notes

    def _answers(self, weights: Any, inputs: Any) -> list[Answer]:
        """Everything that the model's parts answer; traced, never computed as a whole."""
        return self._tracer.trace(weights, inputs).tagged(lambda path: self._parameters.get(path, 0))
