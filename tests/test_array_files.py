"""Activations captured elsewhere: arrays as layers, rows as inputs."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from explorer.adapters.array_files import ArrayFiles
from explorer.capture.conformance import check_adapter
from explorer.capture.protocol import ModelOptions
from explorer.errors import InputError, LayerError


def opened(path: Path, layout: str = "channels_last") -> ArrayFiles:
    adapter = ArrayFiles.open(path, ModelOptions(layout=layout))
    assert adapter is not None
    return adapter


@pytest.fixture
def arrays() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {
        "block1/conv": rng.normal(size=(4, 6, 5, 3)).astype(np.float32),
        "head": rng.normal(size=(4, 7)).astype(np.float16),
        "labels": np.arange(4),
        "names": np.array(["a", "b", "c", "d"]),
    }


def test_each_fitting_array_of_an_npz_is_a_layer(tmp_path: Path, arrays: dict[str, np.ndarray]) -> None:
    np.savez_compressed(tmp_path / "run.npz", **arrays)
    adapter = opened(tmp_path / "run.npz")
    layers = {info.name: (info.shape, info.dtype) for info in adapter.layers(None)}
    assert layers == {"block1/conv": ((6, 5, 3), "float32"), "head": ((7,), "float16")}
    assert adapter.n_inputs == 4
    captured = adapter.capture(np.array([2, 0]), ["head", "block1/conv"])
    assert np.array_equal(captured["head"].values, arrays["head"][[2, 0]])
    assert np.array_equal(captured["block1/conv"].values, arrays["block1/conv"][[2, 0]])
    check_adapter(adapter, np.arange(4))


def test_an_npy_is_one_layer_that_stays_on_disk(tmp_path: Path, arrays: dict[str, np.ndarray]) -> None:
    values = np.asfortranarray(arrays["block1/conv"])
    np.save(tmp_path / "conv5.npy", values)
    adapter = opened(tmp_path / "conv5.npy")
    assert [info.name for info in adapter.layers((1, 1))] == ["conv5"]
    assert isinstance(adapter._reader.arrays["conv5"], np.memmap)
    assert np.array_equal(adapter.capture(np.arange(4), ["conv5"])["conv5"].values, values)
    check_adapter(adapter, np.arange(4))


def test_channels_first_is_moved_last(tmp_path: Path, arrays: dict[str, np.ndarray]) -> None:
    first = np.moveaxis(arrays["block1/conv"], -1, 1)
    np.savez(tmp_path / "torch.npz", conv=first, head=arrays["head"])
    adapter = opened(tmp_path / "torch.npz", "channels_first")
    assert {info.name: info.shape for info in adapter.layers(None)} == {"conv": (6, 5, 3), "head": (7,)}
    assert np.array_equal(adapter.capture(np.arange(4), ["conv"])["conv"].values, arrays["block1/conv"])
    with pytest.raises(InputError, match="did you mean channels_first"):
        opened(tmp_path / "torch.npz", "channel_first")


def test_the_digest_is_that_of_the_file(tmp_path: Path, arrays: dict[str, np.ndarray]) -> None:
    np.save(tmp_path / "a.npy", arrays["head"])
    expected = hashlib.sha256((tmp_path / "a.npy").read_bytes()).hexdigest()
    assert opened(tmp_path / "a.npy").provenance["digest"] == expected


def test_wrong_rows_and_layers_are_refused(tmp_path: Path, arrays: dict[str, np.ndarray]) -> None:
    np.savez(tmp_path / "run.npz", **arrays)
    adapter = opened(tmp_path / "run.npz")
    for rows in (np.array([4]), np.array([-1]), np.array([0.0]), np.zeros((4, 6, 5, 3))):
        with pytest.raises(InputError, match=r"run\.npz: (rows|its inputs are row numbers)"):
            adapter.capture(rows, ["head"])
    with pytest.raises(LayerError, match="did you mean head"):
        adapter.capture(np.arange(2), ["heads"])


def test_layers_of_different_batches_are_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "run.npz", a=np.zeros((3, 2)), b=np.zeros((4, 2)))
    with pytest.raises(InputError, match=r"run\.npz: .* same number of inputs: a has 3, b has 4"):
        opened(tmp_path / "run.npz")


def test_unusable_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(name: str, pattern: str) -> None:
        with pytest.raises(InputError, match=pattern) as caught:
            opened(tmp_path / name)
        assert "\n" not in str(caught.value)

    refused("none.npy", r"none\.npy: no such file")
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object))
    np.savez(tmp_path / "objects.npz", a=np.array([{}], dtype=object))
    refused("objects.npy", r"objects\.npy: cannot be read")
    refused("objects.npz", r"objects\.npz: .*Python objects")
    np.savez(tmp_path / "labels.npz", labels=np.arange(3))
    refused("labels.npz", r"no array of numbers .* among labels \(3,\) int64")
    np.save(tmp_path / "cut.npy", np.zeros((50, 50)))
    (tmp_path / "cut.npy").write_bytes((tmp_path / "cut.npy").read_bytes()[:5000])
    refused("cut.npy", r"cut\.npy: cannot be read")
    (tmp_path / "text.npz").write_text("hello")
    refused("text.npz", r"text\.npz: cannot be read")
    np.savez_compressed(tmp_path / "bomb.npz", a=np.zeros((2, 1000, 1000), np.float32))
    monkeypatch.setattr("explorer.adapters.limits.available_memory", lambda: 4_000_000)
    bomb = opened(tmp_path / "bomb.npz")
    with pytest.raises(InputError, match=r"bomb\.npz: .* take 0\.0 GB, and 0\.0 GB of memory are free"):
        bomb.capture(np.arange(2), ["a"])


def test_other_sources_are_not_claimed(tmp_path: Path) -> None:
    for source in (tmp_path / "net.onnx", tmp_path, object(), "run.npz"):
        assert ArrayFiles.open(source, ModelOptions()) is None
