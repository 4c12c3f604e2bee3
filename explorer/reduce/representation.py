"""How a layer stands at one checkpoint: how far it tells classes apart, its dimensions, what it shares.

All of it from sums over the positions, one chunk of a run at a time: memory grows with the square of the
channels, not with the images.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from explorer.errors import InputError
from explorer.reduce.streaming import over_chunks

if TYPE_CHECKING:
    from explorer.capture.store import Run

Wide = NDArray[np.float64]


@dataclass(frozen=True)
class Spectrum:
    """What one pass over a layer finds.

    Attributes:
        effective_rank: e to the entropy of the singular values of the centred rows, divided by their sum
            (Roy & Vetterli 2007): how many directions the layer uses; 0 where all rows are the same.
        separation: share of the positions' variance that lies between the classes, 0 to 1 (the correlation
            ratio); None without at least two classes, or without variance. Classes are those of the masks,
            where the run has them at these positions, else the images' labels.
        image_separation: the same of the images' means over their positions; images of no class that the
            layer knows score about (classes - 1) / (images - 1).
        finite: whether all values are finite; the figures are of the positions that are.
        varies: whether any two positions differ.
    """

    effective_rank: float
    separation: float | None
    image_separation: float | None
    finite: bool
    varies: bool


def spectrum(run: Run, layer: str, labels: Sequence[str] | None = None) -> Spectrum:
    """Measure a layer of a run in one pass.

    Args:
        run: an opened run folder.
        layer: one of its layers.
        labels: one an image; None for the run's own.
    """
    labels = run.labels if labels is None else labels
    batch, *spatial = run.grid_shape(layer)
    each = math.prod(spatial)
    centre, scale = _about(run, layer)
    masked = masked_classes(run, layer)
    known = () if masked is None else tuple(np.unique(masked[masked >= 0]).tolist())

    def work(first: int, rows: NDArray[Any]) -> tuple[Wide, Wide, NDArray[np.int64], _Sums | None]:
        near = (rows.astype(np.float64) - centre) / scale
        good: NDArray[np.bool_] = np.asarray(np.isfinite(near).all(axis=1))
        near[~good] = 0
        counts = good.reshape(-1, each).sum(axis=1)
        own = (
            None
            if masked is None
            else _sums(near, np.where(good, masked[first : first + len(near)], -1), known)
        )
        return near.T @ near, near.reshape(-1, each, near.shape[1]).sum(axis=1), counts, own

    products = np.zeros((run.channels(layer),) * 2)
    sums, counts = np.zeros((batch, run.channels(layer))), np.zeros(batch, np.int64)
    start, inside = 0, _Sums()
    for product, part, count, own in over_chunks(run, layer, work):
        products += product
        inside = inside if own is None else inside + own
        sums[start : start + len(part)], counts[start : start + len(part)] = part, count
        start += len(part)
    total = int(counts.sum())
    whole = sums.sum(axis=0)
    scatter = products - np.outer(whole, whole) / max(total, 1)
    strength = float(np.trace(scatter))
    varies = strength > 1e-12 * max(total, 1)
    by_label = None if labels is None or not varies else _between(sums, counts, labels)
    share = None if by_label is None else min(1.0, by_label / strength)
    if masked is not None:
        share = inside.separation() if varies else None
    means = sums[counts > 0] / counts[counts > 0, None]
    there = None if labels is None else [one for one, n in zip(labels, counts, strict=True) if n]
    return Spectrum(
        _effective_rank(scatter) if varies else 0.0,
        share,
        None if there is None else separation(means, there),
        total == batch * each,
        varies,
    )


def masked_classes(run: Run, layer: str) -> NDArray[np.int32] | None:
    """The class of the masks at each position (n,), -1 where there is none; None where none has any."""
    if not run.mask_names:
        return None
    found = run.mask_classes(layer).reshape(-1)
    return found if (found >= 0).any() else None


@dataclass(frozen=True)
class _Sums:
    """Of rows with a class: how many each class has, their sum, and the sum of all their squares."""

    counts: NDArray[np.int64] | int = 0
    rows: Wide | float = 0.0
    squares: float = 0.0

    def __add__(self, other: _Sums) -> _Sums:
        return _Sums(self.counts + other.counts, self.rows + other.rows, self.squares + other.squares)

    def separation(self) -> float | None:
        """Share of the variance that lies between the classes; None without two of them, or any variance."""
        some = np.asarray(self.counts) > 0
        if some.sum() < 2:
            return None
        counts, sums = np.asarray(self.counts)[some], np.asarray(self.rows)[some]
        middle = sums.sum(axis=0) / counts.sum()
        whole = self.squares - counts.sum() * float(middle @ middle)
        between = float(counts @ np.square(sums / counts[:, None] - middle).sum(axis=1))
        return min(1.0, between / whole) if whole > 1e-12 * counts.sum() else None


def _sums(rows: Wide, classes: NDArray[np.int32], known: Sequence[int]) -> _Sums:
    """Sums of rows (n, channels) by their class (n,); -1 is none."""
    own = [classes == one for one in known]
    sums = np.stack([rows[some].sum(axis=0) for some in own])
    return _Sums(np.array([some.sum() for some in own]), sums, float(np.square(rows[classes >= 0]).sum()))


def _about(run: Run, layer: str) -> tuple[Wide, float]:
    """Something near the middle of a layer's rows and of their size, so that sums of squares keep digits."""
    first = run.read(layer, 0, 1).reshape(-1, run.channels(layer)).astype(np.float64)
    first = first[np.isfinite(first).all(axis=1)]
    if not len(first):
        return np.zeros(run.channels(layer)), 1.0
    centre = np.asarray(first.mean(axis=0))
    return centre, float(np.abs(first - centre).max()) or float(np.abs(centre).max()) or 1.0


def _effective_rank(scatter: Wide) -> float:
    """From the scatter matrix, whose eigenvalues are the squared singular values of the centred rows."""
    squares = np.linalg.eigvalsh(scatter)
    singular = np.sqrt(np.maximum(squares, squares[-1] * 1e-15))
    shares = singular / singular.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))


def _between(sums: Wide, counts: NDArray[np.int64], labels: Sequence[str]) -> float | None:
    """Sum of squares between the classes, of rows summed an image."""
    names = np.asarray(labels)
    classes = [names == name for name in dict.fromkeys(labels) if counts[names == name].sum()]
    if len(classes) < 2:
        return None
    middle = sums.sum(axis=0) / counts.sum()
    gaps = [(counts[one].sum(), sums[one].sum(axis=0) / counts[one].sum() - middle) for one in classes]
    return float(sum(count * (gap @ gap) for count, gap in gaps))


def separation(rows: NDArray[Any], labels: Sequence[str]) -> float | None:
    """Share of the variance of rows (n, n_features) that lies between their classes, 0 to 1.

    None where there are fewer than two classes, or no variance.

    >>> separation(np.array([[0.0], [0.0], [1.0], [1.0]]), ["a", "a", "b", "b"])
    1.0
    """
    near = np.asarray(rows, np.float64)
    if not len(near):
        return None
    near = near - near.mean(axis=0)
    whole = float((near**2).sum())
    between = _between(near, np.ones(len(near), np.int64), labels) if whole > 0 else None
    return None if between is None else min(1.0, between / whole)


def linear_cka(one: Run, other: Run, layer: str) -> float | None:
    """How alike a layer is in two runs of the same images, 0 to 1: linear CKA (Kornblith et al. 2019).

    ‖YᵀX‖² / (‖XᵀX‖ ‖YᵀY‖) of the centred rows X and Y, summed chunk by chunk. It does not change when a
    layer is turned or scaled. None where either is constant; positions that are not finite in both are
    left out.

    Raises:
        InputError: the layer has another grid in the two.
    """
    if one.grid_shape(layer) != other.grid_shape(layer):
        raise InputError(
            f"linear CKA of {layer}: grids {one.grid_shape(layer)} and {other.grid_shape(layer)}; "
            "expected the same images and positions"
        )
    each = math.prod(one.grid_shape(layer)[1:])
    abouts = [_about(run, layer) for run in (one, other)]
    width = one.channels(layer)

    def work(first: int, rows: NDArray[Any]) -> tuple[int, Wide, Wide]:
        start, stop = first // each, (first + len(rows)) // each
        beside = other.read(layer, start, stop).reshape(len(rows), -1)
        both = [
            (values.astype(np.float64) - centre) / scale
            for values, (centre, scale) in zip((rows, beside), abouts, strict=True)
        ]
        near = np.concatenate(both, axis=1)
        near = near[np.isfinite(near).all(axis=1)]
        return len(near), near.sum(axis=0), near.T @ near

    size = width + other.channels(layer)
    count, sums, products = 0, np.zeros(size), np.zeros((size, size))
    for number, part, product in over_chunks(one, layer, work):
        count, sums, products = count + number, sums + part, products + product
    products -= np.outer(sums, sums) / max(count, 1)
    cross = float((products[:width, width:] ** 2).sum())
    own = [float(np.linalg.norm(products[part, part])) for part in (slice(width), slice(width, None))]
    return None if min(own) <= 1e-12 * max(count, 1) else min(1.0, cross / (own[0] * own[1]))
