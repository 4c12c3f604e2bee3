"""Files of torch.save are read as PyTorch reads them, without PyTorch, and no sooner than needed."""

from __future__ import annotations

import argparse
import collections
import zipfile
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pytest

from explorer.adapters.checkpoints import read_checkpoint
from explorer.adapters.torch_files import read_torch
from explorer.adapters.weights import flatten
from explorer.errors import CheckpointError

torch = pytest.importorskip("torch")


def saved(content: Any, path: Path, *, old: bool = False, protocol: int = 2) -> Path:
    torch.save(content, path, _use_new_zipfile_serialization=not old, pickle_protocol=protocol)
    return path


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("protocol", [2, 4])
def test_everything_that_training_scripts_save_is_read(old: bool, protocol: int, tmp_path: Path) -> None:
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Linear(4, 2))
    optimiser = torch.optim.AdamW(net.parameters())
    net[1](net[0](torch.randn(2, 3, 8, 8))).sum().backward()
    optimiser.step()
    shared = torch.arange(6.0)
    content = {
        "state_dict": collections.OrderedDict(net.state_dict()),
        "optimizer": optimiser.state_dict(),
        "scheduler": torch.optim.lr_scheduler.StepLR(optimiser, 2).state_dict(),
        "args": argparse.Namespace(lr=0.1, out=PurePosixPath("runs")),
        "best": np.float64(3.0),
        "history": [1.0, 2.0, None],
        "sizes": {torch.Size([1, 2]), torch.Size([3])},
        "device": torch.device("cpu"),
        "dtype": torch.float32,
        "counts": collections.defaultdict(list, {"a": [1]}),
        "extra": {
            "parameter": torch.nn.Parameter(torch.ones(2, 3).t()),
            "view": shared[2:],
            "other view": shared[::2],
            "expanded": torch.ones(1).expand(5, 4),
            "empty": torch.zeros(0, 3),
            "number": torch.tensor(7),
            "half": torch.ones(3, dtype=torch.float16) / 3,
            "bfloat16": torch.ones(3, dtype=torch.bfloat16) / 3,
            "flags": torch.tensor([True, False]),
            "complex": torch.ones(2, dtype=torch.complex64) * 1j,
        },
    }
    found = read_torch(saved(content, tmp_path / "net.pt", old=old, protocol=protocol))
    expected = flatten(
        {"state_dict": {tuple(name.split(".")): leaf for name, leaf in content["state_dict"].items()}}
    )
    for (_, name), leaf in expected.items():
        path = ("state_dict", *[part.strip("' ()") for part in name.split(",")])
        assert np.array_equal(np.asarray(found[path]), leaf.numpy()), path
    for name, leaf in content["extra"].items():
        array = np.asarray(found["extra", name])
        assert (array.shape, str(array.dtype)) == (tuple(leaf.shape), str(leaf.dtype).removeprefix("torch."))
        values = leaf.detach().to(torch.complex64 if leaf.is_complex() else torch.float64).numpy()
        assert np.array_equal(array.astype(values.dtype), values), name
    assert not any(path[0] not in ("state_dict", "optimizer", "extra") for path in found)


def test_a_pickled_module_is_refused_with_what_to_do(tmp_path: Path) -> None:
    path = saved(torch.nn.Linear(2, 2), tmp_path / "net.pt")
    with pytest.raises(
        CheckpointError, match=r"names 'torch\.nn\.modules\.linear\.Linear'.* save model\.state_dict"
    ):
        read_checkpoint(path)


def test_no_numbers_are_read_before_they_are_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved({"a": torch.ones(1000), "b": torch.ones(3)}, tmp_path / "net.pt")
    read: list[str] = []
    original = zipfile.ZipFile.read

    def noted(self: zipfile.ZipFile, name: Any, *rest: Any) -> bytes:
        read.append(str(name))
        return original(self, name, *rest)

    monkeypatch.setattr(zipfile.ZipFile, "read", noted)
    found = read_torch(path)
    assert {name.rsplit("/", 1)[-1] for name in read} == {"data.pkl", "byteorder"}
    assert np.asarray(found["b",]).sum() == 3
    assert sum("/data/" in name for name in read) == 1


def test_a_file_of_the_newest_types_is_read(tmp_path: Path) -> None:
    content = {"a": torch.ones(3).to(torch.float8_e4m3fn), "b": torch.arange(3).to(torch.uint16)}
    found = read_torch(saved(content, tmp_path / "net.pt"))
    assert np.asarray(found["a",]).astype(np.float32).tolist() == [1, 1, 1]
    assert np.asarray(found["b",]).tolist() == [0, 1, 2]
