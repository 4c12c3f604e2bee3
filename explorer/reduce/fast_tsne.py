"""t-SNE in 2D and 3D (van der Maaten & Hinton 2008) from nearest neighbours, compiled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Callback = Callable[[int, NDArray[np.float32], float | None], bool | None]
"""Gets the iteration, the coordinates (n, n_components) and the divergence; True ends the descent."""

EXAGGERATED, PLAIN = 250, 500
"""Iterations with early exaggeration, and without."""
EXAGGERATION = 12.0
SLOWEST_RATE = 200.0
"""Floor of the learning rate, n / exaggeration (Belkina et al. 2019), on the gradient without its 4."""
MOMENTUM = 0.8
LONGEST_STEP = 5.0
EVERY = 50
"""Iterations between calls of the callback."""
EXACT_TO = 20_000
"""Rows up to which the divergence at the end is computed with the exact Z."""


@dataclass(frozen=True)
class FastTSNE:
    """A map.

    Attributes:
        coordinates: (n, n_components) float32, their mean 0.
        kl_divergence: of the map's similarities from the affinities, in nats.
        n_iter: iterations done.
        force_error: mean relative error of the repulsive forces at the end, at some of the points.
        z_error: relative error of their normalisation Z.
    """

    coordinates: NDArray[np.float32]
    kl_divergence: float
    n_iter: int
    force_error: float
    z_error: float


def fit_fast_tsne(
    indices: NDArray[Any],
    distances: NDArray[Any],
    initial: NDArray[Any],
    *,
    perplexity: float = 30.0,
    random_state: int | None = 0,
    exaggerated: int = EXAGGERATED,
    plain: int = PLAIN,
    theta: float | None = None,
    callback: Callback | None = None,
) -> FastTSNE:
    """Place rows so that neighbours stay neighbours, to the same bits whatever the number of threads.

    Args:
        indices: (n, k) each row's nearest others; k about three times the perplexity.
        distances: (n, k) to them.
        initial: (n, 2 or 3) first places; the principal components scaled to a standard deviation of 1e-4.
        perplexity: effective number of neighbours.
        random_state: seed of the jitter, 1 % of the initial spread, that parts rows that start together.
        exaggerated: iterations with attraction 12 times too strong.
        plain: iterations without.
        theta: accuracy of the repulsion, smaller is better; by default forces are right within about 1 %.
        callback: called every 50 iterations, and with the last state before an interruption is passed on.
    """
    start = padded(initial, random_state)
    order, rank = near_together(start)
    descent = _Descent(
        rank[indices[order]], distances[order], start[order], perplexity=perplexity,
        n_components=initial.shape[1], theta=theta,
    )  # fmt: skip
    fitted = descent.run(exaggerated, plain, callback and _reordered(callback, rank))
    return replace(fitted, coordinates=fitted.coordinates[rank])


def fit_tied_tsne(
    graphs: Sequence[tuple[NDArray[Any], NDArray[Any]]],
    initial: NDArray[Any],
    *,
    perplexity: float,
    tie: float,
    beside: Callable[[Sequence[NDArray[np.float32]]], list[NDArray[np.float32]]],
    random_state: int | None = 0,
    schedule: tuple[int, int] = (EXAGGERATED, PLAIN),
    advance: Callable[[], None] = lambda: None,
) -> list[FastTSNE]:
    """Place the same rows in several frames at once, each pulled to the frames beside it.

    The divergence of every frame gets tie / 8n times the sum of squared distances to the places beside: the
    pull is `tie` times what all neighbours of a row together pull at the same distance (the penalty of
    Rauber, Falcão & Telea 2016). It fades to nothing over the first half of the descent: what lies where is
    settled by then, and each map ends as true to its own rows as one made alone.

    Args:
        graphs: indices and distances (n, k) of each frame's neighbours, as for `fit_fast_tsne`.
        initial: (n, 2 or 3) first places of every frame.
        perplexity: effective number of neighbours.
        tie: strength of the pull.
        beside: from the frames' points to what each frame is pulled to.
        random_state: seed of the jitter, the same in every frame.
        schedule: iterations with exaggeration, and without.
        advance: called every 50 iterations.
    """
    start = padded(initial, random_state)
    order, rank = near_together(start)
    descents = [
        _Descent(
            rank[indices[order]], distances[order], start[order].copy(), perplexity=perplexity,
            n_components=initial.shape[1], theta=None,
        )
        for indices, distances in graphs
    ]  # fmt: skip
    for iteration in range(sum(schedule)):
        exaggeration = EXAGGERATION if iteration < schedule[0] else 1.0
        strength = tie * max(0.0, 1 - 2 * iteration / sum(schedule))
        points = [one.points for one in descents]
        targets = beside(points) if strength else points
        for one, target in zip(descents, targets, strict=True):
            one.step(one.repulsion(one.points), exaggeration, toward=(target, strength))
        if (iteration + 1) % EVERY == 0:
            advance()
    fitted = [one.measured() for one in descents]
    # Not centred one by one: where a frame lies against the others means something.
    middle = np.mean(
        [one.points[:, : initial.shape[1]].mean(axis=0, dtype=np.float64) for one in descents], 0
    )
    return [
        replace(one, coordinates=(descent.points[rank, : initial.shape[1]] - middle).astype(np.float32))
        for one, descent in zip(fitted, descents, strict=True)
    ]


def near_together(start: NDArray[np.float32]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """The rows in the tree's order, and where each has gone: rows worked on together lie together."""
    from explorer.reduce.barnes_hut import cut

    order = cut(start).order
    rank = np.empty(len(order), np.int32)
    rank[order] = np.arange(len(order), dtype=np.int32)
    return order, rank


def padded(initial: NDArray[Any], random_state: int | None) -> NDArray[np.float32]:
    """Initial places (n, 4) with jitter, zeros in the unused columns."""
    n, n_components = initial.shape
    noise = np.random.default_rng(random_state).normal(size=initial.shape)
    result = np.zeros((n, 4), np.float32)
    result[:, :n_components] = initial + noise * 0.01 * (float(np.std(initial)) or 1e-4)
    return result


def _reordered(callback: Callback, rank: NDArray[np.int32]) -> Callback:
    return lambda iteration, coordinates, divergence: callback(iteration, coordinates[rank], divergence)


class _Descent:
    """The state of one descent."""

    def __init__(
        self,
        indices: NDArray[Any],
        distances: NDArray[Any],
        start: NDArray[np.float32],
        *,
        perplexity: float,
        n_components: int,
        theta: float | None,
    ) -> None:
        from explorer.reduce.affinities import affinities
        from explorer.reduce.barnes_hut import Repulsion

        joint = affinities(indices, distances, perplexity)
        self.graph = (joint.starts, joint.neighbours, joint.values)
        self.information = joint.self_information()
        self.points, self.n_components, self.n_iter = start, n_components, 0
        self.velocity, self.gains = np.zeros_like(start), np.ones_like(start)
        self.repulsion = Repulsion(n_components, theta=theta)

    def run(self, exaggerated: int, plain: int, callback: Callback | None) -> FastTSNE:
        """Descend, and measure the map that is reached."""
        try:
            for self.n_iter in range(exaggerated + plain):
                sums = self.repulsion(self.points)
                if callback and self.n_iter and self.n_iter % EVERY == 0:
                    stop = callback(self.n_iter, self._coordinates(), self._divergence(sums))
                    if stop:
                        break
                self.step(sums, EXAGGERATION if self.n_iter < exaggerated else 1.0)
            else:
                self.n_iter = exaggerated + plain
        except KeyboardInterrupt:
            if callback:
                callback(self.n_iter, self._coordinates(), None)
            raise
        return self.measured()

    def step(
        self,
        sums: NDArray[np.float32],
        exaggeration: float,
        toward: tuple[NDArray[np.float32], float] | None = None,
    ) -> None:
        """Move the points along the gradient; with `toward`, places and strength, to those too."""
        from explorer.reduce.tsne_steps import step

        n = len(self.points)
        rate = max(SLOWEST_RATE, n / exaggeration)
        settings = np.array([exaggeration, rate, MOMENTUM, LONGEST_STEP], np.float32)
        inverse = np.float32(1 / _normalisation(sums))
        if toward is not None and toward[1]:
            pull = np.float32(toward[1] * exaggeration / n)
            sums, inverse = sums * inverse - pull * (self.points - toward[0]), np.float32(1)
        state = (self.velocity, self.gains)
        inverses = np.full(n, inverse)
        self.points = step(self.points, self.points, self.graph, sums, inverses, state, settings)

    def _coordinates(self) -> NDArray[np.float32]:
        found = self.points[:, : self.n_components]
        return np.asarray(found - found.mean(axis=0, dtype=np.float64), np.float32)

    def _divergence(self, sums: NDArray[np.float32]) -> float:
        """Sum of p log(p / q) with q = 1 / (1 + d²) / Z."""
        from explorer.reduce.tsne_steps import stretch

        stretched = float(stretch(self.points, self.graph).sum())
        return self.information + stretched + float(np.log(_normalisation(sums)))

    def measured(self) -> FastTSNE:
        from explorer.reduce.barnes_hut import exact_sums, force_error

        sums = self.repulsion(self.points)
        force, z = force_error(self.points, sums)
        if len(self.points) <= EXACT_TO:
            sums = exact_sums(self.points, self.points)
        return FastTSNE(self._coordinates(), self._divergence(sums), self.n_iter, force, z)


def _normalisation(sums: NDArray[np.float32]) -> float:
    """Z, the sum of 1 / (1 + d²) over all pairs of different points."""
    n = len(sums)
    return max(float(sums[:, 3].sum(dtype=np.float64)) - n, 1e-6 * n)
