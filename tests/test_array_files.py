"""Activations captured elsewhere: arrays as layers, rows as inputs."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

import explorer
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


def zarr_written(path: Path, arrays: dict[str, np.ndarray], *, group: bool = True) -> Path:
    ts = pytest.importorskip("tensorstore")
    for name, values in arrays.items():
        where = path / name if group else path
        spec = {"driver": "zarr3", "kvstore": {"driver": "file", "path": f"{where}/"}}
        spec["metadata"] = {
            "shape": values.shape,
            "data_type": values.dtype.name,
            "chunk_grid": {
                "name": "regular",
                "configuration": {"chunk_shape": [2, *values.shape[1:]]},
            },
            "codecs": [{"name": "bytes"}, {"name": "gzip"}],
        }
        ts.open(spec, create=True).result().write(values).result()
    if group:
        (path / "zarr.json").write_text('{"zarr_format": 3, "node_type": "group"}')
    return path


def test_a_zarr_group_is_layers_and_metadata(tmp_path: Path, arrays: dict[str, np.ndarray]) -> None:
    given = {name: arrays[name] for name in ("block1/conv", "head", "labels")}
    folder = zarr_written(tmp_path / "run.zarr", {**given, "depth": np.array([0.5, np.nan, 1.5, 2.0])})
    (folder / "block1" / "zarr.json").write_text('{"zarr_format": 3, "node_type": "group"}')
    adapter = opened(folder)
    assert {info.name: info.shape for info in adapter.layers(None)} == {
        "block1/conv": (6, 5, 3),
        "head": (7,),
    }
    assert adapter.labels == ("0", "1", "2", "3")
    assert adapter.metadata == {"depth": [0.5, None, 1.5, 2.0]}
    captured = adapter.capture(np.array([3, 0]), ["block1/conv", "head"])
    assert np.array_equal(captured["block1/conv"].values, given["block1/conv"][[3, 0]])
    assert np.array_equal(captured["head"].values, given["head"][[3, 0]])
    check_adapter(adapter, np.arange(4))


def test_a_zarr_array_is_one_layer(tmp_path: Path, arrays: dict[str, np.ndarray]) -> None:
    folder = zarr_written(tmp_path / "conv5.zarr", {"": arrays["block1/conv"]}, group=False)
    adapter = opened(folder)
    assert [info.name for info in adapter.layers(None)] == ["conv5"]
    assert np.array_equal(adapter.capture(np.arange(4), ["conv5"])["conv5"].values, arrays["block1/conv"])
    before = adapter.provenance["digest"]
    chunk = folder / "c" / "0" / "0" / "0" / "0"
    chunk.write_bytes(chunk.read_bytes()[:-5])
    assert opened(folder).provenance["digest"] != before
    with pytest.raises(InputError, match=r"conv5\.zarr: cannot be read") as caught:
        opened(folder).capture(np.arange(4), ["conv5"])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"zarr_format": 2}, "zarr_format 2, expected 3"),
        ({"shape": [4, 10**7, 10**7]}, "memory are free"),
        ({"shape": [-4, 7]}, r"shape \[-4, 7\]"),
        ({"shape": "x"}, "shape x"),
        ({"data_type": "complex64"}, "no array of numbers"),
        ({"codecs": [{"name": "nonsense"}]}, "cannot be read"),
        ({"chunk_grid": {}}, "cannot be read"),
    ],
)
def test_a_hostile_zarr_is_one_line(
    tmp_path: Path, arrays: dict[str, np.ndarray], change: dict, words: str
) -> None:
    folder = zarr_written(tmp_path / "head.zarr", {"": arrays["head"]}, group=False)
    node = json.loads((folder / "zarr.json").read_text())
    if "shape" in change and len(change["shape"]) == 3:
        node["chunk_grid"]["configuration"]["chunk_shape"] = [1, 10**7, 10**7]
    (folder / "zarr.json").write_text(json.dumps({**node, **change}))
    with pytest.raises(InputError, match=rf"head\.zarr: .*{words}") as caught:
        opened(folder).capture(np.arange(4), ["head"])
    assert "\n" not in str(caught.value)


def test_zarr_of_version_2_is_named(tmp_path: Path) -> None:
    (tmp_path / "old.zarr").mkdir()
    (tmp_path / "old.zarr" / ".zarray").write_text("{}")
    with pytest.raises(InputError, match="zarr of version 2, expected version 3"):
        opened(tmp_path / "old.zarr")


def test_columns_of_vectors_are_layers_and_others_metadata(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as parquet

    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(6, 5)).astype(np.float32)
    table = pa.table(
        {
            "name": [f"row {n}" for n in range(6)],
            "label": ["x", "y"] * 3,
            "embedding": pa.array(list(vectors), pa.list_(pa.float32())),
            "fixed": pa.FixedSizeListArray.from_arrays(pa.array(np.arange(12, dtype=np.float64)), 2),
            "age": [1, None, 3, 4, 5, 6],
        }
    )
    parquet.write_table(table, tmp_path / "rows.parquet", row_group_size=4)
    adapter = opened(tmp_path / "rows.parquet")
    assert {i.name: (i.shape, i.dtype) for i in adapter.layers(None)} == {
        "embedding": ((5,), "float32"),
        "fixed": ((2,), "float64"),
    }
    assert np.array_equal(
        adapter.capture(np.array([5, 0]), ["embedding"])["embedding"].values, vectors[[5, 0]]
    )
    assert adapter.labels == ("x", "y") * 3
    assert adapter.metadata == {"name": [f"row {n}" for n in range(6)], "age": [1, None, 3, 4, 5, 6]}
    check_adapter(adapter, np.arange(6))
    run = explorer.capture(tmp_path / "rows.parquet", layers=["embedding"], out=tmp_path / "run")
    assert run.labels == adapter.labels
    assert run.metadata["name"].tolist() == adapter.metadata["name"]
    np.testing.assert_array_equal(run["embedding"].values, vectors)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([[1.0, 2.0], [1.0]], "different lengths"),
        ([[1.0], None], "without a vector"),
        ([[1.0], [None]], "missing"),
    ],
)
def test_uneven_vectors_are_refused(tmp_path: Path, rows: list, words: str) -> None:
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as parquet

    parquet.write_table(pa.table({"v": pa.array(rows, pa.list_(pa.float64()))}), tmp_path / "a.parquet")
    with pytest.raises(InputError, match=rf"a\.parquet: .*{words}"):
        opened(tmp_path / "a.parquet")
    parquet.write_table(pa.table({"n": [1, 2]}), tmp_path / "b.parquet")
    with pytest.raises(InputError, match=r"b\.parquet: no array of numbers"):
        opened(tmp_path / "b.parquet")
    (tmp_path / "c.parquet").write_bytes(b"PAR1 not really PAR1")
    with pytest.raises(InputError, match=r"c\.parquet: cannot be read"):
        opened(tmp_path / "c.parquet")


def test_labels_and_metadata_of_an_npz(tmp_path: Path, arrays: dict[str, np.ndarray]) -> None:
    np.savez(tmp_path / "run.npz", **arrays, other=np.arange(9))
    adapter = opened(tmp_path / "run.npz")
    assert adapter.labels == ("0", "1", "2", "3")
    assert adapter.metadata == {"names": ["a", "b", "c", "d"]}
