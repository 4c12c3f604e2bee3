"""Keras files that are damaged, hostile, or HDF5: refused in one line, or copied clean and loaded."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import explorer
from explorer.adapters.keras_models import KerasH5
from explorer.capture.protocol import ModelOptions
from explorer.errors import ExplorerError, ModelError

keras = pytest.importorskip("keras")
h5py = pytest.importorskip("h5py")
from keras_networks import HEIGHT, WIDTH, layers, network, varied  # noqa: E402

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


def test_hdf5_is_opened_only_by_name(model: Any, saved: Path, tmp_path: Path) -> None:
    path = tmp_path / "net.h5"
    model.save(path)
    with pytest.raises(ModelError, match=r'net.h5: .* only when asked for by name, .*adapter = "keras-h5"'):
        explorer.load_model(path)
    loaded = explorer.load_model(path, adapter="keras-h5")
    images = np.random.default_rng(0).normal(size=(2, HEIGHT, WIDTH, 2)).astype(np.float32)
    values, expected = (
        opened.adapter.capture(images, ["block2#2"])["block2#2"].values
        for opened in (loaded, explorer.load_model(saved))
    )
    assert np.array_equal(values, expected)
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
    file.create_dataset("bomb", data=np.zeros(2**22, np.uint8), compression="gzip", chunks=(2**22,))


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
    monkeypatch.setattr("explorer.adapters.keras_files.available_memory", lambda: 2**22)
    refused(tmp_path / "net.h5", r"declares arrays of more than 0\.0021 GB", adapter="keras-h5")


def test_a_file_cut_anywhere_is_refused(saved: Path, tmp_path: Path) -> None:
    whole = saved.read_bytes()
    with zipfile.ZipFile(saved) as archive:
        weights = archive.read("model.weights.h5")
    (tmp_path / "cut.keras").write_bytes(whole[: len(whole) // 2])
    refused(tmp_path / "cut.keras", r"cannot be read as a \.keras file")
    half = {"model.weights.h5": weights[: len(weights) // 2]}
    refused(rewritten(saved, tmp_path / "half.keras", **half), "cannot be read as HDF5")
