"""Files that are broken, mislabelled or hostile: each gets one clear line, and nothing else is lost."""

from __future__ import annotations

import gzip
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import explorer
from explorer.capture.model import Model


def png_of(width: int, height: int) -> bytes:
    """A PNG that declares a size and holds a few bytes."""

    def part(kind: bytes, content: bytes) -> bytes:
        body = kind + content
        return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    pixels = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + part(b"IHDR", header) + part(b"IDAT", pixels) + part(b"IEND", b"")


def tiff_in_circles() -> bytes:
    """A TIFF whose only page names itself as the next."""
    entries = [
        (256, 3, 1, 4),
        (257, 3, 1, 4),
        (258, 3, 1, 8),
        (262, 3, 1, 1),
        (273, 4, 1, 8),
        (279, 4, 1, 16),
    ]
    page = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\0" + struct.pack("<I", 8) + page + struct.pack("<I", 8)


def nifti_bomb() -> bytes:
    header = bytearray(352)
    header[0:4] = struct.pack("<i", 348)
    header[40:56] = struct.pack("<8h", 3, 32000, 32000, 32000, 1, 1, 1, 1)
    header[70:74] = struct.pack("<2h", 2, 8)
    header[76:108] = struct.pack("<8f", *[1.0] * 8)
    header[108:112] = struct.pack("<f", 352)
    header[344:348] = b"n+1\0"
    return gzip.compress(bytes(header) + bytes(10 * 2**20))


@pytest.fixture
def hostile(tmp_path: Path) -> dict[str, bytes]:
    good = tmp_path / "good.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)).save(good)
    whole = good.read_bytes()
    good.unlink()
    jpeg = tmp_path / "x.jpg"
    Image.new("RGB", (64, 64)).save(jpeg)
    cut = jpeg.read_bytes()[:300]
    jpeg.unlink()
    return {
        "empty.png": b"",
        "cut.png": whole[:2000],
        "cut.jpg": cut,
        "text.jpg": b"just some text",
        "bomb.png": png_of(60000, 60000),
        "short.png": png_of(500, 500),
        "program.png": b"\x7fELF" + bytes(500),
        "postscript.jpg": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 4 4\nshowpage\n",
        "page.html.png": b"<html><body>404 Not Found</body></html>",
        "garbage.tif": b"II*\0\xff\xff\xff\xff" + bytes(100),
        "garbage.dcm": bytes(128) + b"DICM" + bytes(range(256)),
        "empty.dcm": b"",
        "bomb.nii.gz": nifti_bomb(),
        "text.nii": b"hello",
        "archive.png": b"PK\x03\x04" + bytes(200),
        "packed.nii.gz": gzip.compress(bytes(2**20)),
        "pickle.png": b"\x80\x04cos\nsystem\n(S'touch /tmp/pwned'\ntR.",
    }


def test_each_gets_one_line_and_nothing_else_is_lost(
    toy: Model,
    folder: Path,
    hostile: dict[str, bytes],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, content in hostile.items():
        (folder / "b" / name).write_bytes(content)
    run = explorer.capture(toy, folder, layers=["half"], out=tmp_path / "run")
    said = capsys.readouterr().err
    assert run.n_images == 10
    assert run.labels == ("a",) * 5 + ("b",) * 5
    skipped = {
        entry["name"].removeprefix("b/"): entry["reason"] for entry in run.manifest["images"]["skipped"]
    }
    assert set(skipped) == set(hostile)
    assert f"captured 10 inputs, skipped {len(hostile)} that could not be read" in said
    lines = said.splitlines()
    for name in hostile:
        assert len([line for line in lines if f"/{name}: " in line]) == 1, name
    assert len(lines) == len(hostile) + 1
    assert all(len(line) < 400 for line in lines)
    assert "more than 80000000 pixels" in skipped["bomb.png"]
    assert "32000 × 32000 × 32000 pixels" in skipped["bomb.nii.gz"]


def test_a_good_picture_under_a_wrong_name_is_read(toy: Model, folder: Path, tmp_path: Path) -> None:
    content = (folder / "a" / "0.png").read_bytes()
    for suffix in ("jpg", "tif", "dcm", "gif"):
        (folder / "a" / f"wrong.{suffix}").write_bytes(content)
    run = explorer.capture(toy, folder, layers=["half"], out=tmp_path / "run")
    assert run.n_images == 14
    for suffix in ("jpg", "tif", "dcm", "gif"):
        where = run.image_names.index(f"a/wrong.{suffix}")
        np.testing.assert_array_equal(run["half"].values[where], run["half"].values[0])


def test_a_tiff_that_runs_in_circles_is_read_once(tmp_path: Path) -> None:
    from explorer.capture.images import read_inputs

    (tmp_path / "circles.tif").write_bytes(tiff_in_circles())
    found = read_inputs(tmp_path, None)
    assert found.names == ("circles.tif",)
    assert found.load(0).value.shape == (4, 4, 3)


def seeds(folder: Path) -> dict[str, bytes]:
    """A good file of each kind that is read, by suffix."""
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 255, (12, 14, 3), np.uint8)
    for suffix in ("png", "jpg", "gif", "webp", "bmp", "tga", "jp2", "ppm"):
        Image.fromarray(picture).save(folder / f"seed.{suffix}")
    Image.fromarray(picture[..., 0].astype(np.float32)).save(folder / "seed.tif")
    np.save(folder / "seed.npy", picture[None])
    np.savez(folder / "seed.npz", images=picture[None], y=[1])
    (folder / "seed.csv").write_text('path,label,n\na.png,x,1\n"b,c",y,2\n')
    import nibabel
    import pydicom
    from pydicom.data import get_testdata_file

    assert pydicom.__version__
    (folder / "seed.dcm").write_bytes(Path(str(get_testdata_file("MR_small_RLE.dcm"))).read_bytes())
    volume = nibabel.Nifti1Image(rng.normal(size=(4, 5, 6, 2)).astype(np.float32), np.eye(4))
    for suffix in ("nii", "nii.gz"):
        volume.to_filename(folder / f"seed.{suffix}")
    return {path.name.split(".", 1)[1]: path.read_bytes() for path in folder.glob("seed.*")}


@pytest.mark.filterwarnings("ignore")
def test_random_damage_is_a_picture_or_one_line(tmp_path: Path) -> None:
    pytest.importorskip("nibabel")
    pytest.importorskip("pydicom")
    from explorer.capture.images import read_inputs
    from explorer.capture.preprocessing import Preprocessing

    rng, lines, read = np.random.default_rng(1), 0, 0
    rules = (Preprocessing(), Preprocessing(slices="axial", window=(5, 10)), Preprocessing(frames="volume"))
    for suffix, whole in seeds(tmp_path).items():
        for _ in range(12):
            damaged = bytearray(whole)
            for _ in range(rng.integers(1, 5)):
                place = int(rng.integers(0, min(len(damaged), 700)))
                damaged[place : place + int(rng.integers(1, 4))] = rng.bytes(int(rng.integers(0, 4)))
            path = tmp_path / f"damaged.{suffix}"
            path.write_bytes(damaged)
            for rule in rules:
                try:
                    found = read_inputs(path, rule)
                    for index in range(min(2, len(found.names))):
                        assert np.isfinite(found.load(index).value).all()
                        read += 1
                except explorer.InputError as error:
                    told = str(error)
                    assert "\n" not in told
                    assert "damaged" in told or suffix == "csv"
                    lines += 1
    assert lines > 100
    assert read > 100


@pytest.mark.parametrize(
    ("package", "suffix", "extra"),
    [("pydicom", "dcm", "dicom"), ("nibabel", "nii.gz", "nifti"), ("tifffile", "tif", "tiff")],
)
def test_a_reader_that_is_not_installed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str, suffix: str, extra: str
) -> None:
    pytest.importorskip(package)
    from explorer.capture.images import read_inputs

    whole = seeds(tmp_path)[suffix]
    if suffix == "tif":
        tifffile = pytest.importorskip("tifffile")
        tifffile.imwrite(tmp_path / "a.tif", np.zeros((4, 4, 3), np.uint16), photometric="rgb")
        whole = (tmp_path / "a.tif").read_bytes()
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / f"a.{suffix}").write_bytes(whole)
    Image.new("RGB", (4, 4)).save(folder / "b.png")
    for name in [name for name in sys.modules if name.split(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    found = read_inputs(folder, None)
    assert found.names[-1] == "b.png"
    with pytest.raises(explorer.InputError, match=rf"pip install 'activation-explorer\[{extra}\]'"):
        found.load(0)
    assert found.load(len(found.names) - 1).value.shape == (4, 4, 3)
