"""Where a layout starts: eigenvectors of the graph, each component on its own, or principal components.

The eigenvectors of the normalised Laplacian (Belkin & Niyogi 2003) are found by subspace iteration under
Chebyshev polynomials (Zhou, Saad, Tiago & Chelikowsky 2006), with a bound on the number of products: a
start need not be exact, and a solver that must be can take hours on a graph that hardly holds together.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.reduce.fuzzy import Graph

COLUMNS = 8
DENSE_TO = 300
"""Vertices up to which all eigenvectors are computed at once."""
DEGREE = 20
ROUNDS = 6
"""Rounds of one polynomial each: 126 products of the graph with 8 columns at the most."""
ENOUGH = 0.05
"""Residual, as a share of the distance of the eigenvalue from 1, at which a start is good enough."""
WIDE = 0.05
"""Least share of the vertices that an eigenvector should tell apart."""
LEAST = 30
"""Vertices from which a component is laid out by its own eigenvectors."""
MOST_COMPONENTS = 200
"""Components laid out so, the largest first; the others keep the principal components."""

Wide = NDArray[np.float64]


def components(graph: Graph) -> NDArray[np.int64]:
    """Number (n,) of each vertex's connected component, from 0 in order of their first vertices."""
    labels = np.arange(graph.n)
    heads, tails = graph.heads, graph.tails
    while len(heads):
        # Join each root to the least one across an edge, then follow the roots to their ends.
        least = np.minimum(labels[heads], labels[tails])
        np.minimum.at(labels, labels[heads], least)
        while True:
            further = labels[labels]
            if np.array_equal(further, labels):
                break
            labels = further
        apart = labels[heads] != labels[tails]
        if not apart.any():
            break
        heads, tails = heads[apart], tails[apart]
    return np.unique(labels, return_inverse=True)[1].reshape(-1)


def start(
    graph: Graph,
    n_components: int,
    *,
    features: NDArray[Any] | None = None,
    spectral: bool = True,
    seed: int = 0,
    pool: Any = None,
) -> NDArray[np.float32]:
    """First positions (n, n_components), each axis from 0 to 10 with a little noise, as in umap-learn.

    With features, components lie and are as wide as in the principal components of the rows, and each
    is turned to match them; without, they lie at random, as wide as they have vertices.

    Args:
        graph: the fuzzy set.
        n_components: 2 or 3.
        features: (n, n_features) the rows, where there are any.
        spectral: whether to use eigenvectors at all.
        seed: of the noise and of the iteration.
        pool: threads to share the products among: (map function, number of threads), or None.
    """
    generator = np.random.default_rng(seed)
    labels = components(graph)
    sizes = np.bincount(labels)
    if features is None:
        positions = _scatter(labels, sizes, n_components, generator)
    else:
        positions = principal(features, n_components)
    # Too little spread to turn by or to start from: axes without variance get some at random.
    spread = positions.std(axis=0)
    flat = spread <= 1e-6 * max(float(spread.max()), 1e-30)
    positions[:, flat] = generator.normal(size=(graph.n, int(flat.sum()))) * (spread.max() or 1.0) * 0.1
    if spectral:
        largest = np.argsort(-sizes, kind="stable")[:MOST_COMPONENTS]
        members = np.argsort(labels, kind="stable")
        ends = np.cumsum(sizes)
        for component in largest[sizes[largest] >= LEAST]:
            rows = members[ends[component] - sizes[component] : ends[component]]
            part = graph if len(rows) == graph.n else graph.reorder(rows)[0]
            found = eigenvectors(part, n_components, generator=generator, pool=pool)
            positions[rows] = _fit(found, positions[rows], len(sizes) == 1)
    return _scaled(positions, generator)


def principal(features: NDArray[Any], n_components: int) -> Wide:
    """Scores (n, n_components) on the first principal components, zero where there are none."""
    from explorer.reduce.pca import fit_pca

    return np.asarray(fit_pca([features], n_components).transform(features), np.float64)


def _scatter(
    labels: NDArray[np.int64], sizes: NDArray[np.int64], n_components: int, generator: np.random.Generator
) -> Wide:
    radii = sizes ** (1 / n_components)
    centres = generator.uniform(-1, 1, (len(sizes), n_components)) * 2 * (sizes.sum() ** (1 / n_components))
    if len(sizes) == 1:
        centres[:] = 0
    noise = generator.normal(size=(len(labels), n_components)) / 2
    return np.asarray(centres[labels] + noise * radii[labels][:, None], np.float64)


def _fit(found: Wide, place: Wide, alone: bool) -> Wide:
    """Turn a component's own layout to match its place (Schönemann 1966), as wide and about its centre."""
    found = found - found.mean(axis=0)
    found /= np.maximum(found.std(axis=0), 1e-12)
    centre = place.mean(axis=0)
    about = place - centre
    left, _, right = np.linalg.svd(found.T @ about)
    turned = found @ (left @ right)
    if alone:
        return np.asarray(turned, np.float64)
    return np.asarray(centre + turned * np.sqrt((about**2).mean()), np.float64)


def _scaled(positions: Wide, generator: np.random.Generator) -> NDArray[np.float32]:
    positions = positions / max(float(np.abs(positions).max()), 1e-30) * 10
    positions += generator.normal(scale=1e-4, size=positions.shape)
    low, high = positions.min(axis=0), positions.max(axis=0)
    return np.asarray(10 * (positions - low) / np.maximum(high - low, 1e-12), np.float32)


def eigenvectors(graph: Graph, count: int, *, generator: np.random.Generator, pool: Any = None) -> Wide:
    """The wide ones (n, count) of the normalised Laplacian's eigenvectors after the first, roughly.

    Args:
        graph: connected, without vertices that have no edge; more vertices than `count` + 1.
        count: how many, up to 6.
        generator: where the iteration starts.
        pool: as for `start`.
    """
    degrees = np.bincount(graph.heads, graph.weights, minlength=graph.n)
    roots = np.sqrt(np.maximum(degrees, 1e-12))
    weights = (graph.weights / (roots[graph.heads] * roots[graph.tails])).astype(np.float32)
    if graph.n <= DENSE_TO:
        dense = np.zeros((graph.n, graph.n))
        dense[graph.heads, graph.tails] = weights
        vectors = np.linalg.eigh((dense + dense.T) / 2)[1][:, ::-1]
        return np.asarray(vectors[:, 1 : count + 1], np.float64)
    first = roots / np.linalg.norm(roots)
    product = _product(graph, weights, pool)
    block = generator.normal(size=(graph.n, COLUMNS))
    floor = 0.5
    for _ in range(ROUNDS):
        block = _filtered(product, block, first, floor)
        block = np.linalg.qr(block - np.outer(first, first @ block))[0]
        image = product(block)
        values, turn = np.linalg.eigh((block.T @ image + image.T @ block) / 2)
        values, turn = values[::-1], turn[:, ::-1]
        block, image = block @ turn, image @ turn
        residuals = np.linalg.norm(image - block * values, axis=0)[:count]
        if (residuals <= ENOUGH * np.maximum(1 - values[:count], 1e-5)).all():
            break
        floor = float(np.clip(values[-1], floor, 1 - 1e-6))
    return _spread_out(block, count)


def _spread_out(block: Wide, count: int) -> Wide:
    """The first `count` columns that are not zero nearly everywhere, or the widest where too few are.

    A vector that tells one loose corner of the graph from all the rest would start the rest at one point.
    """
    shares = 1 / (len(block) * (block**4).sum(axis=0))  # of the vertices on which a column is not zero
    wide = np.flatnonzero(shares >= WIDE)
    if len(wide) < count:
        wide = np.sort(np.argsort(-shares, kind="stable")[:count])
    chosen = block[:, wide[:count]]
    return np.asarray(np.arcsinh(chosen / np.maximum(np.median(np.abs(chosen), axis=0), 1e-12)), np.float64)


def _product(graph: Graph, weights: NDArray[np.float32], pool: Any) -> Any:
    """The function that multiplies the matrix with a block (n, COLUMNS)."""
    from explorer.reduce.umap_kernels import multiply

    tails = graph.tails.astype(np.uint32)
    run, threads = pool or (map, 1)
    edges = np.linspace(0, len(tails), threads + 1)
    bounds = np.searchsorted(graph.indptr, edges[1:-1]) if threads > 1 else np.zeros(0, np.int64)
    limits: list[int] = [0, *(int(bound) for bound in bounds), graph.n]

    def product(block: Wide) -> Wide:
        narrow = np.ascontiguousarray(block, np.float32)
        out = np.empty_like(narrow)

        def part(index: int) -> None:
            multiply(graph.indptr, tails, weights, narrow, out, limits[index], limits[index + 1])

        parts: Iterable[None] = run(part, range(len(limits) - 1))
        for _ in parts:
            pass
        return out.astype(np.float64)

    return product


def _filtered(product: Any, block: Wide, first: Wide, floor: float) -> Wide:
    """Chebyshev's polynomial of the matrix times the block: small on [-1, floor], steep above it."""
    centre, half = (floor - 1) / 2, (floor + 1) / 2
    before, now = block, (product(block) - centre * block) / half
    for step in range(2, DEGREE + 1):
        before, now = now, 2 * (product(now) - centre * now) / half - before
        if step % 5 == 0:  # the first eigenvector, known beforehand, would drown the others
            now = now - np.outer(first, first @ now)
            before = before - np.outer(first, first @ before)
    return np.asarray(now, np.float64)


def curve_order(positions: NDArray[np.float32]) -> NDArray[np.int64]:
    """Order of the positions along Morton's curve, so that those near in it are near."""
    low, high = positions.min(axis=0), positions.max(axis=0)
    cells = ((positions - low) / np.maximum(high - low, 1e-30) * 1023).astype(np.int64)
    code = np.zeros(len(positions), np.int64)
    dim = positions.shape[1]
    for bit in range(10):
        for axis in range(dim):
            code |= ((cells[:, axis] >> bit) & 1) << (bit * dim + axis)
    return np.argsort(code, kind="stable")
