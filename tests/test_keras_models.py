"""Keras models: nested and shared layers, inference mode, files that are damaged, hostile or of HDF5."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import explorer
from explorer.adapters.keras_models import KerasH5, KerasModel
from explorer.capture.conformance import check_adapter
from explorer.capture.protocol import ModelOptions
from explorer.cli import main
from explorer.errors import CheckpointError, ExplorerError, ModelError

os.environ.setdefault("KERAS_BACKEND", "jax")
keras = pytest.importorskip("keras")
h5py = pytest.importorskip("h5py")
layers = keras.layers

# Keras's own variables, as its own `save` and `get_weights` read them
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

HEIGHT, WIDTH = 8, 6


def residual(features: int, name: str) -> Any:
    """A nested model with a residual sum of its own."""
    given = keras.Input((None, None, features))
    x = layers.Conv2D(features, 3, padding="same", name="conv")(given)
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.Dropout(0.5, name="drop")(x, training=True)
    return keras.Model(given, layers.Add(name="sum")([given, layers.ReLU(name="relu")(x)]), name=name)


def network() -> Any:
    given = keras.Input((HEIGHT, WIDTH, 2))
    x = layers.Conv2D(4, 3, 2, padding="same", name="stem")(given)
    x = residual(4, "block1")(x)
    shared = residual(4, "block2")
    x = shared(shared(x))
    twice = layers.Dense(4, activation="relu", name="twice")
    x = twice(twice(x))
    tokens = layers.Reshape((-1, 4), name="tokens")(x)
    tokens = layers.MultiHeadAttention(2, 2, name="attention")(tokens, tokens)
    return keras.Model(
        given, layers.Dense(3, name="head")(layers.GlobalAveragePooling1D()(tokens)), name="net"
    )


def varied(model: Any) -> Any:
    """The same model with weights that are nowhere zero or one."""
    rng = np.random.default_rng(1)
    model.set_weights([weight + rng.uniform(0.1, 0.4, weight.shape) for weight in model.get_weights()])
    return model


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
from test_keras_models import network

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


def test_hdf5_is_opened_only_by_name(
    model: Any, adapter: KerasModel, images: np.ndarray, tmp_path: Path
) -> None:
    path = tmp_path / "net.h5"
    model.save(path)
    with pytest.raises(ModelError, match=r'net.h5: .* only when asked for by name: adapter = "keras-h5"'):
        explorer.load_model(path)
    loaded = explorer.load_model(path, adapter="keras-h5")
    values = loaded.adapter.capture(images, ["block2#2"])["block2#2"].values
    assert np.array_equal(values, adapter.capture(images, ["block2#2"])["block2#2"].values)
    assert KerasH5.open(tmp_path / "net.keras", ModelOptions()) is None


def rewritten(saved: Path, path: Path, **members: bytes | None) -> Path:
    """The saved file with some members replaced, added or (None) left out."""
    with zipfile.ZipFile(saved) as archive:
        content: dict[str, bytes | None] = {name: archive.read(name) for name in archive.namelist()}
    content |= members
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            if data is not None:
                archive.writestr(name, data)
    return path


def refused(path: Path, pattern: str, adapter: str | None = None) -> None:
    with pytest.raises(ExplorerError, match=pattern) as caught:
        explorer.load_model(path, adapter=adapter)
    assert path.name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_code_in_a_file_is_not_run(tmp_path: Path) -> None:
    keras.Sequential([keras.Input((2,)), layers.Lambda(lambda x: x, name="evil")]).save(
        tmp_path / "net.keras"
    )
    refused(
        tmp_path / "net.keras", "has a Lambda 'evil', which is Python code inside the file and is not run"
    )


@pytest.mark.parametrize(
    ("members", "pattern"),
    [
        ({"config.json": None}, r"has no config\.json"),
        ({"model.weights.h5": None, "model.weights.npz": b""}, r"has no model\.weights\.h5"),
        ({"assets/../../x": b"x"}, r"has assets/\.\./\.\./x, expected config\.json"),
        ({"config.json": b"{"}, r"cannot be read as a \.keras file"),
        ({"config.json": b"[" * 100_000}, r"cannot be read as a \.keras file"),
        ({"config.json": bytes(70 * 2**20)}, r"config\.json unpacks from .* which no model does"),
        ({"model.weights.h5": bytes(70 * 2**20)}, r"model\.weights\.h5 unpacks from .* which no model does"),
        ({"model.weights.h5": b"no HDF5"}, "cannot be read as HDF5"),
        ({"config.json": b'{"module": "keras.utils", "class_name": "get_file"}'}, "no part of a model"),
        (
            {"config.json": b'{"module": "keras.applications", "class_name": "ResNet50"}'},
            "no part of a model",
        ),
        ({"config.json": b'{"module": "os", "class_name": "system", "config": "ls"}'}, "net.keras"),
    ],
)
def test_a_damaged_or_hostile_archive_is_refused(
    saved: Path, tmp_path: Path, members: dict[str, bytes | None], pattern: str
) -> None:
    refused(rewritten(saved, tmp_path / "net.keras", **members), pattern)


def external(file: Any) -> None:
    file["secret"] = h5py.ExternalLink("/etc/hostname", "/")


def soft(file: Any) -> None:
    file["secret"] = h5py.SoftLink("/layers")


def stored_elsewhere(file: Any) -> None:
    file.create_dataset("secret", (10,), np.uint8, external=[("/etc/hostname", 0, 10)])


def virtual(file: Any) -> None:
    layout = h5py.VirtualLayout((10,), np.uint8)
    layout[:] = h5py.VirtualSource("/etc/hostname", "data", (10,))
    file.create_virtual_dataset("secret", layout)


def enormous(file: Any) -> None:
    file.create_dataset("bomb", (10**6, 10**6), np.float32, chunks=(1000, 1000))


def zeros(file: Any) -> None:
    file.create_dataset("bomb", data=np.zeros(2**27, np.uint8), compression="gzip", chunks=(2**27,))


def loop(file: Any) -> None:
    file.create_group("loop")["loop"] = file["/"]


def objects(file: Any) -> None:
    file.attrs["reference"] = file["/"].ref


@pytest.mark.parametrize("harm", [external, soft, stored_elsewhere, virtual, enormous, loop, objects])
def test_hostile_hdf5_is_refused(saved: Path, tmp_path: Path, harm: Callable[[Any], None]) -> None:
    with zipfile.ZipFile(saved) as archive:
        weights = io.BytesIO(archive.read("model.weights.h5"))
    with h5py.File(weights, "r+") as file:
        harm(file)
    path = rewritten(saved, tmp_path / "net.keras", **{"model.weights.h5": weights.getvalue()})
    refused(path, "points elsewhere|in other files|declares|inside itself|is of type")


def test_what_unpacks_to_more_than_memory_is_refused(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with h5py.File(tmp_path / "net.h5", "w") as file:
        zeros(file)
    monkeypatch.setattr("explorer.adapters.keras_files.available_memory", lambda: 2**27)
    refused(tmp_path / "net.h5", "declares arrays of more than 0.1 GB", adapter="keras-h5")


def test_a_file_cut_anywhere_is_refused(saved: Path, tmp_path: Path) -> None:
    whole = saved.read_bytes()
    with zipfile.ZipFile(saved) as archive:
        weights = archive.read("model.weights.h5")
    (tmp_path / "cut.keras").write_bytes(whole[: len(whole) // 2])
    refused(tmp_path / "cut.keras", r"cannot be read as a \.keras file")
    half = {"model.weights.h5": weights[: len(weights) // 2]}
    refused(rewritten(saved, tmp_path / "half.keras", **half), "cannot be read as HDF5")


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


def test_a_config_says_what_it_is_made_of(saved: Path) -> None:
    with zipfile.ZipFile(saved) as archive:
        assert json.loads(archive.read("config.json"))["class_name"] == "Functional"
