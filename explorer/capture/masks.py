"""Masks beside images: which class of thing lies at each place of an input.

A mask has the name of its image with another suffix: `images/a/1.jpg` and `masks/a/1.png` (or
`masks/1.png`). It is a .npy of whole numbers, a NIfTI volume, or a PNG, TIFF, BMP, GIF or PGM whose gray
values, or palette numbers, are the classes. `classes.csv` (columns `id` and `name`) or `classes.json`
(a list of names, or an object of number to name) beside or above the masks names them.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from explorer.capture import batches, nifti
from explorer.capture.formats import Frame, kind_of, size_of
from explorer.capture.images import CLASSES, ImageFiles, Inputs, RowNumbers, image_folder
from explorer.capture.pictures import check_pixels, decoding, readable_formats
from explorer.capture.preprocessing import MAX_VOXELS, Preprocessing
from explorer.capture.tables import name_of
from explorer.errors import InputError, first_line

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIXES = (".png", ".npy", ".tif", ".tiff", ".bmp", ".gif", ".pgm", ".nii", ".nii.gz")


class Masks(Protocol):
    """A mask an input, as far as there are any."""

    @property
    def names(self) -> Mapping[int, str]:
        """Names of classes, by number, as far as they were given."""
        ...

    def load(self, index: int) -> NDArray[np.int32] | None:
        """The class at each place of an input (*spatial), None when it has no mask.

        Raises:
            InputError: the mask is broken.
        """
        ...

    def identity(self) -> str:
        """A digest that changes when the masks do."""
        ...


@dataclass(frozen=True)
class MaskFiles:
    """A file of a mask an input, or None."""

    paths: tuple[Path | None, ...]
    frames: tuple[Frame, ...]
    images: tuple[Path | None, ...]
    rule: Preprocessing
    names: Mapping[int, str] = field(default_factory=dict)

    def load(self, index: int) -> NDArray[np.int32] | None:
        """Decode one mask, and see that it has the proportions of its image.

        Raises:
            InputError: it cannot be decoded, or has other proportions than its image.
        """
        path, image = self.paths[index], self.images[index]
        if path is None:
            return None
        mask = _whole_numbers(read_mask(path, self.frames[index], self.rule), path)
        size = None if image is None or mask.ndim != 2 else size_of(image)
        if size is not None and abs(mask.shape[0] * size[1] - mask.shape[1] * size[0]) > max(
            *mask.shape, *size
        ):
            raise InputError(
                f"{path}: a mask of {mask.shape[1]} × {mask.shape[0]}, its image is {size[1]} × {size[0]}"
            )
        return mask

    def identity(self) -> str:
        """Digest of names, sizes, times of change, and the names of classes."""
        digest = hashlib.sha256(json.dumps({str(key): name for key, name in self.names.items()}).encode())
        for path in self.paths:
            state = path.stat() if path is not None and path.exists() else None
            seen = "" if state is None else f"{state.st_size}\0{state.st_mtime_ns}"
            digest.update(f"{path and path.name}\0{seen}\n".encode("utf-8", "surrogateescape"))
        return digest.hexdigest()


@dataclass(frozen=True)
class MaskArray:
    """Masks as one array (batch, *spatial)."""

    values: NDArray[Any]
    names: Mapping[int, str] = field(default_factory=dict)

    def load(self, index: int) -> NDArray[np.int32] | None:
        """One row."""
        return _whole_numbers(self.values[index], f"mask {index}")

    def identity(self) -> str:
        """Digest of shape, type and bytes."""
        digest = hashlib.sha256(f"{self.values.shape}{self.values.dtype}".encode())
        for row in self.values:
            digest.update(np.ascontiguousarray(row).data)
        return digest.hexdigest()


def open_masks(source: object, inputs: Inputs, *, images: object, rule: Preprocessing | None) -> Masks | None:
    """The masks of these inputs.

    Args:
        source: a folder, a .npy or .npz file, or an array (batch, *spatial); None for the column `mask` of
            a table, or the folder `masks` beside a folder `images`, where there is one.
        inputs: what the masks belong to.
        images: what was given as IMAGES.
        rule: how the inputs are read.

    Raises:
        InputError: nothing there, or not as many as the inputs.
    """
    files = _files_of(inputs)
    if source is None and files is not None and files.masks is not None:
        first = next((path for path in files.masks if path is not None), None)
        names = {} if first is None else _class_names(first.parent)
        return MaskFiles(files.masks, files.frames, files.paths, files.preprocessing, names)
    if source is None:
        source = _beside(images)
        if source is None:
            return None
    if not isinstance(source, str | Path):
        return _mask_array(np.asarray(source), inputs, "masks")
    path = Path(source)
    if path.is_dir():
        return _mask_files(path, inputs, rule or Preprocessing())
    if not path.is_file():
        raise InputError(f"{path}: no such file or folder of masks")
    if path.suffix.lower() == ".npy":
        return _mask_array(batches.read_npy(path), inputs, str(path))
    if path.suffix.lower() == ".npz":
        return _mask_array(batches.read_masks(path), inputs, str(path))
    raise InputError(f"{path}: masks are a folder, a .npy or a .npz")


def _beside(images: object) -> Path | None:
    if not isinstance(images, str | Path) or not Path(images).is_dir():
        return None
    folder = image_folder(Path(images).absolute())
    masks = folder.parent / "masks"
    return masks if folder.name == "images" and masks.is_dir() else None


def _mask_array(values: NDArray[Any], inputs: Inputs, where: str) -> MaskArray:
    if len(values.shape) < 2 or len(values) != len(inputs.names) or values.dtype.kind not in "iubf":
        raise InputError(
            f"{where}: masks of shape {values.shape} and type {values.dtype} for {len(inputs.names)} inputs, "
            f"expected whole numbers ({len(inputs.names)}, *spatial)"
        )
    return MaskArray(values)


def _files_of(inputs: Inputs) -> ImageFiles | None:
    """The files that inputs are, or that lie beside them."""
    beside = inputs.pictures if isinstance(inputs, RowNumbers) else inputs
    return beside if isinstance(beside, ImageFiles) else None


def _mask_files(folder: Path, inputs: Inputs, rule: Preprocessing) -> MaskFiles:
    files = _files_of(inputs)
    by_place: dict[str, Path] = {}
    by_stem: dict[str, list[Path]] = {}
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for path in sorted(Path(parent, name) for name in names):
            if path.name.lower().endswith(SUFFIXES) and path.name[0] != ".":
                by_place.setdefault(_stem(name_of(path.relative_to(folder))), path)
                by_stem.setdefault(_stem(name_of(Path(path.name))), []).append(path)
    found = []
    for index, name in enumerate(inputs.names):
        place = _stem(name.rsplit("#", 1)[0] if files and files.frames[index] else name)
        alone = by_stem.get(place.rsplit("/", 1)[-1], [])
        found.append(by_place.get(place) or (alone[0] if len(alone) == 1 else None))
    return MaskFiles(
        tuple(found),
        files.frames if files else ((),) * len(found),
        files.paths if files else (None,) * len(found),
        rule,
        _class_names(folder),
    )


def _stem(name: str) -> str:
    """A path without its suffix: .nii.gz is one."""
    lower = name.lower()
    if lower.endswith(".nii.gz"):
        return name[:-7]
    head, dot, suffix = name.rpartition(".")
    return head if dot and "/" not in suffix and head and not head.endswith("/") else name


def read_mask(path: Path, frame: Frame, rule: Preprocessing) -> NDArray[Any]:
    """The numbers of a mask file, (height, width) or (depth, height, width).

    Raises:
        InputError: it cannot be read, or is a picture in colours.
    """
    from PIL import Image as Pillow
    from PIL import ImageOps

    if path.suffix.lower() == ".npy":
        values = batches.read_npy(path)
        return np.asarray(values[frame] if frame and values.ndim > 2 and frame[0] < len(values) else values)
    if kind_of(path) == "nifti":
        return nifti.read_labels(path, frame, rule.slices)
    with decoding(path), Pillow.open(path, formats=readable_formats()) as opened:
        check_pixels(path, (opened.height, opened.width))
        count = max(1, int(getattr(opened, "n_frames", 1)))
        numbers = list(range(count)) if rule.frames == "volume" and count > 1 else [frame[0] if frame else 0]
        check_pixels(path, (len(numbers), opened.height, opened.width), MAX_VOXELS)
        planes = []
        for number in numbers:
            if count > 1:
                opened.seek(number)
            planes.append(_plane(ImageOps.exif_transpose(opened), path))
    return planes[0] if len(planes) == 1 else np.stack(planes)


def _plane(picture: Image, path: Path) -> NDArray[Any]:
    """The numbers of one page of a mask, (height, width)."""
    values = np.asarray(picture.convert("L") if picture.mode in ("LA", "La") else picture)
    if values.ndim == 3 and not (values[..., :3] == values[..., :1]).all():
        raise InputError(f"{path}: a mask in colours ({picture.mode}), expected gray or a palette")
    return values if values.ndim == 2 else values[..., 0]


def _whole_numbers(values: NDArray[Any], where: object) -> NDArray[np.int32]:
    if values.dtype.kind not in "iubf" or not np.isfinite(values).all():
        raise InputError(f"{where}: a mask of type {values.dtype}, expected whole numbers")
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 0.0)
    if not -(2**31) <= low <= high < 2**31 or (values.dtype.kind == "f" and (values % 1 != 0).any()):
        raise InputError(
            f"{where}: a mask with numbers from {low:g} to {high:g}, expected whole 32-bit numbers"
        )
    return np.asarray(values, np.int32)


def _class_names(folder: Path) -> dict[int, str]:
    """The names of classes in a file beside or above the masks, {} where there is none."""
    for place in (folder, folder.parent):
        for name in CLASSES:
            if (place / name).is_file():
                return _read_classes(place / name)
    return {}


def _read_classes(path: Path) -> dict[int, str]:
    try:
        text = path.read_text(encoding="utf-8-sig")
        if path.suffix == ".json":
            content = json.loads(text)
            pairs: Sequence[Any] = list(enumerate(content) if isinstance(content, list) else content.items())
        else:
            rows = [row for row in csv.reader(text.splitlines()) if row]
            titles = [title.strip().lower() for title in rows[0]]
            number, name = titles.index("id"), titles.index("name")
            pairs = [(row[number], row[name]) for row in rows[1:]]
        return {int(number): str(name).strip() for number, name in pairs}
    except (OSError, ValueError, AttributeError, IndexError, TypeError, csv.Error, RecursionError) as error:
        raise InputError(
            f"{path}: cannot be read as class numbers and names ({first_line(error)}); "
            'expected columns id and name, or {"0": "sky", …}'
        ) from None
