"""Receptive fields of JAX programs, held against their Jacobians."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from explorer.adapters.jaxpr_fields import receptive_fields
from explorer.adapters.jaxpr_program import trace
from explorer.capture.receptive_field import ReceptiveField

SHAPE = (13, 18, 2)
NUMBERS = ("NHWC", "HWIO", "NHWC")


def conv(x: jax.Array, kernel: jax.Array, **options: Any) -> jax.Array:
    """A convolution of positive weights, so that nothing cancels."""
    options = {"window_strides": (1, 1), "padding": "SAME", "dimension_numbers": NUMBERS} | options
    channels = x.shape[-1] // options.get("feature_group_count", 1)
    return jax.lax.conv_general_dilated(x, kernel[:, :, :channels], **options)


def kernel(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0.5, 1.0, (height, width, 4, 4)).astype(np.float32)


K3, K4, K23 = kernel(3, 3), kernel(4, 4), kernel(2, 3)
Net = Callable[[Any, jax.Array], jax.Array]


def deep(w: Any, x: jax.Array) -> jax.Array:
    x = conv(x, w["K4"], window_strides=(2, 1), padding="VALID")
    x = conv(x, w["K3"], rhs_dilation=(1, 2))
    return conv(x, w["K23"], window_strides=(3, 2), padding=((0, 2), (1, 0)))


def residual(w: Any, x: jax.Array) -> jax.Array:
    x = conv(x, w["K3"], window_strides=(2, 2))
    return x + conv(conv(x, w["K3"]), w["K23"])


def downsampled_residual(w: Any, x: jax.Array) -> jax.Array:
    y = conv(conv(x, w["K3"], window_strides=(2, 2)), w["K3"])
    return y + conv(x, w["K3"][:1, :1], window_strides=(2, 2), padding="VALID")


def inception(w: Any, x: jax.Array) -> jax.Array:
    parts = [conv(x, w["K3"]), conv(x, w["K23"]), nn.avg_pool(x, (5, 3), padding="SAME")]
    return jnp.concatenate(parts, axis=-1)


def u_net(w: Any, x: jax.Array) -> jax.Array:
    down = conv(x[:, :12], w["K4"], window_strides=(2, 2), padding=((1, 1), (1, 1)))
    up = jax.lax.conv_transpose(down, w["K4"], (2, 2), "SAME", dimension_numbers=NUMBERS)
    return jnp.concatenate([up, x[:, :12]], axis=-1)


def thirds(w: Any, x: jax.Array) -> jax.Array:
    return jax.lax.conv_transpose(x, w["K4"][:, :, :2], (3, 3), "VALID", dimension_numbers=NUMBERS)


def repeated(w: Any, x: jax.Array) -> jax.Array:
    x = conv(x, w["K3"], window_strides=(2, 3), padding="VALID")
    return conv(jnp.repeat(jnp.repeat(x, 2, axis=1), 3, axis=2), w["K3"])


def transposed_conv_then_stride(w: Any, x: jax.Array) -> jax.Array:
    return conv(thirds(w, x), w["K3"], window_strides=(2, 2))


PLAIN: dict[str, Net] = {
    "residual": residual,
    "downsampled_residual": downsampled_residual,
    "inception": inception,
    "transposed_conv_then_stride": transposed_conv_then_stride,
    "itself": lambda w, x: x,
    "padded": lambda w, x: jnp.pad(x, ((0, 0), (2, 1), (0, 3), (0, 0))),
    "strided_slice": lambda w, x: conv(x, w["K3"])[:, 1::2, 3::4],
    "depthwise": lambda w, x: conv(x, w["K3"], feature_group_count=2),
    "dense": lambda w, x: jnp.dot(conv(x, w["K23"]), w["K3"][0, 0]),
    "mean": lambda w, x: conv(x, w["K3"]).mean(axis=(1, 2)),
    "one_row": lambda w, x: conv(x, w["K3"])[:, 4],
    "column_means": lambda w, x: conv(x, w["K4"], window_strides=(1, 2)).mean(axis=2),
    "row_means": lambda w, x: conv(x, w["K4"], window_strides=(1, 2)).mean(axis=1),
    "flattened": lambda w, x: (
        conv(x, w["K3"]).reshape(len(x), -1) @ (w["K3"][0, 0, 0] * jnp.ones((13 * 18 * 4, 4)))
    ),
    "swapped": lambda w, x: conv(x, w["K4"], window_strides=(1, 2)).transpose(0, 2, 1, 3),
    "space_to_depth": lambda w, x: (
        x[:, :12].reshape(-1, 6, 2, 9, 2, 2).transpose(0, 1, 3, 2, 4, 5).reshape(-1, 6, 9, 8)
    ),
    "depth_to_space": lambda w, x: (
        conv(x, w["K3"]).reshape(-1, 13, 18, 2, 2, 1).transpose(0, 1, 3, 2, 4, 5).reshape(-1, 26, 36, 1)
    ),
    "cropped_mean": lambda w, x: x[:, 2:-3, 4:].mean(axis=(1, 2)),
    "remat": lambda w, x: jax.checkpoint(lambda y: conv(y, w["K3"]))(x),
}
BENT: dict[str, Net] = {
    "deep": deep,
    "u_net": u_net,
    "thirds": thirds,
    "repeated": repeated,
    "relu_and_max_pool": lambda w, x: nn.max_pool(
        nn.relu(conv(x, w["K3"]) - 3), (3, 2), strides=(2, 2), padding="SAME"
    ),
    "squeeze_and_excite": lambda w, x: (
        x * nn.sigmoid(conv(x, w["K3"]).mean(axis=(1, 2), keepdims=True)[..., :2])
    ),
    "gated": lambda w, x: nn.silu(conv(x, w["K3"])) * conv(x, w["K4"]),
    "attention": lambda w, x: (
        nn.softmax(jnp.einsum("bnc,bmc->bnm", *[x.reshape(len(x), -1, 2)] * 2))
        @ conv(x, w["K3"]).reshape(len(x), -1, 4)
    ),
    "layer_norm": lambda w, x: (x - x.mean(-1, keepdims=True)) / (x.std(-1, keepdims=True) + 1e-3),
    "instance_norm": lambda w, x: (x - x.mean((1, 2), keepdims=True)) / x.std((1, 2), keepdims=True),
}


def found(net: Net, shape: tuple[int, ...] = SHAPE) -> ReceptiveField:
    weights = {"K3": K3, "K4": K4, "K23": K23}
    program, _ = trace(lambda w, x: [net(w, x)], weights, jnp.zeros((2, *shape)))
    return receptive_fields(program)[0]


def supports(net: Net, shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    """(*positions, *pixels): whether any channel of a pixel influences any channel of a position."""
    weights = {"K3": K3, "K4": K4, "K23": K23}
    seen = []
    for seed in range(2):
        x = np.random.default_rng(seed).normal(size=(1, *shape)).astype(np.float32)
        jacobian = jax.jit(jax.jacrev(lambda x: net(weights, x)[0].sum(axis=-1)))(x)
        seen.append((np.asarray(jacobian)[..., 0, :, :, :] != 0).any(axis=-1))
    return seen[0] | seen[1]


def boxes(support: np.ndarray, n_spatial: int) -> dict[tuple[int, ...], tuple[tuple[int, int], ...]]:
    """Position to the smallest box around its support."""
    made = {}
    for position in itertools.product(*map(range, support.shape[:-n_spatial])):
        places = np.argwhere(support[position])
        made[position] = (
            tuple((int(low), int(high) + 1) for low, high in zip(places.min(0), places.max(0), strict=True))
            if len(places)
            else ()
        )
    return made


@pytest.mark.parametrize("name", PLAIN)
def test_the_box_is_exactly_what_positions_of_a_plain_network_see(name: str) -> None:
    field = found(PLAIN[name])
    assert field.how == "computed", field.why
    for position, box in boxes(supports(PLAIN[name]), 2).items():
        told = field.box(position, SHAPE)
        empty = any(low == high for low, high in told)
        assert (told == box) if box else empty, (position, told, box)


@pytest.mark.parametrize("name", BENT)
def test_nothing_outside_the_box_influences_a_position(name: str) -> None:
    field = found(BENT[name])
    assert field.how == "computed", field.why
    for position, box in boxes(supports(BENT[name]), 2).items():
        told = field.box(position, SHAPE)
        for (low, high), (least, most) in zip(told, box, strict=bool(box)):
            assert low <= least < most <= high, (position, told, box)


@pytest.mark.parametrize("name", ["u_net", "thirds", "repeated"])
def test_behind_an_upsampling_the_box_is_hardly_larger_than_what_is_seen(name: str) -> None:
    """Runs follow a pattern there, and one size and stride hold all of it."""
    field = found(BENT[name])
    seen = [box for box in boxes(supports(BENT[name]), 2).values() if box]
    for axis, size in enumerate(field.size):
        assert size <= max(high - low for low, high in (box[axis] for box in seen)) + 1


@pytest.mark.parametrize(
    ("net", "why"),
    [
        (lambda w, x: jax.image.resize(x, (2, 26, 18, 2), "nearest"), "gather"),
        (lambda w, x: jax.image.resize(x, (2, 26, 18, 2), "bilinear"), "fixed matrix"),
        (lambda w, x: jnp.roll(x, 2, axis=1), "concatenated positions"),
        (lambda w, x: x[:, ::-1], "reversed"),
        (lambda w, x: jnp.cumsum(x, axis=2), "cumsum"),
        (lambda w, x: jax.lax.scan(lambda c, y: (c + y, c), x[:, 0], x.transpose(1, 0, 2, 3))[1], "scan"),
        (lambda w, x: x[:, :6, :6] + x[:, ::2, ::3][:, :6, :6], "different strides"),
        (lambda w, x: x.reshape(2, -1, 2), "reshape of positions"),
        (lambda w, x: jnp.zeros((2, 3, 3, 1)), "does not depend"),
        (lambda w, x: jnp.sort(x, axis=1), "sort"),
    ],
)
def test_what_is_not_followed_is_said(net: Net, why: str) -> None:
    field = found(net)
    assert field.how == "unknown"
    assert why in field.why
    assert field.box((0, 0), SHAPE) == ((0, 13), (0, 18))


def test_a_lost_thread_is_found_again_where_everything_is_seen() -> None:
    field = found(lambda w, x: jnp.roll(x, 2, axis=1) + x.mean(axis=(1, 2), keepdims=True))
    assert field.how == "computed"
    assert field.is_whole(SHAPE)


@pytest.mark.parametrize("rank", [1, 3])
def test_signals_and_volumes(rank: int) -> None:
    shape = (9, 7, 8)[:rank]
    names = ("NWC", "WIO", "NWC") if rank == 1 else ("NDHWC", "DHWIO", "NDHWC")
    program, _ = trace(
        lambda w, x: [jax.lax.conv_general_dilated(x, w, (2,) * rank, "SAME", dimension_numbers=names)],
        jnp.ones((3,) * rank + (2, 4)),
        jnp.zeros((2, *shape, 2)),
    )
    field = receptive_fields(program)[0]
    assert field.size == (3,) * rank
    assert field.stride == (2,) * rank
    assert field.offset == (-1, -1, 0)[:rank] if rank == 3 else (-1,)


@pytest.mark.parametrize("seed", range(8))
def test_random_networks(seed: int) -> None:
    """Chains of odd convolutions, pooling, upsampling, sums and concatenations."""
    rng = np.random.default_rng(seed)
    steps = [int(step) for step in rng.integers(0, 5, 4)]
    sizes = rng.integers(1, 4, (4, 6))

    def net(w: Any, x: jax.Array) -> jax.Array:
        for step, size in zip(steps, sizes, strict=True):
            y = w["K4"][: size[0], : size[1], : x.shape[-1]]
            same = ["SAME", "VALID"][size[4] % 2] if min(x.shape[1:3]) > 6 else "SAME"
            if step == 0:
                x = conv(x, y, window_strides=(int(size[2]), int(size[3])), padding=same)
            elif step == 1:
                x = conv(x, y, rhs_dilation=(int(size[2]), int(size[3])))
            elif step == 2:
                x = nn.avg_pool(x, (int(size[0]), int(size[1])), (int(size[2]), 1), same)
            elif step == 3:
                strides = (int(size[2]), int(size[3]))
                x = jax.lax.conv_transpose(x, y, strides, same, dimension_numbers=NUMBERS)
            else:
                x = jnp.concatenate([conv(x, y), conv(x, y, rhs_dilation=(2, 1))[..., :2]], -1)[..., :4]
        return x

    field = found(net)
    assert field.how == "computed", field.why
    for position, box in boxes(supports(net), 2).items():
        told = field.box(position, SHAPE)
        for (low, high), (least, most) in zip(told, box, strict=bool(box)):
            assert low <= least < most <= high, (steps, position, told, box)
