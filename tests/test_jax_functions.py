"""Plain JAX functions: values by the names they return, or by operation; layouts; weights; errors."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
import pytest

import explorer
from explorer.adapters.jax_functions import JaxFunction
from explorer.capture.conformance import check_adapter
from explorer.capture.protocol import ModelOptions
from explorer.cli import main
from explorer.errors import CheckpointError, ModelError

Params = dict[str, Any]
HEIGHT, WIDTH = 8, 6


def conv(x: jax.Array, kernel: jax.Array, layout: str = "NHWC") -> jax.Array:
    return jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=(layout, "HWIO", layout))


def net(params: Params, x: jax.Array, layout: str = "NHWC", train: bool = True) -> jax.Array:
    """A residual network: nested jits, a remat, a scope that is entered twice, a loop, a dropout."""
    with jax.named_scope("stem"):
        x = jax.nn.relu(conv(x, params["stem"], layout))
    for kernel in params["blocks"]:
        with jax.named_scope("block"):
            y = jax.checkpoint(lambda x, k: jnp.sin(conv(x, k, layout)))(x, kernel)
        x = x + y
    if train:
        x = jnp.where(jax.random.bernoulli(jax.random.key(0), 0.5, x.shape), x, 0)
    x, _ = jax.lax.scan(lambda carry, _: (0.5 * carry + x, None), x, None, length=3)
    pooled = x.mean((1, 2) if layout == "NHWC" else (2, 3))
    return jax.nn.silu(pooled) @ params["head"]


def by_hand(params: Params, x: Any) -> dict[str, jax.Array]:
    found = {"stem/conv_general_dilated_0": conv(x, params["stem"])}
    found["stem"] = found["stem/relu"] = x = jnp.maximum(found["stem/conv_general_dilated_0"], 0)
    for number, kernel in enumerate(params["blocks"], start=1):
        found[f"block#{number}"] = jnp.sin(conv(x, kernel))
        x = x + found[f"block#{number}"]
    found["scan_0"] = x = 0.125 * x + 1.75 * x
    found["silu"] = x = jax.nn.silu(x.mean((1, 2)))
    found["output"] = x @ params["head"]
    return found


@pytest.fixture(scope="module")
def params() -> Params:
    rng = np.random.default_rng(0)

    def normal(*shape: int) -> np.ndarray:
        return 0.5 * rng.normal(size=shape).astype(np.float32)

    return {
        "stem": normal(3, 3, 2, 4),
        "blocks": [normal(3, 3, 4, 4), normal(3, 3, 4, 4)],
        "head": normal(4, 5),
    }


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(1).normal(size=(3, HEIGHT, WIDTH, 2)).astype(np.float32)


def opened(function: Any, params: Any = None, **chosen: Any) -> JaxFunction:
    adapter = JaxFunction.open(function, ModelOptions(params=params, **chosen))
    assert adapter is not None
    return adapter


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
@pytest.mark.parametrize("is_jitted", [False, True])
def test_operations_are_named_by_scope_and_number(
    params: Params, images: np.ndarray, layout: str, is_jitted: bool
) -> None:
    function = functools.partial(net, layout=layout)
    adapter = opened(jax.jit(function) if is_jitted else function, params)
    infos = {info.name: info for info in adapter.layers((HEIGHT, WIDTH, 2))}
    assert list(infos) == [
        *("stem/conv_general_dilated_0", "stem/relu/max_0", "stem/relu", "stem"),
        *("block/conv_general_dilated_0", "block/sin_0", "block#1", "block#2", "add_0"),
        *("block/conv_general_dilated_1", "block/sin_1", "add_1"),
        *("scan_0", "reduce_sum_0", "div_0"),
        *("silu/logistic_0", "silu/mul_0", "silu", "dot_general_0", "output"),
    ]
    assert infos["stem"].shape == (HEIGHT, WIDTH, 4)
    assert infos["stem/conv_general_dilated_0"].parameters == 72
    assert infos["block#1"].parameters == 288
    assert infos["output"].parameters == 72 + 288 + 20
    assert infos["scan_0"].kind == "scan (inside not followed)"
    assert adapter.notes[-1] == "inside not followed: 1 scan"
    assert ("channels in front" in adapter.notes[0]) == (layout == "NCHW")
    expected = by_hand(params, images)
    for name, activations in adapter.capture(images, list(expected)).items():
        np.testing.assert_allclose(activations.values, expected[name], atol=1e-5, err_msg=name)


def test_it_keeps_the_contract(params: Params, images: np.ndarray) -> None:
    check_adapter(opened(net, params), images)
    check_adapter(opened(jax.vmap(vector_net)), images[:, :, 0])


def vector_net(x: jax.Array) -> jax.Array:
    """One unbatched input: vmap leaves the batch on the second axis of some of its values."""
    return jnp.tanh(jnp.ones((4, 2)) @ (x * jnp.arange(1.0, 9.0)[:, None]).sum(axis=0))


def test_the_batch_is_found_wherever_vmap_has_put_it(images: np.ndarray) -> None:
    signals = images[:, :, 0]
    adapter = opened(jax.vmap(vector_net))
    assert "dot_general_0" in [info.name for info in adapter.layers((HEIGHT, 2))]
    values = adapter.capture(signals, ["dot_general_0"])["dot_general_0"].values
    expected = jax.vmap(lambda x: jnp.ones((4, 2)) @ (x * jnp.arange(1.0, 9.0)[:, None]).sum(0))(signals)
    np.testing.assert_allclose(values, expected, rtol=1e-5)


def test_what_a_function_returns_by_name_are_its_layers(params: Params, images: np.ndarray) -> None:
    def named(params: Params, x: jax.Array) -> tuple[jax.Array, dict[str, Any]]:
        first = conv(jnp.moveaxis(x, -1, 1), params["stem"], "NCHW")
        return first.mean((2, 3)), {"first": first, "deeper": {"pair": (first + 1, first.sum((2, 3)))}}

    adapter = opened(named, params, layout="channels_last")
    infos = adapter.layers((HEIGHT, WIDTH, 2))
    assert [info.name for info in infos] == ["first", "deeper/pair[0]", "deeper/pair[1]", "output"]
    assert [info.shape for info in infos] == [(HEIGHT, WIDTH, 4), (HEIGHT, WIDTH, 4), (4,), (4,)]
    values = adapter.capture(images, ["first"])["first"].values
    np.testing.assert_allclose(values, conv(images, params["stem"]), atol=1e-5)
    alone = opened(lambda x: {"logits": x.mean((1, 2))})
    assert [info.name for info in alone.layers((HEIGHT, WIDTH, 2))] == ["logits"]


def test_an_early_layer_does_not_compute_the_rest(params: Params, images: np.ndarray) -> None:
    adapter = opened(net, params)
    layers = adapter._jit.layers(adapter._params, images.shape[1:])
    function = adapter._jit.compiled((layers["stem"].key,))
    assert function.lower(adapter._params, images).compile().as_text().count("convolution(") == 1


def test_where_nothing_tells_the_layout_it_can_be_said(images: np.ndarray) -> None:
    def scaled(x: jax.Array) -> jax.Array:
        return 2 * x

    as_it_is = opened(scaled).capture(images, ["output"])["output"].values
    np.testing.assert_array_equal(as_it_is, 2 * images)

    def first_row(x: jax.Array) -> jax.Array:
        return 2 * x[..., 0, :]  # of (batch, channels, height, width)

    told = opened(first_row, layout="channels_first").capture(images, ["output"])["output"].values
    np.testing.assert_array_equal(told, 2 * images[:, 0])


def test_params_may_be_in_a_partial_or_not_be_there(params: Params, images: np.ndarray) -> None:
    whole = opened(net, params).capture(images, ["output"])["output"].values
    partial = opened(functools.partial(net, params)).capture(images, ["output"])["output"].values
    np.testing.assert_allclose(partial, whole, atol=1e-6)
    with pytest.raises(ModelError, match="layout = 'nchw': there are: channels_last, channels_first"):
        opened(net, params, layout="nchw")
    with pytest.raises(ModelError, match=r"net\(params, x\): has no weights; give params="):
        opened(net)
    with pytest.raises(ModelError, match="params: act is str, expected arrays only"):
        opened(net, {"act": "relu"})
    with pytest.raises(ModelError, match="does not take an input of shape"):
        opened(net, params).layers((HEIGHT, WIDTH, 7))


def test_nothing_of_the_users_is_modified(params: Params, images: np.ndarray) -> None:
    before = jax.tree.map(np.copy, params)
    adapter = opened(net, params)
    adapter.capture(images, ["stem"])
    jax.tree.map(np.testing.assert_array_equal, params, before)


def test_the_digest_knows_the_weights_wherever_they_are(params: Params) -> None:
    def digest(function: Any, params: Any = None) -> str:
        adapter = opened(function, params)
        adapter.layers((HEIGHT, WIDTH, 2))
        return str(adapter.provenance["digest"])

    other = jax.tree.map(lambda leaf: leaf + 1, params)
    assert digest(net, params) == digest(net, jax.tree.map(jnp.asarray, params)) != digest(net, other)
    closed, closed_other = functools.partial(net, params), functools.partial(net, other)
    assert digest(closed) == digest(functools.partial(net, params)) != digest(closed_other)


FACTORY = """
import numpy as np
from test_jax_functions import net

def make():
    blocks = [np.zeros((3, 3, 4, 4))] * 2
    return net, {"stem": np.zeros((3, 3, 2, 4)), "blocks": blocks, "head": np.zeros((4, 5))}
"""
MODEL = """
[model]
factory = "jax_factory:make"
[checkpoint]
path = "{checkpoint}"
[preprocessing]
size = [8, 6]
channels = "gray"
"""


def test_a_checkpoint_takes_the_place_of_the_factorys_params(
    params: Params, images: np.ndarray, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "jax_factory.py").write_text(FACTORY)
    with ocp.StandardCheckpointer() as saver:
        saver.save(tmp_path / "orbax", params)
    flat = {"stem": params["stem"], "head": params["head"]}
    flat |= {f"blocks/{number}": kernel for number, kernel in enumerate(params["blocks"])}
    np.savez(tmp_path / "net.npz", **flat)
    expected = opened(net, params)
    for checkpoint in ("orbax", "net.npz"):
        (tmp_path / "model.toml").write_text(MODEL.format(checkpoint=checkpoint))
        model = explorer.load_model(tmp_path / "model.toml", input_shape=(HEIGHT, WIDTH, 2))
        assert model.adapter_name == "jax"
        assert model.provenance["digest"] == expected.provenance["digest"]
        values = model.adapter.capture(images, ["block#2"])["block#2"].values
        assert np.array_equal(values, expected.capture(images, ["block#2"])["block#2"].values)
    (tmp_path / "model.toml").write_text(MODEL.format(checkpoint="net.npz").replace("gray", "rgb"))
    assert main(["layers", str(tmp_path / "model.toml")]) == 2
    assert "does not take an input of shape (8, 6, 3)" in capsys.readouterr().err
    np.savez(tmp_path / "net.npz", stem=params["stem"])
    with pytest.raises(CheckpointError, match=r"net.npz: does not fit the model: 3 missing"):
        explorer.load_model(tmp_path / "model.toml")


def test_other_objects_are_not_claimed() -> None:
    for other in (object(), dict, (1, 2), (net, 1, 2), "net"):
        assert JaxFunction.open(other, ModelOptions()) is None
