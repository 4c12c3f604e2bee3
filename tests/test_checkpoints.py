"""Checkpoints of every format, as training code leaves them, damaged, and hostile."""

from __future__ import annotations

import io
import json
import shutil
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
import pytest
from flax import nnx, serialization
from flax.training.train_state import TrainState
from safetensors.numpy import save_file

from explorer.adapters.checkpoints import read_checkpoint
from explorer.adapters.flax_linen import FlaxLinen
from explorer.adapters.flax_nnx import FlaxNNX
from explorer.adapters.orbax_folders import find_step
from explorer.adapters.weights import Leaf, digest, fit, flatten
from explorer.capture.protocol import ModelOptions
from explorer.errors import CheckpointError


def weights(scale: float = 1.0) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    return {
        "params": {
            "blocks_0": {"conv": {"kernel": (scale * rng.normal(size=(3, 3, 2, 4))).astype(np.float32)}},
            "head": {"bias": np.arange(4, dtype=jnp.bfloat16)},
        },
        "batch_stats": {"norm": {"var": np.full(4, scale, np.float32)}},
    }


def training(scale: float = 1.0) -> dict[str, Any]:
    """What a training loop saves: the weights, its optimiser's state, and the step."""
    optimiser = ({"mu": np.zeros(3, np.float32)}, None)
    return {**weights(scale), "opt_state": optimiser, "step": 7}


def template() -> dict[tuple[str, ...], Leaf]:
    return {path: Leaf(leaf.shape, leaf.dtype) for path, leaf in flatten(weights()).items()}


def assert_same(path: Path, expected: dict[str, Any], **chosen: Any) -> None:
    """The checkpoint fits the model and has these weights."""
    tree, _ = read_checkpoint(path, **chosen)
    fitted = fit(flatten(tree), template(), where=str(path))
    assert digest(fitted) == digest(flatten(expected))


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder with a checkpoint of each format."""
    root = tmp_path_factory.mktemp("saved")
    with ocp.StandardCheckpointer() as saver:
        saver.save(root / "standard", training())
    with ocp.CheckpointManager(root / "manager") as manager:
        for step, scale in ((5, 5.0), (40, 1.0)):
            manager.save(step, args=ocp.args.StandardSave(training(scale)))
    items = {name: ocp.args.StandardSave(tree) for name, tree in weights().items()}
    prefixed = ocp.CheckpointManagerOptions(step_prefix="run", step_format_fixed_length=6)
    with ocp.CheckpointManager(root / "composite", options=prefixed) as manager:
        manager.save(3, args=ocp.args.Composite(**items, notes=ocp.args.JsonSave({"epoch": 3})))
    with ocp.Checkpointer(ocp.PyTreeCheckpointHandler(use_ocdbt=False)) as saver:
        saver.save(root / "files", training())
    with ocp.Checkpointer(ocp.PyTreeCheckpointHandler(use_zarr3=True)) as saver:
        saver.save(root / "zarr3", training())
    (root / "net.msgpack").write_bytes(serialization.to_bytes(training()))
    shutil.copy(root / "net.msgpack", root / "checkpoint_7")
    flat = flatten(weights())
    save_file({".".join(path): leaf for path, leaf in flat.items()}, root / "net.safetensors")
    np.savez(root / "net.npz", **{"/".join(path): leaf for path, leaf in flat.items()})
    return root


@pytest.mark.parametrize(
    "name",
    [
        *("standard", "files", "zarr3", "manager", "manager/40", "manager/40/default", "composite"),
        *("net.msgpack", "checkpoint_7", "net.safetensors", "net.npz"),
    ],
)
def test_every_format_gives_the_same_weights(saved: Path, name: str) -> None:
    assert_same(saved / name, weights())


def test_a_step_can_be_chosen(saved: Path) -> None:
    assert_same(saved / "manager", weights(5.0), step=5)
    assert read_checkpoint(saved / "manager")[1] == {"format": "orbax", "step": 40}
    with pytest.raises(CheckpointError, match=r"manager: has no step 6; there are: 5, 40"):
        read_checkpoint(saved / "manager", step=6)
    for name in ("net.npz", "standard"):
        with pytest.raises(CheckpointError, match="not a folder of steps with a step 6"):
            read_checkpoint(saved / name, step=6)


def test_the_optimisers_arrays_are_not_read(saved: Path) -> None:
    assert set(read_checkpoint(saved / "standard")[0]) == {"params", "batch_stats", "step"}


class Tiny(nn.Module):
    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        return nn.BatchNorm(use_running_average=True)(nn.Dense(3)(x))


def test_a_linen_checkpoint_is_captured_from_like_its_variables(tmp_path: Path) -> None:
    inputs = np.random.default_rng(0).normal(size=(2, 4)).astype(np.float32)
    variables = Tiny().init(jax.random.key(0), inputs)
    state = TrainState(step=3, apply_fn=Tiny().apply, params=variables["params"], tx=None, opt_state=())
    saved = serialization.to_state_dict(state) | {"batch_stats": variables["batch_stats"]}
    (tmp_path / "state").write_bytes(serialization.msgpack_serialize(jax.tree.map(np.asarray, saved)))
    opened = FlaxLinen.open(Tiny(), ModelOptions(checkpoint=tmp_path / "state"))
    direct = FlaxLinen.open(Tiny(), ModelOptions(variables=variables))
    assert opened.provenance["digest"] == direct.provenance["digest"]
    assert opened.provenance["format"] == "msgpack"
    captured = opened.capture(inputs, ["output"])["output"].values
    assert np.array_equal(captured, direct.capture(inputs, ["output"])["output"].values)
    with pytest.raises(
        CheckpointError,
        match=r"state, for an input of shape .5,.: does not fit .*/kernel \(4, 3\), the model has \(5, 3\)",
    ):
        FlaxLinen.open(Tiny(), ModelOptions(checkpoint=tmp_path / "state")).layers((5,))


class TinyNNX(nnx.Module):
    def __init__(self, rngs: nnx.Rngs) -> None:
        self.parts = nnx.List([nnx.Linear(4, 3, rngs=rngs), nnx.Dropout(0.5, rngs=rngs)])
        self.rngs = rngs

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.parts[1](self.parts[0](x))


def test_an_nnx_checkpoint_needs_no_random_state(tmp_path: Path) -> None:
    module = TinyNNX(nnx.Rngs(0))
    with ocp.StandardCheckpointer() as saver:
        saver.save(tmp_path / "whole", nnx.state(module))
        saver.save(tmp_path / "pure", nnx.to_pure_dict(nnx.state(module, nnx.Param)))
    expected = FlaxNNX.open(module, ModelOptions()).provenance["digest"]
    for name in ("whole", "pure"):
        other = TinyNNX(nnx.Rngs(1))
        opened = FlaxNNX.open(other, ModelOptions(checkpoint=tmp_path / name))
        assert opened.provenance["digest"] == expected
        assert FlaxNNX.open(other, ModelOptions()).provenance["digest"] != expected


def refused(path: Path, pattern: str, **chosen: Any) -> None:
    with pytest.raises(CheckpointError, match=pattern) as caught:
        read_checkpoint(path, **chosen)
    assert str(path.name) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_empty_and_unknown_are_told_apart(tmp_path: Path) -> None:
    refused(tmp_path / "none", "no such file or folder")
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", "holds no Orbax checkpoint")
    (tmp_path / "cut.orbax-checkpoint-tmp").mkdir()
    refused(tmp_path, "holds only a checkpoint whose saving was cut off")
    for name, content in (("zero", b""), ("text", b"hello there, this is no checkpoint")):
        (tmp_path / name).write_bytes(content)
        refused(tmp_path / name, "orbax, msgpack, safetensors, npz and torch")
    refused(tmp_path / "text", "format hdf5 is unknown", format="hdf5")


@pytest.mark.parametrize("name", ["standard", "files", "zarr3"])
def test_a_damaged_orbax_folder_is_refused(saved: Path, tmp_path: Path, name: str) -> None:
    def damaged(damage: Callable[[Path], None], pattern: str) -> None:
        folder = tmp_path / "step"
        shutil.copytree(saved / name, folder)
        damage(folder)
        refused(folder, pattern)
        shutil.rmtree(folder)

    damaged(lambda folder: (folder / "_METADATA").unlink(), "_METADATA is missing|no Orbax checkpoint")
    damaged(lambda folder: (folder / "_METADATA").write_text('{"tree'), "_METADATA is damaged")
    damaged(lambda folder: (folder / "_METADATA").write_text("[]"), "cannot be read as orbax")

    def lose_data(folder: Path) -> None:
        for file in folder.rglob("*"):
            if file.is_file() and (file.parent.name == "d" or file.name[0].isdigit()):
                file.unlink()

    damaged(lose_data, "cannot be read as orbax")

    def cut(folder: Path) -> None:
        for file in folder.rglob("*"):
            if file.is_file() and file.name != "_METADATA":
                file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])

    damaged(cut, "cannot be read as orbax")


def test_a_hostile_orbax_shape_is_refused_before_it_is_allocated(saved: Path, tmp_path: Path) -> None:
    for number, change in enumerate(
        ({"shape": [10**9, 10**6, 2, 4]}, {"chunks": [10**9, 10**6, 2, 4]}, {"shape": [-1, 3, 2, 4]})
    ):
        folder = tmp_path / str(number)
        shutil.copytree(saved / "files", folder)
        declared = folder / "params.blocks_0.conv.kernel" / ".zarray"
        declared.write_text(json.dumps(json.loads(declared.read_text()) | change))
        refused(folder, "declares arrays of .* bytes in files of|Error parsing|cannot be read as orbax")
    metadata = json.loads((saved / "files" / "_METADATA").read_text())
    key = {"key": "../../etc", "key_type": 2}
    first = next(iter(metadata["tree_metadata"].values()))
    first["key_metadata"] = [key]
    (tmp_path / "0" / "_METADATA").write_text(json.dumps(metadata))
    refused(tmp_path / "0", "is not named as Orbax names arrays")


@pytest.mark.parametrize("name", ["net.msgpack", "net.safetensors", "net.npz"])
def test_a_file_cut_anywhere_is_refused(saved: Path, tmp_path: Path, name: str) -> None:
    whole = (saved / name).read_bytes()
    for length in (1, 9, 30, len(whole) // 2, len(whole) - 1):
        (tmp_path / name).write_bytes(whole[:length])
        refused(tmp_path / name, "cannot be read as|of no known format")


def safetensors(header: bytes, data: bytes = b"") -> bytes:
    return struct.pack("<Q", len(header)) + header + data


def entry(shape: list[int], first: int, last: int, dtype: str = "F32") -> str:
    return json.dumps({"dtype": dtype, "shape": shape, "data_offsets": [first, last]})


@pytest.mark.parametrize(
    ("content", "pattern"),
    [
        (struct.pack("<Q", 2**62) + b"{", "of no known format|declares a header"),
        (safetensors(b'{"a": ' + entry([2], 0, 8).encode() + b', "a": {}}', bytes(8)), "a name twice"),
        (safetensors(f'{{"a": {entry([2**40, 2**40], 0, 8)}}}'.encode(), bytes(8)), "declares shape"),
        (safetensors(f'{{"a": {entry([-2], 0, 8)}}}'.encode(), bytes(8)), "outside the file"),
        (safetensors(f'{{"a": {entry([2], 8, 16)}}}'.encode(), bytes(8)), "outside the file"),
        (safetensors(f'{{"a": {entry([2], 0, 8, "Q9")}}}'.encode(), bytes(8)), "type Q9"),
        (safetensors(b'{"a": [1, 2]}'), "cannot be read as safetensors"),
        (safetensors(b'{"a":' * 3000), "cannot be read as safetensors"),
    ],
)
def test_a_hostile_safetensors_header_is_refused(tmp_path: Path, content: bytes, pattern: str) -> None:
    (tmp_path / "net.safetensors").write_bytes(content)
    refused(tmp_path / "net.safetensors", pattern, format="safetensors")


def npy(shape: tuple[int, ...], descr: str = "<f4") -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": descr, "fortran_order": False, "shape": shape})
    return file.getvalue()


@pytest.mark.parametrize(
    ("member", "pattern"),
    [
        (npy((2**40, 2**20)), "declares shape"),
        (npy((3,), "|O") + bytes(24), "holds Python objects"),
        (b"\x93NUMPY\x03\x00" + bytes(20), "format version"),
        (b"no array at all", "cannot be read as npz"),
    ],
)
def test_a_hostile_npz_member_is_refused(tmp_path: Path, member: bytes, pattern: str) -> None:
    with zipfile.ZipFile(tmp_path / "net.npz", "w") as archive:
        archive.writestr("a.npy", member)
    refused(tmp_path / "net.npz", pattern)


def test_what_does_not_fit_into_memory_is_refused(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("explorer.adapters.limits.available_memory", lambda: 100)
    for name in ("standard", "net.msgpack", "net.safetensors", "net.npz"):
        refused(saved / name, "GB of memory are free")


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    np.savez(tmp_path / "net.npz", a=np.array([{"a": 1}], dtype=object))
    refused(tmp_path / "net.npz", "holds Python objects")
    with zipfile.ZipFile(tmp_path / "net.pt", "w") as archive:
        archive.writestr("archive/data.pkl", b"cos\nsystem\n(S'false'\ntR.")
    refused(tmp_path / "net.pt", r"names 'os\.system', .* neither imported nor called")


def test_a_step_whose_saving_was_cut_off_is_not_the_latest(tmp_path: Path) -> None:
    for name in ("3", "12", "40.orbax-checkpoint-tmp", "40.orbax-checkpoint-tmp-1700000000"):
        (tmp_path / name).mkdir()
    assert find_step(tmp_path, None) == (tmp_path / "12", 12)
