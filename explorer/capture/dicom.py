"""DICOM by pydicom: from stored values to gray or colour of 0 to 1. Only pixels ever leave a file.

Not one text of a file is copied anywhere: no name, number, date or comment of a patient, and no words
of pydicom's errors, which may quote them. File names are kept in a run as the names of its inputs, so
rename files whose names tell who it is.

| in the file | rule |
|---|---|
| rescale slope and intercept, modality LUT | applied |
| window | the first of: `window` of [preprocessing]; the file's first window (LINEAR, LINEAR_EXACT or
  SIGMOID); its VOI LUT; for at most 8 bits from 0 to their largest value; else from the lowest to the
  highest value of the frame (of all frames of a volume) |
| MONOCHROME1 | inverted, after the window |
| RGB, YBR | RGB, divided by the largest value of its bits; no window |
| PALETTE COLOR | its colours |
| several frames | each is an input (`frames = "each"`), only the "first" is, or all are one "volume" |
| compressed | by whichever decoder is installed; else a line that says what to install |
| no suffix, no preamble | known by content |
"""

from __future__ import annotations

import contextlib
import re
import zlib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.capture.pictures import Window, check_pixels, through_window
from explorer.capture.preprocessing import MAX_VOXELS
from explorer.errors import InputError

MAX_FRAMES = 100_000
MAX_INFLATED = 512 * 2**20
"""Bytes that a deflated file may become."""
DEFLATED = "1.2.840.10008.1.2.1.99"
INSTALL = "pip install 'activation-explorer[dicom]'"


def is_dicom(head: bytes) -> bool:
    """Whether a file's first bytes are DICOM, with its preamble or without.

    >>> is_dicom(bytes(128) + b"DICM"), is_dicom(b"GIF89a")
    (True, False)
    """
    if head[128:132] == b"DICM":
        return True
    if not re.match(rb"(\x02\x00[\x00-\x02]|\x08\x00[\x00-\x18])\x00", head, re.DOTALL):
        return False
    explicit = head[4:6].isalpha() and head[4:6].isupper()
    return explicit or int.from_bytes(head[4:8], "little") in range(2, 65)


def count_frames(path: Path) -> int:
    """Number of frames.

    Raises:
        InputError: the file cannot be read, or pydicom is not installed.
    """
    with _reading(path):
        data = _read(path, stop_before_pixels=True)
        count = int(data.get("NumberOfFrames") or 1)
    if not 0 < count <= MAX_FRAMES:
        raise InputError(f"{path}: {count} frames, expected 1 to {MAX_FRAMES}")
    return count


def read_frame(path: Path, frame: int, window: Window | None) -> NDArray[Any]:
    """One frame: (height, width) or (height, width, 3), of uint8, or of floats 0 to 1.

    Raises:
        InputError: the file cannot be read, is no picture, or needs a decoder that is not installed.
    """
    with _reading(path):
        state = path.stat()
        data = _whole(path, state.st_mtime_ns, state.st_size)
        return _frame(data, path, frame, window)


def read_stack(path: Path, window: Window | None) -> NDArray[np.float32]:
    """All frames as one volume (depth, height, width, 1 or 3) of 0 to 1.

    Raises:
        InputError: see `read_frame`; or too many voxels.
    """
    with _reading(path):
        data = _read(path, stop_before_pixels=False)
        count = int(data.get("NumberOfFrames") or 1)
        check_pixels(path, (count, int(data.Rows), int(data.Columns)), MAX_VOXELS)
        if window is None and not _window_of(data, 0) and int(data.get("BitsStored") or 16) > 8:
            window = _whole_range(data, path, count)
        frames = [_frame(data, path, number, window) for number in range(count)]
    scaled = [frame / np.float32(255) if frame.dtype == np.uint8 else frame for frame in frames]
    volume = np.asarray(np.stack(scaled), np.float32)
    return volume if volume.ndim == 4 else volume[..., None]


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[None]:
    """One line for whatever goes wrong, in words of our own: pydicom's may quote the patient."""
    try:
        yield
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except ImportError:
        raise InputError(f"{path}: DICOM needs pydicom: {INSTALL}") from None
    except Exception as error:  # a damaged file can fail anywhere
        raise InputError(f"{path}: damaged DICOM ({type(error).__name__})") from None


def _read(path: Path, *, stop_before_pixels: bool) -> Any:
    import pydicom
    from pydicom.dataset import FileMetaDataset

    pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
    _check_inflation(path)
    data = pydicom.dcmread(path, force=True, stop_before_pixels=stop_before_pixels)
    if getattr(data, "file_meta", None) is None:
        data.file_meta = FileMetaDataset()
    if "TransferSyntaxUID" not in data.file_meta:
        implicit, little = data.original_encoding
        uid = pydicom.uid
        explicit = uid.ExplicitVRLittleEndian if little else uid.ExplicitVRBigEndian
        data.file_meta.TransferSyntaxUID = uid.ImplicitVRLittleEndian if implicit else explicit
    if "Rows" not in data or "Columns" not in data:
        raise InputError(f"{path}: DICOM without a picture (a report, a plan, a directory)")
    check_pixels(path, (int(data.Rows), int(data.Columns)))
    return data


@lru_cache(maxsize=2)
def _whole(path: Path, changed: int, size: int) -> Any:
    """The file just read, kept: its other frames are asked for next."""
    return _read(path, stop_before_pixels=False)


def _check_inflation(path: Path) -> None:
    """Refuse a deflated file that would fill the memory."""
    from pydicom.filereader import read_file_meta_info

    with path.open("rb") as file:
        if file.read(132)[128:] != b"DICM":
            return
        meta = read_file_meta_info(path)
        if str(meta.get("TransferSyntaxUID", "")) != DEFLATED:
            return
        file.seek(132 + 12 + int(meta.FileMetaInformationGroupLength))
        inflate, total = zlib.decompressobj(-zlib.MAX_WBITS), 0
        while block := inflate.unconsumed_tail or file.read(65536):
            total += len(inflate.decompress(block, 2**20))
            if total > MAX_INFLATED:
                raise InputError(f"{path}: inflates to more than {MAX_INFLATED >> 20} MB")


def _frame(data: Any, path: Path, frame: int, window: Window | None) -> NDArray[Any]:
    from pydicom.pixels import apply_color_lut

    count = int(data.get("NumberOfFrames") or 1)
    if not 0 <= frame < count:
        raise InputError(f"{path}: no frame {frame}; it has {count}")
    kind, values = str(data.PhotometricInterpretation), _decoded(data, path, frame)
    if kind == "PALETTE COLOR":
        colours: NDArray[Any] = apply_color_lut(values, data)
        return colours if colours.dtype == np.uint8 else np.asarray(colours / 65535, np.float32)
    if values.ndim == 3:
        bits = int(data.BitsStored)
        if values.dtype == np.uint8 and bits == 8:
            return values[..., :3]
        return np.asarray(values[..., :3] / (2.0**bits - 1), np.float32)
    gray = _windowed(_rescaled(values, data, frame), data, frame, window)
    return np.float32(1) - gray if kind == "MONOCHROME1" else gray


def _decoded(data: Any, path: Path, frame: int) -> NDArray[Any]:
    """Stored values of one frame, (height, width) or (height, width, 3)."""
    from pydicom.pixels import get_decoder, pixel_array

    if not any(name in data for name in ("PixelData", "FloatPixelData", "DoubleFloatPixelData")):
        raise InputError(f"{path}: DICOM without pixel data")
    syntax = data.file_meta.TransferSyntaxUID
    if syntax.is_compressed and syntax != DEFLATED:
        advice = (
            f"pip install pylibjpeg {'pylibjpeg-openjpeg' if '2000' in syntax.name else 'pylibjpeg-libjpeg'}"
        )
        try:
            available = get_decoder(syntax).is_available
        except NotImplementedError:
            raise InputError(f"{path}: compressed as {syntax.name}, which nothing here decodes") from None
        if not available:
            raise InputError(f"{path}: compressed as {syntax.name}, which needs a decoder: {advice}")
        try:
            decoded: NDArray[Any] = pixel_array(data, index=frame)
        except RuntimeError:  # each decoder that is installed gave up
            raise InputError(
                f"{path}: compressed as {syntax.name}: damaged, or in need of another decoder: {advice}"
            ) from None
        return decoded
    stored: NDArray[Any] = pixel_array(data, index=frame)
    return stored


def _item(data: Any, frame: int, group: str, keyword: str) -> Any:
    """The place of an element: the frame's own group, the shared one, or the file itself."""
    for sequence, place in (
        ("PerFrameFunctionalGroupsSequence", frame),
        ("SharedFunctionalGroupsSequence", 0),
    ):
        items = data.get(sequence) or []
        groups = items[place].get(group) if place < len(items) else None
        if groups and keyword in groups[0]:
            return groups[0]
    return data


def _rescaled(values: NDArray[Any], data: Any, frame: int) -> NDArray[np.float64]:
    from pydicom.pixels import apply_modality_lut

    place = _item(data, frame, "PixelValueTransformationSequence", "RescaleSlope")
    return np.asarray(apply_modality_lut(values, place), np.float64)


def _window_of(data: Any, frame: int) -> tuple[float, float, str] | None:
    """(centre, width, function) of the file's first window."""
    place = _item(data, frame, "FrameVOILUTSequence", "WindowCenter")
    centre, width = place.get("WindowCenter"), place.get("WindowWidth")
    if centre is None or width is None:
        return None
    function = str(place.get("VOILUTFunction") or "LINEAR")
    first = [float(v[0] if hasattr(v, "__len__") and not isinstance(v, str) else v) for v in (centre, width)]
    least = 1.0 if function == "LINEAR" else 0.0  # LINEAR divides by the width less one
    return (first[0], first[1], function) if first[1] > least and np.isfinite(first).all() else None


def _windowed(
    values: NDArray[np.float64], data: Any, frame: int, window: Window | None
) -> NDArray[np.float32]:
    """Gray of 0 to 1, by the table above."""
    from pydicom.pixels import apply_voi

    if window is not None:
        return through_window(values, window)
    if (own := _window_of(data, frame)) is not None:
        centre, width, function = own
        if function == "SIGMOID":
            power = np.clip(-4 * (values - centre) / width, -700, 700)
            return np.asarray(1 / (1 + np.exp(power)), np.float32)
        return through_window(
            values, (centre, width) if function == "LINEAR_EXACT" else (centre - 0.5, width - 1)
        )
    if data.get("VOILUTSequence"):
        depth = int(data.VOILUTSequence[0].LUTDescriptor[2])
        whole = np.asarray(values, np.int64)
        return np.asarray(apply_voi(whole, data) / (2.0**depth - 1), np.float32)
    if int(data.get("BitsStored") or 16) <= 8 and not int(data.get("PixelRepresentation") or 0):
        white = 2 ** int(data.get("BitsStored") or 8) - 1
        ends = _rescaled(np.array([0, white], np.uint8), data, frame)
        return through_window(values, _range(float(ends.min()), float(ends.max())))
    return through_window(values, _range(float(values.min()), float(values.max())))


def _whole_range(data: Any, path: Path, count: int) -> Window:
    """The window from the lowest to the highest value of all frames."""
    ends = []
    for frame in range(count):
        values = _rescaled(_decoded(data, path, frame), data, frame)
        ends += [float(values.min()), float(values.max())]
    return _range(min(ends), max(ends))


def _range(low: float, high: float) -> Window:
    return ((low + high) / 2, (high - low) or 1.0)
