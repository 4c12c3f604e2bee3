"""Several pictures for one objective that are not all the same: what makes their textures part."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
SMALL = 1e-12


def apart(activations: Floats) -> Floats:
    """The slope that makes the Gram matrices of several inputs less alike.

    The sum of cosines between the Gram matrices of all pairs, and its negative derivative; each input's
    slope has length one, or is zero where an input answers with nothing.

    Args:
        activations: (inputs, *spatial, channels) of one layer.

    Source: Olah et al., "Feature Visualization", Distill 2017 (diversity), after Gatys et al. 2015.
    """
    count, channels = len(activations), activations.shape[-1]
    rows = activations.reshape(count, -1, channels).astype(np.float64)
    grams = np.einsum("npc,npd->ncd", rows, rows)
    lengths = np.sqrt(np.square(grams).sum(axis=(1, 2), keepdims=True)) + SMALL
    units = grams / lengths
    cosines = np.einsum("ncd,mcd->nm", units, units)
    np.fill_diagonal(cosines, 0)
    others = np.einsum("nm,mcd->ncd", 1.0 - np.eye(count), units)
    pull = 2 * (others - cosines.sum(axis=1)[:, None, None] * units) / lengths
    slope = -2 * np.einsum("npc,ncd->npd", rows, pull)
    size = np.sqrt(np.square(slope).sum(axis=(1, 2), keepdims=True))
    return np.asarray(slope / np.maximum(size, SMALL), np.float32).reshape(activations.shape)
