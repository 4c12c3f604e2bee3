"""Keras models: nested and shared layers, inference mode, layouts, checkpoints."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import explorer
from explorer.adapters.keras_models import KerasModel
from explorer.capture.conformance import check_adapter
from explorer.capture.protocol import ModelOptions
from explorer.cli import main
from explorer.errors import CheckpointError, ModelError

keras = pytest.importorskip("keras")
pytest.importorskip("h5py")
from keras_networks import HEIGHT, WIDTH, layers, network, residual, varied  # noqa: E402

# Keras's own variables, as its own `save` and `get_weights` read them
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture(scope="module")
def model() -> Any:
    return varied(network())


@pytest.fixture(scope="module")
def saved(model: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("saved") / "net.keras"
    model.save(path)
    return path


@pytest.fixture(scope="module")
def adapter(saved: Path) -> KerasModel:
    return opened(saved)


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(3, HEIGHT, WIDTH, 2)).astype(np.float32)


def opened(source: Any, **chosen: Any) -> KerasModel:
    adapter = KerasModel.open(source, ModelOptions(**chosen))
    assert adapter is not None
    return adapter


def by_hand(model: Any, images: np.ndarray) -> dict[str, Any]:
    """Keras's own answers, one layer called after the other."""
    found = {"stem": (x := model.get_layer("stem")(images))}
    for name, block in (("block1", "block1"), ("block2#1", "block2"), ("block2#2", "block2")):
        inner, (stem, _, end) = model.get_layer(block), name.partition("#")
        y = found[f"{stem}/conv{_}{end}"] = inner.get_layer("conv")(x)
        y = found[f"{stem}/norm{_}{end}"] = inner.get_layer("norm")(y, training=False)
        x = found[name] = found[f"{stem}/sum{_}{end}"] = x + keras.ops.relu(y)
    for name in ("twice#1", "twice#2"):
        x = found[name] = model.get_layer("twice")(x)
    tokens = keras.ops.reshape(x, (len(images), -1, 4))
    tokens = found["attention"] = model.get_layer("attention")(tokens, tokens)
    found["head"] = found["output"] = model.get_layer("head")(keras.ops.mean(tokens, axis=1))
    grids = {"attention": (3, 4, 3, 4), "head": (3, 3)}
    return {name: np.reshape(value, grids.get(name, value.shape)) for name, value in found.items()}


def test_layers_are_named_by_path_in_the_order_they_answer(adapter: KerasModel) -> None:
    infos = {info.name: info for info in adapter.layers(None)}
    inner = ("conv", "norm", "drop", "relu", "sum")
    assert list(infos)[:7] == ["stem", *(f"block1/{name}" for name in inner), "block1"]
    assert {f"block2/{name}#{call}" for name in inner for call in (1, 2)} < set(infos)
    assert {"block2#1", "block2#2", "twice#1", "twice#2", "tokens", "attention/query", "head"} < set(infos)
    assert list(infos)[-1] == "output"
    assert (infos["stem"].kind, infos["stem"].shape, infos["stem"].parameters) == ("Conv2D", (4, 3, 4), 76)
    assert infos["block1"].parameters == infos["block2#2"].parameters == 4 * 4 * 9 + 4 + 8
    assert infos["attention"].shape == (4, 3, 4)  # tokens lie where their positions do


def test_values_are_those_of_the_layers_called_by_hand(
    adapter: KerasModel, model: Any, images: np.ndarray
) -> None:
    expected = by_hand(model, images)
    captured = adapter.capture(images, list(expected))
    for name, values in expected.items():
        np.testing.assert_allclose(captured[name].values, values, atol=2e-5, rtol=1e-5, err_msg=name)


def test_it_keeps_the_contract(adapter: KerasModel, images: np.ndarray) -> None:
    check_adapter(adapter, images)


def test_channels_in_front_are_put_last(images: np.ndarray) -> None:
    def made(data_format: str) -> Any:
        shape = (None, None, 2) if data_format == "channels_last" else (2, None, None)
        chosen = {"data_format": data_format}
        return keras.Sequential(
            [
                keras.Input(shape),
                layers.Conv2D(4, 3, padding="same", name="conv", **chosen),
                layers.BatchNormalization(axis=-1 if data_format == "channels_last" else 1, name="norm"),
                layers.AveragePooling2D(2, name="pool", **chosen),
                layers.GlobalAveragePooling2D(name="vector", **chosen),
            ]
        )

    names = ["conv", "norm", "pool", "vector"]
    last, first = varied(made("channels_last")), made("channels_first")
    first.set_weights(last.get_weights())
    expected = opened(last).capture(images, names)
    found = opened(first).capture(images, names)
    assert expected["pool"].values.shape == (3, 4, 3, 4)
    for name in names:
        np.testing.assert_allclose(found[name].values, expected[name].values, atol=1e-5, err_msg=name)


class Written(keras.Model):
    """A subclass that calls its layers itself, and one of them twice."""

    def __init__(self) -> None:
        super().__init__(name="written")
        self.first = layers.Conv2D(4, 3, padding="same", name="first")
        self.again = layers.Conv2D(4, 1, name="again")
        self.drop = layers.Dropout(0.5, name="drop")

    def call(self, x: Any) -> Any:
        x = self.again(self.again(self.first(x)))
        return {"map": self.drop(x, training=True), "mean": keras.ops.mean(x, axis=(1, 2))}


def test_a_subclass_in_memory_is_captured_from_and_not_modified(images: np.ndarray) -> None:
    model = Written()
    with pytest.raises(ModelError, match="written: has no weights yet; call it once"):
        opened(model)
    expected = np.asarray(model.again(model.again(model.first(images))))
    model(images)
    calls = (layers.Layer.__call__, keras.Operation.__call__)
    before = model.get_weights()
    adapter = opened(model)
    captured = adapter.capture(images, ["again#2", "drop", "output[map]"])
    for activations in captured.values():
        np.testing.assert_allclose(activations.values, expected, atol=1e-5)
    assert (layers.Layer.__call__, keras.Operation.__call__) == calls
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    check_adapter(adapter, images)


def test_an_early_layer_does_not_compute_the_rest(adapter: KerasModel, images: np.ndarray) -> None:
    key = adapter._jit.layers(adapter._weights, images.shape[1:])["stem"].key
    lowered = adapter._jit.compiled((key,)).lower(adapter._weights, images)
    assert lowered.compile().as_text().count("convolution(") == 1


FACTORY = """
from keras_networks import network

def make():
    return network()
"""


def test_a_factorys_model_takes_the_weights_of_a_checkpoint(
    model: Any, saved: Path, adapter: KerasModel, tmp_path: Path
) -> None:
    (tmp_path / "keras_factory.py").write_text(FACTORY)
    model.save_weights(tmp_path / "net.weights.h5")
    for checkpoint in ("net.weights.h5", saved):
        text = f'[model]\nfactory = "keras_factory:make"\n[checkpoint]\npath = "{checkpoint}"\n'
        (tmp_path / "model.toml").write_text(text)
        loaded = explorer.load_model(tmp_path / "model.toml")
        assert loaded.adapter_name == "keras"
        assert loaded.provenance["digest"] == adapter.provenance["digest"]
    with pytest.raises(CheckpointError, match=r"net.keras: does not fit the model"):
        opened(varied(residual(4, "other")), checkpoint=saved)


def test_the_command_line_lists_a_file(saved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["layers", str(saved)]) == 0
    assert "block2/conv#2" in capsys.readouterr().out


def test_another_backend_is_said_in_one_line(saved: Path) -> None:
    code = (
        "import keras, explorer\n"
        f"try: explorer.load_model({str(saved)!r})\n"
        "except explorer.ModelError as error: print(error)"
    )
    variables = os.environ | {"KERAS_BACKEND": "numpy"}
    said = subprocess.check_output([sys.executable, "-c", code], text=True, env=variables)
    assert "keras was imported with the backend numpy; set KERAS_BACKEND=jax" in said


def test_more_inputs_than_one_are_refused() -> None:
    given = [keras.Input((2,), name="left"), keras.Input((2,), name="right")]
    with pytest.raises(ModelError, match=r"takes 2 inputs \(left, right\), expected one"):
        opened(keras.Model(given, layers.Add()(given), name="two"))
