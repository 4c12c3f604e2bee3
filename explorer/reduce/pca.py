"""Principal component analysis, exact, in one pass over the rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.errors import ReductionError


@dataclass(frozen=True)
class PCA:
    """A fitted basis.

    Attributes:
        mean: (n_features,).
        scale: (n_features,) what centred features are divided by: ones, or standard deviations.
        components: (n_components, n_features), orthonormal rows, the entry of largest size positive.
        explained_variance: (n_components,) variance along each component.
        explained_variance_ratio: (n_components,) its share of the whole.
    """

    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    components: NDArray[np.float64]
    explained_variance: NDArray[np.float64]
    explained_variance_ratio: NDArray[np.float64]

    def transform(self, rows: NDArray[Any]) -> NDArray[np.float64]:
        """Scores of rows (n, n_features): (n, n_components)."""
        if rows.ndim != 2 or rows.shape[1] != len(self.mean):
            raise ReductionError(
                f"rows of shape {rows.shape}, this PCA was fitted to {len(self.mean)} features"
            )
        turned = self.components / self.scale
        return np.asarray(rows, np.float64) @ turned.T - self.mean @ turned.T

    def quality(self) -> dict[str, float]:
        """Share of the variance that the components show together."""
        return {"explained_variance_ratio": round(float(self.explained_variance_ratio.sum()), 4)}


def fit_pca(chunks: Iterable[NDArray[Any]], n_components: int, *, standardise: bool = False) -> PCA:
    """Fit a basis to rows that come in chunks (n, n_features), holding n_features² numbers.

    The covariance is summed in float64 about the first chunk's mean, so large offsets cancel before
    they are squared, and its eigenvectors are taken (Pearson 1901; Hotelling 1933). Components past
    the number of features or of independent rows have no direction: they are zero.

    Args:
        chunks: arrays of rows, all with the same number of columns.
        n_components: how many components to keep.
        standardise: divide every feature by its standard deviation first.

    Raises:
        ReductionError: no rows, or NaN or infinity among them.
    """
    count, shift, total, moment = 0, np.zeros(0), np.zeros(0), np.zeros((0, 0))
    for chunk in chunks:
        if not len(chunk):
            continue
        rows = np.asarray(chunk, np.float64)
        with np.errstate(invalid="ignore", over="ignore"):  # checked once, at the end
            if not count:
                shift = rows.mean(axis=0)
                total, moment = np.zeros_like(shift), np.zeros((len(shift), len(shift)))
            rows = rows - shift
            count += len(rows)
            total += rows.sum(axis=0)
            moment += rows.T @ rows
    if not count:
        raise ReductionError("PCA of no rows at all")
    if not (np.isfinite(total).all() and np.isfinite(moment).all()):
        raise ReductionError(
            "PCA: NaN, infinity or numbers beyond 1e150 among the values; mend or leave them out"
        )
    offset = total / count
    covariance = (moment - count * np.outer(offset, offset)) / max(count - 1, 1)
    return _basis(covariance, shift + offset, n_components, standardise)


def _basis(
    covariance: NDArray[np.float64], mean: NDArray[np.float64], n_components: int, standardise: bool
) -> PCA:
    scale = np.ones(len(mean))
    if standardise:
        deviation = np.sqrt(np.maximum(np.diag(covariance), 0))
        scale = np.where(deviation > 0, deviation, 1.0)
        covariance = covariance / np.outer(scale, scale)
    variances, vectors = np.linalg.eigh(covariance)
    kept = min(n_components, len(mean))
    variances, components = np.maximum(variances[::-1], 0), vectors[:, ::-1].T[:kept]
    # A direction is known up to its sign: the largest entry is made positive, whatever LAPACK chose.
    largest = components[np.arange(kept), np.abs(components).argmax(axis=1)]
    components = components * np.where(largest < 0, -1.0, 1.0)[:, None]
    components[variances[:kept] <= variances[0] * 1e-14] = 0.0
    padding = n_components - kept
    components = np.pad(components, ((0, padding), (0, 0)))
    explained = np.pad(variances[:kept], (0, padding))
    return PCA(mean, scale, components, explained, explained / (variances.sum() or 1.0))
