"""Masks into the run folder: resized to the inputs' size, beside the activations, at any time."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.capture.images import Inputs, RowNumbers, first_readable
from explorer.capture.manifest import MANIFEST, MASKS, array_entry, write_json
from explorer.capture.mask_grid import NO_MASK, nearest
from explorer.capture.masks import Masks
from explorer.capture.preprocessing import Preprocessing
from explorer.capture.store import open_array
from explorer.errors import InputError
from explorer.progress import progress, say

CHUNK = 16 * 2**20
"""Bytes of masks in one chunk, at most, but for one large mask."""
NO_FILE = "no mask"


def capture_masks(
    root: Path,
    manifest: dict[str, Any],
    inputs: Inputs,
    *,
    good: Sequence[int],
    masks: Masks,
    rule: Preprocessing | None,
) -> None:
    """Keep the masks of a run's inputs in it; nothing to do when they are there already.

    Args:
        root: the run folder.
        manifest: the manifest of a finished capture; its "masks" are replaced.
        inputs: the inputs that were captured.
        good: which of them the run holds.
        masks: the masks of all inputs.
        rule: how the inputs were read.
    """
    shape = _shape(manifest, inputs, masks, good)
    digest = hashlib.sha256(f"{masks.identity()} {shape}".encode()).hexdigest()
    if shape is None or (manifest.get("masks") or {}).get("digest") == digest:
        if shape is None:
            say(f"{root}: no mask fits any of the {len(good)} inputs, so none are kept")
        return
    chunk = max(1, min(len(good), CHUNK // (4 * math.prod(shape))))
    entry = array_entry(MASKS, (len(good), *shape), np.dtype(np.int32), chunk)
    manifest["masks"] = None
    write_json(root / MANIFEST, manifest)
    array = open_array(root, entry, create=True)
    numbers: set[int] = set()
    without: list[dict[str, str]] = []

    def place(index: int) -> NDArray[np.int32]:
        return _placed(masks, index, shape, rule)

    with ThreadPoolExecutor() as pool, progress("masks", len(good), "masks") as advance:
        for start in range(0, len(good), chunk):
            part = good[start : start + chunk]
            block = np.full((len(part), *shape), NO_MASK, np.int32)
            for row, future in enumerate([pool.submit(place, index) for index in part]):
                try:
                    block[row] = future.result()
                    numbers |= set(np.unique(block[row]).tolist())
                except InputError as error:
                    without.append({"name": inputs.names[part[row]], "reason": str(error).split(": ", 1)[-1]})
                    if str(error) != NO_FILE:
                        say(f"passed over the mask of {inputs.names[part[row]]}: {error}")
            array[start : start + len(part)].write(block).result()
            advance(len(part))
    names = {str(number): masks.names.get(number, str(number)) for number in sorted(numbers)}
    manifest["masks"] = {"array": entry, "names": names, "digest": digest, "without": without}
    write_json(root / MANIFEST, manifest)
    if without:
        say(f"{root}: masks for {len(good) - len(without)} of {len(good)} inputs; {len(without)} have none")


def _placed(
    masks: Masks, index: int, shape: tuple[int, ...], rule: Preprocessing | None
) -> NDArray[np.int32]:
    mask = masks.load(index)
    if mask is None:
        raise InputError(NO_FILE)
    if mask.ndim != len(shape):
        raise InputError(f"a mask of shape {mask.shape} for inputs of {shape}")
    return nearest(mask, shape, None if rule is None else rule.kept(mask.shape))


def _shape(
    manifest: dict[str, Any], inputs: Inputs, masks: Masks, good: Sequence[int]
) -> tuple[int, ...] | None:
    """The size that all masks are kept in: the inputs', or the first mask's where they have none."""
    first, broken = None, ""
    for index in good:
        try:
            first = masks.load(index)
        except InputError as error:  # said when its turn comes
            broken = broken or str(error)
        if first is not None:
            break
    if first is None:
        if broken:
            say(f"passed over a mask: {broken}")
        return None
    if manifest.get("pictures") and first.ndim == 2:
        return tuple(manifest["pictures"]["shape"][1:3])
    return first.shape if isinstance(inputs, RowNumbers) else first_readable(inputs).shape[:-1]
