import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import explorer
from explorer.capture.formats import frames_of, prepare
from explorer.capture.preprocessing import Preprocessing
from explorer.capture.tiff import pages, read_page, read_stack

tifffile = pytest.importorskip("tifffile")
rng = np.random.default_rng(0)


def written(path: Path, values: np.ndarray, **options: object) -> Path:
    gray = values.ndim == 2 or values.shape[-1] > 4
    tifffile.imwrite(path, values, photometric="minisblack" if gray else "rgb", **options)
    return path


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 3), (5, 7, 4)])
@pytest.mark.parametrize("white", [255, 65535])
def test_eight_and_sixteen_bits_are_divided_by_their_white(
    tmp_path: Path, shape: tuple[int, ...], white: int
) -> None:
    values = rng.integers(0, white + 1, shape).astype(np.uint8 if white == 255 else np.uint16)
    read = read_page(written(tmp_path / "a.tif", values), 0, None)
    scaled = read / 255 if read.dtype == np.uint8 else read
    np.testing.assert_allclose(
        scaled, values[..., :3] / white if len(shape) == 3 else values / white, rtol=1e-6
    )


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 3)])
def test_floats_within_0_and_1_are_as_they_are(tmp_path: Path, dtype: str, shape: tuple[int, ...]) -> None:
    values = rng.random(shape).astype(dtype)
    np.testing.assert_allclose(read_page(written(tmp_path / "a.tif", values), 0, None), values, rtol=1e-6)


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "uint32", "float32"])
def test_other_numbers_need_a_window(tmp_path: Path, dtype: str) -> None:
    values = rng.integers(0, 100, (5, 7)).astype(dtype)
    path = written(tmp_path / "a.tif", values)
    with pytest.raises(explorer.InputError, match=rf"{dtype} pixels .*; declare window = \[centre, width\]"):
        read_page(path, 0, None)
    np.testing.assert_allclose(read_page(path, 0, (50, 100)), values / 100, rtol=1e-6)


def test_white_is_zero_is_turned_round(tmp_path: Path) -> None:
    values = rng.integers(0, 65536, (5, 7)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "gray.tif", values, photometric="miniswhite")
    np.testing.assert_allclose(read_page(tmp_path / "gray.tif", 0, None), 1 - values / 65535, atol=1e-6)
    tifffile.imwrite(tmp_path / "byte.tif", (values >> 8).astype(np.uint8), photometric="miniswhite")
    np.testing.assert_array_equal(read_page(tmp_path / "byte.tif", 0, None), 255 - (values >> 8))


def test_planes_one_after_the_other_are_colour(tmp_path: Path) -> None:
    values = rng.integers(0, 65536, (3, 5, 7)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="rgb", planarconfig="separate")
    read = read_page(tmp_path / "a.tif", 0, None)
    np.testing.assert_allclose(read, np.moveaxis(values, 0, -1) / 65535, rtol=1e-6)


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    """Three pages of 6 × 8, and a thumbnail that is no page."""
    with tifffile.TiffWriter(tmp_path / "stack.tif") as file:
        for number in range(3):
            file.write(np.full((6, 8), number * 100, np.uint8), photometric="minisblack")
        file.write(np.zeros((3, 4), np.uint8), photometric="minisblack", subfiletype=1)
    return tmp_path / "stack.tif"


def test_every_page_is_an_input_but_thumbnails(stack: Path) -> None:
    assert pages(stack) == [0, 1, 2]
    assert frames_of(stack, Preprocessing()) == [(0,), (1,), (2,)]
    assert [prepare(stack, (n,), Preprocessing()).picture[0, 0, 0] for n in range(3)] == [0, 100, 200]


def test_pages_can_be_a_volume_or_only_the_first(stack: Path) -> None:
    assert frames_of(stack, Preprocessing(frames="first")) == [()]
    whole = Preprocessing(frames="volume", channels="gray")
    assert frames_of(stack, whole) == [()]
    prepared = prepare(stack, (), whole)
    assert prepared.value.shape == (3, 6, 8, 1)
    assert prepared.picture is None
    np.testing.assert_allclose(prepared.value[:, 0, 0, 0], np.array([0, 100, 200]) / 255, rtol=1e-6)


def test_pages_of_different_sizes_are_no_volume(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for width in (8, 9):
            file.write(np.zeros((6, width), np.uint8), photometric="minisblack")
    with pytest.raises(explorer.InputError, match=r"page 1 is of shape \(6, 9\)"):
        read_stack(tmp_path / "a.tif", None)


def test_a_huge_page_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    path = written(tmp_path / "a.tif", np.zeros((4, 4), np.float32))
    data = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as file:
        for name in ("ImageWidth", "ImageLength"):
            tag = file.pages[0].tags[name]
            data[tag.valueoffset : tag.valueoffset + 2] = (60000).to_bytes(2, "little")
    path.write_bytes(data)
    with pytest.raises(explorer.InputError, match=r"60000 × 60000 pixels|more than 80000000 pixels"):
        read_page(path, 0, None)


@pytest.mark.parametrize("keep", [8, 100, 300])
def test_a_cut_file_is_one_line_that_names_it(tmp_path: Path, keep: int) -> None:
    path = written(tmp_path / "a.tif", rng.random((20, 20)).astype(np.float32))
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(explorer.InputError, match=r"a\.tif: ") as caught:
        read_page(path, 0, None)
    assert "\n" not in str(caught.value)


def test_compressed_by_pillow(tmp_path: Path) -> None:
    values = rng.integers(0, 256, (20, 20, 3), np.uint8)
    Image.fromarray(values).save(tmp_path / "a.tif", compression="tiff_lzw")
    np.testing.assert_array_equal(read_page(tmp_path / "a.tif", 0, None), values)


def test_common_depths_need_no_tifffile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    floats = rng.random((5, 7)).astype(np.float32)
    deep = rng.integers(0, 65536, (5, 7)).astype(np.uint16)
    written(tmp_path / "floats.tif", floats, compression="zlib")
    written(tmp_path / "deep.tif", deep)
    monkeypatch.setitem(sys.modules, "tifffile", None)
    np.testing.assert_array_equal(read_page(tmp_path / "floats.tif", 0, None), floats)
    np.testing.assert_allclose(read_page(tmp_path / "deep.tif", 0, None), deep / 65535, rtol=1e-6)
