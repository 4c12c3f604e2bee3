"""Haiku functions: their modules, values in inference mode, and where their weights come from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
import pytest
from flax import serialization
from safetensors.numpy import save_file

import explorer
from explorer.adapters.haiku_modules import HaikuFunction
from explorer.capture.conformance import check_adapter
from explorer.capture.protocol import ModelOptions
from explorer.errors import CheckpointError, ModelError

hk = pytest.importorskip("haiku")

HEIGHT, WIDTH = 8, 6


class Block(hk.Module):
    """A residual block that hard-codes the training mode of its normalisation."""

    def __init__(self, name: str | None = None) -> None:
        super().__init__(name=name)
        self.conv = hk.Conv2D(4, 3)
        self.norm = hk.BatchNorm(True, True, 0.9)

    def __call__(self, x: jax.Array) -> jax.Array:
        return x + jax.nn.relu(self.norm(self.conv(x), is_training=True))


class Doubled(hk.Linear):
    """A layer that calls the one it is derived from, which is no second call."""

    def __call__(self, x: jax.Array) -> jax.Array:  # type: ignore[override]
        return 2.0 * super().__call__(x)

    def halved(self, x: jax.Array) -> jax.Array:
        return super().__call__(x) / 2


def network(x: jax.Array, is_training: bool) -> dict[str, jax.Array]:
    x = hk.Conv2D(4, 3, 2, name="stem")(x)
    x = Block("first")(x)
    x = hk.remat(Block("second"))(x)
    twice = hk.Conv2D(4, 1, name="twice")
    x = twice(jax.nn.relu(twice(x)))
    if is_training:
        x = hk.dropout(hk.next_rng_key(), 0.5, x)
    mapped = hk.vmap(hk.Linear(3, name="mapped"), split_rng=False)(x)
    head = Doubled(3, name="head")
    return {"logits": head(mapped.mean((1, 2))), "half": head.halved(mapped.mean((1, 2)))}


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(3, HEIGHT, WIDTH, 2)).astype(np.float32)


@pytest.fixture(scope="module")
def transformed() -> Any:
    return hk.transform_with_state(network)


@pytest.fixture(scope="module")
def weights(transformed: Any, images: np.ndarray) -> tuple[Any, Any]:
    made = transformed.init(jax.random.key(0), images, True)
    rng = np.random.default_rng(1)
    return jax.tree.map(
        lambda leaf: np.asarray(leaf) + rng.uniform(0.1, 0.4, leaf.shape).astype(leaf.dtype), made
    )


@pytest.fixture(scope="module")
def adapter(transformed: Any, weights: Any) -> HaikuFunction:
    return opened((transformed, *weights))


def opened(source: Any, **chosen: Any) -> HaikuFunction:
    adapter = HaikuFunction.open(source, ModelOptions(**chosen))
    assert adapter is not None
    return adapter


def by_hand(params: Any, state: Any, x: Any) -> dict[str, jax.Array]:
    """The same network in plain JAX, in inference mode."""

    def conv(name: str, x: Any, stride: int = 1) -> jax.Array:
        y = jax.lax.conv_general_dilated(
            x, params[name]["w"], (stride, stride), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        return y + params[name]["b"]

    found = {"stem": (x := conv("stem", x, 2))}
    for name in ("first", "second"):
        y = found[f"{name}/~/conv2_d"] = conv(f"{name}/~/conv2_d", x)
        norm, mean, var = (f"{name}/~/batch_norm{end}" for end in ("", "/~/mean_ema", "/~/var_ema"))
        scale = params[norm]["scale"] / np.sqrt(state[var]["average"] + 1e-5)
        y = found[norm] = (y - state[mean]["average"]) * scale + params[norm]["offset"]
        found[name] = x = x + jax.nn.relu(y)
    found["twice#1"] = conv("twice", x)
    found["twice#2"] = conv("twice", jax.nn.relu(found["twice#1"]))
    found["mapped"] = found["twice#2"] @ params["mapped"]["w"] + params["mapped"]["b"]
    plain = found["mapped"].mean((1, 2)) @ params["head"]["w"] + params["head"]["b"]
    return found | {"head": 2 * plain, "head.halved": plain / 2, "output[logits]": 2 * plain}


def test_layers_are_named_as_haiku_names_them(adapter: HaikuFunction) -> None:
    infos = {info.name: info for info in adapter.layers((HEIGHT, WIDTH, 2))}
    block = ("/~/conv2_d", "/~/batch_norm", "")
    assert [name for name in infos if "ema" not in name] == [
        "stem",
        *(f"first{end}" for end in block),
        *(f"second{end}" for end in block),
        *("twice#1", "twice#2", "mapped", "head", "head.halved", "output[half]", "output[logits]"),
    ]
    assert (infos["stem"].kind, infos["stem"].shape, infos["stem"].parameters) == ("Conv2D", (4, 3, 4), 76)
    assert infos["first"].parameters == 3 * 3 * 4 * 4 + 4 + 8
    assert infos["head"].kind == "Doubled"


def test_values_are_those_of_the_network_written_out(
    adapter: HaikuFunction, images: np.ndarray, weights: Any
) -> None:
    expected = by_hand(*weights, images)
    captured = adapter.capture(images, list(expected))
    for name, values in expected.items():
        np.testing.assert_allclose(captured[name].values, values, atol=2e-5, rtol=1e-5, err_msg=name)


def test_it_keeps_the_contract(adapter: HaikuFunction, images: np.ndarray) -> None:
    check_adapter(adapter, images)


def test_channels_in_front_are_put_last(images: np.ndarray) -> None:
    def pair(layout: str) -> Any:
        made = hk.without_apply_rng(
            hk.transform(lambda x: hk.Conv2D(4, 3, data_format=layout, name="conv")(x))
        )
        shape = images if layout == "NHWC" else np.moveaxis(images, -1, 1)
        return made, made.init(jax.random.key(0), shape)

    expected = opened(pair("NHWC")).capture(images, ["conv"])["conv"].values
    found = opened(pair("NCHW")).capture(images, ["conv"])["conv"].values
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert expected.shape == (3, HEIGHT, WIDTH, 4)


def test_an_early_layer_does_not_compute_the_rest(adapter: HaikuFunction, images: np.ndarray) -> None:
    weights = adapter._weights_for(images.shape[1:])
    key = adapter._jit.layers(weights, images.shape[1:])["stem"].key
    lowered = adapter._jit.compiled((key,)).lower(weights, images)
    assert lowered.compile().as_text().count("convolution(") == 1


FACTORY = """
from test_haiku_modules import hk, network

def make():
    return hk.transform_with_state(network)
"""
MODEL = """
[model]
factory = "haiku_factory:make"
[checkpoint]
path = "{checkpoint}"
"""


@pytest.mark.parametrize("name", ["dictionary", "files", "pair", "net.npz", "net.safetensors", "net.msgpack"])
def test_checkpoints_give_the_weights_they_were_saved_from(
    name: str, adapter: HaikuFunction, weights: Any, images: np.ndarray, tmp_path: Path
) -> None:
    tree = {"params": weights[0], "state": weights[1]}
    flat = {
        f"{collection}/{module}/{leaf}": array
        for collection, modules in tree.items()
        for module, arrays in modules.items()
        for leaf, array in arrays.items()
    }
    if name in ("dictionary", "pair"):
        with ocp.StandardCheckpointer() as saver:
            saver.save(tmp_path / name, tree if name == "dictionary" else weights)
    elif name == "files":
        with ocp.Checkpointer(ocp.PyTreeCheckpointHandler(use_ocdbt=False)) as saver:
            saver.save(tmp_path / name, tree)
    elif name == "net.npz":
        np.savez(tmp_path / name, **flat)
    elif name == "net.safetensors":
        save_file({path: np.array(array) for path, array in flat.items()}, tmp_path / name)
    else:
        (tmp_path / name).write_bytes(serialization.to_bytes(tree))
    (tmp_path / "haiku_factory.py").write_text(FACTORY)
    (tmp_path / "model.toml").write_text(MODEL.format(checkpoint=name))
    model = explorer.load_model(tmp_path / "model.toml")
    assert model.adapter_name == "haiku"
    expected = adapter.capture(images, ["second"])["second"].values
    assert np.array_equal(model.adapter.capture(images, ["second"])["second"].values, expected)


def test_weights_in_memory_are_taken_in_every_form(
    transformed: Any, weights: Any, images: np.ndarray
) -> None:
    params, state = weights
    digests = {
        opened((transformed, params, state)).provenance["digest"],
        opened(transformed, variables=(params, state)).provenance["digest"],
        opened(transformed, variables={"params": params, "state": state}).provenance["digest"],
    }
    assert len(digests) == 1
    stateless = hk.transform(lambda x: hk.Linear(3, name="only")(x))
    only = stateless.init(jax.random.key(0), jnp.ones((1, 2)))
    model = explorer.load_model(stateless, params=only)
    values = model.adapter.capture(images[:, 0, 0], ["only"])["only"].values
    np.testing.assert_allclose(values, images[:, 0, 0] @ only["only"]["w"] + only["only"]["b"], atol=1e-5)


def test_errors_say_what_to_do(transformed: Any, weights: Any, images: np.ndarray) -> None:
    with pytest.raises(ModelError, match="has no weights; give params="):
        opened(transformed)
    with pytest.raises(CheckpointError, match=r"6 missing, 0 misshapen, 0 extra of|missing state/"):
        opened((transformed, weights[0])).layers((HEIGHT, WIDTH, 2))
    with pytest.raises(ModelError, match=r"does not take an input of shape .*PRNGKey"):
        opened((transformed, *weights), call={"is_training": True}).layers((HEIGHT, WIDTH, 2))
    assert HaikuFunction.open((network, 1), ModelOptions()) is None
