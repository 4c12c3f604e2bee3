"""Frameworks whose adapters take no new weights are opened again at each step."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from notes import IMAGES, Notes

import explorer


def rows(notes: Notes, layer: str, step: int) -> Any:
    return notes.embeddings[layer, step].rows


def test_equinox_modules_are_given_anew() -> None:
    eqx = pytest.importorskip("equinox")
    first = eqx.nn.Sequential([eqx.nn.Conv2d(3, 4, 3, padding=1, key=jax.random.key(0))])
    second = eqx.tree_at(lambda m: (m[0].weight, m[0].bias), first, replace_fn=lambda leaf: leaf * 2)
    notes = Notes()
    watch = explorer.watch(first, IMAGES, to=notes)
    (layer,) = watch.layers
    watch.on_epoch(0)
    watch.on_epoch(1, second)
    assert np.allclose(rows(notes, layer, 1), 2 * rows(notes, layer, 0), rtol=1e-4, atol=1e-5)


def test_haiku_functions_take_params_or_params_and_state() -> None:
    hk = pytest.importorskip("haiku")
    net = hk.transform(lambda x: hk.Conv2D(4, 3, name="conv")(x))
    params = net.init(jax.random.key(0), jnp.asarray(IMAGES[:1]))
    double = jax.tree.map(lambda leaf: leaf * 2, params)
    notes = Notes()
    watch = explorer.watch(net, IMAGES, to=notes, layers=["conv"])
    watch.on_epoch(0, params)
    watch.on_epoch(1, double)
    assert np.allclose(rows(notes, "conv", 1), 2 * rows(notes, "conv", 0), rtol=1e-4, atol=1e-5)
    assert np.abs(rows(notes, "conv", 0)).max() > 0


def test_keras_models_are_read_as_training_leaves_them() -> None:
    keras = pytest.importorskip("keras")
    model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3, name="conv")])
    notes = Notes()
    watch = explorer.watch(model, IMAGES, to=notes, layers=["conv"])
    watch.on_epoch(0)
    model.set_weights([np.asarray(weight.value) * 2 for weight in model.weights])
    watch.on_epoch(1)
    assert np.allclose(rows(notes, "conv", 1), 2 * rows(notes, "conv", 0), rtol=1e-4, atol=1e-5)
    assert np.abs(rows(notes, "conv", 0)).max() > 0
