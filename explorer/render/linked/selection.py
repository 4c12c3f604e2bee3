"""A selection: any number of positions of a layer's grid, held by what they are and not by what is shown."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from explorer.errors import InputError, suggest

How = Literal["replace", "add", "remove", "keep"]
HOWS = ("replace", "add", "remove", "keep")


@dataclass(frozen=True, eq=False)
class Selection:
    """Positions of a grid (batch, *spatial), as a set: `|`, `&`, `-`, `^`, `~`, `in`, `len`, `==`.

    Attributes:
        grid_shape: (batch, *spatial) of the layer's whole grid, sampled or not.
        places: (n,) int64, the positions' places in that grid in C order, strictly increasing.

    Raises:
        InputError: places that the grid does not have.
    """

    grid_shape: tuple[int, ...]
    places: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))

    def __post_init__(self) -> None:
        places = np.asarray(self.places, np.int64).reshape(-1)
        if len(places) > 1 and not (np.diff(places) > 0).all():
            places = np.unique(places)
        if len(places) and not (places[0] >= 0 and places[-1] < math.prod(self.grid_shape)):
            raise InputError(f"selection: places outside the grid {self.grid_shape}")
        object.__setattr__(self, "places", places)

    @classmethod
    def of_positions(cls, grid_shape: tuple[int, ...], positions: NDArray[Any]) -> Selection:
        """Read positions (n, 1 + n_spatial) of (image, *position).

        Raises:
            InputError: another shape, no whole numbers, or positions that the grid does not have.
        """
        rows = np.asarray(positions)
        if rows.size == 0:
            return cls(grid_shape)
        if rows.ndim != 2 or rows.shape[1] != len(grid_shape) or rows.dtype.kind not in "iu":
            raise InputError(
                f"selection: positions of shape {rows.shape} and type {rows.dtype}, expected whole "
                f"numbers (n, {len(grid_shape)}): image, then the place on the grid {grid_shape[1:]}"
            )
        if (rows < 0).any() or (rows >= np.array(grid_shape)).any():
            raise InputError(f"selection: some positions lie outside the grid {grid_shape}")
        return cls(grid_shape, np.unique(np.ravel_multi_index(tuple(rows.T), grid_shape)))

    @classmethod
    def of_masks(cls, masks: NDArray[Any]) -> Selection:
        """Read masks (batch, *spatial) of True and False."""
        marked = np.asarray(masks)
        if marked.dtype != np.bool_:
            raise InputError(f"selection: masks of type {marked.dtype}, expected bool")
        return cls(marked.shape, np.flatnonzero(marked))

    @classmethod
    def of_runs(
        cls, grid_shape: tuple[int, ...], stretches: NDArray[np.int64] | Sequence[Sequence[int]]
    ) -> Selection:
        """Read what `runs` gave."""
        runs = np.asarray(stretches, np.int64)
        if not runs.size:
            return cls(grid_shape)
        if runs.ndim != 2 or runs.shape[1] != 2 or (runs < [0, 1]).any():
            raise InputError(f"selection: runs of shape {runs.shape}, expected (n, 2) of place and length")
        if int(runs[:, 1].sum()) > math.prod(grid_shape):
            raise InputError(f"selection: more places than the grid {grid_shape} has")
        return cls(grid_shape, np.concatenate([np.arange(first, first + n) for first, n in runs.tolist()]))

    def runs(self) -> list[list[int]]:
        """The places as [first, length] of stretches without a gap, which is short for files."""
        starts = np.flatnonzero(np.diff(self.places, prepend=-2) != 1)
        lengths = np.diff(np.append(starts, len(self.places)))
        stretches: list[list[int]] = np.stack([self.places[starts], lengths], axis=1).tolist()
        return stretches

    def __len__(self) -> int:
        return len(self.places)

    def __bool__(self) -> bool:
        return len(self.places) > 0

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Selection):
            return NotImplemented
        return self.grid_shape == other.grid_shape and np.array_equal(self.places, other.places)

    def __hash__(self) -> int:
        return hash((self.grid_shape, self.places.tobytes()))

    def __repr__(self) -> str:
        images = len(self.images)
        return f"Selection({len(self):,} of {math.prod(self.grid_shape):,} positions, in {images:,} images)"

    def __iter__(self) -> Iterator[tuple[int, ...]]:
        return (tuple(row) for row in self.positions().tolist())

    def __contains__(self, position: object) -> bool:
        if not isinstance(position, tuple) or len(position) != len(self.grid_shape):
            return False
        inside = all(0 <= at < size for at, size in zip(position, self.grid_shape, strict=True))
        return inside and bool(self.at(np.array([np.ravel_multi_index(position, self.grid_shape)]))[0])

    def __or__(self, other: Selection) -> Selection:
        return Selection(self.grid_shape, np.union1d(self.places, self._same(other)))

    def __and__(self, other: Selection) -> Selection:
        both = np.intersect1d(self.places, self._same(other), assume_unique=True)
        return Selection(self.grid_shape, both)

    def __sub__(self, other: Selection) -> Selection:
        rest = np.setdiff1d(self.places, self._same(other), assume_unique=True)
        return Selection(self.grid_shape, rest)

    def __xor__(self, other: Selection) -> Selection:
        return Selection(self.grid_shape, np.setxor1d(self.places, self._same(other), assume_unique=True))

    def __invert__(self) -> Selection:
        return Selection.of_masks(~self.masks())

    def _same(self, other: Selection) -> NDArray[np.int64]:
        if other.grid_shape != self.grid_shape:
            raise InputError(
                f"selections on the grids {self.grid_shape} and {other.grid_shape}: bring one to the "
                "other's grid with `to`"
            )
        return other.places

    def combined(self, other: Selection, how: str) -> Selection:
        """This selection after another: "replace" it, "add", "remove", or "keep" only what both hold.

        Raises:
            InputError: another word, or another grid.
        """
        if how not in HOWS:
            raise InputError(f"how {how!r}: {suggest(how, HOWS)}")
        self._same(other)
        if how == "replace":
            return other
        return {"add": self.__or__, "remove": self.__sub__, "keep": self.__and__}[how](other)

    def at(self, places: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of some places of the grid (n,) are selected, (n,)."""
        if not len(self.places):
            return np.zeros(len(places), bool)
        found = np.minimum(np.searchsorted(self.places, places), len(self.places) - 1)
        return np.asarray(self.places[found] == places)

    def positions(self) -> NDArray[np.int64]:
        """Where they are: (n, 1 + n_spatial) of (image, *position)."""
        return np.stack(np.unravel_index(self.places, self.grid_shape), axis=1).astype(np.int64)

    def masks(self) -> NDArray[np.bool_]:
        """One mask a picture: (batch, *spatial), True where selected."""
        marked = np.zeros(math.prod(self.grid_shape), bool)
        marked[self.places] = True
        return marked.reshape(self.grid_shape)

    def mask(self, image: int) -> NDArray[np.bool_]:
        """One picture's mask, (*spatial)."""
        each = math.prod(self.grid_shape[1:])
        first, last = np.searchsorted(self.places, (image * each, (image + 1) * each))
        marked = np.zeros(each, bool)
        marked[self.places[first:last] - image * each] = True
        return marked.reshape(self.grid_shape[1:])

    @property
    def images(self) -> NDArray[np.int64]:
        """The pictures that hold any selected position, increasing."""
        return np.unique(self.places // max(1, math.prod(self.grid_shape[1:])))

    def shares(self) -> NDArray[np.float64]:
        """How much of each picture is selected, (batch,) from 0 to 1."""
        each = max(1, math.prod(self.grid_shape[1:]))
        return np.bincount(self.places // each, minlength=self.grid_shape[0]) / each

    def ranked(self) -> list[tuple[int, float]]:
        """(picture, selected share of it) of all that hold any of the selection, most first."""
        shares = self.shares()
        order = np.argsort(-shares, kind="stable")
        return [(int(image), float(shares[image])) for image in order if shares[image] > 0]

    def to(self, grid_shape: tuple[int, ...]) -> Selection:
        """The same places of the same pictures on another layer's grid, by relative place.

        Along every axis a position stands for its share of the picture's length. A position of the
        other grid is selected when its middle lies in a selected position, or the middle of a selected
        position lies in it: a finer grid gets the same area, and on a coarser one nothing is lost.
        Where the number of axes differs, pictures with anything selected are selected whole.

        Raises:
            InputError: a grid of another number of pictures.
        """
        if grid_shape == self.grid_shape:
            return self
        if grid_shape[0] != self.grid_shape[0]:
            raise InputError(
                f"selection of {self.grid_shape[0]} pictures on a grid of {grid_shape[0]}: not the same run"
            )
        marked = self.masks()
        if len(grid_shape) != len(self.grid_shape):
            held = marked.reshape(len(marked), -1).any(axis=1)
            whole = np.repeat(held, math.prod(grid_shape[1:])).reshape(grid_shape)
            return Selection.of_masks(whole)
        for axis in range(1, len(grid_shape)):
            marked = _resampled(marked, axis, grid_shape[axis])
        return Selection.of_masks(marked)


def _resampled(marked: NDArray[np.bool_], axis: int, size: int) -> NDArray[np.bool_]:
    """Bring one axis of masks to another length: True wherever either middle lies in the other."""
    old = marked.shape[axis]
    if old == size:
        return marked
    target = np.arange(size)
    # In units of half a source position over `size`, all whole numbers: no rounding decides.
    holds = (2 * target + 1) * old // (2 * size)
    first = np.minimum(-((size - 2 * target * old) // (2 * size)), holds)
    last = np.maximum(-((size - 2 * (target + 1) * old) // (2 * size)), holds + 1)
    counts = np.cumsum(np.moveaxis(marked, axis, 0).astype(np.int64), axis=0)
    counts = np.concatenate([np.zeros((1, *counts.shape[1:]), np.int64), counts])
    found = counts[np.clip(last, 0, old)] > counts[np.clip(first, 0, old)]
    return np.moveaxis(found, 0, axis)
