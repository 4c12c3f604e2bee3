import zipfile
from pathlib import Path

import numpy as np
import pytest

import explorer
from explorer.capture import batches
from explorer.capture.images import read_inputs

images = np.random.default_rng(0).integers(0, 255, (3, 4, 4, 3), np.uint8)


def test_inputs_labels_and_metadata_of_an_npz(tmp_path: Path) -> None:
    np.savez_compressed(
        tmp_path / "a.npz", x=images, y=["cat", "dog", "cat"], dose=[0.5, np.nan, 2], other=np.zeros((3, 2))
    )
    found = read_inputs(tmp_path / "a.npz", None)
    assert found.labels == ("cat", "dog", "cat")
    assert found.metadata == {"dose": [0.5, None, 2.0]}
    np.testing.assert_array_equal(found.load(1).value, images[1])


@pytest.mark.parametrize("names", [("images", "x"), ("x", "depth"), ("train", "small")])
def test_which_array_is_the_inputs(tmp_path: Path, names: tuple[str, str]) -> None:
    second = images[:, 0, 0] if names[1] == "small" else images[:, ::2]
    np.savez(tmp_path / "a.npz", **{names[0]: images, names[1]: second})
    assert batches.read_npz(tmp_path / "a.npz")[0].shape == images.shape


def test_an_npz_that_does_not_say_which_array_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", one=images, two=images)
    with pytest.raises(explorer.InputError, match=r"no array images \(or x\) among one .*, two"):
        read_inputs(tmp_path / "a.npz", None)


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.savez_compressed(tmp_path / "a.npz", images=np.zeros((4, 1000, 1000, 1), np.uint8))
    assert (tmp_path / "a.npz").stat().st_size < 10_000
    monkeypatch.setattr(batches, "_free_memory", lambda: 1_000_000)
    with pytest.raises(explorer.InputError, match=r"a\.npz: unpacks to 0\.0 GB, more memory than is free"):
        read_inputs(tmp_path / "a.npz", None)


def test_an_array_that_declares_more_than_it_has_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", images=images)
    with zipfile.ZipFile(tmp_path / "a.npz") as archive:
        content = archive.read("images.npy").replace(b"(3, 4, 4, 3)", b"(9, 9, 9, 9)")
    with zipfile.ZipFile(tmp_path / "b.npz", "w") as archive:
        archive.writestr("images.npy", content)
    with pytest.raises(explorer.InputError, match=r"b\.npz: .*declares shape \(9, 9, 9, 9\)"):
        read_inputs(tmp_path / "b.npz", None)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04nonsense", b"hello"])
def test_damaged_files_are_one_line(tmp_path: Path, content: bytes) -> None:
    for name in ("a.npz", "a.npy"):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(explorer.InputError, match=f"{name}: cannot be read") as caught:
            read_inputs(tmp_path / name, None)
        assert "\n" not in str(caught.value)


def test_objects_are_not_unpickled(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", images=np.array([{"a": 1}], dtype=object))
    with pytest.raises(explorer.InputError, match=r"a\.npz: .*Python objects"):
        read_inputs(tmp_path / "a.npz", None)
