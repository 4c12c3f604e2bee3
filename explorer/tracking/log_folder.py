"""Embeddings of a TensorBoard log folder as activations captured elsewhere: one layer an embedding.

Metadata become labels and columns, sprites the pictures. The embeddings that are opened together are
those of the same rows: as many of them, with the same metadata and sprites.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from explorer.activations import Activations
from explorer.capture.protocol import LayerInfo, ModelOptions
from explorer.errors import InputError, LayerError, suggest
from explorer.tracking.projector_files import (
    CONFIG,
    Entry,
    read_config,
    read_metadata,
    read_rows,
    read_sprites,
)

LABELS = ("label", "labels", "class", "y")
MOST_FOLDERS = 10_000
DEPTH, FEW = 3, 4


class LogFolder:
    """The embeddings of one projector_config.pbtxt that have the same rows.

    Attributes:
        title: for the run that is made of it.
        n_inputs: how many rows they have.
        labels: one a row, or None.
        metadata: what else is known of each row, by column.
        pictures: (n, height, width, 3), the sprites; None where there are none.
        notes: what was passed over.
    """

    requires: ClassVar[tuple[str, ...]] = ()

    def __init__(self, config: Path, chosen: Path | None = None) -> None:
        self._config = config
        entries = read_config(config)
        self._rows = _read(_group(config, entries, chosen))
        first = next(iter(self._rows))
        which = "embeddings" if chosen is None else quote(first, safe="@")
        self.title = f"{config.parent.resolve().name}-{which}"
        self.n_inputs = len(self._rows[first])
        own = next(entry for entry in entries if entry.name == first)
        self._files = [entry.rows for entry in entries if entry.name in self._rows]
        columns = {} if own.metadata is None else read_metadata(own.metadata, self.n_inputs)
        label = next((name for name in LABELS if name in columns and _repeats(columns[name])), None)
        self.labels = None if label is None else tuple(map(str, columns.pop(label)))
        self.metadata: Mapping[str, Sequence[Any]] = {
            name: [None if isinstance(v, float) and not math.isfinite(v) else v for v in column]
            for name, column in columns.items()
        }
        self.pictures = None if own.sprite is None else read_sprites(own, self.n_inputs)
        self._others = _passed_over(config, entries, self._rows)
        self.notes = tuple(_in_few_lines(self._others))

    @classmethod
    def open(cls, source: object, options: ModelOptions) -> Self | None:
        """Open a log folder, its projector_config.pbtxt, or a file of rows that one names.

        Raises:
            InputError: a file is missing, damaged, hostile, or names several configurations.
        """
        if not isinstance(source, Path):
            return None
        if source.is_file():
            if source.name == CONFIG:
                return cls(source)
            config = _above(source) if source.suffix.lower() in (".tsv", ".bytes") else None
            return None if config is None else cls(config, source)
        found = configs_in(source)
        if len(found) > 1:
            listed = ", ".join(str(path.parent) for path in found[:6])
            more = f" and {len(found) - 6} more" if len(found) > 6 else ""
            raise InputError(f"{source}: embeddings of {len(found)} runs; name one of {listed}{more}")
        return cls(found[0]) if found else None

    def layers(self, input_shape: tuple[int, ...] | None) -> tuple[LayerInfo, ...]:
        """The embeddings in the order of the configuration; `input_shape` does not matter."""
        return tuple(LayerInfo(name, "embedding", (rows.shape[1],)) for name, rows in self._rows.items())

    def capture(self, inputs: NDArray[Any], layers: Sequence[str]) -> dict[str, Activations]:
        """The rows of these numbers (batch,), (batch, channels) for each embedding.

        Raises:
            LayerError: there is no such embedding, or it has other rows.
        """
        for name in layers:
            if name not in self._rows:
                why = self._others.get(name) or suggest(name, self._rows)
                raise LayerError(f"{self._config}: no layer {name}: {why}")
        return {name: Activations(name, self._rows[name][np.asarray(inputs)]) for name in layers}

    def find_layer(self, name: str, input_shape: tuple[int, ...] | None) -> LayerInfo | None:
        """None, or the line that says why an embedding that the configuration names is not among the layers.

        Raises:
            LayerError: it has other rows.
        """
        if name in self._others:
            self.capture(np.zeros(0, int), [name])
        return None

    @property
    def provenance(self) -> Mapping[str, Any]:
        """The configuration, and a digest over the files of rows."""
        digest = hashlib.sha256()
        for path in self._files:
            assert path is not None
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        origin = {"framework": "tensorboard", "checkpoint": str(self._config)}
        return {**origin, "digest": digest.hexdigest()}


def configs_in(folder: Path) -> list[Path]:
    """Every projector_config.pbtxt of a log folder, at most three folders deep; links are not followed."""
    if not folder.is_dir():
        return []
    found, seen, waiting = [], 0, [(folder, 0)]
    while waiting:
        place, depth = waiting.pop()
        seen += 1
        if (place / CONFIG).is_file():
            found.append(place / CONFIG)
            continue
        if depth < DEPTH and seen < MOST_FOLDERS:
            with contextlib.suppress(OSError), os.scandir(place) as inside:
                waiting += [(Path(one), depth + 1) for one in inside if one.is_dir(follow_symlinks=False)]
    return sorted(found)


def _above(rows: Path) -> Path | None:
    """The configuration of a file of rows, in its folder or up to three above."""
    for folder in list(rows.resolve().parents)[: DEPTH + 1]:
        if (folder / CONFIG).is_file():
            return folder / CONFIG
    return None


def _key(entry: Entry) -> tuple[Any, ...]:
    """What is the same for embeddings of the same rows."""
    return entry.shape[:1], entry.metadata, entry.sprite, entry.sprite_size


def _group(config: Path, entries: list[Entry], chosen: Path | None) -> list[Entry]:
    """The embeddings of the rows that were chosen; else of those that most have, of equals the first."""
    usable = [entry for entry in entries if entry.rows is not None]
    if not usable:
        told = "names no embeddings" if not entries else "keeps its embeddings in a checkpoint of TensorFlow"
        raise InputError(f"{config}: {told}; expected tensor_path of a .tsv or of float32 bytes")
    if chosen is not None:
        picked = [entry for entry in usable if entry.rows == chosen.resolve()]
        if not picked:
            raise InputError(f"{chosen}: {config} does not name it as a tensor_path")
        return [entry for entry in usable if _key(entry) == _key(picked[0])]
    keys = [_key(entry) for entry in usable]
    most = max(keys, key=keys.count)
    return [entry for entry in usable if _key(entry) == most]


def _read(group: list[Entry]) -> dict[str, NDArray[np.float32]]:
    """The rows of every embedding that has as many as the first."""
    read = {entry.name: read_rows(entry) for entry in group}
    first = len(read[group[0].name])
    return {name: rows for name, rows in read.items() if len(rows) == first}


def _passed_over(config: Path, entries: list[Entry], taken: Mapping[str, Any]) -> dict[str, str]:
    """Why each embedding that was not opened was not, and how to open it."""
    told = {}
    for entry in entries:
        if entry.rows is None:
            told[entry.name] = "its rows are in a checkpoint of TensorFlow"
        elif entry.name not in taken:
            where = config.parent / entry.rows.relative_to(config.parent.resolve())
            told[entry.name] = f"it has other rows than {next(iter(taken))}; open {where} to see it"
    return told


def _in_few_lines(told: Mapping[str, str]) -> Iterator[str]:
    """A line each, and of many the first four and how many more there are."""
    for name, why in list(told.items())[:FEW]:
        yield f"passed over {name}: {why}"
    if len(told) > FEW:
        yield f"passed over {len(told) - FEW} more embeddings, for such reasons"


def _repeats(column: Sequence[Any]) -> bool:
    """Whether values come more than once: a name of its own for each row is no label."""
    return len(set(column)) < len(column) or len(column) == 1
