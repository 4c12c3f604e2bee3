"""Equinox modules: their layers, values in inference mode, checkpoints, and what is computed for them."""

from __future__ import annotations

import io
import json
import struct
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
import pytest

import explorer
from explorer.adapters.equinox_modules import EquinoxModule
from explorer.capture.conformance import check_adapter
from explorer.capture.protocol import Factory, ModelOptions
from explorer.cli import main
from explorer.errors import CheckpointError, LayerError, ModelError

eqx = pytest.importorskip("equinox")

HEIGHT, WIDTH = 8, 6


class Block(eqx.Module):
    conv: eqx.nn.Conv2d
    norm: eqx.nn.BatchNorm
    drop: eqx.nn.Dropout

    def __init__(self, key: jax.Array) -> None:
        self.conv = eqx.nn.Conv2d(4, 4, 3, padding=1, key=key)
        self.norm = eqx.nn.BatchNorm(4, "batch", mode="batch")
        self.drop = eqx.nn.Dropout(0.5)

    def __call__(self, x: jax.Array, state: Any, key: jax.Array) -> tuple[jax.Array, Any]:
        y, state = self.norm(self.conv(x), state)
        return x + self.drop(jax.nn.relu(y), key=key), state


class Net(eqx.Module):
    """A stem, blocks with a state, a jitted layer called twice, tokens through a mapped layer."""

    stem: eqx.nn.Conv2d
    blocks: list[Block]
    twice: Any
    mixer: eqx.nn.MultiheadAttention
    head: eqx.nn.Sequential
    scale: float = 2.0

    def __init__(self, key: jax.Array) -> None:
        keys = jax.random.split(key, 6)
        self.stem = eqx.nn.Conv2d(2, 4, 3, 2, padding=1, key=keys[0])
        self.blocks = [Block(keys[1]), Block(keys[2])]
        self.twice = eqx.nn.Conv2d(4, 4, 1, key=keys[3])
        self.mixer = eqx.nn.MultiheadAttention(2, 4, key=keys[4])
        self.head = eqx.nn.Sequential([eqx.nn.Linear(4, 3, key=keys[5]), eqx.nn.Lambda(jnp.tanh)])

    def __call__(self, x: jax.Array, state: Any, *, key: jax.Array) -> tuple[Any, Any]:
        x = self.stem(x)
        for block in self.blocks:
            x, state = block(x, state, key)
        twice = eqx.filter_jit(self.twice)
        x = twice(jax.nn.relu(twice(x)))
        tokens = x.reshape(4, -1).T
        tokens = eqx.filter_checkpoint(self.mixer)(tokens, tokens, tokens)
        return {"logits": self.pooled(tokens), "tokens": tokens}, state

    def pooled(self, tokens: jax.Array) -> jax.Array:
        return self.scale * jax.vmap(self.head)(tokens).mean(0)


@pytest.fixture(scope="module")
def pair() -> tuple[Net, Any]:
    module, state = eqx.nn.make_with_state(Net)(key=jax.random.key(0))
    rng = np.random.default_rng(3)

    def varied(leaf: Any) -> Any:
        is_float = eqx.is_inexact_array(leaf)
        return leaf + jnp.asarray(rng.uniform(0, 0.5, leaf.shape), leaf.dtype) if is_float else leaf

    return jax.tree.map(varied, module), jax.tree.map(varied, state)


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(3, HEIGHT, WIDTH, 2)).astype(np.float32)


@pytest.fixture(scope="module")
def adapter(pair: tuple[Net, Any]) -> EquinoxModule:
    return opened(pair)


def opened(source: Any, **chosen: Any) -> EquinoxModule:
    adapter = EquinoxModule.open(source, ModelOptions(**chosen))
    assert adapter is not None
    return adapter


def by_hand(pair: tuple[Net, Any], images: np.ndarray) -> dict[str, np.ndarray]:
    """Equinox's own answers, one layer called after the other, channels put last."""
    module, state = eqx.nn.inference_mode(pair[0]), pair[1]

    def one(x: jax.Array) -> dict[str, jax.Array]:
        found = {"stem": (x := module.stem(x))}
        for number, block in enumerate(module.blocks):
            found[f"blocks/{number}/conv"] = block.conv(x)
            found[f"blocks/{number}/norm"] = y = block.norm(found[f"blocks/{number}/conv"], state)[0]
            found[f"blocks/{number}"] = x = x + jax.nn.relu(y)
        found["twice#1"] = module.twice(x)
        found["twice#2"] = x = module.twice(jax.nn.relu(found["twice#1"]))
        found = {name: jnp.moveaxis(value, 0, -1) for name, value in found.items()}
        tokens = x.reshape(4, -1).T
        found["mixer/query_proj"] = jax.vmap(module.mixer.query_proj)(tokens)
        found["mixer"] = found["output[tokens]"] = tokens = module.mixer(tokens, tokens, tokens)
        found["head/layers/0"] = jax.vmap(module.head.layers[0])(tokens)
        found["head"] = jax.vmap(module.head)(tokens)
        found["pooled"] = found["output[logits]"] = 2.0 * found["head"].mean(0)
        return found

    found = {name: np.asarray(value) for name, value in jax.vmap(one)(np.moveaxis(images, -1, 1)).items()}
    return {name: value.reshape(3, 4, 3, -1) if value.ndim == 3 else value for name, value in found.items()}


def test_layers_are_named_by_path_in_the_order_they_answer(adapter: EquinoxModule) -> None:
    infos = {info.name: info for info in adapter.layers((HEIGHT, WIDTH, 2))}
    assert list(infos) == [
        "stem",
        *(f"blocks/0{end}" for end in ("/conv", "/norm", "/drop", "")),
        *(f"blocks/1{end}" for end in ("/conv", "/norm", "/drop", "")),
        *("twice#1", "twice#2"),
        *(f"mixer/{name}_proj" for name in ("query", "key", "value")),
        *("mixer/dropout", "mixer/output_proj", "mixer", "head/layers/0", "head/layers/1", "head", "pooled"),
        *("output[logits]", "output[tokens]"),
    ]
    assert (infos["stem"].kind, infos["stem"].shape, infos["stem"].parameters) == ("Conv2d", (4, 3, 4), 76)
    assert infos["blocks/1"].parameters == 4 * 4 * 9 + 4 + 8
    assert infos["mixer/query_proj"].shape == (4, 3, 4)  # tokens lie where their positions do
    assert infos["pooled"].shape == (3,)


def test_values_are_those_of_the_layers_called_by_hand(
    adapter: EquinoxModule, pair: tuple[Net, Any], images: np.ndarray
) -> None:
    expected = by_hand(pair, images)
    captured = adapter.capture(images, list(expected))
    for name, values in expected.items():
        assert captured[name].values.shape == values.shape, name
        np.testing.assert_allclose(captured[name].values, values, atol=1e-5, rtol=1e-5, err_msg=name)


def test_it_keeps_the_contract(adapter: EquinoxModule, images: np.ndarray) -> None:
    check_adapter(adapter, images)


def test_nothing_of_the_users_is_modified(pair: tuple[Net, Any], images: np.ndarray) -> None:
    before = jax.tree.map(lambda leaf: leaf, pair)
    opened(pair).capture(images, ["stem"])
    assert eqx.tree_equal(before, pair)
    assert type(pair[0]) is Net
    assert pair[0].blocks[0].drop.inference is False


def test_an_early_layer_does_not_compute_the_rest(adapter: EquinoxModule, images: np.ndarray) -> None:
    key = adapter._jit.layers(adapter._weights, images.shape[1:])["stem"].key
    lowered = adapter._jit.compiled((key,)).lower(adapter._weights, images)
    assert lowered.compile().as_text().count("convolution(") == 1


def test_names_may_be_written_with_dots_and_brackets(pair: tuple[Net, Any], images: np.ndarray) -> None:
    model = explorer.load_model(pair, input_shape=(HEIGHT, WIDTH, 2))
    for name in ("blocks.0.conv", "blocks[0].conv", "blocks/0/conv"):
        assert [info.name for info in model.find_layers([name])] == ["blocks/0/conv"]
        assert list(model.adapter.capture(images, [name])) == [name]
    with pytest.raises(LayerError, match="did you mean stem"):
        model.find_layers(["stemm"])


def test_vectors_and_tokens_are_told_from_images() -> None:
    class Tokens(eqx.Module):
        linear: eqx.nn.Linear

        def __call__(self, x: jax.Array) -> jax.Array:
            return jax.vmap(self.linear)(x)

    linear = eqx.nn.Linear(5, 3, key=jax.random.key(0))
    rows = np.random.default_rng(0).normal(size=(4, 7, 5)).astype(np.float32)
    expected = rows @ np.asarray(linear.weight).T + np.asarray(linear.bias)
    tokens = opened(Tokens(linear)).capture(rows, ["linear", "output"])
    np.testing.assert_allclose(tokens["linear"].values, expected, atol=1e-5)
    np.testing.assert_allclose(tokens["output"].values, expected, atol=1e-5)
    vectors = opened(linear).capture(rows[:, 0], ["output"])["output"].values
    np.testing.assert_allclose(vectors, expected[:, 0], atol=1e-5)


def test_layers_inside_a_loop_are_said_to_be_left_out() -> None:
    class Repeated(eqx.Module):
        linear: eqx.nn.Linear

        def __call__(self, x: jax.Array) -> jax.Array:
            return jax.lax.scan(lambda carry, _: (self.linear(carry), None), x, None, length=3)[0]

    adapter = opened(Repeated(eqx.nn.Linear(4, 4, key=jax.random.key(0))))
    assert [info.name for info in adapter.layers((4,))] == ["output"]
    assert adapter.notes == (
        "inside not followed: 1 scan",
        "layers in there, not listed: linear",
    )


MODEL = """
[model]
factory = "test_equinox_modules:Net"
[checkpoint]
path = "{checkpoint}"
[preprocessing]
size = [8, 6]
channels = "rgb"
"""


def test_checkpoints_give_the_weights_they_were_saved_from(
    adapter: EquinoxModule, pair: tuple[Net, Any], images: np.ndarray, tmp_path: Path
) -> None:
    eqx.tree_serialise_leaves(tmp_path / "pair.eqx", pair)
    with (tmp_path / "header.eqx").open("wb") as file:
        file.write(json.dumps({"width": 4}).encode() + b"\n")
        eqx.tree_serialise_leaves(file, pair)
    arrays = eqx.filter(pair, eqx.is_array)
    with ocp.StandardCheckpointer() as saver:
        saver.save(tmp_path / "orbax", arrays)
    expected = adapter.capture(images, ["blocks/1"])["blocks/1"].values
    for name in ("pair.eqx", "header.eqx", "orbax"):
        (tmp_path / "model.toml").write_text(MODEL.format(checkpoint=name))
        model = explorer.load_model(tmp_path / "model.toml")
        assert model.adapter_name == "equinox"
        assert model.provenance["digest"] == adapter.provenance["digest"], name
        assert np.array_equal(model.adapter.capture(images, ["blocks/1"])["blocks/1"].values, expected)


def test_a_file_of_the_module_alone_leaves_the_state(pair: tuple[Net, Any], tmp_path: Path) -> None:
    eqx.tree_serialise_leaves(tmp_path / "module.eqx", pair[0])
    fresh = eqx.nn.make_with_state(Net)(key=jax.random.key(1))
    loaded = opened(fresh, checkpoint=tmp_path / "module.eqx")
    assert loaded.provenance["digest"] == opened((pair[0], fresh[1])).provenance["digest"]


def test_half_precision_comes_back_from_a_file(tmp_path: Path) -> None:
    module = eqx.nn.Linear(3, 2, dtype=jnp.bfloat16, key=jax.random.key(0))
    eqx.tree_serialise_leaves(tmp_path / "half.eqx", module)
    other = eqx.nn.Linear(3, 2, dtype=jnp.bfloat16, key=jax.random.key(1))
    loaded = opened(other, checkpoint=tmp_path / "half.eqx")
    assert loaded.provenance["digest"] == opened(module).provenance["digest"]


def npy(shape: tuple[int, ...], descr: str = "<f4", data: bytes = b"") -> bytes:
    header = repr({"descr": descr, "fortran_order": False, "shape": shape}).encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header) + 1) + header + b"\n" + data


@pytest.mark.parametrize(
    ("content", "pattern"),
    [
        (npy((2**40, 2**20)), "beyond the end of the file"),
        (npy((1,), "|O", bytes(8)), "holds Python objects"),
        (npy((2, 3), data=bytes(24)), "has 1 leaves, the model 2"),
        (npy((3, 2), data=bytes(24)) + npy((2,), data=bytes(8)), r"array 0 has shape \(3, 2\)"),
        (b"hello\n", "cannot be read as eqx"),
        (npy((2, 3), data=bytes(24)) + npy((2,), data=bytes(7)), "beyond the end"),
    ],
)
def test_a_damaged_or_hostile_file_is_refused(tmp_path: Path, content: bytes, pattern: str) -> None:
    (tmp_path / "net.eqx").write_bytes(content)
    linear = eqx.nn.Linear(3, 2, key=jax.random.key(0))
    with pytest.raises(CheckpointError, match=pattern) as caught:
        opened(linear, checkpoint=tmp_path / "net.eqx")
    assert "net.eqx" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_errors_say_what_to_do(
    pair: tuple[Net, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ModelError, match="has no weights; give checkpoint="):
        EquinoxModule.open(Factory(Net, {}, "x:Net"), ModelOptions())
    with pytest.raises(ModelError, match="does not take an input of shape"):
        opened(pair).layers((HEIGHT, WIDTH, 3))
    (tmp_path / "model.toml").write_text(MODEL.format(checkpoint="none.eqx"))
    assert main(["layers", str(tmp_path / "model.toml")]) == 2
    assert "none.eqx: no such file" in capsys.readouterr().err
    assert EquinoxModule.open(io.BytesIO(), ModelOptions()) is None
    assert EquinoxModule.open(Net, ModelOptions()) is None
