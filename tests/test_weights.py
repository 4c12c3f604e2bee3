"""Weights are recognised in whatever training code wraps around them, and hashed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from explorer.adapters.weights import Leaf, collections, digest, fit, flatten, nest
from explorer.errors import CheckpointError


def weights(scale: float = 1.0) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    return {
        "params": {
            "blocks_0": {"conv": {"kernel": (scale * rng.normal(size=(3, 3, 2, 4))).astype(np.float32)}},
            "head": {"bias": np.arange(4, dtype=jnp.bfloat16)},
        },
        "batch_stats": {"norm": {"var": np.full(4, scale, np.float32)}},
    }


def template() -> dict[tuple[str, ...], Leaf]:
    return {path: Leaf(leaf.shape, leaf.dtype) for path, leaf in flatten(weights()).items()}


@pytest.mark.parametrize(
    "wrap",
    [
        lambda tree: {"model": tree, "optimizer": {"mu": np.zeros(2)}, "epoch": np.array(3)},
        lambda tree: {"state": {"default": tree}},
        lambda tree: {"params": tree, "opt_state": {"0": np.zeros(2)}},
        lambda tree: {"params": tree["params"], "model_state": {"batch_stats": tree["batch_stats"]}},
        lambda tree: {**tree, "ema_params": tree["params"], "dropout_rng": np.zeros(2, np.uint32)},
        lambda tree: jax.tree.map(lambda leaf: {"value": leaf}, tree),
        lambda tree: {"ema": jax.tree.map(lambda leaf: {"raw_value": leaf}, tree)},
        lambda tree: jax.tree.map(lambda leaf: leaf.astype(np.float64), tree),
    ],
)
def test_what_training_code_wraps_around_the_weights_is_taken_off(wrap: Callable[[Any], Any]) -> None:
    fitted = fit(flatten(wrap(weights())), template(), where="here")
    assert digest(fitted) == digest(flatten(weights()))


def test_a_mismatch_names_the_counts_and_the_first_three_leaves() -> None:
    other = flatten(weights())
    other["params", "extra", "kernel"] = np.zeros((2, 2))
    other["params", "head", "bias"] = np.zeros(9)
    other["batch_stats", "norm", "var"] = np.zeros(4, np.int32)
    del other["params", "blocks_0", "conv", "kernel"]
    with pytest.raises(CheckpointError) as caught:
        fit(other, template(), where="net.npz")
    assert str(caught.value) == (
        "net.npz: does not fit the model: 1 missing, 2 misshapen, 1 extra of 3 arrays "
        "(missing params/blocks_0/conv/kernel (3, 3, 2, 4); misshapen params/head/bias (9,), the "
        "model has (4,); misshapen batch_stats/norm/var of int32, the model has float32; …)"
    )


def test_bare_parameters_and_more_than_is_needed_can_be_given() -> None:
    bare = {path: leaf for path, leaf in template().items() if path[0] == "params"}
    assert digest(fit(flatten(weights()["params"]), bare, where="here")) == digest(
        flatten({"params": weights()["params"]})
    )
    with pytest.raises(CheckpointError, match="0 missing, 0 misshapen, 1 extra"):
        fit(flatten(weights()), bare, where="here")
    fit(flatten(weights()), bare, where="here", extras_allowed=True)
    with pytest.raises(CheckpointError, match="one single array"):
        fit(flatten(np.zeros(3)), bare, where="here")


@pytest.mark.parametrize(
    "wrap",
    [
        lambda tree: tree,
        lambda tree: {"state": {**tree, "opt_state": {"0": np.zeros(2)}, "step": 3}},
        lambda tree: {"params": tree, "step": 3},
    ],
)
def test_collections_are_told_without_a_template(wrap: Callable[[Any], Any]) -> None:
    assert digest(collections(flatten(wrap(weights())))) == digest(flatten(weights()))
    bare = weights()["params"]
    assert digest(collections(flatten(wrap(bare)))) == digest(flatten({"params": bare}))
    assert collections({}) == {}


def test_the_digest_tells_values_types_shapes_and_places_apart() -> None:
    one = np.arange(4, dtype=np.float32)
    others = [
        {"a": one + 1},
        {"a": one.astype(np.float64)},
        {"a": one.reshape(2, 2)},
        {"b": one},
        {"a": {"a": one}},
    ]
    digests = {digest(flatten(tree)) for tree in [{"a": one}, *others]}
    assert len(digests) == 6
    assert digest(flatten({"a": jnp.asarray(one)})) == digest(flatten({"a": one.astype(">f4")}))


def test_a_path_cannot_be_an_array_and_a_folder() -> None:
    assert nest({("a", "b"): 1, ("a", "c"): 2}) == {"a": {"b": 1, "c": 2}}
    for flat in ({("a",): 1, ("a", "b"): 2}, {("a", "b"): 2, ("a",): 1}):
        with pytest.raises(ValueError, match=r"below an array|there twice"):
            nest(flat)
