from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from explorer.reduce import spectral
from explorer.reduce.fuzzy import Graph, fuzzy_set
from explorer.reduce.neighbours import find_neighbours
from explorer.reduce.umap_kernels import lay_out, multiply, power


def graph_of(features: NDArray[np.float32], k: int = 14) -> Graph:
    found = find_neighbours(features, k)
    return fuzzy_set(found.indices, found.distances)


def islands(count: int, each: int, seed: int = 0) -> NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(count, 5)) * 100
    return (np.repeat(centres, each, axis=0) + rng.normal(size=(count * each, 5))).astype(np.float32)


@pytest.mark.parametrize("exponent", [0.3, 0.8951, 1.9164])
def test_the_quick_power_is_the_power(exponent: float) -> None:
    bases = np.exp(np.linspace(np.log(1e-12), np.log(1e9), 999)).astype(np.float32)
    found = np.array([power(base, np.float32(exponent)) for base in bases])
    np.testing.assert_allclose(found, bases.astype(np.float64) ** exponent, rtol=6e-4)


def test_the_quick_power_has_no_steps_and_no_infinity() -> None:
    around = [np.float32(4 * (1 + step)) for step in (-1e-6, 0, 1e-6)]
    found = [float(power(base, np.float32(0.9))) for base in around]
    assert max(found) / min(found) < 1 + 1e-4
    assert np.isfinite(power(np.float32(1e30), np.float32(9)))
    assert power(np.float32(1e-30), np.float32(9)) > 0


def one_edge(
    epochs: int, across: float, bounds: list[int], rate: float = 0.25, pool: int = 2
) -> NDArray[np.float32]:
    """Two vertices three apart with one edge, and nothing to be pushed from but themselves."""
    old = np.array([0, 0, 0, 0, 3, 0, 0, 0], np.float32)
    new = old.copy()
    lay_out(
        old,
        new,
        np.array([0, 1, 2]),
        np.array([1, 0], np.uint32),
        np.full(2, 2**32 - 1, np.uint32),
        np.array(bounds),
        np.array([1.577, 0.895, rate, across], np.float32),
        np.array([0, len(bounds) - 1, 0, epochs, 1_000_000, 3, 0, pool]),
    )
    return (new if epochs % 2 else old).reshape(2, 4)


def test_an_edge_pulls_both_ends_in_one_block_and_in_two() -> None:
    one, two = one_edge(1, 2.0, [0, 2]), one_edge(1, 2.0, [0, 1, 2])
    for found in (one, two):
        assert 0 < found[0, 0] < found[1, 0] < 3
        assert (found[:, 1:] == 0).all()
    # The mirrored edge sees the first step in one block, and not in two.
    np.testing.assert_allclose(one[1, 0] - one[0, 0], two[1, 0] - two[0, 0], atol=0.1)


def test_ends_in_two_blocks_each_close_at_most_a_fifth_of_their_gap() -> None:
    # The first vertex alone is there to be pushed from, so it is only pulled.
    assert one_edge(1, 2.0, [0, 1, 2], rate=4.0, pool=1)[0, 0] == pytest.approx(0.6, rel=1e-5)


def test_a_row_is_never_pushed_from_itself() -> None:
    old = np.zeros(4, np.float32)
    new = old + 1
    rates = np.array([2**32 - 1], np.uint32)
    numbers, counters = np.array([1.5, 0.9, 1, 2], np.float32), np.array([0, 1, 0, 1, 1, 3, 0, 1])
    lay_out(old, new, np.array([0, 1]), np.zeros(1, np.uint32), rates, np.array([0, 1]), numbers, counters)
    assert (new[:3] == 0).all()


def test_a_product_by_parts_is_the_product() -> None:
    graph = graph_of(islands(2, 60))
    block = np.random.default_rng(0).normal(size=(graph.n, 8)).astype(np.float32)
    out = np.empty_like(block)
    tails = graph.tails.astype(np.uint32)
    for first, last in ((0, 50), (50, graph.n)):
        multiply(graph.indptr, tails, graph.weights, block, out, first, last)
    dense = np.zeros((graph.n, graph.n))
    dense[graph.heads, graph.tails] = graph.weights
    np.testing.assert_allclose(out, dense @ block, atol=1e-4)


def test_the_iteration_finds_the_eigenvectors_that_a_dense_solver_finds() -> None:
    rng = np.random.default_rng(0)
    sheet = (rng.uniform(size=(1_500, 3)) * [6, 3, 0.1]).astype(np.float32)
    graph = graph_of(sheet)
    found = spectral.eigenvectors(graph, 2, generator=np.random.default_rng(1))
    along = [abs(np.corrcoef(found[:, 0], sheet[:, axis])[0, 1]) for axis in (0, 1)]
    assert along[0] > 0.9
    assert along[1] < 0.3


def test_a_vector_that_tells_one_corner_from_the_rest_is_passed_over() -> None:
    rng = np.random.default_rng(0)
    block = np.linalg.qr(rng.normal(size=(1_000, 4)))[0]
    block[:, 0] = 0
    block[:3, 0] = 3**-0.5
    chosen = spectral._spread_out(block, 2)
    assert abs(np.corrcoef(chosen[:, 0], np.arcsinh(block[:, 1] * 50))[0, 1]) > 0.9


def test_components_are_numbered_by_their_first_vertices() -> None:
    labels = spectral.components(graph_of(islands(7, 40)))
    assert np.array_equal(labels, np.repeat(np.arange(7), 40))


@pytest.mark.parametrize("with_features", [True, False])
@pytest.mark.parametrize("dim", [2, 3])
def test_islands_start_apart(with_features: bool, dim: int) -> None:
    features = islands(40, 40)
    start = spectral.start(graph_of(features), dim, features=features if with_features else None)
    assert start.shape == (1600, dim)
    assert start.min() == 0
    assert start.max() == 10
    parts = start.reshape(40, 40, dim)
    within = parts.std(axis=1).mean()
    assert parts.mean(axis=1).std() > 3 * within > 0
    again = spectral.start(graph_of(features), dim, features=features if with_features else None)
    assert np.array_equal(start, again)
