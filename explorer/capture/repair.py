"""Mending a finished run: chunks that are missing or damaged are captured again, and only those."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.capture.arrays import open_array, rewrite_description
from explorer.capture.images import Inputs
from explorer.capture.manifest import MANIFEST, arrays_of, chunk_count, chunk_path, write_json
from explorer.capture.model import Model
from explorer.capture.resume import captured_inputs
from explorer.errors import InputError, RunError
from explorer.progress import say, working

AT_ONCE = 4
"""Chunks that are read ahead while looking for damage."""


def repair(model: Model, inputs: Inputs, root: Path, *, manifest: dict[str, Any]) -> None:
    """Read everything a run holds, and capture again what cannot be read.

    Every chunk has a checksum, so whatever can be read is what was written. Damaged masks are dropped:
    they are made again from their files, without the model.

    Raises:
        RunError: an input that is needed can no longer be read as it was.
    """
    with working(f"{root}: looking for damage"):
        damaged = {key: chunks for key, entry in arrays_of(manifest) if (chunks := _damaged(root, entry))}
    if damaged.pop("masks.array", None):
        say(f"{root}: its masks are damaged and were dropped; they are kept again from the files given")
        manifest["masks"] = None
        write_json(root / MANIFEST, manifest)
    if not damaged:
        return
    entries = dict(arrays_of(manifest))
    good = captured_inputs(root, manifest, inputs)
    for key, chunks in damaged.items():
        for chunk in chunks:
            entry = entries[key]
            rows = good[chunk * entry["chunk"] : (chunk + 1) * entry["chunk"]]
            values = _again(
                model, inputs, rows, root, layer=key.removeprefix("layers.") if key != "pictures" else None
            )
            start = chunk * entry["chunk"]
            if values.shape != (len(rows), *entry["shape"][1:]):
                raise RunError(
                    f"{root}: the inputs have another shape now; capture the run again with overwrite"
                )
            open_array(root, entry)[start : start + len(rows)].write(values).result()
    count = sum(map(len, damaged.values()))
    say(
        f"{root}: {count} damaged {'chunk' if count == 1 else 'chunks'} captured again ({', '.join(damaged)})"
    )


def _damaged(root: Path, entry: Mapping[str, Any]) -> list[int]:
    """The chunks of an array that cannot be read, once its description is whole."""
    try:
        array = open_array(root, entry)
    except RunError:
        array = rewrite_description(root, entry)
    size, bad, waiting = entry["chunk"], [], []
    for index in range(chunk_count(entry)):
        if not chunk_path(root, entry, index).is_file():  # would be read as zeros
            bad.append(index)
            continue
        stop = min((index + 1) * size, entry["shape"][0])
        waiting.append((index, array[index * size : stop].read()))
        if len(waiting) >= AT_ONCE:
            bad += _failed(*waiting.pop(0))
    for index, reading in waiting:
        bad += _failed(index, reading)
    return sorted(bad)


def _failed(index: int, reading: Any) -> list[int]:
    try:
        reading.result()
    except (ValueError, OSError):
        return [index]
    return []


def _again(model: Model, inputs: Inputs, rows: list[int], root: Path, *, layer: str | None) -> NDArray[Any]:
    """What these inputs give: a layer's values, or their pictures."""
    try:
        prepared = [inputs.load(row) for row in rows]
    except InputError as error:
        raise RunError(f"{root}: damaged, and cannot be mended: {error}") from None
    if layer is not None:
        values = np.stack([one.value for one in prepared])
        return np.asarray(model.adapter.capture(values, [layer])[layer].values)
    return np.stack([one.picture for one in prepared if one.picture is not None])
