"""Which files are inputs, what kind each is by its content, and how each kind is read.

The rules for what becomes of the numbers in a file are in tables: `explorer.capture.pictures` (Pillow's
formats and TIFF), `tiff` (pages), `dicom` and `nifti`. A file is read by what it holds, whatever
its suffix says.

An .npy among other files is one input: uint8 (height, width) or (height, width, 1 or 3) is a picture;
any other numbers (*spatial, channels) are given to the model as they are.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from explorer.capture import dicom, nifti, tiff
from explorer.capture.batches import read_npy
from explorer.capture.pictures import SUFFIXES, check_pixels, decoding, open_picture, readable_formats
from explorer.capture.preprocessing import MAX_VOXELS, Preprocessing, as_shown
from explorer.errors import InputError

DICOM_SUFFIXES = (".dcm", ".dicom", ".ima")
NIFTI_SUFFIXES = (".nii", ".nii.gz")
ALL_SUFFIXES = (*SUFFIXES, *DICOM_SUFFIXES, *NIFTI_SUFFIXES, ".npy")
FIRST_FRAME = "animations or stacks of which only the first frame was read"
Frame = tuple[int, ...]


class Prepared(NamedTuple):
    """One input, ready for the model.

    Attributes:
        value: (*spatial, channels).
        picture: (height, width, 3) uint8, None where the input is no picture.
        note: what was left out of it, in words that are counted over all inputs.
    """

    value: NDArray[Any]
    picture: NDArray[np.uint8] | None = None
    note: str | None = None


def is_input(path: Path) -> bool:
    """Whether a file of a folder is an input: by its suffix, or DICOM without one."""
    name = path.name.lower()
    if name.endswith(ALL_SUFFIXES):
        return True
    suffix = path.suffix[1:]
    return (not suffix or suffix.isdecimal()) and path.is_file() and dicom.is_dicom(_head(path))


def kind_of(path: Path) -> str:
    """What a file holds: "dicom", "nifti", "tiff", "npy", or else "picture"."""
    head = _head(path)
    if head.startswith(b"\x93NUMPY"):
        return "npy"
    if head[128:132] == b"DICM":  # its preamble may be that of a TIFF
        return "dicom"
    if head.startswith(tiff.MAGIC):
        return "tiff"
    if nifti.is_nifti(head, path):
        return "nifti"
    bare = path.name.lower().endswith(DICOM_SUFFIXES) and not head.startswith((b"\x89PNG", b"\xff\xd8"))
    return "dicom" if bare or dicom.is_dicom(head) else "picture"


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(nifti.HEADER)
    except OSError:  # said when it is read
        return b""


def frames_of(path: Path, rule: Preprocessing) -> list[Frame]:
    """The inputs that a file holds: () where it is one, else the numbers of its pages, frames or slices.

    Broken files are one input, and so found again, and said, when that is read.
    """
    try:
        return [()] if _is_ordinary(path) else _frames(path, rule)
    except InputError:
        return [()]


def _is_ordinary(path: Path) -> bool:
    """Whether the suffix is of a kind that holds one input a file: those need not be opened to be counted."""
    suffix = path.suffix.lower()
    return suffix in SUFFIXES and suffix not in (".tif", ".tiff")


def _frames(path: Path, rule: Preprocessing) -> list[Frame]:
    kind = kind_of(path)
    if kind == "nifti":
        return nifti.frames(path, rule.slices)
    if rule.frames == "volume" or kind in ("picture", "npy"):
        return [()]
    numbers = tiff.pages(path) if kind == "tiff" else list(range(dicom.count_frames(path)))
    if rule.frames == "first" or len(numbers) == 1:
        return [(numbers[0],)] if numbers[0] else [()]
    return [(number,) for number in numbers]


def prepare(path: Path, frame: Frame, rule: Preprocessing) -> Prepared:
    """Decode and preprocess one input of a file.

    Raises:
        InputError: it cannot be read, or does not fit the rule.
    """
    with decoding(path):
        return _prepare(path, frame, rule)


def _prepare(path: Path, frame: Frame, rule: Preprocessing) -> Prepared:
    kind, number, note = kind_of(path), frame[0] if frame else 0, None
    if kind != "picture" and not frame and rule.frames == "each" and _is_ordinary(path):
        note = FIRST_FRAME if len(_frames(path, rule)) > 1 else None  # by its suffix it could not be told
    if kind == "npy":
        return _array(path, rule)
    if kind == "nifti":
        values = nifti.read(path, frame, rule.slices, window=rule.window)
    elif kind == "tiff":
        stack = rule.frames == "volume"
        values = tiff.read_stack(path, rule.window) if stack else tiff.read_page(path, number, rule.window)
    elif kind == "dicom":
        stack = rule.frames == "volume"
        values = dicom.read_stack(path, rule.window) if stack else dicom.read_frame(path, number, rule.window)
    else:
        picture = open_picture(path, rule.window)
        note = FIRST_FRAME if picture.info.get("animated") else None
        return Prepared(*_named(path, rule, picture), note)
    if values.ndim == 4:
        try:
            return Prepared(rule.apply_volume(values))
        except InputError as error:
            raise InputError(f"{path}: {error}") from None
    return Prepared(*_named(path, rule, values), note)


def _array(path: Path, rule: Preprocessing) -> Prepared:
    values = read_npy(path)
    pixels = values.dtype == np.uint8 and (values.ndim == 2 or values.shape[2:] in ((1,), (3,)))
    if pixels:
        check_pixels(path, values.shape[:2])
        plane = np.array(values[..., 0] if values.shape[2:] == (1,) else values)
        return Prepared(*_named(path, rule, plane))
    if values.dtype.kind not in "fiub" or not 1 <= values.ndim <= 4 or values.size == 0:
        raise InputError(
            f"{path}: an array of type {values.dtype} and shape {values.shape}, "
            "expected numbers (*spatial, channels)"
        )
    check_pixels(path, values.shape, MAX_VOXELS)
    numbers = np.array(values, np.float32)
    if not np.isfinite(numbers).all():
        raise InputError(f"{path}: holds NaN or infinity")
    return Prepared(numbers, stretched(numbers))


def stretched(values: NDArray[Any]) -> NDArray[np.uint8] | None:
    """Numbers (height, width, 1 or 3) as a picture, the lowest black and the highest white; else None."""
    if values.ndim != 3 or values.shape[-1] not in (1, 3):
        return None
    values = values.astype(np.float64)
    low, high = float(values.min()), float(values.max())
    return as_shown((values - low) / ((high - low) or 1.0))


def _named(path: Path, rule: Preprocessing, picture: Any) -> tuple[NDArray[Any], NDArray[np.uint8]]:
    try:
        return rule.apply(picture)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def size_of(path: Path) -> tuple[int, int] | None:
    """(height, width) of a picture as it is shown, None for the kinds whose headers Pillow cannot read.

    Raises:
        InputError: the file cannot be read.
    """
    from PIL import Image

    if kind_of(path) not in ("picture", "tiff"):
        return None
    with decoding(path), Image.open(path, formats=readable_formats()) as opened:
        turned = opened.getexif().get(0x0112, 1) in (5, 6, 7, 8)
        return (opened.width, opened.height) if turned else (opened.height, opened.width)
