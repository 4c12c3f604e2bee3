"""The layer before a softmax: found where there is one, and what classes are explained and climbed by."""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import explorer
from explorer.capture.model import Model
from explorer.explain.logits import before_softmax, softmax


class Sure(nn.Module):
    """Three scores of a picture, so large that their probabilities are 0 and 1."""

    probable: bool = True

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = nn.Dense(3, use_bias=False, name="other")(
            nn.relu(nn.Conv(3, (3, 3), name="conv")(x)).mean((1, 2))
        )
        x = nn.Dense(3, use_bias=False, name="scores")(x)
        return nn.softmax(x) if self.probable else x


def model(**given: Any) -> Model:
    variables = Sure(**given).init(jax.random.key(3), jnp.zeros((1, 8, 8, 1)))
    larger = jax.tree.map(lambda leaf: 12 * np.asarray(leaf), variables["params"])
    return explorer.load_model(Sure(**given), params=larger, input_shape=(8, 8, 1))


PICTURES = np.random.default_rng(0).random((3, 8, 8, 1), np.float32)


def test_the_layer_whose_softmax_the_answer_is_is_found_among_others_of_its_shape() -> None:
    found = model()
    infos = {info.name: info for info in found.layers((8, 8, 1))}
    assert infos["other"].shape == infos["output"].shape
    assert before_softmax(found, infos, "output", (8, 8, 1)) == "scores"
    values = found.adapter.capture(PICTURES, ["scores", "output"])
    np.testing.assert_allclose(softmax(values["scores"].values), values["output"].values, atol=1e-6)


def test_an_answer_that_is_no_probability_has_none_before_it() -> None:
    found = model(probable=False)
    infos = {info.name: info for info in found.layers((8, 8, 1))}
    assert before_softmax(found, infos, "output", (8, 8, 1)) is None


def test_a_class_is_explained_by_its_score_which_has_slopes_where_its_probability_has_none() -> None:
    found = model()
    told = explorer.saliency(found, PICTURES, target=1)
    assert told.layer == "scores"
    flat = explorer.saliency(found, PICTURES, target=1, layer="output")  # as asked for
    assert flat.layer == "output"
    assert np.abs(told.values).max() > 100 * np.abs(flat.values).max()
    curves = told.fidelity(steps=2)
    assert ((curves.deletion >= 0) & (curves.deletion <= 1)).all()  # it is the probability that is followed


def test_a_class_is_climbed_by_its_score() -> None:
    grown = explorer.maximize(model(), classes=[0], steps=4, bounds=(0.0, 1.0))
    assert grown.layer == "scores"


@pytest.mark.parametrize("values", [[[0.0, 1000.0]], [[-1000.0, 0.0]]])
def test_softmax_of_large_numbers_is_finite(values: Any) -> None:
    np.testing.assert_array_equal(softmax(np.array(values)), [[0, 1]])
