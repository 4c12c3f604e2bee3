"""TensorBoard's projector: rows as TSV, metadata, a sheet of sprites, and the configuration that names them."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from explorer.errors import InputError
from explorer.tracking.protocol import Embedding, Value

CONFIG = "projector_config.pbtxt"
MOST_PIXELS = 8192
"""Side of the largest sheet of sprites that the projector shows."""


class Projector:
    """The embeddings of a log folder, written as they come.

    What describes the rows is the same at each step and written once; what an earlier program has left
    in the configuration stays, unless it has the same name.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._texts: dict[str, str] | None = None
        self._sizes: dict[str, int] = {}

    def add(self, name: str, embedding: Embedding, step: int) -> None:
        """Write the rows of this step, with metadata and sprites the first time, and name them.

        Raises:
            InputError: another number of rows than at the first step, or a folder that cannot be written.
        """
        n, first = len(embedding.rows), self._sizes.get(name)
        if first not in (None, n):
            raise InputError(f"embedding {name}: {n} rows, and {first} at the first step")
        place, title = f"projector/{quote(name, safe='')}", f"{name}@{step:05d}"
        try:
            if self._texts is None:
                self._texts = _left_before(self._folder / CONFIG)
            (self._folder / place).mkdir(parents=True, exist_ok=True)
            if first is None:
                self._describe(self._folder / place, embedding)
                self._sizes[name] = n
            path = f"{place}/{step:05d}.tsv"
            _write(self._folder / path, rows_text(embedding.rows))
            self._texts[title] = entry(title, path, embedding)
            _write(self._folder / CONFIG, "".join(self._texts.values()))
        except OSError as error:
            told = error.strerror or error
            raise InputError(f"{self._folder / place}: cannot be written ({told})") from None

    @staticmethod
    def _describe(folder: Path, embedding: Embedding) -> None:
        """Metadata and sprites."""
        from PIL import Image

        if embedding.columns:
            _write(folder / "metadata.tsv", columns_text(embedding.columns))
        if embedding.sprites is not None:
            Image.fromarray(sheet(embedding.sprites)).save(folder / "sprite.png")


def entry(title: str, path: str, embedding: Embedding) -> str:
    """One embedding of the configuration, in protobuf's text format."""
    n, channels = embedding.rows.shape
    place = path.rsplit("/", 1)[0]
    lines = [f"tensor_name: {json.dumps(title)}", f"tensor_shape: {n}", f"tensor_shape: {channels}"]
    lines.append(f"tensor_path: {json.dumps(path)}")
    if embedding.columns:
        lines.append(f"metadata_path: {json.dumps(f'{place}/metadata.tsv')}")
    if embedding.sprites is not None:
        height, width = embedding.sprites.shape[1:3]
        dims = f"single_image_dim: {width} single_image_dim: {height}"
        lines.append(f"sprite {{ image_path: {json.dumps(f'{place}/sprite.png')} {dims} }}")
    return "embeddings {\n" + "".join(f"  {line}\n" for line in lines) + "}\n"


def rows_text(rows: NDArray[np.float32]) -> str:
    """Rows as lines of numbers with tabs between them; read back, they are the same float32.

    >>> rows_text(np.array([[1, 0.1]], np.float32))
    '1\\t0.100000001\\n'
    """
    line = "\t".join(["%.9g"] * rows.shape[1]) + "\n"
    return "".join(line % tuple(row) for row in rows.tolist())


def columns_text(columns: Mapping[str, Sequence[Value]]) -> str:
    """Metadata: a line of names where there are several columns, as the projector wants it, and one a row.

    >>> columns_text({"label": ["a", "b\\tc"], "row": [1, 2]})
    'label\\trow\\na\\t1\\nb c\\t2\\n'
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


def _left_before(path: Path) -> dict[str, str]:
    return {}


def _write(path: Path, text: str) -> None:
    """Write a file whole or not at all: TensorBoard may be reading it."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    part.write_text(text, encoding="utf-8")
    os.replace(part, path)
