"""PCA→RGB: the first three principal components of a layer as red, green and blue.

One basis and one scale are fitted over all images of a run, so the same colour means the same
features everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from explorer.reduce.pca import PCA, fit_pca
from explorer.reduce.rows import chunk_rows

if TYPE_CHECKING:
    from explorer.capture.store import Run

PERCENTILES = (2.0, 98.0)
MOST_FOR_SCALE = 200_000
"""Rows from which the percentiles are taken, spread evenly over the images."""


@dataclass(frozen=True)
class RgbBasis:
    """Fitted colours of a layer.

    Attributes:
        pca: the basis, of up to three components.
        low: (n_components,) the 2nd percentile of each component, which becomes 0.
        high: (n_components,) the 98th, which becomes 255.
    """

    pca: PCA
    low: NDArray[np.float64]
    high: NDArray[np.float64]

    def colours(self, values: NDArray[Any]) -> NDArray[np.uint8]:
        """Colours of feature vectors: (..., channels) to (..., 3) uint8; mid-gray where a component lacks."""
        scores = self.pca.transform(values.reshape(-1, values.shape[-1]))
        span = np.where(self.high > self.low, self.high - self.low, 1.0)
        unit = np.where(self.high > self.low, (scores - self.low) / span, 0.5)
        colours = np.full((len(unit), 3), 128, np.uint8)
        colours[:, : unit.shape[1]] = np.rint(np.clip(unit, 0, 1) * 255)
        return colours.reshape(*values.shape[:-1], 3)


def fit_rgb(run: Run, layer: str) -> RgbBasis:
    """Fit the colours of a layer over every position of every image of a run."""
    chunks = chunk_rows(run, layer)
    pca = fit_pca(chunks, n_components=min(3, run.channels(layer)))
    positions = int(np.prod(run.grid_shape(layer)))
    step = max(1, -(-positions // MOST_FOR_SCALE))
    scores = np.concatenate([pca.transform(rows[::step]) for rows in chunk_rows(run, layer)])
    low, high = np.percentile(scores, PERCENTILES, axis=0)
    return RgbBasis(pca, low, high)
