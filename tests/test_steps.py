"""Checkpoints of one training: found, put into their natural order, named, told apart by their bytes."""

import random
from pathlib import Path

import pytest

from explorer.capture.steps import find_steps, natural, step_names
from explorer.errors import CheckpointError


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return folder


def test_files_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    names = [f"net-epoch{step}.msgpack" for step in (1, 2, 10, 9, 100)]
    random.Random(0).shuffle(names)
    steps = find_steps(touch(tmp_path, *names, "notes.txt", ".hidden.npz"))
    assert [step.name for step in steps] == ["1", "2", "9", "10", "100"]
    assert steps[0].path == tmp_path / "net-epoch1.msgpack"


def test_numbered_folders_are_steps_and_cut_off_savings_are_none(tmp_path: Path) -> None:
    touch(tmp_path, "0/_METADATA", "20/_METADATA", "3/_METADATA", "30.orbax-checkpoint-tmp-7/x", "best.npz")
    assert [step.name for step in find_steps(tmp_path)] == ["0", "3", "20"]


def test_one_step_is_no_folder_of_steps(tmp_path: Path) -> None:
    touch(tmp_path, "8/_METADATA", "8/ocdbt.process_0/a", "8/ocdbt.process_1/a", "9/_METADATA")
    with pytest.raises(CheckpointError, match="is one checkpoint"):
        find_steps(tmp_path / "8")
    assert [step.name for step in find_steps(tmp_path)] == ["8", "9"]


def test_what_numbers_do_not_tell_apart_keeps_its_whole_name() -> None:
    assert step_names(["run1_8.pt", "run2_8.pt"]) == ["run1_8", "run2_8"]
    assert step_names(["best.pt", "epoch_1.pt"]) == ["best", "epoch_1"]
    assert step_names(["a.pt", "a.npz"]) == ["a.pt", "a.npz"]
    assert step_names(["v1.5", "v1.10"]) == ["5", "10"]
    assert sorted(["e10", "e9", "e09"], key=natural) == ["e9", "e09", "e10"]


def test_models_that_stand_alone_are_steps_where_they_are_asked_for(tmp_path: Path) -> None:
    touch(tmp_path, "a_1.onnx", "a_2.onnx")
    assert [step.path.name for step in find_steps(tmp_path, alone=True)] == ["a_1.onnx", "a_2.onnx"]
    with pytest.raises(CheckpointError, match=r"no checkpoints here.*\.safetensors"):
        find_steps(tmp_path)


def test_a_digest_is_of_every_byte_and_of_nothing_else(tmp_path: Path) -> None:
    touch(tmp_path, "0/a", "0/d/b", "1/a", "1/d/b")
    one, other = find_steps(tmp_path)
    for name in ("a", "d/b"):
        (tmp_path / "1" / name).write_bytes((tmp_path / "0" / name).read_bytes())
    assert one.digest() == other.digest()
    (tmp_path / "1" / "d" / "b").write_bytes(b"0/d/c")
    assert one.digest() != other.digest()


@pytest.mark.parametrize("names", [[], ["1.npz"]])
def test_fewer_than_two_are_refused(tmp_path: Path, names: list[str]) -> None:
    with pytest.raises(CheckpointError, match=r"no checkpoints here|1 checkpoints, expected at least two"):
        find_steps(touch(tmp_path, *names))


def test_a_folder_or_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="nowhere: no such folder"):
        find_steps(tmp_path / "nowhere")
    touch(tmp_path, "1.npz")
    with pytest.raises(CheckpointError, match=r"2\.npz: no such file"):
        find_steps([tmp_path / "1.npz", tmp_path / "2.npz"])
