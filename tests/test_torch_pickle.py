"""Hostile and damaged files of torch.save are refused in one line, and nothing of them is run."""

from __future__ import annotations

import os
import pickle
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from explorer.adapters.checkpoints import read_checkpoint
from explorer.adapters.torch_files import read_torch
from explorer.adapters.weights import flatten
from explorer.capture import load_model
from explorer.errors import CheckpointError, ModelError

MAGIC = (0x1950A86A20F9469CFC6C, 1001, {"protocol_version": 1001, "little_endian": True, "type_sizes": {}})


class Call:
    """Pickled as a call of something with arguments."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.function, self.arguments = function, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self.function, self.arguments


class Built:
    """Pickled as an object with a state."""

    def __init__(self) -> None:
        self.weight = 1


def text(value: str) -> bytes:
    """The instruction that puts text on a pickle's stack."""
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def named(module: str, name: str, *arguments: str) -> bytes:
    """A pickle that calls module.name with text, written by hand so that nothing need be importable."""
    called = text(module) + text(name) + b"\x93" + b"(" + b"".join(map(text, arguments)) + b"tR"
    return b"\x80\x04" + called + b"."


def storage(count: int = 4, kind: str = "FloatStorage", key: str = "0") -> bytes:
    """The instructions that put a storage on the stack."""
    place = f"ctorch\n{kind}\n".encode()
    return b"(" + text("storage") + place + text(key) + text("cpu") + b"J" + struct.pack("<i", count) + b"tQ"


def tensor(
    shape: bytes = b"K\x04\x85", strides: bytes = b"K\x01\x85", stored: bytes = b"", offset: bytes = b"K\x00"
) -> bytes:
    """A pickle of {"weight": tensor} whose sizes are given as instructions."""
    made = b"ctorch._utils\n_rebuild_tensor_v2\n(" + (stored or storage()) + offset + shape + strides
    return b"\x80\x02}" + text("weight") + made + b"\x89}tRs."


def zipped(path: Path, tree: bytes, data: bytes = bytes(16), compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("net/data.pkl", tree)
        archive.writestr("net/byteorder", "little")
        archive.writestr("net/data/0", data)
        archive.writestr("net/version", "3\n")
    return path


def legacy(path: Path, tree: bytes, data: bytes = struct.pack("<q", 4) + bytes(16)) -> Path:
    head = b"".join(pickle.dumps(part, protocol=2) for part in MAGIC)
    path.write_bytes(head + tree + pickle.dumps(["0"], protocol=2) + data)
    return path


def bare(path: Path, tree: bytes) -> Path:
    path.write_bytes(tree)
    return path


CANARY = "touch canary"
HOSTILE: dict[str, Callable[[], bytes]] = {
    "os.system": lambda: pickle.dumps({"weight": Call(os.system, CANARY)}, protocol=2),
    "os.system, protocol 0": lambda: pickle.dumps({"weight": Call(os.system, CANARY)}, protocol=0),
    "eval": lambda: pickle.dumps(Call(eval, "open('canary', 'w')")),
    "exec": lambda: pickle.dumps([Call(exec, "open('canary', 'w').close()")], protocol=4),
    "eval of Python 2": lambda: b"c__builtin__\neval\n(Vopen('canary','w')\ntR.",
    "getattr": lambda: named("builtins", "getattr", "a", "b"),
    "setattr": lambda: named("builtins", "setattr", "torch", "load", "x"),
    "import": lambda: named("importlib", "import_module", "torch_canary"),
    "partial": lambda: named("functools", "partial", "x"),
    "a submodule by its name": lambda: named("torch_canary", "run"),
    "dots in a name": lambda: named("torch", "serialization.os.system", CANARY),
    "dots in a known module": lambda: named("collections", "OrderedDict.__class__", "x"),
    "a known name elsewhere": lambda: named("torch_canary", "OrderedDict"),
    "a space in a name": lambda: b"ccollections OrderedDict\n__class__\n)R.",
    "torch.load": lambda: named("torch", "load", "x"),
    "torch.hub": lambda: named("torch.hub", "load", "x/y", "z"),
    "a nested file": lambda: named("torch.storage", "_load_from_bytes", "x"),
    "any tensor type": lambda: named("torch._tensor", "_rebuild_from_type_v2", "x"),
    "numpy's loader": lambda: named("numpy", "load", "x"),
    "a subprocess with keywords": lambda: (
        b"\x80\x04" + text("subprocess") + text("Popen") + b"\x93(" + text("touch") + b"t}"
        + text("shell") + b"\x88s\x92."
    ),
    "an instance of protocol 0": lambda: b"(V" + CANARY.encode() + b"\niposix\nsystem\n.",
    "an object of protocol 1": lambda: b"(cposix\nsystem\nV" + CANARY.encode() + b"\no.",
    "extension 1": lambda: b"\x80\x02\x82\x01)R.",
    "extension 4": lambda: b"\x80\x02\x84\x01\x00\x00\x00)R.",
    "a buffer from outside": lambda: b"\x80\x05\x97.",
    "a persistent name": lambda: b"Pmodule\n.",
    "a persistent module": lambda: b"(" + text("module") + text("torch_canary") + text("x") + b"tQ.",
    "a persistent storage of a callable": lambda: (
        b"(" + text("storage") + b"ctorch\nSize\n" + text("0") + text("cpu") + b"K\x04tQ."
    ),
    "a class of ours with a state": lambda: pickle.dumps(Built()),
    "a state for a tensor": lambda: tensor()[:-1] + b"0" + storage() + b"}b.",
    "a state for a name": lambda: b"ctorch\nSize\n}" + text("__call__") + b"K\x01sb.",
    "a call of a dtype": lambda: b"ctorch\nfloat32\n)R.",
    "a call of text": lambda: text("eval") + b")R.",
    "a call without a tuple": lambda: b"ccollections\nOrderedDict\n]R.",
    "items of text": lambda: text("x") + text("y") + text("z") + b"s.",
    "a name made of numbers": lambda: b"\x80\x04K\x01K\x02\x93.",
    "a tensor that is a call": lambda: tensor(stored=named("os", "system", CANARY)[2:-1]),
    "a call inside a dictionary's arguments": lambda: (
        b"ccollections\nOrderedDict\n(]" + named("os", "system", CANARY)[2:-1] + b"atR."
    ),
}  # fmt: skip


@pytest.mark.parametrize("container", [zipped, legacy, bare])
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_in_one_line_and_nothing_runs(
    name: str, container: Callable[[Path, bytes], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "torch_canary.py").write_text("open('canary', 'w')\ndef run(*_): open('canary', 'w')\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    path = container(tmp_path / "net.pt", HOSTILE[name]())
    with pytest.raises(CheckpointError) as caught:
        read_checkpoint(path, None if container is not bare else "torch")
    assert str(caught.value).startswith(f"{path}: cannot be read as torch: ")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "canary").exists()
    assert "torch_canary" not in sys.modules


def test_the_hostile_files_would_run_if_they_were_unpickled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("os.system", "os.system, protocol 0", "exec", "an instance of protocol 0"):
        pickle.loads(HOSTILE[name]())
        assert (tmp_path / "canary").exists(), name
        (tmp_path / "canary").unlink()


@pytest.mark.parametrize(
    ("tree", "said"),
    [
        (tensor(shape=b"K\x05\x85"), "larger than its storage of 4 items"),
        (tensor(offset=b"K\x01"), "larger than its storage of 4 items"),
        (tensor(strides=b"M\xff\xff\x85"), "larger than its storage of 4 items"),
        (tensor(shape=b"J\xff\xff\xff\xff\x85"), "no whole numbers"),
        (tensor(shape=b"\x88\x85"), "no whole numbers"),
        (tensor(strides=b"K\x01K\x01\x86"), "has strides"),
        (tensor(stored=storage(-4)), "no whole numbers"),
        (tensor(stored=storage(kind="QInt8Storage")), "torch.QInt8Storage"),
        (tensor()[:-9], "pickle exhausted"),
        (b"\x80\x02}.", "no tensors"),
        (b"\x80\x02K\x05.", "no tensors"),
        (tensor()[2:].replace(b"}" + text("weight"), b"", 1)[:-2] + b".", "one single tensor"),
    ],
)
def test_a_damaged_file_is_one_line(tree: bytes, said: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=said) as caught:
        read_checkpoint(zipped(tmp_path / "net.pt", tree))
    assert "\n" not in str(caught.value)
    with pytest.raises(CheckpointError, match=r"net\.pt: cannot be read as torch: "):
        read_checkpoint(legacy(tmp_path / "net.pt", tree))


def test_a_storage_that_is_not_there_or_cut_off_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"storage 0 is cut off"):
        read_checkpoint(zipped(tmp_path / "a.pt", tensor(stored=storage(5))))
    with pytest.raises(CheckpointError, match=r"passwd"):
        read_checkpoint(zipped(tmp_path / "b.pt", tensor(stored=storage(key="../../etc/passwd"))))
    with pytest.raises(CheckpointError, match=r"storage 0 is cut off"):
        read_checkpoint(legacy(tmp_path / "c.pt", tensor(), struct.pack("<q", 4) + bytes(15)))
    with pytest.raises(CheckpointError, match=r"has 9 items, and 4 are declared"):
        read_checkpoint(legacy(tmp_path / "d.pt", tensor(), struct.pack("<q", 9) + bytes(36)))


def test_what_a_small_file_declares_is_held_against_memory_before_it_is_made(tmp_path: Path) -> None:
    huge = tensor(shape=b"J\xff\xff\xff\x7fJ\xff\xff\xff\x7f\x86", strides=b"K\x00K\x00\x86")
    leaf = flatten(read_checkpoint(zipped(tmp_path / "net.pt", huge))[0])["weight",]
    assert leaf.shape == (2**31 - 1, 2**31 - 1)  # known without a byte of it
    with pytest.raises(CheckpointError, match=r"GB of memory are free"):
        np.asarray(leaf)


def test_zip_files_of_other_programs_are_told_apart(tmp_path: Path) -> None:
    np.savez(tmp_path / "arrays.npz", weight=np.ones(3))
    assert read_checkpoint(tmp_path / "arrays.npz")[1]["format"] == "npz"
    with pytest.raises(CheckpointError, match=r"compressed, as torch\.save never does"):
        read_checkpoint(zipped(tmp_path / "z.pt", tensor(), bytes(9999), zipfile.ZIP_DEFLATED))
    zipped(tmp_path / "script.pt", tensor())
    with zipfile.ZipFile(tmp_path / "script.pt", "a") as archive:
        archive.writestr("net/code/__torch__.py", "import os")
    with pytest.raises(CheckpointError, match=r"TorchScript program, which brings code"):
        read_checkpoint(tmp_path / "script.pt")


def test_a_flipped_bit_is_noticed(tmp_path: Path) -> None:
    values = np.arange(4, dtype=np.float32)
    path = zipped(tmp_path / "net.pt", tensor(), values.tobytes())
    assert np.array_equal(np.asarray(read_torch(path)["weight",]), values)
    content = bytearray(path.read_bytes())
    content[content.index(values.tobytes()) + 6] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"Bad CRC"):
        np.asarray(read_torch(path)["weight",])


def test_a_file_damaged_anywhere_is_read_or_refused_and_nothing_else(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for container in (zipped, legacy):
        whole = container(tmp_path / "net.pt", tensor()).read_bytes()
        said: list[str] = []
        for _ in range(300):
            content = bytearray(whole)
            content[rng.integers(len(whole))] = rng.integers(256)
            path = bare(
                tmp_path / "broken.pt", bytes(content[: rng.integers(len(whole) // 2, len(whole) + 1)])
            )
            try:
                for leaf in flatten(read_checkpoint(path)[0]).values():
                    np.asarray(leaf)
            except CheckpointError as error:
                said.append(str(error))
        assert len(said) > 200
        assert "\n" not in "".join(said)


def test_without_pytorch_the_extra_is_named_and_other_sources_are_not_held_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)  # as if it were not installed
    (tmp_path / "net.pt2").write_bytes(b"")
    with pytest.raises(ModelError, match=r"net\.pt2: cannot be read as a torch\.export program"):
        load_model(tmp_path / "net.pt2")
    np.save(tmp_path / "acts.npy", np.ones((2, 3)))
    assert load_model(tmp_path / "acts.npy").adapter_name == "arrays"
    with pytest.raises(ModelError, match=r"no adapter takes it"):
        load_model(object())


def test_the_adapter_is_there_without_loading_pytorch() -> None:
    code = (
        "import sys; from explorer.capture.protocol import ModelOptions; "
        "from explorer.adapters.torch_modules import TorchModules; "
        "assert TorchModules.open(object(), ModelOptions()) is None; "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
