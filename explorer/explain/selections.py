"""Selections of positions as saliency takes them: masks, and the files that the viewer writes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from explorer.errors import InputError, first_line
from explorer.explain.selection_files import AXES, check_file, read_masks, read_table


class HasMasks(Protocol):
    """A selection made in a scene."""

    def masks(self) -> NDArray[np.bool_]:
        """(batch, *spatial) of the layer's grid."""
        ...


Selected = NDArray[Any] | HasMasks | str | Path
"""Masks (batch, *spatial), a scene's selection, or a file of one."""


def read_selection(given: Selected, spatial: tuple[int, ...], names: Sequence[str]) -> NDArray[np.bool_]:
    """The selected positions of some pictures, (batch, *spatial).

    Args:
        given: masks of that shape, a scene's selection, or a file of one: .npz of masks, or .csv or .parquet
            of positions. A picture is found in a file by its name.
        spatial: the layer's grid.
        names: of the pictures, in their order.

    Raises:
        InputError: it cannot be read, is of another grid or other pictures, or selects nothing.
    """
    if isinstance(given, str | Path):
        path = Path(given)
        check_file(path)
        read = _named_masks if path.suffix.lower() == ".npz" else _named_places
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


def _named_masks(path: Path, spatial: tuple[int, ...], names: Sequence[str]) -> NDArray[np.bool_]:
    masks, own = read_masks(path)
    if own is None:
        return masks
    if len(own) != len(masks) or masks.shape[1:] != spatial:
        raise InputError(f"{path}: masks {masks.shape} of {len(own)} pictures, expected the grid {spatial}")
    place = {name: at for at, name in enumerate(own)}
    lacking = np.zeros(spatial, np.bool_)
    return np.stack([masks[place[name]] if name in place else lacking for name in names])


def _named_places(path: Path, spatial: tuple[int, ...], names: Sequence[str]) -> NDArray[np.bool_]:
    masks = np.zeros((len(names), *spatial), np.bool_)
    place = {name: at for at, name in enumerate(names)}
    columns, wanted = read_table(path), ("name", *AXES[len(spatial)])
    missing = [name for name in wanted if name not in columns]
    if missing:
        raise InputError(f"{path}: has no column {missing[0]}, as a selection has")
    for line, (name, *cells) in enumerate(zip(*(columns[one] for one in wanted), strict=True), start=2):
        try:
            at = tuple(int(cell) for cell in cells)
        except (TypeError, ValueError) as error:
            raise InputError(f"{path}: line {line} is no position ({first_line(error)})") from None
        if any(not 0 <= part < size for part, size in zip(at, spatial, strict=True)):
            raise InputError(f"{path}: line {line}: {at} is outside the layer's grid {spatial}")
        if name in place:
            masks[(place[name], *at)] = True
    return masks
