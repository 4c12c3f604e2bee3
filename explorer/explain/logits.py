"""What a class's probability is made of: the layer before the softmax, where a model has one."""

from __future__ import annotations

import weakref
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from explorer.capture.model import Model
from explorer.capture.protocol import LayerInfo

_known: weakref.WeakKeyDictionary[object, dict[tuple[str, tuple[int, ...]], str | None]] = (
    weakref.WeakKeyDictionary()
)


def before_softmax(
    model: Model, infos: Mapping[str, LayerInfo], layer: str, input_shape: tuple[int, ...]
) -> str | None:
    """The layer whose softmax a layer is; None where it is of none.

    A probability near 1 hardly changes any more: its slopes vanish, and nothing is left to explain or to
    climb. What the softmax is taken of has them (Simonyan, Vedaldi & Zisserman 2014, section 2).

    Args:
        model: the model.
        infos: its layers by name, in the order they answer.
        layer: one of them, whose last axis are the classes.
        input_shape: (*spatial, channels) of one input.
    """
    alike = [
        info.name
        for info in infos.values()
        if info.name != layer and info.shape == infos[layer].shape and np.dtype(info.dtype).kind == "f"
    ]
    if model.n_inputs is not None or not alike or (infos[layer].shape or (1,))[-1] < 2:
        return None
    held = _known.setdefault(model.adapter, {})
    if (layer, input_shape) not in held:
        held[layer, input_shape] = _found(model, layer, alike, input_shape)
    return held[layer, input_shape]


def _found(model: Model, layer: str, alike: list[str], input_shape: tuple[int, ...]) -> str | None:
    """The last of some layers whose softmax it is, on a random input."""
    given = np.random.default_rng(0).random((1, *input_shape), np.float32)
    answer = model.adapter.capture(given, [layer])[layer].values.astype(np.float64)
    if not is_probability(answer):
        return None
    values = model.adapter.capture(given, alike)
    fits = [name for name in alike if np.allclose(softmax(values[name].values), answer, atol=1e-4)]
    return fits[-1] if fits else None


def is_probability(values: NDArray[np.float64]) -> bool:
    """Whether values are probabilities along the last axis already: none below 0, and 1 together."""
    return bool((values >= 0).all() and np.allclose(values.sum(axis=-1), 1, atol=1e-3))


def softmax(values: NDArray[np.generic]) -> NDArray[np.float64]:
    """Probabilities along the last axis."""
    shifted = np.asarray(values, np.float64)
    powers = np.exp(shifted - shifted.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))
