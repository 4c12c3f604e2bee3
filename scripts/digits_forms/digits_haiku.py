"""The demo's digit classifier in Haiku."""

from __future__ import annotations

from typing import Any

import haiku as hk
import jax
import jax.numpy as jnp


class Block(hk.Module):
    """3x3 convolution, batch normalisation, ReLU; around a residual sum where it keeps the shape."""

    def __init__(self, features: int, *, stride: int = 1, dilation: int = 1, name: str) -> None:
        super().__init__(name)
        self.conv = hk.Conv2D(features, 3, stride, dilation, with_bias=False, name="conv")
        self.norm = hk.BatchNorm(True, True, 0.9, name="norm")
        self.is_residual = stride == 1

    def __call__(self, x: jax.Array, is_training: bool) -> jax.Array:
        """(B, H, W, C) -> (B, H/stride, W/stride, F)."""
        y = self.norm(self.conv(x), is_training)
        return jax.nn.relu(x + y if self.is_residual else y)


def digits(x: jax.Array, is_training: bool) -> jax.Array:
    """(B, 32, 32, 1) -> logits (B, 10)."""
    x = Block(24, stride=2, name="block1")(x, is_training)
    x = Block(48, stride=2, name="block2")(x, is_training)
    x = Block(48, dilation=2, name="block3")(x, is_training)
    x = Block(48, dilation=4, name="block4")(x, is_training)
    x = Block(48, name="block5")(x, is_training)
    return jnp.mean(hk.Linear(10, name="head")(x), axis=(1, 2))


def make() -> Any:
    """What model.toml names: the transformed function; its weights are the checkpoint's."""
    return hk.without_apply_rng(hk.transform_with_state(digits))
