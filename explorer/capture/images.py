"""IMAGES: a folder, files or arrays, as inputs in a fixed order, each with a name and perhaps a label."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from explorer.capture.preprocessing import MAX_PIXELS, Preprocessing, as_shown
from explorer.errors import InputError, first_line

if TYPE_CHECKING:
    from PIL.Image import Image

# Pillow opens more than these; formats that run other programs or are rarely hardened stay out.
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM", "JPEG2000", "TGA", "AVIF")
SUFFIXES = (
    ".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm", ".pbm", ".pnm",
    ".jp2", ".j2k", ".tga", ".avif",
)  # fmt: skip
Prepared = tuple[NDArray[Any], "NDArray[np.uint8] | None"]


class Inputs(Protocol):
    """Inputs in a fixed order."""

    @property
    def names(self) -> tuple[str, ...]:
        """One name an input."""
        ...

    @property
    def labels(self) -> tuple[str, ...] | None:
        """One label an input, or None when there are none."""
        ...

    def load(self, index: int) -> Prepared:
        """One input (*spatial, channels), and the picture (height, width, 3) of it if it is one.

        Raises:
            InputError: this input is broken; the others may be fine.
        """
        ...

    def identity(self) -> str:
        """A digest that changes when the inputs do."""
        ...


@dataclass(frozen=True)
class ImageFiles:
    """Picture files, decoded one by one."""

    paths: tuple[Path, ...]
    names: tuple[str, ...]
    labels: tuple[str, ...] | None
    preprocessing: Preprocessing

    def load(self, index: int) -> Prepared:
        """Decode and preprocess one file."""
        return self.preprocessing.apply(open_picture(self.paths[index]))

    def identity(self) -> str:
        """Digest of names, sizes and times of change."""
        digest = hashlib.sha256()
        for path, name in zip(self.paths, self.names, strict=True):
            try:
                state = path.stat()
                seen = f"{state.st_size}\0{state.st_mtime_ns}"
            except OSError:  # it will be skipped, and said, when it is read
                seen = "missing"
            digest.update(f"{name}\0{seen}\n".encode("utf-8", "surrogateescape"))
        return digest.hexdigest()


@dataclass(frozen=True)
class ImageArray:
    """An array (batch, *spatial, channels): uint8 pictures, or floats taken as they are."""

    values: NDArray[Any]
    names: tuple[str, ...]
    labels: tuple[str, ...] | None
    preprocessing: Preprocessing | None

    def load(self, index: int) -> Prepared:
        """One row; pictures of type uint8 are preprocessed, numbers of any other type are not."""
        value = self.values[index]
        if self.preprocessing is not None and is_picture_array(self.values):
            from PIL import Image

            return self.preprocessing.apply(Image.fromarray(value[..., 0] if value.shape[-1] == 1 else value))
        if not np.isfinite(value).all():
            raise InputError(f"input {self.names[index]}: holds NaN or infinity")
        return np.asarray(value, np.float32), self._shown(value)

    def _shown(self, value: NDArray[Any]) -> NDArray[np.uint8] | None:
        if value.ndim != 3 or value.shape[-1] not in (1, 3):
            return None
        value = value.astype(np.float64)
        low, high = float(value.min()), float(value.max())
        return as_shown((value - low) / ((high - low) or 1.0))

    def identity(self) -> str:
        """Digest of shape, type and bytes."""
        digest = hashlib.sha256(f"{self.values.shape}{self.values.dtype}".encode())
        for row in self.values:
            digest.update(np.ascontiguousarray(row).data)
        return digest.hexdigest()


@dataclass(frozen=True)
class RowNumbers:
    """Rows of activations that the model brings itself, with pictures beside them where there are any."""

    names: tuple[str, ...]
    labels: tuple[str, ...] | None
    pictures: Inputs | None = None

    def load(self, index: int) -> Prepared:
        """The row's number, and its picture."""
        return np.asarray(index), None if self.pictures is None else self.pictures.load(index)[1]

    def identity(self) -> str:
        """Digest of the number of rows and of the pictures."""
        beside = "" if self.pictures is None else self.pictures.identity()
        return hashlib.sha256(f"{len(self.names)} rows {beside}".encode()).hexdigest()


def first_readable(inputs: Inputs) -> NDArray[Any]:
    """The first input that is not broken, (*spatial, channels).

    Raises:
        InputError: all of them are.
    """
    for index in range(len(inputs.names)):
        try:
            return inputs.load(index)[0]
        except InputError:
            continue
    raise InputError(f"none of the {len(inputs.names)} inputs could be read")


def is_picture_array(values: NDArray[Any]) -> bool:
    """Whether an array holds pictures of 0..255: uint8 (batch, height, width, 1 or 3)."""
    return values.dtype == np.uint8 and values.ndim == 4 and values.shape[-1] in (1, 3)


@cache
def readable_formats() -> tuple[str, ...]:
    """The formats of the allow-list that this build of Pillow can open."""
    from PIL import Image

    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def open_picture(path: Path) -> Image:
    """Decode the first frame of a picture file to mode L, RGB, or F with values 0 to 1.

    The EXIF orientation is applied. Palettes and CMYK become RGB, an alpha channel is dropped,
    16-bit gray becomes 0 to 1.

    Raises:
        InputError: the file is missing, of another format, damaged, or too large.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with Image.open(path, formats=readable_formats()) as opened:
            if opened.width * opened.height > MAX_PIXELS:
                raise InputError(
                    f"{path}: {opened.width} × {opened.height} pixels, at most {MAX_PIXELS} are read"
                )
            picture = ImageOps.exif_transpose(opened)
            if picture.mode in ("I", "F") or picture.mode.startswith("I;16"):
                return Image.fromarray(_unit_range(np.asarray(picture), path))
            gray = picture.mode in ("1", "L", "LA", "La")
            return picture.convert("L" if gray else "RGB")
    except UnidentifiedImageError:
        raise InputError(
            f"{path}: not a picture of a known format ({', '.join(readable_formats())})"
        ) from None
    except (OSError, ValueError, SyntaxError, EOFError, IndexError, MemoryError) as error:
        raise InputError(f"{path}: cannot be decoded ({error})") from None
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise InputError(f"{path}: more than {MAX_PIXELS} pixels") from None
    except InputError:
        raise
    except Exception as error:  # a damaged file can fail anywhere in a decoder
        raise InputError(f"{path}: cannot be decoded ({type(error).__name__}: {first_line(error)})") from None


def _unit_range(values: NDArray[Any], path: Path) -> NDArray[np.float32]:
    """Integers divided by 65535; floats as they are when within 0..1."""
    if values.dtype.kind in "iu":
        return np.asarray(values / 65535, np.float32)
    if not np.isfinite(values).all() or values.min() < 0 or values.max() > 1:
        raise InputError(f"{path}: floating-point pixels outside 0..1; pass them as an array instead")
    return np.asarray(values, np.float32)


def find_images(folder: Path) -> tuple[Path, ...]:
    """Every picture file below a folder, by suffix, sorted by path; links are not followed."""
    found = []
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [Path(parent, name) for name in files if name.lower().endswith(SUFFIXES) and name[0] != "."]
    # A pipe or device would block whoever opens it; a broken link is kept, to be skipped aloud.
    return tuple(sorted(path for path in found if path.is_file() or not path.exists()))


def _files(paths: Sequence[Path], root: Path | None, preprocessing: Preprocessing) -> ImageFiles:
    names = tuple((path.relative_to(root) if root else path).as_posix() for path in paths)
    labels = None
    if root and any("/" in name for name in names):
        labels = tuple(name.split("/")[0] if "/" in name else "" for name in names)
    return ImageFiles(tuple(paths), names, labels, preprocessing)


def _array(values: NDArray[Any], preprocessing: Preprocessing | None, where: str) -> ImageArray:
    if values.dtype.kind not in "fiub" or not 2 <= values.ndim <= 5:
        raise InputError(
            f"{where}: an array of type {values.dtype} and shape {values.shape}, "
            "expected numbers (batch, *spatial, channels)"
        )
    return ImageArray(values, tuple(str(index) for index in range(len(values))), None, preprocessing)


def read_inputs(source: object, preprocessing: Preprocessing | None) -> ImageFiles | ImageArray:
    """Open IMAGES: a folder (sub-folders are labels), a file, a list of files, or an array or .npy file.

    Without `preprocessing`, files are read as RGB of 0 to 1 at their own size. An array of uint8
    pictures is preprocessed; an array of any other type is given to the model as it is.

    Raises:
        InputError: nothing there, or nothing that can be read.
    """
    if not isinstance(source, str | Path):
        if isinstance(source, Sequence) and source and all(isinstance(item, str | Path) for item in source):
            return _files([Path(item) for item in source], None, preprocessing or Preprocessing())
        return _array(np.asarray(source), preprocessing, "images")
    path = Path(source)
    if path.is_dir():
        paths = find_images(path)
        if not paths:
            raise InputError(f"{path}: no pictures in this folder (looked for {' '.join(SUFFIXES)})")
        return _files(paths, path, preprocessing or Preprocessing())
    if not path.is_file():
        raise InputError(f"{path}: no such file or folder")
    if path.suffix == ".npy":
        try:
            return _array(np.load(path, mmap_mode="r", allow_pickle=False), preprocessing, str(path))
        except (ValueError, OSError, EOFError) as error:
            raise InputError(f"{path}: cannot be read as an array of numbers ({error})") from None
    return _files([path], path.parent, preprocessing or Preprocessing())
