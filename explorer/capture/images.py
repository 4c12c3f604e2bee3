"""IMAGES: a folder, files, a table or arrays, as inputs in a fixed order, named and perhaps labelled."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from explorer.capture import batches, tables
from explorer.capture.folders import find_images
from explorer.capture.formats import ALL_SUFFIXES, Frame, Prepared, frames_of, prepare, stretched
from explorer.capture.pictures import quietly
from explorer.capture.preprocessing import Preprocessing
from explorer.capture.tables import Columns, name_of
from explorer.errors import InputError

CLASSES = ("classes.csv", "classes.json")
"""Files beside masks that name their classes."""


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

    @property
    def metadata(self) -> Mapping[str, Sequence[tables.Value]]:
        """What else is known of the inputs: columns of one value an input."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """What was passed over when they were looked for, a line each, to be said when they are captured."""
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
    """Files of pictures and volumes, decoded one by one."""

    paths: tuple[Path, ...]
    frames: tuple[Frame, ...]
    names: tuple[str, ...]
    labels: tuple[str, ...] | None
    preprocessing: Preprocessing
    metadata: Columns = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    masks: tuple[Path | None, ...] | None = None

    def load(self, index: int) -> Prepared:
        """Decode and preprocess one file, or one frame of it."""
        return prepare(self.paths[index], self.frames[index], self.preprocessing)

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
    metadata: Columns = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def load(self, index: int) -> Prepared:
        """One row; pictures of type uint8 are preprocessed, numbers of any other type are not.

        Raises:
            InputError: the row holds NaN or infinity, or is no picture.
        """
        value = self.values[index]
        if self.preprocessing is not None and is_picture_array(self.values):
            return Prepared(*self.preprocessing.apply(value[..., 0] if value.shape[-1] == 1 else value))
        if not np.isfinite(value).all():
            raise InputError(f"input {self.names[index]}: holds NaN or infinity")
        return Prepared(np.asarray(value, np.float32), stretched(value))

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
    metadata: Columns = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def load(self, index: int) -> Prepared:
        """The row's number, and its picture."""
        if self.pictures is None:
            return Prepared(np.asarray(index))
        return self.pictures.load(index)._replace(value=np.asarray(index))

    def identity(self) -> str:
        """Digest of the number of rows and of the pictures."""
        beside = "" if self.pictures is None else self.pictures.identity()
        return hashlib.sha256(f"{len(self.names)} rows {beside}".encode()).hexdigest()


def first_readable(inputs: Inputs) -> NDArray[Any]:
    """The first input that is not broken, (*spatial, channels).

    Raises:
        InputError: all of them are.
    """
    first = ""
    with quietly():
        for index in range(len(inputs.names)):
            try:
                return inputs.load(index).value
            except InputError as error:
                first = first or str(error)
    raise InputError(f"none of the {len(inputs.names)} inputs could be read; the first: {first}")


def is_picture_array(values: NDArray[Any]) -> bool:
    """Whether an array holds pictures of 0..255: uint8 (batch, height, width, 1 or 3)."""
    return values.dtype == np.uint8 and values.ndim == 4 and values.shape[-1] in (1, 3)


def read_inputs(source: object, preprocessing: Preprocessing | None) -> ImageFiles | ImageArray:
    """Open IMAGES.

    Args:
        source: a folder (sub-folders are labels; of one that holds `images` and `masks`, the images), a
            file, a list of files, a table of files (.csv, .tsv, .parquet), an array (batch, *spatial,
            channels), or an array file (.npy, .npz).
        preprocessing: the rule; without one, files are read as RGB of 0 to 1 at their own size. An
            array of uint8 pictures is preprocessed; one of any other type is given to the model as it is.

    Raises:
        InputError: nothing there, or nothing that can be read.
    """
    rule = preprocessing or Preprocessing()
    if not isinstance(source, str | Path):
        if isinstance(source, Sequence) and source and all(isinstance(item, str | Path) for item in source):
            paths = [Path(item) for item in source]
            return _files(paths, [name_of(path) for path in paths], None, rule)
        return _array(np.asarray(source), preprocessing, "images")
    path, suffix = Path(source), Path(source).suffix.lower()
    if path.is_dir():
        return _folder(image_folder(path), rule, beside=path)
    if not path.is_file():
        raise InputError(f"{path}: no such file or folder")
    if suffix == ".npy":
        return _array(batches.read_npy(path), preprocessing, str(path))
    if suffix == ".npz":
        values, labels, metadata = batches.read_npz(path)
        return _array(values, preprocessing, str(path), labels=labels, metadata=metadata)
    if suffix in tables.SUFFIXES:
        table = tables.read_table(path)
        return _files(
            table.paths, table.names, table.labels, rule, metadata=table.metadata, masks=table.masks
        )
    return _files([path], [path.name], None, rule)


def image_folder(folder: Path) -> Path:
    """The folder itself, or its `images` where `masks` lie beside them."""
    beside = (folder / "images").is_dir() and (folder / "masks").is_dir()
    return folder / "images" if beside else folder


def _folder(folder: Path, rule: Preprocessing, *, beside: Path) -> ImageFiles:
    paths, notes = find_images(folder)
    if folder != beside:
        others = [path.name for path in sorted(beside.iterdir()) if path.name[0] != "."]
        others = [name for name in others if name not in ("images", "masks", *CLASSES)]
        passed = f"; passed over {', '.join(others[:4])}{' and others' * (len(others) > 4)}" if others else ""
        notes = (f"{beside}: took its images for the images and its masks for their masks{passed}", *notes)
    if not paths:
        told = "".join(f"; {note.split(': ', 1)[-1]}" for note in notes)
        raise InputError(f"{folder}: no pictures in this folder (looked for {' '.join(ALL_SUFFIXES)}){told}")
    names = [name_of(path.relative_to(folder)) for path in paths]
    labels = None
    if any("/" in name for name in names):
        labels = tuple(name.split("/")[0] if "/" in name else "" for name in names)
    return _files(paths, names, labels, rule, notes=notes)


def _files(
    paths: Sequence[Path],
    names: Sequence[str],
    labels: Sequence[str] | None,
    rule: Preprocessing,
    *,
    metadata: Mapping[str, Sequence[tables.Value]] | None = None,
    notes: tuple[str, ...] = (),
    masks: tuple[Path | None, ...] | None = None,
) -> ImageFiles:
    """One input a file, or one for each of its frames: `scan.tif#3`, with its file's label and metadata."""
    with quietly():
        found = [(row, frame) for row, path in enumerate(paths) for frame in frames_of(path, rule)]
    rows, frames = [row for row, _ in found], [frame for _, frame in found]
    own = [names[row] + (f"#{'.'.join(map(str, frame))}" if frame else "") for row, frame in found]
    return ImageFiles(
        tuple(paths[row] for row in rows),
        tuple(frames),
        tuple(own),
        None if labels is None else tuple(labels[row] for row in rows),
        rule,
        {name: [column[row] for row in rows] for name, column in (metadata or {}).items()},
        notes,
        None if masks is None else tuple(masks[row] for row in rows),
    )


def _array(
    values: NDArray[Any],
    preprocessing: Preprocessing | None,
    where: str,
    *,
    labels: tuple[str, ...] | None = None,
    metadata: Columns | None = None,
) -> ImageArray:
    if values.dtype.kind not in "fiub" or not 2 <= values.ndim <= 5 or 0 in values.shape:
        raise InputError(
            f"{where}: an array of type {values.dtype} and shape {values.shape}, "
            "expected numbers (batch, *spatial, channels)"
        )
    names = tuple(str(index) for index in range(len(values)))
    return ImageArray(values, names, labels, preprocessing, metadata or {})
