"""Keras networks that the tests save, load and capture from."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

keras = pytest.importorskip("keras")
layers = keras.layers

HEIGHT, WIDTH = 8, 6


def residual(features: int, name: str) -> Any:
    """A nested model with a residual sum of its own."""
    given = keras.Input((None, None, features))
    x = layers.Conv2D(features, 3, padding="same", name="conv")(given)
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.Dropout(0.5, name="drop")(x, training=True)
    return keras.Model(given, layers.Add(name="sum")([given, layers.ReLU(name="relu")(x)]), name=name)


def network() -> Any:
    keras.utils.set_random_seed(0)
    given = keras.Input((HEIGHT, WIDTH, 2))
    x = layers.Conv2D(4, 3, 2, padding="same", name="stem")(given)
    x = residual(4, "block1")(x)
    shared = residual(4, "block2")
    x = shared(shared(x))
    twice = layers.Dense(4, activation="relu", name="twice")
    x = twice(twice(x))
    tokens = layers.Reshape((-1, 4), name="tokens")(x)
    tokens = layers.MultiHeadAttention(2, 2, name="attention")(tokens, tokens)
    return keras.Model(
        given, layers.Dense(3, name="head")(layers.GlobalAveragePooling1D()(tokens)), name="net"
    )


def varied(model: Any) -> Any:
    """The same model with weights that are nowhere zero or one."""
    rng = np.random.default_rng(1)
    model.set_weights([weight + rng.uniform(0.1, 0.4, weight.shape) for weight in model.get_weights()])
    return model
