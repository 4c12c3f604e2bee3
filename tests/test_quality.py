import numpy as np
import pytest
from sklearn.manifold import trustworthiness as reference_score

import explorer
from explorer.reduce import quality

rng = np.random.default_rng(0)
rows = (rng.normal(size=(300, 6)) * [5, 3, 2, 1, 1, 1]).astype(np.float32)
good = rows[:, :3] + rng.normal(scale=0.1, size=(300, 3)).astype(np.float32)


def test_trustworthiness_and_continuity_are_those_of_scikit_learn() -> None:
    scored = quality.figures(quality.distances(rows), quality.distances(good))
    assert scored.trustworthiness == pytest.approx(reference_score(rows, good, n_neighbors=15), abs=1e-9)
    assert scored.continuity == pytest.approx(reference_score(good, rows, n_neighbors=15), abs=1e-9)


def test_a_perfect_map_scores_one_in_everything() -> None:
    scored = quality.figures(quality.distances(rows), quality.distances(rows * 3))
    assert scored == quality.Figures(1.0, 1.0, 1.0, pytest.approx(1.0))


def test_shepard_correlation_is_spearmans() -> None:
    from scipy.stats import spearmanr

    one, other = rng.normal(size=500), rng.normal(size=500)
    assert quality.rank_correlation(one, one + other) == pytest.approx(spearmanr(one, one + other)[0])
    assert quality.rank_correlation(one, np.ones(500)) == 0.0


def test_the_baselines_are_where_they_should_be() -> None:
    scored = quality.measure(rows, good)
    assert scored["measured_on"] == 300
    assert scored["random"]["trustworthiness"] == pytest.approx(0.5, abs=0.05)
    assert scored["random"]["shepard_correlation"] == pytest.approx(0, abs=0.1)
    own = quality.measure(rows, explorer.project(rows, method="pca").coordinates)
    for name in ("trustworthiness", "continuity", "neighbourhood_preservation"):
        assert own[name] == pytest.approx(own["pca"][name], abs=1e-3)


def test_a_misplaced_position_is_not_trusted_and_the_others_are() -> None:
    shown = good.copy()
    shown[7] = good[np.argmax(((good - good[7]) ** 2).sum(axis=1))]
    trust = quality.trustworthiness(rows, shown, np.arange(300))
    assert trust[7] < 0.3
    assert np.median(trust) > 0.9


def test_trust_averages_to_the_trustworthiness_of_the_map() -> None:
    trust = quality.trustworthiness(rows, good, np.arange(300))
    assert trust.mean() == pytest.approx(reference_score(rows, good, n_neighbors=quality.NEAR), abs=1e-6)


def test_too_few_rows_are_not_measured() -> None:
    assert quality.measure(rows[:20], good[:20]) == {}
    assert quality.reference_rows(10) is None
    assert explorer.project(rows[:10], method="pca").trust is None


def test_a_projection_keeps_figures_and_trust(tmp_path) -> None:
    projection = explorer.project(rows, method="tsne", n_components=2)
    loaded = explorer.load_projection(projection.save(tmp_path / "p"))
    assert loaded.quality == projection.quality
    np.testing.assert_array_equal(loaded.trust, projection.trust)
    assert {"trustworthiness", "continuity", "neighbourhood_preservation", "shepard_correlation"} <= set(
        loaded.quality
    )


def test_trust_streamed_from_a_run_is_that_of_the_rows_in_memory(toy, folder, tmp_path) -> None:
    run = explorer.capture(toy, folder, layers=["half"], out=tmp_path / "run", memory=7_000)
    streamed = explorer.project(run, layer="half", method="pca")
    in_memory = explorer.project(run["half"], method="pca")
    for name in ("trustworthiness", "continuity", "neighbourhood_preservation", "shepard_correlation"):
        assert streamed.quality[name] == pytest.approx(in_memory.quality[name], abs=0.02)
    np.testing.assert_allclose(streamed.trust, in_memory.trust, atol=0.02)
