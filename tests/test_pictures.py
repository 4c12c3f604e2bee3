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


def test_the_colour_beneath_alpha_is_kept(tmp_path: Path) -> None:
    Image.new("RGBA", (2, 2), (200, 100, 50, 0)).save(tmp_path / "a.png")
    Image.new("LA", (2, 2), (90, 0)).save(tmp_path / "b.png")
    assert pictures.open_picture(tmp_path / "a.png").getpixel((0, 0)) == (200, 100, 50)
    assert pictures.open_picture(tmp_path / "b.png").getpixel((0, 0)) == 90


@pytest.mark.parametrize("transparent", [False, True])
def test_a_palette_becomes_its_colours(tmp_path: Path, transparent: bool) -> None:
    picture = Image.new("P", (2, 1))
    picture.putpalette([10, 20, 30, 200, 100, 50])
    picture.putdata([0, 1])
    picture.save(tmp_path / "a.png", **({"transparency": 1} if transparent else {}))
    read = np.asarray(pictures.open_picture(tmp_path / "a.png"))
    assert read.tolist() == [[[10, 20, 30], [200, 100, 50]]]


def test_cmyk_becomes_rgb(tmp_path: Path) -> None:
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / "a.jpg", quality=95)
    red = np.asarray(pictures.open_picture(tmp_path / "a.jpg"), int)
    assert red.shape == (8, 8, 3)
    assert np.abs(red - (255, 0, 0)).max() <= 8


def test_sixteen_bit_gray_of_a_pgm_is_divided_by_its_white(tmp_path: Path) -> None:
    (tmp_path / "a.pgm").write_bytes(b"P5 3 1 65535\n" + np.array([0, 256, 65535], ">u2").tobytes())
    read = np.asarray(pictures.open_picture(tmp_path / "a.pgm"))
    np.testing.assert_allclose(read, np.array([[0, 256, 65535]]) / 65535, rtol=1e-6)


@pytest.mark.parametrize("suffix", ["gif", "webp", "png"])
def test_of_an_animation_the_first_frame_is_read_and_counted(tmp_path: Path, suffix: str) -> None:
    from explorer.capture.formats import FIRST_FRAME, prepare
    from explorer.capture.preprocessing import Preprocessing

    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "lime", "blue")]
    path = tmp_path / f"a.{suffix}"
    frames[0].save(path, save_all=True, append_images=frames[1:], lossless=True)
    prepared = prepare(path, (), Preprocessing())
    assert prepared.note == FIRST_FRAME
    np.testing.assert_allclose(prepared.value[0, 0], (1, 0, 0), atol=0.05)


def test_a_window_says_what_is_black_and_white() -> None:
    values = np.array([-1000, 0, 100, 200, 5000], np.int32)
    read = pictures.unit_range(values, Path("a"), (100, 200))
    np.testing.assert_allclose(read, [0, 0, 0.5, 1, 1])
    assert pictures.through_window(np.array([np.nan, np.inf, -np.inf]), (0, 1)).tolist() == [0, 1, 0]
