"""DICOM: real files that pydicom brings, and a few written here."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest

import explorer
from explorer.capture import dicom
from explorer.capture.formats import frames_of, kind_of, prepare
from explorer.capture.images import read_inputs
from explorer.capture.model import Model
from explorer.capture.preprocessing import Preprocessing

pydicom = pytest.importorskip("pydicom")
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
FILES = Path(pydicom.data.__file__).parent / "test_files"
SECRET = "Mustermann^Erika"


def made(path: Path, values: np.ndarray, **elements: object) -> Path:
    """A secondary capture of 16 bits, with a patient's name in it."""
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    data = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
    data.SOPClassUID, data.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    data.PatientName, data.PatientID = SECRET, "0815-4711"
    data.Rows, data.Columns = values.shape[-2:]
    if values.ndim == 3:
        data.NumberOfFrames = len(values)
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated = data.BitsStored = 16
    data.HighBit, data.PixelRepresentation = 15, 0
    data.PixelData = values.astype(np.uint16).tobytes()
    for name, value in elements.items():
        setattr(data, name, value)
    data.save_as(path, enforce_file_format=True)
    return path


values = np.arange(12).reshape(3, 4) * 100


def test_slope_intercept_and_the_files_window(tmp_path: Path) -> None:
    path = made(
        tmp_path / "a.dcm",
        values,
        RescaleSlope=2,
        RescaleIntercept=-1000,
        WindowCenter=[40, 300],
        WindowWidth=[400, 1500],
    )
    hounsfield = values * 2.0 - 1000
    expected = np.clip((hounsfield - 39.5) / 399 + 0.5, 0, 1)  # the standard's LINEAR
    np.testing.assert_allclose(dicom.read_frame(path, 0, None), expected, atol=1e-6)


def test_a_declared_window_comes_first(tmp_path: Path) -> None:
    path = made(tmp_path / "a.dcm", values, WindowCenter=40, WindowWidth=400)
    np.testing.assert_allclose(
        dicom.read_frame(path, 0, (500, 1000)), np.clip(values / 1000, 0, 1), atol=1e-6
    )


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        ("LINEAR_EXACT", np.clip((values - 600) / 400 + 0.5, 0, 1)),
        ("SIGMOID", 1 / (1 + np.exp(-4 * (values - 600) / 400))),
    ],
)
def test_the_files_function_is_used(tmp_path: Path, function: str, expected: np.ndarray) -> None:
    path = made(tmp_path / "a.dcm", values, WindowCenter=600, WindowWidth=400, VOILUTFunction=function)
    np.testing.assert_allclose(dicom.read_frame(path, 0, None), expected, atol=1e-6)


def test_without_a_window_the_lowest_is_black_and_the_highest_white(tmp_path: Path) -> None:
    read = dicom.read_frame(made(tmp_path / "a.dcm", values + 50), 0, None)
    np.testing.assert_allclose(read, values / 1100, atol=1e-6)


def test_monochrome1_is_inverted(tmp_path: Path) -> None:
    plain = dicom.read_frame(made(tmp_path / "a.dcm", values), 0, None)
    turned = dicom.read_frame(
        made(tmp_path / "b.dcm", values, PhotometricInterpretation="MONOCHROME1"), 0, None
    )
    np.testing.assert_allclose(turned, 1 - plain, atol=1e-6)


def test_frames_are_inputs_or_one_volume(tmp_path: Path) -> None:
    frames = np.arange(24).reshape(2, 3, 4) * 10
    path = made(tmp_path / "a.dcm", frames)
    assert frames_of(path, Preprocessing()) == [(0,), (1,)]
    assert read_inputs(path, None).names == ("a.dcm#0", "a.dcm#1")
    whole = prepare(path, (), Preprocessing(frames="volume", channels="gray"))
    np.testing.assert_allclose(whole.value[..., 0], frames / 230, atol=1e-6)
    np.testing.assert_allclose(dicom.read_frame(path, 1, (115, 230)), frames[1] / 230, atol=1e-6)


def test_a_real_ct_is_what_pydicom_makes_of_it() -> None:
    data = pydicom.dcmread(FILES / "CT_small.dcm")
    hounsfield = data.pixel_array * float(data.RescaleSlope) + float(data.RescaleIntercept)
    read = dicom.read_frame(FILES / "CT_small.dcm", 0, (40, 400))
    np.testing.assert_allclose(read, np.clip((hounsfield + 160) / 400, 0, 1), atol=1e-6)


@pytest.mark.parametrize(
    "twin", ["MR_small_RLE", "MR_small_bigendian", "MR_small_implicit", "MR_small_jp2klossless"]
)
def test_every_transfer_syntax_gives_the_same_picture(twin: str) -> None:
    plain = dicom.read_frame(FILES / "MR_small.dcm", 0, None)
    np.testing.assert_array_equal(dicom.read_frame(FILES / f"{twin}.dcm", 0, None), plain)


def test_colours_palettes_and_ybr(tmp_path: Path) -> None:
    plain = dicom.read_frame(FILES / "SC_rgb_rle.dcm", 0, None)
    assert (plain.shape, plain.dtype) == ((100, 100, 3), np.uint8)
    deep = dicom.read_frame(FILES / "SC_rgb_rle_16bit.dcm", 0, None)
    np.testing.assert_allclose(deep, plain / 255, atol=1e-3)
    ybr = dicom.read_frame(FILES / "SC_ybr_full_422_uncompressed.dcm", 0, None)
    assert np.abs(ybr.astype(int) - plain).mean() < 3
    palette = dicom.read_frame(FILES / "examples_palette.dcm", 0, None)
    assert palette.shape == (350, 800, 3)
    assert palette.std() > 0


def test_a_missing_decoder_is_named() -> None:
    from pydicom.pixels import get_decoder
    from pydicom.uid import JPEGLSLossless

    path = FILES / "MR_small_jpeg_ls_lossless.dcm"
    if get_decoder(JPEGLSLossless).is_available:
        np.testing.assert_array_equal(
            dicom.read_frame(path, 0, None), dicom.read_frame(FILES / "MR_small.dcm", 0, None)
        )
        return
    with pytest.raises(explorer.InputError, match=r"JPEG-LS .* pip install pylibjpeg pylibjpeg-libjpeg"):
        dicom.read_frame(path, 0, None)


def test_without_suffix_and_without_preamble_it_is_known_by_content(tmp_path: Path) -> None:
    whole = (FILES / "CT_small.dcm").read_bytes()
    (tmp_path / "IM0001").write_bytes(whole)
    (tmp_path / "1.2.840.1").write_bytes((FILES / "MR_small.dcm").read_bytes()[132:])
    (tmp_path / "README").write_text("not a picture")
    (tmp_path / "wrong.png").write_bytes(whole)
    assert [kind_of(tmp_path / name) for name in ("IM0001", "1.2.840.1", "wrong.png")] == ["dicom"] * 3
    found = read_inputs(tmp_path, None)
    assert found.names == ("1.2.840.1", "IM0001", "wrong.png")
    np.testing.assert_array_equal(
        found.load(0).picture, read_inputs(FILES / "MR_small.dcm", None).load(0).picture
    )


@pytest.mark.parametrize(
    "name", ["MR_truncated.dcm", "badVR.dcm", "reportsi.dcm", "rtplan.dcm", "DICOMDIR-empty.dcm"]
)
def test_damaged_files_and_files_without_pictures_are_one_line(name: str) -> None:
    path = next(FILES.rglob(name))
    with pytest.raises(explorer.InputError, match=f"{name}: ") as caught:
        dicom.read_frame(path, 0, None)
    assert "\n" not in str(caught.value)


def test_a_deflated_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = dicom.read_frame(FILES / "image_dfl.dcm", 0, None)
    assert read.shape == (512, 512)
    monkeypatch.setattr(dicom, "MAX_INFLATED", 100_000)
    with pytest.raises(explorer.InputError, match="inflates to more than"):
        dicom.count_frames(FILES / "image_dfl.dcm")


def test_a_declared_size_beyond_the_limit_is_refused(tmp_path: Path) -> None:
    path = made(tmp_path / "a.dcm", values, Rows=60000, Columns=60000)
    with pytest.raises(explorer.InputError, match="60000 × 60000 pixels"):
        dicom.read_frame(path, 0, None)
    path = made(tmp_path / "b.dcm", values, NumberOfFrames=2**31 - 1)
    with pytest.raises(explorer.InputError, match="2147483647 frames"):
        dicom.count_frames(path)


def test_nothing_that_identifies_a_patient_is_in_a_run(toy: Model, tmp_path: Path) -> None:
    folder = tmp_path / "scans"
    folder.mkdir()
    made(folder / "good.dcm", values)
    made(folder / "broken.dcm", values, PixelData=b"\0\0")
    made(folder / "odd.dcm", values, PhotometricInterpretation=SECRET, WindowCenter=1, WindowWidth=2)
    run = explorer.capture(toy, folder, layers=["half"], out=tmp_path / "run")
    assert run.image_names == ("good.dcm",)
    for path in run.path.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert b"Mustermann" not in content, path
            assert b"4711" not in content, path


def test_pydicom_does_not_warn_during_a_capture(toy: Model, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        explorer.capture(toy, FILES / "MR_small_padded.dcm", layers=["half"], out=tmp_path / "run")
