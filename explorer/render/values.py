"""What the render room reads from a run: one layer's values, an image at a time or one number a position."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from explorer.errors import ReductionError
from explorer.reduce.neighbours import Neighbours
from explorer.reduce.projection import Projection

CHUNK_BYTES = 64 * 2**20
KEPT_BYTES = 512 * 2**20
KEPT_IMAGES = 8
LARGEST_PRODUCT, SMALLEST = 1e36, 1e-15
"""Within these, products of two vectors fit into single precision."""
SHARED = ("sample", "random_state", "standardise", "metric")
"""What decides a kept neighbour graph."""


class RunLike(Protocol):
    """What a scene asks of a run; `explorer.capture.store.Run` answers it."""

    @property
    def name(self) -> str:
        """The model's name."""

    @property
    def n_images(self) -> int:
        """Number of inputs."""

    @property
    def image_names(self) -> tuple[str, ...]:
        """One name an input."""

    @property
    def labels(self) -> tuple[str, ...] | None:
        """One label an input, or None."""

    def grid_shape(self, layer: str) -> tuple[int, ...]:
        """(batch, *spatial) of a layer."""

    def channels(self, layer: str) -> int:
        """Number of channels of a layer."""

    def read(self, layer: str, start: int = 0, stop: int | None = None) -> NDArray[Any]:
        """Values of inputs start to stop: (stop - start, *spatial, channels)."""

    def picture(self, image: int) -> NDArray[np.uint8] | None:
        """An input as a person sees it, (height, width, 3), or None."""


class LayerValues:
    """One layer of a run, read as it is needed and kept where that is cheap.

    Attributes:
        layer: the layer's name.
        grid_shape: (batch, *spatial).
        channels: number of channels.
    """

    def __init__(self, run: RunLike, layer: str) -> None:
        self.layer = layer
        self.grid_shape = run.grid_shape(layer)
        self.channels = run.channels(layer)
        self._run = run
        self._whole: NDArray[Any] | None = None
        self._images: OrderedDict[int, NDArray[Any]] = OrderedDict()
        self._norms: NDArray[np.float32] | None = None
        self._channel: tuple[int, NDArray[np.float32]] | None = None
        self._similar: tuple[tuple[int, ...], NDArray[np.float32]] | None = None
        self._means: NDArray[np.float64] | None = None
        self._lengths: NDArray[np.float32] | None = None
        self._longest = self._shortest = 0.0

    @property
    def spatial(self) -> tuple[int, ...]:
        """Sizes of the spatial axes."""
        return self.grid_shape[1:]

    def image(self, index: int) -> NDArray[Any]:
        """One input's values, (*spatial, channels)."""
        if self._whole is not None:
            return np.asarray(self._whole[index])
        if index not in self._images:
            self._images[index] = self._run.read(self.layer, index, index + 1)[0]
            while len(self._images) > KEPT_IMAGES:
                self._images.popitem(last=False)
        return self._images[index]

    def chunks(self) -> Iterator[tuple[int, NDArray[Any]]]:
        """The layer in whole inputs: (first input, values); a small layer is read once and kept."""
        if self._whole is not None:
            yield 0, self._whole
            return
        n_images = self.grid_shape[0]
        one = self.image(0)
        step = max(1, CHUNK_BYTES // max(1, one.nbytes))
        if one.nbytes * n_images <= KEPT_BYTES:
            self._whole = self._run.read(self.layer)
            self._images.clear()
            yield 0, self._whole
            return
        for start in range(0, n_images, step):
            yield start, self._run.read(self.layer, start, min(start + step, n_images))

    def reduced(self, one: Callable[[NDArray[Any]], NDArray[Any]], like: NDArray[Any]) -> NDArray[Any]:
        """Something small of every position: `one` maps (n, *spatial, channels) to (n, *spatial, …).

        Args:
            one: what to compute of a chunk.
            like: (batch, *spatial, …), filled and returned.
        """
        for start, values in self.chunks():
            like[start : start + len(values)] = one(values)
        return like

    def norms(self) -> NDArray[np.float32]:
        """Euclidean length of every position's vector, (batch, *spatial)."""
        if self._norms is None:
            self._norms = self.reduced(length, np.empty(self.grid_shape, np.float32))
        return self._norms

    def channel(self, channel: int) -> NDArray[np.float32]:
        """One channel's value at every position, (batch, *spatial)."""
        if self._channel is None or self._channel[0] != channel:
            out = np.empty(self.grid_shape, np.float32)
            self._channel = (channel, self.reduced(lambda values: values[..., channel], out))
        return self._channel[1]

    def similarity(self, image: int, position: tuple[int, ...]) -> NDArray[np.float32]:
        """Cosine of every position's vector with that of one position, (batch, *spatial).

        A vector of zeros has no direction: NaN.
        """
        at = (image, *position)
        if self._similar is None or self._similar[0] != at:
            one = np.asarray(self.image(image)[position])
            found = self._quick(one)
            if found is None:
                out = np.empty(self.grid_shape, np.float32)
                found = self.reduced(lambda values: similarity(values, one), out)
            self._similar = (at, found)
        return self._similar[1]

    def _quick(self, one: NDArray[Any]) -> NDArray[np.float32] | None:
        """Cosines in single precision of a layer that is in memory, lengths found once; None elsewhere.

        Where numbers are so large that a product might overflow, or not finite, double precision is due.
        """
        whole = self._whole
        if whole is None or whole.dtype != np.float32:
            return None
        if self._lengths is None:
            self._lengths = length(whole).astype(np.float32)
            self._longest = float(self._lengths.max(initial=0.0))
            self._shortest = float(self._lengths[self._lengths > 0].min(initial=np.inf))
        own = float(length(one))
        if not (own * self._longest < LARGEST_PRODUCT and own * self._shortest > SMALLEST):
            return None
        out = np.full(self.grid_shape, np.nan, np.float32)
        scale = self._lengths * np.float32(own)
        return np.asarray(np.divide(whole @ one, scale, out=out, where=scale > 0))

    def means(self) -> NDArray[np.float64]:
        """Every input's mean vector over its positions, (batch, channels); NaN and infinity passed over."""
        if self._means is None:
            out = np.empty((self.grid_shape[0], self.channels))
            self._means = self.reduced(_mean, out)
        return self._means

    def vectors(self, places: NDArray[np.int64]) -> NDArray[np.float32]:
        """The vectors of some places of the grid (n,), increasing: (n, channels) float32."""
        out = np.empty((len(places), self.channels), np.float32)
        each = int(np.prod(self.spatial))
        for start, values in self.chunks():
            rows = values.reshape(-1, self.channels)
            first, last = np.searchsorted(places, (start * each, start * each + len(rows)))
            out[first:last] = rows[places[first:last] - start * each]
        return out


def _mean(values: NDArray[Any]) -> NDArray[np.float64]:
    """Means over the positions, (n, *spatial, channels) to (n, channels); 0 where nothing is finite."""
    rows = values.reshape(len(values), -1, values.shape[-1]).astype(np.float64)
    finite = np.isfinite(rows)
    total = np.where(finite, rows, 0.0).sum(axis=1)
    return np.asarray(total / np.maximum(finite.sum(axis=1), 1))


def length(values: NDArray[Any]) -> NDArray[Any]:
    """Euclidean length over the channels, (..., channels) to (...)."""
    numbers = values.astype(np.float64, copy=False)
    return np.asarray(np.sqrt(np.einsum("...c,...c->...", numbers, numbers)))


def similarity(values: NDArray[Any], to: NDArray[Any]) -> NDArray[np.float64]:
    """Cosine of every position's vector with one vector: (..., channels) and (channels,) to (...).

    A vector of zeros has no direction: NaN.
    """
    numbers, one = values.astype(np.float64), np.asarray(to, np.float64)
    scale = length(numbers) * length(one)
    out = np.full(scale.shape, np.nan)
    return np.asarray(np.divide(numbers @ one, scale, out=out, where=scale > 0))


def kept_graph(run: RunLike, projection: Projection) -> Neighbours | None:
    """The neighbour graph that a run keeps of a projection's rows; None where it keeps none of just these."""
    from explorer.reduce.project import neighbours_file
    from explorer.reduce.settings import Settings

    known = {name: value for name, value in projection.parameters.items() if name in SHARED}
    if projection.method not in ("tsne", "umap") or len(known) < len(SHARED) or not hasattr(run, "path"):
        return None
    path = neighbours_file(run, projection.layer, Settings(projection.method, **known))  # type: ignore[arg-type]
    if not path.is_file():
        return None
    try:
        graph = Neighbours.load(path)
    except ReductionError:  # the positions are compared anew
        return None
    return graph if len(graph.indices) == projection.n_samples else None
