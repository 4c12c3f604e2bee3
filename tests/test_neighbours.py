from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from explorer.errors import ReductionError
from explorer.reduce import neighbours
from explorer.reduce.neighbours import Neighbours, find_neighbours


def rows(n: int, d: int = 8, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)


def sheet(n: int, seed: int = 0) -> NDArray[np.float32]:
    """A curved sheet in eight dimensions: cells tell its parts apart."""
    rng = np.random.default_rng(seed)
    flat = rng.uniform(-3, 3, (n, 2))
    return np.sin(flat @ rng.normal(size=(2, 8))).astype(np.float32)


def true_distances(features: NDArray[np.float32], k: int) -> NDArray[np.float64]:
    wide = features.astype(np.float64)
    gaps = np.sqrt(((wide[:, None] - wide[None]) ** 2).sum(-1))
    np.fill_diagonal(gaps, np.inf)
    return np.sort(gaps, axis=1)[:, :k]


def check(found: Neighbours, n: int, k: int) -> None:
    assert found.indices.shape == found.distances.shape == (n, k)
    assert found.indices.dtype == np.int32
    assert found.distances.dtype == np.float32
    assert (found.indices != np.arange(n)[:, None]).all()
    assert ((found.indices >= 0) & (found.indices < n)).all()
    assert all(len(set(line)) == k for line in found.indices.tolist())
    steps = np.diff(found.distances, axis=1)
    assert (steps >= 0).all()
    assert (np.diff(found.indices, axis=1)[steps == 0] > 0).all()


@pytest.mark.parametrize("n", [2, 5, 40, 700])
def test_few_rows_are_compared_all_with_all(n: int) -> None:
    features = rows(n)
    k = min(15, n - 1)
    found = find_neighbours(features, 15)
    check(found, n, k)
    assert found.exact
    assert found.recall is None
    np.testing.assert_allclose(found.distances, true_distances(features, k), rtol=1e-5)


def test_faiss_and_numpy_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    features = rows(3_100)
    with_faiss = find_neighbours(features, 10)
    monkeypatch.setattr(neighbours, "_faiss", lambda: None)
    without = find_neighbours(features, 10)
    assert np.array_equal(with_faiss.indices, without.indices)
    assert np.array_equal(with_faiss.distances, without.distances)


def test_many_rows_are_searched_in_cells_and_the_recall_is_recorded() -> None:
    features = sheet(11_000)
    found = find_neighbours(features, 15)
    check(found, 11_000, 15)
    assert not found.exact
    assert found.recall is not None
    assert found.recall >= neighbours.RECALL
    sample = np.arange(0, 11_000, 50)
    wide = features.astype(np.float64)
    gaps = np.sqrt(((wide[sample, None] - wide[None]) ** 2).sum(-1))
    gaps[np.arange(len(sample)), sample] = np.inf
    limit = np.partition(gaps, 14, axis=1)[:, 14]
    assert (found.distances[sample] <= limit[:, None] * 1.0001).mean() > 0.98


def test_rows_that_no_cells_tell_apart_are_compared_all_with_all() -> None:
    found = find_neighbours(rows(10_500, d=100), 5)
    assert found.exact


@pytest.mark.parametrize("k", [3, 15, 60])
def test_duplicates_neither_hide_a_row_nor_make_a_hub(k: int) -> None:
    features = rows(400)
    features[::2] = features[0]  # half the rows are one
    features[1] = features[3]
    found = find_neighbours(features, k)
    check(found, 400, k)
    np.testing.assert_allclose(found.distances, true_distances(features, k), atol=1e-5)
    assert np.bincount(found.indices.ravel(), minlength=400).max() < 12 * k


@pytest.mark.parametrize(("n", "k"), [(18, 15), (17, 15), (100, 90), (5_000, 14)])
def test_equal_rows_are_a_few_steps_apart_in_the_graph(n: int, k: int) -> None:
    near = find_neighbours(np.ones((n, 3), np.float32), k).indices
    assert all(len(set(line)) == k for line in near.tolist())
    assert (near != np.arange(n)[:, None]).all()
    reached = {0}
    for _ in range(14):
        reached |= set(near[sorted(reached)].ravel().tolist())
    assert len(reached) == n


def test_rows_that_are_all_the_same_have_others_at_no_distance() -> None:
    found = find_neighbours(np.ones((50, 4), np.float32), 15)
    check(found, 50, 15)
    assert (found.distances == 0).all()


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_the_unit_of_the_features_does_not_matter(scale: float) -> None:
    features = rows(300)
    found = find_neighbours(features * np.float32(scale), 10)
    assert np.array_equal(found.indices, find_neighbours(features, 10).indices)
    np.testing.assert_allclose(found.distances / scale, true_distances(features, 10), rtol=1e-4)


def test_a_far_outlier_leaves_the_others_their_neighbours() -> None:
    features = rows(500)
    features[7] = 1e5
    found = find_neighbours(features, 5)
    inside = np.arange(500) != 7
    agree = found.distances[inside] / true_distances(features, 5)[inside]
    assert np.abs(agree - 1).max() < 0.05


def test_the_cosine_ignores_lengths_and_keeps_empty_rows_apart() -> None:
    features = rows(200)
    features[:20] = 0
    found = find_neighbours(features, 12, metric="cosine")
    check(found, 200, 12)
    assert (found.indices[:20] < 20).all()
    assert (found.indices[20:] >= 20).all()
    unit = features[20:] / np.linalg.norm(features[20:], axis=1, keepdims=True)
    np.testing.assert_allclose(found.distances[20:, 0], 1 - np.sort(unit @ unit.T, axis=1)[:, -2], atol=1e-5)
    longer = features * np.random.default_rng(1).uniform(1, 9, (200, 1)).astype(np.float32)
    assert (find_neighbours(longer, 12, metric="cosine").indices == found.indices).mean() > 0.99


def test_other_rows_find_their_neighbours_among_the_features() -> None:
    features, asked = rows(300), rows(20, seed=1)
    asked[3] = features[77]
    found = find_neighbours(features, 6, queries=asked)
    assert found.indices.shape == (20, 6)
    assert found.indices[3, 0] == 77
    assert found.distances[3, 0] == 0
    gaps = np.sqrt(((asked[:, None].astype(np.float64) - features[None]) ** 2).sum(-1))
    np.testing.assert_allclose(found.distances, np.sort(gaps, axis=1)[:, :6], atol=1e-5)


def test_one_thread_and_two_find_the_same_bits() -> None:
    code = (
        "import hashlib, numpy as np; from explorer.reduce.neighbours import find_neighbours;"
        "rng = np.random.default_rng(0);"
        "x = np.sin(rng.uniform(-3, 3, (12000, 2)) @ rng.normal(size=(2, 8))).astype(np.float32);"
        "f = find_neighbours(x, 15); assert not f.exact;"
        "print(hashlib.sha256(f.indices.tobytes() + f.distances.tobytes()).hexdigest())"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads},
            capture_output=True,
            check=True,
        ).stdout
        for threads in "12"
    }
    assert len(digests) == 1


def test_neighbours_are_saved_loaded_and_cut_short(tmp_path: Path) -> None:
    found = find_neighbours(rows(60), 9)
    found.save(tmp_path / "near")
    again = Neighbours.load(tmp_path / "near")
    assert np.array_equal(again.indices, found.indices)
    assert np.array_equal(again.distances, found.distances)
    assert (again.metric, again.exact, again.recall) == ("euclidean", True, None)
    assert np.array_equal(again.take(4).indices, find_neighbours(rows(60), 4).indices)
    with pytest.raises(ReductionError, match="1 to 9"):
        found.take(10)


@pytest.mark.parametrize("cut", [0, 10, 200, -10])
def test_a_damaged_file_is_refused(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "near.npz"
    find_neighbours(rows(60), 9).save(path)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(ReductionError, match=r"near\.npz"):
        Neighbours.load(path)


def test_what_has_no_neighbours_is_refused() -> None:
    for bad in (np.zeros((1, 3)), np.zeros((4, 0)), np.zeros(5)):
        with pytest.raises(ReductionError, match="nothing to find"):
            find_neighbours(bad, 3)
    with pytest.raises(ReductionError, match="manhattan"):
        find_neighbours(rows(9), 3, metric="manhattan")  # type: ignore[arg-type]
