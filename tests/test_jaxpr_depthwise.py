"""Depthwise convolutions as sums of shifted products: the same values and slopes, nowhere else."""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import explorer
from explorer.adapters.jaxpr_depthwise import without_depthwise

rng = np.random.default_rng(0)


def convolution(layout: tuple[str, str, str], groups: int, **given: Any) -> Any:
    def forward(weights: Any, inputs: Any) -> list[Any]:
        numbers = jax.lax.conv_dimension_numbers(inputs.shape, weights.shape, layout)
        out = jax.lax.conv_general_dilated(
            inputs, weights, dimension_numbers=numbers, feature_group_count=groups, **given
        )
        return [jax.nn.relu(out)]

    return forward


CASES = [
    ((2, 9, 8, 6), (3, 3, 1, 6), ("NHWC", "HWIO", "NHWC"), {"window_strides": (1, 1), "padding": "SAME"}),
    ((2, 9, 8, 6), (3, 2, 1, 12), ("NHWC", "HWIO", "NHWC"), {"window_strides": (2, 2), "padding": "SAME"}),
    ((2, 6, 9, 8), (6, 1, 3, 3), ("NCHW", "OIHW", "NCHW"), {"window_strides": (2, 1), "padding": "VALID"}),
    (
        (2, 12, 11, 4),
        (3, 3, 1, 4),
        ("NHWC", "HWIO", "NCHW"),
        {"window_strides": (1, 2), "padding": ((2, -1), (0, 3)), "rhs_dilation": (2, 1)},
    ),
    ((3, 10, 5), (4, 1, 5), ("NWC", "WIO", "NWC"), {"window_strides": (3,), "padding": "SAME"}),
    (
        (2, 5, 6, 7, 3),
        (3, 2, 3, 1, 3),
        ("NDHWC", "DHWIO", "NDHWC"),
        {"window_strides": (1, 2, 1), "padding": "SAME"},
    ),
]


@pytest.mark.parametrize(("shape", "kernel", "layout", "given"), CASES)
def test_values_and_slopes_are_those_of_the_convolution(
    shape: Any, kernel: Any, layout: Any, given: Any
) -> None:
    inputs = rng.normal(size=shape).astype(np.float32)
    weights = rng.normal(size=kernel).astype(np.float32)
    forward = convolution(layout, shape[layout[0].index("C")], **given)
    quick = without_depthwise(forward)
    text = str(jax.make_jaxpr(quick)(weights, inputs))
    assert "conv_general_dilated" not in text
    (true,), (found,) = forward(weights, inputs), quick(weights, inputs)
    np.testing.assert_allclose(found, true, atol=1e-5)
    cotangent = jnp.asarray(rng.normal(size=true.shape), jnp.float32)
    slopes = [
        jax.vjp(lambda given, one=one: one(weights, given)[0], inputs)[1](cotangent)[0]
        for one in (forward, quick)
    ]
    np.testing.assert_allclose(slopes[1], slopes[0], atol=1e-5)


@pytest.mark.parametrize("groups", [1, 3])
def test_other_convolutions_stay_as_they_are(groups: int) -> None:
    inputs = rng.normal(size=(2, 8, 8, 6)).astype(np.float32)
    weights = rng.normal(size=(3, 3, 6 // groups, 6)).astype(np.float32)
    layout = ("NHWC", "HWIO", "NHWC")
    forward = convolution(layout, groups, window_strides=(1, 1), padding="SAME")
    same = [str(jax.make_jaxpr(one)(weights, inputs)) for one in (forward, without_depthwise(forward))]
    assert same[0] == same[1]


class Separable(nn.Module):
    """A depthwise and a pointwise convolution, twice."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        for number, width in enumerate((8, 12)):
            x = nn.Conv(x.shape[-1], (3, 3), feature_group_count=x.shape[-1], name=f"deep{number}")(x)
            x = nn.relu(nn.Conv(width, (1, 1), name=f"wide{number}")(x))
        return nn.Dense(3, name="scores")(x.mean(axis=(1, 2)))


@pytest.mark.parametrize("at", [None, "deep1"])
@pytest.mark.parametrize("guided", [False, True])
def test_a_separable_network_has_the_derivatives_of_jax(at: str | None, guided: bool) -> None:
    inputs = rng.random((3, 12, 10, 3)).astype(np.float32)
    variables = Separable().init(jax.random.key(0), inputs)
    params = jax.tree.map(np.asarray, variables["params"])
    model = explorer.load_model(Separable(), params=params, input_shape=(12, 10, 3))
    cotangent = rng.normal(size=(3, 3)).astype(np.float32)
    found = model.adapter.gradient(inputs, "scores", cotangent, at=at, guided=guided)  # type: ignore[attr-defined]
    if at is None and not guided:
        _, back = jax.vjp(lambda given: Separable().apply(variables, given), inputs)
        np.testing.assert_allclose(found, back(jnp.asarray(cotangent))[0], atol=1e-6)
    assert np.isfinite(found).all()
    assert np.abs(found).max() > 0


def test_captured_values_are_the_models_own_to_the_bit() -> None:
    inputs = rng.random((2, 12, 10, 3)).astype(np.float32)
    variables = Separable().init(jax.random.key(0), inputs)
    params = jax.tree.map(np.asarray, variables["params"])
    model = explorer.load_model(Separable(), params=params, input_shape=(12, 10, 3))
    true = jax.jit(Separable().apply)(variables, inputs)
    np.testing.assert_array_equal(model.adapter.capture(inputs, ["scores"])["scores"].values, true)
