"""Figures of a layer at one step: histogram of its values, dead channels, norms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

BINS = 64
DEAD = 1e-6
"""As in `explorer.reduce.channels`: a channel whose range is less than this share of the layer's."""


@dataclass(frozen=True)
class Histogram:
    """How the finite values of a layer are distributed.

    Attributes:
        counts: (bins,) how many values lie in each bin.
        edges: (bins + 1,) the bins' ends, rising; the last bin contains its upper end.
        n: number of finite values.
        low: the smallest, 0 where there are none.
        high: the largest.
        sum: of the values.
        sum_squares: of their squares.
    """

    counts: NDArray[np.int64]
    edges: NDArray[np.float64]
    n: int
    low: float
    high: float
    sum: float
    sum_squares: float


def histogram(values: NDArray[Any], bins: int = BINS) -> Histogram:
    """The histogram of all finite values, in equal bins from the smallest to the largest.

    >>> histogram(np.array([0.0, 1.0, np.nan, 1.0]), bins=2).counts.tolist()
    [1, 2]
    """
    flat = np.asarray(values).ravel()
    flat = flat[np.isfinite(flat)].astype(np.float64, copy=False)
    if not flat.size:
        return Histogram(np.zeros(1, np.int64), np.array([0.0, 1.0]), 0, 0.0, 0.0, 0.0, 0.0)
    low, high = float(flat.min()), float(flat.max())
    counts, edges = np.histogram(flat, 1 if low == high else bins)
    squares = float(flat @ flat)
    return Histogram(counts.astype(np.int64), edges, flat.size, low, high, float(flat.sum()), squares)


def figures(values: NDArray[Any]) -> dict[str, float]:
    """Figures of a layer (batch, *spatial, channels), by name.

    "dead_channels" is how many channels differ by less than a millionth of the layer's range over all
    positions of all inputs; "mean_norm" the mean length of a position's vector; "zeros" the share of
    values that are exactly zero; "not_finite" how many are NaN or infinite. Positions with such a
    value have no part in the norm, nor such values in the rest.

    >>> figures(np.array([[0.0, 3.0], [0.0, 4.0]]))["dead_channels"]
    1.0
    """
    rows = np.asarray(values).reshape(-1, values.shape[-1])
    rows = rows if rows.dtype.kind == "f" else rows.astype(np.float64)
    finite = np.isfinite(rows)
    whole = finite if finite.all() else np.where(finite, rows, np.nan)
    rows = rows if whole is finite else whole
    good = rows[finite.all(axis=1)]
    norms = np.sqrt(np.einsum("ij,ij->i", good, good, dtype=np.float64)) if len(good) else np.zeros(0)
    return {
        "dead_channels": float(_dead(rows, finite)),
        "mean_norm": float(norms.mean()) if len(norms) else float("nan"),
        "zeros": float((rows == 0).sum() / max(int(finite.sum()), 1)),
        "not_finite": float(finite.size - finite.sum()),
    }


def _dead(rows: NDArray[Any], finite: NDArray[np.bool_]) -> int:
    """How many channels do not change; of one position alone nothing can be told, and none is dead."""
    if len(rows) < 2:
        return 0
    some = finite.any(axis=0)
    if not some.any():
        return int(rows.shape[1])
    lows = np.where(finite, rows, np.inf).min(axis=0)[some].astype(np.float64)
    highs = np.where(finite, rows, -np.inf).max(axis=0)[some].astype(np.float64)
    still = highs - lows <= DEAD * float(highs.max() - lows.min())
    return int(still.sum() + (~some).sum())
