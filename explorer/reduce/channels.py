"""What each channel of a layer does over a whole data set: range, spread, look-alikes, strongest pictures."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from explorer.activations import Activations
from explorer.errors import InputError, RunError, first_line
from explorer.progress import say, working
from explorer.reduce.rows import layer_of
from explorer.whole import whole_file

if TYPE_CHECKING:
    from explorer.capture.store import Run

FORMAT = 1
BINS = 1024
TOP = 16
DEAD = 1e-6
ALIKE = 0.999
MOST_ORDERED = 512
"""Channels up to which the leaves of the tree are also turned for the best order, which takes cubic time."""


@dataclass(frozen=True)
class ChannelStatistics:
    """Figures of every channel over all positions of all pictures; C channels.

    What is not finite is counted and otherwise passed over.

    Attributes:
        shape: (batch, *spatial, channels) of what was looked at.
        finite: (C,) number of finite values.
        low: (C,) the smallest.
        high: (C,) the largest.
        mean: (C,).
        variance: (C,), divided by the count.
        zeros: (C,) share of the finite values that are exactly zero.
        counts: (C, 1024) a histogram of every value, of equal bins from `low` to `high`.
        picture_mean: (C,) mean over the pictures of the mean over a picture.
        picture_deviation: (C,) standard deviation over the pictures of the mean over a picture.
        correlation: (C, C) Pearson's, over the positions at which all channels are finite; NaN where a
            channel is constant.
        top_values: (C, k) the largest value in each of the k pictures in which it is largest, falling.
        top_pictures: (C, k) which pictures those are.
        top_positions: (C, k) where in them, as a flat index of the spatial grid.
    """

    shape: tuple[int, ...]
    finite: NDArray[np.int64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    mean: NDArray[np.float64]
    variance: NDArray[np.float64]
    zeros: NDArray[np.float64]
    counts: NDArray[np.int64]
    picture_mean: NDArray[np.float64]
    picture_deviation: NDArray[np.float64]
    correlation: NDArray[np.float64]
    top_values: NDArray[np.float64]
    top_pictures: NDArray[np.int64]
    top_positions: NDArray[np.int64]

    @property
    def n_pictures(self) -> int:
        """Number of pictures."""
        return self.shape[0]

    def percentile(self, percent: float) -> NDArray[np.float64]:
        """(C,) the value below which so many percent of a channel lie, to 1/1024 of its range."""
        below = np.concatenate([np.zeros((len(self.low), 1)), self.counts.cumsum(axis=1)], axis=1)
        out = np.empty(len(self.low))
        for channel, sums in enumerate(below):
            wanted = percent / 100 * sums[-1]
            place = min(max(int(np.searchsorted(sums, wanted)) - 1, 0), BINS - 1)
            part = (wanted - sums[place]) / max(sums[place + 1] - sums[place], 1)
            span = self.high[channel] - self.low[channel]
            out[channel] = self.low[channel] + span * (place + part) / BINS
        # The ends are exact, whatever rounding did.
        return np.where(percent <= 0, self.low, np.where(percent >= 100, self.high, out))

    def layer_percentile(self, percent: float) -> float:
        """The value below which so many percent of all the layer's values lie.

        Exact to the width of a bin of the channel that it falls in.
        """
        if percent <= 0 or percent >= 100 or not self.finite.any():
            ends = self.low if percent <= 0 else self.high
            some = ends[self.finite > 0]
            return float((some.min() if percent <= 0 else some.max()) if some.size else 0.0)
        middles = self.low[:, None] + (self.high - self.low)[:, None] * (np.arange(BINS) + 0.5) / BINS
        there = self.counts > 0
        values, weights = middles[there], self.counts[there]
        order = np.argsort(values)
        sums = weights[order].cumsum()
        return float(values[order][np.searchsorted(sums, percent / 100 * sums[-1])])

    def dead(self) -> list[int]:
        """Channels whose values differ by less than a millionth of the layer's range: they say nothing."""
        some = self.finite > 0
        whole = float(self.high[some].max() - self.low[some].min()) if some.any() else 0.0
        still = ~some | (self.high - self.low <= DEAD * whole)
        return [int(channel) for channel in np.flatnonzero(still)]

    def duplicates(self) -> list[tuple[int, ...]]:
        """Groups of channels that correlate at 0.999 or more with the first of their group."""
        dead, taken, groups = set(self.dead()), set[int](), []
        for first in range(len(self.low)):
            if first in dead or first in taken:
                continue
            near = np.flatnonzero(self.correlation[first] >= ALIKE)
            others = [int(c) for c in near if c > first and int(c) not in taken and int(c) not in dead]
            if others:
                groups.append((first, *others))
                taken.update(others)
        return groups

    def response(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """How much each channel answers to one picture, compared with the data set.

        That is the mean over the picture, less the mean of such means over all pictures, divided by
        their standard deviation; 0 where that is 0 or a value is missing.

        Args:
            values: (*spatial, channels) of the picture.

        Raises:
            InputError: there is but one picture to compare with.
        """
        if self.n_pictures < 2:
            raise InputError("an answer is compared over a data set; this one has a single picture")
        rows = np.asarray(values, np.float64).reshape(-1, values.shape[-1])
        finite = np.isfinite(rows)
        mean = np.where(finite, rows, 0).sum(axis=0) / np.maximum(finite.sum(axis=0), 1)
        gap = np.where(finite.any(axis=0), mean - self.picture_mean, 0)
        some = self.picture_deviation > 1e-12 * np.maximum(np.abs(self.picture_mean), 1e-300)
        return np.divide(gap, self.picture_deviation, out=np.zeros_like(gap), where=some)

    def clustered(self, channels: list[int]) -> list[int]:
        """Channels so that look-alikes stand together, and dead ones last.

        The leaves of an average-linkage tree over 1 − correlation, turned so that neighbours are as near
        as can be (Bar-Joseph et al. 2001) where there are up to 512.
        """
        own = self.correlation[np.ix_(channels, channels)]
        live = np.flatnonzero(np.isfinite(np.diagonal(own)))
        rest = [channels[c] for c in range(len(channels)) if c not in set(live.tolist())]
        if len(live) < 3:
            return [channels[c] for c in live] + rest
        from scipy.cluster.hierarchy import leaves_list, linkage

        far = 1 - np.nan_to_num(own[np.ix_(live, live)])
        pairs = np.maximum(far[np.triu_indices(len(live), 1)], 0)
        tree = linkage(pairs, "average", optimal_ordering=len(live) <= MOST_ORDERED)
        return [channels[live[leaf]] for leaf in leaves_list(tree)] + rest

    def save(self, path: Path) -> None:
        """Write an .npz file, whole or not at all."""
        arrays = {field.name: np.asarray(getattr(self, field.name)) for field in fields(self)}
        with whole_file(path) as beside, open(beside, "wb") as file:
            np.savez_compressed(file, allow_pickle=False, format=np.array(FORMAT), **arrays)


def load_statistics(path: Path, shape: tuple[int, ...]) -> ChannelStatistics:
    """Read figures that were saved of a layer of this shape.

    Raises:
        RunError: no such file, or it holds figures of something else.
    """
    try:
        with open(path, "rb") as opened, np.load(opened, allow_pickle=False) as file:
            found = {field.name: file[field.name] for field in fields(ChannelStatistics)}
            version = int(file["format"])
    except Exception as error:  # zipfile, zlib and arrays that do not fit have errors of their own
        raise RunError(f"{path}: no whole file of channel statistics ({first_line(error)})") from None
    kept = ChannelStatistics(**{**found, "shape": tuple(int(size) for size in found["shape"])})
    if version != FORMAT or kept.shape != shape or kept.counts.shape != (shape[-1], BINS):
        raise RunError(f"{path}: statistics of another layer or version")
    return kept


def channel_statistics(source: Run | Activations, layer: str | None = None) -> ChannelStatistics:
    """Figures of every channel of a layer over all positions of all pictures, in two passes.

    Those of a run are kept with it, and read the next time.

    Args:
        source: an opened run folder, or activations in memory, whose batch is the data set.
        layer: one of the run's layers; may be left out when it has one.

    Raises:
        InputError: the layer is not named and the run has several, or there are no values.
        LayerError: the run has no such layer.
    """
    from explorer.reduce.channel_passes import measured

    if isinstance(source, Activations):
        return measured(source, source.layer)
    name = layer_of(source, layer)
    shape = (*source.grid_shape(name), source.channels(name))
    folder: Path | None = getattr(source, "path", None)  # a run in memory has none
    kept = None if folder is None else folder / "channels" / f"{quote(name, safe=' ')}.npz"
    if kept is not None and kept.is_file():
        try:
            return load_statistics(kept, shape)
        except RunError as error:
            say(f"{error}: measuring again")
    with working(f"statistics of {name}'s channels"):
        found = measured(source, name)
    try:
        if kept is not None:
            kept.parent.mkdir(exist_ok=True)
            found.save(kept)
    except OSError as error:  # a run that may only be read is still there to be looked at
        say(f"{kept}: not kept ({error.strerror or error})")
    return found
