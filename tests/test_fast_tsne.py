"""The descent as a whole: what comes out, what is called on the way, and data that break others."""

import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from explorer.reduce.fast_tsne import FastTSNE, fit_fast_tsne
from explorer.reduce.tsne_place import place


def neighbours(
    rows: NDArray[Any], others: NDArray[Any], k: int
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    squares = ((rows[:, None].astype(np.float64) - others[None]) ** 2).sum(axis=2)
    if rows is others:
        np.fill_diagonal(squares, np.inf)
    indices = np.argsort(squares, axis=1, kind="stable")[:, :k]
    return indices.astype(np.int32), np.sqrt(np.take_along_axis(squares, indices, 1)).astype(np.float32)


def start(rows: NDArray[Any], n_components: int) -> NDArray[np.float64]:
    centred = rows - rows.mean(axis=0)
    _, _, turned = np.linalg.svd(centred, full_matrices=False)
    scores = centred @ turned[:n_components].T
    scores = np.pad(scores, ((0, 0), (0, n_components - scores.shape[1])))
    return np.asarray(scores / (scores[:, 0].std() or 1) * 1e-4, np.float64)


def fit(rows: NDArray[Any], n_components: int = 3, perplexity: float = 15, **more: Any) -> FastTSNE:
    indices, distances = neighbours(rows, rows, min(int(3 * perplexity), len(rows) - 1))
    return fit_fast_tsne(indices, distances, start(rows, n_components), perplexity=perplexity, **more)


def clusters(n: int = 500, count: int = 8) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    draw = np.random.default_rng(0)
    labels = draw.integers(0, count, n)
    rows = draw.normal(size=(count, 10))[labels] * 4 + draw.normal(size=(n, 10))
    return rows.astype(np.float32), labels


@cache
def fitted(n_components: int) -> FastTSNE:
    """The map of `clusters()`, made once for every test that looks at it."""
    return fit(clusters()[0], n_components)


def divergence(rows: NDArray[np.float32], coordinates: NDArray[np.float32], perplexity: float) -> float:
    from explorer.reduce.affinities import affinities

    joint = affinities(*neighbours(rows, rows, int(3 * perplexity)), perplexity)
    n, wide = len(rows), coordinates.astype(np.float64)
    q = 1 / (1 + ((wide[:, None] - wide[None]) ** 2).sum(axis=2))
    np.fill_diagonal(q, 0)
    q /= q.sum()
    p = joint.values.astype(np.float64)
    return float((p * np.log(p / q[np.repeat(np.arange(n), np.diff(joint.starts)), joint.neighbours])).sum())


@pytest.mark.parametrize("n_components", [2, 3])
def test_clusters_stay_apart_and_neighbours_together(n_components: int) -> None:
    from sklearn.manifold import trustworthiness

    rows, labels = clusters()
    found = fitted(n_components)
    assert found.coordinates.shape == (500, n_components)
    assert found.coordinates.dtype == np.float32
    assert found.n_iter == 750
    assert trustworthiness(rows, found.coordinates) > 0.95
    nearest, _ = neighbours(found.coordinates, found.coordinates, 5)
    assert (labels[nearest] == labels[:, None]).mean() > 0.98


def test_the_divergence_is_that_of_the_map() -> None:
    rows, _ = clusters()
    found = fitted(3)
    assert found.kl_divergence == pytest.approx(divergence(rows, found.coordinates, 15), rel=1e-4)


def test_no_worse_than_opentsne() -> None:
    import openTSNE

    rows, _ = clusters()
    affinities = openTSNE.affinity.PerplexityBasedNN(rows, perplexity=15, method="exact", n_jobs=1)
    other = openTSNE.TSNE(
        2, initialization=start(rows, 2), early_exaggeration_iter=250, n_iter=500, n_jobs=1,
        negative_gradient_method="bh",
    ).fit(affinities=affinities)  # fmt: skip
    assert fitted(2).kl_divergence < 1.02 * divergence(rows, np.asarray(other, np.float32), 15)


def test_cells_reach_what_all_pairs_reach() -> None:
    draw = np.random.default_rng(1)
    rows = (draw.normal(size=(30, 6))[draw.integers(0, 30, 2400)] * 3 + draw.normal(size=(2400, 6))).astype(
        "f"
    )
    found = fit(rows, perplexity=10, exaggerated=100, plain=150)
    assert 0 < found.force_error < 0.01
    assert found.z_error < 1e-3
    exact = fit(rows, perplexity=10, exaggerated=100, plain=150, theta=0.05)
    assert found.kl_divergence == pytest.approx(exact.kl_divergence, rel=0.03)


@pytest.mark.parametrize("n", [300, 2400])
def test_the_same_input_gives_the_same_bits_with_one_thread_and_with_all(n: int) -> None:
    import numba

    rows = np.random.default_rng(2).normal(size=(n, 5)).astype(np.float32)
    found = [fit(rows, perplexity=5, exaggerated=30, plain=30)]
    threads = numba.get_num_threads()
    numba.set_num_threads(1)
    try:
        found.append(fit(rows, perplexity=5, exaggerated=30, plain=30))
    finally:
        numba.set_num_threads(threads)
    np.testing.assert_array_equal(found[0].coordinates, found[1].coordinates)


@pytest.mark.parametrize("n_components", [2, 3])
@pytest.mark.parametrize(
    "rows",
    [
        np.zeros((50, 4)),
        np.repeat(np.random.default_rng(3).normal(size=(60, 4)), 2, axis=0),
        np.random.default_rng(3).normal(size=(120, 4)) * (np.arange(120) % 2)[:, None],
        np.vstack([np.random.default_rng(3).normal(size=(99, 4)), np.full((1, 4), 1e6)]),
        np.random.default_rng(3).normal(size=(5, 4)),
        np.random.default_rng(3).normal(size=(100, 1)),
        np.repeat(np.arange(40), 10)[:, None] * 1e3 + np.random.default_rng(3).normal(size=(400, 2)),
    ],
    ids=["constant", "all twice", "half the same", "outlier", "five rows", "one channel", "40 islands"],
)
def test_every_map_is_finite(rows: NDArray[np.float64], n_components: int) -> None:
    found = fit(rows, n_components, perplexity=min(10, (len(rows) - 1) / 3))
    assert np.isfinite(found.coordinates).all()
    assert np.isfinite([found.kl_divergence, found.force_error, found.z_error]).all()
    assert np.ptp(found.coordinates, axis=0).min() > 0
    assert np.abs(found.coordinates).max() < 1e5


def test_the_callback_sees_progress_and_may_stop() -> None:
    rows, _ = clusters(200)
    seen: list[tuple[int, float]] = []

    def watch(iteration: int, coordinates: NDArray[np.float32], kl: float | None) -> bool:
        assert coordinates.shape == (200, 2)
        assert kl is not None
        seen.append((iteration, kl))
        return iteration == 400

    found = fit(rows, 2, callback=watch)
    assert [iteration for iteration, _ in seen] == list(range(50, 401, 50))
    assert seen[-1][1] < seen[0][1]
    assert found.n_iter == 400
    assert found.kl_divergence == pytest.approx(seen[-1][1], rel=1e-3)


def test_an_interruption_leaves_the_last_state_with_the_callback() -> None:
    rows, _ = clusters(200)
    seen: list[tuple[int, float | None]] = []

    def watch(iteration: int, coordinates: NDArray[np.float32], kl: float | None) -> None:
        seen.append((iteration, kl))
        assert np.isfinite(coordinates).all()
        if iteration == 100 and kl is not None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(rows, callback=watch)
    assert seen[-1] == (100, None)


def test_the_callers_arrays_are_left_alone() -> None:
    rows, _ = clusters(200)
    indices, distances = neighbours(rows, rows, 45)
    first = start(rows, 3)
    kept = [array.copy() for array in (indices, distances, first)]
    fit_fast_tsne(indices, distances, first, perplexity=15, exaggerated=5, plain=5)
    for array, before in zip((indices, distances, first), kept, strict=True):
        np.testing.assert_array_equal(array, before)


@pytest.mark.parametrize("n_components", [2, 3])
def test_fitted_rows_are_placed_where_they_are(n_components: int) -> None:
    rows, _ = clusters()
    fixed = fitted(n_components).coordinates
    placed = place(*neighbours(rows.copy(), rows, 45), fixed, perplexity=15)
    assert np.abs(placed - fixed).max() < 1e-3


def test_new_rows_are_placed_among_their_kind_each_by_itself() -> None:
    rows, labels = clusters(600)
    fixed = fit(rows[:500]).coordinates
    indices, distances = neighbours(rows[500:], rows[:500], 45)
    placed = place(indices, distances, fixed, perplexity=15)
    nearest, _ = neighbours(placed, fixed, 5)
    assert (labels[:500][nearest] == labels[500:, None]).mean() > 0.95
    np.testing.assert_array_equal(place(indices[7:8], distances[7:8], fixed, perplexity=15), placed[7:8])
    assert place(indices[:0], distances[:0], fixed).shape == (0, 3)


def test_importing_the_room_does_not_import_numba() -> None:
    code = "import sys, explorer.reduce, explorer.reduce.fast_tsne; print('numba' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_machine_code_is_not_kept_beside_the_source_where_no_installer_would_remove_it() -> None:
    import explorer
    from explorer.reduce import jit, tsne_kernels

    package = Path(explorer.__file__).parent
    kernels = [value for value in vars(tsne_kernels).values() if hasattr(value, "py_func")]
    assert len(kernels) > 5
    for kernel in kernels:
        assert package not in Path(kernel.stats.cache_path).parents, kernel
    assert not jit.numba.config.CACHE_LOCATOR_CLASSES  # other packages' functions stay where numba puts them


def test_without_a_folder_to_keep_machine_code_in_kernels_still_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import numba

    from explorer.reduce import jit

    plain = numba.njit

    def refusing(*arguments: Any, cache: bool = False, **options: Any) -> Any:
        def decorate(function: Any) -> Any:
            if cache:
                raise RuntimeError("cannot cache function: no locator available")
            return plain(**options)(function)

        return decorate

    monkeypatch.setattr(numba, "njit", refusing)

    @jit.compiled()
    def double(value: float) -> float:
        return value * 2

    assert double(1.5) == 3
