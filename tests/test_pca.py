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


@pytest.mark.parametrize("standardise", [False, True])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_fewer_rows_than_features_give_the_same_as_scikit_learn(dtype: str, standardise: bool) -> None:
    few = (rng.normal(size=(40, 300)) * np.logspace(0, 1, 300) + 5).astype(dtype)
    basis = fit_pca([few[:15], few[15:]], 3, standardise=standardise)
    wide = few.astype(np.float64)
    scaled = wide / wide.std(axis=0, ddof=1) if standardise else wide
    reference = decomposition.PCA(3, svd_solver="full").fit(scaled)
    np.testing.assert_allclose(basis.explained_variance, reference.explained_variance_, rtol=1e-5)
    np.testing.assert_allclose(basis.explained_variance_ratio, reference.explained_variance_ratio_, rtol=1e-5)
    np.testing.assert_allclose(
        np.abs(basis.transform(few)), np.abs(reference.transform(scaled)), rtol=1e-3, atol=1e-3
    )


def test_few_rows_of_very_many_features_need_no_matrix_of_the_features() -> None:
    wide = rng.normal(size=(20, 100_000)).astype(np.float32)  # whose matrix would take 80 GB
    assert fit_pca([wide], 3).components.shape == (3, 100_000)


def test_whitened_scores_have_unit_variance_and_the_same_direction() -> None:
    plain, white = fit_pca([rows], 3).transform(rows), fit_pca([rows], 3, whiten=True).transform(rows)
    np.testing.assert_allclose(white.std(axis=0, ddof=1), 1, rtol=1e-4)
    np.testing.assert_allclose(white * plain.std(axis=0, ddof=1), plain, rtol=1e-3, atol=1e-3)


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


@pytest.mark.parametrize("shape", [(50, 4), (4, 50)])
def test_numbers_whose_coordinates_would_overflow_are_an_error(shape: tuple[int, int]) -> None:
    rows = np.random.default_rng(0).normal(size=shape).astype(np.float32) * np.float32(1e37)
    with pytest.raises(explorer.ReductionError, match=r"numbers beyond 1e\+35"):
        fit_pca([rows], 2)
