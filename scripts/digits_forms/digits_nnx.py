"""The demo's digit classifier as a Flax NNX module."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx


class Block(nnx.Module):
    """3x3 convolution, batch normalisation, ReLU; around a residual sum where it keeps the shape."""

    def __init__(self, sizes: tuple[int, int], *, stride: int = 1, dilation: int = 1, rngs: nnx.Rngs) -> None:
        self.conv = nnx.Conv(
            *sizes, (3, 3), stride, kernel_dilation=(dilation, dilation), use_bias=False, rngs=rngs
        )
        self.norm = nnx.BatchNorm(sizes[1], rngs=rngs)
        self.is_residual = stride == 1

    def __call__(self, x: jax.Array) -> jax.Array:
        """(B, H, W, C) -> (B, H/stride, W/stride, F)."""
        y = self.norm(self.conv(x))
        return nnx.relu(x + y if self.is_residual else y)


class DigitsNet(nnx.Module):
    """(B, 32, 32, 1) -> logits (B, 10)."""

    def __init__(self, width: int = 48, *, rngs: nnx.Rngs) -> None:
        self.block1 = Block((1, width // 2), stride=2, rngs=rngs)
        self.block2 = Block((width // 2, width), stride=2, rngs=rngs)
        self.block3 = Block((width, width), dilation=2, rngs=rngs)
        self.block4 = Block((width, width), dilation=4, rngs=rngs)
        self.block5 = Block((width, width), rngs=rngs)
        self.head = nnx.Linear(width, 10, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Return the logits (B, 10)."""
        for block in (self.block1, self.block2, self.block3, self.block4, self.block5):
            x = block(x)
        return jnp.mean(self.head(x), axis=(1, 2))
