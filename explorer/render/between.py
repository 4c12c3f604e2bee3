"""A selection on a map that takes some positions only: what lies between them follows the nearest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from explorer.explain.selected import Chosen
    from explorer.render.linked.selection import Selection


def filled(mask: NDArray[np.bool_], known: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """A picture's mask (*spatial), each cell as the nearest that is known; as it is where none is."""
    if not mask.ndim or not known.any() or known.all():
        return mask
    from scipy.ndimage import distance_transform_edt

    nearest = distance_transform_edt(~known, return_distances=False, return_indices=True)
    return np.asarray(mask[tuple(nearest)])


class Between:
    """A selection of positions of which a map takes only some.

    Where the hand has chosen positions that the map does not take, they are shown as they are.
    """

    def __init__(self, selection: Selection | Chosen, taken: NDArray[np.int64]) -> None:
        self._selection = selection
        self._taken = taken
        self._each = max(1, int(np.prod(selection.grid_shape[1:])))
        whole = len(taken) == int(np.prod(selection.grid_shape))
        places = selection.places
        at = np.minimum(np.searchsorted(taken, places), max(0, len(taken) - 1))
        self.sampled = not whole and len(taken) > 0 and bool((taken[at] == places).all())

    def mask(self, image: int) -> NDArray[np.bool_]:
        """What of a picture is shown as selected, (*spatial)."""
        mask = self._selection.mask(image)
        if not self.sampled or not mask.any():
            return mask
        first, last = np.searchsorted(self._taken, (image * self._each, (image + 1) * self._each))
        known = np.zeros(self._each, bool)
        known[self._taken[first:last] - image * self._each] = True
        return filled(mask, known.reshape(mask.shape))

    def shares(self) -> NDArray[np.float64]:
        """How much of each picture is selected, of its positions or of those the map takes, (batch,)."""
        images = self._selection.grid_shape[0]
        counts = np.bincount(self._selection.places // self._each, minlength=images)
        taken = np.bincount(self._taken // self._each, minlength=images) if self.sampled else self._each
        return np.asarray(counts / np.maximum(taken, 1))
