"""UMAP in 2D and 3D (McInnes, Healy & Melville 2018) from nearest neighbours, compiled."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.errors import ReductionError
from explorer.reduce.fuzzy import Graph, curve_parameters, fuzzy_set
from explorer.reduce.spectral import curve_order, start
from explorer.reduce.threads import processors

Floats = NDArray[np.float32]
Callback = Callable[[int, Floats], bool | None]
"""Gets the number of epochs done and the coordinates (n, n_components); True ends the layout."""

EVERY = 10
"""Epochs between calls of the callback."""
BLOCK = 1024
"""Vertices of a block at least; within one, vertices see each other's moves at once."""
MOST_BLOCKS = 32
SORTS = (0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8)
"""Shares of the epochs after which the blocks are drawn anew."""
THREADS_FROM = 4096
"""Vertices from which an epoch takes longer than handing it to threads."""


@dataclass(frozen=True)
class FastUMAP:
    """A map.

    Attributes:
        coordinates: (n, n_components) float32.
        a, b: of the curve 1 / (1 + a d^2b) that turns distances of the map into memberships.
        epochs: epochs done.
        random_state: the seed, drawn where none was given.
    """

    coordinates: Floats
    a: float
    b: float
    epochs: int
    random_state: int


def fit_fast_umap(
    indices: NDArray[Any],
    distances: NDArray[Any],
    *,
    n_components: int = 3,
    min_dist: float = 0.1,
    spread: float = 1.0,
    random_state: int | None = 0,
    initial: NDArray[Any] | str | None = None,
    features: NDArray[Any] | None = None,
    epochs: int | None = None,
    threads: int | None = None,
    callback: Callback | None = None,
) -> FastUMAP:
    """Place rows by the fuzzy set of their neighbours, to the same bits whatever the number of threads.

    Args:
        indices: (n, k) neighbours, the row itself left out. umap-learn counts it among its
            `n_neighbors`, so k = n_neighbors - 1 gives the same graph.
        distances: (n, k) of them, in any unit.
        n_components: 2 or 3.
        min_dist: distance at which neighbours in the map are as near as can be.
        spread: unit of the map.
        random_state: seed; None draws one.
        initial: "pca" (of the features), "spectral", or first positions (n, n_components). By default
            "pca" where there are features: it keeps the neighbourhoods as well, costs nothing and does
            not depend on how the graph hangs together (Kobak & Linderman 2021).
        features: (n, n_features) rows; with them unconnected parts of a spectral start lie where their
            principal components do.
        epochs: 500 up to 10,000 rows and 200 beyond, unless told otherwise.
        threads: as many as there are processors, unless told otherwise.
        callback: called every 10 epochs and at the end.

    Raises:
        ReductionError: arrays that do not fit together, or an unknown start.
    """
    _check(indices, distances, n_components)
    graph = fuzzy_set(indices, distances)
    if epochs is None:
        epochs = 500 if graph.n <= 10_000 else 200
    graph = _strong(graph, epochs)
    seed = seed_of(random_state)
    a, b = curve_parameters(min_dist, spread)
    with pool_of(graph.n, threads) as pool:
        positions = _first(graph, initial, features, n_components, seed=seed, pool=pool)
        layout = _Layout(graph, positions, (a, b), epochs, seed)
        done = layout.run(pool, callback)
    return FastUMAP(layout.coordinates(), a, b, done, seed)


def fit_tied_umap(
    graphs: Sequence[tuple[NDArray[Any], NDArray[Any]]],
    initial: NDArray[Any],
    *,
    epochs: int,
    tie: float,
    every: int,
    beside: Callable[[Sequence[Floats]], list[Floats]],
    min_dist: float = 0.1,
    random_state: int = 0,
    advance: Callable[[], None] = lambda: None,
) -> list[Floats]:
    """Lay out the same rows in several frames at once, each pulled to the frames beside it.

    Every few epochs a row goes a share of the way to its places in the frames beside. The share shrinks as
    the step of the layout does, so each map ends as true to its own rows as one made alone.

    Args:
        graphs: indices and distances (n, k) of each frame's neighbours, as for `fit_fast_umap`.
        initial: (n, 2 or 3) first places of every frame.
        epochs: how many.
        tie: the share of the way at the first pull.
        every: epochs between two pulls.
        beside: from the frames' positions to what each frame is pulled to.
        min_dist: as for `fit_fast_umap`.
        random_state: seed, the same in every frame.
        advance: called after every pull.
    """
    curve, start = curve_parameters(min_dist), np.asarray(initial, np.float32)
    layouts = [
        _Layout(_strong(fuzzy_set(*graph), epochs), start, curve, epochs, random_state) for graph in graphs
    ]
    with pool_of(len(initial), None) as pool:
        for first in range(0, epochs, every):
            for layout in layouts:
                layout.advance(first, min(first + every, epochs), pool)
            share = np.float32(tie * (1 - first / epochs))
            if share > 0:
                maps = [layout.coordinates() for layout in layouts]
                for layout, own, target in zip(layouts, maps, beside(maps), strict=True):
                    layout.place(own + share * (target - own))
            advance()
    return [layout.coordinates() for layout in layouts]


def _strong(graph: Graph, epochs: int) -> Graph:
    """The graph without edges that would be drawn less than once, as in umap-learn."""
    return graph.keep(graph.weights >= graph.weights.max() / max(epochs, 10))


class _Layout:
    """Positions and edges in the order of the blocks, which are regions of the map.

    As the map takes shape the blocks are drawn anew: fewer edges then lead from one to another, and
    no border between blocks lasts long enough to be seen.
    """

    def __init__(
        self, graph: Graph, positions: Floats, curve: tuple[float, float], epochs: int, seed: int
    ) -> None:
        self._n, self._dim = positions.shape
        self._epochs, self._seed = epochs, seed
        self._blocks = int(np.clip(graph.n // BLOCK, 1, MOST_BLOCKS))
        self._bounds = np.linspace(0, graph.n, self._blocks + 1).astype(np.int64)
        # An edge between blocks is seen from both ends, and moves only the one that looks: twice.
        self._numbers = np.array([*curve, 1.0, 2.0], np.float32)
        self._graph, self._rates = graph, rates_of(graph.weights)
        self.place(positions)

    def place(self, positions: Floats) -> None:
        """Take positions (n, n_components), and draw the blocks anew."""
        self._order = curve_order(positions)
        graph, edges = self._graph.reorder(self._order)
        self._edges = (graph.indptr, graph.tails.astype(np.uint32), self._rates[edges])
        self._buffers = [padded(positions[self._order]) for _ in range(2)]

    def coordinates(self) -> Floats:
        """Positions (n, n_components) in the order of the rows."""
        found = np.empty((self._n, self._dim), np.float32)
        found[self._order] = self._buffers[0].reshape(-1, 4)[:, : self._dim]
        return found

    def run(self, pool: tuple[Any, int] | None, callback: Callback | None) -> int:
        """Do the epochs, or as many as the callback lets, and return how many that was."""
        sorts = (
            {EVERY * round(self._epochs * share / EVERY) for share in SORTS} if self._blocks > 1 else set()
        )
        stops = sorts | {self._epochs}
        if callback:
            stops |= set(range(EVERY, self._epochs, EVERY))
        first = 0
        for last in sorted(stops - {0}):
            self.advance(first, last, pool)
            first = last
            if callback and callback(last, self.coordinates()):
                break
            if last in sorts:
                self.place(self.coordinates())
        return first

    def advance(self, first: int, last: int, pool: tuple[Any, int] | None) -> None:
        """Do the epochs from first to last."""
        from explorer.reduce.umap_kernels import lay_out

        run, threads = pool or (map, 1)
        indptr, tails, rates = self._edges
        shares = np.linspace(0, self._blocks, threads + 1).astype(np.int64)
        step = 1 if threads > 1 else last - first  # threads wait for each other after every epoch
        for epoch in range(first, last, step):
            old, new = self._buffers

            def part(index: int, epoch: int = epoch, old: Floats = old, new: Floats = new) -> None:
                counters = [shares[index], shares[index + 1], epoch, epoch + step, self._epochs]
                whole = np.array([*counters, self._seed, 0, self._n], np.int64)
                lay_out(old, new, indptr, tails, rates, self._bounds, self._numbers, whole)

            for _ in run(part, range(threads)):
                pass
            if step % 2:
                self._buffers.reverse()


def _check(indices: NDArray[Any], distances: NDArray[Any], n_components: int) -> None:
    if indices.ndim != 2 or indices.shape != distances.shape or not indices.size:
        raise ReductionError(f"neighbours {indices.shape} with distances {distances.shape}")
    if indices.min() < 0 or indices.max() >= len(indices):
        raise ReductionError(f"neighbours outside 0 to {len(indices) - 1}")
    if not np.isfinite(distances).all():
        raise ReductionError("NaN or infinity among the distances")
    if n_components not in (2, 3):
        raise ReductionError(f"n_components = {n_components}, expected 2 or 3")


def _first(
    graph: Graph,
    initial: NDArray[Any] | str | None,
    features: NDArray[Any] | None,
    n_components: int,
    *,
    seed: int,
    pool: tuple[Any, int] | None,
) -> Floats:
    """First positions (n, n_components)."""
    if initial is None:
        initial = "spectral" if features is None else "pca"
    if isinstance(initial, str):
        if initial not in ("spectral", "pca") or (initial == "pca" and features is None):
            raise ReductionError(f"initial = {initial!r}: expected 'spectral', or 'pca' with features")
        spectral = initial == "spectral"
        return start(graph, n_components, features=features, spectral=spectral, seed=seed, pool=pool)
    if initial.shape != (graph.n, n_components) or not np.isfinite(initial).all():
        raise ReductionError(f"first positions {initial.shape}, expected {(graph.n, n_components)}, finite")
    return np.asarray(initial, np.float32)


def seed_of(random_state: int | None) -> int:
    """The seed, or one of 32 bits from the system."""
    return int(np.random.SeedSequence().generate_state(1)[0]) if random_state is None else random_state


def rates_of(weights: Floats) -> NDArray[np.uint32]:
    """Share of the epochs in which each edge is drawn, in units of 2⁻³²."""
    largest = float(weights.max(initial=0.0)) or 1.0
    return np.minimum(weights.astype(np.float64) / largest * 2.0**32, 2.0**32 - 1).astype(np.uint32)


def padded(positions: NDArray[Any]) -> Floats:
    """Positions (4 n,) with zeros for what there is not of x, y, z and the padding."""
    wide = np.zeros((len(positions), 4), np.float32)
    wide[:, : positions.shape[1]] = positions
    return wide.ravel()


@contextmanager
def pool_of(n: int, threads: int | None) -> Iterator[tuple[Any, int] | None]:
    """A map function over threads with their number, or None where one is enough."""
    wanted = threads or int(os.environ.get("NUMBA_NUM_THREADS") or 0) or processors()
    wanted = min(wanted, max(1, n // BLOCK), MOST_BLOCKS)
    if n < THREADS_FROM or wanted < 2:
        yield None
        return
    with ThreadPoolExecutor(wanted) as executor:
        yield executor.map, wanted
