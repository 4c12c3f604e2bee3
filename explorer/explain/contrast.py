"""What sets some positions of a layer apart from the others: channel by channel, over the whole run."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.capture.store import Run
from explorer.errors import InputError
from explorer.explain.selected import Chosen
from explorer.progress import progress


@dataclass(frozen=True)
class ChannelContrast:
    """How a channel answers at the selected positions and at the others; what is not finite is passed over.

    Attributes:
        channel: which one.
        inside: mean over the selected positions.
        outside: mean over the others.
        deviation: standard deviation within the two groups, pooled; 0 where both are constant.
        effect: (inside - outside) / deviation, Cohen's d: positive where the channel answers more
            strongly inside. Infinite where both groups are constant and differ, 0 where they do not.
    """

    channel: int
    inside: float
    outside: float
    deviation: float
    effect: float


@dataclass
class _Moments:
    """Count, mean and summed squares about it, (C,), merged chunk by chunk (Chan et al. 1979)."""

    count: NDArray[np.float64]
    mean: NDArray[np.float64]
    squares: NDArray[np.float64]

    @classmethod
    def none(cls, channels: int) -> _Moments:
        return cls(np.zeros(channels), np.zeros(channels), np.zeros(channels))

    def add(self, rows: NDArray[Any]) -> None:
        """Take rows (n, C) in."""
        if not len(rows):
            return
        numbers = rows.astype(np.float64)
        finite = np.isfinite(numbers)
        whole = bool(finite.all())
        n = np.full(rows.shape[1], float(len(rows))) if whole else finite.sum(axis=0).astype(np.float64)
        some = np.maximum(n, 1.0)
        mean = (numbers if whole else np.where(finite, numbers, 0.0)).sum(axis=0) / some
        apart = numbers - mean if whole else np.where(finite, numbers - mean, 0.0)
        count = self.count + n
        share = np.divide(n, count, out=np.zeros_like(n), where=count > 0)
        gap = np.where(n > 0, mean - self.mean, 0.0)
        self.squares += np.einsum("nc,nc->c", apart, apart) + gap**2 * self.count * share
        self.mean += gap * share
        self.count = count


@dataclass(frozen=True, eq=False)
class Contrast:
    """The channels of a layer, inside a selection and outside.

    Attributes:
        channels: one a channel, those that are set apart furthest first.
        mean: (C,) mean vector of the selected positions.
        whole: (C,) mean vector of all positions that are compared.
        n_others: how many positions the selected ones are compared with.
    """

    channels: tuple[ChannelContrast, ...]
    mean: NDArray[np.float64]
    whole: NDArray[np.float64]
    n_others: int

    @property
    def direction(self) -> NDArray[np.float64]:
        """(C,) of length 1: from the mean of all positions to that of the selected; zero where they agree."""
        gap = self.mean - self.whole
        length = float(np.sqrt(gap @ gap))
        return gap / length if length > 0 else gap


def chunks(run: Run, layer: str) -> Iterator[tuple[int, NDArray[Any]]]:
    """A layer as (place of the first row, rows (n, channels)), some whole pictures at a time."""
    batch, *spatial = run.grid_shape(layer)
    step, each = int(run.manifest["layers"][layer]["chunk"]), math.prod(spatial)
    with progress(f"reading {layer}", batch, "images") as advance:
        for start in range(0, batch, step):
            values = run.read(layer, start, start + step)
            yield start * each, values.reshape(-1, values.shape[-1])
            advance(len(values))


def marks(
    first: int, n: int, chosen: Chosen, among: NDArray[np.int64] | None
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which of n places from `first` are selected, and which are others to compare with, each (n,)."""
    inside = np.zeros(n, bool)
    low, high = np.searchsorted(chosen.places, (first, first + n))
    inside[chosen.places[low:high] - first] = True
    if among is None:
        return inside, ~inside
    others = np.zeros(n, bool)
    low, high = np.searchsorted(among, (first, first + n))
    others[among[low:high] - first] = True
    return inside, others & ~inside


def contrast(run: Run, chosen: Chosen, among: NDArray[np.int64] | None = None) -> Contrast:
    """Compare the selected positions with the others, in one pass over the layer.

    Args:
        run: the run.
        chosen: the selected positions.
        among: (n,) places that count as others, increasing; all by default.
    """
    channels = run.channels(chosen.layer)
    inside, outside = _Moments.none(channels), _Moments.none(channels)
    n_others = 0
    for first, rows in chunks(run, chosen.layer):
        own, others = marks(first, len(rows), chosen, among)
        inside.add(rows[own])
        outside.add(rows[others])
        n_others += int(others.sum())
    found = [_one(channel, inside, outside) for channel in range(channels)]
    count = inside.count + outside.count
    whole = (inside.mean * inside.count + outside.mean * outside.count) / np.maximum(count, 1)
    order = sorted(found, key=lambda one: -abs(one.effect))  # stable: equal ones by their number
    return Contrast(tuple(order), inside.mean, whole, n_others)


def direction_of(run: Run, chosen: Chosen) -> NDArray[np.float64]:
    """(C,) of length 1: from the mean of all positions of the layer to that of the selected ones.

    Raises:
        InputError: the two are the same.
    """
    found = contrast(run, chosen).direction
    if not found.any():
        raise InputError("the selection has no direction of its own: its mean is that of all positions")
    return found


def _one(channel: int, inside: _Moments, outside: _Moments) -> ChannelContrast:
    a, b = (float(part.mean[channel]) for part in (inside, outside))
    n, m = (float(part.count[channel]) for part in (inside, outside))
    if not n or not m:
        return ChannelContrast(channel, a, b, 0.0, 0.0)
    squares = float(inside.squares[channel] + outside.squares[channel])
    deviation = math.sqrt(squares / max(n + m - 2, 1.0))
    # What rounding leaves of a constant channel is no deviation.
    if deviation <= 1e-12 * max(abs(a), abs(b)):
        apart = abs(a - b) > 1e-12 * max(abs(a), abs(b))
        return ChannelContrast(channel, a, b, 0.0, math.copysign(math.inf, a - b) if apart else 0.0)
    return ChannelContrast(channel, a, b, deviation, (a - b) / deviation)
