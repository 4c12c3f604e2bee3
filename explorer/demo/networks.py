"""The two demo networks, written in Flax Linen as any user would write theirs.

Nothing else in this package imports a framework; `digits/model.toml` and `photos/model.toml`
name the classes below. Arrays are (batch, height, width, channels) throughout.
"""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp


class ConvBlock(nn.Module):
    """3x3 convolution, batch normalisation, ReLU: (B, H, W, C) -> (B, H/stride, W/stride, F)."""

    features: int
    stride: int = 1

    @nn.compact
    def __call__(self, x: jax.Array, train: bool = False) -> jax.Array:
        """Return (B, H/stride, W/stride, F); `train` normalises by the batch itself."""
        x = nn.Conv(self.features, (3, 3), (self.stride, self.stride), use_bias=False, name="conv")(x)
        x = nn.BatchNorm(use_running_average=not train, momentum=0.9, name="norm")(x)
        return nn.relu(x)


class DilatedBlock(nn.Module):
    """Residual block around one dilated 3x3 convolution; keeps the shape (B, H, W, F)."""

    features: int
    dilation: int = 1

    @nn.compact
    def __call__(self, x: jax.Array, train: bool = False) -> jax.Array:
        """Return (B, H, W, F); `train` normalises by the batch itself."""
        dilation = (self.dilation, self.dilation)
        y = nn.Conv(self.features, (3, 3), kernel_dilation=dilation, use_bias=False, name="conv")(x)
        y = nn.BatchNorm(use_running_average=not train, momentum=0.9, name="norm")(y)
        return nn.relu(x + y)


class DigitsNet(nn.Module):
    """Handwritten digits: (B, 32, 32, 1) -> logits (B, 10).

    The head is applied at each of the 8x8 positions and the picture's answer is the mean of
    the positions' answers. Training asks every position for the class, so the receptive field
    must cover the whole picture: two strides of 2 and dilations 2, 4 and 1 on the 8x8 map do.
    """

    width: int = 48
    classes: int = 10

    @nn.compact
    def __call__(self, x: jax.Array, train: bool = False, per_position: bool = False) -> jax.Array:
        """Return the logits (B, classes), or with `per_position` (B, 8, 8, classes)."""
        x = ConvBlock(self.width // 2, stride=2, name="block1")(x, train)  # (B, 16, 16, width/2)
        x = ConvBlock(self.width, stride=2, name="block2")(x, train)  # (B, 8, 8, width)
        x = DilatedBlock(self.width, dilation=2, name="block3")(x, train)
        x = DilatedBlock(self.width, dilation=4, name="block4")(x, train)
        x = DilatedBlock(self.width, dilation=1, name="block5")(x, train)
        logits = nn.Dense(self.classes, name="head")(x)  # (B, 8, 8, classes)
        return logits if per_position else jnp.mean(logits, axis=(1, 2))


class PhotosNet(nn.Module):
    """Colour from luminance: (B, H, W, 1) -> logits over colour bins (B, H/4, W/4, bins).

    Fully convolutional, so it is trained on crops and takes whole photographs. To guess the
    colour of a spot it has to tell what the spot belongs to; nobody names the things for it.
    """

    width: int = 48
    bins: int = 24
    dilations: tuple[int, ...] = (1, 2, 4, 8)

    @nn.compact
    def __call__(self, x: jax.Array, train: bool = False) -> jax.Array:
        """Return the logits (B, H/4, W/4, bins); H and W should be multiples of 4."""
        x = ConvBlock(self.width // 2, stride=2, name="block1")(x, train)  # (B, H/2, W/2, width/2)
        x = ConvBlock(self.width, stride=2, name="block2")(x, train)  # (B, H/4, W/4, width)
        for number, dilation in enumerate(self.dilations, start=3):
            x = DilatedBlock(self.width, dilation, name=f"block{number}")(x, train)
        return nn.Dense(self.bins, name="head")(x)
