"""Selections of positions as saliency takes them: masks, and the files that the viewer writes."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from explorer.errors import InputError, first_line

AXES = {0: (), 1: ("position",), 2: ("row", "column"), 3: ("slice", "row", "column")}


class HasMasks(Protocol):
    """A selection made in a scene."""

    def masks(self) -> NDArray[np.bool_]:
        """(batch, *spatial) of the layer's grid."""
        ...


Chosen = NDArray[Any] | HasMasks | str | Path


def read_selection(given: Chosen, spatial: tuple[int, ...], names: Sequence[str]) -> NDArray[np.bool_]:
    """The selected positions of some pictures, (batch, *spatial).

    Args:
        given: masks of that shape, a scene's selection, or a file of one: .npz of masks or .csv of
            positions. A picture is found in a file by its name.
        spatial: the layer's grid.
        names: of the pictures, in their order.

    Raises:
        InputError: it cannot be read, is of another grid or other pictures, or selects nothing.
    """
    if isinstance(given, str | Path):
        path = Path(given)
        if not path.is_file():
            raise InputError(f"{path}: no such file; expected a selection (.csv, .npz)")
        read = {".npz": _npz, ".csv": _csv}.get(path.suffix.lower())
        if read is None:
            raise InputError(f"{path}: a selection is read from .csv or .npz")
        masks, where = read(path, spatial, names), str(path)
    else:
        masks, where = np.asarray(given.masks() if hasattr(given, "masks") else given), "selection"
    if masks.dtype != np.bool_ or masks.shape != (len(names), *spatial):
        raise InputError(
            f"{where}: masks of {masks.dtype} {masks.shape}, expected bool {(len(names), *spatial)}: "
            f"{len(names)} pictures on the layer's grid"
        )
    if not masks.any():
        raise InputError(f"{where}: selects no position of these pictures")
    return masks


def _npz(path: Path, spatial: tuple[int, ...], names: Sequence[str]) -> NDArray[np.bool_]:
    from explorer.capture.batches import read_arrays

    arrays = read_arrays(path)
    masks = arrays.get("masks")
    if masks is None or masks.dtype != np.bool_ or masks.ndim < 1:
        raise InputError(f"{path}: holds no array masks of bool, as a selection does")
    if "image_names" not in arrays:
        return masks
    own = [str(name) for name in arrays["image_names"]]
    if len(own) != len(masks) or masks.shape[1:] != spatial:
        raise InputError(f"{path}: masks {masks.shape} of {len(own)} pictures, expected the grid {spatial}")
    place = {name: at for at, name in enumerate(own)}
    lacking = np.zeros(spatial, np.bool_)
    return np.stack([masks[place[name]] if name in place else lacking for name in names])


def _csv(path: Path, spatial: tuple[int, ...], names: Sequence[str]) -> NDArray[np.bool_]:
    masks = np.zeros((len(names), *spatial), np.bool_)
    place = {name: at for at, name in enumerate(names)}
    axes = AXES[len(spatial)]
    try:
        with path.open(newline="", encoding="utf-8") as file:
            for line, entry in enumerate(csv.DictReader(file), start=2):
                missing = [key for key in ("name", *axes) if not entry.get(key)]
                if missing:
                    raise InputError(f"{path}: line {line} has no {missing[0]}, as a selection has")
                at = tuple(int(entry[axis]) for axis in axes)
                if any(not 0 <= part < size for part, size in zip(at, spatial, strict=True)):
                    raise InputError(f"{path}: line {line}: {at} is outside the layer's grid {spatial}")
                if entry["name"] in place:
                    masks[(place[entry["name"]], *at)] = True
    except (OSError, ValueError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read as a selection ({first_line(error)})") from None
    return masks
