"""Principal component analysis, exact, in one pass over the rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from explorer.errors import ReductionError
from explorer.reduce.threads import in_order

T = TypeVar("T")
BLOCK = 8192
"""Rows multiplied at once: fewer make more sums to add up, more do not fit a processor's cache."""
TURNED = 2048
"""Rows turned at once: they stay in a core's own cache between their centring and their product."""
FEW = 1024
"""Rows that tell about where the mean is."""
NARROW = (np.dtype(np.float32), np.dtype(np.float16))
LARGEST = 1e35
TINY, HUGE = 1e-24, 1e30
"""Between these a block's largest sum of squares was summed in float32 without loss."""


@dataclass(frozen=True)
class PCA:
    """A fitted basis.

    Attributes:
        mean: (n_features,).
        scale: (n_features,) what centred features are divided by: ones, or standard deviations.
        components: (n_components, n_features), orthonormal rows, the entry of largest size positive.
        explained_variance: (n_components,) variance along each component.
        explained_variance_ratio: (n_components,) its share of the whole.
        lengths: (n_components,) what scores are divided by: ones, or to whiten, their standard deviations.
    """

    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    components: NDArray[np.float64]
    explained_variance: NDArray[np.float64]
    explained_variance_ratio: NDArray[np.float64]
    lengths: NDArray[np.float64]

    def transform(self, rows: NDArray[Any]) -> NDArray[np.float64]:
        """Scores of rows (n, n_features): (n, n_components).

        Raises:
            ReductionError: rows of another number of features.
        """
        if rows.ndim != 2 or rows.shape[1] != len(self.mean):
            raise ReductionError(
                f"rows of shape {rows.shape}, this PCA was fitted to {len(self.mean)} features"
            )
        turned = (self.components / self.scale / self.lengths[:, None]).T
        # Narrow rows are turned in float32, centred first where their mean would cost a digit of the scores.
        kind: Any = np.float32 if rows.dtype in NARROW else np.float64
        far = float((self.mean**2).sum()) > 100 * float(self.explained_variance.max(initial=0))
        shift = self.mean.astype(kind) if far else np.zeros(len(self.mean), kind)
        rest = (shift - self.mean) @ turned
        narrow, scores = turned.astype(kind), np.empty((len(rows), turned.shape[1]))

        def turn(start: int) -> None:
            for first in range(start, min(start + BLOCK, len(rows)), TURNED):
                part = rows[first : first + TURNED].astype(kind, copy=False)
                scores[first : first + TURNED] = (part - shift if far else part) @ narrow + rest

        for _ in shared_out(turn, len(rows)):
            pass
        return scores

    def quality(self) -> dict[str, float]:
        """Share of the variance that the components show together."""
        return {"explained_variance_ratio": round(float(self.explained_variance_ratio.sum()), 4)}


def fit_pca(
    chunks: Iterable[NDArray[Any]], n_components: int, *, standardise: bool = False, whiten: bool = False
) -> PCA:
    """Fit a basis to rows that come in chunks (n, n_features), holding n_features² numbers.

    The covariance is summed about the first rows' mean, so large offsets cancel before they are
    squared, and its eigenvectors are taken (Pearson 1901; Hotelling 1933); of no more rows than
    features, those of the rows' products with each other. Components past the number of features or of
    independent rows have no direction: they are zero.

    Args:
        chunks: arrays of rows, all with the same number of columns.
        n_components: how many components to keep.
        standardise: divide every feature by its standard deviation first.
        whiten: divide every score by its standard deviation.

    Raises:
        ReductionError: no rows, or NaN or infinity among them.
    """
    moments: Moments | None = None
    held: list[NDArray[Any]] = []
    for chunk in chunks:
        if moments is None:
            held.append(np.asarray(chunk))
            if sum(map(len, held)) > held[0].shape[1]:
                moments = Moments(held[0])
                for rows in held:
                    moments.take(rows)
                held = []
        else:
            moments.take(np.asarray(chunk))
    if moments is not None:
        return of_many(moments, n_components, standardise=standardise, whiten=whiten)
    if not sum(map(len, held)):
        raise ReductionError("PCA of no rows at all")
    return _of_few(np.concatenate(held), n_components, standardise, whiten)


def shared_out(work: Callable[[int], T], n_rows: int) -> Iterator[T]:
    """Work on each block of rows, given its first one: among threads where there are several."""
    starts = range(0, n_rows, BLOCK)
    return in_order(work, starts) if len(starts) > 1 else map(work, starts)


class Sums(NamedTuple):
    """What some rows add to the moments.

    Attributes:
        n: how many they are.
        total: (n_features,) their sum about the shift.
        scatter: (n_features, n_features) the sum of their products about the shift.
    """

    n: int
    total: NDArray[np.float64]
    scatter: NDArray[np.float64]


class Moments:
    """Count, mean and scatter of rows, summed in float64, a block at a time.

    A block of float32 is multiplied in float32, which is twice as fast and errs by some 1e-7 of the
    block; the sum over blocks is exact to float64. Blocks whose squares leave float32 are widened.

    Rows are shifted by the mean of the first few, so that a large one cancels before it is squared; where
    no channel's mean is larger than its deviation nothing would be gained, and the shift is 0.
    """

    def __init__(self, first: NDArray[Any]) -> None:
        some = first[:FEW].astype(np.float64)
        with np.errstate(invalid="ignore", over="ignore"):  # what is not finite is found at the end
            shift = some.mean(axis=0)
            self._shifted = not bool((shift**2 <= some.var(axis=0)).all())
            self._kind = np.dtype(np.float32 if first.dtype in NARROW else np.float64)
            self._shift = (shift if self._shifted else np.zeros_like(shift)).astype(self._kind)
        self._whole = Sums(0, np.zeros(len(shift)), np.zeros((len(shift), len(shift))))

    def sums(self, rows: NDArray[Any]) -> Sums:
        """What rows (n, n_features) would add; changes nothing, so threads may share it."""
        count, total, scatter = 0, np.zeros(len(self._shift)), np.zeros((len(self._shift),) * 2)
        for start in range(0, len(rows), BLOCK):
            block = rows[start : start + BLOCK]
            with np.errstate(invalid="ignore", over="ignore"):
                near = block.astype(self._kind, copy=False)
                near = near - self._shift if self._shifted else near
                products = near.T @ near
                if near.dtype != np.float64 and not TINY < products.diagonal().max(initial=0) < HUGE:
                    near = block.astype(np.float64) - self._shift.astype(np.float64)
                    products = near.T @ near
                count += len(near)
                total += np.ones(len(near), near.dtype) @ near
                scatter += products
        return Sums(count, total, scatter)

    def take(self, rows: NDArray[Any]) -> None:
        """Take in rows (n, n_features), by all processors where they are many."""
        for sums in shared_out(lambda start: self.sums(rows[start : start + BLOCK]), len(rows)):
            self.add(sums)

    def add(self, sums: Sums) -> None:
        """Take in what some rows add."""
        with np.errstate(invalid="ignore", over="ignore"):
            whole = self._whole
            self._whole = Sums(whole.n + sums.n, whole.total + sums.total, whole.scatter + sums.scatter)

    @property
    def resolution(self) -> float:
        """Variance, as a share of the largest, below which a direction cannot be told from rounding."""
        return 1e-14 if self._kind == np.float64 else 1e-6

    def mean(self) -> NDArray[np.float64]:
        """(n_features,)."""
        return np.asarray(self._shift + self._whole.total / self._whole.n, np.float64)

    def covariance(self) -> NDArray[np.float64]:
        """(n_features, n_features), divided by the count less one.

        Raises:
            ReductionError: there were NaN, infinity, or numbers whose squares overflow.
        """
        count, total, scatter = self._whole
        offset = total / count
        with np.errstate(invalid="ignore", over="ignore"):
            found = np.asarray((scatter - count * np.outer(offset, offset)) / max(count - 1, 1))
        _check(found)
        return found


def _check(products: NDArray[np.float64]) -> None:
    """Refuse what is not finite, and numbers whose lengths overflow the single precision of a map."""
    if not (np.isfinite(products).all() and (products.diagonal() < LARGEST**2).all()):
        raise ReductionError(
            f"PCA: NaN, infinity or numbers beyond {LARGEST:.0e} among the values; mend or leave them out"
        )


def of_many(moments: Moments, n_components: int, *, standardise: bool = False, whiten: bool = False) -> PCA:
    """The basis of rows whose moments are known."""
    covariance, mean = moments.covariance(), moments.mean()
    scale = _deviations(np.diag(covariance), standardise)
    covariance = covariance / np.outer(scale, scale)
    variances, vectors = np.linalg.eigh(covariance)
    whole = float(np.maximum(variances, 0).sum())
    known = variances > variances.max(initial=0) * moments.resolution
    return _basis(mean, scale, (variances[known], vectors[:, known].T, whole), n_components, whiten)


def _of_few(rows: NDArray[Any], n_components: int, standardise: bool, whiten: bool) -> PCA:
    """The basis of no more rows than features, by their products with each other, (n, n)."""
    wide = rows.astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        mean = wide.mean(axis=0)
        wide -= mean
        divisor = max(len(wide) - 1, 1)
        scale = _deviations((wide**2).sum(axis=0) / divisor, standardise)
        wide /= scale
        products = wide @ wide.T / divisor
    _check(products)
    variances, vectors = np.linalg.eigh(products)
    whole = float(np.maximum(variances, 0).sum())
    known = variances > variances.max(initial=0) * 1e-12
    variances, vectors = variances[known], vectors[:, known]
    directions = vectors.T @ wide / np.sqrt(variances * divisor)[:, None]
    return _basis(mean, scale, (variances, directions, whole), n_components, whiten)


def _deviations(variances: NDArray[np.float64], standardise: bool) -> NDArray[np.float64]:
    """What features are divided by: their standard deviations, or 1."""
    if not standardise:
        return np.ones(len(variances))
    deviation = np.sqrt(np.maximum(variances, 0))
    return np.where(deviation > 0, deviation, 1.0)


def _basis(
    mean: NDArray[np.float64],
    scale: NDArray[np.float64],
    found: tuple[NDArray[np.float64], NDArray[np.float64], float],
    n_components: int,
    whiten: bool,
) -> PCA:
    """The first components of those found: variances in rising order, directions, and the whole variance."""
    variances, directions, whole = found
    kept = min(n_components, len(variances))
    components, explained = np.zeros((n_components, len(mean))), np.zeros(n_components)
    components[:kept], explained[:kept] = directions[::-1][:kept], variances[::-1][:kept]
    # A direction is known up to its sign: the largest entry is made positive, whatever LAPACK chose.
    largest = components[np.arange(n_components), np.abs(components).argmax(axis=1)]
    components *= np.where(largest < 0, -1.0, 1.0)[:, None]
    lengths = np.sqrt(np.where(explained > 0, explained, 1.0)) if whiten else np.ones(n_components)
    return PCA(mean, scale, components, explained, explained / (whole or 1.0), lengths)
