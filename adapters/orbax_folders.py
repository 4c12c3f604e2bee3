"""Read Orbax checkpoints with TensorStore: shapes first, then only the arrays that are needed.

    steps/                   a CheckpointManager's folder
      10/                    one step
        default/             one item, where the manager saved items
          _METADATA          JSON: the tree, and how its arrays are stored
          manifest.ocdbt     all arrays in one store, or one folder an array

Orbax itself is not asked, because it allocates whatever shape a file declares.
"""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np

from .limits import check_memory
from .weights import OPTIMISER, Flat, WeightPath

METADATA = "_METADATA"
STEP = re.compile(r"(?:.*[_.-])?(\d+)")
CUT_OFF = "orbax-checkpoint-tmp"
"""In the name of a step whose saving has not ended; a number may follow."""
MOST_COMPRESSED = 2000
"""Trained weights hardly compress; what unpacks to more than this many times its size is refused."""


def find_step(folder: Path, step: int | None) -> tuple[Path, int | None]:
    """The step's folder or file, and its number; the folder itself when it is one step.

    Raises:
        ValueError: there is no checkpoint in the folder, or not the chosen step.
    """
    if (folder / METADATA).is_file() or _items(folder):
        if step is not None:
            raise ValueError(f"is one checkpoint, not a folder of steps with a step {step}")
        return folder, None
    steps = {
        int(match[1]): child
        for child in sorted(folder.iterdir())
        if (match := STEP.fullmatch(child.name)) and CUT_OFF not in child.name
    }
    if not steps:
        raise ValueError(_why_empty(folder))
    chosen = max(steps) if step is None else step
    if chosen not in steps:
        listed = ", ".join(str(number) for number in sorted(steps)[-12:])
        raise ValueError(f"has no step {chosen}; there are: {listed}")
    return steps[chosen], chosen


def _items(folder: Path) -> dict[str, Path]:
    """The items of a step that are trees of arrays, by name."""
    return {
        child.name: child
        for child in sorted(folder.iterdir())
        if (child / METADATA).is_file() and not STEP.fullmatch(child.name)
    }


def _why_empty(folder: Path) -> str:
    """Say what is wrong with a folder that holds no checkpoint."""
    names = sorted(child.name for child in folder.iterdir())
    if any(CUT_OFF in name for name in names):
        return "holds only a checkpoint whose saving was cut off"
    if "_CHECKPOINT_METADATA" in names or "manifest.ocdbt" in names:
        return f"is a damaged Orbax checkpoint: {METADATA} is missing"
    return f"holds no Orbax checkpoint (no {METADATA}, no numbered steps)"


def read_step(folder: Path) -> Flat:
    """The arrays of one step by path; those of the optimiser are not read.

    Raises:
        ValueError, OSError, KeyError: missing or damaged files, or sizes that cannot be true.
    """
    if (folder / METADATA).is_file():
        return _read_tree(folder)
    items = _items(folder)
    if not items:
        raise ValueError(_why_empty(folder))
    return {
        (name, *path): array
        for name, item in items.items()
        if name not in OPTIMISER
        for path, array in _read_tree(item).items()
    }


def _read_tree(folder: Path) -> Flat:
    """The arrays of one tree by path."""
    try:
        metadata = json.loads((folder / METADATA).read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{METADATA} is damaged: {error}") from None
    paths = _array_paths(metadata["tree_metadata"])
    opened = [_open(folder, metadata, path) for path in paths]
    stores = [future.result() for future in opened]
    _check_sizes(folder, stores)
    reading = [store.read() for store in stores]
    return {path: np.asarray(read.result()) for path, read in zip(paths, reading, strict=True)}


def _array_paths(tree: dict[str, Any]) -> list[WeightPath]:
    """Where the tree has arrays that a forward pass may need."""
    paths = []
    for entry in tree.values():
        path = tuple(str(part["key"]) for part in entry["key_metadata"])
        value = entry["value_metadata"]
        empty = value.get("skip_deserialize") or value["value_type"] in ("None", "string")
        if not empty and not OPTIMISER.intersection(path[:2]):
            paths.append(path)
    return paths


def _open(folder: Path, metadata: dict[str, Any], path: WeightPath) -> Any:
    """Start opening one array, without reading it."""
    import tensorstore as ts

    name = ".".join(path)
    # Haiku's names have slashes in them, which become folders
    if "\\" in name or not {"", ".", ".."}.isdisjoint(name.split("/")):
        raise ValueError(f"array {name} is not named as Orbax names arrays")
    base = {"driver": "file", "path": f"{folder.resolve()}/"}
    kvstore: dict[str, Any] = {"driver": "ocdbt", "base": base, "path": f"{name}/"}
    if not metadata.get("use_ocdbt", True):
        kvstore = {"driver": "file", "path": f"{folder.resolve()}/{name}/"}
    spec = {
        "driver": "zarr3" if metadata.get("use_zarr3") else "zarr",
        "kvstore": kvstore,
        # A chunk that is not there would silently be read as zeros. Early versions of Orbax left
        # chunks of zeros out; those that say so did not.
        "fill_missing_data_reads": not metadata.get("store_array_data_equal_to_fill_value"),
    }
    return ts.open(spec, open=True, read=True)


def _check_sizes(folder: Path, stores: list[Any]) -> None:
    """Refuse declared shapes that the files cannot hold or that this computer cannot."""
    declared = 0
    for store in stores:
        items = max(math.prod(store.shape), math.prod(store.chunk_layout.read_chunk.shape or ()))
        declared += items * int(store.dtype.numpy_dtype.itemsize)
    stored = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    if declared > MOST_COMPRESSED * stored:
        raise ValueError(f"declares arrays of {declared:.2g} bytes in files of {stored} bytes")
    check_memory(declared)
