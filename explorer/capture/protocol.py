"""The contract between this package and every framework: one class with three methods."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from explorer.activations import Activations
from explorer.capture.receptive_field import ReceptiveField


@dataclass(frozen=True)
class LayerInfo:
    """What is known of a layer before anything is captured.

    Attributes:
        name: the name to ask for it by.
        kind: the framework's word for what it is, such as "Conv".
        shape: (*spatial, channels) for one input; None when only a capture can tell.
        parameters: number of weights of the layer and everything inside it.
        dtype: the type its values are captured in.
        receptive_field: the pixels of the input that a position sees; None where nobody has looked.
    """

    name: str
    kind: str
    shape: tuple[int, ...] | None = None
    parameters: int = 0
    dtype: str = "float32"
    receptive_field: ReceptiveField | None = None

    @property
    def positions(self) -> int | None:
        """Number of spatial positions for one input."""
        return None if self.shape is None else math.prod(self.shape[:-1])

    @property
    def channels(self) -> int | None:
        """Number of channels."""
        return None if self.shape is None else self.shape[-1]


@dataclass(frozen=True)
class ModelOptions:
    """How a model is to be opened; an adapter uses what concerns it.

    Attributes:
        variables: weights in memory, in the framework's own form.
        params: weights in memory that were given as `params`; `variables` has them under that name.
        checkpoint: file or folder of weights.
        checkpoint_format: "orbax", "msgpack", "safetensors", "npz" or "torch"; None to tell from the file.
        step: which step of a folder of checkpoints; None for the latest.
        call: keyword arguments of the forward call, added to those of inference mode.
        layout: "channels_last" or "channels_first", of arrays captured elsewhere and of models that
            do not tell; None for what the adapter finds or holds usual.
    """

    variables: Any = None
    params: Any = None
    checkpoint: Path | None = None
    checkpoint_format: str | None = None
    step: int | None = None
    call: Mapping[str, Any] = field(default_factory=dict)
    layout: str | None = None


@dataclass(frozen=True)
class Factory:
    """What a model.toml names: a callable and its keyword arguments, not called yet."""

    make: Callable[..., Any]
    arguments: Mapping[str, Any]
    name: str


def plain_name(name: str) -> str:
    """A layer's name in one spelling: "blocks/0/conv", "blocks.0.conv" and "blocks[0].conv" are the same.

    >>> plain_name("blocks[0].conv")
    'blocks.0.conv'
    """
    return name.replace("/", ".").replace("[", ".").replace("]", "").lstrip(".")


@runtime_checkable
class Adapter(Protocol):
    """One way of capturing one framework, found through the entry-point group `explorer.adapters`.

    Importing an adapter's module must not import its framework; `open` may.
    An adapter of arrays that brings its own inputs has an attribute `n_inputs`; its `capture` is
    then given row numbers (batch,) in place of inputs. Each adapter may have an attribute
    `provenance`, a mapping for the run's manifest; "digest" in it identifies the weights;
    `notes`, lines for `layers` to print of what it found last; `layout`, the layout it found where
    none was given; `default_preprocessing`, what its declared input says, as a [preprocessing]
    table; and a method `find_layer(name, input_shape) -> LayerInfo` where layers have more than
    one name.
    `renewed(source) -> Self | None` is the same model with other weights, without compiling anew, for a
    model that is watched while it is trained: the model after a step, or its weights.
    An adapter of a framework with derivatives has a method `gradient`, see `Differentiable`.
    """

    requires: ClassVar[tuple[str, ...]]
    """Import names that must be there for this adapter to work."""

    @classmethod
    def open(cls, source: object, options: ModelOptions) -> Self | None:
        """Open the source, or return None when it is not one of this adapter's.

        The source is a model object, a `Factory`, or a `Path`. To tell that a source is not its
        own, an adapter must not need its framework. A `Factory` is claimed only by an adapter that
        has to add arguments of its framework; all others see what the factory returns.
        """
        ...

    def layers(self, input_shape: tuple[int, ...] | None) -> tuple[LayerInfo, ...]:
        """Every layer that can be captured, in the order they answer.

        input_shape is (*spatial, channels) of one input, None when the caller does not know it.
        """
        ...

    def capture(self, inputs: NDArray[Any], layers: Sequence[str]) -> dict[str, Activations]:
        """The values of these layers, in inference mode, for inputs (batch, *spatial, channels).

        Raises:
            LayerError: a layer that the model does not have.
        """
        ...


@runtime_checkable
class Randomisable(Protocol):
    """An adapter whose model can be had with other weights, for the model-randomisation check."""

    def weight_groups(self) -> tuple[str, ...]:
        """Parts of the model with weights of two or more axes, named as its layers are."""
        ...

    def with_random(self, groups: Collection[str], seed: int) -> Adapter:
        """The same model with the weights of these parts drawn anew; the model itself stays as it is.

        Each weight of two or more axes is drawn from a normal distribution of its own mean and deviation;
        biases, scales and running statistics stay.
        """
        ...


@runtime_checkable
class Attentive(Protocol):
    """An adapter that also finds the attention weights of a model, layers or not."""

    def attention(self, inputs: NDArray[Any], layer: str) -> dict[str, NDArray[np.float32]]:
        """The self-attention that a layer depends on, in the order it is computed; empty where there is none.

        Args:
            inputs: (batch, *spatial, channels), computed in inference mode as for `capture`.
            layer: the layer's name.

        Returns:
            By name of where it is computed: (batch, heads, tokens that look, tokens looked at) float32.

        Raises:
            LayerError: the model has no such layer.
        """
        ...


@runtime_checkable
class Differentiable(Protocol):
    """An adapter that can also tell how a layer answers to small changes of its inputs."""

    def gradient(
        self,
        inputs: NDArray[Any],
        layer: str,
        cotangent: NDArray[Any],
        *,
        at: str | None = None,
        guided: bool = False,
    ) -> NDArray[Any]:
        """The derivative of the sum of a layer's values times `cotangent`, for each pixel of the inputs.

        With `at`, for each value of that layer instead, everything else held as it is.

        Inputs do not influence each other, so each row is the derivative of that input's sum alone;
        several positions of one input are asked for at once by giving it several times.

        Args:
            inputs: (batch, *spatial, channels), computed in inference mode as for `capture`.
            layer: the layer's name.
            cotangent: (batch, *spatial, channels) of the layer: what each of its values counts. One
                at a single value and zero elsewhere gives that unit's own gradient.
            at: a layer on the way from the inputs to `layer`.
            guided: let every ReLU on the way pass only what is positive (guided backpropagation,
                Springenberg et al. 2015); ReLUs inside loops (`scan`) stay as they are.

        Returns:
            (batch, *spatial, channels) of the inputs or of `at`, float32.

        Raises:
            LayerError: a layer that the model does not have, one of whole numbers, an `at` on which
                `layer` does not depend, or guided without a ReLU on the way.
            InputError: the cotangent has not the layer's shape.
        """
        ...
