from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from explorer.errors import ReductionError
from explorer.reduce.fast_umap import FastUMAP, fit_fast_umap
from explorer.reduce.neighbours import find_neighbours
from explorer.reduce.umap_place import place

Floats = NDArray[np.float32]


def clusters(n: int = 600, seed: int = 0) -> tuple[Floats, NDArray[np.int64]]:
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 6
    return (rng.normal(size=(6, 10))[labels] * 3 + rng.normal(size=(n, 10))).astype(np.float32), labels


def fit(rows: Floats, k: int = 14, **options: object) -> FastUMAP:
    found = find_neighbours(rows, k)
    return fit_fast_umap(found.indices, found.distances, **options)  # type: ignore[arg-type]


def trustworthiness(features: Floats, coordinates: Floats, k: int = 15) -> float:
    """Venna & Kaski (2001), written out."""
    n = len(features)
    order = [((rows[:, None] - rows[None]) ** 2).sum(-1).argsort(axis=1) for rows in (features, coordinates)]
    ranks = np.argsort(order[0], axis=1)
    excess = np.maximum(np.take_along_axis(ranks, order[1][:, 1 : k + 1], axis=1) - k, 0)
    return 1 - 2 * float(excess.sum()) / (n * k * (2 * n - 3 * k - 1))


@pytest.mark.parametrize("dim", [2, 3])
@pytest.mark.parametrize("initial", ["pca", "spectral"])
def test_clusters_stay_together(dim: int, initial: str) -> None:
    features, labels = clusters()
    done = fit(features, n_components=dim, features=features, initial=initial)
    assert done.coordinates.shape == (600, dim)
    assert done.epochs == 500
    near = find_neighbours(done.coordinates, 10).indices
    assert (labels[near] == labels[:, None]).mean() > 0.98
    assert trustworthiness(features, done.coordinates) > 0.88


def test_seeds_give_maps_of_their_own_and_no_seed_a_new_one_each_time() -> None:
    features, _ = clusters(200)
    first, again, other = (fit(features, random_state=seed).coordinates for seed in (3, 3, 4))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    unseeded = fit(features, random_state=None)
    assert not np.array_equal(unseeded.coordinates, fit(features, random_state=None).coordinates)
    assert np.array_equal(unseeded.coordinates, fit(features, random_state=unseeded.random_state).coordinates)


@pytest.mark.parametrize("initial", ["pca", "spectral"])
def test_one_thread_two_and_five_give_the_same_bits(initial: str) -> None:
    features, _ = clusters(6_000)
    found = find_neighbours(features, 8)
    one, two, five = (
        fit_fast_umap(
            found.indices, found.distances, features=features, initial=initial, epochs=31, threads=threads
        ).coordinates
        for threads in (1, 2, 5)
    )
    assert np.array_equal(one, two)
    assert np.array_equal(one, five)


def test_the_number_of_numba_threads_does_not_change_a_bit() -> None:
    code = (
        "import hashlib, numpy as np; from explorer.reduce.neighbours import find_neighbours;"
        "from explorer.reduce.fast_umap import fit_fast_umap;"
        "x = np.random.default_rng(0).normal(size=(5000, 9)).astype(np.float32);"
        "f = find_neighbours(x, 8); m = fit_fast_umap(f.indices, f.distances, features=x, epochs=20);"
        "print(hashlib.sha256(m.coordinates.tobytes()).hexdigest())"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", code], env={"NUMBA_NUM_THREADS": threads}, capture_output=True, check=True
        ).stdout
        for threads in "12"
    }
    assert len(digests) == 1


STRANGE: dict[str, Callable[[np.random.Generator], NDArray[np.float64]]] = {
    "five rows": lambda rng: rng.normal(size=(5, 4)),
    "seven rows": lambda rng: rng.normal(size=(7, 1)),
    "constant": lambda rng: np.ones((60, 4)),
    "half equal": lambda rng: rng.normal(size=(200, 4)) * (np.arange(200) % 2)[:, None],
    "each twice": lambda rng: np.repeat(rng.normal(size=(100, 4)), 2, axis=0),
    "40 islands": lambda rng: (
        np.repeat(rng.normal(size=(40, 4)) * 1e4, 30, axis=0) + rng.normal(size=(1200, 4))
    ),
    "dead ReLU": lambda rng: rng.normal(size=(400, 30)) * (rng.uniform(size=(400, 30)) > 0.9),
    "outlier": lambda rng: np.concatenate([rng.normal(size=(300, 4)), np.full((1, 4), 1e6)]),
    "a line": lambda rng: np.arange(300)[:, None] * np.ones((1, 3)),
    "huge": lambda rng: rng.normal(size=(100, 4)) * 1e30,
    "tiny": lambda rng: rng.normal(size=(100, 4)) * 1e-30,
}


@pytest.mark.parametrize("initial", ["pca", "spectral", "spectral without features"])
@pytest.mark.parametrize("case", STRANGE)
def test_strange_rows_get_finite_places(case: str, initial: str) -> None:
    features = STRANGE[case](np.random.default_rng(0)).astype(np.float32)
    given = None if "without" in initial else features
    done = fit(features, features=given, initial=initial.split()[0], epochs=100)
    assert np.isfinite(done.coordinates).all()
    assert done.coordinates.std() > 0
    assert np.abs(done.coordinates).max() < 1e4


def test_a_crowd_of_equal_rows_stays_together() -> None:
    features, _ = clusters(2_500)
    features[::2] = 0
    coordinates = fit(features, features=features, epochs=200).coordinates
    crowd = coordinates[::2]
    assert np.abs(crowd - np.median(crowd, axis=0)).max() < 8


def test_the_callback_sees_the_layout_and_ends_it_without_changing_it() -> None:
    features, _ = clusters(300)
    seen: list[int] = []

    def watch(epoch: int, coordinates: Floats) -> bool:
        seen.append(epoch)
        assert coordinates.shape == (300, 2)
        return epoch == 50

    stopped = fit(features, n_components=2, callback=watch)
    assert seen == [10, 20, 30, 40, 50]
    assert stopped.epochs == 50
    whole = fit(features, n_components=2).coordinates
    watched = fit(features, n_components=2, callback=lambda epoch, coordinates: None).coordinates
    assert np.array_equal(whole, watched)
    assert not np.array_equal(whole, stopped.coordinates)


def test_a_map_starts_where_it_is_told() -> None:
    features, _ = clusters(200)
    first = np.random.default_rng(0).uniform(0, 10, (200, 2)).astype(np.float32)
    done = fit(features, n_components=2, initial=first, epochs=1)
    assert np.abs(done.coordinates - first).max() < 60
    assert not np.array_equal(done.coordinates, first)


@pytest.mark.parametrize("dim", [2, 3])
def test_new_rows_lie_among_their_like_and_equal_ones_where_they_were(dim: int) -> None:
    features, labels = clusters(900)
    known, asked = features[:700], features[700:]
    done = fit(known, n_components=dim, features=known)
    same = find_neighbours(known, 15, queries=known[:50])
    again = place(same.indices, same.distances, done.coordinates)
    np.testing.assert_allclose(again, done.coordinates[:50], atol=1e-6)
    found = find_neighbours(known, 15, queries=asked)
    placed = place(found.indices, found.distances, done.coordinates)
    assert placed.dtype == np.float32
    near = find_neighbours(done.coordinates, 5, queries=placed).indices
    assert (labels[:700][near] == labels[700:, None]).mean() > 0.97
    assert np.array_equal(placed, place(found.indices, found.distances, done.coordinates))
    alone = place(found.indices[:1], found.distances[:1], done.coordinates)
    assert np.isfinite(alone).all()
    assert place(found.indices[:0], found.distances[:0], done.coordinates).shape == (0, dim)


def test_what_does_not_fit_together_is_refused() -> None:
    found = find_neighbours(clusters(60)[0], 5)
    good = (found.indices, found.distances)
    for bad in (
        (found.indices[:, :2], found.distances),
        (found.indices + 60, found.distances),
        (found.indices, found.distances * np.nan),
    ):
        with pytest.raises(ReductionError):
            fit_fast_umap(*bad)
    with pytest.raises(ReductionError, match="n_components"):
        fit_fast_umap(*good, n_components=4)
    with pytest.raises(ReductionError, match="'pca' with features"):
        fit_fast_umap(*good, initial="pca")
    with pytest.raises(ReductionError, match="first positions"):
        fit_fast_umap(*good, initial=np.zeros((3, 3)))


def test_importing_the_reducers_imports_no_compiler() -> None:
    code = (
        "import sys, explorer, explorer.reduce, explorer.reduce.fast_umap, explorer.reduce.neighbours;"
        "print([name for name in ('numba', 'faiss', 'scipy') if name in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("dim", [2, 3])
def test_the_map_is_as_good_as_umap_learns(dim: int) -> None:
    from umap import UMAP

    features, _ = clusters(1500)
    theirs = UMAP(n_components=dim, random_state=0, n_jobs=1).fit_transform(features)
    ours = fit(features, n_components=dim, features=features).coordinates
    assert trustworthiness(features, ours) > trustworthiness(features, theirs) - 0.005
    true = find_neighbours(features, 15).indices
    kept = [
        np.mean([len(set(a) & set(b)) for a, b in zip(find_neighbours(m, 15).indices, true, strict=True)])
        for m in (ours, theirs)
    ]
    assert kept[0] > 0.95 * kept[1]
