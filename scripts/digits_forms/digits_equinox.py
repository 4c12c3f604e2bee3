"""The demo's digit classifier as an Equinox module: one picture, channels in front."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp


class Block(eqx.Module):
    """3x3 convolution, batch normalisation, ReLU; around a residual sum where it keeps the shape."""

    conv: eqx.nn.Conv2d
    norm: eqx.nn.BatchNorm
    is_residual: bool = eqx.field(static=True)

    def __init__(self, sizes: tuple[int, int], key: jax.Array, *, stride: int = 1, dilation: int = 1) -> None:
        self.conv = eqx.nn.Conv2d(
            *sizes, 3, stride, padding="SAME", dilation=dilation, use_bias=False, key=key
        )
        self.norm = eqx.nn.BatchNorm(sizes[1], "batch", mode="batch")
        self.is_residual = stride == 1

    def __call__(self, x: jax.Array, state: eqx.nn.State) -> tuple[jax.Array, eqx.nn.State]:
        """(C, H, W) -> (F, H/stride, W/stride)."""
        y, state = self.norm(self.conv(x), state)
        return jax.nn.relu(x + y if self.is_residual else y), state


class DigitsNet(eqx.Module):
    """(1, 32, 32) -> logits (10,)."""

    block1: Block
    block2: Block
    block3: Block
    block4: Block
    block5: Block
    head: eqx.nn.Linear

    def __init__(self, key: jax.Array, width: int = 48) -> None:
        keys = jax.random.split(key, 6)
        self.block1 = Block((1, width // 2), keys[0], stride=2)
        self.block2 = Block((width // 2, width), keys[1], stride=2)
        self.block3 = Block((width, width), keys[2], dilation=2)
        self.block4 = Block((width, width), keys[3], dilation=4)
        self.block5 = Block((width, width), keys[4])
        self.head = eqx.nn.Linear(width, 10, key=keys[5])

    def __call__(self, x: jax.Array, state: eqx.nn.State) -> tuple[jax.Array, eqx.nn.State]:
        """Return the logits (10,), and the state."""
        for block in (self.block1, self.block2, self.block3, self.block4, self.block5):
            x, state = block(x, state)
        logits = jax.vmap(jax.vmap(self.head))(jnp.moveaxis(x, 0, -1))  # (8, 8, 10)
        return jnp.mean(logits, axis=(0, 1)), state
