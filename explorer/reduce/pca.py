"""Principal component analysis, exact, in one pass over the rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.errors import ReductionError

BLOCK = 4096
NARROW = (np.dtype(np.float32), np.dtype(np.float16))
TINY, HUGE = 1e-12, 1e12
"""Between these a float32's square, and the sum of a block of them, is a float32 too."""


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

    The covariance is summed about the first rows' mean, so large offsets cancel before they are
    squared, and its eigenvectors are taken (Pearson 1901; Hotelling 1933). Components past the number
    of features or of independent rows have no direction: they are zero.

    Args:
        chunks: arrays of rows, all with the same number of columns.
        n_components: how many components to keep.
        standardise: divide every feature by its standard deviation first.

    Raises:
        ReductionError: no rows, or NaN or infinity among them.
    """
    moments: Moments | None = None
    for chunk in chunks:
        for start in range(0, len(chunk), BLOCK):
            block = np.asarray(chunk[start : start + BLOCK])
            moments = moments or Moments(block)
            moments.add(block)
    if moments is None:
        raise ReductionError("PCA of no rows at all")
    return _basis(moments, n_components, standardise)


class Moments:
    """Count, mean and scatter of rows, summed in float64, a block at a time.

    A block of float32 is multiplied in float32, which is twice as fast and errs by some 1e-7 of the
    block; the sum over blocks is exact to float64. Blocks whose squares leave float32 are widened.

    Attributes:
        count: number of rows.
    """

    def __init__(self, first: NDArray[Any]) -> None:
        with np.errstate(invalid="ignore", over="ignore"):  # what is not finite is found at the end
            self._shift = first.mean(axis=0, dtype=np.float64)
        self._narrow = self._shift.astype(np.float32) if first.dtype in NARROW else None
        if self._narrow is not None:
            self._shift = self._narrow.astype(np.float64)
        self._total = np.zeros(len(self._shift))
        self._scatter = np.zeros((len(self._shift), len(self._shift)))
        self.count = 0

    def add(self, block: NDArray[Any]) -> None:
        """Take in rows (n, n_features)."""
        with np.errstate(invalid="ignore", over="ignore"):
            rows = block - self._shift if self._narrow is None else block - self._narrow
            peak = max(float(rows.max()), -float(rows.min())) if rows.size else 0.0
            if rows.dtype != np.float64 and not TINY < peak < HUGE:
                rows = block.astype(np.float64) - self._shift
            self.count += len(rows)
            self._total += np.ones(len(rows), rows.dtype) @ rows
            self._scatter += rows.T @ rows

    @property
    def resolution(self) -> float:
        """Variance, as a share of the largest, below which a direction cannot be told from rounding."""
        return 1e-14 if self._narrow is None else 1e-6

    def mean(self) -> NDArray[np.float64]:
        """(n_features,)."""
        return np.asarray(self._shift + self._total / self.count)

    def covariance(self) -> NDArray[np.float64]:
        """(n_features, n_features), divided by the count less one.

        Raises:
            ReductionError: there were NaN, infinity, or numbers whose squares overflow.
        """
        if not (np.isfinite(self._total).all() and np.isfinite(self._scatter).all()):
            raise ReductionError(
                "PCA: NaN, infinity or numbers beyond 1e150 among the values; mend or leave them out"
            )
        offset = self._total / self.count
        scatter = self._scatter - self.count * np.outer(offset, offset)
        return np.asarray(scatter / max(self.count - 1, 1))


def _basis(moments: Moments, n_components: int, standardise: bool) -> PCA:
    covariance, mean = moments.covariance(), moments.mean()
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
    components[variances[:kept] <= variances[0] * moments.resolution] = 0.0
    padding = n_components - kept
    components = np.pad(components, ((0, padding), (0, 0)))
    explained = np.pad(variances[:kept], (0, padding))
    return PCA(mean, scale, components, explained, explained / (variances.sum() or 1.0))
