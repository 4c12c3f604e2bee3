import numpy as np
import pytest
from sklearn import decomposition

import explorer
from explorer.reduce.pca import fit_pca

rng = np.random.default_rng(0)
rows = (rng.normal(size=(500, 12)) @ rng.normal(size=(12, 12)) + 50).astype(np.float32)


def test_scores_and_variance_are_those_of_scikit_learn() -> None:
    basis = fit_pca([rows], 3)
    reference = decomposition.PCA(3, svd_solver="full").fit(rows.astype(np.float64))
    signs = np.sign((basis.components * reference.components_).sum(axis=1))
    np.testing.assert_allclose(basis.components * signs[:, None], reference.components_, atol=1e-6)
    np.testing.assert_allclose(basis.explained_variance, reference.explained_variance_, rtol=1e-6)
    np.testing.assert_allclose(basis.explained_variance_ratio, reference.explained_variance_ratio_, rtol=1e-6)
    np.testing.assert_allclose(basis.transform(rows) * signs, reference.transform(rows), atol=1e-3)


@pytest.mark.parametrize(("dtype", "within"), [("float64", 1e-9), ("float32", 1e-5)])
def test_chunks_give_the_same_as_the_whole(dtype: str, within: float) -> None:
    typed = rows.astype(dtype)
    whole, parts = fit_pca([typed], 3), fit_pca(iter([typed[:7], typed[7:400], typed[400:]]), 3)
    np.testing.assert_allclose(parts.components, whole.components, atol=within)


def test_the_largest_entry_of_each_component_is_positive() -> None:
    for components in (fit_pca([rows], 3).components, fit_pca([-rows], 3).components):
        assert (components[np.arange(3), np.abs(components).argmax(axis=1)] > 0).all()


def test_a_large_offset_does_not_drown_the_variance() -> None:
    small = rng.normal(size=(300, 4))
    np.testing.assert_allclose(
        fit_pca([small + 1e8], 2).explained_variance, fit_pca([small], 2).explained_variance, rtol=1e-5
    )


def test_standardised_channels_weigh_the_same() -> None:
    scaled = rows * np.logspace(-3, 3, 12)
    np.testing.assert_allclose(
        fit_pca([scaled], 3, standardise=True).explained_variance_ratio,
        fit_pca([rows], 3, standardise=True).explained_variance_ratio,
        rtol=1e-3,
    )


@pytest.mark.parametrize("shape", [(1, 5), (2, 5), (10, 1), (10, 2), (4, 400)])
def test_few_rows_or_features_give_finite_scores(shape: tuple[int, int]) -> None:
    scores = fit_pca([rng.normal(size=shape)], 3).transform(rng.normal(size=shape))
    assert scores.shape == (shape[0], 3)
    assert np.isfinite(scores).all()


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_tiny_and_huge_values_keep_their_shape(scale: float) -> None:
    small = fit_pca([rows.astype(float)], 3)
    other = fit_pca([rows * scale], 3)
    np.testing.assert_allclose(other.explained_variance_ratio, small.explained_variance_ratio, rtol=1e-5)


def test_rows_of_another_width_are_refused() -> None:
    with pytest.raises(explorer.ReductionError, match="12 features"):
        fit_pca([rows], 2).transform(rows[:, :5])


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_not_finite_is_an_error(value: float) -> None:
    bad = rows.copy()
    bad[3, 3] = value
    with pytest.raises(explorer.ReductionError, match="NaN"):
        fit_pca([bad], 2)
