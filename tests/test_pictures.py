from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import explorer
from explorer.capture import pictures


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "gif", "tif", "webp", "ppm", "jp2", "tga"])
def test_every_format_of_the_list_is_read(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"picture.{suffix}"
    Image.new("RGB", (6, 4), (200, 100, 50)).save(path)
    assert np.abs(np.asarray(pictures.open_picture(path), int) - (200, 100, 50)).max() <= 8


def test_a_picture_with_another_formats_suffix_is_still_read(tmp_path: Path) -> None:
    Image.new("L", (4, 4), 7).save(tmp_path / "a.png", format="BMP")
    assert pictures.open_picture(tmp_path / "a.png").getpixel((0, 0)) == 7


def test_formats_off_the_list_are_refused(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "a.eps")
    (tmp_path / "a.eps").rename(tmp_path / "a.png")
    with pytest.raises(explorer.InputError, match="known format"):
        pictures.open_picture(tmp_path / "a.png")


def test_orientation_of_a_camera_is_applied(tmp_path: Path) -> None:
    picture = Image.new("RGB", (6, 4))
    exif = picture.getexif()
    exif[0x0112] = 6
    picture.save(tmp_path / "a.jpg", exif=exif)
    assert pictures.open_picture(tmp_path / "a.jpg").size == (4, 6)


@pytest.mark.parametrize(
    ("mode", "expected"), [("1", "L"), ("L", "L"), ("LA", "L"), ("P", "RGB"), ("RGBA", "RGB")]
)
def test_modes_become_gray_or_colour(tmp_path: Path, mode: str, expected: str) -> None:
    Image.new(mode, (3, 3)).save(tmp_path / "a.png")
    assert pictures.open_picture(tmp_path / "a.png").mode == expected


def test_sixteen_bit_gray_keeps_its_steps(tmp_path: Path) -> None:
    values = np.array([[0, 1, 65535]], np.uint16)
    Image.fromarray(values).save(tmp_path / "a.png")
    read = np.asarray(pictures.open_picture(tmp_path / "a.png"))
    np.testing.assert_allclose(read, values / 65535, rtol=1e-6)


def test_a_picture_of_too_many_pixels_is_refused_before_it_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures, "MAX_PIXELS", 10)
    Image.new("L", (4, 4)).save(tmp_path / "a.png")
    with pytest.raises(explorer.InputError, match="4 × 4 pixels"):
        pictures.open_picture(tmp_path / "a.png")


def test_a_truncated_picture_is_an_error_that_names_it(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(explorer.InputError, match=r"a\.png: cannot be decoded"):
        pictures.open_picture(path)
