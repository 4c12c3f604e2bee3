"""Files that are whole or not there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from explorer.explain.maximised import Maximised
from explorer.reduce.neighbours import Neighbours
from explorer.whole import whole_file


def test_a_file_is_there_when_the_block_ends_and_not_before(tmp_path: Path) -> None:
    target = tmp_path / "new" / "a.txt"
    with whole_file(target) as beside:
        beside.write_text("half")
        assert not target.exists()
    assert target.read_text() == "half"
    assert os.listdir(target.parent) == ["a.txt"]


def half_written(target: Path) -> None:
    with whole_file(target) as beside:
        beside.write_text("half")
        raise OSError(28, "No space left on device")


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(OSError, match=r"No space left on device: '.*/a\.txt'"):
        half_written(target)
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_what_a_killed_program_left_is_removed_and_a_running_ones_is_not(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    (tmp_path / f".a.{gone.pid}.part.npz").write_bytes(b"half")
    running = tmp_path / f".a.{os.getppid()}.part.npz"
    running.write_bytes(b"half")
    with whole_file(tmp_path / "a.npz") as beside:
        beside.write_bytes(b"whole")
    assert sorted(os.listdir(tmp_path)) == [running.name, "a.npz"]


def unwritable(*_: object, **__: object) -> None:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("what", ["neighbours", "maximised"])
def test_a_full_disk_keeps_what_was_saved_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    target = tmp_path / "kept.npz"
    indices = np.arange(6).reshape(3, 2)
    pictures, reached = np.zeros((1, 1, 4, 4, 3), np.float32), np.zeros((1, 1))
    saved = {
        "neighbours": Neighbours(indices, indices * 1.0, "euclidean", True, None).save,
        "maximised": Maximised("net", "conv", ("a",), pictures, reached, None, {}, 1).save,
    }[what]
    saved(target)
    before = target.read_bytes()
    monkeypatch.setattr(np.lib.format, "write_array", unwritable)
    with pytest.raises(OSError, match="No space left"):
        saved(target)
    assert target.read_bytes() == before
    assert os.listdir(tmp_path) == ["kept.npz"]
