import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import explorer
from explorer.capture import images
from explorer.capture.preprocessing import Preprocessing


def test_sub_folders_are_labels_and_order_is_by_path(folder: Path) -> None:
    found = images.read_inputs(folder, None)
    assert found.names == tuple(
        f"{c}/{i}.png" for c, start in (("a", 0), ("b", 1)) for i in range(start, 10, 2)
    )
    assert found.labels == ("a",) * 5 + ("b",) * 5


def test_a_flat_folder_has_no_labels(folder: Path) -> None:
    assert images.read_inputs(folder / "a", None).labels is None


def test_other_files_and_hidden_ones_are_not_images(folder: Path) -> None:
    (folder / "notes.txt").write_text("x")
    (folder / ".hidden.png").write_bytes(b"x")
    (folder / ".thumbnails").mkdir()
    (folder / ".thumbnails" / "x.png").write_bytes(b"x")
    assert len(images.read_inputs(folder, None).names) == 10


def test_a_folder_without_pictures_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(explorer.InputError, match=str(tmp_path)):
        images.read_inputs(tmp_path, None)


def test_a_name_that_is_no_utf8_is_told_in_letters_that_every_file_can_hold(tmp_path: Path) -> None:
    parent = os.fsencode(tmp_path) + b"/caf\xe9"
    try:
        os.mkdir(parent)
    except OSError:
        pytest.skip("this file system takes names of UTF-8 alone")
    Image.new("RGB", (8, 8)).save(os.fsdecode(parent + b"/\xe8.png"))
    found = images.read_inputs(tmp_path, None)
    assert found.names == (r"caf\xe9/\xe8.png",)
    assert found.labels == (r"caf\xe9",)
    assert found.load(0).value.shape == (8, 8, 3)


def test_one_file_is_one_input(folder: Path) -> None:
    found = images.read_inputs(folder / "a" / "0.png", Preprocessing())
    assert found.names == ("0.png",)
    assert found.load(0)[0].shape == (8, 8, 3)


def test_floats_are_given_to_the_model_as_they_are() -> None:
    values = np.random.default_rng(0).normal(size=(3, 4, 4, 2)).astype(np.float32)
    found = images.read_inputs(values, Preprocessing(size=(2, 2), channels="gray"))
    np.testing.assert_array_equal(found.load(1)[0], values[1])


def test_an_array_of_uint8_pictures_is_preprocessed() -> None:
    values = np.full((3, 4, 4, 1), 255, np.uint8)
    found = images.read_inputs(values, Preprocessing(size=(2, 2), channels="gray", mean=(0.5,), std=(0.5,)))
    np.testing.assert_array_equal(found.load(1)[0], np.ones((2, 2, 1)))


def test_an_array_file_is_an_array(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((3, 4, 4, 1)))
    assert len(images.read_inputs(tmp_path / "a.npy", None).names) == 3


def test_an_array_of_objects_is_not_unpickled(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([{"a": 1}], dtype=object))
    with pytest.raises(explorer.InputError, match=r"a\.npy"):
        images.read_inputs(tmp_path / "a.npy", None)


def test_nan_in_an_array_is_an_error_of_that_input() -> None:
    values = np.zeros((2, 4, 4, 1))
    values[1, 0, 0, 0] = np.nan
    found = images.read_inputs(values, None)
    found.load(0)
    with pytest.raises(explorer.InputError, match="input 1"):
        found.load(1)


def test_the_identity_changes_with_a_file(folder: Path) -> None:
    before = images.read_inputs(folder, None).identity()
    Image.new("RGB", (9, 9)).save(folder / "a" / "0.png")
    assert images.read_inputs(folder, None).identity() != before


def test_in_a_folder_each_npy_is_one_input(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    signal, picture = rng.normal(size=(9, 2)), rng.integers(0, 255, (5, 4, 3), np.uint8)
    np.save(tmp_path / "signal.npy", signal)
    np.save(tmp_path / "picture.npy", picture)
    np.save(tmp_path / "gray.npy", picture[..., 0])
    np.save(tmp_path / "volume.npy", np.zeros((2, 3, 4, 1), np.float32))
    np.save(tmp_path / "words.npy", np.array(["a"]))
    np.save(tmp_path / "nan.npy", np.array([[np.nan]]))
    found = images.read_inputs(tmp_path, None)
    assert found.names == ("gray.npy", "nan.npy", "picture.npy", "signal.npy", "volume.npy", "words.npy")
    gray, colour, numbers = (found.load(index) for index in (0, 2, 3))
    np.testing.assert_allclose(colour.value, picture / 255, rtol=1e-6)
    np.testing.assert_allclose(gray.value, np.repeat(picture[..., :1], 3, axis=-1) / 255, rtol=1e-6)
    np.testing.assert_allclose(numbers.value, signal, rtol=1e-6)
    assert numbers.picture is None
    assert found.load(4).value.shape == (2, 3, 4, 1)
    for index, words in ((1, "NaN or infinity"), (5, "expected numbers")):
        with pytest.raises(explorer.InputError, match=words):
            found.load(index)


def test_what_the_system_says_of_a_path_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    closed = PermissionError(13, "Permission denied", str(tmp_path / "a.png"))

    def refuse(*_: object, **__: object) -> None:
        raise closed

    monkeypatch.setattr(Image, "open", refuse)
    with pytest.raises(explorer.InputError) as caught:
        images.read_inputs(tmp_path, None).load(0)
    assert str(caught.value) == f"{tmp_path / 'a.png'}: cannot be decoded (Permission denied)"
