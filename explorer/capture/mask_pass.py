"""Masks into the run folder: resized to the inputs' size, beside the activations, at any time."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.capture.arrays import open_array
from explorer.capture.images import Inputs, RowNumbers, first_readable
from explorer.capture.manifest import MANIFEST, MASKS, array_entry, write_json
from explorer.capture.mask_grid import NO_MASK, nearest
from explorer.capture.masks import Masks
from explorer.capture.preprocessing import Preprocessing
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
    pass_ = _Pass(inputs, masks, rule, shape)
    with ThreadPoolExecutor() as pool, progress("masks", len(good), "masks") as advance:
        for start in range(0, len(good), chunk):
            part = good[start : start + chunk]
            array[start : start + len(part)].write(pass_.block(part, pool)).result()
            advance(len(part))
    manifest["masks"] = {"array": entry, "names": pass_.names(), "digest": digest, "without": pass_.without}
    write_json(root / MANIFEST, manifest)
    if pass_.without:
        count = len(good) - len(pass_.without)
        say(f"{root}: masks for {count} of {len(good)} inputs; {len(pass_.without)} have none")


@dataclass
class _Pass:
    """One reading of all masks: what they are read by, and what was found so far."""

    inputs: Inputs
    masks: Masks
    rule: Preprocessing | None
    shape: tuple[int, ...]
    numbers: set[int] = field(default_factory=set)
    without: list[dict[str, str]] = field(default_factory=list)

    def block(self, part: Sequence[int], pool: Executor) -> NDArray[np.int32]:
        """The masks of some inputs (len(part), *shape), -1 where there is none."""
        block = np.full((len(part), *self.shape), NO_MASK, np.int32)
        for row, future in enumerate([pool.submit(self._one, index) for index in part]):
            try:
                block[row] = future.result()
                self.numbers |= set(np.unique(block[row]).tolist())
            except InputError as error:
                name = self.inputs.names[part[row]]
                self.without.append({"name": name, "reason": str(error).split(": ", 1)[-1]})
                if str(error) != NO_FILE:
                    say(f"passed over the mask of {name}: {error}")
        return block

    def names(self) -> dict[str, str]:
        """A name for every class that was found, its number where none was given."""
        return {str(number): self.masks.names.get(number, str(number)) for number in sorted(self.numbers)}

    def _one(self, index: int) -> NDArray[np.int32]:
        mask = self.masks.load(index)
        if mask is None:
            raise InputError(NO_FILE)
        if mask.ndim != len(self.shape):
            raise InputError(f"a mask of shape {mask.shape} for inputs of {self.shape}")
        return nearest(mask, self.shape, None if self.rule is None else self.rule.kept(mask.shape))


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
