"""t-SNE in JAX sums what the compiled kernels sum and ends in as good a map, on whatever device is here."""

import numpy as np
import pytest

import explorer
from explorer.reduce.accelerated import fit_jax_tsne, repulsion
from explorer.reduce.barnes_hut import exact_sums
from explorer.reduce.neighbours import find_neighbours

rng = np.random.default_rng(0)
rows = (np.repeat(rng.normal(size=(5, 8)) * 5, 40, axis=0) + rng.normal(size=(200, 8))).astype(np.float32)


@pytest.mark.parametrize("pairs", [1 << 26, 3000])
def test_forces_and_their_normalisation_are_those_of_the_kernels(
    pairs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("explorer.reduce.accelerated.PAIRS", pairs)  # blocks that do and do not divide n
    points = rng.normal(size=(333, 4)).astype(np.float32) * 5
    points[:, 3] = 0
    forces, z = repulsion(points[:, :3].T)
    sums = exact_sums(points, points)
    np.testing.assert_allclose(np.asarray(forces).T, sums[:, :3], rtol=1e-4, atol=1e-4)
    assert float(z) == pytest.approx(float(sums[:, 3].sum()) - len(points), rel=1e-5)


@pytest.mark.parametrize("n_components", [2, 3])
def test_the_map_is_as_good_as_that_of_the_kernels(n_components: int) -> None:
    maps = {
        engine: explorer.project(rows, method="tsne", n_components=n_components, engine=engine)
        for engine in ("explorer", "jax")
    }
    ours, jax = (maps[engine].quality for engine in ("explorer", "jax"))
    assert jax["kl_divergence"] == pytest.approx(ours["kl_divergence"], rel=0.05)
    assert jax["trustworthiness"] == pytest.approx(ours["trustworthiness"], abs=0.01)
    assert maps["jax"].coordinates.shape == (200, n_components)
    back = maps["jax"].transform(rows[:3])
    np.testing.assert_allclose(back, maps["jax"].coordinates[:3], atol=1e-3)


def test_it_can_be_watched_and_ended() -> None:
    near = find_neighbours(rows, 60)
    seen: list[int] = []

    def watch(iteration: int, coordinates: np.ndarray, divergence: float | None) -> bool:
        assert coordinates.shape == (200, 2)
        assert divergence is not None
        assert np.isfinite(divergence)
        seen.append(iteration)
        return len(seen) == 3

    start = rng.normal(size=(200, 2)) * 1e-4
    fitted = fit_jax_tsne(near.indices, near.distances, start, perplexity=20, callback=watch)
    assert seen == [50, 100, 150]
    assert fitted.n_iter == 150
