"""What adapters check and name alike, so that every framework refuses and tells it in the same words."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.capture.protocol import LayerInfo
from explorer.errors import InputError, LayerError, ModelError


def known_shape(input_shape: tuple[int, ...] | None, model: str) -> tuple[int, ...]:
    """The shape (*spatial, channels) of one input.

    Raises:
        ModelError: it is not given.
    """
    if input_shape is None:
        raise ModelError(
            f"{model}: the shape of an input is not known; give size under [preprocessing] "
            "or input_shape=(height, width, channels)"
        )
    return tuple(input_shape)


def checked_inputs(inputs: NDArray[Any]) -> NDArray[np.float32]:
    """Inputs (batch, *spatial, channels) in the type that models are given.

    Raises:
        InputError: they are no batch.
    """
    inputs = np.asarray(inputs, dtype=np.float32)
    if inputs.ndim < 2 or len(inputs) == 0:
        raise InputError(f"inputs have shape {inputs.shape}, expected (batch, *spatial, channels)")
    return inputs


def checked_cotangent(
    cotangent: NDArray[Any], layer: LayerInfo, *, batch: int, model: str
) -> NDArray[np.float32]:
    """What each value of a layer counts, (batch, *spatial, channels), held against the layer.

    Raises:
        InputError: it has another shape.
        LayerError: the layer is of whole numbers.
    """
    shape = (batch, *(layer.shape or ()))
    if np.shape(cotangent) != shape:
        raise InputError(f"{layer.name}: cotangent has shape {np.shape(cotangent)}, expected {shape}")
    if np.dtype(layer.dtype).kind != "f":
        raise LayerError(f"{model}: {layer.name} is of {layer.dtype} and has no gradient")
    return np.asarray(cotangent, np.float32)


def numbered(name: str, taken: Iterable[str]) -> str:
    """A name for what is found once more under one that is taken: "name (2)", "name (3)"."""
    again = sum(one == name or one.startswith(f"{name} (") for one in taken)
    return f"{name} ({again + 1})" if again else name
