"""TensorBoard's projector: rows as TSV, metadata, a sheet of sprites, and the file that names them."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from explorer.errors import InputError
from explorer.tracking.projector_files import CONFIG, Entry, read_config
from explorer.tracking.protocol import Embedding, Value

MOST_PIXELS = 8192
"""Side of the largest sheet of sprites that the projector shows."""


class Projector:
    """The embeddings of a log folder, written as they come.

    What describes the rows is the same at each step, and for layers that share their grid: it is written
    once. What an earlier program has left in the configuration stays, unless it has the same name.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self._entries: dict[str, Entry] | None = None
        self._described: dict[str, Entry] = {}

    def add(self, name: str, embedding: Embedding, step: int) -> None:
        """Write the rows of this step, with metadata and sprites the first time, and name them.

        Raises:
            InputError: another number of rows than at the first step, or a folder that cannot be written.
        """
        place, title = self._folder / "projector" / quote(name, safe=""), f"{name}@{step:05d}"
        n, first = len(embedding.rows), self._described.get(name)
        if first is not None and first.shape[0] != n:
            raise InputError(f"embedding {name}: {n} rows, and {first.shape[0]} at the first step")
        try:
            if self._entries is None:
                self._entries = _left_before(self._folder / CONFIG)
            place.mkdir(parents=True, exist_ok=True)
            if first is None:
                first = self._described[name] = self._describe(embedding)
            rows = place / f"{step:05d}.tsv"
            _write(rows, rows_text(embedding.rows))
            self._entries.pop(title, None)
            self._entries[title] = replace(first, name=title, rows=rows)
            texts = (entry_text(entry, self._folder) for entry in self._entries.values())
            _write(self._folder / CONFIG, "".join(texts))
        except OSError as error:
            raise InputError(f"{place}: cannot be written ({error.strerror or error})") from None

    def _describe(self, embedding: Embedding) -> Entry:
        """Write metadata and sprites, where no embedding of the same rows has; and say where they are."""
        from PIL import Image

        text = columns_text(embedding.columns).encode() if embedding.columns else b""
        own = hashlib.sha256(text)
        if embedding.sprites is not None:
            own.update(np.ascontiguousarray(embedding.sprites).data)
        folder = self._folder / "projector" / f"rows-{own.hexdigest()[:12]}"
        metadata, sprite, size = folder / "metadata.tsv", folder / "sprite.png", (0, 0)
        folder.mkdir(exist_ok=True)
        if text and not metadata.is_file():
            _write(metadata, text.decode())
        if embedding.sprites is not None:
            size = (embedding.sprites.shape[2], embedding.sprites.shape[1])
            if not sprite.is_file():
                part = folder / f".sprite.{os.getpid()}.png"
                Image.fromarray(sheet(embedding.sprites)).save(part)
                os.replace(part, sprite)
        shape = embedding.rows.shape
        return Entry("", None, shape, metadata if text else None, sprite if size[0] else None, size)


def entry_text(entry: Entry, folder: Path) -> str:
    """One embedding of the configuration in `folder`, in protobuf's text format."""

    def named(path: Path) -> str:
        return json.dumps(path.relative_to(folder).as_posix(), ensure_ascii=False)

    lines = [f"tensor_name: {json.dumps(entry.name, ensure_ascii=False)}"]
    lines += [f"tensor_shape: {size}" for size in entry.shape]
    if entry.rows is not None:
        lines.append(f"tensor_path: {named(entry.rows)}")
    if entry.metadata is not None:
        lines.append(f"metadata_path: {named(entry.metadata)}")
    if entry.sprite is not None:
        dims = " ".join(f"single_image_dim: {size}" for size in entry.sprite_size)
        lines.append(f"sprite {{ image_path: {named(entry.sprite)} {dims} }}")
    return "embeddings {\n" + "".join(f"  {line}\n" for line in lines) + "}\n"


def rows_text(rows: NDArray[np.float32]) -> str:
    r"""Rows as lines of numbers with tabs between them; read back, they are the same float32.

    >>> rows_text(np.array([[1, 0.1]], np.float32))
    '1\t0.100000001\n'
    """
    line = "\t".join(["%.9g"] * rows.shape[1]) + "\n"
    return "".join(line % tuple(row) for row in rows.tolist())


def columns_text(columns: Mapping[str, Sequence[Value]]) -> str:
    r"""Metadata: a line of names where there are several columns, as the projector wants it, and one a row.

    >>> columns_text({"label": ["a", "b\tc"], "row": [1, 2]})
    'label\trow\na\t1\nb c\t2\n'
    """
    head = [tuple(columns)] if len(columns) > 1 else []
    table = [*head, *zip(*columns.values(), strict=True)]
    return "".join("\t".join(_cell(value) for value in row) + "\n" for row in table)


def _cell(value: Value) -> str:
    text = " ".join(str(value).split())
    return text.encode("utf-8", "replace").decode("utf-8")


def sheet(sprites: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Sprites (n, height, width, 3) side by side in rows, as many in a row as there are rows.

    Raises:
        InputError: more of them than the projector can show.
    """
    n, height, width = sprites.shape[:3]
    across = math.ceil(math.sqrt(n))
    if across * max(height, width) > MOST_PIXELS:
        raise InputError(
            f"{n} sprites of {width} × {height} pixels: a sheet may be {MOST_PIXELS} pixels wide; "
            "take fewer positions or smaller sprites"
        )
    down = -(-n // across)
    full = np.zeros((down * across, height, width, 3), np.uint8)
    full[:n] = sprites
    rows = full.reshape(down, across, height, width, 3).transpose(0, 2, 1, 3, 4)
    return np.ascontiguousarray(rows.reshape(down * height, across * width, 3))


def _left_before(path: Path) -> dict[str, Entry]:
    """The entries of a configuration that is there already, by name.

    Raises:
        InputError: it cannot be read.
    """
    return {entry.name: entry for entry in read_config(path)} if path.is_file() else {}


def _write(path: Path, text: str) -> None:
    """Write a file whole or not at all: TensorBoard may be reading it."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    part.write_text(text, encoding="utf-8")
    os.replace(part, path)
