"""Repulsive sums against all pairs in double precision, on maps that break trees."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from explorer.reduce.barnes_hut import THETA, Repulsion, cut, exact_sums, force_error, singly, sums

DRAW = np.random.default_rng(0)


def padded(points: NDArray[np.float64]) -> NDArray[np.float32]:
    result = np.zeros((len(points), 4), np.float32)
    result[:, : points.shape[1]] = points
    return result


def in_double(sources: NDArray[np.float32], targets: NDArray[np.float32]) -> NDArray[np.float64]:
    """Force, potential, and the sum of the sizes of the pushes that the force is made of: (m, 5)."""
    found = np.empty((len(targets), 5))
    for i, target in enumerate(targets[:, :3].astype(np.float64)):
        apart = target - sources[:, :3].astype(np.float64)
        w = 1 / (1 + (apart**2).sum(axis=1))
        found[i, :3], found[i, 3] = (w[:, None] ** 2 * apart).sum(axis=0), w.sum()
        found[i, 4] = (w**2 * np.linalg.norm(apart, axis=1)).sum()
    return found


def islands(n_components: int) -> NDArray[np.float64]:
    centres = DRAW.normal(size=(40, n_components)) * 60
    return np.asarray(centres[DRAW.integers(0, 40, 3000)] + DRAW.normal(size=(3000, n_components)) * 3)


def outlier(n_components: int) -> NDArray[np.float64]:
    points = DRAW.normal(size=(3000, n_components)) * 20
    points[1234] = 1e6
    return np.asarray(points)


MAPS: dict[str, Callable[[int], NDArray[np.float64]]] = {
    "cloud": lambda d: DRAW.normal(size=(3000, d)) * 30.0,
    "islands": islands,
    "outlier": outlier,
    "seed": lambda d: DRAW.normal(size=(3000, d)) * 1e-4,
    "line": lambda d: np.outer(np.linspace(-50, 50, 3000), np.ones(d)),
    "ball and halo": lambda d: DRAW.normal(size=(3000, d)) * np.exp(DRAW.uniform(-6, 5, (3000, 1))),
    "half of them one point": lambda d: DRAW.normal(size=(3000, d)) * 20 * (np.arange(3000) % 2)[:, None],
    "all one point": lambda d: np.full((3000, d), 3.5),
}


@pytest.mark.parametrize("name", MAPS)
@pytest.mark.parametrize("n_components", [2, 3])
def test_sums_by_cells_are_near_the_sums_over_all_pairs(name: str, n_components: int) -> None:
    points = padded(MAPS[name](n_components))
    found = Repulsion(n_components, direct=0)(points)
    some = np.arange(0, len(points), 7)
    exact = in_double(points, points[some])
    off = np.linalg.norm(found[some, :3] - exact[:, :3], axis=1)
    assert np.isfinite(found).all()
    like_a_map = name in ("cloud", "islands", "outlier", "seed")
    if like_a_map:
        assert (off / np.linalg.norm(exact[:, :3], axis=1)).mean() < 0.01
    # Where pushes from all sides cancel, as in the middle of a line, only their size says what is small.
    assert off.mean() <= 0.01 * exact[:, 4].mean() + 1e-3
    own_apart = exact[:, 3].sum() - len(some)
    assert abs(found[some, 3].sum() - exact[:, 3].sum()) < (1e-3 if like_a_map else 5e-3) * own_apart


def test_exact_sums_are_those_of_all_pairs() -> None:
    points = padded(DRAW.normal(size=(501, 3)) * 5)
    np.testing.assert_allclose(
        exact_sums(points, points), in_double(points, points)[:, :4], rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize("n", [1, 2, 5, 63, 64, 65, 300])
def test_any_number_of_points_is_summed(n: int) -> None:
    points = padded(DRAW.normal(size=(n, 3)) * 10)
    np.testing.assert_allclose(
        Repulsion(3, direct=0)(points), in_double(points, points)[:, :4], rtol=0.02, atol=0.02
    )


def test_a_smaller_theta_is_more_accurate() -> None:
    points = padded(DRAW.normal(size=(4000, 3)) * 30)
    errors = [
        force_error(points, Repulsion(3, theta=theta, direct=0)(points))[0] for theta in (0.8, 0.5, 0.2)
    ]
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 1e-3


def test_forces_stay_right_while_points_move_under_old_cuts() -> None:
    repulsion = Repulsion(3, direct=0)
    points = padded(DRAW.normal(size=(3000, 3)) * 20)
    repulsion(points)
    moved = points + padded(DRAW.normal(size=(3000, 3)) * 5)
    assert force_error(moved, repulsion(moved))[0] < 0.01


def test_targets_apart_from_the_sources_do_not_depend_on_each_other() -> None:
    sources = cut(padded(DRAW.normal(size=(3000, 3)) * 20))
    targets = padded(DRAW.normal(size=(50, 3)) * 30)
    together = sums(sources, singly(targets), THETA[3])
    alone = np.concatenate([sums(sources, singly(targets[i : i + 1]), THETA[3]) for i in range(50)])
    np.testing.assert_array_equal(together, alone)


def test_lists_longer_than_expected_are_made_again() -> None:
    # A group whose points lie far apart can expand nothing: all other points are near to it.
    points = padded(np.concatenate([DRAW.normal(size=(20_000, 3)) * 200, DRAW.normal(size=(40, 3)) * 1e4]))
    found = Repulsion(3, theta=0.15, direct=0)(points)
    assert force_error(points, found)[0] < 1e-3


def test_cells_hold_every_point_once_whatever_the_map() -> None:
    for make in MAPS.values():
        points = padded(make(3))
        cells = cut(points)
        np.testing.assert_array_equal(np.sort(cells.order), np.arange(len(points)))
        np.testing.assert_array_equal(cells.points, points[cells.order, :3].T)
        nodes = cells.tree[0][cells.groups]
        np.testing.assert_array_equal(nodes[1:, 0], nodes[:-1, 1])
        assert nodes[0, 0] == 0
        assert nodes[-1, 1] == len(points)
