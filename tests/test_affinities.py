"""Affinities against their definition in double precision."""

import numpy as np
import pytest
from numpy.typing import NDArray

from explorer.reduce.affinities import Affinities, affinities, conditional


def neighbours(rows: NDArray[np.float32], k: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    squares = ((rows[:, None].astype(np.float64) - rows[None]) ** 2).sum(axis=2)
    np.fill_diagonal(squares, np.inf)
    indices = np.argsort(squares, axis=1, kind="stable")[:, :k]
    return indices.astype(np.int32), np.sqrt(np.take_along_axis(squares, indices, 1)).astype(np.float32)


def dense(found: Affinities) -> NDArray[np.float64]:
    n = len(found.starts) - 1
    result = np.zeros((n, n))
    result[np.repeat(np.arange(n), np.diff(found.starts)), found.neighbours] = found.values
    return result


def perplexities(weights: NDArray[np.float32]) -> NDArray[np.float64]:
    wide = np.maximum(weights.astype(np.float64), 1e-300)
    return np.asarray(np.exp(-(wide * np.log(wide)).sum(axis=1)))


@pytest.mark.parametrize("unit", [1.0, 1e-6, 1e6])
def test_every_row_has_the_perplexity_asked_for(unit: float) -> None:
    rows = np.random.default_rng(0).normal(size=(300, 8)).astype(np.float32)
    rows[:20] *= 30
    _, distances = neighbours(rows, 60)
    weights = conditional(distances * np.float32(unit), 20)
    np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(perplexities(weights), 20, rtol=1e-3)


def test_weights_fall_with_the_square_of_the_distance() -> None:
    distances = np.linspace(0.5, 2, 30, dtype=np.float32)[None]
    weights = conditional(distances, 10)[0].astype(np.float64)
    slopes = np.diff(np.log(weights)) / np.diff(distances[0].astype(np.float64) ** 2)
    np.testing.assert_allclose(slopes, slopes[0], rtol=1e-3)


def test_affinities_are_symmetric_and_sum_to_one() -> None:
    rows = np.random.default_rng(1).normal(size=(200, 5)).astype(np.float32)
    indices, distances = neighbours(rows, 30)
    found = affinities(indices, distances, 10)
    both = dense(found)
    np.testing.assert_allclose(both, both.T, atol=1e-12)
    assert both.sum() == pytest.approx(1, abs=1e-5)
    one_way = np.zeros_like(both)
    np.put_along_axis(one_way, indices.astype(np.int64), conditional(distances, 10), axis=1)
    np.testing.assert_allclose(both, (one_way + one_way.T) / 400, rtol=1e-4, atol=1e-9)
    assert found.self_information() == pytest.approx(
        (both[both > 0] * np.log(both[both > 0])).sum(), rel=1e-6
    )


def test_duplicates_weigh_the_same() -> None:
    distances = np.tile(np.array([0] * 15 + [1] * 15, np.float32), (4, 1))
    weights = conditional(distances, 10)
    assert np.isfinite(weights).all()
    np.testing.assert_allclose(weights[:, :15], 1 / 15, rtol=1e-4)


def test_more_perplexity_than_neighbours_weighs_all_the_same() -> None:
    distances = np.random.default_rng(2).random((6, 4)).astype(np.float32)
    np.testing.assert_allclose(conditional(distances, 30), 0.25, rtol=1e-4)


def test_constant_rows_have_affinities() -> None:
    indices = np.array([[1, 2], [0, 2], [0, 1]])
    found = affinities(indices, np.zeros((3, 2), np.float32), 2)
    np.testing.assert_allclose(dense(found), (1 - np.eye(3)) / 6, rtol=1e-5)


def test_an_outlier_keeps_finite_weights() -> None:
    distances = np.array([[1e-12, 1, 2, 3, 1e15], [1e15, 1e15, 1e15, 1.1e15, 2e15]], np.float32)
    weights = conditional(distances, 2)
    assert np.isfinite(weights).all()
    np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-5)
