"""Linen models: their layers, values in inference mode, and what is computed for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.core import freeze

from explorer.adapters.flax_linen import FlaxLinen
from explorer.capture.conformance import check_adapter
from explorer.capture.protocol import ModelOptions
from explorer.errors import CheckpointError, InputError, LayerError, ModelError


class Block(nn.Module):
    """A residual block that hard-codes the training mode of its layers."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        y = nn.Conv(4, (3, 3), name="conv")(x)
        y = nn.BatchNorm(use_running_average=False, name="norm")(y)
        y = nn.Dropout(0.5, deterministic=False, name="drop")(nn.relu(y))
        return x + y


class Net(nn.Module):
    """A stem, a list of blocks, one of them rematerialised, and a layer that is used twice."""

    def setup(self) -> None:
        self.stem = nn.Conv(4, (3, 3), (2, 2))
        self.blocks = [Block(), nn.remat(Block)()]
        self.twice = nn.Conv(4, (1, 1))
        self.norm = nn.BatchNorm()
        self.head = nn.Dense(3, dtype=jnp.bfloat16)

    def __call__(self, x: jax.Array, train: bool = True) -> dict[str, jax.Array]:
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        x = self.twice(nn.relu(self.twice(x)))
        x = self.norm(x, use_running_average=not train)
        self.sow("intermediates", "features", x)
        return {"logits": self.pooled(x), "maximum": jnp.max(x)}

    def pooled(self, x: jax.Array) -> jax.Array:
        return self.head(x.mean(axis=(1, 2)))


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(3, 8, 8, 2)).astype(np.float32)


@pytest.fixture(scope="module")
def variables() -> dict[str, Any]:
    shapes = jax.eval_shape(Net().init, jax.random.key(0), jnp.zeros((1, 8, 8, 2)))
    rng = np.random.default_rng(1)
    made = jax.tree.map(lambda leaf: rng.uniform(0.2, 0.9, leaf.shape).astype(leaf.dtype) - 0.3, shapes)
    for stats in jax.tree.leaves(made["batch_stats"], is_leaf=lambda node: "var" in node):
        stats["var"] += 0.5
    return made


@pytest.fixture(scope="module")
def adapter(variables: dict[str, Any]) -> FlaxLinen:
    opened = FlaxLinen.open(Net(), ModelOptions(variables=variables))
    assert opened is not None
    return opened


def conv(x: jax.Array, weights: Mapping[str, Any], stride: int = 1) -> jax.Array:
    numbers = ("NHWC", "HWIO", "NHWC")
    y = jax.lax.conv_general_dilated(
        x, weights["kernel"], (stride, stride), "SAME", dimension_numbers=numbers
    )
    return y + weights["bias"]


def norm(x: jax.Array, weights: Mapping[str, Any], stats: Mapping[str, Any]) -> jax.Array:
    scaled = (x - stats["mean"]) / np.sqrt(stats["var"] + 1e-5)
    return scaled * weights["scale"] + weights["bias"]


def by_hand(x: Any, variables: Mapping[str, Any]) -> dict[str, jax.Array]:
    """The same network in plain JAX, in inference mode."""
    p, s = variables["params"], variables["batch_stats"]
    found = {"stem": (x := conv(x, p["stem"], 2))}
    for name in ("blocks_0", "blocks_1"):
        found[f"{name}/norm"] = y = norm(conv(x, p[name]["conv"]), p[name]["norm"], s[name]["norm"])
        found[name] = x = x + jax.nn.relu(y)
    found["twice#1"] = conv(x, p["twice"])
    found["twice#2"] = conv(jax.nn.relu(found["twice#1"]), p["twice"])
    found["features"] = norm(found["twice#2"], p["norm"], s["norm"])
    return found


def test_layers_are_named_by_path_in_the_order_they_answer(adapter: FlaxLinen) -> None:
    infos = adapter.layers((8, 8, 2))
    assert [info.name for info in infos] == [
        "stem",
        *(f"blocks_0{end}" for end in ("/conv", "/norm", "/drop", "")),
        *(f"blocks_1{end}" for end in ("/conv", "/norm", "/drop", "")),
        "twice#1",
        "twice#2",
        "norm",
        "head",
        "pooled",
        "features",
        "output[logits]",
    ]
    known = {info.name: info for info in infos}
    assert (known["stem"].kind, known["stem"].shape, known["stem"].parameters) == ("Conv", (4, 4, 4), 76)
    assert known["blocks_1"].parameters == 3 * 3 * 4 * 4 + 4 + 8
    assert known["output[logits]"].parameters == sum(
        leaf.size for leaf in jax.tree.leaves(adapter._variables["params"])
    )


def test_values_are_those_of_the_network_written_out(
    adapter: FlaxLinen, images: np.ndarray, variables: dict[str, Any]
) -> None:
    expected = by_hand(images, variables)
    captured = adapter.capture(images, list(expected))
    for name, values in expected.items():
        np.testing.assert_allclose(captured[name].values, values, atol=1e-5, rtol=1e-5, err_msg=name)


def test_bfloat16_is_returned_as_float32(adapter: FlaxLinen, images: np.ndarray) -> None:
    head = adapter.capture(images, ["head"])["head"].values
    assert head.dtype == np.float32
    assert np.array_equal(head, head.astype(jnp.bfloat16).astype(np.float32))


def test_it_keeps_the_contract(adapter: FlaxLinen, images: np.ndarray) -> None:
    # one unit in the last place of bfloat16, in which the head computes
    check_adapter(adapter, images, tolerance=2**-8)


def test_nothing_of_the_users_is_modified(images: np.ndarray, variables: dict[str, Any]) -> None:
    module = Net()
    before = jax.tree.map(np.copy, variables)
    opened = FlaxLinen.open(module, ModelOptions(variables=variables))
    opened.capture(images, ["stem"])
    assert module == Net()
    assert module.scope is None
    jax.tree.map(np.testing.assert_array_equal, variables, before)


def test_an_early_layer_does_not_compute_the_rest(adapter: FlaxLinen, images: np.ndarray) -> None:
    layers = adapter._jit.layers(adapter._variables, (8, 8, 2))

    def lowered(name: str) -> Any:
        return adapter._jit.compiled((layers[name].key,)).lower(adapter._variables, images).compile()

    early, late = (lowered(name) for name in ("stem", "twice#2"))
    assert early.as_text().count("convolution(") == 1
    assert early.cost_analysis()["flops"] < 0.5 * late.cost_analysis()["flops"]


def test_a_smaller_last_batch_is_not_compiled_again(adapter: FlaxLinen, images: np.ndarray) -> None:
    whole = adapter.capture(images, ["blocks_0"])["blocks_0"].values
    function = adapter._jit.compiled((adapter._jit.layers(None, (8, 8, 2))["blocks_0"].key,))
    compiled = function._cache_size()
    last = adapter.capture(images[:1], ["blocks_0"])["blocks_0"].values
    assert function._cache_size() == compiled
    assert np.array_equal(last, whole[:1])


def test_dots_are_understood_and_unknown_layers_refused(adapter: FlaxLinen, images: np.ndarray) -> None:
    dotted = adapter.capture(images, ["blocks_0.norm", "blocks_0/norm"])
    assert np.array_equal(dotted["blocks_0.norm"].values, dotted["blocks_0/norm"].values)
    with pytest.raises(LayerError, match="did you mean stem"):
        adapter.capture(images, ["stemm"])


def test_the_digest_is_that_of_the_weights(variables: dict[str, Any], adapter: FlaxLinen) -> None:
    frozen = FlaxLinen.open(Net(), ModelOptions(variables=freeze(variables)))
    assert frozen.provenance == adapter.provenance
    changed = jax.tree.map(lambda leaf: leaf + 1, variables)
    other = FlaxLinen.open(Net(), ModelOptions(variables=changed))
    assert other.provenance["digest"] != adapter.provenance["digest"]


def test_errors_are_one_line_and_say_what_to_do(variables: dict[str, Any], images: np.ndarray) -> None:
    with pytest.raises(ModelError, match="give variables= or checkpoint="):
        FlaxLinen.open(Net(), ModelOptions())
    with pytest.raises(ModelError, match=r"give size under \[preprocessing\] or input_shape="):
        FlaxLinen.open(Net(), ModelOptions(variables=variables)).layers(None)
    short = FlaxLinen.open(Net(), ModelOptions(variables={"params": variables["params"]}))
    with pytest.raises(CheckpointError, match=r"6 missing, 0 misshapen, 0 extra of 22 arrays"):
        short.layers((8, 8, 2))
    adapter = FlaxLinen.open(Net(), ModelOptions(variables=variables, call={"mode": 1}))
    with pytest.raises(ModelError, match="unexpected keyword argument 'mode'") as caught:
        adapter.layers((8, 8, 2))
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="expected \\(batch"):
        FlaxLinen.open(Net(), ModelOptions(variables=variables)).capture(images[:0], ["stem"])


def test_other_objects_are_not_claimed() -> None:
    assert FlaxLinen.open(object(), ModelOptions()) is None
    assert FlaxLinen.open(Net, ModelOptions()) is None


class Doubled(nn.Dense):
    """A layer that calls the one it is derived from, which is no second call."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        return 2.0 * super().__call__(x)


class Bare(nn.Module):
    """Layers whose names and arguments are easily got wrong."""

    @nn.compact
    def __call__(self, x: jax.Array, *, deterministic: bool) -> jax.Array:
        x = nn.Dense(4, name="output")(x)
        x = nn.MultiHeadAttention(2, dropout_rate=0.5, deterministic=deterministic, name="attention")(x)
        x = Doubled(4, name="doubled")(x)
        self.sow("losses", "penalty", x.sum())
        x = nn.BatchNorm(name="norm")(x, not deterministic)
        return self.perturb("hidden", x)


def test_bare_parameters_of_a_bound_module_and_a_layer_called_output() -> None:
    signal = np.random.default_rng(2).normal(size=(2, 5, 4)).astype(np.float32)
    variables = Bare().init(jax.random.key(0), signal, deterministic=True)
    bound = FlaxLinen.open(Bare().bind(variables), ModelOptions())
    names = [info.name for info in bound.layers((5, 4))]
    assert names == [
        "output",
        "attention/query",
        "attention/key",
        "attention/value",
        "attention/out",
        "attention",
        "doubled",
        "norm",
        "__call__",
    ]
    dense = nn.Dense(4)
    bare = FlaxLinen.open(dense, ModelOptions(variables=variables["params"]["output"]))
    captured = bare.capture(signal, ["output"])["output"].values
    np.testing.assert_allclose(captured, bound.capture(signal, ["output"])["output"].values, atol=1e-6)
