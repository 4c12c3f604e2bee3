"""Gradients of layers for the inputs, against differences of captured values."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from flax import nnx

import explorer
from explorer.capture.protocol import Differentiable
from explorer.demo import DIGITS


class Linen(nn.Module):
    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = nn.Conv(3, (3, 3), (2, 2), name="conv")(x)
        x = nn.BatchNorm(use_running_average=False, name="norm")(x)
        self.sow("intermediates", "signs", (x > 0).astype(jnp.int32))
        return nn.tanh(x).mean(axis=(1, 2))


class Nnx(nnx.Module):
    def __init__(self, rngs: nnx.Rngs) -> None:
        self.conv = nnx.Conv(2, 3, (3, 3), strides=(2, 2), rngs=rngs)
        self.drop = nnx.Dropout(0.5, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        return jnp.tanh(self.drop(self.conv(x)))


def filled(tree: Any) -> Any:
    rng = np.random.default_rng(0)
    return jax.tree.map(lambda leaf: rng.uniform(0.3, 0.8, leaf.shape).astype(np.float32) - 0.2, tree)


@pytest.fixture(scope="module", params=["linen", "nnx"])
def model(request: pytest.FixtureRequest) -> explorer.Model:
    if request.param == "linen":
        shapes = jax.eval_shape(Linen().init, jax.random.key(0), jnp.zeros((1, 6, 8, 2)))
        return explorer.load_model(Linen(), variables=filled(shapes))
    return explorer.load_model(Nnx(nnx.Rngs(0)))


def values(model: explorer.Model, inputs: np.ndarray, layer: str) -> np.ndarray:
    return model.adapter.capture(inputs, [layer])[layer].values.astype(np.float64)


def test_it_is_the_slope_of_what_is_captured(model: explorer.Model) -> None:
    adapter: Any = model.adapter
    assert isinstance(adapter, Differentiable)
    rng = np.random.default_rng(1)
    inputs = rng.normal(size=(2, 6, 8, 2)).astype(np.float32)
    for layer in ("conv", "output"):
        cotangent = rng.normal(size=values(model, inputs, layer).shape).astype(np.float32)
        direction = rng.normal(size=inputs.shape).astype(np.float32)
        gradient = adapter.gradient(inputs, layer, cotangent)
        assert gradient.shape == inputs.shape
        assert gradient.dtype == np.float32
        step = 1e-2
        moved = values(model, inputs + step * direction, layer) - values(
            model, inputs - step * direction, layer
        )
        axes = tuple(range(1, moved.ndim))
        slope = (moved * cotangent).sum(axis=axes) / (2 * step)
        assert np.allclose(slope, (gradient * direction).sum(axis=(1, 2, 3)), rtol=2e-3, atol=2e-3)


def test_each_row_is_of_its_own_input(model: explorer.Model) -> None:
    adapter: Any = model.adapter
    inputs = np.random.default_rng(2).normal(size=(3, 6, 8, 2)).astype(np.float32)
    cotangent = np.zeros_like(values(model, inputs, "conv"), dtype=np.float32)
    cotangent[1, 1, 2, 0] = 1
    gradient = adapter.gradient(inputs, "conv", cotangent)
    assert not gradient[[0, 2]].any()
    assert gradient[1].any()


def test_outside_its_box_no_pixel_of_the_demo_influences_a_position() -> None:
    digits = explorer.load_model(DIGITS)
    adapter: Any = digits.adapter
    infos = {info.name: info for info in digits.layers()}
    rng = np.random.default_rng(3)
    for layer, positions in {"block2": [(0, 0), (3, 4), (7, 7)], "block3": [(0, 5), (2, 2), (7, 0)]}.items():
        info = infos[layer]
        inputs = rng.normal(size=(len(positions), 32, 32, 1)).astype(np.float32)
        cotangent = np.zeros((len(positions), *info.shape), np.float32)
        for row, position in enumerate(positions):
            cotangent[(row, *position)] = 1
        gradient = adapter.gradient(inputs, layer, cotangent)
        for row, position in enumerate(positions):
            (top, bottom), (left, right) = info.receptive_field.box(position, (32, 32, 1))
            inside = gradient[row, top:bottom, left:right]
            assert np.count_nonzero(gradient[row]) == np.count_nonzero(inside)
            for border in (inside[0], inside[-1], inside[:, 0], inside[:, -1]):
                assert border.any(), (layer, position)


class Chain(nn.Module):
    """Two ways from an inner layer to the answer, with jax.nn.relu and max(x, 0) on them."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        inner = nn.Dense(5, name="inner")(x)
        left = nn.relu(nn.Dense(4, name="left")(inner))
        right = jnp.maximum(nn.Dense(4, name="right")(inner), 0)
        return nn.Dense(2, name="head")(left * 2 + right)


def chain() -> tuple[explorer.Model, np.ndarray, Any]:
    inputs = np.random.default_rng(4).normal(size=(3, 6)).astype(np.float32)
    variables = Chain().init(jax.random.key(1), inputs)
    model = explorer.load_model(Chain(), variables=variables, input_shape=(6,))
    return model, inputs, jax.tree.map(np.asarray, variables["params"])


def test_within_a_model_it_is_for_the_inner_layers_values() -> None:
    model, inputs, weights = chain()
    adapter: Any = model.adapter
    cotangent = np.random.default_rng(5).normal(size=(3, 2)).astype(np.float32)
    found = adapter.gradient(inputs, "output", cotangent, at="inner")

    def rest(inner: np.ndarray) -> np.ndarray:
        left, right = (
            np.maximum(inner @ weights[name]["kernel"] + weights[name]["bias"], 0)
            for name in ("left", "right")
        )
        return ((left * 2 + right) @ weights["head"]["kernel"] * cotangent).sum(axis=1)

    inner = values(model, inputs, "inner")
    assert found.shape == inner.shape
    for channel in range(5):
        step = np.zeros(5)
        step[channel] = 1e-4
        slope = (rest(inner + step) - rest(inner - step)) / 2e-4
        assert np.allclose(found[:, channel], slope, atol=1e-3)
    itself = adapter.gradient(inputs, "inner", np.ones((3, 5), np.float32), at="inner")
    assert np.array_equal(itself, np.ones((3, 5), np.float32))


def test_guided_relus_pass_only_what_is_positive() -> None:
    model, inputs, weights = chain()
    adapter: Any = model.adapter
    cotangent = np.array([[1, -1]] * 3, np.float32)
    found = adapter.gradient(inputs, "output", cotangent, guided=True)
    inner = inputs @ weights["inner"]["kernel"] + weights["inner"]["bias"]
    back = 0
    for name, factor in (("left", 2), ("right", 1)):
        before = inner @ weights[name]["kernel"] + weights[name]["bias"]
        slope = factor * cotangent @ weights["head"]["kernel"].T
        back = back + np.where((before > 0) & (slope > 0), slope, 0) @ weights[name]["kernel"].T
    assert np.allclose(found, back @ weights["inner"]["kernel"].T, atol=1e-5)
    plain = adapter.gradient(inputs, "output", cotangent)
    assert not np.allclose(found, plain, atol=1e-3)


def test_what_does_not_lead_to_a_layer_is_one_line() -> None:
    adapter: Any = chain()[0].adapter
    inputs = np.zeros((3, 6), np.float32)
    with pytest.raises(explorer.LayerError, match="left does not depend on right; name a layer before it"):
        adapter.gradient(inputs, "left", np.zeros((3, 4)), at="right")
    with pytest.raises(explorer.LayerError, match="no ReLU lies before inner"):
        adapter.gradient(inputs, "inner", np.zeros((3, 5)), guided=True)


def test_what_has_no_gradient_is_one_line() -> None:
    shapes = jax.eval_shape(Linen().init, jax.random.key(0), jnp.zeros((1, 6, 8, 2)))
    adapter: Any = explorer.load_model(Linen(), variables=filled(shapes)).adapter
    inputs = np.zeros((1, 6, 8, 2), np.float32)
    with pytest.raises(explorer.LayerError, match="signs is of int32 and has no gradient"):
        adapter.gradient(inputs, "signs", np.zeros((1, 3, 4, 3)))
    with pytest.raises(explorer.LayerError, match="did you mean conv"):
        adapter.gradient(inputs, "convv", np.zeros((1, 3, 4, 3)))
    with pytest.raises(
        explorer.InputError, match=r"cotangent has shape \(1, 3, 3\), expected \(1, 3, 4, 3\)"
    ):
        adapter.gradient(inputs, "conv", np.zeros((1, 3, 3)))


def test_a_layer_shown_with_its_channels_last_is_found_where_it_is_used() -> None:
    def first(params: Any, x: jax.Array) -> tuple[jax.Array, dict[str, jax.Array]]:
        maps = jnp.einsum("bhwc,ck->bkhw", x, params["w"])  # channels first
        return jnp.tanh(maps).sum(axis=(2, 3)), {"maps": jnp.transpose(maps, (0, 2, 3, 1))}

    rng = np.random.default_rng(6)
    weights, inputs = rng.normal(size=(2, 3)).astype(np.float32), rng.normal(size=(2, 4, 5, 2))
    adapter: Any = explorer.load_model(first, params={"w": weights}, input_shape=(4, 5, 2)).adapter
    found = adapter.gradient(inputs, "output", np.ones((2, 3), np.float32), at="maps")
    assert np.allclose(found, 1 - np.tanh(inputs @ weights) ** 2, atol=1e-5)
