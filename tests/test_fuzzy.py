from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from explorer.reduce.fuzzy import Graph, curve_parameters, fuzzy_set, local_scales, memberships
from explorer.reduce.neighbours import Neighbours, find_neighbours


def near(n: int = 300, k: int = 14) -> Neighbours:
    rng = np.random.default_rng(0)
    return find_neighbours(rng.normal(size=(n, 6)).astype(np.float32), k)


def dense(graph: Graph) -> NDArray[np.float64]:
    matrix = np.zeros((graph.n, graph.n))
    matrix[graph.heads, graph.tails] = graph.weights
    return matrix


def test_the_scale_makes_every_neighbourhood_as_large() -> None:
    distances = near().distances.astype(np.float64)
    rho, sigma = local_scales(distances)
    assert np.array_equal(rho, distances[:, 0])
    sizes = np.exp(-np.maximum(distances - rho[:, None], 0) / sigma[:, None]).sum(axis=1)
    np.testing.assert_allclose(sizes, np.log2(15), atol=2e-5)


@pytest.mark.parametrize("unit", [1e-30, 1e-6, 1e6, 1e30])
def test_the_unit_of_the_distances_does_not_matter(unit: float) -> None:
    distances = near().distances
    scaled = memberships(distances.astype(np.float64) * unit)
    np.testing.assert_allclose(scaled, memberships(distances), atol=1e-5)


def test_an_edge_is_there_if_either_end_says_so() -> None:
    found = near()
    strengths = np.zeros((300, 300))
    strengths[np.arange(300)[:, None], found.indices] = memberships(found.distances)
    graph = fuzzy_set(found.indices, found.distances)
    np.testing.assert_allclose(dense(graph), strengths + strengths.T - strengths * strengths.T, atol=1e-6)
    assert (np.diff(graph.heads * 300 + graph.tails) > 0).all()


def test_a_graph_is_sorted_anew_and_thinned_without_loss() -> None:
    found = near()
    graph = fuzzy_set(found.indices, found.distances)
    order = np.random.default_rng(1).permutation(300)
    turned, edges = graph.reorder(order)
    assert np.array_equal(dense(turned), dense(graph)[order][:, order])
    assert np.array_equal(graph.weights[edges], turned.weights)
    thin = graph.keep(graph.weights > 0.5)
    assert np.array_equal(dense(thin), np.where(dense(graph) > 0.5, dense(graph), 0))


@pytest.mark.parametrize(
    "distances",
    [
        np.zeros((20, 5)),
        np.repeat([[0.0, 0, 0, 0, 1]], 20, axis=0),
        np.repeat([[1.0, 1, 1, 1, 1]], 20, axis=0),
        np.repeat([[1e-12, 1, 1, 1, 1e12]], 20, axis=0),
        np.repeat([[1.0]], 20, axis=0),
    ],
    ids=["equal", "nearly equal", "equally far", "wild", "single"],
)
def test_strange_neighbourhoods_get_finite_strengths(distances: NDArray[np.float64]) -> None:
    strengths = memberships(distances)
    assert np.isfinite(strengths).all()
    assert ((strengths >= 0) & (strengths <= 1)).all()
    assert (strengths[:, 0] == 1).all()


def test_the_curve_is_umap_learns() -> None:
    # found by umap.umap_.find_ab_params of umap-learn 0.5.12
    for (min_dist, spread), expected in {
        (0.1, 1.0): (1.5769434603, 0.8950608779),
        (0.0, 1.0): (1.9328083974, 0.7904949732),
        (0.99, 1.0): (0.1193052999, 1.9163904169),
        (0.01, 0.5): (5.7202408273, 0.8108767592),
    }.items():
        assert curve_parameters(min_dist, spread) == pytest.approx(expected, rel=1e-5)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("halves", [False, True])
def test_the_fuzzy_set_is_umap_learns(halves: bool) -> None:
    from umap.umap_ import fuzzy_simplicial_set

    features = np.random.default_rng(0).normal(size=(500, 6)).astype(np.float32)
    if halves:
        features[::2] = np.round(features[::2])
    found = find_neighbours(features, 14)
    own = np.arange(500)[:, None]
    theirs = fuzzy_simplicial_set(
        features,
        15,
        np.random.RandomState(0),
        "euclidean",
        knn_indices=np.concatenate([own, found.indices], axis=1),
        knn_dists=np.concatenate([own * np.float32(0), found.distances], axis=1),
    )[0]
    ours = dense(fuzzy_set(found.indices, found.distances))
    np.testing.assert_allclose(ours, theirs.toarray(), atol=1e-4)
