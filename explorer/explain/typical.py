"""Positions that stand for a selection: its middle, its kinds, and what lies just outside."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from explorer.capture.store import Run
from explorer.explain.contrast import chunks, marks
from explorer.explain.selected import Chosen

MOST_SORTED = 20_000
"""Selected positions that kinds are told from; more are sampled evenly."""


@dataclass(frozen=True)
class Patch:
    """One position and why it is shown.

    Attributes:
        image: which picture.
        position: its place on the grid.
        distance: from the mean of the selection, or of its kind, in the layer's own unit (Euclidean).
        share: of a kind, the share of the selected positions that it stands for; else 0.
    """

    image: int
    position: tuple[int, ...]
    distance: float
    share: float = 0.0


@dataclass(frozen=True)
class Typical:
    """What stands for a selection.

    Attributes:
        nearest: the selected positions nearest its mean, one a picture as long as there are pictures.
        kinds: for each group that k-means finds in it, the position nearest the group's mean, the largest
            group first.
        outside: the positions nearest its mean that are not selected, one a picture.
        n_sorted: selected positions that the kinds were told from.
    """

    nearest: tuple[Patch, ...]
    kinds: tuple[Patch, ...]
    outside: tuple[Patch, ...]
    n_sorted: int


def typical(
    run: Run,
    chosen: Chosen,
    mean: NDArray[np.float64],
    *,
    among: NDArray[np.int64] | None = None,
    n: int = 8,
    kinds: int = 6,
) -> Typical:
    """Find what stands for a selection, in one pass over the layer.

    Args:
        run: the run.
        chosen: the selected positions.
        mean: (C,) their mean vector.
        among: (n,) places that are looked at for what lies outside, increasing; all by default.
        n: how many positions to give at most, of the nearest and of those outside.
        kinds: how many kinds to tell apart at most.
    """
    drawn = chosen.places
    if len(drawn) > MOST_SORTED:
        drawn = np.sort(np.random.default_rng(0).choice(drawn, MOST_SORTED, replace=False))
    held: list[NDArray[np.float32]] = []
    apart = np.empty(len(chosen.places))
    beyond: dict[int, tuple[float, int]] = {}
    each, at = max(1, chosen.each), 0
    for first, rows in chunks(run, chosen.layer):
        gaps = rows.astype(np.float64) - mean
        far = np.sqrt(np.einsum("nc,nc->n", gaps, gaps))
        far[~np.isfinite(far)] = np.inf
        own, others = marks(first, len(rows), chosen, among)
        count = int(own.sum())
        apart[at : at + count] = far[own]
        at += count
        low, high = np.searchsorted(drawn, (first, first + len(rows)))
        held.append(rows[drawn[low:high] - first].astype(np.float32))
        _nearest_by_image(beyond, first, np.where(others, far, np.inf), each)
    nearest = _spread(zip(apart.tolist(), chosen.places.tolist(), strict=True), n, chosen.grid_shape)
    outside = _spread(beyond.values(), n, chosen.grid_shape)
    found = _kinds(np.concatenate(held), drawn, kinds)
    return Typical(
        tuple(_patch(chosen, *one) for one in nearest),
        tuple(_patch(chosen, far, place, share) for far, place, share in found),
        tuple(_patch(chosen, *one) for one in outside),
        len(drawn),
    )


def _nearest_by_image(
    best: dict[int, tuple[float, int]], first: int, far: NDArray[np.float64], each: int
) -> None:
    """Note the nearest place of each picture in a chunk of whole pictures."""
    by_image = far.reshape(-1, each)
    for row, place in enumerate(by_image.argmin(axis=1).tolist()):
        distance = float(by_image[row, place])
        if math.isfinite(distance):
            best[first // each + row] = distance, first + row * each + place


def _spread(
    candidates: Iterable[tuple[float, int]], n: int, grid_shape: tuple[int, ...]
) -> list[tuple[float, int]]:
    """The n nearest of (distance, place), spread out.

    First one a picture, among the nearer half and at most 2,000; then the nearest that stand a little apart
    within a picture; then whatever is left.
    """
    found = sorted(one for one in candidates if math.isfinite(one[0]))
    if not found:
        return []
    near = found[: max(n, min(len(found) // 2, 2000))]
    places = np.stack(np.unravel_index([place for _, place in near], grid_shape), axis=1)
    apart = max(2, min(grid_shape[1:], default=0) // 8)
    taken: list[int] = []
    for least in (None, apart, 0):
        for index in range(len(near)):
            if len(taken) == n:
                break
            if index in taken:
                continue
            own = places[[one for one in taken if places[one][0] == places[index][0]]]
            if not len(own) or (least is not None and _gap(own, places[index]) > least - 1):
                taken.append(index)
    return [near[index] for index in sorted(taken)]


def _gap(others: NDArray[np.int64], own: NDArray[np.int64]) -> int:
    """How many cells a position is from the nearest of some of the same picture."""
    return int(np.abs(others[:, 1:] - own[1:]).max(axis=1, initial=0).min())


def _kinds(rows: NDArray[np.float32], places: NDArray[np.int64], most: int) -> list[tuple[float, int, float]]:
    """(distance to the kind's mean, place, share) of the position that stands for each kind."""
    finite = np.isfinite(rows).all(axis=1)
    rows, places = rows[finite], places[finite]
    if len(rows) < 2 * most:
        return []
    from sklearn.cluster import KMeans

    largest = float(np.abs(rows).max()) or 1.0
    unit = rows.astype(np.float64) / largest  # squares of values near the largest float would overflow
    n = min(most, len(np.unique(unit, axis=0)))
    if n < 2:
        return []
    fit = KMeans(n, n_init=3, random_state=0).fit(unit)
    found = []
    for kind in range(n):
        own = np.flatnonzero(fit.labels_ == kind)
        far = np.sqrt(((unit[own] - fit.cluster_centers_[kind]) ** 2).sum(axis=1))
        best = int(far.argmin())
        found.append((float(far[best]) * largest, int(places[own[best]]), len(own) / len(rows)))
    return sorted(found, key=lambda one: (-one[2], one[1]))


def _patch(chosen: Chosen, distance: float, place: int, share: float = 0.0) -> Patch:
    image, *position = (int(at) for at in np.unravel_index(place, chosen.grid_shape))
    return Patch(image, tuple(position), distance, share)
