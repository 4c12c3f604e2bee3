"""The demo's digit classifier in plain JAX: a function of params and pictures."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

STRIDES = {"block1": 2, "block2": 2}
DILATIONS = {"block3": 2, "block4": 4, "block5": 1}


def digits(params: dict[str, Any], x: jax.Array) -> jax.Array:
    """(B, 32, 32, 1) -> logits (B, 10)."""
    for name, stride in STRIDES.items():
        with jax.named_scope(name):
            x = jax.nn.relu(conv_norm(params[name], x, stride=stride))
    for name, dilation in DILATIONS.items():
        with jax.named_scope(name):
            x = jax.nn.relu(x + conv_norm(params[name], x, dilation=dilation))
    logits = x @ params["head"]["kernel"] + params["head"]["bias"]
    return jnp.mean(logits, axis=(1, 2))


def conv_norm(params: dict[str, Any], x: jax.Array, *, stride: int = 1, dilation: int = 1) -> jax.Array:
    """3x3 convolution, then normalisation by what training has seen."""
    x = jax.lax.conv_general_dilated(
        x,
        params["kernel"],
        (stride, stride),
        "SAME",
        rhs_dilation=(dilation, dilation),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )
    return (x - params["mean"]) * jax.lax.rsqrt(params["var"] + 1e-5) * params["scale"] + params["bias"]


def make() -> Any:
    """What model.toml names: the function; its params are the checkpoint's."""
    return digits
