"""What a selection covers: classes and how far beyond their share, columns of numbers, places, pictures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from explorer.capture.store import Run
from explorer.explain.selected import Chosen

MOST_CLASSES = 12
"""Different whole numbers up to which a column of metadata is taken for classes."""
MISSING = "(none)"
ENOUGH, COARSEST = 30, 8
"""Positions of a sampled map that a place should have on average, and places along an axis to stop at."""


@dataclass(frozen=True)
class Share:
    """How much of a selection is of one class, and how much of all positions.

    Attributes:
        name: the class.
        selected: selected positions of it.
        of_selected: all selected positions.
        positions: positions of it among all that are compared.
        of_positions: all positions that are compared.
        images: pictures of it that hold any selected position.
        of_images: pictures of it.
    """

    name: str
    selected: int
    of_selected: int
    positions: int
    of_positions: int
    images: int
    of_images: int

    @property
    def share(self) -> float:
        """Share of the selection, 0 to 1."""
        return self.selected / self.of_selected

    @property
    def expected(self) -> float:
        """Share of all positions, 0 to 1: what a selection drawn blindly would have."""
        return self.positions / self.of_positions

    @property
    def enrichment(self) -> float:
        """Its share of the selection divided by that of all positions; NaN where it has no position."""
        return self.share / self.expected if self.positions else math.nan


@dataclass(frozen=True)
class NumberColumn:
    """A column of metadata of numbers, over the selected positions and the others; missing ones left out.

    Attributes:
        name: the column.
        inside: mean over the selected positions, each with its picture's number.
        outside: mean over the others.
        deviation: standard deviation within the two groups, pooled.
        effect: (inside - outside) / deviation; 0 where there is no deviation.
    """

    name: str
    inside: float
    outside: float
    deviation: float
    effect: float


@dataclass(frozen=True)
class Classes:
    """Something that sorts positions into classes.

    Attributes:
        title: "label", "mask class", or the column's name.
        shares: one a class, the largest share of the selection first.
    """

    title: str
    shares: tuple[Share, ...]


@dataclass(frozen=True)
class PictureShare:
    """How much of one picture is selected.

    Attributes:
        image: which one.
        name: its name.
        label: its label, or None.
        selected: selected positions in it.
        share: of those of its positions that are compared, 0 to 1.
    """

    image: int
    name: str
    label: str | None
    selected: int
    share: float


@dataclass(frozen=True, eq=False)
class Counting:
    """The selection against what it is compared with, counted by picture.

    Attributes:
        selected: (batch,) selected positions of each picture.
        positions: (batch,) positions of each picture that are compared, the selected among them.
    """

    selected: NDArray[np.int64]
    positions: NDArray[np.int64]


def counting(chosen: Chosen, among: NDArray[np.int64] | None) -> Counting:
    """Count by picture; `among` are the places that are compared, all by default."""
    batch, each = chosen.grid_shape[0], max(1, chosen.each)
    own = np.bincount(chosen.places // each, minlength=batch)
    every = compared(chosen, among)
    if every is None:
        return Counting(own, np.full(batch, chosen.each))
    return Counting(own, np.bincount(every // each, minlength=batch))


def compared(chosen: Chosen, among: NDArray[np.int64] | None) -> NDArray[np.int64] | None:
    """The places that are compared, the selected among them (n,), increasing; None for all of the layer."""
    return None if among is None else np.union1d(among, chosen.places)


def by_image(title: str, values: Sequence[str], counted: Counting) -> Classes:
    """Shares of classes that whole pictures have: one name a picture."""
    names = np.asarray(values, np.str_)
    found = []
    for name in sorted(set(values)):
        own = names == name
        found.append(
            Share(
                name,
                int(counted.selected[own].sum()),
                int(counted.selected.sum()),
                int(counted.positions[own].sum()),
                int(counted.positions.sum()),
                int((counted.selected[own] > 0).sum()),
                int(own.sum()),
            )
        )
    return Classes(title, _ordered(found))


def by_position(
    title: str,
    classes: NDArray[np.int32],
    names: dict[int, str],
    chosen: Chosen,
    among: NDArray[np.int64] | None,
) -> Classes:
    """Shares of classes that positions have, (batch, *spatial) by number."""
    flat, each = classes.reshape(-1), max(1, chosen.each)
    own = flat[chosen.places]
    places = compared(chosen, among)
    every = flat if places is None else flat[places]
    image = np.arange(len(flat)) // each
    found = []
    for code in np.unique(every):
        here = chosen.places[own == code]
        share = Share(
            names.get(int(code), str(int(code))),
            len(here),
            len(own),
            int((every == code).sum()),
            len(every),
            len(np.unique(here // each)),
            len(np.unique(image[flat == code])),
        )
        found.append(share)
    return Classes(title, _ordered(found))


def _ordered(shares: list[Share]) -> tuple[Share, ...]:
    return tuple(sorted(shares, key=lambda one: (-one.selected, one.name)))


def labels(run: Run, counted: Counting) -> Classes | None:
    """The labels that a selection covers; None where the run has none."""
    return None if run.labels is None else by_image("label", run.labels, counted)


def masks(run: Run, chosen: Chosen, among: NDArray[np.int64] | None) -> Classes | None:
    """The classes of the masks that a selection covers; None where the run has no masks."""
    if not run.mask_names:
        return None
    return by_position("mask class", run.mask_classes(chosen.layer), dict(run.mask_names), chosen, among)


def metadata(run: Run, counted: Counting) -> tuple[tuple[Classes, ...], tuple[NumberColumn, ...]]:
    """The run's columns: those of classes (words, or a few whole numbers), and those of numbers."""
    classes, numbers = [], []
    for name, column in run.metadata.items():
        few = column.dtype.kind in "iub" and len(np.unique(column)) <= MOST_CLASSES
        if column.dtype.kind in "iufb" and not few:
            numbers.append(_numbers(name, column.astype(np.float64), counted))
        else:
            classes.append(by_image(name, [str(value) or MISSING for value in column.tolist()], counted))
    return tuple(classes), tuple(sorted(numbers, key=lambda one: -abs(one.effect)))


def _numbers(name: str, column: NDArray[np.float64], counted: Counting) -> NumberColumn:
    some = np.isfinite(column)
    values = column[some]
    inside = counted.selected[some].astype(np.float64)
    outside = (counted.positions - counted.selected)[some].astype(np.float64)
    n, m = inside.sum(), outside.sum()
    if not n or not m:
        means = [float((w @ values) / w.sum()) if w.sum() else math.nan for w in (inside, outside)]
        return NumberColumn(name, means[0], means[1], 0.0, 0.0)
    a, b = inside @ values / n, outside @ values / m
    squares = inside @ (values - a) ** 2 + outside @ (values - b) ** 2
    deviation = math.sqrt(squares / max(n + m - 2, 1))
    effect = (a - b) / deviation if deviation > 1e-12 * max(abs(a), abs(b)) else 0.0
    return NumberColumn(name, float(a), float(b), deviation, float(effect))


def pictures(run: Run, counted: Counting) -> tuple[PictureShare, ...]:
    """Every picture that holds any of the selection, the largest share first."""
    order = np.argsort(-counted.selected, kind="stable")
    return tuple(
        PictureShare(
            int(image),
            run.image_names[image],
            None if run.labels is None else run.labels[image],
            int(counted.selected[image]),
            float(counted.selected[image]) / max(1, int(counted.positions[image])),
        )
        for image in order.tolist()
        if counted.selected[image]
    )


def where(chosen: Chosen, among: NDArray[np.int64] | None) -> NDArray[np.float64]:
    """How often each place of the grid is selected, 0 to 1: (*spatial), of a volume (rows, columns).

    It is the share of the pictures, and of a volume's slices. Of a map of some positions it is the share of
    those that are compared; so few lie at one place that places are put together, two by two along each
    axis, until some 30 do. NaN where there is none.
    """
    spatial = chosen.grid_shape[1:]
    each = max(1, chosen.each)
    every = compared(chosen, among)
    selected = np.bincount(chosen.places % each, minlength=each).reshape(spatial).astype(np.float64)
    if every is None:
        total = np.full(spatial, float(chosen.grid_shape[0]))
    else:
        total = np.bincount(every % each, minlength=each).reshape(spatial).astype(np.float64)
    if selected.ndim == 3:
        selected, total = selected.sum(axis=0), total.sum(axis=0)
    while every is not None and 0 < total.mean() < ENOUGH and max(total.shape, default=0) > COARSEST:
        selected, total = _halved(selected), _halved(total)
    return np.asarray(np.divide(selected, total, out=np.full(total.shape, np.nan), where=total > 0))


def _halved(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sums of neighbouring places, two by two along each axis; of an odd number, one stays alone."""
    for axis, size in enumerate(counts.shape):
        starts = np.linspace(0, size, -(-size // 2), endpoint=False).astype(int)
        counts = np.add.reduceat(counts, starts, axis=axis)
    return counts
