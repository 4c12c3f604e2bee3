"""The demo's digit classifier as a Keras model. Set KERAS_BACKEND=jax before this is imported."""

from __future__ import annotations

import keras
from keras import layers


def block(
    x: keras.KerasTensor, features: int, name: str, *, stride: int = 1, dilation: int = 1
) -> keras.Model:
    """A nested model: 3x3 convolution, batch normalisation, ReLU, a residual sum where it can be."""
    given = keras.Input(x.shape[1:])
    y = layers.Conv2D(features, 3, stride, "same", dilation_rate=dilation, use_bias=False, name="conv")(given)
    y = layers.BatchNormalization(epsilon=1e-5, name="norm")(y)
    y = layers.Add(name="sum")([given, y]) if stride == 1 else y
    return keras.Model(given, layers.ReLU(name="relu")(y), name=name)(x)


def make() -> keras.Model:
    """(B, 32, 32, 1) -> logits (B, 10)."""
    given = keras.Input((32, 32, 1))
    x = block(given, 24, "block1", stride=2)
    x = block(x, 48, "block2", stride=2)
    x = block(x, 48, "block3", dilation=2)
    x = block(x, 48, "block4", dilation=4)
    x = block(x, 48, "block5")
    logits = layers.Dense(10, name="head")(x)
    return keras.Model(given, layers.GlobalAveragePooling2D(name="logits")(logits), name="digits")
