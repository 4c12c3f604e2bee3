"""NIfTI: files written here, and real ones that nibabel brings."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

import explorer
from explorer.capture import nifti
from explorer.capture.formats import frames_of, kind_of, prepare
from explorer.capture.images import read_inputs
from explorer.capture.model import Model
from explorer.capture.preprocessing import Preprocessing

nibabel = pytest.importorskip("nibabel")
FILES = Path(nibabel.__file__).parent / "tests" / "data"
rng = np.random.default_rng(0)


def saved(path: Path, values: np.ndarray, affine: np.ndarray | None = None) -> Path:
    nibabel.Nifti1Image(values, np.eye(4) if affine is None else affine).to_filename(path)
    return path


def head(depth: int = 5, height: int = 6, width: int = 4) -> np.ndarray:
    """(right, anterior, superior), each voxel saying where it is."""
    right, anterior, superior = np.meshgrid(range(width), range(height), range(depth), indexing="ij")
    return (right + 10 * anterior + 100 * superior).astype(np.float32)


def test_a_volume_runs_from_foot_to_head_front_to_back_left_to_right(tmp_path: Path) -> None:
    read = nifti.read(saved(tmp_path / "a.nii", head()), (), None, window=(227, 454))
    assert read.shape == (5, 6, 4, 1)
    numbers = np.rint(read[..., 0] * 454)
    assert numbers[2].tolist() == [[200 + 10 * (5 - row) + col for col in range(4)] for row in range(6)]


@pytest.mark.parametrize("codes", ["RAS", "LAS", "LPI", "SRA", "AIR"])
def test_however_it_was_stored_it_is_read_the_same(tmp_path: Path, codes: str) -> None:
    straight = nibabel.Nifti1Image(head(), np.eye(4))
    turned = straight.as_reoriented(
        nibabel.orientations.ornt_transform(
            nibabel.orientations.io_orientation(np.eye(4)), nibabel.orientations.axcodes2ornt(codes)
        )
    )
    turned.to_filename(tmp_path / "turned.nii.gz")
    saved(tmp_path / "straight.nii", head())
    for slices, count in ((None, 1), ("axial", 5), ("coronal", 6), ("sagittal", 4)):
        frames = nifti.frames(tmp_path / "turned.nii.gz", slices)
        assert len(frames) == count
        for frame in (frames[0], frames[-1]):
            one, other = (
                nifti.read(tmp_path / name, frame, slices, window=None)
                for name in ("turned.nii.gz", "straight.nii")
            )
            np.testing.assert_array_equal(one, other)


def test_slices_are_pictures_with_the_head_or_the_front_at_the_top(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.nii", head())

    def corners(slices: str, number: int) -> list[int]:
        plane = np.rint(nifti.read(path, (number,), slices, window=(227, 454)) * 454)
        return [int(plane[0, 0]), int(plane[0, -1]), int(plane[-1, 0])]

    assert corners("axial", 2) == [250, 253, 200]  # top left: front, left of the patient
    assert corners("coronal", 1) == [410, 413, 10]  # top left: head, left
    assert corners("sagittal", 3) == [403, 453, 3]  # top left: head, back


def test_slices_are_named_and_shown(tmp_path: Path) -> None:
    saved(tmp_path / "a.nii.gz", head())
    found = read_inputs(tmp_path, Preprocessing(slices="axial", size=(3, 3)))
    assert found.names == tuple(f"a.nii.gz#{number}" for number in range(5))
    prepared = found.load(4)
    assert prepared.value.shape == prepared.picture.shape == (3, 3, 3)


def test_volumes_in_time_are_inputs_each(tmp_path: Path) -> None:
    values = np.stack([head(), head() + 1000], axis=-1)
    path = saved(tmp_path / "a.nii", values)
    assert frames_of(path, Preprocessing()) == [(0,), (1,)]
    assert len(frames_of(path, Preprocessing(slices="axial"))) == 10
    late = nifti.read(path, (1, 2), "axial", window=(500, 2000))
    early = nifti.read(path, (0, 2), "axial", window=(-500, 2000))
    np.testing.assert_allclose(late, early, atol=1e-6)


def test_black_and_white_are_those_of_the_header_or_the_volume(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(head(), np.eye(4))
    image.header["cal_min"], image.header["cal_max"] = 100, 300
    image.to_filename(tmp_path / "cal.nii")
    expected = np.clip((head() - 100) / 200, 0, 1).transpose(2, 1, 0)[:, ::-1]
    np.testing.assert_allclose(
        nifti.read(tmp_path / "cal.nii", (), None, window=None)[..., 0], expected, atol=1e-6
    )
    own = nifti.read(saved(tmp_path / "own.nii", head()), (), None, window=None)
    assert (own.min(), own.max()) == (0, 1)


def test_nan_is_black(tmp_path: Path) -> None:
    values = head()
    values[0] = np.nan
    read = nifti.read(saved(tmp_path / "a.nii", values), (), None, window=None)
    assert np.isfinite(read).all()
    assert (read[:, :, 0] == 0).all()


def test_slope_and_intercept_are_applied(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(head().astype(np.int16), np.eye(4))
    image.header.set_slope_inter(2, -50)
    image.to_filename(tmp_path / "a.nii")
    scaled = np.asarray(nibabel.load(tmp_path / "a.nii").dataobj)
    read = nifti.read(tmp_path / "a.nii", (), None, window=(400, 1000))
    np.testing.assert_allclose(read[..., 0], ((scaled + 100) / 1000).transpose(2, 1, 0)[:, ::-1], atol=1e-6)


@pytest.mark.parametrize(
    "name", ["anatomical.nii", "example4d.nii.gz", "example_nifti2.nii.gz", "functional.nii"]
)
def test_real_files_are_what_nibabel_makes_of_them(name: str) -> None:
    if not (FILES / name).exists():
        pytest.skip("this build of nibabel brings no test files")
    canonical = np.asarray(nibabel.as_closest_canonical(nibabel.load(FILES / name)).dataobj, np.float32)
    canonical = canonical[..., 0] if canonical.ndim == 4 else canonical
    low, high = float(canonical.min()), float(canonical.max())
    read = nifti.read(FILES / name, (), None, window=((low + high) / 2, high - low))[..., 0]
    np.testing.assert_allclose(read, (canonical.transpose(2, 1, 0)[:, ::-1] - low) / (high - low), atol=1e-5)


def test_a_bomb_is_refused_by_what_its_header_declares(tmp_path: Path) -> None:
    header = nibabel.Nifti1Header()
    header.set_data_dtype(np.uint8)
    header["dim"][:4] = 3, 30000, 30000, 30000
    header["vox_offset"], header["magic"] = 352, b"n+1"
    with gzip.open(tmp_path / "bomb.nii.gz", "wb") as file:
        file.write(header.binaryblock + b"\0" * 4)
        for _ in range(50):
            file.write(bytes(2**20))
    assert kind_of(tmp_path / "bomb.nii.gz") == "nifti"
    with pytest.raises(explorer.InputError, match="30000 × 30000 × 30000 pixels"):
        nifti.read(tmp_path / "bomb.nii.gz", (), None, window=None)


def test_damaged_files_are_one_line(tmp_path: Path) -> None:
    path = saved(tmp_path / "whole.nii.gz", rng.normal(size=(20, 20, 20)).astype(np.float32))
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 255
    negative = bytearray(gzip.decompress(whole))
    negative[42:44] = (-5).to_bytes(2, "little", signed=True)
    offset = bytearray(gzip.decompress(whole))
    offset[108:112] = np.float32(1e12).tobytes()
    for name, content in {
        "cut.nii.gz": whole[: len(whole) // 2],
        "flipped.nii.gz": flipped,
        "short.nii": gzip.decompress(whole)[:1000],
        "negative.nii": negative,
        "offset.nii": offset,
        "text.nii.gz": b"hello",
    }.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(explorer.InputError, match=f"{name}: ") as caught:
            prepare(tmp_path / name, (), Preprocessing())
        assert "\n" not in str(caught.value)


def test_a_volume_is_resized_along_all_its_axes(tmp_path: Path) -> None:
    ramp = np.broadcast_to(np.linspace(0, 1, 8, dtype=np.float32), (6, 4, 8)).copy()
    path = saved(tmp_path / "a.nii", ramp)
    value = prepare(path, (), Preprocessing(size=(4, 2, 3), channels="gray", window=(0.5, 1.0))).value
    assert value.shape == (4, 2, 3, 1)
    expected = ramp[0, 0].reshape(4, 2).mean(1)
    np.testing.assert_allclose(value[1:3, 0, 0, 0], expected[1:3], atol=1e-6)
    with pytest.raises(explorer.InputError, match=r"a\.nii: a volume, but size = \[4, 4\]"):
        prepare(path, (), Preprocessing(size=(4, 4)))


def test_volumes_go_through_a_capture(toy: Model, tmp_path: Path) -> None:
    folder = tmp_path / "scans"
    folder.mkdir()
    for number in range(3):
        saved(folder / f"{number}.nii.gz", rng.random((4, 6, 5)).astype(np.float32))
    rule = Preprocessing(size=(8, 8), channels="gray", slices="coronal")
    run = explorer.capture(
        Model(toy.adapter, "toy", "toy", rule, input_shape=(8, 8, 1)),
        folder,
        layers=["half"],
        out=tmp_path / "run",
    )
    assert run.n_images == 18
    assert run.image_names[7] == "1.nii.gz#1"
