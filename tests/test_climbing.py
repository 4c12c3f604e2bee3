"""Climbing where nothing answers at first: variants look in different places."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

import explorer
from explorer.capture.preprocessing import Preprocessing

BARS = np.sin(np.arange(12) * np.pi / 3).astype(np.float32)[:, None] * np.ones((1, 12), np.float32)


def shy(x: jax.Array) -> dict[str, jax.Array]:
    """Two channels that answer to bars, and to nothing near gray."""
    answer = jax.nn.relu((x[..., 0] * BARS).mean(axis=(1, 2)) - 0.04)
    return {"shy": jnp.stack([answer, answer], axis=-1)[:, None, None]}


def test_variants_of_a_channel_that_is_silent_at_first_part() -> None:
    model = explorer.load_model(
        shy, preprocessing=Preprocessing(size=(12, 12), channels="gray", range=(-1, 1))
    )
    both = explorer.maximize(model, layer="shy", channels=[0, 1], variants=3, steps=40)
    assert (both.reached > 0.05).all()
    first = both.pictures[0]
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert abs(first[one] - first[other]).max() > 0.05
    alone = explorer.maximize(model, layer="shy", channels=[1], variants=3, steps=40)
    np.testing.assert_allclose(both.pictures[1], alone.pictures[0], atol=1e-4)
