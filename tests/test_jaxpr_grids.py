"""Vision transformers on JAX: tokens lie on the grid of their patches, the others are layers of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import explorer
from explorer.capture import Model
from explorer.capture.conformance import check_adapter

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

HEIGHT, WIDTH, PATCH = 8, 12, 4
GRID = (2, 3)
FEATURES = 6
TOKENS = ("tokens#token1", "tokens#token2", "tokens#token3")
"""A class token and two registers, in front of the patches."""


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(3, HEIGHT, WIDTH, 2)).astype(np.float32)


@pytest.fixture(scope="module")
def weights() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    shapes = {
        "kernel": (PATCH, PATCH, 2, FEATURES),
        "extra": (3, FEATURES),
        "places": (GRID[0] * GRID[1] + 3, FEATURES),
        "mix": (FEATURES, FEATURES),
    }
    return {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def by_hand(weights: dict[str, np.ndarray], images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The patches (batch, 2, 3, channels) and the other tokens (batch, 3, channels) of layer "tokens"."""
    cut = images.reshape(len(images), GRID[0], PATCH, GRID[1], PATCH, 2)
    patches = np.einsum("bhpwqc,pqcf->bhwf", cut, weights["kernel"])
    patches = patches + weights["places"][3:].reshape(*GRID, FEATURES)
    others = weights["extra"] + weights["places"][:3] + np.zeros((len(images), 1, 1), np.float32)
    return patches @ weights["mix"], others @ weights["mix"]


def in_plain_jax(weights: dict[str, np.ndarray]) -> Model:
    def vit(params: Any, x: jax.Array) -> tuple[jax.Array, dict[str, jax.Array]]:
        cut = x.reshape(-1, GRID[0], PATCH, GRID[1], PATCH, 2).transpose(0, 1, 3, 2, 4, 5)
        x = cut.reshape(len(x), GRID[0] * GRID[1], -1) @ params["kernel"].reshape(-1, FEATURES)
        extra = jnp.tile(params["extra"], (len(x), 1, 1))
        x = jnp.concatenate([extra, x], axis=1) + params["places"]
        x = x @ params["mix"]
        weight = jax.nn.softmax(x @ x.transpose(0, 2, 1))
        return (weight @ x)[:, 0], {"tokens": x, "attention": weight}

    return explorer.load_model(vit, params=weights)


def in_linen(weights: dict[str, np.ndarray]) -> Model:
    class Vit(nn.Module):
        @nn.compact
        def __call__(self, x: jax.Array) -> jax.Array:
            x = nn.Conv(FEATURES, (PATCH, PATCH), (PATCH, PATCH), use_bias=False, name="embed")(x)
            x = x.reshape(x.shape[0], -1, FEATURES)
            extra = self.param("extra", nn.initializers.zeros, (3, FEATURES))
            x = jnp.concatenate([jnp.broadcast_to(extra, (x.shape[0], 3, FEATURES)), x], axis=1)
            x = x + self.param("places", nn.initializers.zeros, (9, FEATURES))
            x = nn.Dense(FEATURES, use_bias=False, name="tokens")(x)
            return nn.MultiHeadDotProductAttention(2, name="attend")(x, x)[:, 0]

    made = Vit().init(jax.random.key(0), jnp.ones((1, HEIGHT, WIDTH, 2)))["params"]
    own = {name: weights[name] for name in ("extra", "places")}
    own |= {"embed": {"kernel": weights["kernel"]}, "tokens": {"kernel": weights["mix"]}}
    return explorer.load_model(Vit(), params={**made, **own})


def in_nnx(weights: dict[str, np.ndarray]) -> Model:
    class Vit(nnx.Module):
        def __init__(self) -> None:
            rngs = nnx.Rngs(0)
            self.embed = nnx.Conv(2, FEATURES, (PATCH, PATCH), PATCH, use_bias=False, rngs=rngs)
            self.tokens = nnx.Linear(FEATURES, FEATURES, use_bias=False, rngs=rngs)
            self.embed.kernel[...] = weights["kernel"]
            self.tokens.kernel[...] = weights["mix"]
            self.extra, self.places = nnx.Param(weights["extra"]), nnx.Param(weights["places"])

        def __call__(self, x: jax.Array) -> jax.Array:
            x = self.embed(x).reshape(x.shape[0], -1, FEATURES)
            # as with registers put between the class token and the patches
            first, others = self.extra[None, :1], self.extra[None, 1:]
            x = jnp.concatenate([jnp.tile(first, (len(x), 1, 1)), x], axis=1)
            x = jnp.concatenate([x[:, :1], jnp.tile(others, (len(x), 1, 1)), x[:, 1:]], axis=1)
            return self.tokens(x + self.places)

    return explorer.load_model(Vit())


def in_equinox(weights: dict[str, np.ndarray]) -> Model:
    eqx = pytest.importorskip("equinox")

    class Vit(eqx.Module):
        embed: Any
        tokens: Any
        extra: jax.Array
        places: jax.Array

        def __call__(self, x: jax.Array) -> jax.Array:
            x = self.embed(x).reshape(FEATURES, -1).T
            x = jnp.concatenate([self.extra, x]) + self.places
            return jax.vmap(self.tokens)(x)[0]

    key = jax.random.key(0)
    embed = eqx.nn.Conv2d(2, FEATURES, PATCH, PATCH, use_bias=False, key=key)
    embed = eqx.tree_at(lambda conv: conv.weight, embed, jnp.asarray(weights["kernel"].transpose(3, 2, 0, 1)))
    tokens = eqx.nn.Linear(FEATURES, FEATURES, use_bias=False, key=key)
    tokens = eqx.tree_at(lambda linear: linear.weight, tokens, jnp.asarray(weights["mix"].T))
    return explorer.load_model(
        Vit(embed, tokens, jnp.asarray(weights["extra"]), jnp.asarray(weights["places"]))
    )


def in_haiku(weights: dict[str, np.ndarray]) -> Model:
    hk = pytest.importorskip("haiku")

    def vit(x: jax.Array) -> jax.Array:
        x = hk.Conv2D(FEATURES, PATCH, PATCH, with_bias=False, name="embed")(x)
        x = x.reshape(x.shape[0], -1, FEATURES)
        extra = hk.get_parameter("extra", (3, FEATURES), init=jnp.zeros)
        x = jnp.concatenate([jnp.broadcast_to(extra, (x.shape[0], 3, FEATURES)), x], axis=1)
        x = x + hk.get_parameter("places", (9, FEATURES), init=jnp.zeros)
        return hk.Linear(FEATURES, with_bias=False, name="tokens")(x)

    params = {
        "~": {"extra": weights["extra"], "places": weights["places"]},
        "embed": {"w": weights["kernel"]},
        "tokens": {"w": weights["mix"]},
    }
    return explorer.load_model(hk.transform(vit), params=params)


def in_keras(weights: dict[str, np.ndarray]) -> Model:
    keras = pytest.importorskip("keras")

    class Extra(keras.layers.Layer):
        def build(self, shape: Any) -> None:
            self.extra = self.add_weight(shape=(3, FEATURES), name="extra")
            self.places = self.add_weight(shape=(9, FEATURES), name="places")

        def call(self, x: Any) -> Any:
            extra = keras.ops.broadcast_to(self.extra, (keras.ops.shape(x)[0], 3, FEATURES))
            return keras.ops.concatenate([extra, x], axis=1) + self.places

    given = keras.Input((HEIGHT, WIDTH, 2))
    x = keras.layers.Conv2D(FEATURES, PATCH, PATCH, use_bias=False, name="embed")(given)
    x = Extra(name="extra")(keras.layers.Reshape((-1, FEATURES))(x))
    model = keras.Model(given, keras.layers.Dense(FEATURES, use_bias=False, name="tokens")(x))
    model.set_weights([weights[name] for name in ("kernel", "extra", "places", "mix")])
    return explorer.load_model(model)


FORMS: list[Callable[[dict[str, np.ndarray]], Model]] = [
    in_plain_jax,
    in_linen,
    in_nnx,
    in_equinox,
    in_haiku,
    in_keras,
]


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
def test_patches_are_a_grid_and_other_tokens_layers(
    form: Callable[[dict[str, np.ndarray]], Model], weights: dict[str, np.ndarray], images: np.ndarray
) -> None:
    model = form(weights)
    infos = {info.name: info for info in model.layers((HEIGHT, WIDTH, 2))}
    assert infos["tokens"].shape == (*GRID, FEATURES)
    assert {infos[name].shape for name in TOKENS} == {(FEATURES,)}
    patches, others = by_hand(weights, images)
    captured = model.adapter.capture(images, ["tokens", *TOKENS])
    np.testing.assert_allclose(captured["tokens"].values, patches, atol=1e-4)
    for number, name in enumerate(TOKENS):
        np.testing.assert_allclose(captured[name].values, others[:, number], atol=1e-4)
    check_adapter(model.adapter, images, tolerance=1e-4)


def test_what_is_no_sequence_of_tokens_stays_as_it_is(
    weights: dict[str, np.ndarray], images: np.ndarray
) -> None:
    infos = {info.name: info for info in in_plain_jax(weights).layers((HEIGHT, WIDTH, 2))}
    assert infos["output"].shape == (FEATURES,)
    # attention weights: one row a token, its channels the tokens it looks at
    assert infos["attention"].shape == (*GRID, 9)
    linen = {info.name: info.shape for info in in_linen(weights).layers((HEIGHT, WIDTH, 2))}
    assert linen["embed"] == (*GRID, FEATURES)
    assert linen["attend/query"] == (9, 2, 3)
