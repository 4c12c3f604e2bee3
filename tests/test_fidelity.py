"""Deletion and insertion curves, and the model-randomisation check."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax
import numpy as np
import pytest
from flax import linen as nn

import explorer
from explorer.explain.sanity import rank_correlation


def total(params: Any, x: jax.Array) -> jax.Array:
    """One number: the sum of the pixels, weighed."""
    return (x * params["weights"]).sum(axis=(1, 2))


@pytest.fixture(scope="module")
def found() -> explorer.Saliency:
    weights = np.zeros((8, 8, 1), np.float32)
    weights[:2] = 1  # a quarter of the pixels is all that counts
    model = explorer.load_model(total, params={"weights": weights}, input_shape=(8, 8, 1))
    given = np.ones((2, 8, 8, 1), np.float32)
    return explorer.saliency(model, given, method="gradient-x-input", channel=0, layer="output")


def test_pixels_that_count_go_first(found: explorer.Saliency) -> None:
    curves = found.fidelity(steps=8, baseline=0.0)
    assert np.allclose(curves.deletion, [[1, 0.5, 0, 0, 0, 0, 0, 0, 0]] * 2)
    assert np.allclose(curves.insertion, [[0, 0.5, 1, 1, 1, 1, 1, 1, 1]] * 2)
    areas = curves.areas
    assert np.allclose(areas["deletion"], 0.125)
    assert np.allclose(areas["insertion"], 0.875)
    assert np.allclose(areas["random deletion"], 0.5, atol=0.15)
    assert "better than a random order" in curves.words()


def test_a_map_that_points_elsewhere_is_worse_than_random(found: explorer.Saliency) -> None:
    worst = replace(found, values=-found.values)
    curves = worst.fidelity(steps=8, baseline=0.0)
    assert (curves.areas["deletion"] > curves.areas["random deletion"]).all()
    assert "no better than a random order" in curves.words()
    half = replace(curves, insertion=1.0 - curves.insertion)
    assert half.words().endswith("better than a random order by insertion alone")


def test_curves_of_a_class_are_probabilities(found: explorer.Saliency) -> None:
    def two(params: Any, x: jax.Array) -> jax.Array:
        return x.sum(axis=(1, 2)) * params["by"]

    model = explorer.load_model(two, params={"by": np.array([0.1, 0.2])}, input_shape=(4, 4, 1))
    given = np.ones((1, 4, 4, 1), np.float32)
    curves = explorer.saliency(model, given, target=1).fidelity(steps=1, baseline=0.0)
    assert np.allclose(curves.deletion, [[1 / (1 + np.exp(-1.6)), 0.5]])


def test_random_orders_follow_the_seed(found: explorer.Saliency) -> None:
    one, again, other = (found.fidelity(steps=4, baseline=0.0, seed=seed) for seed in (0, 0, 1))
    assert np.array_equal(one.random_deletion, again.random_deletion)
    assert not np.array_equal(one.random_deletion, other.random_deletion)


class Net(nn.Module):
    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = nn.relu(nn.Conv(4, (3, 3), name="low")(x))
        x = nn.relu(nn.Conv(4, (3, 3), name="high")(x))
        return nn.Dense(3, name="head")(x.mean(axis=(1, 2)))


def test_weights_are_drawn_anew_from_the_top_down() -> None:
    given = np.random.default_rng(0).normal(size=(2, 8, 8, 1)).astype(np.float32)
    variables = Net().init(jax.random.key(0), given)
    model = explorer.load_model(Net(), variables=variables, input_shape=(8, 8, 1))
    found = explorer.saliency(model, given, target=1)
    check = found.sanity()
    assert check.stages == ("head", "high", "low")
    assert check.maps.shape == (3, 2, 8, 8)
    assert np.array_equal(found.sanity().maps, check.maps)
    assert not np.array_equal(found.sanity(seed=1).maps, check.maps)
    assert np.isfinite(check.correlations).all()
    assert (np.abs(check.correlations) < 0.999).all()
    # the model itself is what it was
    assert np.array_equal(explorer.saliency(model, given, target=1).values, found.values)
    assert len(found.sanity(most=2).stages) == 2
    inner = explorer.saliency(model, given, channel=0, layer="low")
    assert inner.sanity().stages == ("low",)


def test_a_map_of_the_picture_alone_is_found_out() -> None:
    def edges(params: Any, x: jax.Array) -> jax.Array:
        return (x**2).sum(axis=(1, 2)) * (1 + 1e-6 * params["part"]["w"].sum())

    params = {"part": {"w": np.random.default_rng(0).normal(size=(3, 3)).astype(np.float32)}}
    model = explorer.load_model(edges, params=params, input_shape=(6, 6, 1))
    given = np.random.default_rng(1).normal(size=(2, 6, 6, 1)).astype(np.float32)
    check = explorer.saliency(model, given, channel=0, layer="output").sanity()
    assert np.allclose(check.correlations, 1)
    assert "hardly depends on what was learned" in check.words()


def test_rank_correlation_is_spearmans() -> None:
    from scipy.stats import spearmanr

    rng = np.random.default_rng(0)
    one, other = np.abs(rng.normal(size=(2, 5, 5))).astype(np.float32)
    assert rank_correlation(one, other) == pytest.approx(spearmanr(one.ravel(), other.ravel()).statistic)
    assert np.isnan(rank_correlation(one, np.ones_like(one)))


def test_what_cannot_be_measured_is_one_line(found: explorer.Saliency) -> None:
    with pytest.raises(explorer.InputError, match="steps 0"):
        found.fidelity(steps=0)
    for measure in (found.fidelity, found.sanity):
        with pytest.raises(explorer.InputError, match="seed -1: expected a whole number from 0"):
            measure(seed=-1)
    with pytest.raises(explorer.InputError, match="without their model"):
        replace(found, question=None).fidelity()
