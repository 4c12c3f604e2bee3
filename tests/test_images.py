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


def test_one_file_is_one_input(folder: Path) -> None:
    found = images.read_inputs(folder / "a" / "0.png", Preprocessing())
    assert found.names == ("0.png",)
    assert found.load(0)[0].shape == (8, 8, 3)


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "gif", "tif", "webp", "ppm", "jp2", "tga"])
def test_every_format_of_the_list_is_read(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"picture.{suffix}"
    Image.new("RGB", (6, 4), (200, 100, 50)).save(path)
    assert np.abs(np.asarray(images.open_picture(path), int) - (200, 100, 50)).max() <= 8


def test_a_picture_with_another_formats_suffix_is_still_read(tmp_path: Path) -> None:
    Image.new("L", (4, 4), 7).save(tmp_path / "a.png", format="BMP")
    assert images.open_picture(tmp_path / "a.png").getpixel((0, 0)) == 7


def test_formats_off_the_list_are_refused(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "a.eps")
    (tmp_path / "a.eps").rename(tmp_path / "a.png")
    with pytest.raises(explorer.InputError, match="known format"):
        images.open_picture(tmp_path / "a.png")


def test_orientation_of_a_camera_is_applied(tmp_path: Path) -> None:
    picture = Image.new("RGB", (6, 4))
    exif = picture.getexif()
    exif[0x0112] = 6
    picture.save(tmp_path / "a.jpg", exif=exif)
    assert images.open_picture(tmp_path / "a.jpg").size == (4, 6)


@pytest.mark.parametrize(
    ("mode", "expected"), [("1", "L"), ("L", "L"), ("LA", "L"), ("P", "RGB"), ("RGBA", "RGB")]
)
def test_modes_become_gray_or_colour(tmp_path: Path, mode: str, expected: str) -> None:
    Image.new(mode, (3, 3)).save(tmp_path / "a.png")
    assert images.open_picture(tmp_path / "a.png").mode == expected


def test_sixteen_bit_gray_keeps_its_steps(tmp_path: Path) -> None:
    values = np.array([[0, 1, 65535]], np.uint16)
    Image.fromarray(values).save(tmp_path / "a.png")
    read = np.asarray(images.open_picture(tmp_path / "a.png"))
    np.testing.assert_allclose(read, values / 65535, rtol=1e-6)


def test_a_picture_of_too_many_pixels_is_refused_before_it_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "MAX_PIXELS", 10)
    Image.new("L", (4, 4)).save(tmp_path / "a.png")
    with pytest.raises(explorer.InputError, match="4 × 4 pixels"):
        images.open_picture(tmp_path / "a.png")


def test_a_truncated_picture_is_an_error_that_names_it(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(explorer.InputError, match=r"a\.png: cannot be decoded"):
        images.open_picture(path)


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
