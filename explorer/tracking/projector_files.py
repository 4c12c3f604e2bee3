"""The files of an embedding projector: rows, metadata, sprites; sizes held against what is declared."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.errors import InputError, first_line
from explorer.tracking.projector_text import parse

CONFIG = "projector_config.pbtxt"
MOST_BYTES = 2 * 2**30
MOST_METADATA = 256 * 2**20


@dataclass(frozen=True)
class Entry:
    """One embedding of a configuration; paths are absolute and inside the configuration's folder.

    Attributes:
        name: of the tensor.
        rows: the file of rows; None where they are in a checkpoint of TensorFlow.
        shape: (n, channels) as declared, () where nothing is.
        metadata: the file of metadata, or None.
        sprite: the sheet of sprites, or None.
        sprite_size: (width, height) of one of them, (0, 0) without sprites.
    """

    name: str
    rows: Path | None
    shape: tuple[int, ...]
    metadata: Path | None
    sprite: Path | None
    sprite_size: tuple[int, int]


def read_config(path: Path) -> list[Entry]:
    """The embeddings that a projector_config.pbtxt names; of two with one name, the later.

    Raises:
        InputError: it is damaged, names files outside its folder, or nothing.
    """
    try:
        found = parse(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path}: cannot be read as a projector's configuration ({first_line(error)})"
        ) from None
    entries: dict[str, Entry] = {}
    for number, one in enumerate(found.get("embeddings", [])):
        if not isinstance(one, dict):
            raise InputError(f"{path}: embeddings is no message, expected embeddings {{ … }}")
        made = _entry(path, one, number)
        entries.pop(made.name, None)
        entries[made.name] = made
    return list(entries.values())


def _entry(path: Path, one: dict[str, list[Any]], number: int) -> Entry:
    sprite = one.get("sprite", [{}])[-1]
    if not isinstance(sprite, dict):
        raise InputError(f"{path}: embedding {number}: sprite is no message, expected sprite {{ … }}")
    name = str(one.get("tensor_name", [f"embedding {number}"])[-1]).removesuffix(":0")
    size = _wholes(path, name, sprite.get("single_image_dim", []))
    picture = _inside(path, sprite.get("image_path"))
    if picture is not None and (len(size) != 2 or min(size) < 1):
        raise InputError(f"{path}: {name}: single_image_dim {list(size)}, expected width and height")
    return Entry(
        name,
        _inside(path, one.get("tensor_path")),
        _wholes(path, name, one.get("tensor_shape", [])),
        _inside(path, one.get("metadata_path")),
        picture,
        (size[0], size[1]) if picture is not None else (0, 0),
    )


def _wholes(path: Path, name: str, values: list[Any]) -> tuple[int, ...]:
    for value in values:
        if not isinstance(value, float) or not 0 <= value < 2**40 or value != int(value):
            raise InputError(f"{path}: {name}: a size of {value!r}, expected a whole number")
    return tuple(int(value) for value in values)


def _inside(config: Path, given: list[Any] | None) -> Path | None:
    """A file named by the configuration, links followed.

    Raises:
        InputError: it lies outside the configuration's folder.
    """
    if not given or given[-1] == "":
        return None
    folder = config.parent.resolve()
    try:
        path = (folder / str(given[-1])).resolve()
    except (ValueError, OSError, RuntimeError):  # a zero byte, or links in a circle
        raise InputError(f"{config}: names {given[-1]!r}, which is no path") from None
    if not path.is_relative_to(folder):
        raise InputError(f"{config}: names {given[-1]}, outside its own folder; copy the file into it")
    return path


def _checked(path: Path, most: int) -> int:
    """The size of a file that may be read.

    Raises:
        InputError: it is missing, no file, or too large.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file, though projector_config.pbtxt names it")
    size = path.stat().st_size
    if size > most:
        raise InputError(f"{path}: {size / 1e9:.1f} GB, at most {most / 1e9:.1f} GB are read")
    return size


def read_rows(entry: Entry) -> NDArray[np.float32]:
    """The rows of an embedding (n, channels): lines of numbers with tabs, or float32 bytes.

    Raises:
        InputError: the file is missing, damaged, or not of the declared shape.
    """
    assert entry.rows is not None
    path, shape = entry.rows, entry.shape
    size = _checked(path, MOST_BYTES)
    if not size:
        raise InputError(f"{path}: is empty, expected rows of numbers")
    if _is_text(path):
        rows = _text_rows(path)
    else:
        if len(shape) != 2:
            raise InputError(f"{path}: bytes, and tensor_shape {list(shape)} does not tell rows and columns")
        if size != 4 * shape[0] * shape[1]:
            raise InputError(
                f"{path}: {size} bytes, but {shape[0]} × {shape[1]} float32 are {4 * shape[0] * shape[1]}"
            )
        rows = np.fromfile(path, "<f4").reshape(shape)
    if shape and shape != rows.shape:
        raise InputError(
            f"{path}: {rows.shape[0]} × {rows.shape[1]} numbers, but tensor_shape says {list(shape)}"
        )
    return rows


def _is_text(path: Path) -> bool:
    """Whether a file begins as a line of numbers does; float32 bytes hardly do for 4 kB."""
    with path.open("rb") as file:
        return not file.read(4096).strip(b"0123456789+-.eEinfaINFA\t\r\n ")


def _text_rows(path: Path) -> NDArray[np.float32]:
    try:
        with path.open(encoding="ascii") as file, warnings.catch_warnings():
            warnings.simplefilter("error")  # of a file of blank lines it only warns
            rows = np.loadtxt(file, np.float32, delimiter="\t", comments=None, ndmin=2)
    except (ValueError, OSError, MemoryError, UserWarning) as error:
        raise InputError(f"{path}: cannot be read as rows of numbers ({first_line(error)})") from None
    return np.asarray(rows, np.float32)


def read_metadata(path: Path, n: int) -> dict[str, list[Any]]:
    """Columns of metadata by name, n values each, as numbers where all of a column are.

    The first line names the columns where there are several; a single one is called "label".

    Raises:
        InputError: the file is missing, damaged, or has not a line for each row.
    """
    _checked(path, MOST_METADATA)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as text ({first_line(error)})") from None
    lines = [line.split("\t") for line in text.replace("\r\n", "\n").split("\n") if line.strip()]
    several = bool(lines) and len(lines[0]) > 1
    names = [name.strip() for name in lines[0]] if several else ["label"]
    body = lines[1:] if several else lines
    if len(body) != n:
        raise InputError(f"{path}: metadata of {len(body)} rows for an embedding of {n}")
    if len(set(names)) != len(names) or "" in names:
        raise InputError(f"{path}: its first line names a column twice, or not at all: {names[:8]}")
    for number, cells in enumerate(body, start=1):
        if len(cells) != len(names):
            raise InputError(f"{path}: entry {number} has {len(cells)} cells, expected {len(names)}")
    return {name: _typed([cells[at] for cells in body]) for at, name in enumerate(names)}


def _typed(cells: list[str]) -> list[Any]:
    """Cells as whole numbers, or floats, or as the text they are."""
    for kind in (int, float):
        try:
            return [kind(cell) for cell in cells]
        except ValueError:
            continue
    return [cell.strip() for cell in cells]


def read_sprites(entry: Entry, n: int) -> NDArray[np.uint8]:
    """The sprites of an embedding's rows, (n, height, width, 3).

    Raises:
        InputError: the sheet is missing, damaged, or has not one for each row.
    """
    from explorer.capture.pictures import open_picture

    assert entry.sprite is not None
    width, height = entry.sprite_size
    _checked(entry.sprite, MOST_METADATA)
    sheet = np.asarray(open_picture(entry.sprite).convert("RGB"), np.uint8)
    down, across = sheet.shape[0] // height, sheet.shape[1] // width
    if down * across < n:
        raise InputError(
            f"{entry.sprite}: {sheet.shape[1]} × {sheet.shape[0]} pixels hold {down * across} sprites of "
            f"{width} × {height}, and there are {n} rows"
        )
    whole = sheet[: down * height, : across * width].reshape(down, height, across, width, 3)
    return np.ascontiguousarray(whole.transpose(0, 2, 1, 3, 4).reshape(-1, height, width, 3)[:n])
