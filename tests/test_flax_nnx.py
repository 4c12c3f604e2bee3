"""NNX models: their layers, values in evaluation mode, and factories that want random keys."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from explorer.adapters.flax_nnx import FlaxNNX
from explorer.capture.conformance import check_adapter
from explorer.capture.protocol import Factory, ModelOptions
from explorer.errors import CheckpointError, LayerError, ModelError


class Residual(nnx.Module):
    """A residual block that hard-codes the training mode of its layers."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        self.conv = nnx.Conv(4, 4, (3, 3), rngs=rngs)
        self.norm = nnx.BatchNorm(4, rngs=rngs)
        self.drop = nnx.Dropout(0.5, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        y = self.norm(self.conv(x), use_running_average=False)
        return x + self.positive(self.drop(y, deterministic=False))

    @staticmethod
    def positive(x: jax.Array) -> jax.Array:
        return nnx.relu(x)


class Inherited(Residual):
    """A block whose call is another class's."""


class Net(nnx.Module):
    """A stem, a list of blocks, one of them rematerialised, and a layer that is used twice."""

    def __init__(self, width: int = 4, *, rngs: nnx.Rngs) -> None:
        self.stem = nnx.Conv(2, width, (3, 3), (2, 2), rngs=rngs)
        self.blocks = nnx.List([Residual(rngs), Inherited(rngs)])
        self.twice = nnx.Conv(4, 4, (1, 1), rngs=rngs)
        self.head = nnx.Linear(4, 3, rngs=rngs)
        self.shift = jnp.full(4, 0.5)
        self.key = jax.random.key(0)

    def __call__(self, x: jax.Array, train: bool = True) -> tuple[jax.Array, jax.Array]:
        x = self.blocks[0](self.stem(x))
        x = nnx.remat(lambda block, x: block(x))(self.blocks[1], x)
        x = self.twice(nnx.relu(self.twice(x))) + self.shift
        self.sow(nnx.Intermediate, "features", x)
        return self.pooled(x), jnp.max(x)

    def pooled(self, x: jax.Array) -> jax.Array:
        return self.head(x.mean(axis=(1, 2)))


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(3, 8, 8, 2)).astype(np.float32)


@pytest.fixture(scope="module")
def module() -> Net:
    made = Net(rngs=nnx.Rngs(0))
    rng = np.random.default_rng(1)
    for _, part in nnx.iter_modules(made):
        if isinstance(part, nnx.BatchNorm):
            part.mean[...] = rng.normal(size=4)
            part.var[...] = rng.uniform(0.5, 2.0, size=4)
    return made


@pytest.fixture(scope="module")
def adapter(module: Net) -> FlaxNNX:
    opened = FlaxNNX.open(module, ModelOptions())
    assert opened is not None
    return opened


def conv(x: jax.Array, layer: nnx.Conv, stride: int = 1) -> jax.Array:
    numbers = ("NHWC", "HWIO", "NHWC")
    y = jax.lax.conv_general_dilated(
        x, layer.kernel[...], (stride, stride), "SAME", dimension_numbers=numbers
    )
    return y + layer.bias[...]


def norm(x: jax.Array, layer: nnx.BatchNorm) -> jax.Array:
    scaled = (x - layer.mean[...]) / np.sqrt(layer.var[...] + 1e-5)
    return scaled * layer.scale[...] + layer.bias[...]


def by_hand(x: Any, net: Net) -> dict[str, jax.Array]:
    """The same network in plain JAX, in evaluation mode."""
    found = {"stem": (x := conv(x, net.stem, 2))}
    for number, block in enumerate(net.blocks):
        found[f"blocks/{number}/norm"] = y = norm(conv(x, block.conv), block.norm)
        found[f"blocks/{number}"] = x = x + jax.nn.relu(y)
    found["twice#1"] = conv(x, net.twice)
    found["twice#2"] = conv(jax.nn.relu(found["twice#1"]), net.twice)
    found["features"] = found["twice#2"] + 0.5
    found["output[0]"] = found["features"].mean((1, 2)) @ net.head.kernel[...] + net.head.bias[...]
    return found


def test_layers_are_named_by_path_in_the_order_they_answer(adapter: FlaxNNX) -> None:
    infos = adapter.layers((8, 8, 2))
    assert [info.name for info in infos] == [
        "stem",
        *(f"blocks/0{end}" for end in ("/conv", "/norm", "/drop", "")),
        *(f"blocks/1{end}" for end in ("/conv", "/norm", "/drop", "")),
        "twice#1",
        "twice#2",
        "features",
        "head",
        "pooled",
        "output[0]",
    ]
    known = {info.name: info for info in infos}
    assert (known["stem"].kind, known["stem"].shape, known["stem"].parameters) == ("Conv", (4, 4, 4), 76)
    assert (known["blocks/1"].kind, known["blocks/1"].parameters) == ("Inherited", 148 + 8)


def test_values_are_those_of_the_network_written_out(
    adapter: FlaxNNX, images: np.ndarray, module: Net
) -> None:
    expected = by_hand(images, module)
    captured = adapter.capture(images, list(expected))
    for name, values in expected.items():
        np.testing.assert_allclose(captured[name].values, values, atol=1e-5, rtol=1e-5, err_msg=name)


def test_it_keeps_the_contract(adapter: FlaxNNX, images: np.ndarray) -> None:
    check_adapter(adapter, images)


def test_nothing_of_the_users_is_modified(images: np.ndarray, module: Net) -> None:
    before = jax.tree.map(np.copy, nnx.to_pure_dict(nnx.state(module, (nnx.Param, nnx.BatchStat))))
    graph = nnx.graphdef(module)
    FlaxNNX.open(module, ModelOptions()).capture(images, ["stem"])
    assert nnx.graphdef(module) == graph
    assert type(module) is Net
    assert not module.blocks[0].drop.deterministic
    assert not hasattr(Residual.__call__, "__wrapped__")
    after = nnx.to_pure_dict(nnx.state(module, (nnx.Param, nnx.BatchStat)))
    jax.tree.map(np.testing.assert_array_equal, after, before)


def test_later_training_does_not_change_what_was_opened(images: np.ndarray) -> None:
    module = Net(rngs=nnx.Rngs(0))
    opened = FlaxNNX.open(module, ModelOptions())
    first = opened.capture(images, ["stem"])["stem"].values
    module.stem.kernel[...] += 1.0
    assert np.array_equal(opened.capture(images, ["stem"])["stem"].values, first)


def test_an_early_layer_does_not_compute_the_rest(adapter: FlaxNNX, images: np.ndarray) -> None:
    key = adapter._jit.layers(adapter._state, (8, 8, 2))["stem"].key
    early = adapter._jit.compiled((key,)).lower(adapter._state, images).compile()
    assert early.as_text().count("convolution(") == 1


def test_a_factory_is_given_random_keys_and_the_weights(images: np.ndarray, module: Net) -> None:
    made = FlaxNNX.open(Factory(Net, {"width": 4}, "nets:Net"), ModelOptions(variables=nnx.state(module)))
    pure = nnx.to_pure_dict(nnx.state(module, nnx.Param, nnx.BatchStat)[0])
    pure |= {"blocks": nnx.to_pure_dict(nnx.state(module))["blocks"]}
    again = FlaxNNX.open(Factory(lambda rngs: Net(rngs=rngs), {}, "nets:make"), ModelOptions(variables=pure))
    digests = {opened.provenance["digest"] for opened in (made, again, FlaxNNX.open(module, ModelOptions()))}
    assert len(digests) == 1
    expected = by_hand(images, module)["blocks/0"]
    np.testing.assert_allclose(
        made.capture(images, ["blocks/0"])["blocks/0"].values, expected, atol=1e-5, rtol=1e-5
    )


def test_errors_are_one_line_and_say_what_to_do(adapter: FlaxNNX, images: np.ndarray, tmp_path: Path) -> None:
    factory = Factory(Net, {}, "nets:Net")
    with pytest.raises(ModelError, match="nets:Net: has no weights; give variables= or checkpoint="):
        FlaxNNX.open(factory, ModelOptions())
    np.savez(tmp_path / "half.npz", **{"stem.kernel": np.zeros((3, 3, 2, 5)), "stem.bias": np.zeros(4)})
    with pytest.raises(CheckpointError, match=r"half.npz: .*16 missing, 1 misshapen, 0 extra of 18"):
        FlaxNNX.open(factory, ModelOptions(checkpoint=tmp_path / "half.npz"))
    with pytest.raises(ModelError, match="input_shape="):
        adapter.layers(None)
    with pytest.raises(ModelError, match="does not take an input of shape"):
        adapter.layers((8, 8, 7))
    with pytest.raises(LayerError, match="did you mean"):
        adapter.capture(images, ["block/0"])
    with pytest.raises(ModelError, match=r"no nnx\.Module"):
        FlaxNNX.open(Factory(lambda rngs: 3, {}, "nets:three"), ModelOptions(variables={}))
    with pytest.raises(ModelError, match=r"nets:Net: TypeError: .*depth"):
        FlaxNNX.open(Factory(Net, {"depth": 3}, "nets:Net"), ModelOptions(variables={}))


def test_other_objects_are_not_claimed() -> None:
    assert FlaxNNX.open(object(), ModelOptions()) is None
    assert FlaxNNX.open(Factory(lambda width: width, {"width": 3}, "nets:three"), ModelOptions()) is None
    assert FlaxNNX.open(Factory(dict, {}, "builtins:dict"), ModelOptions()) is None
