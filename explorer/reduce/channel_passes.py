"""The two passes over a layer that its channels' statistics take: moments and strongest, then histograms."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from explorer.activations import Activations
from explorer.errors import InputError
from explorer.reduce.channels import BINS, TOP, ChannelStatistics
from explorer.reduce.streaming import over_chunks
from explorer.reduce.threads import in_order

if TYPE_CHECKING:
    from explorer.capture.store import Run

T = TypeVar("T")
BLOCK_BYTES = 16 * 2**20
LARGEST = 1e15
"""Magnitudes whose squares float32 holds, summed up."""


@dataclass
class Spread:
    """Count, mean and summed squares about the mean, merged pairwise (Chan, Golub and LeVeque 1979).

    Attributes:
        count: (C,) or a number.
        mean: (C,).
        squares: (C,), or (C, C) with the products of different channels.
    """

    count: Any
    mean: NDArray[np.float64]
    squares: NDArray[np.float64]

    def merge(self, other: Spread) -> Spread:
        """That of both together."""
        count = self.count + other.count
        share = np.divide(other.count, count, out=np.zeros(np.shape(count)), where=count > 0)
        gap = other.mean - self.mean
        between = np.outer(gap, gap) if self.squares.ndim == 2 else gap**2
        return Spread(
            count,
            self.mean + gap * share,
            self.squares + other.squares + between * self.count * share,
        )


@dataclass(frozen=True)
class Part:
    """What the first pass finds in some pictures."""

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    zeros: NDArray[np.int64]
    each: Spread
    together: Spread
    pictures: Spread
    top: tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]
    """(k, C) values, pictures and positions, falling."""

    def merge(self, other: Part) -> Part:
        """That of both together, the other's pictures following."""
        values = np.concatenate((self.top[0], other.top[0]))
        pictures = np.concatenate((self.top[1], other.top[1]))
        positions = np.concatenate((self.top[2], other.top[2]))
        return Part(
            np.minimum(self.low, other.low),
            np.maximum(self.high, other.high),
            self.zeros + other.zeros,
            self.each.merge(other.each),
            self.together.merge(other.together),
            self.pictures.merge(other.pictures),
            strongest(values, pictures, positions),
        )


def measured(source: Run | Activations, layer: str) -> ChannelStatistics:
    """The figures of `explorer.reduce.channels.channel_statistics`, measured now.

    Raises:
        InputError: the layer has no values.
    """
    shape = source.values.shape if isinstance(source, Activations) else _shape(source, layer)
    if 0 in shape:
        raise InputError(f"layer {layer}: no values in shape {shape}")
    each = math.prod(shape[1:-1])
    whole: Part | None = None
    for part in _over(source, layer, lambda first, rows: first_pass(rows, each, first // each)):
        whole = part if whole is None else whole.merge(part)
    assert whole is not None
    low, high = whole.low, whole.high
    counts = np.zeros((shape[-1], BINS), np.int64)
    for found in _over(source, layer, lambda _, rows: histogram(rows, low, high)):
        counts += found
    finite = np.asarray(whole.each.count, np.int64)
    some = np.maximum(finite, 1)
    return ChannelStatistics(
        tuple(shape),
        finite,
        np.where(finite > 0, low, 0.0),
        np.where(finite > 0, high, 0.0),
        whole.each.mean,
        whole.each.squares / some,
        whole.zeros / some,
        counts,
        whole.pictures.mean,
        np.sqrt(whole.pictures.squares / np.maximum(whole.pictures.count, 1)),
        correlation(whole.together.squares, low, high),
        whole.top[0].T.copy(),
        whole.top[1].T.copy(),
        whole.top[2].T.copy(),
    )


def _shape(run: Run, layer: str) -> tuple[int, ...]:
    return (*run.grid_shape(layer), run.channels(layer))


def _over(source: Run | Activations, layer: str, work: Callable[[int, NDArray[Any]], T]) -> Iterator[T]:
    """`over_chunks` of a run; or of activations, some pictures at a time."""
    if not isinstance(source, Activations):
        yield from over_chunks(source, layer, work)
        return
    values, each = source.values, math.prod(source.spatial_shape)
    step = max(1, BLOCK_BYTES // max(1, values[0].nbytes))

    def task(start: int) -> T:
        return work(start * each, values[start : start + step].reshape(-1, values.shape[-1]))

    yield from in_order(task, range(0, len(values), step))


def first_pass(rows: NDArray[Any], each: int, first: int) -> Part:
    """Look at whole pictures, `each` rows (n, channels) to a picture, numbered from `first`."""
    values = rows if rows.dtype == np.float64 else rows.astype(np.float32, copy=False)
    finite = np.isfinite(values)
    whole = bool(finite.all())
    below = values if whole else np.where(finite, values, np.inf)
    above = values if whole else np.where(finite, values, -np.inf)
    zero_filled = values if whole else np.where(finite, values, 0)
    count = np.full(values.shape[1], len(values)) if whole else finite.sum(axis=0)
    mean = zero_filled.sum(axis=0, dtype=np.float64) / np.maximum(count, 1)
    near = _about(zero_filled, mean)
    if not whole:
        near[~finite] = 0
    return Part(
        below.min(axis=0).astype(np.float64),
        above.max(axis=0).astype(np.float64),
        ((values == 0).sum(axis=0)).astype(np.int64),
        Spread(count, mean, np.einsum("nc,nc->c", near, near, dtype=np.float64)),
        _together(near, mean, finite, whole),
        _pictures(zero_filled, finite, each, whole),
        _tops(above, each, first),
    )


def _about(values: NDArray[Any], mean: NDArray[np.float64]) -> NDArray[Any]:
    """Values about their mean, in float64 where float32 would not hold their squares."""
    near = values - mean.astype(values.dtype)
    largest = float(np.abs(near).max(initial=0))
    if near.dtype != np.float64 and largest and not 1 / LARGEST < largest < LARGEST:
        near = values.astype(np.float64) - mean
    return np.asarray(near)


def _together(
    near: NDArray[Any], mean: NDArray[np.float64], finite: NDArray[np.bool_], whole: bool
) -> Spread:
    """Sums of products over the rows that are finite throughout."""
    rows = near if whole else near[finite.all(axis=1)]
    shift = rows.mean(axis=0, dtype=np.float64) if len(rows) else np.zeros(len(mean))
    products = (rows.T @ rows).astype(np.float64) - len(rows) * np.outer(shift, shift)
    return Spread(np.float64(len(rows)), mean + shift, products)


def _pictures(zero_filled: NDArray[Any], finite: NDArray[np.bool_], each: int, whole: bool) -> Spread:
    """The spread over pictures of the means over a picture's finite values."""
    sums = zero_filled.reshape(-1, each, zero_filled.shape[1]).sum(axis=1, dtype=np.float64)
    if whole:
        means = sums / each
        count = np.full(means.shape[1], len(means))
        centre = means.mean(axis=0)
        return Spread(count, centre, ((means - centre) ** 2).sum(axis=0))
    known = finite.reshape(-1, each, finite.shape[1]).sum(axis=1)
    means, there = sums / np.maximum(known, 1), known > 0
    count = there.sum(axis=0)
    centre = np.where(there, means, 0).sum(axis=0) / np.maximum(count, 1)
    return Spread(count, centre, np.where(there, (means - centre) ** 2, 0).sum(axis=0))


def _tops(
    above: NDArray[Any], each: int, first: int
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """The strongest value of each picture and where it is, of the strongest pictures, (k, C)."""
    pictures = above.reshape(-1, each, above.shape[1])
    values = pictures.max(axis=1).astype(np.float64)
    numbers = np.repeat(np.arange(first, first + len(pictures))[:, None], above.shape[1], axis=1)
    # Only pictures that stay are asked where: looking for the place is the slowest step of all.
    kept, which, _ = strongest(values, numbers, np.zeros_like(numbers))
    places = np.empty_like(which)
    for picture in np.unique(which):
        rank, channel = np.nonzero(which == picture)
        places[rank, channel] = pictures[picture - first][:, channel].argmax(axis=0)
    return kept, which, places


def strongest(
    values: NDArray[np.float64], pictures: NDArray[np.int64], positions: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """The up to 16 largest of each column, falling; of equal ones the first."""
    order = np.argsort(-values, axis=0, kind="stable")[:TOP]
    pick = [np.take_along_axis(array, order, axis=0) for array in (pictures, positions)]
    return np.take_along_axis(values, order, axis=0), pick[0], pick[1]


def histogram(rows: NDArray[Any], low: NDArray[np.float64], high: NDArray[np.float64]) -> NDArray[np.int64]:
    """How many values of each channel fall into each of 1,024 equal bins from low to high, (C, 1024)."""
    channels = rows.shape[1]
    with np.errstate(invalid="ignore", over="ignore"):
        span = np.where(np.isfinite(high - low) & (high > low), high - low, 1.0)
        # Scaled before subtracting, so that values near the largest float do not overflow.
        unit = rows / span - low / span
    finite = np.isfinite(rows)
    bins = np.where(finite, unit, 0) * BINS
    flat = np.clip(bins, 0, BINS - 1).astype(np.int64) + np.arange(channels) * BINS
    flat = flat.ravel() if finite.all() else flat[finite]
    return np.bincount(flat, minlength=channels * BINS).reshape(channels, BINS)


def correlation(
    products: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Pearson's, from products about the mean; NaN for channels that do not vary."""
    variance = np.diagonal(products)
    moves = (high > low) & (variance > 0)
    deviation = np.where(moves, np.sqrt(np.maximum(variance, 0)), np.nan)
    with np.errstate(invalid="ignore"):
        found = products / deviation[:, None] / deviation[None]
    return np.asarray(np.clip(found, -1, 1))
